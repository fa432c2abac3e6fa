"""The way from the screen to the service: opened late, asked on threads, so that the screen never waits."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from memdesk.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from memdesk.service import Service

T = TypeVar("T")
_THREADS = 6


class Desk:
    """The service behind a screen; every call of it runs on a thread."""

    def __init__(self, open_service: Callable[[], Service]) -> None:
        """Prepare to ask; nothing is opened before the first question."""
        self._open = open_service
        self._opening = threading.Lock()
        self._service: Service | None = None
        self._closed = False
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="memdesk-desk")

    async def ask(self, work: Callable[[Service], T]) -> T:
        """Return what the service answers; raises what it raises, and what keeps it from opening."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, work)

    def _run(self, work: Callable[[Service], T]) -> T:
        return work(self._opened())

    def _opened(self) -> Service:
        with self._opening:
            if self._closed:
                raise StoreError("this desk has been closed; open it again")
            if self._service is None:
                self._service = self._open()
            return self._service

    def close(self) -> None:
        """Let everything go: what waits for a change stops waiting."""
        with self._opening:  # a service that is just being opened is closed, too
            self._closed = True
            if self._service:
                self._service.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
