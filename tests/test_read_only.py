"""A folder one may not write, or not read: what can be answered is, and the rest is one sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes import FakeEmbedder

from memdesk.memory import Draft
from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
NOBODY = 65534
AS_ANOTHER = """
import os, sys
sys.path[:0] = {path!r}
os.umask(0o077)
if os.geteuid() == 0:
    import memdesk.service, memdesk.store, memdesk.cli.app, cli_runner  # its files may be root's alone
    os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
from pathlib import Path
from cli_runner import Cli
from fakes import FakeEmbedder
done = Cli(Path({home!r}), FakeEmbedder())(*sys.argv[1:])
sys.stdout.write(done.out); sys.stderr.write(done.err)
sys.stdout.flush(); sys.stderr.flush()
os._exit(done.code)
"""
"""A person who is not the one that owns the folder, where root could be."""


@pytest.fixture
def home() -> Iterator[Path]:
    """Return a store with one memory, below folders that anybody may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="md-"))  # pytest's own folders are for their owner only
    folder.chmod(0o755)
    home = folder / "desk"
    desk = Service(home, FakeEmbedder(), background=False)
    desk.remember(Draft("the lighthouse"))
    desk.close()
    yield home
    _protect(home, 0o700, 0o600)
    shutil.rmtree(folder)


def _as_another(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command as somebody for whom the modes of the folder count."""
    code = AS_ANOTHER.format(path=sys.path, nobody=NOBODY, home=str(home))
    environ = os.environ | {"HOME": "/", "MEMDESK_HOME": str(home), "XDG_CACHE_HOME": "/nowhere"}
    return subprocess.run(
        [sys.executable, "-B", "-c", code, *words],
        capture_output=True, text=True, timeout=120, check=False, env=environ, cwd="/",
    )  # fmt: skip


def _protect(home: Path, folders: int, files: int) -> set[str]:
    """Give everything below a folder these modes; return what there is."""
    for path in (home, *home.rglob("*")):
        path.chmod(folders if path.is_dir() else files)
    return {str(path) for path in home.rglob("*")}


def _said_once(done: subprocess.CompletedProcess[str], home: Path) -> None:
    assert done.returncode in (1, 2), done
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert str(home) in done.stderr


def test_a_folder_that_may_only_be_read_is_read(home: Path) -> None:
    """Looking and searching work; a save is refused with the folder's name; nothing is made."""
    before = _protect(home, 0o555, 0o444)
    for words in (("list",), ("search", "lighthouse"), ("stats",)):
        done = _as_another(home, *words)
        assert done.returncode == 0, done.stderr
    assert "the lighthouse" in _as_another(home, "search", "lighthouse").stdout
    _said_once(_as_another(home, "add", "another"), home)
    assert {str(path) for path in home.rglob("*")} == before


def test_a_folder_of_somebody_else_is_named(home: Path) -> None:
    """Nothing of it can be seen, and that is said."""
    if os.geteuid() != 0:
        home.chmod(0)
    for words in (("list",), ("search", "lighthouse"), ("add", "another")):
        _said_once(_as_another(home, *words), home)


def test_a_stamp_that_may_not_be_read_is_named(home: Path) -> None:
    """The store is left as it is, and nobody makes another in its place."""
    _protect(home, 0o777, 0o666)
    (home / "store.json").chmod(0)
    done = _as_another(home, "list")
    (home / "store.json").chmod(0o600)
    _said_once(done, home)
    assert "store.json" in done.stderr


def test_a_home_that_may_not_be_made_is_named(home: Path) -> None:
    """A folder that anybody may read and nobody may write in."""
    home.parent.chmod(0o555)
    done = _as_another(home.parent / "new", "add", "x")
    home.parent.chmod(0o755)
    _said_once(done, home.parent / "new")
    assert not (home.parent / "new").exists()


def test_a_read_only_file_system_is_read(home: Path) -> None:
    """Root, too, may only look there."""
    bound = subprocess.run(["mount", "--bind", home, home], capture_output=True, check=False)
    if bound.returncode:
        pytest.skip("only root may mount")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", home], check=True)
        desk = Service(home, FakeEmbedder(), background=False)
        assert desk.recall("lighthouse").hits[0].memory.text == "the lighthouse"
        assert desk.stats().states == {"live": 1}
        with pytest.raises(Exception, match=str(home)):
            desk.remember(Draft("another"))
        desk.close()
    finally:
        subprocess.run(["umount", "-l", home], check=True)
