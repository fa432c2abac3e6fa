"""What a server costs while nobody asks it anything: memory, and tokens of every conversation."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from bench import session
from bench.calls import ask
from bench.notes import notes, questions
from bench.table import Row
from memdesk.memory import count_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.scale import Bench
    from bench.session import Session

_SETTLE_SECONDS = 3.0


def memory(bench: Bench) -> Iterator[Row]:
    """Measure a server's memory after its first recall, and how it grows with saves."""
    with bench.stores.copy(bench.stores.small()) as home, session.opened(home) as server:
        ask(server, questions(bench.stores.notes, 1))
        time.sleep(_SETTLE_SECONDS)
        resident, share = server.memory()
        note = "" if share is None else f"its own share (PSS): {share:,.0f} MB"
        yield Row("memory", "memory after the first recall", resident, "MB", 350, note=note)
        saved = 0
        texts = (note.text for note in notes(bench.scale.commits[-1], seed=30))
        for commits in bench.scale.commits:
            for _ in range(saved, commits):
                server.call("remember", text=next(texts))
                saved += 1
                if saved % 500 == 0:
                    bench.say(f"memory: {saved:,} saves, {server.memory()[0]:,.0f} MB")
            yield _growth(server, resident, commits)


def _growth(server: Session, before: float, commits: int) -> Row:
    time.sleep(_SETTLE_SECONDS)
    resident, share = server.memory()
    note = f"now {resident:,.0f} MB" + ("" if share is None else f", its own share {share:,.0f} MB")
    what = f"  growth after {commits:,} saves"
    return Row("memory", what, resident - before, "MB", 100, note=note)


def schema(bench: Bench) -> Iterator[Row]:
    """Count the tokens that the tools cost every conversation."""
    with bench.stores.empty() as home, session.opened(home) as server:
        tools = server.tools()
    tokens = count_tokens(json.dumps(tools, ensure_ascii=False))
    yield Row("schema", f"schemas of the {len(tools)} tools", tokens, "tokens", 2000)
