"""A host in memory: the SDK's own client in front of a fresh server and a fake service."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import Implementation
from mcp_fake import FakeService

from memdesk.mcp.connection import Connection
from memdesk.mcp.server import build_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

MODES = ["auto", "legacy"]
"""Both protocol eras: the newest that both sides know, and the handshake."""
T = TypeVar("T")


def through_client(
    ask: Callable[[Client], Awaitable[T]],
    service: FakeService | None = None,
    mode: Any = "auto",
    space: str | None = None,
    name: str = "a-host",
) -> T:
    """Return what `ask` finds out through a client of a fresh server."""
    connection = Connection(lambda: (service or FakeService()).real, space=space)

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[Connection]:
        yield connection

    async def run() -> T:
        host = Implementation(name=name, version="1")
        async with Client(build_server(lifespan), mode=mode, client_info=host) as client:
            return await ask(client)

    return anyio.run(run)


def call(
    tool: str, service: FakeService | None = None, /, *, space: str | None = None, **arguments: Any
) -> tuple[str, bool]:
    """Return a tool's text and whether it is an error."""

    async def ask(client: Client) -> tuple[str, bool]:
        answer = await client.call_tool(tool, arguments)
        assert answer.structured_content is None
        [content] = answer.content
        assert content.type == "text"
        return content.text, bool(answer.is_error)

    return through_client(ask, service, space=space)


def refusal(
    ask: Callable[[Client], Awaitable[object]],
    service: FakeService | None = None,
    mode: Any = "auto",
) -> tuple[int, str]:
    """Return the code and the message of the protocol error that `ask` gets."""

    async def refused(client: Client) -> tuple[int, str]:
        with pytest.raises(MCPError) as raised:
            await ask(client)
        return raised.value.error.code, raised.value.error.message

    return through_client(refused, service, mode)
