"""What a process does beside its requests: named duties, one at a time, behind every request."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol, TypeVar, cast, runtime_checkable

from memdesk.answers import Duty
from memdesk.errors import Invalid, MemdeskError
from memdesk.memory import now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

T = TypeVar("T")

log = logging.getLogger(__name__)

MENDING, EMBEDDING, MAINTENANCE, WARMING = "mending", "embedding", "maintenance", "warming"
REVIEWING, SWITCHING, KEEPING = "reviewing", "switching", "keeping"
WATCHING = "watching"
ABOUT = {
    WARMING: "loads the store and the model before they are needed",
    MENDING: "gives search what a crash has left out",
    EMBEDDING: "embeds the passages of long texts",
    MAINTENANCE: "starts the child that keeps the store small",
    REVIEWING: "looks for what wants the person's eye",
    SWITCHING: "embeds every memory with another model",
    KEEPING: "makes a restore point now and then",
    WATCHING: "brings in what has changed in watched folders",
}
"""The duties there are, in a few words each."""

QUIET = 0.1
"""Seconds without a request before a duty goes on.

A host that works through a list asks again within milliseconds of an answer; between two thoughts
of a model lie seconds. So this keeps a duty out of the first and costs it little in the second.
"""
PATIENCE = 30.0
"""Seconds of unbroken requests after which one unit of work goes on all the same."""

_THREAD = "memdesk-duty"
_NICE = 10
# What makes the very requests slow (a search behind the store, a store in splinters) waits less
# long; warming is what the first request would else wait for.
_PATIENCE = {WARMING: 1.0, MENDING: 2.0, MAINTENANCE: 2.0}
# Threads inherit their maker's priority and may never raise it again: what opens libraries that
# make threads of their own must not be nice, and what holds the writer lock had better not:
# `at_usual_priority`.
_NICE_ONES = frozenset({EMBEDDING, REVIEWING, SWITCHING})


@runtime_checkable
class Child(Protocol):
    """A process that a duty has started; what `subprocess.Popen` offers."""

    pid: int

    def poll(self) -> int | None:
        """How it ended; None while it runs."""

    def terminate(self) -> None:
        """End it."""


@dataclass
class _Entry:
    """What is known of one duty."""

    name: str
    about: str
    patience: float
    work: Callable[[], object] | None = None
    queued: bool = False
    paused: bool = False
    running: bool = False
    cut_short: bool = False
    runs: int = 0
    began: datetime | None = None
    took: float = 0.0
    error: str = ""
    child: Child | None = None

    @property
    def ready(self) -> bool:
        return self.queued and not self.paused

    @property
    def child_pid(self) -> int:
        return self.child.pid if self.child and self.child.poll() is None else 0

    @property
    def trouble(self) -> str:
        ended = self.child.poll() if self.child else 0
        return self.error or (f"its process ended with {ended}" if ended else "")

    @property
    def state(self) -> str:
        if self.running or self.child_pid:
            return "running"
        if self.paused:
            return "paused"
        return "waiting" if self.queued else "idle"


class Duties:
    """A process's background work: thread-safe, one duty at a time, never while a request waits."""

    def __init__(self, *, quiet: float = QUIET, patience: float | None = None) -> None:
        """Prepare to work; `quiet` and `patience` are in seconds, None for each duty's own."""
        self._quiet = quiet
        self._patience = patience
        self._changed = threading.Condition()
        self._entries = {name: self._entry(name) for name in ABOUT}
        self._queue: list[_Entry] = []
        self._alive = False
        self._closed = False
        self._requests = 0
        self._last_request = -quiet

    def run(self, name: str, work: Callable[[], object]) -> None:
        """Have a duty done soon: once, however often it is asked for before it begins.

        Asked for while it runs, it runs once more afterwards. A `Child` that `work` returns is shown
        with the duty, and ended by `pause`.
        """
        with self._changed:
            if self._closed:
                return
            entry = self._named(name)
            entry.work = work
            self._enqueue(entry)

    def pause(self, name: str) -> None:
        """Let a duty rest: what is queued waits, what runs stops at its next step.

        Raises `Invalid` for a name that is no duty's.
        """
        with self._changed:
            entry = self._known(name)
            entry.paused = True
            child = entry.child
            self._changed.notify_all()
        if child and child.poll() is None:
            child.terminate()

    def resume(self, name: str) -> None:
        """Let a duty go on where it was paused; raises `Invalid` for a name that is no duty's."""
        with self._changed:
            self._known(name).paused = False
            self._wake()

    def wanted(self, name: str) -> bool:
        """Whether a running duty is to go on; it stops otherwise, and is queued again if paused."""
        with self._changed:
            entry = self._named(name)
            entry.cut_short = entry.cut_short or entry.paused
            return not (entry.paused or self._closed)

    def step(self, name: str) -> bool:
        """Wait, between two units of a duty's work, until no request does; then as `wanted`.

        A unit should be a fraction of a second, and no lock that requests need may be held here.
        """
        with self._changed:
            since = time.monotonic()
            entry = self._named(name)
            while not (self._closed or entry.paused):
                left = self._time_left(entry, since)
                if left <= 0:
                    break
                self._changed.wait(left)
        return self.wanted(name)

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """Hold this around a request: no duty starts a unit of work meanwhile."""
        with self._changed:
            self._requests += 1
        try:
            yield
        finally:
            with self._changed:
                self._requests -= 1
                self._last_request = time.monotonic()
                self._changed.notify_all()

    def working(self, name: str) -> bool:
        """Whether a duty is being done, or waits to be."""
        with self._changed:
            entry = self._named(name)
            return entry.running or entry.queued

    def due(self) -> bool:
        """Whether something runs or waits to; what is paused does not count, nor a child."""
        with self._changed:
            return self._due()

    def report(self) -> tuple[Duty, ...]:
        """Every duty and how it stands."""
        with self._changed:
            return tuple(_told(entry) for entry in self._entries.values())

    def settled(self, timeout: float) -> bool:
        """Wait, at most `timeout` seconds, until nothing is due; False when that takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._due() or self._alive), timeout)

    def close(self) -> None:
        """Begin nothing more, and have what runs stop at its next step."""
        with self._changed:
            self._closed = True
            for entry in self._queue:
                entry.queued = False
            self._queue.clear()
            self._changed.notify_all()

    # One thread while there is something to do; the caller of what follows holds `_changed`.

    def _entry(self, name: str) -> _Entry:
        patience = _PATIENCE.get(name, PATIENCE) if self._patience is None else self._patience
        return _Entry(name, ABOUT.get(name, ""), patience)

    def _named(self, name: str) -> _Entry:
        return self._entries.setdefault(name, self._entry(name))

    def _known(self, name: str) -> _Entry:
        if name not in self._entries:
            raise Invalid("duty", f"is none of {', '.join(self._entries)}")
        return self._entries[name]

    def _due(self) -> bool:
        return any(entry.running or entry.ready for entry in self._entries.values())

    def _enqueue(self, entry: _Entry) -> None:
        if not entry.queued:
            entry.queued = True
            self._queue.append(entry)
        self._wake()

    def _wake(self) -> None:
        """Start a thread if there is something to do and nobody at it."""
        self._changed.notify_all()
        if self._alive or self._closed or not any(entry.ready for entry in self._queue):
            return
        self._alive = True
        # No daemon thread: the interpreter must not be torn down under the store's native code.
        try:
            threading.Thread(target=self._work, name=_THREAD).start()
        except RuntimeError as error:  # the interpreter ends, or the system has no more threads
            self._alive = False
            log.warning("background work was not started: %s", error)

    def _time_left(self, entry: _Entry, since: float) -> float:
        """Return how many seconds a unit still has to wait, as far as can be told now."""
        at = time.monotonic()
        patience = since + entry.patience - at
        quiet = PATIENCE if self._requests else self._last_request + self._quiet - at
        return min(patience, quiet)

    def _work(self) -> None:
        while entry := self._next():
            self._perform(entry)
        with self._changed:
            self._alive = False
            self._wake()

    def _next(self) -> _Entry | None:
        """Wait for a moment without requests; return the first duty whose turn it is then."""
        with self._changed:
            since = time.monotonic()
            while not self._closed:
                ready = [entry for entry in self._queue if entry.ready]
                if not ready:
                    return None
                left = {entry.name: self._time_left(entry, since) for entry in ready}
                turn = next((entry for entry in ready if left[entry.name] <= 0), None)
                if turn:
                    self._begin(turn)
                    return turn
                self._changed.wait(min(left.values()))
        return None

    def _begin(self, entry: _Entry) -> None:
        self._queue.remove(entry)
        entry.queued = entry.cut_short = False
        entry.running = True
        entry.began = now()

    def _perform(self, entry: _Entry) -> None:
        begun = time.monotonic()
        done, said = _outcome(entry)
        with self._changed:
            entry.running = False
            entry.runs += 1
            entry.took = time.monotonic() - begun
            entry.error = said
            if said and not self._closed:  # what is closed under a duty's hands fails, of course
                log.warning("%s did not succeed: %s", entry.name, said)
            if isinstance(done, Child):
                entry.child = done
            if entry.cut_short and not self._closed:
                self._enqueue(entry)


def _outcome(entry: _Entry) -> tuple[object, str]:
    """Do a duty; return what it gave and what went wrong, in words without anybody's text."""
    assert entry.work
    try:
        return _behind(entry.work) if entry.name in _NICE_ONES else entry.work(), ""
    except MemdeskError as error:
        said = f"{type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 - one duty's mistake must not end the others
        said = type(error).__name__
    return None, said


def _told(entry: _Entry) -> Duty:
    return Duty(
        name=entry.name,
        about=entry.about,
        state=entry.state,
        runs=entry.runs,
        last_began=entry.began,
        last_took=entry.took,
        last_error=entry.trouble,
        child=entry.child_pid,
    )


_here = threading.local()
_Errand = tuple["Callable[[], object]", "Future[object]"]


def _behind(work: Callable[[], object]) -> object:
    """Do something at a low priority: on a thread of its own, since there is no way back.

    Meanwhile this thread does what that one asks for by `at_usual_priority`.
    """
    errands: SimpleQueue[_Errand | None] = SimpleQueue()

    def behind() -> object:
        _here.errands = errands
        try:
            return work()
        finally:
            errands.put(None)

    with ThreadPoolExecutor(1, _THREAD, initializer=_step_behind) as pool:
        done = pool.submit(behind)
        while errand := errands.get():
            _run(*errand)
        return done.result()


def at_usual_priority(work: Callable[[], T]) -> T:
    """Do something from a duty of low priority at the usual one: what holds the writer lock."""
    errands: SimpleQueue[_Errand | None] | None = getattr(_here, "errands", None)
    if errands is None:
        return work()
    done: Future[T] = Future()
    errands.put((work, cast("Future[object]", done)))
    return done.result()


def _run(work: Callable[[], object], done: Future[object]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised where it was asked for
        done.set_exception(error)


def _step_behind() -> None:
    """Give this thread, and those it makes, a low priority; only Linux has one for each thread."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
