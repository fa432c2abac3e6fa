"""The duty that looks for what the Inbox shows: memories alike or at odds, and flags that are missing."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from memdesk.errors import StoreError
from memdesk.likeness import contradicts, repeats
from memdesk.memory import LIVE, now
from memdesk.service import indexing
from memdesk.service.core import MAINTENANCE
from memdesk.service.drafting import flagged
from memdesk.service.duties import REVIEWING
from memdesk.service.writing import rewrite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from memdesk.memory import Memory
    from memdesk.service.core import Core

FILE = "inbox.json"
DUPLICATE, CONTRADICTION = "duplicate", "contradiction"
_RULES = 1
"""Rises when other pairs would be found: what was found by other rules is looked for anew."""
_DUPLICATE = 0.95
_CONTRADICTION = 0.80
"""The least cosines of such pairs."""
_NEIGHBOURS = 8
_AT_ONCE = 16
"""Memories that are looked at before requests get their turn: some hundredths of a second's work."""
_SAVED_EVERY = 1024


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
    pairs: dict[tuple[str, str], Pair] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    """Memories whose vectors were not there yet."""

    def forget(self, ids: Iterable[str]) -> None:
        """Drop what was found about memories."""
        gone = set(ids)
        self.waiting -= gone
        self.pairs = {key: each for key, each in self.pairs.items() if gone.isdisjoint(key)}

    def add(self, pair: Pair) -> None:
        """Keep a pair."""
        self.pairs[pair.newer, pair.older] = pair


def text_of(memory: Memory) -> str:
    """Return a few digits that change with a memory's text, and do not give it away."""
    return memory.content_hash[:8]


def texts_of(newer: Memory, older: Memory) -> str:
    """Return a few digits that change with either text."""
    return f"{text_of(newer)}:{text_of(older)}"


def read(core: Core) -> Looked:
    """Return what was found so far; nothing where the file is missing, or of other vectors."""
    try:
        told = json.loads((core.home / FILE).read_text(encoding="utf-8"))
        if told["of"] != _of(core):
            return Looked()
        found = Looked(int(told["seq"]), waiting={str(id) for id in told["waiting"]})
        for each in told["pairs"]:
            found.add(Pair(**each))
    except (OSError, ValueError, LookupError, TypeError):
        return Looked()
    return found


def _write(core: Core, looked: Looked) -> None:
    from memdesk.store.durable import write_json

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


def _of(core: Core) -> list[object]:
    stamp = core.store().stamp
    return [_RULES, stamp.epoch, stamp.passages]


def opened(core: Core) -> None:
    """What is due when a store has been opened, and after each write to it."""
    indexing.opened(core)
    core.on_write = review_in_background
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
        looked = read(core)
        batch = [*sorted(looked.waiting), *core.store().changed_since(looked.seq)]
        found_any = bool(batch)
        if len(batch) > _AT_ONCE:
            core.keep()  # else each memory is compared with vectors read from the disk
        while batch and _look_at(core, looked, batch, go_on):
            batch = core.store().changed_since(looked.seq)
        if found_any:
            _write(core, looked)


def _look_at(core: Core, looked: Looked, batch: Sequence[str], go_on: Callable[[], bool]) -> bool:
    """Look at memories in the order they changed in; False when the work is to end."""
    for start in range(0, len(batch), _AT_ONCE):
        if core.closing.is_set() or not go_on():
            return False
        ids = batch[start : start + _AT_ONCE]
        present = core.store().get(ids)
        looked.forget(ids)
        live = [each for each in present.values() if _live(each)]
        _pair_up(core, looked, [each for each in live if each.session is None])
        _flag(core, live)
        looked.seq = max([looked.seq, *(each.seq for each in present.values())])
        if (start // _AT_ONCE + 1) * _AT_ONCE % _SAVED_EVERY == 0:
            _write(core, looked)
    return True


def _live(memory: Memory) -> bool:
    return memory.state == LIVE and (memory.expires_at is None or memory.expires_at > now())


def _flag(core: Core, memories: Sequence[Memory]) -> None:
    """Flag what was written before there were flags, or came by another way than a draft."""
    wanted = [memory.id for memory in memories if flagged(memory) != memory]
    if not wanted:
        return
    with core.writing(MAINTENANCE) as write:
        present = [each for each in write.store.get(wanted).values() if each.state == LIVE]
        rewrite(core, write, [(each, flagged(each)) for each in present])


def _pair_up(core: Core, looked: Looked, memories: Sequence[Memory]) -> None:
    """Find what each memory is alike to or at odds with; no turn is, that tells what was said once."""
    if not memories:
        return
    store = core.store()
    near = store.near([each.seq for each in memories], _CONTRADICTION, _NEIGHBOURS)
    if core.embedder:
        looked.waiting |= {each.id for each in memories if each.id not in near}
    others = store.get({id for found in near.values() for id, _ in found})
    for memory in memories:
        for id, cosine in near.get(memory.id, ()):
            pair = pair_of(memory, others[id], cosine) if id in others else None
            if pair:
                looked.add(pair)


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
