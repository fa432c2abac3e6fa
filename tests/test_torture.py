"""Many processes on a throw-away store, killed at random: and the verdict is one that can fail."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from cli_runner import Cli
from daemon_home import until
from fakes import FakeEmbedder
from tortured import worked_on

from memdesk.memory import LIVE, TRASHED, content_hash, new_id
from memdesk.service import Service
from memdesk.store import schema
from memdesk.torture import supervisor, texts
from memdesk.torture.ledger import Ledger, Memo, Record, read_slot
from memdesk.torture.supervisor import Course, Plan
from memdesk.torture.verdict import judge
from memdesk.torture.worker import Orders, Worker, ledger, work

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = 7
RUN = [sys.executable, "-m", "memdesk", "torture", "--words", "--json", "--seed", "1"]
SHORT = Plan(1, 0.5, kill=False, keep=0.0, seed=SEED, words=True)


def opened(home: Path) -> Service:
    """Open a store without a model."""
    return Service(home, None, background=False)


@pytest.fixture(scope="session")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which one process has worked for a while and ended well."""
    return worked_on(tmp_path_factory.mktemp("worked"), opened, seed=SEED, steps=150)


@pytest.fixture
def folder(worked: Path, tmp_path: Path) -> Path:
    """Return a copy of that folder, to be doctored."""
    return Path(shutil.copytree(worked, tmp_path / "run"))


def memo(folder: Path, *states: str) -> Memo:
    """Return a memory of the run that is in one of these states and was changed."""
    memos = read_slot(ledger(folder, 0)).memos.values()
    return next(m for m in memos if m.now and m.now.state in states and len(m.changes) > 1)


def acknowledge(folder: Path, token: str, record: Record, id: str, do: str = "save") -> None:
    """Write into the ledger that something was done, which was not."""
    book = Ledger(ledger(folder, 0))
    number = book.slot.number + 1
    after = {token: record.told()}
    book.say({"n": number, "do": do, "args": {}, "after": after, "change": new_id(), "new": 1})
    book.say({"n": number, "ok": 1.0, "ids": {token: id}})


def lose_one(folder: Path) -> str:
    """Acknowledge a memory that is not in the store."""
    id = new_id()
    acknowledge(folder, texts.token(SEED, 9, 9), Record(LIVE, 0), id)
    return f"memory {id} was acknowledged and is not in the store"


def bring_one_back(folder: Path) -> str:
    """Acknowledge that a live memory was forgotten."""
    live = memo(folder, LIVE)
    assert live.now
    acknowledge(folder, live.token, live.now.with_state(TRASHED), live.id, "forget")
    return f"memory {live.id} is live and should be trashed"


def keep_erased_words(folder: Path) -> str:
    """Acknowledge that a memory of the trash was erased."""
    there = memo(folder, TRASHED)
    assert there.now
    acknowledge(folder, there.token, there.now.with_state("tombstone"), there.id, "purge")
    return f"memory {there.id} is trashed and should be tombstone"


def double_a_row(folder: Path) -> str:
    """Put a memory's row into the table a second time."""
    id = memo(folder, LIVE).id
    store = opened(folder / "home")._core.store()
    store.memories.add(schema.memory_rows(store.get([id]).values()))
    return f"memory {id} is there 2 times"


def double_a_text(folder: Path) -> str:
    """Put a memory's text into the table under another id."""
    id = memo(folder, LIVE).id
    store = opened(folder / "home")._core.store()
    twin = replace(store.get([id])[id], id=new_id(), seq=store.refresh().seq + 1)
    store.insert([twin])
    return f"the text of memory {id} is in 2 memories"


def lose_a_revision(folder: Path) -> str:
    """Drop what the history has of a memory."""
    id = memo(folder, LIVE).id
    opened(folder / "home")._core.store().drop_revisions([id])
    return f"memory {id} lost "


def change_a_text(folder: Path) -> str:
    """Let a memory have words that nobody gave it."""
    id = memo(folder, LIVE).id
    store = opened(folder / "home")._core.store()
    present = store.get([id])[id]
    other = replace(present, text="other words", content_hash=content_hash("other words"))
    store.memories.upsert(schema.memory_rows([other]), "id")
    return f"memory {id} has not the text"


def add_a_stranger(folder: Path) -> str:
    """Store what no ledger knows of."""
    from memdesk.memory import Draft

    service = opened(folder / "home")
    id = service.remember(Draft("nobody said this")).id
    service.close()
    return f"nobody saved memory {id}"


def fill_the_disk(folder: Path) -> str:
    """Leave bytes in the store's folder that are of no use."""
    (folder / "home" / "left-over").write_bytes(b"\1" * 50_000_000)
    return "times its payload"


def fail_a_reader(folder: Path) -> str:
    """Have a reader have met an error."""
    book = Ledger(ledger(folder, 0))
    book.say({"n": 10_000, "do": "recall"})
    book.say({"n": 10_000, "error": "the table could not be used"})
    return "recall: the table could not be used"


def test_what_was_done_well_is_sound(folder: Path) -> None:
    """A run that lost nothing is found to have lost nothing, and all of it was looked at."""
    verdict = judge(folder, folder / "home", opened, keep=0.0)
    assert verdict.losses == []
    assert verdict.changes > verdict.acknowledged > 30
    assert verdict.sought > 30
    assert 0 < verdict.size <= 3 * verdict.payload


@pytest.mark.parametrize(
    "doctor",
    [
        *(lose_one, bring_one_back, keep_erased_words, double_a_row, double_a_text),
        *(lose_a_revision, change_a_text, add_a_stranger, fill_the_disk, fail_a_reader),
    ],
)
def test_every_loss_is_found(folder: Path, tmp_path: Path, doctor: Callable[[Path], str]) -> None:
    """Each kind of loss gives exit code 1 and a line that names what was lost."""
    words = doctor(folder)
    cli = Cli(tmp_path / "desk", FakeEmbedder())
    done = cli("torture", "--judge", str(folder), "--words", "--keep", "0s")
    assert done.code == 1
    assert any(line.startswith("LOST") and words in line for line in done.lines), done.out
    assert done.lines[-1].startswith("verdict: unsound")


def test_what_nobody_was_told_of_may_be_either_way(folder: Path) -> None:
    """A change that was begun and never acknowledged may have come about or not."""
    live = memo(folder, LIVE)
    assert live.now
    book = Ledger(ledger(folder, 0))
    after = {
        live.token: live.now.with_state(TRASHED).told(),
        texts.token(SEED, 9, 9): Record(LIVE, 0).told(),
    }
    book.say({"n": 10_000, "do": "x", "args": {}, "after": after, "change": new_id(), "new": 1})
    verdict = judge(folder, folder / "home", opened, keep=0.0)
    assert verdict.losses == []
    assert verdict.doubtful == 2


def test_a_line_that_a_kill_cut_short_is_left_out(folder: Path) -> None:
    """What was being written when the process died hides nothing that comes after it."""
    path = ledger(folder, 0)
    before = len(read_slot(path).memos)
    with path.open("ab") as file:
        file.write(b'\n{"n": 9999, "do": "sa')
    acknowledge(folder, texts.token(SEED, 9, 9), Record(LIVE, 0), new_id())
    assert len(read_slot(path).memos) == before + 1


def test_a_short_run_is_sound_and_leaves_nothing(tmp_path: Path) -> None:
    """Three processes that are killed at random lose nothing; no process and no folder stays."""
    command = [*RUN, "--processes", "3", "--seconds", "5", "--kill", "--keep", "1s"]
    done = subprocess.run(
        [*command, "--store", str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ | {"MEMDESK_HOME": str(tmp_path / "unused")},
        timeout=90,
        check=False,
    )
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert (told["losses"], done.returncode) == ([], 0)
    assert told["opened"] >= 1
    assert told["changes"] >= 1
    assert list(tmp_path.iterdir()) == []
    assert left_over(tmp_path) == []


def left_over(folder: Path) -> list[int]:
    """Return the processes whose store is below a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            home = process.environ().get("MEMDESK_HOME", "")
            if process.pid != os.getpid() and home.startswith(f"{folder}/memdesk-torture"):
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, how: signal.Signals) -> None:
    """Control-C and SIGTERM end every process and remove the folder."""
    command = [*RUN, "--processes", "2", "--seconds", "60", "--store", str(tmp_path)]
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's & ignores it
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, ours)
    until(lambda: list(tmp_path.glob("*/slot-1.jsonl")))
    process.send_signal(how)
    assert "stopped" in process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []
    assert left_over(tmp_path) == []


def test_a_process_that_hangs_tells_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that writes nothing down any more is killed, and the report has its stack."""
    program = (
        "import faulthandler, signal, time\nfaulthandler.register(signal.SIGUSR1)\n"
        "def stuck():\n    time.sleep(60)\nstuck()"
    )

    def started(self: supervisor._Processes, slot: int) -> subprocess.Popen[bytes]:
        with self._errors(slot).open("ab") as errors:
            return subprocess.Popen([sys.executable, "-c", program], stderr=errors)

    monkeypatch.setattr(supervisor._Processes, "_started", started)
    monkeypatch.setattr(supervisor, "HUNG_AFTER", 1.0)
    for name in ("_STARTS_WITHIN", "_ENDS_WITHIN"):
        monkeypatch.setattr(supervisor, name, 0.5)
    course = Course(replace(SHORT, seconds=1.5), tmp_path)
    begun = time.monotonic()
    with supervisor._Processes(course) as processes:
        processes.run()
    assert time.monotonic() - begun < 30
    assert "hung" in course.troubles[0]
    assert "in stuck" in course.troubles[0]


def test_a_process_ends_with_its_supervisor(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed, it cannot say that the time is over."""
    steps: list[Worker] = []

    def step(worker: Worker) -> None:
        steps.append(worker)

    monkeypatch.setattr(Worker, "step", step)
    monkeypatch.setattr("os.getppid", lambda: 1 if steps else 4711)
    assert work(Orders(folder, 0, 1, SEED, keep=0.0), opened(folder / "home")) == 0
    assert len(steps) == 1


def test_a_killed_process_is_asked_again(folder: Path) -> None:
    """What a killed process left open its successor asks again, and it is done once."""
    book = Ledger(ledger(folder, 0))
    number, token = book.slot.number + 1, texts.token(SEED, 9, 9)
    args = {"token": token, "tags": ["red"]}
    after = {token: Record(LIVE, 0, ("red",)).told()}
    line = {"n": number, "do": "save", "args": args, "after": after, "change": new_id(), "new": 1}
    book.say(line)
    for _ in range(2):
        service = opened(folder / "home")
        worker = Worker(Orders(folder, 0, 1, SEED, keep=0.0), service)
        worker._chance.random = lambda: 0.0  # type: ignore[method-assign]
        worker.ask_again()
        service.close()
    assert read_slot(ledger(folder, 0)).memos[token].certain
    assert judge(folder, folder / "home", opened, keep=0.0).losses == []
