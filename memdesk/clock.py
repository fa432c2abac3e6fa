"""The hybrid logical clock that decides conflicts between devices, and nothing else.

Kulkarni et al., “Logical Physical Clocks”, 2014: the wall clock in milliseconds, and a counter for
events within one millisecond or while the wall clock is behind.
"""

from __future__ import annotations

SKEW_MS = 5 * 60 * 1000
"""A clock further ahead of the wall than this is not believed."""
EVENTS = 1 << 20
"""So many events of one millisecond are counted; the next is of the millisecond after it."""


def tick(last: tuple[int, int], wall_ms: int) -> tuple[int, int]:
    """Return the next clock (ms, n) after `last`, which it always exceeds.

    A last clock more than `SKEW_MS` ahead of the wall (a computer whose date was once wrong) is
    passed over, or every later clock would be from the future too.
    """
    ms, _ = last
    if wall_ms > ms or not is_believed(ms, wall_ms):
        return wall_ms, 0
    return after(last)


def is_believed(ms: int, wall_ms: float) -> bool:
    """Tell whether a clock is not from the future, as far as computers' clocks agree."""
    return ms <= wall_ms + SKEW_MS


def after(last: tuple[int, int]) -> tuple[int, int]:
    """Return the first clock after `last`, whatever the wall says."""
    ms, n = last
    return (ms, n + 1) if n + 1 < EVENTS else (ms + 1, 0)
