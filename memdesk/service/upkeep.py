"""Duties that need the rules about memories: expiry, the trash, another model, maintenance."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from memdesk.errors import Invalid, NotFound
from memdesk.lock import WriterLock
from memdesk.memory import LIVE, REPLACED, TRASHED, now
from memdesk.service import backups, copying, dating, erasing, indexing, points, writing
from memdesk.service.core import MAINTENANCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from memdesk.service.core import Core

log = logging.getLogger(__name__)

TRASH_DAYS = 30
TOMBSTONE_DAYS = 365
HISTORY_DAYS = 365
"""Earlier revisions are kept for a year after they were replaced, as long as a tombstone: what one
looks back at is this year and the same season of the last."""
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
            if due or _embed(core):
                idle_since = time.monotonic()
        return True


def _maintain_once(core: Core, keep_seconds: float) -> None:
    from memdesk.store import VERSION, whole_check_due
    from memdesk.store import maintain as keep_up
    from memdesk.store.ballast import make_room

    make_room(core.home)
    store = core.store()
    if store.stamp.is_of_older(VERSION):
        with core.writing(MAINTENANCE):  # says whose files these are from now on
            store = core.store()
    if sure := dating.believed(core.home, now()):
        _drop_old(core, sure)
    until = store.refresh().seq
    whole = whole_check_due(store)
    indexing.mend(core, whole=whole)
    _embed(core)
    if core.closing.is_set():
        return  # what was not looked at must not be noted as whole
    points.tidy(core, sure)
    copying.sweep(core)
    keep_up(
        core.store(),
        core.locked,
        indexed=until,
        whole=whole,
        keep_seconds=keep_seconds,
        scrubbed=lambda: copying.sweep(core) and points.scrub(core, asked=True),
    )
    points.scrub(core, asked=False)
    points.tidy(core, sure)  # what was rewritten shares no file with the store any more


def _embed(core: Core) -> int:
    """Embed what waits, until somebody wants to put another store in this one's place."""
    restoring = WriterLock(core.home / f"{copying.LOCK}.lock", copying.LOCK)
    return indexing.embed_quietly(core, lambda: not restoring.held())


def _if_still_due(verb: Callable[..., object], *arguments: object) -> None:
    """Do a duty; what somebody changed since it was found due is left for the next round."""
    try:
        verb(*arguments)
    except (Invalid, NotFound) as error:
        log.info("a duty of maintenance waits: %s", error)


def _drop_old(core: Core, at: datetime) -> None:
    """Drop for good what was there for too long at a moment, and put away what had expired."""
    from memdesk.store import lapsed

    trash = lapsed(core.store(), TRASHED, before=at - timedelta(days=TRASH_DAYS))
    for ids in _chunks(trash):
        _if_still_due(erasing.purge, core, ids, MAINTENANCE, None)
    # A backup brings back what was purged since, but for the tombstones.
    backed_up = [datetime.fromisoformat(each.at) for each in backups.recorded(core.home)]
    _drop_tombstones(core, min([at - timedelta(days=TOMBSTONE_DAYS), *backed_up]))
    _drop_revisions(core, at - timedelta(days=HISTORY_DAYS))
    for ids in _chunks(lapsed(core.store(), LIVE, expired=at)):
        _if_still_due(writing.trash_expired, core, ids, MAINTENANCE, at)


def _drop_tombstones(core: Core, before: datetime) -> None:
    from memdesk.service.syncing import acknowledged
    from memdesk.store import drop_tombstones, old_tombstones

    until = acknowledged(core)
    if old_tombstones(core.store(), before, until):
        with core.writing(MAINTENANCE) as write:
            drop_tombstones(write.store, before, until)


def _drop_revisions(core: Core, before: datetime) -> None:
    from memdesk.store import drop_revisions, old_revisions

    if old_revisions(core.store(), before):
        with core.writing(MAINTENANCE) as write:
            drop_revisions(write.store, before)


def _chunks(ids: list[str]) -> list[list[str]]:
    size = writing.MAX_IDS
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def reindex(core: Core, progress: Callable[[int, int], None] | None) -> int:
    """Build what search reads anew from the memories; return how many there are."""
    points.before(core, "reindex")
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
