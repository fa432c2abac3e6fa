"""Text that is safe to show: a memory may hold what commands a terminal, or looks like markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

if TYPE_CHECKING:
    from collections.abc import Iterable

_JOINERS = "\u200c\u200d"  # emoji and several scripts are written with them


def plain(text: str) -> str:
    """Return the text with line ends as newlines, other blanks as spaces, and nothing unprintable."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.isprintable():
        return text
    return "".join(
        each if each == "\n" or each.isprintable() or each in _JOINERS else " "
        for each in text
        if each == "\n" or each.isprintable() or each in _JOINERS or each.isspace()
    )


def one_line(text: str) -> str:
    """Return the text's words on one line, safe to show."""
    return " ".join(plain(text).split())


def flat(text: str) -> str:
    """Return a text on one line, its blanks one for one, so that spans of it stay where they are."""
    return "".join(" " if each.isspace() else each for each in text)


def content(text: str, *marked: tuple[int, int]) -> Content:
    """Return text as what Textual shows without reading it as markup, some spans of it highlighted.

    `marked` are spans of `text`, in characters.
    """
    return _joined(_pieces(text, sorted(marked)))


def _pieces(text: str, marked: Iterable[tuple[int, int]]) -> Iterable[tuple[str, bool]]:
    at = 0
    for start, end in marked:
        if start < at:
            continue
        yield text[at:start], False
        yield text[start:end], True
        at = end
    yield text[at:], False


def _joined(pieces: Iterable[tuple[str, bool]]) -> Content:
    return Content("").join(
        Content.styled(plain(words), "bold $text-accent") if bright else Content(plain(words))
        for words, bright in pieces
    )
