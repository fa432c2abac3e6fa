"""A desk in the plainest way, for tests of remotes: a store and a ledger in memory."""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from peer import KEY

from memdesk import sharing
from memdesk.memory import Memory, content_hash, new_id
from memdesk.remotes import MEMORY_SERVICE, Remote
from memdesk.sync.http import Http
from memdesk.sync.memory_service import open_memory_service
from memdesk.sync.memory_service_rest import PlainMemoryService
from memdesk.sync.peer import TAKEN, Due, Incoming, Receipt, Sent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from memdesk.sync.peer import Peer


class Desk:
    """One store and its ledger for one remote, in the plainest way."""

    last = 0

    def __init__(self, url: str, name: str = "", *, plain: bool = False) -> None:
        self.device = name or str(uuid.uuid4())
        self.remote = Remote("team", url, MEMORY_SERVICE)
        self.http = Http(self.remote, KEY)
        self.peer: Peer = (
            PlainMemoryService(self.remote, self.http, self.device, verified=True)
            if plain
            else open_memory_service(self.remote, self.http, self.device)
        )
        self.memories: dict[str, Memory] = {}
        self.sent: dict[str, Sent] = {}
        self.cursor = ""

    def by_ref(self, refs: Iterable[str]) -> dict[str, Sent]:
        """Return what is known under names of the remote's."""
        wanted = set(refs)
        return {sent.ref: sent for sent in self.sent.values() if sent.ref and sent.ref in wanted}

    def known(self, ids: Iterable[str]) -> dict[str, Sent]:
        """Return what the remote is known to have."""
        return {id: self.sent[id] for id in ids if id in self.sent}

    def stored(self, ids: Iterable[str]) -> dict[str, Memory]:
        """Return the memories here."""
        return {id: self.memories[id] for id in ids if id in self.memories}

    def add(self, text: str, **fields: Any) -> Memory:
        """Write a memory."""
        record: dict[str, Any] = {"id": new_id(), "clock": self._clock(), "state": "live"}
        record |= {"text": text, "kind": "note", "space": "work", "tags": ["one"], "metadata": {}}
        record |= {"created_at": "2026-01-02T03:04:05.678901+00:00"}
        record |= {"content_hash": content_hash(text), "source": {"name": "codex", "ref": ""}}
        return self._keep(sharing.memory_of(record | fields))

    def edit(self, memory: Memory, **fields: Any) -> Memory:
        """Write another revision of a memory."""
        record = sharing.record(memory) | {"clock": self._clock()} | fields
        return self._keep(
            sharing.memory_of(record | {"content_hash": content_hash(record["text"])})
        )

    def due(self, memory: Memory, *, deletes: bool = False) -> Due:
        """Return what is due of a memory."""
        clock = tuple(self._clock()) if deletes else sharing.clock_of(memory)
        return Due(memory, deletes, clock, self.sent.get(memory.id))

    def push(self, *dues: Due) -> list[Receipt]:
        """Send, and keep what became of it."""
        receipts = self.peer.push(dues, self)
        for due, receipt in zip(dues, receipts, strict=False):
            assert receipt.id == due.id
            if receipt.outcome == TAKEN:
                digest = "" if due.deletes else sharing.digest(due.memory)
                self.sent[due.id] = Sent(due.id, due.clock, digest, receipt.ref)
        return receipts

    def share(self, text: str, **fields: Any) -> Memory:
        """Write a memory and send it."""
        memory = self.add(text, **fields)
        (receipt,) = self.push(self.due(memory))
        assert receipt.outcome == TAKEN, receipt
        return memory

    def remove(self, memory: Memory) -> None:
        """Have the remote delete a memory."""
        (receipt,) = self.push(self.due(memory, deletes=True))
        assert receipt.outcome == TAKEN, receipt

    def pull(self) -> list[Incoming]:
        """Take in all the news."""
        news, more = list[Incoming](), True
        while more:
            feed = self.peer.pull(self.cursor, self)
            for each in feed.items:
                if each.memory:
                    self._keep_arrival(each.memory, each.ref)
            news += feed.items
            self.cursor, more = feed.cursor, feed.more
            assert len(self.cursor) < 200
        return news

    def rest(self, method: str, path: str, body: object = None) -> Any:
        """Do what another client of the server does."""
        return self.http.ask(method, f"/api/memories{path}", body).json()

    def _clock(self) -> list[Any]:
        Desk.last = max(Desk.last + 1, int(time.time() * 1000))
        return [Desk.last, 0, self.device]

    def _keep(self, memory: Memory) -> Memory:
        self.memories[memory.id] = memory
        return memory

    def _keep_arrival(self, memory: Memory, ref: str) -> None:
        clock = sharing.clock_of(memory)
        here = self.memories.get(memory.id)
        if here is None or clock > sharing.clock_of(here):
            self._keep(memory)
        self.sent[memory.id] = Sent(memory.id, clock, sharing.digest(memory), ref)


@contextmanager
def desks(url: str, *, plain: bool = False) -> Iterator[tuple[Desk, Desk]]:
    """Two desks that know all there is by now."""
    two = Desk(url, plain=plain), Desk(url, plain=plain)
    try:
        for desk in two:
            desk.pull()
        yield two
    finally:
        for desk in two:
            desk.peer.close()


def arrived(news: list[Incoming]) -> dict[str, Memory]:
    """Return the memories of news without any trouble."""
    assert not [each.trouble for each in news if each.trouble]
    return {each.memory.id: each.memory for each in news if each.memory}


def words() -> str:
    """Return a text that is nowhere yet."""
    return f"The words {uuid.uuid4()}"
