"""Bringing search in line with memories that were rewritten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memdesk.memory import Memory
from memdesk.service import indexing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memdesk.service.core import Core
    from memdesk.store import Store

Pair = tuple[Memory, Memory]
"""A memory before and after a change."""
_EMBEDDED_AT_ONCE = 16


def bring_in_line(store: Store, pairs: Sequence[Pair], core: Core | None) -> None:
    """Bring search in line with memories that were rewritten; with a `core` a few are embedded at once."""
    same = [new for old, new in pairs if _said(old) == _said(new)]
    realign(store, same)
    kept = {memory.id for memory in same}
    said_anew = [new for _, new in pairs if new.id not in kept]
    indexing.rebuild(store, said_anew, core if len(said_anew) <= _EMBEDDED_AT_ONCE else None)


def realign(store: Store, memories: Sequence[Memory]) -> None:
    """Bring the passages of memories in line whose words have not changed: their vectors stay."""
    known = {
        (id, passage.ordinal): embedded
        for id, kept in store.passages_of(memory.id for memory in memories).items()
        for passage, embedded in kept
    }
    rows = [
        row
        for memory in memories
        for passage in indexing.passages(memory)
        for row in indexing.rows(memory, [passage], [known.get((memory.id, passage.ordinal))])
    ]
    store.index(rows, replaced=[memory.id for memory in memories])


def _said(memory: Memory) -> tuple[object, ...]:
    """Return what a memory's passages are made of."""
    return memory.text, memory.speaker, memory.happened_at, memory.happened_precision
