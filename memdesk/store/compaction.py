"""Compacting a table and removing its old versions: the new one is on the disk before they go."""

from __future__ import annotations

import logging
import time
import warnings
from datetime import timedelta
from typing import TYPE_CHECKING

from memdesk.store import ballast
from memdesk.store.manifest import manifests
from memdesk.store.table import LOOP

if TYPE_CHECKING:
    from memdesk.store.table import Table

log = logging.getLogger(__name__)

_TRIES = 3
_FOR_EVER = 36_500 * 86_400.0


def renew(table: Table, keep_seconds: float, *, alone: bool = False) -> None:
    """Compact a table and remove versions older than so many seconds, but never the last safe one.

    LanceDB removes them in the same breath as it compacts, before anything could be flushed. What
    is younger than half of what is kept stays for certain. See `compact` for `alone`.
    """
    newest = next(iter(manifests(table.path)), None)
    if newest is None or not 0 <= time.time() - newest.stat().st_mtime < keep_seconds / 2:
        _pack(table)
    compact(table, keep_seconds, alone=alone)


def _pack(table: Table) -> None:
    """Compact a table until that changes it no more, remove nothing, and put it on the disk."""
    for _ in range(_TRIES):
        before = table.version
        compact(table, _FOR_EVER)
        table.flush(always=True)
        if table.version == before:
            return


def compact(table: Table, keep_seconds: float, *, alone: bool = False) -> None:
    """Compact a table, bring its indexes up to date and remove old versions, as LanceDB does it.

    Writers win every conflict with it, and then it is left for the next time. Who is `alone`, with
    no writer beside, also removes the files that no version has: LanceDB leaves them for a week.
    """
    for attempt in range(_TRIES):
        table.refresh()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # it warns of a margin of 0
                keep = timedelta(seconds=keep_seconds)
                LOOP.run(table.lance.optimize(cleanup_older_than=keep, delete_unverified=alone))
        except RuntimeError as error:
            if not _worth_another(table, str(error)) or attempt == _TRIES - 1:
                log.warning("maintenance of %s gave way: %s", table.name, str(error)[:200])
                return
        else:
            return


def _worth_another(table: Table, error: str) -> bool:
    full = "No space left" in error and ballast.give_up(table.path.parent)
    return full or "commit conflict" in error
