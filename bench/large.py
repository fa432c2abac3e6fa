"""Recall in stores of 100,000 and 1,000,000 memories: written straight to the tables, asked in process.

A vector lies half way between those of two real notes, with some noise: what a text that says both
would have. Questions are embedded by the real model while the clock runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from bench.machine import memory_of
from bench.notes import notes, questions
from bench.samples import seconds
from bench.scale import WARM_UP
from bench.stores import maintain_once
from bench.table import Row, spread
from memdesk.catalog import BUNDLED
from memdesk.memory import PERSONAL, Filter
from memdesk.service import Service
from memdesk.store import open_store, schema
from memdesk.store.durable import size_on_disk
from memdesk.terms import terms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bench.notes import Note
    from bench.scale import Bench
    from memdesk.store import Store

_REAL = 5_000
"""Notes whose real vectors all others are made of."""
_DIFFERENT = 200_000
"""Different texts; beyond, each is the halves of two of them."""
_BATCH = 50_000
_NOISE = 0.15
_COMPARED = 40
"""Questions whose ten nearest are compared with the exact ones."""
_KIB_A_MB = 1024
_RARE = 100
"""One memory of so many is in the small space."""
_SOURCES = (("terminal", "user", ""), ("claude", "agent", ""), ("notes", "import", "notes.md"))
_TARGETS: dict[int, tuple[float, float | None]] = {100_000: (25, 50), 1_000_000: (60, 100)}
_STANDARD = Filter(spaces=(PERSONAL, "garden"))
_NOTE = "in process, by state, expiry and space; vectors mixed of 5,000 real ones; questions by the real model"


def large(bench: Bench) -> Iterator[Row]:
    """Measure recall, its exactness and the index of very large stores; takes minutes."""
    model = bench.stores.embedder
    model.load()
    bench.say(f"embedding {_REAL:,} notes")
    known = np.asarray(model.embed_documents([note.text for note in notes(_REAL, seed=1)]))
    for count in bench.scale.large:
        home = bench.stores.new_home()
        about = notes(min(count, _DIFFERENT), seed=1)
        bench.say(f"writing {count:,} memories")
        store = open_store(
            home, "bench", (BUNDLED.name, BUNDLED.fingerprint, BUNDLED.dims), contextlib.nullcontext
        )
        fill(store, about, known, count)
        bench.say("building the indexes")
        store.close()
        took = seconds(lambda home=home: maintain_once(home, keep=0))  # type: ignore[misc]
        yield Row("large", f"indexes of {count:,}, built by maintenance", took, "s")
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / _KIB_A_MB
        yield Row("large", "  the most memory that its process took", most, "MB")
        yield Row("large", "  on disk", size_on_disk(home) / 1_000_000, "MB")
        yield from _asked(bench, home, about, count)


def _asked(bench: Bench, home: Path, about: list[Note], count: int) -> Iterator[Row]:
    service = Service(home, bench.stores.embedder, background=False)
    store = service._core.store()  # noqa: SLF001 - the index alone is measured, too
    service.warm()
    store.keep()
    small = Filter(spaces=("rare",))
    runs: dict[Filter, list[list[float]]] = {_STANDARD: [], small: []}
    for run in range(bench.scale.runs):
        asked = questions(about, WARM_UP + bench.scale.questions, seed=run)
        for where, took in runs.items():
            times = [_milliseconds(service, question, where) for question in asked]
            took.append(times[WARM_UP:])
    what = f"recall at {count:,}"
    targets = _TARGETS.get(count, (0, None))
    yield from spread("large", what, runs[_STANDARD], targets=targets, note=_NOTE)
    yield from spread(
        "large", f"{what}, in a space of 1 %", runs[small], targets=targets, note=_NOTE
    )
    asked = questions(about, _COMPARED, seed=0)
    vectors = np.stack([bench.stores.embedder.embed_query(question) for question in asked])
    share = 100 * overlap(store, vectors)
    yield Row(
        "large", f"ten nearest at {count:,}, found by the index", share, "%", 98, at_least=True
    )
    yield Row("large", f"resident memory with {count:,}", memory_of(os.getpid())[0], "MB")
    service.close()


def _milliseconds(service: Service, question: str, where: Filter) -> float:
    return 1000 * seconds(lambda: service.recall(question, where=where))


def overlap(store: Store, questions: np.ndarray, most: int = 10) -> float:
    """Return the share of the exactly nearest memories that search finds."""
    exact = _exact(store, questions, most)
    hits = 0
    for question, nearest in zip(questions, exact, strict=True):
        found = store.seek("x", _STANDARD, 100).by_meaning(question)[:most]
        hits += len({each.memory for each in found} & nearest)
    return hits / (most * len(questions))


def _exact(store: Store, questions: np.ndarray, most: int) -> list[set[str]]:
    best: list[list[tuple[float, str]]] = [[] for _ in questions]
    where = f"state = 'live' AND space IN ('{PERSONAL}', 'garden')"
    for batch in store.passages.batches(where, ["memory", "vector"]):
        vectors = np.asarray(batch.column("vector").flatten()).reshape(batch.num_rows, -1)
        cosines = vectors @ questions.T
        memories = batch.column("memory").to_pylist()
        for place, nearest in enumerate(best):
            top = np.argsort(-cosines[:, place])[:most]
            nearest.extend((float(cosines[row, place]), memories[row]) for row in top)
            nearest.sort(reverse=True)
            del nearest[most:]
    return [{memory for _, memory in nearest} for nearest in best]


def fill(store: Store, about: list[Note], known: np.ndarray, count: int) -> None:
    """Write so many memories and their passages, a minute apart, without embedding them."""
    chance = np.random.default_rng(0)
    words = [" ".join(terms(note.text)) for note in about]
    texts = [note.text for note in about]
    begun = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp() * 1_000_000)
    for start in range(0, count, _BATCH):
        rows = np.arange(start, min(start + _BATCH, count))
        chosen = [about[row % len(about)] for row in rows]
        shared: dict[str, object] = {
            "seq": rows + 1,
            "kind": [note.kind for note in chosen],
            "tags": [list(note.tags) for note in chosen],
            "space": [_space(int(row)) for row in rows],
            "state": _cycle(("live",) * 49 + ("trashed",), rows),
            "pinned": _cycle((False,) * 99 + (True,), rows),
        }
        ids = [_id(int(row)) for row in rows]
        at = begun + rows * 60_000_000
        told = [_text(texts, int(row)) for row in rows]
        dated = {"created_at": at, "updated_at": at}
        _add_memories(store, {**shared, **dated, "id": ids, "text": told}, rows)
        vectors = _mixed(known, len(rows), chance)
        found = [_text(words, int(row)) for row in rows]
        ends = [len(text) for text in told]
        named = {"memory": ids, "text": found, "end": ends, "at": at}
        timed = {"asking": 0.0, "timed": _cycle((False, True), rows)}
        _add_passages(store, {**shared, **named, **timed}, vectors)


def _text(texts: list[str], row: int) -> str:
    if row < len(texts):
        return texts[row]
    one, other = texts[row * 7 % len(texts)].split(), texts[row * 13 % len(texts)].split()
    return " ".join([*one[: len(one) // 2], *other[len(other) // 2 :]])


def _space(row: int) -> str:
    return "rare" if row % _RARE == 0 else "garden" if row % 3 == 0 else PERSONAL


def _id(row: int) -> str:
    digits = hashlib.md5(str(row).encode(), usedforsecurity=False).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _mixed(known: np.ndarray, count: int, chance: np.random.Generator) -> np.ndarray:
    share = chance.uniform(0.3, 0.7, (count, 1)).astype(np.float32)
    one, other = (known[chance.integers(len(known), size=count)] for _ in range(2))
    noise = chance.standard_normal((count, known.shape[1]), dtype=np.float32)
    made = _unit(share * one + (1 - share) * other) + _NOISE * _unit(noise)
    return _unit(made)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _add_memories(store: Store, values: dict[str, object], rows: np.ndarray) -> None:
    # A column of one value all through is read four times slower (LanceDB 0.40); no real one is.
    sources = [{"name": name, "trust": trust, "ref": ref} for name, trust, ref in _SOURCES]
    rest = {
        "source": _cycle(sources, rows),
        "metadata": _cycle(("{}", '{"of": "bench"}'), rows),
        "content_hash": [hashlib.sha256(b"%d" % row).hexdigest() for row in rows],
        "clock_ms": rows,
        "clock_n": 0,
        "device": _cycle(("laptop", "desk"), rows),
        "change": [f"change-{row // 1000}" for row in rows],
        "actor": _cycle(("cli", "mcp", "import"), rows),
    }
    store.memories.add(table(schema.MEMORIES, {**values, **rest}, len(rows)))


def _cycle(values: Sequence[object], rows: np.ndarray) -> list[object]:
    return [values[row % len(values)] for row in rows]


def _add_passages(store: Store, values: dict[str, object], vectors: np.ndarray) -> None:
    keys = [f"{id}:0" for id in values["memory"]]  # type: ignore[attr-defined]
    count, dims = vectors.shape
    stacked = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dims)
    rest = {"key": keys, "ordinal": 0, "start": 0, "embedded": True, "vector": stacked}
    store.passages.add(table(schema.passages(dims), {**values, **rest}, count))


def table(shape: pa.Schema, values: dict[str, object], count: int) -> pa.Table:
    """Return rows of columns or of values that all rows share; what is not named is null, or empty."""
    return pa.table(
        [_column(field, values.get(field.name), count) for field in shape], schema=shape
    )


def _column(field: pa.Field, value: object, count: int) -> pa.Array:
    if isinstance(value, pa.Array):
        return value
    if isinstance(value, list | np.ndarray):
        return pa.array(value, field.type)
    if value is None and pa.types.is_list(field.type):
        return pa.array([[]] * count, field.type)
    shared = value if isinstance(value, pa.Scalar) else pa.scalar(value, field.type)
    return pa.repeat(shared, count)
