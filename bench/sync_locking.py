"""How long a pull holds the writer lock: watched in this process, where the lock can be told from the work."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.sync_desks import exchange
from memdesk.cli.root import open_sync
from memdesk.lock import WriterLock
from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memdesk.embedder import Embedding


class Timed(WriterLock):
    """A writer lock that remembers how long it was held, each time, in seconds."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, f"bench {os.getpid()}")
        self.times: list[float] = []

    @contextmanager
    def hold(self, timeout: float) -> Iterator[None]:
        """Hold it, and look at the clock when it is there and when it goes."""
        with super().hold(timeout):
            begun = time.perf_counter()
            try:
                yield
            finally:
                self.times.append(time.perf_counter() - begun)


def longest_hold(home: Path, embedder: Embedding) -> float:
    """Pull what the team has; return the longest time that this held the lock, in seconds."""
    service = Service(home, embedder, background=False, remotes=open_sync(home))
    try:
        service.recall("is anybody there")  # opens the store, which the first verb would pay for
        core = service._core  # noqa: SLF001 - nothing outside says how long the lock is held
        core.lock = timed = Timed(core.lock.path)
        exchange(service, pull=True)
    finally:
        service.close()
    return max(timed.times)
