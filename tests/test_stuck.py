"""Processes that were stopped, not ended: who they are is told, nothing of theirs is taken from them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_runner import Cli
from daemon_home import Home, ended, until
from fakes import FakeEmbedder

from memdesk.cli.root import open_service
from memdesk.errors import Busy, StoreError
from memdesk.link.client import ServiceClient
from memdesk.link.stopped import is_stopped
from memdesk.memory import Draft
from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
WORKER = Path(__file__).with_name("worker.py")
SOON = 40.0


@pytest.fixture
def real() -> Iterator[Home]:
    """A store's folder for real daemons, which end with the test."""
    home = Home()
    yield home
    home.close()


@contextmanager
def _stopped_holder(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Give a process that holds the writer lock and was stopped; it is gone afterwards."""
    holder = subprocess.Popen(
        [sys.executable, str(WORKER), str(home), "hold"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        _stop(holder.pid)
        yield holder
    finally:
        holder.kill()
        holder.wait()
        for pipe in (holder.stdin, holder.stdout):
            if pipe:
                pipe.close()


def _stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    until(lambda: is_stopped(pid))


def _desk(home: Path, wait: float = 0.2) -> Service:
    return Service(home, FakeEmbedder(), wait=wait, background=False)


def test_a_stopped_holder_is_named_and_keeps_its_lock(home: Path) -> None:
    """A writer that waits is told the process and since when; readers do not wait."""
    desk = _desk(home)
    desk.remember(Draft("kept"))
    with _stopped_holder(home) as holder:
        named = rf"process {holder.pid} \(memdesk\), for \d+ s"
        for _ in range(2):
            with pytest.raises(Busy, match=named):
                desk.remember(Draft("refused"))
        assert f"process {holder.pid}" in desk.status().holder
        assert desk.recall("kept").hits
        assert desk.stats().states == {"live": 1}
    desk.close()


def test_a_holder_that_goes_on_lets_go(home: Path) -> None:
    """The next writer gets the lock as if nothing had been."""
    desk = _desk(home, SOON)
    desk.remember(Draft("before"))
    with _stopped_holder(home) as holder:
        os.kill(holder.pid, signal.SIGCONT)
        assert holder.stdin
        holder.stdin.close()
        assert desk.remember(Draft("after")).outcome == "stored"
        assert desk.status().holder == ""
    desk.close()


def test_a_dead_holders_lock_is_free_at_once(home: Path) -> None:
    """Whatever it had written of itself."""
    desk = _desk(home)
    desk.remember(Draft("before"))
    with _stopped_holder(home) as holder:
        holder.kill()
        holder.wait()
        assert desk.status().holder == ""
        assert desk.remember(Draft("after")).outcome == "stored"
    desk.close()


def test_a_command_is_told_who_holds_the_lock(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line with the process, and its own exit code."""
    desk = _desk(home)
    desk.remember(Draft("kept"))
    desk.close()
    monkeypatch.setenv("MEMDESK_HOME", str(home))
    cli = Cli(home, FakeEmbedder(), lambda _: _desk(home))
    with _stopped_holder(home) as holder:
        done = cli("add", "x")
    assert (done.code, done.out) == (4, "")
    assert f"process {holder.pid}" in done.err


def test_a_caller_of_a_stopped_daemon_is_told(real: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not wait for ever; once the daemon goes on, so does the same caller."""
    for name, value in real.env.items():
        monkeypatch.setenv(name, value)
    desk = open_service(background=False)
    assert isinstance(desk, ServiceClient)
    desk.remember(Draft("the lighthouse"))
    _stop(real.daemon)
    began = time.monotonic()
    with pytest.raises(StoreError, match=rf"process {real.daemon}, has been stopped .*daemon stop"):
        desk.stats()
    assert time.monotonic() - began < SOON
    os.kill(real.daemon, signal.SIGCONT)
    assert desk.stats().states == {"live": 1}
    desk.close()


def test_a_slow_daemon_is_waited_for(real: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that stood still for a moment has only been slow."""
    for name, value in real.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("memdesk.link.calls._LOOK", 0.2)
    desk = open_service(background=False)
    desk.stats()
    pid = real.daemon
    looks: list[bool] = []

    def looked(asked: int) -> bool:
        looks.append(is_stopped(asked))
        if looks[-1]:
            os.kill(pid, signal.SIGCONT)
        return looks[-1]

    monkeypatch.setattr("memdesk.link.calls.is_stopped", looked)
    _stop(pid)
    assert desk.stats().states == {}
    assert looks[0]
    desk.close()


def test_a_search_and_a_stop_get_past_a_stopped_daemon(real: Home) -> None:
    """A new command answers by itself, and `daemon stop` ends what does not answer."""
    assert real.command("add", "the lighthouse").returncode == 0
    pid = real.daemon
    _stop(pid)
    began = time.monotonic()
    done = real.command("search", "lighthouse")
    assert done.returncode in (0, 1), done.stderr
    assert "the lighthouse" in done.stdout or str(pid) in done.stderr
    assert time.monotonic() - began < SOON
    done = real.command("daemon", "stop")
    assert done.returncode == 0, done.stderr
    assert "was killed" in done.stderr
    assert ended(pid, SOON)
    assert "the lighthouse" in real.command("search", "lighthouse").stdout
