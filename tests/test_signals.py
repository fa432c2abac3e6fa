"""A signal, or the end of input, in the middle of a write: what was acknowledged is there once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from daemon_home import MCP, Home, until
from fakes import FakeEmbedder
from mcp_session import DEADLINE, Session

from memdesk.memory import Draft, Filter
from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHIN = 2.0
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
SANE = {0, 1, 130, *(-number for number in SIGNALS)}
"""How a process may end that was told to: by itself, or by the signal."""


@pytest.fixture
def real() -> Iterator[Home]:
    """Return a store's folder for real processes, which end with the test."""
    real = Home()
    yield real
    real.close()


def found(real: Home) -> Counter[str]:
    """Return how often each text is in the store, which opens without repairs."""
    desk = Service(real.path, FakeEmbedder(), background=False)
    texts = Counter(each.text for each in desk.list(where=Filter(), limit=1000).memories)
    assert desk.stats().notes == ()
    desk.close()
    return texts


@pytest.mark.parametrize("way", ["shim", "direct"])
def test_a_server_that_is_told_to_end_in_the_middle_of_writes(real: Home, way: str) -> None:
    """By each signal, and by the end of input: it ends in time and has lost nothing it answered."""
    acknowledged: list[str] = []
    for ending in (*SIGNALS, None):
        with Session([*MCP, *(["--direct"] if way == "direct" else [])], env=real.env) as host:
            host.open()
            texts = {}
            for number in range(12):
                text = f"{ending} {number}"
                arguments = {"text": text}
                asked = host.ask("tools/call", {"name": "remember", "arguments": arguments})
                texts[asked] = text
            host.wait(min(texts))
            if ending is None:
                host.leave()
                assert host.finish(DEADLINE) == 0
            else:
                host.process.send_signal(ending)
                assert host.process.wait(WITHIN) in SANE
                host.finish(DEADLINE)
            assert "Traceback" not in "".join(host.errors)
            acknowledged += [text for id, text in texts.items() if stored(host, id)]
    there = found(real)
    assert set(acknowledged) <= set(there)
    assert set(there.values()) == {1}
    if way == "shim":  # the daemon goes on, and the shim waits for its answers
        assert sum(text.startswith("None ") for text in acknowledged) == 12


def stored(host: Session, id: int) -> bool:
    """Tell whether a host was answered that a text is stored."""
    answer = host.answers.get(id, {})
    return "result" in answer and not answer["result"].get("isError")


def test_a_daemon_that_is_told_to_end_in_the_middle_of_writes(real: Home) -> None:
    """Its host goes on with the next one, and every write is there once."""
    with real.opened() as host:
        for ending in SIGNALS:
            before = real.daemon
            asked = [
                host.ask(
                    "tools/call",
                    {"name": "remember", "arguments": {"text": f"{ending.name} {number}"}},
                )
                for number in range(8)
            ]
            host.wait(asked[0])
            os.kill(before, ending)
            for id in asked:
                assert not host.wait(id)["result"].get("isError"), host.answers[id]
            assert until(lambda before=before: real.daemon != before)  # type: ignore[misc]
    assert "Traceback" not in real.log()
    assert found(real) == Counter(f"{each.name} {n}" for each in SIGNALS for n in range(8))


def test_commands_that_are_told_to_end_in_the_middle_of_writes(real: Home) -> None:
    """Whether it prints an id tells whether the text is there; a retry makes no second one."""
    real.command("--direct", "add", "first")
    printed = set()
    for ending in SIGNALS:
        done = interrupted(real, ending, "--direct", "add", f"by {ending.name}")
        if done.stdout.strip():
            printed.add(f"by {ending.name}")
        again = real.command("--direct", "add", f"by {ending.name}")
        assert again.returncode == 0
    there = found(real)
    assert there == Counter(["first", *(f"by {each.name}" for each in SIGNALS)])
    assert printed <= set(there)


def test_maintenance_that_is_told_to_end(real: Home) -> None:
    """In the middle of its work it leaves a store that opens as if nothing had been."""
    desk = Service(real.path, None, background=False)
    texts = [f"note {number}" for number in range(40)]
    for text in texts:
        desk.remember(Draft(text))
    desk.close()
    for ending in SIGNALS:
        interrupted(real, ending, "maintain", "--keep", "0", sign="maintenance.holder")
    assert found(real) == Counter(texts)
    assert real.command("maintain", "--keep", "0").returncode == 0
    assert found(real) == Counter(texts)


def interrupted(
    real: Home, ending: signal.Signals, *words: str, sign: str = "write.holder"
) -> subprocess.CompletedProcess[str]:
    """Run a command, end it once it has a lock, and return how it ended: in time, without a traceback."""
    with subprocess.Popen(
        [sys.executable, "-m", "memdesk", *words],
        env=os.environ | real.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        until(lambda: (real.path / sign).exists() or process.poll() is not None)
        process.send_signal(ending)
        out, said = process.communicate(timeout=DEADLINE)
    assert process.returncode in SANE, said
    assert "Traceback" not in said
    (real.path / sign).unlink(missing_ok=True)  # what a killed holder leaves says nothing
    return subprocess.CompletedProcess(words, process.returncode, out, said)
