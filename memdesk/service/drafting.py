"""From what a caller asks for to a memory that may be stored: every check of input is here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from memdesk import suspicion
from memdesk.clock import SKEW_MS
from memdesk.errors import Invalid
from memdesk.memory import (
    BURST,
    CONFLICT,
    LIVE,
    TRUSTS,
    Draft,
    Edit,
    Memory,
    Source,
    check_id,
    check_kind,
    check_metadata,
    check_space,
    clean_tags,
    clean_text,
    clean_word,
    content_hash,
    new_id,
)
from memdesk.moment import LATEST, Moment, parse_moment

if TYPE_CHECKING:
    from datetime import datetime

SECRET, INSTRUCTION, LOW_TRUST = suspicion.SECRET, suspicion.INSTRUCTION, "low-trust"
FLAGS = (SECRET, INSTRUCTION, LOW_TRUST)
"""What a memory is flagged with by itself; other flags are left as they are."""
_LOW = 0.5
"""An import below this confidence is of low trust."""
ROLES = ("user", "assistant", "system", "tool")


@dataclass(frozen=True, slots=True)
class Checked:
    """A draft that passed every check, as the memory it will be but for its stamps."""

    memory: Memory
    removed: int
    """Characters that were removed from its text."""
    dated: bool = False
    """Whether it says itself when it was created."""

    def begun(self, at: datetime) -> Memory:
        """Return the memory as it begins its life here at a moment."""
        return self.memory if self.dated else replace(self.memory, created_at=at)


def check(draft: Draft, now: datetime) -> Checked:
    """Return the memory that a draft asks for; raises `Invalid` naming the field that is wrong."""
    text, removed = clean_text(draft.text)
    happened = _happened(draft.happened_at or "")
    memory = Memory(
        id=new_id(),
        text=text,
        kind=check_kind(draft.kind),
        tags=clean_tags(draft.tags),
        space=check_space(draft.space),
        audience=clean_tags(draft.audience),
        source=_source(draft.source),
        session=clean_word(draft.session or "", "session") or None,
        position=_position(draft.position),
        role=_role(draft.role),
        speaker=clean_word(draft.speaker or "", "speaker") or None,
        happened_at=happened.at if happened else None,
        happened_precision=happened.precision if happened else None,
        utc_offset_min=happened.utc_offset_min if happened else None,
        created_at=_created(draft.created_at or "", now),
        updated_at=now,
        expires_at=_expiry(draft.expires_at or "", now),
        state=LIVE,
        replaces=check_id(draft.replaces, "replaces") if draft.replaces else None,
        replaced_by=None,
        pinned=draft.pinned,
        confidence=_confidence(draft.confidence),
        flags=(BURST,) if draft.held else (),
        reviewed=None,
        metadata=check_metadata(draft.metadata),
        content_hash=content_hash(text),
        clock_ms=0,
        clock_n=0,
        device="",
        seq=0,
        change="",
        actor="",
    )
    return Checked(flagged(memory), removed, dated=bool(draft.created_at))


def edited(memory: Memory, edit: Edit, now: datetime) -> Memory:
    """Return the memory with an edit applied, but for its stamps; raises `Invalid`."""
    if edit == Edit():
        raise Invalid("revise", "names nothing to change; give a text, kind, tags or another field")
    changes: dict[str, object] = {}
    if edit.text is not None:
        changes["text"] = clean_text(edit.text)[0]
        changes["content_hash"] = content_hash(str(changes["text"]))
    if edit.happened_at is not None:
        happened = _happened(edit.happened_at)
        changes["happened_at"] = happened.at if happened else None
        changes["happened_precision"] = happened.precision if happened else None
        changes["utc_offset_min"] = happened.utc_offset_min if happened else None
    if edit.expires_at is not None:
        changes["expires_at"] = _expiry(edit.expires_at, now)
    checks = {
        "kind": check_kind,
        "tags": clean_tags,
        "space": check_space,
        "audience": clean_tags,
        "pinned": bool,
        "confidence": _confidence,
        "metadata": check_metadata,
    }
    for name, checked in checks.items():
        value = getattr(edit, name)
        if value is not None:
            changes[name] = checked(value)  # type: ignore[operator]
    if edit.ref is not None:
        changes["source"] = _source(replace(memory.source, ref=edit.ref))
    if edit.add_tags or edit.drop_tags:
        changes["tags"] = _retagged(memory.tags if edit.tags is None else edit.tags, edit)
    after = replace(memory, **changes)  # type: ignore[arg-type]
    if after.content_hash != memory.content_hash:
        return replace(flagged(after), reviewed=still_reviewed(memory))
    return reflagged(memory, after)


def reflagged(before: Memory, after: Memory) -> Memory:
    """Return a memory that keeps its text with the flags that its other fields call for now."""
    told = (before.confidence, beside(before)), (after.confidence, beside(after))
    if told[0] == told[1]:
        return after
    return replace(flagged(after), reviewed=seen_still(before, after))


def seen_still(before: Memory, after: Memory) -> str | None:
    """Return what of `after.reviewed` stays settled where the text is the same as before.

    A secret beside it that was nowhere before has not been seen by anybody.
    """
    known = _secrets(before.text) | _secrets(beside(before))
    if _secrets(beside(after)) <= known:
        return after.reviewed
    kept = (each for each in (after.reviewed or "").split() if each != SECRET)
    return " ".join(kept) or None


def _secrets(words: str) -> set[str]:
    return {words[slice(*each.span)] for each in suspicion.secrets(words)}


def beside(memory: Memory) -> str:
    """Return the words of a memory that are not its text."""
    source = memory.source
    named = (memory.session or "", memory.speaker or "", source.ref, source.name, memory.space)
    return "\n".join((memory.metadata, *named, *memory.tags))


def flagged(memory: Memory) -> Memory:
    """Return a memory with the flags that its words and its source call for."""
    kinds = {each.kind for each in suspicion.suspicions(memory.text)}
    if suspicion.secrets(beside(memory)):
        kinds.add(SECRET)
    doubtful = memory.confidence is not None and memory.confidence < _LOW
    if memory.source.trust == "import" and doubtful:
        kinds.add(LOW_TRUST)
    others = [flag for flag in memory.flags if flag not in FLAGS]
    return replace(memory, flags=(*others, *(flag for flag in FLAGS if flag in kinds)))


def still_reviewed(memory: Memory) -> str | None:
    """Return what the person has seen of a memory and does not depend on its text."""
    kept = [
        each for each in (BURST, LOW_TRUST, CONFLICT) if each in (memory.reviewed or "").split()
    ]
    return " ".join(kept) or None


def _retagged(tags: tuple[str, ...], edit: Edit) -> tuple[str, ...]:
    dropped = clean_tags(edit.drop_tags)
    return clean_tags((*(tag for tag in clean_tags(tags) if tag not in dropped), *edit.add_tags))


def _source(source: Source) -> Source:
    if source.trust not in TRUSTS:
        raise Invalid("source", f"trust must be one of {', '.join(TRUSTS)}")
    name = clean_word(source.name, "source", 100) or "unknown"
    return Source(name, source.trust, clean_word(source.ref, "source", 2000))


def _role(role: str | None) -> str | None:
    if role is not None and role not in ROLES:
        raise Invalid("role", f"must be one of {', '.join(ROLES)}")
    return role


def _position(position: int | None) -> int | None:
    if position is not None and not 0 <= position < 2**63:
        raise Invalid("position", "must be 0 or a positive whole number")
    return position


def _happened(text: str) -> Moment | None:
    return parse_moment(text, "happened_at") if text else None


def _created(text: str, now: datetime) -> datetime:
    if not text:
        return now
    at = parse_moment(text, "created_at").at
    if at > now + timedelta(milliseconds=SKEW_MS):
        raise Invalid("created_at", "is in the future; leave it out, or give the moment it was")
    return min(at, now)


def _expiry(text: str, now: datetime) -> datetime | None:
    if not text:
        return None
    at = min(parse_moment(text, "expires_at").end, LATEST)
    if at <= now:
        raise Invalid(
            "expires_at", "is in the past, so it would be forgotten at once; give a later moment"
        )
    return at


def _confidence(value: float | None) -> float | None:
    if value is not None and not 0.0 <= value <= 1.0:
        raise Invalid("confidence", "must be between 0 and 1")
    return value
