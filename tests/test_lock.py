"""One writer at a time."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from memdesk.errors import Busy
from memdesk.lock import WriterLock

if TYPE_CHECKING:
    from pathlib import Path


def test_two_locks_on_one_file_exclude_each_other(tmp_path: Path) -> None:
    """The second holder waits in vain and is told who has it; after release it succeeds."""
    first = WriterLock(tmp_path / "write.lock", "claude")
    second = WriterLock(tmp_path / "write.lock", "cursor")
    with first.hold(1), pytest.raises(Busy, match=r"process \d+ \(claude\)"), second.hold(0.02):
        raise AssertionError("two writers")
    with second.hold(0):
        assert "cursor" in second.holder()


def test_threads_of_one_process_take_turns(tmp_path: Path) -> None:
    """Threads that share a lock are never inside together."""
    lock = WriterLock(tmp_path / "write.lock", "x")
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(20):
            with lock.hold(10):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 80
    assert max(most) == 1


def test_quiet_waits_for_this_process_only(tmp_path: Path) -> None:
    """A write of this process is waited for, another process's is not."""
    mine = WriterLock(tmp_path / "write.lock", "x")
    theirs = WriterLock(tmp_path / "write.lock", "y")
    with mine.hold(0):
        assert not mine.quiet(0.01)
    with theirs.hold(0):
        assert mine.quiet(0)


def test_an_error_inside_lets_go(tmp_path: Path) -> None:
    """A write that fails does not keep the lock."""
    lock = WriterLock(tmp_path / "write.lock", "x")
    with pytest.raises(ZeroDivisionError), lock.hold(0):
        _ = 1 / 0
    with lock.hold(0):
        pass


def test_an_unreadable_signature_is_no_error(tmp_path: Path) -> None:
    """Who holds the lock is told as far as known."""
    lock = WriterLock(tmp_path / "write.lock", "x")
    assert lock.holder() == "another process"
    (tmp_path / "write.holder").write_text("[]")
    assert lock.holder() == "another process"


def test_who_holds_a_lock_is_told_without_waiting(tmp_path: Path) -> None:
    """Only while it is held; what a dead process signed means nothing."""
    mine, theirs = (WriterLock(tmp_path / "write.lock", name) for name in "xy")
    assert theirs.held() == ""
    with mine.hold(0):
        assert "(x)" in theirs.held()
    assert theirs.held() == ""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / "write.holder").write_text(f'{{"pid": {gone.pid}, "name": "z", "since": 0}}')
    assert theirs.held() == ""
    (tmp_path / "write.holder").write_text("[]")
    assert theirs.held() == ""
