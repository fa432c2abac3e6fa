"""Parts of a long note: as long as a memory may be, cut where its writer made a break."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from memdesk.ingest.item import Item
from memdesk.ingest.values import valid
from memdesk.memory import MAX_TEXT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memdesk.memory import Draft

_HEADING = re.compile(rb"^#{1,6} ", re.MULTILINE)
_GAPS = (re.compile(rb"\n[ \t]*\n+"), re.compile(rb"\n"), re.compile(rb"[ \t]"))
_CONTINUED = 0xC0, 0x80
"""Mask and mark of a byte that is not the first one of its character."""


def items(
    text: str, title: str, place: str, drafted: Callable[[str, dict[str, int]], Draft]
) -> Iterator[Item]:
    """Yield a text as one item, or in parts where it is too long, each under the title.

    What no honest text holds goes first: escapes in a title or a description can name it.
    `drafted` makes the draft of a text; it is told which part of how many that is.
    """
    text, title = valid(text), valid(title)
    if len(text.encode()) <= MAX_TEXT_BYTES:
        yield Item(drafted(text, {}), place)
        return
    heading = title + "\n\n" if title else ""
    pieces = [each for each in cut(text, MAX_TEXT_BYTES - len(heading.encode())) if each.strip()]
    for number, piece in enumerate(pieces, 1):
        known = not heading or begins(piece, title)
        draft = drafted(piece if known else heading + piece, {"part": number, "parts": len(pieces)})
        yield Item(draft, f"{place}, part {number} of {len(pieces)}")


def begins(text: str, title: str) -> bool:
    """Tell whether a text begins with a title, as whole words."""
    return text.startswith(title) and not (title and text[len(title) : len(title) + 1].isalnum())


def cut(text: str, most: int) -> Iterator[str]:
    """Yield a text in pieces of at most `most` UTF-8 bytes that give it again.

    Each is cut in its second half, at the last heading, else paragraph, line or word there.
    """
    data = text.encode()
    start = 0
    while len(data) - start > most:
        end = _end(data, start, start + most)
        yield data[start:end].decode()
        start = end
    yield data[start:].decode()


def _end(data: bytes, start: int, end: int) -> int:
    """Return where to cut between two places, behind the first of them."""
    while data[end] & _CONTINUED[0] == _CONTINUED[1]:
        end -= 1
    half = (start + end) // 2 + 1
    headings = [match.start() for match in _HEADING.finditer(data, half, end)]
    if headings:
        return headings[-1]
    for gap in _GAPS:
        ends = [match.end() for match in gap.finditer(data, half, end)]
        if ends:
            return ends[-1]
    return end
