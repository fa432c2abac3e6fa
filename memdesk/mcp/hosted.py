"""A host's session over a stream: the official server, fed line by line (MCP.md §7)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import anyio
from mcp.server.runner import serve_dual_era_loop
from mcp.shared.message import SessionMessage
from mcp.types import (
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

from memdesk.link.lines import lines
from memdesk.mcp.lines import repair
from memdesk.mcp.render import word
from memdesk.mcp.server import build_server

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from memdesk.mcp.connection import Connection

MOST_OPEN = 100
"""Requests of one host that may wait for their answer; its next lines wait until it reads some."""
_CANCELLED = "notifications/cancelled"
_ENVELOPE = "io.modelcontextprotocol/clientInfo"


class Visit(Protocol):
    """What is kept of a session while it lasts, for whoever wants to see it."""

    name: str
    asked: int
    open: int
    reading: asyncio.Task[Any] | None
    """What takes in requests: cancel it, and the session ends when all are answered."""


class Host:
    """Serves any number of hosts with one built server."""

    def __init__(self) -> None:
        self._low = build_server()._lowlevel_server  # noqa: SLF001 (MCP.md §7: no public way)

    async def serve(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        connection: Connection,
        visit: Visit,
    ) -> None:
        """Serve one session until the host leaves, or until `visit.reading` is cancelled."""
        send_in, receive_in = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        send_out, receive_out = anyio.create_memory_object_stream[SessionMessage](0)
        session = _Session(reader, writer, visit)
        visit.reading = asyncio.create_task(session.read(send_in))
        writing = asyncio.create_task(session.write(receive_out))
        try:
            await serve_dual_era_loop(self._low, receive_in, send_out, lifespan_state=connection)
        finally:
            visit.reading.cancel()
            await asyncio.wait([visit.reading, writing])


class _Session:
    """The lines of one host, counted in both directions."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, visit: Visit
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._visit = visit
        self._open: set[str | int] = set()
        self._changed = asyncio.Condition()

    async def read(self, session: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
        """Take in lines; once cancelled no more of them, and the session ends when it owes none."""
        async with session:
            try:
                async for line in lines(self._reader):
                    await self._take(line, session)
            except ConnectionError:
                return  # the host is gone
            except asyncio.CancelledError:
                async with self._changed:
                    await self._changed.wait_for(lambda: not self._open)

    async def _take(
        self, line: bytes, session: MemoryObjectSendStream[SessionMessage | Exception]
    ) -> None:
        try:
            item: SessionMessage | Exception = SessionMessage(
                jsonrpc_message_adapter.validate_json(line, by_name=False)
            )
        except ValidationError as error:
            item = repair(error)
        if isinstance(item, SessionMessage):
            await self._count(item)
        await session.send(item)

    async def _count(self, item: SessionMessage) -> None:
        message = item.message
        if isinstance(message, JSONRPCRequest):
            self._visit.name = _name(message.params) or self._visit.name
            self._visit.asked += 1
            async with self._changed:
                await self._changed.wait_for(lambda: len(self._open) < MOST_OPEN)
                self._open.add(message.id)
                self._visit.open = len(self._open)
        elif isinstance(message, JSONRPCNotification) and message.method == _CANCELLED:
            await self._close((message.params or {}).get("requestId"))

    async def write(self, session: MemoryObjectReceiveStream[SessionMessage]) -> None:
        """Send what the session answers, as fast as the host takes it."""
        async with session:
            async for item in session:
                message = item.message
                line = message.model_dump_json(by_alias=True, exclude_unset=True)
                try:
                    self._writer.write(line.encode() + b"\n")
                    await self._writer.drain()
                except ConnectionError:
                    await self._give_up()
                    return
                if isinstance(message, JSONRPCResponse | JSONRPCError):
                    await self._close(message.id)

    async def _give_up(self) -> None:
        """Owe nothing to a host that is gone, and take in no more of its requests."""
        if self._visit.reading:
            self._visit.reading.cancel()
        async with self._changed:
            self._open.clear()
            self._visit.open = 0
            self._changed.notify_all()

    async def _close(self, id: Any) -> None:
        async with self._changed:
            self._open.discard(id)
            self._visit.open = len(self._open)
            self._changed.notify_all()


def _name(params: dict[str, Any] | None) -> str:
    """Return what the host calls itself, where this request tells it."""
    told = (params or {}).get("clientInfo") or ((params or {}).get("_meta") or {}).get(_ENVELOPE)
    name = told.get("name") if isinstance(told, dict) else None
    return word(name, 60) if isinstance(name, str) else ""
