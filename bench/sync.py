"""What sync costs: how fast memories go and come, their bytes on the wire, and who waits meanwhile.

Real daemons on stores of their own, servers as processes of their own on the loopback: the small team
server of the tests on the MCP SDK and on the standard library, a real mcp-memory-service where there is
one (`scripts/peer`, or MEMDESK_PEER), and a MemoryOS of ours that takes what a real one takes.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench import session
from bench.notes import notes
from bench.samples import median, percentile
from bench.speed import command
from bench.sync_desks import TEAM, Watched, by_itself, connect, desk, exchange, shared
from bench.sync_locking import longest_hold
from bench.sync_relay import Relay
from bench.sync_serving import KINDS, LIGHT, SDK, Serving, peer_program, serving
from bench.table import Row, of_runs
from memdesk.memory import Draft
from memdesk.remotes import MEMORY_SERVICE, MEMORYOS
from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bench.scale import Bench

_NAMES = {
    SDK: "a team server on the MCP SDK",
    LIGHT: "a team server on the standard library",
    MEMORY_SERVICE: "mcp-memory-service",
    MEMORYOS: "a MemoryOS of ours",
}
_BACKEND = "PYTHON_KEYRING_BACKEND"
_NOTICED = 10
_ALONE = 100
"""Saves without a sync; the last ones count, as many as there are with one."""
_LOOK = 1.0
_PULLED = "stored and found by words; their vectors are made in the background, beside the pull"


def memdesk(bench: Bench) -> Iterator[Row]:
    """Measure 10,000 memories to a team server and to a new desk from there, and what follows."""
    count = bench.scale.imported
    found = _there_and_back(bench, SDK, count)
    yield from _speeds("memdesk", SDK, count, found)
    what = f"  {bench.scale.at_once:,} pulled: the last vector, after the pull's end"
    yield Row("memdesk", what, _vectors(bench), "s")
    what = "  the next exchange, which tells the pusher its own ones"
    yield of_runs("memdesk", what, found.echoed, "s")
    yield of_runs("memdesk", "  every further one, with nothing new", found.idle)
    yield _memory("  memory of the daemon that pushes, at most", found.pushing)
    yield _memory("  memory of the daemon that pulls, at most", found.pulling)


def light(bench: Bench) -> Iterator[Row]:
    """Measure the same with a server that does next to nothing itself."""
    count = bench.scale.imported
    yield from _speeds("light", LIGHT, count, _there_and_back(bench, LIGHT, count))


def service(bench: Bench) -> Iterator[Row]:
    """Measure 1,000 memories to a real mcp-memory-service without a model, and back to a new desk."""
    if why := _left_out():
        yield Row("service", f"{_NAMES[MEMORY_SERVICE]}: left out", 0, "memories", note=why)
        return
    count = bench.scale.at_once
    found = _there_and_back(bench, MEMORY_SERVICE, count)
    yield from _speeds("service", MEMORY_SERVICE, count, found)


def memoryos(bench: Bench) -> Iterator[Row]:
    """Measure 1,000 memories to a MemoryOS server, which takes one at a time and gives none back."""
    count = bench.scale.at_once
    yield from _speeds("memoryos", MEMORYOS, count, _there_and_back(bench, MEMORYOS, count))


def wire(bench: Bench) -> Iterator[Row]:
    """Count the bytes of 1,000 memories both ways, headers included, at a relay."""
    count = bench.scale.at_once
    texts = sum(len(note.text.encode()) for note in notes(count, seed=71)) / count
    yield Row("wire", f"bytes of a memory's text, of {count:,}", texts, "bytes")
    for kind in KINDS:
        if kind == MEMORY_SERVICE and _left_out():
            continue
        bench.say(f"wire: {_NAMES[kind]}")
        for what, (up, down) in _bytes(bench, kind, count).items():
            yield Row("wire", f"a memory {what} {_NAMES[kind]}, sent", up / count, "bytes")
            yield Row("wire", "  received", down / count, "bytes")


def notice(bench: Bench) -> Iterator[Row]:
    """Measure from a save's acknowledgement until it is on the server's disk, by the background."""
    texts = [note.text for note in notes(_NOTICED + 1, seed=72)]
    count, took = bench.scale.imported, []
    with _served(bench, SDK) as server, bench.stores.copy(shared(bench.stores, count)) as home:
        _speed(count, _exchanged(home, server, SDK, push=True), 1)
        by_itself(home)
        with desk(home) as client:
            for text in texts:
                server.forget()
                client.remember(Draft(text, audience=(TEAM,)))
                acknowledged = time.monotonic()
                took.append((server.stored_at() - acknowledged) * 1000)
    after = took[1:]  # until the first one goes, the background may not have looked yet
    what = f"from a save to the server's disk, {count:,} shared"
    note = "half a second of it is waited for more that may go along"
    yield of_runs("notice", what, after, note=note)
    yield Row("notice", "  the slowest of ten", max(after))


def lock(bench: Bench) -> Iterator[Row]:
    """Measure a host's saves while 1,000 memories are pulled into a store of 10,000, and before."""
    count, runs = bench.scale.at_once, bench.scale.runs
    alone, meanwhile, held = list[list[float]](), list[list[float]](), list[float]()
    with _served(bench, SDK) as server:
        with bench.stores.copy(shared(bench.stores, count, 73)) as home:
            _exchanged(home, server, SDK, push=True)
        for run in range(runs):
            bench.say(f"lock: run {run + 1} of {runs}")
            with bench.stores.copy(shared(bench.stores, bench.scale.imported)) as home:
                connect(home, server.url, server.key, KINDS[SDK])
                before, during = _saves(home, run)
            alone.append(before[-len(during) :])  # of more saves one would be slower
            meanwhile.append(during)
            with bench.stores.copy(shared(bench.stores, bench.scale.imported)) as home:
                connect(home, server.url, server.key, KINDS[SDK])
                held.append(longest_hold(home, bench.stores.embedder) * 1000)
    many = [len(each) for each in meanwhile]
    note = f"{min(many)} to {max(many)} saves a run, and as many before it"
    what = f"a save while {count:,} memories are pulled"
    for percent in (50, 100):
        name = "slowest" if percent == 100 else f"p{percent}"
        slow = [percentile(each, percent) for each in meanwhile]
        yield of_runs("lock", f"{what}, {name}", slow, note=note)
        slow = [percentile(each, percent) for each in alone]
        yield of_runs("lock", f"  before the pull, {name}", slow)
    note = "in process, without the embedding that follows"
    yield of_runs("lock", "the writer lock, held by the pull at a time, at most", held, note=note)


ROWS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "memdesk": memdesk,
    "light": light,
    "service": service,
    "memoryos": memoryos,
    "wire": wire,
    "notice": notice,
    "lock": lock,
}
"""The benchmarks by name."""


def main(argv: Sequence[str]) -> int:
    """Measure, print, and return 1 if a benchmark broke."""
    os.environ[_BACKEND] = "keyring.backends.fail.Keyring"  # nobody's keyring is touched
    return command(argv, ROWS, "sync", __doc__ or "")


@dataclass(frozen=True, slots=True)
class _Found:
    """What was measured, run by run."""

    pushed: list[float] = field(default_factory=list)
    """Memories a second; so is the next."""
    pulled: list[float] = field(default_factory=list)
    echoed: list[float] = field(default_factory=list)
    """Seconds of the first exchange after a push: the server tells what it was sent."""
    idle: list[float] = field(default_factory=list)
    """Milliseconds of the one after that, which has nothing to do."""
    pushing: list[Watched] = field(default_factory=list)
    pulling: list[Watched] = field(default_factory=list)


def _speeds(name: str, kind: str, count: int, found: _Found) -> Iterator[Row]:
    what = f"{count:,} memories pushed to {_NAMES[kind]}"
    yield of_runs(name, what, found.pushed, "memories/s")
    if found.pulled:
        what = "  pulled from there by a new desk"
        yield of_runs(name, what, found.pulled, "memories/s", note=_PULLED)


def _memory(what: str, watched: Sequence[Watched]) -> Row:
    """Return the row of the most memory that daemons took."""
    before = median([each.before for each in watched])
    note = f"before it {before:,.0f} MB"
    return of_runs("memdesk", what, [each.most for each in watched], "MB", note=note)


def _left_out() -> str:
    """Return why there is no mcp-memory-service; empty where there is one."""
    path = peer_program()
    return "" if path.is_file() else f"there is none at {path}; scripts/peer installs it"


@contextmanager
def _served(bench: Bench, kind: str) -> Iterator[Serving]:
    with bench.stores.empty() as folder, serving(kind, folder) as server:
        yield server


def _there_and_back(bench: Bench, kind: str, count: int) -> _Found:
    """Push to an empty server and pull from it into an empty store, as often as there are runs."""
    found, source = _Found(), shared(bench.stores, count)
    for run in range(bench.scale.runs):
        bench.say(f"{kind}: run {run + 1} of {bench.scale.runs}")
        with _served(bench, kind) as server:
            with bench.stores.copy(source) as home:
                connect(home, server.url, server.key, KINDS[kind])
                with desk(home) as client, Watched(home) as watched:
                    found.pushed.append(_speed(count, *exchange(client, push=True)))
                    found.echoed.append(exchange(client, push=True, pull=True)[1])
                    found.idle.append(exchange(client, push=True, pull=True)[1] * 1000)
                found.pushing.append(watched)
            if kind == MEMORYOS:
                continue
            with bench.stores.empty() as home:
                connect(home, server.url, server.key, KINDS[kind])
                with desk(home) as client, Watched(home) as watched:
                    found.pulled.append(_speed(count, *exchange(client, pull=True)))
                found.pulling.append(watched)
    return found


def _speed(wanted: int, done: int, took: float) -> float:
    """Return how many a second; raises `ValueError` where it was not all of them."""
    if done != wanted:
        raise ValueError(f"{done} of {wanted} memories were exchanged")
    return done / took


def _exchanged(
    home: Path, server: Serving, kind: str, *, push: bool = False, pull: bool = False, url: str = ""
) -> int:
    """Set the team's server up and exchange once; return how many memories went or came."""
    connect(home, url or server.url, server.key, KINDS[kind])
    with desk(home) as client:
        return exchange(client, push=push, pull=pull)[0]


def _vectors(bench: Bench) -> float:
    """Pull 1,000; return the seconds from then on until every memory has its vector."""
    count = bench.scale.at_once
    with _served(bench, SDK) as server:
        with bench.stores.copy(shared(bench.stores, count)) as home:
            _exchanged(home, server, SDK, push=True)
        with bench.stores.empty() as home:
            connect(home, server.url, server.key, KINDS[SDK])
            with desk(home) as client:
                exchange(client, pull=True)
                begun = time.perf_counter()
                while _pending(home):
                    time.sleep(_LOOK)  # how long the background takes is what is measured
                return time.perf_counter() - begun


def _pending(home: Path) -> int:
    """Return how many passages wait for their vectors; the daemon is not asked, which would hold it up."""
    looking = Service(home, None, background=False)
    try:
        return looking.stats().pending
    finally:
        looking.close()


def _bytes(bench: Bench, kind: str, count: int) -> dict[str, tuple[int, int]]:
    """Return the bytes up and down of a push, and of a pull by a new desk where there is one."""
    told = {}
    with _served(bench, kind) as server, Relay(server.url) as relay:
        with bench.stores.copy(shared(bench.stores, count)) as home:
            _speed(count, _exchanged(home, server, kind, push=True, url=relay.url), 1)
            told["pushed to"] = relay.take()
        if kind != MEMORYOS:
            with bench.stores.empty() as home:
                _speed(count, _exchanged(home, server, kind, pull=True, url=relay.url), 1)
                told["pulled from"] = relay.take()
    return told


def _saves(home: Path, run: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of a host's saves before a pull and while it goes on."""
    texts = (note.text for note in notes(5_000, seed=80 + run))
    with desk(home) as client, session.opened(home) as host, ThreadPoolExecutor(1) as beside:
        before = [host.time("remember", text=next(texts)) for _ in range(_ALONE)]
        pulling = beside.submit(exchange, client, pull=True)
        during = []
        while not pulling.done():
            during.append(host.time("remember", text=next(texts)))
        pulling.result()
    return before, during
