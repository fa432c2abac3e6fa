"""How certain an answer is, so that nothing can be said when there is nothing: pure functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from memdesk.ranking import ALL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memdesk.passages import Found
    from memdesk.ranking import Ranked

FLOOR = 0.08
"""The certainty under which nothing is an answer: 95 of 100 answers and more stay (docs/RECALL.md)."""
_CERTAIN = (10.6, 11.2, 5.8, -8.5)
"""What a cosine, its distance from the background and BM25 add to the evidence; and where it begins."""
_CERTAIN_BY_WORDS = (7.0, -2.6)
"""The same for BM25 alone, where no meaning is known."""
FIRST = 5
"""Hits that tell how certain an answer is."""
_BACKGROUND = 30
_USUAL = -0.1
"""The background of a store with fewer passages: the best of few that are unrelated is farther off."""
_WHOLE = 0.5
_OF_THAT_TIME = 0.2
"""What it is worth that a hit is of the time that the question names."""


def certainty(ranked: Sequence[Ranked], nearest: Sequence[Found]) -> float:
    """Return how likely it is that one of the first few answers the question, 0 to 1.

    `nearest` are the passages nearest in meaning, best first. A logistic regression on what is not
    divided by the answer's own best: the best cosine, how far it stands out from the store's 30th,
    and BM25 as a share of what the question could have; its numbers are of questions about one
    conversation asked of another's store (docs/RECALL.md). Where all of a question's telling words
    stand in one passage, that is worth an answer by itself.
    """
    first = ranked[:FIRST]
    if not first:
        return 0.0
    words = max(each.bm25 for each in first)
    evidence = 0.0
    cosines = [each.found.cosine for each in first if each.found.cosine is not None]
    if cosines:
        best = max(cosines)
        weighed = zip(_CERTAIN, (best, best - _background(nearest), words, 1.0), strict=True)
        evidence = sum(weight * each for weight, each in weighed)
    if len(cosines) < len(first):  # some, or all, have no vector yet
        by_words = _CERTAIN_BY_WORDS[0] * words + _CERTAIN_BY_WORDS[1]
        evidence = max(evidence, by_words) if cosines else by_words
    least = _WHOLE if max(each.share for each in first) > ALL else 0.0
    if any(each.priors.get("ranges") for each in first):
        least = max(least, _OF_THAT_TIME)
    if any(each.priors.get("id") for each in first):
        least = 1.0
    return max(1 / (1 + math.exp(-evidence)), least)


def _background(nearest: Sequence[Found]) -> float:
    """Return the cosine of what has nothing to do with a question, as far as a store tells."""
    if len(nearest) >= _BACKGROUND:
        return nearest[_BACKGROUND - 1].cosine or 0.0
    return _USUAL
