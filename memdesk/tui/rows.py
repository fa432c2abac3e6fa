"""One line of the list: what stands there for a memory, a hit or a concern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content

from memdesk.memory import now
from memdesk.moment import age
from memdesk.tui.plain import content, flat, one_line

if TYPE_CHECKING:
    from memdesk.answers import Concern, Hit
    from memdesk.memory import Memory
    from memdesk.tui.glyphs import Glyphs

_AGE = 3
_WORDS = 400
"""The most characters of a text that a line shows."""
_BEFORE = 50
"""How many characters before its first match a line may begin."""


@dataclass(frozen=True, slots=True)
class Row:
    """What the list holds in one line."""

    memory: Memory
    hit: Hit | None = None
    """Why it is there, when it was searched for."""
    concern: Concern | None = None
    """What is to be settled, in the Inbox."""

    @property
    def id(self) -> str:
        """The name of the line."""
        return self.concern.key if self.concern else self.memory.id


def line(row: Row, glyphs: Glyphs, *, marked: bool) -> Content:
    """Return a line: its mark, the age, and the first words, with what was searched for in bold."""
    memory = row.memory
    sign = glyphs.marked if marked else glyphs.pinned if memory.pinned else " "
    at = memory.when if row.hit else memory.created_at
    lead = f"{sign}{age(at, now()):>{_AGE}}  "
    return Content.assemble((lead, "dim"), _words(row, glyphs))


def _words(row: Row, glyphs: Glyphs) -> Content:
    if row.concern:
        return Content.assemble(
            (f"{row.concern.kind}: ", "bold"), content(one_line(row.memory.title[:_WORDS]))
        )
    if row.hit and row.hit.matched:
        return _matched(row, row.hit, glyphs)
    said = row.hit.passage if row.hit else row.memory.text
    return content(one_line(said[:_WORDS]) or "(erased)")


def _matched(row: Row, hit: Hit, glyphs: Glyphs) -> Content:
    """Return the part of a passage where its words were found, on one line."""
    start, end = hit.span
    first = hit.matched[0][0]
    cut = first - start > _BEFORE
    if cut:
        start = row.memory.text.rfind(" ", start, first - _BEFORE // 2) + 1 or start
    text = row.memory.text[start : min(end, start + _WORDS)]
    spans = [
        (a - start, b - start) for a, b in hit.matched if a >= start and b <= start + len(text)
    ]
    return Content(glyphs.cut if cut else "").append(content(flat(text), *spans))
