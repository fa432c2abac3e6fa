"""Kill -9 of a desk that exchanges, and of the server: everything is there once in the end.

Run as a program it is the process that is killed: `python test_sync_kills.py HOME`.
"""

from __future__ import annotations

import random
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest
import team_server
from daemon_home import until
from mcp_session import DEADLINE
from synced import Sharer, sharer
from team_server import KEY, Team

from memdesk.memory import LIVE, Draft, Edit
from memdesk.sharing import digest
from memdesk.sync import exchange, team
from memdesk.sync.ledger import FOLDER, Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memdesk.sync.peer import Sent

COUNT = 150
PRIVATE = "PRIVATE-WORDS"
_KILLS = 3
_MOST_STOPS = 9
_STEP = 10
_ROUNDS = 20


def small_steps() -> None:
    """Exchange little at once, so that there are many moments to die in."""
    exchange._FIRST_PAUSE = 0.05
    team._PAGE = _STEP
    team.Team.most = _STEP


# The process that is killed


def main(home: str) -> None:
    """Exchange until nothing is waiting; around each note of the ledger, and after a failure, wait for a line."""
    small_steps()
    note = Ledger.note

    def told(ledger: Ledger, sent: list[Sent], epoch: str) -> None:
        stop()
        note(ledger, sent, epoch)
        stop()

    def stop() -> None:
        sys.stdout.write("here\n")
        sys.stdout.flush()
        sys.stdin.readline()

    Ledger.note = told  # type: ignore[method-assign,assignment]
    with sharer(Path(home)) as desk:
        for _ in range(_ROUNDS):
            if not desk.go().error:
                return
            stop()  # a server that is away may be back when this goes on
    sys.exit(1)


# The tests


class Server:
    """A team server in a process of its own, whose file and address stay when it dies."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "team"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.start()

    def start(self) -> None:
        """Serve, and return once it is asked with success."""
        command = [sys.executable, team_server.__file__, str(self._port), str(self.file), KEY]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.url = self.process.stdout.readline().strip()
        until(self._answers)

    def _answers(self) -> bool:
        try:
            httpx2.get(self.url, trust_env=False)
        except httpx2.HTTPError:
            return False
        return True

    def kill(self) -> None:
        """End it as when the power fails."""
        self.process.kill()
        self.process.communicate(timeout=DEADLINE)

    @property
    def commits(self) -> int:
        """How many changes it has on its disk."""
        return self.file.read_bytes().count(b"\n") - 1

    def records(self) -> dict[str, dict[str, object]]:
        """Return what it has, as a server that starts on a copy of its file does."""
        copy = self.file.with_name("copy")
        copy.write_bytes(self.file.read_bytes())
        there = Team(copy)
        try:
            return there.records
        finally:
            there.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Return a server, which ends with the test."""
    there = Server(tmp_path)
    yield there
    there.kill()


@contextmanager
def exchanging(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Have a process exchange; it does not outlive this."""
    command = [sys.executable, __file__, str(home)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=DEADLINE)


def go_on(process: subprocess.Popen[str], stops: int) -> None:
    """Let a process come to its n-th stop, and set it going again there."""
    assert process.stdin
    assert process.stdout
    for _ in range(stops):
        assert process.stdout.readline(), "it ended by itself"
        process.stdin.write("\n")
        process.stdin.flush()


def kill_within(home: Path, stops: int) -> None:
    """Kill a process that exchanges on its way from a stop to the next."""
    with exchanging(home) as process:
        go_on(process, stops)
    assert process.returncode == -signal.SIGKILL


def finish(home: Path) -> None:
    """Exchange to the end, as the next process on the store does."""
    with sharer(home) as desk:
        assert desk.go().error == ""


def ended(process: subprocess.Popen[str]) -> None:
    """Let a process come to its end without a stop."""
    process.communicate(timeout=DEADLINE)
    assert process.returncode == 0


def filled(home: Path, url: str, count: int = COUNT) -> set[str]:
    """Set up a desk with memories, some of which are shared; return the ids of those."""
    with sharer(home) as desk:
        desk.add(url, KEY)
        shared = [
            Draft(f"memory {number} äß\U0001f98a", audience=("team",)) for number in range(count)
        ]
        done = desk.service.remember_many([*shared, Draft(PRIVATE)] if shared else [])
        return {each.id for each in done[:count]}


def changed(home: Path, ids: set[str], seed: int) -> None:
    """Edit and forget a part of the memories."""
    chosen = random.Random(seed).sample(sorted(ids), len(ids) // 3)
    half = len(chosen) // 2
    with sharer(home) as desk:
        desk.service.revise_many(chosen[:half], Edit(add_tags=("changed",)))
        desk.service.forget(chosen[half:])


def live(desk: Sharer) -> dict[str, str]:
    """Return what is shared and there, as far as a remote is told of it."""
    return {
        id: digest(each) for id, each in desk.all().items() if each.audience and each.state == LIVE
    }


def sound(home: Path) -> dict[str, str]:
    """Return what a desk shares, whose store and ledger are sound and have nothing to do."""
    with closing(sqlite3.connect(home / FOLDER / "team.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with sharer(home) as desk:
        assert [each for each in desk.service.examine() if each.level == "problem"] == []
        (standing,) = desk.service.remotes()
        assert (standing.waiting, standing.held, standing.error) == (0, 0, "")
        told = desk.go()
        assert (told.pushed, told.pulled, told.deleted, told.conflicts) == (0, 0, 0, 0)
        return live(desk)


def test_a_desk_that_is_killed_while_it_exchanges_loses_and_doubles_nothing(
    tmp_path: Path, server: Server
) -> None:
    """Killed again and again while it pushes, and another while it pulls: both end with the same."""
    chance = random.Random(1)
    ana, ben = tmp_path / "ana", tmp_path / "ben"
    ids = filled(ana, server.url)
    filled(ben, server.url, 0)
    for _ in range(_KILLS):
        kill_within(ana, chance.randint(1, _MOST_STOPS))
        assert server.records().keys() <= ids
    finish(ana)
    assert server.records().keys() == ids
    assert server.commits == COUNT
    for _ in range(_KILLS):
        kill_within(ben, chance.randint(1, _MOST_STOPS))
    finish(ben)
    assert sound(ana) == sound(ben)
    changed(ana, ids, 2)
    kill_within(ana, 3)
    finish(ana)
    kill_within(ben, 3)
    finish(ben)
    there = server.records()
    mine = sound(ana)
    assert mine == sound(ben)
    assert {id for id, each in there.items() if each["state"] == LIVE} == mine.keys()
    assert there.keys() == ids
    assert PRIVATE not in server.file.read_text("utf-8")


def test_a_server_that_is_killed_meanwhile_loses_and_doubles_nothing(
    tmp_path: Path, server: Server
) -> None:
    """What the server has said that it has is not sent again, and the rest is when it is back."""
    chance = random.Random(3)
    ana, ben = tmp_path / "ana", tmp_path / "ben"
    ids = filled(ana, server.url)
    filled(ben, server.url, 0)
    for home in (ana, ben):
        with exchanging(home) as process:
            for _ in range(2):
                go_on(process, chance.randint(1, _MOST_STOPS))
                server.kill()
                server.start()
            ended(process)
        assert server.records().keys() == ids
        assert server.commits == COUNT
    assert sound(ana) == sound(ben)


if __name__ == "__main__":
    main(*sys.argv[1:])
