"""mcp-memory-service from version 11 on: memories go and come as events of its delta sync.

A memory is sent whole each time (`create`), since an update there changes no letter of a text, says
that it was applied where there is nothing any more, and cannot hide what was replaced. Only a memory
that no memdesk has written is updated in place, or that server would lose what it keeps of it.
"""

from __future__ import annotations

import json
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from memdesk.errors import SyncError
from memdesk.memory import REPLACED
from memdesk.sync import memory_service_note as notes
from memdesk.sync.answer import answer_of
from memdesk.sync.memory_service_feed import FeedPage
from memdesk.sync.memory_service_names import Names
from memdesk.sync.memory_service_rest import LOSES, PlainMemoryService
from memdesk.sync.peer import (
    REFUSED,
    STALE,
    TAKEN,
    Feed,
    Foreign,
    Missing,
    Receipt,
    Unauthorized,
    Unreachable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memdesk.remotes import Remote
    from memdesk.sync.http import Http
    from memdesk.sync.peer import Desk, Due, Peer

EVENTS = "/api/sync/events"
_PARTIAL = (
    "Its event log does not tell of everything it has, so what others change there comes by comparing "
    "everything, later; have MCP_SYNC_EVENTLOG=1 set on that server and add the remote anew."
)
_EVENT = uuid.UUID("0d5b3c1f-9a7e-5e21-8f53-3b1d5d1b7c64")
_DONE = ("applied", "skipped_duplicate")
_UNAPPLIED = "the server has not applied it and does not say why; look into its log"
_RENEWS = "memdesk_renews"
"""In the creation of what is there already, so that nobody counts it as one more."""
_FAILED = 500
_PAGE = 200
_FEWER = 10
_SMALL_PAGE = 2
"""So many even of the longest memories are within what is read of one answer."""


def open_memory_service(remote: Remote, http: Http, device: str) -> Peer:
    """Return how this server is spoken to; asks it once whether it has a delta sync."""
    try:
        http.ask("GET", EVENTS, params={"since_seq": 0, "limit": 1})
    except Missing:
        return PlainMemoryService(remote, http, device)
    except Unreachable as error:  # its other backends have the address, and fail at it
        answer = answer_of(error)
        if answer is None or answer.status != _FAILED:
            raise
        plain = PlainMemoryService(remote, http, device)
        plain.check()
        return plain
    return MemoryService(remote, http, device)


class MemoryService:
    """A mcp-memory-service with a delta sync."""

    updates = deletes = pulls = True
    most = 200
    """It makes an embedding for each before it answers, so a thousand would take too long."""
    most_bytes = 1_000_000
    """Of the 1,048,576 bytes that it takes at once."""

    def __init__(self, remote: Remote, http: Http, device: str) -> None:
        """Prepare; `device` is this store's."""
        self.cannot: tuple[str, ...] = LOSES
        self._http = http
        self._space = remote.into or remote.name
        self._agent = notes.AGENT + device
        self._plain = PlainMemoryService(remote, http, device, verified=True)

    def close(self) -> None:
        """Let the connection go."""
        self._http.close()

    # What goes

    def payload(self, due: Due) -> list[dict[str, Any]]:
        """Return the events that leave for a memory: a changed text is a new one and a delete."""
        there = due.sent.ref if due.sent and due.sent.digest else ""
        if due.deletes:
            return [self._event(due, "delete", there, _deleted(due, there))] if there else []
        ref = notes.name_of(due.memory.text)
        if there == ref and due.id == notes.foreign_id(ref):
            return [self._event(due, "update_metadata", ref, _updated(due, ref))]
        events = [self._event(due, "create", ref, _created(due, ref))]
        if there not in ("", ref):
            events.append(self._event(due, "delete", there, _deleted(due, there)))
        return events

    def _event(self, due: Due, op: str, ref: str, payload: dict[str, Any]) -> dict[str, Any]:
        ms, n, device = due.clock
        what = json.dumps([due.id, ms, n, device, op, ref])
        return {
            "schema_version": 1,
            "event_id": str(uuid.uuid5(_EVENT, what)),
            "agent_id": self._agent,
            "op": op,
            "content_hash": ref,
            "hlc_physical": ms,
            "hlc_logical": n,
            "payload": payload,
        }

    def push(self, dues: Sequence[Due], desk: Desk) -> list[Receipt]:
        """Send memories in one request; see `Peer.push`."""
        names = Names(dues, desk)
        refused = {due.id: why for due in dues if (why := names.refusal(due))}
        going = [(due, self.payload(due)) for due in dues if due.id not in refused]
        results = self._posted([event for _, events in going for event in events])
        outcomes = {due.id: self._outcome(due, events, results) for due, events in going}
        receipts: list[Receipt] = []
        for due in dues:
            if due.id in refused:
                receipts.append(Receipt(due.id, REFUSED, reason=refused[due.id]))
                continue
            if outcome := outcomes[due.id]:
                receipts.append(outcome)
                continue
            if due is going[0][0]:  # tried before, unless it comes first anyway
                receipts.append(Receipt(due.id, REFUSED, reason=_UNAPPLIED))
            break
        return receipts

    def _posted(self, events: list[dict[str, Any]]) -> dict[str, str]:
        """Send events; return what became of each by its id."""
        if not events:
            return {}
        try:
            told = self._http.ask("POST", EVENTS, {"events": events}).json()
        except Unauthorized as error:
            answer = answer_of(error)
            if answer is not None and b"agent_id not allowed" in answer.content:
                words = (
                    f"{self._http.name} does not take anything from “{self._agent}”; have that name"
                )
                words += " put on its MCP_SYNC_PUSH_ALLOWED_AGENTS"
                raise Unauthorized(words) from error
            raise
        results = told.get("results") if isinstance(told, dict) else None
        if not isinstance(results, list):
            raise Foreign(f"{self._http.name} does not say what became of what was sent")
        found = [each for each in results if isinstance(each, dict)]
        return {str(each.get("event_id")): str(each.get("status")) for each in found}

    def _outcome(
        self, due: Due, events: list[dict[str, Any]], results: Mapping[str, str]
    ) -> Receipt | None:
        """Return what became of a memory; None where the server stopped before or at it."""
        said = [results.get(event["event_id"]) for event in events]
        if any(each not in _DONE for each in said):
            return None
        ref = events[0]["content_hash"] if events else ""
        if "skipped_duplicate" in said[:1]:
            return self._looked_up(due, ref)
        return Receipt(due.id, TAKEN, "" if due.deletes else ref)

    def _looked_up(self, due: Due, ref: str) -> Receipt:
        """Tell whether it had the memory already, or has something later of the same words."""
        note = self._plain.note(ref)
        if note is None:
            if due.deletes:
                return Receipt(due.id, TAKEN)
            if due.sent and due.sent.ref == ref:
                return Receipt(due.id, STALE, ref)
            why = "the same words were deleted there at a later time; change them, or the memory"
            return Receipt(due.id, REFUSED, reason=why)
        clock = notes.clock_in(note.metadata)
        there = notes.id_in(note.metadata)
        if there not in ("", due.id):
            why = f"the same words, but for case and outer space, are there as memory {there}"
            return Receipt(due.id, TAKEN) if due.deletes else Receipt(due.id, REFUSED, reason=why)
        if due.deletes or clock is None or clock[:2] > due.clock[:2]:
            return Receipt(due.id, STALE, ref, clock)
        return Receipt(due.id, TAKEN, ref)

    # What comes

    def pull(self, cursor: str, desk: Desk) -> Feed:
        """Return the news after a cursor; from the beginning, all names there are looked at first."""
        place = _place(cursor)
        if "rest" in place:
            return self._by_rest(place, desk)
        seq, count = _number(place, "seq"), _number(place, "count", -1)
        if not cursor and not self._tells_all():
            return self._by_rest({"rest": ""}, desk)
        events, onward, more = self._page(seq)
        if count >= 0:
            count += _grown(events)
        if not more:
            total = self._plain.total()
            if count not in (-1, total) and not self._tells_all():
                return self._by_rest({"rest": ""}, desk)
            count = total
        page = FeedPage(events, desk, fetch=self._plain.note, space=self._space, agent=self._agent)
        at = json.dumps({"seq": onward, "count": count})
        return Feed(tuple(page.items()), at, more)

    def _by_rest(self, place: Mapping[str, Any], desk: Desk) -> Feed:
        self.cannot = (*LOSES, _PARTIAL)
        feed = self._plain.pull(str(place["rest"]), desk)
        return Feed(feed.items, json.dumps({"rest": feed.cursor}), feed.more)

    def _page(self, seq: int, most: int = _PAGE) -> tuple[list[object], int, bool]:
        """Return the events after a number, the number after them, and whether there are more."""
        try:
            answer = self._http.ask("GET", EVENTS, params={"since_seq": seq, "limit": most})
        except SyncError as error:
            if type(error) is not SyncError or most == _SMALL_PAGE:
                raise
            return self._page(seq, most // _FEWER)  # more than is read of one answer
        match answer.json():
            case {"events": list(events), "next_seq": int(onward), "has_more": bool(more)}:
                return events, max(onward, seq), more and onward > seq
        raise Foreign(f"{self._http.name} tells its events in a way that memdesk does not know")

    def _tells_all(self) -> bool:
        """Tell whether the feed has the creation of everything that is there now.

        Where the log was off for a while, or is, it has not. Costs a list of all names, and as much of
        the feed as it takes to see each.
        """
        missing = self._plain.live_names()
        seq, more = 0, True
        while missing and more:
            events, seq, more = self._page(seq)
            made = (
                each for each in events if isinstance(each, dict) and each.get("op") == "create"
            )
            missing.difference_update(str(each.get("content_hash")) for each in made)
        return not missing


def _created(due: Due, ref: str) -> dict[str, Any]:
    memory = due.memory
    told = {"content_hash": ref, "content": memory.text, **notes.fields_of(memory, due.clock)}
    told |= {"created_at": memory.created_at.timestamp(), "updated_at": due.clock[0] / 1000}
    if due.sent and due.sent.digest and due.sent.ref == ref:
        told[_RENEWS] = True
    # Whatever stands there hides it from that server's search.
    hidden = memory.replaced_by or memory.id if memory.state == REPLACED else ""
    return told | ({"superseded_by": hidden} if hidden else {})


def _updated(due: Due, ref: str) -> dict[str, Any]:
    updates = notes.fields_of(due.memory, due.clock, texted=False)
    return {"content_hash": ref, "updates": updates, "updated_at": due.clock[0] / 1000}


def _deleted(due: Due, ref: str) -> dict[str, Any]:
    return {"content_hash": ref, "deleted_at": due.clock[0] / 1000, notes.ID: due.id}


def _place(cursor: str) -> dict[str, Any]:
    with suppress(ValueError):
        told = json.loads(cursor)
        if isinstance(told, dict):
            return told
    return {}


def _number(place: Mapping[str, Any], name: str, otherwise: int = 0) -> int:
    value = place.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise


def _grown(events: Sequence[object]) -> int:
    """Return how many more memories there are after events, as far as they are what they seem."""
    return sum(_growth(each) for each in events if isinstance(each, dict))


def _growth(event: Mapping[str, Any]) -> int:
    match event:
        case {"op": "delete"}:
            return -1
        case {"op": "create", "payload": dict(payload)} if _RENEWS not in payload:
            return 1
    return 0
