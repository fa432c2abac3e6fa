"""What a crash left half done, search gets back when the store is opened or kept up the next time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes import FakeEmbedder

from memdesk.errors import StoreError
from memdesk.memory import Draft
from memdesk.service import Service, indexing, upkeep
from memdesk.store import indexed_until
from memdesk.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Died(BaseException):
    """The process ends here, as kill -9 would have it."""


@pytest.fixture
def kept_up(tmp_path: Path) -> Iterator[Service]:
    """Return a desk of some memories that maintenance has found all in search."""
    desk = Service(tmp_path / "home", FakeEmbedder(), background=False)
    desk.remember_many([Draft(f"lighthouse {n}") for n in range(5)])
    desk.maintain(keep_seconds=0)
    assert desk.duties.settled(30)
    yield desk
    desk.close()


def dies(monkeypatch: pytest.MonkeyPatch, at: str, doing: Callable[[], object]) -> None:
    """Do something up to a step of the store that is never reached."""

    def end(*_: object, **__: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(Store, at, end)
        with pytest.raises(Died):
            doing()


def opened_again(desk: Service, home: Path) -> tuple[list[str], list[str]]:
    """Open the store as another process would; return what search then lacks or has too much."""
    desk.close()
    again = Service(home, FakeEmbedder(), background=False)
    try:
        again.stats()
        assert again.duties.settled(30)
        return again._core.store().unindexed(0)
    finally:
        again.close()


def test_a_purge_cut_short(
    kept_up: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is still in the trash is found there, though nothing of it is newer than the last check."""
    id = kept_up.remember(Draft("lighthouse keeper")).id
    kept_up.forget([id])
    kept_up.maintain(keep_seconds=0)
    dies(monkeypatch, "drop_revisions", lambda: kept_up.purge([id]))
    assert kept_up._core.store().unindexed(0) == ([id], [])
    assert opened_again(kept_up, tmp_path / "home") == ([], [])


def test_a_reindex_cut_short(
    kept_up: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was taken out of search, to be put there anew, comes back."""

    def taken_out_only(store: Store, *_: object, replaced: list[str]) -> None:
        store.unindex(replaced)
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(Store, "index", taken_out_only)
        with pytest.raises(Died):
            kept_up.reindex()
    assert len(kept_up._core.store().unindexed(0)[0]) == 5
    assert opened_again(kept_up, tmp_path / "home") == ([], [])


def test_a_maintenance_that_ends_early_claims_nothing(
    kept_up: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked to end while it mends, it does not note what it has not looked at as whole."""
    store = kept_up._core.store()
    before = indexed_until(store)
    kept_up.remember(Draft("lighthouse keeper"))
    monkeypatch.setattr(indexing, "mend", lambda core, **_: core.closing.set())
    upkeep.maintain(kept_up._core, 0, 0)
    assert indexed_until(store) == before


def test_a_closed_desk_begins_no_store(home: Path) -> None:
    """What still runs of a desk that was closed makes no new store where the folder was moved away."""
    desk = Service(home, FakeEmbedder(), background=False)
    desk.remember(Draft("moved away"))
    desk.close()
    home.rename(home.with_name("moved"))
    home.mkdir()
    with pytest.raises(StoreError, match="closed"):
        desk.stats()
    assert list(home.iterdir()) == []
