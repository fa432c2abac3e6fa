"""Stores of every earlier format: opened, used, and brought up to date over kills."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes import FakeEmbedder
from old_stores import NAMES, plain, unpack

from memdesk.errors import StoreError
from memdesk.memory import LIVE, TRASHED, Draft, Edit
from memdesk.service import Service
from memdesk.store import migrations, stamp
from memdesk.store.migrations import STEPS, Step
from memdesk.store.stamp import FORMAT, LAYOUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from memdesk.store.stamp import Stamp

EARLIER = [name for name in NAMES if not name.startswith(f"format-{FORMAT}")]
ASKED = {
    "boiler July": "The boiler is serviced in July",
    "Größe Küche": "Größe des Fensters: 120 × 80 cm – Küche",
    "東京の会議": "東京の会議は火曜日です",
    "врачу": "Перезвонить врачу",
    "fuse box": "It hangs beside the fuse box.",
    "last maintenance": "Written after the last maintenance",
}
"""What is asked, and what must be the first answer."""
OPENED = Path(__file__).with_name("opened.py")


@pytest.fixture(params=NAMES)
def told(request: pytest.FixtureRequest, home: Path) -> dict[str, Any]:
    """Put an old store in its place and return what must be in it."""
    return unpack(str(request.param), home)


@pytest.fixture
def way() -> str:
    """Open every desk in this process: the store is what these tests are about."""
    return "direct"


def points(home: Path) -> list[Path]:
    """Return the restore points of a store."""
    return sorted((home / "points").glob("[!.]*"))


def check(desk: Service, told: dict[str, Any]) -> None:
    """Find every memory with every field, and every state it was in."""
    ids = [memory["id"] for memory in told["memories"]]
    assert [plain(memory) for memory in desk.get(ids)] == told["memories"]
    for id in ids:
        states = desk.history(id)
        assert [[each.memory.seq, each.memory.state, each.memory.text] for each in states] == told[
            "histories"
        ][id]
    assert desk.stats().epoch == told["stamp"]["epoch"]


def test_there_is_a_store_of_every_format() -> None:
    """Whoever changes the format, or how passages are made, adds a step and a store."""
    assert [step.before for step in STEPS] == list(range(1, FORMAT))
    for number in range(1, FORMAT + 1):
        assert f"format-{number}" in NAMES
    folder = Path(__file__).parent / "data" / "stores"
    newest = json.loads((folder / f"format-{FORMAT}.json").read_text(encoding="utf-8"))
    assert newest["stamp"]["passages"].endswith(f"_{LAYOUT}")


def test_an_old_store_has_everything(
    told: dict[str, Any], open_desk: Callable[..., Service], home: Path
) -> None:
    """Every memory of every state is there, and found by its words in the very first call."""
    desk = open_desk()
    for words, text in ASKED.items():
        assert desk.recall(words).hits[0].memory.text == text
    check(desk, told)
    notes = " ".join(desk.stats().notes)
    was = told["stamp"]["format"]
    assert (f"format {was} and is of format {FORMAT} now" in notes) == (was < FORMAT)
    assert desk.duties.settled(30)
    check(desk, told)
    now = json.loads((home / "store.json").read_text(encoding="utf-8"))
    assert now["format"] == FORMAT
    assert {name: now[name] for name in ("epoch", "device", "fingerprint")} == {
        name: told["stamp"][name] for name in ("epoch", "device", "fingerprint")
    }
    assert not open_desk().stats().notes


def test_an_old_store_is_worked_with(
    told: dict[str, Any], open_desk: Callable[..., Service]
) -> None:
    """It is written to, undone, purged and maintained."""
    desk = open_desk()
    by_text = {memory["text"]: memory for memory in told["memories"]}
    coffee = by_text["Coffee without sugar ☕ please"]["id"]
    assert desk.remember(Draft("Перезвонить врачу", kind="task")).outcome == "duplicate"
    [new] = desk.get([desk.remember(Draft("Entirely new")).id])
    assert new.seq == max(memory["seq"] for memory in told["memories"]) + 1
    desk.revise(coffee, Edit(text="Coffee with milk"))
    assert desk.recall("coffee milk").hits[0].memory.id == coffee
    desk.undo()
    assert desk.get([coffee])[0].text == by_text["Coffee without sugar ☕ please"]["text"]
    trashed = [memory["id"] for memory in told["memories"] if memory["state"] == TRASHED]
    desk.restore(trashed[:1])
    assert desk.get(trashed[:1])[0].state == LIVE
    desk.purge(trashed[1:])
    assert desk.get(trashed[1:])[0].text == ""
    assert desk.maintain(keep_seconds=0)
    assert desk.embed_pending() == 0
    assert desk.recall("fuse box").hits[0].cosine is not None


def test_the_way_back_is_kept(
    told: dict[str, Any], open_desk: Callable[..., Service], home: Path, tmp_path: Path
) -> None:
    """One lasting restore point holds the store as it was: its stamp, and every file it needs."""
    old = tmp_path / "old"
    shutil.copytree(home, old)
    open_desk().stats()
    if told["stamp"]["format"] == FORMAT:
        assert points(home) == []
        return
    (point,) = points(home)
    assert point.name.endswith(f"-before-format-{FORMAT}")
    assert json.loads((point / "point.json").read_text(encoding="utf-8"))["kept"] is True
    assert json.loads((point / "store.json").read_text(encoding="utf-8")) == told["stamp"]
    for name in ("memories.lance", "history.lance", f"{told['stamp']['passages']}.lance"):
        kept = [path for path in (point / name).rglob("*") if path.is_file()]
        assert kept
        for path in kept:
            assert path.read_bytes() == (old / path.relative_to(point)).read_bytes()


def test_two_processes_open_an_old_store_at_once(told: dict[str, Any], home: Path) -> None:
    """One of them brings it up to date; both find everything, and there is one way back."""
    processes = [start(home, "never") for _ in range(2)]
    found = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    everything = sorted(told["memories"], key=lambda each: each["id"])
    assert found[0] == found[1] == everything
    assert len(points(home)) == int(told["stamp"]["format"] < FORMAT)


def start(home: Path, kill_at: str) -> subprocess.Popen[str]:
    """Start a process that opens the store, and is killed at a change it makes on the disk."""
    command = [sys.executable, str(OPENED), str(home), kill_at]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("name", ["format-1", f"format-{FORMAT - 1}"])
def test_a_migration_that_is_killed_goes_on(
    name: str, open_desk: Callable[..., Service], home: Path
) -> None:
    """Killed at its first rename, then at its second, and so on: nothing is missing, no point is torn."""
    told = unpack(name, home)
    kills = 0
    while True:
        process = start(home, f"rename {kills}")
        process.communicate(timeout=60)
        if process.returncode == 0:
            break
        assert process.returncode == -9
        kills += 1
        assert kills < 20
    assert kills >= 3
    desk = open_desk()
    check(desk, told)
    assert desk.recall("врачу").hits[0].memory.text == "Перезвонить врачу"
    assert len(points(home)) == 1


@pytest.mark.parametrize("name", EARLIER)
def test_a_step_that_fails_is_done_at_the_next_opening(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each step and inside it: the stamp says what is done, and nothing is done twice."""
    told = unpack(name, home)
    first = int(told["stamp"]["format"])
    for number in range(first, FORMAT):
        for moment in ("before", "after"):
            with monkeypatch.context() as patch:
                patch.setattr(migrations, "STEPS", failing(number, moment))
                desk = Service(home, FakeEmbedder(), background=False)
                with pytest.raises(StoreError, match="interrupted"):
                    desk.list()
                desk.close()
            now = json.loads((home / "store.json").read_text(encoding="utf-8"))
            assert now["format"] == number
    desk = Service(home, FakeEmbedder(), background=False)
    check(desk, told)
    assert len(points(home)) == 1
    desk.close()


def failing(number: int, moment: str) -> tuple[Step, ...]:
    """Return the steps, of which one fails before or after its work; those before it are whole."""

    def wrapped(step: Step) -> Step:
        def do(home: Path, stamp: Stamp) -> Stamp:
            if moment == "after":
                step.do(home, stamp)
            raise StoreError("interrupted")

        return replace(step, do=do) if step.before == number else step

    return tuple(wrapped(step) for step in STEPS)


def test_a_store_that_cannot_be_kept_is_not_changed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a restore point there is no way back, so there is no way on."""
    told = unpack("format-1", home)

    def full(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr("memdesk.store.opening._keep", full)
    before = [path for path in sorted(home.rglob("*")) if path.stem != "write"]
    desk = Service(home, FakeEmbedder(), background=False)
    with pytest.raises(StoreError, match="disk is full"):
        desk.list()
    desk.close()
    assert json.loads((home / "store.json").read_text(encoding="utf-8")) == told["stamp"]
    assert [path for path in sorted(home.rglob("*")) if path.stem != "write"] == before


def test_a_format_that_never_was_is_refused(home: Path) -> None:
    """Nothing is guessed about a store of format 0."""
    unpack("format-1", home)
    path = home / "store.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(told | {"format": 0}), encoding="utf-8")
    with pytest.raises(StoreError, match="of format 0, which"):
        Service(home, FakeEmbedder(), background=False).list()


def test_an_older_lancedb_is_kept_out_from_the_first_write_on(
    open_desk: Callable[..., Service], home: Path
) -> None:
    """Reading leaves the stamp as it is; a write says that a newer lancedb writes from now on."""
    told = unpack(f"format-{FORMAT}", home)
    path = home / "store.json"
    path.write_text(json.dumps(told["stamp"] | {"lancedb": "0.39.2"}), encoding="utf-8")
    desk = open_desk(background=False)
    assert desk.recall("врачу").hits
    assert json.loads(path.read_text(encoding="utf-8"))["lancedb"] == "0.39.2"
    desk.remember(Draft("written by a newer one"))
    now = json.loads(path.read_text(encoding="utf-8"))
    assert now == now | told["stamp"]
    with pytest.raises(StoreError, match="written with lancedb"):
        stamp.read_stamp(home, "0.39.2")


def test_maintenance_keeps_an_older_lancedb_out_as_well(
    open_desk: Callable[..., Service], home: Path
) -> None:
    """It writes files, too, and without the lock that writers take."""
    told = unpack(f"format-{FORMAT}", home)
    path = home / "store.json"
    path.write_text(json.dumps(told["stamp"] | {"lancedb": "0.39.2"}), encoding="utf-8")
    desk = open_desk(background=False)
    assert desk.maintain(keep_seconds=0)
    assert json.loads(path.read_text(encoding="utf-8"))["lancedb"] == told["stamp"]["lancedb"]
