"""Opening, refusing and mending a store on disk."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from fakes import FakeEmbedder, other_model
from served import direct_only

from memdesk.errors import StoreError
from memdesk.memory import Draft, Edit
from memdesk.store import VERSION, opening, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from memdesk.service import Service


def stamp(home: Path, **changes: object) -> None:
    """Change what a store says of itself."""
    path = home / "store.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}), encoding="utf-8")


def newest(folder: Path, pattern: str) -> Path:
    """Return the newest manifest (their names count down) or data file."""
    found = sorted(folder.glob(pattern))
    return (
        found[0] if "manifest" in pattern else max(found, key=lambda path: path.stat().st_mtime_ns)
    )


def home_files(desk: Service, pattern: str) -> list[Path]:
    """Return the files of a desk's folder that match."""
    return list(desk._core.home.rglob(pattern))


def test_a_store_says_what_it_is(desk: Service, home: Path) -> None:
    """The stamp holds format, versions, epoch, device and model."""
    desk.remember(Draft("x"))
    told = json.loads((home / "store.json").read_text())
    assert (told["format"], told["lancedb"]) == (3, VERSION)
    assert told["passages"] == f"passages_{told['fingerprint']}_3"
    assert len({told["epoch"], told["device"]}) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 99, "memdesk": "9.9.9"}, r"newer memdesk \(9\.9\.9, format 99"),
        ({"lancedb": "0.41.2"}, r"lancedb 0\.41\.2, and the installed"),
        ({"lancedb": "1.0.0"}, "would damage it"),
    ],
)
def test_a_newer_store_is_refused_and_untouched(
    desk: Service,
    open_desk: Callable[..., Service],
    home: Path,
    changes: dict[str, object],
    words: str,
) -> None:
    """What a newer program wrote is not opened, neither to read nor to write."""
    desk.remember(Draft("x"))
    desk.close()
    stamp(home, **changes)
    before = sorted(home.rglob("*.lance/**/*"))
    newer = open_desk()
    for call in (lambda: newer.remember(Draft("y")), newer.list, newer.stats):
        with pytest.raises(StoreError, match=words):
            call()
    assert sorted(home.rglob("*.lance/**/*")) == before


def test_an_unreadable_stamp_is_reported_not_replaced(
    desk: Service, open_desk: Callable[..., Service], home: Path
) -> None:
    """A stamp that is no JSON stays as it is and is named."""
    desk.remember(Draft("x"))
    desk.close()
    (home / "store.json").write_text("{", encoding="utf-8")
    with pytest.raises(StoreError, match=r"store.json cannot be read"):
        open_desk().list()
    assert (home / "store.json").read_text() == "{"


def test_a_lost_stamp_does_not_lose_the_memories(
    desk: Service, open_desk: Callable[..., Service], home: Path
) -> None:
    """Tables without a stamp are adopted with a new epoch, never made anew."""
    id = desk.remember(Draft("x")).id
    epoch = desk.stats().epoch
    desk.close()
    (home / "store.json").unlink()
    again = open_desk()
    assert again.get([id])[0].text == "x"
    assert again.stats().epoch != epoch


def test_a_cursor_of_another_copy_is_refused(
    desk: Service, open_desk: Callable[..., Service], home: Path
) -> None:
    """After the epoch changed, old cursors say so."""
    for n in range(3):
        desk.remember(Draft(f"n{n}"))
    cursor = desk.list(limit=1).cursor
    desk.close()
    (home / "store.json").unlink()
    with pytest.raises(Exception, match=r"another copy of the store"):
        open_desk().list(cursor=cursor)


@pytest.mark.parametrize("harm", ["empty", "half"])
@pytest.mark.parametrize("name", ["memories", "history", "passages_*"])
def test_a_torn_newest_manifest_is_set_aside(
    desk: Service, open_desk: Callable[..., Service], home: Path, name: str, harm: str
) -> None:
    """A power cut in the middle of a commit costs that commit at most, never the table."""
    from memdesk.memory import Edit

    id = desk.remember(Draft("kept")).id
    desk.revise(id, Edit(text="kept and revised"))
    desk.remember(Draft("maybe lost"))
    desk.close()
    (folder,) = home.glob(f"{name}.lance")
    manifest = newest(folder / "_versions", "*.manifest")
    size = manifest.stat().st_size // 2 if harm == "half" else 0
    os.truncate(manifest, size)
    again = open_desk()
    assert again.get([id])[0].text.startswith("kept")
    assert again.remember(Draft("after")).outcome == "stored"
    again.reindex()
    assert again.recall("kept").hits[0].memory.id == id
    assert any("power cut" in note for note in again.stats().notes)
    assert list((folder / "_versions").glob("*.bad"))


def test_a_torn_newest_data_file_is_set_aside(
    desk: Service, open_desk: Callable[..., Service], home: Path
) -> None:
    """A data file cut short takes its own commit along and nothing else."""
    ids = [desk.remember(Draft(f"n{n}")).id for n in range(3)]
    desk.close()
    os.truncate(newest(home / "memories.lance" / "data", "*.lance"), 10)
    again = open_desk()
    assert [memory.id for memory in again.list().memories] == ids[1::-1]
    assert again.remember(Draft("n2")).outcome == "stored"
    assert {hit.memory.text for hit in again.recall("n0 n1 n2", limit=9).hits} == {"n0", "n1", "n2"}


def test_a_store_beyond_mending_is_left_as_it_is(
    desk: Service, open_desk: Callable[..., Service], home: Path
) -> None:
    """Where no version of the memories can be read, nothing is deleted, renamed or made anew."""
    for text in ("x", "y", "z"):
        desk.remember(Draft(text))
    desk.close()
    for path in (home / "memories.lance" / "data").iterdir():
        os.truncate(path, 0)
    before = sorted(home.rglob("memories.lance/**/*"))
    for _ in range(2):
        with pytest.raises(StoreError, match=r"cannot be read.*it was left as it is"):
            open_desk().list()
    assert sorted(home.rglob("memories.lance/**/*")) == before


@direct_only
def test_a_fault_of_the_moment_gives_up_nothing(
    desk: Service, open_desk: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When whole files cannot be read right now, no commit is set aside."""
    ids = [desk.remember(Draft(f"n{n}")).id for n in range(3)]
    desk.close()
    monkeypatch.setattr(opening, "_whole", lambda *_: False)

    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(table.Table, "count", refuse)
        with pytest.raises(StoreError, match=r"Too many open files"):
            open_desk().list()
    assert not list(home_files(desk, "*.bad"))
    assert len(open_desk().get(ids)) == 3


def test_missing_memories_are_reported_not_made_anew(
    desk: Service, open_desk: Callable[..., Service], home: Path
) -> None:
    """Where the table of memories is gone, what is left is kept and the error says so."""
    desk.remember(Draft("x"))
    desk.close()
    (home / "memories.lance").rename(home / "elsewhere")
    with pytest.raises(StoreError, match=r"memories.lance is missing"):
        open_desk().list()
    assert not (home / "memories.lance").exists()
    (home / "elsewhere").rename(home / "memories.lance")
    assert open_desk().list().memories[0].text == "x"


@direct_only
def test_a_crash_while_a_store_is_made_leaves_no_half_table(
    open_desk: Callable[..., Service], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables appear whole, with all their indexes, or are made again."""
    real = Path.rename
    named: list[str] = []

    def crash(self: Path, target: Path) -> Path:
        named.append(self.name)
        if self.name == "history.lance":
            raise KeyboardInterrupt
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", crash)
        with pytest.raises(KeyboardInterrupt):
            open_desk().remember(Draft("x"))
    assert named == ["memories.lance", "history.lance"]
    desk = open_desk()
    assert desk.remember(Draft("x")).outcome == "stored"
    assert desk.recall("x").hits
    assert not (home / ".making").exists()


def test_an_unreadable_search_index_is_set_aside_and_rebuilt(
    desk: Service, open_desk: Callable[..., Service], home: Path
) -> None:
    """Passages are derived: when none of their versions can be read they are built from the memories."""
    ids = {desk.remember(Draft(f"apple {n}")).id for n in range(3)}
    desk.close()
    (folder,) = home.glob("passages_*.lance")
    for path in (folder / "_versions").iterdir():
        os.truncate(path, 0)
    again = open_desk()
    again.reindex()
    assert {hit.memory.id for hit in again.recall("apple").hits} == ids
    assert list(home.glob("passages_*.unreadable-*"))
    assert any("set aside and rebuilt" in note for note in again.stats().notes)


@direct_only
def test_a_crash_between_memory_and_passages_is_mended_at_open(
    desk: Service, open_desk: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A memory whose passages were never written is found after the next opening."""
    desk.remember(Draft("before"))

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(desk._core.store(), "index", crash)
        with pytest.raises(KeyboardInterrupt):
            desk.remember(Draft("lighthouse"))
    again = open_desk(background=False)
    again.list()
    assert again.duties.settled(30)
    assert again.recall("lighthouse").hits[0].memory.text == "lighthouse"


@direct_only
def test_a_full_disk_is_said_and_changes_nothing(
    desk: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that the disk refuses raises one sentence; reads and later writes go on."""
    desk.remember(Draft("kept"))
    lance = desk._core.store().memories.lance
    full = RuntimeError("lance error: LanceError(IO): No space left on device (os error 28)")

    def refuse(*_: object, **__: object) -> None:
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(lance, "add", refuse)
        with pytest.raises(StoreError, match=r"^the disk is full; nothing was changed"):
            desk.remember(Draft("lost"))
    assert desk.stats().states == {"live": 1}
    assert desk.remember(Draft("lost")).outcome == "stored"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_named(
    open_desk: Callable[..., Service], home: Path
) -> None:
    """A home that may not be written gets a sentence with its path."""
    home.mkdir(mode=0o500)
    with pytest.raises(StoreError, match=re.escape(str(home))):
        open_desk().remember(Draft("x"))


@direct_only
def test_a_refused_write_is_said(desk: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that the system lets nobody write names the permission, and nothing changes."""
    desk.remember(Draft("kept"))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(desk._core.store().memories.lance, "add", refuse)
        with pytest.raises(StoreError, match=r"^no permission to use the store's folder"):
            desk.remember(Draft("refused"))
    assert desk.stats().states == {"live": 1}


def test_a_home_that_is_a_file_is_named(open_desk: Callable[..., Service], home: Path) -> None:
    """A home that is no folder gets a sentence with its path."""
    home.write_text("not a folder", encoding="utf-8")
    with pytest.raises(StoreError, match=re.escape(str(home))):
        open_desk().remember(Draft("x"))
    assert home.read_text() == "not a folder"


def test_a_file_system_without_hard_links_is_refused(
    open_desk: Callable[..., Service], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    """Where commits could not be made the store is not begun."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", refuse)
        with pytest.raises(StoreError, match=r"without hard links.*MEMDESK_HOME"):
            open_desk().remember(Draft("x"))
    assert not list(home.glob("*.lance"))


def test_the_vectors_of_two_models_are_never_mixed(
    desk: Service, open_desk: Callable[..., Service]
) -> None:
    """A desk opened with another model finds words only, and says which model is missing."""
    desk.remember(Draft("apples"))
    other = open_desk(embedder=FakeEmbedder(other_model()))
    done = other.remember(Draft("pears"))
    assert done.pending == 1
    found = other.recall("pears")
    assert found.hits[0].memory.id == done.id
    assert found.degraded is not None
    assert "all-MiniLM-L6-v2, which is not available" in found.degraded


def test_another_model_takes_over_with_every_memory(
    desk: Service, open_desk: Callable[..., Service]
) -> None:
    """After the switch all memories have the new model's vectors, and running desks follow."""
    ids = {desk.remember(Draft(f"apple {n}")).id for n in range(5)}
    forgotten = desk.remember(Draft("apple gone")).id
    desk.forget([forgotten])
    spec = other_model()
    models = {"other": FakeEmbedder(spec), "all-MiniLM-L6-v2": FakeEmbedder()}
    running = open_desk(models=models.__getitem__)
    assert running.recall("apple").degraded is None
    switching = open_desk(models=models.__getitem__)
    assert switching.use_model(spec) == 6
    assert switching.use_model(spec) == 0
    found = running.recall("apple", limit=9)
    assert found.degraded is None
    assert {hit.memory.id for hit in found.hits} == ids
    assert all(hit.cosine is not None for hit in found.hits)
    assert (running.stats().model, running.stats().pending) == ("other", 0)
    assert running.remember(Draft("apple six")).pending == 0
    running.restore([forgotten])
    assert len(running.recall("apple", limit=9).hits) == 7


def test_a_model_that_fails_does_not_take_over(
    desk: Service, open_desk: Callable[..., Service]
) -> None:
    """A switch that cannot embed leaves the store with its present model."""
    desk.remember(Draft("apples"))
    spec = other_model()
    broken = FakeEmbedder(spec, broken="cannot run")
    switching = open_desk(models={"other": broken}.__getitem__)
    with pytest.raises(Exception, match=r"cannot run"):
        switching.use_model(spec)
    assert desk.stats().model == "all-MiniLM-L6-v2"
    assert desk.recall("apples").degraded is None


@direct_only
def test_nothing_reaches_for_the_network(
    open_desk: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Remembering, recalling and maintaining open no socket."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    desk = open_desk()
    desk.remember(Draft("offline"))
    assert desk.recall("offline").hits
    assert desk.maintain(keep_seconds=0)


@pytest.mark.parametrize(
    "error", [RuntimeError("x"), ValueError("x"), OSError("x"), pa.ArrowInvalid("x")]
)
def test_what_lancedb_raises_becomes_a_store_error(error: Exception) -> None:
    """Every kind of error of the libraries below is wrapped where it enters."""
    with (
        pytest.raises(StoreError, match=r"the table “memories” could not be used: x"),
        table.wrapped("memories"),
    ):
        raise error


@direct_only
def test_rows_that_move_while_they_are_read_are_found_again(
    desk: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between finding a row's address and reading it, a write or compaction gives it another."""
    ids = [desk.remember(Draft(f"note {number}")).id for number in range(3)]
    memories = desk._core.store().memories
    take = memories._taken
    tries = []

    def moved(addresses: list[int]) -> dict[int, dict[str, object]]:
        tries.append(addresses)
        if len(tries) == 1:
            desk.revise(ids[1], Edit(pinned=True))
        return take(addresses)

    monkeypatch.setattr(memories, "_taken", moved)
    assert [memory.pinned for memory in desk.get(ids)] == [False, True, False]
    assert len(tries) > 1
