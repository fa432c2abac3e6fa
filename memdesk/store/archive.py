"""A whole store as one Parquet file a table, which any program of the field reads, and back again."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from memdesk.errors import Invalid, StoreError
from memdesk.memory import TOMBSTONE, new_id
from memdesk.store import schema
from memdesk.store.engine import pa, pc
from memdesk.store.filters import equals
from memdesk.store.opening import VERSION, create_tables
from memdesk.store.snapshot import link_table
from memdesk.store.stamp import FILE, FORMAT, Stamp, read_stamp, write_stamp
from memdesk.store.table import LOOP, Table, connect, wrapped

import pyarrow.parquet as pq  # isort: skip (after the engine's settings)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Step = Callable[[int, int], None]

MEMORIES, HISTORY, PASSAGES = "memories", "history", "passages"
PARTS = (MEMORIES, HISTORY, PASSAGES)
"""The tables, by what they are called in a copy."""
FILES = (FILE, *(f"{part}.parquet" for part in PARTS))
"""What a copy consists of."""
_ID = {MEMORIES: "id", HISTORY: "id", PASSAGES: "memory"}
_ANY_LANCEDB = "999"  # the files of a copy are Parquet: whichever lancedb wrote the tables
_GROUP_BYTES = 16 << 20
_GROUP_ROWS = 16_384
"""The most that is in memory at once, beside what Parquet needs itself."""


class Source(Protocol):
    """A store that rows are taken from."""

    @property
    def stamp(self) -> Stamp:
        """What the store says of itself."""

    def schema(self, part: str) -> pa.Schema:
        """Return the columns of a table."""

    def count(self, part: str) -> int:
        """Return how many rows a table has."""

    def batches(self, part: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a table, always in the same order."""


@dataclass(frozen=True)
class Tables:
    """The tables in a folder that nobody writes to."""

    folder: Path
    stamp: Stamp

    def schema(self, part: str) -> pa.Schema:
        """Return the columns of a table."""
        table = self._table(part)
        if table is None:
            return schema.passages(self.stamp.dims)
        with wrapped(table.name):
            return _plain(LOOP.run(table.lance.schema()))

    def count(self, part: str) -> int:
        """Return how many rows a table has."""
        table = self._table(part)
        return table.count() if table else 0

    def batches(self, part: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a table, in the order in which it has them."""
        table = self._table(part)
        return table.batches("") if table else iter(())

    def _table(self, part: str) -> Table | None:
        """Return a table; none of passages in a restore point that lost them to a purge."""
        name = _name(part, self.stamp)
        if part == PASSAGES and not (self.folder / f"{name}.lance").is_dir():
            return None
        return Table(connect(self.folder), self.folder, name, durable=False)


@dataclass(frozen=True)
class Copy:
    """The files of a copy; whatever is wrong with them is `Invalid`."""

    folder: Path
    stamp: Stamp

    @classmethod
    def of(cls, folder: Path) -> Copy:
        """Return the copy in a folder; raises `Invalid` where there is none that this memdesk reads."""
        try:
            stamp = read_stamp(folder, _ANY_LANCEDB)
        except StoreError as error:
            raise Invalid("copy", str(error)) from error
        if stamp is None:
            raise Invalid("copy", f"is none: there is no {FILE} in {folder}")
        copy = cls(folder, stamp)
        copy._check()
        return copy

    def _check(self) -> None:
        if self.stamp.dims < 1:
            raise Invalid("copy", f"its vectors would have {self.stamp.dims} numbers")
        wanted = {MEMORIES: schema.MEMORIES, HISTORY: schema.HISTORY}
        wanted[PASSAGES] = schema.passages(self.stamp.dims)
        for part in PARTS:
            found = self.schema(part)
            if self.stamp.format == FORMAT and not found.equals(wanted[part]):
                raise Invalid("copy", f"{part}.parquet has other columns than the table has")

    def schema(self, part: str) -> pa.Schema:
        """Return the columns of a table."""
        with self._open(part) as file:
            return _plain(file.schema_arrow)

    def count(self, part: str) -> int:
        """Return how many rows a table has."""
        with self._open(part) as file:
            return int(file.metadata.num_rows)

    def batches(self, part: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a table, in their order."""
        with self._open(part) as file:
            batches = file.iter_batches(batch_size=_GROUP_ROWS)
            while True:
                try:
                    batch = next(batches, None)
                except (pa.ArrowException, OSError, ValueError) as error:
                    raise Invalid("copy", f"{part}.parquet cannot be read: {error}") from error
                if batch is None:
                    return
                yield batch

    def _open(self, part: str) -> pq.ParquetFile:
        path = self.folder / f"{part}.parquet"
        try:
            return pq.ParquetFile(path)
        except FileNotFoundError as error:
            raise Invalid("copy", f"is none: {path.name} is missing") from error
        except (pa.ArrowException, OSError, ValueError) as error:
            raise Invalid("copy", f"{path.name} cannot be read: {error}") from error


def _plain(columns: pa.Schema) -> pa.Schema:
    """Return columns without what LanceDB or Parquet has noted of them, such as a primary key."""
    return pa.schema([each.remove_metadata() for each in columns])


@dataclass(frozen=True, slots=True)
class Written:
    """What a copy got."""

    rows: dict[str, int]
    seq: int
    """The highest sequence number."""


def write(tables: Tables, to: Path, step: Step) -> Written:
    """Write the files of a copy into an empty folder; `step` hears (rows done, of how many)."""
    with wrapped(str(to)):
        total = sum(tables.count(part) for part in PARTS)
        rows: dict[str, int] = {}
        seq = 0
        for part in PARTS:
            before, rows[part] = sum(rows.values()), 0
            with _parquet(to / f"{part}.parquet", tables.schema(part)) as file:
                for group in _groups(tables.batches(part)):
                    file.write_table(group, row_group_size=len(group))
                    rows[part] += len(group)
                    if part == MEMORIES:
                        seq = max(seq, pc.max(group.column("seq")).as_py())
                    step(before + rows[part], total)
        write_stamp(to, tables.stamp)
    return Written(rows, seq)


def _parquet(path: Path, columns: pa.Schema) -> pq.ParquetWriter:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return pq.ParquetWriter(path, columns, compression="zstd")


def _groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield rows in portions that are worth a write and fit into memory."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if not len(batch):
            continue
        held.append(batch)
        rows, size = rows + len(batch), size + batch.nbytes
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield pa.Table.from_batches(held)
            held, rows, size = [], 0, 0
    if held:
        yield pa.Table.from_batches(held)


def renewed(stamp: Stamp) -> Stamp:
    """Return the stamp of another copy of a store, made by this lancedb: a new epoch and device."""
    return replace(
        stamp,
        lancedb=VERSION,
        epoch=new_id(),
        device=new_id(),
        coming="",
        coming_passages="",
        former="",
        former_passages="",
    )


def build(source: Source, home: Path, stamp: Stamp, graves: Graves, step: Step) -> int:
    """Make a store of a source's rows in an empty folder, with its indexes, all on the disk.

    Of the memories of `graves` it has their tombstones, as the latest changes, and nothing else.
    Returns how many of them that erased. The indexes do not know the rows yet: maintenance is to
    follow.
    """
    create_tables(home, stamp, {_name(part, stamp): source.schema(part) for part in PARTS})
    total, done, erased = sum(source.count(part) for part in PARTS), 0, 0
    for part in PARTS:
        table = Table(connect(home), home, _name(part, stamp), durable=True)
        seq, kept = 0, 0
        for group in _groups(source.batches(part)):
            left = graves.left_of(group, _ID[part])
            done, kept = done + len(group), kept + len(left)
            if part == MEMORIES:
                erased += len(group) - len(left)
                seq = max(seq, pc.max(group.column("seq")).as_py())
            if len(left):
                table.add(left)
            step(done, total)
        if part == MEMORIES and graves:
            table.add(graves.after(seq, source.schema(part)))
            kept += len(graves.rows)
        if table.count() != kept:
            raise StoreError(f"not every row of {part} arrived; nothing was changed, so try again")
    write_stamp(home, stamp)
    return erased


def link(tables: Tables, home: Path, stamp: Stamp) -> None:
    """Make a store of the very files of a folder's tables in an empty folder."""
    with wrapped(str(home)):
        for name in (MEMORIES, HISTORY, stamp.passages):
            if (tables.folder / f"{name}.lance").is_dir():
                link_table(tables.folder / f"{name}.lance", home / f"{name}.lance")
        write_stamp(home, stamp)


def _name(part: str, stamp: Stamp) -> str:
    return stamp.passages if part == PASSAGES else part


def stamp_of(folder: Path) -> Stamp:
    """Return the stamp of a store; raises `StoreError` where there is none or it cannot be read."""
    stamp = read_stamp(folder, VERSION)
    if stamp is None:
        raise StoreError(f"there is no store in {folder}")
    return stamp


def standing(source: Source) -> tuple[int, int]:
    """Return the highest sequence number, and how many memories there are but for tombstones."""
    seq = memories = 0
    for batch in source.batches(MEMORIES):
        if len(batch):
            seq = max(seq, pc.max(batch.column("seq")).as_py())
            memories += pc.sum(pc.not_equal(batch.column("state"), TOMBSTONE)).as_py()
    return seq, memories


@dataclass(frozen=True, slots=True)
class Graves:
    """The tombstones of a store: what was purged from it for good."""

    rows: tuple[dict[str, Any], ...]
    """Rows of `memories`, by their sequence numbers."""

    def __bool__(self) -> bool:
        return bool(self.rows)

    def beyond(self, source: Source) -> Graves:
        """Return those that a source does not have as such."""
        known: set[object] = set()
        for batch in source.batches(MEMORIES) if self.rows else ():
            tombs = batch.filter(pc.equal(batch.column("state"), TOMBSTONE))
            known.update(tombs.column("id").to_pylist())
        return Graves(tuple(row for row in self.rows if row["id"] not in known))

    def left_of(self, rows: pa.Table, column: str) -> pa.Table:
        """Return the rows of other memories."""
        if not self.rows:
            return rows
        gone = pa.array([row["id"] for row in self.rows], pa.string())
        return rows.filter(pc.invert(pc.is_in(rows.column(column), value_set=gone)))

    def after(self, seq: int, columns: pa.Schema) -> pa.Table:
        """Return them as the changes that follow the sequence number `seq`."""
        later = [{**row, "seq": seq + n} for n, row in enumerate(self.rows, 1)]
        return pa.Table.from_pylist(later, schema=columns)


NO_GRAVES = Graves(())


def graves(home: Path) -> Graves | None:
    """Return the tombstones of a store, none where there is no store, or None where they cannot be read."""
    if not (home / f"{MEMORIES}.lance").is_dir():
        return NO_GRAVES
    try:
        table = Table(connect(home), home, MEMORIES, durable=False)
        found = table.rows(equals("state", TOMBSTONE)).to_pylist()
    except StoreError:
        return None
    return Graves(tuple(sorted(found, key=lambda row: row["seq"])))


def compare(copy: Source, store: Source, step: Step) -> None:
    """Raise `Invalid` where a store has other rows than a copy, in any field or in their order."""
    total, done = sum(copy.count(part) for part in PARTS), 0
    for part in PARTS:
        there, here = copy.count(part), store.count(part)
        if there != here:
            raise Invalid("copy", f"has {there:,} rows of {part}, and {here:,} came out of it")
        columns = copy.schema(part)
        restored = _Rows(store.batches(part))
        for batch in copy.batches(part):
            wanted = pa.Table.from_batches([batch]).cast(columns)
            if not restored.take(len(batch)).cast(columns).equals(wanted):
                raise Invalid("copy", f"came out different in the rows of {part} after {done:,}")
            done += len(batch)
            step(done, total)


class _Rows:
    """Rows that come in batches, to be taken in portions of other sizes."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._held: list[pa.RecordBatch] = []

    def take(self, count: int) -> pa.Table:
        """Return the next so many rows; the caller knows that there are."""
        taken: list[pa.RecordBatch] = []
        while count:
            batch = self._held.pop() if self._held else next(self._batches)
            taken.append(batch.slice(0, count))
            if len(batch) > count:
                self._held.append(batch.slice(count))
            count -= len(taken[-1])
        return pa.Table.from_batches(taken)
