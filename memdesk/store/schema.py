"""The three tables as Arrow schemas, and values to rows and back."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from memdesk.memory import TOMBSTONE, Memory, Source
from memdesk.store.engine import pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from memdesk.answers import Revision
    from memdesk.passages import Embedded, Passage

HELD = "held"
"""The state that search has of a live memory which it must not find yet."""
NOT_ERASED = f"state <> '{TOMBSTONE}'"
"""The condition of memories that search has passages of."""
ONE_A_MEMORY = "ordinal = 0"
"""The condition of the passage that every memory has exactly one of."""

_TIME = pa.timestamp("us", tz="UTC")
_WORDS = pa.list_(pa.string())

MEMORIES = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        ("text", pa.string()),
        ("kind", pa.string()),
        ("tags", _WORDS),
        ("space", pa.string()),
        ("audience", _WORDS),
        (
            "source",
            pa.struct([("name", pa.string()), ("trust", pa.string()), ("ref", pa.string())]),
        ),
        ("session", pa.string()),
        ("position", pa.int64()),
        ("role", pa.string()),
        ("speaker", pa.string()),
        ("happened_at", _TIME),
        ("happened_precision", pa.string()),
        ("utc_offset_min", pa.int32()),
        ("created_at", _TIME),
        ("updated_at", _TIME),
        ("expires_at", _TIME),
        ("state", pa.string()),
        ("replaces", pa.string()),
        ("replaced_by", pa.string()),
        ("pinned", pa.bool_()),
        ("confidence", pa.float64()),
        ("flags", _WORDS),
        ("reviewed", pa.string()),
        ("metadata", pa.string()),
        ("content_hash", pa.string()),
        ("clock_ms", pa.int64()),
        ("clock_n", pa.int32()),
        ("device", pa.string()),
        ("seq", pa.int64()),
        ("change", pa.string()),
        ("actor", pa.string()),
    ]
)
"""The truth: one row per id."""

HISTORY = pa.schema([*MEMORIES, ("valid_from", _TIME), ("valid_to", _TIME)])
"""Earlier revisions, keyed by (id, seq)."""

_TUPLES = ("tags", "audience", "flags")
_NAMES = tuple(field.name for field in fields(Memory))


def passages(dims: int) -> pa.Schema:
    """Return the schema of the table that search reads, for vectors of `dims` numbers."""
    return pa.schema(
        [
            pa.field("key", pa.string(), nullable=False),
            ("memory", pa.string()),
            ("seq", pa.int64()),
            ("ordinal", pa.int32()),
            ("start", pa.int32()),
            ("end", pa.int32()),
            ("text", pa.string()),
            ("vector", pa.list_(pa.float32(), dims)),
            ("signs", pa.binary()),
            ("embedded", pa.bool_()),
            ("space", pa.string()),
            ("kind", pa.string()),
            ("tags", _WORDS),
            ("source", pa.string()),
            ("state", pa.string()),
            ("pinned", pa.bool_()),
            ("at", _TIME),
            ("expires_at", _TIME),
            ("session", pa.string()),
            ("position", pa.int64()),
            ("role", pa.string()),
            ("speaker", pa.string()),
            ("asking", pa.float32()),
            ("timed", pa.bool_()),
        ]
    )


@dataclass(frozen=True, slots=True)
class PassageRow:
    """A passage as it is stored: with its vector, or waiting for one."""

    memory: Memory
    passage: Passage
    embedded: Embedded | None


def memory_rows(memories: Iterable[Memory]) -> pa.Table:
    """Return memories as rows of `MEMORIES`."""
    return pa.Table.from_pylist([_row(memory) for memory in memories], schema=MEMORIES)


def history_rows(memories: Iterable[Memory], valid_to: datetime) -> pa.Table:
    """Return the memories as rows of `HISTORY` that were true until `valid_to`."""
    return pa.Table.from_pylist(
        [
            {**_row(memory), "valid_from": memory.updated_at, "valid_to": valid_to}
            for memory in memories
        ],
        schema=HISTORY,
    )


def revision_rows(revisions: Iterable[Revision]) -> pa.Table:
    """Return revisions as rows of `HISTORY`."""
    return pa.Table.from_pylist(
        [
            {**_row(each.memory), "valid_from": each.valid_from, "valid_to": each.valid_to}
            for each in revisions
        ],
        schema=HISTORY,
    )


def _row(memory: Memory) -> dict[str, object]:
    row = {name: getattr(memory, name) for name in _NAMES}
    source = memory.source
    return {**row, "source": {"name": source.name, "trust": source.trust, "ref": source.ref}}


def memory_of(row: Mapping[str, object]) -> Memory:
    """Return the memory that a row of `MEMORIES` or `HISTORY` holds."""
    values = {name: row[name] for name in _NAMES}
    for name in _TUPLES:
        values[name] = tuple(values[name] or ())  # type: ignore[arg-type]
    values["source"] = Source(**values["source"])  # type: ignore[arg-type]
    return Memory(**values)  # type: ignore[arg-type]


def passage_rows(rows: Sequence[PassageRow], dims: int) -> pa.Table:
    """Return passages as rows of `passages(dims)`, with the fields of their memory that filter."""
    return pa.Table.from_pylist(
        [
            {
                "key": f"{row.memory.id}:{row.passage.ordinal}",
                "memory": row.memory.id,
                "seq": row.memory.seq,
                "ordinal": row.passage.ordinal,
                "start": row.passage.start,
                "end": row.passage.end,
                "text": row.passage.words,
                "asking": row.passage.asking,
                "timed": row.passage.timed,
                "vector": row.embedded.vector if row.embedded else None,
                # Only turns are read word by word: of notes the whole says more (docs/RECALL.md).
                "signs": row.embedded.signs if row.embedded and row.memory.session else None,
                "embedded": row.embedded is not None,
                "at": row.memory.when,
                "source": row.memory.source.name,
                **{name: getattr(row.memory, name) for name in _COPIED},
                "state": HELD if row.memory.held else row.memory.state,
            }
            for row in rows
        ],
        schema=passages(dims),
    )


_COPIED = (
    "space",
    "kind",
    "tags",
    "pinned",
    "expires_at",
    "session",
    "position",
    "role",
    "speaker",
)
