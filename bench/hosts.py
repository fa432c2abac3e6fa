"""Many hosts at once, driven by one loop: a thread for each would make ours the slower side."""

from __future__ import annotations

import json
import math
import os
import selectors
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from bench import session
from memdesk.demo import PATIENCE, PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PIECE = 65536


@dataclass(frozen=True, slots=True)
class Call:
    """A tool and what it is asked."""

    tool: str
    arguments: dict[str, object]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a host was answered, and when."""

    text: str
    took: float
    """Milliseconds since it was asked."""


class Host:
    """One host and its pipes; it waits for one answer at a time."""

    def __init__(self, home: Path, *, direct: bool = False) -> None:
        """Start memdesk as hosts do, and open the session; `direct` is a server of its own."""
        self._process = subprocess.Popen(
            session.command(direct=direct),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"MEMDESK_HOME": str(home)},
            bufsize=0,
        )
        assert self._process.stdout is not None
        self.pid = self._process.pid
        self.fileno = self._process.stdout.fileno
        """What a selector waits for."""
        self._heard = b""
        self._last_id = 0
        self._begun = 0.0
        self._wait(
            "initialize",
            {
                "protocolVersion": PROTOCOL,
                "capabilities": {},
                "clientInfo": {"name": "memdesk-bench", "version": "1"},
            },
        )
        self._tell({"method": "notifications/initialized"})
        self._wait("tools/list", {})

    def ask(self, call: Call) -> None:
        """Ask a tool and do not wait."""
        self._request("tools/call", {"name": call.tool, "arguments": call.arguments})

    def answer(self) -> Answer | None:
        """Return the answer if it is whole now; raises `ValueError` for an error."""
        result = self._hear()
        if result is None:
            return None
        took = (time.perf_counter() - self._begun) * 1000
        text = "\n".join(part.get("text", "") for part in result["content"])
        if result.get("isError"):
            raise ValueError(f"a host was answered: {text}")
        return Answer(text, took)

    def end(self) -> None:
        """Leave as hosts do."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.wait(PATIENCE)

    def _wait(self, method: str, params: dict[str, object]) -> None:
        self._request(method, params)
        while self._hear() is None:
            pass

    def _request(self, method: str, params: dict[str, object]) -> None:
        self._last_id += 1
        self._begun = time.perf_counter()
        self._tell({"id": self._last_id, "method": method, "params": params})

    def _tell(self, message: dict[str, object]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n")

    def _hear(self) -> dict[str, Any] | None:
        """Read once; return the result that is waited for when its line has come."""
        piece = os.read(self.fileno(), _PIECE)
        if not piece:
            raise EOFError("a server ended")
        *lines, self._heard = (self._heard + piece).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if message.get("id") == self._last_id and "method" not in message:
                if "result" not in message:
                    raise ValueError(f"a host was answered {message['error']}")
                return dict(message["result"])
        return None


class Hosts:
    """Several hosts of one store."""

    def __init__(self, home: Path, count: int, *, direct: bool = False) -> None:
        self._all: list[Host] = []
        try:
            for _ in range(count):
                self._all.append(Host(home, direct=direct))
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for host in self._all:
            host.end()

    @property
    def processes(self) -> list[int]:
        """What the hosts have started, in their order."""
        return [host.pid for host in self._all]

    def ask(self, calls: Iterator[Call], seconds: float = math.inf) -> tuple[list[Answer], float]:
        """Have each host ask one call after the other until they or the time are over.

        Returns the answers, and how many came a second.
        """
        answers: list[Answer] = []
        begun = time.perf_counter()
        with selectors.DefaultSelector() as busy:
            for host, call in zip(self._all, calls, strict=False):
                busy.register(host, selectors.EVENT_READ)
                host.ask(call)
            while busy.get_map():
                for host in _ready(busy):
                    answer = host.answer()
                    if answer is None:
                        continue
                    answers.append(answer)
                    late = time.perf_counter() - begun > seconds
                    if late or (following := next(calls, None)) is None:
                        busy.unregister(host)
                    else:
                        host.ask(following)
        return answers, len(answers) / (time.perf_counter() - begun)


def _ready(busy: selectors.BaseSelector) -> list[Host]:
    """Return the hosts that hear something; raises `TimeoutError` when none does for long."""
    ready = busy.select(PATIENCE)
    if not ready:
        raise TimeoutError(f"no host was answered within {PATIENCE:.0f} s")
    return [key.fileobj for key, _ in ready if isinstance(key.fileobj, Host)]
