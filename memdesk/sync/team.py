"""A remote of kind memdesk: whole records both ways by the tools `sync_push` and `sync_pull` (docs/SYNC.md)."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from memdesk.errors import Invalid, SyncError
from memdesk.sharing import clock_from, memory_of, record
from memdesk.sync.answer import plain
from memdesk.sync.peer import REFUSED, STALE, TAKEN, Feed, Foreign, Incoming, Receipt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memdesk.sync.peer import Desk, Due
    from memdesk.sync.rpc import Rpc

_STORED, _STALE, _REFUSED = "stored", "stale", "refused"
_OUTCOMES = {_STORED: TAKEN, _STALE: STALE, _REFUSED: REFUSED}
_PAGE = 200


class Team:
    """A memdesk team server, or any MCP server that offers the same two tools."""

    cannot: tuple[str, ...] = ()
    updates = deletes = pulls = True
    most = _PAGE
    most_bytes = 900_000

    def __init__(self, rpc: Rpc, name: str) -> None:
        self._rpc = rpc
        self._name = name

    def payload(self, due: Due) -> dict[str, Any]:
        """Return the record of a memory."""
        return record(due.memory, due.clock, deleted=due.deletes)

    def push(self, dues: Sequence[Due], desk: Desk) -> list[Receipt]:
        """Send records, all in one exchange; the same ones again do no harm."""
        del desk
        told = self._rpc.tool("sync_push", {"records": [self.payload(due) for due in dues]})
        results = told.get("results") if isinstance(told, dict) else None
        if not isinstance(results, list) or len(results) != len(dues):
            raise Foreign(f"{self._name} does not say what became of each memory it was sent")
        return [self._receipt(due, each) for due, each in zip(dues, results, strict=True)]

    def _receipt(self, due: Due, told: object) -> Receipt:
        status = told.get("status") if isinstance(told, dict) else None
        if not isinstance(told, dict) or told.get("id") != due.id or str(status) not in _OUTCOMES:
            reason = f"{self._name} does not say what became of it"
            return Receipt(due.id, REFUSED, reason=reason)
        clock = None
        if status == _STALE:
            with suppress(Invalid):  # then a pull may tell it
                clock = clock_from(told.get("clock"))
        reason = f"{self._name} does not take it: {_reason(told.get('reason'))}"
        return Receipt(due.id, _OUTCOMES[str(status)], clock=clock, reason=reason)

    def pull(self, cursor: str, desk: Desk) -> Feed:
        """Return the records that follow a cursor, in the order of the server's commits."""
        del desk
        told = self._rpc.tool("sync_pull", {"cursor": cursor, "limit": _PAGE})
        match told:
            case {
                "records": list(records),
                "cursor": str(after),
                "more": bool(more),
                "epoch": epoch,
            }:
                if len(records) > _PAGE:
                    raise SyncError(f"{self._name} sends more at once than it was asked for")
                items = tuple(_incoming(each) for each in records)
                return Feed(items, after, more and after != cursor, str(epoch))
        raise Foreign(f"{self._name} does not answer sync_pull as a team server does")

    def close(self) -> None:
        """Let the connection go."""
        self._rpc.close()


def _incoming(told: object) -> Incoming:
    try:
        key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
        return Incoming(key, memory_of(told))  # type: ignore[arg-type]
    except RecursionError:
        return Incoming("nested", trouble="a record of the remote is nested too deep")
    except Invalid as error:
        return Incoming(key, trouble=f"a record of the remote cannot be used: {error}")


def _reason(told: object) -> str:
    return plain(told) if isinstance(told, str) and told.strip() else "it does not say why"
