"""The supervisor: starts the processes, kills some of them at random, and sees that all of them end."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from memdesk.link.address import HOME
from memdesk.link.start import DIRECT
from memdesk.link.visit import NoDaemon, dismiss
from memdesk.torture.ledger import read_tail
from memdesk.torture.verdict import judge, size, slots
from memdesk.torture.worker import ledger, over

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memdesk.service import Service
    from memdesk.torture.ledger import Slot
    from memdesk.torture.verdict import Verdict

HUNG_AFTER = 40.0
"""Seconds without a line in its ledger after which a process hangs; a write waits 30 for the lock."""
_ENDS_WITHIN = 25.0
_LEAVES_WITHIN = 10.0
_LOOK = 0.05
_SIZE_EVERY = 2.0
_KILLS_APART = (0.4, 2.8)
_DUMP_WITHIN = 0.5
_DUMP = 4000
_STARTS = 0.2
"""How many kills are followed by the next one at once, whether or not a successor is at work."""
_STARTS_WITHIN = 15.0
_DAEMONS, _MAINTENANCE = 0.2, 0.15
"""How many of the kills are the daemon's, and maintenance's."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a store is to be tortured."""

    processes: int
    seconds: float
    kill: bool
    keep: float
    """How long old versions stay for readers, in seconds."""
    seed: int
    words: bool
    """Work without the embedding model."""


@dataclass
class Course:
    """What happened, as far as the supervisor has seen it."""

    plan: Plan
    folder: Path
    kills: Counter[str] = field(default_factory=Counter)
    """By what was killed: worker, daemon, maintain."""
    starts: int = 0
    worst: int = 0
    """The most bytes that the store took meanwhile."""
    troubles: list[str] = field(default_factory=list)
    """Processes that hung, failed or stayed."""
    seconds: float = 0.0
    slots: list[Slot] = field(default_factory=list)
    verdict: Verdict | None = None

    @property
    def home(self) -> Path:
        """The store."""
        return self.folder / "home"

    @property
    def losses(self) -> list[str]:
        """Everything that should not have been."""
        return [*self.troubles, *(self.verdict.losses if self.verdict else ())]


def torture(plan: Plan, beside: Path | None, open_service: Callable[[Path], Service]) -> Course:
    """Torture a throw-away store in a folder that is made in `beside`, and judge what is left.

    The folder is removed, unless something was lost. `open_service` opens the service of a store
    in this process.
    """
    if beside is not None:
        beside.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="memdesk-torture-", dir=beside))
    course = Course(plan, folder)
    begun = time.monotonic()
    try:
        with _stopped_by_term(), _Processes(course) as processes:
            processes.run()
        course.slots = slots(folder)
        course.verdict = judge(folder, course.home, open_service, keep=plan.keep)
    finally:
        if course.verdict is None or not course.losses:
            shutil.rmtree(folder, ignore_errors=True)
    course.seconds = time.monotonic() - begun
    return course


@contextlib.contextmanager
def _stopped_by_term() -> Iterator[None]:
    """Let SIGTERM end it as Control-C does, so that nothing stays behind."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Processes:
    """The processes of one run, each in its slot; none of them outlives this."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._plan = course.plan
        self._chance = random.Random(course.plan.seed)  # noqa: S311 (whom to kill, not a secret)
        self._workers: dict[int, subprocess.Popen[bytes]] = {}
        self._begun: dict[int, float] = {}
        self._daemon_killed = 0.0
        self._killed: set[int] = set()
        self._victim: int | None = None

    def __enter__(self) -> Self:
        for name in ("home", "run"):
            (self._course.folder / name).mkdir(mode=0o700)
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            worker.kill()
            worker.wait()
        while others := self._others():  # one may have been starting another one
            for pid, _name in others:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_LOOK)

    def run(self) -> None:
        """Let them work and kill them for the time of the plan, then see all of them end."""
        self._start_missing()
        self._await_first()
        until = time.time() + self._plan.seconds
        kill_at = time.time() + self._chance.uniform(*_KILLS_APART)
        size_at = 0.0
        while (now := time.time()) < until:
            self._start_missing()
            if self._plan.kill and now > kill_at and self._recovered(now - kill_at):
                self._kill_one()
                kill_at = now + self._chance.uniform(*_KILLS_APART)
            if now > size_at:
                self._measure()
                size_at = now + _SIZE_EVERY
            self._look_for_hung()
            time.sleep(_LOOK)
        over(self._course.folder).touch()
        self._see_workers_end()
        self._see_others_end()
        self._measure()

    def _await_first(self) -> None:
        """Wait until a process has opened the store: the time of the plan is for work."""
        deadline = time.monotonic() + _STARTS_WITHIN
        while time.monotonic() < deadline and not any(map(self._opened, self._workers)):
            time.sleep(_LOOK)

    def _measure(self) -> None:
        self._course.worst = max(self._course.worst, size(self._course.home))

    def _start_missing(self) -> None:
        for slot in range(self._plan.processes):
            worker = self._workers.get(slot)
            if worker is not None and worker.poll() is None:
                continue
            if worker is not None:
                self._ended(slot, worker)
            self._begun[slot] = time.time()
            self._workers[slot] = self._started(slot)
            self._course.starts += 1

    def _started(self, slot: int) -> subprocess.Popen[bytes]:
        plan, folder = self._plan, self._course.folder
        told = [slot, plan.processes, plan.seed, plan.keep]
        command = [sys.executable, "-P", "-m", "memdesk", "torture-worker", str(folder)]
        command += [str(each) for each in told] + (["--words"] if plan.words else [])
        environ = {
            HOME: str(self._course.home),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            # Half of them work by way of the daemon, as hosts and commands do.
            DIRECT: "" if slot % 2 else "1",
        }
        with self._errors(slot).open("ab") as errors:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd="/",
                env=os.environ | environ,
                start_new_session=True,
            )

    def _errors(self, slot: int) -> Path:
        return self._course.folder / f"slot-{slot}.err"

    def _said(self, slot: int) -> str:
        return self._errors(slot).read_bytes()[-_DUMP:].decode(errors="replace").strip()

    def _ended(self, slot: int, worker: subprocess.Popen[bytes]) -> None:
        if worker.pid not in self._killed and worker.returncode != 0:
            words = f"process {slot} ended with the code {worker.returncode}"
            self._course.troubles.append(f"{words}: {self._said(slot)}")

    # Killing

    def _kill_one(self) -> None:
        """Kill a worker, the daemon or the maintenance child at this very moment, whatever they do."""
        chosen = self._chance.random()
        if chosen < _DAEMONS + _MAINTENANCE:
            wanted = "daemon" if chosen < _DAEMONS else "maintain"
            for pid in self._at(wanted)[:1]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    self._course.kills[wanted] += 1
                    self._daemon_killed = time.time()
                return
        slot = self._chance.randrange(self._plan.processes)
        self._killed.add(self._workers[slot].pid)
        self._workers[slot].kill()
        self._course.kills["worker"] += 1
        self._victim = None if self._chance.random() < _STARTS else slot

    def _recovered(self, since: float) -> bool:
        """Tell whether whoever was killed last has a successor at work, or should have had by now.

        Else a slow machine would do nothing but start processes. Some starts are killed, too.
        """
        if self._victim is None or since > _STARTS_WITHIN:
            return True
        return self._opened(self._victim)

    def _opened(self, slot: int) -> bool:
        """Tell whether the process that is in a slot now has opened the store lately."""
        pid = self._workers[slot].pid
        return any(line.get("pid") == pid for line in read_tail(ledger(self._course.folder, slot)))

    def _at(self, work: str) -> list[int]:
        return [pid for pid, name in self._others() if name == work]

    def _others(self) -> list[tuple[int, str]]:
        """Return the store's processes that are no workers: their ids, and what they are."""
        import psutil

        workers = {worker.pid for worker in self._workers.values()}
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.pid in workers or process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if process.environ().get(HOME) == str(self._course.home):
                    words = process.cmdline()
                    name = next((w for w in ("daemon", "maintain") if w in words), "")
                    found.append((process.pid, name or " ".join(words[:4])))
        return found

    # The end

    def _look_for_hung(self) -> None:
        for slot, worker in self._workers.items():
            if worker.poll() is None and self._silent(slot) > HUNG_AFTER:
                self._end_hung(slot, worker)

    def _silent(self, slot: int) -> float:
        """Return for how many seconds a process has written nothing down."""
        spoke = 0.0
        with contextlib.suppress(FileNotFoundError):
            spoke = ledger(self._course.folder, slot).stat().st_mtime
        # A call begins anew with the next daemon, and may wait for the lock as long again.
        return time.time() - max(spoke, self._begun[slot], self._daemon_killed)

    def _end_hung(self, slot: int, worker: subprocess.Popen[bytes]) -> None:
        """Have it tell where it hangs, then kill it."""
        if hasattr(signal, "SIGUSR1"):
            worker.send_signal(signal.SIGUSR1)
            time.sleep(_DUMP_WITHIN)
        self._killed.add(worker.pid)
        worker.kill()
        self._course.troubles.append(f"process {slot} hung: {self._said(slot)}")

    def _see_workers_end(self) -> None:
        deadline = time.monotonic() + _ENDS_WITHIN
        for slot, worker in self._workers.items():
            try:
                worker.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._end_hung(slot, worker)
                worker.wait()
            self._ended(slot, worker)

    def _see_others_end(self) -> None:
        """Have the daemon leave; maintenance may be killed at any time, and nothing else may be there."""
        deadline = time.monotonic() + _LEAVES_WITHIN
        while self._at("daemon") and time.monotonic() < deadline:
            with contextlib.suppress(NoDaemon):  # one that is still starting cannot be asked yet
                dismiss(str(self._course.home), "the torture is over")
            time.sleep(_LOOK)
        for pid, name in self._others():
            if name != "maintain":
                self._course.troubles.append(f"process {pid} ({name}) was left over")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
