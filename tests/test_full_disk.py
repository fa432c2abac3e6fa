"""A disk without room: what was acknowledged stays, what is asked is answered, and room mends it all."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from cli_runner import Cli
from fakes import FakeEmbedder
from mcp_client import call
from served import direct_only

from memdesk.disk import write_json
from memdesk.errors import MemdeskError, StoreError
from memdesk.memory import Draft, Edit
from memdesk.store import ballast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from memdesk.service import Service

_MB = 1 << 20
_FULL = r"^the disk is full"
_LARGE = " ".join(f"{n * n * 7919:x}" for n in range(20_000))
"""A text that does not become small."""


class SmallDisk:
    """A file system of few megabytes, which can be filled and emptied."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, but: int = 0) -> None:
        """Leave so many bytes at most."""
        free = os.statvfs(self.folder).f_bavail * os.statvfs(self.folder).f_frsize
        with self._filler.open("ab") as file, suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, file.tell() + max(0, free - but))

    def free(self) -> None:
        """Give it all back."""
        self._filler.unlink(missing_ok=True)


def mounted(folder: Path, size: int) -> bool:
    """Tell whether a file system in memory could be put there."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "memdesk-test", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.fixture
def size() -> int:
    """Return the bytes of the disk."""
    return 24 * _MB


@pytest.fixture
def disk(tmp_path: Path, size: int) -> Iterator[SmallDisk]:
    """Return a disk of one's own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or not mounted(folder, size):
        pytest.skip("a small file system can only be mounted by root on Linux")
    yield SmallDisk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def home(disk: SmallDisk) -> Path:
    """Return the folder of a store that is not there yet, on the small disk."""
    return disk.folder / "desk"


def _saved_until_full(desk: Service) -> int:
    """Save until it is refused; return how many were saved."""
    for n in range(1000):
        text = f"note {n} " + "padding " * 2000
        try:
            desk.remember(Draft(text))
        except StoreError:
            with pytest.raises(StoreError, match=_FULL):
                desk.remember(Draft(text))
            return n
    raise AssertionError("it never was full")


def test_a_full_disk_takes_no_more_and_loses_nothing(
    open_desk: Callable[..., Service], disk: SmallDisk
) -> None:
    """Saves, changes and forgetting are refused in words; reading goes on; with room all works again."""
    desk = open_desk(background=False)
    first = desk.remember(Draft("the first note"))
    disk.fill(but=_MB)
    saved = _saved_until_full(desk)
    disk.fill()
    with pytest.raises(StoreError, match=_FULL):
        desk.revise(first.id, Edit(text="another"))
    with pytest.raises(StoreError, match=_FULL):
        desk.forget([first.id])
    assert desk.stats().states == {"live": saved + 1}
    assert desk.recall("the first note").hits[0].memory.text == "the first note"
    assert len(desk.history(first.id)) == 1
    disk.free()
    desk.revise(first.id, Edit(text="another"))
    assert desk.remember(Draft("there is room")).outcome == "stored"
    assert desk.recall("there is room").hits[0].memory.text == "there is room"
    assert desk.stats().states == {"live": saved + 2}


def test_a_refused_save_leaves_the_lock_free(
    open_desk: Callable[..., Service], disk: SmallDisk
) -> None:
    """The next writer need not wait."""
    one, other = open_desk(background=False), open_desk(background=False, wait=0.0)
    one.remember(Draft("kept"))
    disk.fill()
    for desk in (one, other, one):
        with pytest.raises(StoreError, match=_FULL):
            desk.remember(Draft(_LARGE))
    disk.free()
    assert other.remember(Draft("again")).outcome == "stored"


@direct_only
def test_hosts_and_shells_are_told(
    open_desk: Callable[..., Service],
    disk: SmallDisk,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A host gets an error of its tool, a shell one line and an exit code."""
    desk = open_desk(background=False)
    desk.remember(Draft("kept"))
    disk.fill()
    host: Any = SimpleNamespace(real=desk)
    text, failed = call("remember", host, text=_LARGE)
    assert failed
    assert "the disk is full" in text
    text, failed = call("recall", host, query="kept")
    assert not failed
    assert "kept" in text
    monkeypatch.setenv("MEMDESK_HOME", str(home))
    cli = Cli(home, FakeEmbedder())
    done = cli("add", _LARGE)
    assert (done.code, done.out) == (1, "")
    assert "the disk is full" in done.err
    assert cli("search", "kept").code == 0


def test_a_store_is_begun_once_there_is_room(
    open_desk: Callable[..., Service], disk: SmallDisk, home: Path
) -> None:
    """A disk that fills while a store is made leaves nothing that would be taken for one."""
    for but in (0, 16_384, 65_536, 200_000):
        disk.fill(but=but)
        with pytest.raises(MemdeskError, match=r"disk is full|No space left"):
            open_desk(background=False).remember(Draft("too early"))
        assert not (home / "store.json").exists()
        disk.free()
    desk = open_desk(background=False)
    assert desk.remember(Draft("in time")).outcome == "stored"
    assert desk.stats().states == {"live": 1}


def test_a_json_file_is_the_old_one_when_the_disk_is_full(disk: SmallDisk) -> None:
    """It is never half of one, and nothing is left of the attempt."""
    path = disk.folder / "store.json"
    write_json(path, {"a": 1})
    disk.fill()
    with pytest.raises(OSError, match="No space") as caught:
        write_json(path, {"a": "b" * _MB})
    assert caught.value.errno == errno.ENOSPC
    assert path.read_text() == '{\n "a": 1\n}'
    disk.free()
    assert list(disk.folder.iterdir()) == [path]


@direct_only
def test_the_log_of_hosts_fails_nobody(open_desk: Callable[..., Service], disk: SmallDisk) -> None:
    """What cannot be written there is left out, and the log goes on later."""
    desk = open_desk(background=False)
    desk.remember(Draft("kept"))
    disk.fill()
    for n in range(40):
        desk.hosts.record("host", "recall", f"{n} " * 100, ids=(), outcome="1", took=0.1)
    disk.free()
    desk.hosts.record("host", "recall", "the last", ids=(), outcome="1", took=0.1)
    assert desk.activity()[-1].words == "the last"


@direct_only
def test_a_restore_point_that_has_no_room_is_none(
    open_desk: Callable[..., Service], disk: SmallDisk
) -> None:
    """It fails in words or is whole, and the next one is made."""
    desk = open_desk(background=False)
    desk.remember(Draft("kept"))
    disk.fill()
    with suppress(MemdeskError):
        desk.take_point(reason="a test")
    disk.free()
    made = desk.take_point(reason="later")
    assert made.name in {each.name for each in desk.points()}
    assert all(each.memories == 1 for each in desk.points())


# The reserve


@pytest.mark.parametrize("size", [400 * _MB])
@direct_only
def test_maintenance_keeps_a_reserve_where_there_is_room(
    open_desk: Callable[..., Service], disk: SmallDisk, home: Path
) -> None:
    """It is for its owner only, and counts neither as the store nor as a loss of room."""
    desk = open_desk(background=False)
    desk.remember(Draft("kept"))
    desk.maintain(keep_seconds=0)
    reserve = home / ballast.FILE
    assert reserve.stat().st_size == ballast.SIZE
    assert stat.S_IMODE(reserve.stat().st_mode) == 0o600
    assert desk.stats().bytes_on_disk < ballast.SIZE
    reserve.unlink()
    disk.fill(but=9 * ballast.SIZE)
    desk.maintain(keep_seconds=0)
    assert not reserve.exists()


@pytest.mark.parametrize("size", [400 * _MB])
@direct_only
def test_maintenance_makes_room_on_a_full_disk(
    open_desk: Callable[..., Service], disk: SmallDisk, home: Path
) -> None:
    """Old versions have filled it: the reserve is given up, they are removed, and saves go on."""
    desk = open_desk(background=False)
    desk.remember(Draft("kept"))
    desk.maintain(keep_seconds=0)
    disk.fill(but=2 * _MB)
    saved = _saved_until_full(desk)
    assert saved
    disk.fill()
    assert desk.maintain(keep_seconds=0)
    assert not (home / ballast.FILE).exists()
    assert desk.remember(Draft("there is room")).outcome == "stored"
    assert desk.stats().states == {"live": saved + 2}
    assert len(list((home / "memories.lance" / "data").iterdir())) < saved
    disk.free()
    desk.maintain(keep_seconds=0)
    assert (home / ballast.FILE).exists()
