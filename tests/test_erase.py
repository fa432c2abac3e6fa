"""`memdesk erase`: everything of memdesk goes, and nothing else."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import keyring.core
import pytest
from cli_runner import Cli
from daemon_home import Home, ended, until
from fakes import FakeEmbedder
from mcp_session import DEADLINE
from test_sync_keys import Drawer

from memdesk.belongings import Belongings
from memdesk.cli.root import open_remotes
from memdesk.errors import Busy, StoreError
from memdesk.lock import WriterLock
from memdesk.memory import Draft
from memdesk.remotes import MEMDESK, Remote
from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def real() -> Iterator[Home]:
    """Return a store's folder for real processes, which end with the test."""
    real = Home()
    yield real
    real.close()


def ours(home: Path) -> Belongings:
    """Return what memdesk keeps in a folder of one's choice."""
    return Belongings(home, home / "config.toml", home / "logs")


def fill(home: Path) -> None:
    """Make a store with whatever memdesk may leave beside it."""
    desk = Service(home, None, background=False)
    desk.remember(Draft("gone soon"))
    desk.take_point(reason="by hand")
    desk.maintain(keep_seconds=60)
    desk.recall("soon")
    desk.close()
    for name in ("models.json", "desk.json", "unsaved.txt", "config.toml", "activity.jsonl"):
        (home / name).write_text("", encoding="utf-8")
    for name in ("ballast", ".store.json.abc", "daemon.json", "daemon.out", "scrub.due"):
        (home / name).write_text("", encoding="utf-8")
    for name in (
        "remotes.json",
        ".keys.json.abc",
        "keys.lock",
        "sync-team.lock",
        "sync-a.b.holder",
    ):
        (home / name).write_text("", encoding="utf-8")
    parts = ("logs/daemon.log", "logs/mcp.log.1", "run/0123456789ab")
    for name in (*parts, "sync/team.db", "sync/team.db-journal"):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text("", encoding="utf-8")
    left = (
        "passages_61f3_2.lance.unreadable-17",
        "passages_61f3_2.lance.dropped-18",
        "history.dropped-1",
    )
    for name in (".restoring", *left, ".erased-history.lance"):
        (home / name).mkdir()
        (home / name / "part").write_text("", encoding="utf-8")
    (home / "backups").mkdir()
    (home / "backups" / "memdesk-20260514-093000.zip").write_text("", encoding="utf-8")


def test_everything_of_memdesk_goes(home: Path) -> None:
    """The folder, too, when nothing else is in it."""
    fill(home)
    known = ours(home)
    assert len(known.points()) == 1
    assert len(known.backups()) == 1
    assert known.strangers() == []
    removed = known.remove()
    assert home / "memories.lance" in removed
    assert not home.exists()
    assert known.found() == []
    assert known.remove() == []


def test_what_is_not_of_memdesk_stays(home: Path) -> None:
    """Other people's files, in whichever of the folders they lie, stay and are named."""
    fill(home)
    theirs = [
        "letter.txt",
        "memories.txt",
        "poetry.lock",
        "own.lance/data",
        "backups/photos.zip",
        "logs/web.log",
        "points/of-view.md",
        "sync/team.txt",
        "sync.lock",
    ]
    for name in theirs:
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text(name, encoding="utf-8")
    known = ours(home)
    left = {*theirs, "own.lance"} - {"own.lance/data"}
    assert {str(path.relative_to(home)) for path in known.strangers()} == left
    known.remove()
    files = [path for path in home.rglob("*") if path.is_file()]
    assert sorted(str(path.relative_to(home)) for path in files) == sorted(theirs)
    assert all(path.read_text(encoding="utf-8") == str(path.relative_to(home)) for path in files)


def test_a_link_goes_and_not_what_it_leads_to(home: Path, tmp_path: Path) -> None:
    """Where a person has put a part of it elsewhere, only the link is memdesk's to remove."""
    fill(home)
    elsewhere = tmp_path / "elsewhere.lance"
    (home / "history.lance").rename(elsewhere)
    (home / "history.lance").symlink_to(elsewhere)
    (home / "backups").rename(tmp_path / "backups")
    (home / "backups").symlink_to(tmp_path / "backups")
    known = ours(home)
    assert known.backups() == []
    known.remove()
    assert elsewhere.is_dir()
    assert len(list((tmp_path / "backups").iterdir())) == 1
    assert known.strangers() == [home / "backups"]


def test_a_store_that_somebody_works_on_is_not_erased(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever holds the lock is named, and nothing is removed."""
    fill(home)
    monkeypatch.setattr("memdesk.belongings._WAIT", 0.2)
    before = sorted(home.rglob("*.lance"))
    with WriterLock(home / "write.lock", "somebody").hold(5), pytest.raises(Busy, match="somebody"):
        ours(home).remove()
    assert sorted(home.rglob("*.lance")) == before


def test_an_erasure_that_fails_goes_on_later(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be removed is named; what is left is no half of a store and goes with the next call."""
    fill(home)
    removing = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.name == "store.json":
            raise PermissionError(13, "Permission denied", str(path))
        removing(path, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        with pytest.raises(StoreError, match=r"store\.json cannot be removed: Permission denied"):
            ours(home).remove()
    assert not (home / "memories.lance").exists()
    assert (home / "store.json").exists()
    ours(home).remove()
    assert not home.exists()


def test_the_command_ends_the_daemon_and_leaves_nothing(real: Home) -> None:
    """A desk that was used by a host and commands is gone, whatever they have left behind."""
    with real.opened() as host:
        host.call("remember", text="known to a host")
    real.command("add", "known to a shell")
    real.command("backup", "create")
    daemon = real.daemon
    done = real.command("erase", "--yes")
    assert (done.returncode, real.path.exists()) == (0, False), done.stderr
    assert ended(daemon, DEADLINE)
    assert str(real.path / "memories.lance") in done.stdout.splitlines()
    again = real.command("erase", "--yes")
    assert (again.returncode, again.stdout) == (0, "")
    assert "nothing of memdesk" in again.stderr
    assert not real.path.exists()


def test_the_question_tells_in_numbers_what_will_be_gone(real: Home) -> None:
    """Answered with no, everything stays."""
    real.command("--direct", "add", "one")
    real.command("--direct", "add", "two")
    told = answered(real, "n\n")
    assert "erases 2 memories, 0 restore points, 0 backups and the settings and logs" in told
    assert f"in {real.path}" in told
    assert (real.path / "memories.lance").is_dir()
    told = answered(real, "y\n")
    assert not real.path.exists(), told


def answered(real: Home, answer: str) -> str:
    """Run the command at a terminal, answer its question, and return what it said."""
    ours_, its = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "memdesk", "erase"],
        env=os.environ | real.env | {"COLUMNS": "1000"},
        stdin=its,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(its)
        os.write(ours_, answer.encode())
        said = process.communicate(timeout=DEADLINE)[1].decode()
        os.close(ours_)
    return said


def test_without_anybody_to_answer_nothing_is_erased(real: Home) -> None:
    """In a script it takes --yes."""
    real.command("--direct", "add", "one")
    done = real.command("erase")
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert (real.path / "memories.lance").is_dir()


def test_a_store_that_cannot_be_opened_is_erased(real: Home) -> None:
    """Neither a broken stamp nor broken settings keep anything."""
    real.command("--direct", "add", "one")
    (real.path / "store.json").write_text("{", encoding="utf-8")
    (real.path / "config.toml").write_text("[", encoding="utf-8")
    done = real.command("erase", "--yes")
    assert (done.returncode, real.path.exists()) == (0, False), done.stderr


@pytest.mark.parametrize("shut", [False, True])
def test_keys_leave_the_keyring_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, shut: bool
) -> None:
    """Those that it does not let go of are named, so that the person can remove them there."""
    home, drawer = tmp_path / "desk", Drawer()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MEMDESK_HOME", str(home))
    monkeypatch.setattr(keyring.core, "_keyring_backend", drawer)
    cli = Cli(home, FakeEmbedder())
    cli.add("gone soon")
    known, keys = open_remotes(home)
    team = known.add(Remote("team", "https://memory.example.org", MEMDESK))
    assert keys.put(team, "s3cret") == "keyring"
    drawer.shut = shut
    done = cli.ok("erase", "--yes", "--json")
    assert not home.exists()
    assert drawer.kept == ({("memdesk", *done.json["keys"]): "s3cret"} if shut else {})
    assert len(done.json["keys"]) == int(shut)
    assert ("left in the system's keyring" in done.err) == shut


def test_keys_that_cannot_be_read_keep_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That some may be left in the keyring is said."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MEMDESK_HOME", str(tmp_path / "desk"))
    cli = Cli(tmp_path / "desk", FakeEmbedder())
    cli.add("gone soon")
    (cli.home / "keys.json").write_text("{", encoding="utf-8")
    assert "may be left in the system's keyring" in cli.ok("erase", "--yes").err
    assert not cli.home.exists()


def test_a_command_that_is_killed_goes_on_when_called_again(real: Home) -> None:
    """Killed as soon as the first table is gone."""
    real.command("--direct", "add", "one")
    for number in range(300):  # so that it takes its time
        (real.path / "logs").mkdir(exist_ok=True)
        (real.path / "logs" / f"mcp.log.{number}").write_text("", encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, "-m", "memdesk", "erase", "--yes"],
        env=os.environ | real.env,
        stdout=subprocess.DEVNULL,
    ) as process:
        until(lambda: not (real.path / "history.lance").exists())
        process.send_signal(signal.SIGKILL)
    done = real.command("erase", "--yes")
    assert (done.returncode, real.path.exists()) == (0, False), done.stderr
