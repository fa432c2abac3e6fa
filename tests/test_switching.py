"""Changing the model without a gap: in the background, beside writers, over kills, and back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes import FakeEmbedder, other_model
from served import direct_only

from memdesk.catalog import BUNDLED
from memdesk.errors import ModelError
from memdesk.memory import Draft, Edit
from memdesk.service import indexing, switching
from memdesk.service.duties import SWITCHING
from memdesk.service.switch import Switch
from memdesk.store import Beside, maintain, read_stamp
from memdesk.store.stamp import passages_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from memdesk.errors import MemdeskError
    from memdesk.passages import Embedded
    from memdesk.service import Service

    Midst = tuple[Service, "Held", Future[int]]

WORKER = Path(__file__).with_name("switcher.py")
SPEC = other_model()
SOON = 60.0
VERSION = "99"


class Held(FakeEmbedder):
    """A model that embeds nothing more after so many texts until it is let go."""

    def __init__(self, after: int) -> None:
        super().__init__(SPEC)
        self.left = after
        self.reached = threading.Event()
        self.go = threading.Event()

    def read_documents(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> list[Embedded]:
        """Return the vectors of texts, once it may."""
        self.left -= len(texts)
        if self.left < 0:
            self.reached.set()
            assert self.go.wait(SOON)
        return super().read_documents(texts, progress)


def models(*known: FakeEmbedder) -> Callable[[str], FakeEmbedder]:
    """Return a catalogue of models: these, and the one of a new store."""
    by_name = {each.spec.name: each for each in (FakeEmbedder(), *known)}

    def get(name: str) -> FakeEmbedder:
        if name not in by_name:
            raise ModelError(f"there is no model named {name}")
        return by_name[name]

    return get


def filled(desk: Service, many: int = 20) -> list[str]:
    """Remember so many notes; return their ids."""
    done = desk.remember_many([Draft(f"note number{n} apple") for n in range(many)])
    return [each.id for each in done]


def indexed(desk: Service) -> dict[str, int]:
    """Return of each memory that search has the sequence number, each with its vector."""
    store = desk._core.store()
    rows = store.passages.rows("", columns=["memory", "seq", "embedded", "vector"]).to_pylist()
    assert all(row["embedded"] and len(row["vector"]) == store.stamp.dims for row in rows)
    return {row["memory"]: row["seq"] for row in rows}


def present(desk: Service) -> dict[str, int]:
    """Return the sequence number of each memory."""
    store = desk._core.store()
    rows = store.memories.rows("state <> 'tombstone'", columns=["id", "seq"]).to_pylist()
    return {row["id"]: row["seq"] for row in rows}


@pytest.fixture
def in_the_midst(open_desk: Callable[..., Service]) -> Iterator[Midst]:
    """A desk of 20 notes that is changing its model, and held up after 8 of them."""
    held = Held(8)
    desk = open_desk(models=models(held))
    filled(desk)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(desk.use_model, SPEC)
        try:
            assert held.reached.wait(SOON)
            yield desk, held, waiting
        finally:
            held.go.set()


# While it goes on


@direct_only
def test_searches_and_writes_go_on_meanwhile(
    in_the_midst: Midst,
) -> None:
    """What is written, changed or erased while memories are embedded is so after the switch."""
    desk, held, waiting = in_the_midst
    assert desk.stats().model == BUNDLED.name
    assert desk.recall("number3").degraded is None
    ids = list(present(desk))
    new = desk.remember(Draft("a pear of the meantime"))
    assert new.pending == 0
    desk.revise(ids[0], Edit(text="apple pie"))
    desk.forget([ids[1], ids[2]])
    desk.purge([ids[2]])
    held.go.set()
    assert waiting.result(SOON) >= 20
    assert desk.stats().model == SPEC.name
    assert indexed(desk) == present(desk)
    assert desk.recall("pear").hits[0].cosine is not None
    assert desk.recall("pie").hits[0].memory.id == ids[0]


@direct_only
def test_how_far_it_is_is_told(in_the_midst: Midst) -> None:
    """The status names the coming model and counts; afterwards it names the one before."""
    desk, held, waiting = in_the_midst
    status = desk.status()
    assert status.switch == "to other: 0 of 20 memories"
    assert (status.coming, status.former) == ("other", "")
    assert any(duty.name == SWITCHING and duty.state == "running" for duty in status.duties)
    held.go.set()
    assert waiting.result(SOON) >= 20
    status = desk.status()
    assert (status.switch, status.coming, status.former) == ("", "", BUNDLED.name)


@direct_only
def test_it_is_given_up_with_one_call(in_the_midst: Midst, home: Path) -> None:
    """Nothing of the coming model stays, and whoever waits for it is told."""
    desk, held, waiting = in_the_midst
    assert desk.roll_back_model() == BUNDLED.name
    held.go.set()
    with pytest.raises(ModelError, match="given up"):
        waiting.result(SOON)
    assert desk._core.duties.settled(SOON)
    assert desk.status().switch == ""
    assert not list(home.glob(f"passages_{SPEC.fingerprint}*"))
    assert desk.recall("number3").degraded is None
    with pytest.raises(ModelError, match="no way back"):
        desk.roll_back_model()


@direct_only
def test_a_second_caller_joins(in_the_midst: Midst) -> None:
    """Two who ask for the same model wait for the same work."""
    desk, held, waiting = in_the_midst
    done: list[int] = []
    second = threading.Thread(target=lambda: done.append(desk.use_model(SPEC)))
    second.start()
    held.go.set()
    assert waiting.result(SOON) >= 20
    second.join(SOON)
    assert done == [20]
    assert len(held.embedded) == 20


@direct_only
def test_a_purge_meanwhile_takes_the_words_out_of_every_file(
    open_desk: Callable[..., Service], home: Path
) -> None:
    """Also out of the table that is being made, whose model may never be used."""
    desk = open_desk(models=models(Failing(SPEC)), background=False)
    filled(desk, 3)
    gone = desk.remember(Draft("the xylophone is erased")).id
    desk.forget([gone])
    with pytest.raises(ModelError, match="it has broken"):
        desk.use_model(SPEC)
    store = desk._core.store()
    with desk._core.locked():
        beside = Beside(store, SPEC.name, SPEC.fingerprint, SPEC.dims)
        memory = store.get([gone])[gone]
        beside.put(indexing.rows(memory, indexing.passages(memory), None), [gone])
    coming = home / f"{passages_of(SPEC.fingerprint)}.lance"
    assert holding(coming, b"xylophon")
    desk.purge([gone])
    maintain(store, desk._core.locked, indexed=0, whole=False, keep_seconds=0)
    assert coming.is_dir()
    assert not [path for table in home.glob("*.lance") for path in holding(table, b"xylophon")]


@direct_only
@pytest.mark.parametrize("lost", ["_versions/*.manifest", "_indices/*/page_lookup.lance"])
def test_a_coming_table_that_a_power_cut_tore_is_in_nobodys_way(
    open_desk: Callable[..., Service], home: Path, lost: str
) -> None:
    """Maintenance goes on beside it, a purge leaves no word in it, and the change makes it anew."""
    desk = open_desk(models=models(Failing(SPEC)), background=False)
    ids = filled(desk, 3)
    with pytest.raises(ModelError, match="it has broken"):
        desk.use_model(SPEC)
    coming = home / f"{passages_of(SPEC.fingerprint)}.lance"
    min(coming.glob(lost)).write_bytes(b"")
    desk.maintain(keep_seconds=0)
    assert desk.status().switch.startswith("to other: 0 of 3")
    desk.forget(ids[:1])
    desk.purge(ids[:1])
    desk.maintain(keep_seconds=0)
    assert not coming.exists()
    desk.close()
    again = open_desk(models=models(FakeEmbedder(SPEC)))
    assert again.use_model(SPEC) == 2
    assert indexed(again) == present(again)


def holding(folder: Path, words: bytes) -> list[Path]:
    """Return the files below a folder that hold words."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if words in path.read_bytes()]


# And back


def test_going_back_embeds_only_what_has_changed(open_desk: Callable[..., Service]) -> None:
    """The vectors of the model before are still there; what is new since is embedded with it."""
    old, new = FakeEmbedder(), FakeEmbedder(SPEC)
    by_name = {BUNDLED.name: old, "other": new}
    desk = open_desk(models=by_name.__getitem__)
    filled(desk)
    assert desk.use_model(SPEC) == 20
    desk.remember(Draft("a pear since"))
    embedded = len(old.embedded)
    assert desk.roll_back_model() == BUNDLED.name
    assert old.embedded[embedded:] == ["a pear since"]
    found = desk.recall("pear").hits[0]
    assert found.memory.text == "a pear since"
    assert found.cosine is not None
    assert desk.stats().model == BUNDLED.name
    assert desk.roll_back_model() == "other"


@direct_only
def test_what_was_purged_since_does_not_come_back(open_desk: Callable[..., Service]) -> None:
    """Neither in an answer nor in the table of the model before."""
    desk = open_desk(models=models(FakeEmbedder(SPEC)))
    ids = filled(desk)
    desk.use_model(SPEC)
    desk.forget([ids[0]])
    desk.purge([ids[0]])
    desk.roll_back_model()
    assert indexed(desk) == present(desk)
    assert ids[0] not in indexed(desk)


@direct_only
def test_maintenance_leaves_the_way_back(open_desk: Callable[..., Service], home: Path) -> None:
    """The table of the model before stays for a week, the coming one for as long as it is wanted."""
    desk = open_desk(models=models(FakeEmbedder(SPEC)))
    filled(desk)
    desk.use_model(SPEC)
    desk.maintain(keep_seconds=0)
    former = home / f"{passages_of(BUNDLED.fingerprint)}.lance"
    assert former.is_dir()
    week = time.time() - 8 * 86_400
    for path in (former, home / "store.json"):
        os.utime(path, (week, week))
    desk.maintain(keep_seconds=0)
    assert not former.exists()
    assert desk.roll_back_model() == BUNDLED.name
    assert indexed(desk) == present(desk)


# Models that fail


def test_a_missing_model_says_how_to_go_back(open_desk: Callable[..., Service]) -> None:
    """After the switch its file is deleted: words are found, and `model back` helps."""
    desk = open_desk(models=models(FakeEmbedder(SPEC)))
    filled(desk)
    desk.use_model(SPEC)
    other = open_desk(models=models(FakeEmbedder(SPEC, broken="the file is gone")))
    found = other.recall("number3")
    assert found.hits
    assert found.degraded is not None
    assert "the file is gone" in found.degraded
    assert "go back to all-MiniLM-L6-v2 with: memdesk model back" in found.degraded
    assert other.roll_back_model() == BUNDLED.name
    assert other.recall("number3").degraded is None


class Failing(FakeEmbedder):
    """A model that loads and then fails."""

    def read_documents(self, *_: object) -> list[Embedded]:
        """Fail."""
        raise ModelError("it has broken")


def test_a_model_that_breaks_changes_nothing(open_desk: Callable[..., Service]) -> None:
    """The one in use stays, the status says what went wrong, and giving up is one call."""
    desk = open_desk(models=models(Failing(SPEC)))
    filled(desk)
    with pytest.raises(ModelError, match="it has broken"):
        desk.use_model(SPEC)
    assert desk.recall("number3").degraded is None
    assert desk.status().switch == "to other: 0 of 20 memories; it stopped: it has broken"
    assert desk.roll_back_model() == BUNDLED.name
    assert desk.status().switch == ""


# Many processes


def start(home: Path, *words: str) -> subprocess.Popen[str]:
    """Start another process on the desk."""
    return subprocess.Popen(
        [sys.executable, str(WORKER), str(home), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line(process: subprocess.Popen[str]) -> str:
    """Return the next line that a process prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def ended(process: subprocess.Popen[str]) -> list[str]:
    """Have a process end well; return what it has still printed."""
    said, _ = process.communicate("stop\n", timeout=SOON)
    assert process.returncode == 0
    return said.splitlines()


def found_by_both(desk: Service, texts: Sequence[str]) -> None:
    """Check that search has each text with its words and its vector, and no other."""
    memories = {memory.id: memory.text for memory in desk.list(limit=1000).memories}
    assert sorted(texts) == sorted(memories.values())
    assert indexed(desk) == present(desk)
    for text in texts[:: max(1, len(texts) // 12)]:
        hits = [hit for hit in desk.recall(text, limit=5).hits if hit.memory.text == text]
        assert hits
        assert hits[0].keyword_rank is not None
        assert hits[0].cosine is not None


@direct_only
def test_nothing_is_missed_by_anyone_over_a_switch_and_back(
    home: Path, open_desk: Callable[..., Service]
) -> None:
    """Writers and readers in other processes go on all the time, and no one sees a gap."""
    desk = open_desk(models=models(FakeEmbedder(SPEC)))
    filled(desk, 60)
    writers = [start(home, "write", name) for name in ("ada", "bob")]
    readers = [start(home, "read") for _ in range(2)]
    for each in (*writers, *readers):
        assert line(each) == "begun"
    assert desk.use_model(SPEC) >= 60
    assert desk.roll_back_model() == BUNDLED.name
    assert desk.use_model(SPEC) >= 60
    acknowledged = [text for each in writers for text in ended(each)]
    for each in readers:
        (said,) = ended(each)
        assert int(said) > 0
    desk._core.duties.run("embedding", lambda: None)
    desk.embed_pending()
    assert len(acknowledged) > 2
    found_by_both(desk, [*(f"note number{n} apple" for n in range(60)), *acknowledged])


POINTS = ["opened", "put 1", "settled", "taking", "stamped"]


@direct_only
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_change_goes_on(home: Path, open_desk: Callable[..., Service], point: str) -> None:
    """Kill -9 anywhere leaves a store that answers; asked again, only the rest is embedded."""
    desk = open_desk(models=models(FakeEmbedder(SPEC)), background=False)
    filled(desk, 300)
    killed = start(home, "switch", point)
    killed.communicate(timeout=SOON)
    assert killed.returncode == -signal.SIGKILL
    done = point == "stamped"
    assert desk.stats().model == ("other" if done else BUNDLED.name)
    desk.remember(Draft("a pear after the kill"))
    found = desk.recall("number3")
    assert found.degraded is None
    assert found.hits
    again = FakeEmbedder(SPEC)
    fresh = open_desk(models=models(again), background=False)
    assert fresh.use_model(SPEC) == (0 if done else 301)
    kept = {"opened": 0, "put 1": 256, "settled": 300, "taking": 300, "stamped": 300}[point]
    assert done or len(again.embedded) == 301 - kept
    found_by_both(fresh, [*(f"note number{n} apple" for n in range(300)), "a pear after the kill"])


@direct_only
def test_whoever_stays_goes_on_by_itself(home: Path, open_desk: Callable[..., Service]) -> None:
    """A desk that opens a store whose change was killed carries it to its end."""
    filled(open_desk(), 300)
    start(home, "switch", "put 1").communicate(timeout=SOON)
    desk = open_desk(models=models(FakeEmbedder(SPEC)))
    desk.recall("number3")
    assert desk._core.duties.settled(SOON)
    assert desk.stats().model == "other"
    assert indexed(desk) == present(desk)


@direct_only
def test_others_are_kept_waiting_for_a_moment_only(
    open_desk: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many memories there are, the lock is held for a few at the end."""
    made: list[Switch] = []

    class Kept(Switch):
        def end(self, error: MemdeskError | None = None) -> None:
            made.append(self)
            super().end(error)

    monkeypatch.setattr(switching, "Switch", Kept)
    desk = open_desk(models=models(FakeEmbedder(SPEC)), background=False)
    filled(desk, 500)
    desk.use_model(SPEC)
    assert 0 < made[0].held < 2  # seconds; a tenth of them where nothing else is at work


@direct_only
def test_the_stamp_is_as_before_but_for_the_model(
    open_desk: Callable[..., Service], home: Path
) -> None:
    """An older memdesk of the same format reads the store; nothing but the model has changed."""
    desk = open_desk(models=models(FakeEmbedder(SPEC)))
    filled(desk, 3)
    before = json.loads((home / "store.json").read_text())
    desk.use_model(SPEC)
    after = json.loads((home / "store.json").read_text())
    changed = {name for name in after if after[name] != before.get(name, "")}
    assert changed == {
        *("model", "fingerprint", "dims", "passages", "former", "former_passages"),
    }
    assert read_stamp(home, VERSION) == desk._core.store().stamp
