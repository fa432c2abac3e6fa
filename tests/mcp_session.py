"""A host as small as possible: raw JSON lines over the pipes of a real process."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MODERN = "2026-07-28"
VERSIONS = ("2024-11-05", "2025-06-18", "2025-11-25", MODERN)
DEADLINE = 60.0
"""Seconds until a missing line fails a test; never a time to wait."""
_META = "io.modelcontextprotocol/"


class Session:
    """One server process and what it writes; every line must be one JSON-RPC message."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        version: str = "2025-11-25",
        env: Mapping[str, str] | None = None,
        client: str = "raw-host",
        cwd: Path | None = None,
    ) -> None:
        self.version = version
        self.client = client
        self.lines: list[str] = []
        """Everything the server wrote on the wire."""
        self.answers: dict[int, dict[str, Any]] = {}
        self._next = 0
        self._arrived: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ) | dict(env or {}),
            cwd=cwd,
        )
        self._said: queue.Queue[str] = queue.Queue()
        self.errors: list[str] = []
        """What it wrote on standard error, line by line."""
        self._readers = [
            threading.Thread(target=self._read_answers, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def open(self) -> dict[str, Any]:
        """Shake hands as the protocol version asks and return the server's answer."""
        if self.version == MODERN:
            return self.request("server/discover")
        info = {"name": self.client, "version": "1"}
        opening = {"protocolVersion": self.version, "capabilities": {}, "clientInfo": info}
        answer = self.request("initialize", opening)
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    def request(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask and return the whole answer: with `result` or with `error`."""
        return self.wait(self.ask(method, params))

    def ask(self, method: str, params: Mapping[str, Any] | None = None) -> int:
        """Send a request without waiting and return its id."""
        self._next += 1
        given = dict(params or {})
        if self.version == MODERN:
            given["_meta"] = {
                _META + "protocolVersion": MODERN,
                _META + "clientCapabilities": {},
                _META + "clientInfo": {"name": self.client, "version": "1"},
            }
        self.send({"jsonrpc": "2.0", "id": self._next, "method": method, "params": given})
        return self._next

    def wait(self, id: int, deadline: float = DEADLINE) -> dict[str, Any]:
        """Return the answer to the request with this id; fails after `deadline` seconds."""
        ends = time.monotonic() + deadline
        while id not in self.answers:
            try:
                line = self._arrived.get(timeout=max(0.01, ends - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no answer to {id}; standard error: {self.errors}") from None
            assert line is not None, f"the server ended; standard error: {self.errors}"
            self._take(line)
        return self.answers[id]

    def call(self, tool: str, **arguments: object) -> str:
        """Call a tool and return its text; fails when it reports an error."""
        text, failed = self.try_call(tool, **arguments)
        assert not failed, text
        return text

    def try_call(self, tool: str, **arguments: object) -> tuple[str, bool]:
        """Call a tool and return its text and whether it is an error."""
        answer = self.request("tools/call", {"name": tool, "arguments": arguments})
        result = answer["result"]
        assert "structuredContent" not in result
        [content] = result["content"]
        return content["text"], result.get("isError", False)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one message as a line."""
        self.send_raw(json.dumps(message).encode() + b"\n")

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def hear(self, words: str, deadline: float = DEADLINE) -> None:
        """Wait for a line on standard error that holds these words."""
        ends = time.monotonic() + deadline
        while words not in self._said.get(timeout=max(0.01, ends - time.monotonic())):
            continue

    def leave(self) -> None:
        """Close standard input, as a host does when it ends."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def finish(self, deadline: float) -> int:
        """Wait for the process and all its lines; fails when it outlives `deadline` seconds."""
        status = self.process.wait(deadline)
        for reader in self._readers:
            reader.join(DEADLINE)
        while (line := self._arrived.get(timeout=DEADLINE)) is not None:
            self._take(line)
        return status

    def end(self) -> None:
        """End the process if it is still there and close its pipes."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join(DEADLINE)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue

    def _take(self, line: str) -> None:
        self.lines.append(line)
        message = json.loads(line)
        assert message["jsonrpc"] == "2.0", line
        if "method" not in message:
            self.answers[message["id"]] = message

    def _read_answers(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._arrived.put(line.decode())
        self._arrived.put(None)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.errors.append(line.decode(errors="replace"))
            self._said.put(self.errors[-1])


def memdesk(home: Path, *options: str, **more: Any) -> Session:
    """Return a session with `memdesk mcp` on a store of its own."""
    command = [sys.executable, "-m", "memdesk", "mcp", *options]
    # In no repository, whose space it would have.
    return Session(command, env={"MEMDESK_HOME": str(home)}, cwd=home.parent, **more)
