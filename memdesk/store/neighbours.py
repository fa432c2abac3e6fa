"""Memories near each other in meaning: for each of some, the others of its space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from memdesk.memory import Filter
from memdesk.store.candidates import lasting
from memdesk.store.engine import pc
from memdesk.store.filters import both, one_of, settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from memdesk.store.engine import pa
    from memdesk.store.kept import Held
    from memdesk.store.search import Search

_FIRST = "embedded = true AND ordinal <= 0 AND session IS NULL"
"""Of memories that are no turns the first passage, and of long ones the head; once embedded."""
_OWN = ("memory", "ordinal", "space", "vector")
_OTHERS = ("memory", "expires_at", "vector")
_SPARE = 28
"""Passages asked for beyond the limit, in place of those whose time has run out."""
_A_PART = 512
"""Passages that are compared with at once: with as many memories some 10 ms."""
_FEW = 16
"""Memories for which LanceDB's index, asked for one at a time, costs less than reading every vector."""


def neighbours(
    search: Search,
    seqs: Sequence[int],
    least: float,
    most: int,
    now: datetime,
    *,
    go_on: Callable[[], bool],
) -> dict[str, list[tuple[str, float]]] | None:
    """Return what lies near each memory; see `Store.near`."""
    own = search.table.rows(both(one_of("seq", seqs), _FIRST), columns=_OWN)
    found: dict[str, list[tuple[str, float]]] = {}
    for space, vectors in _by_space(own).items():
        nearest = _Nearest(np.stack(list(vectors.values())), least, 2 * most + 2)
        for others in _others(search, space, nearest, now):
            if not go_on():
                return None
            nearest.add(others)
        for id, near in zip(vectors, nearest.found(), strict=True):
            best: dict[str, float] = {}
            for other, cosine in near:
                best[other] = max(cosine, best.get(other, cosine))
            best.pop(id, None)
            found[id] = sorted(best.items(), key=lambda each: -each[1])[:most]
    return found


def _by_space(own: pa.Table) -> dict[str, dict[str, np.ndarray]]:
    """Return by space and id the vector that stands for each memory."""
    own = own.filter(pc.is_valid(own.column("vector"))).sort_by("ordinal")
    spaces: dict[str, dict[str, np.ndarray]] = {}
    names = zip(*(own.column(name).to_pylist() for name in ("space", "memory")), strict=True)
    for (space, memory), vector in zip(names, _vectors(own), strict=True):
        # A long text's head comes before its first passage.
        spaces.setdefault(space, {}).setdefault(memory, vector)
    return spaces


def _vectors(rows: pa.Table) -> np.ndarray:
    """Return the vectors of rows that all have one."""
    column = rows.column("vector").combine_chunks()
    return np.asarray(column.flatten()).reshape(len(rows), column.type.list_size)


class _Nearest:
    """The passages nearest to each of some vectors among those seen so far."""

    def __init__(self, vectors: np.ndarray, least: float, most: int) -> None:
        """Keep for each vector `most` passages with cosines of at least `least`."""
        self.vectors = _units(vectors)
        self.depth = most
        self._least = least
        self._ids: list[str] = []
        self._cosines = np.full((len(vectors), most), -np.inf, np.float32)
        self._places = np.zeros((len(vectors), most), np.int64)

    def add(self, others: tuple[pa.ChunkedArray, np.ndarray]) -> None:
        """See the memories and the vectors of more passages."""
        memories, vectors = others
        cosines = self.vectors @ _units(vectors).T
        near = np.flatnonzero((cosines >= self._least).any(axis=0))
        if not len(near):
            return
        places = np.broadcast_to(np.arange(len(near)) + len(self._ids), (len(cosines), len(near)))
        self._ids += memories.take(near).to_pylist()
        joined = np.concatenate([self._cosines, cosines[:, near]], axis=1)
        best = np.argpartition(-joined, self.depth - 1, axis=1)[:, : self.depth]
        self._cosines = np.take_along_axis(joined, best, axis=1)
        places = np.concatenate([self._places, places], axis=1)
        self._places = np.take_along_axis(places, best, axis=1)

    def found(self) -> Iterator[list[tuple[str, float]]]:
        """Yield for each vector the memories near it and their cosines."""
        for cosines, places in zip(self._cosines, self._places, strict=True):
            near = cosines >= self._least
            ids = [self._ids[place] for place in places[near]]
            yield list(zip(ids, cosines[near].tolist(), strict=True))


def _units(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths))


def _others(
    search: Search, space: str, nearest: _Nearest, now: datetime
) -> Iterator[tuple[pa.ChunkedArray, np.ndarray]]:
    """Yield memories of a space and their vectors, in parts: all of them, or those an index finds."""
    condition = both(settled(Filter(spaces=(space,)), at="at", source="source"), _FIRST)
    matching = search.kept.matching(condition)
    if matching.held:
        yield from _held(matching.held, now)
    elif matching.many and len(nearest.vectors) <= _FEW:
        yield from _indexed(search, condition, nearest, now)
    else:
        yield from _read(search, condition, now)


def _indexed(
    search: Search, condition: str, nearest: _Nearest, now: datetime
) -> Iterator[tuple[pa.ChunkedArray, np.ndarray]]:
    seen: set[str] = set()
    for vector in nearest.vectors:
        rows = search.near(condition, nearest.depth + _SPARE, vector, exact=False)
        ids = rows.fields.column("memory").to_pylist()
        rows = rows.pick(lasting(rows.fields, now) & [id not in seen for id in ids])
        seen.update(ids)
        yield rows.fields.column("memory"), rows.vectors


def _held(held: Held, now: datetime) -> Iterator[tuple[pa.ChunkedArray, np.ndarray]]:
    rows = held.rows
    places = held.places[(rows.known & lasting(rows.fields, now))[held.places]]
    for start in range(0, len(places), _A_PART):
        part = places[start : start + _A_PART]
        yield rows.fields.column("memory").take(part), rows.vectors[part]


def _read(
    search: Search, condition: str, now: datetime
) -> Iterator[tuple[pa.ChunkedArray, np.ndarray]]:
    """Yield the vectors of a space from the disk; no version of the table is held meanwhile."""
    ids = search.table.rows(condition, columns=["_rowid"]).column("_rowid").to_numpy()
    for start in range(0, len(ids), _A_PART):
        rows = _taken(search, ids[start : start + _A_PART].tolist())
        rows = rows.filter(pc.is_valid(rows.column("vector")))
        rows = rows.filter(lasting(rows, now))
        yield rows.column("memory"), _vectors(rows)


def _taken(search: Search, ids: list[int]) -> pa.Table:
    """Return rows by their `_rowid`s; those that are gone are left out."""
    return search.table.read(lambda table: table.take_row_ids(ids).select(list(_OTHERS)).to_arrow())
