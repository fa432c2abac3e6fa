"""The verbs about remotes: how each stands, what waits for it, and an exchange with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from memdesk.errors import Invalid
from memdesk.service.border import Border

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memdesk.remotes import Outbox, Standing, Synced
    from memdesk.service.core import Core

MOST_SHOWN = 500
"""Memories of an outbox that are returned at once."""
_ALL = 2**62


class Remotes(Protocol):
    """What knows the remotes and speaks to them; the service stands between it and the fronts."""

    def standings(self, border: Border) -> tuple[Standing, ...]:
        """Return how each remote stands, without asking it."""
        ...

    def outbox(self, border: Border, remote: str, limit: int) -> Outbox:
        """Return what waits for a remote, exactly as it would leave."""
        ...

    def exchange(
        self,
        border: Border,
        remote: str,
        *,
        push: bool,
        pull: bool,
        progress: Callable[[int, int], None] | None,
    ) -> tuple[Synced, ...]:
        """Exchange with one remote, or with all where none is named."""
        ...

    def retry(self, border: Border, remote: str, ids: Sequence[str]) -> int:
        """Let what is held at a remote be tried again; return how many that are."""
        ...

    def acknowledged(self, border: Border) -> int | None:
        """Return the seq up to which every remote has all it is to have; None without remotes."""
        ...

    def told(self) -> str:
        """Return how sync stands in a few words; empty where there are no remotes."""
        ...


def acknowledged(core: Core) -> int:
    """Return the seq up to which nobody waits for what has become of memories."""
    known = core.remotes.acknowledged(Border(core)) if core.remotes else None
    return _ALL if known is None else known


class Syncing:
    """The part of the service that is about remotes."""

    _core: Core

    def remotes(self) -> tuple[Standing, ...]:
        """Return how each remote stands; nothing leaves this machine for that."""
        remotes = self._core.remotes
        return remotes.standings(Border(self._core)) if remotes else ()

    def outbox(self, remote: str, *, limit: int = 100) -> Outbox:
        """Return what waits for a remote, exactly as it would leave; raises `Invalid` for none."""
        return self._remotes().outbox(Border(self._core), remote, min(limit, MOST_SHOWN))

    def sync(
        self,
        remote: str = "",
        *,
        push: bool = True,
        pull: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[Synced, ...]:
        """Exchange memories with one remote, or with all; `progress` hears (done, total) of a push.

        What goes wrong with a remote stands in its answer. Raises `Invalid` for a name that is none.
        """
        return self._remotes().exchange(
            Border(self._core), remote, push=push, pull=pull, progress=progress
        )

    def retry(self, remote: str, ids: Sequence[str] = ()) -> int:
        """Let what is held at a remote be tried again with the next exchange, all of it without `ids`."""
        return self._remotes().retry(Border(self._core), remote, tuple(ids))

    def _remotes(self) -> Remotes:
        if self._core.remotes is None:
            raise Invalid("remote", "there is none; add one: memdesk sync add NAME URL")
        return self._core.remotes
