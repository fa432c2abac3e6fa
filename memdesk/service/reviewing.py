"""The duty that looks for what the Inbox shows: memories alike or at odds, and flags that are missing."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from memdesk.errors import StoreError
from memdesk.likeness import contradicts, repeats
from memdesk.memory import LIVE, now
from memdesk.service import indexing
from memdesk.service.core import MAINTENANCE
from memdesk.service.drafting import flagged
from memdesk.service.duties import REVIEWING, at_usual_priority
from memdesk.service.writing import rewrite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from memdesk.memory import Memory
    from memdesk.service.core import Core
    from memdesk.store import Store

FILE = "inbox.json"
DUPLICATE, CONTRADICTION = "duplicate", "contradiction"
_RULES = 2
"""Rises when other pairs would be found: what was found by other rules is looked for anew."""
_DUPLICATE = 0.95
_CONTRADICTION = 0.80
"""The least cosines of such pairs."""
_NEIGHBOURS = 8
_HANDFUL = 5
"""A memory that pairs with more others is one of a series, such as the reports of a nightly build."""
_AT_ONCE = 512
"""Memories that are compared with all others in one sweep over the vectors."""
_A_PART = 16
"""Memories that are looked at before requests get their turn: some hundredths of a second's work."""
_WITHOUT_VECTOR = "embedded = false AND ordinal <= 0"
_PATIENCE = 1.0
"""Seconds that a purge waits for a look to end."""
_SAVED_EVERY = 1.0
"""Seconds of a long look after which what was found is shown."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two memories that are alike or at odds."""

    newer: str
    older: str
    kind: str
    """`DUPLICATE` or `CONTRADICTION`."""
    cosine: float
    texts: str
    """What their texts were, in `texts_of`: a pair of other texts is another pair."""


@dataclass
class Looked:
    """How far the memories were looked at, and what was found: derived, and made anew when lost."""

    seq: int = 0
    pairs: dict[str, Pair] = field(default_factory=dict)
    """By its newer memory the pair with the nearest of the older ones."""
    waiting: set[str] = field(default_factory=set)
    """Memories to be looked at once more: their vectors were not there yet, or their pair is gone."""

    def copy(self) -> Looked:
        """Return one that may be changed."""
        return Looked(self.seq, dict(self.pairs), set(self.waiting))

    def forget(self, ids: set[str]) -> set[str]:
        """Drop what was found about memories; return the others that lose their pair."""
        gone = [
            each for each in self.pairs.values() if not ids.isdisjoint((each.newer, each.older))
        ]
        for each in gone:
            del self.pairs[each.newer]
        return {each.newer for each in gone} - ids

    def add(self, found: Sequence[Pair]) -> None:
        """Take in the pairs that one memory makes: each newer one keeps the nearest.

        Those of a series are none, nor what was found of it while it was shorter.
        """
        if len(found) > _HANDFUL:
            series = {id for pair in found for id in (pair.newer, pair.older)}
            for id in series & self.pairs.keys():
                if self.pairs[id].older in series:
                    del self.pairs[id]
            return
        for pair in found:
            known = self.pairs.get(pair.newer)
            if known is None or pair.cosine > known.cosine:
                self.pairs[pair.newer] = pair


def text_of(memory: Memory) -> str:
    """Return a few digits that change with a memory's text, and do not give it away."""
    return memory.content_hash[:8]


def texts_of(newer: Memory, older: Memory) -> str:
    """Return a few digits that change with either text."""
    return f"{text_of(newer)}:{text_of(older)}"


def read(core: Core) -> Looked:
    """Return what was found so far, not to be changed; nothing where the file is missing, or of other vectors."""
    path = core.home / FILE
    try:
        told = path.stat()
    except OSError:
        return Looked()
    return _read(path, (told.st_ino, told.st_mtime_ns, told.st_size), _of(core))


@lru_cache(maxsize=2)
def _read(path: Path, _: tuple[int, int, int], of: tuple[object, ...]) -> Looked:
    """Return what a file holds; it is replaced and never changed, so that its numbers tell it."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["of"] != [*of]:
            return Looked()
        pairs = [Pair(**each) for each in told["pairs"]]
        return Looked(
            int(told["seq"]),
            {each.newer: each for each in pairs},
            {str(id) for id in told["waiting"]},
        )
    except (OSError, ValueError, LookupError, TypeError):
        return Looked()


def forget(core: Core, ids: Sequence[str]) -> None:
    """Drop from the disk what was found about memories; a look that goes on now does so itself."""
    with core.alone("inbox", _PATIENCE) as alone:
        if alone and (core.home / FILE).exists():
            looked = read(core).copy()
            looked.waiting |= looked.forget(set(ids))
            _write(core, looked)
    review_in_background(core)  # a look that was due meanwhile has found somebody at it


def _write(core: Core, looked: Looked) -> None:
    """Keep what was found, unless it is kept so already; wake who waits for what is new to them."""
    from memdesk.disk import write_json

    kept = read(core)
    if looked == kept:
        return
    value = {
        "of": _of(core),
        "seq": looked.seq,
        "waiting": sorted(looked.waiting),
        "pairs": [asdict(pair) for pair in looked.pairs.values()],
    }
    try:
        write_json(core.home / FILE, value)
    except OSError as error:
        raise StoreError(f"cannot write {core.home / FILE}: {error.strerror or error}") from error
    if looked.pairs != kept.pairs:
        core.changes.tell()


def _of(core: Core) -> tuple[object, ...]:
    stamp = core.store().stamp
    return _RULES, stamp.epoch, stamp.passages


def opened(core: Core, store: Store) -> None:
    """What is due when a store has been opened."""
    indexing.opened(core, store)
    review_in_background(core)


def review_in_background(core: Core) -> None:
    """Have what has changed looked at beside the calls of this process."""
    if core.background:
        core.duties.run(REVIEWING, lambda: look(core, lambda: core.duties.step(REVIEWING)))


def look(core: Core, go_on: Callable[[], bool]) -> None:
    """Look at every memory that has changed since the last look; one process at a time.

    `go_on` is asked every few memories and may wait; False ends the work.
    """
    with core.alone("inbox") as alone:
        if not alone:
            return
        look = _Look(core, go_on)
        try:
            look.at_all()
        finally:
            look.save()


class _Look:
    """One look at what has changed, in parts between which requests get their turn."""

    def __init__(self, core: Core, go_on: Callable[[], bool]) -> None:
        """Go on from what was found so far while `go_on` says so."""
        self.looked = read(core).copy()
        self._core = core
        self._goes_on = go_on
        self._head = 0
        self._tried: set[str] = set()
        self._saved = time.monotonic()
        self._of = _of(core)

    def save(self) -> None:
        """Keep what was found, unless the store has changed to other vectors meanwhile."""
        if _of(self._core) == self._of:
            _write(self._core, self.looked)
        self._saved = time.monotonic()

    def _go_on(self) -> bool:
        going = not self._core.closing.is_set() and self._goes_on()
        return going and _of(self._core) == self._of

    def at_all(self) -> None:
        """Look until nothing has changed since."""
        going = True
        while going and (batch := self._due()):
            for start in range(0, len(batch), _AT_ONCE):
                going = going and self._at(batch[start : start + _AT_ONCE])

    def _due(self) -> list[str]:
        """Return what is to be looked at, in the order it changed in; what has waited, once."""
        core, waiting = self._core, self.looked.waiting - self._tried
        if waiting:
            rows = core.store().passages.rows(_WITHOUT_VECTOR, columns=["memory"])
            waiting.difference_update(rows.column("memory").to_pylist())
        self._tried |= waiting
        changed = core.store().changed_since(self.looked.seq)
        self._head = max(changed.values(), default=0)
        return [*sorted(waiting.difference(changed)), *changed]

    def _at(self, ids: Sequence[str]) -> bool:
        """Look at some memories; False when the work is to end."""
        told = self._told(ids)
        if told is None:
            return False
        seqs, newest = told
        store, looked = self._core.store(), self.looked
        near = store.near(list(seqs.values()), _CONTRADICTION, _NEIGHBOURS, self._go_on)
        if near is None:
            return False
        lost = looked.forget({*ids})
        looked.waiting |= lost
        if not self._pair_up(near):
            return False
        looked.waiting -= {*ids} | {id for id in lost if id in looked.pairs}
        if self._core.embedder:
            looked.waiting |= seqs.keys() - near.keys()
        looked.seq = max(looked.seq, newest)
        if time.monotonic() - self._saved > _SAVED_EVERY:
            self.save()
        return True

    def _told(self, ids: Sequence[str]) -> tuple[dict[str, int], int] | None:
        """Flag memories; return the seqs of those that may pair, and the highest; None at the end."""
        seqs, newest = {}, 0
        for part in _parts(ids):
            if not self._go_on():
                return None
            present = self._core.store().get(part).values()
            # What has changed meanwhile comes again, and tells nothing of those before it.
            seen = (each.seq for each in present if each.seq <= self._head)
            newest = max(newest, *seen, 0)
            live = [each for each in present if _live(each)]
            # What is flagged is another revision, and looked at as such.
            wanted = {each.id for each in live if flagged(each) != each}
            if wanted:
                at_usual_priority(partial(_flag, self._core, wanted))
            lone = (each for each in live if each.session is None and each.id not in wanted)
            seqs.update({each.id: each.seq for each in lone})
        return seqs, newest

    def _pair_up(self, near: Mapping[str, Sequence[tuple[str, float]]]) -> bool:
        """Find what memories are alike to or at odds with; False when the work is to end."""
        for part in _parts([id for id, others in near.items() if others]):
            present = self._core.store().get(
                {*part, *(id for each in part for id, _ in near[each])}
            )
            for each in part:
                if not self._go_on():
                    return False
                pairs = [
                    pair_of(present[each], present[id], cosine)
                    for id, cosine in near[each]
                    if each in present and id in present
                ]
                self.looked.add([pair for pair in pairs if pair])
        return True


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _A_PART] for start in range(0, len(ids), _A_PART))


def _live(memory: Memory) -> bool:
    return memory.state == LIVE and (memory.expires_at is None or memory.expires_at > now())


def _flag(core: Core, ids: Iterable[str]) -> None:
    """Flag what was written before there were flags, or came by another way than a draft."""
    with core.writing(MAINTENANCE) as write:
        present = [each for each in write.store.get(ids).values() if each.state == LIVE]
        rewrite(core, write, [(each, flagged(each)) for each in present])


def pair_of(first: Memory, second: Memory, cosine: float) -> Pair | None:
    """Return what two memories are to each other, or None where that wants nobody's eye.

    What happened at two times, such as two weights of one person, is neither alike nor at odds.
    """
    older, newer = sorted((first, second), key=lambda each: (each.created_at, each.id))
    if not alike(newer, older):
        return None
    if contradicts(newer.text, older.text):
        kind = CONTRADICTION
    elif cosine >= _DUPLICATE and repeats(newer.text, older.text):
        kind = DUPLICATE
    else:
        return None
    return Pair(newer.id, older.id, kind, round(min(cosine, 1.0), 4), texts_of(newer, older))


def alike(newer: Memory, older: Memory) -> bool:
    """Tell whether two memories may be compared: both live, alone, in one space, of one time."""
    both = (newer, older)
    times = {each.happened_at for each in both if each.happened_at is not None}
    together = newer.space == older.space and len(times) < 2  # noqa: PLR2004
    return together and all(_live(each) and each.session is None for each in both)
