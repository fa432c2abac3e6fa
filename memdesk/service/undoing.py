"""Undo: each prior state is written forward, where the row still carries the change."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from memdesk.answers import Changed
from memdesk.errors import Conflict, Invalid
from memdesk.limits import check as check_wanted
from memdesk.memory import TOMBSTONE, TRASHED, Memory, check_id, now
from memdesk.service import points
from memdesk.service.core import MAINTENANCE, SYNC
from memdesk.service.upkeep import HISTORY_DAYS
from memdesk.service.writing import only_flagged, rewrite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from memdesk.service.core import Core, Writing
    from memdesk.service.realigning import Pair
    from memdesk.store import Store

_UNDOING = uuid.UUID("6d656d64-6573-5b00-8000-756e646f0000")
_FIRST_PAGE, _PAGE = 20, 500
_BATCH = 1000


def undo(core: Core, change: str | None, actor: str) -> Changed:
    """Take back one change, the last standing one by default; undoing an undo brings it back.

    A memory that something else has changed since is left as it is and reported. What the change
    had created goes to the trash. A large one is taken back in parts that are each on the disk
    before the next: asked again, what was cut short goes on. Raises `Invalid` when there is no such
    change.
    """
    with core.writing(actor) as write:
        store = write.store
        change = _newest(store, check_id(change, "change")) if change else _last_change(store)
        touched = _touched(store, change)
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
        if prior := _prior(revisions, change):
            pairs.append((memory, prior))
        elif _taken_back(revisions, change):
            done.add(memory.id)
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


def _newest(store: Store, change: str) -> str:
    """Return a change, or what brought it back last after it had been undone."""
    while any(store.changed_by(undo_of(undo_of(change)))):
        change = undo_of(undo_of(change))
    return change


def _prior(revisions: list[Memory], change: str) -> Memory | None:
    """Return the state to write forward; None where something else stands on top of `change`.

    And where the state before it is no longer kept.
    """
    standing, undone = _layers(revisions)
    if standing and standing[-1].after.change == change:
        return standing[-1].prior
    if change in undone and revisions[-1].change == change:
        return undone[change]
    return None


def _taken_back(revisions: list[Memory], change: str) -> bool:
    """Tell whether a change was undone, and nothing that was done to the memory since stands."""
    standing, _ = _layers(revisions)
    undone = [each.seq for each in revisions if each.change == undo_of(change)]
    return bool(undone) and not (standing and standing[-1].after.seq > undone[-1])


def _histories(store: Store, memories: Sequence[Memory]) -> Iterator[tuple[Memory, list[Memory]]]:
    """Yield memories with their revisions, oldest first, as if each had had its flags at once.

    A copy that a crash left of the present one is none.
    """
    for start in range(0, len(memories), _PAGE):
        page = memories[start : start + _PAGE]
        earlier: dict[str, list[Memory]] = {memory.id: [] for memory in page}
        for revision in reversed(store.revisions_of(*earlier, marks=True)):
            earlier[revision.id].append(revision)
        for memory in page:
            before = (each for each in earlier[memory.id] if each.seq < memory.seq)
            yield memory, _flagged_at_once(adopted_at_once((*before, memory)))


def adopted_at_once(revisions: Iterable[Memory]) -> list[Memory]:
    """Return revisions (oldest first), those that were adopted together as what that change wrote.

    Without those that were only kept, under a later one: they were never present here.
    """
    told: list[Memory] = []
    mark, due = None, 0
    for each in _once_present(revisions):
        if each.state == TOMBSTONE:
            mark, due = each, (each.position or 0) + 1
        elif mark and not due and each.updated_at > mark.updated_at:
            mark = None
        told.append(replace(each, change=mark.change) if mark else each)
        due = max(0, due - 1)
    return told


def _once_present(revisions: Iterable[Memory]) -> Iterator[Memory]:
    kept = 0
    for each in revisions:
        if each.state == TOMBSTONE and not each.change:
            kept = each.seq + (each.position or 0)
        elif each.seq > kept:
            yield each


def _flagged_at_once(revisions: Sequence[Memory]) -> list[Memory]:
    """Return revisions (oldest first) without those that only added flags, which go to the one before."""
    told: list[Memory] = []
    for each in revisions:
        if told and only_flagged(told[-1], each):
            told[-1] = replace(told[-1], flags=each.flags)
        else:
            told.append(each)
    return told


@dataclass(frozen=True, slots=True)
class _Layer:
    """What one change has made of a memory."""

    prior: Memory | None
    """The state without it: in the trash where it made the memory, None where that is not kept."""
    after: Memory


def _layers(revisions: list[Memory]) -> tuple[list[_Layer], dict[str, Memory]]:
    """Return what still stands (oldest first), and what each undo took away."""
    standing: list[_Layer] = []
    undone: dict[str, Memory] = {}
    before = _unmade(revisions)
    for memory in revisions:
        top = standing[-1].after.change if standing else ""
        if memory.change == undo_of(top):
            undone[memory.change] = standing.pop().after
        elif memory.change == top:
            standing[-1] = replace(standing[-1], after=memory)
        else:
            standing.append(_Layer(before, memory))
        before = memory
    return standing, undone


def _unmade(revisions: Sequence[Memory]) -> Memory | None:
    """Return a memory as if it had never been made: in the trash; None where its beginning is not kept."""
    first = revisions[0]
    if first.state == TOMBSTONE:  # adopted
        first = [each for each in revisions if each.change == first.change][-1]
        return replace(first, state=TRASHED)
    # An import tells when it was created elsewhere; what was before it here could not be gone yet.
    young = first.updated_at > now() - timedelta(days=HISTORY_DAYS)
    foreign = first.source.trust in ("import", "remote")
    made = first.created_at == first.updated_at or (foreign and young)
    return replace(first, state=TRASHED) if made else None


def _last_change(store: Store) -> str:
    """Return the change that wrote last of all that still stand and can be taken back.

    Raises `Conflict` where something came from a remote on top of the person's own last one.
    """
    last: Memory | None = None
    under: Memory | None = None
    page = store.latest(_FIRST_PAGE)
    while page:
        for memory, top, below in _tops(store, page):
            if last and memory.seq < last.seq:
                return _not_under(last, under)
            if top and not _by_itself(top) and (last is None or top.seq > last.seq):
                last = top
            if below and (under is None or below.seq > under.seq):
                under = below
        page = store.latest(_PAGE, before=page[-1].seq)
    return _not_under(last, under)


def _not_under(last: Memory | None, under: Memory | None) -> str:
    """Return the change of `last`, unless the last one is another, on which a remote's stands."""
    if under and (last is None or under.seq > last.seq):
        words = (
            "after your last change of it another came from a remote; memdesk history shows both"
        )
        raise Conflict(under.id, words)
    if last is None:
        raise Invalid("change", "there is nothing to undo")
    return last.change


def _by_itself(memory: Memory) -> bool:
    """Tell whether nobody here asked for a revision: it is upkeep, or came from a remote."""
    return memory.actor == MAINTENANCE or memory.actor.startswith(SYNC)


_Top = tuple[Memory, Memory | None, Memory | None]


def _tops(store: Store, memories: Sequence[Memory]) -> Iterator[_Top]:
    """Yield memories with the revision that stands on top of each, and the person's under a remote's.

    Those without way back have no top.
    """
    own = store.stamp.device
    changed = [
        each for each in memories if each.created_at != each.updated_at or each.device != own
    ]
    histories = {each.id: revisions for each, revisions in _histories(store, changed)}
    for memory in memories:
        standing, _ = _layers(histories.get(memory.id, [memory]))
        there = memory.state != TOMBSTONE and standing and standing[-1].prior
        top = standing[-1].after if there else None
        below = None
        if top and top.actor.startswith(SYNC):
            own_ones = (each.after for each in reversed(standing) if not _by_itself(each.after))
            below = next(own_ones, None)
        yield memory, top, below
