"""What many single saves leave behind: disk, speed of search, memory of those who stay.

Four servers of their own (`mcp --direct`) save what one bulk load saves, as fast as they can, with the
maintenance that they start by themselves. A fifth process watches the disk.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench import session
from bench.hosts import Call, Hosts
from bench.machine import memory_of
from bench.notes import notes, questions
from bench.samples import percentile
from bench.scale import WARM_UP
from bench.speed import command
from bench.stores import load, maintain_once
from bench.table import Row, of_runs
from bench.together import once
from memdesk.store.durable import size_on_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bench.hosts import Answer
    from bench.notes import Note
    from bench.scale import Bench

_WRITERS = 4
_LOOK = 0.5
_WARM = 10
"""The share of the saves, in percent, after which a server's memory counts as settled."""
_MARGIN = 5.0
"""Seconds that old versions are kept for readers here, in place of ten minutes."""
_MEGABYTE = 1_000_000


def growth(bench: Bench) -> Iterator[Row]:
    """Measure a store after single saves beside one that the same memories were loaded into at once."""
    count, embedder = bench.scale.grown, bench.stores.embedder
    about = notes(count, seed=31)
    with bench.stores.empty() as grown, bench.stores.empty() as fresh:
        bench.say(f"growth: {count:,} saves by {_WRITERS} processes")
        load(grown, about[:1], embedder)
        with _watched(grown) as worst:
            took, speed, gains = _saved(grown, about)
        burst = max(worst)
        bench.say("growth: the margin passes")
        for _ in range(2):
            time.sleep(_MARGIN + 1)  # what readers may still use is part of what is measured
            maintain_once(grown, keep=_MARGIN)
        bench.say("growth: the same memories at once")
        load(fresh, about, embedder)
        for _ in range(2):
            maintain_once(fresh, keep=0)
        payload, left = _bytes(fresh), _bytes(grown)
        slow = _searched(bench, about, (grown, fresh))
        there = once(grown, [note.text for note in about])
    name, total = "growth", f"{count:,} single saves by {_WRITERS} processes"
    yield Row(name, f"{total}, there exactly once", there, "", count, at_least=True)
    yield Row(name, "  saved together", speed, "/s")
    yield Row(name, "  one save, p95", percentile([answer.took for answer in took], 95))
    yield Row(name, "payload: the same memories loaded at once", payload / _MEGABYTE, "MB")
    yield Row(name, "on disk after the margin", left / _MEGABYTE, "MB")
    yield Row(name, "  ratio to the payload", left / payload, "x", 3.0)
    yield Row(name, "on disk at its worst", burst / _MEGABYTE, "MB", 2_000)
    yield Row(name, "  ratio to the payload", burst / payload, "x", 20.0)
    yield of_runs(name, "search p95 after the saves", slow[0])
    yield of_runs(name, "  in the freshly loaded store", slow[1])
    ratios = [one / other for one, other in zip(*slow, strict=True)]
    yield of_runs(name, "  ratio", ratios, "x", 1.5)
    yield Row(name, f"growth of a server's memory from {_WARM} % of them on", max(gains), "MB", 100)


ROWS: dict[str, Callable[[Bench], Iterator[Row]]] = {"growth": growth}
"""The benchmarks by name."""


def main(argv: Sequence[str]) -> int:
    """Measure, print, and return 1 if the benchmark broke."""
    return command(argv, ROWS, "growth", __doc__ or "")


def _saved(home: Path, about: list[Note]) -> tuple[list[Answer], float, list[float]]:
    """Save notes by several servers; return the answers, the speed, and the megabytes each grew by."""
    calls = [Call("remember", {"text": note.text, "kind": note.kind}) for note in about]
    warm = max(_WRITERS, len(calls) * _WARM // 100)
    with Hosts(home, _WRITERS, direct=True) as hosts:
        first, _ = hosts.ask(iter(calls[:warm]))
        before = [memory_of(process)[0] for process in hosts.processes]
        rest, speed = hosts.ask(iter(calls[warm:]))
        after = [memory_of(process)[0] for process in hosts.processes]
    return [*first, *rest], speed, [now - then for then, now in zip(before, after, strict=True)]


@contextmanager
def _watched(home: Path) -> Iterator[list[int]]:
    """Lend a list that the sizes of a folder go to while others write to it."""
    sizes, over = [0], threading.Event()

    def look() -> None:
        while not over.wait(_LOOK):
            sizes.append(_bytes(home))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield sizes
    finally:
        over.set()
        watcher.join()


def _bytes(home: Path) -> int:
    """Return what the tables take; the reserve for a full disk and restore points are none of it."""
    return sum(size_on_disk(table) for table in home.glob("*.lance"))


def _searched(
    bench: Bench, about: list[Note], homes: tuple[Path, Path]
) -> tuple[list[float], list[float]]:
    """Return the p95 of recalls in two stores, run by run, in turn."""
    slow: tuple[list[float], list[float]] = ([], [])
    for run in range(bench.scale.runs):
        asked = questions(about, WARM_UP + bench.scale.questions, seed=run)
        for home, found in zip(homes, slow, strict=True):
            with session.daemon_leaves(home), session.opened(home) as host:
                times = [host.time("recall", query=question) for question in asked]
            found.append(percentile(times[WARM_UP:], 95))
    return slow
