"""Taking many measurements and saying what they come to."""

from __future__ import annotations

import math
import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def median(values: Sequence[float]) -> float:
    """Return the middle of the values, or the mean of the middle two."""
    return statistics.median(values)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the smallest value that at least `percent` of a hundred do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(1, math.ceil(len(ordered) * percent / 100)) - 1]


def seconds(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
