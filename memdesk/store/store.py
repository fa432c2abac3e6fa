"""The store: three LanceDB tables in one folder, spoken to in memories and passages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from memdesk.clock import is_believed
from memdesk.memory import TOMBSTONE, Filter
from memdesk.passages import Embedded, Found, Passage
from memdesk.store import schema
from memdesk.store.durable import size_on_disk
from memdesk.store.engine import lancedb, pa
from memdesk.store.filters import both, equals, literal, one_of, where
from memdesk.store.kept import Kept
from memdesk.store.neighbours import neighbours
from memdesk.store.search import Search, Wanted
from memdesk.store.stamp import Stamp, write_stamp
from memdesk.store.table import INDEX_CACHE, Table, connect
from memdesk.store.tally import by_value, tally
from memdesk.store.unfinished import Begun, with_beginning, with_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from memdesk.answers import Revision
    from memdesk.memory import Memory
    from memdesk.question import Question
    from memdesk.store.candidates import Candidates
    from memdesk.store.schema import PassageRow
    from memdesk.store.search import Sought
    from memdesk.store.tally import Tally

VERSION: str = lancedb.__version__
_WHEN = "coalesce(happened_at, created_at)"
_SESSION_COMMITS = 400  # caches are keyed by version and never shrink: LANCEDB.md §2
_PASSAGE = ("ordinal", "start", "end", "text", "asking", "timed")
_BESIDE = ("points", "backups", "ballast")
"""Restore points, backup files, and the reserve that maintenance gives up on a full disk."""
_WORDS_OF_ONE = 384
"""About the bytes that a passage takes in the full-text index."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where the store's own counters stand."""

    seq: int = 0
    clock_ms: int = 0
    clock_n: int = 0

    def raised(self, rows: Iterable[Head]) -> Head:
        """Return the last sequence number and the latest clock of these too; none from the future."""
        every = [self, *rows]
        wall = datetime.now(UTC).timestamp() * 1000
        honest = (each for each in every if is_believed(each.clock_ms, wall))
        clocks = [(each.clock_ms, each.clock_n) for each in honest]
        return Head(max(each.seq for each in every), *max(clocks, default=(0, 0)))


class Store:
    """One person's memories on disk.

    Reads may come from any thread and never lock. Every write is called with the writer lock held
    and after `refresh()`.
    """

    def __init__(self, home: Path, stamp: Stamp) -> None:
        """Open the tables of an existing store; use `open_store` from outside."""
        self.home = home
        self.stamp = stamp
        self.repaired: tuple[str, ...] = ()
        self._head = Head()
        self._head_version = -1
        self._commits = 0
        db = connect(home)
        self.memories = Table(db, home, "memories", durable=True)
        self.history = Table(db, home, "history", durable=True)
        self.passages = Table(db, home, stamp.passages, durable=False)
        self._search = Search(self.passages, stamp.dims)
        self._kept = Kept(self.memories, schema.MEMORIES.names)
        if self._cache() > 2 * INDEX_CACHE:
            self._reconnect()

    # Reading

    def get(self, ids: Iterable[str]) -> dict[str, Memory]:
        """Return the memories that have these ids, in any state."""
        ids = list(ids)
        held = self._kept.matching("").held if self._kept.keeping else None
        rows = (
            held.having("id", ids).to_pylist() if held else self.memories.fetch(one_of("id", ids))
        )
        return {memory.id: memory for memory in map(schema.memory_of, rows)}

    def find(
        self,
        wanted: Filter,
        *,
        limit: int,
        after: tuple[datetime, str] | None = None,
        oldest: bool = False,
    ) -> list[Memory]:
        """Return memories of a filter, newest first, or `oldest`; `after` is the last one's (created_at, id)."""
        keyset = ""
        if after:
            at, id = literal(after[0]), literal(after[1])
            than = ">" if oldest else "<"
            keyset = f"created_at {than} {at} OR (created_at = {at} AND id {than} {id})"
        condition = both(where(wanted, datetime.now(UTC), at=_WHEN), keyset)
        found = self.memories.fetch(
            condition, limit=limit, newest=("created_at", "id"), oldest=oldest
        )
        memories = [schema.memory_of(row) for row in found]
        # The rows are found and then read: one may have been forgotten in between.
        return [memory for memory in memories if memory.state in wanted.states]

    def same_texts(self, hashes: Iterable[str]) -> list[Memory]:
        """Return the memories whose text has one of these hashes."""
        found = self.memories.fetch(one_of("content_hash", hashes))
        return [schema.memory_of(row) for row in found]

    def revisions(self, condition: str) -> list[Memory]:
        """Return earlier revisions by a predicate on `history`, newest first, each once."""
        found = self.history.fetch(condition, newest=("seq",))
        return list({(row["id"], row["seq"]): schema.memory_of(row) for row in found}.values())

    def changed_by(self, change: str) -> tuple[list[Memory], list[Memory]]:
        """Return what a change wrote: the memories still so, and the revisions since replaced."""
        memories = [schema.memory_of(row) for row in self.memories.fetch(equals("change", change))]
        present = {(memory.id, memory.seq) for memory in memories}
        earlier = self.revisions(equals("change", change))
        return memories, [memory for memory in earlier if (memory.id, memory.seq) not in present]

    def latest(self, limit: int = 1, *, before: int | None = None) -> list[Memory]:
        """Return the memories that changed last, before a sequence number if one is given."""
        condition = "" if before is None else f"seq < {before}"
        return [
            schema.memory_of(row)
            for row in self.memories.fetch(condition, limit=limit, newest=("seq",))
        ]

    def counts(self, column: str, wanted: Filter | None = None) -> dict[str, int]:
        """Return how many memories have each value of a column (of a list: of each item)."""
        condition = where(wanted, datetime.now(UTC), at=_WHEN) if wanted else ""
        return by_value(self.memories.rows(condition, columns=[column]).column(column))

    def tally(self, moments: Sequence[datetime]) -> Tally:
        """Count what may be browsed by, and what was created from each moment to the one after it."""
        held = self._kept.matching("").held if self._kept.keeping else None
        return tally(self.memories, held, datetime.now(UTC), moments)

    def keep(self) -> None:
        """Keep rows in memory from now on, all of a small store: for a process that stays."""
        self._search.kept.keep()
        self._kept.keep()

    def forget_kept(self) -> None:
        """Keep no row in memory that was read so far: after words were erased."""
        self._search.kept.forget()
        self._kept.forget()

    def close(self) -> None:
        """Read nothing more for the calls to come; the process may end then."""
        self._search.kept.stop()
        self._kept.stop()

    def seek(self, words: str, wanted: Filter, limit: int, *, memories: int = 0) -> Sought:
        """Begin to look for `limit` passages that match words best (by BM25) or are near a vector.

        Passages of further memories follow where the first are of fewer than `memories`.
        """
        if self._kept.keeping:
            self._kept.begin("")  # the memories of what is found will be asked for next
        return self._search.seek(Wanted(words, wanted, limit, memories, datetime.now(UTC)))

    def begun(self, question: Question, wanted: Filter, limit: int) -> Begun:
        """Return passages that have the word, or are of the id, that a question ends in the midst of."""
        asked = Wanted(" ".join(question.sought), wanted, limit, 0, datetime.now(UTC), strict=True)
        parts: list[Candidates] = []
        if question.id:
            parts.append(with_id(self._search, asked, question.id))
        if question.begun:
            parts.append(with_beginning(self._search, asked, question.begun))
        return Begun(tuple(parts))

    def beside(
        self, found: Sequence[Found], reach: int, wanted: Filter, vector: np.ndarray | None
    ) -> list[Found]:
        """Return the passages up to `reach` positions before or after others in their sessions.

        They pass the filter's spaces, states and expiry; those in `found` are left out.
        """
        near = Filter(spaces=wanted.spaces, states=wanted.states, expired=wanted.expired)
        return self._search.beside(found, reach, Wanted("", near, 0, 0, datetime.now(UTC)), vector)

    def turns(self, memory: Memory, reach: int, wanted: Filter) -> list[Memory]:
        """Return the memories up to `reach` positions before or after one in its session, in order."""
        place = Found(
            memory.id,
            0,
            0,
            None,
            None,
            space=memory.space,
            session=memory.session,
            position=memory.position,
        )
        ids = dict.fromkeys(each.memory for each in self.beside([place], reach, wanted, None))
        found = [each for each in self.get(ids).values() if each.state in wanted.states]
        others = [each for each in found if each.id != memory.id]
        return sorted(others, key=lambda each: (each.position or 0, each.created_at))

    def passages_of(self, ids: Iterable[str]) -> dict[str, list[tuple[Passage, Embedded | None]]]:
        """Return the passages that search has of each memory, and what the model made of them."""
        kept: dict[str, list[tuple[Passage, Embedded | None]]] = {}
        columns = ["memory", *_PASSAGE, "vector", "signs"]
        for memory, *parts, vector, signs in _columns(
            self.passages.rows(one_of("memory", ids), columns=columns), columns
        ):
            known = vector is not None
            embedded = Embedded(np.asarray(vector, np.float32), signs or b"") if known else None
            kept.setdefault(memory, []).append((Passage(*parts), embedded))
        return kept

    def signs(self, ids: Iterable[str]) -> dict[tuple[str, int], bytes]:
        """Return the signs of the words of each passage of some memories that has any, by (id, ordinal)."""
        columns = ["memory", "ordinal", "signs"]
        rows = self.passages.rows(one_of("memory", ids), columns=columns)
        return {
            (memory, ordinal): signs for memory, ordinal, signs in _columns(rows, columns) if signs
        }

    def pending(self, limit: int) -> list[tuple[str, Passage]]:
        """Return passages that wait for their embedding, with the id of their memory."""
        columns = ["memory", *_PASSAGE]
        found = self.passages.rows("embedded = false", columns=columns, limit=limit)
        return [(memory, Passage(*parts)) for memory, *parts in _columns(found, columns)]

    def in_line(self) -> bool:
        """Tell whether search has as many memories as there are, which costs less than `unindexed`."""
        return self.passages.count(schema.ONE_A_MEMORY) == self.memories.count(schema.NOT_ERASED)

    def unindexed(self, since: int, until: int | None = None) -> tuple[list[str], list[str]]:
        """Return (missing, stale): memories that search has not as they are, and those it should not have.

        Only revisions after the sequence number `since` are looked at, and up to `until`.
        """
        span = f"seq > {since}" + ("" if until is None else f" AND seq <= {until}")
        memories = self.memories.rows(f"{span} AND {schema.NOT_ERASED}", columns=["id", "seq"])
        passages = self.passages.rows(span, columns=["memory", "seq"])
        wanted = set(_columns(memories, ["id", "seq"]))
        indexed = set(_columns(passages, ["memory", "seq"]))
        return (
            sorted(id for id, _ in wanted - indexed),
            sorted(id for id, _ in indexed - wanted),
        )

    def near(
        self, seqs: Sequence[int], least: float, most: int, go_on: Callable[[], bool]
    ) -> dict[str, list[tuple[str, float]]] | None:
        """Return for revisions of memories up to `most` others of the space nearest in meaning.

        By id, with their cosines of at least `least`. Only live memories that are no turns count. A
        revision whose vector is not there yet is left out. `go_on` is asked between parts of the
        work, of some hundredths of a second each, and may wait; False ends it, and None is returned.
        """
        return neighbours(self._search, seqs, least, most, datetime.now(UTC), go_on=go_on)

    def changed_since(self, seq: int) -> dict[str, int]:
        """Return the ids and sequence numbers of what has changed after one, in that order."""
        found = self.memories.rows(f"seq > {seq}", columns=["seq", "id"])
        return {id: at for at, id in sorted(_columns(found, ["seq", "id"]))}

    def audiences_since(self, seq: int) -> list[tuple[str, int, tuple[str, ...]]]:
        """Return (id, seq, audience) of what has changed after a sequence number, in that order."""
        found = self.memories.rows(f"seq > {seq}", columns=["seq", "id", "audience"])
        rows = sorted(_columns(found, ["seq", "id", "audience"]), key=lambda row: row[0])
        return [(id, at, tuple(audience or ())) for at, id, audience in rows]

    def flagged(self) -> list[Memory]:
        """Return the live memories that have flags, but for those whose time has run out."""
        live = where(Filter(), datetime.now(UTC), at=_WHEN)
        found = self.memories.fetch(both(live, "array_length(flags) > 0"))
        return [schema.memory_of(row) for row in found]

    def replaced_since(self, at: datetime) -> list[Memory]:
        """Return the memories that another took the place of after a moment."""
        condition = both(equals("state", "replaced"), f"updated_at > {literal(at)}")
        return [schema.memory_of(row) for row in self.memories.fetch(condition)]

    def changed_after(self, moment: datetime, at: datetime) -> list[Memory]:
        """Return the memories that were written after a moment, or expired between it and `at`."""
        expired = f"expires_at > {literal(moment)} AND expires_at <= {literal(at)}"
        found = self.memories.fetch(f"updated_at > {literal(moment)} OR ({expired})")
        return [schema.memory_of(row) for row in found]

    def every(self, states: Sequence[str]) -> Iterator[list[Memory]]:
        """Yield all memories in these states, in batches."""
        for batch in self.memories.batches(one_of("state", states)):
            yield [schema.memory_of(row) for row in batch.to_pylist()]

    def revisions_of(self, *ids: str, marks: bool = False) -> list[Memory]:
        """Return the earlier revisions of memories, newest first; with the `marks` of adoptions if asked."""
        found = self.revisions(one_of("id", ids))
        return [each for each in found if marks or each.state != TOMBSTONE]

    # Writing

    def refresh(self) -> Head:
        """See every process's commits; return where the counters stand."""
        for table in (self.memories, self.history, self.passages):
            table.refresh()
        version = self.memories.version
        if version != self._head_version:
            self._head = self._read_head()
            self._head_version = version
        return self._head

    def _read_head(self) -> Head:
        columns = ["seq", "clock_ms", "clock_n"]
        rows = self.memories.rows(f"seq > {self._head.seq}", columns=columns).to_pylist()
        return self._head.raised(Head(*(row[each] for each in columns)) for row in rows)

    def insert(self, memories: Sequence[Memory]) -> None:
        """Append memories whose ids are new; they are on the disk when this returns."""
        self.memories.add(schema.memory_rows(memories))
        self._committed(memories)

    def replace(self, memories: Sequence[Memory], before: Sequence[Memory], at: datetime) -> None:
        """Keep the revisions `before` as history, then put the new ones in their place."""
        if before:
            self.history.add(schema.history_rows(before, at))
        self.memories.upsert(schema.memory_rows(memories), "id")
        self._committed(memories)

    def adopt(self, memories: Sequence[Memory], revisions: Sequence[Revision]) -> None:
        """Put memories of another store in, and earlier revisions of theirs with when they were valid."""
        if revisions:
            self.history.add(schema.revision_rows(revisions))
        if memories:
            self.memories.upsert(schema.memory_rows(memories), "id")
            self._committed(memories)

    def _committed(self, memories: Sequence[Memory]) -> None:
        self._head = self._head.raised(Head(m.seq, m.clock_ms, m.clock_n) for m in memories)
        self._head_version = self.memories.version
        self._commits += 1
        if self._commits % _SESSION_COMMITS == 0:
            self._reconnect()

    def _cache(self) -> int:
        """Return the bytes in which the search indexes fit: else each search reads them anew."""
        return INDEX_CACHE + self.passages.count() * (self.stamp.dims // 2 + _WORDS_OF_ONE)

    def _reconnect(self) -> None:
        db = connect(self.home, cache=self._cache())
        for table in (self.memories, self.history, self.passages):
            table.attach(db)

    def drop_revisions(self, ids: Iterable[str]) -> None:
        """Erase the history of memories."""
        self.history.delete(one_of("id", ids))

    def index(self, rows: Sequence[PassageRow], *, replaced: Iterable[str] = ()) -> None:
        """Add passages to what search reads, in place of all those of the memories `replaced`."""
        self.unindex(replaced)
        if rows:
            self.passages.add(schema.passage_rows(rows, self.stamp.dims))

    def embed(self, rows: Sequence[PassageRow]) -> None:
        """Give passages their vectors."""
        self.passages.upsert(schema.passage_rows(rows, self.stamp.dims), "key")

    def unindex(self, ids: Iterable[str]) -> None:
        """Take memories out of what search reads."""
        ids = list(ids)
        if ids:
            self.passages.delete(one_of("memory", ids))

    def claim(self) -> bool:
        """Let no older lancedb open the store from now on; tell whether that had to be said."""
        if older := self.stamp.is_of_older(VERSION):
            self.stamp = replace(self.stamp, lancedb=VERSION)
            write_stamp(self.home, self.stamp)
        return older

    def size(self) -> int:
        """Return the bytes of the store's folder, but for what is kept beside the store."""
        return size_on_disk(self.home, without=_BESIDE)


def _columns(found: pa.Table, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(found.column(name).to_pylist() for name in names), strict=True)
