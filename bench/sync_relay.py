"""A relay between a desk and a server that counts the bytes both ways, headers and all."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

_PIECE = 1 << 16


class Relay:
    """Hands on every byte between whoever connects to it and one server; a context manager."""

    def __init__(self, url: str) -> None:
        self.up = 0
        """Bytes that went to the server."""
        self.down = 0
        """Bytes that came from it."""
        self._to = urlsplit(url)
        self._counting = threading.Lock()
        self._links: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._accepting = threading.Thread(target=self._accept)

    @property
    def url(self) -> str:
        """The server's address as clients are to call it."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}{self._to.path}"

    def take(self) -> tuple[int, int]:
        """Return the bytes up and down since the last time, and count anew."""
        with self._counting:
            told = self.up, self.down
            self.up = self.down = 0
        return told

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        for link in self._links:
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for link in self._links:
            link.close()

    def _accept(self) -> None:
        with suppress(OSError):  # its end wakes it with one
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((self._to.hostname, self._to.port or 80))
                self._links += [client, server]
                for link in (client, server):  # else each exchange waits 40 ms
                    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for ends in ((client, server, True), (server, client, False)):
                    thread = threading.Thread(target=self._hand_on, args=ends)
                    self._threads.append(thread)
                    thread.start()

    def _hand_on(self, source: socket.socket, to: socket.socket, up: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(_PIECE):
                self._count(len(piece), up)
                to.sendall(piece)
            to.shutdown(socket.SHUT_WR)

    def _count(self, size: int, up: bool) -> None:
        with self._counting:
            if up:
                self.up += size
            else:
                self.down += size
