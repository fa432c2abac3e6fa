"""What bad input gets at the command line: one sentence, the right code, and a store as it was."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import TYPE_CHECKING

import pytest
from cli_runner import UNKNOWN, Cli
from fakes import FakeEmbedder

from memdesk.lock import WriterLock
from memdesk.memory import MAX_TEXT_BYTES
from memdesk.service import Service

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "as it was"
TOO_LONG = "x" * (MAX_TEXT_BYTES + 1)


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A person whose desk has one memory in it."""
    monkeypatch.setenv("MEMDESK_HOME", str(tmp_path / "desk"))
    cli = Cli(tmp_path / "desk", FakeEmbedder())
    cli.add(GOOD)
    return cli


def digest(folder: Path) -> str:
    """What is in the files of a folder, but for the locks."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    kept = [path for path in files if path.suffix not in (".lock", ".holder")]
    parts = [f"{path.relative_to(folder)} {path.read_bytes()!r}" for path in kept]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


BAD = [
    (["add", ""], 2, "text"),
    (["add", " \n\t "], 2, "text"),
    (["add", "a\0b"], 2, "text"),
    (["add", "a\udc80b"], 2, "text"),
    (["add", TOO_LONG], 2, "text"),
    (["add", "x", "--kind", "Two Words"], 2, "kind"),
    (["add", "x", "--space", "../etc\n"], 2, "space"),
    (["add", "x", "--space", ""], 2, "space"),
    (["add", "x", "--tag", "t" * 101], 2, "tags"),
    (["add", "x", "--happened-at", "yesterday"], 2, "happened_at"),
    (["add", "x", "--happened-at", "2026-02-30"], 2, "happened_at"),
    (["add", "x", "--expires-at", "2026-13"], 2, "expires_at"),
    (["add", "x", "--replaces", "7"], 2, "replaces"),
    (["add", "x", "--replaces", UNKNOWN], 3, UNKNOWN),
    (["add", "--file", "/nonexistent/file"], 2, "file"),
    (["add", "--file", "/"], 2, "file"),
    (["search", "x", "--since", "soon"], 2, "since"),
    (["search", "x", "--until", "2026-99"], 2, "until"),
    (["search", "x", "--space", "bad\tspace"], 2, "space"),
    (["search", "x", "--limit", "0"], 2, "limit"),
    (["search", "x", "--max-tokens", "-1"], 2, "max-tokens"),
    (["search", " "], 2, "query"),
    (["search", "a\udc80b"], 2, "query"),
    (["list", "--cursor", "nonsense"], 2, "cursor"),
    (["list", "--since", "0000"], 2, "since"),
    (["list", "--space", "/"], 2, "space"),
    (["get", "not-an-id"], 2, "id"),
    (["get", UNKNOWN], 3, UNKNOWN),
    (["history", UNKNOWN], 3, UNKNOWN),
    (["history", "'; drop table"], 2, "id"),
    (["revise", UNKNOWN, "x"], 3, UNKNOWN),
    (["revise", "x", "x"], 2, "id"),
    (["forget", UNKNOWN], 3, UNKNOWN),
    (["restore", UNKNOWN], 3, UNKNOWN),
    (["purge", UNKNOWN, "--yes"], 3, UNKNOWN),
    (["undo", "not-an-id"], 2, "change"),
    (["profile", "--space", "a" * 101], 2, "space"),
    (["profile", "--max-tokens", "-5"], 2, "max-tokens"),
    (["model", "use", "nobody"], 2, "nobody"),
    (["model", "add", "/nonexistent.gguf"], 1, "/nonexistent.gguf"),
]


@pytest.mark.parametrize(
    ("words", "code", "named"), BAD, ids=[ascii(" ".join(words))[:50] for words, _, _ in BAD]
)
def test_bad_input(cli: Cli, words: list[str], code: int, named: str) -> None:
    """Each is refused by one line that names the field, and changes nothing on the disk."""
    before = digest(cli.home)
    done = cli(*words)
    assert (done.code, done.out) == (code, ""), done
    assert done.err.startswith("memdesk: ")
    assert done.err.count("\n") == 1
    assert named in done.err
    assert "Traceback" not in done.err
    assert "\x1b" not in done.err
    assert digest(cli.home) == before


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"ab\x80", b"\xc3"])
def test_a_pipe_that_is_not_utf8(cli: Cli, data: bytes) -> None:
    """Bytes that are no text are refused with the place of the first."""
    done = cli("add", stdin=data)
    assert done.code == 2
    assert "is not UTF-8 text (byte" in done.err
    assert cli.texts() == [GOOD]


def test_a_pipe_without_end(cli: Cli) -> None:
    """Reading stops long before the memory is full."""
    done = cli("add", "-", stdin=b"x" * (17 * MAX_TEXT_BYTES))
    assert done.code == 2
    assert "is longer than" in done.err


def test_nothing_piped(cli: Cli) -> None:
    """An empty standard input is an empty text."""
    assert cli("add", stdin="").code == 2


def test_a_store_of_a_newer_memdesk(cli: Cli) -> None:
    """It is told to update, and nothing is touched."""
    stamp = cli.home / "store.json"
    told = json.loads(stamp.read_text())
    stamp.write_text(json.dumps(told | {"format": 99, "memdesk": "7.0"}))
    before = digest(cli.home)
    for words in (["list"], ["add", "x"], ["search", "x"], ["stats"]):
        done = cli(*words)
        assert done.code == 1
        assert "newer memdesk (7.0" in done.err
    assert digest(cli.home) == before


def test_a_stamp_that_is_broken(cli: Cli) -> None:
    """A damaged store.json is reported and left as it is."""
    (cli.home / "store.json").write_text("{")
    done = cli("list")
    assert done.code == 1
    assert "store.json" in done.err
    assert (cli.home / "store.json").read_text() == "{"


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="root may do what it likes"
)
def test_a_folder_without_permission(cli: Cli) -> None:
    """A folder that is not ours is words, too."""
    cli.home.chmod(0)
    done = cli("list")
    cli.home.chmod(0o700)
    assert done.code in (1, 2)
    assert str(cli.home) in done.err


def test_a_home_that_cannot_be_made(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file where a folder must be made is named."""
    file = cli.home / "file"
    file.write_text("")
    monkeypatch.setenv("MEMDESK_HOME", str(file / "desk"))
    done = cli("list")
    assert done.code == 2
    assert str(file / "desk") in done.err


def test_a_store_kept_busy(cli: Cli) -> None:
    """A writer that never lets go costs a bounded wait, is named, and nothing is changed."""
    cli.opener = lambda found: Service(found.home, cli.embedder, wait=0.05, background=False)
    with WriterLock(cli.home / "write.lock", "a stuck program").hold(5):
        done = cli("add", "x")
        assert (done.code, done.out) == (4, "")
        assert "the store is busy" in done.err
        assert "a stuck program" in done.err
        assert cli.texts() == [GOOD]
