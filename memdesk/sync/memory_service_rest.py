"""mcp-memory-service by its REST API alone: older versions, and what has no event log.

There is no “since”: what is new is found by comparing what is there with the ledger, the newest pages
first, and everything now and then.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from memdesk.errors import Invalid, SyncError
from memdesk.sync import memory_service_note as notes
from memdesk.sync.answer import plain
from memdesk.sync.memory_service_names import Names
from memdesk.sync.memory_service_walk import Compared, Walk
from memdesk.sync.peer import (
    REFUSED,
    STALE,
    TAKEN,
    Feed,
    Foreign,
    Missing,
    Receipt,
    Unfit,
    Unreachable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memdesk.remotes import Remote
    from memdesk.sync.http import Http
    from memdesk.sync.memory_service_note import Note
    from memdesk.sync.peer import Desk, Due

MEMORIES = "/api/memories"
NAMES = "/api/memories/hashes"
LOSES = (
    "It keeps texts that differ in case or outer space only as one: the second one is held here.",
    "What is changed there by others is of that server's time, not of the moment it was written.",
    "It keeps what a memdesk has sent in the metadata; other clients may overwrite that.",
)
_OLD = (
    "What others change or delete there is found by comparing everything, each hour where it is much.",
    "It gives every memory its own time of creation; memdesk's stands in the metadata.",
)
_PAGE, _PARTS = 50, 25
"""A page of memories, and in how many parts it is asked for where it is more than is read of one answer."""
_NAMES = 5000
_MESSAGE = 200


class PlainMemoryService:
    """A mcp-memory-service without a delta sync that could be trusted."""

    updates = deletes = pulls = True
    most = 1
    """They go one after the other, and what was made private meanwhile is to be seen before each."""
    most_bytes = 1_000_000

    def __init__(self, remote: Remote, http: Http, device: str, *, verified: bool = False) -> None:
        """Prepare; `verified` where it names words by their hash alone, as it does from 11 on."""
        self.cannot: tuple[str, ...] = LOSES + _OLD
        self._http = http
        self._space = remote.into or remote.name
        self._conversation = notes.AGENT + device
        self._verified = verified

    def close(self) -> None:
        """Let the connection go."""
        self._http.close()

    def check(self) -> None:
        """Raise one of the errors of `sync.peer` where the REST API does not answer."""
        self.total()

    # What goes

    def payload(self, due: Due) -> dict[str, Any]:
        """Return what leaves for a memory."""
        if due.deletes:
            there = due.sent.ref if due.sent and due.sent.digest else ""
            return {"delete": there} if there else {}
        told = {"content": due.memory.text, **notes.fields_of(due.memory, due.clock)}
        # Without one it refuses what merely resembles another memory of the day.
        return told | {"conversation_id": self._conversation}

    def push(self, dues: Sequence[Due], desk: Desk) -> list[Receipt]:
        """Send memories one after the other; see `Peer.push`."""
        names = Names(dues, desk)
        receipts: list[Receipt] = []
        for due in dues:
            try:
                why = names.refusal(due)
                receipts.append(
                    Receipt(due.id, REFUSED, reason=why) if why else self._sent_one(due)
                )
            except Unreachable:
                if receipts:
                    break
                raise
            except Unfit as error:
                receipts.append(Receipt(due.id, REFUSED, reason=str(error)))
        return receipts

    def _sent_one(self, due: Due) -> Receipt:
        there = due.sent.ref if due.sent and due.sent.digest else ""
        if due.deletes:
            self._delete(there)
            return Receipt(due.id, TAKEN)
        if there and there == notes.name_of(due.memory.text):
            return self._renewed(due, there)
        receipt = self._created(due)
        if receipt.outcome == TAKEN and there not in ("", receipt.ref):
            self._delete(there)
        return receipt

    def _delete(self, ref: str) -> None:
        if ref:
            with suppress(Missing):
                self._http.ask("DELETE", f"{MEMORIES}/{ref}")

    def _created(self, due: Due) -> Receipt:
        told = self._http.ask("POST", MEMORIES, self.payload(due)).json()
        match told:
            case {"success": True, "content_hash": str(ref), "memory": {"content": str(text)}}:
                if text == due.memory.text:
                    return Receipt(due.id, TAKEN, ref)
                self._delete(ref)
                why = "the server cuts texts of this length into pieces"
                return Receipt(due.id, REFUSED, reason=why)
            case {"success": False, "message": str(said)}:
                return self._not_created(due, said)
        raise Foreign(f"{self._http.name} does not say whether it has kept what was sent")

    def _not_created(self, due: Due, said: str) -> Receipt:
        ref = notes.name_of(due.memory.text)
        note = self.note(ref)
        if note and notes.id_in(note.metadata) == due.id:
            return self._renewed(due, ref)
        why = f"{self._http.name} does not take it: {plain(said, _MESSAGE)}"
        return Receipt(due.id, REFUSED, reason=why)

    def _renewed(self, due: Due, ref: str) -> Receipt:
        """Bring what is there under a name up to date."""
        note = self.note(ref)
        if note is None:
            return self._created(due)
        clock = notes.clock_in(note.metadata)
        if clock and clock > due.clock and notes.id_in(note.metadata) == due.id:
            return Receipt(due.id, STALE, ref, clock)
        if note.text != due.memory.text:  # in case or outer space, which no update changes
            self._delete(ref)
            return self._created(due)
        self._http.ask("PUT", f"{MEMORIES}/{ref}", notes.fields_of(due.memory, due.clock))
        return Receipt(due.id, TAKEN, ref)

    # What is there

    def note(self, ref: str) -> Note | None:
        """Return what is there under a name; None where nothing is. Raises `Unfit`."""
        try:
            told = self._http.ask("GET", f"{MEMORIES}/{ref}", params={"store": "all"}).json()
            return notes.note_from(told if isinstance(told, dict) else {}, ref)
        except Missing:
            return None
        except Invalid as wrong:
            words = f"{self._http.name} tells a memory whose {wrong.field} {wrong.reason}"
            raise Unfit(words) from wrong

    def total(self) -> int:
        """Return how many memories there are."""
        return self._listed(1, 1)[1]

    def live_names(self) -> set[str]:
        """Return the names of all that is there; none where it does not tell names."""
        names: set[str] = set()
        at: int | None = 0
        while at is not None:
            some, onward = self._names(at, deleted=False)
            names |= set(some)
            at = onward if onward is not None and onward > at else None
        return names

    def _names(self, at: int, *, deleted: bool) -> tuple[list[str], int | None]:
        """Return names after a row, and where the next ones begin; none where it cannot tell."""
        params: dict[str, str | int] = {
            "cursor": at,
            "limit": _NAMES,
            "include_deleted": str(deleted).lower(),
        }
        try:
            told = self._http.ask("GET", NAMES, params=params).json()
        except Missing:
            return [], None
        found = told if isinstance(told, dict) else {}
        onward = found.get("next_cursor")
        return list(notes.words_of(found.get("hashes"))), onward if isinstance(
            onward, int
        ) else None

    def _listed(self, page: int, size: int) -> tuple[list[Any], int, bool]:
        """Return memories, newest first, how many there are, and whether there is another page."""
        params: dict[str, str | int] = {"page": page, "page_size": size, "store": "all"}
        match self._http.ask("GET", MEMORIES, params=params).json():
            case {"memories": list(found), "total": int(total), "has_more": bool(more)}:
                return found, total, more
        raise Foreign(f"{self._http.name} lists its memories in a way that memdesk does not know")

    def _page(self, page: int) -> tuple[list[Any], int, bool]:
        """Return one page of memories as `_listed`, in parts where it is too long for one answer."""
        try:
            return self._listed(page, _PAGE)
        except SyncError as error:
            if type(error) is not SyncError:
                raise
        found: list[Any] = []
        for part in range(_PARTS):
            some, total, more = self._listed((page - 1) * _PARTS + part + 1, _PAGE // _PARTS)
            found += some
            if not more:
                break
        return found, total, more

    # What comes

    def pull(self, cursor: str, desk: Desk) -> Feed:
        """Return what differs from the ledger on one page of memories or of names."""
        walk = Walk.read(cursor)
        compared = Compared(desk, self._space, verified=self._verified)
        if walk.names is not None:
            there, onward = self._names(walk.names, deleted=True)
            dead = set(there).difference(self._names(walk.names, deleted=False)[0])
            return walk.after_names(compared.gone(dead, self.note), onward)
        found, total, more = self._page(walk.page)
        return walk.after_page(compared.news(found), total, more=more)
