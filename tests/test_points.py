"""Restore points: whole or not there, made before bulk changes, dropped by stated rules."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from fakes import FakeEmbedder
from hypothesis import given
from hypothesis import strategies as some
from served import direct_only
from test_processes import finish, start

from memdesk.answers import Point
from memdesk.errors import Invalid, StoreError
from memdesk.memory import Draft, Edit
from memdesk.service import Service, dating, points
from memdesk.store import maintenance_due, schema, snapshot
from memdesk.store.table import LOOP

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from memdesk.memory import Memory

MANY = points.BULK + 5
NOW = datetime(2026, 5, 8, 12, tzinfo=UTC)
SECRET = "xylophonequartz"


def texts(home: Path, name: str, tmp: Path) -> list[str]:
    """Return what a store has that is made of a restore point."""
    return [memory.text for memory in memories(home, name, tmp)]


def memories(home: Path, name: str, tmp: Path) -> list[Memory]:
    """Return the memories of a store that is made of a restore point; each has passages."""
    shutil.copytree(home / "points" / name, tmp / name)
    service = Service(tmp / name, FakeEmbedder(), background=False)
    try:
        assert service.stats().notes == ()
        found = service.list(limit=1000).memories
        store = service._core.store()
        assert set(store.passages_of(each.id for each in found)) == {each.id for each in found}
        return list(found)
    finally:
        service.close()


def many(desk: Service, word: str, number: int = MANY) -> list[str]:
    """Remember many notes; return their ids."""
    return [done.id for done in desk.remember_many([Draft(f"{word} {n}") for n in range(number)])]


def reasons(desk: Service) -> list[str]:
    """Return what the restore points were made for, the oldest first."""
    return [point.reason for point in desk.points()][::-1]


def hidden(home: Path) -> list[str]:
    """Return the names of the unfinished restore points."""
    return [path.name for path in (home / "points").iterdir() if path.name.startswith(".")]


# Taking one


def test_a_point_holds_the_store_as_it_stood(desk: Service, home: Path, tmp_path: Path) -> None:
    """What is written later is not in it, what is forgotten later is still live there."""
    first = desk.remember(Draft("first")).id
    desk.remember(Draft("second"))
    point = desk.take_point()
    assert (point.reason, point.memories, point.kept) == ("by hand", 2, False)
    assert point.seq == desk.stats().seq
    desk.remember(Draft("third"))
    desk.forget([first])
    desk.maintain(keep_seconds=0)
    assert sorted(texts(home, point.name, tmp_path)) == ["first", "second"]
    assert desk.points()[0].name == point.name


def test_a_point_costs_nothing_until_the_store_drops_its_files(
    open_desk: Callable[..., Service],
) -> None:
    """Its own size is a few notes of its own at first, and grows once the store has moved on."""
    desk = open_desk(background=False)
    many(desk, "note", 15)
    before = desk.stats().bytes_on_disk
    point = desk.take_point()
    assert point.size < 4096
    assert desk.stats().bytes_on_disk == before
    desk.remember(Draft("one more"))
    desk.maintain(keep_seconds=0)
    assert desk.points()[0].size > point.size + 4096


@direct_only
def test_a_point_has_only_what_the_newest_version_needs(desk: Service, home: Path) -> None:
    """After a burst of single saves it has a fraction of the store's files, one manifest a table.

    What a file manager leaves among them is not in the way.
    """
    desk.remember(Draft("note"))
    (home / "memories.lance" / "_indices" / ".DS_Store").write_bytes(b"x")
    for number in range(40):
        desk.remember(Draft(f"note {number}"))
    point = home / "points" / desk.take_point().name
    for table in ("memories", "history"):
        assert len(list((point / f"{table}.lance" / "_versions").iterdir())) == 1
    held = snapshot.files(home, point.name)
    assert sum(size for size, _ in held.values()) < desk.stats().bytes_on_disk / 2


@direct_only
def test_a_point_is_copied_where_links_fail(
    desk: Service, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a file system without links between folders it is a copy, whose bytes it alone keeps."""
    many(desk, "note", 15)

    def no_links(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", no_links)
        point = desk.take_point()
    assert len(texts(home, point.name, tmp_path)) == 15
    assert point.size > 10_000


@direct_only
@pytest.mark.filterwarnings("ignore:.*cleanup_older_than:UserWarning")
def test_maintenance_that_moves_the_files_meanwhile_is_looked_at_again(
    desk: Service, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer version in the midst of the linking makes it begin again, and the point is whole."""
    for number in range(6):
        desk.remember(Draft(f"note {number}"))
    store, real = desk._core.store(), snapshot._link
    moved: list[Path] = []

    def link(source: Path, target: Path) -> None:
        if not moved and source.parent.name == "data":
            moved.append(source)
            LOOP.run(store.memories.lance.optimize(cleanup_older_than=timedelta(0)))
            assert not source.exists()
        real(source, target)

    monkeypatch.setattr(snapshot, "_link", link)
    point = desk.take_point()
    assert moved
    assert len(texts(home, point.name, tmp_path)) == 6


def test_points_of_a_store_under_attack_are_whole(
    home: Path, open_desk: Callable[..., Service], tmp_path: Path
) -> None:
    """While two processes write and one maintains with no margin, every point opens and is whole."""
    desk = open_desk()
    desk.remember(Draft("note zero"))
    busy = [start(home, "endless", "a"), start(home, "endless", "b"), start(home, "clean")]
    try:
        names = finish(start(home, "take", "6"))
    finally:
        for process in busy:
            process.kill()
            process.communicate(timeout=30)
    told = {point.name: point for point in desk.points()}
    assert len(names) == 6
    for name in names:
        found = texts(home, name, tmp_path)
        assert len(found) == told[name].memories
        for who in "ab":
            numbers = [int(text[2:]) for text in found if text.startswith(f"{who} ")]
            assert sorted(numbers) == list(range(len(numbers)))
    assert hidden(home) == []


def test_a_killed_taker_leaves_no_broken_point(
    home: Path, open_desk: Callable[..., Service], tmp_path: Path
) -> None:
    """Whatever a kill -9 cuts short is a hidden folder, which maintenance sweeps after an hour."""
    desk = open_desk()
    many(desk, "note")
    for lines in (1, 2, 3):
        process = start(home, "take", "500")
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        process.kill()
        process.communicate(timeout=30)
    there = desk.points()
    assert len(there) >= 6
    for point in there[:3]:
        assert len(texts(home, point.name, tmp_path)) == MANY
    (home / "points" / ".making-dead").mkdir()
    desk.maintain()
    assert ".making-dead" in hidden(home)  # it may be at work
    for name in hidden(home):
        os.utime(home / "points" / name, (0, 0))
    desk.maintain()
    assert hidden(home) == []


@direct_only
def test_a_point_that_cannot_be_finished_is_not_there(
    desk: Service, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk is full there is an error in words, and no trace of the point."""
    desk.remember(Draft("note"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(snapshot, "write_json", full)
    with pytest.raises(StoreError, match="the disk is full"):
        desk.take_point()
    assert list((home / "points").iterdir()) == []


# Dropping one


def test_a_point_is_dropped_by_its_name(desk: Service, home: Path) -> None:
    """Its folder goes; a name that is none, or a path, is refused."""
    desk.remember(Draft("note"))
    point = desk.take_point(reason="Before I try things/../out")
    assert point.name.endswith("-before-i-try-things-out")
    for wrong in ("nothing", "../memories.lance", ""):
        with pytest.raises(Invalid, match="no restore point"):
            desk.drop_point(wrong)
    desk.drop_point(point.name)
    assert desk.points() == ()
    assert list((home / "points").iterdir()) == []
    assert desk.recall("note").hits


# Before bulk changes


BULK: dict[str, Callable[[Service, list[str]], object]] = {
    "import": lambda desk, _: many(desk, "other"),
    "forget": lambda desk, ids: desk.forget(ids),
    "revise many": lambda desk, ids: desk.revise_many(ids, Edit(pinned=True)),
    "rename a tag": lambda desk, _: desk.rename_tag("old", "new"),
    "rename a space": lambda desk, _: desk.rename_space("team", "work"),
    "delete a space": lambda desk, _: desk.delete_space("team"),
    "reindex": lambda desk, _: desk.reindex(),
}
"""What each bulk change is called, and how to make it."""


@pytest.mark.parametrize("reason", BULK)
def test_a_bulk_change_makes_one_point(open_desk: Callable[..., Service], reason: str) -> None:
    """Just one, of the store as it was; the same change over again has another store before it."""
    desk = open_desk(background=False)
    drafts = [Draft(f"note {n}", tags=("old",), space="team") for n in range(MANY)]
    ids = [desk.remember(draft).id for draft in drafts]
    seq = desk.stats().seq
    assert desk.points() == ()
    BULK[reason](desk, ids)
    assert [(point.reason, point.seq) for point in desk.points()] == [(reason, seq)]


def test_a_small_change_makes_none(desk: Service) -> None:
    """Up to twenty memories at once need none, nor do a merge, single ones, a purge, a review."""
    ids = many(desk, "note", points.BULK)
    desk.merge(ids[0], ids[1])
    desk.undo()
    desk.revise(ids[0], Edit(tags=("old",)))
    desk.rename_tag("old", "new")
    desk.rename_space("personal", "work")
    desk.revise_many(ids, Edit(pinned=True))
    desk.forget(ids)
    desk.restore(ids)
    desk.undo()
    desk.purge(ids)
    assert desk.points() == ()


def test_bringing_back_and_undoing_many_make_one_each(open_desk: Callable[..., Service]) -> None:
    """So does a restore of many, and the undo of a change of many."""
    desk = open_desk(background=False)
    ids = [desk.remember(Draft(f"note {n}")).id for n in range(MANY)]
    desk.forget(ids)
    change = desk.restore(ids).change
    desk.undo(change)
    assert reasons(desk) == ["forget", "restore", "undo"]


def test_there_is_no_second_point_of_the_same_store(desk: Service) -> None:
    """Where the newest point has the store as it is, a bulk change makes no other."""
    many(desk, "note")
    desk.take_point()
    desk.rename_space("personal", "work")
    assert reasons(desk) == ["import", "by hand"]
    desk.take_point(reason=points.SCHEDULED)  # which the schedule may soon drop
    desk.rename_space("work", "home")
    assert reasons(desk)[2:] == [points.SCHEDULED, "rename a space"]


@direct_only
def test_long_documents_are_an_import(desk: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few of them, since they come in batches of a few."""
    monkeypatch.setattr(points, "BULK_CHARACTERS", 100)
    desk.remember_many([Draft("x" * 60), Draft("y" * 60)])
    assert reasons(desk) == ["import"]


def test_a_change_in_batches_makes_one_point(desk: Service) -> None:
    """A load of several batches under one id has one, before the first; sent again, no other."""
    change = "7b9ad6a1-6f2e-4d0c-9c0b-0d8f6a1b2c3d"
    for batch in range(3):
        drafts = [Draft(f"note {batch} {n}") for n in range(MANY)]
        desk.remember_many(drafts, change=change)
    desk.remember_many(drafts, change=change)
    assert [(point.reason, point.memories) for point in desk.points()] == [("import", 0)]


@direct_only
def test_without_a_point_there_is_no_bulk_change(
    desk: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When none can be made, the change is refused in one sentence and nothing is changed."""
    ids = [desk.remember(Draft(f"note {n}")).id for n in range(MANY)]
    seq = desk.stats().seq

    def fails(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(snapshot, "linked", fails)
    for change in (lambda: desk.forget(ids), lambda: many(desk, "more"), desk.reindex):
        with pytest.raises(
            StoreError, match=r"no restore point could be made.*nothing was changed"
        ):
            change()
    assert desk.stats().seq == seq


# What stays


def point(at: datetime, reason: str = "import", *, kept: bool = False) -> Point:
    """Return a point of a moment."""
    return Point(f"{at.isoformat()} {reason}", at, reason, 1, 1, 0, kept)


hours = some.integers(0, 24 * 400)
known = some.lists(
    some.builds(
        lambda ago, reason, kept: point(NOW - timedelta(hours=ago), reason, kept=kept),
        hours,
        some.sampled_from(["import", points.SCHEDULED, "forget"]),
        some.booleans(),
    ),
    max_size=80,
    unique_by=lambda each: each.name,
)


@given(known)
def test_retention_keeps_what_it_promises(there: list[Point]) -> None:
    """Kept ones and the newest stay, bulk ones stay or go by number and age, and it settles."""
    gone = points.surplus(there, NOW)
    left = [each for each in there if each not in gone]
    loose = sorted((each for each in left if not each.kept), key=lambda each: each.at)
    bulk = [each for each in loose if each.reason != points.SCHEDULED]
    scheduled = [each for each in loose if each.reason == points.SCHEDULED]
    assert not any(each.kept for each in gone)
    newest = max((each.at for each in there if not each.kept), default=None)
    assert newest is None or loose[-1].at == newest
    assert len(bulk) <= points.MOST_BULK
    most = points.SCHEDULED_LAST + points.SCHEDULED_DAYS + 1 + points.SCHEDULED_WEEKS + 1
    assert len(scheduled) <= most
    assert all(
        NOW - each.at < timedelta(days=points.BULK_DAYS) for each in loose[:-1] if each in bulk
    )
    assert points.surplus(left, NOW) == []
    assert gone == sorted(gone, key=lambda each: each.at)


def test_retention_over_a_month_of_scheduled_points() -> None:
    """One every six hours leaves a day's worth, one of each day of a week, one of each week."""
    there: list[Point] = []
    for number in range(4 * 60):
        at = NOW - timedelta(days=60) + timedelta(hours=6 * number)
        there.append(point(at, points.SCHEDULED))
        gone = points.surplus(there, at)
        there = [each for each in there if each not in gone]
    days = [(at - each.at).days for each in there][::-1]
    assert days[:4] == [0, 0, 0, 0]
    assert set(range(7)) <= set(days)
    assert max(days) >= 21
    assert len(there) <= 16


@direct_only
def test_maintenance_drops_what_the_quota_does_not_keep(
    desk: Service, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest beyond the number go; a kept one does not."""
    desk.remember(Draft("note"))
    with desk._core.locked():
        kept = snapshot.make_point(home, "before a restore", kept=True)
    monkeypatch.setattr(points, "MOST_BULK", 2)
    names = [desk.take_point(reason=f"round {n}").name for n in range(4)]
    desk.maintain()
    assert [each.name for each in desk.points()] == [names[3], names[2], kept]


@direct_only
def test_the_bytes_that_points_keep_are_bounded(
    desk: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When they keep more than they may, the oldest go first, and the newest stays."""
    store = desk._core.store()
    for word in ("a", "b", "c"):
        many(desk, f"{word * 3000} ", 15)
        desk.take_point(reason=word)
        desk.maintain(keep_seconds=0)
    assert reasons(desk) == ["a", "b", "c"]
    monkeypatch.setattr(points, "LEAST_BYTES", 1)
    monkeypatch.setattr(type(store), "size", lambda _: 1)
    points.tidy(desk._core)
    assert reasons(desk) == ["c"]


# On a schedule


def scheduled_desk(open_desk: Callable[..., Service], at: list[datetime], patch: object) -> Service:
    """Return a desk that makes points on a schedule, by the clock `at[0]`."""
    patch.setattr(points, "now", lambda: at[0])  # type: ignore[attr-defined]
    return open_desk(snapshots=True)


@direct_only
def test_a_point_is_made_when_it_is_time(
    open_desk: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a write, six hours after the last one; none where nothing was written since."""
    at = [NOW]
    desk = scheduled_desk(open_desk, at, monkeypatch)

    def made_after(passed: timedelta, write: str) -> int:
        at[0] += passed
        if write:
            desk.remember(Draft(write))
        else:
            points.opened(desk._core)
        assert desk.duties.settled(30)
        return reasons(desk).count(points.SCHEDULED)

    assert made_after(timedelta(0), "first") == 1
    assert made_after(timedelta(hours=5), "second") == 1
    assert made_after(timedelta(hours=2), "third") == 2
    assert made_after(timedelta(hours=7), "") == 2
    assert made_after(timedelta(0), "fourth") == 3
    assert made_after(timedelta(hours=5, minutes=59, seconds=50), "fifth") == 3
    assert made_after(timedelta(seconds=20), "sixth") == 3  # it is looked once a minute
    assert made_after(timedelta(minutes=1), "") == 4
    assert made_after(timedelta(days=-9), "set back") == 5
    assert made_after(timedelta(minutes=2), "after that") == 5
    assert {each.name: each.state for each in desk.duties.report()}["keeping"] == "idle"


@direct_only
@pytest.mark.parametrize("settings", [{}, {"snapshots": True, "background": False}])
def test_no_point_is_made_unless_it_is_wanted(
    open_desk: Callable[..., Service], settings: dict[str, object]
) -> None:
    """Neither without the setting nor in a process that ends soon."""
    desk = open_desk(**settings)
    desk.remember(Draft("note"))
    assert desk.duties.settled(30)
    assert desk.points() == ()


# What a purge leaves of them


def holding(home: Path, word: str) -> set[str]:
    """Return the points of which a file has a word in it."""
    found = set()
    for path in (home / "points").rglob("*"):
        if path.is_file() and word.encode() in path.read_bytes():
            found.add(path.relative_to(home / "points").parts[0])
    return found


def test_purged_words_leave_every_point(desk: Service, home: Path, tmp_path: Path) -> None:
    """Those from before and after the forgetting, and before an edit; nothing else is lost there."""
    secret = desk.remember(Draft(f"the {SECRET} is here", tags=("a",))).id
    other = desk.remember(Draft("a harmless note")).id
    names = [desk.take_point().name]
    desk.revise(secret, Edit(text=f"now without {SECRET}a"))
    desk.revise(other, Edit(pinned=True))
    names.append(desk.take_point().name)
    desk.forget([secret])
    names.append(desk.take_point().name)
    assert holding(home, SECRET) == set(names)
    desk.purge([secret])
    names.append(desk.take_point().name)
    desk.maintain(keep_seconds=0)
    assert holding(home, SECRET) == set()
    assert not (home / snapshot.SCRUB).exists()
    assert [each.memories for each in desk.points()] == [1, 1, 1, 1]
    for name in names:
        assert texts_after(home, name, tmp_path) == ["a harmless note"]


def texts_after(home: Path, name: str, tmp: Path) -> list[str]:
    """Return what a store has that is made of a point whose passages may be gone."""
    shutil.copytree(home / "points" / name, tmp / name)
    service = Service(tmp / name, FakeEmbedder(), background=False)
    try:
        service.maintain()
        assert service.recall("harmless").hits
        return [memory.text for memory in service.list(limit=1000).memories]
    finally:
        service.close()


def test_points_without_the_words_keep_their_links(desk: Service, home: Path) -> None:
    """A point from before a purged memory was made is left as it is."""
    many(desk, "note", 15)
    early = desk.take_point()
    files = set(snapshot.files(home, f"{early.name}/memories.lance"))
    secret = desk.remember(Draft(SECRET)).id
    desk.forget([secret])
    desk.purge([secret])
    desk.maintain(keep_seconds=0)
    assert set(snapshot.files(home, f"{early.name}/memories.lance")) == files


@direct_only
def test_words_that_an_earlier_memdesk_purged_leave_the_points(desk: Service, home: Path) -> None:
    """It knows of none, takes the words out of the store alone, and says that all is done."""
    secret = desk.remember(Draft(SECRET)).id
    desk.take_point()
    desk.forget([secret])
    desk.purge([secret])
    (home / snapshot.SCRUB).unlink()
    desk.maintain(keep_seconds=0)
    assert holding(home, SECRET) == set()
    files = snapshot.files(home, desk.points()[0].name)
    desk.maintain(keep_seconds=0)
    assert snapshot.files(home, desk.points()[0].name).keys() == files.keys()


@direct_only
def test_a_kept_store_that_was_set_aside_is_cleaned_with_its_old_versions(
    desk: Service, home: Path
) -> None:
    """A whole store in `points` may have the words in versions that nobody sees any more."""
    secret = desk.remember(Draft(SECRET)).id
    desk.remember(Draft("note"))
    desk.forget([secret])
    aside = home / "points" / "20260508-120000-000000-set-aside"
    aside.mkdir(parents=True)
    for name in (
        "store.json",
        "memories.lance",
        "history.lance",
        desk._core.store().stamp.passages,
    ):
        source = home / name if name.endswith((".json", ".lance")) else home / f"{name}.lance"
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, aside / source.name)
    about = {"at": NOW.isoformat(), "reason": "set aside", "kept": True, "memories": 2}
    (aside / "point.json").write_text(json.dumps(about))
    desk.purge([secret])
    desk.maintain(keep_seconds=0)
    assert holding(home, SECRET) == set()
    assert [(each.reason, each.memories, each.kept) for each in desk.points()] == [
        ("set aside", 1, True)
    ]


@direct_only
def test_a_point_that_cannot_be_cleaned_is_reported(desk: Service, home: Path) -> None:
    """It is not deleted; the store's numbers tell of it until it is dropped."""
    secret = desk.remember(Draft(SECRET)).id
    name = desk.take_point().name
    for path in (home / "points" / name / "memories.lance" / "_versions").iterdir():
        path.unlink()
        path.write_bytes(b"")
    desk.forget([secret])
    desk.purge([secret])
    desk.maintain(keep_seconds=0)
    (note,) = desk.stats().notes
    assert name in note
    assert "drop it" in note
    assert not (home / snapshot.SCRUB).exists()
    desk.drop_point(name)
    assert desk.stats().notes == ()


@direct_only
def test_purged_words_leave_what_was_killed_or_is_under_way(desk: Service, home: Path) -> None:
    """A copy, a file of no version, a point in the making: the scrub is over when none has them.

    The tables are rewritten once, however long that takes.
    """
    ids = [desk.remember(Draft(text)).id for text in (SECRET, "note")]
    with desk._core.locked():
        snapshot.linked(home).rename(home / ".copying")
        making = snapshot.linked(home)
    for path in list((home / "memories.lance" / "data").iterdir()):
        shutil.copy(path, path.with_name(f"{path.stem[::-1]}.lance"))
    (home / ".backup").mkdir()
    (home / ".backup" / "backup.zip").write_text(SECRET)
    desk.forget(ids[:1])
    desk.purge(ids[:1])
    desk.maintain(keep_seconds=0)
    assert (home / snapshot.SCRUB).exists()
    store = desk._core.store()
    assert not maintenance_due(store)
    version = store.memories.version
    snapshot.finished(making, home, points.SCHEDULED)
    desk.maintain(keep_seconds=0)
    assert store.memories.version == version
    assert not (home / snapshot.SCRUB).exists()
    files = [path for path in home.rglob("*") if path.is_file()]
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


@direct_only
def test_a_purge_meanwhile_is_not_forgotten(desk: Service, home: Path) -> None:
    """What is purged while maintenance scrubs is scrubbed by the next one."""
    ids = [desk.remember(Draft(f"{SECRET} {n}")).id for n in range(2)]
    desk.forget(ids)
    desk.purge(ids[:1])
    real = points.scrub

    def slowly(*arguments: object, **more: object) -> bool:
        if more["asked"]:
            desk.purge(ids[1:])
        return real(*arguments, **more)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(points, "scrub", slowly)
        desk.maintain(keep_seconds=0)
    assert (home / snapshot.SCRUB).exists()
    desk.maintain(keep_seconds=0)
    assert not (home / snapshot.SCRUB).exists()


# What is told of them


def test_the_status_tells_of_the_last_point_and_backup(desk: Service, home: Path) -> None:
    """When each was made; nothing before there is any."""
    desk.remember(Draft("note"))
    assert desk.status().backup == ""
    desk.take_point()
    assert desk.status().backup == "restore point just now, no backup file yet"
    two_days_ago = (datetime.now(UTC) - timedelta(days=2, hours=1)).isoformat()
    (home / "backups.json").write_text(json.dumps([{"at": two_days_ago, "path": "/x"}]))
    assert desk.status().backup == "restore point just now, backup file 2d ago"
    (home / "backups.json").write_text("{")
    assert desk.status().backup == "restore point just now, no backup file yet"
    about = home / "points" / desk.points()[0].name / "point.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"at": "yesterday"}))
    assert desk.status().backup == ""
    assert "cannot be read" in desk.stats().notes[0]


@direct_only
def test_what_is_kept_beside_the_store_is_not_its_size(
    open_desk: Callable[..., Service], home: Path
) -> None:
    """Points, backups and the ballast do not count."""
    desk = open_desk(background=False)
    desk.remember(Draft("note"))
    before = desk._core.store().size()
    for name in ("points/a/b", "backups/c"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(b"x" * 5000)
    (home / "ballast").write_bytes(b"x" * 5000)
    assert desk._core.store().size() == before


# How long the past is kept


@direct_only
def test_revisions_leave_the_history_after_a_year(desk: Service, home: Path) -> None:
    """Maintenance drops what was replaced more than a year ago, and no other."""
    memory = desk.remember(Draft("first words")).id
    desk.revise(memory, Edit(text="second words"))
    store, at = desk._core.store(), datetime.now(UTC)
    long_ago = at - timedelta(days=400)
    old = replace(store.get([memory])[memory], seq=0, text="ancient words")
    old = replace(old, created_at=long_ago, updated_at=long_ago)
    with desk._core.locked():
        store.history.add(schema.history_rows([old], at - timedelta(days=370)))
    assert len(desk.history(memory)) == 3
    seen = {"maintained": [(at - timedelta(days=2)).isoformat()]}
    (home / dating.FILE).write_text(json.dumps(seen))  # so that the clock is believed
    desk.maintain()
    assert [each.memory.text for each in desk.history(memory)] == ["second words", "first words"]


@direct_only
def test_a_change_whose_past_is_gone_is_not_undone(desk: Service) -> None:
    """A revision without one before it is no creation: undo reports it and leaves it."""
    memory = desk.remember(Draft("first words")).id
    change = desk.revise(memory, Edit(text="second words")).change
    with desk._core.locked():
        desk._core.store().drop_revisions([memory])
    assert desk.undo(change).conflicts == (memory,)
    assert desk.get([memory])[0].text == "second words"
