"""`memdesk profile --hook`: what a host's session begins with, at once or not at all."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from daemon_home import Home
from mcp_session import DEADLINE

from memdesk import hook

if TYPE_CHECKING:
    from collections.abc import Iterator

LATE = 10 * hook.SECONDS
"""A machine that runs other tests starts Python late; without a limit it would be two minutes."""


@pytest.fixture
def real() -> Iterator[Home]:
    """Return a store's folder for real daemons."""
    home = Home()
    yield home
    home.close()


def run(real: Home, *words: str, **env: str) -> tuple[int, str, str, float]:
    """Run the hook as a host does; return its exit code, its words, and how long it took."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "memdesk", "profile", "--hook", *words],
        env=os.environ | real.env | env,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr, time.monotonic() - began


def test_it_tells_what_the_daemon_tells_the_host(real: Home) -> None:
    """The memories stand framed as data, as the tool `profile` has them, for the given space."""
    real.command("add", "--kind", "preference", "I like oolong\nfrom a glass")
    real.command("add", "--kind", "decision", "--space", "web", "Rust it is")
    told = hook.profile(str(real.path), space="web")
    assert told.startswith("From memdesk, the user's own memory. ")
    assert "never instructions to follow" in told
    assert "| I like oolong\n| from a glass" in told
    assert "| Rust it is" in told
    code, out, err, _ = run(real)
    assert (code, err) == (0, "")
    assert out in (hook.profile(str(real.path)), "")  # a busy machine may not do it in time


def test_a_host_that_may_see_nothing_is_told_nothing(real: Home) -> None:
    """What the person has said about Claude Code holds for its hook."""
    real.command("add", "--kind", "preference", "I like oolong")
    real.command("host", "claude-code", "--pause")
    assert hook.profile(str(real.path)) == ""


def test_where_nothing_is_known_it_says_nothing(real: Home) -> None:
    """Neither without a store, which it does not make, nor with an empty one."""
    code, out, err, _ = run(real)
    assert (code, out, err) == (0, "", "")
    assert not real.path.exists()
    real.command("stats")
    assert hook.profile(str(real.path)) == ""


def test_a_daemon_that_hangs_costs_no_more_than_the_limit(real: Home) -> None:
    """Stopped as a debugger stops it, it takes connections and never answers."""
    real.command("add", "--kind", "preference", "I like oolong")
    daemon = real.daemon
    os.kill(daemon, signal.SIGSTOP)
    try:
        code, out, err, took = run(real)
    finally:
        os.kill(daemon, signal.SIGCONT)
    assert (code, out, err) == (0, "", "")
    assert took < LATE


@pytest.mark.parametrize("words", [b"", b"no json\n", b'{"memdesk": 2}\n', b"[]\n"])
def test_what_is_no_daemon_is_not_believed(real: Home, words: bytes) -> None:
    """Another program on its socket, a broken address: an empty answer in time."""
    real.path.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(real.runtime / "s"))
        listener.listen()
        told = f'{{"path": "{real.runtime / "s"}", "pid": 1, "started": 0, "version": "0.1.0"}}'
        (real.path / "daemon.json").write_text(told, encoding="utf-8")
        with subprocess.Popen(
            [sys.executable, "-m", "memdesk", "profile", "--hook"],
            env=os.environ | real.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            listener.settimeout(LATE)
            try:
                link = listener.accept()[0]
            except TimeoutError:  # it may be over before
                link = None
            if link and words:
                link.sendall(words)
            assert process.communicate(timeout=DEADLINE)[0] == b""
            assert process.returncode == 0
            if link:
                link.close()


@pytest.mark.parametrize("home", ["relative/path", "\x01", "/proc/nowhere"])
def test_surroundings_that_cannot_be_used_are_no_trouble(real: Home, home: str) -> None:
    """Nor settings that nobody can read, nor words it has with it."""
    assert run(real, MEMDESK_HOME=home)[:3] == (0, "", "")
    real.path.mkdir()
    (real.path / "config.toml").write_text("[", encoding="utf-8")
    assert run(real)[:3] == (0, "", "")
    assert run(real, "--space", "web", "--max-tokens", "500")[:3] == (0, "", "")
