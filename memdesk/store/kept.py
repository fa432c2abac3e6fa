"""Rows kept in memory beside a table: LanceDB says which match, and what they hold is not read twice.

Reading the columns of 100 rows costs as much as finding them. A row's `_rowid` stays with it over
updates and compaction, and its `_row_last_updated_at_version` changes with every update, so what was
read for the two of them never has to be read again; a commit, anyone's, is seen by asking for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from memdesk.store.engine import pa, pc
from memdesk.store.table import LOOP, TRIES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from lancedb.table import AsyncTable

    from memdesk.store.table import Table

MOST = 20_000
"""Rows of a filter that are kept, and compared one by one; beyond, LanceDB's index is used."""
_ROOM = 3 * MOST // 2
"""Rows that are kept for several filters; what does not fit drives all others out."""
_BYTES = 64 << 20
"""The most that the rows' texts and fields may take, beside their vectors."""
_REST = 60.0
"""Seconds in which nothing more is read ahead after all was forgotten: two large spaces in turn."""
_FEW = 500
"""Rows that a call may wait for; more are read behind it, and it does without them."""
_CONDITIONS = 16
"""Predicates whose answers are kept while the table does not change."""
_AT_ONCE = 2000
_PIECES = 8
"""Pieces of a column from which picking rows gets slow."""
ADDRESS = ("_rowid", "_row_last_updated_at_version")
"""What a row's contents depend on, in LanceDB's names: see the module's first lines."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Kept rows by their place; places are only ever added."""

    fields: pa.Table
    """All columns but the vector."""
    vectors: np.ndarray
    """One row a place, or of no columns; what has no vector holds zeros."""
    known: np.ndarray
    """Which places have a vector."""
    norms: np.ndarray

    def cosines(self, places: np.ndarray, query: np.ndarray) -> np.ndarray:
        """Return the cosine of the vectors at some places to another, times its length."""
        # On one thread: BLAS waits 10 ms for its second one where the other core is busy. To pick
        # rows costs about what it costs to compare them.
        if 2 * len(places) > len(self.vectors):
            cosines = np.einsum("ij,j->i", self.vectors, query) / self.norms
            return np.asarray(cosines[places])
        return np.asarray(np.einsum("ij,j->i", self.vectors[places], query) / self.norms[places])


@dataclass(frozen=True, slots=True)
class Held:
    """The rows of a predicate, all of them kept."""

    ids: np.ndarray
    """Their `_rowid`s, ascending."""
    places: np.ndarray
    """Where in `rows` each is."""
    rows: Rows

    def places_of(self, ids: np.ndarray) -> np.ndarray:
        """Return the places of these `_rowid`s, -1 for those that are not among the rows."""
        if not len(self.ids):
            return np.full(len(ids), -1)
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[at] == ids, self.places[at], -1)

    def having(self, column: str, values: Sequence[str]) -> pa.Table:
        """Return the rows that have one of these values, without their vectors."""
        among = self.rows.fields.column(column)
        mask = pc.is_in(among, value_set=pa.array(values, among.type)).to_numpy()
        return self.rows.fields.take(self.places[mask[self.places]])


@dataclass(frozen=True, slots=True)
class Matching:
    """How many rows a predicate has and, when they are kept, which."""

    count: int
    held: Held | None = None

    @property
    def many(self) -> bool:
        """Whether comparing them one by one would take longer than an index."""
        return self.count > MOST


@dataclass
class _Shelf:
    """The rows themselves; touched only on the thread of LanceDB's coroutines."""

    dims: int
    used: int = 0
    fields: pa.Table | None = None
    addresses: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.int64))
    """Pairs of `ADDRESS`, ascending."""
    places: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        # Pages that were never written to take no memory.
        self.vectors = np.zeros((_ROOM, self.dims), np.float32)
        self.known = np.zeros(_ROOM, np.bool_)
        self.norms = np.ones(_ROOM, np.float32)

    def find(self, addresses: np.ndarray) -> np.ndarray:
        """Return the places of rows, -1 for those that are not kept as they are now."""
        if not len(self.places):
            return np.full(len(addresses), -1)
        at = np.searchsorted(self.addresses[:, 0], addresses[:, 0])
        at = np.minimum(at, len(self.places) - 1)
        return np.where((self.addresses[at] == addresses).all(axis=1), self.places[at], -1)

    def add(self, rows: pa.Table, addresses: np.ndarray) -> None:
        """Keep rows, in place of what was kept for the same `_rowid`s."""
        places = np.arange(self.used, self.used + len(rows))
        if self.dims:
            self._add_vectors(rows.column("vector"), places)
            rows = rows.drop_columns(["vector"])
        fields = rows if self.fields is None else pa.concat_tables([self.fields, rows])
        self.fields = fields.combine_chunks() if fields.column(0).num_chunks > _PIECES else fields
        self.used += len(rows)
        stay = ~np.isin(self.addresses[:, 0], addresses[:, 0])
        joined = np.concatenate([self.addresses[stay], addresses])
        order = np.argsort(joined[:, 0])
        self.addresses = joined[order]
        self.places = np.concatenate([self.places[stay], places])[order]

    def _add_vectors(self, column: pa.ChunkedArray, places: np.ndarray) -> None:
        array = column.combine_chunks()
        known = places[array.is_valid().to_numpy(zero_copy_only=False)]
        vectors = np.asarray(array.drop_null().flatten()).reshape(len(known), self.dims)
        norms = np.linalg.norm(vectors, axis=1)
        self.vectors[known] = vectors
        self.norms[known] = np.where(norms == 0, 1, norms)
        self.known[known] = True

    def rows(self) -> Rows:
        assert self.fields is not None
        n = self.used
        return Rows(self.fields, self.vectors[:n], self.known[:n], self.norms[:n])


class Kept:
    """The rows of one table that a long-lived process keeps."""

    def __init__(self, table: Table, columns: Sequence[str], dims: int = 0) -> None:
        """Keep these columns; `dims` is the length of the column `vector` if that is among them."""
        self._table = table
        self._columns = list(columns)
        self._dims = dims
        self.keeping = False
        """Whether rows are kept at all; otherwise they are only counted."""
        self._shelf = _Shelf(dims)
        self._busy = asyncio.Lock()
        self._filling: asyncio.Task[None] | None = None
        self._answers: OrderedDict[str, tuple[int, Matching]] = OrderedDict()
        self._version = 0
        self._stopped = False
        self._forgotten = -_REST

    def keep(self) -> None:
        """Read the whole table if it is small, and keep from now on what searches come by."""
        if not self.keeping:
            self._answers.clear()
            self.keeping = True
        self._table.result(LOOP.begin(self._whole()))

    def stop(self) -> None:
        """End what is read behind the calls: before the process ends, which must not interrupt it."""
        self._table.result(LOOP.begin(self._stop()))

    def forget(self) -> None:
        """Keep nothing of what was read so far: it may hold what has been erased."""

        async def forget() -> None:
            async with self._busy:
                self._forget()

        self._table.result(LOOP.begin(forget()))

    def expects(self, condition: str) -> bool:
        """Tell whether a predicate's rows were kept when it was asked last."""
        known = self._answers.get(condition)
        return known is not None and known[1].held is not None

    def begin(self, condition: str) -> Future[Matching]:
        """Begin to ask which rows match now; see `Table.result`."""
        return LOOP.begin(self._matching(condition))

    def matching(self, condition: str) -> Matching:
        """Return which rows match now."""
        return self._table.result(self.begin(condition))

    async def _matching(self, condition: str) -> Matching:
        async with self._busy:
            version = await self._table.ask(lambda table: table.version())
            if version < self._version:
                self._forget()  # another table has taken its place: from a backup, or made anew
            self._version = version
            known = self._answers.get(condition)
            if known and known[0] == version:
                self._answers.move_to_end(condition)
                return known[1]
            found = await self._asked(condition)
            if found.held or found.many or not self.keeping:
                self._answers[condition] = version, found
            if len(self._answers) > _CONDITIONS:
                self._answers.popitem(last=False)
            return found

    async def _asked(self, condition: str) -> Matching:
        count = int(await self._table.ask(lambda table: table.count_rows(condition or None)))
        tries = TRIES if count <= MOST else 0
        while self.keeping and tries:
            addresses = await self._addresses(condition)
            places = self._shelf.find(addresses)
            missing = addresses[places < 0]
            if not len(missing):
                return Matching(len(addresses), self._held(addresses, places))
            if len(missing) > _FEW:
                self._fill(missing)
                break
            await self._read(missing)
            tries -= 1
        return Matching(count)

    async def _fits(self, rows: int) -> bool:
        """Tell whether so many rows of the usual size are worth their memory; else keep none."""
        told = await self._table.ask(lambda table: table.stats())
        size = told["total_bytes"] / max(1, told["num_rows"]) - 4 * self._dims
        self.keeping = rows * size <= _BYTES
        return self.keeping

    async def _addresses(self, condition: str) -> np.ndarray:
        async def query(table: AsyncTable) -> pa.Table:
            found = table.query().where(condition) if condition else table.query()
            return await found.select(list(ADDRESS)).to_arrow()

        found = await self._table.ask(query)
        pairs = np.column_stack([found.column(name).to_numpy() for name in ADDRESS])
        return pairs[np.argsort(pairs[:, 0])].astype(np.int64)

    def _held(self, addresses: np.ndarray, places: np.ndarray) -> Held | None:
        return Held(addresses[:, 0], places, self._shelf.rows()) if self._shelf.used else None

    async def _whole(self) -> None:
        await self._matching("")
        if self._filling:
            await asyncio.wait([self._filling])  # that it was cancelled is no error of the asker's
            await self._matching("")

    async def _stop(self) -> None:
        self._stopped = True
        if self._filling:
            self._filling.cancel()
            await asyncio.wait([self._filling])

    def _fill(self, missing: np.ndarray) -> None:
        """Read rows behind the calls, a part at a time."""

        async def fill() -> None:
            # Whoever asks for these rows next is told what is wrong.
            with contextlib.suppress(RuntimeError, ValueError, OSError):
                if await self._fits(len(missing)):
                    for start in range(0, len(missing), _AT_ONCE):
                        async with self._busy:
                            await self._read(missing[start : start + _AT_ONCE])

        if self._stopped or time.monotonic() - self._forgotten < _REST:
            return
        if self._filling is None or self._filling.done():
            self._filling = asyncio.get_running_loop().create_task(fill())

    async def _read(self, addresses: np.ndarray) -> None:
        """Read rows and keep those that are still there."""
        if self._shelf.used + len(addresses) > _ROOM:
            self._forget()
            self._forgotten = time.monotonic()
        for start in range(0, len(addresses), _AT_ONCE):
            await self._read_part(addresses[start : start + _AT_ONCE])

    async def _read_part(self, addresses: np.ndarray) -> None:
        ids = addresses[:, 0].tolist()

        async def query(table: AsyncTable) -> pa.Table:
            return await table.take_row_ids(ids).select(self._columns).with_row_id().to_arrow()

        rows = await self._table.ask(query)
        at = np.searchsorted(addresses[:, 0], rows.column("_rowid").to_numpy().astype(np.int64))
        self._shelf.add(rows.drop_columns(["_rowid"]), addresses[at])
        if self._shelf.fields is not None and self._shelf.fields.nbytes > _BYTES:
            self._forget()
            self.keeping = False  # a few huge texts are not worth the memory

    def _forget(self) -> None:
        self._shelf = _Shelf(self._dims)
        self._answers.clear()
