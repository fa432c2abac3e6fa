"""Keeping the tables small and fast: compaction, indexes, old versions, leftovers, purged text.

Run by a short-lived child process, so that its memory goes when it ends (LANCEDB.md §2). Writers
win every conflict with it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import shutil
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from memdesk.disk import flush_folder, write_json
from memdesk.errors import StoreError
from memdesk.memory import TOMBSTONE
from memdesk.store import ballast
from memdesk.store.compaction import compact, renew
from memdesk.store.filters import one_of
from memdesk.store.lapsed import lapsed
from memdesk.store.manifest import looks_torn
from memdesk.store.opening import MAINTAINED, VERSION, indexes, vector_index, word_index
from memdesk.store.stamp import FILE as STAMP
from memdesk.store.stamp import read_stamp
from memdesk.store.table import LOOP, Table, connect, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from memdesk.store.store import Store

log = logging.getLogger(__name__)

COMMITS = 32
"""Commits after which a table is compacted: each costs a search about 0.4 ms until then."""
_MOST_COMMITS = 4 * COMMITS
_FRAGMENT_BYTES, _ROW_BYTES = 400, 800
"""What a fragment takes in each manifest, and a row of `memories` in its fragment, about."""
_COMING_COMMITS = 4 * COMMITS
KEEP_SECONDS = 600.0
"""How long readers of other processes may still use an old version."""
_SCRUB = "scrub.due"
_LEFTOVER_SECONDS = 3600
_MAX_SEGMENTS = 10
_RETRAIN_GROWTH = 4
_TRAINABLE = 512
"""Vectors from which on there is an index; searches ask it beyond `MOST` of them.

Long before, since LanceDB merges no fragments that different parts of an index are of: without one
each compaction writes the whole table anew (2 GB of old versions within 10,000 saves of a burst).
"""
_AT_ONCE = 1000
_DAY = 86_400
_WEEK = 7 * _DAY


@dataclass(frozen=True, slots=True)
class Done:
    """What maintenance has done, as `maintenance.json` keeps it."""

    at: float = 0.0
    versions: dict[str, int] = field(default_factory=dict)
    """Each table's version when it was compacted last."""
    clean: bool = True
    """Whether no old version was left for the readers' sake."""
    trained: dict[str, int] = field(default_factory=dict)
    """Rows each vector index was trained on."""
    indexed: dict[str, int] = field(default_factory=dict)
    """The sequence number up to which each passages table is known to be whole and on the disk."""
    checked: float = 0.0
    """When every memory was last looked for in the passages, not only the newest."""
    scrubbed: int = 0
    """The wish for a scrub, by its time, that the tables have had: others may still keep it up."""


def _read(home: Path) -> Done:
    try:
        done = Done(**json.loads((home / MAINTAINED).read_text(encoding="utf-8")))
        return replace(done, at=float(done.at), checked=float(done.checked))
    except (OSError, ValueError, TypeError):
        return Done()


def _past(at: float, seconds: float) -> bool:
    """Tell whether so much time has passed since a moment; one that is still to come was no moment."""
    return not 0 <= time.time() - at <= seconds


def _tables(store: Store) -> tuple[Table, ...]:
    return store.memories, store.history, store.passages


def coming_table(store: Store) -> Table | None:
    """Return the table that is being made for another model, if one is and no power cut tore it."""
    name = store.stamp.coming_passages
    if not name or looks_torn(store.home / f"{name}.lance"):
        return None
    with contextlib.suppress(StoreError):  # it is dropped at this very moment
        return Table(connect(store.home), store.home, name, durable=False)
    return None


def _coming_due(store: Store, done: Done) -> bool:
    """Tell whether the coming table has grown by half since it was compacted, in commits.

    Nobody searches it, and each time all of it is written anew.
    """
    table = coming_table(store)
    if table is None:
        return False
    seen = done.versions.get(table.name, 0)
    return table.version - seen >= max(_COMING_COMMITS, seen // 2)


def maintenance_due(store: Store) -> bool:
    """Tell whether enough was written, or enough time has passed, for maintenance to pay."""
    done = _read(store.home)
    asked = _scrub_asked(store)
    if asked not in (0, done.scrubbed):
        return True
    if (asked or not done.clean) and _past(done.at, KEEP_SECONDS):
        return True
    with contextlib.suppress(FileNotFoundError):  # another store is being put in its place
        if _past(done.at or (store.home / STAMP).stat().st_mtime, _DAY):  # trash ages unwritten
            return True
    return _coming_due(store, done) or any(_due(store, table, done) for table in _tables(store))


def _due(store: Store, table: Table, done: Done) -> bool:
    """Tell whether so much was committed to a table that compacting it pays.

    A compaction writes all rows of a table without a vector index; a commit writes a manifest with
    all fragments since. Both together are least when there are as many commits in between; but a
    memory that is looked for by its id costs 35 ms more after 200 of them.
    """
    commits = table.version - _seen(done, table)
    if commits < COMMITS or table.name == store.passages.name:
        return commits >= COMMITS
    cheapest = math.isqrt(2 * table.count() * _ROW_BYTES // _FRAGMENT_BYTES)
    return commits >= min(cheapest, _MOST_COMMITS)


def _seen(done: Done, table: Table) -> int:
    return done.versions.get(table.name, 0)


def request_scrub(store: Store) -> None:
    """Ask that purged text leaves the files too, not only the answers."""
    (store.home / _SCRUB).touch(mode=0o600)
    flush_folder(store.home)


def _scrub_asked(store: Store) -> int:
    """Return when it was asked last that purged text leaves the files; 0 where it was not."""
    try:
        return (store.home / _SCRUB).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def indexed_until(store: Store) -> int:
    """Return the sequence number up to which search is known to have every memory."""
    return _read(store.home).indexed.get(store.passages.name, 0)


def whole_check_due(store: Store) -> bool:
    """Tell whether a day has passed since every memory was looked for in the passages."""
    return _past(_read(store.home).checked, _DAY)


def maintain(
    store: Store,
    locked: Callable[[], contextlib.AbstractContextManager[None]],
    *,
    indexed: int,
    whole: bool,
    keep_seconds: float = KEEP_SECONDS,
    scrubbed: Callable[[], bool] = lambda: True,
) -> None:
    """Compact, index and clean the tables; one process at a time.

    Old versions younger than `keep_seconds` stay for readers of other processes. `locked` holds the
    writer lock, needed only to rewrite tables after a purge. `indexed` is the sequence number up to
    which the caller has found every memory in the passages, and `whole` whether it looked at all.
    `scrubbed` is asked after a purge whether what lies beside the store is free of its words, too.
    """
    with wrapped("maintenance"):
        asked = _maintain(store, locked, indexed, whole=whole, keep_seconds=keep_seconds)
    if asked and scrubbed():
        with wrapped("maintenance"), locked():
            if asked == _scrub_asked(store):  # else somebody has purged more meanwhile
                (store.home / _SCRUB).unlink()


def _maintain(
    store: Store,
    locked: Callable[[], contextlib.AbstractContextManager[None]],
    indexed: int,
    *,
    whole: bool,
    keep_seconds: float,
) -> int:
    """Do it; return when a scrub was asked for that was done, or 0."""
    done = _read(store.home)
    settled = keep_seconds == 0 or _past(done.at, keep_seconds)
    idle = all(table.version == done.versions.get(table.name) for table in _tables(store))
    asked = _scrub_asked(store)
    scrubbing = asked not in (0, done.scrubbed)
    if scrubbing:
        with locked():
            asked = _scrub_asked(store)
            _rewrite(store)
    later = [] if settled or scrubbing else [t for t in _tables(store) if not _due(store, t, done)]
    for table in _tables(store):
        if table not in later:
            renew(table, keep_seconds)
            _sweep(table.path, older=_LEFTOVER_SECONDS)
    _complete(store)
    trained = _train(store.passages, store.stamp.dims, done.trained, anew=scrubbing)
    if coming := (scrubbing or _coming_due(store, done)) and coming_table(store):
        trained = _keep_coming(coming, trained, keep_seconds, anew=scrubbing)
    _clean(store, locked, keep_seconds, scrubbing=scrubbing)
    now = Done(
        at=time.time(),
        versions=_versions(store, coming or None) | {t.name: _seen(done, t) for t in later},
        clean=keep_seconds == 0 or (idle and settled and not scrubbing),
        trained=trained,
        indexed={store.passages.name: indexed},
        checked=time.time() if whole else done.checked,
        scrubbed=asked,
    )
    write_json(store.home / MAINTAINED, asdict(now))
    ballast.keep(store.home)
    return asked


def _clean(
    store: Store,
    locked: Callable[[], contextlib.AbstractContextManager[None]],
    keep_seconds: float,
    *,
    scrubbing: bool,
) -> None:
    """Remove the tables that nothing needs, and in a scrub every file that no version has."""
    with locked():
        strays = _strays(store, older=0 if scrubbing else _WEEK)
        for table in _tables(store) if scrubbing else ():  # now nobody else writes to these
            renew(table, keep_seconds, alone=True)
            _sweep(table.path, older=0)
        if coming := scrubbing and coming_table(store):
            with contextlib.suppress(RuntimeError, ValueError, OSError):  # it is being dropped
                renew(coming, 0, alone=True)  # only the switch reads it, which asks again
                _sweep(coming.path, older=0)
    for folder in strays:
        shutil.rmtree(folder, ignore_errors=True)
    for table in _tables(store):
        table.flush(always=True)


def _rewrite(store: Store) -> None:
    """Write every row anew, so that compaction leaves no file with purged text in it."""
    store.refresh()
    for table in _tables(store):
        LOOP.run(table.lance.update(where="true", updates_sql={"seq": "seq"}))
    if coming := coming_table(store):
        erased = lapsed(store, TOMBSTONE)
        for start in range(0, len(erased), _AT_ONCE):
            coming.delete(one_of("memory", erased[start : start + _AT_ONCE]))
        LOOP.run(coming.lance.update(where="true", updates_sql={"seq": "seq"}))


def _keep_coming(
    table: Table, trained: dict[str, int], keep_seconds: float, *, anew: bool
) -> dict[str, int]:
    """Keep the table of a coming model small as it grows; return what its indexes are trained on."""
    try:
        compact(table, keep_seconds)
        _sweep(table.path, older=_LEFTOVER_SECONDS)
        dims = LOOP.run(table.lance.schema()).field("vector").type.list_size
        trained = _train(table, dims, trained, anew=anew)
    except (RuntimeError, ValueError, OSError) as error:  # the change was given up: it is dropped
        log.info("maintenance of %s gave way: %s", table.name, str(error)[:200])
    return trained


def settle(store: Store) -> None:
    """Compact the passages that a model has made and train their indexes, before they are taken."""
    with wrapped(store.passages.name):
        compact(store.passages, KEEP_SECONDS)
        trained = _train(store.passages, store.stamp.dims, _read(store.home).trained, anew=False)
    done = _read(store.home)
    versions = done.versions | {store.passages.name: store.passages.version}
    told = replace(done, trained=done.trained | trained, versions=versions)
    write_json(store.home / MAINTAINED, asdict(told))


def _versions(store: Store, coming: Table | None) -> dict[str, int]:
    """Return the versions that were compacted: of the coming table the one before if it was not."""
    kept = {
        name: version
        for name, version in _read(store.home).versions.items()
        if name.startswith("passages_") and (store.home / f"{name}.lance").is_dir()
    }
    with contextlib.suppress(StoreError):
        if coming:
            kept[coming.name] = coming.version
    return kept | {table.name: table.version for table in _tables(store)}


def _complete(store: Store) -> None:
    """Make the indexes that a table of an earlier memdesk lacks."""
    for table in _tables(store):
        made = LOOP.run(table.lance.list_indices())
        present = {column for index in made for column in index.columns}
        for column, config in indexes(table.name).items():
            if column not in present:
                with contextlib.suppress(RuntimeError):  # a writer was faster: next time
                    LOOP.run(table.lance.create_index(column, config=config))


def _train(table: Table, dims: int, trained: dict[str, int], *, anew: bool) -> dict[str, int]:
    """Build the search indexes anew when the vectors have outgrown them, or hold purged words."""
    rows = table.count("embedded = true")
    segments = LOOP.run(table.lance.index_stats("vector_idx"))
    known = trained.get(table.name, 0) if segments else 0  # a table that was made anew has none
    grown = rows >= max(_TRAINABLE, known * _RETRAIN_GROWTH)
    if anew or grown or (segments and (segments.num_indices or 1) > _MAX_SEGMENTS):
        with contextlib.suppress(RuntimeError):  # a writer was faster: next time
            config = vector_index(dims)
            LOOP.run(table.lance.create_index("vector", config=config, replace=True))
            known = rows
    if anew:
        LOOP.run(table.lance.create_index("text", config=word_index(), replace=True))
    return {**trained, table.name: known}


def _strays(store: Store, older: float) -> list[Path]:
    """Set aside search tables that nothing needs, and have been so for so many seconds.

    The caller holds the lock: another process may just have changed the model. The table of the
    model before goes, too, after these seconds, and a coming one that a power cut tore: all in it is
    made anew.
    """
    stamp = read_stamp(store.home, VERSION) or store.stamp
    needed = {f"{name}.lance" for name in (stamp.passages, store.stamp.passages)}
    if not looks_torn(store.home / f"{stamp.coming_passages}.lance"):
        needed.add(f"{stamp.coming_passages}.lance")
    aside = []
    for folder in store.home.glob("passages_*"):
        # A former model's table was in use until the stamp was written.
        age = min(_age(folder), _age(store.home / STAMP))
        if folder.name not in needed and age >= older:
            gone = folder.with_name(f"{folder.name}.dropped-{time.time_ns()}")
            with contextlib.suppress(OSError):
                aside.append(folder.rename(gone))
    return aside


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _sweep(folder: Path, older: float) -> None:
    """Remove what killed writers left so many seconds ago: LanceDB never does (LANCEDB.md §4)."""
    for pattern in ("**/.tmp*", "**/*.manifest#*"):
        for path in folder.glob(pattern):
            with contextlib.suppress(OSError):
                if _age(path) >= older:
                    path.unlink()
