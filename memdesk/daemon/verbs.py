"""The service's verbs over a connection: one call at a time, each a line that is answered in lines.

A call is `{"verb", "args", "kwargs", "wait", "progress"}`. The answer is any number of
`{"progress": [...]}`, then `{"result": ...}` or `{"error": ...}`. A result longer than `PART` comes
as the pieces of its JSON text, each `{"part": "..."}`, and then `{"parts": how many}`; so does a call
that is too long for a line.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from concurrent.futures import Future
from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from memdesk.errors import MemdeskError, StoreError
from memdesk.limits import limited
from memdesk.link import values
from memdesk.link.address import LONGEST_CALL
from memdesk.link.lines import lines

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from memdesk.mcp.connection import Pools
    from memdesk.service import Service

log = logging.getLogger(__name__)

_READS = (
    *("warm", "recall", "get", "list", "history", "profile", "stats", "await_change"),
    *("host_rules", "overview", "inbox", "activity", "status", "points", "diff"),
    *("backups_with", "wholes", "remotes", "outbox"),
)
_WRITES = (
    *("set_host_rules", "remember", "revise", "forget", "restore", "purge", "review"),
    *("revise_many", "merge", "revert", "take_point", "drop_point", "retry"),
)
_LONG = (
    *("remember_many", "rename_tag", "rename_space", "delete_space", "undo"),
    *("embed_pending", "use_model", "roll_back_model", "reindex", "maintain", "examine"),
    *("copy_to", "check_copy", "restore_copy", "restore_point", "take_in", "adopt"),
    *("write_parquet", "sync"),
)
VERBS = (*_READS, *_WRITES, *_LONG)
"""What a client may ask for."""
_WAITING = ("await_change", "use_model", "roll_back_model", "sync")
"""Verbs that do nothing but wait: they keep no thread of the pool, and no duty from its turn."""
_TOLD_AT_MOST = 1000
"""Steps of progress kept for a caller who reads slowly; the oldest are left out."""
_INLINE = 1 << 16
"""The longest call that is read on the loop; longer ones would hold up everybody."""
_FAREWELL = 2.0


async def serve(
    reader: StreamReader,
    writer: StreamWriter,
    service: Callable[[], Service],
    pools: Pools,
    *,
    busy: Callable[[], AbstractContextManager[None]] = nullcontext,
    around: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> None:
    """Serve one connection until it ends, and close it.

    Each call runs on the pool, inside `busy()` from its first byte to its answer's last. Is the
    connection lost meanwhile, or this cancelled, the call is no longer wanted: it stops before its
    next write. `service` is asked on the pool for each call; what it raises is told to the caller.
    `around()` is held around the verb itself, in its thread.
    """
    calls = _Calls(reader, writer, service, pools, around)
    try:
        with suppress(ConnectionError):
            async for line in lines(reader):
                request = await calls.understood(line)
                if request is None:
                    continue
                with nullcontext() if request.get("verb") in _WAITING else busy():
                    if not await calls.answer(request):
                        break
        await _farewell(writer)
    finally:
        writer.transport.abort()


async def _farewell(writer: StreamWriter) -> None:
    """Close a connection once its last answer is out, if its caller still reads."""
    writer.close()
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(_FAREWELL):
            await writer.wait_closed()


class _Calls:
    """One connection's calls."""

    def __init__(
        self,
        reader: StreamReader,
        writer: StreamWriter,
        service: Callable[[], Service],
        pools: Pools,
        around: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._service = service
        self._pools = pools
        self._around = around
        self._parts: list[str] = []

    async def understood(self, line: bytes) -> dict[str, Any] | None:
        """Return the request of a line, None where more of it follows.

        What is none has no verb, and is answered so. Raises `ConnectionError` for one without an end.
        """
        try:
            said = await self._read(line)
            if "part" in said:
                self._keep(said["part"])
                return None
            if "parts" in said:
                whole, self._parts = "".join(self._parts), []
                return await self._read(whole)
        except (StoreError, TypeError):
            self._parts = []
            return {}
        return said

    def _keep(self, part: str) -> None:
        self._parts.append(part)
        if sum(map(len, self._parts)) > LONGEST_CALL:
            raise ConnectionAbortedError

    async def _read(self, said: bytes | str) -> dict[str, Any]:
        if len(said) < _INLINE:
            return values.read_line(said)
        return await asyncio.wrap_future(self._begin(partial(values.read_line, said), _READS[0]))

    async def answer(self, request: dict[str, Any]) -> bool:
        """Run a verb and tell its caller what became of it; False when nobody listens any more."""
        gone, told = threading.Event(), _Told()
        work = partial(self._run, request, _until(request), gone, told)
        future = self._begin(work, request.get("verb"))
        done = asyncio.wrap_future(future)
        done.add_done_callback(told.wake)
        try:
            here = await self._attend(done, told)
        except BaseException:
            gone.set()
            raise
        if not here:
            gone.set()
            future.cancel()  # if it has not begun
            await asyncio.wait([done])
            return False
        for piece in _pieces(*await done):
            await self._send(piece)
        return True

    def _run(
        self, request: dict[str, Any], until: float, gone: threading.Event, told: _Told
    ) -> tuple[str, str]:
        """Run a verb on this thread; return ("result" or "error", its JSON text) and never raise."""
        try:
            verb, args, kwargs = _call(request)
            if request.get("progress"):
                kwargs["progress"] = told.progress
            seconds, long = max(0.0, until - time.monotonic()), verb in _LONG
            limit = limited(seconds=seconds, wanted=lambda: not gone.is_set(), long=long)
            with limit, self._around():
                result = getattr(self._service(), verb)(*args, **kwargs)
            return "result", values.text(values.pack(result))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the caller hears of it
            if not isinstance(error, MemdeskError):
                log.warning("a call of %s failed: %s", request.get("verb"), type(error).__name__)
            return "error", values.text(values.pack_error(error))

    async def _attend(self, done: asyncio.Future[Any], told: _Told) -> bool:
        """Pass progress on until a call is done; False when its caller goes first."""
        leaving = asyncio.ensure_future(self._end())
        leaving.add_done_callback(told.wake)
        try:
            while not done.done() and not leaving.done():
                await told.news()
                await self._pass_on(told)
            await self._pass_on(told)  # what came in while the last was sent
        finally:
            leaving.cancel()
            await asyncio.wait([leaving])  # or it still reads when the next line is read
        return leaving.cancelled()

    async def _pass_on(self, told: _Told) -> None:
        for each in told.take():
            await self._send(values.line({"progress": each}))

    async def _end(self) -> None:
        """Wait until the caller goes; one who speaks before the answer is no client of ours."""
        with suppress(ConnectionError):
            await self._reader.read(1)

    async def _send(self, line: bytes) -> None:
        self._writer.write(line)
        await self._writer.drain()

    def _begin(self, work: Callable[[], Any], verb: object) -> Future[Any]:
        try:
            if verb in _WAITING:
                return _on_a_thread(work)
            return (self._pools.reads if verb in _READS else self._pools.writes).submit(work)
        except RuntimeError as error:  # the daemon ends: the caller asks the next one
            raise ConnectionAbortedError from error


class _Told:
    """What a running verb has told of its progress, and the loop not yet sent."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[int, ...]] = deque(maxlen=_TOLD_AT_MOST)
        self._news = asyncio.Event()

    def progress(self, *numbers: int) -> None:
        """Take a number or two from the thread of the verb, which never waits for a slow reader."""
        self._waiting.append(numbers)
        self._loop.call_soon_threadsafe(self.wake)

    def wake(self, _: object = None) -> None:
        """Have `news` return."""
        self._news.set()

    async def news(self) -> None:
        """Wait for progress, or for an end."""
        await self._news.wait()
        self._news.clear()

    def take(self) -> list[tuple[int, ...]]:
        """Return what waits."""
        return [self._waiting.popleft() for _ in range(len(self._waiting))]


def _until(request: dict[str, Any]) -> float:
    wait = request.get("wait")
    return time.monotonic() + (wait if isinstance(wait, int | float) else 0.0)


def _call(request: dict[str, Any]) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """Return the verb and its arguments; raises `StoreError` for a call that is none."""
    verb, kwargs = request.get("verb"), request.get("kwargs", {})
    if verb not in VERBS or not isinstance(kwargs, dict):
        raise StoreError(
            "the daemon does not know what it was asked for; it may be of another version than this "
            "program: end it with `memdesk daemon stop` and try again"
        )
    args = values.unpack(request.get("args", []))
    return verb, args, {name: values.unpack(value) for name, value in kwargs.items()}


def _pieces(kind: str, text: str) -> Iterator[bytes]:
    """Yield the lines of an answer, so that none is a giant one."""
    if len(text) <= values.PART:
        yield f'{{"{kind}":{text}}}\n'.encode("ascii")
        return
    yield from values.parts(text)


def _on_a_thread(work: Callable[[], Any]) -> Future[Any]:
    """Run something that never raises on a thread of its own."""
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    threading.Thread(target=lambda: future.set_result(work()), name="memdesk-wait").start()
    return future
