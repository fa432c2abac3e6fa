"""How soon a server answers that has just been started."""

from __future__ import annotations

import importlib.util
import time
from typing import TYPE_CHECKING

from bench import session
from bench.notes import questions
from bench.table import Row, of_runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bench.scale import Bench

DEGRADED = "Found by words only"
"""How a recall begins that had no vector of its question."""


def start(bench: Bench) -> Iterator[Row]:
    """Measure a direct server's spawn to initialize, beside bare servers in turn; then tools/list."""
    begun: dict[str, list[float]] = {"ours": [], "bare": [], "lean": []}
    listed: list[float] = []
    lean = [*session.BARE, "--no-rich"]
    for turn in range(bench.scale.starts + 1):
        ours = session.command(direct=True)
        for name, command in (("ours", ours), ("bare", session.BARE), ("lean", lean)):
            with bench.stores.empty() as home:
                took, tools = _start(command, home)
            if turn:  # the first turn fills the caches of files
                begun[name].append(took)
                listed += [tools] if name == "ours" else []
    rich = importlib.util.find_spec("rich") is not None
    note = "rich is installed, and the bare server imports it" if rich else "rich is not installed"
    yield of_runs("start", "direct: spawn to initialize", begun["ours"])
    yield of_runs("start", "  a bare SDK server", begun["bare"], note=note)
    yield of_runs("start", "  a bare SDK server without rich", begun["lean"])
    yield of_runs(
        "start",
        "  ratio to the bare server",
        ratios(begun["ours"], begun["bare"]),
        "x",
        1.15,
        note="the median of the ratios of neighbours in time",
    )
    yield of_runs(
        "start", "  ratio to the one without rich", ratios(begun["ours"], begun["lean"]), "x"
    )
    yield of_runs("start", "direct: tools/list after it, median", listed, target=10)
    yield Row("start", "direct: tools/list after it, longest", max(listed))


def _start(command: list[str], home: Path) -> tuple[float, float]:
    with session.Session(command, home) as server:
        server.initialize()
        begun = server.took * 1000
        server.tools()
        return begun, server.took * 1000


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return how many times as long ours took, pair by pair of neighbours in time."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def first(bench: Bench) -> Iterator[Row]:
    """Measure the first recall of a host whose daemon has just been started by it."""
    took: dict[bool, list[float]] = {False: [], True: []}
    whole: dict[bool, list[float]] = {False: [], True: []}
    degraded = 0
    home = bench.stores.small()
    for question in questions(bench.stores.notes, bench.scale.runs, seed=2):
        for direct in (False, True):
            begun = time.perf_counter()
            with session.daemon_leaves(home), session.opened(home, direct=direct) as server:
                degraded += server.call("recall", query=question).startswith(DEGRADED)
                took[direct].append(server.took)
                whole[direct].append(time.perf_counter() - begun)
    note = f"{degraded} answered by words only; files in the system's cache"
    what = f"first recall at {bench.stores.size:,}, daemon and model cold"
    yield of_runs("first", what, took[False], "s", 2.5, note=note)
    yield of_runs("first", "  spawn to its answer", whole[False], "s")
    yield of_runs("first", "  direct", took[True], "s")
    yield of_runs("first", "  direct: spawn to its answer", whole[True], "s")
