"""Keeping the tables small and fast: compaction, indexes, old versions, leftovers, purged text.

Run by a short-lived child process, so that its memory goes when it ends (LANCEDB.md §2). Writers
win every conflict with it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import time
import warnings
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from memdesk.memory import TOMBSTONE
from memdesk.store.durable import flush_folder, write_json
from memdesk.store.filters import both, equals, literal
from memdesk.store.kept import MOST
from memdesk.store.opening import indexes, vector_index, word_index
from memdesk.store.stamp import FILE as STAMP
from memdesk.store.table import LOOP, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from memdesk.store.store import Store
    from memdesk.store.table import Table

log = logging.getLogger(__name__)

COMMITS = 32
"""Commits after which a table is compacted: each costs a search about 0.4 ms until then."""
KEEP_SECONDS = 600.0
"""How long readers of other processes may still use an old version."""
_FILE = "maintenance.json"
_SCRUB = "scrub.due"
_LEFTOVER_SECONDS = 3600
_MAX_SEGMENTS = 10
_RETRAIN_GROWTH = 4
_TRAINABLE = MOST // 2
"""Vectors from which on there is an index; searches ask it beyond `MOST` of them."""
_TRIES = 3
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


def _read(home: Path) -> Done:
    try:
        return Done(**json.loads((home / _FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Done()


def _tables(store: Store) -> tuple[Table, ...]:
    return store.memories, store.history, store.passages


def maintenance_due(store: Store) -> bool:
    """Tell whether enough was written, or enough time has passed, for maintenance to pay."""
    done = _read(store.home)
    if _scrub_due(store):
        return True
    if not done.clean and time.time() - done.at > KEEP_SECONDS:
        return True
    return any(
        table.version - done.versions.get(table.name, 0) >= COMMITS for table in _tables(store)
    )


def lapsed(
    store: Store, state: str, *, expired: datetime | None = None, before: datetime | None = None
) -> list[str]:
    """Return the ids of memories in a state that had expired, or were changed last before a moment."""
    condition = both(
        equals("state", state),
        f"expires_at <= {literal(expired)}" if expired else "",
        f"updated_at < {literal(before)}" if before else "",
    )
    return [
        str(id) for id in store.memories.rows(condition, columns=["id"]).column("id").to_pylist()
    ]


def old_tombstones(store: Store, before: datetime) -> bool:
    """Tell whether there are tombstones from before a moment."""
    return bool(lapsed(store, TOMBSTONE, before=before))


def drop_tombstones(store: Store, before: datetime) -> None:
    """Drop tombstones from before a moment; the one that holds the last sequence number stays."""
    condition = both(
        equals("state", TOMBSTONE),
        f"updated_at < {literal(before)}",
        f"seq < {store.refresh().seq}",
    )
    store.memories.delete(condition)


def request_scrub(store: Store) -> None:
    """Ask that purged text leaves the files too, not only the answers."""
    (store.home / _SCRUB).touch(mode=0o600)
    flush_folder(store.home)


def _scrub_due(store: Store) -> bool:
    return (store.home / _SCRUB).exists()


def indexed_until(store: Store) -> int:
    """Return the sequence number up to which search is known to have every memory."""
    return _read(store.home).indexed.get(store.passages.name, 0)


def whole_check_due(store: Store) -> bool:
    """Tell whether a day has passed since every memory was looked for in the passages."""
    return time.time() - _read(store.home).checked > _DAY


def maintain(
    store: Store,
    locked: Callable[[], contextlib.AbstractContextManager[None]],
    *,
    indexed: int,
    whole: bool,
    keep_seconds: float = KEEP_SECONDS,
) -> None:
    """Compact, index and clean the tables; one process at a time.

    Old versions younger than `keep_seconds` stay for readers of other processes. `locked` holds the
    writer lock, needed only to rewrite tables after a purge. `indexed` is the sequence number up to
    which the caller has found every memory in the passages, and `whole` whether it looked at all.
    """
    with wrapped("maintenance"):
        _maintain(store, locked, indexed, whole=whole, keep_seconds=keep_seconds)


def _maintain(
    store: Store,
    locked: Callable[[], contextlib.AbstractContextManager[None]],
    indexed: int,
    *,
    whole: bool,
    keep_seconds: float,
) -> None:
    done = _read(store.home)
    settled = keep_seconds == 0 or time.time() - done.at > keep_seconds
    idle = all(table.version == done.versions.get(table.name) for table in _tables(store))
    scrubbing = _scrub_due(store)
    if scrubbing:
        with locked():
            _rewrite(store)
            (store.home / _SCRUB).unlink()
    for table in _tables(store):
        if settled or table.version != done.versions.get(table.name):
            _compact(table, keep_seconds)
            _sweep(table.path)
    _complete(store)
    trained = _train(store, done, anew=scrubbing)
    _drop_strays(store, older=0 if scrubbing else _WEEK)
    if scrubbing and keep_seconds == 0:
        for table in _tables(store):
            _compact(table, keep_seconds)  # the replaced indexes are old versions only now
    for table in _tables(store):
        table.flush(always=True)
    now = Done(
        at=time.time(),
        versions={table.name: table.version for table in _tables(store)},
        clean=keep_seconds == 0 or (idle and settled and not scrubbing),
        trained=trained,
        indexed={store.passages.name: indexed},
        checked=time.time() if whole else done.checked,
    )
    write_json(store.home / _FILE, asdict(now))


def _compact(table: Table, keep_seconds: float) -> None:
    for attempt in range(_TRIES):
        table.refresh()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # it warns of a margin of 0
                keep = timedelta(seconds=keep_seconds)
                LOOP.run(table.lance.optimize(cleanup_older_than=keep))
        except RuntimeError as error:
            if "commit conflict" not in str(error) or attempt == _TRIES - 1:
                log.warning("maintenance of %s gave way: %s", table.name, str(error)[:200])
                return
        else:
            return


def _rewrite(store: Store) -> None:
    """Write every row anew, so that compaction leaves no file with purged text in it."""
    store.refresh()
    for table in _tables(store):
        LOOP.run(table.lance.update(where="true", updates_sql={"seq": "seq"}))


def _complete(store: Store) -> None:
    """Make the indexes that a table of an earlier memdesk lacks."""
    for table in _tables(store):
        made = LOOP.run(table.lance.list_indices())
        present = {column for index in made for column in index.columns}
        for column, config in indexes(table.name).items():
            if column not in present:
                with contextlib.suppress(RuntimeError):  # a writer was faster: next time
                    LOOP.run(table.lance.create_index(column, config=config))


def _train(store: Store, done: Done, *, anew: bool) -> dict[str, int]:
    """Build the search indexes anew when the vectors have outgrown them, or hold purged words."""
    table = store.passages
    rows = table.count("embedded = true")
    known = done.trained.get(table.name, 0)
    segments = LOOP.run(table.lance.index_stats("vector_idx"))
    grown = rows >= max(_TRAINABLE, known * _RETRAIN_GROWTH)
    if anew or grown or (segments and (segments.num_indices or 1) > _MAX_SEGMENTS):
        with contextlib.suppress(RuntimeError):  # a writer was faster: next time
            config = vector_index(store.stamp.dims)
            LOOP.run(table.lance.create_index("vector", config=config, replace=True))
            known = rows
    if anew:
        LOOP.run(table.lance.create_index("text", config=word_index(), replace=True))
    return {**done.trained, table.name: known}


def _drop_strays(store: Store, older: float) -> None:
    """Remove search tables of former models, and those that were set aside, after so many seconds."""
    for folder in store.home.glob("passages_*"):
        # A former model's table was in use until the stamp was written.
        age = min(_age(folder), _age(store.home / STAMP))
        if folder.name != store.passages.path.name and age >= older:
            shutil.rmtree(folder, ignore_errors=True)


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _sweep(folder: Path) -> None:
    """Remove what killed writers left: LanceDB never does (LANCEDB.md §4)."""
    for pattern in ("**/.tmp*", "**/*.manifest#*"):
        for path in folder.glob(pattern):
            with contextlib.suppress(OSError):
                if _age(path) > _LEFTOVER_SECONDS:
                    path.unlink()
