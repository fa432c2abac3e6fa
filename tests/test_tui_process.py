"""The desk as a person starts it: the real program, in a real pseudo-terminal."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from daemon_home import Home

from bench.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DESK = [sys.executable, "-m", "memdesk"]
SECRET = "the blue mug hides the key"
CRASHING = """
import sys
from memdesk.memory import Draft
from memdesk.tui import app, main

class Broken(main.MainScreen):
    def on_memory_list_moved(self):
        secret = self.lines.current.memory.text if self.lines.current else ""
        if secret:
            raise RuntimeError(secret)
        super().on_memory_list_moved()

from memdesk.cli import root, screen
app.MainScreen = Broken
sys.exit(screen.show(root.Desk()))
"""
"""A desk whose list has a mistake; what is wrong with it names a memory's text."""
THE_END = (signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def home() -> Iterator[Home]:
    """Return the folder of a store; whatever serves it ends with the test."""
    home = Home()
    yield home
    home.close()


def on_desk(home: Home, command: list[str] = DESK, **env: str) -> Terminal:
    """Start the desk on a terminal, without a daemon unless `MEMDESK_DIRECT` says so."""
    plain: Mapping[str, str] = {"LANG": "C.UTF-8", "MEMDESK_DIRECT": "1"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LC_")}
    return Terminal(command, {**kept, **home.env, **plain, **env})


def remembered(home: Home, text: str) -> None:
    """Have a text remembered before the desk is opened, and no daemon started for it."""
    home.env["MEMDESK_DIRECT"] = "1"
    assert home.command("add", text).returncode == 0


@pytest.mark.parametrize("direct", ["1", ""], ids=["direct", "daemon"])
def test_a_visit(home: Home, direct: str) -> None:
    """Open, remember, search, undo, quit; the terminal is as it was before."""
    with on_desk(home, MEMDESK_DIRECT=direct) as desk:
        desk.shows("Nothing remembered yet.")
        assert not desk.restored
        assert "alternate" in desk.left
        desk.write("n")
        desk.shows("New memory")
        desk.write("Lena is allergic to peanuts")
        desk.shows("Lena is allergic")
        desk.write("\x13")
        desk.shows("1 of 1")
        desk.write("/")
        desk.shows("Clear")
        desk.write("peanut")
        desk.shows("“peanut”")
        desk.shows("Lena is allergic to peanuts")
        desk.write("\x1b")
        desk.until(lambda: "“peanut”" not in desk.text)
        desk.write("\x1b")
        desk.shows("New")
        desk.write("u")
        desk.shows("Nothing remembered yet.")
        desk.write("q")
        assert desk.wait() == 0
        assert desk.restored
        assert desk.left == []


@pytest.mark.parametrize("end", THE_END, ids=["SIGTERM", "SIGHUP"])
def test_a_signal_ends_it(home: Home, end: signal.Signals) -> None:
    """It leaves the terminal as it was, also when the system asks it to end."""
    with on_desk(home) as desk:
        desk.shows("Nothing remembered yet.")
        desk.process.send_signal(end)
        desk.wait(15)
        assert desk.restored
        assert desk.left == []
        assert "Traceback" not in desk.output.decode()


def test_a_crash(home: Home) -> None:
    """It ends in a sentence, with the terminal as it was; what memories say is not printed."""
    remembered(home, SECRET)
    with on_desk(home, [sys.executable, "-c", CRASHING]) as desk:
        assert desk.wait() == 1
        assert desk.restored
        assert desk.left == []
        said = desk.output.decode().rpartition("\x1b[?1049l")[2]
        assert "memdesk: something unexpected happened (RuntimeError)" in said
        assert "desk.log" in said.replace("\r\n", "")
        assert "Traceback" not in said
        assert SECRET not in said


def test_without_colours(home: Home) -> None:
    """NO_COLOR is honoured: no colour is set, and all can be read."""
    with on_desk(home, NO_COLOR="1") as desk:
        desk.shows("Nothing remembered yet.")
        desk.write("q")
        assert desk.wait() == 0
        assert desk.left == []


def test_another_locale(home: Home) -> None:
    """Where the locale is not UTF-8, the signs are plain ASCII and nothing breaks."""
    remembered(home, "Grüße aus Köln")
    with on_desk(home, LC_ALL="C", LANG="C") as desk:
        desk.shows("1 of 1")
        desk.shows("o on this machine")
        assert "●" not in desk.text
        desk.write("q")
        assert desk.wait() == 0
        assert desk.restored
        assert desk.left == []


def test_without_a_terminal(home: Home) -> None:
    """Where nobody could see it, the help is printed in its place."""
    done = home.command()
    assert "Usage: memdesk" in done.stdout
    assert "needs a terminal" in done.stderr


def test_it_follows_the_window(home: Home) -> None:
    """A window that is made larger or smaller is filled again, whatever size a shell has exported."""
    with on_desk(home, COLUMNS="80", LINES="24") as desk:
        desk.shows("Nothing remembered yet.")
        desk.resize(140, 40)
        desk.until(lambda: "╭─ Browse" in desk.text and "New" in desk.lines[-1])
        desk.resize(20, 6)
        desk.until(lambda: "Browse" not in desk.text and "╰" in desk.text)
        desk.write("q")
        assert desk.wait() == 0
