"""Watched folders: when each is to be looked through, and by whom it is done."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from memdesk.errors import Busy
from memdesk.ingest.catching_up import catch_up
from memdesk.ingest.item import Choices
from memdesk.ingest.notes import Notes
from memdesk.ingest.round import CONFLICT, HELD, KEPT, SKIPPED, News, Round
from memdesk.ingest.watched import Folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from memdesk.ingest.item import Item, Skipped
    from memdesk.ingest.round import Reader
    from memdesk.service import Service

DUTY = "watching"
"""The name of the daemon's duty."""
TROUBLES = (CONFLICT, KEPT, SKIPPED, HELD)
"""What wants the person's eye."""
BATCH = 100
"""So many notes are stored at once: a fraction of a second, embedding comes later."""
QUIET_MS, AT_MOST_MS = 400, 3000
"""A burst is over after so long without a change; and it is looked at after so long at the latest."""
_TICK_MS = 1000
_EVERY = 600.0
"""Seconds after which a folder is looked through without any change: not every disk tells of them."""
_WITHOUT_EVENTS = 60.0
_AGAIN = 5.0
_TURN = 2.0
_log = logging.getLogger(__name__)


class Watch:
    """One folder whose notes become memories."""

    def __init__(
        self,
        home: Path,
        path: Path,
        space: str,
        tell: Callable[[News], None],
        *,
        read: Reader | None = None,
        batch: int = BATCH,
    ) -> None:
        """Prepare to watch; `home` is the store's folder, `read` gives what a note tells."""
        self.folder = Folder(path, without=home)
        self._notes = Notes(home, self.folder.path)
        self._space = space
        self._hear = tell
        self._read = read or self._as_usual
        self._batch = batch
        self._told: dict[str, News] = {}
        self._held = False
        self._again = 0.0
        self._patience = _AGAIN
        self._asked = -_EVERY

    def catch_up(
        self, service: Service, *, believe: bool = False, wait: float = 0.0
    ) -> Iterator[None]:
        """Bring the memories in line with the folder, in steps; see `catching_up.catch_up`."""
        around = Round(service, self.folder, self._notes, self._read, self._tell)
        epoch = ""
        if time.monotonic() - self._asked > _EVERY:  # to count a store takes a moment
            epoch, self._asked = service.stats().epoch, time.monotonic()
        self._held = False
        yield from catch_up(around, batch=self._batch, believe=believe, wait=wait, epoch=epoch)
        self._patience = _AGAIN
        if not self._held:  # when it is away once more, that is news
            self._told.pop(str(self.folder.path), None)

    def look_again(self) -> None:
        """Have the folder looked through once more, since a look has failed; each time later."""
        self._again = time.monotonic() + self._patience
        self._patience = min(2 * self._patience, _EVERY)

    def _tell(self, news: News) -> None:
        """Tell what became of a note; of the same trouble once."""
        self._held = self._held or news.what == HELD
        if news.what in TROUBLES:
            if self._told.get(news.path) == news:
                return
            self._told[news.path] = news
        else:
            self._told.pop(news.path, None)
        self._hear(news)

    def _as_usual(self, path: str) -> Iterable[Item | Skipped]:
        room = "text" if path.lower().endswith(".txt") else "markdown"
        read = import_module(f"memdesk.ingest.{room}").FORMAT.read
        yield from read(self.folder.path / path, Choices(space=self._space))

    # When to look

    def looks(self, stop: threading.Event) -> Iterator[None]:
        """Yield whenever the folder is to be looked through: at once, after changes, now and then."""
        away = False
        while not stop.is_set():
            yield
            if at := self._identity():
                with suppress(FileNotFoundError):  # it has gone just now
                    yield from self._after_changes(at, stop)
            while not stop.wait(_TICK_MS / 1000) and away and not self._identity():
                continue
            away = not at

    def _after_changes(self, at: tuple[int, int], stop: threading.Event) -> Iterator[None]:
        """Yield after each burst of changes, until the folder is not the same one any more."""
        looked, first = time.monotonic(), True
        for changes in self._changes(stop):
            if self._identity() != at:
                return
            due = first or changes or time.monotonic() - looked > _EVERY
            if due or 0 < self._again < time.monotonic():
                # What changed between the look before and the first tick was heard by nobody.
                looked, first, self._again = time.monotonic(), False, 0.0
                yield

    def _changes(self, stop: threading.Event) -> Iterator[bool]:
        """Yield True after a burst of changes, and False once a second without one."""
        from watchfiles import watch

        try:
            for changes in watch(
                self.folder.path,
                watch_filter=lambda _, path: self.folder.concerns(path),
                debounce=AT_MOST_MS,
                step=QUIET_MS,
                stop_event=stop,
                rust_timeout=_TICK_MS,
                yield_on_timeout=True,
                ignore_permission_denied=True,
            ):
                yield bool(changes)
        except FileNotFoundError:
            raise
        except (OSError, RuntimeError) as error:  # more folders than the system can watch, say
            words = "%s cannot be watched (%s); it is looked through every minute"
            _log.warning(words, self.folder.path, error)
            while not stop.wait(_WITHOUT_EVENTS):
                yield True

    def _identity(self) -> tuple[int, int] | None:
        """Return what tells the folder from another one mounted or made in its place."""
        try:
            told = self.folder.path.stat()
        except OSError:
            return None
        return told.st_dev, told.st_ino


class Watches:
    """The folders that a daemon watches, one thread each to wait; the work is a duty of the service."""

    def __init__(self, home: Path, folders: Mapping[Path, str]) -> None:
        """Prepare to watch; `folders` has the space of each."""
        self._watches = [Watch(home, path, space, _log_news) for path, space in folders.items()]
        self._stop = threading.Event()
        self._due: dict[Watch, None] = {}
        self._going: dict[Watch, Iterator[None]] = {}
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def start(self, service: Service) -> None:
        """Watch from now on."""
        self._service = service
        for watch in self._watches:
            thread = threading.Thread(target=self._wait, args=(watch,), name=DUTY, daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Watch no more."""
        self._stop.set()

    def _wait(self, watch: Watch) -> None:
        for _ in watch.looks(self._stop):
            with self._lock:
                self._due[watch] = None
            self._service.duties.run(DUTY, self._work)

    def _work(self) -> None:
        """Look through what is due, step by step, and give way to other duties now and then."""
        begun = time.monotonic()
        while watch := self._next():
            try:
                for _ in self._going[watch]:
                    if not self._service.duties.step(DUTY):
                        return
                    if time.monotonic() - begun > _TURN:
                        self._service.duties.run(DUTY, self._work)
                        return
            except Busy:
                watch.look_again()
            except Exception:  # whatever it is, the next look begins anew; the duty logs it
                watch.look_again()
                self._going.pop(watch)
                raise
            self._going.pop(watch)

    def _next(self) -> Watch | None:
        """Return the folder that is being looked through, or one that is due."""
        with self._lock:
            if not self._going and self._due:
                watch = next(iter(self._due))
                del self._due[watch]
                self._going[watch] = watch.catch_up(self._service)
            return next(iter(self._going), None)


def _log_news(news: News) -> None:
    """Write what wants the person's eye to the log; the rest is in the memories' histories."""
    if news.what in TROUBLES:
        _log.warning("%s: %s: %s", news.path, news.what, news.words)
