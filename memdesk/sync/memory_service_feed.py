"""A page of mcp-memory-service's event feed, read as news of memories.

An event names words by their hash, so what it is about follows from what was known before it: from the
ledger, and from the events before it on the same page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memdesk import sharing
from memdesk.errors import Invalid
from memdesk.memory import content_hash
from memdesk.sync import memory_service_note as notes
from memdesk.sync.peer import Incoming, Sent, Unfit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from memdesk.memory import Memory
    from memdesk.remotes import Clock
    from memdesk.sync.memory_service_note import Note
    from memdesk.sync.peer import Desk

_KNOWN_SCHEMA = 1
_MOST_KEY = 200
_NEVER = 1 << 48
"""No clock's number is so large: these would be the milliseconds of the year 10889."""
_CREATES = ("create", "update")


class FeedPage:
    """The events of one page, read in their order."""

    def __init__(
        self,
        events: Sequence[object],
        desk: Desk,
        *,
        fetch: Callable[[str], Note | None],
        space: str,
        agent: str,
    ) -> None:
        """Prepare; `fetch` returns what is there under a hash, and `agent` is who this desk is."""
        self._events = [_Event(each) if isinstance(each, dict) else None for each in events]
        self._desk, self._fetch = desk, fetch
        self._space, self._agent = space, agent
        refs = {event.ref for event in self._events if event and event.ref}
        found = desk.by_ref(refs)
        ids = {sent.id for sent in found.values()} | {notes.foreign_id(ref) for ref in refs}
        ids |= {event.id for event in self._events if event and event.id}
        self._sent = dict(desk.known(ids))
        self._sent |= {sent.id: sent for sent in found.values()}
        self._holder = {sent.ref: sent.id for sent in self._sent.values() if sent.digest}
        self._memories: dict[str, Memory] = {}

    def items(self) -> Iterator[Incoming]:
        """Yield the news; what says nothing new is left out."""
        for place, event in enumerate(self._events):
            if event is None:
                yield Incoming(f"event {place}", trouble="an event is no JSON object")
                continue
            try:
                event.check()
                yield from self._news(event)
            except Invalid as wrong:
                yield Incoming(event.key, ref=event.ref, trouble=f"{wrong.field} {wrong.reason}")
            except Unfit as wrong:
                yield Incoming(event.key, ref=event.ref, trouble=str(wrong))

    def _news(self, event: _Event) -> Iterator[Incoming]:
        if event.op in _CREATES:
            yield from self._created(event)
        elif event.op == "update_metadata":
            yield from self._updated(event)
        elif event.op == "delete":
            yield from self._deleted(event)
        else:
            raise Invalid("op", "is one that this memdesk does not know")

    def _created(self, event: _Event) -> Iterator[Incoming]:
        note = notes.note_from(event.payload, event.ref)
        notes.check_name_of(note)
        holder = self._here(event.ref)
        own = notes.foreign_id(event.ref)
        id = event.id or (holder.id if holder else own)
        overwritten = holder is not None and holder.clock >= event.clock
        if overwritten or self._is_old(id, event.clock):
            return
        memory = notes.memory_of(note, id, event.clock, self._space)
        if holder and holder.id != id:
            if holder.id != own:
                raise Invalid("content_hash", notes.shared_with(holder.id))
            # A desk that had not seen it has shared the same words: it is that desk's from now on.
            yield self._told(event, notes.tombstone(own, event.clock), " before")
        yield self._told(event, memory)

    def _updated(self, event: _Event) -> Iterator[Incoming]:
        holder = self._here(event.ref)
        id = event.id or (holder.id if holder else notes.foreign_id(event.ref))
        if self._is_old(id, event.clock):
            return
        memory = self._rewritten(event, id) if event.id else self._retouched(event, holder)
        if memory is None:
            return
        sent = self._sent.get(memory.id)
        if sent is None or sharing.digest(memory) != sent.digest:
            yield self._told(event, memory)

    def _rewritten(self, event: _Event, id: str) -> Memory | None:
        """Return what another desk has made of a memory: all but its text is in the event."""
        text = self._text(event.ref, id)
        if text is None:
            return None
        note = notes.note_from(event.updates | {"content": text}, event.ref)
        return notes.memory_of(note, id, event.clock, self._space)

    def _text(self, ref: str, id: str) -> str | None:
        memory = self._memories.get(id)
        sent = self._sent.get(id)
        # Of other words it would learn from whether it is asked for them what they are here.
        if memory is None and sent and sent.digest and sent.ref == ref:
            memory = self._desk.stored([id]).get(id)
        if memory and notes.name_of(memory.text) == ref:
            return memory.text
        note = self._fetched(ref)
        return note.text if note else None

    def _retouched(self, event: _Event, holder: Sent | None) -> Memory | None:
        """Return what somebody without memdesk has made of a memory."""
        base = self._as_exchanged(holder) if holder else None
        if base is not None:
            return notes.changed(base, event.clock, event.updates, event.ref)
        note = self._fetched(event.ref)
        if note is None:
            return None
        id = holder.id if holder else notes.id_in(note.metadata) or notes.foreign_id(event.ref)
        return notes.memory_of(note, id, event.clock, self._space)

    def _as_exchanged(self, sent: Sent) -> Memory | None:
        """Return a memory as the remote has it; None where there is something new here."""
        told = self._memories.get(sent.id)
        if told is not None:
            return told
        memory = self._desk.stored([sent.id]).get(sent.id)
        return memory if memory and sharing.digest(memory) == sent.digest else None

    def _fetched(self, ref: str) -> Note | None:
        """Return what is there now; None where it is gone, which another event tells."""
        note = self._fetch(ref)
        if note is not None:
            notes.check_name_of(note)
        return note

    def _deleted(self, event: _Event) -> Iterator[Incoming]:
        holder = self._here(event.ref)
        named = event.payload.get(notes.ID)
        other = isinstance(named, str) and holder is not None and named != holder.id
        if holder is None or other or event.agent == self._agent:
            return
        if not self._is_old(holder.id, event.clock):
            yield self._told(event, notes.tombstone(holder.id, event.clock))

    def _here(self, ref: str) -> Sent | None:
        """Return the memory that the remote has under a name, as far as it is known by now."""
        sent = self._sent.get(self._holder.get(ref, ""))
        return sent if sent and sent.digest and sent.ref == ref else None

    def _is_old(self, id: str, clock: Clock) -> bool:
        sent = self._sent.get(id)
        return sent is not None and sent.clock >= clock

    def _told(self, event: _Event, memory: Memory, more: str = "") -> Incoming:
        digest = sharing.digest(memory)
        ref = event.ref if digest else ""
        self._sent[memory.id] = Sent(memory.id, sharing.clock_of(memory), digest, ref)
        if ref:
            self._holder[ref] = memory.id
        self._memories[memory.id] = memory
        return Incoming(event.key + more, memory, ref)


class _Event:
    """One event, as far as it can be read."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = told
        payload, ref, agent = (told.get(name) for name in ("payload", "content_hash", "agent_id"))
        self.payload: dict[str, Any] = payload if isinstance(payload, dict) else {}
        self.ref = notes.ref_of(ref)
        self.agent = agent if isinstance(agent, str) else ""
        self.op = told.get("op")
        updates = self.payload.get("updates")
        self.updates: dict[str, Any] = updates if isinstance(updates, dict) else {}
        source = self.updates if self.op == "update_metadata" else self.payload
        self._metadata = source.get("metadata")
        self.id = notes.id_in(self._metadata)

    @property
    def key(self) -> str:
        """What the remote calls this event."""
        said = f"{self.agent} {self._told.get('event_id')}"
        return said if len(said) <= _MOST_KEY and said.isprintable() else content_hash(repr(said))

    @property
    def clock(self) -> Clock:
        """When it happened, by the device that wrote the memory, or else by its agent."""
        ms, n = self._told["hlc_physical"], self._told["hlc_logical"]
        own = notes.clock_in(self._metadata) if self.id else None
        return own if own and own[:2] == (ms, n) else (ms, n, self.agent.removeprefix(notes.AGENT))

    def check(self) -> None:
        """Raise `Invalid` where this desk cannot know what the event means."""
        version = self._told.get("schema_version", _KNOWN_SCHEMA)
        if not isinstance(version, int) or version > _KNOWN_SCHEMA:
            raise Invalid("schema_version", "is a later one than this memdesk knows")
        if not self.ref:
            raise Invalid("content_hash", "is none")
        for name in ("hlc_physical", "hlc_logical"):
            value = self._told.get(name)
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _NEVER:
                raise Invalid(name, "is no number of a clock")
