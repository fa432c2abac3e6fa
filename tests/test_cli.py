"""The command line as a whole: help, names, exit codes, and what becomes of errors."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import click
import pytest
from cli_runner import UNKNOWN, Cli
from fakes import FakeEmbedder

from memdesk import __version__
from memdesk.cli.app import app
from memdesk.cli.session import SHELLS
from memdesk.errors import (
    Busy,
    Conflict,
    Invalid,
    MemdeskError,
    ModelError,
    NotFound,
    StoreError,
    SyncError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memdesk.config import Settings
    from memdesk.service import Service


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A person at an empty desk."""
    monkeypatch.setenv("MEMDESK_HOME", str(tmp_path / "desk"))
    return Cli(tmp_path / "desk", FakeEmbedder())


def every_command(
    group: click.Group = app, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that lead to it."""
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))


@pytest.mark.parametrize("path", [path for path, _ in every_command()], ids=" ".join)
def test_help_shows_an_example(cli: Cli, path: tuple[str, ...]) -> None:
    """Each command's help says how to call it, by its own name."""
    done = cli.ok(*path, "--help")
    assert "Example" in done.out
    assert f"memdesk {path[0]}" in done.out or path[-1] in ("remember", "recall")
    assert not cli.home.exists()


def test_every_parameter_is_explained() -> None:
    """No option is left without words."""
    for path, command in every_command():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, (path, parameter.name)


def test_without_a_command_it_helps(cli: Cli) -> None:
    """Plain `memdesk` lists the commands where no screen can be shown, and says so."""
    done = cli.ok()
    assert "add, remember" in done.out
    assert "needs a terminal" in done.err


def test_aliases_are_one_command() -> None:
    """Both names of a command are the very same object."""
    assert app.commands["add"] is app.commands["remember"]
    assert app.commands["search"] is app.commands["recall"]


def test_version(cli: Cli) -> None:
    """The version is the package's."""
    assert cli.ok("--version").out == f"memdesk {__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["list", "--nonsense"],
        ["list", "--limit", "many"],
        ["list", "--limit", "-1"],
        ["list", "--trash", "--all-states"],
        ["get"],
        ["search"],
        ["revise", UNKNOWN],
        ["add", "words", "--file", "too"],
        ["completion", "tcsh"],
        ["model", "nonsense"],
        ["purge", UNKNOWN],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line_and_2(cli: Cli, words: list[str]) -> None:
    """A command line that cannot be meant says why, where its help is, and touches nothing."""
    done = cli(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("memdesk: ")
    assert done.err.count("\n") == 1
    assert "--help)" in done.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Invalid("text", "is empty"), 2),
        (NotFound(UNKNOWN), 3),
        (Conflict(UNKNOWN, "somebody was faster"), 1),
        (Busy("process 7", 30.0), 4),
        (StoreError("the store is from a newer memdesk"), 1),
        (ModelError("the model is gone"), 1),
        (SyncError("no answer"), 1),
        (MemdeskError("something else"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_is_one_line_and_its_code(cli: Cli, error: MemdeskError, code: int) -> None:
    """Each of our errors becomes its sentence on standard error and its exit code."""

    def fail(_: Settings) -> Service:
        raise error

    cli.opener = fail
    done = cli("list")
    assert (done.code, done.out, done.err) == (code, "", f"memdesk: {error}\n")


def test_an_unexpected_error_is_words_and_a_private_log(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug shows no traceback, but leaves one where only the person can read it."""

    def fail(_: Settings) -> Service:
        raise ZeroDivisionError("oh")

    cli.opener = fail
    monkeypatch.delenv("MEMDESK_DEBUG", raising=False)
    done = cli("list")
    log = cli.home / "logs" / "cli.log"
    assert done.code == 1
    assert "ZeroDivisionError" in done.err
    assert str(log) in done.err
    assert "Traceback" not in done.err
    assert "Traceback" in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    monkeypatch.setenv("MEMDESK_DEBUG", "1")
    assert "Traceback" in cli("list").err


def test_a_log_that_cannot_be_written_is_no_second_error(cli: Cli) -> None:
    """Without a place for the log the sentence says how to see more."""

    def fail(_: Settings) -> Service:
        raise ZeroDivisionError

    cli.opener = fail
    cli.home.mkdir()
    (cli.home / "logs").write_text("a file where the folder should be")
    done = cli("list")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "MEMDESK_DEBUG=1" in done.err


def test_interrupted_is_130(cli: Cli) -> None:
    """Control-C ends quietly with the usual code."""

    def stop(_: Settings) -> Service:
        raise KeyboardInterrupt

    cli.opener = stop
    done = cli("list")
    assert (done.code, done.err) == (130, "memdesk: stopped\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_scripts(cli: Cli, shell: str) -> None:
    """Each shell gets a script that asks memdesk."""
    done = cli.ok("completion", shell)
    assert "_MEMDESK_COMPLETE" in done.out


def test_paths_creates_nothing(cli: Cli) -> None:
    """`paths` only looks."""
    shown = cli.ok("paths", "--json").json
    assert shown == {
        "store": str(cli.home),
        "config": str(cli.home / "config.toml"),
        "logs": str(cli.home / "logs"),
    }
    assert str(cli.home) in cli.ok("paths").out
    assert not cli.home.exists()


def test_a_bad_setting_is_named(cli: Cli) -> None:
    """A setting that cannot be used is told with its file and key, by every command."""
    cli.home.mkdir()
    (cli.home / "config.toml").write_text('colour = "blue"')
    done = cli("paths")
    assert done.code == 2
    assert "config.toml: colour: is not a setting" in done.err


def test_mcp_is_not_run_from_here(cli: Cli) -> None:
    """The group knows `mcp` for its help only."""
    assert cli("mcp").code == 2
