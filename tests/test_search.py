"""Search of the store: exact under every filter, from memory and from LanceDB alike, and never stale."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from fakes import other_model
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import large
from bench.notes import notes
from memdesk.memory import LIVE, TRASHED, Filter, Memory, Source, new_id
from memdesk.passages import Embedded, Passage
from memdesk.store import PassageRow, Store, kept, maintain, open_store, opening, schema, upkeep
from memdesk.store.table import LOOP

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from memdesk.passages import Found

DIMS = 32
ROWS = 2000
START = datetime(2024, 1, 1, tzinfo=UTC)
WORDS = ("apple", "river", "engine", "violet", "harbour", "copper", "lantern")
SPACES = ("personal", "garden", "work")
MODEL = other_model(dims=DIMS)


def opened(home: Path) -> Store:
    """Open a store as one more process would."""
    model = (MODEL.name, MODEL.fingerprint, MODEL.dims)
    return open_store(home, "test", model, contextlib.nullcontext)


def memory(number: int, text: str = "apple", **changes: object) -> Memory:
    """Return a memory that is like all others but for some fields."""
    at = START + timedelta(hours=number)
    made = Memory(
        id=new_id(),
        text=text,
        kind="note",
        tags=(),
        space="personal",
        audience=(),
        source=Source(),
        session=None,
        position=None,
        role=None,
        speaker=None,
        happened_at=None,
        happened_precision=None,
        utc_offset_min=None,
        created_at=at,
        updated_at=at,
        expires_at=None,
        state=LIVE,
        replaces=None,
        replaced_by=None,
        pinned=False,
        confidence=None,
        flags=(),
        reviewed=None,
        metadata="{}",
        content_hash="",
        clock_ms=number,
        clock_n=0,
        device="test",
        seq=number + 1,
        change="test",
        actor="test",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def row(of: Memory, vector: np.ndarray | None, ordinal: int = 0) -> PassageRow:
    """Return a passage that is all of a memory's text."""
    embedded = None if vector is None else Embedded(vector, b"")
    return PassageRow(of, Passage(ordinal, 0, len(of.text), of.text), embedded)


def vectors(count: int, seed: int = 0) -> np.ndarray:
    """Return unit vectors in all directions."""
    found = np.random.default_rng(seed).standard_normal((count, DIMS)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)  # type: ignore[no-any-return]


def write(store: Store, rows: Sequence[PassageRow]) -> None:
    """Store memories and what search has of them."""
    store.refresh()
    store.insert(list({each.memory.id: each.memory for each in rows}.values()))
    store.index(rows)


def varied() -> list[PassageRow]:
    """Return passages that differ in all that a filter asks for; some have no vector."""
    chance = np.random.default_rng(1)
    soon = datetime.now(UTC)
    rows: list[PassageRow] = []
    made = vectors(ROWS)
    while len(rows) < ROWS:
        number = len(rows)
        expires = (None, None, soon - timedelta(days=1), soon + timedelta(days=1))
        one = memory(
            number,
            " ".join(chance.choice(WORDS, 3)),
            kind=str(chance.choice(["note", "fact"])),
            tags=tuple(chance.choice(["a", "b", "c"], chance.integers(0, 3), replace=False)),
            space=str(chance.choice(SPACES, p=[0.7, 0.29, 0.01])),
            state=str(chance.choice([LIVE, TRASHED], p=[0.9, 0.1])),
            pinned=bool(chance.random() < 0.2),
            expires_at=expires[chance.integers(len(expires))],
            session=f"s{number // 20}" if chance.random() < 0.9 else None,
            position=number % 20,
        )
        count = min(int(chance.integers(1, 4)), ROWS - number)
        rows += [
            row(one, None if chance.random() < 0.05 else made[number + ordinal], ordinal)
            for ordinal in range(count)
        ]
    return rows


class Both:
    """One store in two processes' hands: with its rows kept in memory and without."""

    def __init__(self, home: Path, rows: list[PassageRow]) -> None:
        """Fill a new store."""
        self.rows = rows
        self.plain = opened(home)
        write(self.plain, rows)
        self.keeping = opened(home)
        self.keeping.keep()

    def __iter__(self) -> Iterator[Store]:
        """Give both."""
        return iter((self.keeping, self.plain))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Return a store of varied passages."""
    return Both(tmp_path_factory.mktemp("search") / "desk", varied())


def passes(memory: Memory, wanted: Filter, now: datetime) -> bool:
    """Tell what a filter says, in Python."""
    return all(
        (
            not wanted.states or memory.state in wanted.states,
            not wanted.spaces or memory.space in wanted.spaces,
            not wanted.kinds or memory.kind in wanted.kinds,
            set(wanted.tags) <= set(memory.tags),
            wanted.since is None or memory.when >= wanted.since,
            wanted.until is None or memory.when < wanted.until,
            wanted.pinned is None or memory.pinned == wanted.pinned,
            wanted.expired or memory.expires_at is None or memory.expires_at > now,
        )
    )


def nearest(
    rows: Sequence[PassageRow], wanted: Filter, vector: np.ndarray, limit: int
) -> list[tuple[str, int]]:
    """Return the passages nearest to a vector by comparing all of them."""
    now = datetime.now(UTC)
    cosines = {
        (each.memory.id, each.passage.ordinal): _cosine(each.embedded.vector, vector)
        for each in rows
        if each.embedded is not None and passes(each.memory, wanted, now)
    }
    return sorted(cosines, key=lambda key: -cosines[key])[:limit]


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one.astype(np.float64), other.astype(np.float64)
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def keys(found: Sequence[Found]) -> list[tuple[str, int]]:
    """Return what tells passages apart."""
    return [(each.memory, each.ordinal) for each in found]


def moments() -> st.SearchStrategy[datetime | None]:
    """Draw moments among those of the memories, or none."""
    hours = st.integers(0, ROWS).map(lambda hour: START + timedelta(hours=hour))
    return st.none() | hours


FILTERS = st.builds(
    Filter,
    spaces=st.lists(st.sampled_from([*SPACES, "nowhere"]), max_size=2, unique=True).map(tuple),
    kinds=st.lists(st.sampled_from(["note", "fact"]), max_size=2, unique=True).map(tuple),
    tags=st.lists(st.sampled_from(["a", "b", "c"]), max_size=2, unique=True).map(tuple),
    since=moments(),
    until=moments(),
    states=st.sampled_from([(LIVE,), (TRASHED,), (LIVE, TRASHED)]),
    pinned=st.none() | st.booleans(),
    expired=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(wanted=FILTERS, seed=st.integers(0, 10_000), limit=st.sampled_from([1, 10, 100]))
def test_what_is_near_in_meaning_is_exact_under_every_filter(
    both: Both, wanted: Filter, seed: int, limit: int
) -> None:
    """No filter loses a hit: both ways find what comparing every passage finds, in its order."""
    (vector,) = vectors(1, seed)
    exact = nearest(both.rows, wanted, vector, limit)
    answers = [store.seek("apple", wanted, limit).by_meaning(vector) for store in both]
    assert [keys(found) for found in answers] == [exact, exact]
    assert answers[0] == answers[1]


@settings(max_examples=40, deadline=None)
@given(wanted=FILTERS, words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=2))
def test_words_are_found_under_every_filter(both: Both, wanted: Filter, words: list[str]) -> None:
    """Both ways find every passage that has a word and passes the filter, best score first."""
    now = datetime.now(UTC)
    have = {
        (each.memory.id, each.passage.ordinal)
        for each in both.rows
        if set(words) & set(each.memory.text.split()) and passes(each.memory, wanted, now)
    }
    (vector,) = vectors(1)
    query = " ".join(words)
    answers = [store.seek(query, wanted, ROWS).by_words(vector) for store in both]
    for found in answers:
        assert set(keys(found)) == have
        assert len(found) == len(have)
        scores = [each.score or 0 for each in found]
        assert scores == sorted(scores, reverse=True)
    assert answers[0] == answers[1]


def test_what_is_found_says_where_it_stands(both: Both) -> None:
    """A found passage has its words, session, place, moment and exact cosine."""
    rows = {(each.memory.id, each.passage.ordinal): each for each in both.rows}
    (vector,) = vectors(1)
    for store in both:
        for found in store.seek("apple", Filter(), 20).by_words(vector):
            source = rows[found.memory, found.ordinal]
            told = (found.words, found.space, found.session, found.position, found.at)
            of = source.memory
            assert told == (of.text, of.space, of.session, of.position, of.when.timestamp())
            if source.embedded is None:
                assert found.cosine is None
            else:
                assert found.cosine == pytest.approx(
                    float(source.embedded.vector @ vector), abs=1e-6
                )
        assert all(each.cosine is None for each in store.seek("apple", Filter(), 20).by_words(None))


@settings(max_examples=30, deadline=None)
@given(
    near=st.builds(
        Filter,
        spaces=st.lists(st.sampled_from(SPACES), max_size=2, unique=True).map(tuple),
        states=st.sampled_from([(LIVE,), (LIVE, TRASHED)]),
        expired=st.booleans(),
    ),
    reach=st.integers(0, 3),
    seed=st.integers(0, 100),
)
def test_the_turns_beside_others_are_found(both: Both, near: Filter, reach: int, seed: int) -> None:
    """Beside a turn are those of its space and session within reach that pass; kinds do not matter."""
    wanted = replace(near, kinds=("fact",), pinned=False)
    (vector,) = vectors(1, seed)
    found = both.plain.seek("apple", wanted, 10).by_meaning(vector)
    now = datetime.now(UTC)
    expected = {
        (each.memory.id, each.passage.ordinal)
        for each in both.rows
        for one in found
        if (each.memory.space, each.memory.session) == (one.space, one.session)
        and one.session is not None
        and abs((each.memory.position or 0) - (one.position or 0)) <= reach
        and passes(each.memory, near, now)
    } - set(keys(found))
    answers = [store.beside(found, reach, wanted, vector) for store in both]
    assert set(keys(answers[0])) == expected
    assert answers[0] == answers[1]


def test_one_long_memory_does_not_crowd_out_the_others(home: Path) -> None:
    """Behind the passages of a long text follow the best ones of further memories."""
    long, others = memory(0), [memory(number, "apple") for number in range(1, 9)]
    near, far = vectors(2)
    rows = [row(long, near, ordinal) for ordinal in range(60)]
    both = Both(home, [*rows, *(row(each, far) for each in others)])
    for store in both:
        sought = store.seek("apple", Filter(), 10, memories=9)
        for found in (sought.by_meaning(near), sought.by_words(near)):
            assert {each.memory for each in found} == {each.id for each in (long, *others)}
        alone = store.seek("apple", Filter(), 10).by_meaning(near)
        assert {each.memory for each in alone} == {long.id}


def test_every_commit_of_others_is_seen_at_once(home: Path) -> None:
    """What another process adds, changes, forgets or compacts is in the next answer."""
    made = vectors(40)
    rows = [row(memory(number), made[number]) for number in range(40)]
    both = Both(home, rows[:30])
    other = opened(home)

    def answer(store: Store) -> tuple[list[tuple[str, int]], dict[str, Memory]]:
        found = store.seek("apple", Filter(), 100).by_meaning(made[0])
        words = store.seek("apple", Filter(), 100).by_words(made[0])
        assert {each.memory for each in words} >= {each.memory for each in found}
        return keys(found), store.get(each.memory.id for each in rows)

    def agreed() -> tuple[list[tuple[str, int]], dict[str, Memory]]:
        kept, plain = (answer(store) for store in both)
        assert kept == plain
        return kept

    write(other, rows[30:])
    assert len(agreed()[0]) == 40
    changed = replace(rows[3].memory, space="work", text="apple pear", seq=100)
    other.replace([changed], [rows[3].memory], START)
    other.index([row(changed, made[3])], replaced=[changed.id])
    assert agreed()[1][changed.id] == changed
    other.unindex([rows[4].memory.id])
    waiting = memory(50)
    write(other, [row(waiting, None)])
    found, _ = agreed()
    assert (rows[4].memory.id, 0) not in found
    assert (waiting.id, 0) not in found
    other.embed([row(waiting, made[0])])
    assert (waiting.id, 0) in agreed()[0]
    other.memories.delete(f"id = '{rows[5].memory.id}'")
    assert rows[5].memory.id not in agreed()[1]
    before = agreed()
    maintain(other, contextlib.nullcontext, indexed=0, whole=True, keep_seconds=0)
    assert agreed() == before


def test_what_a_row_is_read_by_changes_with_every_update_and_never_with_compaction(
    home: Path,
) -> None:
    """The addresses of kept rows are good for ever: LanceDB gives an updated row another."""
    store = opened(home)
    made = vectors(6)
    rows = [row(memory(number), made[number]) for number in range(5)]
    write(store, rows)

    def addresses() -> dict[str, tuple[int, int]]:
        told = store.passages.rows(columns=["memory", *kept.ADDRESS])
        columns = (told.column(name).to_pylist() for name in ("memory", *kept.ADDRESS))
        return {of: (id, version) for of, id, version in zip(*columns, strict=True)}

    first = addresses()
    merged, updated, dropped, stays = (each.memory.id for each in rows[:4])
    store.embed([row(rows[0].memory, made[5])])
    LOOP.run(store.passages.lance.update({"pinned": True}, where=f"memory = '{updated}'"))
    store.unindex([dropped])
    store.index([rows[2]])
    second = addresses()
    assert second[stays] == first[stays]
    for changed in (merged, updated, dropped):
        assert second[changed] not in first.values()
    LOOP.run(store.passages.lance.optimize())
    assert addresses() == second


def test_many_rows_are_read_behind_the_call(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call does not wait for the rows of a large load: LanceDB answers it, memory the next."""
    monkeypatch.setattr(kept, "_FEW", 5)
    made = vectors(30)
    rows = [row(memory(number), made[number]) for number in range(30)]
    both = Both(home, rows[:10])
    write(both.plain, rows[10:])
    shelf = both.keeping._search.kept
    first = both.keeping.seek("apple", Filter(), 50)
    assert keys(first.by_meaning(made[0])) == nearest(rows, Filter(), made[0], 50)
    assert shelf._filling is not None
    LOOP.run(shelf._filling)
    assert shelf.matching(first.wanted.condition).held is not None
    again = both.keeping.seek("apple", Filter(), 50)
    assert keys(again.by_meaning(made[0])) == nearest(rows, Filter(), made[0], 50)


@pytest.mark.parametrize("bound", ["_ROOM", "_BYTES"])
def test_what_is_kept_is_bounded(home: Path, monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    """Rows beyond the room drive the others out, and texts too large for it are not kept at all."""
    monkeypatch.setattr(kept, bound, {"_ROOM": 40, "_BYTES": 5_000}[bound])
    made = vectors(60)
    rows = [
        row(memory(number, "apple " * 50, space=SPACES[number % 2]), made[number])
        for number in range(60)
    ]
    both = Both(home, rows[:30])
    write(both.plain, rows[30:])
    for space in (*SPACES[:2], *SPACES[:2]):
        wanted = Filter(spaces=(space,))
        expected = nearest(rows, wanted, made[0], 50)
        assert keys(both.keeping.seek("apple", wanted, 50).by_meaning(made[0])) == expected
        assert both.keeping._search.kept._shelf.used <= 40
    assert both.keeping._search.kept.keeping == (bound == "_ROOM")
    assert len(both.keeping.get(each.memory.id for each in rows)) == 60


def test_a_table_made_anew_is_read_anew(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a table that was replaced under a running process are not mistaken for its own."""
    made = vectors(2)
    both = Both(home, [row(memory(0), made[0])])
    shelf = both.keeping._search.kept
    monkeypatch.setattr(shelf, "_version", shelf._version + 100)
    assert shelf._shelf.used == 1
    assert shelf.matching("").count == 1
    forgotten = shelf._shelf
    assert shelf.matching("").held
    assert shelf._shelf is forgotten
    assert len(both.keeping.seek("apple", Filter(), 5).by_meaning(made[0])) == 1


def test_one_of_a_hundred_in_a_hundred_thousand_is_found_exactly(home: Path) -> None:
    """In a large store, too, a selective filter loses nothing, at once and from memory."""
    count = 100_000
    made = vectors(count)
    both = Both(home, [row(memory(0), made[0])])
    ids = [str(number) for number in range(1, count)]
    stacked = pa.FixedSizeListArray.from_arrays(pa.array(made[1:].ravel()), DIMS)
    spaces = ["work" if number % 100 == 0 else "personal" for number in range(1, count)]
    values = {"key": ids, "memory": ids, "space": spaces, "state": LIVE, "text": "apple"}
    rest = {"vector": stacked, "embedded": True, "at": START, "ordinal": 0, "start": 0, "end": 5}
    shape = schema.passages(DIMS)
    both.plain.passages.add(large.table(shape, {**values, **rest, "seq": 1}, count - 1))
    few = np.arange(100, count, 100)
    for place, vector in enumerate(vectors(5, seed=2)):
        exact = few[np.argsort(-(made[few].astype(np.float64) @ vector))[:100]]
        for store in both:
            found = store.seek("apple", Filter(spaces=("work",)), 100).by_meaning(vector)
            assert [int(each.memory) for each in found] == exact.tolist(), place


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, list[PassageRow]]]:
    """Return a store that is large enough for a vector index, and has one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "MOST", 100)
        patch.setattr(upkeep, "_TRAINABLE", 256)
        rows = varied()
        store = opened(tmp_path_factory.mktemp("indexed") / "desk")
        write(store, rows)
        maintain(store, contextlib.nullcontext, indexed=0, whole=True, keep_seconds=0)
        yield store, rows


def test_beyond_the_kept_rows_the_index_finds_nearly_all(
    indexed: tuple[Store, list[PassageRow]],
) -> None:
    """The vector index finds at least 98 of 100 of the ten nearest, with their exact cosines."""
    store, rows = indexed
    assert LOOP.run(store.passages.lance.index_stats("vector_idx")).index_type == "IVF_RQ"
    hits = 0
    for vector in vectors(40, seed=5):
        sought = store.seek("apple", Filter(), 100)
        found = sought.by_meaning(vector)
        assert sought.matching.result().many
        hits += len(set(keys(found[:10])) & set(nearest(rows, Filter(), vector, 10)))
    assert hits >= 0.98 * 400


def test_a_selective_filter_passes_by_the_index(
    indexed: tuple[Store, list[PassageRow]],
) -> None:
    """Where a filter leaves few rows the answer is exact, whatever the index holds."""
    store, rows = indexed
    wanted = Filter(spaces=("work",))
    for vector in vectors(20, seed=6):
        found = store.seek("apple", wanted, 100).by_meaning(vector)
        assert keys(found) == nearest(rows, wanted, vector, 100)


def test_a_store_of_an_earlier_memdesk_gets_the_indexes_it_lacks(home: Path) -> None:
    """Search works without an index of sessions, and maintenance makes it."""
    made = vectors(3)
    rows = [row(memory(n, session="s", position=n), made[n]) for n in range(3)]
    store = opened(home)
    write(store, rows)
    LOOP.run(store.passages.lance.drop_index("session_idx"))
    found = store.seek("apple", Filter(), 1).by_meaning(made[1])
    beside = {(each.memory.id, 0) for each in (rows[0], rows[2])}
    assert set(keys(store.beside(found, 1, Filter(), None))) == beside
    maintain(store, contextlib.nullcontext, indexed=0, whole=True, keep_seconds=0)
    names = {index.name for index in LOOP.run(store.passages.lance.list_indices())}
    assert "session_idx" in names
    assert set(keys(store.beside(found, 1, Filter(), None))) == beside


@pytest.mark.parametrize(("dims", "kind"), [(384, "IvfRq"), (100, "IvfSq")])
def test_vectors_of_every_length_can_be_indexed(dims: int, kind: str) -> None:
    """The smaller index needs a multiple of eight numbers."""
    assert type(opening.vector_index(dims)).__name__ == kind


def test_the_stores_of_the_benchmark_are_like_any_other(home: Path) -> None:
    """What the benchmark writes straight to the tables is found, and all of it exactly."""
    store = opened(home)
    large.fill(store, notes(50, seed=1), vectors(20), 150)
    assert store.passages.count() == store.memories.count() == 150
    assert large.overlap(store, vectors(5, seed=3)) == 1.0
    (best, *_) = store.seek("the", Filter(), 5).by_words(None)
    assert store.get([best.memory])[best.memory].state == LIVE
