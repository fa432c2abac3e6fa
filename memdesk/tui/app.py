"""The desk as an application: the screens, the service behind them, and what becomes of errors."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import traceback
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual.app import App, SystemCommand
from textual.events import Key

from memdesk.errors import MemdeskError
from memdesk.memory import PERSONAL
from memdesk.tui.clipboard import copy
from memdesk.tui.desk import Desk
from memdesk.tui.glyphs import glyphs
from memdesk.tui.keymap import checked
from memdesk.tui.keys import APP_KEYS
from memdesk.tui.main import MainScreen
from memdesk.tui.palette import ActionCommands
from memdesk.tui.places import PlaceCommands
from memdesk.tui.plain import plain
from memdesk.tui.typeahead import TypeAhead

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from textual.binding import Binding, BindingType
    from textual.dom import DOMNode
    from textual.events import Event
    from textual.screen import Screen

    from memdesk.answers import Overview
    from memdesk.service import Service
    from memdesk.tui.places import Place

T = TypeVar("T")
R = TypeVar("R")
log = logging.getLogger(__name__)

TOAST_SECONDS = 4.0
ERROR_SECONDS = 8.0


class MemdeskApp(App[None]):
    """One person's desk in a terminal.

    Made from plain arguments; the service is opened in a thread after the first frame.
    """

    TITLE = "memdesk"
    CSS_PATH = "memdesk.tcss"
    COMMANDS: ClassVar = {ActionCommands, PlaceCommands}
    BINDINGS: ClassVar[list[BindingType]] = [*APP_KEYS]
    NOTIFICATION_TIMEOUT = TOAST_SECONDS

    def __init__(
        self,
        open_service: Callable[[], Service],
        *,
        keys: Mapping[str, str] | None = None,
        theme: str = "",
        connect: str = "",
        default_space: str = PERSONAL,
        activity: bool = True,
        log_file: str = "",
        unsaved: str = "",
        keep_unsaved: Callable[[str], None] | None = None,
        save_theme: Callable[[str], None] | None = None,
    ) -> None:
        """Prepare the desk.

        `keys` gives bindings other keys, by their ids; `connect` is the line that connects a host,
        shown while nothing is remembered; `default_space` is where new memories go; `activity`
        says whether what hosts ask is logged; `log_file` is where unexpected errors are told in full;
        `keep_unsaved` hears what was being written when the window was closed, and `unsaved` is
        that of last time; `save_theme` hears of a theme that the person chose.
        """
        super().__init__()
        self.desk = Desk(open_service)
        self.glyphs = glyphs()
        self.connect = connect
        self.default_space = default_space
        self.activity = activity
        self.ended_by = ""
        """What has ended the desk, in a sentence; empty when the person did."""
        self.overview: Overview | None = None
        """What there is to browse, as far as it is known."""
        self.unsaved = unsaved
        """What was being written when the desk was closed last."""
        self._log_file = log_file
        self._keep_unsaved = keep_unsaved
        self._keys = dict(keys or {})
        self._theme_wanted = theme
        self._save_theme = save_theme
        self._doing: set[asyncio.Task[None]] = set()
        self.writing = 0
        """How many changes are on their way."""
        self._warned = False
        self.type_ahead = TypeAhead(self)

    def on_mount(self) -> None:
        """Show the main screen at once; it asks for the service afterwards."""
        if self._theme_wanted in self.available_themes:
            self.theme = self._theme_wanted
        self.theme_changed_signal.subscribe(self, lambda theme: self._keep_theme(theme.name))
        self._use_keys()
        self._leave_well()
        self.push_screen(MainScreen())
        if self.unsaved:
            self.say("What you were writing when the desk was closed is kept: n goes on with it.")

    def _leave_well(self) -> None:
        """Restore the terminal also when the system, or a closed window, ends the desk."""
        for name in ("SIGTERM", "SIGHUP"):
            with contextlib.suppress(AttributeError, NotImplementedError, RuntimeError, ValueError):
                number = getattr(signal, name)
                asyncio.get_running_loop().add_signal_handler(number, self._hang_up, number)

    def _hang_up(self, number: int) -> None:
        """Leave at once, since nobody can be asked; what is being written is kept for the next time."""
        try:
            for screen in self.screen_stack:
                written = getattr(screen, "unsaved", "")
                if written and self._keep_unsaved:
                    self._keep_unsaved(written)
        finally:
            self.exit(return_code=128 + number)

    async def action_quit(self) -> None:
        """Leave, unless something that was written would be lost: then its question comes first."""
        if getattr(self.screen, "dirty", False):
            await self.screen.run_action("cancel")
        elif any(getattr(screen, "dirty", False) for screen in self.screen_stack):
            return  # a question about it is open
        elif self.writing and not self._warned:
            self._warned = True
            self.say("A change still waits for the store. Quit again to leave without it.")
        else:
            self.exit()

    def _use_keys(self) -> None:
        """Take the keys of the settings, and say once which of them cannot be used."""
        usable, troubles = checked(self._keys)
        self.set_keymap(usable)
        if troubles:
            self.notify(
                "\n".join(troubles), severity="warning", timeout=ERROR_SECONDS, markup=False
            )

    def handle_bindings_clash(self, clashed_bindings: set[Binding], node: DOMNode) -> None:
        """Say nothing: it was said when the desk opened."""

    def _keep_theme(self, name: str) -> None:
        if self._save_theme and name != self._theme_wanted:
            self._theme_wanted = name
            self._save_theme(name)

    async def on_event(self, event: Event) -> None:
        """Take note of what keys are aimed at, before they are on their way."""
        if isinstance(event, Key) and not event.is_forwarded:
            self.type_ahead.aim(event)
        await super().on_event(event)

    def on_key(self, event: Key) -> None:
        """Let no key act where it was not meant to."""
        if self.type_ahead.takes(event):
            event.stop()
            event.prevent_default()

    # The service

    async def ask(self, work: Callable[[Service], T]) -> T:
        """Return what the service answers; asked on a thread, so that the screen goes on."""
        return await self.desk.ask(work)

    def do(self, work: Coroutine[Any, Any, None], *, opens: bool = False) -> None:
        """Begin something; what goes wrong in it is told, and the desk stays open.

        Where it `opens` a dialog, the keys that follow are for that.
        """
        if opens:
            self.type_ahead.keep()
        task = asyncio.create_task(self._done(work, opens=opens))
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    async def _done(self, work: Coroutine[Any, Any, None], *, opens: bool) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - the desk stays open, whatever happened
            self.tell(error)
        if opens:  # nothing came, or it has gone
            self.type_ahead.release()

    def tell(self, error: Exception) -> None:
        """Tell a person what went wrong: in a sentence, and where the rest of it is written."""
        if not self.is_running:
            return
        if isinstance(error, MemdeskError):
            words = str(error)
        else:
            log.error("something unexpected happened: %s", _trace(error))
            words = f"Something unexpected happened ({type(error).__name__})."
            words += f" What exactly is in {self._log_file}." if self._log_file else ""
        self.clear_notifications()  # they would cover the desk
        self.notify(plain(words), severity="error", timeout=ERROR_SECONDS, markup=False)

    def say(self, words: str) -> None:
        """Tell a person what happened, for a moment."""
        self.clear_notifications()
        self.notify(plain(words), markup=False)

    def copy(self, text: str, what: str) -> None:
        """Put text on the clipboard, also over ssh."""
        copy(self, text)
        self.say(f"Copied {what}.")

    async def answer_of(self, screen: Screen[R]) -> R | None:
        """Open a screen over the desk and return what it is dismissed with."""
        given: asyncio.Future[R | None] = asyncio.get_running_loop().create_future()

        def give(answer: R | None) -> None:
            if not given.done():
                given.set_result(answer)

        self.type_ahead.keep()  # until the screen is there
        self.push_screen(screen, give)
        return await given

    def forget_unsaved(self) -> None:
        """Keep what was being written last time no longer: it is saved."""
        if self.unsaved and self._keep_unsaved:
            self._keep_unsaved("")
        self.unsaved = ""

    # Going about

    def go_to(self, place: Place) -> None:
        """Show what is somewhere."""
        if self.main:
            self.main.go_to(place)

    @property
    def main(self) -> MainScreen | None:
        """The main screen, once it is there."""
        return next((each for each in self.screen_stack if isinstance(each, MainScreen)), None)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Yield every action for the palette, and the themes."""
        if isinstance(screen, MainScreen):
            yield from screen.commands()
        yield SystemCommand("Theme", "Choose the colours", self.action_change_theme)
        yield SystemCommand("Quit", "Leave the desk", self.action_quit)

    def _fatal_error(self) -> None:
        """End in a sentence: a traceback of the screen would show what the memories say."""
        error = self._exception
        log.error("the desk ended: %s", _trace(error) if error else "")
        where = f"; what exactly is in {self._log_file}" if self._log_file else ""
        self.ended_by = f"something unexpected happened ({type(error).__name__}){where}"
        self._close_messages_no_wait()

    async def on_unmount(self) -> None:
        """Let the service go."""
        await asyncio.to_thread(self.desk.close)


def _trace(error: BaseException) -> str:
    """Return where an error came from and of which type it is, without its words: they may be a memory's."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"{type(error).__name__}\n{frames}"
