"""How fast, how big: start, recall, remember, bulk load, memory and the tools' schemas.

Each number stands beside its target. All but the bulk load and the model alone goes through real
processes: what a host starts and the lines of JSON that it sends, or a command of the shell. A
daemon does the work as it does for everybody, except where a row says “direct”.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench import calls, footprint, large, loads, shims, starts, together
from bench.machine import Machine, load_average, this_machine
from bench.scale import QUICK, Bench, Scale, positive
from bench.stores import Stores
from bench.table import Failure, Row, as_json, as_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Rows = Mapping[str, Callable[[Bench], Iterator[Row]]]

ROWS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "start": starts.start,
    "warm": shims.warm,
    "cold": shims.cold,
    "schema": footprint.schema,
    "embedder": loads.embedder,
    "bulk": loads.bulk,
    "first": starts.first,
    "newhost": shims.newhost,
    "shell": shims.shell,
    "recall": calls.recall,
    "remember": calls.remember,
    "document": calls.document,
    "crowd": calls.crowd,
    "large": large.large,
    "eight": together.eight,
    "saves": together.saves,
    "four": footprint.four,
    "memory": footprint.memory,
}
"""The benchmarks by name, in the order in which they run."""
_WHEN_ASKED = ("large",)
"""Those that take many minutes and run only where they are named."""

_OF_A_DEVELOPER = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")


@dataclass(frozen=True, slots=True)
class Run:
    """All that one run measured, and where."""

    machine: Machine
    load: tuple[float, float]
    """The load average at the beginning and at the end."""
    scale: Scale
    rows: list[Row]
    failures: list[Failure]

    def as_json(self) -> dict[str, object]:
        """Return the run as a JSON object."""
        return {**asdict(self), "rows": [as_json(row) for row in self.rows]}

    def __str__(self) -> str:
        """Show the run as a table, below what it was measured on."""
        broke = [f"{failure.name} broke: {failure.words}" for failure in self.failures]
        begin, end = self.load
        load = f"load average at the begin {begin:.1f}, at the end {end:.1f}"
        runs = f"medians of {self.scale.runs} runs; {load}"
        return "\n".join([f"{self.machine}\n{runs}\n", as_table(self.rows), *broke])


def main(argv: Sequence[str]) -> int:
    """Measure what the options ask for, print it, and return 1 if a benchmark broke."""
    return command(argv, ROWS, "speed", __doc__ or "")


def command(argv: Sequence[str], rows: Rows, name: str, about: str) -> int:
    """Do the same for any benchmarks: those of `rows`, known as `name`."""
    options = _options(argv, rows, name, about)
    scale = QUICK if options.quick else Scale()
    if options.runs:
        scale = replace(scale, runs=options.runs, loads=options.runs)
    names = options.only or [each for each in rows if each not in _WHEN_ASKED]
    run = _run(scale, {each: row for each, row in rows.items() if each in names})
    print(run)
    if options.json:
        told = json.dumps(run.as_json(), indent=1, ensure_ascii=False)
        options.json.write_text(told + "\n", encoding="utf-8")
    return 1 if run.failures else 0


def _options(argv: Sequence[str], rows: Rows, name: str, about: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m bench {name}",
        description=about,
        epilog="rows:\n" + "\n".join(f"  {each:<9} {row.__doc__}" for each, row in rows.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="fewer runs, and far fewer saves for the memory")
    add("--json", type=Path, metavar="FILE", help="write everything that was measured there")
    add("--runs", type=positive, metavar="N", help="take the medians of so many runs")
    add("--only", nargs="+", choices=list(rows), metavar="ROW", help="only these of the rows below")
    return parser.parse_args(argv)


def _run(scale: Scale, measured: Rows) -> Run:
    _forget_the_developer()
    begun = load_average()
    rows: list[Row] = []
    failures: list[Failure] = []
    with tempfile.TemporaryDirectory(prefix="memdesk-bench-", ignore_cleanup_errors=True) as folder:
        stores = Stores(Path(folder), _say, scale.memories, scale.many)
        bench = Bench(scale, stores, _say)
        for name, measure in measured.items():
            _say(f"{name} …")
            try:
                for row in measure(bench):
                    rows.append(row)
                    _say(f"{row.what.strip()}: {row.measured:,.1f} {row.unit}")
            except Exception as error:  # noqa: BLE001 - one that breaks must not lose the others' numbers
                failures.append(Failure(name, f"{type(error).__name__}: {error}"))
    return Run(this_machine(), (begun, load_average()), scale, rows, failures)


def _forget_the_developer() -> None:
    """Take out of the environment what a host would not start a server with."""
    for name in list(os.environ):
        if name in _OF_A_DEVELOPER or name.startswith("MEMDESK_"):
            del os.environ[name]


def _say(words: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {words}", file=sys.stderr, flush=True)
