"""What eight hosts get of one daemon at the same time, beside what one gets alone."""

from __future__ import annotations

from collections import Counter
from itertools import cycle, islice
from typing import TYPE_CHECKING

from bench.hosts import Call, Hosts
from bench.notes import notes, questions
from bench.samples import percentile
from bench.scale import WARM_UP
from bench.session import daemon_leaves
from bench.starts import DEGRADED
from bench.table import of_runs
from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bench.hosts import Answer
    from bench.scale import Bench
    from bench.table import Row

_EIGHT = 8
_ASKED = 2_000
"""Different questions, before one comes again."""
_PAGE = 500


def eight(bench: Bench) -> Iterator[Row]:
    """Measure recalls of one host and of eight that ask without a pause, in turn."""
    home, scale = bench.stores.small(), bench.scale
    alone: list[float] = []
    crowded: list[float] = []
    slow: list[float] = []
    degraded = 0
    with daemon_leaves(home), Hosts(home, 1) as one, Hosts(home, _EIGHT) as many:
        asked = questions(bench.stores.notes, min(_ASKED, bench.stores.size // 4), seed=6)
        calls = (Call("recall", {"query": question}) for question in cycle(asked))
        many.ask(islice(calls, _EIGHT * WARM_UP))
        for run in range(scale.runs):
            bench.say(f"eight: run {run + 1} of {scale.runs}")
            _, speed = one.ask(calls, scale.busy_seconds)
            alone.append(speed)
            answers, speed = many.ask(calls, scale.busy_seconds)
            crowded.append(speed)
            slow.append(percentile([answer.took for answer in answers], 95))
            degraded += sum(answer.text.startswith(DEGRADED) for answer in answers)
    where = f"recall at {bench.stores.size:,}"
    note = f"{degraded} answered by words only" if degraded else ""
    yield of_runs("eight", f"{where}, eight hosts at once, p95", slow, target=150, note=note)
    yield of_runs("eight", "  eight hosts together", crowded, "/s")
    yield of_runs("eight", "  one host alone", alone, "/s")
    yield _gain("eight", crowded, alone, 1.5)


def saves(bench: Bench) -> Iterator[Row]:
    """Measure saves of eight hosts at once, whether each is there once, and of one host alone."""
    scale = bench.scale
    there: list[float] = []
    speeds: dict[int, list[float]] = {1: [], _EIGHT: []}
    for run in range(scale.runs):
        texts = [note.text for note in notes(scale.at_once, seed=50 + run)]
        for count, speed in speeds.items():
            bench.say(f"saves: run {run + 1} of {scale.runs}, hosts: {count}")
            with bench.stores.copy(bench.stores.small()) as home:
                answers, each_second = _save(home, count, texts)
                speed.append(each_second)
                if count > 1:
                    there.append(min(len(answers), once(home, texts)))
    what = f"of {scale.at_once:,} saves by eight hosts, acknowledged and there once"
    yield of_runs("saves", what, [min(there)], "saves", scale.at_once, at_least=True)
    yield of_runs("saves", "  eight hosts together", speeds[_EIGHT], "/s")
    yield of_runs("saves", "  one host alone", speeds[1], "/s")
    yield _gain("saves", speeds[_EIGHT], speeds[1], 1.0)


def _gain(name: str, many: Sequence[float], one: Sequence[float], target: float) -> Row:
    gains = [together / alone for together, alone in zip(many, one, strict=True)]
    return of_runs(name, "  ratio to one host", gains, "x", target, at_least=True)


def _save(home: Path, count: int, texts: Sequence[str]) -> tuple[list[Answer], float]:
    calls = (Call("remember", {"text": text}) for text in texts)
    with Hosts(home, count) as hosts:
        hosts.ask(Call("recall", {"query": "is anybody there"}) for _ in range(count * WARM_UP))
        return hosts.ask(calls)


def once(home: Path, texts: Sequence[str]) -> int:
    """Return how many of these texts the store has exactly once."""
    found: Counter[str] = Counter()
    service = Service(home, None, background=False)
    page = service.list(limit=_PAGE)
    found.update(memory.text for memory in page.memories)
    while page.cursor:
        page = service.list(limit=_PAGE, cursor=page.cursor)
        found.update(memory.text for memory in page.memories)
    service.close()
    return sum(found[text] == 1 for text in texts)
