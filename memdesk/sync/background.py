"""Sync by itself: what a remote is set up for is exchanged soon after a change, and every minute."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memdesk.service import Service
    from memdesk.sync.sync import Sync

EVERY = 60.0
"""Seconds from one look at a remote to the next while nothing changes here."""
_SETTLE = 0.5
"""Seconds after a change in which more may come: they go together."""
_LOOK = 5.0
"""Seconds from one look at what is set up to the next."""
_log = logging.getLogger(__name__)


class Background:
    """One thread that waits for changes, for the remotes that are exchanged with by themselves."""

    def __init__(self, sync: Sync) -> None:
        self._sync = sync
        self._stop = threading.Event()
        self._exchanged: dict[str, float] = {}

    def start(self, service: Service) -> None:
        """Sync from now on."""
        self._service = service
        threading.Thread(target=self._run, name="syncing", daemon=True).start()

    def close(self) -> None:
        """Sync no more; what is on its way ends with the desk."""
        self._stop.set()

    def _run(self) -> None:
        seen = -1
        while not self._stop.is_set():
            try:
                seen = self._round(seen)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next round may do
                if not self._stop.wait(_LOOK):
                    _log.warning("sync waits: %s", type(error).__name__)

    def _round(self, seen: int) -> int:
        """Exchange with whom it is due, then wait for the next change; return the store's seq."""
        names = self._sync.due()
        if not names:
            self._stop.wait(_LOOK)
            return seen
        newest = self._service.await_change(seen, self._patience(names))
        changed = newest != seen
        if changed:
            self._stop.wait(_SETTLE)
        for name in names:
            if changed or time.monotonic() >= self._exchanged.get(name, 0.0) + EVERY:
                self._exchange(name)
        return newest

    def _patience(self, names: list[str]) -> float:
        """Return how long nobody need be asked, in seconds: at most until the next look."""
        at = time.monotonic()
        left = min(self._exchanged.get(name, 0.0) + EVERY - at for name in names)
        return min(_LOOK, max(0.0, left))

    def _exchange(self, name: str) -> None:
        (told,) = self._service.sync(name)
        if told.error:  # when to try again stands in its ledger
            _log.info("%s is not synced", told.remote)
            self._stop.wait(_LOOK)
        else:
            self._exchanged[name] = time.monotonic()
