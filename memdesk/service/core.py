"""What every verb stands on: the store, the model and the lock, each opened when first needed."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotReady
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from memdesk import __version__
from memdesk.catalog import BUNDLED
from memdesk.clock import after, is_believed, tick
from memdesk.errors import Busy, MemdeskError, StoreError
from memdesk.limits import check, left
from memdesk.lock import WriterLock
from memdesk.memory import clean_word, new_id, now
from memdesk.service import duties
from memdesk.service.activity import Activity
from memdesk.service.duties import Duties
from memdesk.service.hosts import Hosts
from memdesk.service.models import Models
from memdesk.service.watching import Changes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from memdesk.embedder import Embedding
    from memdesk.memory import Memory
    from memdesk.recipe import Recipe
    from memdesk.service.duties import Child
    from memdesk.service.switch import Switch
    from memdesk.service.syncing import Remotes
    from memdesk.store import Store

T = TypeVar("T")

log = logging.getLogger(__name__)

MODEL_WAIT = 1.5
"""How long a call waits for the model, in seconds, before it does with words alone."""
MAINTENANCE = duties.MAINTENANCE
"""The actor of what the store does by itself; undo passes it over."""
SYNC = "sync:"
"""What the actor of a change begins with that came from a remote, whose name follows; so does undo."""
_THREADS = 4
_ASK_SECONDS = 2.0
_SLICE = 0.25
"""How long a call waits for the lock before it asks whether it is still wanted, in seconds."""


@dataclass
class Writing:
    """One write under the lock: its change, its moment, and the store's next sequence and clock."""

    store: Store
    change: str
    actor: str
    at: datetime
    _seq: int
    _clock: tuple[int, int]

    def sign(self, memory: Memory) -> Memory:
        """Return the memory as this change's next revision; its clock exceeds the one it had."""
        self._seq += 1
        self._pass(memory)
        self._clock = tick(self._clock, self._wall)
        # One of a time that is still to come is exceeded, too, but no other memory's is moved by it.
        ms, n = max(self._clock, after((memory.clock_ms, memory.clock_n)))
        return replace(
            memory,
            seq=self._seq,
            clock_ms=ms,
            clock_n=n,
            device=self.store.stamp.device,
            updated_at=self.at,
            change=self.change,
            actor=self.actor,
        )

    def place(self, memory: Memory) -> Memory:
        """Return a revision that was written elsewhere with its place in this store, unsigned.

        What is signed after it has a later clock, unless its own is of a time that is still to come.
        """
        self._seq += 1
        self._pass(memory)
        return replace(memory, seq=self._seq)

    def _pass(self, memory: Memory) -> None:
        """Sign later than a memory's clock from now on, if that can be believed."""
        if is_believed(memory.clock_ms, self._wall):
            self._clock = max(self._clock, (memory.clock_ms, memory.clock_n))

    @property
    def _wall(self) -> int:
        return int(self.at.timestamp() * 1000)

    def pass_by(self, seqs: Iterable[int]) -> None:
        """Give no more of these sequence numbers: a write that was cut off has used them."""
        self._seq = max(self._seq, *seqs, 0)


@dataclass
class Core(Models):
    """The opened parts of one desk, shared by all its verbs and threads."""

    home: Path
    embedder: Embedding | None
    default_space: str
    wait: float
    """How long a write waits for the lock, in seconds."""
    start_maintenance: Callable[[], Child | None] | None
    models: Callable[[str], Embedding] | None
    """Gives the model of a name, for a store whose vectors are another model's."""
    background: bool
    recipe: Recipe
    """Which parts of the ranking are used."""
    on_open: Callable[[Core, Store], None]
    log_hosts: bool = True
    """Whether what hosts ask is logged."""
    notes: list[str] = field(default_factory=list)
    """What a person should know of this store, found while opening it."""
    trouble: str = ""
    """Why the model cannot be used at present; empty while it can."""
    model_ready: bool = False
    """Whether the model has answered once."""

    snapshots: bool = False
    """Whether restore points are made on a schedule, by a process that stays."""
    remotes: Remotes | None = None
    """What knows the remotes; None where there can be none."""
    points_looked: datetime | None = None
    """When it was looked last whether it is time for one."""
    on_write: list[Callable[[Core], None]] = field(default_factory=list)
    """What is called after each write, without the lock."""
    hurried: int = 0
    """How many calls wait for passages to be embedded."""
    behind: bool = False
    """Whether search does not know all memories yet."""

    def __post_init__(self) -> None:
        self._store: Store | None = None
        self._opening = threading.Lock()
        self._writer = 0
        self._stamp_seen = (0, 0)
        self.switch: Switch | None = None
        self.switch_trouble = ""
        self._keeping = False
        self._maintained = -_ASK_SECONDS
        self.closing = threading.Event()
        self.changes = Changes()
        self.lock = WriterLock(self.home / "write.lock", "memdesk")
        self.activity = Activity(self.home, on=self.log_hosts)
        self.hosts = Hosts(self.home)
        self.pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="memdesk")
        self.duties = Duties()

    @contextlib.contextmanager
    def alone(self, name: str, wait: float = 0.0) -> Iterator[bool]:
        """Tell whether this process is the only one at some duty, and hold it so meanwhile."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(WriterLock(self.home / f"{name}.lock", name).hold(wait))
            except Busy:
                yield False
            else:
                yield True

    # The store

    def store(self) -> Store:
        """Return the open store; opened, made or mended the first time.

        Raises `StoreError`, and `Busy` where it must be made or mended and cannot be locked.
        """
        if self._writes_here():  # whoever opens it beside us may be waiting for this very lock
            return self._present()
        with self._opening:
            return self._present()

    def _present(self) -> Store:
        if self._store is None or (self._stamp_changed() and not self._only_told(self._store)):
            before, self._store = self._store, self._open()
            self.notes.extend(self._store.repaired)
            self.on_open(self, self._store)
            if before:
                before.close()
            if self._keeping:
                self._keep(self._store)
        return self._store

    def _only_told(self, store: Store) -> bool:
        """Take in what the stamp says anew, where that does not concern what is open."""
        from memdesk.store import VERSION, read_stamp

        seen = self._stamp_time()
        stamp = read_stamp(self.home, VERSION)
        if stamp is None or not stamp.has_tables_of(store.stamp):
            return False
        store.stamp, self._stamp_seen = stamp, seen
        return True

    def keep(self) -> None:
        """Open the store and keep its rows in memory as far as it does: for a process that stays."""
        known, self._keeping = self._keeping, True
        store = self.store()
        if not known:
            self._keep(store)

    def _keep(self, store: Store) -> None:
        try:
            store.keep()
        except StoreError as error:
            log.warning("rows are not kept in memory: %s", error)  # they are read anew each time

    def _open(self) -> Store:
        from memdesk.store import open_store

        self.check_open()  # a duty that outlives its desk must not begin a store where one was moved away
        spec = self.embedder.spec if self.embedder else BUNDLED
        model = (spec.name, spec.fingerprint, spec.dims)
        seen = self._stamp_time()  # a switch while the store opens is seen by the next call
        store = open_store(self.home, __version__, model, self.locked)
        self._stamp_seen = seen if any(seen) and not store.repaired else self._stamp_time()
        self.use_model_of(store.stamp)
        return store

    def _stamp_time(self) -> tuple[int, int]:
        """Return what changes with every new stamp: two may be written in one tick of the clock."""
        try:
            told = (self.home / "store.json").stat()
        except OSError:
            return 0, 0
        return told.st_mtime_ns, told.st_ino

    def _stamp_changed(self) -> bool:
        return self._stamp_time() != self._stamp_seen

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the writer lock, if this thread does not yet; raises `Busy`, and `Cancelled` while it waits."""
        if self._writes_here():  # a store that is put in place or mended in the midst of a write
            yield
            return
        self.make_home()
        with contextlib.ExitStack() as stack:
            self._lock(stack, left(self.wait))
            self._writer = threading.get_ident()
            try:
                yield
            finally:
                self._writer = 0

    def _writes_here(self) -> bool:
        return self._writer == threading.get_ident()

    def _lock(self, stack: contextlib.ExitStack, patience: float) -> None:
        begun = time.monotonic()
        waited = 0.0
        while True:
            check()
            try:
                stack.enter_context(self.lock.hold(min(_SLICE, patience - waited)))
            except Busy as busy:
                waited = time.monotonic() - begun
                if waited >= patience:
                    raise Busy(busy.holder, waited) from busy
            else:
                return

    def make_home(self) -> None:
        """Make the store's folder if need be; raises `StoreError`."""
        try:
            self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreError(f"cannot use the folder {self.home}: {error.strerror}") from error

    @contextlib.contextmanager
    def writing(self, actor: str, change: str | None = None) -> Iterator[Writing]:
        """Hold the writer lock around one change, with every process's commits in sight.

        Raises `Busy` when another process keeps the lock.
        """
        self.store()
        with self.locked():
            store = self.store()  # another process may have switched the model meanwhile
            self._claim(store)
            head = store.refresh()
            who = clean_word(actor, "actor")
            yield Writing(
                store, change or new_id(), who, now(), head.seq, (head.clock_ms, head.clock_n)
            )
        self.changes.tell()
        for due in self.on_write:
            due(self)
        self.maintain_if_due()

    def _claim(self, store: Store) -> None:
        if store.claim():
            self._stamp_seen = self._stamp_time()

    def maintain_soon(self) -> None:
        """Start the maintenance child now if something waits for it."""
        self._maintained = -_ASK_SECONDS
        self.maintain_if_due()

    def maintain_if_due(self) -> None:
        """Start the maintenance child when it pays; asked at most every two seconds."""
        if self.start_maintenance is None or time.monotonic() - self._maintained < _ASK_SECONDS:
            return
        self._maintained = time.monotonic()
        if self.background:
            self.duties.run(MAINTENANCE, self._maintain)
            return
        try:  # a command's process ends before a duty would begin
            self._maintain()
        except MemdeskError as error:
            log.warning("maintenance was not started: %s", error)

    def _maintain(self) -> Child | None:
        from memdesk.store import maintenance_due

        if self.start_maintenance and maintenance_due(self.store()):
            try:
                return self.start_maintenance() if self._nobody_at(MAINTENANCE) else None
            except OSError as error:
                raise StoreError(f"maintenance cannot be started: {error.strerror}") from error
        return None

    def _nobody_at(self, name: str) -> bool:
        with self.alone(name) as alone:
            return alone

    # The model

    @property
    def warm(self) -> bool:
        """Whether the store is open and the model has answered."""
        return self._store is not None and self.model_ready

    def warm_up(self) -> None:
        """Open the store and wait for the model to answer once; a missing one is no error."""
        coming = None if self.model_ready else self.question("warm")
        self.keep()
        if coming:
            coming.result()
        self.maintain_if_due()

    def check_open(self) -> None:
        """Raise `StoreError` once this desk is closed."""
        if self.closing.is_set():
            raise StoreError("this desk has been closed; open it again")

    def close(self, timeout: float) -> None:
        """Let a write in flight finish, at most so long, and stop what runs in the background."""
        self.closing.set()
        self.duties.close()
        self.lock.quiet(timeout)
        self.pool.shutdown(wait=False, cancel_futures=True)
        if self._store:
            self._store.close()
        self.free_models()


def in_time(future: Future[T | None], seconds: float = MODEL_WAIT) -> T | None:
    """Return what a model call gives, or None when it takes longer than a call may wait for it."""
    try:
        return future.result(timeout=left(seconds))
    except NotReady:
        return None
