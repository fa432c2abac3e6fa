"""The program as shells run it: exit codes, pipes, terminals, and what it needs from its surroundings."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memdesk.cli import root
from memdesk.config import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from memdesk.service import Service

Run = "Callable[..., subprocess.CompletedProcess[str]]"
UNKNOWN = "7b9ad6a1-6f2e-4d0c-9c0b-0d8f6a1b2c3d"


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `python -m memdesk WORDS…` on a desk of its own."""

    def run(
        *words: str, text: str | None = None, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "memdesk", *words],
            input="" if text is None else text,
            capture_output=True,
            encoding="utf-8",
            env=os.environ | {"MEMDESK_HOME": str(tmp_path / "desk")} | environ,
            timeout=120,
            check=False,
        )

    return run


def test_a_first_day(run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    """With the real model: add by a pipe, find by meaning, see it private on the disk."""
    added = run("add", text="Lena is allergic to peanuts\n")
    assert added.returncode == 0, added.stderr
    found = run("search", "which foods are dangerous for our daughter", "--json")
    told = json.loads(found.stdout)
    assert told["degraded"] is None
    assert [hit["memory"]["id"] for hit in told["hits"]] == [added.stdout.strip()]
    assert told["hits"][0]["keyword_rank"] is None
    for path in (tmp_path / "desk", *(tmp_path / "desk").rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0, (path, oct(mode))


def test_exit_codes(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """A shell sees 0, 2 and 3 as documented."""
    assert run("paths").returncode == 0
    assert run("add", "--nonsense").returncode == 2
    assert run("add", text=" ").returncode == 2
    missing = run("get", UNKNOWN)
    assert (missing.returncode, missing.stdout) == (3, "")
    assert missing.stderr == f"memdesk: no memory has the id {UNKNOWN}\n"


def test_a_reader_that_leaves(
    run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """`memdesk … | head -1` ends without a word on standard error."""
    script = f"{sys.executable} -m memdesk completion bash | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "0"


def test_a_reader_that_left_before(tmp_path: Path) -> None:
    """A pipe that is closed when the first line is written is no error either."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "memdesk", "--help"],
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("words", [("paths",), ("--help",), ("add", "tea")])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk(tmp_path: Path, words: tuple[str, ...], unbuffered: str) -> None:
    """Output that cannot be written is told in one sentence, without a traceback."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "memdesk", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            env=os.environ
            | {"MEMDESK_HOME": str(tmp_path / "desk"), "PYTHONUNBUFFERED": unbuffered},
            encoding="utf-8",
            timeout=60,
            check=False,
        )
    sentence = "memdesk: standard output could not be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, sentence)


def test_a_terminal_without_unicode(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """A C locale does not stop a text in any script."""
    added = run("add", text="茶 🍵", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert added.returncode == 0, added.stderr
    shown = run("list", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert "茶 🍵" in shown.stdout


def test_words_that_are_not_text(tmp_path: Path) -> None:
    """An argument that is not UTF-8 is refused in words."""
    done = subprocess.run(
        [sys.executable.encode(), b"-m", b"memdesk", b"add", b"a\xffb"],
        capture_output=True,
        env=os.environ | {"MEMDESK_HOME": str(tmp_path / "desk")},
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(b"memdesk: text: holds a lone surrogate")


def test_without_standard_streams(tmp_path: Path) -> None:
    """Closed descriptors, as some schedulers give them, are survived."""
    script = f"exec {sys.executable} -m memdesk paths <&- >&-"
    done = subprocess.run(
        ["bash", "-c", script],
        env=os.environ | {"MEMDESK_HOME": str(tmp_path)},
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_completion_of_a_word(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """A shell that asks gets the commands that begin so."""
    done = run(_MEMDESK_COMPLETE="bash_complete", COMP_WORDS="memdesk rem", COMP_CWORD="1")
    assert done.stdout.split() == ["plain,remember"]


def test_mcp_help_is_not_a_server(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """Asked for help, `mcp` prints it instead of waiting for a host."""
    assert "--space" in run("mcp", "--help").stdout


def test_mcp_refuses_nonsense_on_standard_error(
    run: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """Even its refusal leaves the protocol's pipe alone."""
    done = run("mcp", "--nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--nonsense" in done.stderr


def test_maintenance_is_a_process_of_its_own(
    run: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """`maintain` tidies a store and says nothing; it is not among the commands shown."""
    run("add", "tea")
    done = run("maintain")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "maintain" not in run("--help").stdout


@pytest.mark.skipif(sys.platform == "win32", reason="sessions are POSIX")
def test_maintenance_is_started_detached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child has a session of its own, runs in /, knows the store, and is waited for."""
    told = tmp_path / "told.json"
    program = (
        "import json, os, sys; open(sys.argv[1], 'w').write(json.dumps("
        "[os.getsid(0) == os.getpid(), os.getcwd(), os.environ['MEMDESK_HOME']]))"
    )
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{program}" {told}\n')
    script.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(script))
    root.start_maintenance(tmp_path / "desk")
    for thread in threading.enumerate():
        if thread.name == "maintenance":
            thread.join(30)
    assert json.loads(told.read_text()) == [True, "/", str(tmp_path / "desk")]


def test_the_composition_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service made by it works on the folder it was told, with the model of the settings."""
    monkeypatch.setenv("MEMDESK_HOME", str(tmp_path / "desk"))
    assert root.logs_folder() == tmp_path / "desk" / "logs"
    service: Service = root.open_service()
    assert stat.S_IMODE((tmp_path / "desk").stat().st_mode) == 0o700
    assert service.stats().path == str(tmp_path / "desk")
    service.close()


def test_an_unknown_model_in_the_settings(tmp_path: Path) -> None:
    """A model that is not there is told with the file that names it."""
    from memdesk.errors import Invalid

    settings = Settings(tmp_path, tmp_path / "config.toml", tmp_path / "logs", model="nobody")
    with pytest.raises(Invalid, match=r"config\.toml: model: .*nobody.*all-MiniLM-L6-v2"):
        root.open_service(settings)
