"""Several real processes on one store."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memdesk.errors import Busy
from memdesk.memory import Draft, Filter

if TYPE_CHECKING:
    from collections.abc import Callable

    from memdesk.service import Service

WORKER = Path(__file__).with_name("worker.py")


def start(home: Path, *words: str) -> subprocess.Popen[str]:
    """Start another process on the desk."""
    return subprocess.Popen(
        [sys.executable, str(WORKER), str(home), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> list[str]:
    """Wait for a process to end well and return the lines it printed."""
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return printed.splitlines()


def live(desk: Service) -> Counter[str]:
    """Return how often each text is in the store."""
    page = desk.list(where=Filter(expired=True), limit=1000)
    assert page.cursor is None
    return Counter(memory.text for memory in page.memories)


def test_four_processes_make_one_store_and_lose_nothing(
    home: Path, open_desk: Callable[..., Service]
) -> None:
    """Processes that start at once on no store save everything once, with one sequence."""
    own = [[f"note {p}-{n}" for n in range(12)] for p in range(4)]
    shared = [f"shared {n}" for n in range(6)]
    processes = [start(home, "remember", *words, *shared) for words in own]
    acknowledged = [finish(process) for process in processes]
    desk = open_desk()
    assert live(desk) == Counter([*sum(own, []), *shared])  # noqa: RUF017 (four short lists)
    assert len({ids[-1] for ids in acknowledged}) == 1
    memories = desk.list(limit=1000).memories
    assert sorted(memory.seq for memory in memories) == list(range(1, len(memories) + 1))
    assert len({memory.device for memory in memories}) == 1


def test_what_was_acknowledged_survives_kill_9(
    home: Path, open_desk: Callable[..., Service]
) -> None:
    """Killed writers leave every acknowledged memory, each once, and a store that opens."""
    acknowledged = []
    for name, lines in [("a", 3), ("b", 7), ("c", 12)]:
        process = start(home, "endless", name)
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        printed += process.stdout.readlines()
        process.communicate(timeout=30)
        acknowledged += [f"{name} {line.split()[0]}" for line in printed if line.endswith("\n")]
    found = live(open_desk())
    assert set(found.values()) == {1}
    assert set(acknowledged) <= set(found)
    assert len(acknowledged) >= 22


def test_readers_see_no_error_while_others_write_and_maintain(
    home: Path, open_desk: Callable[..., Service]
) -> None:
    """Lists and recalls succeed while two processes save and another compacts."""
    desk = open_desk()
    desk.remember(Draft("note zero"))
    writers = [start(home, "remember", *(f"note {p} {n}" for n in range(25))) for p in range(2)]
    readers = [start(home, "read", "25") for _ in range(2)]
    assert finish(start(home, "maintain")) == ["True"]
    for reader in readers:
        assert finish(reader) == ["read"]
    for writer in writers:
        assert len(finish(writer)) == 25
    assert sum(live(desk).values()) == 51


def test_a_stuck_holder_is_named_and_left_alone(
    home: Path, open_desk: Callable[..., Service]
) -> None:
    """A write that cannot get the lock says who holds it, changes nothing, and reads go on."""
    desk = open_desk(wait=0.3)
    kept = desk.remember(Draft("kept"))
    holder = start(home, "hold")
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(Busy, match=rf"process {holder.pid} "):
        desk.remember(Draft("too late"))
    assert desk.recall("kept").hits[0].memory.id == kept.id
    assert holder.poll() is None
    finish(holder)
    assert desk.remember(Draft("in time")).outcome == "stored"
    assert live(desk) == Counter(["kept", "in time"])
