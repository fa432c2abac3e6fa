"""One change to another model: each memory embedded beside the vectors in use, then one step."""

from __future__ import annotations

import math
import threading
import time
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

from memdesk.errors import Busy, MemdeskError, ModelError
from memdesk.service import indexing
from memdesk.service.core import MAINTENANCE
from memdesk.service.duties import at_usual_priority

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memdesk.embedder import Embedding
    from memdesk.memory import Memory
    from memdesk.passages import Embedded, Passage
    from memdesk.service.core import Core
    from memdesk.store import Beside, PassageRow, Store

    Progress = Callable[[int, int], None] | None
    _Cut = list[tuple[Memory, list[Passage]]]

_BATCH = 256
"""About how many passages are embedded before they are put on the disk."""
_AT_A_TIME = 8
"""Passages that are embedded before requests get their turn."""
_SPAN = 20_000
"""Revisions that are looked through at once for what the coming model has not embedded."""
_FEW = 32
"""Memories that may be left for when the lock is held."""
_ROUNDS = 6
"""How often what others write meanwhile is embedded first; then its words have to do for now."""
_TURN = 2.0
"""Seconds that it waits for maintenance to end before it asks again."""
_EMBEDDED_UNDER_LOCK = 0.05
"""Seconds of embedding for which others wait at the end; what is left is embedded soon after."""


class Switch:
    """One change to another model, as this process makes it or waits for it."""

    def __init__(self, core: Core, embedder: Embedding) -> None:
        """Begin, or go on with, a change to a model that is loaded."""
        self.done = self.total = 0
        """Memories that are embedded, of how many."""
        self.ended = threading.Event()
        self.error: MemdeskError | None = None
        self.held = 0.0
        """Seconds for which the lock was held at the end."""
        self.embedder = embedder
        self.fingerprint = embedder.spec.fingerprint
        self._core = core
        self._turn_ends = math.inf
        self._beside: Beside | None = None
        self._until = 0
        """The sequence number up to which every memory is embedded."""
        self._first = 0
        """The one up to which memories were there when this process began."""
        self._near = False
        """Whether only a few are left, which whoever writes all the time leaves for ever."""
        self._settled = False
        self._rounds = 0
        core.coming, core.switch_trouble = embedder, ""

    def end(self, error: MemdeskError | None = None) -> None:
        """Make no more of it; whoever waits hears of it."""
        if self.ended.is_set():
            return
        self.error = error
        if self._beside:
            self._beside.close()
        core = self._core
        if core.coming is self.embedder and error:
            core.coming = None
            self.embedder.close()
        if core.switch is self:
            core.switch = None
            core.switch_trouble = str(error) if error and core.store().stamp.coming else ""
        self.ended.set()

    def outcome(self, progress: Progress) -> int:
        """Return the number of memories; raises what went wrong."""
        if self.error:
            raise self.error
        if progress:
            progress(self.total, self.total)
        return self.total

    def look(self) -> None:
        """See whether another process has made an end of it."""
        from memdesk.store import searchable

        stamp = self._core.store().stamp
        if stamp.fingerprint == self.fingerprint:
            self.total = self.done = searchable(self._core.store())
            self.end()
        elif stamp.coming != self.embedder.spec.name:
            self.end(ModelError("the change to another model was given up"))

    def work(self, go_on: Callable[[], bool], until: float = math.inf) -> bool:
        """Do some of the work; True when nothing is left to do.

        `go_on` is asked between parts and may wait; False ends this piece of work, and so does the
        moment `until`, as soon as what was begun is on the disk. Raises `Busy`.
        """
        self._turn_ends = until
        try:
            self.look()
            if not self.ended.is_set():
                self._work(go_on)
        except Busy:
            raise
        except MemdeskError as error:
            self.look()  # its table may have been dropped under our hands
            self.end(error)
        return self.ended.is_set()

    def _work(self, go_on: Callable[[], bool]) -> None:
        beside = self._beside
        if beside is None or not beside.is_wanted(self._core.store()):
            beside = at_usual_priority(self._open)
        if not go_on():
            return
        head = self._core.store().refresh().seq
        if self._until < head and not self._near:
            self._bring_in_line(beside, head, go_on)
        elif not self._settled:
            with self._core.alone(MAINTENANCE, _TURN) as alone:
                if alone:  # else it asks again: both write what maintenance knows
                    beside.settle()
                    self._settled, self._near, self._rounds = True, False, 0
        else:
            beside.flush()
            at_usual_priority(partial(self._take, beside))

    def _open(self) -> Beside:
        from memdesk.store import Beside, searchable, wish

        core, spec = self._core, self.embedder.spec
        with core.locked():
            store = core.store()
            if store.stamp.coming == spec.name:  # perhaps by a memdesk that made other passages
                wish(store, spec.name, spec.fingerprint)
            self._beside = Beside(store, spec.name, spec.fingerprint, spec.dims)
        self._until, self._near, self._settled, self._rounds = 0, False, False, 0
        self._first = store.refresh().seq
        self.total = searchable(store)
        self.done = min(self._beside.count(), self.total)
        return self._beside

    # Bringing the coming table in line

    def _bring_in_line(self, beside: Beside, head: int, go_on: Callable[[], bool]) -> None:
        """Embed some of what changed up to a sequence number, as far as it may go on."""
        until = min(head, self._until + _SPAN)
        ids = beside.differing(self._until, until, erased=self._until >= self._first)
        for start in range(0, len(ids), _BATCH):
            store = self._core.store()
            seen = store.refresh().seq
            for cut in _batches(store, ids[start : start + _BATCH]):
                if not self._embed(beside, cut, seen, go_on):
                    return
        self._until = until
        if until == head:
            self._rounds += 1
            self._near = len(ids) <= _FEW or self._rounds > _ROUNDS

    def _embed(self, beside: Beside, cut: _Cut, seen: int, go_on: Callable[[], bool]) -> bool:
        vectors: list[Embedded] | None = []
        if self._settled and self._rounds > _ROUNDS:
            vectors = None
        else:
            texts = [indexing.meaning(memory, each) for memory, found in cut for each in found]
            vectors = self._vectors(texts, go_on)
            if len(vectors) < len(texts):
                return False
        at_usual_priority(partial(self._put, beside, cut, vectors, seen))
        beside.flush()
        self.done = min(self.done + len(cut), self.total)
        self._core.maintain_if_due()
        return go_on() and time.monotonic() < self._turn_ends

    def _vectors(self, texts: Sequence[str], go_on: Callable[[], bool]) -> list[Embedded]:
        """Return the vectors of texts; only those of the first ones when it may not go on."""
        at_a_time = _AT_A_TIME if self._core.background else _BATCH
        made: list[Embedded] = []
        for start in range(0, len(texts), at_a_time):
            if start and not go_on():
                break
            made += self.embedder.read_documents(texts[start : start + at_a_time])
        dims = self.embedder.spec.dims
        if made and len(made[0].vector) != dims:
            raise ModelError(f"the model gave vectors of {len(made[0].vector)} numbers, not {dims}")
        return made

    def _put(self, beside: Beside, cut: _Cut, vectors: list[Embedded] | None, seen: int) -> None:
        """Write passages, but for those of memories that have changed since a sequence number."""
        with self._core.locked():
            store = self._core.store()
            if not beside.is_wanted(store):
                return  # the next look says so
            changed = store.changed_since(seen) if store.refresh().seq > seen else {}
            rows: list[PassageRow] = []
            for (memory, found), made in zip(cut, _dealt(cut, vectors), strict=True):
                if memory.id not in changed:
                    rows += indexing.rows(memory, found, made)
            beside.put(rows, [memory.id for memory, _ in cut])

    # The end

    def _take(self, beside: Beside) -> None:
        """Bring in the last few under the lock, and make the coming vectors the ones in use."""
        from memdesk.store import searchable

        core = self._core
        with core.locked():
            begun = time.monotonic()
            store = core.store()
            if not beside.is_wanted(store):
                return
            ids = beside.differing(self._until, store.refresh().seq, erased=True)
            if len(ids) > _FEW and self._rounds <= 2 * _ROUNDS:
                self._near = False
                return  # another round
            waiting = self._bring_in_last(beside, store, ids)
            beside.flush()
            beside.take(store)
            self.held = time.monotonic() - begun
        self.total = self.done = searchable(core.store())
        self.end()
        core.changes.tell()
        if waiting:
            indexing.embed_in_background(core)
        core.maintain_soon()

    def _bring_in_last(self, beside: Beside, store: Store, ids: list[str]) -> bool:
        """Put in what has changed in the last moment; tell whether vectors are left to be made."""
        cut = [each for batch in _batches(store, ids) for each in batch]
        until = time.monotonic() + _EMBEDDED_UNDER_LOCK
        rows: list[PassageRow] = []
        for memory, found in cut:
            made: list[Embedded] = []
            for passage in found:
                if time.monotonic() > until:
                    break
                made += self.embedder.read_documents([indexing.meaning(memory, passage)])
            rows += indexing.rows(memory, found, made)
        if ids:
            beside.put(rows, ids)
        return any(row.embedded is None for row in rows)


def _batches(store: Store, ids: Sequence[str]) -> list[_Cut]:
    """Return memories with their passages, in batches; those that were erased have none."""
    known = store.get(ids)
    cut = [(known[id], indexing.passages(known[id])) for id in ids if id in known]
    cut = [(memory, found if memory.text else []) for memory, found in cut]
    ends = [max(0, end - 1) // _BATCH for end in accumulate(len(found) for _, found in cut)]
    batches: list[_Cut] = []
    before = -1
    for number, each in zip(ends, cut, strict=True):
        if number != before:
            batches.append([])
        batches[-1].append(each)
        before = number
    return batches


def _dealt(cut: _Cut, vectors: list[Embedded] | None) -> list[list[Embedded] | None]:
    """Return each memory's share of vectors that were made for all of them in a row."""
    if vectors is None:
        return [None] * len(cut)
    ends = list(accumulate(len(found) for _, found in cut))
    return [vectors[end - len(found) : end] for (_, found), end in zip(cut, ends, strict=True)]
