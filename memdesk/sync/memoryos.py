"""The kind MemoryOS: it takes pairs of words and keeps them all; nothing in it can be changed.

It has no ids and does not see that it is sent something twice, and only its newest entries can be
read back. So every entry carries the memory's id and revision, and what may have been lost on the way
is looked for among the newest before it is sent again.
"""

from __future__ import annotations

import hashlib
from collections import deque
from datetime import UTC
from typing import TYPE_CHECKING, Any

from memdesk.memory import LIVE
from memdesk.sharing import digest, record
from memdesk.sync.peer import REFUSED, TAKEN, Feed, Foreign, Receipt, Unfit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from memdesk.remotes import Clock
    from memdesk.sync.peer import Desk, Due
    from memdesk.sync.rpc import Rpc

USER = "memdesk"
"""The user that the server is told where the remote names none."""
NEWEST = 7
"""So many entries it gives back at most, whatever it is asked."""
CANNOT = (
    "It cannot change a memory: another text is added beside the earlier one, and nothing else of it.",
    "It cannot delete a memory: what was sent stays there.",
    "It gives no memories back, so nothing is pulled from it.",
)
_LONGEST_TITLE = 200
_ELSEWHERE = ("id", "clock", "text")
"""Fields of a record that an entry has under other names."""
_EMPTY: tuple[object, ...] = (None, "", [], {})
_UNCHANGED = (
    "MemoryOS has this text already and cannot change what goes with it, such as tags, kind or space; "
    "only another text is sent"
)
_UNDELETED = "MemoryOS cannot delete: what was sent of this memory stays there"

_Key = tuple[str, str]
"""A memory's id and its revision, as entries tell them."""


class MemoryOS:
    """A MemoryOS server; memories go to it one at a time."""

    cannot = CANNOT
    updates = False
    deletes = False
    pulls = False
    most = 1
    most_bytes = 4 << 20

    def __init__(self, rpc: Rpc, user: str = "") -> None:
        self._rpc = rpc
        self._user = user or USER
        self._taken: deque[_Key] = deque(maxlen=NEWEST)
        """What is there for certain, in the order it came."""
        self._doubtful: dict[_Key, frozenset[_Key]] = {}
        """What was there for certain when something was sent whose answer was lost."""

    def payload(self, due: Due) -> dict[str, object]:
        """Return what leaves for a memory; raises `Unfit` for a delete."""
        if due.deletes:
            raise Unfit(_UNDELETED)
        memory = due.memory
        return {
            "user_input": memory.title[:_LONGEST_TITLE] or memory.kind,
            "agent_response": memory.text,
            "user_id": self._user,
            "timestamp": _timestamp(memory.created_at, _key(due)),
            "meta_data": _about(due),
        }

    def push(self, dues: Sequence[Due], desk: Desk) -> list[Receipt]:  # noqa: ARG002 (of the protocol)
        """Send the first of the memories; the receipt's ref is the hash of the text that is there."""
        return [self._receipt(due) for due in dues[:1]]

    def _receipt(self, due: Due) -> Receipt:
        sent, hash = due.sent, due.memory.content_hash
        if due.deletes:
            return Receipt(due.id, REFUSED, reason=_UNDELETED)
        if sent and sent.digest == digest(due.memory):
            return Receipt(due.id, TAKEN, hash)
        if sent and sent.ref == hash:
            return Receipt(due.id, REFUSED, hash, reason=_UNCHANGED)
        self._add(due)
        return Receipt(due.id, TAKEN, hash)

    def _add(self, due: Due) -> None:
        key, entry = _key(due), self.payload(due)
        self._doubtful.setdefault(key, frozenset(self._taken))
        told = self._rpc.tool("add_memory", {"params": entry})
        if not isinstance(told, dict) or told.get("status") != "success":
            raise Unfit("MemoryOS does not say that it has taken this")
        self._has(key)

    def arrived(self, due: Due) -> bool | None:
        """Tell whether a memory that may have been sent is there; None where that cannot be told.

        One that is still on its way is not there yet. Raises the errors of `sync.peer`.
        """
        key = _key(due)
        shown = list(self._newest(due.id))
        if key in shown:
            self._has(key)
            return True
        older = self._doubtful.get(key, frozenset()) | _earlier(due)
        return False if len(shown) < NEWEST or older & {*shown} else None

    def _newest(self, query: str) -> Iterator[_Key | None]:
        """Yield the entries that the server gives back; those that are not of memdesk are None."""
        told = self._rpc.tool(
            "retrieve_memory", {"params": {"query": query, "user_id": self._user}}
        )
        match told:
            case {"result": {"short_term_memory": list() as entries}}:
                yield from map(_key_of, entries)
            case _:
                raise Foreign("MemoryOS does not tell its newest entries")

    def _has(self, key: _Key) -> None:
        self._doubtful.pop(key, None)
        self._taken.append(key)

    def pull(self, cursor: str, desk: Desk) -> Feed:  # noqa: ARG002 (of the protocol)
        """Return no news: there is no way to ask for any."""
        return Feed((), cursor, more=False)

    def close(self) -> None:
        """Let the connection go."""
        self._rpc.close()


def _key(due: Due) -> _Key:
    return due.id, _revision(due.clock)


def _earlier(due: Due) -> frozenset[_Key]:
    """Return the revision of the memory that is known to be there, where there is one."""
    sent = due.sent
    return frozenset([(sent.id, _revision(sent.clock))] if sent else [])


def _revision(clock: Clock) -> str:
    ms, n, device = clock
    return f"{ms}.{n}.{device}"


def _key_of(entry: Any) -> _Key | None:
    match entry:
        case {"meta_data": {"memdesk_id": str() as id, "rev": str() as revision}}:
            return id, revision
    return None


def _about(due: Due) -> dict[str, object]:
    """Return what an entry says of its memory besides the text: its record, without what is empty."""
    told = record(due.memory, due.clock)
    if told["state"] == LIVE:
        del told["state"]
    kept = {
        name: value
        for name, value in told.items()
        if name not in _ELSEWHERE and value not in _EMPTY
    }
    return {"memdesk_id": due.id, "rev": _revision(due.clock)} | kept


def _timestamp(at: datetime, key: _Key) -> str:
    """Return a moment in ISO 8601, with six digits of the revision's own after the microseconds.

    The server shows only one of several entries with the same timestamp.
    """
    own = int.from_bytes(hashlib.sha256("\0".join(key).encode()).digest()[:8]) % 1_000_000
    moment = at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{moment}{own:06}Z"
