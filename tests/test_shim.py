"""`memdesk mcp` between a host and a daemon: what it imports, what it tells a new daemon, its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import pytest
from daemon_home import ID, MCP, OLD, FakeDaemon, Home, Line, ended
from mcp_session import DEADLINE, MODERN, Session

from memdesk import __version__
from memdesk.link.address import PROTOCOL, default_home
from memdesk.shim import LONGEST

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
ROOT = str(Path(__file__).parents[1])
AT_ONCE = 1.0
"""Seconds within which a shim ends with its host."""
SOON = 10.0
"""Seconds within which a host has its answer when a daemon was killed over it."""
ALLOWED = frozenset(
    [
        "abc",
        "array",
        "codecs",
        "collections",
        "collections.abc",
        "contextlib",
        "copyreg",
        "encodings",
        "encodings.aliases",
        "encodings.utf_8",
        "enum",
        "errno",
        "fcntl",
        "functools",
        "genericpath",
        "importlib",
        "importlib._abc",
        "importlib._bootstrap",
        "importlib._bootstrap_external",
        "importlib.machinery",
        "importlib.util",
        "io",
        "itertools",
        "json",
        "json.decoder",
        "json.encoder",
        "json.scanner",
        "keyword",
        "marshal",
        "math",
        "operator",
        "os",
        "pkgutil",
        "posix",
        "posixpath",
        "re",
        "re._casefix",
        "re._compiler",
        "re._constants",
        "re._parser",
        "reprlib",
        "runpy",
        "select",
        "selectors",
        "signal",
        "socket",
        "stat",
        "threading",
        "time",
        "types",
        "warnings",
        "weakref",
        "zipimport",
        "memdesk",
        "memdesk.link",
        "memdesk.link.address",
        "memdesk.link.host",
        "memdesk.link.start",
        "memdesk.link.visit",
        "memdesk.shim",
    ]
)
"""What a warm start may import, the interpreter's own imports included."""


@pytest.fixture
def home() -> Iterator[Home]:
    """A store's folder; its daemon ends with the test."""
    home = Home()
    yield home
    home.close()


@pytest.fixture
def fake(home: Home) -> Iterator[FakeDaemon]:
    """A daemon that the test itself is."""
    with FakeDaemon(home) as fake:
        yield fake


@pytest.fixture
def host(home: Home, fake: FakeDaemon) -> Iterator[Session]:
    """A host whose shim finds the fake daemon."""
    with home.host() as host:
        yield host


def _tool(host: Session, name: str, **arguments: object) -> int:
    return host.ask("tools/call", {"name": name, "arguments": arguments})


def test_a_warm_start_imports_little_and_only_of_the_standard_library(
    home: Home, fake: FakeDaemon
) -> None:
    """From its first line to its last, the shim has not imported a module that is not listed."""
    command = [sys.executable, "-S", "-X", "importtime", "-m", "memdesk", "mcp"]
    with Session(command, env=home.env | {"PYTHONPATH": ROOT}) as host:
        with fake.receive_open(host) as line:
            asked = host.ask("tools/list")
            line.answer(line.next())
            host.wait(asked)
            host.leave()
            assert not line.link.recv(1)
        assert host.finish(DEADLINE) == 0
        said = [each.rpartition("|")[2].strip() for each in host.errors if "|" in each]
    imported = {name for name in said if not name.startswith("_")} - {"imported package"}
    assert "memdesk.shim" in imported
    assert imported - ALLOWED == set()


@pytest.mark.parametrize("chosen", [None, "", " ", "data", "/srv/data", "/srv/data/", "~/data"])
def test_the_usual_home_is_platformdirs(
    chosen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shim finds the folder that the settings name, without their library."""
    monkeypatch.setenv("HOME", "/home/anna")
    if chosen is None:
        monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_DATA_HOME", chosen)
    wanted = platformdirs.user_data_dir("memdesk", appauthor=False)
    assert Path(default_home()) == Path(wanted)


# What a new daemon is told


def test_a_new_daemon_hears_where_the_session_stands(host: Session, fake: FakeDaemon) -> None:
    """It hears the opening under an id of the shim's, then what the host said, then open requests."""
    with fake.receive_open(host) as line:
        nonce = line.greeting["nonce"]
        assert line.greeting.get("again", []) == []
        done = _tool(host, "get", ids=["a"])
        line.answer(line.next())
        host.wait(done)
        open_ = [_tool(host, "recall", query=f"q{n}") for n in range(3)]
        assert [line.next()["id"] for _ in open_] == open_
    with fake.receive() as line:
        assert line.greeting["nonce"] == nonce
        assert [id for id, _ in line.greeting["again"]] == open_
        told = [line.next() for _ in range(5)]
        assert [each["method"] for each in told[:2]] == ["initialize", "notifications/initialized"]
        assert told[0]["params"]["clientInfo"]["name"] == host.client
        assert [each["params"]["arguments"]["query"] for each in told[2:]] == ["q0", "q1", "q2"]
        for each in told[:1] + told[2:]:
            line.answer(each, said=each["id"])
        for id in open_:
            assert host.wait(id)["result"] == {"said": id}
    assert set(host.answers) == {1, done, *open_}
    assert len(host.lines) == len(host.answers)


def test_an_opening_that_was_not_answered_is_told_under_its_own_id(
    host: Session, fake: FakeDaemon
) -> None:
    """A daemon that dies over `initialize` costs the host nothing."""
    id = host.ask("initialize", {})
    with fake.receive() as line:
        assert line.next()["id"] == id
    with fake.receive() as line:
        asked = line.next()
        assert asked["id"] == id
        line.answer(asked, ok=True)
        assert host.wait(id)["result"] == {"ok": True}


def test_a_session_without_an_opening_is_told_its_requests_alone(
    home: Home, fake: FakeDaemon
) -> None:
    """Hosts of the modern era have no opening to repeat."""
    with home.host(version=MODERN) as host:
        asked = host.ask("server/discover")
        with fake.receive() as line:
            assert line.next()["id"] == asked
        with fake.receive() as line:
            line.answer(line.next(), ok=True)
            assert host.wait(asked)["result"] == {"ok": True}


def test_a_line_that_a_daemon_began_is_dropped(host: Session, fake: FakeDaemon) -> None:
    """The host sees whole lines only, and the answer of the daemon that is there."""
    with fake.receive_open(host) as line:
        id = _tool(host, "get", ids=["a"])
        line.next()
        line.link.sendall(b'{"jsonrpc":"2.0","id":%d,"result":{"half":' % id)
    with fake.receive() as line:
        line.answer(line.next())
        line.next()
        line.answer(line.next(), whole=True)
        assert host.wait(id)["result"] == {"whole": True}


def test_answers_to_a_dead_daemon_are_dropped(host: Session, fake: FakeDaemon) -> None:
    """A new daemon hears nothing of what another one asked the host; its own question is answered."""
    ping = {"jsonrpc": "2.0", "id": 7, "method": "ping"}
    with fake.receive_open(host) as line:
        line.link.sendall(b'{"jsonrpc":"2.0","id":7,"method":"ping"}\n')
        id = _tool(host, "get", ids=["a"])
        line.next()
        line.answer({"id": "nobody asked"})
        _line_of(host, "nobody asked")
    with fake.receive() as line:
        opening = line.next()
        assert [line.next()["method"] for _ in range(2)][1] == "tools/call"
        host.send({"jsonrpc": "2.0", "id": 7, "result": {"of": "the dead"}})
        line.link.sendall(b'{"jsonrpc":"2.0","id":8,"method":"ping"}\n')
        line.answer(opening)
        line.say({"jsonrpc": "2.0", "id": id, "result": {}})
        host.wait(id)
        host.send({"jsonrpc": "2.0", "id": 8, "result": {"of": "the living"}})
        assert line.next()["result"] == {"of": "the living"}
    assert ping["id"] == 7


def _line_of(host: Session, words: str) -> None:
    """Take lines in until one holds the words."""
    while not any(words in line for line in host.lines):
        line = host._arrived.get(timeout=DEADLINE)
        assert line is not None
        host._take(line)


def test_a_cancelled_request_is_not_asked_again(host: Session, fake: FakeDaemon) -> None:
    """What the host no longer wants is not done by the next daemon."""
    with fake.receive_open(host) as line:
        unwanted, wanted = _tool(host, "recall", query="a"), _tool(host, "recall", query="b")
        note = {"method": "notifications/cancelled", "params": {"requestId": unwanted}}
        host.send({"jsonrpc": "2.0", **note})
        assert [line.next().get("id") for _ in range(3)] == [unwanted, wanted, None]
    with fake.receive() as line:
        line.answer(line.next())
        line.next()
        asked = line.next()
        assert asked["id"] == wanted
        line.answer(asked)
        host.wait(wanted)


def test_a_request_that_kills_three_daemons_is_answered_with_an_error(
    host: Session, fake: FakeDaemon
) -> None:
    """It is not put to a fourth, and the session goes on."""
    with fake.receive_open(host) as line:
        deadly = _tool(host, "recall", query="deadly")
        line.next()
    for _ in range(2):
        with fake.receive() as line:
            assert [line.next().get("id") for _ in range(3)][-1] == deadly
    error = host.wait(deadly)["error"]
    assert error["code"] == -32603
    assert "ended unexpectedly" in error["message"]
    with fake.receive() as line:
        line.answer(line.next())
        line.next()
        harmless = _tool(host, "recall", query="harmless")
        asked = line.next()
        assert asked["id"] == harmless
        line.answer(asked)
        host.wait(harmless)


def test_a_changed_list_of_tools_is_announced(host: Session, fake: FakeDaemon) -> None:
    """The host is told when the new daemon has other tools, and only then."""
    with fake.receive_open(host):
        pass
    same = {"memdesk": PROTOCOL, "version": "9.9", "pid": 1, "tools": "core"}
    with fake.receive(same) as line:
        assert line.next()["method"] == "initialize"
    with fake.receive(same | {"tools": "more"}) as line:
        _line_of(host, "notifications/tools/list_changed")
        line.answer(line.next())
        line.next()
        id = host.ask("tools/list")
        line.answer(line.next())
        host.wait(id)
    assert [("list_changed" in each) for each in host.lines] == [False, True, False]


def test_a_daemon_of_another_protocol_is_not_used(host: Session, fake: FakeDaemon) -> None:
    """The host is served in its server's own process, and told why on standard error."""
    fake.receive({"memdesk": 99, "version": "9.9"}).link.close()
    host.open()
    host.hear("serving without a daemon: the one that serves is memdesk 9.9")
    assert len(host.request("tools/list")["result"]["tools"]) == 6


def test_a_session_goes_on_where_no_daemon_can_be_had_any_more(
    host: Session, fake: FakeDaemon
) -> None:
    """A server of the host's own takes the session over, opened and with its open requests."""
    with fake.receive_open(host) as line:
        id = host.ask("tools/list")
        line.next()
    fake.receive({"memdesk": 99, "version": "9.9"}).link.close()
    assert len(host.wait(id)["result"]["tools"]) == 6
    host.hear("going on without a daemon: the one that serves is memdesk 9.9")
    host.leave()
    assert host.finish(DEADLINE) == 0
    assert set(host.answers) == {1, id}


def test_a_refusal_ends_the_server_with_a_sentence(home: Home, fake: FakeDaemon) -> None:
    """Arguments that the daemon refuses are the person's to correct."""
    with home.host("--tools", "all") as host:
        told = {"memdesk": PROTOCOL, "version": __version__, "pid": os.getpid()}
        no = ["Invalid", "--tools", "there is only core"]
        with fake.receive(told | {"refused": no}) as line:
            assert line.greeting["tools"] == "all"
        assert host.finish(DEADLINE) == 2
        assert host.errors == ["memdesk mcp: --tools: there is only core\n"]


def test_bad_arguments_are_refused_by_the_real_daemon_as_in_process(home: Home) -> None:
    """The sentence is the same whoever says it."""
    said = []
    for more in ((), ("--direct",)):
        with home.host("--space", "../up", *more) as host:
            assert host.finish(DEADLINE) == 2
            said.append(host.errors)
    assert said[0] == said[1]
    assert "--space" in said[0][0]


# When the real daemon is killed


@pytest.mark.parametrize("version", [OLD, MODERN])
def test_a_killed_daemon_is_replaced(home: Home, version: str) -> None:
    """Killed between requests and over one, the host has every answer once, within seconds."""
    with home.host(version=version) as host:
        host.open()
        first = home.daemon
        home.kill()
        host.wait(host.ask("tools/list"), SOON)
        second = home.daemon
        os.kill(second, signal.SIGSTOP)
        asked = [
            host.ask("tools/list"),
            _tool(host, "remember", text="tea"),
            host.ask("tools/list"),
        ]
        home.kill()
        for id in asked:
            assert "result" in host.wait(id, SOON)
        assert len({first, second, home.daemon}) == 3
        host.leave()
        assert host.finish(DEADLINE) == 0
    assert len(host.lines) == len(host.answers)
    assert "-opening" not in "".join(host.lines)


def test_a_write_that_landed_before_the_kill_is_done_once(home: Home) -> None:
    """Its first result is the answer, and what another host forgot meanwhile does not come back."""
    with home.opened() as other, FakeDaemon(home, beside=home.address) as fake, home.host() as host:
        line = fake.receive_open(host)
        asked = [_tool(host, "remember", text=text) for text in ("tea at four", "bread at six")]
        with fake.real(line.greeting) as real:
            first = [real.ask(id, "tools/call", line.next()["params"])["result"] for id in asked]
        forgotten, kept = (ID.findall(str(each))[0] for each in first)
        other.call("forget", ids=[forgotten])
        fake.give_way()
        home.kill()
        line.link.close()
        assert [host.wait(id, SOON)["result"] for id in asked] == first
        assert "state trashed" in other.call("get", ids=[forgotten])
        recent = str(host.request("resources/read", {"uri": "memories://recent"}))
        assert (recent.count("| bread at six"), recent.count("tea at four")) == (1, 0)
        assert f"{kept} ·" in recent


# Its end


@contextmanager
def _piped(
    home: Home, *, answered: bool = True
) -> Iterator[tuple[subprocess.Popen[bytes], int, int]]:
    """Yield a host process, its shim once that has answered, and a pipe's end that is theirs too."""
    out, into = os.pipe()
    code = (
        "import subprocess, sys\n"
        "shim = subprocess.Popen([sys.executable, '-m', 'memdesk', 'mcp'], stdin=int(sys.argv[1]),"
        " stdout=subprocess.PIPE)\n"
        "shim.stdout.readline() if sys.argv[2] == 'True' else None\n"
        "print(shim.pid, flush=True)\n"
        "shim.wait()\n"
    )
    with open(into, "wb", closefd=False) as pipe:
        pipe.write(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
    host = subprocess.Popen(
        [sys.executable, "-c", code, str(out), str(answered)],
        stdout=subprocess.PIPE,
        env=os.environ | home.env,
        pass_fds=[out],
    )
    os.close(out)
    assert host.stdout
    try:
        yield host, int(host.stdout.readline()), into
    finally:
        host.kill()
        host.wait()
        host.stdout.close()
        os.close(into)


def test_a_shim_ends_with_a_host_that_is_killed(home: Home) -> None:
    """Even while another process still holds the end of the pipe that the host wrote to."""
    with _piped(home) as (host, shim, _):
        os.kill(host.pid, signal.SIGKILL)
        assert ended(shim, AT_ONCE)


@pytest.mark.parametrize("way", ["closes its input", "closes its output", "is told to end"])
def test_a_shim_ends_with_its_session(home: Home, way: str) -> None:
    """It ends within a second, by whichever end the host leaves, and the daemon stays."""
    with subprocess.Popen(
        MCP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | home.env
    ) as shim:
        assert shim.stdin
        assert shim.stdout
        ping = b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'
        shim.stdin.write(ping)
        shim.stdin.flush()
        assert b'"id":1' in shim.stdout.readline()
        if way == "closes its input":
            shim.stdin.close()
        elif way == "closes its output":
            shim.stdout.close()
            shim.stdin.write(ping)
            shim.stdin.flush()
        else:
            shim.terminate()
        assert ended(shim.pid, AT_ONCE)
    assert not ended(home.daemon, 0)


def test_a_shim_ends_with_its_host_also_while_the_daemon_hangs(home: Home) -> None:
    """A stopped daemon keeps nobody."""
    with _piped(home) as (host, shim, held):
        os.kill(home.daemon, signal.SIGSTOP)
        os.write(held, b'{"jsonrpc":"2.0","id":2,"method":"ping"}\n')
        os.kill(host.pid, signal.SIGKILL)
        assert ended(shim, AT_ONCE)


def test_a_shim_ends_with_its_host_also_while_it_waits_for_a_daemon(
    home: Home, fake: FakeDaemon
) -> None:
    """Nobody is left who could want what it waits for."""
    with (
        _piped(home, answered=False) as (host, shim, _),
        Line(fake.link.accept()[0]) as line,
    ):
        assert line.next()["pid"] == shim
        os.kill(host.pid, signal.SIGKILL)
        assert ended(shim, AT_ONCE)


# What is too much


def test_the_longest_line_is_answered_and_one_longer_is_refused(home: Home) -> None:
    """Each under its own id, and the session goes on."""
    with home.opened() as host:
        for longer, code in ((0, None), (1, -32600), (5, -32600)):
            host._next += 1
            head = b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":' % host._next
            head += b'{"name":"remember","arguments":{"text":"'
            tail = b'"}}}\n'
            host.send_raw(head)
            host.send_raw(b"x" * (LONGEST - len(head) - len(tail) + longer))
            host.send_raw(tail)
            answer = host.wait(host._next)
            assert answer.get("error", {}).get("code") == code
            if code is None:
                assert "text: is " in answer["result"]["content"][0]["text"]
        assert "tools" in host.request("tools/list")["result"]
