"""When tables are compacted: often enough to stay fast, seldom enough to stay small."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakes import FakeEmbedder

from memdesk.memory import Draft
from memdesk.service import Service
from memdesk.store import maintenance_due
from memdesk.store.table import LOOP, Table

if TYPE_CHECKING:
    from pathlib import Path


def fragments(table: Table) -> int:
    """Return of how many fragments a table is made."""
    table.refresh()
    told = LOOP.run(table.lance.stats())
    return int(told["fragment_stats"]["num_fragments"])


def save(desk: Service, first: int, last: int) -> None:
    """Save notes one by one."""
    for number in range(first, last):
        desk.remember(Draft(f"single {number}"))


def test_a_large_table_is_compacted_less_often_than_what_search_reads(home: Path) -> None:
    """Forty saves are enough for the passages; writing thousands of memories anew is not worth it."""
    desk = Service(home, FakeEmbedder(), background=False)
    desk.remember_many([Draft(f"note {number}") for number in range(2_000)])
    desk.maintain(keep_seconds=0)
    desk.maintain(keep_seconds=0)
    store = desk._core.store()
    whole = fragments(store.memories)
    save(desk, 0, 40)
    assert maintenance_due(store)
    desk.maintain()
    assert fragments(store.memories) == whole + 40
    assert fragments(store.passages) < 10
    assert not maintenance_due(store)
    save(desk, 40, 100)
    desk.maintain()
    assert fragments(store.memories) < 10
    desk.close()


def test_once_it_is_quiet_every_table_is_compacted(home: Path) -> None:
    """When the margin for readers has passed, nothing is left in splinters."""
    desk = Service(home, FakeEmbedder(), background=False)
    desk.remember_many([Draft(f"note {number}") for number in range(2_000)])
    save(desk, 0, 40)
    desk.maintain()
    desk.maintain(keep_seconds=0)
    store = desk._core.store()
    assert max(map(fragments, (store.memories, store.history, store.passages))) <= 2
    desk.close()
