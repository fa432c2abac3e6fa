"""What all guests share: one service, its threads, and one MCP server."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from memdesk.errors import MemdeskError
from memdesk.mcp.connection import Connection, Pools
from memdesk.moment import written_in
from memdesk.workplace import Workplaces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memdesk.daemon.guests import Guest
    from memdesk.mcp.hosted import Host
    from memdesk.service import Service

THREADS = 16
"""How many reads, and how many writes, are worked on at once."""
_log = logging.getLogger(__name__)
_EXPECT_HOSTS_IN = 3.0


class House:
    """The parts that live as long as the daemon; each is made when it is first needed."""

    def __init__(
        self, open_service: Callable[[], Service], workplaces: Callable[[], Workplaces]
    ) -> None:
        self.pools = Pools.of(THREADS)
        self._ask_workplaces = workplaces
        self._workplaces = Workplaces()
        self._open = open_service
        self._opening = threading.Lock()
        self._service: Service | None = None
        self._host: asyncio.Task[Host] | None = None

    def service(self) -> Service:
        """Return the service; what keeps it from opening is raised to each who asks."""
        with self._opening:
            if self._service is None:
                self._service = self._open()
            return self._service

    @property
    def opened(self) -> Service | None:
        """The service if anybody has asked for it."""
        return self._service

    @contextmanager
    def request(self, guest: Guest) -> Iterator[None]:
        """Count a request while it is worked on; background duties wait meanwhile."""
        guest.asked += 1
        guest.open += 1
        try:
            with self._service.duties.busy() if self._service else nullcontext():
                yield
        finally:
            guest.open -= 1

    async def serve_host(
        self, guest: Guest, told: dict[str, Any], reader: asyncio.StreamReader
    ) -> None:
        """Serve one host until it leaves."""
        host = await self._mcp()
        connection = Connection(
            self.service,
            space=guest.space,
            pools=self.pools,
            nonce=told["nonce"],
            again=told.get("again", ()),
            around=lambda: written_in(guest.zone, guest.offset),
        )
        if told.get("again"):
            connection.warm_in(0)  # it has waited long enough
        await host.serve(reader, guest.writer, connection, guest)

    @property
    def usual_space(self) -> str:
        """The space of a folder that has none of its own, as the settings last said."""
        return self._workplaces.default

    def space_of(self, folder: str) -> str:
        """Return the space of a host that names none and works in a folder.

        As the settings say, or last said.
        """
        try:
            self._workplaces = self._ask_workplaces()
        except MemdeskError as error:
            _log.warning("the settings cannot be used: %s", error)
        return self._workplaces.space_of(folder)

    def expect_hosts(self, seconds: float = _EXPECT_HOSTS_IN) -> None:
        """Import the protocol's library soon, in the background, so that a host finds it there."""
        asyncio.get_running_loop().call_later(seconds, self._mcp)

    def _mcp(self) -> asyncio.Task[Host]:
        if self._host is None:
            self._host = asyncio.ensure_future(asyncio.to_thread(_import_host))
        return self._host


def _import_host() -> Host:
    """Import the SDK, half a second of work, with a tenth less of it for the collector."""
    gc.disable()
    try:
        from memdesk.mcp.hosted import Host

        return Host()
    finally:
        gc.enable()
        gc.freeze()
