"""However its host dies, a server ends within two seconds, and what it acknowledged is there."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Self

import psutil
import pytest
from daemon_home import MCP, Home, ended, opening, until

from memdesk.memory import Filter
from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHIN = 2.0
WAYS = {"shim": MCP, "direct": [*MCP, "--direct"]}
RELAY = """\
import json, os, subprocess, sys
told = json.loads(sys.argv[1])
server = subprocess.Popen(
    told["command"], stdin=told["out"], stdout=subprocess.PIPE, env=os.environ | told["env"]
)
print(server.pid, flush=True)
for line in server.stdout:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
server.wait()
"""
"""A host that starts a server and passes its answers on; what it is asked comes from the test."""


class Host:
    """A host process that may be killed, and the end of its pipe that somebody else holds, too."""

    def __init__(self, home: Home, command: list[str]) -> None:
        out, self._into = os.pipe()
        told = {"command": command, "out": out, "env": home.env}
        self.process = subprocess.Popen(
            [sys.executable, "-c", RELAY, json.dumps(told)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            pass_fds=[out],
        )
        os.close(out)
        assert self.process.stdout
        self.server = int(self.process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()
        os.close(self._into)

    def ask(self, id: int, method: str, **params: object) -> None:
        """Ask the server."""
        message = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
        os.write(self._into, json.dumps(message).encode() + b"\n")

    def hear(self) -> dict[str, Any]:
        """Return the next answer."""
        assert self.process.stdout
        told: dict[str, Any] = json.loads(self.process.stdout.readline())
        return told

    def open(self) -> None:
        """Open the session."""
        self.ask(1, "initialize", **opening("dying"))
        assert self.hear()["id"] == 1
        message = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        os.write(self._into, json.dumps(message).encode() + b"\n")

    def remember(self, id: int) -> None:
        """Ask that a note of this number is stored."""
        arguments = {"text": f"note {id}"}
        self.ask(id, "tools/call", name="remember", arguments=arguments)

    def stored(self) -> object:
        """Return the id of the next answer, which says that something is stored."""
        told = self.hear()
        assert not told["result"].get("isError"), told
        return told["id"]

    def kill(self) -> None:
        """Die without a word."""
        os.kill(self.process.pid, signal.SIGKILL)


@pytest.fixture
def home() -> Iterator[Home]:
    """Return a store's folder; its processes end with the test."""
    home = Home()
    yield home
    home.close()


@pytest.fixture(params=WAYS)
def command(request: pytest.FixtureRequest) -> list[str]:
    """Return how the host starts its server."""
    return list(WAYS[request.param])


def servers(home: Home) -> list[psutil.Process]:
    """Return the processes that work on the store, but for its daemon and maintenance."""
    found = []
    for process in psutil.process_iter():
        try:
            mine = process.environ().get("MEMDESK_HOME") == str(home.path)
            if mine and not {"daemon", "maintain"} & set(process.cmdline()):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def all_ended(processes: list[psutil.Process]) -> bool:
    """Tell whether all of some processes end in time."""
    assert processes
    ends = time.monotonic() + WITHIN
    return all(ended(each.pid, max(0.0, ends - time.monotonic())) for each in processes)


def texts(home: Home) -> list[str]:
    """Return the texts of the store's memories."""
    service = Service(home.path, None, background=False)
    found = [memory.text for memory in service.list(where=Filter(), limit=1000).memories]
    service.close()
    return found


def test_a_host_that_is_killed_while_somebody_holds_its_pipe(
    home: Home, command: list[str]
) -> None:
    """The end of input never comes, and the server ends all the same; no other one is left."""
    with Host(home, command) as host:
        host.open()
        left = servers(home)
        host.kill()
        assert all_ended(left)
        assert servers(home) == []


def test_a_host_that_dies_before_it_says_anything(home: Home, command: list[str]) -> None:
    """Its server is still at its imports and ends."""
    with Host(home, command) as host:
        server = psutil.Process(host.server)
        until(lambda: server.num_threads() > 1)
        left = servers(home)
        host.kill()
        assert all_ended(left)


def test_a_host_that_dies_in_the_middle_of_writes(home: Home, command: list[str]) -> None:
    """What it heard of is there, and nothing is there twice."""
    with Host(home, command) as host:
        host.open()
        for id in range(10, 40):
            host.remember(id)
        heard = [host.stored() for _ in range(5)]
        left = servers(home)
        host.kill()
        assert all_ended(left)
    found = texts(home)
    assert {f"note {id}" for id in heard} <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell who has our input")
def test_a_host_behind_a_shell_that_is_killed(home: Home, command: list[str]) -> None:
    """The shell between them lives as long as the server, which looks past it."""
    with Host(home, ["sh", "-c", f"{shlex.join(command)}; true"]) as host:
        host.open()
        left = servers(home)
        assert len(left) == 2
        host.kill()
        assert all_ended(left)


def test_a_shell_that_is_killed(home: Home, command: list[str]) -> None:
    """Without the wrapper the host does not know its server any more."""
    with Host(home, ["sh", "-c", f"{shlex.join(command)}; true"]) as host:
        host.open()
        left = servers(home)
        os.kill(host.server, signal.SIGKILL)
        assert all_ended(left)


def test_a_host_that_closes_its_input_only(home: Home, command: list[str]) -> None:
    """A server whose answers nobody takes ends with the first of them, or at once."""
    out, into = os.pipe()
    with subprocess.Popen(
        command,
        stdin=out,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | home.env,
    ) as server:
        os.close(out)
        assert server.stdout
        os.write(into, b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
        assert b'"id":1' in server.stdout.readline()
        server.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            os.write(into, b'{"jsonrpc":"2.0","id":2,"method":"ping"}\n')
        try:
            assert server.wait(WITHIN) in (0, 1)
        finally:
            os.close(into)
