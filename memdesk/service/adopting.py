"""Adopting memories of another store as they are: their ids, clocks and histories stay.

What a change has adopted is known by a mark in the history, under the revisions that came with it: an
empty one that carries the change. So the rows themselves stay as they were written elsewhere. A mark
without a change stands under revisions that were older than what was here, and never present.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from memdesk.answers import Revision, Taken, Whole, Wholes
from memdesk.errors import Invalid
from memdesk.limits import check as check_wanted
from memdesk.memory import TOMBSTONE, TRASHED, Memory
from memdesk.service import indexing, points, reading
from memdesk.service.erasing import tombstone
from memdesk.service.realigning import Pair, realign
from memdesk.service.soundness import checked_whole
from memdesk.service.undoing import adopted_at_once, undo_of
from memdesk.service.writing import checked_change, rewrite, trashed
from memdesk.sharing import clock_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from memdesk.memory import Filter
    from memdesk.service.core import Core, Writing
    from memdesk.store import Store

MOST = 200
"""Memories with their histories that are read at once: each may be a megabyte."""
_STORED, _DUPLICATE, _SKIPPED = "stored", "duplicate", "skipped"
_OLDER = "older than what is here, in whose history it is kept"
_ERASED = "erased here since"
_ELSEWHERE = "erased elsewhere"
_CHANGED = "erased elsewhere, and changed here since"


def wholes(core: Core, where: Filter, limit: int, cursor: str | None) -> Wholes:
    """Return memories with their histories, the oldest first, and the cursor to go on with."""
    limit = min(limit, MOST)
    page = reading.list_(core, where, limit, cursor, oldest_first=True)
    earlier = _earlier(core.store(), page.memories)
    return Wholes(
        tuple(Whole(each, tuple(earlier[each.id])) for each in page.memories), page.cursor
    )


def _earlier(store: Store, memories: Sequence[Memory]) -> dict[str, list[Memory]]:
    """Return the revisions before the present one of memories, the oldest first."""
    seqs = {each.id: each.seq for each in memories}
    found: dict[str, list[Memory]] = {id: [] for id in seqs}
    for each in reversed(store.revisions_of(*seqs) if seqs else []):
        if each.seq < seqs[each.id]:
            found[each.id].append(each)
    return found


def adopt(
    core: Core, given: Sequence[Whole], actor: str, change: str | None, *, dry: bool = False
) -> tuple[Taken, ...]:
    """Take memories in with their ids and histories, and tell what became of each, in order.

    Of two with one id the one with the later clock is present afterwards, and the other in its
    history. What was erased here stays erased; what was erased elsewhere goes to the trash.
    """
    change = checked_change(change)
    fit = _fit_each(given)
    sound = [each for each in fit if isinstance(each, Whole)]
    if dry:
        told = _Adoption(core.store(), sound, change).told()
    else:
        check_wanted()
        points.before_import(core, [each.memory.text for each in given], change)
        told = _write(core, sound, actor, change) if sound else []
    answers = iter(told)
    return tuple(next(answers) if isinstance(each, Whole) else each for each in fit)


def _fit_each(given: Sequence[Whole]) -> list[Whole | Taken]:
    seen: set[str] = set()
    fit: list[Whole | Taken] = []
    for each in given:
        one = _fit(each)
        if isinstance(one, Whole):
            twice = one.memory.id in seen
            seen.add(one.memory.id)
            one = Taken(_SKIPPED, "its id is there twice", one.memory.id) if twice else one
        fit.append(one)
    return fit


def _fit(whole: Whole) -> Whole | Taken:
    try:
        return checked_whole(whole)
    except Invalid as error:
        return Taken(_SKIPPED, f"its {error.field} cannot be used", whole.memory.id)


def _write(core: Core, sound: Sequence[Whole], actor: str, change: str | None) -> list[Taken]:
    # Cut before the lock is taken: of a thousand memories that is seconds in which others wait.
    before = _Adoption(core.store(), sound, change)
    before.told()
    cut = indexing.cut(core, before.new)
    with core.writing(actor, change) as write:
        adoption = _Adoption(write.store, sound, change, write)
        told = adoption.told()
        adoption.write()
        realign(write.store, adoption.kept)
        if adoption.rewritten:
            rewrite(core, write, adoption.rewritten)
        there = [each.id for each in adoption.new if each.id in adoption.before]
        made = indexing.rows_of(core, adoption.new, cut)
        indexing.put(core, write.store, made, replaced=there)
    if adoption.new or adoption.rewritten:
        indexing.embed_in_background(core)
    return told


def _not_erased(memories: Sequence[Memory]) -> list[Memory]:
    return [each for each in memories if each.state != TOMBSTONE]


@dataclass
class _Adoption:
    """What becomes of memories from elsewhere, beside those of a store."""

    store: Store
    given: Sequence[Whole]
    change: str | None
    write_: Writing | None = None
    new: list[Memory] = field(default_factory=list)
    """Memories that are present afterwards, and need passages."""
    kept: list[Memory] = field(default_factory=list)
    """Memories that stay, with another seq: there are earlier revisions of them now."""
    history: list[Revision] = field(default_factory=list)
    rewritten: list[Pair] = field(default_factory=list)
    """Memories that go to the trash, or that an undo had taken away, and that come back."""

    def __post_init__(self) -> None:
        ids = {each.memory.id for each in self.given}
        self.present = self.store.get(ids) if ids else {}
        self.before = frozenset(self.present)
        self.earlier: dict[str, list[Memory]] = {id: [] for id in ids}
        for each in self.store.revisions_of(*ids, marks=True) if ids else ():
            self.earlier[each.id].append(each)
        if self.write_:
            self.write_.pass_by(each.seq for some in self.earlier.values() for each in some)

    def told(self) -> list[Taken]:
        """Return what becomes of each."""
        return [self._settle(each) for each in self.given]

    def _settle(self, whole: Whole) -> Taken:
        memory = whole.memory
        mine = self.present.get(memory.id)
        if mine is None:
            self._bring(whole)
        elif clock_of(mine) == clock_of(memory):
            return self._known(mine)
        elif mine.state == TOMBSTONE:
            erased = memory.state == TOMBSTONE
            return Taken(*((_DUPLICATE, "") if erased else (_SKIPPED, _ERASED)), memory.id)
        elif memory.state == TOMBSTONE:
            return self._trash(memory, mine)
        elif clock_of(memory) < clock_of(mine):
            return self._keep(whole, mine)
        else:
            self._bring(whole, mine)
        return Taken(_STORED, id=memory.id)

    def _bring(self, whole: Whole, mine: Memory | None = None) -> None:
        """Make a memory from elsewhere the present one, above what is here if that is."""
        memory = whole.memory
        if mine:
            self.history.append(Revision(mine, mine.updated_at, memory.updated_at))
        earlier = self._unknown(whole)
        self._mark(memory, len(earlier) + 1)
        self._add(earlier, memory.updated_at, valid=mine is None)
        self.new.append(self._placed(memory))
        self.present[memory.id] = self.new[-1]

    def _keep(self, whole: Whole, mine: Memory) -> Taken:
        """Put a memory from elsewhere under the later one here; and on it, if that is only an undo."""
        memory, back = whole.memory, self._undone(whole.memory, mine)
        known = clock_of(memory) in {clock_of(each) for each in self.earlier[mine.id]}
        if not known:
            older = [*self._unknown(whole), memory]
            self._mark(memory, len(older), "")
            self._add(older, memory.updated_at, valid=False)
            mine = self._placed(mine)
            self.kept.append(mine)
            self.present[mine.id] = mine
        if back:
            self._mark(memory, 1)
            return self._rewrite(mine, memory)
        if known:
            return self._known(mine)
        return Taken(_SKIPPED, _OLDER, mine.id)

    def _undone(self, memory: Memory, mine: Memory) -> bool:
        """Tell whether what is here stands where an undo took this memory, or an earlier state of it, away."""
        earlier = [each for each in reversed(self.earlier[mine.id]) if each.seq < mine.seq]
        marks = {each.change for each in earlier if each.state == TOMBSTONE and each.change}
        if mine.change not in map(undo_of, marks):
            return False
        done = {each.change for each in (*earlier, mine)}
        undone = {each for each in marks if undo_of(each) in done}
        brought = [each for each in _not_erased(adopted_at_once(earlier)) if each.change in undone]
        return clock_of(memory) >= min(map(clock_of, brought), default=clock_of(memory))

    def _known(self, mine: Memory) -> Taken:
        """Answer for a memory that is there already: stored, where this very change brought it."""
        ours = any(is_mark(each, self.change) for each in self.earlier[mine.id])
        return Taken(_STORED if ours else _DUPLICATE, id=mine.id)

    def _trash(self, memory: Memory, mine: Memory) -> Taken:
        """Put a memory into the trash that was erased elsewhere, unless it was changed here since."""
        if mine.state == TRASHED:
            return Taken(_DUPLICATE, id=mine.id)
        if clock_of(memory) < clock_of(mine):
            return Taken(_SKIPPED, _CHANGED, mine.id)
        return self._rewrite(mine, trashed(mine, _ELSEWHERE))

    def _rewrite(self, mine: Memory, memory: Memory) -> Taken:
        self.rewritten.append((mine, memory))
        self.present[mine.id] = memory
        return Taken(_STORED, id=mine.id)

    def _unknown(self, whole: Whole) -> list[Memory]:
        id = whole.memory.id
        known = {clock_of(each) for each in (*self.earlier[id], self.present.get(id)) if each}
        return [each for each in whole.earlier if clock_of(each) not in known]

    def _mark(self, memory: Memory, revisions: int, change: str | None = None) -> None:
        """Put the mark of this change, or of `change`, under revisions, unless it is there already."""
        if not self.write_:
            return
        change = self.write_.change if change is None else change
        if not (change and any(is_mark(each, change) for each in self.earlier[memory.id])):
            mark = self._placed(mark_of(memory, revisions, self.write_, change))
            self.history.append(Revision(mark, mark.updated_at, mark.updated_at))

    def _add(self, revisions: Sequence[Memory], end: datetime, *, valid: bool) -> None:
        """Add revisions to the history; where others were valid here then, those were not."""
        ends = [*(each.updated_at for each in revisions[1:]), end]
        for each, until in zip(revisions, ends, strict=False):
            placed = self._placed(each)
            self.history.append(
                Revision(placed, placed.updated_at, until if valid else placed.updated_at)
            )

    def _placed(self, memory: Memory) -> Memory:
        return self.write_.place(memory) if self.write_ else memory

    def write(self) -> None:
        """Put all of it on the disk: the history first, as ever."""
        if self.new or self.kept or self.history:
            self.store.adopt([*self.new, *self.kept], self.history)


def mark_of(memory: Memory, revisions: int, write: Writing, change: str) -> Memory:
    """Return the mark in the history that a change has adopted a memory, with so many `revisions`."""
    return replace(
        tombstone(memory),
        position=revisions,
        clock_ms=0,
        clock_n=0,
        created_at=write.at,
        updated_at=write.at,
        change=change,
        actor=write.actor,
        device=write.store.stamp.device,
    )


def is_mark(memory: Memory, change: str | None) -> bool:
    """Tell whether an earlier revision is the mark that a change has left."""
    return memory.state == TOMBSTONE and change is not None and memory.change == change
