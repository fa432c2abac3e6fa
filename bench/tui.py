"""How quick the terminal desk is: the first frame, keys while typing, a search, its memory.

Each number stands beside its target. The desk is the real program in a real pseudo-terminal: what
counts is when a terminal has been told to paint, its own painting aside. The daemon does the work,
except where a row says “direct”.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench import session
from bench.machine import memory_of
from bench.notes import questions
from bench.samples import seconds
from bench.speed import command
from bench.table import Row, of_runs, spread
from bench.terminal import Terminal
from memdesk.config import HOME
from memdesk.link.address import read_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.scale import Bench

DESK = [sys.executable, "-P", "-m", "memdesk"]
DIRECT = "--direct"
COUNTED = [sys.executable, "-m", "bench.counted"]
SIZE = (120, 40)
_QUESTIONS = 6
"""So many questions are typed in one run."""
_BETWEEN = (0.06, 0.16)
"""Seconds from one key to the next: a hundred words a minute, with a person's unevenness."""
_LONGEST = 32
"""So many characters of a question are typed; a line of the list shows all of them."""
_LEAVE = 20.0


def first(bench: Bench) -> Iterator[Row]:
    """Measure a spawn to the first frame with borders and keys, then to the first memories."""
    home = bench.stores.small()
    framed: dict[bool, list[float]] = {False: [], True: []}
    listed: dict[bool, list[float]] = {False: [], True: []}
    imports: list[float] = []
    with session.daemon_leaves(home):
        for turn in range(bench.scale.starts // 2 + 1):
            for direct in (False, True):
                with _desk(home, direct=direct) as desk:
                    frame = desk.until(partial(_framed, desk)) * 1000
                    rows = desk.shows(f"1 of {bench.stores.size:,}") * 1000
                if turn:  # the first turn fills the caches of files, and starts the daemon
                    framed[direct].append(frame)
                    listed[direct].append(rows)
            imports += [seconds(_import_textual) * 1000] if turn else []
    yield of_runs("first", "spawn to the first frame", framed[False], target=1000)
    yield of_runs("first", "  python with textual's bare import", imports)
    yield of_runs("first", "  spawn to the first memories", listed[False])
    yield of_runs("first", "  direct: spawn to the first frame", framed[True], target=1000)
    yield of_runs("first", "  direct: spawn to the first memories", listed[True])


def typing(bench: Bench) -> Iterator[Row]:
    """Measure key to paint while questions are typed, then when their results are there."""
    home, size = bench.stores.small(), bench.stores.size
    for direct in (False, True):
        keys: list[list[float]] = []
        settled: list[list[float]] = []
        sizes: list[float] = []
        daemons: list[float] = []
        for run in range(bench.scale.runs):
            with session.daemon_leaves(home), _desk(home, direct=direct) as desk:
                desk.shows(f"1 of {size:,}")
                asked = questions(bench.stores.notes, _QUESTIONS + 1, seed=run)
                _search(desk, asked[0], random.Random(run))  # the model comes with the first one
                typed = [_search(desk, each, random.Random(each)) for each in asked[1:]]
                sizes.append(memory_of(desk.process.pid)[0])
                daemon = read_address(str(home))
                daemons += [memory_of(daemon.pid)[0]] if daemon and not direct else []
            keys.append([took for taken, _ in typed for took in taken])
            settled.append([took for _, took in typed])
        kind = "direct: " if direct else ""
        yield from spread("typing", f"{kind}key to paint at {size:,}", keys, targets=(None, 50))
        what = f"{kind}last key to its results"
        yield from spread("typing", what, settled, targets=(None, 250))
        yield of_runs("typing", f"{kind}memory of the desk's process", sizes, "MB", 400)
        if daemons:
            yield of_runs("typing", "memory of the daemon beside it", daemons, "MB")


def together(bench: Bench) -> Iterator[Row]:
    """Count the searches that are under way at once while somebody types fast."""
    home = bench.stores.small()
    note = "counted in the desk's process, before each search goes to the daemon"
    with session.daemon_leaves(home), tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "counts"
        with _desk(home, [*COUNTED, str(file)]) as desk:
            desk.shows(f"1 of {bench.stores.size:,}")
            for question in questions(bench.stores.notes, _QUESTIONS, seed=9):
                _search(desk, question, random.Random(question), between=(0.01, 0.08))
        most, all_ = map(int, file.read_text(encoding="utf-8").split())
    yield Row("together", "searches at once, at most", most, "", 1, note=note)
    yield Row("together", "  searches in all", all_, "")


ROWS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "first": first,
    "typing": typing,
    "together": together,
}
"""The benchmarks by name, in the order in which they run."""


def main(argv: Sequence[str]) -> int:
    """Measure what the options ask for, print it, and return 1 if a benchmark broke."""
    return command(argv, ROWS, "tui", __doc__ or "")


@contextmanager
def _desk(home: Path, program: Sequence[str] = DESK, *, direct: bool = False) -> Iterator[Terminal]:
    """Lend a desk that has just been started; it is left as a person leaves it."""
    environ = {**os.environ, HOME: str(home), "LANG": "C.UTF-8"}
    with Terminal([*program, *([DIRECT] if direct else [])], environ, SIZE) as desk:
        yield desk
        desk.write("\x11")  # ctrl+q, wherever one is
        status = desk.wait(_LEAVE)
        if status:
            raise RuntimeError(f"the desk has left with {status}:\n{desk.text}")


def _framed(desk: Terminal) -> bool:
    return "╭" in desk.text and "╰" in desk.text and "Search" in desk.lines[-1]


def _echoed(desk: Terminal, typed: str) -> bool:
    return typed in desk.lines[0]


def _search(
    desk: Terminal,
    question: str,
    chance: random.Random,
    between: tuple[float, float] = _BETWEEN,
) -> tuple[list[float], float]:
    """Type a question; return the milliseconds of each key to its paint, and of the last to results."""
    words = question[:_LONGEST].rstrip()
    if "Clear" not in desk.lines[-1]:
        desk.write("/")
        desk.until(lambda: "Clear" in desk.lines[-1])
    taken: list[float] = []
    for count, key in enumerate(words, 1):
        pressed = time.perf_counter()
        desk.write(key)
        desk.until(partial(_echoed, desk, words[:count].rstrip()))
        if key != " ":  # a blank is not seen
            taken.append((desk.at - pressed) * 1000)
        _rest(desk, pressed + chance.uniform(*between) if count < len(words) else 0.0)
    wanted = f"“{words.strip()}"[:40]
    desk.until(lambda: any("for" in line and wanted in line for line in desk.lines[1:3]))
    settled = (desk.at - pressed) * 1000
    desk.write("\x15")  # ctrl+u empties the line
    desk.until(lambda: words[:3] not in desk.lines[0])
    desk.until(lambda: "All memories" in desk.text)
    return taken, settled


def _rest(desk: Terminal, until: float) -> None:
    """Take in what is painted until the next key."""
    while (left := until - time.perf_counter()) > 0:
        desk.read(left)


def _import_textual() -> None:
    subprocess.run([sys.executable, "-P", "-c", "import textual.app"], check=True)
