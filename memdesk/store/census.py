"""Counting what a store holds and how its tables stand, to see whether they agree with each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from memdesk.store.engine import pa, pc
from memdesk.store.opening import indexes
from memdesk.store.table import LOOP, wrapped

if TYPE_CHECKING:
    from memdesk.store.store import Store
    from memdesk.store.table import Table


@dataclass(frozen=True, slots=True)
class TableState:
    """How one table stands."""

    name: str
    rows: int
    fragments: int
    """Data files; each costs a search a little until maintenance makes one of them."""
    versions: int
    """How many commits readers may still look at."""
    unindexed: int
    """Rows that the index which lacks most of them does not cover yet."""
    missing: tuple[str, ...]
    """Columns that should have an index and have none."""


@dataclass(frozen=True, slots=True)
class Census:
    """What the rows say when they are compared."""

    states: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    """Memories whose id another row has, too."""
    head: int = 0
    """The highest sequence number of the memories."""
    before: int = 0
    """The highest one of the history, which is never above it."""
    without_passages: int = 0
    """Memories that search does not have as they are now."""
    without_memory: int = 0
    """Passages of a revision that no memory has."""
    passages: int = 0
    pending: int = 0
    """Passages that wait for their vectors."""
    ahead: int = 0
    """The highest wall clock of a revision, in milliseconds since 1970."""
    oldest_trash: int = 0
    """When the oldest of the trash was put there, in seconds since 1970; 0 where it is empty."""


def table_states(store: Store) -> tuple[TableState, ...]:
    """Return how the tables stand: memories, history, and what search reads."""
    return tuple(_state(table) for table in (store.memories, store.history, store.passages))


def _state(table: Table) -> TableState:
    with wrapped(table.name):
        stats: Any = LOOP.run(table.lance.stats())
        made = LOOP.run(table.lance.list_indices())
        rows = table.count()
        covered = [_unindexed(table, index.name, rows) for index in made]
    present = {column for index in made for column in index.columns}
    return TableState(
        table.name,
        rows,
        int(stats["fragment_stats"]["num_fragments"]),
        sum(1 for _ in (table.path / "_versions").glob("*.manifest")),
        max(covered, default=0),
        tuple(column for column in indexes(table.name) if column not in present),
    )


def _unindexed(table: Table, index: str, rows: int) -> int:
    told = LOOP.run(table.lance.index_stats(index))
    return min(rows, int(told.num_unindexed_rows)) if told else 0


def census(store: Store) -> Census:
    """Return what the rows of all tables say; reads the narrow columns of every row.

    Memory: about 200 bytes a row while it works.
    """
    memories = store.memories.rows(columns=["id", "seq", "state", "clock_ms", "updated_at"])
    passages = store.passages.rows(columns=["memory", "seq"])
    states = memories.column("state")
    wanted = _revisions(memories.filter(pc.not_equal(states, "tombstone")), "id")
    indexed = _revisions(passages, "memory")
    trash = memories.filter(pc.equal(states, "trashed")).column("updated_at")
    oldest = pc.min(trash).as_py()
    return Census(
        states={row["values"]: row["counts"] for row in pc.value_counts(states).to_pylist()},
        duplicates=memories.num_rows - pc.count_distinct(memories.column("id")).as_py(),
        head=_highest(memories, "seq"),
        before=_highest(store.history.rows(columns=["seq"]), "seq"),
        without_passages=_absent(wanted, indexed),
        without_memory=_absent(indexed, wanted),
        passages=passages.num_rows,
        pending=store.passages.count("embedded = false"),
        ahead=_highest(memories, "clock_ms"),
        oldest_trash=int(oldest.timestamp()) if oldest else 0,
    )


def _revisions(rows: pa.Table, id: str) -> Any:
    """Return a text for each row that says which revision of which memory it is of."""
    return pc.binary_join_element_wise(
        rows.column(id), pc.cast(rows.column("seq"), pa.string()), ":"
    )


def _absent(these: Any, those: Any) -> int:
    """Return how many of these are not among those."""
    there = pc.is_in(these, value_set=pc.unique(those))
    return int(pc.sum(pc.invert(there)).as_py() or 0)


def _highest(rows: pa.Table, column: str) -> int:
    return int(pc.max(rows.column(column)).as_py() or 0)
