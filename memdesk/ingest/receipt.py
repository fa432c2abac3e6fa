"""The receipt of an import: what was found, and what became of all of it."""

from __future__ import annotations

from dataclasses import dataclass, field

PLACES = 20
"""So many places are told of each reason."""


@dataclass(frozen=True, slots=True)
class Left:
    """What was skipped for one reason."""

    count: int
    places: tuple[str, ...]
    """Where the first of them stand."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an import has found, and what became of it: `found` is the sum of the rest."""

    path: str
    format: str
    change: str
    """Its id, for `undo`; empty where nothing was written."""
    dry: bool
    """Whether it only looked."""
    complete: bool = False
    """Whether all was read: else it was stopped on the way."""
    found: int = 0
    stored: int = 0
    duplicate: int = 0
    """Those that were there already."""
    skipped: dict[str, Left] = field(default_factory=dict)
    """By the reason."""
    split: int = 0
    """Texts that were too long for one memory and are several now; each part is counted as found."""
    redacted: int = 0
    """Memories in which a secret was replaced before they were stored."""
    flagged: int = 0
    """Memories that seem to hold a secret, as the Inbox will show."""


class Counting:
    """A receipt in the making."""

    def __init__(self) -> None:
        self.found = self.stored = self.duplicate = 0
        self.split = self.redacted = self.flagged = 0
        self.complete = False
        self._skipped: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}

    def skip(self, reason: str, place: str) -> None:
        """Count something that becomes no memory."""
        self.found += 1
        self._counts[reason] = self._counts.get(reason, 0) + 1
        places = self._skipped.setdefault(reason, [])
        if len(places) < PLACES:
            places.append(place)

    def count(self, outcome: str, reason: str, place: str) -> None:
        """Count what became of a memory."""
        if outcome == "skipped":
            self.skip(reason, place)
            return
        self.found += 1
        self.stored += outcome == "stored"
        self.duplicate += outcome == "duplicate"

    def receipt(self, path: str, format: str, change: str, *, dry: bool) -> Receipt:
        """Return what was counted."""
        most_first = sorted(self._counts.items(), key=lambda each: -each[1])
        skipped = {reason: Left(n, tuple(self._skipped[reason])) for reason, n in most_first}
        return Receipt(
            path,
            format,
            change if self.stored and not dry else "",
            dry,
            self.complete,
            self.found,
            self.stored,
            self.duplicate,
            skipped,
            self.split,
            self.redacted,
            self.flagged,
        )
