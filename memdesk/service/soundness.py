"""Whether a memory that was written elsewhere may stand in this store as it is: hostile until checked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from memdesk.answers import Whole
from memdesk.clock import EVENTS, SKEW_MS
from memdesk.errors import Invalid
from memdesk.memory import (
    STATES,
    TOMBSTONE,
    TRUSTS,
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
    now,
)
from memdesk.moment import EARLIEST, LATEST
from memdesk.service.drafting import ROLES, flagged

if TYPE_CHECKING:
    from collections.abc import Callable

_TIMES = ("happened_at", "created_at", "updated_at", "expires_at")
_PRECISIONS = (None, "year", "month", "day", "minute", "second")
_DAY_MINUTES = 24 * 60
_LONGEST = 2**63
_NO_DATE_MS = 253_402_300_800_000
"""The year 10000: no computer's clock has come so far, however wrong."""
_WORD, _REVIEWED = 2000, 100_000


def checked_whole(whole: Whole) -> Whole:
    """Return a memory with its history as it may be stored; raises `Invalid` naming the field."""
    if whole.earlier and whole.memory.state == TOMBSTONE:
        raise Invalid("history", "is there, but the memory was erased")
    for each in whole.earlier:
        if each.id != whole.memory.id or each.state == TOMBSTONE:
            raise Invalid("history", "is another memory's, or was erased")
    return Whole(_flagged(_sound(whole.memory)), tuple(_sound(each) for each in whole.earlier))


def checked(memory: Memory) -> Memory:
    """Return what somebody else has sent as it may be stored; raises `Invalid` naming the field.

    A person's own export may hold what a wrong clock has written once; of others that is not taken.
    """
    sound = _sound(memory)
    for field in _TIMES:
        if (at := getattr(sound, field)) is not None and not EARLIEST <= at <= LATEST:
            raise Invalid(field, "is at the end of the calendar")
    if sound.created_at > now() + timedelta(milliseconds=SKEW_MS):
        raise Invalid("created_at", "is in the future")
    return sound


def _sound(memory: Memory) -> Memory:
    """Return a revision whose every field is what this memdesk would have written itself."""
    for field, check in _CHECKS.items():
        value = getattr(memory, field)
        if value is not None and check(value) != value:
            raise Invalid(field, "is not as memdesk writes it")
    _check_text(memory)
    _check_times(memory)
    _check_numbers(memory)
    if memory.state not in STATES:
        raise Invalid("state", f"must be one of {', '.join(STATES)}")
    if memory.role not in (None, *ROLES):
        raise Invalid("role", f"must be one of {', '.join(ROLES)}")
    return replace(memory, metadata=check_metadata(memory.metadata))


def _flagged(memory: Memory) -> Memory:
    """Return the memory with the flags too that its text calls for and it has not."""
    if memory.state == TOMBSTONE:
        return memory
    found = (each for each in flagged(memory).flags if each not in memory.flags)
    return replace(memory, flags=(*memory.flags, *found))


def _check_text(memory: Memory) -> None:
    if memory.state == TOMBSTONE:
        if memory.text or memory.content_hash:
            raise Invalid("text", "is there, but the memory was erased")
        return
    if clean_text(memory.text) != (memory.text, 0):
        raise Invalid("text", "is not as memdesk writes it")
    if content_hash(memory.text) != memory.content_hash:
        raise Invalid("content_hash", "is another text's")


def _check_times(memory: Memory) -> None:
    for field in _TIMES:
        if (at := getattr(memory, field)) is not None and at.tzinfo is None:
            raise Invalid(field, "has no time zone")
    if memory.happened_precision not in _PRECISIONS:
        raise Invalid("happened_precision", "is none")


def _check_numbers(memory: Memory) -> None:
    _check_range("position", memory.position, 0, _LONGEST)
    _check_range("clock_ms", memory.clock_ms, 0, _NO_DATE_MS)
    _check_range("clock_n", memory.clock_n, 0, EVENTS)
    _check_range("utc_offset_min", memory.utc_offset_min, 1 - _DAY_MINUTES, _DAY_MINUTES)
    if memory.confidence is not None and not 0.0 <= memory.confidence <= 1.0:
        raise Invalid("confidence", "must be between 0 and 1")


def _check_range(field: str, value: int | None, least: int, beyond: int) -> None:
    if value is not None and not least <= value < beyond:
        raise Invalid(field, "is too large or too small")


def _word(limit: int, field: str) -> Callable[[str], str]:
    return lambda value: clean_word(value, field, limit)


def _source(source: Source) -> Source:
    if source.trust not in TRUSTS:
        raise Invalid("source", f"trust must be one of {', '.join(TRUSTS)}")
    name, ref = clean_word(source.name, "source", 100), clean_word(source.ref, "source", _WORD)
    return Source(name, source.trust, ref)


def _flags(flags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(clean_word(each, "flags", 100) for each in flags)


_CHECKS: dict[str, Callable[..., object]] = {
    "id": check_id,
    "kind": check_kind,
    "tags": clean_tags,
    "space": check_space,
    "audience": clean_tags,
    "source": _source,
    "session": _word(200, "session"),
    "speaker": _word(200, "speaker"),
    "replaces": check_id,
    "replaced_by": check_id,
    "flags": _flags,
    "reviewed": _word(_REVIEWED, "reviewed"),
    "device": _word(_WORD, "device"),
    "change": _word(_WORD, "change"),
    "actor": _word(_WORD, "actor"),
}
