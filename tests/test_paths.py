"""Where a store may be: paths that look like something else to somebody on the way."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_runner import Cli
from daemon_home import Home
from fakes import FakeEmbedder

from memdesk import config
from memdesk.errors import Invalid
from memdesk.memory import Draft, Edit
from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKER = Path(__file__).with_name("worker.py")
NAMES = {
    "spaces": "my desk  of notes",
    "composed": "Gedächtnis-é",
    "decomposed": "Geda\u0308chtnis-e\u0301",
    "other scripts": "記憶 память",
    "hash": "desk#1",
    "percent": "100%20sure%",
    "question": "desk?x=1&y=2",
    "quote": 'Ana\'s "desk"',
    "dot": "desk.",
    "tilde": "~desk",
    "colon": "file:desk",
    "brackets": "desk[0]{a,b}*",
    "backslash": "desk\\notes",
    "long": "d" * 200,
}
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has not all of these names")


@pytest.fixture(params=list(NAMES.values()), ids=list(NAMES))
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return the folder of a store that is not there yet."""
    return tmp_path / str(request.param)


def _desk(home: Path) -> Service:
    return Service(home, FakeEmbedder(), background=False)


@posix
def test_a_store_works_wherever_it_is(home: Path) -> None:
    """It is made, searched, changed, maintained and opened again, also by another process."""
    desk = _desk(home)
    id = desk.remember(Draft("the lighthouse")).id
    desk.revise(id, Edit(text="the old lighthouse"))
    point = desk.take_point(reason="a test")
    done = subprocess.run(
        [sys.executable, str(WORKER), str(home), "remember", "from elsewhere"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    desk.maintain(keep_seconds=0)
    assert desk.recall("old lighthouse").hits[0].memory.id == id
    desk.close()
    again = _desk(home)
    assert again.stats().states == {"live": 2}
    assert again.recall("from elsewhere").hits[0].memory.text == "from elsewhere"
    assert [each.name for each in again.points()] == [point.name]
    again.close()
    assert {path.name for path in home.parent.iterdir()} == {home.name}


@posix
def test_a_restore_point_is_put_back_wherever_it_is(home: Path) -> None:
    """What was there at that moment is there, and nothing else."""
    desk = _desk(home)
    desk.remember(Draft("the lighthouse"))
    point = desk.take_point(reason="a test")
    desk.remember(Draft("later"))
    desk.restore_point(point.name)
    assert [memory.text for memory in desk.list().memories] == ["the lighthouse"]
    desk.close()


@posix
def test_a_store_behind_a_link_is_the_same_store(tmp_path: Path) -> None:
    """Whoever comes by the link and whoever does not see each other's memories."""
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    one, other = _desk(link), _desk(real)
    one.remember(Draft("by the link"))
    other.remember(Draft("by the folder"))
    one.maintain(keep_seconds=0)
    assert one.stats().states == other.stats().states == {"live": 2}
    one.close()
    other.close()


def test_a_path_that_depends_on_where_one_stands_is_refused() -> None:
    """It would be another store in every folder."""
    for path in ("desk", "./desk", "../desk"):
        with pytest.raises(Invalid, match="must be an absolute path"):
            config.load({"MEMDESK_HOME": path})


@posix
def test_a_command_takes_the_folder_as_it_is_written(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing in its name is expanded, decoded or cut off."""
    monkeypatch.setenv("MEMDESK_HOME", str(home))
    cli = Cli(home, FakeEmbedder())
    assert cli("add", "the lighthouse").code == 0
    assert config.load(os.environ).home == home
    assert "the lighthouse" in cli("search", "lighthouse").out


@pytest.fixture(params=["composed", "percent", "long"])
def real(request: pytest.FixtureRequest) -> Iterator[Home]:
    """A store for real daemons in a folder with such a name."""
    made = Home()
    made.path = made.folder / NAMES[request.param]
    made.env["MEMDESK_HOME"] = str(made.path)
    yield made
    made.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_daemon_serves_a_store_wherever_it_is(real: Home) -> None:
    """Its socket is elsewhere, so that a path may be longer than a socket's."""
    assert real.command("add", "the lighthouse").returncode == 0
    assert real.status()["home"] == str(real.path)
    assert "the lighthouse" in real.command("search", "lighthouse").stdout
    assert real.command("daemon", "stop").returncode == 0


@posix
def test_a_folder_deep_down_is_a_folder() -> None:
    """A path of six hundred letters holds a store."""
    with tempfile.TemporaryDirectory(prefix="md-") as folder:
        home = Path(folder, *["a folder with a long name " * 4] * 6)
        desk = _desk(home)
        desk.remember(Draft("the lighthouse"))
        desk.maintain(keep_seconds=0)
        assert desk.recall("lighthouse").hits
        desk.close()
