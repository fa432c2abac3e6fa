"""`memdesk` alone: what surrounds the desk's own screen."""

from __future__ import annotations

import io
import logging
import os
import stat
import sys
from typing import TYPE_CHECKING

import pytest
from cli_runner import Cli
from fakes import FakeEmbedder

from memdesk.cli import screen

if TYPE_CHECKING:
    from pathlib import Path


class Terminal(io.StringIO):
    """A stream that a person sits at."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_without_a_terminal_the_help_is_shown(tmp_path: Path) -> None:
    """Nobody could see a screen in a pipe."""
    done = Cli(tmp_path, FakeEmbedder()).ok()
    assert done.out.startswith("Usage: memdesk")
    assert "needs a terminal" in done.err


@pytest.mark.parametrize(
    ("term", "shown"), [("xterm-256color", True), ("dumb", False), ("", False)]
)
def test_a_terminal_must_be_able_to_move_its_cursor(
    monkeypatch: pytest.MonkeyPatch, term: str, shown: bool
) -> None:
    """Three streams of a person, and a terminal that is none of the simplest."""
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, Terminal())
    monkeypatch.setenv("TERM", term)
    assert screen.at_a_terminal() is shown


def test_what_c_prints_goes_to_the_log(tmp_path: Path) -> None:
    """Nothing but the screen reaches the terminal while it is shown; afterwards all is as before."""
    log = tmp_path / "desk.log"
    before = os.fstat(2)
    drawn = sys.__stderr__
    with screen._quiet(log):
        os.write(2, b"ggml: said in C\n")
        logging.getLogger("memdesk.tui").error("said in Python")
        assert sys.__stderr__ is not drawn
    assert sys.__stderr__ is drawn
    assert os.fstat(2).st_ino == before.st_ino
    told = log.read_text()
    assert "ggml: said in C" in told
    assert "said in Python" in told
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_chosen_theme_is_kept(tmp_path: Path) -> None:
    """It is there the next time, in a file only its owner reads."""
    assert screen._chosen(tmp_path) == {}
    screen._choose(tmp_path, theme="nord")
    assert screen._chosen(tmp_path) == {"theme": "nord"}
    assert stat.S_IMODE((tmp_path / screen.CHOICES).stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["no JSON", "[]", "\x00", '"nord"'])
def test_a_file_of_choices_that_is_none_is_ignored(tmp_path: Path, text: str) -> None:
    """The desk opens all the same."""
    (tmp_path / screen.CHOICES).write_text(text)
    assert screen._chosen(tmp_path) == {}


def test_unsaved_text_is_kept_until_it_is_saved(tmp_path: Path) -> None:
    """What was being written when the terminal went away comes back, once."""
    assert screen._unsaved(tmp_path) == ""
    screen._keep_unsaved(tmp_path, "half a thought\nжизнь")
    assert screen._unsaved(tmp_path) == "half a thought\nжизнь"
    assert stat.S_IMODE((tmp_path / screen.UNSAVED).stat().st_mode) == 0o600
    screen._keep_unsaved(tmp_path, "")
    assert list(tmp_path.iterdir()) == []
