"""Duties that need the rules about memories: expiry, the trash, another model, maintenance."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from memdesk.errors import Busy, Invalid, ModelError, NotFound
from memdesk.limits import check, left
from memdesk.memory import LIVE, REPLACED, TRASHED, now
from memdesk.service import erasing, indexing, writing
from memdesk.service.core import MAINTENANCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from memdesk.catalog import ModelSpec
    from memdesk.embedder import Embedding
    from memdesk.memory import Memory
    from memdesk.service.core import Core
    from memdesk.store import Store

log = logging.getLogger(__name__)

TRASH_DAYS = 30
TOMBSTONE_DAYS = 365
_POLL_SECONDS = 0.5


def maintain(core: Core, keep_seconds: float, linger_seconds: float) -> bool:
    """Do what is due: expiry, old trash, the search index, then the tables themselves.

    Stays for `linger_seconds` after the last round, so that a burst of saves has one child beside
    it and not one after the other. False when another process is at it.
    """
    from memdesk.store import maintenance_due

    with core.alone(MAINTENANCE) as alone:
        if not alone:
            return False
        _maintain_once(core, keep_seconds)
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < linger_seconds and not core.closing.wait(
            _POLL_SECONDS
        ):
            due = maintenance_due(core.store())
            if due:
                _maintain_once(core, keep_seconds)
            if due or indexing.embed_quietly(core):
                idle_since = time.monotonic()
        return True


def _maintain_once(core: Core, keep_seconds: float) -> None:
    from memdesk.store import lapsed, whole_check_due
    from memdesk.store import maintain as keep_up

    store = core.store()
    at = now()
    for ids in _chunks(lapsed(store, TRASHED, before=at - timedelta(days=TRASH_DAYS))):
        _if_still_due(erasing.purge, core, ids, MAINTENANCE, None)
    for ids in _chunks(lapsed(store, LIVE, expired=at)):
        _if_still_due(writing.trash_expired, core, ids, MAINTENANCE, at)
    _drop_tombstones(core, before_days=TOMBSTONE_DAYS)
    until = store.refresh().seq
    whole = whole_check_due(store)
    indexing.mend(core, whole=whole)
    indexing.embed_quietly(core)
    keep_up(core.store(), core.locked, indexed=until, whole=whole, keep_seconds=keep_seconds)


def _if_still_due(verb: Callable[..., object], *arguments: object) -> None:
    """Do a duty; what somebody changed since it was found due is left for the next round."""
    try:
        verb(*arguments)
    except (Invalid, NotFound) as error:
        log.info("a duty of maintenance waits: %s", error)


def _drop_tombstones(core: Core, before_days: int) -> None:
    from memdesk.store import drop_tombstones, old_tombstones

    before = now() - timedelta(days=before_days)
    if old_tombstones(core.store(), before):
        with core.writing(MAINTENANCE) as write:
            drop_tombstones(write.store, before)


def _chunks(ids: list[str]) -> list[list[str]]:
    size = writing.MAX_IDS
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def use_model(core: Core, spec: ModelSpec, progress: Callable[[int, int], None] | None) -> int:
    """Embed everything with another model beside the present vectors, then switch to it.

    Searches use the old vectors until the switch; a failure before it changes nothing. Returns the
    number of memories. Raises `ModelError`.
    """
    if core.models is None:
        raise ModelError("this desk was opened without a catalogue of models")
    embedder = core.models(spec.name)
    embedder.load()
    wait = left(core.wait)
    with core.alone(MAINTENANCE, wait) as alone:
        if not alone:
            raise Busy("maintenance", wait)
        store = core.store()
        if store.stamp.fingerprint == embedder.spec.fingerprint:
            return 0
        return _switch(core, store, embedder, progress)


def _switch(
    core: Core, store: Store, embedder: Embedding, progress: Callable[[int, int], None] | None
) -> int:
    spec = embedder.spec
    beside = _beside(store, spec)
    total = sum(store.counts("state").get(state, 0) for state in (LIVE, TRASHED, REPLACED))
    done = 0
    for batch in store.every((LIVE, TRASHED, REPLACED)):
        check()
        _index_with(embedder, beside, batch)
        done += len(batch)
        if progress:
            progress(done, total)
    with core.writing("model") as write:
        beside.refresh()
        missing, stale = beside.unindexed(0)
        changed = [memory for memory in beside.get({*missing, *stale}).values() if memory.text]
        beside.unindex(set(stale) - {memory.id for memory in changed})
        _index_with(embedder, beside, changed)
        beside.switch_to(write.store.stamp.of_model(spec.name, spec.fingerprint, spec.dims))
    return done


def _beside(store: Store, spec: ModelSpec) -> Store:
    """Return the same store with an empty passages table for another model."""
    from memdesk.store import store_for_model

    return store_for_model(store, spec.name, spec.fingerprint, spec.dims)


def _index_with(embedder: Embedding, beside: Store, memories: list[Memory]) -> None:
    cut = [(memory, indexing.passages(memory)) for memory in memories]
    texts = [indexing.meaning(memory, passage) for memory, found in cut for passage in found]
    if not texts:
        return
    vectors = embedder.read_documents(texts)
    if len(vectors[0].vector) != beside.stamp.dims:
        raise ModelError(
            f"the model gave vectors of {len(vectors[0].vector)} numbers, not {beside.stamp.dims}"
        )
    rows = []
    start = 0
    for memory, found in cut:
        rows += indexing.rows(memory, found, vectors[start : start + len(found)])
        start += len(found)
    beside.index(rows, replaced=[memory.id for memory in memories])


def reindex(core: Core, progress: Callable[[int, int], None] | None) -> int:
    """Build what search reads anew from the memories; return how many there are."""
    try:
        return _reindex(core, progress)
    finally:  # whatever came of it, what has lost its vectors gets them back
        indexing.embed_in_background(core)


def _reindex(core: Core, progress: Callable[[int, int], None] | None) -> int:
    store = core.store()
    total = sum(store.counts("state").get(state, 0) for state in (LIVE, TRASHED, REPLACED))
    done = 0
    for batch in store.every((LIVE, TRASHED, REPLACED)):
        with core.writing("reindex") as write:
            present = write.store.get([memory.id for memory in batch])
            indexing.rebuild(write.store, [m for m in present.values() if m.text])
        done += len(batch)
        if progress:
            progress(done, total)
    return done
