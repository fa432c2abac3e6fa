"""What the tools of one connection work with: a service opened late, its threads and its space."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from memdesk.mcp.asking import Answer
from memdesk.mcp.log import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    from memdesk.mcp.asking import Request
    from memdesk.service import Service
    from memdesk.service.seat import Seat

THREADS = 8
AT_ONCE = 4
"""Reads, and writes, of one host that are worked on at once: the others' need threads, too."""
_log = logging.getLogger(__name__)


class Pools(NamedTuple):
    """Threads for reads, and others for writes, which may wait long for each other."""

    reads: ThreadPoolExecutor
    writes: ThreadPoolExecutor

    @classmethod
    def of(cls, threads: int) -> Self:
        """Return pools of so many threads each; none is started before it has work."""
        return cls(
            ThreadPoolExecutor(threads, thread_name_prefix="memdesk-read"),
            ThreadPoolExecutor(threads, thread_name_prefix="memdesk-write"),
        )


class Change(NamedTuple):
    """The id of one write, and whether it is asked for the first time."""

    id: str | None
    fresh: bool
    since: datetime | None = None
    """When it was asked for first, if that is known."""


class Connection:
    """One connection's way to the service: each call runs on a thread of its own pool.

    A cancelled call or a host that leaves is answered at once, while the thread runs to its end.
    """

    def __init__(
        self,
        open_service: Callable[[], Service],
        *,
        space: str | None = None,
        pools: Pools | None = None,
        nonce: str = "",
        again: Iterable[tuple[str | int, float]] = (),
        around: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """Prepare to serve; nothing is opened yet.

        `nonce` names the host's session, over the death of a daemon too, and `again` the requests
        that it has put to another one before, with the time of each in seconds since 1970; `around`
        is held around each call, in its thread.
        """
        self.space = space
        """The space that a call without one means; None for the service's default."""
        self._open = open_service
        self._pools = pools or Pools.of(THREADS)
        self._reads = asyncio.Semaphore(AT_ONCE)
        self._writing = asyncio.Semaphore(AT_ONCE)
        self._nonce = nonce
        self._again = {str(id): at for id, at in again}  # the SDK tells every id as a string
        self._around = around
        self._opening = threading.Lock()
        self._service: Service | None = None
        self._writes: set[Future[Any]] = set()
        self._warmed = False

    @property
    def opened(self) -> Service | None:
        """The service if it is open already."""
        return self._service

    async def read(self, request: Request, work: Callable[[Seat], Answer]) -> str:
        """Return what `work` answers, run on a thread."""
        async with self._reads:
            return await asyncio.wrap_future(self._pools.reads.submit(self._run, request, work))

    async def write(self, request: Request, work: Callable[[Seat], Answer]) -> str:
        """Return what `work` answers; `settle` waits for it even if its caller has gone."""
        async with self._writing:
            future = self._pools.writes.submit(self._run, request, work)
            self._writes.add(future)
            future.add_done_callback(self._writes.discard)
            return await asyncio.wrap_future(future)

    def change(self, request: str, *asked: object) -> Change:
        """Return the change that a write request makes: the same one when it is put again.

        What it asks is part of it, since some hosts use an id twice.
        """
        if not self._nonce:
            return Change(None, fresh=True)
        at = self._again.pop(request, None)
        told = repr((self._nonce, request, asked)).encode(errors="replace")
        id = uuid.UUID(bytes=hashlib.sha256(told).digest()[:16], version=4)
        since = None if at is None else datetime.fromtimestamp(at, UTC)
        return Change(str(id), fresh=at is None, since=since)

    def warm_in(self, seconds: float) -> None:
        """Open the store and load the model in the background, `seconds` from now or earlier.

        Their imports hold the interpreter's lock for tens of milliseconds at a time, so they
        wait until the host has had its first answers.
        """
        asyncio.get_running_loop().call_later(seconds, self._start_warming)

    def settle(self, timeout: float) -> None:
        """Wait for the writes in flight, at most `timeout` seconds."""
        wait(tuple(self._writes), timeout=timeout)

    def _run(self, request: Request, work: Callable[[Seat], Answer]) -> str:
        """Do the work, and log what came of it."""
        service, begun = self._opened(), time.perf_counter()
        try:
            with service.duties.busy(), self._around():
                answer = work(service.for_host(request.host, self.space))
        except BaseException as error:
            # Its sentence may quote a memory.
            failed = Answer("", (), f"error: {type(error).__name__}")
            self._log(service, request, failed, begun)
            raise
        self._log(service, request, answer, begun)
        return answer.text

    def _log(self, service: Service, request: Request, answer: Answer, begun: float) -> None:
        took = time.perf_counter() - begun
        service.hosts.record(*request, ids=answer.ids, outcome=answer.outcome, took=took)

    def _opened(self) -> Service:
        with self._opening:
            if self._service is None:
                self._service = self._open()
            return self._service

    def _start_warming(self) -> None:
        if not self._warmed:
            self._warmed = True
            self._pools.reads.submit(self._warm)

    def _warm(self) -> None:
        try:
            self._opened().warm_soon()
        except Exception as error:  # noqa: BLE001 - the first call meets it again and reports it
            _log.warning("could not warm up: %s", describe(error))
