"""Two texts beside each other, or one over the other, with the words that only one of them has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from memdesk.memory import now
from memdesk.moment import age, wall_clock
from memdesk.tui.differences import Span, differing, marked
from memdesk.tui.plain import one_line

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from memdesk.memory import Memory

_BESIDE = 76
"""From this width on, in cells, the two stand side by side."""

_ONLY = "$text-accent"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two."""

    title: str
    """What it is, in our own words."""
    text: str
    under: str = ""
    """Who wrote it, and when."""


def side_of(memory: Memory, title: str) -> Side:
    """Return a memory as one of two."""
    stamp = f"{wall_clock(memory.created_at):%Y-%m-%d %H:%M}"
    tags = " ".join(f"#{tag}" for tag in memory.tags)
    parts = (tags, memory.space, memory.source.name, f"{stamp} ({age(memory.created_at, now())})")
    return Side(title, memory.text or "(erased)", " · ".join(part for part in parts if part))


class Comparison(Container):
    """Two texts and what they have not in common."""

    DEFAULT_CSS = """
    Comparison {
        height: 1fr;
        layout: vertical;

        &.-beside {
            layout: horizontal;
        }

        VerticalScroll {
            width: 1fr;
            height: 1fr;
            border: round $foreground 20%;
            border-title-color: $text;
            border-subtitle-color: $text-muted;
            padding: 0 1;

            &:focus {
                border: round $border;
            }
        }
    }
    """

    def __init__(
        self, one: Side | None = None, other: Side | None = None, *, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self._sides = (one, other)

    def compose(self) -> ComposeResult:
        """Yield both places."""
        for name in ("one", "other"):
            with VerticalScroll(id=name):
                yield Static("", markup=False)

    def on_mount(self) -> None:
        """Show what it was made with."""
        self.show(*self._sides)

    def on_resize(self, event: events.Resize) -> None:
        """Put them side by side where there is room."""
        self.set_class(event.size.width >= _BESIDE, "-beside")

    def show(self, one: Side | None, other: Side | None) -> None:
        """Show two texts; only one of them, when the other is None."""
        self._sides = (one, other)
        mine, theirs = differing(one.text, other.text) if one and other else ([], [])
        self._fill("#one", one, mine)
        self._fill("#other", other, theirs)

    def _fill(self, place: str, side: Side | None, spans: list[Span]) -> None:
        pane = self.query_one(place, VerticalScroll)
        pane.display = side is not None
        if side:
            pane.border_title = cast("str", Content(one_line(side.title)))
            pane.border_subtitle = cast("str", Content(one_line(side.under)))
            pane.query_one(Static).update(marked(side.text, spans, _ONLY))
            pane.scroll_home(animate=False)
