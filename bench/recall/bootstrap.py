"""How sure a difference is: the paired bootstrap over questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

RESAMPLES = 10_000
_SEED = 4
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean difference of two systems and its 95 % interval."""

    mean: float
    low: float
    high: float


def difference(ours: Sequence[float], theirs: Sequence[float]) -> Difference:
    """Return how much better `ours` is than `theirs`, both in the order of the same questions.

    Questions are drawn with replacement; percentile interval (Efron and Tibshirani, An Introduction
    to the Bootstrap, 1993, chapter 13). The same for the same numbers: the draw is seeded.
    """
    apart = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    low, high = np.percentile(_means(apart), (2.5, 97.5))
    return Difference(float(apart.mean()), float(low), float(high))


def _means(values: np.ndarray) -> np.ndarray:
    chance = np.random.default_rng(_SEED)
    rounds = [
        values[chance.integers(len(values), size=(_AT_ONCE, len(values)))].mean(axis=1)
        for _ in range(RESAMPLES // _AT_ONCE)
    ]
    return np.concatenate(rounds)
