"""An import: a file's memories into the store, batch by batch, and a receipt of all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import chain
from typing import TYPE_CHECKING

from memdesk.errors import Invalid
from memdesk.ingest import fitting, lines
from memdesk.ingest.formats import recognised
from memdesk.ingest.item import Choices, Item, Skipped
from memdesk.ingest.journal import Journal
from memdesk.ingest.paper import shown
from memdesk.ingest.receipt import Counting, Receipt
from memdesk.memory import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from memdesk.answers import Taken
    from memdesk.ingest.item import Format
    from memdesk.memory import Draft
    from memdesk.service import Service

    Found = Item | lines.Line
    """What a batch is made of."""

MOST, MOST_BYTES = 1000, 4 << 20
"""A batch has so many memories, and so much text, at most."""
FIRST = 100
"""And the first one fewer: what it stores is found at once."""
_LONGEST_REF = 2000
_TABLE = "csv"
"""The name of the one format that has columns."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants brought in, and how."""

    path: Path
    format: Format
    choices: Choices
    dry: bool = False
    redact: bool = False


def bring_in(
    desk: Service,
    path: Path,
    format: Format | None = None,
    choices: Choices | None = None,
    *,
    dry: bool = False,
    redact: bool = False,
    home: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> Receipt:
    """Store every memory that a file or folder tells of, and return the receipt.

    Raises `Invalid` where it has no shape that is known. What is stored is found by its words at
    once; `embed_pending` of the desk has it found by meaning. `home` is the store's folder, where it
    is noted what a kill cuts short. `progress` hears how many were found.
    """
    return Import(desk, wish(path, format, choices, dry=dry, redact=redact), home).run(progress)


def wish(
    path: Path,
    format: Format | None = None,
    choices: Choices | None = None,
    *,
    dry: bool = False,
    redact: bool = False,
) -> Wish:
    """Return a wish for what is there, of the shape it has; raises `Invalid`."""
    if not path.exists():
        raise Invalid(str(path), "is not there; name a file or a folder")
    format, choices = format or recognised(path), choices or Choices()
    if choices.columns and format.name != _TABLE:
        raise Invalid(
            "--column",
            f"is for tables, and this is read as {format.name}; see also --from {_TABLE}",
        )
    return Wish(path, format, choices, dry, redact)


class Import:
    """One import, and how far it has come."""

    def __init__(self, desk: Service, wish: Wish, home: Path | None = None) -> None:
        """Prepare an import; nothing is read before it runs."""
        self._desk, self._wish = desk, wish
        about = (wish.format.name, wish.choices.space, sorted(wish.choices.columns.items()))
        self._journal = Journal(home, wish.path, *about, wish.redact)
        self._counting = Counting()
        self._change = ""
        self._again = False
        self._seen: set[bytes] = set()

    @property
    def receipt(self) -> Receipt:
        """What was found so far, and what became of it."""
        wish = self._wish
        path = shown(str(wish.path))
        return self._counting.receipt(path, wish.format.name, self._change, dry=wish.dry)

    def run(self, progress: Callable[[int], None] | None = None) -> Receipt:
        """Bring all of it in and return the receipt; what a kill cuts short is gone on with."""
        known = None if self._wish.dry else self._journal.begun()
        self._again = known is not None
        for batch in batches(self._found()):
            if not (self._change or self._wish.dry):
                self._change = known or self._journal.begin()
            for found, taken in zip(batch, self._take(batch), strict=True):
                twice = taken.outcome == "stored" and self._met(found, taken)
                outcome = "duplicate" if twice else taken.outcome
                self._counting.count(outcome, taken.reason, found.place)
            if progress:
                progress(self._counting.found)
        if not self._wish.dry:
            self._journal.end()
        self._counting.complete = True
        return self.receipt

    def _found(self) -> Iterator[Found]:
        """Yield what becomes a memory, counting what does not."""
        wish, counting = self._wish, self._counting
        own = wish.format.name == lines.NAME
        read: Iterator[Found | Skipped] = (
            lines.lines(wish.path) if own else wish.format.read(wish.path, wish.choices)
        )
        for each in read:
            if isinstance(each, Skipped):
                counting.skip(each.reason, each.place)
            elif isinstance(each, Item):
                yield from fitting.fitted(each, counting=counting, redact=wish.redact)
            else:
                yield fitting.whole_line(each, counting=counting, redact=wish.redact)

    def _take(self, batch: Sequence[Found]) -> Sequence[Taken]:
        wholes = [each.whole for each in batch if isinstance(each, lines.Line)]
        change, dry = self._change or None, self._wish.dry
        if wholes:
            return self._desk.adopt(wholes, change=change, dry=dry)
        drafts = [self._sourced(each) for each in batch if isinstance(each, Item)]
        return self._desk.take_in(drafts, change=change, dry=dry, fresh=not self._again)

    def _sourced(self, item: Item) -> Draft:
        """Return the draft with where it comes from."""
        ref = item.draft.source.ref or item.place
        source = Source(self._wish.format.name, "import", ref[:_LONGEST_REF])
        return replace(item.draft, source=source)

    def _met(self, found: Found, taken: Taken) -> bool:
        """Tell whether the same was met before, where the store cannot tell.

        That is in a dry run, which stores nothing, and in one that goes on with what was stored.
        """
        if not (self._wish.dry or self._again) or isinstance(found, lines.Line):
            return False
        draft = found.draft
        key = (draft.space, draft.text, draft.session, draft.session and draft.position)
        told = repr(key) if self._wish.dry else taken.id
        digest = blake2b(told.encode("utf-8", "surrogatepass"), digest_size=12).digest()
        known = digest in self._seen
        self._seen.add(digest)
        return known


def batches(found: Iterable[Found]) -> Iterator[list[Found]]:
    """Yield what was found in batches that are bounded by number and bytes, the first one small."""
    batch: list[Found] = []
    size, most = 0, FIRST
    for each in found:
        length = _size(each)
        if batch and (len(batch) == most or size + length > MOST_BYTES):
            yield batch
            batch, size, most = [], 0, MOST
        batch.append(each)
        size += length
    if batch:
        yield batch


def _size(found: Found) -> int:
    if isinstance(found, Item):
        return len(found.draft.text.encode("utf-8", "surrogatepass"))
    revisions = chain([found.whole.memory], found.whole.earlier)
    return sum(len(each.text.encode("utf-8", "surrogatepass")) for each in revisions)
