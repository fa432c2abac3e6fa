"""Long texts as passages: at most 120 words each, cut on sentence ends (RECALL.md, recipe Z 2)."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

WORDS = 120
"""The longest passage, in words; a CJK character counts as half a word."""
HEAD_WORDS = 240
"""How much of a long text its head vector sees."""
MAX_CHARS = 2000
"""The longest passage in characters, for texts without spaces."""

_CJK = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
# Where a sentence ends; a run of dots is tried once, not from each of them, or 1 MB takes hours.
_END = re.compile(r"(?:(?<![.!?…])[.!?…]++[\"')\]]*+(?=\s)|(?<![。！？])[。！？]++|\n)\s*+")
_PIECE = re.compile(rf"[{_CJK}]\s*|[^\s{_CJK}]{{1,200}}\s*|\s+")
_WORD = re.compile(rf"[{_CJK}]|[^\s{_CJK}]+")
_CJK_ONE = re.compile(f"[{_CJK}]")
_SENTENCE = re.compile(r"[^.!?\n。！？؟]*[.!?。！？؟]+|[^.!?\n。！？؟]+")
_QUESTION_MARKS = frozenset("?？؟")


@dataclass(frozen=True, slots=True)
class Passage:
    """One stretch of a memory's text, as search sees it."""

    ordinal: int
    """From 0; -1 is the head of a long text, found by meaning only."""
    start: int
    """Where it begins in the memory's text, in characters."""
    end: int
    words: str
    """What the full-text index reads: the terms of the date words and of the stretch itself."""
    asking: float = 0.0
    """How much of the stretch are questions, 0 to 1."""
    timed: bool = False
    """Whether it tells a time."""


class Embedded(NamedTuple):
    """What a model makes of a passage."""

    vector: np.ndarray
    """Float32, shape (dims,)."""
    signs: bytes
    """Each token's signs, a bit a number, dims / 8 bytes a token; empty of a model without them."""


class EmbeddedQuestion(NamedTuple):
    """What a model makes of a question."""

    vector: np.ndarray
    """Float32, shape (dims,)."""
    words: np.ndarray
    """The unit vector of each token, float32, shape (n, dims); none of a model without them."""


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that a search found."""

    memory: str
    start: int
    end: int
    score: float | None
    """BM25, when it was found by its words."""
    cosine: float | None
    """Cosine to the question, when the passage has a vector and the question too."""
    _: KW_ONLY
    ordinal: int = 0
    """Its place among the passages of its memory; -1 is the head of a long text."""
    words: str = ""
    """What the full-text index reads of it."""
    space: str = ""
    session: str | None = None
    position: int | None = None
    """The place of its memory in the session."""
    role: str | None = None
    speaker: str | None = None
    at: float = 0.0
    """When it happened, or else was remembered, in seconds since 1970 (UTC)."""
    asking: float = 0.0
    """How much of it are questions, 0 to 1."""
    timed: bool = False
    """Whether it tells a time."""


def asking(text: str) -> float:
    """Return how much of a text are questions, by its words: 0 to 1."""
    told = asked = 0
    for sentence in _SENTENCE.findall(text):
        words = len(sentence.split())
        told += words
        asked += words if sentence.rstrip()[-1:] in _QUESTION_MARKS else 0
    return asked / told if told else 0.0


def weigh(text: str) -> float:
    """Return the length of a text in words."""
    words = _WORD.findall(text)
    return len(words) - sum(1 for word in words if _CJK_ONE.match(word)) / 2


def split(text: str) -> list[tuple[int, int]]:
    """Return the spans (start, end) of a text's passages, in characters; blank edges left out.

    Together they hold every character that is not blank; a short text is one passage.
    """
    if len(text) <= MAX_CHARS and weigh(text) <= WORDS:
        return [_trimmed(text, 0, len(text))]
    spans: list[tuple[int, int]] = []
    start, end, words = 0, 0, 0.0
    for piece_end, weight in _pieces(text):
        if end > start and (words + weight > WORDS or piece_end - start > MAX_CHARS):
            spans.append((start, end))
            start, words = end, 0.0
        end, words = piece_end, words + weight
    spans.append((start, end))
    trimmed = [_trimmed(text, *span) for span in spans]
    return [(start, end) for start, end in trimmed if start < end]


def head(text: str) -> int:
    """Return where the head of a long text ends, in characters."""
    words = 0.0
    for match in _WORD.finditer(text):
        words += 0.5 if _CJK_ONE.match(match.group()) else 1
        if words > HEAD_WORDS or match.start() > 2 * MAX_CHARS:
            return match.start()
    return len(text)


def _pieces(text: str) -> list[tuple[int, float]]:
    """Return (end, words) of the smallest pieces a text is built of: sentences, or words of long ones."""
    pieces: list[tuple[int, float]] = []
    begin = 0
    for end in [*(match.end() for match in _END.finditer(text)), len(text)]:
        sentence = text[begin:end]
        weight = weigh(sentence)
        if weight <= WORDS and len(sentence) <= MAX_CHARS:
            pieces.append((end, weight))
        else:
            words = _PIECE.finditer(sentence)
            pieces += [(begin + word.end(), weigh(word.group())) for word in words]
        begin = end
    return pieces


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
