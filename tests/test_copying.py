"""Copies of a whole store, and a store put in the place of another."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import old_stores
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import FakeEmbedder
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from served import direct_only

from memdesk.errors import Busy, Invalid, MemdeskError, StoreError
from memdesk.memory import Draft, Edit, Filter, Source
from memdesk.service import Service, indexing
from memdesk.service.copying import ASIDE
from memdesk.store import archive, exchange, stamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from memdesk.memory import Memory

EVERY = Filter(states=("live", "trashed", "replaced", "tombstone"), expired=True)
HOSTILE = (
    "'; DROP TABLE memories; --",
    "\x1b[2J\u202e",
    "a" * 5000,
    "🧠👩‍🚀 e\u0301 \u3000",
    '"\\\n\t',
)


def all_of(desk: Service) -> dict[str, Memory]:
    """Return every memory by its id."""
    return {each.id: each for each in desk.list(where=EVERY, limit=1000).memories}


def said(desk: Service) -> set[str]:
    """Return the texts of the live memories."""
    return {each.text for each in desk.list(limit=1000).memories}


def words_in(folder: Path, words: str) -> list[Path]:
    """Return the files below a folder that hold words."""
    return [
        path for path in folder.rglob("*") if path.is_file() and words.encode() in path.read_bytes()
    ]


texts = st.sampled_from(HOSTILE) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1
)
drafts = st.builds(
    Draft,
    text=texts,
    kind=st.sampled_from(["note", "fact", "task"]),
    tags=st.lists(st.sampled_from(["home", "日本", "x-1"]), max_size=3).map(tuple),
    space=st.sampled_from(["personal", "website"]),
    source=st.builds(Source, name=st.sampled_from(["person", "Claude"])),
    happened_at=st.none() | st.sampled_from(["2024", "2024-02-29", "1999-12-31T23:59"]),
    expires_at=st.none() | st.just("2999-01-01"),
    pinned=st.booleans(),
    confidence=st.none() | st.floats(0, 1),
    metadata=st.sampled_from(["{}", '{"a": [1, "ü", null]}']),
)


@direct_only
@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # to shrink what takes seconds takes minutes
)
@given(st.lists(drafts, min_size=1, max_size=30))
def test_what_is_copied_comes_back_in_every_field(
    tmp_path_factory: pytest.TempPathFactory, way: str, written: list[Draft]
) -> None:
    """A store of any memories, copied and restored elsewhere, has the same memories and history."""
    folder = tmp_path_factory.mktemp(way)
    desk = Service(folder / "one", FakeEmbedder(), background=False)
    other = Service(folder / "two", FakeEmbedder(), background=False)
    try:
        done = desk.remember(Draft("to be revised"))
        for draft in written:
            with contextlib.suppress(Invalid):  # nothing but what is removed
                desk.remember(draft)
        desk.revise(done.id, Edit(text="another text"))
        copied = desk.copy_to(folder / "copy")
        assert desk.check_copy(folder / "copy").rows == copied.rows
        other.restore_copy(folder / "copy")
        assert all_of(other) == all_of(desk)
        assert other.history(done.id) == desk.history(done.id)
        assert other.stats().passages == desk.stats().passages
    finally:
        desk.close()
        other.close()


def test_a_copy_is_plain_files_of_the_present_version(desk: Service, tmp_path: Path) -> None:
    """It has one Parquet file a table, that others read, private, and says what it holds."""
    kept = desk.remember(Draft("the gate code is 4711"))
    desk.revise(kept.id, Edit(text="the gate code is 4712"))
    copied = desk.copy_to(tmp_path / "copy")
    names = {path.name for path in (tmp_path / "copy").iterdir()}
    assert names == {"store.json", "memories.parquet", "history.parquet", "passages.parquet"}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (tmp_path / "copy").iterdir())
    table = pq.read_table(tmp_path / "copy" / "memories.parquet")
    assert table.column("text").to_pylist() == ["the gate code is 4712"]
    assert copied.rows == {"memories": 1, "history": 1, "passages": 1}
    assert (copied.seq, copied.epoch) == (2, desk.stats().epoch)


def test_a_copy_needs_an_empty_folder(desk: Service, tmp_path: Path) -> None:
    """Nothing is written where something is."""
    (tmp_path / "file").touch()
    with pytest.raises(Invalid, match="not empty"):
        desk.copy_to(tmp_path)
    with pytest.raises(Invalid, match="cannot be used"):
        desk.copy_to(tmp_path / "file")


def test_what_is_no_copy_is_refused(desk: Service, tmp_path: Path) -> None:
    """A folder without the files, or with others, changes nothing."""
    desk.remember(Draft("here"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(Invalid, match="is none"):
        desk.restore_copy(tmp_path / "empty")
    copy = tmp_path / "copy"
    desk.copy_to(copy)
    (copy / "history.parquet").unlink()
    with pytest.raises(Invalid, match="history"):
        desk.check_copy(copy)
    pq.write_table(pa.table({"id": ["x"]}), copy / "history.parquet")
    with pytest.raises(Invalid, match="columns"):
        desk.restore_copy(copy)
    (copy / "history.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(Invalid, match="cannot be read"):
        desk.restore_copy(copy)
    (copy / "store.json").write_text('{"format": 99, "memdesk": "9"}', "utf-8")
    with pytest.raises(Invalid, match="newer"):
        desk.restore_copy(copy)
    assert said(desk) == {"here"}
    assert desk.points() == ()


def test_a_restore_sets_the_present_store_aside(desk: Service, tmp_path: Path, home: Path) -> None:
    """Neither is lost: the copy is the store, and what was there is a kept point, the way back."""
    desk.remember(Draft("then"))
    desk.copy_to(tmp_path / "copy")
    desk.remember(Draft("since"))
    before = desk.stats()
    restored = desk.restore_copy(tmp_path / "copy")
    assert said(desk) == {"then"}
    assert (restored.memories, restored.erased) == (1, 0)
    (point,) = desk.points()
    assert (point.name, point.reason, point.memories) == (restored.aside, ASIDE, 2)
    assert point.kept
    after = desk.stats()
    assert after.epoch != before.epoch
    assert after.device != before.device
    assert after.model == before.model
    desk.restore_point(restored.aside)
    assert said(desk) == {"then", "since"}
    assert desk.stats().epoch not in (before.epoch, after.epoch)
    assert not (home / exchange.NEW).exists()


def test_what_was_purged_since_stays_erased(desk: Service, tmp_path: Path, home: Path) -> None:
    """A copy with the words brings neither them nor their history back, in no file but the point's."""
    kept = desk.remember(Draft("the gate code is 4711"))
    gone = desk.remember(Draft("apfelmus"))
    desk.revise(gone.id, Edit(text="apfelmus with cinnamon"))
    desk.copy_to(tmp_path / "copy")
    point = desk.take_point()
    later = desk.remember(Draft("never copied"))
    desk.forget([gone.id, later.id])
    desk.purge([gone.id, later.id])
    restored = desk.restore_copy(tmp_path / "copy")
    assert (restored.memories, restored.erased) == (1, 1)
    states = {id: each.state for id, each in all_of(desk).items()}
    assert states == {kept.id: "live", gone.id: "tombstone", later.id: "tombstone"}
    assert len(desk.history(gone.id)) == 1
    points = home / "points"
    assert not [path for path in words_in(home, "apfelmus") if points not in path.parents]
    restored = desk.restore_point(point.name)
    assert (restored.memories, restored.erased) == (1, 1)
    assert said(desk) == {"the gate code is 4711"}
    assert not [path for path in words_in(home, "apfelmus") if points not in path.parents]
    desk.remember(Draft("one more"))
    assert len({each.seq for each in all_of(desk).values()}) == 4


def test_others_go_over_to_what_was_restored(
    open_desk: Callable[..., Service], tmp_path: Path
) -> None:
    """Another process with the store open sees the restored one in its next call, and writes to it."""
    desk, other = open_desk(), open_desk()
    desk.remember(Draft("then"))
    desk.copy_to(tmp_path / "copy")
    desk.remember(Draft("since"))
    other.warm()
    assert said(other) == {"then", "since"}
    desk.restore_copy(tmp_path / "copy")
    assert said(other) == {"then"}
    assert [hit.memory.text for hit in other.recall("since then", floor=0).hits] == ["then"]
    other.remember(Draft("later"))
    assert said(desk) == {"then", "later"}
    assert next(hit.memory.text for hit in desk.recall("later", floor=0).hits) == "later"


def test_a_restore_wakes_who_waits_for_a_change(
    open_desk: Callable[..., Service], tmp_path: Path
) -> None:
    """The desk's screen hears of it at once, though the seq goes back."""
    desk, other = open_desk(), open_desk()
    desk.remember(Draft("then"))
    desk.copy_to(tmp_path / "copy")
    desk.remember(Draft("since"))
    assert other.await_change(-1, 0) == 2
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(other.await_change, 2, 120)
        desk.restore_copy(tmp_path / "copy")
        assert waiting.result(timeout=60) == 1


@pytest.mark.parametrize("harm", ["gone", "no stamp", "no sense", "garbage"])
def test_it_restores_where_the_store_cannot_be_opened(
    open_desk: Callable[..., Service], home: Path, tmp_path: Path, harm: str
) -> None:
    """That is when it is needed most; what is left of the old store is kept."""
    desk = open_desk()
    desk.remember(Draft("then"))
    desk.copy_to(tmp_path / "copy")
    desk.close()
    if harm == "gone":
        home.rename(home.with_name("gone"))  # its background may still be closing its files
    elif harm == "no stamp":
        (home / "store.json").unlink()
    elif harm == "no sense":
        (home / "store.json").write_text("{", "utf-8")
    else:
        for path in (home / "memories.lance").rglob("*.*"):
            path.write_bytes(b"garbage")
    other = open_desk()
    restored = other.restore_copy(tmp_path / "copy")
    assert said(other) == {"then"}
    assert bool(restored.aside) == (harm != "gone")
    assert [each.name for each in other.points()] == ([restored.aside] if restored.aside else [])
    assert bool(restored.notes) == (harm == "garbage")


@direct_only
def test_a_restored_store_is_found_by_meaning_with_its_own_vectors(
    open_desk: Callable[..., Service], tmp_path: Path
) -> None:
    """Vectors come back too: nothing is embedded anew."""
    desk = open_desk(background=False)
    desk.remember(Draft("the gate code is 4711"))
    desk.copy_to(tmp_path / "copy")
    embedder = FakeEmbedder()
    other = Service(tmp_path / "other", embedder, background=False)
    other.restore_copy(tmp_path / "copy")
    assert other.stats().pending == 0
    assert other.recall("gate code").hits
    assert embedder.embedded == []
    other.close()


@direct_only
@pytest.mark.parametrize("name", old_stores.NAMES)
@pytest.mark.parametrize("kind", ["copy", "point"])
def test_a_store_of_an_earlier_memdesk_comes_back(
    open_desk: Callable[..., Service], home: Path, tmp_path: Path, name: str, kind: str
) -> None:
    """A copy or a restore point of any format is restored as one of the present format."""
    told = old_stores.unpack(name, tmp_path / "old")
    desk = open_desk(background=False)
    desk.remember(Draft("present"))
    if kind == "copy":
        (tmp_path / "copy").mkdir()
        tables = archive.Tables(tmp_path / "old", archive.stamp_of(tmp_path / "old"))
        archive.write(tables, tmp_path / "copy", lambda *_: None)
        desk.check_copy(tmp_path / "copy")
        desk.restore_copy(tmp_path / "copy")
    else:
        (home / "points").mkdir(exist_ok=True)
        (tmp_path / "old").rename(home / "points" / "20200101-000000-000000-old")
        desk.restore_point("20200101-000000-000000-old")
    found = {each.id: old_stores.plain(each) for each in all_of(desk).values()}
    assert found == {each["id"]: each for each in told["memories"]}
    assert desk.stats().format == stamp.FORMAT


STEPS = 9
"""The renames of an exchange: `store.json`, what maintenance knows and three tables, away and in."""


@direct_only
@pytest.mark.parametrize("step", range(0, STEPS, 2))  # tests/test_exchange.py: at each, by files
def test_a_death_at_any_rename_leaves_one_store_whole(
    open_desk: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The next opening has the old store or the new one, never a mixture, and nothing is lost."""
    desk = open_desk(background=False)
    kept = desk.remember(Draft("then"))
    desk.copy_to(tmp_path / "copy")
    desk.remember(Draft("since"))
    other = open_desk(background=False)
    assert said(other) == {"then", "since"}
    done = 0
    rename = exchange._rename

    def dying(old: Path, new: Path) -> None:
        nonlocal done
        if done == step:
            raise KeyboardInterrupt
        done += 1
        rename(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(exchange, "_rename", dying)
        with pytest.raises(KeyboardInterrupt):
            desk.restore_copy(tmp_path / "copy")
    other.revise(kept.id, Edit(tags=("seen",)))  # a writer finishes what was begun, under its lock
    now = "then since" if step == 0 else "then"
    assert said(other) == set(now.split())
    assert said(open_desk(background=False)) == set(now.split())
    assert other.recall("then", floor=0).hits[0].memory.tags == ("seen",)
    points = other.points()
    assert len(points) == (step > 0)
    if points:
        other.restore_point(points[0].name)
        assert said(desk) == {"then", "since"}


@direct_only
def test_the_number_of_renames_is_known(
    open_desk: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above dies before the first, the last and some between."""
    desk = open_desk(background=False)
    desk.remember(Draft("then"))
    desk.copy_to(tmp_path / "copy")
    done: list[str] = []
    rename = exchange._rename

    def counting(old: Path, new: Path) -> None:
        done.append(old.name)
        rename(old, new)

    monkeypatch.setattr(exchange, "_rename", counting)
    desk.restore_copy(tmp_path / "copy")
    assert len(done) == STEPS
    assert (done[0], done[-1]) == ("store.json", "store.json")


@direct_only
def test_leftovers_of_killed_runs_are_swept(
    open_desk: Callable[..., Service], home: Path, tmp_path: Path
) -> None:
    """The next copy removes what was left of words."""
    desk = open_desk(background=False)
    desk.remember(Draft("then"))
    for name in (".copying", ".checking", exchange.NEW):
        (home / name).mkdir()
        (home / name / "words").write_text("apfelmus", "utf-8")
    desk.copy_to(tmp_path / "copy")
    assert not words_in(home, "apfelmus")


@direct_only
def test_one_copies_at_a_time(open_desk: Callable[..., Service], tmp_path: Path) -> None:
    """Whoever comes second is told who is at it; a point that is none is refused in words."""
    desk = open_desk(background=False, wait=0.1)
    desk.remember(Draft("then"))
    with desk._core.alone("copying"), pytest.raises(Busy, match="another backup"):
        desk.copy_to(tmp_path / "copy")
    with desk._core.alone("maintenance"):
        desk.copy_to(tmp_path / "copy")
        with pytest.raises(Busy, match="maintenance"):
            desk.restore_copy(tmp_path / "copy")
    with desk._core.alone("embedding"):  # which waits, in turn, while anybody asks anything
        desk.restore_copy(tmp_path / "copy")
    with pytest.raises(Invalid, match="no restore point"):
        desk.restore_point("../desk")
    assert said(desk) == {"then"}


@direct_only
def test_vectors_of_the_store_before_a_restore_are_not_written(
    open_desk: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Embedding that a restore overtakes gives nothing, and the restored store its own vectors."""
    desk = open_desk(background=False)
    desk.remember(Draft("sentence, as it is. " * 400))
    assert desk.stats().pending
    point = desk.take_point(reason="by hand").name
    real = indexing._vectors

    def overtaken(*arguments: object) -> object:
        monkeypatch.setattr(indexing, "_vectors", real)
        desk.restore_point(point)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(indexing, "_vectors", overtaken)
    assert desk.embed_pending() == 0
    waiting = desk.stats().pending
    assert waiting
    assert desk.embed_pending() == waiting


@direct_only
def test_a_purge_in_the_midst_of_a_restore_counts(
    open_desk: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another erases while the new store is made is not in it."""
    desk, other = open_desk(background=False), open_desk(background=False)
    gone = desk.remember(Draft("apfelmus"))
    desk.copy_to(tmp_path / "copy")
    desk.forget([gone.id])
    purged = threading.Event()

    def purge(*_: int) -> None:
        if not purged.is_set():
            purged.set()
            other.purge([gone.id])

    restored = desk.restore_copy(tmp_path / "copy", purge)
    assert purged.is_set()
    assert (restored.memories, restored.erased) == (0, 1)


@direct_only
def test_a_copy_that_comes_out_different_is_told(
    open_desk: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check compares every field, and the number of rows."""
    from memdesk.store.table import LOOP

    desk = open_desk(background=False)
    desk.remember(Draft("one"))
    desk.remember(Draft("two"))
    desk.copy_to(tmp_path / "copy")
    build = archive.build

    def careless(source: archive.Source, home: Path, *rest: object) -> int:
        done = build(source, home, *rest)  # type: ignore[arg-type]
        table = archive.Tables(home, source.stamp)._table("memories")
        assert table
        LOOP.run(table.lance.update({"reviewed": "x"}, where="text = 'two'"))
        return done

    monkeypatch.setattr(archive, "build", careless)
    with pytest.raises(Invalid, match="different"):
        desk.check_copy(tmp_path / "copy")


@direct_only
def test_an_unreadable_plan_is_told(open_desk: Callable[..., Service], home: Path) -> None:
    """A journal that makes no sense stops the opening, in words, and nothing is moved."""
    desk = open_desk(background=False)
    desk.remember(Draft("then"))
    desk.close()
    (home / exchange.JOURNAL).write_text('{"going": ["../x"]}', "utf-8")
    with pytest.raises(StoreError, match="plan of a restore"):
        open_desk(background=False).list()
    assert issubclass(StoreError, MemdeskError)
    (home / exchange.JOURNAL).unlink()
    assert said(open_desk(background=False)) == {"then"}
