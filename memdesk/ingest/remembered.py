"""What an AI's own memory says in one long text, as one fact a paragraph."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from memdesk.ingest.item import Item, Skipped
from memdesk.ingest.values import exactly, metadata, tags, words
from memdesk.memory import Draft

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

_GAP = re.compile(r"\n\s*\n")
_HEADING = re.compile(r"(?:#{1,6}[ \t]+(.{1,200})|\*\*([^*\n]{1,200})\*\*:?)")


def paragraphs(
    text: object,
    place: str,
    space: str,
    about: Mapping[str, object],
    *,
    named: tuple[str, ...] = (),
    at: datetime | None = None,
) -> Iterator[Item | Skipped]:
    """Yield each paragraph with the heading above it; `named` are tags, `about` is its metadata."""
    heading, empty = "", True
    for number, piece in enumerate(_GAP.split(words(text)), start=1):
        said, found = piece.strip(), _HEADING.match(piece.strip())
        if found:
            heading = (found[1] or found[2]).strip().rstrip(":")
            said = said[found.end() :].strip()
        if not said:
            continue
        empty = False
        draft = Draft(
            f"{heading}: {said}" if heading else said,
            kind="fact",
            tags=tags(named),
            space=space,
            created_at=exactly(at),
            metadata=metadata(**about, paragraph=number),
        )
        yield Item(draft, f"{place}, paragraph {number}")
    if empty:
        yield Skipped(place, "a memory without words")
