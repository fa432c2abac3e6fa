"""The terminal desk in a test: opened without a terminal, driven by keys, read as plain text."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from unittest.mock import patch

from fakes import FakeEmbedder
from textual.notifications import Notify

# All of them, so that `still` stops the clock of each.
from memdesk.memory import Draft, Source, now
from memdesk.service import Service
from memdesk.tui import activity, editor, history, status, view
from memdesk.tui.app import MemdeskApp
from memdesk.tui.desk import Desk
from memdesk.tui.main import MainScreen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    import pytest
    from textual.app import App
    from textual.message import Message
    from textual.pilot import Pilot

    from memdesk.answers import Recalled

T = TypeVar("T")
DEADLINE = 20.0
"""Seconds after which what does not come about has failed."""
SCREENS = Path(__file__).with_name("screens")
UPDATE = "MEMDESK_UPDATE_SCREENS"
"""Set it to 1 to write the goldens anew; look at each of them in the diff."""
NARROW, WIDE = (80, 24), (160, 45)
NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
CONNECT = "claude mcp add memdesk -- memdesk mcp"
_ALL = (activity, editor, history, status)
MEMORIES = (
    (90, "Learning Portuguese, about A2; wants corrections inline", ("home",), "claude"),
    (60, "Landlord: Mr. Weiss, +49 30 555 0101, calls only", ("home",), "claude"),
    (23, "The staging database is reset every Sunday night", ("work",), "claude-code"),
    (16, "Coffee: V60, 15 g to 250 ml, 94 degrees", ("home",), "claude"),
    (9, "Tests first when fixing bugs; name them test_<symptom>", ("work",), "claude-code"),
    (6, "Dentist knows about the penicillin allergy; Dr. Brandt, Mitte", ("health",), "claude"),
    (
        4,
        "Writing a talk on local-first software for PyCon; outline in notes/talk.md, due in March",
        ("work",),
        "claude",
    ),
    (2, "Allergic to penicillin", ("health",), "claude"),
    (1, "Deploys happen on Tuesday mornings; never on Fridays after 14:00", ("work",), "cursor"),
    (
        0.2,
        "billing-api: retries must be idempotent, key = `invoice_id` + attempt",
        ("work",),
        "claude-code",
    ),
    (
        0.1,
        "Sister's name is Ana; her birthday is 14 March (buy flowers, not chocolate)",
        ("family",),
        "claude",
    ),
    (
        0.002,
        "Prefers **uv** over pip; every project pins Python 3.12 and keeps uv.lock in git",
        ("tooling", "python"),
        "claude-code",
    ),
)
"""(age in days, text, tags, who wrote it) of what the demo store holds, the oldest first."""
HOSTILE = (
    "\x1b]52;c;c2VjcmV0\x1b\\clipboard \x1b]0;title\x07 \x9b31m red \x90q\x9c end",
    "[@click=app.quit]quit[/] [red]loud[/red] [link=https://example.com]x[/link]",
    "[/x unbalanced [/] [[ ]] [/foo] \\[",
    "\u202eright to left\u202c \u2066isolated\u2069 \u200bzero\ufeffwidth",
    "<b>html</b> <script>alert(1)</script> &amp; ![x](file:///etc/passwd)",
    "tab\there\r\nline\rend\x0bvertical\x00nul\x7fdel",
)
"""Texts that command a terminal, look like markup, or break a layout (TUI.md §7)."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine gives."""
    return asyncio.run(work)


def screen_text(app: App[Any]) -> str:
    """Return what is on the screen, without its colours."""
    strips = app.screen._compositor.render_strips()
    lines = ("".join(segment.text for segment in strip).rstrip() for strip in strips)
    return "\n".join(lines) + "\n"


def golden(app: App[Any], name: str) -> None:
    """Compare the screen with the file of that name and this size; see `UPDATE`."""
    shown = screen_text(app)
    file = SCREENS / f"{name}-{app.size.width}x{app.size.height}.txt"
    if os.environ.get(UPDATE):
        SCREENS.mkdir(exist_ok=True)
        file.write_text(shown, encoding="utf-8")
    assert shown.splitlines() == file.read_text(encoding="utf-8").splitlines()


class Clock:
    """A clock that stands still until it is put forward."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def __call__(self) -> datetime:
        """Return what it shows."""
        return self.at


def still(stopped: pytest.MonkeyPatch) -> Clock:
    """Stop the clock of memdesk in this process, and put it into UTC."""
    assert _ALL
    clock = Clock()
    for name, module in sys.modules.copy().items():  # another test's thread may still import
        if name.startswith("memdesk.") and getattr(module, "now", None) is now:
            stopped.setattr(module, "now", clock)
    stopped.setattr(view, "CURSOR_REST", 0.01)  # a person rests; a test has no time
    stopped.setattr(view, "TYPED_REST", 0.02)
    stopped.setattr(view, "TYPING_REST", 0.02)
    stopped.setenv("TZ", "UTC")
    time.tzset()
    return clock


def fill(service: Service, clock: Clock) -> None:
    """Remember what the demo store holds."""
    for age, text, tags, source in MEMORIES:
        clock.at = NOW - timedelta(days=age)
        service.remember(Draft(text, tags=tags, source=Source(source, "agent")))
    clock.at = NOW


def demo_service(home: Path) -> Service:
    """Return a service on a folder, with a fake model and without background work."""
    return Service(home, FakeEmbedder(), background=False)


def desk_app(service: Service | Callable[[], Service], **settings: Any) -> MemdeskApp:
    """Return the desk in front of a service."""
    opener = service if callable(service) else lambda: service
    return MemdeskApp(opener, **{"connect": CONNECT, **settings})


class Watched(Desk):
    """The way to the service; it knows how many questions are under way."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk._open)
        self.asking = 0

    async def ask(self, work: Callable[[Service], T]) -> T:
        """Return what the service answers."""
        if getattr(work, "func", None) is view._await_change:  # it is always under way
            return await super().ask(work)
        self.asking += 1
        try:
            return await super().ask(work)
        finally:
            self.asking -= 1


class Person:
    """Somebody before the desk: presses keys and reads."""

    def __init__(
        self, app: MemdeskApp, pilot: Pilot[None], desk: Watched, toasts: list[str]
    ) -> None:
        self.app = app
        self.pilot = pilot
        self.toasts = toasts
        """What toasts have said, in order."""
        self._desk = desk

    @property
    def text(self) -> str:
        """What is on the screen."""
        return screen_text(self.app)

    @property
    def main(self) -> MainScreen:
        """The main screen."""
        return next(each for each in self.app.screen_stack if isinstance(each, MainScreen))

    @property
    def lines(self) -> list[str]:
        """The texts of the list's memories, in order."""
        return [row.memory.text for row in self.main.lines.rows.values()]

    @property
    def current(self) -> str:
        """The text of the memory under the cursor."""
        row = self.main.lines.current
        return row.memory.text if row else ""

    @property
    def footer(self) -> str:
        """The last line."""
        return self.text.splitlines()[-1]

    @property
    def title(self) -> str:
        """What stands in the list's upper border."""
        return _plain(self.main.query_one("#list").border_title)

    @property
    def place(self) -> str:
        """What stands in the list's lower border."""
        return _plain(self.main.query_one("#list").border_subtitle)

    async def press(self, *keys: str) -> None:
        """Press keys, and wait for what comes of them."""
        await self.pilot.press(*keys)
        await self.settle()

    async def type(self, words: str) -> None:
        """Type, and wait for what comes of it."""
        await self.press(*("space" if each == " " else each for each in words))

    async def look_for(self, words: str) -> None:
        """Search; the words may hold what no key can type."""
        await self.press("slash")
        self.main.search.value = words
        await self.settle()

    async def go(self, place: str) -> None:
        """Choose a place in the browse pane, by its id."""
        await self.press("f")
        pane = self.main.browse
        await self.until(lambda: place in pane._places)
        lines = pane.query_one("#places")
        cast("Any", lines).highlighted = cast("Any", lines).get_option_index(place)
        await self.press("enter")

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way."""
        screens = [each for each in self.app.screen_stack if isinstance(each, MainScreen)]
        painting = self.app._batch_count  # Textual holds back the first frame of a dialog
        return not (painting or self._desk.asking) and all(
            each._looking.idle and each._reading.idle for each in screens
        )

    async def settle(self) -> None:
        """Wait until nothing is under way."""
        calm, ends = 0, time.monotonic() + DEADLINE
        while calm < 3:
            assert time.monotonic() < ends, f"the desk does not come to rest\n{self.text}"
            await self.pilot.pause()
            calm = calm + 1 if self.quiet else 0

    async def until(self, look: Callable[[], object]) -> None:
        """Wait for something to come about."""
        ends = time.monotonic() + DEADLINE
        while not look():
            assert time.monotonic() < ends, f"it did not come about\n{self.text}"
            await self.pilot.pause()

    async def shows(self, words: str) -> None:
        """Wait for words on the screen."""
        await self.until(lambda: words in self.text)

    def golden(self, name: str) -> None:
        """Compare the screen with a file; see `golden`."""
        golden(self.app, name)


def _plain(shown: object) -> str:
    return str(getattr(shown, "plain", shown))


async def _moment(*_: object) -> None:
    """Let others run; Textual's own way is to wait until the whole process rests."""
    await asyncio.sleep(0.001)


@asynccontextmanager
async def opened(
    app: MemdeskApp, size: tuple[int, int] = NARROW, *, settle: bool = True
) -> AsyncIterator[Person]:
    """Open the desk without a terminal; with `settle`, once it shows what there is."""
    app.desk = watched = Watched(app.desk)
    with (
        patch("textual.pilot.wait_for_idle", _moment),
        patch("textual.app.wait_for_idle", _moment),
        # A toast stays on the screen, however long a busy machine takes.
        patch.object(MemdeskApp, "NOTIFICATION_TIMEOUT", 600.0),
        patch("memdesk.tui.app.ERROR_SECONDS", 600.0),
    ):
        async with _person(app, watched, size) as person:
            if settle:
                await person.until(lambda: app.overview is not None)
                await person.settle()
            yield person


@asynccontextmanager
async def _person(
    app: MemdeskApp, watched: Watched, size: tuple[int, int]
) -> AsyncIterator[Person]:
    toasts: list[str] = []

    def listen(message: Message) -> None:
        if isinstance(message, Notify) and message.notification.message not in toasts[-1:]:
            toasts.append(message.notification.message)

    async with app.run_test(size=size, notifications=True, message_hook=listen) as pilot:
        person = Person(app, pilot, watched, toasts)
        await person.until(lambda: any(isinstance(each, MainScreen) for each in app.screen_stack))
        yield person


def with_person(
    service: object,
    scene: Callable[[Person], Awaitable[None]],
    size: tuple[int, int] = NARROW,
) -> None:
    """Open the desk in front of a service, and play a scene before it."""

    async def play() -> None:
        async with opened(desk_app(cast("Service", service)), size) as person:
            await scene(person)

    run(play())


class SlowService:
    """A service whose searches wait until they are let through, and are counted."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._gate = threading.Semaphore(0)
        self.asked: list[str] = []
        """What was searched for, in order."""
        self.now, self.most = 0, 0
        """How many searches are under way, and were at most."""
        self._counting = threading.Lock()

    def let(self, many: int) -> None:
        """Let so many searches through."""
        self._gate.release(many)

    def recall(self, query: str, **more: Any) -> Recalled:
        """Answer once that is allowed."""
        with self._counting:
            self.asked.append(query)
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            assert self._gate.acquire(timeout=DEADLINE)
            return self._service.recall(query, **more)
        finally:
            with self._counting:
                self.now -= 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service, name)


class DyingService:
    """A service of which verbs fail when a test says so."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.failing: dict[str, Exception] = {}
        """What verbs raise, by their names."""
        self.failed = 0
        """How many have."""

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._service, name)
        if not callable(verb):
            return verb

        def failing(*given: Any, **more: Any) -> Any:
            if error := self.failing.get(name):
                self.failed += 1
                raise error
            return verb(*given, **more)

        return failing
