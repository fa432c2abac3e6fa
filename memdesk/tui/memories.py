"""The list of memories: its lines, the cursor that stays with a memory, and what is marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from memdesk.tui.keys import LIST_KEYS
from memdesk.tui.rows import Row, line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.binding import BindingType
    from textual.content import Content
    from textual.events import Click

    from memdesk.tui.glyphs import Glyphs

_NEAR_THE_END = 40
"""So many lines before the last one the next page is asked for."""


class MemoryList(OptionList):
    """The lines of one place or one search."""

    BINDINGS: ClassVar[list[BindingType]] = [*LIST_KEYS]
    BINDING_GROUP_TITLE = "The list"
    HELP = "Lines are memories, the newest first, or the best results first."

    class NearEnd(Message):
        """The cursor comes near the last line that was loaded."""

    class Moved(Message):
        """The cursor stands on another memory, or what is marked has changed."""

    def __init__(self, glyphs: Glyphs, **more: str) -> None:
        super().__init__(markup=False, compact=True, **more)  # type: ignore[arg-type]
        self._glyphs = glyphs
        self.rows: dict[str, Row] = {}
        """The lines, by their id, in order."""
        self.marked: dict[str, None] = {}
        """The ids of the lines that are marked."""
        self._put = ""
        """The line that the cursor was put on when these were shown first."""

    @property
    def current(self) -> Row | None:
        """The line under the cursor."""
        option = self.highlighted_option
        return self.rows.get(option.id or "") if option else None

    @property
    def chosen(self) -> list[Row]:
        """The lines that are marked, or the one under the cursor when none is."""
        if self.marked:
            return [self.rows[id] for id in self.marked if id in self.rows]
        return [self.current] if self.current else []

    @property
    def at_top(self) -> bool:
        """Whether nobody has left the top: the cursor is where it was put, or on the first line."""
        untouched = self.current is not None and self.current.id == self._put
        return self.scroll_offset.y == 0 and (untouched or not self.highlighted)

    def show(self, rows: Iterable[Row], *, to_top: bool = False) -> None:
        """Show these lines; the cursor stays on its memory, or near the place where that was."""
        stood, at, scrolled = self.current, self.highlighted or 0, self.scroll_offset.y
        before, self.rows = self.rows, {row.id: row for row in rows}
        if not to_top and [*before.items()] == [*self.rows.items()]:
            return  # laying out two hundred lines takes a tenth of a second
        self.marked = {id: None for id in self.marked if id in self.rows}
        with self.app.batch_update():
            self.set_options(self._lines_of(self.rows.values()))
            if self.rows:
                self.highlighted = 0 if to_top else self._place(stood, at)
                self._put = next(iter(self.rows)) if to_top else self._put
            self.scroll_to(y=0 if to_top else scrolled, animate=False)
            if not to_top:
                self.scroll_to_highlight()
        self.post_message(self.Moved())

    def _place(self, stood: Row | None, at: int) -> int:
        if stood and stood.id in self.rows:
            return self.get_option_index(stood.id)
        return min(at, len(self.rows) - 1)

    def add(self, rows: Sequence[Row]) -> None:
        """Show more lines after those that are there."""
        fresh = [row for row in rows if row.id not in self.rows]
        self.rows |= {row.id: row for row in fresh}
        self.add_options(self._lines_of(fresh))

    def change(self, row: Row) -> None:
        """Show a line anew."""
        if row.id in self.rows:
            self.rows[row.id] = row
            self.replace_option_prompt(row.id, self._line(row))

    def take_away(self, ids: Iterable[str]) -> None:
        """Take lines away; the cursor goes to the next one that stays."""
        gone = {id for id in ids if id in self.rows}
        if gone:
            order = list(self.rows)
            at = self.highlighted or 0
            after = next((id for id in order[at:] if id not in gone), None)
            self.show(row for id, row in self.rows.items() if id not in gone)
            if after:
                self.highlighted = self.get_option_index(after)

    def mark(self, ids: Iterable[str]) -> None:
        """Turn the marks of lines: what is marked is not, and the other way round."""
        for id in ids:
            if id in self.marked:
                del self.marked[id]
            else:
                self.marked[id] = None
            self.change(self.rows[id])
        self.post_message(self.Moved())

    def unmark(self) -> None:
        """Mark nothing."""
        self.mark(list(self.marked))

    def age(self) -> None:
        """Show every line anew: time has gone on."""
        for row in self.rows.values():
            self.change(row)

    def _lines_of(self, rows: Iterable[Row]) -> list[Option]:
        return [Option(self._line(row), id=row.id) for row in rows]

    def _line(self, row: Row) -> Content:
        return line(row, self._glyphs, marked=row.id in self.marked)

    def on_click(self, event: Click) -> None:
        """Go to the line that was clicked; a click on the line one is at opens it."""
        event.prevent_default()
        at = event.style.meta.get("option")
        if at is not None and at == self.highlighted:
            self.action_select()
        elif at is not None:
            self.highlighted = at

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Tell that the cursor has moved, and when it comes near the end."""
        event.stop()
        self.post_message(self.Moved())
        if event.option_index >= len(self.rows) - _NEAR_THE_END:
            self.post_message(self.NearEnd())
