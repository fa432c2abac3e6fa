"""One LanceDB table: reads that see every process's commits, writes that reach the disk.

LanceDB's synchronous API wraps its asynchronous one at 1 to 2 ms a query (measured at 10,000 rows);
so the asynchronous one is spoken to here, and everyone else calls plain methods.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from memdesk.errors import StoreError
from memdesk.store.durable import Flusher
from memdesk.store.engine import ColumnOrdering, lancedb, pa

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from lancedb.db import AsyncConnection
    from lancedb.table import AsyncTable

T = TypeVar("T")
_BATCH = 4096
_BACK_TRIES, _BACK_SECONDS = 50, 0.05
TRIES = 3
"""How often rows that move between finding and reading them are looked for."""
INDEX_CACHE = 64 << 20
_METADATA_CACHE = 16 << 20


class _Loop:
    """The thread on which LanceDB's coroutines run; begun with the first of them."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine and return what will hold its result."""
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                name = "memdesk-store"
                threading.Thread(target=self._loop.run_forever, name=name, daemon=True).start()
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Awaitable[T]) -> T:
        """Return a coroutine's result."""

        async def awaited() -> T:
            return await work

        return self.begin(awaited()).result()


LOOP = _Loop()


class Table:
    """A table by its name; the caller of every write holds the writer lock."""

    def __init__(self, db: AsyncConnection, folder: Path, name: str, *, durable: bool) -> None:
        """Open the table `name` of `db`; a durable one is flushed after every commit."""
        self.name = name
        self.path = folder / f"{name}.lance"
        self._flusher = Flusher(self.path) if durable else None
        self.lance: AsyncTable
        self.attach(db)

    def attach(self, db: AsyncConnection) -> None:
        """Open the table again, over a fresh connection."""
        with wrapped(self.name):
            self.lance = LOOP.run(db.open_table(self.name))

    def begin(self, query: Callable[[AsyncTable], Awaitable[T]]) -> Future[T]:
        """Start a query; it is asked once more when maintenance moved files under it."""
        return LOOP.begin(self.ask(query))

    def read(self, query: Callable[[AsyncTable], Awaitable[T]]) -> T:
        """Return what a query gives."""
        return self.result(self.begin(query))

    def result(self, asked: Future[T]) -> T:
        """Return what a begun query gives; raises `StoreError`."""
        with wrapped(self.name):
            return asked.result()

    async def ask(self, query: Callable[[AsyncTable], Awaitable[T]]) -> T:
        """Return what a query gives, on the thread of LanceDB's coroutines."""
        try:
            return await query(self.lance)
        except (RuntimeError, ValueError, OSError) as error:
            if "Not found" not in str(error):
                raise
            await self._back()
            await self.lance.checkout_latest()
            return await query(self.lance)

    async def _back(self) -> None:
        """Wait a little for a table that is not there: a restore is putting another in its place."""
        for _ in range(_BACK_TRIES):
            if (self.path / "_versions").is_dir():
                return
            await asyncio.sleep(_BACK_SECONDS)

    def rows(
        self,
        where: str = "",
        *,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
        newest: Sequence[str] = (),
        oldest: bool = False,
    ) -> pa.Table:
        """Return the rows of a predicate, those highest in the columns `newest` first.

        With `oldest` it is those lowest in them.
        """

        async def query(table: AsyncTable) -> pa.Table:
            found = _filtered(table, where, columns)
            if newest:
                found = found.order_by([_ordered(column, up=oldest) for column in newest])
            return await (found.limit(limit) if limit is not None else found).to_arrow()

        return self.read(query)

    def fetch(
        self,
        where: str,
        *,
        limit: int | None = None,
        newest: Sequence[str] = (),
        oldest: bool = False,
    ) -> list[dict[str, object]]:
        """Return whole rows of a predicate, found by their narrow columns and then taken.

        LanceDB reads every selected column of fragments that no index covers yet; with 64 of those
        this is two to four times faster than selecting all columns at once.
        """
        columns = list(dict.fromkeys(("_rowid", *newest)))
        for _ in range(TRIES):
            found = self.rows(where, columns=columns, limit=limit, newest=newest, oldest=oldest)
            ids = found.column("_rowid").to_pylist()
            rows = self._taken(ids) if ids else {}
            if len(rows) == len(ids):  # else maintenance, or a write, moved some in between
                break
        return [rows[id] for id in ids if id in rows]

    def _taken(self, ids: list[int]) -> dict[int, dict[str, object]]:
        taken = self.read(lambda table: table.take_row_ids(ids).with_row_id().to_arrow())
        return {row.pop("_rowid"): row for row in taken.to_pylist()}

    def batches(self, where: str, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a predicate in batches, so that a large table need not fit in memory."""

        async def following(reader: Any) -> pa.RecordBatch | None:
            return await anext(reader, None)

        with wrapped(self.name):
            found = _filtered(self.lance, where, columns)
            reader = aiter(LOOP.run(found.to_batches(max_batch_length=_BATCH)))
            while (batch := LOOP.run(following(reader))) is not None:
                yield batch

    def count(self, where: str | None = None) -> int:
        """Return how many rows a predicate has."""
        return int(self.read(lambda table: table.count_rows(where)))

    def refresh(self) -> None:
        """See the newest version: before every write, under the lock."""
        with wrapped(self.name):
            LOOP.run(self.lance.checkout_latest())

    def add(self, rows: pa.Table) -> None:
        """Append rows that are new."""
        self._commit(lambda table: table.add(rows))

    def upsert(self, rows: pa.Table, key: str) -> None:
        """Replace the rows with the same key and append the others, in one commit."""

        async def merge(table: AsyncTable) -> None:
            merging = table.merge_insert(key).when_matched_update_all()
            await merging.when_not_matched_insert_all().execute(rows)

        self._commit(merge)

    def delete(self, where: str) -> None:
        """Drop the rows of a predicate."""
        self._commit(lambda table: table.delete(where))

    def _commit(self, write: Callable[[AsyncTable], Awaitable[object]]) -> None:
        with wrapped(self.name):
            LOOP.run(write(self.lance))
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
            return int(LOOP.run(self.lance.version()))


def connect(home: Path, *, cache: int = INDEX_CACHE) -> AsyncConnection:
    """Return a connection that sees other processes' commits and keeps its caches bounded.

    `cache` is the most bytes of search indexes that stay in memory.
    """
    with wrapped(str(home)):
        session = lancedb.Session(
            index_cache_size_bytes=cache, metadata_cache_size_bytes=_METADATA_CACHE
        )
        # Only a zero interval makes every read see other processes' commits (LANCEDB.md, trap 1).
        return LOOP.run(
            lancedb.connect_async(
                str(home), session=session, read_consistency_interval=timedelta(0)
            )
        )


def _filtered(table: AsyncTable, where: str, columns: Sequence[str] | None) -> Any:
    found = table.query()
    found = found.where(where) if where else found
    return found.select(list(columns)) if columns else found


def _ordered(column: str, *, up: bool) -> ColumnOrdering:
    return ColumnOrdering(column_name=column, ascending=up)


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
