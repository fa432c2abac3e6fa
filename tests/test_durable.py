"""Commits reach the disk, and only a whole file is believed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memdesk import disk
from memdesk.disk import write_json
from memdesk.memory import Draft
from memdesk.store import durable

if TYPE_CHECKING:
    from memdesk.service import Service

WORKER = Path(__file__).with_name("worker.py")


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the paths that were put on the disk."""
    paths: list[Path] = []
    real = disk.flush_file

    def record(path: Path) -> None:
        paths.append(path)
        real(path)

    for room in (disk, durable):
        monkeypatch.setattr(room, "flush_file", record)
    return paths


def test_a_flusher_takes_new_files_and_their_folders(tmp_path: Path, flushed: list[Path]) -> None:
    """Each new file is flushed once, with the folder that names it."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "one").write_text("1")
    flusher = durable.Flusher(tmp_path)
    flusher.flush()
    assert set(flushed) == {tmp_path, tmp_path / "data", tmp_path / "data" / "one"}
    flushed.clear()
    (tmp_path / "data" / "two").write_text("2")
    (tmp_path / "data" / ".tmp9").write_text("unfinished")
    flusher.flush()
    assert tmp_path / "data" / "two" in flushed
    assert not {tmp_path / "data" / "one", tmp_path / "data" / ".tmp9"} & set(flushed)


def test_a_flusher_survives_what_maintenance_removes(tmp_path: Path) -> None:
    """Folders and files that vanish between two flushes are no error."""
    folder = tmp_path / "index"
    folder.mkdir()
    (folder / "part").write_text("x")
    flusher = durable.Flusher(tmp_path)
    flusher.flush()
    shutil.rmtree(folder)
    flusher.flush()
    (tmp_path / "new").write_text("y")
    flusher.flush()


def test_a_save_flushes_data_transaction_and_manifest(
    desk: Service, home: Path, flushed: list[Path]
) -> None:
    """Before a save is acknowledged each new file of `memories`, and its folder, is on the disk."""
    desk.remember(Draft("first"))
    table = home / "memories.lance"
    before = {path for path in table.rglob("*") if path.is_file()}
    flushed.clear()
    desk.remember(Draft("second"))
    written = {path for path in table.rglob("*") if path.is_file()} - before
    assert {path.parent.name for path in written} >= {"data", "_transactions", "_versions"}
    assert written <= set(flushed)
    assert {path.parent for path in written} <= set(flushed)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_kernel_is_asked_to_flush_before_the_answer(home: Path, tmp_path: Path) -> None:
    """Seen from outside, every file of a save is fsynced before its id is printed."""
    trace = tmp_path / "trace"
    subprocess.run(
        ["strace", "-f", "-y", "-e", "trace=fsync,write", "-o", str(trace),
         sys.executable, str(WORKER), str(home), "remember", "one"],
        check=True, capture_output=True,
    )  # fmt: skip
    lines = trace.read_text(errors="replace").splitlines()
    answered = next(n for n, line in enumerate(lines) if " write(1<" in line)
    fsynced = "\n".join(line for line in lines[:answered] if "fsync(" in line)
    for part in ("/data/", "/_transactions/", "/_versions/", "memories.lance/data>"):
        assert part in fsynced


def test_json_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails half-way leaves the old file and no litter."""
    path = tmp_path / "store.json"
    write_json(path, {"a": 1})

    def refuse(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="no"):
        write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]
