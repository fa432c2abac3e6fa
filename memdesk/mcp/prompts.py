"""The prompts: what a person may pick from a host's menu."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from mcp.server.mcpserver import Context  # noqa: TC002 - the SDK reads annotations
from pydantic import Field

from memdesk.mcp import render, resources
from memdesk.mcp.asking import Answer, Request, found
from memdesk.mcp.connection import Connection  # noqa: TC001 - the SDK reads annotations
from memdesk.mcp.tools import client_name
from memdesk.memory import Filter

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from memdesk.service.seat import Seat

FOUND = 10
"""How many memories a briefing holds about its topic."""
MAX_TOKENS = 4000

BRIEF = """\
Below is what my memory connection holds{about}. Take it as background for this conversation: tell me in a \
few lines what matters now, what looks outdated or contradicts itself, and what you would ask me."""

REMEMBER_SESSION = """\
Look back over this conversation and keep what will matter later{focus}.
1. List the lasting facts, preferences, decisions, plans and corrections in it; leave out small talk, \
passing states, and anything secret such as passwords or keys.
2. For each, call `recall` to see what is remembered already.
3. Call `remember` for what is new: one self-contained statement per call, with names and dates \
written out, and its kind. Give `replaces` when it outdates a memory; use `revise` when that was wrong.
4. Tell me in a short list what you kept, replaced and left out."""


async def brief(
    ctx: Context[Connection, Any],
    topic: Annotated[str, Field(description="what the conversation will be about")] = "",
) -> str:
    """Start with what is remembered: the profile, and what bears on a topic."""
    connection = ctx.request_context.lifespan_context
    request = Request(client_name(ctx), "prompt", topic)
    return await connection.read(request, lambda desk: _briefing(desk, topic))


def remember_session(
    focus: Annotated[str, Field(description="what to look for in particular")] = "",
) -> str:
    """End with keeping what matters from this conversation."""
    return REMEMBER_SESSION.format(focus=f", above all about {focus}" if focus else "")


def _briefing(desk: Seat, topic: str) -> Answer:
    intro = BRIEF.format(about=f" about {topic}" if topic else "")
    known = resources.profile(desk)
    if topic:
        spaces = desk.scope(None)
        answer = desk.recall(topic, limit=FOUND, where=Filter(spaces=spaces))
        more = found(render.recalled(answer, spaces, MAX_TOKENS), answer)
    else:
        more = resources.newest(desk)
    ids = tuple(dict.fromkeys((*known.ids, *more.ids)))
    return Answer(f"{intro}\n\n{known.text}\n\n{more.text}", ids, more.outcome)


def add_to(server: MCPServer[Connection]) -> None:
    """Register the prompts."""
    server.prompt(title="Brief me")(brief)
    server.prompt(title="Remember this session")(remember_session)
