"""The browse pane: every place one can look at, with how many memories are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, set_cell_size
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Sparkline
from textual.widgets.option_list import Option

from memdesk.tui.keys import BROWSE_KEYS, UNDO
from memdesk.tui.places import ALL, Place, counted
from memdesk.tui.plain import content, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from memdesk.answers import Overview

_WIDTH = 22
"""Columns of a line inside the pane's border and padding."""


class Places(OptionList):
    """Its lines."""

    BINDINGS: ClassVar[list[BindingType]] = [*BROWSE_KEYS, UNDO]
    BINDING_GROUP_TITLE = "Browse"
    HELP = "Choose what the list shows. Tags and spaces can be renamed, merged and deleted here."


class BrowsePane(Vertical):
    """The places, and how many memories each of the last weeks has brought."""

    class Chosen(Message):
        """A place was chosen."""

        def __init__(self, place: Place) -> None:
            super().__init__()
            self.place = place

    def __init__(self, **more: str) -> None:
        super().__init__(**more)  # type: ignore[arg-type]
        self._places: dict[str, Place] = {}
        self._shown: Overview | None = None

    def compose(self) -> ComposeResult:
        """Lay out the places over the weeks."""
        places = Places(id="places", markup=False, compact=True)
        places.border_title = "Browse"
        yield places
        weeks = Sparkline(id="weeks")
        weeks.border_title = "Added, 12 weeks"
        yield weeks

    @property
    def current(self) -> Place | None:
        """The place under the cursor."""
        option = self.query_one(Places).highlighted_option
        return self._places.get(option.id or "") if option else None

    def show(self, overview: Overview) -> None:
        """Show how many memories there are where; the cursor stays on its place."""
        if overview == self._shown:
            return
        self._shown = overview
        lines, stood = self.query_one(Places), self.current or ALL
        lines.set_options(self._options(overview))
        self.put_cursor(stood)
        self.query_one(Sparkline).data = [float(count) for count in overview.added]

    def put_cursor(self, place: Place) -> None:
        """Put the cursor on a place, or on the first where that is gone."""
        lines = self.query_one(Places)
        if lines.option_count:
            known = place.id in self._places
            lines.highlighted = lines.get_option_index(place.id if known else ALL.id)

    def _options(self, overview: Overview) -> Iterator[Option]:
        self._places = {}
        headed = ""
        for heading, place, count in counted(overview):
            if heading != headed:
                headed = heading
                yield Option("", disabled=True)
                yield Option(Content.styled(heading, "bold dim"), disabled=True)
            self._places[place.id] = place
            yield Option(_line(place, count), id=place.id)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Tell which place was chosen."""
        event.stop()
        if place := self._places.get(event.option_id or ""):
            self.post_message(self.Chosen(place))


def _line(place: Place, count: int) -> Content:
    """Return a place's name at the left and its count at the right."""
    name = one_line(place.value) or place.title.partition(" ·")[0]
    number = f"{count:,}"
    room = _WIDTH - cell_len(number) - 1
    return content(f"{set_cell_size(name, room)} {number}")
