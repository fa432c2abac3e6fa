"""Kill -9 in the middle of every kind of write and of maintenance: nothing acknowledged is lost.

Run as a program it is the process that is killed: `python test_kills.py FOLDER SEED VERB…`.
"""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fakes import FakeEmbedder
from tortured import worked_on

from memdesk.memory import Draft, Edit
from memdesk.service import Service
from memdesk.torture import deeds, texts
from memdesk.torture.ledger import read_tail
from memdesk.torture.verdict import Verdict, judge
from memdesk.torture.worker import MIX, Orders, Worker, ledger

ALL = os.environ.get("MEMDESK_KILLS", "") == "all"
"""Whether to kill at every point there is, and not at a handful of them."""
SEED = 11
_POINTS = 4
_ROUNDS = 1
_DEADLINE = 120.0
_NEVER = 1 << 40
_PRELOADED = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static long last = -1, seen;
void arm(long at) { seen = 0; last = at; }
long count(void) { return seen; }
static void step(void) {
    if (last >= 0 && __sync_add_and_fetch(&seen, 1) == last) kill(getpid(), SIGKILL);
}
#define WRAP(type, name, takes, gives) type name takes { \\
    static type (*real) takes; if (!real) real = dlsym(RTLD_NEXT, #name); step(); return real gives; }
WRAP(int, rename, (const char *a, const char *b), (a, b))
WRAP(int, renameat, (int c, const char *a, int d, const char *b), (c, a, d, b))
WRAP(int, link, (const char *a, const char *b), (a, b))
WRAP(int, linkat, (int c, const char *a, int d, const char *b, int f), (c, a, d, b, f))
WRAP(int, unlink, (const char *a), (a))
WRAP(int, unlinkat, (int c, const char *a, int f), (c, a, f))
WRAP(int, rmdir, (const char *a), (a))
WRAP(int, mkdir, (const char *a, mode_t m), (a, m))
WRAP(int, fsync, (int f), (f))
WRAP(int, ftruncate64, (int f, off_t n), (f, n))
ssize_t write(int file, const void *bytes, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    struct stat told;
    if (!real) real = dlsym(RTLD_NEXT, "write");
    if (last >= 0 && !fstat(file, &told) && S_ISREG(told.st_mode)) step();
    return real(file, bytes, size);
}
"""
"""Counts the calls that change what is on the disk, over all threads, and kills before the n-th."""


# The process that is killed


class Killed(Worker):
    """A worker that also knows what no random process may do while others work."""

    def _reindex(self) -> None:
        self._service.reindex()

    def _round_trip(self) -> None:
        """Go back to a restore point that holds what there is now."""
        self._service.restore_point(self._service.take_point(reason="round trip").name)


def main(folder: str, seed: str, at: str, *verbs: str) -> None:
    """Do some verbs in turn; with `at` above 0 only the last one, and be killed at its n-th step."""
    deeds._LEFT_FOR_LATER = 1
    service = Service(Path(folder, "home"), FakeEmbedder(), background=False)
    worker = Killed(Orders(Path(folder), 0, 1, int(seed), keep=0.0), service)
    assert worker.open()
    worker.ask_again()
    if int(at) == 0:
        while True:
            for verb in verbs:
                only(worker, verb)
    for verb in (verbs[-1], *verbs[:-1]):  # what is made once only has been made then
        only(worker, verb)
    counter = ctypes.CDLL(None)
    counter.arm(ctypes.c_long(int(at)))
    only(worker, verbs[-1])
    sys.stdout.write(f"{counter.count()}\n")


def only(worker: Worker, verb: str) -> None:
    """Do one verb."""
    MIX.clear()
    MIX[verb] = 1.0
    worker.step()


# The tests

VERBS = {
    "save": ["save"],
    "save_many": ["save_many"],
    "replace": ["put_in_place"],
    "revise": ["revise"],
    "tag": ["tag"],
    "revise_many": ["revise_many"],
    "rename_tag": ["revise_many", "rename_tag"],
    "forget": ["forget", "restore"],
    "restore": ["forget", "restore"],
    "purge": ["save", "forget", "purge"],
    "merge": ["save", "merge"],
    "undo": ["revise", "undo"],
    "maintain": ["save", "revise", "maintain"],
    "scrub": ["save", "forget", "purge", "maintain"],
    "embed": ["reindex", "embed"],
    "reindex": ["reindex"],
    "point": ["revise", "point"],
    "backup": ["revise", "backup"],
    "round_trip": ["round_trip"],
}
"""What is killed, and what is done in turn so that there is always something to do it to."""
_CALLED = {"scrub": "maintain"}
"""The name in the ledger where it is another one."""


def opened(home: Path) -> Service:
    """Open a store as another process would."""
    return Service(home, FakeEmbedder(), background=False)


@pytest.fixture(scope="session")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a store in which every kind of change was made."""
    return worked_on(tmp_path_factory.mktemp("kills"), opened, seed=SEED, steps=60)


@pytest.fixture
def folder(worked: Path, tmp_path: Path) -> Path:
    """Return a copy of it."""
    return Path(shutil.copytree(worked, tmp_path / "run"))


@pytest.fixture(scope="session")
def preloaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the library that counts and kills, built here."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler on Linux, to stop before a chosen system call")
    made = tmp_path_factory.mktemp("preloaded")
    (made / "kill.c").write_text(_PRELOADED)
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", "kill.so", "kill.c", "-ldl"]
    subprocess.run(command, cwd=made, check=True, timeout=60)
    return made / "kill.so"


def start(folder: Path, seed: int, at: int, verbs: list[str], **env: str) -> subprocess.Popen[str]:
    """Start the process that is to be killed."""
    command = [sys.executable, __file__, str(folder), str(seed), str(at), *verbs]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | env)


def kill_within(folder: Path, seed: int, verb: str) -> None:
    """Start a process and kill it somewhere in the midst of one verb."""
    chance = random.Random(f"{seed} {verb}")
    process = start(folder, seed, 0, VERBS[verb])
    told = {"put_in_place": "replace"}.get(VERBS[verb][-1], VERBS[verb][-1])
    told = verb if verb == "forget" else told
    deadline = time.monotonic() + _DEADLINE
    took = _took(folder, process, told, deadline)
    while time.monotonic() < deadline:  # until it does it once more
        lines = read_tail(ledger(folder, 0))
        if lines and lines[-1].get("do") == told:
            break
        assert process.poll() is None, "it ended by itself"
        time.sleep(0.001)
    time.sleep(chance.uniform(0.0, took))
    process.kill()
    process.communicate(timeout=30)


def _took(folder: Path, process: subprocess.Popen[str], verb: str, deadline: float) -> float:
    """Wait until the process has done a verb; return how many seconds that took."""
    while time.monotonic() < deadline:
        lines = read_tail(ledger(folder, 0))
        begun = max((n for n, line in enumerate(lines) if "begun" in line), default=0)
        if lines and lines[begun].get("begun") == process.pid:
            asked = {line["n"] for line in lines[begun:] if line.get("do") == verb}
            done = [line for line in lines[begun:] if "ok" in line and line["n"] in asked]
            if done:
                return float(done[-1]["ok"]) / 1000
        assert process.poll() is None, "it ended by itself"
        time.sleep(0.002)
    raise AssertionError(f"{verb} was never done")


def judged(folder: Path) -> Verdict:
    """Open what is left, write to it at once, and judge it."""
    service = Service(folder / "home", FakeEmbedder(), wait=2.0, background=False)
    text = texts.common(0.0, random.Random(0))
    first = service.remember(Draft(text))  # the killed process's lock is free
    assert service.revise(first.id, Edit(tags=("after",))).tags == ("after",)
    service.close()
    verdict = judge(folder, folder / "home", opened, keep=None)
    stranger = f"nobody saved memory {first.id}"
    verdict.losses = [words for words in verdict.losses if words != stranger]
    return verdict


@pytest.mark.parametrize("verb", VERBS)
def test_a_kill_at_a_random_moment_loses_nothing(folder: Path, verb: str) -> None:
    """Killed within a verb: all that was acknowledged is there once, and the verb is done or not."""
    rounds = 10 if ALL else _ROUNDS
    for seed in range(rounds):
        kill_within(folder, seed, verb)
    assert judged(folder).losses == []


def points(preloaded: Path, folder: Path, verb: str) -> int:
    """Return how many calls of one verb change what is on the disk."""
    process = start(folder, 0, _NEVER, VERBS[verb], LD_PRELOAD=str(preloaded))
    printed, _ = process.communicate(timeout=_DEADLINE)
    assert process.returncode == 0
    return int(printed)


@pytest.mark.parametrize("verb", ["save", "revise", "purge", "maintain"])
def test_a_kill_before_any_change_of_the_disk_loses_nothing(
    worked: Path, tmp_path: Path, preloaded: Path, verb: str
) -> None:
    """One after the other, the process is killed before a write, rename, link, removal or flush.

    A handful of points spread over the verb; all of them with MEMDESK_KILLS=all.
    """
    there = points(preloaded, Path(shutil.copytree(worked, tmp_path / "counted")), verb)
    assert there > _POINTS
    chosen = range(1, there + 1)
    for at in chosen if ALL else random.Random(verb).sample(chosen, _POINTS):
        folder = Path(shutil.copytree(worked, tmp_path / f"{at}"))
        process = start(folder, 0, at, VERBS[verb], LD_PRELOAD=str(preloaded))
        process.communicate(timeout=_DEADLINE)
        assert process.returncode in (0, -9)  # a run may need fewer calls than the counted one
        assert judged(folder).losses == [], f"killed before call {at} of {there}"
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
