"""One exchange with one remote: first what it has, then what is due there."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from memdesk.errors import MemdeskError, StoreError, SyncError
from memdesk.memory import new_id, now
from memdesk.remotes import PULL, Synced
from memdesk.sync.ledger import Luck, Place
from memdesk.sync.peer import Unauthorized, Unreachable
from memdesk.sync.plan import setting
from memdesk.sync.pulling import Pull
from memdesk.sync.pushing import Push

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from memdesk.memory import Memory
    from memdesk.remotes import Remote
    from memdesk.service.border import Border
    from memdesk.sync.ledger import Ledger
    from memdesk.sync.peer import Peer, Sent

T = TypeVar("T")

_TRIES = 5
"""How often an exchange that fails is tried in a row before it is left for later."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_FIRST_BACKOFF, _LONGEST_BACKOFF = 5.0, 3600.0
_DOUBLINGS = 12


@dataclass
class Exchange:
    """What is between one remote and the desk; used by one thread, for one run."""

    remote: Remote
    border: Border
    ledger: Ledger
    peer: Peer
    progress: Callable[[int, int], None] | None = None
    stands: Callable[[], bool] = lambda: True
    """Whether the remote is still set up as it was."""
    change: str = field(default_factory=new_id)
    """All that comes is one change, for `undo`."""
    lost: bool = False
    """Whether the remote turned out to have lost what was sent to it."""
    told: Synced = field(init=False)
    """What has been done so far."""

    def __post_init__(self) -> None:
        self.told = Synced(self.remote.name)

    def run(self, *, push: bool, pull: bool) -> Synced:
        """Exchange, and keep how it went; whatever goes wrong stands in the answer."""
        error = ""
        try:
            anew = self._begin()
            if (pull or anew) and self.peer.pulls:
                Pull(self).run()
            if push:
                Push(self).run()
            self.ledger.luck = Luck(synced_at=now(), cannot=self.peer.cannot)
        except MemdeskError as failed:
            error = str(failed)
            with suppress(StoreError):  # the disk is full, say
                self.ledger.luck = worse(self.ledger.luck, failed)
        return replace(self.told, held=len(self.ledger.held()), error=error)

    def _begin(self) -> bool:
        """Begin anew where the store has another life, or the remote other rules, than last time.

        A store of another life may be older than what the remote has: then True is returned, as
        nothing may be sent before that was fetched.
        """
        before, epoch = self.ledger.place, self.border.epoch
        place = before if before.epoch == epoch else Place(epoch, server=before.server)
        if place.epoch == before.epoch and place.setting == setting(self.remote):
            return False
        place = replace(place, pushed=0, setting=setting(self.remote))
        if before.epoch == epoch:  # what was of a space that was not exchanged may be now
            held = self.ledger.held(PULL).values()
            place = replace(place, pulled=self.ledger.back_to(held))
        self.ledger.release(self.ledger.held())
        self.ledger.place = place
        return bool(before.epoch) and before.epoch != epoch

    def count(self, **more: int) -> None:
        """Add to what has been done."""
        counts = {name: getattr(self.told, name) + number for name, number in more.items()}
        self.told = replace(self.told, **counts)

    def check_stands(self) -> None:
        """Raise `SyncError` once the remote is another, or this desk is closed."""
        if not self.stands():
            raise SyncError(f"{self.remote.name} was changed or removed meanwhile; sync it again")
        if not self.border.pause(0.0):
            raise SyncError("this desk is being closed; what is left goes with the next exchange")

    def patiently(self, ask: Callable[[], T]) -> T:
        """Ask, and again after a pause where the remote cannot be reached just now."""
        pause = _FIRST_PAUSE
        for left in reversed(range(_TRIES)):
            self.check_stands()
            try:
                return ask()
            except Unreachable as error:
                wait = max(error.retry_after or 0.0, pause * random.uniform(0.5, 1.5))  # noqa: S311
                tired = not left or not error.sent or wait > _LONGEST_PAUSE
                if tired or not self.border.pause(wait):
                    raise
                pause *= 2
        raise AssertionError

    # What the ledger and the store know, for kinds of remotes

    def known(self, ids: Iterable[str]) -> Mapping[str, Sent]:
        """Return what the remote is known to have of memories."""
        return self.ledger.known(ids)

    def by_ref(self, refs: Iterable[str]) -> Mapping[str, Sent]:
        """Return what is known under names of the remote's."""
        return self.ledger.by_ref(refs)

    def stored(self, ids: Iterable[str]) -> Mapping[str, Memory]:
        """Return the memories of this store, in any state."""
        return self.border.stored(ids)


def worse(luck: Luck, failed: MemdeskError) -> Luck:
    """Return how an exchange stands that has failed once more, and when to try again."""
    failures = luck.failures + 1
    wait = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2 ** min(failures - 1, _DOUBLINGS))
    wait *= random.uniform(0.5, 1.5)  # noqa: S311 - so that a team does not come all at once
    if isinstance(failed, Unreachable) and failed.retry_after:
        wait = max(wait, failed.retry_after)
    stopped = isinstance(failed, Unauthorized)
    retry = None if stopped else now() + timedelta(seconds=wait)
    return replace(luck, error=str(failed), failures=failures, retry_at=retry, stopped=stopped)
