"""Taking in what a remote has of memories: the highest clock wins, and nothing private is touched."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from memdesk.answers import Revision
from memdesk.clock import is_believed
from memdesk.errors import Invalid
from memdesk.limits import check as check_wanted
from memdesk.memory import CONFLICT, TOMBSTONE, TRASHED, Memory, now
from memdesk.remotes import (
    AHEAD,
    KEPT,
    KNOWN,
    PRIVATE,
    REFUSED,
    STORED,
    Absorbed,
    Arrival,
)
from memdesk.service import indexing, points
from memdesk.service.adopting import mark_of
from memdesk.service.core import SYNC
from memdesk.service.drafting import flagged, seen_still, still_reviewed
from memdesk.service.realigning import bring_in_line
from memdesk.service.soundness import checked
from memdesk.service.writing import trashed
from memdesk.sharing import clock_of, digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memdesk.passages import Passage
    from memdesk.service.core import Core, Writing

_PRIVATE = "a memory of this id is here, and not shared with it: share it, or leave it"
_AHEAD = "its clock is more than five minutes ahead of this computer's"


def absorb(
    core: Core, arrivals: Sequence[Arrival], remote: str, change: str
) -> tuple[Absorbed, ...]:
    """Settle what came from a remote, each memory at most once; tell what became of each, in order.

    What is there and not shared with the remote stays as it is. A memory that is deleted there goes
    to the trash here. Of two that were changed on both sides the one with the later clock is present
    afterwards; a text that lost is in its history.
    """
    fit = [_fit(each) for each in arrivals]
    sound = [each for each in fit if isinstance(each, Arrival)]
    if not sound:
        return tuple(each for each in fit if isinstance(each, Absorbed))
    check_wanted()
    ids = [each.memory.id for each in sound]
    there = core.store().get(ids)
    changing = [each for each in sound if _changes(each.memory, there.get(each.memory.id), remote)]
    points.before_many(core, changing, points.SYNC + remote, change)
    # Cut before the lock is taken, in which others wait.
    cut = indexing.cut(core, [each.memory for each in sound if each.memory.id not in there])
    with core.writing(SYNC + remote, change) as write:
        settling = _Settling(write, remote, write.store.get(ids))
        told = iter([settling.settle(each) for each in sound])
        settling.write(core, cut)
    indexing.embed_in_background(core)
    return tuple(next(told) if isinstance(each, Arrival) else each for each in fit)


def _fit(arrival: Arrival) -> Arrival | Absorbed:
    """Return an arrival as it may be stored, or why it may not."""
    memory = arrival.memory
    if not is_believed(memory.clock_ms, now().timestamp() * 1000):
        return Absorbed(memory.id, AHEAD, _AHEAD)
    try:
        sound = checked(memory)
        return replace(arrival, memory=flagged(sound) if sound.text else sound)
    except Invalid as error:
        return Absorbed(memory.id, REFUSED, str(error))


def _changes(memory: Memory, mine: Memory | None, remote: str) -> bool:
    """Tell whether an arrival may change a memory that is here."""
    return mine is not None and remote in mine.audience and digest(memory) != digest(mine)


@dataclass
class _Settling:
    """What becomes of the memories of one batch."""

    write_: Writing
    remote: str
    present: dict[str, Memory]
    new: list[Memory] = field(default_factory=list)
    pairs: list[tuple[Memory, Memory]] = field(default_factory=list)
    """Memories before and after, of those that were there."""
    moved: list[Memory] = field(default_factory=list)
    """Memories that are as they were, but for a later clock."""
    history: list[Revision] = field(default_factory=list)

    def settle(self, arrival: Arrival) -> Absorbed:
        """Decide about one memory."""
        memory, mine = arrival.memory, self.present.get(arrival.memory.id)
        if mine is None:
            return self._add(memory)
        if self.remote not in mine.audience:
            return Absorbed(memory.id, PRIVATE, _PRIVATE)
        if digest(mine) == digest(memory):
            return self._same(memory, mine)
        base = arrival.base
        changed = base is None or digest(mine) != base.digest
        here = clock_of(mine) if base is None or changed else base.clock
        if clock_of(memory) > here:
            return self._take(memory, mine, conflict=changed and base is not None)
        if not changed or (base and clock_of(memory) <= base.clock):
            return Absorbed(memory.id, KNOWN)
        return self._keep(memory, mine)

    def _add(self, memory: Memory) -> Absorbed:
        if memory.state == TOMBSTONE:
            return Absorbed(memory.id, KNOWN)
        self.new.append(self._placed(replace(memory, audience=(self.remote,))))
        return Absorbed(memory.id, STORED)

    def _same(self, memory: Memory, mine: Memory) -> Absorbed:
        """Take the later clock of two that are the same, so that the next change here is later still."""
        if clock_of(memory) > clock_of(mine):
            ms, n, device = clock_of(memory)
            moved = self.write_.place(replace(mine, clock_ms=ms, clock_n=n, device=device))
            self.moved.append(replace(moved, seq=mine.seq))  # it is no change: nothing else is told
        return Absorbed(memory.id, KNOWN)

    def _take(self, memory: Memory, mine: Memory, *, conflict: bool) -> Absorbed:
        """Put what is there in the place of what is here, which goes to the history."""
        after = self._gone(memory, mine) if memory.state == TOMBSTONE else _merged(memory, mine)
        if conflict:
            after = contested(after)
        if mine.state != TOMBSTONE:
            self.history.append(Revision(mine, mine.updated_at, self.write_.at))
        self.pairs.append((mine, self._placed(after)))
        gone = memory.state == TOMBSTONE
        return Absorbed(memory.id, STORED, conflict=conflict, trashed=gone)

    def _gone(self, memory: Memory, mine: Memory) -> Memory:
        after = trashed(mine, f"deleted at {self.remote}") if mine.state != TRASHED else mine
        ms, n, device = clock_of(memory)
        return replace(after, clock_ms=ms, clock_n=n, device=device)

    def _keep(self, memory: Memory, mine: Memory) -> Absorbed:
        """Leave what is here, which is later; what was changed there meanwhile goes to its history."""
        if TOMBSTONE in (memory.state, mine.state):
            return Absorbed(memory.id, KEPT, conflict=memory.state != mine.state)
        at = self.write_.at
        for each in (mark_of(memory, 1, self.write_, ""), self._signed(memory)):
            self.history.append(Revision(self.write_.place(each), at, at))
        self.pairs.append((mine, self.write_.place(contested(mine))))
        return Absorbed(memory.id, KEPT, conflict=True)

    def _placed(self, memory: Memory) -> Memory:
        return self.write_.place(self._signed(memory))

    def _signed(self, memory: Memory) -> Memory:
        """Return a memory with when and by whom it was written here; its clock stays."""
        write = self.write_
        return replace(memory, updated_at=write.at, change=write.change, actor=write.actor)

    def write(self, core: Core, cut: Mapping[str, list[Passage]]) -> None:
        """Put all of it on the disk, the history first, and bring search in line."""
        made = [*self.new, *(after for _, after in self.pairs), *self.moved]
        if not made:
            return
        store = self.write_.store
        store.adopt(made, self.history)
        bring_in_line(store, self.pairs, None)
        indexing.put(core, store, indexing.rows_of(core, self.new, cut))


def contested(memory: Memory) -> Memory:
    """Return a memory that the Inbox shows, as it had changed on both sides."""
    flags = (*(each for each in memory.flags if each != CONFLICT), CONFLICT)
    settled = [each for each in (memory.reviewed or "").split() if each != CONFLICT]
    return replace(memory, flags=flags, reviewed=" ".join(settled) or None)


def _merged(memory: Memory, mine: Memory) -> Memory:
    """Return what is there with what stays here whoever writes."""
    same = memory.content_hash == mine.content_hash
    after = flagged(
        replace(
            memory,
            source=replace(memory.source, ref=memory.source.ref or _own_ref(mine)),
            audience=mine.audience,
            pinned=mine.pinned,
            confidence=mine.confidence,
            flags=mine.flags,
            reviewed=mine.reviewed,
        )
    )
    return replace(after, reviewed=seen_still(mine, after) if same else still_reviewed(mine))


def _own_ref(mine: Memory) -> str:
    """Return the file here that a memory came from: no remote was ever told of it."""
    ref = mine.source.ref
    return "" if ref.startswith(("https://", "http://")) else ref
