"""What differs between a mcp-memory-service without a feed and the ledger, page by page."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memdesk import sharing
from memdesk.clock import after
from memdesk.errors import Invalid
from memdesk.remotes import MEMORY_SERVICE
from memdesk.sync import memory_service_note as notes
from memdesk.sync.peer import Feed, Incoming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from memdesk.memory import Memory
    from memdesk.remotes import Clock
    from memdesk.sync.memory_service_note import Note
    from memdesk.sync.peer import Desk, Sent

_LITTLE = 1000
"""So many memories are compared each time."""
_EVERY = 3600.0
"""More of them are compared so seldom; the newest ones each time."""
_NEVER = 1 << 48
_NO_CLOCK = (0, 0, "")


@dataclass
class Walk:
    """How far everything is compared."""

    page: int = 1
    names: int | None = None
    """The row after which names are looked at for what is gone; None while memories are compared."""
    whole: bool = False
    """Whether this walk goes on where a page has nothing new."""
    at: float = 0.0
    """When the last whole walk has begun, in seconds."""

    @classmethod
    def read(cls, cursor: str) -> Walk:
        """Return the walk of a cursor; a new one where it is none."""
        with suppress(ValueError):
            match json.loads(cursor):
                case [int(page), int() | None as names, bool(whole), int() | float() as at]:
                    return cls(max(1, page), names, whole, at)
        return cls()

    def after_page(self, items: tuple[Incoming, ...], total: int, *, more: bool) -> Feed:
        """Return the news of a page, and go on."""
        if not self.whole and (total <= _LITTLE or time.time() - self.at > _EVERY):
            self.whole, self.at = True, time.time()
        if more and (self.whole or items):
            self.page += 1
        elif self.whole:
            self.names = 0
        else:
            return Feed(items, Walk(at=self.at).told(), more=False)
        return Feed(items, self.told(), more=True)

    def after_names(self, items: tuple[Incoming, ...], onward: int | None) -> Feed:
        """Return what is gone of a page of names, and go on."""
        if onward is None or onward <= (self.names or 0):
            return Feed(items, Walk(at=self.at).told(), more=False)
        self.names = onward
        return Feed(items, self.told(), more=True)

    def told(self) -> str:
        """Return the cursor of it."""
        return json.dumps([self.page, self.names, self.whole, self.at])


class Compared:
    """What is there, compared with what is known of it."""

    def __init__(self, desk: Desk, space: str, *, verified: bool) -> None:
        """Prepare; `verified` where a name is the hash of the words and nothing else."""
        self._desk, self._space, self._verified = desk, space, verified
        self._known: Mapping[str, Sent] = {}

    def news(self, found: Iterable[object]) -> tuple[Incoming, ...]:
        """Return what of memories is new here."""
        told = [each for each in found if isinstance(each, dict)]
        refs = [notes.ref_of(each.get("content_hash")) for each in told]
        holders = self._desk.by_ref(ref for ref in refs if ref)
        ids = {notes.id_in(each.get("metadata")) for each in told} - {""}
        ids |= {notes.foreign_id(ref) for ref in refs}
        self._known = dict(self._desk.known(ids)) | {each.id: each for each in holders.values()}
        news = (
            self._new(each, ref, holders.get(ref)) for each, ref in zip(told, refs, strict=True)
        )
        return tuple(each for each in news if each)

    def gone(
        self, dead: Iterable[str], fetch: Callable[[str], Note | None]
    ) -> tuple[Incoming, ...]:
        """Return what is deleted of names that seem so; what is written anew changes its row."""
        known = self._desk.by_ref(dead).items()
        lost = [(ref, sent) for ref, sent in known if sent.digest and fetch(ref) is None]
        return tuple(
            Incoming(f"{ref} gone", notes.tombstone(sent.id, _later(sent, None)))
            for ref, sent in lost
        )

    def _new(self, told: Mapping[str, Any], ref: str, holder: Sent | None) -> Incoming | None:
        try:
            note = notes.note_from(told, ref)
            if self._verified:
                notes.check_name_of(note)
            memory = self._changed(note, holder if holder and holder.digest else None)
        except Invalid as wrong:
            key = ref or "a memory without a name"
            return Incoming(key, ref=ref, trouble=f"{wrong.field} {wrong.reason}")
        return Incoming(ref, memory, ref) if memory else None

    def _changed(self, note: Note, holder: Sent | None) -> Memory | None:
        """Return a memory that is not as it was exchanged; None where it is."""
        own = notes.foreign_id(note.ref)
        id = notes.id_in(note.metadata) or (holder.id if holder else own)
        if holder and holder.id not in (id, own):
            raise Invalid("content_hash", notes.shared_with(holder.id))
        sent, written = self._known.get(id), notes.clock_in(note.metadata) or _NO_CLOCK
        if sent and sent.digest and sent.ref != note.ref and written < sent.clock:
            return None  # the text it had before, on its way out
        if sent and not sent.digest and _NO_CLOCK < written <= sent.clock:
            return None
        memory = notes.memory_of(note, id, _clock(note, sent, written), self._space)
        same = sent and sent.ref == note.ref and sent.digest == sharing.digest(memory)
        return None if same else memory


def _clock(note: Note, sent: Sent | None, written: Clock) -> Clock:
    """Return the clock of what is there: memdesk's own, or else the time of that server."""
    if written > (sent.clock if sent else _NO_CLOCK):
        return written
    return _later(sent, note.updated_at or note.created_at)


def _later(sent: Sent | None, seconds: float | None) -> Clock:
    """Return a clock for a change of an unknown time that is later than what is known."""
    ms = int(seconds * 1000) if seconds and 0 < seconds * 1000 < _NEVER else 0
    known = after(sent.clock[:2]) if sent else (0, 0)
    return (*max((ms, 0), known), MEMORY_SERVICE)
