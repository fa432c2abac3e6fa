"""The resources: one memory, the newest ones and the profile, for a person to attach in a host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver import Context  # noqa: TC002 - the SDK reads annotations
from mcp.types import Resource

from memdesk.mcp import render
from memdesk.mcp.asking import Answer, Request, told
from memdesk.mcp.connection import Connection  # noqa: TC001 - the SDK reads annotations
from memdesk.mcp.tools import client_name
from memdesk.memory import Filter

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from memdesk.service.seat import Seat

SCHEME = "memories://"
NEWEST = 20
"""How many memories `memories://recent` shows."""
MAX_TOKENS = 8000
"""The longest resource; hosts put it into the conversation whole."""


def newest(desk: Seat) -> Answer:
    """Return the newest memories of the host's space and of personal."""
    page = desk.list(where=Filter(spaces=desk.scope(None)), limit=NEWEST)
    return told(render.listed(page.memories, "The newest memories", MAX_TOKENS), page.memories)


def profile(desk: Seat) -> Answer:
    """Return the profile of the host's space."""
    answer = desk.profile(max_tokens=MAX_TOKENS)
    return told(render.profile(answer, MAX_TOKENS), answer.memories)


VIEWS = {"recent": newest, "profile": profile}
"""The resources that need no id."""
LISTED = [
    Resource(
        uri=f"{SCHEME}recent",
        name="recent",
        title="Recent memories",
        description=f"The {NEWEST} newest memories of this space and of personal",
        mime_type="text/plain",
    ),
    Resource(
        uri=f"{SCHEME}profile",
        name="profile",
        title="Profile",
        description="What is always worth knowing: pinned memories, preferences, facts, decisions",
        mime_type="text/plain",
    ),
]


async def memory(id: str, ctx: Context[Connection, Any]) -> str:
    """One memory in full."""
    connection = ctx.request_context.lifespan_context
    view = VIEWS.get(id)
    if view is not None:
        request = Request(client_name(ctx), "resource", id)
        return await connection.read(request, view)
    return await connection.read(Request(client_name(ctx), "resource"), lambda desk: _one(desk, id))


def _one(desk: Seat, id: str) -> Answer:
    memories = desk.get([id])
    return told(render.whole(memories, MAX_TOKENS), memories)


def add_to(server: MCPServer[Connection]) -> None:
    """Register the resource of one memory, which answers for the views too.

    The SDK gives a resource without parameters no context, hence no `Connection`.
    """
    server.resource(SCHEME + "{id}", title="Memory", mime_type="text/plain")(memory)
