"""How many memories there are of everything that one may browse by, told by one read of a few columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memdesk.memory import LIVE, TRASHED
from memdesk.store.candidates import lasting
from memdesk.store.engine import pa, pc
from memdesk.store.filters import equals, literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from memdesk.store.kept import Held
    from memdesk.store.table import Table

_COLUMNS = ("space", "tags", "kind", "source", "pinned", "created_at")


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of live, unexpired memories; those by name have the most first."""

    live: int
    pinned: int
    trash: int
    spaces: dict[str, int]
    tags: dict[str, int]
    kinds: dict[str, int]
    sources: dict[str, int]
    added: tuple[int, ...]
    """How many were created from each of the moments asked for to the one after it."""


def tally(memories: Table, held: Held | None, now: datetime, moments: Sequence[datetime]) -> Tally:
    """Count the memories that `now` has not let expire, where they are kept or else as read; `moments` rise."""
    rows, trash = _kept(held, now) if held else _read(memories, now)
    return Tally(
        live=len(rows),
        pinned=int(pc.sum(rows.column("pinned")).as_py() or 0),
        trash=trash,
        spaces=by_value(rows.column("space")),
        tags=by_value(rows.column("tags")),
        kinds=by_value(rows.column("kind")),
        sources=by_value(pc.struct_field(rows.column("source"), "name")),
        added=_added(rows.column("created_at"), moments),
    )


def _read(memories: Table, now: datetime) -> tuple[pa.Table, int]:
    """Return the live memories and how many are in the trash."""
    lasts = f"expires_at IS NULL OR expires_at > {literal(now)}"
    rows = memories.rows(f"{equals('state', LIVE)} AND ({lasts})", columns=_COLUMNS)
    return rows, memories.count(equals("state", TRASHED))


def _kept(held: Held, now: datetime) -> tuple[pa.Table, int]:
    """Return the same of rows that are kept: at 10,000 in a tenth of the time."""
    fields = held.rows.fields
    present = np.zeros(len(fields), np.bool_)
    present[held.places] = True
    state = fields.column("state")
    live = present & pc.equal(state, LIVE).to_numpy() & lasting(fields, now)
    trashed = present & pc.equal(state, TRASHED).to_numpy()
    return fields.select(_COLUMNS).filter(pa.array(live)), int(trashed.sum())


def by_value(values: pa.ChunkedArray) -> dict[str, int]:
    """Return how often each value stands in a column (of a list: each item), the most first."""
    if pa.types.is_list(values.type):
        values = pc.list_flatten(values)
    counted = values.value_counts().to_pylist()
    ordered = sorted(counted, key=lambda each: (-each["counts"], str(each["values"])))
    return {each["values"]: each["counts"] for each in ordered}


def _added(created: pa.ChunkedArray, moments: Sequence[datetime]) -> tuple[int, ...]:
    at = created.cast(pa.int64()).to_numpy()
    starts = pa.array(moments, created.type).cast(pa.int64()).to_numpy()
    places = np.searchsorted(starts, at, side="right")
    counts: list[int] = np.bincount(places, minlength=len(starts) + 1).tolist()
    return tuple(counts[1:])
