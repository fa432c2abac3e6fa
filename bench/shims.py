"""How soon a new host or a shell has its answer when a daemon does the work."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench import session
from bench.calls import ask
from bench.notes import questions
from bench.rival import PACKAGE, NoRival, Rival
from bench.scale import WARM_UP
from bench.starts import DEGRADED, ratios
from bench.table import Row, of_runs
from memdesk.config import HOME
from memdesk.link.start import DIRECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.scale import Bench


def warm(bench: Bench) -> Iterator[Row]:
    """Measure spawn to the answer of tools/list beside a daemon, and beside npm's memory server."""
    took: dict[str, list[float]] = {"ours": [], "rival": []}
    memory: dict[str, list[float]] = {"ours": [], "rival": []}
    with (
        tempfile.TemporaryDirectory(prefix="memdesk-npm-") as folder,
        bench.stores.copy(bench.stores.few) as home,
        session.opened(home) as first,
    ):
        rival, why = _rival(Path(folder))
        ask(first, ["is anybody there"])
        commands = {"ours": session.command()} | ({"rival": rival.command} if rival else {})
        for turn in range(bench.scale.starts + 1):
            for name, command in commands.items():
                milliseconds, resident = _to_tools(command, home)
                if turn:  # the first turn fills the caches of files
                    took[name].append(milliseconds)
                    memory[name].append(resident)
    target = "warm: spawn to tools/list"
    yield of_runs("warm", target, took["ours"], target=60, note=why)
    yield of_runs("warm", "warm: resident memory of a shim", memory["ours"], "MB", 15)
    if rival:
        note = f"{PACKAGE} {rival.version}, started by node itself, in turn"
        yield of_runs("warm", "  npm's memory server", took["rival"], note=note)
        yield of_runs("warm", "  npm's memory server, resident", memory["rival"], "MB")
        compared = ratios(took["ours"], took["rival"])
        yield of_runs("warm", "  ratio to npm's memory server", compared, "x", 1.0)


def _rival(folder: Path) -> tuple[Rival | None, str]:
    """Return npm's memory server, or why it is not there."""
    try:
        return Rival(folder), ""
    except NoRival as error:
        return None, f"not compared with {PACKAGE}: {error}"


def _to_tools(command: list[str], home: Path) -> tuple[float, float]:
    """Return the milliseconds from spawn to the answer of tools/list, and the process's memory."""
    begun = time.perf_counter()
    with session.Session(command, home) as server:
        server.initialize()
        server.tools()
        took = (time.perf_counter() - begun) * 1000
        return took, server.memory()[0]


def cold(bench: Bench) -> Iterator[Row]:
    """Measure spawn to initialize where no daemon runs yet, and of a direct server in turn."""
    took: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(bench.scale.starts + 1):
        for direct, times in took.items():
            with (
                bench.stores.copy(bench.stores.few) as home,
                session.memdesk(home, direct=direct) as server,
            ):
                server.initialize()
                if turn:  # the first turn fills the caches of files
                    times.append(server.took * 1000)
    yield of_runs("cold", "no daemon yet: spawn to initialize", took[False])
    yield of_runs("cold", "  direct", took[True])
    compared = ratios(took[False], took[True])
    yield of_runs("cold", "  ratio to direct", compared, "x", 1.2)


def newhost(bench: Bench) -> Iterator[Row]:
    """Measure the first recall of each newly started host beside a warm daemon."""
    home, starts = bench.stores.small(), bench.scale.starts
    asked = questions(bench.stores.notes, WARM_UP + starts, seed=4)
    took: list[float] = []
    degraded = 0
    with session.daemon_leaves(home), session.opened(home) as first:
        ask(first, asked[:WARM_UP])
        for question in asked[WARM_UP:]:
            with session.opened(home) as host:
                degraded += host.call("recall", query=question).startswith(DEGRADED)
                took.append(host.took * 1000)
    what = f"first recall of a new host at {bench.stores.size:,}, daemon warm"
    note = f"{degraded} of {len(took)} answered by words only" if degraded else ""
    yield of_runs("newhost", what, took, target=50, note=note)
    yield Row("newhost", "  the longest", max(took))


def shell(bench: Bench) -> Iterator[Row]:
    """Measure `memdesk search` from the shell beside a warm daemon, from its start to its end."""
    home, scale = bench.stores.small(), bench.scale
    asked = questions(bench.stores.notes, WARM_UP + scale.starts, seed=5)
    with session.daemon_leaves(home):
        took = [_search(home, question) for question in asked][WARM_UP:]
    direct = [_search(home, question, direct=True) for question in asked[: 1 + scale.runs]][1:]
    what = f"memdesk search at {bench.stores.size:,}, daemon warm"
    yield of_runs("shell", what, took, target=150)
    yield of_runs("shell", "  direct", direct)


def _search(home: Path, question: str, *, direct: bool = False) -> float:
    """Return the milliseconds of one search; raises when it fails or finds nothing."""
    command = [*session.command()[:-1], "search", question]
    environ = os.environ | {HOME: str(home)} | ({DIRECT: "1"} if direct else {})
    begun = time.perf_counter()
    done = subprocess.run(
        command, env=environ, check=True, stdin=subprocess.DEVNULL, capture_output=True
    )
    took = (time.perf_counter() - begun) * 1000
    if not done.stdout.strip():
        raise ValueError(f"memdesk search found nothing for “{question}”")
    return took
