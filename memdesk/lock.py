"""The writer lock: one writer at a time over all processes, and who it is when one waits."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

import filelock

from memdesk.errors import Busy, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_POLL_SECONDS = 0.005  # the default of 50 ms makes four busy writers wait up to a second


class WriterLock:
    """A lock file that names its holder; the operating system frees it when the holder dies."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self._name = name
        self._threads = threading.Lock()
        self._file = filelock.FileLock(path, thread_local=False, mode=0o600)

    @contextlib.contextmanager
    def hold(self, timeout: float) -> Iterator[None]:
        """Hold the lock; raises `Busy` after `timeout` seconds. Not re-entrant."""
        begun = time.monotonic()
        if not self._threads.acquire(timeout=max(0.0, timeout)):
            raise Busy(f"another call of process {os.getpid()}", time.monotonic() - begun)
        try:
            with self._across_processes(timeout, begun):
                yield
        finally:
            self._threads.release()

    def quiet(self, timeout: float) -> bool:
        """Wait until no thread of this process holds the lock; False when that takes too long."""
        if not self._threads.acquire(timeout=max(0.0, timeout)):
            return False
        self._threads.release()
        return True

    @contextlib.contextmanager
    def _across_processes(self, timeout: float, begun: float) -> Iterator[None]:
        left = max(0.0, timeout - (time.monotonic() - begun))
        try:
            self._file.acquire(timeout=left, poll_interval=_POLL_SECONDS)
        except filelock.Timeout as error:
            raise Busy(self.holder(), time.monotonic() - begun) from error
        except OSError as error:
            raise StoreError(f"cannot lock {self.path}: {error.strerror or error}") from error
        try:
            self._sign()
            yield
        finally:
            with contextlib.suppress(OSError):
                self._holder_file.unlink()  # before the lock is free: then it is another's
            self._file.release()

    def _sign(self) -> None:
        signature = {"pid": os.getpid(), "name": self._name, "since": time.time()}
        with contextlib.suppress(OSError):  # a full disk must not stop the lock
            self._holder_file.write_text(json.dumps(signature), encoding="utf-8")

    def held(self) -> str:
        """Return who holds the lock at present, in words, or nothing; neither waits nor locks."""
        told = self.holder() if self._holder_file.exists() else ""
        return told if told and self._alive() else ""

    def _alive(self) -> bool:
        """Tell whether the process that signed last is still there; a dead one's lock is free."""
        try:
            pid = int(json.loads(self._holder_file.read_text(encoding="utf-8"))["pid"])
            if sys.platform != "win32":  # there, to ask a process means to end it
                os.kill(pid, 0)
        except PermissionError:
            return True
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return False
        return True

    def holder(self) -> str:
        """Return who holds the lock, in words, as far as it is known."""
        try:
            told = json.loads(self._holder_file.read_text(encoding="utf-8"))
            seconds = max(0.0, time.time() - told["since"])
            return f"process {told['pid']} ({told['name']}), for {seconds:.0f} s"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"

    @property
    def _holder_file(self) -> Path:
        return self.path.with_suffix(".holder")
