"""One LanceDB table: reads that see every process's commits, writes that reach the disk."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from memdesk.errors import StoreError
from memdesk.store.durable import Flusher
from memdesk.store.engine import ColumnOrdering, lancedb, pa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from lancedb.db import DBConnection
    from lancedb.table import Table as LanceTable

T = TypeVar("T")
_BATCH = 4096
_INDEX_CACHE = 64 << 20
_METADATA_CACHE = 16 << 20


class Table:
    """A table by its name; the caller of every write holds the writer lock."""

    def __init__(self, db: DBConnection, folder: Path, name: str, *, durable: bool) -> None:
        """Open the table `name` of `db`; a durable one is flushed after every commit."""
        self.name = name
        self.path = folder / f"{name}.lance"
        self._flusher = Flusher(self.path) if durable else None
        self.lance: LanceTable
        self.attach(db)

    def attach(self, db: DBConnection) -> None:
        """Open the table again, over a fresh connection."""
        with wrapped(self.name):
            self.lance = db.open_table(self.name)

    def read(self, query: Callable[[LanceTable], T]) -> T:
        """Return what a query gives, asked once more when maintenance moved files under it."""
        with wrapped(self.name):
            try:
                return query(self.lance)
            except (RuntimeError, ValueError, OSError) as error:
                if "Not found" not in str(error):
                    raise
                self.lance.checkout_latest()
                return query(self.lance)

    def rows(
        self,
        where: str = "",
        *,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
        newest: Sequence[str] = (),
    ) -> pa.Table:
        """Return the rows of a predicate, those highest in the columns `newest` first."""

        def query(table: LanceTable) -> pa.Table:
            found = table.search()
            found = found.where(where) if where else found
            found = found.select(list(columns)) if columns else found
            if newest:
                found = found.order_by([_descending(column) for column in newest])
            return (found.limit(limit) if limit is not None else found).to_arrow()

        return self.read(query)

    def fetch(
        self, where: str, *, limit: int | None = None, newest: Sequence[str] = ()
    ) -> list[dict[str, object]]:
        """Return whole rows of a predicate, found by their narrow columns and then taken.

        LanceDB reads every selected column of fragments that no index covers yet; with 64 of those
        this is two to four times faster than selecting all columns at once.
        """
        columns = list(dict.fromkeys(("_rowid", *newest)))
        found = self.rows(where, columns=columns, limit=limit, newest=newest)
        ids = found.column("_rowid").to_pylist()
        if not ids:
            return []
        taken = self.read(lambda table: table.take_row_ids(ids).with_row_id().to_arrow())
        by_id = {row.pop("_rowid"): row for row in taken.to_pylist()}
        return [by_id[id] for id in ids if id in by_id]

    def batches(self, where: str, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a predicate in batches, so that a large table need not fit in memory."""
        found = self.lance.search()
        found = found.where(where) if where else found
        found = found.select(list(columns)) if columns else found
        with wrapped(self.name):
            yield from found.to_batches(_BATCH)

    def count(self, where: str | None = None) -> int:
        """Return how many rows a predicate has."""
        return self.read(lambda table: int(table.count_rows(where)))

    def refresh(self) -> None:
        """See the newest version: before every write, under the lock."""
        with wrapped(self.name):
            self.lance.checkout_latest()

    def add(self, rows: pa.Table) -> None:
        """Append rows that are new."""
        with self._commit() as table:
            table.add(rows)

    def upsert(self, rows: pa.Table, key: str) -> None:
        """Replace the rows with the same key and append the others, in one commit."""
        with self._commit() as table:
            merge = table.merge_insert(key).when_matched_update_all().when_not_matched_insert_all()
            merge.execute(rows)

    def delete(self, where: str) -> None:
        """Drop the rows of a predicate."""
        with self._commit() as table:
            table.delete(where)

    @contextlib.contextmanager
    def _commit(self) -> Iterator[LanceTable]:
        with wrapped(self.name):
            yield self.lance
            self.flush()

    def flush(self, *, always: bool = False) -> None:
        """Put the commits on the disk, if this table promises that or is asked to."""
        if self._flusher:
            self._flusher.flush()
        elif always:
            Flusher(self.path).flush()

    @property
    def version(self) -> int:
        """The number of the newest commit."""
        with wrapped(self.name):
            return int(self.lance.version)


def connect(home: Path) -> DBConnection:
    """Return a connection that sees other processes' commits and keeps its caches bounded."""
    with wrapped(str(home)):
        session = lancedb.Session(
            index_cache_size_bytes=_INDEX_CACHE, metadata_cache_size_bytes=_METADATA_CACHE
        )
        # Only a zero interval makes every read see other processes' commits (LANCEDB.md, trap 1).
        return lancedb.connect(str(home), session=session, read_consistency_interval=timedelta(0))


def _descending(column: str) -> ColumnOrdering:
    return ColumnOrdering(column_name=column, ascending=False)


@contextlib.contextmanager
def wrapped(what: str) -> Iterator[None]:
    """Turn what LanceDB, Arrow and the disk raise into `StoreError` with a sentence."""
    try:
        yield
    except (RuntimeError, ValueError, OSError, pa.ArrowException, AssertionError) as error:
        raise StoreError(_sentence(what, error)) from error


def _sentence(what: str, error: Exception) -> str:
    text = str(error)
    if "No space left" in text:
        return "the disk is full; nothing was changed, so free some space and try again"
    if "Permission denied" in text or isinstance(error, PermissionError):
        return f"no permission to use the store's folder ({what}); check who owns it"
    first = text.strip().splitlines()[0][:300] if text.strip() else type(error).__name__
    return f"the table “{what}” could not be used: {first}"
