"""What of a memory may leave the desk: pure functions to the record that is sent, and back.

What stays here, whoever asks: audience, pin, confidence, flags, what was settled in the Inbox, who
changed it and in which change, and a source that is a file of this machine. A deleted memory goes
without a word of it.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from memdesk.errors import Invalid
from memdesk.memory import LIVE, REPLACED, TOMBSTONE, TRASHED, Memory, Source, content_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memdesk.remotes import Clock

DELETED = "deleted"
"""The state of a record whose memory is in the trash or erased."""
_STATES = (LIVE, REPLACED, DELETED)
_WORDS, _WORDS_OR_NONE, _NUMBER_OR_NONE = str, (str, type(None)), (int, type(None))
_KINDS: dict[str, Any] = {
    **dict.fromkeys(("text", "kind", "space", "content_hash"), _WORDS),
    **dict.fromkeys(("session", "role", "speaker", "happened_precision"), _WORDS_OR_NONE),
    **dict.fromkeys(("replaces", "replaced_by"), _WORDS_OR_NONE),
    **dict.fromkeys(("position", "utc_offset_min"), _NUMBER_OR_NONE),
}
"""The fields that go as they are."""
_BEYOND, _LONGEST_DEVICE = 2**53, 100
_TIMES = ("happened_at", "created_at", "expires_at")
_HEAD = ("id", "clock", "state")


def record(memory: Memory, clock: Clock | None = None, *, deleted: bool = False) -> dict[str, Any]:
    """Return the record of a memory (docs/SYNC.md): what JSON knows, and nothing that stays here."""
    clock = clock or clock_of(memory)
    gone = deleted or memory.state in (TRASHED, TOMBSTONE)
    head = {"id": memory.id, "clock": list(clock), "state": DELETED if gone else memory.state}
    return head if gone else head | matter(memory)


def matter(memory: Memory) -> dict[str, Any]:
    """Return what a record tells of a memory that is there, but for its id, clock and state."""
    return {
        **{name: getattr(memory, name) for name in _KINDS},
        **{name: _time(getattr(memory, name)) for name in _TIMES},
        "tags": list(memory.tags),
        "source": {"name": memory.source.name, "ref": _public(memory.source.ref)},
        "metadata": json.loads(memory.metadata),
    }


def _time(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None


def _public(ref: str) -> str:
    """Return a source's address, or nothing where it is a file of this machine."""
    return ref if ref.startswith(("https://", "http://")) else ""


def digest(memory: Memory) -> str:
    """Return a SHA-256 of what a remote would have of a memory; empty for one that is deleted.

    The clock is not in it, so a change of what stays here is none for a remote.
    """
    if memory.state in (TRASHED, TOMBSTONE):
        return ""
    told = matter(memory) | {"state": memory.state}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def clock_of(memory: Memory) -> Clock:
    """Return the clock of a memory's present revision."""
    return memory.clock_ms, memory.clock_n, memory.device


def memory_of(told: Mapping[str, Any]) -> Memory:
    """Return the memory of a record, as far as its types go; raises `Invalid` naming the field.

    What stays at every desk is empty. A deleted one is a tombstone.
    """
    _check_words(told)
    id, clock, state = _head(told)
    if state == DELETED:
        return _erased(id, clock)
    values: dict[str, Any] = {name: _plain(told, name) for name in _KINDS}
    values |= {name: _moment(told, name) for name in _TIMES}
    if values["created_at"] is None:
        raise Invalid("created_at", "is missing")
    if values["content_hash"] != content_hash(values["text"]):
        raise Invalid("content_hash", "is another text's")
    values["tags"] = _list_of_words(told.get("tags"))
    values["source"] = _source(told.get("source"))
    values["metadata"] = _metadata(told.get("metadata"))
    return _memory(id, clock, state, values)


def _check_words(told: object) -> None:
    """Raise `Invalid` for a record with words that are no valid Unicode, wherever they stand."""
    try:
        json.dumps(told, ensure_ascii=False).encode()
    except (ValueError, TypeError, RecursionError):
        raise Invalid("record", "is not valid Unicode text") from None


def _head(told: Mapping[str, Any]) -> tuple[str, Clock, str]:
    if not isinstance(told, dict):
        raise Invalid("record", "is no JSON object")
    id, clock, state = (told.get(name) for name in _HEAD)
    if not isinstance(id, str):
        raise Invalid("id", "is none")
    if state not in _STATES:
        raise Invalid("state", f"must be one of {', '.join(_STATES)}")
    return id, clock_from(clock), state


def clock_from(told: object) -> Clock:
    """Return the clock that a list of JSON tells; raises `Invalid`."""
    match told:
        case [int() as ms, int() as n, str() as device] if _is_clock(ms, n, device):
            return ms, n, device
    raise Invalid("clock", "must be milliseconds, a counter and a device")


def _is_clock(ms: int, n: int, device: str) -> bool:
    numbers = all(type(each) is int and 0 <= each < _BEYOND for each in (ms, n))
    return numbers and len(device) <= _LONGEST_DEVICE and device.isprintable()


def _plain(told: Mapping[str, Any], name: str) -> object:
    value = told.get(name)
    if not isinstance(value, _KINDS[name]) or isinstance(value, bool):
        raise Invalid(name, "is of another type")
    return value


def _moment(told: Mapping[str, Any], name: str) -> datetime | None:
    value = told.get(name)
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        pass
    raise Invalid(name, "is no moment with a time zone")


def _list_of_words(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Invalid("tags", "are no list of words")
    return tuple(value)


def _source(value: object) -> Source:
    match value:
        case {"name": str() as name, "ref": str() as ref}:
            return Source(name, "remote", _public(ref))
    raise Invalid("source", "has no name and ref")


def _metadata(value: object) -> str:
    if not isinstance(value, dict):
        raise Invalid("metadata", "must be a JSON object")
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False)
    except (ValueError, RecursionError):
        raise Invalid("metadata", "cannot be written as JSON") from None


def _memory(id: str, clock: Clock, state: str, values: dict[str, Any]) -> Memory:
    at = values["created_at"]
    stays: dict[str, Any] = {"audience": (), "pinned": False, "confidence": None, "flags": ()}
    stays |= {"reviewed": None, "updated_at": at, "seq": 0, "change": "", "actor": ""}
    ms, n, device = clock
    return Memory(id=id, state=state, clock_ms=ms, clock_n=n, device=device, **values, **stays)


def _erased(id: str, clock: Clock) -> Memory:
    values: dict[str, Any] = dict.fromkeys((*_KINDS, *_TIMES))
    values |= {"text": "", "kind": "note", "space": "personal", "content_hash": ""}
    values |= {"tags": (), "source": Source("", "remote", ""), "metadata": "{}"}
    values["created_at"] = datetime.fromtimestamp(0, UTC)
    return _memory(id, clock, TOMBSTONE, values)
