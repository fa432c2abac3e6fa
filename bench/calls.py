"""How long a warm server takes for what hosts ask of it again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import notes as sample
from bench import session
from bench.notes import notes, questions
from bench.scale import WARM_UP
from bench.table import of_runs, spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bench.scale import Bench
    from bench.session import Session
    from bench.table import Row

_MAINTAINED = "saves one right after the other, maintenance by its own thresholds"


def recall(bench: Bench) -> Iterator[Row]:
    """Measure later recalls on a store just loaded, and again after many single saves."""
    fresh: list[list[float]] = []
    used: list[list[float]] = []
    scale, stores = bench.scale, bench.stores
    more = iter(notes(scale.runs * scale.in_use, seed=3))
    for run in range(scale.runs):
        bench.say(f"recall: run {run + 1} of {scale.runs}")
        with stores.copy(stores.small()) as home, session.opened(home) as server:
            asked = questions(stores.notes, WARM_UP + 2 * scale.questions, seed=run)
            ask(server, asked[:WARM_UP])
            fresh.append(ask(server, asked[WARM_UP : WARM_UP + scale.questions]))
            _save(server, (next(more).text for _ in range(scale.in_use)))
            used.append(ask(server, asked[-scale.questions :]))
    yield from spread("recall", f"recall at {stores.size:,}", fresh, targets=(12, 30))
    what = f"recall after {scale.in_use:,} single saves"
    yield from spread("recall", what, used, targets=(12, 30), note=_MAINTAINED)


def crowd(bench: Bench) -> Iterator[Row]:
    """Measure later recalls on a large store."""
    home, scale = bench.stores.large, bench.scale
    took: list[list[float]] = []
    for run in range(scale.runs):
        with session.daemon_leaves(home), session.opened(home) as server:
            asked = questions(bench.stores.notes, WARM_UP + scale.questions, seed=run)
            ask(server, asked[:WARM_UP])
            took.append(ask(server, asked[WARM_UP:]))
    note = "documents' vectors: 5,000 real ones with noise; questions by the real model"
    yield from spread("crowd", f"recall at {scale.many:,}", took, targets=(25, 50), note=note)


def ask(server: Session, asked: Sequence[str]) -> list[float]:
    """Return the milliseconds that each question took."""
    return [server.time("recall", query=question) for question in asked]


def remember(bench: Bench) -> Iterator[Row]:
    """Measure saves of 40 words, one after the other."""
    took: list[list[float]] = []
    scale, stores = bench.scale, bench.stores
    for run in range(scale.runs):
        with stores.copy(stores.small()) as home, session.opened(home) as server:
            texts = [note.text for note in notes(WARM_UP + scale.saves, seed=10 + run, words=40)]
            _save(server, texts[:WARM_UP])
            took.append(_save(server, texts[WARM_UP:]))
    what = f"remember 40 words at {stores.size:,}"
    yield from spread("remember", what, took, targets=(30, 70), note=_MAINTAINED)


def _save(server: Session, texts: Iterable[str]) -> list[float]:
    return [server.time("remember", text=text) for text in texts]


def document(bench: Bench) -> Iterator[Row]:
    """Measure the answer to a save of the longest text there may be."""
    took: list[float] = []
    for run in range(bench.scale.runs):
        with bench.stores.copy(bench.stores.small()) as home, session.opened(home) as server:
            _save(server, [note.text for note in notes(WARM_UP, seed=20 + run)])
            took.append(server.time("remember", text=sample.document(2**20, seed=run)) / 1000)
    yield of_runs("document", "remember 1 MB, to the answer", took, "s", 2.0)
