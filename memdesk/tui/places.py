"""Where one can look: all memories, what is pinned, the inbox, the trash, a space, a tag, a kind, a source."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Provider

from memdesk.memory import TRASHED, Filter
from memdesk.tui.plain import content, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from textual.command import Hits

    from memdesk.answers import Overview
    from memdesk.tui.app import MemdeskApp

_TITLES = {
    "all": "All memories",
    "pinned": "Pinned",
    "inbox": "Inbox",
    "trash": "Trash · kept 30 days",
    "these": "What a host got",
    "waits": "What waits for a remote",
}
_NAMED = ("these", "waits")
_PREFIX = {"space": "in ", "tag": "#", "kind": "kind ", "source": "from "}


@dataclass(frozen=True, slots=True)
class Place:
    """One of them."""

    kind: str = "all"
    """all, pinned, inbox, trash, space, tag, kind or source; these and waits are some memories."""
    value: str = ""
    """The name of the space, tag, kind or source; the ids of some memories, with commas."""

    @property
    def id(self) -> str:
        """Its name, for widgets."""
        return f"{self.kind}:{self.value}"

    @property
    def title(self) -> str:
        """What a person calls it."""
        return _TITLES.get(self.kind) or f"{_PREFIX[self.kind]}{one_line(self.value)}"

    @property
    def ids(self) -> list[str]:
        """The ids of the memories that are there, where it is these that were chosen."""
        return self.value.split(",") if self.kind in _NAMED else []

    @property
    def changes(self) -> bool:
        """Whether it can be renamed and deleted."""
        return self.kind in ("tag", "space")

    @property
    def where(self) -> Filter:
        """The memories that are there."""
        value = (self.value,)
        return {
            "pinned": Filter(pinned=True),
            "trash": Filter(states=(TRASHED,), expired=True),
            "space": Filter(spaces=value),
            "tag": Filter(tags=value),
            "kind": Filter(kinds=value),
            "source": Filter(sources=value),
        }.get(self.kind, Filter())


ALL, PINNED, INBOX, TRASH = Place("all"), Place("pinned"), Place("inbox"), Place("trash")


def counted(overview: Overview) -> Iterator[tuple[str, Place, int]]:
    """Yield (heading, place, how many memories are there) of every place, in the order of the pane."""
    yield "", ALL, overview.live
    yield "", PINNED, overview.pinned
    yield "", INBOX, overview.inbox
    yield "", TRASH, overview.trash
    named = (
        ("SPACES", "space", overview.spaces),
        ("TAGS", "tag", overview.tags),
        ("KINDS", "kind", overview.kinds),
        ("FROM", "source", overview.sources),
    )
    for heading, kind, counts in named:
        for value, count in counts.items():
            yield heading, Place(kind, value), count


class PlaceCommands(Provider):
    """Gives the palette every place that one can go to."""

    def _places(self) -> list[tuple[Place, str]]:
        overview = self._desk.overview
        if overview is None:
            return []
        return [
            (place, f"Go to {place.title} ({count:,})") for _, place, count in counted(overview)
        ]

    async def discover(self) -> Hits:
        """Yield the four places that are always there."""
        for place, words in self._places()[:4]:
            yield DiscoveryHit(content(words), self._goer(place), words, "Show what is there")

    async def search(self, query: str) -> Hits:
        """Yield the places whose names match, and what can be done to them."""
        matcher = self.matcher(query)
        for place, going in self._places():
            for words, about, verb in self._verbs(place, going):
                # The matcher's own highlighting would read the name of a tag as markup.
                if (score := matcher.match(words)) > 0:
                    yield Hit(score, content(words), verb, words, about)

    def _verbs(self, place: Place, going: str) -> Iterator[tuple[str, str, Callable[[], None]]]:
        """Yield (name, what it does, how to do it)."""
        yield going, "Show what is there", self._goer(place)
        if place.changes and (main := self._desk.main):
            yield f"Rename {place.title}", "Or merge it into another", partial(main.rename, place)
            yield f"Delete {place.title}", "Asks first", partial(main.delete_place, place)

    def _goer(self, place: Place) -> Callable[[], None]:
        return partial(self._desk.go_to, place)

    @property
    def _desk(self) -> MemdeskApp:
        return cast("MemdeskApp", self.app)
