"""What a front may limit of a call."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from memdesk.errors import Cancelled
from memdesk.limits import check, left, limited


def test_without_a_front_there_is_no_limit() -> None:
    """A call may wait as long as it would, and is wanted."""
    check()
    assert left(30.0) == 30.0


def test_the_time_of_a_call_is_the_time_of_all_its_waits() -> None:
    """What is left never exceeds what was asked, and never falls below nothing."""
    with limited(seconds=10.0):
        assert 9.0 < left(30.0) <= 10.0
        assert left(0.5) == 0.5
    with limited(seconds=0.0):
        assert left(30.0) == 0.0
    assert left(30.0) == 30.0


def test_a_long_call_has_its_time_for_every_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reindex of an hour may still wait for the lock at its end."""
    with limited(seconds=20.0, long=True):
        hour_later = SimpleNamespace(monotonic=lambda: time.monotonic() + 3600)
        monkeypatch.setattr("memdesk.limits.time", hour_later)
        assert left(30.0) == 20.0


def test_the_time_of_a_call_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the work before took is missing for the wait after it."""
    with limited(seconds=20.0):
        soon = time.monotonic() + 15
        monkeypatch.setattr("memdesk.limits.time", SimpleNamespace(monotonic=lambda: soon))
        assert 4.0 < left(30.0) <= 5.0


def test_an_unwanted_call_ends() -> None:
    """`check` raises from the moment on that nobody waits, on this thread only."""
    wanted = True
    with limited(seconds=1.0, wanted=lambda: wanted):
        check()
        wanted = False
        other = threading.Thread(target=check)
        other.start()
        other.join()
        with pytest.raises(Cancelled):
            check()
    check()
