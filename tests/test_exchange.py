"""One store in another's place, by files alone: whatever dies, one of the two is there whole."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from memdesk.store import exchange

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMES = ("store.json", "maintenance.json", "history.lance", "memories.lance")
ASIDE = "points/aside"
RENAMES = 2 * (len(NAMES) + 1)


def fill(folder: Path, words: str, *more: str) -> None:
    """Write what passes for a store."""
    folder.mkdir(exist_ok=True)
    for name in (*NAMES, *more):
        path = folder / name
        if name.endswith(".lance"):
            path.mkdir()
            path /= "data"
        path.write_text(words, "utf-8")


def held(folder: Path) -> dict[str, str]:
    """Return what is in a folder of a store, by the names in it."""
    paths = [path for path in folder.iterdir() if path.suffix in (".json", ".lance")]
    return {
        path.name: (path / "data" if path.is_dir() else path).read_text("utf-8") for path in paths
    }


def whole(words: str, *more: str) -> dict[str, str]:
    """Return what `held` tells of a store."""
    return dict.fromkeys((*NAMES, *more), words)


def change(home: Path) -> None:
    """Exchange the stores."""
    exchange.exchange(home, ASIDE, {"at": "then"})


def dies(
    home: Path, monkeypatch: pytest.MonkeyPatch, step: int, doing: Callable[[Path], None] = change
) -> None:
    """Die before a rename."""
    done: list[str] = []
    rename = exchange._rename

    def dying(old: Path, new: Path) -> None:
        if len(done) == step:
            raise KeyboardInterrupt
        done.append(old.name)
        rename(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(exchange, "_rename", dying)
        with pytest.raises(KeyboardInterrupt):
            doing(home)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the folder of a store, with a new one that is to take its place."""
    fill(tmp_path / "desk", "old", "passages_a.lance")
    fill(tmp_path / "desk" / exchange.NEW, "new", "passages_b.lance")
    return tmp_path / "desk"


OLD, NEW = whole("old", "passages_a.lance"), whole("new", "passages_b.lance")


@pytest.mark.parametrize("step", range(RENAMES))
def test_what_dies_again_and_again_is_finished(
    home: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """A second death while the first is mended changes nothing."""
    dies(home, monkeypatch, step)
    if 0 < step < RENAMES - 1:
        dies(home, monkeypatch, 1, exchange.finish)
    exchange.finish(home)
    assert held(home) == (OLD if step == 0 else NEW)
    assert not (home / exchange.NEW).exists()
    assert (home / ASIDE).exists() == (step > 0)
    if step:
        aside = held(home / ASIDE)
        assert json.loads(aside.pop(exchange.POINT)) == {"at": "then"}
        assert aside == OLD


@pytest.mark.parametrize("step", range(1, RENAMES))
def test_the_old_store_comes_back_where_the_new_one_is_gone(
    home: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Somebody has freed the disk of what looked like litter: nothing is made of what is left."""
    dies(home, monkeypatch, step)
    shutil.rmtree(home / exchange.NEW)
    dies(home, monkeypatch, min(1, step - 1), exchange.finish)
    exchange.finish(home)
    assert held(home) == OLD
    assert not (home / ASIDE).exists()


@pytest.mark.parametrize("step", range(2, len(NAMES) + 2))
def test_a_rename_that_did_not_reach_the_disk_is_done_again(
    home: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """A power cut may leave the tables moved and `store.json` not."""
    dies(home, monkeypatch, step)
    (home / ASIDE / "store.json").rename(home / "store.json")
    exchange.finish(home)
    assert held(home) == NEW
    assert held(home / ASIDE).keys() == {*OLD, exchange.POINT}


def test_a_store_without_a_stamp_is_set_aside_also_after_a_death(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A death between the journal and the folder that takes the old one keeps nobody out."""
    (home / "store.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(exchange, "_begin", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            change(home)
    exchange.finish(home)
    assert held(home) == NEW
    assert (home / ASIDE / exchange.POINT).exists()
