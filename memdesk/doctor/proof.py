"""Proving it: a memory saved, found and forgotten, and the last backup brought back elsewhere."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from memdesk.answers import Finding
from memdesk.backup import files, seal
from memdesk.doctor.folder import size_of
from memdesk.doctor.rounds import (
    GOOD,
    NOTE,
    PROBLEM,
    WARNING,
    Check,
    size_words,
    time_words,
)
from memdesk.errors import Busy, MemdeskError
from memdesk.lock import WriterLock
from memdesk.memory import Draft, Filter, Source
from memdesk.service import points as restore_points

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memdesk.answers import Copied, Point
    from memdesk.doctor.rounds import Case

GROUP = "Proof"
SPACE = "memdesk-doctor"
"""Where the proof is kept: hosts look in their own space and in `personal`, so they never see it."""
LINE = "memdesk doctor keeps this line for a moment, to prove that saving and finding work."
"""Always the same, so that the trash has it once, however often it was proved."""
_QUESTION = "which line does the doctor keep to prove that finding works?"
_ACTOR = "doctor"
_SECONDS = 90.0
_DRILL_SECONDS = 3600.0
_SPARE = 100e6
_WAIT = 30.0
PREFIX = ".doctor-"


def checks(case: Case) -> Iterator[Check]:
    """Yield what `--prove` adds; where there is no store yet it makes none."""
    if not case.stored:
        yield Check(GROUP, "round trip", partial(_nothing, "there is no store yet"))
        return
    yield Check(GROUP, "round trip", partial(_round_trip, case), _SECONDS)
    yield Check(GROUP, "restore point", partial(_drill, case), _DRILL_SECONDS)
    yield Check(GROUP, "backup", partial(_backup, case), _DRILL_SECONDS)


def unproved(unfinished: Sequence[str]) -> Check:
    """Return what to tell instead where checks are still at work: they would keep the proof waiting."""
    words = f"{', '.join(unfinished)} did not come to an end"
    return Check(GROUP, "round trip", partial(_nothing, words))


def _nothing(why: str) -> Iterator[Finding]:
    words = f"{why}, so nothing was proved: neither saving and finding nor bringing back"
    yield Finding("round trip", NOTE, words, "memdesk doctor --prove, later")


# Save, recall, forget


def _round_trip(case: Case) -> Iterator[Finding]:
    service = case.open_service()
    where = Filter(spaces=(SPACE,))
    times = [time.monotonic()]
    draft = Draft(LINE, space=SPACE, source=Source(name="memdesk doctor"))
    id = service.remember(draft, actor=_ACTOR).id
    times.append(time.monotonic())
    found = service.recall(_QUESTION, where=where, floor=0.0)
    times.append(time.monotonic())
    service.forget([id], actor=_ACTOR)
    times.append(time.monotonic())
    again = service.recall(_QUESTION, where=where, floor=0.0)
    if all(hit.memory.id != id for hit in found.hits):
        words = "a line that was just saved is not found"
        yield Finding("round trip", PROBLEM, words, "memdesk reindex, then memdesk doctor --prove")
        return
    if any(hit.memory.id == id for hit in again.hits):
        yield Finding("round trip", PROBLEM, "a line that was forgotten is still found")
        return
    saved, recalled, forgot = (end - begin for begin, end in pairwise(times))
    words = f"a line was saved in {saved * 1000:.0f} ms, found in {recalled * 1000:.0f} ms"
    words += f" and forgotten in {forgot * 1000:.0f} ms"
    yield Finding(
        "round trip",
        GOOD,
        f"{words}; it stays in the trash of the space {SPACE}, which no host looks in",
    )
    if found.degraded:
        yield Finding("round trip", NOTE, f"it was found by its words only: {found.degraded}")


# The restore drill


def _drill(case: Case) -> Iterator[Finding]:
    _sweep(case.home)
    found = case.open_service().points()
    if not found:
        words = "there is none yet to bring back; the daemon makes one every six hours of use"
        yield Finding("restore point", NOTE, words)
        return
    point = found[0]
    folder = case.home / "points" / point.name
    needed = 2 * size_of(folder) + _SPARE
    if shutil.disk_usage(case.home).free < needed:
        words = f"the drill needs {size_words(needed)} of free space for its copies"
        yield Finding("restore point", WARNING, words, "free some space, then try again")
        return
    begun = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix=PREFIX, dir=case.home) as scratch:
            copied = _brought_back(folder, Path(scratch))
    except Busy as error:
        words = f"restore points are being tidied up ({error})"
        yield Finding("restore point", NOTE, words, "memdesk doctor --prove, later")
        return
    except (MemdeskError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        words = f"the last one, {point.name}, cannot be brought back: {why}"
        again = "memdesk backup create makes a copy of the store itself, which is as it was"
        yield Finding("restore point", PROBLEM, words, again)
        return
    yield from _compared(point, copied, time.monotonic() - begun)


def _sweep(home: Path) -> None:
    """Remove what a proof that was killed has left."""
    for path in home.glob(f"{PREFIX}*"):
        if time.time() - path.stat().st_mtime > _DRILL_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _brought_back(point: Path, scratch: Path) -> Copied:
    """Open a restore point's twin as a store, copy it out, restore the copy, compare every row."""
    from memdesk.service import Service

    twin, copy = scratch / "store", scratch / "copy"
    with WriterLock(point.parents[1] / f"{restore_points.LOCK}.lock", "memdesk doctor").hold(_WAIT):
        shutil.copytree(point, twin, copy_function=_link)
    copy.mkdir(mode=0o700)
    service = Service(twin, None, background=False)
    try:
        service.copy_to(copy)
        return service.check_copy(copy)
    finally:
        service.close()


def _compared(point: Point, copied: Copied, took: float) -> Iterator[Finding]:
    rows = sum(copied.rows.values())
    if copied.seq != point.seq:
        words = f"the restore point {point.name} says seq {point.seq:,} and holds {copied.seq:,}"
        yield Finding("restore point", PROBLEM, words, "memdesk backup create")
        return
    words = f"the last one ({point.at.astimezone():%d %b %H:%M}, {point.reason}) was brought back"
    words += f" elsewhere, and all {rows:,} rows are the same, in {time_words(took)}"
    yield Finding("restore point", GOOD, words)


def _backup(case: Case) -> Iterator[Finding]:
    """Restore the last backup file into a temporary place, as far as it can be read."""
    there = [backup for backup in files.known(case.home) if backup.is_there]
    if not there:
        yield Finding("backup", NOTE, "there is no backup file to restore", "memdesk backup create")
        return
    last, path = there[0], Path(there[0].path)
    shown, begun = case.shown(path), time.monotonic()
    try:
        if last.encrypted and case.passphrase is None:
            seal.check(path)
            words = f"{shown} is whole by its sum; it is encrypted, so its rows were not looked at"
            again = "memdesk doctor --prove --passphrase-file FILE reads them, too"
            yield Finding("backup", NOTE, words, again)
            return
        manifest = files.verify(case.open_service(), case.home, path, case.passphrase)
    except MemdeskError as error:
        yield Finding("backup", PROBLEM, f"it cannot be restored: {error}", "memdesk backup create")
        return
    rows = sum(manifest.rows.values())
    took = time_words(time.monotonic() - begun)
    words = f"{shown} was restored elsewhere, and all {rows:,} rows are the same, in {took}"
    yield Finding("backup", GOOD, words)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
