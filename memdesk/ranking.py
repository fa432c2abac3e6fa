"""From what two searches found to one ranking: pure functions, no store, no model.

The floor of RECALL.md: scores are fused, not ranks (on LoCoMo 9 points of nDCG better than
reciprocal ranks), each divided by its own list's best; a memory counts with its best passage.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memdesk.passages import Found

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

KEYWORD_WEIGHT = 0.5
"""The share of BM25 in the fused score; the rest is the cosine's."""

_WORD = re.compile(r"\w[\w'’.\-/:@+#]*", re.UNICODE)
# Words that ask and do not tell; the full-text query is better without them (RECALL.md, 3).
_ASKING = frozenset(  # one word beside the other is easier to read than a list
    [
        "a",
        "about",
        "am",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "been",
        "being",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "doing",
        "for",
        "from",
        "had",
        "has",
        "have",
        "having",
        "he",
        "her",
        "hers",
        "him",
        "his",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "me",
        "my",
        "of",
        "on",
        "or",
        "our",
        "ours",
        "she",
        "should",
        "so",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "us",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "while",
        "who",
        "whom",
        "whose",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
        "yours",
    ]
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Which parts of the recipe are used; all of them, but for measuring what each is worth.

    A field whose metadata says `indexed` decides what a store keeps, so a store made without it has
    to be made anew.
    """

    passages: bool = field(default=True, metadata={"indexed": True})
    """Long texts are cut into passages (RECALL.md, recipe Z 2)."""
    date_words: bool = field(default=True, metadata={"indexed": True})
    """The date stands before the text as words (RECALL.md, recipe Z 1)."""
    neighbours: bool = True
    """Turns are judged together with those beside them (RECALL.md, recipe Z 1)."""
    score_fusion: bool = True
    """Scores are fused; else ranks, as `1 / (60 + rank)` (RECALL.md, recipe Z 4)."""
    roles: bool = True
    """The person's own words count more in chats with an assistant (RECALL.md, recipe Z 5)."""
    when: bool = True
    """Questions after a time prefer memories that tell one (RECALL.md, recipe Z 5)."""
    ranges: bool = True
    """A date named in the question prefers memories of that time (RECALL.md, recipe Z 5)."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A memory with the parts of its score."""

    memory: str
    start: int
    """The best passage's span, in characters of the memory's text."""
    end: int
    score: float
    keyword_rank: int | None
    keyword_score: float
    vector_rank: int | None
    cosine: float | None


def keywords(query: str) -> str:
    """Return the words of a question that can find something; all of them when none is left."""
    words = _WORD.findall(query)
    telling = [word for word in words if word.lower().rstrip("?.,!'’") not in _ASKING]
    return " ".join(telling or words)


def rank(by_words: Sequence[Found], by_meaning: Sequence[Found]) -> list[Ranked]:
    """Return the memories of both result lists, best first.

    Each list is in its own order, best first. Of equal scores the one that has the words comes first.
    """
    best_score = max((found.score or 0.0 for found in by_words), default=0.0) or 1.0
    cosines = [found.cosine or 0.0 for found in (*by_words, *by_meaning)]
    best_cosine = max(cosines, default=0.0)
    best_cosine = best_cosine if best_cosine > 0 else 1.0
    word_ranks, vector_ranks = _ranks(by_words), _ranks(by_meaning)
    best: dict[str, Ranked] = {}
    for found in _merged(by_words, by_meaning):
        parts = (found.score or 0.0) / best_score, max(found.cosine or 0.0, 0.0) / best_cosine
        score = KEYWORD_WEIGHT * parts[0] + (1 - KEYWORD_WEIGHT) * parts[1]
        if found.memory not in best or score > best[found.memory].score:
            best[found.memory] = Ranked(
                found.memory,
                found.start,
                found.end,
                score,
                word_ranks.get(found.memory),
                found.score or 0.0,
                vector_ranks.get(found.memory),
                found.cosine,
            )
    return sorted(best.values(), key=_order)


def _order(ranked: Ranked) -> tuple[float, bool, str]:
    return -ranked.score, ranked.keyword_rank is None, ranked.memory


def _ranks(found: Iterable[Found]) -> dict[str, int]:
    return {id: place for place, id in enumerate(dict.fromkeys(each.memory for each in found), 1)}


def _merged(by_words: Iterable[Found], by_meaning: Iterable[Found]) -> Iterable[Found]:
    """One entry a passage: its BM25 from the one list, its cosine from either."""
    merged = {(found.memory, found.start, found.end): found for found in by_meaning}
    for found in by_words:
        key = found.memory, found.start, found.end
        twin = merged.get(key)
        cosine = found.cosine if found.cosine is not None or twin is None else twin.cosine
        merged[key] = Found(found.memory, found.start, found.end, found.score, cosine)
    return merged.values()
