"""Copies of the whole store, and putting one, or a restore point, in its place."""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from memdesk import __version__
from memdesk.answers import Copied, Restored
from memdesk.errors import Busy, Invalid, StoreError
from memdesk.limits import check, left
from memdesk.memory import now
from memdesk.service import points
from memdesk.service.core import MAINTENANCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from memdesk.service.core import Core
    from memdesk.store.archive import Graves, Source, Step

    Progress = Callable[[int, int], None] | None

LOCK = "copying"
"""Held by whoever copies or restores a whole store."""
ASIDE = "set aside by a restore"
"""The reason of the restore point that a restored store leaves behind."""
_SNAPSHOT, _SCRATCH = ".copying", ".checking"
_OF_BACKUPS = (".backup", "backups/.*.zip.*.part")
_LEFTOVER_SECONDS = 3600
_UNREAD = (
    "the store that was there before cannot be read: what had been purged from it since may be back"
)


def copy_to(core: Core, folder: Path, progress: Progress) -> Copied:
    """Copy the store as of one moment into an empty folder, one file a table."""
    from memdesk.store import VERSION, archive, read_stamp, snapshot

    _check_empty(folder)
    core.store()
    with _alone(core):
        with core.locked():
            core.store()
            at, linked = now(), snapshot.linked(core.home)
        with _folder(core.home / _SNAPSHOT) as tables:
            linked.rename(tables)  # what is made among the points is swept after an hour
            stamp = read_stamp(tables, VERSION)
            assert stamp
            done = archive.write(archive.Tables(tables, stamp), folder, _step(progress))
    return Copied(str(folder), at, done.seq, stamp.epoch, stamp.model, stamp.format, done.rows)


def _check_empty(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise Invalid("folder", f"{folder} is not empty; name one that is, or a new one")
    except OSError as error:
        raise Invalid("folder", f"{folder} cannot be used: {error.strerror}") from error


def check_copy(core: Core, folder: Path, progress: Progress) -> Copied:
    """Restore a copy into a temporary place and compare every row with the copy."""
    from memdesk.store import archive

    source, step = archive.Copy.of(folder), _step(progress)
    total = sum(source.count(part) for part in archive.PARTS)
    with _alone(core), _folder(core.home / _SCRATCH) as scratch:
        _make(source, scratch, archive.NO_GRAVES, lambda done, _: step(done, 2 * total))
        made = archive.Tables(scratch, source.stamp)
        archive.compare(source, made, lambda done, _: step(total + done, 2 * total))
    stamp, rows = source.stamp, {part: source.count(part) for part in archive.PARTS}
    seq, _ = archive.standing(source)
    return Copied(str(folder), now(), seq, stamp.epoch, stamp.model, stamp.format, rows)


def restore_copy(core: Core, folder: Path, progress: Progress) -> Restored:
    """Put a copy in the store's place, whether or not that can be opened."""
    from memdesk.store import archive

    return _restore(core, archive.Copy.of(folder), _step(progress))


def restore_point(core: Core, name: str) -> Restored:
    """Put a restore point in the store's place, whether or not that can be opened."""
    from memdesk.store import VERSION, archive, read_stamp, snapshot

    with core.alone(points.LOCK, left(core.wait)) as alone:
        if not alone:
            raise Busy("who tidies up the restore points", left(core.wait))
        if name not in snapshot.points(core.home):
            raise Invalid(
                "name", f"“{name[:80]}” is no restore point; `points` lists those there are"
            )
        folder = core.home / snapshot.FOLDER / name
        stamp = read_stamp(folder, VERSION)
        if stamp is None:
            raise StoreError(
                f"the restore point {name} has no store.json, so it cannot be restored"
            )
        return _restore(core, archive.Tables(folder, stamp), _step(None))


def _restore(core: Core, source: Source, step: Step) -> Restored:
    """Make a store of a source beside the present one, then put it in its place."""
    from memdesk.store import archive, exchange

    with _alone(core):
        if exchange.under_way(core.home):  # one that was killed comes first
            with core.locked():
                exchange.finish(core.home)
        with _folder(core.home / exchange.NEW) as new:
            graves = archive.graves(core.home)
            memories, erased = _make(source, new, graves, step)
            with _quiet(core):
                later = archive.graves(core.home)
                if later != graves:  # somebody has purged meanwhile; nobody can now
                    memories, erased = _make(source, new, later, step)
                aside = _put_in_place(core)
    core.changes.tell()
    notes = (_UNREAD,) if later is None else ()
    return Restored(memories, aside, erased, notes)


def _make(source: Source, home: Path, graves: Graves | None, step: Step) -> tuple[int, int]:
    """Make a whole store of a source in a folder; return how many memories it has, and how many were erased."""
    from memdesk.store import archive, maintain, open_store

    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(mode=0o700)
    stamp = archive.renewed(source.stamp)
    due = graves.beyond(source) if graves else archive.NO_GRAVES
    linked = isinstance(source, archive.Tables) and not due
    if isinstance(source, archive.Tables) and linked:
        archive.link(source, home, stamp)
    erased = 0 if linked else archive.build(source, home, stamp, due, step)
    store = open_store(
        home, __version__, (stamp.model, stamp.fingerprint, stamp.dims), contextlib.nullcontext
    )
    try:
        if not linked:
            maintain(store, contextlib.nullcontext, indexed=0, whole=False, keep_seconds=0)
        return archive.standing(archive.Tables(home, store.stamp))[1], erased
    finally:
        store.close()


def _put_in_place(core: Core) -> str:
    """Put the store that was made in the place of the present one; return the point that this is then."""
    from memdesk.store import archive, exchange, snapshot

    at = now()
    try:
        stamp = archive.stamp_of(core.home)
        seq, memories = archive.standing(archive.Tables(core.home, stamp))
        epoch, reason = stamp.epoch, ASIDE
    except StoreError:
        epoch, seq, memories, reason = "", 0, 0, f"{ASIDE}, which cannot be read"
    due = (core.home / snapshot.SCRUB).exists()
    about = snapshot.About(at.isoformat(), reason, epoch, seq, memories, kept=True, due=due)
    about = replace(about, clean=0 if due else seq)
    name = snapshot.name_of(at, ASIDE)
    moved = exchange.exchange(core.home, f"{snapshot.FOLDER}/{name}", asdict(about))
    return name if moved else ""


@contextlib.contextmanager
def _quiet(core: Core) -> Iterator[None]:
    """Hold every lock under which tables are written to."""
    with core.alone(MAINTENANCE, left(core.wait)) as alone:
        if not alone:
            raise Busy(MAINTENANCE, core.wait)
        with core.locked():
            yield


@contextlib.contextmanager
def _alone(core: Core) -> Iterator[None]:
    """Be the only one who copies or restores, and sweep what those who were killed left."""
    from memdesk.store import exchange

    core.make_home()
    with core.alone(LOCK, left(core.wait)) as alone:
        if not alone:
            raise Busy("another backup or restore", core.wait)
        for name in (_SNAPSHOT, _SCRATCH, exchange.NEW):
            if name != exchange.NEW or not exchange.under_way(core.home):
                shutil.rmtree(core.home / name, ignore_errors=True)
        yield


def sweep(core: Core) -> bool:
    """Remove whole copies that killed processes left; False while there may be one at work.

    `.backup` and what is cut short among the backups are `memdesk backup`'s, `.doctor-*` is the
    doctor's, who takes no lock and far less than an hour.
    """
    from memdesk.store import exchange

    ours = (_SNAPSHOT, _SCRATCH, exchange.NEW)
    swept = [_swept(core, LOCK, ours), _swept(core, "backup", _OF_BACKUPS)]
    for path in core.home.glob(".doctor-*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _LEFTOVER_SECONDS:
                shutil.rmtree(path)
    return all(swept) and not any(core.home.glob(".doctor-*"))


def _swept(core: Core, lock: str, patterns: Sequence[str]) -> bool:
    """Remove what is there only while somebody holds a lock; False where somebody does."""
    from memdesk.store import exchange

    if not any(any(core.home.glob(each)) for each in patterns):
        return True
    with core.alone(lock) as alone:
        if not alone or exchange.under_way(core.home):
            return False
        for path in [path for each in patterns for path in core.home.glob(each)]:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    return True


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """Lend a folder that is gone afterwards, unless a journal says that it is needed still."""
    from memdesk.store import exchange

    try:
        yield path
    finally:
        if path.name != exchange.NEW or not exchange.under_way(path.parent):
            shutil.rmtree(path, ignore_errors=True)


def _step(progress: Progress) -> Step:
    """Return what is called after each part of the work: it ends once nobody wants the answer."""

    def step(done: int, total: int) -> None:
        check()
        if progress:
            progress(done, total)

    return step
