"""A proxy on the loopback between a client and a server, and what goes wrong there at random."""

from __future__ import annotations

import json
import random
import socket
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from io import BufferedReader

_HANGS_FOR = 30.0
"""Seconds after which a connection that says nothing is given up."""
_REASONS = {429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway"}


@dataclass(frozen=True, slots=True)
class Faults:
    """How often each thing happens to an exchange, from 0 to 1; at most one of them does."""

    unheard: float = 0.0
    """The connection ends before the server has heard of it."""
    unanswered: float = 0.0
    """The server has done it, and its answer is lost."""
    late: float = 0.0
    """The request is held up for `Proxy.delay` seconds."""
    twice: float = 0.0
    """The server gets the request two times; its second answer is the one that is passed on."""
    cut: float = 0.0
    """The answer ends somewhere within."""
    busy: float = 0.0
    """429 in the server's place, every other time with Retry-After."""
    broken: float = 0.0
    """500 or 502 in the server's place."""

    @classmethod
    def all(cls, rate: float) -> Faults:
        """Return every fault there is, together as often as `rate`."""
        names = [each.name for each in fields(cls)]
        return cls(**dict.fromkeys(names, rate / len(names)))


NONE = Faults()


class FaultProxy:
    """The proxy; a context manager. Every connection ends after one exchange."""

    def __init__(
        self,
        url: str,
        faults: Faults = NONE,
        *,
        seed: int = 0,
        delay: float = 0.02,
        retry_after: int = 1,
    ) -> None:
        """Stand before the server at `url`; `delay` and `retry_after` are seconds."""
        self.faults = faults
        """May be changed at any moment."""
        self.counts: Counter[str] = Counter()
        """What was done, by the names of `Faults`; “passed” is every other exchange."""
        self.heard: list[bytes] = []
        """The bytes of every request that went through to the server, once for each time."""
        self._to = urlsplit(url)
        self._delay, self._retry_after = delay, retry_after
        self._random = random.Random(seed)
        self._guard = threading.Lock()
        self._closing = threading.Event()
        self._links: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._accepting = threading.Thread(target=self._accept)

    @property
    def url(self) -> str:
        """The server's address as clients are to call it."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}{self._to.path}"

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        with suppress(OSError), socket.create_connection(self._listener.getsockname()):
            pass  # wakes the thread that accepts
        self._accepting.join()
        self._listener.close()
        with self._guard:
            for link in self._links:
                with suppress(OSError):
                    link.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            link, _ = self._listener.accept()
            if self._closing.is_set():
                link.close()
                return
            thread = threading.Thread(target=self._serve, args=[link])
            self._threads.append(thread)
            thread.start()

    def _serve(self, link: socket.socket) -> None:
        with suppress(OSError), self._kept(link), link.makefile("rb") as stream:
            asked = _request(stream)
            if asked:
                link.sendall(self._exchange(asked))

    def _kept(self, link: socket.socket) -> _Kept:
        link.settimeout(_HANGS_FOR)
        return _Kept(link, self._links, self._guard)

    def _exchange(self, asked: bytes) -> bytes:
        """Return what the client gets; nothing where its connection just ends."""
        fault, by_chance = self._pick()
        if fault == "unheard":
            return b""
        if fault == "busy":
            return self._busy(waits=by_chance < 0.5)
        if fault == "broken":
            return _failure(500 if by_chance < 0.5 else 502)
        if fault == "late":
            self._closing.wait(self._delay)
        if fault == "twice":
            self._forward(asked)
        told = self._forward(asked)
        if fault == "unanswered":
            return b""
        return told[: int(len(told) * by_chance)] if fault == "cut" else told

    def _pick(self) -> tuple[str, float]:
        """Return what happens to an exchange, and a number to choose further by."""
        with self._guard:
            left, by_chance = self._random.random(), self._random.random()
            for each in fields(self.faults):
                left -= getattr(self.faults, each.name)
                if left < 0:
                    self.counts[each.name] += 1
                    return each.name, by_chance
            self.counts["passed"] += 1
            return "", by_chance

    def _busy(self, *, waits: bool) -> bytes:
        return _failure(429, f"Retry-After: {self._retry_after}\r\n" if waits else "")

    def _forward(self, asked: bytes) -> bytes:
        """Return everything that the server answers."""
        address = self._to.hostname or "", self._to.port or 80
        with (
            socket.create_connection(address, timeout=_HANGS_FOR) as link,
            self._kept(link),
            link.makefile("rb") as stream,
        ):
            with self._guard:
                self.heard.append(asked)
            link.sendall(asked)
            return stream.read()


class _Kept:
    """A connection that the proxy may end from another thread; closed in the end."""

    def __init__(
        self, link: socket.socket, links: set[socket.socket], guard: threading.Lock
    ) -> None:
        self._link, self._links, self._guard = link, links, guard

    def __enter__(self) -> None:
        with self._guard:
            self._links.add(self._link)

    def __exit__(self, *_: object) -> None:
        with self._guard:
            self._links.discard(self._link)
        self._link.close()


def _request(stream: BufferedReader) -> bytes:
    """Return a whole request that asks the server to close afterwards; empty where none comes."""
    lines = [stream.readline()]
    if not lines[0]:
        return b""
    size = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            size = int(value)
        if name.lower() != b"connection":
            lines.append(line)
    return b"".join([*lines, b"Connection: close\r\n\r\n", stream.read(size)])


def _failure(status: int, headers: str = "") -> bytes:
    body = json.dumps({"detail": _REASONS[status]})
    head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
