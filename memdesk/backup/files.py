"""Making, checking and restoring backup files, with the service's copies in between."""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from memdesk.backup import container
from memdesk.errors import Invalid, StoreError
from memdesk.lock import WriterLock
from memdesk.memory import now
from memdesk.service import backups
from memdesk.service.backups import Backup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from memdesk.answers import Restored
    from memdesk.backup.container import Manifest
    from memdesk.service import Service

    Progress = Callable[[int, int], None] | None

FOLDER = "backups"
"""Where backup files go by default, in the store's folder."""
LOCK = "backup.lock"
_WORKING = ".backup"
_WAIT = 30.0
_LEFTOVER_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Made:
    """A backup file that was made."""

    path: Path
    size: int
    rows: dict[str, int]
    encrypted: bool


def target(home: Path, chosen: Path | None, *, encrypted: bool) -> Path:
    """Return the file that a backup goes to: the one chosen, or a new one in the folder chosen.

    Raises `Invalid` where it is there already, or its folder is not.
    """
    kind = "-encrypted" if encrypted else ""
    name = f"memdesk-{now():%Y%m%d-%H%M%S}{kind}.zip"
    if chosen is None:
        (home / FOLDER).mkdir(mode=0o700, parents=True, exist_ok=True)
        chosen = home / FOLDER
    path = chosen.absolute()
    path = path / name if path.is_dir() else path
    if path.exists():
        raise Invalid("file", f"{path} is there already; choose another name")
    if not path.parent.is_dir():
        raise Invalid("file", f"there is no folder {path.parent}; make it first")
    return path


def create(
    service: Service, home: Path, file: Path, passphrase: str | None, progress: Progress = None
) -> Made:
    """Make a backup file of the store as it is at one moment, while others go on writing."""
    with _working(home) as scratch:
        _sweep(file.parent)
        copied = service.copy_to(scratch / "copy", progress)
        encrypted = passphrase is not None

        def record(size: int) -> None:  # a purge must know of a file whose maker was killed, too
            at, epoch = copied.at.isoformat(), copied.epoch
            backups.record(home, Backup(at, str(file), copied.seq, epoch, size, encrypted))

        container.pack(copied, scratch / "copy", file, passphrase, scratch, record=record)
    return Made(file, file.stat().st_size, copied.rows, encrypted)


def _sweep(folder: Path) -> None:
    """Remove what backups that were killed left beside where they were to be."""
    for part in folder.glob(".*.zip.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > _LEFTOVER_SECONDS:
                part.unlink()


def verify(
    service: Service, home: Path, file: Path, passphrase: str | None, progress: Progress = None
) -> Manifest:
    """Restore a backup into a temporary place and compare every row; raises `Invalid`."""
    with _unpacked(home, file, passphrase) as (folder, manifest):
        found = service.check_copy(folder, progress)
        if (found.rows, found.seq, found.epoch) != (manifest.rows, manifest.seq, manifest.epoch):
            raise Invalid("file", f"{file} holds other rows than its manifest says")
        return manifest


def restore(
    service: Service, home: Path, file: Path, passphrase: str | None, progress: Progress = None
) -> Restored:
    """Put a backup in the store's place, once every file in it has been checked."""
    with _unpacked(home, file, passphrase) as (folder, _):
        return service.restore_copy(folder, progress)


@contextlib.contextmanager
def _unpacked(home: Path, file: Path, passphrase: str | None) -> Iterator[tuple[Path, Manifest]]:
    with _working(home) as scratch:
        folder = scratch / "copy"
        folder.mkdir(mode=0o700)
        yield folder, container.unpack(file, folder, passphrase, scratch)


@contextlib.contextmanager
def _working(home: Path) -> Iterator[Path]:
    """Lend a private folder that is gone afterwards, as is what a killed process left in it."""
    path = home / _WORKING
    with WriterLock(home / LOCK, "memdesk backup").hold(_WAIT):
        try:
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(mode=0o700)
            yield path
        except OSError as error:
            raise StoreError(f"cannot write below {home}: {error.strerror or error}") from error
        finally:
            shutil.rmtree(path, ignore_errors=True)


def known(home: Path) -> tuple[Backup, ...]:
    """Return the backup files made on this computer, and those in its folder of backups, the newest first."""
    told = {each.path: each for each in backups.recorded(home)}
    for path in (home / FOLDER).glob("*.zip"):
        with contextlib.suppress(Invalid, OSError):
            if str(path) not in told:
                told[str(path)] = _found(path)
    return tuple(sorted(told.values(), key=lambda each: datetime.fromisoformat(each.at))[::-1])


def _found(path: Path) -> Backup:
    stat = path.stat()
    at = datetime.fromtimestamp(stat.st_mtime, UTC).isoformat()
    encrypted = container.is_encrypted(path)
    return Backup(at, str(path), 0, "", stat.st_size, encrypted=encrypted)
