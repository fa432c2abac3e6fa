"""What two texts have not in common, by lines and by words, as Textual shows it."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from textual.content import Content

from memdesk.tui.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE = re.compile(r"\s+|\w+|[^\w\s]")
_MOST_WORDS = 4000
"""Longer pieces are not compared by words: the time rises with the square."""
_MOST_LINES = 2000
_AROUND = 2
"""So many lines that are the same stand around those that are not."""

ADDED, REMOVED = "$text-success", "$text-error"
_ONLY = "bold underline"

Span = tuple[int, int]


def differing(one: str, other: str) -> tuple[list[Span], list[Span]]:
    """Return the spans of characters that only one of two texts has, of each text.

    Whole texts when they are too long to be compared by words.
    """
    a, b = _PIECE.findall(one), _PIECE.findall(other)
    if max(len(a), len(b)) > _MOST_WORDS:
        return ([], []) if one == other else ([(0, len(one))], [(0, len(other))])
    mine: list[Span] = []
    theirs: list[Span] = []
    at, over = _starts(a), _starts(b)
    for tag, i, j, k, m in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag != "equal":
            mine += [(at[i], at[j])] if j > i else []
            theirs += [(over[k], over[m])] if m > k else []
    return mine, theirs


def _starts(pieces: list[str]) -> list[int]:
    starts = [0]
    for piece in pieces:
        starts.append(starts[-1] + len(piece))
    return starts


def marked(text: str, spans: list[Span], style: str) -> Content:
    """Return a text with these spans of it in a style, underlined; none of it acts as markup."""
    parts: list[Content] = []
    at = 0
    for start, end in spans:
        parts += [Content(plain(text[at:start])), _only(text[start:end], style)]
        at = end
    return Content("").join([*parts, Content(plain(text[at:]))])


def _only(text: str, style: str) -> Content:
    return Content.styled(plain(text), f"{_ONLY} {style}")


def changes(before: str, after: str) -> Content:
    """Return what became of a text: lines that went (-), that came (+), and some around them."""
    lines = list(_lines(before.split("\n"), after.split("\n")))
    shown = lines[:_MOST_LINES]
    if len(lines) > _MOST_LINES:
        shown.append(Content.styled(f"… {len(lines) - _MOST_LINES:,} more lines", "dim"))
    return Content("\n").join(shown)


def _lines(before: list[str], after: list[str]) -> Iterator[Content]:
    matcher = SequenceMatcher(None, before, after)
    for number, group in enumerate(matcher.get_grouped_opcodes(_AROUND)):
        if number:
            yield Content.styled("⋯", "dim")
        for tag, i, j, k, m in group:
            if tag == "equal":
                yield from (Content(f"  {plain(line)}") for line in before[i:j])
            else:
                yield from _changed("\n".join(before[i:j]), "\n".join(after[k:m]), j > i, m > k)


def _changed(before: str, after: str, went: bool, came: bool) -> Iterator[Content]:
    gone, new = differing(before, after) if went and came else ([], [])
    if went:
        yield from _signed("- ", before, gone, REMOVED)
    if came:
        yield from _signed("+ ", after, new, ADDED)


def _signed(sign: str, text: str, spans: list[Span], style: str) -> Iterator[Content]:
    for line in marked(text, spans, style).split("\n", allow_blank=True):
        yield Content.assemble((sign, f"bold {style}"), line).stylize_before(style)
