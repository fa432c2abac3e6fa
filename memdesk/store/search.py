"""Search: the passages that match words or lie near a vector, and those beside them.

Where a filter leaves up to `kept.MOST` passages their vectors are compared one by one: in memory if
they are kept there, else by LanceDB past its index. The index serves larger stores. All give the same
passages in the same order, but for what the index misses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from memdesk.store.candidates import COLUMNS, Candidates, lasting
from memdesk.store.engine import MatchQuery, pa, pc
from memdesk.store.filters import both, one_of, settled, where
from memdesk.store.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from datetime import datetime

    from lancedb.table import AsyncTable

    from memdesk.memory import Filter
    from memdesk.passages import Found
    from memdesk.store.kept import Held, Matching
    from memdesk.store.table import Table

_SPARE = 28
"""Passages asked for beyond the limit, in place of those whose time has run out.

Only their rows are asked whether it has: in the predicate that costs a third of a search at 100,000.
"""
_DEEPER = 40
"""How many times further is looked when a few long memories fill the limit with their passages."""
_LAST_POSITION = 2**63 - 1
_LEAST_PROBES = 20
_PROBED_ROWS = 10_000
"""Rows for each partition that is probed: four of five partitions, as LanceDB cuts them.

At 1,000,000 notes 80 and 100 probes find 98 and 100 % of the ten nearest; 20 probes find 88 %, hardly
faster (IVF_RQ, 4 bits, LanceDB 0.40).
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one search is for."""

    words: str
    filter: Filter
    limit: int
    memories: int
    """How many different memories there should be among the passages."""
    now: datetime
    deeper: bool = False
    strict: bool = False
    """Whether LanceDB looks at the expiry itself."""

    @property
    def condition(self) -> str:
        """The predicate that time does not change."""
        return settled(self.filter, at="at", source="source")

    @property
    def asked(self) -> str:
        """The predicate that LanceDB is asked with."""
        if not self.strict:
            return self.condition
        return where(self.filter, self.now, at="at", source="source")

    @property
    def depth(self) -> int:
        """How many passages LanceDB is asked for."""
        return self.limit * (_DEEPER if self.deeper else 1) + _SPARE

    def lasting(self, fields: pa.Table) -> np.ndarray:
        """Return a mask of the rows whose time has not run out, or does not matter."""
        if self.filter.expired:
            return np.ones(len(fields), np.bool_)
        return lasting(fields, self.now)


@dataclass(frozen=True, slots=True)
class Sought:
    """A search under way: begun before the vector of its question was there."""

    search: Search
    wanted: Wanted
    matching: Future[Matching]
    words: Future[pa.Table]

    def by_words(self, vector: np.ndarray | None) -> list[Found]:
        """Return the passages that have the words, best first, with their cosine to `vector`."""

        def ask(wanted: Wanted) -> tuple[Candidates, Sequence[float | None], bool]:
            asked = self.words if wanted is self.wanted else self.search.begin_words(wanted)
            answer = self.search.table.result(asked)
            rows, scores = self.search.rows_of(answer, self._held())
            return rows, scores, len(answer) >= wanted.depth

        return self._best(ask, vector, _by_score)

    def by_meaning(self, vector: np.ndarray) -> list[Found]:
        """Return the passages nearest to a vector, best first, by their exact cosine."""

        def ask(wanted: Wanted) -> tuple[Candidates, Sequence[float | None], bool]:
            held = self._held()
            if held:
                rows = nearest(held, vector, wanted)
            else:
                matching = self.search.table.result(self.matching)
                rows = self.search.near(wanted.asked, wanted.depth, vector, exact=not matching.many)
            return rows, [None] * len(rows), len(rows) >= wanted.depth

        return self._best(ask, vector, _by_cosine)

    def _held(self) -> Held | None:
        return self.search.table.result(self.matching).held

    def _best(
        self,
        ask: Callable[[Wanted], tuple[Candidates, Sequence[float | None], bool]],
        vector: np.ndarray | None,
        order: Callable[[Found], tuple[float, str, int]],
    ) -> list[Found]:
        """Ask until there are enough passages that last, of enough memories."""
        wanted = self.wanted
        while True:
            rows, scores, full = ask(wanted)
            mask = wanted.lasting(rows.fields)
            kept = rows.pick(mask)
            if full and len(kept) < wanted.limit and not wanted.strict:
                wanted = replace(wanted, strict=True)
                continue
            chosen = [score for score, lasts in zip(scores, mask.tolist(), strict=True) if lasts]
            found = sorted(kept.found(scores=chosen, cosines=kept.cosines(vector)), key=order)
            best = _spread(found, wanted)
            if wanted.deeper or not full or len({each.memory for each in best}) >= wanted.memories:
                return best
            wanted = replace(wanted, deeper=True)


class Search:
    """The reading side of one passages table."""

    def __init__(self, table: Table, dims: int) -> None:
        """Search a table whose vectors have `dims` numbers."""
        self.table = table
        self.kept = Kept(table, COLUMNS, dims)

    def seek(self, asked: Wanted) -> Sought:
        """Begin to search; see `Store.seek`."""
        return Sought(self, asked, self.kept.begin(asked.condition), self.begin_words(asked))

    def begin_words(self, wanted: Wanted) -> Future[pa.Table]:
        """Begin to look for words; the rows are read at once unless they will be at hand."""
        columns = [] if self.kept.expects(wanted.condition) else list(COLUMNS)
        return self.table.begin(
            lambda table: (
                table.query()
                .nearest_to_text(MatchQuery(wanted.words, "text"))
                .where(wanted.asked)
                .select(["_rowid", "_score", *columns])
                .limit(wanted.depth)
                .to_arrow()
            )
        )

    def rows_of(
        self, answer: pa.Table, held: Held | None
    ) -> tuple[Candidates, Sequence[float | None]]:
        """Return the passages that words were found in, with their scores."""
        scores = answer.column("_score").to_pylist()
        if "memory" in answer.column_names:
            return Candidates.of_rows(answer), scores
        ids = answer.column("_rowid").to_numpy()
        places = held.places_of(ids) if held else np.full(len(ids), -1)
        if held and (places >= 0).all():
            return Candidates.of_kept(held.rows, places), scores
        rows = self._take(ids.tolist())
        score_of = dict(zip(ids.tolist(), scores, strict=True))
        return Candidates.of_rows(rows), [score_of[id] for id in rows["_rowid"].to_pylist()]

    def _take(self, ids: list[int]) -> pa.Table:
        """Return rows by their `_rowid`s; those that are gone are left out."""
        return self.table.read(
            lambda table: table.take_row_ids(ids).select(list(COLUMNS)).with_row_id().to_arrow()
        )

    def near(self, condition: str, depth: int, vector: np.ndarray, *, exact: bool) -> Candidates:
        """Return the passages nearest to a vector as LanceDB finds them, past its index or by it."""

        async def query(table: AsyncTable) -> pa.Table:
            found = table.vector_search(vector).column("vector").distance_type("cosine")
            if exact:
                found = found.bypass_vector_index()
            else:
                rows = await table.count_rows()
                found = found.nprobes(max(_LEAST_PROBES, rows // _PROBED_ROWS))
            found = found.where(condition).select([*COLUMNS, "_distance"])
            return await found.limit(depth).to_arrow()

        return Candidates.of_rows(self.table.read(query))

    def beside(
        self, found: Sequence[Found], reach: int, near: Wanted, vector: np.ndarray | None
    ) -> list[Found]:
        """Return the passages next to others in their sessions; see `Store.beside`."""
        places: set[tuple[str, str | None, int | None]] = {
            (each.space, each.session, each.position + step)
            for each in found
            if each.session is not None and each.position is not None
            for step in range(-reach, reach + 1)
        }
        if not places:
            return []
        rows = self._around(near, places)
        known = {(each.memory, each.ordinal) for each in found}
        columns = ("space", "session", "position", "memory", "ordinal")
        told = zip(*(rows.fields.column(name).to_pylist() for name in columns), strict=True)
        # Most rows of the sessions stand elsewhere: they are not worth being made values.
        new = [tuple(row[:3]) in places and tuple(row[3:]) not in known for row in told]
        rows = rows.pick(np.array(new, np.bool_))
        beside = rows.found(scores=[None] * len(rows), cosines=rows.cosines(vector))
        return sorted(
            beside,
            key=lambda each: (
                each.space,
                each.session or "",
                each.position or 0,
                each.memory,
                each.ordinal,
            ),
        )

    def _around(
        self, wanted: Wanted, places: set[tuple[str, str | None, int | None]]
    ) -> Candidates:
        """Return the passages of some sessions at some positions, and others of those sessions."""
        sessions = sorted({session for _, session, _ in places if session is not None})
        positions = sorted(
            {at for _, _, at in places if at is not None and 0 <= at <= _LAST_POSITION}
        )
        held = self.kept.matching(wanted.condition).held
        if held:
            fields = held.rows.fields
            chosen = _is_in(fields, "session", sessions) & _is_in(fields, "position", positions)
            chosen &= wanted.lasting(fields)
            return Candidates.of_kept(held.rows, held.places[chosen[held.places]])
        condition = both(
            wanted.condition, one_of("session", sessions), one_of("position", positions)
        )
        rows = Candidates.of_rows(self.table.rows(condition, columns=COLUMNS))
        return rows.pick(wanted.lasting(rows.fields))


def nearest(held: Held, vector: np.ndarray, wanted: Wanted) -> Candidates:
    """Return the passages nearest to a vector among those that are kept; none is left out."""
    rows = held.rows
    places = held.places[(rows.known & wanted.lasting(rows.fields))[held.places]]
    near = held.rows.cosines(places, vector)
    if len(near) > wanted.depth:
        places = places[np.argpartition(-near, wanted.depth)[: wanted.depth]]
    return Candidates.of_kept(rows, places)


def _spread(found: Sequence[Found], wanted: Wanted) -> list[Found]:
    """Return the first passages, and after them the best one of further memories if those are few."""
    best = list(found[: wanted.limit])
    memories = {each.memory for each in best}
    for each in found[wanted.limit :]:
        if len(memories) >= wanted.memories:
            break
        if each.memory not in memories:
            memories.add(each.memory)
            best.append(each)
    return best


def _by_score(found: Found) -> tuple[float, str, int]:
    return -(found.score or 0.0), found.memory, found.ordinal


def _by_cosine(found: Found) -> tuple[float, str, int]:
    return -(found.cosine or 0.0), found.memory, found.ordinal


def _is_in(fields: pa.Table, column: str, values: Sequence[str | int]) -> np.ndarray:
    among = fields.column(column)
    mask: np.ndarray = pc.is_in(among, value_set=pa.array(values, among.type)).to_numpy()
    return mask
