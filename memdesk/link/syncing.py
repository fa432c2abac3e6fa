"""The verbs about remotes, asked of the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memdesk.link.calls import Call
from memdesk.remotes import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memdesk.link.calls import Calls
    from memdesk.remotes import Standing, Synced


class Syncing:
    """The part of the client that is about remotes."""

    _calls: Calls

    def remotes(self) -> tuple[Standing, ...]:
        """Return how each remote stands; nothing leaves this machine for that."""
        return self._calls.ask(tuple, Call("remotes"))

    def outbox(self, remote: str, *, limit: int = 100) -> Outbox:
        """Return what waits for a remote, exactly as it would leave; raises `Invalid` for none."""
        return self._calls.ask(Outbox, Call("outbox", (remote,), {"limit": limit}))

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
        asked: dict[str, object] = {"push": push, "pull": pull}
        return self._calls.ask(tuple, Call("sync", (remote,), asked, progress, writes=True))

    def retry(self, remote: str, ids: Sequence[str] = ()) -> int:
        """Let what is held at a remote be tried again with the next exchange, all of it without `ids`."""
        return self._calls.ask(int, Call("retry", (remote, tuple(ids)), writes=True))
