"""Waiting for a change of the store, whoever makes it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from memdesk.limits import check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memdesk.service.core import Core
    from memdesk.service.reviewing import Pair
    from memdesk.store import Store

    Found = Mapping[str, Pair]

_POLL_SECONDS = 0.5
# A file system tells a folder's time in steps of up to two seconds, so that a second commit may
# leave no trace in it: a folder that changed so lately is taken as changed again.
_COARSE_NS = 2_000_000_000


class Changes:
    """Where calls wait for the next write of this process."""

    def __init__(self) -> None:
        self.made = 0
        """How many writes there were."""
        self.told: tuple[int, Found] = (-1, {})
        """The seq that was returned last to somebody who waited, and the pairs found until then."""
        self.epoch = ""
        """That of the store then."""
        self._turn = threading.Condition()

    def tell(self) -> None:
        """Wake those who wait: there was a write, or something was found."""
        with self._turn:
            self.made += 1
            self._turn.notify_all()

    def found_at(self, seq: int) -> Found | None:
        """Return what was found when a seq was told last; None where that is not known."""
        told, found = self.told
        return found if told == seq else None

    def wait(self, made: int, seconds: float) -> bool:
        """Wait until there were more than `made` writes; False when that takes longer."""
        with self._turn:
            return self._turn.wait_for(lambda: self.made > made, seconds)


def await_change(core: Core, seen: int, seconds: float) -> int:
    """Return the store's seq once it exceeds `seen`, or the present one after `seconds`.

    The present one, too, as soon as the background has found other pairs than when `seen` was
    returned last, or when this began; or a restore has put another store in place, whose seq may be
    less.

    Others' commits show in the time of the table's folder of versions, which costs a microsecond
    to ask; only when that has changed is the table asked.
    """
    from memdesk.service import reviewing  # which stands on the core, and that on `Changes`

    until = time.monotonic() + seconds
    looked, epoch = None, core.changes.epoch
    before = core.changes.found_at(seen)
    while True:
        check()
        core.check_open()
        made = core.changes.made
        store = core.store()
        found = reviewing.read(core).pairs
        before = found if before is None else before
        epoch = epoch or store.stamp.epoch
        changed = _changed_at(store)
        newest = _newest(store, seen) if changed != looked else 0
        looked = changed if time.time_ns() - changed > _COARSE_NS else None
        left = until - time.monotonic()
        if newest > seen or epoch != store.stamp.epoch or left <= 0 or found != before:
            newest = newest if newest > seen else _newest(store, 0)
            core.changes.told, core.changes.epoch = (newest, found), store.stamp.epoch
            return newest
        if core.changes.wait(made, min(left, _POLL_SECONDS)):
            looked = None


def _changed_at(store: Store) -> int:
    try:
        return (store.memories.path / "_versions").stat().st_mtime_ns
    except OSError:
        return 0  # the store moved away: asking the table says so


def _newest(store: Store, after: int) -> int:
    """Return the highest seq beyond `after`, or 0 when there is none."""
    found = store.memories.rows(f"seq > {after}", columns=["seq"])
    return max(found.column("seq").to_pylist(), default=0)
