"""A server to share memories through, in a process of its own: `python -m bench.sync_serving KIND FOLDER`.

Its first line is its address and key; one of kind memdesk then tells of each push from when on it was on
its disk, on the clock that all processes of a machine share. It ends with its standard input.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memdesk.remotes import MEMDESK, MEMORY_SERVICE, MEMORYOS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from team_server import Team

SDK, LIGHT = "sdk", "light"
KINDS = {SDK: MEMDESK, LIGHT: MEMDESK, MEMORY_SERVICE: MEMORY_SERVICE, MEMORYOS: MEMORYOS}
"""What each server is to memdesk, by what this program is asked for."""
PEER = "MEMDESK_PEER"
_ROOT = Path(__file__).parent.parent
_TESTS = _ROOT / "tests"
_TOLD_PEER = os.environ.get(PEER, "")  # a run takes all that is memdesk's out of its environment
_PATIENCE = 60.0
_ENDS_WITHIN = 30.0


class Serving:
    """A server that runs, seen from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Wait until it listens; raises `EOFError` where it does not come up."""
        assert process.stdout
        self._told = process.stdout
        if not (first := self._told.readline()):
            raise EOFError("the server has not come up; what it said stands above")
        self.url, self.key = json.loads(first)
        self._stored: queue.Queue[float] = queue.Queue()
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def stored_at(self) -> float:
        """Wait for the next push, and return when it was on the server's disk (`time.monotonic`)."""
        return self._stored.get(timeout=_PATIENCE)

    def forget(self) -> None:
        """Wait for no push that has been told already."""
        while not self._stored.empty():
            self._stored.get()

    def ended(self) -> None:
        """Wait until nothing more can come."""
        self._reading.join()

    def _read(self) -> None:
        for line in self._told:
            self._stored.put(float(line))


@contextmanager
def serving(server: str, folder: Path) -> Iterator[Serving]:
    """Run one of `KINDS`, which keeps what it has in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    env = os.environ | {"PYTHONPATH": str(_TESTS), PEER: str(peer_program())}
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.sync_serving", server, str(folder)],
        cwd=_ROOT,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin
        opened = Serving(process)
        try:
            yield opened
        finally:
            process.stdin.close()
            try:
                process.wait(_ENDS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
            opened.ended()


def peer_program() -> Path:
    """Return where a real mcp-memory-service is, or would be."""
    return Path(_TOLD_PEER) if _TOLD_PEER else _ROOT / ".peer" / "bin" / "memory"


# In the process itself


def _team(folder: Path) -> Team:
    """Return a team that tells when a push is on the disk."""
    from team_server import Team

    class Telling(Team):
        def push(self, records: object) -> dict[str, Any]:
            told = super().push(records)
            print(time.monotonic(), flush=True)
            return told

    return Telling(folder / "team.jsonl")


@contextmanager
def _sdk(folder: Path) -> Iterator[tuple[str, str]]:
    from team_server import TeamServer

    with TeamServer(_team(folder)) as server:
        yield server.url, server.key


@contextmanager
def _light(folder: Path) -> Iterator[tuple[str, str]]:
    from team_server import LightTeam

    with LightTeam(_team(folder)) as server:
        yield server.url, server.key


@contextmanager
def _memory_service(folder: Path) -> Iterator[tuple[str, str]]:
    from peer import KEY, memory_service

    with memory_service(folder) as url:
        yield url, KEY


@contextmanager
def _memoryos(folder: Path) -> Iterator[tuple[str, str]]:  # noqa: ARG001 (it keeps nothing)
    from memoryos_server import MemoryOSServer

    with MemoryOSServer() as server:
        yield server.url, server.key


_SERVERS: dict[str, Callable[[Path], AbstractContextManager[tuple[str, str]]]] = {
    SDK: _sdk,
    LIGHT: _light,
    MEMORY_SERVICE: _memory_service,
    MEMORYOS: _memoryos,
}


def main(server: str, folder: str) -> None:
    """Serve until the standard input ends."""
    with _SERVERS[server](Path(folder)) as address:
        print(json.dumps(address), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
