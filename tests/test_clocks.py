"""A clock that jumps: nothing is lost, doubled or erased for it, and order goes by the store's own count."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from served import direct_only

from memdesk.memory import Draft, Edit
from memdesk.service import dating
from memdesk.service.backups import Backup, record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from memdesk.service import Service

TODAY = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
YEAR = 365 * DAY


class Clock:
    """The wall clock of whatever is written and maintained."""

    def __init__(self) -> None:
        self.at = TODAY

    def __call__(self) -> datetime:
        """Return the moment it is."""
        return self.at


@pytest.fixture(autouse=True)
def wall(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock, which stands at noon of a day."""
    clock = Clock()
    monkeypatch.setattr("memdesk.service.recalling.FLOOR", 0.0)
    for module in ("core", "writing", "loading", "upkeep", "points"):
        monkeypatch.setattr(f"memdesk.service.{module}.now", clock, raising=False)
    return clock


def _state(desk: Service, id: str) -> str:
    return desk.get([id])[0].state


# Order


@pytest.mark.parametrize("jump", [-YEAR, timedelta(minutes=-2), YEAR])
def test_revisions_stay_in_the_order_they_were_made_in(
    desk: Service, wall: Clock, jump: timedelta
) -> None:
    """The history of a memory, and what an undo takes back, go by sequence, whatever the clock says."""
    id = desk.remember(Draft("one")).id
    wall.at += jump
    desk.revise(id, Edit(text="two"))
    wall.at -= jump
    desk.revise(id, Edit(text="three"))
    revisions = desk.history(id)
    assert [each.memory.text for each in revisions] == ["three", "two", "one"]
    seqs = [each.memory.seq for each in revisions]
    assert seqs == sorted(seqs, reverse=True)
    desk.undo()
    assert desk.get([id])[0].text == "two"
    desk.undo(revisions[1].memory.change)
    assert [memory.id for memory in desk.list().memories] == [id]


def test_clocks_do_not_follow_a_wall_that_goes_back_a_little(desk: Service, wall: Clock) -> None:
    """Within five minutes every revision's clock exceeds all before it."""
    clocks = []
    for step in (0, -60, -120, 30, -260):
        wall.at = TODAY + timedelta(seconds=step)
        memory = desk.get([desk.remember(Draft(f"note {step}")).id])[0]
        clocks.append((memory.clock_ms, memory.clock_n))
    assert clocks == sorted(set(clocks))


def test_a_wrong_date_does_not_spoil_the_clocks_after_it(desk: Service, wall: Clock) -> None:
    """One from the year after is passed over once the date is right."""
    wall.at += YEAR
    desk.remember(Draft("of next year"))
    wall.at = TODAY
    for n in range(3):
        memory = desk.get([desk.remember(Draft(f"note {n}")).id])[0]
        assert memory.clock_ms <= TODAY.timestamp() * 1000 + 5 * 60 * 1000


@pytest.mark.parametrize("jump", [-YEAR, timedelta(hours=-1), YEAR])
def test_the_past_has_each_memory_once(desk: Service, wall: Clock, jump: timedelta) -> None:
    """Whatever moment is asked for, no memory answers with two of its texts, and today's is there."""
    id = desk.remember(Draft("the key is under the mat")).id
    wall.at += jump
    desk.revise(id, Edit(text="the key is in the shed"))
    wall.at = TODAY + DAY
    desk.revise(id, Edit(text="the key is on the hook"))
    for at in (TODAY - 2 * YEAR, TODAY - YEAR, TODAY, TODAY + DAY, TODAY + YEAR, TODAY + 2 * YEAR):
        texts = [hit.memory.text for hit in desk.recall("where is the key", as_of=at).hits]
        assert len(texts) <= 1
    assert texts == ["the key is on the hook"]
    assert len(desk.history(id)) == 3


def test_what_has_changed_is_told_after_a_jump(desk: Service, wall: Clock) -> None:
    """A diff names each memory once."""
    kept = desk.remember(Draft("kept")).id
    since = TODAY + timedelta(minutes=1)
    wall.at = TODAY + YEAR
    desk.revise(kept, Edit(text="kept anew"))
    wall.at = TODAY + DAY
    added = desk.remember(Draft("added")).id
    ids = [each.now.id for each in desk.diff(since).differences]
    assert sorted(ids) == sorted([kept, added])


# Erasing by age


def test_one_day_in_the_future_erases_nothing(desk: Service, wall: Clock) -> None:
    """Nothing is put away or dropped on a clock that is two years ahead, and is right again."""
    trashed, erased = (desk.remember(Draft(text)).id for text in ("trashed", "erased"))
    brief = desk.remember(Draft("brief", expires_at=(TODAY + YEAR).isoformat())).id
    points = {desk.take_point(reason=reason).name for reason in ("one", "two")}
    desk.forget([trashed, erased])
    desk.purge([erased])
    desk.maintain(keep_seconds=0)
    wall.at += 2 * YEAR
    for _ in range(3):
        desk.remember(Draft(f"of the future {wall.at}"))
        desk.maintain(keep_seconds=0)
        wall.at += timedelta(hours=1)
    for day in range(3):
        wall.at = TODAY + day * DAY
        desk.maintain(keep_seconds=0)
    assert [_state(desk, id) for id in (trashed, erased, brief)] == ["trashed", "tombstone", "live"]
    assert points <= {each.name for each in desk.points()}


def test_trash_of_a_clock_that_was_behind_is_young(desk: Service, wall: Clock) -> None:
    """What was forgotten on a wrong date long ago is not thirty days old when the date is right."""
    old, new = (desk.remember(Draft(text)).id for text in ("old", "new"))
    wall.at = datetime(1990, 1, 1, tzinfo=UTC)
    desk.forget([old])
    lost = desk.remember(Draft("lost")).id
    desk.forget([lost])
    for day in range(4):
        wall.at = TODAY + day * DAY
        desk.maintain(keep_seconds=0)
    assert [_state(desk, id) for id in (old, lost, new)] == ["trashed", "trashed", "live"]


def test_old_trash_goes_at_the_next_days_maintenance(desk: Service, wall: Clock) -> None:
    """A date that is still there a day later is believed."""
    id = desk.remember(Draft("gone")).id
    desk.forget([id])
    states = []
    for day in (0, 31, 32):
        wall.at = TODAY + day * DAY
        desk.maintain(keep_seconds=0)
        states.append(_state(desk, id))
    assert states == ["trashed", "trashed", "tombstone"]


@direct_only
def test_tombstones_outlast_the_backups_before_them(desk: Service, wall: Clock, home: Path) -> None:
    """Else one that is restored years later would bring back what was purged."""
    id = desk.remember(Draft("gone")).id
    desk.forget([id])
    desk.purge([id])
    desk.remember(Draft("note"))
    record(home, Backup((TODAY - DAY).isoformat(), "/elsewhere", 1, "", 1, encrypted=False))
    left = []
    for day in (0, 400, 401, 402):
        wall.at = TODAY + day * DAY
        if day == 402:
            (home / "backups.json").unlink()
        desk.maintain(keep_seconds=0)
        left.append(desk.stats().states.get("tombstone", 0))
    assert left == [1, 1, 1, 0]


def test_a_date_is_believed_when_it_has_lasted_a_day(tmp_path: Path) -> None:
    """Ages are counted from the last maintenance that was a day ago at least; broken notes are none."""
    assert dating.believed(tmp_path, TODAY) is None
    assert dating.believed(tmp_path, TODAY + DAY / 2) is None
    assert dating.believed(tmp_path, TODAY + YEAR) == TODAY + DAY / 2 - DAY / 2
    assert dating.believed(tmp_path, TODAY + YEAR + DAY / 2) == TODAY
    assert dating.believed(tmp_path, TODAY + DAY) == TODAY
    assert dating.believed(tmp_path, TODAY - YEAR) is None
    (tmp_path / dating.FILE).write_text("{")
    assert dating.believed(tmp_path, TODAY) is None


# Maintenance


@direct_only
@pytest.mark.parametrize("jump", [-YEAR, YEAR])
def test_maintenance_cleans_after_a_jump(
    open_desk: Callable[..., Service], home: Path, jump: timedelta
) -> None:
    """What it noted on a clock that was wrong keeps no old version for a year."""
    desk = open_desk(background=False)
    for n in range(3):
        desk.remember(Draft(f"note {n}"))
        desk.maintain(keep_seconds=0)
    told = json.loads((home / "maintenance.json").read_text())
    told["at"] = told["checked"] = time.time() + jump.total_seconds()
    told["clean"] = False
    (home / "maintenance.json").write_text(json.dumps(told))
    from memdesk.store import maintenance_due, whole_check_due

    store = desk._core.store()
    assert maintenance_due(store)
    assert whole_check_due(store)
    desk.maintain()
    assert not maintenance_due(store)
    told = json.loads((home / "maintenance.json").read_text())
    of_yesterday = told | {"at": time.time() - 100_000, "clean": True}
    (home / "maintenance.json").write_text(json.dumps(of_yesterday))
    assert maintenance_due(store)  # trash grows old while nothing is written
    (home / "maintenance.json").write_text(json.dumps(told))
    told = json.loads((home / "maintenance.json").read_text())
    assert abs(told["at"] - time.time()) < 600
