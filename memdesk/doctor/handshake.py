"""Starting a server as a host does, and watching how it behaves."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATIENCE = 10.0
"""Seconds until a server has answered or has failed: what Codex, the least patient host, waits."""
LEAVES_WITHIN = 2.0
"""Seconds a server may stay when its host has closed its standard input."""
_VERSION = "2025-11-25"
_INITIALIZE = {
    "protocolVersion": _VERSION,
    "capabilities": {},
    "clientInfo": {"name": "memdesk-doctor", "version": "1"},
}


@dataclass(slots=True)
class Handshake:
    """How a server behaved."""

    trouble: str = ""
    """Why it could not be spoken to, in words; empty when it answered."""
    missing: bool = False
    """Whether the command itself is not there or cannot be run."""
    opened: float = 0.0
    """Seconds from its start to its answer to `initialize`."""
    listed: float = 0.0
    """Seconds from its start to its list of tools."""
    left: float | None = None
    """Seconds from the end of its standard input to its own; None when it had to be killed."""
    name: str = ""
    version: str = ""
    tools: int = 0
    foreign: int = 0
    """Lines on standard output that are no JSON-RPC."""
    said: int = 0
    """Lines on standard error."""
    first: float = 0.0
    """Seconds that a start took which had to start a daemon, too; 0 where there was one."""
    aside: str = ""
    """On what other store it was tried, in words; empty for the entry's own."""


def shake(command: Sequence[str], env: Mapping[str, str]) -> Handshake:
    """Start a server in the folder `/` with exactly this environment, open a session, end it."""
    with tempfile.TemporaryFile() as errors:
        begun = time.monotonic()
        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=Path(sys.executable).anchor,
                env=dict(env),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            words = getattr(error, "strerror", None) or "it cannot be run"
            return Handshake(words, missing=True)
        session = _Session(process, begun)
        session.talk()
        told = session.end()
        errors.seek(0)
        told.said = sum(1 for line in errors.read(1 << 20).splitlines() if line.strip())
    return told


class _Over(Exception):  # noqa: N818 (the end of a session, in words)
    pass


@dataclass(slots=True)
class _Session:
    """One server process and what it writes."""

    process: subprocess.Popen[bytes]
    begun: float
    told: Handshake = field(default_factory=Handshake)
    _lines: queue.Queue[bytes] = field(default_factory=queue.Queue)
    _reader: threading.Thread | None = None

    def talk(self) -> None:
        """Open a session and ask for the tools."""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            server = self._ask(1, "initialize", _INITIALIZE).get("serverInfo", {})
            self.told.opened = time.monotonic() - self.begun
            self.told.name, self.told.version = str(server.get("name")), str(server.get("version"))
            self._say({"method": "notifications/initialized"})
            tools = self._ask(2, "tools/list", {}).get("tools", [])
            self.told.listed = time.monotonic() - self.begun
            self.told.tools = len(tools)
        except _Over as over:
            self.told.trouble = str(over)

    def _read(self) -> None:
        assert self.process.stdout
        for line in _lines_of(self.process.stdout):
            self._lines.put(line)
        self._lines.put(b"")

    def _ask(self, id: int, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        self._say({"id": id, "method": method, "params": params})
        while True:
            try:
                left = PATIENCE - (time.monotonic() - self.begun)
                line = self._lines.get(timeout=max(0.0, left))
            except queue.Empty:
                raise _Over(f"it did not answer “{method}” within {PATIENCE:.0f} s") from None
            if not line:
                raise _Over(f"it ended without an answer to “{method}”{self._status()}")
            told = _message(line)
            if told is None:
                self.told.foreign += 1
            elif told.get("id") == id and "method" not in told:
                if "result" not in told:
                    raise _Over(f"it refused “{method}”")
                return told["result"] if isinstance(told["result"], dict) else {}

    def _status(self) -> str:
        try:
            return f" (exit code {self.process.wait(LEAVES_WITHIN)})"
        except subprocess.TimeoutExpired:
            return ""

    def _say(self, message: Mapping[str, Any]) -> None:
        assert self.process.stdin
        with contextlib.suppress(OSError):  # it has ended, as its standard output will tell
            self.process.stdin.write(
                json.dumps({"jsonrpc": "2.0"} | dict(message)).encode() + b"\n"
            )
            self.process.stdin.flush()

    def end(self) -> Handshake:
        """Close its standard input, wait for it, and look at what else it wrote."""
        assert self.process.stdin
        closed = time.monotonic()
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(LEAVES_WITHIN)
            self.told.left = time.monotonic() - closed
        except subprocess.TimeoutExpired:
            _kill(self.process)
        if self._reader:
            self._reader.join(LEAVES_WITHIN)
        while not self._lines.empty():
            line = self._lines.get()
            self.told.foreign += bool(line.strip()) and _message(line) is None
        return self.told


def _lines_of(stream: IO[bytes]) -> Any:
    """Yield its lines to the end, also when that comes as an error."""
    with contextlib.suppress(OSError, ValueError), stream:
        yield from stream


def _message(line: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) and told.get("jsonrpc") == "2.0" else None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End it and what it has started: its session is its own."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
