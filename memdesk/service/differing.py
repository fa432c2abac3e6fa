"""What has changed since a moment: each memory now, beside how it stood then."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING

from memdesk.answers import Diff, Difference
from memdesk.errors import Invalid
from memdesk.memory import LIVE, REPLACED, TOMBSTONE, TRASHED, Memory, now
from memdesk.service.core import MAINTENANCE
from memdesk.service.reading import MAX_LIST, checked_limit
from memdesk.service.upkeep import HISTORY_DAYS
from memdesk.service.writing import expired, with_reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from memdesk.service.core import Core
    from memdesk.store import Store

_NOT_TOLD = frozenset(
    (
        *("id", "created_at", "updated_at", "content_hash", "flags", "metadata"),
        *("clock_ms", "clock_n", "device", "seq", "change", "actor"),
    )
)
"""What changes by itself with the rest; metadata is compared without why a memory was forgotten."""
_EXPIRED = "expired"
_BECAME = {TRASHED: "forgotten", REPLACED: "replaced", LIVE: "restored", _EXPIRED: "expired"}


def diff(core: Core, since: datetime, limit: int) -> Diff:
    """Return what has changed since a moment, the last change first, at most `limit` memories.

    What was changed and changed back is no difference, nor is what came and went again. Of a memory
    that was erased nothing is told but that it was. Raises `Invalid`.
    """
    if since.tzinfo is None:
        raise Invalid("since", "has no time zone; give a moment in UTC")
    limit, at = checked_limit(limit, MAX_LIST), now()
    if since > at:
        raise Invalid("since", "is yet to come; give a moment of the past")
    found = sorted(_differences(core.store(), since, at), key=lambda each: -each.now.seq)
    counts = Counter(each.how for each in found)
    return Diff(since, tuple(found[:limit]), dict(counts))


def _differences(store: Store, since: datetime, at: datetime) -> Iterator[Difference]:
    present = {memory.id: memory for memory in store.changed_after(since, at)}
    before = _stood(store, since, present)
    for memory in present.values():
        then = memory if memory.updated_at <= since else before.get(memory.id)
        if difference := _difference(then, memory, since, at):
            yield difference


def _stood(store: Store, since: datetime, present: dict[str, Memory]) -> dict[str, Memory]:
    """Return the revisions that were valid at a moment, of the memories that have another one now."""
    from memdesk.store.filters import both, literal

    moment = literal(since)
    then: dict[str, Memory] = {}
    for each in store.revisions(both(f"valid_from <= {moment}", f"valid_to > {moment}")):
        # A crash may leave a copy of the present revision in the history: it is no earlier one.
        if each.id in present and each.seq < present[each.id].seq:
            then.setdefault(each.id, each)
    return then


def _difference(
    then: Memory | None, memory: Memory, since: datetime, at: datetime
) -> Difference | None:
    """Return what became of a memory, or None where it is as it was; `then` may be unknown."""
    became = _standing(memory, at)
    if memory.created_at > since or (then is None and _came(memory, since, at)):
        return Difference("added", memory) if became == LIVE else None
    if became == TOMBSTONE:
        return Difference("erased", memory)
    if then is None:  # that revision is no longer kept
        return Difference("revised", memory)
    changed = differing_fields(then, memory)
    if _standing(then, since) != became:
        return Difference(_BECAME[became], memory, then, changed)
    return Difference("revised", memory, then, changed) if changed else None


def _came(memory: Memory, since: datetime, at: datetime) -> bool:
    """Tell whether a memory that was not known here at a moment was imported after it."""
    return memory.source.trust == "import" and since > at - timedelta(days=HISTORY_DAYS)


def _standing(memory: Memory, at: datetime) -> str:
    """Return a memory's state at a moment, with one for what had expired."""
    lapsed = memory.state == LIVE and expired(memory, at)
    # Maintenance puts what has expired into the trash.
    put_away = memory.state == TRASHED and memory.actor == MAINTENANCE
    return _EXPIRED if lapsed or (put_away and expired(memory, memory.updated_at)) else memory.state


def differing_fields(before: Memory, after: Memory) -> tuple[str, ...]:
    """Return the names of the fields in which two revisions differ, but for clocks and the like."""
    names = [each.name for each in fields(Memory) if each.name not in _NOT_TOLD]
    found = [name for name in names if getattr(before, name) != getattr(after, name)]
    if with_reason(before.metadata, "") != with_reason(after.metadata, ""):
        found.append("metadata")
    return tuple(found)
