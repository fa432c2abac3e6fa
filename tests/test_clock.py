"""The clock that decides conflicts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from memdesk.clock import EVENTS, SKEW_MS, tick

MOMENTS = st.integers(0, 4_000_000_000_000)


@given(st.tuples(MOMENTS, st.integers(0, EVENTS - 2)), MOMENTS)
def test_a_tick_rises_unless_the_last_is_from_the_future(last: tuple[int, int], wall: int) -> None:
    """Every clock exceeds the last one, and none is more than five minutes ahead of the wall."""
    clock = tick(last, wall)
    assert clock[0] <= wall + SKEW_MS
    assert clock > last or last[0] > wall + SKEW_MS


def test_events_of_one_millisecond_are_counted() -> None:
    """Within a millisecond, or while the wall is behind, the counter decides."""
    assert tick((5, 0), 5) == (5, 1)
    assert tick((5, 1), 4) == (5, 2)
    assert tick((5, 2), 6) == (6, 0)
    assert tick((5, EVENTS - 1), 5) == (6, 0)
