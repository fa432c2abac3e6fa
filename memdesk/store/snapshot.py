"""Restore points on the disk: hard links to what the newest version of each table needs.

LanceDB never changes a file, so a link costs nothing until the store drops the file itself.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import uuid
import warnings
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from memdesk.disk import flush_folder, write_json
from memdesk.errors import StoreError
from memdesk.memory import TOMBSTONE, now
from memdesk.store.durable import Flusher
from memdesk.store.filters import one_of
from memdesk.store.manifest import manifests, parts
from memdesk.store.stamp import FILE as STAMP
from memdesk.store.table import LOOP, Table, connect, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FOLDER = "points"
ABOUT = "point.json"
SCRUB = "scrub.due"
"""Stands in the store's folder while purged words may still be in its files."""
_MAKING = ".making-"
_DROPPED = ".dropped-"
_STAMP = "%Y%m%d-%H%M%S-%f"
_TRIES = 20
"""Looks at one table before maintenance has moved its files under all of them."""
_LEFTOVER_SECONDS = 3600
_AT_ONCE = 1000
_UNDER_WAY = ("coming", "former")
"""What `store.json` says of tables that a restore point has not."""

Files = dict[tuple[int, int], tuple[int, int]]
"""Size and number of links of each file, by device and inode."""


class _MovedError(Exception):
    """Maintenance of another process has committed a newer version meanwhile."""


@dataclass(frozen=True, slots=True)
class About:
    """What `point.json` says of a restore point."""

    at: str
    """When, in ISO 8601."""
    reason: str
    epoch: str = ""
    seq: int = 0
    memories: int = 0
    """How many there are, but for tombstones."""
    kept: bool = False
    """Whether it stays until a person drops it."""
    change: str = ""
    """The id of the change it was made before, where that is known."""
    due: bool = False
    """Whether words that had been purged before may still be in its files."""
    clean: int = 0
    """The sequence number up to which its files are free of what was purged."""
    trouble: str = ""
    """Why purged words could not be taken out of it; empty while they could."""


def make_point(home: Path, reason: str, *, kept: bool = False) -> str:
    """Make a restore point of the store in a folder, and return its name.

    The caller holds the writer lock. Raises `StoreError`.
    """
    return finished(linked(home), home, reason, kept=kept)


def linked(home: Path) -> Path:
    """Link the newest version of the store's tables into a hidden folder, and return that.

    The caller holds the writer lock; maintenance may go on. Raises `StoreError`.
    """
    with wrapped(str(home)):
        told = json.loads((home / STAMP).read_text(encoding="utf-8"))
        making = home / FOLDER / f"{_MAKING}{uuid.uuid4()}"
        (home / FOLDER).mkdir(mode=0o700, exist_ok=True)
        making.mkdir(mode=0o700)
        try:
            for name in ("memories", "history", str(told["passages"])):
                link_table(home / f"{name}.lance", making / f"{name}.lance")
            about = About("", "", str(told["epoch"]), due=(home / SCRUB).exists())
            stamp = {name: value for name, value in told.items() if name not in _UNDER_WAY}
            (making / STAMP).write_text(json.dumps(stamp, indent=1), encoding="utf-8")
            (making / ABOUT).write_text(json.dumps(asdict(about)), encoding="utf-8")
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
    return making


def link_table(source: Path, target: Path) -> None:
    """Link the newest version of a table; raises `StoreError`, `OSError`."""
    for _ in range(_TRIES):
        try:
            _link_newest(source, target)
        except _MovedError:
            shutil.rmtree(target)
        else:
            return
    raise StoreError(f"maintenance keeps moving the files of {source.name}; try again in a minute")


def _link_newest(source: Path, target: Path) -> None:
    """Link the files that the newest manifest names; those only older versions need stay behind."""
    newest = next(iter(manifests(source)), None)
    if newest is None:
        raise StoreError(f"{source} has no whole version")
    (target / "_versions").mkdir(parents=True, mode=0o700)
    _link(newest, target / "_versions" / newest.name)
    with suppress(FileNotFoundError):
        needed = _Needed(source, newest)
        for part in ("data", "_indices", "_transactions", "_deletions"):
            _link_tree(source / part, target / part, needed)
    # Maintenance commits a newer version before it removes a file of this one: while this one is
    # the newest, what has vanished was not needed.
    if manifests(source)[:1] != [newest]:
        raise _MovedError


class _Needed:
    """Which files of a table a manifest names, and which folders of indexes."""

    def __init__(self, table: Path, manifest: Path) -> None:
        self._manifest = manifest.read_bytes()
        self._parts = {part.path for part in parts(table, manifest)}

    def __contains__(self, path: Path) -> bool:
        if path.parent.name == "_indices":  # a manifest need not name the files of an index
            with suppress(ValueError):  # what a file manager has put there is no index
                return uuid.UUID(path.name).bytes in self._manifest
            return False
        return path in self._parts or path.name.encode() in self._manifest


def _link_tree(source: Path, target: Path, needed: _Needed | None) -> None:
    """Link what is needed of a folder (None: all of it); what vanishes meanwhile is left out."""
    if not source.is_dir():
        return
    target.mkdir(mode=0o700)
    with suppress(FileNotFoundError), os.scandir(source) as entries:
        for entry in entries:
            if entry.name.startswith(".tmp"):
                continue
            if needed is not None and Path(entry.path) not in needed:
                continue
            if entry.is_dir():
                _link_tree(Path(entry.path), target / entry.name, None)
            else:
                with suppress(FileNotFoundError):
                    _link(Path(entry.path), target / entry.name)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # no links here, or too many of this file already
        shutil.copy2(source, target)


def finished(
    making: Path,
    home: Path,
    reason: str,
    *,
    at: datetime | None = None,
    kept: bool = False,
    change: str = "",
) -> str:
    """Make a restore point of what was linked: looked through, on the disk, in its place.

    Nobody need hold the lock. Returns its name; raises `StoreError`, and then there is none.
    """
    at = at or now()
    try:
        seq, memories = _looked_through(making)
        with wrapped(str(making)):
            about = replace(_told(making), at=at.isoformat(), reason=reason, kept=kept)
            clean = 0 if about.due else seq
            about = replace(about, change=change, seq=seq, memories=memories, clean=clean)
            write_json(making / ABOUT, asdict(about))
            Flusher(making).flush()
            name = name_of(at, reason)
            making.rename(home / FOLDER / name)
            flush_folder(home / FOLDER)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    return name


def name_of(at: datetime, reason: str) -> str:
    """Return the name of a restore point that was made at a moment, in UTC."""
    return f"{at.strftime(_STAMP)}-{_slug(reason)}"


def _slug(reason: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", reason.lower()).strip("-")[:40] or "point"


def _looked_through(folder: Path) -> tuple[int, int]:
    """Return the highest seq and how many memories there are; raises `StoreError` where any is missing."""
    db = connect(folder)
    for path in folder.glob("*.lance"):
        table = Table(db, folder, path.stem, durable=False)
        columns = ["seq", "state"] if path.stem == "memories" else ["seq"]
        rows = table.rows(columns=columns)
        if rows.num_rows != table.count():
            raise StoreError(f"{path.stem} could not be read whole for a restore point")
        if path.stem == "memories":
            seqs, states = (rows.column(name).to_pylist() for name in columns)
    return max(seqs, default=0), sum(state != TOMBSTONE for state in states)


# What there is


def _told(folder: Path) -> About:
    """Return what `point.json` says; raises OSError, ValueError or TypeError."""
    told = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    return About(**{name: told[name] for name in About.__slots__ if name in told})


def points(home: Path) -> dict[str, About | None]:
    """Return what is known of each restore point by its name, the newest first.

    None where its `point.json` cannot be read.
    """
    found: dict[str, About | None] = {}
    for name in sorted(_names(home), reverse=True):
        try:
            about = _told(home / FOLDER / name)
            found[name] = about if datetime.fromisoformat(about.at).tzinfo else None
        except (OSError, ValueError, TypeError):
            found[name] = None
    return found


def _names(home: Path) -> list[str]:
    with suppress(FileNotFoundError), os.scandir(home / FOLDER) as entries:
        return [each.name for each in entries if each.is_dir() and not each.name.startswith(".")]
    return []


def files(home: Path, name: str) -> Files:
    """Return the files of a restore point."""
    found: Files = {}
    for folder, _, names in os.walk(home / FOLDER / name):
        for each in names:
            with suppress(FileNotFoundError):
                stat = os.lstat(os.path.join(folder, each))  # noqa: PTH118 (hot loop)
                found[stat.st_dev, stat.st_ino] = stat.st_size, stat.st_nlink
    return found


def only_in(parts: Iterable[Files]) -> int:
    """Return the bytes that nothing else on the disk but these folders together has."""
    seen: Counter[tuple[int, int]] = Counter()
    known: Files = {}
    for part in parts:
        seen.update(part.keys())
        known |= part
    return sum(size for inode, (size, links) in known.items() if seen[inode] == links)


# What goes again


def drop_point(home: Path, name: str) -> None:
    """Delete a restore point; raises `StoreError`."""
    with wrapped(name):
        gone = home / FOLDER / f"{_DROPPED}{uuid.uuid4()}"
        (home / FOLDER / name).rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def sweep(home: Path) -> None:
    """Remove what killed processes left of points they made or dropped."""
    for pattern, older in ((f"{_MAKING}*", _LEFTOVER_SECONDS), (f"{_DROPPED}*", 0)):
        for folder in (home / FOLDER).glob(pattern):
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime >= older:
                    shutil.rmtree(folder, ignore_errors=True)


# Purged words


def any_unfinished(home: Path) -> bool:
    """Tell whether a point is being made, or was by somebody who was killed: it is in no list yet."""
    return any((home / FOLDER).glob(f"{_MAKING}*"))


def scrub(home: Path, name: str, erased: Mapping[str, int]) -> None:
    """Take the words of erased memories out of the files of a restore point.

    `erased` is the store's tombstones: ids with sequence numbers. What cannot be cleaned is left as it is, and says
    so. Nobody else may change points meanwhile.
    """
    about, folder, trouble, left = points(home).get(name), home / FOLDER / name, "", None
    try:
        left = _scrub(folder, set(erased), always=about is None or about.due)
    except (StoreError, OSError) as error:
        trouble = str(error)[:200]
    if about is not None:
        memories = about.memories if left is None else left
        clean = about.clean if trouble else max(erased.values(), default=about.clean)
        after = replace(about, trouble=trouble, due=bool(trouble), memories=memories, clean=clean)
    if about is not None and after != about:
        with suppress(OSError):
            write_json(folder / ABOUT, asdict(after))


def _scrub(folder: Path, erased: set[str], *, always: bool) -> int | None:
    """Clean one restore point; return how many memories it has then, or None if it was clean."""
    db = connect(folder)
    memories = Table(db, folder, "memories", durable=False)
    history = Table(db, folder, "history", durable=False)
    rows = memories.rows(columns=["id", "state"]).to_pylist()
    present = {row["id"] for row in rows if row["state"] != TOMBSTONE}
    earlier = set(history.rows(columns=["id"]).column("id").to_pylist())
    found, told = sorted(present & erased), sorted(earlier & erased)
    # A store that was set aside still has its old versions.
    always = always or any(len(manifests(table.path)) > 1 for table in (memories, history))
    for path in folder.glob("passages_*"):
        if always or found or told or _has(path, erased):
            shutil.rmtree(path)
    if not (always or found or told):
        return None
    _erase(memories, found)
    _erase(history, told)
    return len(present) - len(found)


def _has(passages: Path, erased: set[str]) -> bool:
    """Tell whether a table of passages may have words of erased memories."""
    try:
        table = Table(connect(passages.parent), passages.parent, passages.stem, durable=False)
        return not erased.isdisjoint(table.rows(columns=["memory"]).column("memory").to_pylist())
    except StoreError:
        return True


def _erase(table: Table, ids: Sequence[str]) -> None:
    """Delete rows, write the others anew, and leave no other version."""
    for start in range(0, len(ids), _AT_ONCE):
        table.delete(one_of("id", ids[start : start + _AT_ONCE]))
    with wrapped(table.name):
        LOOP.run(table.lance.update(where="true", updates_sql={"seq": "seq"}))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it warns of a margin of 0
            never = timedelta(0)
            LOOP.run(table.lance.optimize(cleanup_older_than=never, delete_unverified=True))
        table.flush(always=True)
