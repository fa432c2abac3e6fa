"""Restore points: the store as it stood before each bulk change, and on a schedule."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from memdesk.answers import Point
from memdesk.errors import Invalid, StoreError
from memdesk.limits import left
from memdesk.memory import clean_word, now
from memdesk.moment import age
from memdesk.service.duties import KEEPING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from memdesk.service.core import Core
    from memdesk.store.snapshot import About

BULK = 20
"""A change of more memories than this has a restore point before it: more than one undoes by hand."""
BULK_CHARACTERS = 1 << 20
"""An import of more text than this has one, too: long documents come in batches of a few."""
SCHEDULED = "scheduled"
"""The reason of points that were made because it was time."""
SYNC = "sync with "
"""What the reason begins with of points before many changes that came from a remote."""
LOCK = "points"
"""Held by whoever drops points or rewrites them, and by whoever reads a whole one."""
EVERY = timedelta(hours=6)
"""How old the last scheduled point may grow while there are writes: half a working day."""
MOST_BULK, BULK_DAYS = 20, 30
"""Points before bulk changes, and days: as long as the trash keeps what was forgotten."""
SCHEDULED_LAST, SCHEDULED_DAYS, SCHEDULED_WEEKS = 4, 7, 4
"""The last ones (a day's worth), one a day for a week, one a week for a month."""
SYNC_LAST = 3
"""The last ones before changes of a remote, which are not to push out the person's own; one a day, too."""
LEAST_BYTES = 256 << 20
"""Points together may keep this much, or as much as the store itself is large."""
_LOOK = timedelta(minutes=1)
_BACKUPS = "backups.json"
_REASON_LENGTH = 100


def points(core: Core) -> tuple[Point, ...]:
    """Return the restore points there are, the newest first."""
    from memdesk.store import snapshot

    found = snapshot.points(core.home).items()
    return tuple(
        _point(name, about, snapshot.only_in([snapshot.files(core.home, name)]))
        for name, about in found
        if about
    )


def _point(name: str, about: About, size: int = 0) -> Point:
    at = datetime.fromisoformat(about.at)
    return Point(name, at, about.reason, about.seq, about.memories, size, about.kept)


def take(core: Core, reason: str, change: str | None = None) -> Point:
    """Make a restore point of the store as it is now; raises `Invalid`, `Busy`, `StoreError`.

    The writer lock is held while links are made, and not while they are looked through.
    """
    from memdesk.store import snapshot

    reason = clean_word(reason, "reason", _REASON_LENGTH) or "by hand"
    core.store()
    with core.locked():
        seq = core.store().refresh().seq
        making = snapshot.linked(core.home)
    name = snapshot.finished(making, core.home, reason, at=now(), change=change or "")
    about = snapshot.points(core.home).get(name)
    if about is None or about.seq < seq:
        snapshot.drop_point(core.home, name)
        raise StoreError("the restore point lacks memories; nothing was changed, so try again")
    return _point(name, about, snapshot.only_in([snapshot.files(core.home, name)]))


def drop(core: Core, name: str) -> None:
    """Delete a restore point; raises `Invalid` for a name that is none."""
    from memdesk.store import snapshot

    with core.alone(LOCK, left(core.wait)) as alone:
        if not alone:
            raise StoreError("restore points are being tidied up; try again in a minute")
        if name not in snapshot.points(core.home):
            raise Invalid(
                "name", f"“{name[:80]}” is no restore point; `points` lists those there are"
            )
        snapshot.drop_point(core.home, name)


def before(core: Core, reason: str, change: str | None = None) -> None:
    """Make the restore point that a bulk change needs, before its first write.

    None is made where one that is not scheduled holds the store as it is, or a batch of the same
    `change` has made its own. Raises `StoreError` where none can be made: then the change must not be.
    """
    from memdesk.store import snapshot

    store = core.store()
    try:
        known = [about for about in snapshot.points(core.home).values() if about]
        if change and any(about.change == change for about in known):
            return
        lasting = [each for each in known if each.reason != SCHEDULED and not each.trouble]
        if _is_in(lasting, store.stamp.epoch, store.refresh().seq):
            return
        take(core, reason, change)
    except (StoreError, OSError) as error:
        raise StoreError(
            f"no restore point could be made before this, so nothing was changed: {error}"
        ) from error


def _is_in(known: Iterable[About], epoch: str, seq: int) -> bool:
    """Tell whether a point holds the store as it is now, whatever the clock said when it was made."""
    return any((about.epoch, about.seq) == (epoch, seq) for about in known)


def before_import(core: Core, texts: Sequence[str], change: str | None) -> None:
    """Make a restore point before an import of many memories or of much text."""
    if len(texts) > BULK or sum(map(len, texts)) > BULK_CHARACTERS:
        before(core, "import", change)


def before_many(core: Core, ids: Sequence[object], reason: str, change: str | None) -> None:
    """Make a restore point before a change of more than `BULK` memories."""
    if len(ids) > BULK:
        before(core, reason, change)


# What stays


def surplus(known: Iterable[Point], at: datetime) -> list[Point]:
    """Return the points that the rules of number and age keep no longer, the oldest first.

    The newest one always stays, and so does what is kept by a person's wish.
    """
    loose = sorted((each for each in known if not each.kept), key=lambda each: each.at)[::-1]
    synced = [each for each in loose if each.reason.startswith(SYNC)]
    scheduled = [each for each in loose if each.reason == SCHEDULED]
    bulk = [each for each in loose if each not in synced and each not in scheduled]
    stay = {each.name for each in (*loose[:1], *scheduled[:SCHEDULED_LAST], *synced[:SYNC_LAST])}
    stay |= _newest_of_each(synced, at - timedelta(days=SCHEDULED_DAYS), _day)
    stay |= {each.name for each in bulk[:MOST_BULK] if at - each.at < timedelta(days=BULK_DAYS)}
    stay |= _newest_of_each(scheduled, at - timedelta(days=SCHEDULED_DAYS), _day)
    stay |= _newest_of_each(scheduled, at - timedelta(weeks=SCHEDULED_WEEKS), _week)
    return [each for each in reversed(loose) if each.name not in stay]


def _newest_of_each(
    newest_first: Sequence[Point], since: datetime, period: Callable[[datetime], object]
) -> set[str]:
    chosen: dict[object, str] = {}
    for each in newest_first:
        if each.at > since:
            chosen.setdefault(period(each.at), each.name)
    return set(chosen.values())


def _day(at: datetime) -> object:
    return at.astimezone(UTC).date()


def _week(at: datetime) -> object:
    return at.astimezone(UTC).isocalendar()[:2]


def tidy(core: Core, sure: datetime | None = None) -> None:
    """Drop the points that the quota keeps no longer, and what killed processes left of some.

    Ages count up to `sure`, a moment that has certainly come; without one none is too old.
    """
    from memdesk.store import snapshot

    with core.alone(LOCK) as alone:
        if not alone:
            return
        snapshot.sweep(core.home)
        loose = [
            _point(name, about)
            for name, about in snapshot.points(core.home).items()
            if about and not about.kept
        ]
        at = sure or min((each.at for each in loose), default=now())
        gone = {each.name for each in surplus(loose, at)}
        gone |= _too_many_bytes(core, [each.name for each in loose if each.name not in gone])
        for name in sorted(gone):
            snapshot.drop_point(core.home, name)


def _too_many_bytes(core: Core, newest_first: Sequence[str]) -> set[str]:
    """Return the oldest points, without which the others keep as much as they may."""
    from memdesk.store import snapshot

    most = max(LEAST_BYTES, core.store().size())
    held = {name: snapshot.files(core.home, name) for name in newest_first}
    over: set[str] = set()
    while len(held) > 1 and snapshot.only_in(held.values()) > most:
        name, _ = held.popitem()
        over.add(name)
    return over


def scrub(core: Core, *, asked: bool) -> bool:
    """Take purged words out of the restore points' files; False where others are at the points.

    Unless it is `asked` for, only of those that were made while words were still to be taken out of
    the store's own, or missed: by a memdesk that knows no restore points, say.
    """
    from memdesk.store import erased, snapshot

    if asked and snapshot.any_unfinished(core.home):
        return False
    known, tombs = snapshot.points(core.home), erased(core.store())
    last = max(tombs.values(), default=0)
    names = [
        name
        for name, about in known.items()
        if asked or (about and (about.due or about.clean < last))
    ]
    if not names:
        return True
    with core.alone(LOCK) as alone:
        if alone:
            for name in names:
                snapshot.scrub(core.home, name, tombs)
        return alone


# On a schedule


def opened(core: Core) -> None:
    """Look whether it is time for a point now that a store has been opened."""
    if core.snapshots and core.background:
        core.duties.run(KEEPING, lambda: keep(core))


def keep_in_background(core: Core) -> None:
    """Have it looked whether it is time for a point, at most once a minute."""
    at = now()
    if not (core.snapshots and core.background):
        return
    if not core.points_looked or not timedelta(0) <= at - core.points_looked < _LOOK:
        core.points_looked = at
        core.duties.run(KEEPING, lambda: keep(core))


def keep(core: Core) -> None:
    """Make a scheduled point when there was a write since the last point and its time has come."""
    from memdesk.store import snapshot

    known = [about for about in snapshot.points(core.home).values() if about]
    last = [datetime.fromisoformat(each.at) for each in known if each.reason == SCHEDULED]
    # One that is still to come was made on a clock that has gone back since.
    if any(timedelta(0) <= now() - each < EVERY for each in last):
        return
    store = core.store()
    seq = store.refresh().seq
    if not seq or _is_in(known, store.stamp.epoch, seq):
        return
    take(core, SCHEDULED)
    tidy(core)


# What is told of them


def told(core: Core) -> str:
    """Return when the last restore point and the last backup file were made; empty for neither."""
    from memdesk.store import snapshot

    made = next((about.at for about in snapshot.points(core.home).values() if about), None)
    parts = [f"restore point {_ago(made)}"] if made else []
    backup = _last_backup(core.home)
    if backup:
        parts.append(f"backup file {_ago(backup)}")
    return ", ".join(parts) + (", no backup file yet" if made and not backup else "")


def _last_backup(home: Path) -> str | None:
    """Return when the newest known backup file was made, in ISO 8601."""
    try:
        listed = json.loads((home / _BACKUPS).read_text(encoding="utf-8"))
        return max(datetime.fromisoformat(each["at"]) for each in listed).isoformat()
    except (OSError, ValueError, LookupError, TypeError):  # none yet, or none that can be read
        return None


def _ago(at: str) -> str:
    when = age(datetime.fromisoformat(at), now())
    return "just now" if when == "now" else f"{when} ago"


def notes(core: Core) -> list[str]:
    """Return what a person should know of the restore points."""
    from memdesk.store import snapshot

    found: list[str] = []
    for name, about in snapshot.points(core.home).items():
        if about is None:
            found.append(f"the restore point {name} cannot be read; nothing was deleted")
        elif about.trouble:
            found.append(
                f"words purged since are still in the restore point {name}, which cannot be "
                f"rewritten ({about.trouble}); drop it to be rid of them"
            )
    return found
