"""A team server that does and answers what a test wants."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from loopback import Reply
from team_server import LightTeam

from memdesk.memory import content_hash

if TYPE_CHECKING:
    from loopback import Asked

Twist = Callable[[dict[str, Any], Callable[[], dict[str, Any]]], object]
"""Gets a tool's arguments and what does it truly; returns the result, its JSON, or a whole reply."""


_NOTHING = (
    *("session", "role", "speaker", "happened_precision", "replaces", "replaced_by"),
    *("position", "utc_offset_min", "happened_at", "expires_at"),
)


def plainly(_: dict[str, Any], do: Callable[[], dict[str, Any]]) -> object:
    """Do what a team server does."""
    return do()


class TwistedTeam(LightTeam):
    """A team server whose two tools a test may take the place of."""

    def __init__(self) -> None:
        super().__init__()
        self.at_push: Twist = plainly
        self.at_pull: Twist = plainly

    def answer(self, asked: Asked) -> Reply:
        """Return what a test has it answer."""
        told = json.loads(asked.body)
        if told["method"] != "tools/call":
            return super().answer(asked)

        def do() -> dict[str, Any]:
            result = json.loads(super(TwistedTeam, self).answer(asked).body)["result"]
            return dict(result["structuredContent"])

        called = told["params"]
        twist = self.at_push if called["name"] == "sync_push" else self.at_pull
        if twist is plainly:
            return super().answer(asked)
        result = twist(called["arguments"], do)
        return result if isinstance(result, Reply) else _as_result(told["id"], result)


def _as_result(id: object, result: object) -> Reply:
    if isinstance(result, dict):
        result = {"content": [], "structuredContent": result}
    # In ASCII, as half a character outside of it is no UTF-8.
    text = result if isinstance(result, bytes) else json.dumps(result).encode()
    body = b'{"jsonrpc": "2.0", "id": %s, "result": %s}' % (json.dumps(id).encode(), text)
    return Reply(200, body, {"Content-Type": "application/json"})


def record(**other: object) -> dict[str, Any]:
    """Return a sound record of a new memory, but for the fields that are named."""
    text = other.get("text", f"words {uuid.uuid4()}")
    hashed = content_hash(text if isinstance(text, str) and text.isascii() else "")
    sound = {"id": str(uuid.uuid4()), "clock": [5, 0, "theirs"], "state": "live", "text": text}
    sound |= {"kind": "note", "space": "personal", "content_hash": hashed, "tags": []}
    sound |= {"created_at": "2026-01-01T00:00:00+00:00", "source": {"name": "x", "ref": ""}}
    return dict.fromkeys(_NOTHING) | sound | {"metadata": {}} | other


def page(*records: object, cursor: str = "e.1", more: bool = False) -> dict[str, object]:
    """Return a page of a feed."""
    return {"records": [*records], "cursor": cursor, "more": more, "epoch": "e"}
