"""How good a ranking is: pure functions of ids in their order and the ids that are right.

Each is between 0 and 1 and raises `ValueError` when nothing is right, since no ranking could be.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    Metric = Callable[[Sequence[str], Collection[str]], float]


def any_at(cut: int, ranking: Sequence[str], right: Collection[str]) -> float:
    """Return 1 when some of what is right stands in the first `cut`, else 0."""
    return float(_found(cut, ranking, right) > 0)


def all_at(cut: int, ranking: Sequence[str], right: Collection[str]) -> float:
    """Return 1 when all that is right stands in the first `cut`, else 0."""
    return float(_found(cut, ranking, right) == len(set(right)))


def recall_at(cut: int, ranking: Sequence[str], right: Collection[str]) -> float:
    """Return the share of what is right that stands in the first `cut`."""
    return _found(cut, ranking, right) / len(set(right))


def reciprocal_rank(ranking: Sequence[str], right: Collection[str]) -> float:
    """Return 1 / the place of the first that is right; 0 when none is there."""
    _checked(right)
    return next((1 / place for place, id in enumerate(ranking, 1) if id in right), 0.0)


def ndcg_at(cut: int, ranking: Sequence[str], right: Collection[str]) -> float:
    """Return the binary normalised discounted cumulative gain of the first `cut`.

    Järvelin and Kekäläinen, ACM TOIS 20(4), 2002: a place counts 1 / log2(place + 1).
    """
    _checked(right)
    gain = sum(_discount(place) for place, id in enumerate(ranking[:cut], 1) if id in right)
    best = sum(_discount(place) for place in range(1, min(cut, len(set(right))) + 1))
    return gain / best


def _discount(place: int) -> float:
    return 1 / math.log2(place + 1)


def _found(cut: int, ranking: Sequence[str], right: Collection[str]) -> int:
    _checked(right)
    return len(set(ranking[:cut]) & set(right))


def _checked(right: Collection[str]) -> None:
    if not right:
        raise ValueError("nothing is right, so there is nothing to find")


TURNS: dict[str, Metric] = {
    "any@1": partial(any_at, 1),
    "any@5": partial(any_at, 5),
    "any@10": partial(any_at, 10),
    "all@5": partial(all_at, 5),
    "all@10": partial(all_at, 10),
    "rec@10": partial(recall_at, 10),
    "MRR": reciprocal_rank,
    "nDCG@10": partial(ndcg_at, 10),
}
"""What is measured of turns, in the order of the columns."""

SESSIONS: dict[str, Metric] = {
    name: TURNS[name] for name in ("any@1", "any@5", "any@10", "rec@10", "nDCG@10")
}
"""What is measured of sessions, each at the place of its best turn."""


def scores(
    metrics: dict[str, Metric], ranking: Sequence[str], right: Collection[str]
) -> dict[str, float]:
    """Return each metric of one ranking by its name."""
    return {name: metric(ranking, right) for name, metric in metrics.items()}
