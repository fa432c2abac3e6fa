"""The desk's border: what sync may read of the store, and how it hands in what came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memdesk.limits import check as check_wanted
from memdesk.remotes import Changes
from memdesk.service import absorbing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from memdesk.memory import Memory
    from memdesk.remotes import Absorbed, Arrival
    from memdesk.service.core import Core


class Border:
    """What `Remotes` may do with the store; it never holds the lock while it returns."""

    def __init__(self, core: Core) -> None:
        self._core = core

    @property
    def epoch(self) -> str:
        """The store's present life; a restored or copied store has another."""
        return self._core.store().stamp.epoch

    def pause(self, seconds: float) -> bool:
        """Wait so long; False where this desk closes or nobody waits any more."""
        check_wanted()
        return not self._core.closing.wait(seconds)

    @property
    def device(self) -> str:
        """This store's own name in clocks."""
        return self._core.store().stamp.device

    def changes(self, since: int, epoch: str) -> Changes:
        """Return what has changed after a sequence number, or everything where it is of another epoch."""
        store = self._core.store()
        now = store.stamp.epoch
        rows = store.audiences_since(since if epoch == now else 0)
        return Changes(now, rows[-1][1] if rows else since, tuple(rows))

    def stored(self, ids: Iterable[str]) -> dict[str, Memory]:
        """Return memories by their ids, in any state; those that are not there are left out."""
        ids = list(ids)
        return self._core.store().get(ids) if ids else {}

    def absorb(self, arrivals: Sequence[Arrival], remote: str, change: str) -> tuple[Absorbed, ...]:
        """Take in what came from a remote; see `absorbing.absorb`."""
        return absorbing.absorb(self._core, arrivals, remote, change)

    def alone(self, remote: str) -> AbstractContextManager[bool]:
        """Tell whether this process is the only one that exchanges with a remote, and keep it so."""
        return self._core.alone(f"sync-{remote}")
