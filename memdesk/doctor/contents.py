"""What the store itself says when it is opened: asked of the service, wherever that runs."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from memdesk.answers import Finding
from memdesk.backup.files import known
from memdesk.doctor.rounds import GOOD, NOTE, PROBLEM, Check, counted
from memdesk.errors import Busy, MemdeskError
from memdesk.memory import now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memdesk.doctor.rounds import Case

GROUP = "The store"
_OLD = timedelta(days=30)
_SECONDS = 60.0
"""Enough for a million memories on a busy machine, or for a torn table to be mended."""


def checks(case: Case) -> Iterator[Check]:
    """Yield the checks of a store, if there is one: it is not made by looking at it."""
    look = _examine if case.stored else _nothing
    yield Check(GROUP, "contents", partial(look, case), _SECONDS)
    if case.stored:
        yield Check(GROUP, "backups", partial(_backups, case))


def _examine(case: Case) -> Iterator[Finding]:
    try:
        yield from case.open_service().examine()
    except Busy as error:
        yield Finding("contents", PROBLEM, str(error), "memdesk doctor again when it is done")
    except MemdeskError as error:
        words = f"the store cannot be opened: {error}"
        yield Finding("contents", PROBLEM, words, "memdesk backup list shows what may be restored")


def _backups(case: Case) -> Iterator[Finding]:
    there = [backup for backup in known(case.home) if backup.is_there]
    if not there:
        words = "no backup file yet; restore points help against mistakes, not when a disk is lost"
        yield Finding("backups", NOTE, words, "memdesk backup create")
        return
    last = datetime.fromisoformat(there[0].at)
    words = f"{counted(len(there), 'file')}, the last of {last.astimezone():%d %b %Y %H:%M}"
    if now() - last > _OLD:
        yield Finding("backups", NOTE, f"{words}: it is old", "memdesk backup create")
    elif all(_same_disk(Path(backup.path), case.home) for backup in there):
        words += ", on the store's own disk, with which it would be lost"
        yield Finding("backups", NOTE, words, f"copy {case.quoted(there[0].path)} to another disk")
    else:
        yield Finding("backups", GOOD, words)


def _same_disk(one: Path, other: Path) -> bool:
    try:
        return one.stat().st_dev == other.stat().st_dev
    except OSError:
        return False


def _nothing(case: Case) -> Iterator[Finding]:
    tables = [path.name for path in case.home.glob("*.lance")]
    if tables:
        words = f"store.json is missing beside {len(tables)} tables, so they cannot be opened"
        yield Finding("contents", PROBLEM, words, "memdesk backup list shows what may be restored")
    else:
        words = "there are no memories yet, so there is nothing to look through"
        yield Finding("contents", NOTE, words, 'memdesk add "what I want to keep"')
