"""What one may browse by, and how the desk stands."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

from cli_runner import Cli
from fakes import FakeEmbedder
from served import direct_only

from memdesk import __version__
from memdesk.lock import WriterLock
from memdesk.memory import Draft, Source, now
from memdesk.store.tally import tally

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from memdesk.service import Service


def test_an_empty_desk_has_nothing_to_browse(desk: Service) -> None:
    """All counts are there, and none counts anything."""
    found = desk.overview()
    assert (found.live, found.pinned, found.trash, found.inbox) == (0, 0, 0, 0)
    assert (found.spaces, found.tags, found.kinds, found.sources) == ({}, {}, {}, {})
    assert found.added == (0,) * 12


def test_everything_is_counted_the_most_first(desk: Service) -> None:
    """Spaces, tags, kinds and sources of live memories; what is pinned; what was added this week."""
    desk.remember(Draft("one", tags=("a", "b"), kind="fact", pinned=True))
    desk.remember(Draft("two", tags=("b",), space="web", source=Source("claude", "agent")))
    desk.remember(Draft("three", tags=("b", "c"), space="web", source=Source("claude", "agent")))
    found = desk.overview()
    assert (found.live, found.pinned, found.trash) == (3, 1, 0)
    assert list(found.spaces.items()) == [("web", 2), ("personal", 1)]
    assert list(found.tags.items()) == [("b", 3), ("a", 1), ("c", 1)]
    assert list(found.kinds.items()) == [("note", 2), ("fact", 1)]
    assert list(found.sources.items()) == [("claude", 2), ("memdesk", 1)]
    assert found.added == (*(0,) * 11, 3)


def test_what_was_forgotten_is_counted_as_trash_alone(desk: Service) -> None:
    """Its space and its tags are nothing to browse by; nor are those of what has expired."""
    gone = desk.remember(Draft("one", tags=("a",))).id
    desk.remember(Draft("two", expires_at=(now() + timedelta(days=1)).isoformat()))
    desk.forget([gone])
    found = desk.overview()
    assert (found.live, found.trash, found.tags) == (1, 1, {})


@direct_only
def test_weeks_begin_where_they_are_asked_to(desk: Service) -> None:
    """What was created before the first moment is in no week; the last one has no end."""
    desk.remember(Draft("one"))
    store = desk._core.store()
    at = now()
    assert store.tally([at - timedelta(weeks=1), at + timedelta(days=1)]).added == (1, 0)
    assert store.tally([at + timedelta(days=1)]).added == (0,)


@direct_only
def test_kept_rows_count_as_those_on_the_disk(desk: Service) -> None:
    """A process that stays counts in memory what another one reads: of every state, what has expired too."""
    texts = [Draft(f"note {n}", tags=(f"t{n % 3}", "all"), pinned=n < 2) for n in range(9)]
    ids = [each.id for each in desk.remember_many(texts)]
    desk.remember(Draft("ten", expires_at=(now() + timedelta(days=1)).isoformat(), space="web"))
    desk.forget(ids[-2:])
    store = desk._core.store()
    moments = [now() - timedelta(weeks=1), now() + timedelta(days=2)]
    read = store.tally(moments)
    store.keep()
    kept = store.tally(moments)
    assert kept == read
    assert (kept.live, kept.trash, kept.pinned, kept.spaces["web"]) == (8, 2, 2, 1)
    held = store._kept.matching("").held
    late = tally(store.memories, held, now() + timedelta(days=2), moments)
    assert late == tally(store.memories, None, now() + timedelta(days=2), moments)
    assert late.live == 7


def test_the_status_tells_all(desk: Service, home: Path) -> None:
    """The store in numbers, the version, the duties; nobody holds the lock of a desk at rest."""
    desk.remember(Draft("one"))
    found = desk.status()
    assert found.stats.path == str(home)
    assert found.stats.states == {"live": 1}
    assert (found.version, found.holder, found.backup, found.sync) == (__version__, "", "", "")
    assert {"embedding", "maintenance"} <= {duty.name for duty in found.duties}


def test_the_status_names_who_writes_now(desk: Service, home: Path) -> None:
    """It does not wait for them."""
    desk.remember(Draft("one"))
    with WriterLock(home / "write.lock", "somebody").hold(1):
        assert desk.status().holder.startswith(f"process {os.getpid()} (somebody)")
    assert desk.status().holder == ""


def test_stats_name_who_writes_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`memdesk stats` has a line more while somebody does."""
    monkeypatch.setenv("MEMDESK_HOME", str(tmp_path / "desk"))
    cli = Cli(tmp_path / "desk", FakeEmbedder())
    cli.add("one")
    assert "written by" not in cli.ok("stats").out
    with WriterLock(tmp_path / "desk" / "write.lock", "somebody").hold(1):
        assert f"written by: process {os.getpid()} (somebody)" in cli.ok("stats").out
