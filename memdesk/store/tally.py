"""How many memories there are of everything that one may browse by, told by one read of a few columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memdesk.memory import LIVE, TRASHED
from memdesk.store.engine import pa, pc
from memdesk.store.filters import equals, literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

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


def tally(memories: Table, now: datetime, moments: Sequence[datetime]) -> Tally:
    """Count the memories that `now` has not let expire; `moments` rise."""
    lasting = f"expires_at IS NULL OR expires_at > {literal(now)}"
    rows = memories.rows(f"{equals('state', LIVE)} AND ({lasting})", columns=_COLUMNS)
    return Tally(
        live=len(rows),
        pinned=int(pc.sum(rows.column("pinned")).as_py() or 0),
        trash=memories.count(equals("state", TRASHED)),
        spaces=by_value(rows.column("space")),
        tags=by_value(rows.column("tags")),
        kinds=by_value(rows.column("kind")),
        sources=by_value(pc.struct_field(rows.column("source"), "name")),
        added=_added(rows.column("created_at"), moments),
    )


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
