"""Undo: each prior state is written forward, where the row still carries the change."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from memdesk.answers import Changed
from memdesk.errors import Invalid
from memdesk.limits import check as check_wanted
from memdesk.memory import TOMBSTONE, TRASHED, Memory, check_id
from memdesk.service import points
from memdesk.service.core import MAINTENANCE
from memdesk.service.writing import only_flagged, rewrite

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memdesk.service.core import Core, Writing
    from memdesk.service.writing import Pair
    from memdesk.store import Store

_UNDOING = uuid.UUID("6d656d64-6573-5b00-8000-756e646f0000")
_PAGE = 500
_BATCH = 1000


def undo(core: Core, change: str | None, actor: str) -> Changed:
    """Take back one change, the last standing one by default; undoing an undo brings it back.

    A memory that something else has changed since is left as it is and reported. What the change
    had created goes to the trash. A large one is taken back in parts that are each on the disk
    before the next: asked again, what was cut short goes on. Raises `Invalid` when there is no such
    change.
    """
    with core.writing(actor) as write:
        change = check_id(change, "change") if change else _last_change(write.store)
        touched = _touched(write.store, change)
        write.change = undo_of(change)
        if len(touched) <= points.BULK:
            return _take_back(core, write, change, touched)
    points.before(core, "undo", undo_of(change))
    done: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    for start in range(0, len(touched), _BATCH):
        check_wanted()
        with core.writing(actor, undo_of(change)) as write:
            part = _take_back(core, write, change, touched[start : start + _BATCH])
        done, conflicts = done + part.done, conflicts + part.conflicts
    return Changed(undo_of(change), done, conflicts=conflicts)


def _touched(store: Store, change: str) -> list[str]:
    """Return the ids of the memories that a change has written, in order; raises `Invalid` for none."""
    present, earlier = store.changed_by(change)
    if not (present or earlier):
        if store.get([change]):
            raise Invalid(
                "change", f"{change} is a memory's own id; its history tells the ids of its changes"
            )
        raise Invalid(
            "change",
            f"no change that is kept has the id {change}; the history of a memory tells those it has",
        )
    return sorted({memory.id for memory in (*present, *earlier)})


def _take_back(core: Core, write: Writing, change: str, ids: Sequence[str]) -> Changed:
    """Write the state before a change forward for some memories, but for what was done before."""
    there = [each for each in write.store.get(ids).values() if each.state != TOMBSTONE]
    done: set[str] = set()
    pairs: list[Pair] = []
    for memory, revisions in _histories(write.store, there):
        if any(each.change == write.change for each in revisions):
            done.add(memory.id)
        elif prior := _prior(memory, revisions, change):
            pairs.append((memory, prior))
    if pairs:
        rewrite(core, write, pairs)
    done |= {before.id for before, _ in pairs}
    return Changed(
        write.change,
        tuple(id for id in ids if id in done),
        conflicts=tuple(id for id in ids if id not in done),
    )


def undo_of(change: str) -> str:
    """Return the id of the change that takes back `change`: always the same one."""
    return str(uuid.uuid5(_UNDOING, change))


def _prior(memory: Memory, revisions: list[Memory], change: str) -> Memory | None:
    """Return the state to write forward, or None where another change stands on top of `change`."""
    standing, undone = _layers(revisions)
    if standing and standing[-1].change == change:
        if len(standing) > 1:
            return standing[-2]
        # Without one before it, it made the memory, or what was before is no longer kept.
        made = standing[0].created_at == standing[0].updated_at
        return replace(memory, state=TRASHED) if made else None
    if change == revisions[-1].change and change in undone:
        return undone[change]
    return None


def _histories(store: Store, memories: Sequence[Memory]) -> Iterator[tuple[Memory, list[Memory]]]:
    """Yield memories with their revisions, oldest first, as if each had had its flags at once.

    A copy that a crash left of the present one is none.
    """
    for start in range(0, len(memories), _PAGE):
        page = memories[start : start + _PAGE]
        earlier: dict[str, list[Memory]] = {memory.id: [] for memory in page}
        for revision in reversed(store.revisions_of(*earlier)):
            earlier[revision.id].append(revision)
        for memory in page:
            before = (each for each in earlier[memory.id] if each.seq < memory.seq)
            yield memory, _flagged_at_once((*before, memory))


def _flagged_at_once(revisions: Sequence[Memory]) -> list[Memory]:
    """Return revisions (oldest first) without those that only added flags, which go to the one before."""
    told: list[Memory] = []
    for each in revisions:
        if told and only_flagged(told[-1], each):
            told[-1] = replace(told[-1], flags=each.flags)
        else:
            told.append(each)
    return told


def _layers(revisions: list[Memory]) -> tuple[list[Memory], dict[str, Memory]]:
    """Return the revisions (oldest first) that still stand, and what each undo took away."""
    standing: list[Memory] = []
    undone: dict[str, Memory] = {}
    redone: dict[str, Memory] = {}
    for memory in revisions:
        if standing and memory.change == undo_of(standing[-1].change):
            undone[memory.change] = standing.pop()
            redone[undo_of(memory.change)] = undone[memory.change]
        elif memory.change in redone:
            standing.append(replace(redone[memory.change], change=memory.change, seq=memory.seq))
        else:
            standing.append(memory)
    return standing, undone


def _last_change(store: Store) -> str:
    """Return the change that wrote last of all that still stand."""
    last: Memory | None = None
    page = store.latest(_PAGE)
    while page:
        for memory, top in _tops(store, page):
            if last and memory.seq < last.seq:
                return last.change
            if top and top.actor != MAINTENANCE and (last is None or top.seq > last.seq):
                last = top
        page = store.latest(_PAGE, before=page[-1].seq)
    if last is None:
        raise Invalid("change", "there is nothing to undo")
    return last.change


def _tops(store: Store, memories: Sequence[Memory]) -> Iterator[tuple[Memory, Memory | None]]:
    """Yield memories with the revision that stands on top of each; erased ones have none."""
    # Only over an undo, whose id is a made one (RFC 9562), and over flags does something else stand.
    covering = [
        each
        for each in memories
        if uuid.UUID(each.change).version == 5 or each.actor == MAINTENANCE  # noqa: PLR2004
    ]
    histories = {each.id: revisions for each, revisions in _histories(store, covering)}
    for memory in memories:
        standing, _ = _layers(histories.get(memory.id, [memory]))
        yield memory, standing[-1] if standing and memory.state != TOMBSTONE else None
