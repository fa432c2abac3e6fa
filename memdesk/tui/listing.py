"""What the list is to show: one page of a place, the results of a search, or the Inbox."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memdesk.tui.places import ALL, INBOX, Place
from memdesk.tui.rows import Row

if TYPE_CHECKING:
    from memdesk.service import Service

PAGE = 80
"""Lines that are loaded at once: they take 40 ms to lay out, in which no key is heard."""
MOST_LOADED = 1000
"""The most lines that are read anew after a change; the service gives no more at once."""
RESULTS = 50


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants to see."""

    place: Place = ALL
    query: str = ""
    turned: bool = False
    """The other order: a place oldest first, results newest first."""

    @property
    def searches(self) -> bool:
        """Whether something is looked for."""
        return bool(self.query.strip())


@dataclass(frozen=True, slots=True)
class Shown:
    """What there is to see for a wish."""

    wish: Wish
    rows: tuple[Row, ...]
    cursor: str | None = None
    """Where the next page begins; None at the end."""
    degraded: str = ""
    """Why meaning was not used; empty when it was."""
    total: int | None = None
    """How many there are, where that is known without counting."""


def look(service: Service, wish: Wish, *, many: int = PAGE, cursor: str | None = None) -> Shown:
    """Return what there is to see; runs on a thread."""
    if wish.searches:
        return _results(service, wish)
    if wish.place == INBOX:
        found = service.inbox(limit=many)
        rows = tuple(Row(each.memory, concern=each) for each in found.concerns)
        return Shown(wish, rows, total=found.total)
    if wish.place.ids:
        memories = service.get(wish.place.ids)
        return Shown(wish, tuple(map(Row, memories)), total=len(memories))
    page = service.list(where=wish.place.where, limit=many, cursor=cursor, oldest_first=wish.turned)
    return Shown(wish, tuple(Row(memory) for memory in page.memories), page.cursor)


def _results(service: Service, wish: Wish) -> Shown:
    where = wish.place.where
    answer = service.recall(wish.query, limit=RESULTS, where=where, typing=True)
    hits = answer.hits
    if wish.turned:
        hits = tuple(sorted(hits, key=lambda hit: hit.memory.when, reverse=True))
    rows = tuple(Row(hit.memory, hit) for hit in hits)
    return Shown(wish, rows, degraded=answer.degraded or "", total=len(rows))


def turned(wish: Wish) -> Wish:
    """Return the wish in the other order."""
    return replace(wish, turned=not wish.turned)


def title(wish: Wish, count: int) -> str:
    """Return what is shown and in which order, for the list's border; in it is what a person typed."""
    if wish.searches:
        results = "1 result" if count == 1 else f"{count} results"
        inside = "" if wish.place in (ALL, INBOX) else f" in {wish.place.title.partition(' ·')[0]}"
        order = "newest first" if wish.turned else "best first"
        return f"{results} for “{wish.query.strip()}”{inside} · {order}"
    if wish.place == INBOX:
        return "Inbox · nothing is done without you"
    if wish.place.ids:
        return wish.place.title
    return f"{wish.place.title} · {'oldest' if wish.turned else 'newest'} first"


def nothing(wish: Wish, *, connect: str) -> str:
    """Return what to say where there is nothing to show; `connect` is the line that connects a host."""
    if wish.searches:
        words = f"No memory matches “{wish.query.strip()}”. esc clears the search."
        if wish.place not in (ALL, INBOX):
            words += (
                f"\nSearched {wish.place.title.partition(' ·')[0]} only: esc twice searches all."
            )
        return words
    if wish.place == INBOX:
        return "Nothing waits for you."
    if wish.place.kind == "trash":
        return "The trash is empty."
    if wish.place == ALL:
        words = "Nothing remembered yet.\n\nn writes the first memory."
        return f"{words}\nOr connect a host:\n\n{connect}" if connect else words
    return f"There is nothing in {wish.place.title}. esc shows all."
