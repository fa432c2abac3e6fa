"""The history of a memory: its revisions, and what each of them changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.cells import set_cell_size
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from memdesk.memory import LIVE, REPLACED, TOMBSTONE, TRASHED, now
from memdesk.moment import age, wall_clock
from memdesk.tui.dialog import Dialog
from memdesk.tui.differences import ADDED, REMOVED, changes
from memdesk.tui.keys import HISTORY_KEYS
from memdesk.tui.plain import content, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from memdesk.answers import Revision
    from memdesk.memory import Memory

_BECAME = {TRASHED: "to the trash", REPLACED: "replaced", TOMBSTONE: "erased"}
_ONE = (
    ("kind", "kind"),
    ("space", "space"),
    ("expires_at", "expires"),
    ("happened_at", "happened"),
)
"""Fields with one value, and what a person calls them."""
_WHO = 12
"""Columns of the name of who changed it."""


def what_changed(before: Memory | None, after: Memory) -> str:
    """Return what a revision changed, in a few words."""
    if before is None:
        return "written"
    return ", ".join(_words(before, after)) or "nothing that shows"


def _words(before: Memory, after: Memory) -> Iterator[str]:
    if before.state != after.state:
        yield _BECAME.get(after.state, "brought back" if after.state == LIVE else after.state)
    if before.text != after.text and after.state != TOMBSTONE:
        yield "text"
    if set(before.tags) != set(after.tags):
        yield "tags"
    if before.pinned != after.pinned:
        yield "pinned" if after.pinned else "unpinned"
    if before.space != after.space:
        yield f"moved to {one_line(after.space)}"
    if before.audience != after.audience:
        yield "shared" if after.audience else "private"
    yield from (
        name
        for field, name in _ONE
        if field != "space" and getattr(before, field) != getattr(after, field)
    )
    if (before.metadata, before.confidence) != (after.metadata, after.confidence):
        yield "details"
    if before.reviewed != after.reviewed:
        yield "looked at"


def _fields(before: Memory, after: Memory) -> Iterator[Content]:
    """Yield a line for each field that is not the text: what went, and what came."""
    for field, name in _ONE:
        was, is_ = _value(getattr(before, field)), _value(getattr(after, field))
        if was != is_:
            yield _line(name, (was,) if was else (), (is_,) if is_ else ())
    for name, was_, is__ in (
        ("tags", before.tags, after.tags),
        ("goes to", before.audience, after.audience),
    ):
        gone = tuple(each for each in was_ if each not in is__)
        new = tuple(each for each in is__ if each not in was_)
        if gone or new:
            yield _line(name, gone, new)


def _value(value: str | datetime | None) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return f"{wall_clock(value):%Y-%m-%d %H:%M}"


def _line(name: str, gone: Sequence[str], new: Sequence[str]) -> Content:
    went = [Content.styled(f"  - {one_line(each)}", REMOVED) for each in gone]
    came = [Content.styled(f"  + {one_line(each)}", ADDED) for each in new]
    return Content.assemble((f"{name}:", "bold"), *went, *came)


class Revisions(OptionList):
    """The lines of the revisions, the newest first."""

    BINDINGS: ClassVar[list[BindingType]] = [*HISTORY_KEYS]


class History(Dialog[int | None]):
    """Shows what a memory was; answers with the seq of the revision to go back to."""

    BINDINGS: ClassVar[list[BindingType]] = [*HISTORY_KEYS]
    AUTO_FOCUS = "#revisions"
    HELP = "The newest is first. What a revision changed stands under the list: - went, + came."

    def __init__(self, revisions: Sequence[Revision]) -> None:
        """`revisions` are as `Service.history` gives them, the newest first."""
        super().__init__("History")
        self._revisions = tuple(revisions)

    def within(self) -> ComposeResult:
        """Yield the list and, under or beside it, what the chosen revision changed."""
        with Container(id="both"):
            lines = (Option(self._row(index)) for index in range(len(self._revisions)))
            yield Revisions(*lines, id="revisions", markup=False, compact=True)
            with VerticalScroll(id="change", can_focus=False):
                yield Static("", id="changed", markup=False)

    def on_mount(self) -> None:
        """Choose the newest."""
        self._list.highlighted = 0 if self._revisions else None
        self._show()

    @property
    def _list(self) -> OptionList:
        return self.query_one("#revisions", OptionList)

    def _before(self, index: int) -> Memory | None:
        after = self._revisions[index + 1 : index + 2]
        return after[0].memory if after else None

    def _row(self, index: int) -> Content:
        revision = self._revisions[index]
        at = revision.valid_from
        who = set_cell_size(one_line(revision.memory.actor), _WHO)
        return Content.assemble(
            (f"{wall_clock(at):%Y-%m-%d %H:%M} {age(at, now()):>4}  ", "dim"),
            Content(f"{who}  "),
            content(what_changed(self._before(index), revision.memory)),
        )

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show what that revision changed."""
        event.stop()
        self._show()

    def _show(self) -> None:
        index = self._list.highlighted
        if index is None:
            self.query_one("#changed", Static).update("No revisions are kept.")
            return
        self.query_one("#changed", Static).update(self._change(index))
        self.query_one("#change", VerticalScroll).scroll_home(animate=False)
        state = "the present one" if index == 0 else "as it was then"
        self.note(f"{index + 1} of {len(self._revisions)} · {state}")
        self.refresh_bindings()

    def _change(self, index: int) -> Content:
        after, before = self._revisions[index].memory, self._before(index)
        if before is None:
            return Content.assemble(("The first that is kept:\n\n", "bold"), content(after.text))
        parts = list(_fields(before, after))
        if before.text != after.text:
            parts.append(changes(before.text, after.text))
        else:
            same = content(after.text or "(erased)")
            parts.append(Content.assemble(("The text stayed as it was:\n\n", "dim"), same))
        return Content("\n\n").join(parts)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Offer to go back to what is not the present one."""
        if action == "go_back":
            return bool(self.is_mounted and self._list.highlighted)
        return True

    def action_go_back(self) -> None:
        """Answer with the chosen revision."""
        if index := self._list.highlighted:
            self.dismiss(self._revisions[index].memory.seq)

    def action_move(self, by: int) -> None:
        """Choose the next line, or the one before."""
        if by > 0:
            self._list.action_cursor_down()
        else:
            self._list.action_cursor_up()

    def action_scroll(self, by: int) -> None:
        """Scroll what changed by some lines."""
        self.query_one("#change", VerticalScroll).scroll_relative(y=3 * by, animate=False)

    def action_leave(self) -> None:
        """Leave all as it is."""
        self.dismiss(None)
