"""The place to write a memory: its text, and what belongs to it in a few lines under a rule."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.containers import Grid
from textual.widgets import Label, Rule, Static, TextArea

from memdesk.errors import Busy, Conflict, MemdeskError
from memdesk.memory import PERSONAL
from memdesk.tui.completion import NameInput, line_of, names_of
from memdesk.tui.confirm import Answer, Choice
from memdesk.tui.conflict import MINE, THEIRS, ConflictDialog
from memdesk.tui.dialog import Dialog
from memdesk.tui.external import edit_outside
from memdesk.tui.keys import EDITOR_KEYS
from memdesk.tui.plain import content, one_line, plain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from memdesk.tui.forms import Written

_NOTE = "note"
KEEP, DISCARD = "k", "d"


class Editor(Dialog[bool]):
    """Writes a memory; answers whether something was saved. What was written is never lost."""

    BINDINGS: ClassVar[list[BindingType]] = [*EDITOR_KEYS]
    HELP = "Write the text; tab goes to the tags and the rest. Nothing is kept before it is saved."

    def __init__(
        self,
        title: str,
        written: Written,
        save: Callable[[Written], Awaitable[None]],
        *,
        tags: Sequence[str] = (),
        kinds: Sequence[str] = (),
        spaces: Sequence[str] = (),
        remotes: Sequence[str] = (),
        theirs: Callable[[], Awaitable[str]] | None = None,
        text: str | None = None,
    ) -> None:
        """`save` raises what goes wrong; the sequences complete what is written in the lines.

        Where it raises `Conflict`, `theirs` gives the text of now, to be shown beside this one;
        a `save` after that is meant to replace it. `text` stands there unsaved already.
        """
        super().__init__(title)
        self._written = written
        self._saver = save
        self._theirs = theirs
        self._begun = text
        self._names = {"tags": tags, "kind": kinds, "space": spaces, "audience": remotes}
        self._shown = _lines(written)
        self._saving = False

    def within(self) -> ComposeResult:
        """Yield the text and, under a rule, the lines."""
        area = TextArea(self._shown["text"], compact=True, highlight_cursor_line=False, id="text")
        area.cursor_blink = False
        yield area
        yield Static("", classes="said", markup=False)
        yield Rule()
        with Grid(id="lines-under"):
            yield Label("Tags")
            yield self._line("tags", "none", several=True)
            yield Label("Kind")
            yield self._line("kind", _NOTE)
            yield Label("Space")
            yield self._line("space", PERSONAL)
            yield Label("Goes to")
            yield self._line("audience", "private", several=True)
            yield Label("Expires")
            yield self._line("expires", "never")

    def _line(self, name: str, empty: str, *, several: bool = False) -> NameInput:
        return NameInput(
            self._shown[name],
            names=self._names.get(name, ()),
            several=several,
            placeholder=empty,
            id=f"line-{name}",
        )

    def on_mount(self) -> None:
        """Let the person write at the end of the text."""
        if self._begun is not None:
            self._area.text = _tame(self._begun)
        self._area.focus()
        self._area.move_cursor(self._area.document.end)
        self._count()

    @property
    def _area(self) -> TextArea:
        return self.query_one("#text", TextArea)

    @property
    def written(self) -> Written:
        """What is written now; a line that was not touched stands for what it was made of."""
        return replace(
            self._written,
            text=self._value("text", self._written.text),
            tags=self._list("tags", self._written.tags),
            kind=self._value("kind", self._written.kind) or _NOTE,
            space=self._value("space", self._written.space) or PERSONAL,
            audience=self._list("audience", self._written.audience),
            expires=self._value("expires", self._written.expires),
        )

    def _now(self, name: str) -> str:
        if name == "text":
            return self._area.text
        return self.query_one(f"#line-{name}", NameInput).value.strip()

    def _value(self, name: str, before: str) -> str:
        now = self._now(name)
        return before if now == self._shown[name] else now

    def _list(self, name: str, before: tuple[str, ...]) -> tuple[str, ...]:
        now = self._now(name)
        return before if now == self._shown[name] else names_of(now)

    @property
    def unsaved(self) -> str:
        """The text, where it would be lost; empty otherwise."""
        return self._area.text if self.dirty else ""

    @property
    def dirty(self) -> bool:
        """Whether something would be lost."""
        return self.written != self._written

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Count what is written."""
        event.stop()
        self._count()

    def _count(self) -> None:
        many = len(self._area.text)
        self.note("1 character" if many == 1 else f"{many:,} characters")

    # Saving

    def action_save(self) -> None:
        """Keep what is written."""
        if not self._saving:
            self.desk.do(self._save())

    async def _save(self) -> None:
        self._saving, focused = True, self.focused
        self.box.disabled = True  # or what is written on would not be saved
        self.note("saving …")
        try:
            await self._saved()
        finally:
            self._saving = False
            if self.is_attached:
                self.box.disabled = False
                self.set_focus(focused)
                self._count()

    async def _saved(self) -> None:
        self._say("")
        try:
            await self._saver(self.written)
        except Conflict as error:
            await self._show_both(error)
        except Busy:
            self._say("Still busy. Your text is kept.")
            self.app.notify("Still busy. Your text is kept.", severity="warning", markup=False)
        except MemdeskError as error:
            self._say(str(error))
        except Exception:
            self._say("It could not be saved. Your text is kept.")
            raise
        else:
            self.dismiss(True)

    def _say(self, words: str) -> None:
        said = self.query_one(".said", Static)
        said.update(content(words))
        said.set_class(bool(words), "-shown")

    async def _show_both(self, conflict: Conflict) -> None:
        """Ask which of two texts is to stay; nothing is lost before that is answered."""
        if self._theirs is None:
            self._say(str(conflict))
            return
        theirs = await self._theirs()
        dialog = ConflictDialog(self.written.text, theirs, conflict.theirs)
        self.app.push_screen(dialog, self._settle)

    def _settle(self, answer: str | None) -> None:
        if answer == MINE:
            self.action_save()
        elif answer == THEIRS:
            self.dismiss(False)

    # Leaving, and another editor

    def action_external(self) -> None:
        """Go on in the person's own editor."""
        if not self._saving:
            self.desk.do(self._edit_outside())

    async def _edit_outside(self) -> None:
        text = await edit_outside(self.app, self._area.text)
        if text is not None:
            self._area.text = _tame(text)
            self._area.move_cursor(self._area.document.end)

    def action_cancel(self) -> None:
        """Leave; asks first where something would be lost."""
        if self._saving:
            return
        if not self.dirty:
            self.dismiss(False)
        else:
            answers = (Answer(DISCARD, "Discard"), Answer(KEEP, "Keep editing"))
            choice = Choice("Not saved", "Discard what you wrote?", "", answers, KEEP)
            self.app.push_screen(choice, self._left)

    def _left(self, answer: str | None) -> None:
        if answer == DISCARD:
            self.dismiss(False)


def _lines(written: Written) -> dict[str, str]:
    """Return what is shown for each part."""
    return {
        "text": _tame(written.text),
        "tags": line_of(written.tags).strip(),
        "kind": one_line(written.kind),
        "space": one_line(written.space),
        "audience": line_of(written.audience).strip(),
        "expires": content(written.expires).plain.strip(),
    }


def _tame(text: str) -> str:
    """Return a text without what commands a terminal; tabs stay, since code has them."""
    return "\t".join(plain(part) for part in text.split("\t"))
