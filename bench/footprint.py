"""What memdesk costs while nobody asks it anything: memory, and tokens of every conversation."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench import session
from bench.calls import ask
from bench.machine import memory_of
from bench.notes import notes, questions
from bench.table import Row
from memdesk.link.address import read_address
from memdesk.memory import count_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bench.scale import Bench
    from bench.session import Session

_SETTLE_SECONDS = 3.0
_FOUR = 4
_SHARED = "memory that processes share is counted once in the share, in each where resident"


def memory(bench: Bench) -> Iterator[Row]:
    """Measure the memory of daemon and shim after the first recall, and how it grows with saves."""
    with bench.stores.copy(bench.stores.small()) as home, session.opened(home) as server:
        ask(server, questions(bench.stores.notes, 1))
        resident, share = _settled(home, [server])
        note = "" if share is None else f"their own share (PSS): {share:,.0f} MB"
        what = "memory of daemon and shim after the first recall"
        yield Row("memory", what, resident, "MB", 350, note=note)
        saved = 0
        texts = (note.text for note in notes(bench.scale.commits[-1], seed=30))
        for commits in bench.scale.commits:
            for _ in range(saved, commits):
                server.call("remember", text=next(texts))
                saved += 1
                if saved % 500 == 0:
                    now, _ = _together(home, [server])
                    bench.say(f"memory: {saved:,} saves, {now:,.0f} MB")
            yield _growth(_settled(home, [server]), resident, commits)


def _growth(now: tuple[float, float | None], before: float, commits: int) -> Row:
    resident, share = now
    own = "" if share is None else f", their own share {share:,.0f} MB"
    what = f"  growth after {commits:,} saves"
    note = f"now {resident:,.0f} MB{own}"
    return Row("memory", what, resident - before, "MB", 100, note=note)


def four(bench: Bench) -> Iterator[Row]:
    """Measure the memory of four hosts' shims and their daemon, then of four direct servers."""
    size = bench.stores.size
    for direct in (False, True):
        with ExitStack() as stack:
            home = stack.enter_context(bench.stores.copy(bench.stores.small()))
            hosts = [stack.enter_context(session.opened(home, direct=direct)) for _ in range(_FOUR)]
            for host, question in zip(hosts, questions(bench.stores.notes, _FOUR), strict=True):
                ask(host, [question])
            resident, share = _settled(home, hosts)
        kind = "  four direct servers" if direct else f"four hosts and the daemon at {size:,}"
        target = None if direct else 450
        if share is not None:
            yield Row("four", f"{kind}, share (PSS)", share, "MB", target, note=_SHARED)
        yield Row("four", f"{kind}, resident", resident, "MB", target)


def _settled(home: Path, servers: Sequence[Session]) -> tuple[float, float | None]:
    time.sleep(_SETTLE_SECONDS)
    return _together(home, servers)


def _together(home: Path, servers: Sequence[Session]) -> tuple[float, float | None]:
    """Return the resident memory of servers and the store's daemon, and their own share (PSS)."""
    daemon = read_address(str(home))
    pids = [*([daemon.pid] if daemon else []), *(server.pid for server in servers)]
    taken = [memory_of(pid) for pid in pids]
    shares = [share for _, share in taken if share is not None]
    resident = sum(memory for memory, _ in taken)
    return resident, sum(shares) if len(shares) == len(taken) else None


def schema(bench: Bench) -> Iterator[Row]:
    """Count the tokens that the tools cost every conversation."""
    with bench.stores.empty() as home, session.opened(home) as server:
        tools = server.tools()
    tokens = count_tokens(json.dumps(tools, ensure_ascii=False))
    yield Row("schema", f"schemas of the {len(tools)} tools", tokens, "tokens", 2000)
