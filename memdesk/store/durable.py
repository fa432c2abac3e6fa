"""What LanceDB leaves to us: getting commits onto the disk, and mending a torn one.

LanceDB never calls fsync (LANCEDB.md §4): after a power cut the newest manifest may be empty,
and then the table cannot be opened any more. So every acknowledged commit is flushed here, and a
table that does not open is taken back to its newest whole version.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from memdesk.disk import flush_file, flush_folder
from memdesk.errors import StoreError
from memdesk.store.manifest import is_whole, looks_torn, manifests

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

_TICK_NS = 100_000_000
_REST_NS = 60_000_000_000
_MOST_ASIDE = 12
_MOST_COUNTS = 1


class Flusher:
    """Flushes what a table's commits have written since the last flush.

    It compares listings, so it also flushes what another process committed and did not live to
    flush: the version we acknowledge is built on it. The first flush therefore takes everything.
    """

    def __init__(self, folder: Path) -> None:
        self._root = _Listing(folder)

    def flush(self) -> None:
        """Put every file that is new since the last call, and its folder, on the disk."""
        self._root.flush()


class _Listing:
    """A folder as it was when it was flushed last."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._changed = -1
        self._files: set[str] = set()
        self._below: dict[str, _Listing] = {}

    def flush(self) -> None:
        """Flush what is new in this folder and below it; what has been removed is forgotten."""
        try:
            stamp = os.stat(self._folder).st_mtime_ns  # noqa: PTH116 (hundreds of times a save)
            if stamp != self._changed:
                self._take(stamp)
        except FileNotFoundError:  # maintenance has removed it meanwhile
            return
        for name, below in list(self._below.items()):
            below.flush()
            # An index is written once, into a folder of its own, and there may be hundreds.
            if self._folder.endswith("_indices") and below.rests():
                self._files.add(name)
                del self._below[name]

    def rests(self) -> bool:
        """Tell whether the folder is whole on the disk and has not changed for a minute."""
        return 0 < self._changed < time.time_ns() - _REST_NS

    def _take(self, stamp: int) -> None:
        names = set(os.listdir(self._folder))  # noqa: PTH208 (thousands of names, a tenth of the time)
        new = names - self._files - self._below.keys()
        for name in new:
            path = Path(self._folder, name)
            if name.startswith(".tmp") or "#" in name:
                names.discard(name)
            elif path.is_dir():
                self._below[name] = _Listing(path)
            else:
                with contextlib.suppress(FileNotFoundError):
                    flush_file(path)
        flush_folder(Path(self._folder))
        self._below = {name: each for name, each in self._below.items() if name in names}
        self._files = names - self._below.keys()
        # Folder times move in ticks of some milliseconds: a young one may hide the next change.
        self._changed = stamp if time.time_ns() - stamp > _TICK_NS else -1


def check_hard_links(folder: Path) -> None:
    """Raise `StoreError` where the file system has no hard links, which LanceDB commits with."""
    first, second = folder / ".link-probe", folder / ".link-probe-2"
    try:
        first.write_bytes(b"")
        second.unlink(missing_ok=True)
        os.link(first, second)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StoreError("the disk is full; free some space and try again") from error
        raise StoreError(
            f"{folder} is on a file system without hard links ({error.strerror}), which the store "
            "needs; set MEMDESK_HOME to a folder on the computer's own disk"
        ) from error
    finally:
        first.unlink(missing_ok=True)
        second.unlink(missing_ok=True)


def mend(
    folder: Path,
    opens: Callable[[], object],
    rows: Callable[[], int],
    *,
    derived: bool = False,
) -> list[str]:
    """Set aside the newest manifests until one is whole; return the names that were set aside.

    The caller holds the writer lock. Only what a power cut can have torn is given up: one commit
    that changed the number of `rows` (its save was never acknowledged) and the few that maintenance
    makes. Of a `derived` table, whose commits nobody was promised, any number is. Raises what
    `opens` raised, with every manifest back in its place, when that is not enough.
    """
    aside: list[Path] = []
    counts: set[int] = set()
    if not _is_damaged(folder):
        opens()  # whole files that cannot be read now are a matter of the moment, not of a power cut
        return []
    while True:
        with contextlib.suppress(Exception):  # the manifest itself may be torn
            counts.add(rows())
        try:
            _check_files(folder)
            opens()
        except Exception:
            left = manifests(folder)
            enough = len(aside) == _MOST_ASIDE or len(counts) > _MOST_COUNTS
            if len(left) <= 1 or (enough and not derived):
                _put_back(aside)
                raise
            aside.append(left[0].rename(left[0].with_name(left[0].name + ".bad")))
        else:
            if aside:
                log.warning("set aside %d torn manifests of %s", len(aside), folder.name)
                flush_folder(folder / "_versions")
            return [path.name for path in aside]


def _check_files(folder: Path) -> None:
    if looks_torn(folder):
        raise StoreError("its newest version lacks a file, or one is cut short")


def _is_damaged(folder: Path) -> bool:
    """Tell whether the newest version is torn, or one of the manifests lacks its end mark."""
    return looks_torn(folder) or not all(map(is_whole, manifests(folder)[:_MOST_ASIDE]))


def _put_back(aside: list[Path]) -> None:
    for path in aside:
        path.rename(path.with_suffix(""))


def size_on_disk(folder: Path, *, without: Sequence[str] = ()) -> int:
    """Return the bytes that the files below a folder hold, but for some of its entries."""
    total = 0
    for path, folders, names in os.walk(folder):
        if without and path == str(folder):
            folders[:] = set(folders).difference(without)
            names[:] = set(names).difference(without)
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_size  # noqa: PTH118 (hot loop)
            except FileNotFoundError:
                continue
    return total
