"""A service behind a socket as the daemon serves it, and the ways a test may hold a desk."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
import threading
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from memdesk.daemon import verbs
from memdesk.link.client import ServiceClient
from memdesk.mcp.connection import Pools

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractContextManager

    from memdesk.service import Service

T = TypeVar("T")
WAYS = ("direct", "daemon")
"""How a test may hold a desk: the service itself, or a client of it."""
direct_only = pytest.mark.parametrize("way", ["direct"])
"""For a test that looks inside the service."""


class Server:
    """A loop on a thread that serves services on sockets; Unix sockets have short paths."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="md-"))
        self.pools = Pools.of(8)
        self.calls: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self._servers: list[asyncio.Server] = []

    def serve(
        self,
        service: Callable[[], Service],
        busy: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> Path:
        """Serve a service from now on; return the path of its socket."""
        path = self.folder / str(len(self._servers))

        async def connected(reader: StreamReader, writer: StreamWriter) -> None:
            task = asyncio.current_task()
            assert task
            self.calls.add(task)
            # Before Python 3.12 a cancelled task of a server is reported as a mistake.
            with suppress(asyncio.CancelledError):
                await verbs.serve(reader, writer, service, self.pools, busy=busy)
            self.calls.discard(task)

        self._servers.append(self.run(asyncio.start_unix_server(connected, path)))
        return path

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Return what a coroutine gives on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=30)

    def drop(self) -> None:
        """Drop every connection, as a daemon that is killed does."""

        async def cancelled() -> None:
            for task in list(self.calls):
                task.cancel()
            await asyncio.gather(*self.calls, return_exceptions=True)

        self.run(cancelled())

    def close(self) -> None:
        """End it all."""
        for server in self._servers:
            self.loop.call_soon_threadsafe(server.close)
        self.drop()
        for pool in self.pools:
            pool.shutdown()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
        shutil.rmtree(self.folder)


def connect(path: Path) -> socket.socket:
    """Return a connection to a socket."""
    connected = socket.socket(socket.AF_UNIX)
    try:
        connected.connect(str(path))
    except BaseException:
        connected.close()
        raise
    return connected


def client(path: Path, **settings: object) -> ServiceClient:
    """Return a client of the service that is served at a path, with some of its settings."""
    kept = {name: settings[name] for name in ("default_space", "wait") if name in settings}
    return ServiceClient(lambda: connect(path), **kept)  # type: ignore[arg-type]
