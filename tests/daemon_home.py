"""A store's folder for real daemons, none of which outlives its test, and a daemon that is none."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from mcp_session import DEADLINE, Session

from memdesk import __version__
from memdesk.link.address import PROTOCOL, Address, connect, hear, read_address, write_address
from memdesk.link.visit import ask, hello

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
OLD = "2025-11-25"
"""A protocol version of the era that has openings."""
MCP = [sys.executable, "-m", "memdesk", "mcp"]
AS_OLDER = (
    "import sys, memdesk; memdesk.__version__ = '0.0.1'\n"
    "sys.argv[0] = 'memdesk'\n"
    "from memdesk.__main__ import main\n"
    "sys.exit(main())\n"
)
"""A program that is memdesk 0.0.1; its arguments are memdesk's."""


class Home:
    """The folder of a store that is not there yet; with a short path, since sockets are near it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="md-"))
        self.path = self.folder / "home"
        self.runtime = self.folder / "r"
        self.runtime.mkdir(mode=0o700)
        self.env = {
            "MEMDESK_HOME": str(self.path),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "MEMDESK_DIRECT": "",
        }

    def host(self, *options: str, env: Mapping[str, str] | None = None, **more: Any) -> Session:
        """Return a host with its server; its session is not opened."""
        # In no repository, whose space it would have.
        more = {"cwd": self.folder, **more}
        return Session([*MCP, *options], env=self.env | dict(env or {}), **more)

    def opened(self, *options: str, **more: Any) -> Session:
        """Return a host whose session is open."""
        session = self.host(*options, **more)
        session.open()
        return session

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of memdesk to its end."""
        return subprocess.run(
            [sys.executable, "-m", "memdesk", *words],
            env=os.environ | self.env,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    @property
    def daemon(self) -> int:
        """The process id of the daemon that serves the store."""
        return self.address.pid

    @property
    def address(self) -> Address:
        """Where it listens."""
        return until(lambda: read_address(str(self.path)))

    def daemons(self) -> list[int]:
        """Return the ids of all daemons of this store that the system knows, from its own list."""
        return [pid for pid in _processes(self.path) if b"daemon\0run" in _cmdline(pid)]

    def status(self) -> dict[str, Any]:
        """Return what the daemon says of itself."""
        told = ask(str(self.path), {"do": "status"})
        assert told is not None
        return told

    def log(self) -> str:
        """Return the daemons' log."""
        return (self.path / "logs" / "daemon.log").read_text()

    def greeted(self, kind: str = "mcp", **more: object) -> Line:
        """Return a raw connection to the daemon, welcomed by it."""
        line = Line(connect(self.address, DEADLINE))
        line.say(hello(kind, **({"nonce": "n"} | more)))
        assert hear(line.link)["memdesk"] == PROTOCOL
        return line

    def kill(self) -> None:
        """Kill the daemon, as the system does when memory runs out."""
        pid = self.daemon
        os.kill(pid, signal.SIGKILL)
        assert ended(pid, DEADLINE)

    def close(self) -> None:
        """End whatever is left of this store's processes, and remove it."""
        for pid in _processes(self.path):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            ended(pid, DEADLINE)
        shutil.rmtree(self.folder, ignore_errors=True)


class Line:
    """One end of a connection, read line by line."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.link.settimeout(DEADLINE)
        self.greeting: dict[str, Any] = {}
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.link.close()

    def say(self, message: Mapping[str, Any]) -> None:
        """Send a message, written as the daemon writes."""
        self.link.sendall(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    def next(self) -> dict[str, Any]:
        """Return the next message; fails where none comes."""
        while b"\n" not in self._buffer:
            piece = self.link.recv(65536)
            assert piece, "the other side has gone"
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        told: dict[str, Any] = json.loads(line)
        return told

    def ask(self, id: int, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Make a request and return its answer."""
        self.say({"jsonrpc": "2.0", "id": id, "method": method, "params": dict(params or {})})
        while (told := self.next()).get("id") != id or "method" in told:
            continue
        return told

    def answer(self, asked: Mapping[str, Any], **result: object) -> None:
        """Answer a request."""
        self.say({"jsonrpc": "2.0", "id": asked["id"], "result": result})


class FakeDaemon:
    """What a test answers itself: it listens where the store's address says, and never more."""

    def __init__(self, home: Home, beside: Address | None = None) -> None:
        """Listen; `beside` is the real daemon, whose sign now leads here."""
        self._home = home
        self._beside = beside
        self.link = socket.socket(socket.AF_UNIX)
        path = str(home.folder / "fake")
        self.link.bind(path)
        self.link.listen()
        self.link.settimeout(DEADLINE)
        home.path.mkdir(exist_ok=True)
        pid = beside.pid if beside else os.getpid()
        write_address(str(home.path), Address(path, pid, time.time(), __version__))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.link.close()

    def receive(self, welcome: Mapping[str, Any] | None = None) -> Line:
        """Take the next connection in, and welcome it."""
        line = Line(self.link.accept()[0])
        line.greeting = line.next()
        usual = {"memdesk": PROTOCOL, "version": __version__, "pid": os.getpid(), "tools": "core"}
        line.say(usual if welcome is None else welcome)
        return line

    def real(self, greeting: Mapping[str, Any]) -> Line:
        """Return a connection to the real daemon, on which an opened session continues."""
        assert self._beside
        line = Line(connect(self._beside, DEADLINE))
        line.say(greeting)
        line.next()
        line.ask(0, "initialize", opening("raw-host"))
        line.say({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return line

    def give_way(self) -> None:
        """Let whoever comes find the real daemon's address again."""
        assert self._beside
        write_address(str(self._home.path), self._beside)

    def receive_open(self, host: Session) -> Line:
        """Take a host's connection in and answer its opening."""
        id = host.ask("initialize", opening(host.client))
        line = self.receive()
        line.answer(line.next())
        host.wait(id)
        host.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert line.next()["method"] == "notifications/initialized"
        return line


def opening(client: str) -> dict[str, Any]:
    """Return what a host says first."""
    info = {"name": client, "version": "1"}
    return {"protocolVersion": OLD, "capabilities": {}, "clientInfo": info}


def until(look: Callable[[], T | None], deadline: float = DEADLINE) -> T:
    """Return what `look` returns once that is something; fails after `deadline` seconds."""
    ends = time.monotonic() + deadline
    while not (found := look()):
        assert time.monotonic() < ends, "it did not come about in time"
        time.sleep(0.005)
    return found


def ended(pid: int, within: float) -> bool:
    """Return whether a process has ended, waiting for it at most `within` seconds."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], within)[0])
    finally:
        os.close(process)


def _processes(home: Path) -> list[int]:
    """Return the ids of the living processes whose environment names the store."""
    mark = f"MEMDESK_HOME={home}".encode()
    numbers = [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]
    return [pid for pid in numbers if mark in _read(pid, "environ").split(b"\0")]


def _cmdline(pid: int) -> bytes:
    return _read(pid, "cmdline")


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
