"""From memories to what search reads: passages, their words and their vectors."""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memdesk.errors import Busy, MemdeskError, ModelError, StoreError
from memdesk.memory import LIVE, REPLACED, TOMBSTONE, TRASHED
from memdesk.moment import local_time
from memdesk.passages import Passage, asking, head, split
from memdesk.recipe import Recipe
from memdesk.service.core import MAINTENANCE, in_time
from memdesk.service.duties import EMBEDDING, MENDING, at_usual_priority
from memdesk.terms import terms
from memdesk.timewords import tells_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Future

    from memdesk.embedder import Embedding
    from memdesk.memory import Memory
    from memdesk.passages import Embedded, Found
    from memdesk.service.core import Core
    from memdesk.store import PassageRow, Store

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Passages that are embedded inside the call; more follow in the background (DESIGN §2)."""
_RECIPE = Recipe()
_BATCH = 64
_BULK = 256
"""Passages that are embedded before they are written where somebody waits for all of them: so that
neither the writes nor the ends of the calls, when a core has nothing left, take a fiftieth of the time."""
_GIVES_WAY = 10.0
"""How long whoever asks for it waits until the background lets go, in seconds."""
_A_MOMENT = 1.0
"""How long an opening waits for search, in seconds, where that has to be made anew."""
_AT_A_TIME = 8
"""Passages that are embedded before requests get their turn: a third of a second's work."""
_INDEXED = (LIVE, TRASHED, REPLACED)


def passages(memory: Memory, recipe: Recipe = _RECIPE) -> list[Passage]:
    """Return a memory's passages; a long text has one more, its head."""
    spans = split(memory.text) if recipe.passages else [(0, len(memory.text))]
    date = _date_words(memory) if recipe.date_words else ""
    found = [_passage(memory, number, span, date) for number, span in enumerate(spans)]
    if len(found) > 1:
        found.insert(0, Passage(-1, 0, head(memory.text), ""))
    return found


def _passage(memory: Memory, number: int, span: tuple[int, int], date: str) -> Passage:
    text = memory.text[slice(*span)]
    words = " ".join(terms(" ".join((date + text, *memory.tags))))
    return Passage(number, *span, words, asking=asking(text), timed=tells_time(text))


def _date_words(memory: Memory) -> str:
    """Return the date as words, so that a question that names it finds it (RECALL.md, recipe Z 1)."""
    if memory.happened_at is None:
        return ""
    at = local_time(memory.happened_at, memory.utc_offset_min)
    known = {"year": f"{at:%Y}", "month": f"{at:%B %Y}"}
    return f"[{known.get(memory.happened_precision or '', f'{at.day} {at:%B %Y}')}] "


def meaning(memory: Memory, passage: Passage | Found) -> str:
    """Return the text that a passage's vector is of: who speaks, and the words."""
    text = memory.text[passage.start : passage.end]
    return f"{memory.speaker}: {text}" if memory.speaker else text


def rows(
    memory: Memory, found: Sequence[Passage], vectors: Sequence[Embedded | None] | None
) -> list[PassageRow]:
    """Return a memory's passages with the vectors of the first so many; the others wait."""
    from memdesk.store import PassageRow

    known: list[Embedded | None] = [] if vectors is None else list(vectors)
    waiting = [None] * (len(found) - len(known))
    return [
        PassageRow(memory, passage, embedded)
        for passage, embedded in zip(found, [*known, *waiting], strict=True)
    ]


def cut(core: Core, memories: Sequence[Memory]) -> dict[str, list[Passage]]:
    """Return the passages of memories by their ids; erased ones have none."""
    return {each.id: passages(each, core.recipe) for each in memories if each.state != TOMBSTONE}


def rows_of(
    core: Core, memories: Sequence[Memory], known: Mapping[str, list[Passage]]
) -> list[PassageRow]:
    """Return memories' passages, which wait for their vectors; those that are `cut` are taken as they are."""
    return [
        row
        for memory in memories
        if memory.state != TOMBSTONE
        for row in rows(memory, known.get(memory.id) or passages(memory, core.recipe), None)
    ]


@dataclass(frozen=True, slots=True)
class Begun:
    """A memory cut into passages, whose first vectors are on their way."""

    passages: list[Passage]
    coming: Future[list[Embedded] | None]
    fingerprint: str
    """The model that makes the vectors."""

    def rows(self, store: Store, memory: Memory) -> list[PassageRow]:
        """Return the passages to index; those without a vector in time wait for it."""
        vectors = in_time(self.coming)
        # Another process may have switched the store's model since.
        return rows(
            memory, self.passages, vectors if self.fingerprint == store.stamp.fingerprint else None
        )


def begin(core: Core, memory: Memory) -> Begun:
    """Cut a memory into passages and begin to embed the first of them."""
    found = passages(memory, core.recipe)
    texts = [meaning(memory, passage) for passage in found[:AT_ONCE]]
    model = core.fingerprint  # asked for once: the store may change to another model any moment
    return Begun(found, core.vectors(texts, model), model)


def rebuild(store: Store, memories: Sequence[Memory], core: Core | None = None) -> None:
    """Index memories anew; without `core` by their words only, and their vectors follow.

    The caller holds the lock.
    """
    begun = [(memory, begin(core, memory)) for memory in memories] if core else []
    made = [row for memory, each in begun for row in each.rows(store, memory)]
    if core is None:
        made = [row for memory in memories for row in rows(memory, passages(memory), None)]
    store.index(made, replaced=[memory.id for memory in memories])


def put(
    core: Core, store: Store, made: Sequence[PassageRow], *, replaced: Iterable[str] = ()
) -> None:
    """Give memories' passages to search; they are stored already, so a failure is mended later."""
    try:
        store.index(made, replaced=replaced)
    except StoreError as error:
        log.warning("stored, but search will have it only later: %s", error)
        mend_soon(core)


def mend(core: Core, *, whole: bool = False) -> None:
    """Bring what search reads in line with the memories: after a crash, or a lost table."""
    from memdesk.store import indexed_until

    store = core.store()
    since = 0 if whole or not _in_line(core, store) else indexed_until(store)
    missing, stale = store.unindexed(since)
    wanted = sorted({*missing, *stale})
    core.behind = len(wanted) > _BATCH
    for start in range(0, len(wanted), _BATCH):
        if core.closing.is_set():
            return  # the next opening finds what is left, as after a crash
        with core.writing(MAINTENANCE) as write:  # one batch at a time: others write in between
            ids = wanted[start : start + _BATCH]
            kept = [memory for memory in write.store.get(ids).values() if memory.text]
            write.store.unindex(set(ids) - {memory.id for memory in kept})
            _take_over(write.store, kept)
    core.behind = False
    if wanted:
        log.warning("search was behind: %d indexed anew", len(wanted))


def _in_line(core: Core, store: Store) -> bool:
    """Tell whether search has every memory, as far as counting tells.

    A purge or a reindex that a crash cut short has taken memories out that are not new.
    """
    if store.in_line():
        return True
    with core.locked():  # not in the midst of somebody's write
        store.refresh()
        return store.in_line()


def _take_over(store: Store, memories: Sequence[Memory]) -> None:
    """Index memories anew with the vectors that an earlier memdesk's table has of them."""
    from memdesk.store.former import former_vectors

    known = former_vectors(store, memories)
    made = [
        row
        for memory in memories
        for each in passages(memory)
        for row in rows(
            memory,
            [each],
            [known.get((memory.id, memory.seq, each.ordinal, each.start, each.end))],
        )
    ]
    store.index(made, replaced=[memory.id for memory in memories])


def embed_pending(
    core: Core,
    progress: Callable[[int, int], None] | None = None,
    go_on: Callable[[], bool] | None = None,
) -> int:
    """Embed the passages that wait for it; return how many were done.

    One process at a time does this; another returns 0 at once. `go_on` is asked every few passages
    and may wait; False ends the work. Without it somebody waits for all of it. Raises `ModelError`.
    """
    done, most = 0, _BATCH if go_on else _BULK
    with core.alone("embedding", 0.0 if go_on else _GIVES_WAY) as alone:
        total = core.store().passages.count("embedded = false") if alone else 0
        while alone and not core.closing.is_set() and (go_on is None or go_on()):
            batch = core.store().pending(most)
            if not batch:
                break
            heard = _further(progress, done, total) if progress else None
            embedded = _embed_batch(core, batch, go_on, heard)
            if not embedded:
                break  # someone else changed them all meanwhile; the next call sees what is left
            done += embedded
            if progress:
                progress(done, max(total, done))
    return done


def _further(progress: Callable[[int, int], None], done: int, total: int) -> Callable[[int], None]:
    """Return what tells `progress` of a batch after so many passages were done."""
    return lambda more: progress(done + more, max(total, done + more))


def _embed_batch(
    core: Core,
    batch: list[tuple[str, Passage]],
    go_on: Callable[[], bool] | None,
    heard: Callable[[int], None] | None,
) -> int:
    embedder = core.embedder
    if embedder is None:
        raise ModelError(core.trouble or "no embedding model is available")
    store = core.store()
    before = store.get({id for id, _ in batch})
    known = [(before[id], passage) for id, passage in batch if id in before]
    texts = [meaning(memory, passage) for memory, passage in known]
    vectors = _vectors(embedder, texts, go_on, heard)
    ready = [
        (memory, passage, made) for (memory, passage), made in zip(known, vectors, strict=False)
    ]
    gone = {id for id, _ in batch} - set(before)
    of = store.stamp.epoch, embedder.spec.fingerprint
    # Nobody waits for the lock behind a thread that steps behind everybody.
    return at_usual_priority(lambda: _give_vectors(core, ready, gone, of))


def _give_vectors(
    core: Core,
    ready: Sequence[tuple[Memory, Passage, Embedded]],
    gone: Iterable[str],
    of: tuple[str, str],
) -> int:
    """Write the vectors of passages that still wait for them; return how many did.

    `of` is the store's epoch and the model's fingerprint.
    """
    before = {memory.id for memory, _, _ in ready}
    with core.writing("embedding") as write:
        if (write.store.stamp.epoch, write.store.stamp.fingerprint) != of:
            return 0  # the store has switched to another model meanwhile, or was restored
        now = write.store.get(before)
        waiting = {
            (id, passage)
            for id, kept in write.store.passages_of(before).items()
            for passage, vector in kept
            if vector is None
        }
        made = [
            row
            for memory, passage, vector in ready
            if (memory.id, passage) in waiting and now[memory.id].text == memory.text
            for row in rows(now[memory.id], [passage], [vector])
        ]
        if made:
            write.store.embed(made)
        write.store.unindex(gone)
    return len(made)


def _vectors(
    embedder: Embedding,
    texts: list[str],
    go_on: Callable[[], bool] | None,
    heard: Callable[[int], None] | None,
) -> list[Embedded]:
    """Return the vectors of texts; only those of the first ones when `go_on` ends the work."""
    if go_on is None:
        return embedder.read_documents(texts, heard)
    made: list[Embedded] = []
    for start in range(0, len(texts), _AT_A_TIME):
        if start and not go_on():
            break
        made += embedder.read_documents(texts[start : start + _AT_A_TIME])
    return made


def embed_in_background(core: Core) -> None:
    """Let the passages that wait be embedded beside the calls of this process."""
    if core.background:
        core.duties.run(EMBEDDING, lambda: _embed_duty(core))


def _embed_duty(core: Core) -> None:
    embed_pending(core, go_on=lambda: not core.hurried and core.duties.step(EMBEDDING))


def embed_now(core: Core, progress: Callable[[int, int], None] | None = None) -> int:
    """Embed what waits while somebody waits for it; return how many were done. Raises `ModelError`.

    The background gives way meanwhile, and goes on where this ends too soon.
    """
    core.hurried += 1
    try:
        return embed_pending(core, progress)
    finally:
        core.hurried -= 1
        if core.store().pending(1):
            embed_in_background(core)


def embed_quietly(core: Core, go_on: Callable[[], bool] | None = None) -> int:
    """Embed what waits, if the model can; return how many passages that were. See `embed_pending`."""
    try:
        return embed_pending(core, go_on=go_on)
    except MemdeskError as error:
        log.warning("passages still wait for their embedding: %s", error)
        return 0


def opened(core: Core, store: Store) -> None:
    """What is due when a store has been opened: mend the index, embed what waits."""
    if store.repaired:  # what search reads may be empty, and whoever has opened it asks something
        _begin_to_mend(core, store)
    mend_soon(core)


def _begin_to_mend(core: Core, store: Store) -> None:
    """Give search as many memories as fit into a moment: all of a small store, by their words."""
    ends = time.monotonic() + _A_MOMENT
    with contextlib.suppress(Busy, StoreError), core.lock.hold(_A_MOMENT):
        store.refresh()
        missing, _ = store.unindexed(0)
        core.behind = bool(missing)
        for start in range(0, len(missing), _BATCH):
            if time.monotonic() > ends:
                return
            _take_over(store, list(store.get(missing[start : start + _BATCH]).values()))
        core.behind = False


def mend_soon(core: Core) -> None:
    """Have search brought in line with the memories, and what waits embedded."""
    core.duties.run(MENDING, lambda: _settle(core))


def _settle(core: Core) -> None:
    mend(core)
    if core.embedder and core.store().pending(1):
        embed_in_background(core)
