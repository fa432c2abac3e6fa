"""`memdesk backup`: what a person types, what it says, and how it ends."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pyrage
import pytest
from cli_runner import Cli
from fakes import FakeEmbedder

from memdesk.cli import backup as room
from memdesk.cli import changes

SECRET = "the words of the door"


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return a person at a desk of their own, with a passphrase in a file."""
    home = tmp_path / "home"
    monkeypatch.setenv("MEMDESK_HOME", str(home))
    (tmp_path / "secret").write_text(f"{SECRET}\n", "utf-8")
    monkeypatch.setattr(
        pyrage.passphrase, "encrypt", lambda data, word: word.encode() + b"\n" + data
    )
    monkeypatch.setattr(pyrage.passphrase, "decrypt", _decrypt)
    return Cli(home, FakeEmbedder())


def _decrypt(data: bytes, word: str) -> bytes:
    told, _, rest = data.partition(b"\n")
    if told != word.encode():
        raise pyrage.DecryptError("no")
    return rest


def test_a_backup_is_made_verified_and_restored(cli: Cli) -> None:
    """Each step says what it did and what comes next; the way back is a command."""
    cli.add("then")
    made = cli.ok("backup", "create")
    (path,) = made.lines
    assert Path(path).parent == cli.home / "backups"
    assert "1 memory" in made.err
    assert "another" in made.err
    checked = cli.ok("backup", "verify", path)
    assert "1 of memories" in checked.err
    cli.add("since")
    done = cli.ok("backup", "restore", path, "--yes")
    assert cli.texts() == ["then"]
    assert "docs/HOST.md" not in done.err
    (point,) = cli.ok("backup", "list", "--json").json["points"]
    assert f"memdesk backup restore {point['name']}" in done.err
    cli.ok("backup", "restore", point["name"], "--yes")
    assert cli.texts() == ["since", "then"]
    dropped = cli.ok("backup", "drop", point["name"], "--yes")
    assert "is gone" in dropped.err
    assert point["name"] not in cli.ok("backup", "list").out


def test_an_encrypted_backup_needs_its_passphrase(cli: Cli, tmp_path: Path) -> None:
    """It comes from a file where nobody types; a wrong one ends with 2 and changes nothing."""
    cli.add("apfelmus")
    secret = str(tmp_path / "secret")
    done = cli.ok("backup", "create", str(tmp_path), "--passphrase-file", secret, "--json")
    assert "on the store's own disk" in done.err  # though not in its folder
    made = done.json
    assert b"apfelmus" not in Path(made["path"]).read_bytes()
    assert made["rows"]["memories"] == 1
    assert cli.ok("backup", "verify", made["path"], "--passphrase-file", secret).code == 0
    assert cli("backup", "verify", made["path"]).code == 2
    (tmp_path / "wrong").write_text("wrong\n", "utf-8")
    for verb in (["restore", "-y"], ["verify"]):
        done = cli("backup", *verb, made["path"], "--passphrase-file", str(tmp_path / "wrong"))
        assert (done.code, "does not open" in done.err) == (2, True)
    (tmp_path / "empty").touch()
    assert cli("backup", "create", "--passphrase-file", str(tmp_path / "empty")).code == 2
    assert cli("backup", "create", "--passphrase-file", str(tmp_path / "none")).code == 2
    assert cli.texts() == ["apfelmus"]


def test_a_new_passphrase_is_asked_for_twice(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not shown, and two that differ are asked for again."""
    cli.add("apfelmus")

    class Terminal:
        def isatty(self) -> bool:
            return True

    asked = iter([SECRET, "mistyped", SECRET, SECRET])
    with monkeypatch.context() as patch:
        patch.setattr("click.termui.hidden_prompt_func", lambda _: next(asked))
        patch.setattr(sys, "stdin", Terminal())
        made = room._passphrase(None, new=True)
    assert made == SECRET
    assert next(asked, None) is None
    assert cli("backup", "create", "--encrypt").code == 2


def test_what_is_damaged_ends_with_1(cli: Cli) -> None:
    """`verify` and `restore` say so, and nothing changes."""
    cli.add("then")
    path = Path(cli.ok("backup", "create").lines[0])
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(bytes(whole))
    for verb in (["verify", str(path)], ["restore", str(path), "--yes"]):
        done = cli("backup", *verb)
        assert (done.code, "is damaged" in done.err) == (1, True)
    assert cli.texts() == ["then"]
    assert cli("backup", "verify", "nowhere.zip").code == 2
    assert "is no file" in cli("backup", "verify", str(cli.home)).err
    assert cli("backup", "restore", "nowhere", "--yes").code == 2
    assert cli("backup", "drop", "nowhere", "--yes").code == 2


def test_a_restore_asks_first_and_names_what_goes(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, with how many memories are set aside; nobody there to answer is a mistake of use."""
    cli.add("then")
    path = cli.ok("backup", "create").lines[0]
    assert cli("backup", "restore", path).code == 2
    monkeypatch.setattr(changes, "_at_a_terminal", lambda: True)
    done = cli("backup", "restore", path, stdin="n\n")
    assert "the present store (1 memory), which will be set aside" in done.err
    assert done.code == 130
    (cli.home / "store.json").write_text("{", "utf-8")
    done = cli("backup", "restore", path, stdin="y\n")
    assert "cannot be read" in done.err
    assert cli.texts() == ["then"]
    other = cli.home.with_name("moved.zip")
    shutil.move(path, other)
    cli.home.rename(cli.home.with_name("old"))
    anew = cli("backup", "restore", str(other), stdin="y\n").err
    assert "no store yet" in anew
    assert "docs/HOST.md" in anew
    assert cli.texts() == ["then"]


def test_missing_files_are_marked(cli: Cli) -> None:
    """A backup that was moved stays in the list, and one that was put in the folder is in it."""
    cli.add("then")
    assert "no backup file yet" in cli.ok("backup", "list").err
    path = Path(cli.ok("backup", "create").lines[0])
    path.rename(path.with_name("mine.zip"))
    listed = cli.ok("backup", "list").lines
    assert any(str(path) in line and "missing:" in line for line in listed)
    assert any("mine.zip" in line and "missing:" not in line for line in listed)
    told = {Path(each["path"]).name: each["missing"] for each in _backups(cli)}
    assert told == {path.name: True, "mine.zip": False}


def _backups(cli: Cli) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cli.ok("backup", "list", "--json").json["backups"]
    return found


def test_a_purge_names_the_backups_that_hold_the_words(cli: Cli) -> None:
    """In one line, after it."""
    gone = cli.add("apfelmus")
    path = cli.ok("backup", "create").lines[0]
    cli.ok("forget", gone)
    done = cli.ok("purge", gone, "--yes")
    assert f"still hold the words: {path}" in done.err
