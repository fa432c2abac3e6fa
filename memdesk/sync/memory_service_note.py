"""A memory as mcp-memory-service keeps it, and back: pure functions.

There the words are the memory: those that differ in case or outer space only are one (`name_of`). What
that server has no field for travels in its metadata: `memdesk_id`, and `memdesk`, the rest of the record.
"""

from __future__ import annotations

import hashlib
import math
import re
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from memdesk import sharing
from memdesk.errors import Invalid
from memdesk.memory import (
    LIVE,
    MAX_TAGS,
    check_id,
    check_kind,
    check_metadata,
    clean,
    clean_tags,
    clean_text,
    content_hash,
)
from memdesk.remotes import MEMORY_SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from memdesk.memory import Memory
    from memdesk.remotes import Clock

ID, RECORD = "memdesk_id", "memdesk"
AGENT = "memdesk-"
"""What a desk's agent is called by there, before its device."""
_FOREIGN = uuid.UUID("5b0f7a1e-6d3c-5c0e-9a44-0c8f1f6f2a77")
_REF = re.compile("[0-9a-f]{64}")
_UNTAGGED = "untagged"
_COERCED = "observation"
"""What the server makes of a type that it does not know."""
_OWN_FIELDS = ("id", "text", "tags")
_BOOKKEEPING = (
    *("access_", "last_", "quality_", "rating_", "user_rating", "user_feedback", "ai_scores"),
    *("avg_ranking", "computed_", "decay_", "connection_", "relevance_", "emotion", "credibility"),
    *("original_quality", "agent_id", "hostname", "conversation_id", "superseded_by", "memdesk"),
)
"""What begins like these is that server's own, and changes when somebody only searches."""


@dataclass(frozen=True, slots=True)
class Note:
    """What the server tells of one memory, as far as its types go."""

    ref: str
    text: str
    type: str
    tags: tuple[str, ...]
    metadata: Mapping[str, Any]
    created_at: float | None
    updated_at: float | None


def name_of(text: str) -> str:
    """Return what the server calls a text, or would."""
    return hashlib.sha256(text.strip().lower().encode()).hexdigest()


def ref_of(told: object) -> str:
    """Return a name as that server gives it; empty for anything else."""
    return told if isinstance(told, str) and _REF.fullmatch(told) else ""


def shared_with(id: str) -> str:
    """Return why words cannot be taken in that are those of another memory here."""
    return f"is that of memory {id} too: that server keeps the same words as one memory only"


def foreign_id(ref: str) -> str:
    """Return the id, at every desk, of a memory that no memdesk has written."""
    return str(uuid.uuid5(_FOREIGN, ref))


def fields_of(memory: Memory, clock: Clock, *, texted: bool = True) -> dict[str, Any]:
    """Return the server's fields of a memory but its text; `texted` is false where none goes along."""
    record = sharing.record(memory, clock)
    kept = {name: value for name, value in record.items() if name not in _OWN_FIELDS}
    if not texted:  # what it has may be in another case
        del kept["content_hash"]
    tags = _as_there(memory.tags)
    if tags != list(memory.tags):
        kept["tags"] = list(memory.tags)
    slim = {name: value for name, value in kept.items() if value is not None and value != {}}
    return {
        "memory_type": memory.kind,
        "tags": tags,
        "metadata": {ID: memory.id, RECORD: slim},
    }


def note_from(told: Mapping[str, Any], ref: str) -> Note:
    """Return what a payload or an answer tells; raises `Invalid`."""
    if not ref:
        raise Invalid("content_hash", "is none")
    text, tags, metadata = told.get("content"), told.get("tags"), told.get("metadata")
    if not isinstance(text, str):
        raise Invalid("content", "is no text")
    kind = told.get("memory_type")
    return Note(
        ref=ref,
        text=text,
        type=kind if isinstance(kind, str) else "",
        tags=words_of(tags),
        metadata=metadata if isinstance(metadata, dict) else {},
        created_at=_seconds(told.get("created_at")),
        updated_at=_seconds(told.get("updated_at")),
    )


def words_of(tags: object) -> tuple[str, ...]:
    """Return the tags of a list, whatever else is in it."""
    return tuple(each for each in tags if isinstance(each, str)) if isinstance(tags, list) else ()


def check_name_of(note: Note) -> None:
    """Raise `Invalid` where a memory's words are not those that its name was made of."""
    clean(note.text)
    if name_of(note.text) != note.ref:
        raise Invalid("content_hash", "is another text's")


def id_in(metadata: object) -> str:
    """Return the id that memdesk has given a memory; empty where it has not."""
    if isinstance(metadata, dict) and isinstance(metadata.get(RECORD), dict):
        with suppress(Invalid):
            return check_id(metadata.get(ID, ""))
    return ""


def clock_in(metadata: object) -> Clock | None:
    """Return the clock with which memdesk has written a memory there; None where it has not."""
    if isinstance(metadata, dict) and isinstance(record := metadata.get(RECORD), dict):
        with suppress(Invalid):
            return sharing.clock_from(record.get("clock"))
    return None


def memory_of(note: Note, id: str, clock: Clock, space: str) -> Memory:
    """Return the memory of a note; `space` is for one that no memdesk has written. Raises `Invalid`.

    `clock` is of what the note tells; where memdesk told it at that time, its own clock is taken.
    """
    if id_in(note.metadata) == id:
        return _written_here(note, id, clock)
    return _foreign(note, id, clock, space)


def changed(memory: Memory, clock: Clock, updates: Mapping[str, Any], ref: str) -> Memory:
    """Return a memory with what somebody has changed of it by other means; raises `Invalid`."""
    told = sharing.record(memory, clock)
    if isinstance(updates.get("tags"), list):
        told["tags"] = _tags(words_of(updates["tags"]), memory.tags)
    if isinstance(kind := updates.get("memory_type"), str):
        told["kind"] = _kind(kind, memory.kind)
    if memory.id == foreign_id(ref):
        told["metadata"] = _metadata(told["metadata"], updates.get("metadata"))
    return sharing.memory_of(told)


def tombstone(id: str, clock: Clock) -> Memory:
    """Return a memory that is deleted there."""
    return sharing.memory_of({"id": id, "clock": list(clock), "state": sharing.DELETED})


def _written_here(note: Note, id: str, clock: Clock) -> Memory:
    record = note.metadata[RECORD]
    own = clock_in(note.metadata)
    as_told = own is not None and own[:2] == clock[:2]
    told: dict[str, Any] = {"state": LIVE, "metadata": {}} | record
    if told["state"] == sharing.DELETED:
        raise Invalid("state", "says that it is deleted, and it is there")
    told |= {"id": id, "text": note.text, "clock": list(own if own and as_told else clock)}
    if not as_told or "content_hash" not in record:
        told["content_hash"] = content_hash(clean_text(note.text)[0])
    before = words_of(record.get("tags"))
    told["tags"] = _tags(note.tags, before)
    told["kind"] = _kind(note.type, str(record.get("kind", "")))
    if id == foreign_id(note.ref):
        if not isinstance(told["metadata"], dict):
            raise Invalid("metadata", "must be a JSON object")
        told["metadata"] = _metadata(told["metadata"], note.metadata)
    return sharing.memory_of(told)


def _foreign(note: Note, id: str, clock: Clock, space: str) -> Memory:
    text = clean_text(note.text)[0]
    at = clock[0] / 1000 if note.created_at is None else note.created_at
    told: dict[str, Any] = {
        "id": id,
        "clock": list(clock),
        "state": LIVE,
        "text": text,
        "space": space,
    }
    told |= {"kind": _kind(note.type, "note"), "tags": _tags(note.tags, ())}
    told |= {"content_hash": content_hash(text), "created_at": _moment(at)}
    told |= {"metadata": _metadata({}, note.metadata)}
    return sharing.memory_of(told | {"source": {"name": MEMORY_SERVICE, "ref": ""}})


def _moment(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        raise Invalid("created_at", "is no moment") from None


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    with suppress(OverflowError):
        return float(value) if math.isfinite(value) else None
    return None


def _kind(type: str, before: str) -> str:
    """Return the kind of a type; `before` where the server has only not known the word."""
    if type.strip().lower() == _COERCED and before not in ("", "note"):
        return before
    with suppress(Invalid):
        return check_kind(type)
    return before or "note"


def _as_there(tags: Iterable[str]) -> list[str]:
    """Return tags as that server's own API keeps them: it stores them in one text, by commas."""
    parts = (tag.replace(",", "-").strip().lower() for tag in tags)
    return [part for part in dict.fromkeys(parts) if part not in ("", _UNTAGGED)]


def _tags(theirs: tuple[str, ...], before: tuple[str, ...]) -> list[str]:
    """Return the tags there; `before` where they are those, as far as that server can keep them."""
    if before and sorted(_as_there(theirs)) == sorted(_as_there(before)):
        return list(before)
    kept: list[str] = []
    for each in theirs:
        with suppress(Invalid):
            kept += clean_tags([each])
    return [each for each in dict.fromkeys(kept) if each != _UNTAGGED][:MAX_TAGS]


def _metadata(before: dict[str, Any], theirs: object) -> dict[str, Any]:
    """Return metadata with what is theirs, without that server's bookkeeping."""
    found = theirs if isinstance(theirs, dict) else {}
    kept = {name: value for name, value in found.items() if not name.startswith(_BOOKKEEPING)}
    told = {name: value for name, value in (before | kept).items() if value is not None}
    try:
        check_metadata(told)
    except Invalid:
        return before
    return told
