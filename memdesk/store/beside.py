"""Another model's passages beside those in use: filled while others write, then taken in one step."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from memdesk.errors import StoreError
from memdesk.memory import TOMBSTONE
from memdesk.store.durable import Flusher
from memdesk.store.filters import both, equals, one_of
from memdesk.store.manifest import looks_torn
from memdesk.store.opening import create_tables
from memdesk.store.schema import NOT_ERASED, ONE_A_MEMORY
from memdesk.store.stamp import Stamp, passages_of, write_stamp
from memdesk.store.store import Store
from memdesk.store.table import wrapped
from memdesk.store.upkeep import coming_table, settle

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from memdesk.store.schema import PassageRow


def wish(store: Store, name: str, fingerprint: str) -> None:
    """Put down that the store is to change to a model; the caller holds the lock.

    What was begun for yet another model is dropped.
    """
    if store.stamp.coming_passages not in ("", passages_of(fingerprint)):
        drop_wish(store)
    if store.stamp.coming_passages == passages_of(fingerprint) and store.stamp.coming == name:
        return
    _write(store, replace(store.stamp, coming=name, coming_passages=passages_of(fingerprint)))


def drop_wish(store: Store) -> None:
    """Put down that the store is to stay with its model, and drop what was made for the other.

    The caller holds the lock. The table of the model in use before stays: it is the way back.
    """
    stamp = store.stamp
    _write(store, replace(stamp, coming="", coming_passages=""))
    if stamp.coming_passages not in ("", stamp.passages, stamp.former_passages):
        _drop(store.home, stamp.coming_passages)


def coming_count(store: Store) -> tuple[int, int]:
    """Return how many memories the coming model has embedded, and how many there are."""
    table, there = coming_table(store), searchable(store)
    return (min(table.count(ONE_A_MEMORY), there) if table else 0), there


def searchable(store: Store) -> int:
    """Return how many memories search is to have, under any model."""
    return store.memories.count(NOT_ERASED)


def _write(store: Store, stamp: Stamp) -> None:
    write_stamp(store.home, stamp)
    store.stamp = stamp


def _drop(home: Path, name: str) -> None:
    """Drop a table in one step: a half of one must never be taken for the whole."""
    aside = home / f"{name}.lance.dropped-{time.time_ns()}"
    with wrapped(name):
        try:
            (home / f"{name}.lance").rename(aside)
        except FileNotFoundError:
            return
        shutil.rmtree(aside, ignore_errors=True)


class Beside:
    """The passages that a model has made so far, and the memories they are of."""

    def __init__(self, store: Store, name: str, fingerprint: str, dims: int) -> None:
        """Open what there is of them, or make a table for them; the caller holds the lock."""
        self.stamp = store.stamp.of_model(name, fingerprint, dims)
        self._store = self._opened(store.home)
        self._flusher = Flusher(self._store.passages.path)

    def _opened(self, home: Path) -> Store:
        folder = home / f"{self.stamp.passages}.lance"
        if folder.is_dir() and looks_torn(folder):
            _drop(home, self.stamp.passages)  # by a power cut: all in it can be made anew
        create_tables(home, self.stamp)
        try:
            return Store(home, self.stamp)
        except StoreError:
            _drop(home, self.stamp.passages)
            create_tables(home, self.stamp)
            return Store(home, self.stamp)

    def is_wanted(self, store: Store) -> bool:
        """Tell whether a store is still to change to this model."""
        stamp = store.stamp
        return (stamp.epoch, stamp.coming_passages) == (self.stamp.epoch, self.stamp.passages)

    def count(self) -> int:
        """Return how many memories are there."""
        return self._store.passages.count(ONE_A_MEMORY)

    def differing(self, since: int, until: int, *, erased: bool) -> list[str]:
        """Return the ids of memories that are not there as they are, or should not be there.

        Only revisions after the sequence number `since` and up to `until` are looked at; `erased`
        says that passages of those that were purged meanwhile may be there under an earlier one.
        """
        missing, stale = self._store.unindexed(since, until)
        gone: list[str] = []
        if erased:
            span = f"seq > {since} AND seq <= {until}"
            condition = both(equals("state", TOMBSTONE), span)
            rows = self._store.memories.rows(condition, columns=["id"])
            gone = self._present(rows.column("id").to_pylist())
        return sorted({*missing, *stale, *gone})

    def _present(self, ids: Sequence[str]) -> list[str]:
        if not ids:
            return []
        rows = self._store.passages.rows(one_of("memory", ids), columns=["memory"])
        return [str(id) for id in rows.column("memory").to_pylist()]

    def put(self, rows: Sequence[PassageRow], ids: Iterable[str]) -> None:
        """Put passages in the place of all those of the memories `ids`; the caller holds the lock."""
        self._store.passages.refresh()
        self._store.index(rows, replaced=self._present(list(ids)))

    def settle(self) -> None:
        """Compact what was written, and train the search indexes on it."""
        settle(self._store)

    def flush(self) -> None:
        """Put on the disk itself what was written since the last call."""
        with wrapped(self.stamp.passages):
            self._flusher.flush()

    def take(self, store: Store) -> None:
        """Make these the passages that search reads, for every process at once.

        The caller holds the lock, and has flushed them.
        """
        before = store.stamp
        stamp = before.of_model(self.stamp.model, self.stamp.fingerprint, self.stamp.dims)
        stamp = replace(
            stamp,
            coming="",
            coming_passages="",
            former=before.model,
            former_passages=before.passages,
        )
        write_stamp(store.home, stamp)  # `store` itself is opened anew by whoever asks next

    def close(self) -> None:
        """Read nothing more."""
        self._store.close()
