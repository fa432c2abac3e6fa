"""What must hold when things go wrong around a daemon: hosts die, versions differ, files are broken."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from daemon_home import ID, MCP, Home, ended, opening, until
from mcp_client import call
from mcp_fake import FakeService
from mcp_session import DEADLINE, MODERN, Session
from served import direct_only

from memdesk import __version__
from memdesk.cli.root import open_service
from memdesk.errors import StoreError
from memdesk.link.address import PROTOCOL
from memdesk.link.client import ServiceClient
from memdesk.link.visit import ask
from memdesk.lock import WriterLock
from memdesk.mcp.hosted import MOST_OPEN
from memdesk.mcp.render import MOST_TOKENS
from memdesk.memory import Draft, new_id, now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memdesk.service import Service

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
SOON = 10.0
MEGABYTE = 1 << 20
SCRIPT = [str(Path(sys.executable).with_name("memdesk")), "mcp"]
MODULE = [sys.executable, "-P", "-m", "memdesk", "mcp"]
OTHER = (
    "import sys, memdesk; memdesk.__version__ = '{version}'\n"
    "import memdesk.link.address; memdesk.link.address.PROTOCOL = {protocol}\n"
    "sys.argv[0] = 'memdesk'\n"
    "from memdesk.__main__ import main\n"
    "sys.exit(main())\n"
)
"""A program that is a memdesk of another version, which greets in another way."""
COUNTED = (
    "import sys\n"
    "if {'run', '--detached'} <= set(sys.orig_argv):\n"
    "    print('started', file=open(%r, 'a'))\n"
)
"""What each Python does first; a daemon signs a list."""


@pytest.fixture
def real() -> Iterator[Home]:
    """A store's folder for real daemons, which end with the test."""
    home = Home()
    yield home
    home.close()


def _lines(count: int, method: str, params: object = None) -> bytes:
    """Return what a host says that opens its session and asks the same thing many times."""
    asked = [("initialize", opening("raw-host"))] + [(method, params or {})] * count
    told = [{"jsonrpc": "2.0", "id": n, "method": a, "params": b} for n, (a, b) in enumerate(asked)]
    return b"".join(json.dumps(each).encode() + b"\n" for each in told)


@contextmanager
def _piped(home: Home) -> Iterator[subprocess.Popen[bytes]]:
    """Give a host's server of which nothing is read but what the test reads itself."""
    with subprocess.Popen(
        MCP, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | home.env
    ) as shim:
        try:
            yield shim
        finally:
            shim.kill()


def _say(shim: subprocess.Popen[bytes], data: bytes) -> None:
    """Write everything, or what the server takes before it is killed."""
    assert shim.stdin
    left = memoryview(data)
    with suppress(BrokenPipeError):
        while left:
            left = left[os.write(shim.stdin.fileno(), left) :]


def _most_open(home: Home) -> int:
    told: dict[str, Any] = ask(str(home.path), {"do": "status"}) or {"guests": []}
    return max([guest["open"] for guest in told["guests"]], default=0)


def _forbid_daemons(home: Home) -> None:
    """Kill the daemon and let no other say where it is."""
    pid = home.daemon
    (home.path / "daemon.json").unlink()
    (home.path / "daemon.json").mkdir()
    with suppress(ProcessLookupError):  # it may have seen that and left
        os.kill(pid, signal.SIGKILL)
    assert ended(pid, DEADLINE)


# Hosts that die, wait, or do not read


def test_a_host_that_dies_with_many_requests_open_is_gone(real: Home) -> None:
    """More than the daemon takes in at once, none of them read: no guest is left of it."""
    with _piped(real) as shim:
        _say(shim, _lines(3 * MOST_OPEN, "tools/list"))
        until(lambda: _most_open(real) >= MOST_OPEN)
        shim.kill()
        shim.wait(DEADLINE)
        until(lambda: not real.status()["guests"], SOON)


def test_writes_that_wait_for_the_lock_hold_up_no_other_host(real: Home) -> None:
    """While 40 of one host wait, another one is answered."""
    with real.opened() as writer, real.opened() as reader:
        writer.call("remember", text="tea")
        reader.call("recall", query="tea")
        with WriterLock(real.path / "write.lock", "a test").hold(SOON):
            asked = [
                writer.ask("tools/call", {"name": "remember", "arguments": {"text": f"note {n}"}})
                for n in range(40)
            ]
            until(lambda: _most_open(real) == len(asked))
            for name, arguments in (("recall", {"query": "tea"}), ("profile", {})):
                id = reader.ask("tools/call", {"name": name, "arguments": arguments})
                assert not reader.wait(id, SOON)["result"].get("isError")
            assert _most_open(real) == len(asked)
        assert all(not writer.wait(id)["result"].get("isError") for id in asked)


def test_a_host_that_has_closed_its_input_gets_every_answer_whole(real: Home) -> None:
    """The server stays until its host has taken the last line, however long that takes it."""
    with _piped(real) as shim:
        assert shim.stdin
        assert shim.stdout
        fcntl.fcntl(shim.stdout, fcntl.F_SETPIPE_SZ, 4096)  # less than one answer
        _say(shim, _lines(60, "tools/list"))
        shim.stdin.close()
        lines = [shim.stdout.readline() for _ in range(60)]
        assert not ended(shim.pid, 1.5)
        lines.append(shim.stdout.readline())
        assert len(lines[-1]) > 4096
        assert sorted(json.loads(line)["id"] for line in lines) == list(range(61))
        assert shim.stdout.read() == b""
        assert shim.wait(SOON) == 0


def test_large_answers_that_nobody_reads_cost_little_memory(real: Home) -> None:
    """The daemon takes in no more requests than it can keep the answers of."""
    with real.opened() as host, _piped(real) as deaf:
        host.call("profile")
        assert ask(str(real.path), {"do": "pause", "duty": "embedding"})
        text = " ".join(f"word{n}" for n in range(6000))
        ids = ID.findall(host.call("remember", text=text))
        arguments = {"ids": ids[:1], "max_tokens": MOST_TOKENS}
        assert len(host.call("get", **arguments)) > 40_000
        before = real.status()["memory"]
        lines = _lines(1500, "tools/call", {"name": "get", "arguments": arguments})
        saying = threading.Thread(target=_say, args=(deaf, lines))
        saying.start()
        until(lambda: _most_open(real) >= MOST_OPEN)
        until(lambda: _idle(real.daemon))
        assert real.status()["memory"] - before < 60 * MEGABYTE
        deaf.kill()
        saying.join(DEADLINE)


def _idle(pid: int) -> bool:
    """Return whether a process has hardly worked in the last third of a second."""
    before = _worked(pid)
    assert not ended(pid, 0.3)
    return _worked(pid) - before < 0.05


def _worked(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_duties_wait_while_a_call_of_a_host_is_worked_on() -> None:
    """They begin when it is answered."""
    service = FakeService(gate=threading.Event())
    seen: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(call, "profile", service)
        assert service.gate
        try:
            assert service.started.wait(SOON)
            service.duties.run("embedding", lambda: seen.append("duty"))
            assert not service.duties.settled(0.3)
        finally:
            service.gate.set()
        assert not asked.result(SOON)[1]
    assert service.duties.settled(SOON)
    assert seen == ["duty"]


# Starting


def test_hosts_that_start_at_once_start_one_daemon(real: Home) -> None:
    """Eight on a folder that does not exist: only one process is ever started to be the daemon."""
    signed = real.folder / "signed"
    (real.folder / "sitecustomize.py").write_text(COUNTED % str(signed))
    real.env["PYTHONPATH"] = f"{real.folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    hosts = [real.host(version=MODERN) for _ in range(8)]
    try:
        asked = [host.ask("server/discover") for host in hosts]
        assert all("result" in host.wait(id) for host, id in zip(hosts, asked, strict=True))
        assert signed.read_text().split() == ["started"]
    finally:
        for host in hosts:
            host.end()


def test_sockets_of_killed_daemons_are_swept_up(real: Home) -> None:
    """Those without anybody behind them go after a minute; another store's daemon keeps its own."""
    other = Home()
    other.env["XDG_RUNTIME_DIR"] = str(real.runtime)
    try:
        with other.opened() as host:
            live = Path(other.address.path)
            dead, young = live.with_name("dead"), live.with_name("young")
            for path in (dead, young):
                with socket.socket(socket.AF_UNIX) as left:
                    left.bind(str(path))
            for path in (dead, live):
                os.utime(path, (time.time() - 70,) * 2)
            real.opened().end()
            assert Path(real.address.path).parent == live.parent
            assert [path.exists() for path in (dead, young, live)] == [False, True, True]
            assert "result" in host.request("ping")
    finally:
        other.close()


@pytest.mark.parametrize("command", [SCRIPT, MODULE], ids=["script", "module"])
def test_a_hosts_own_server_leaves_the_hosts_folder_alone(real: Home, command: list[str]) -> None:
    """Where no daemon can be any more the host is served on, and its project is not imported."""
    project, marker = real.folder / "project", real.folder / "marker"
    project.mkdir()
    (project / "platformdirs.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    code = f"import os; os.chdir({str(project)!r}); os.execv({command[0]!r}, {command!r})"
    with Session([sys.executable, "-c", code], env=real.env) as host:
        host.open()
        _forbid_daemons(real)
        host.hear("going on without a daemon: ")
        assert "Remembered as" in host.call("remember", text="tea")
        assert not marker.exists()


def test_a_client_whose_daemon_is_gone_for_good_says_so(
    real: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its call fails with an error of memdesk's own."""
    for name, value in real.env.items():
        monkeypatch.setenv(name, value)
    desk = open_service(background=False)
    assert isinstance(desk, ServiceClient)
    assert desk.stats().states == {}
    _forbid_daemons(real)
    with pytest.raises(StoreError, match="no other came"):
        desk.stats()
    desk.close()


def _other(home: Home, version: str, protocol: int) -> Session:
    """Return a daemon of another version in the foreground, once it listens."""
    code = OTHER.format(version=version, protocol=protocol)
    daemon = Session([sys.executable, "-c", code, "daemon", "run"], env=home.env)
    daemon.hear("memdesk listens on")
    return daemon


@pytest.mark.parametrize("version", ["0.0.1", __version__])
def test_a_daemon_of_an_older_protocol_is_replaced(real: Home, version: str) -> None:
    """A new host starts one that it can talk to, whatever the version says."""
    with _other(real, version, PROTOCOL - 1) as older, real.opened() as host:
        assert older.finish(SOON) == 0
        assert real.address.version == __version__
        assert "What is always" in host.call("profile")
        assert host.errors == []


@pytest.mark.parametrize("version", ["9.9.9", __version__, "0.0.1"])
def test_a_daemon_of_a_newer_protocol_is_left_alone(real: Home, version: str) -> None:
    """A host of this version is served in its own process, and told why."""
    with _other(real, version, PROTOCOL + 1) as newer, real.opened() as host:
        host.hear(f"serving without a daemon: the one that serves is memdesk {version}")
        assert "What is always" in host.call("profile")
        assert (real.daemon, newer.process.poll()) == (newer.process.pid, None)


@pytest.mark.parametrize(
    ("version", "protocol"), [("0.0.1", PROTOCOL - 1), ("9.9.9", PROTOCOL + 1)]
)
def test_stop_ends_a_daemon_of_any_protocol(real: Home, version: str, protocol: int) -> None:
    """Whoever wants to be rid of it needs no program of its version."""
    with _other(real, version, protocol) as daemon:
        done = real.command("daemon", "stop")
        assert done.returncode == 0, done.stderr
        assert daemon.finish(SOON) == 0


def test_broken_settings_keep_no_host_from_its_daemon(real: Home) -> None:
    """It has its tools, and the daemon can be seen and stopped: somebody has to mend the file."""
    with real.opened():
        (real.path / "config.toml").write_text("space = [[[\n")
        with real.opened() as host:
            assert host.request("tools/list")["result"]["tools"]
            assert host.errors == []
            assert len(real.status()["guests"]) == 2
            pid = real.daemon
            for word in ("status", "stop"):
                done = real.command("daemon", word)
                assert done.returncode == 0, done.stderr
            assert ended(pid, SOON)


def test_dates_are_meant_in_the_zone_of_who_gives_them(
    real: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever zone the daemon's first host lives in, it stores what a process of one's own would."""
    monkeypatch.delenv("TZ", raising=False)
    zones = {"local": {}, "odd": {"TZ": "EST5"}, "named": {"TZ": "Europe/Berlin"}}
    usual = real.env
    with real.opened(env={"TZ": "Asia/Tokyo"}):
        for name, zone in zones.items():
            real.env = usual | zone
            for words in (["add"], ["--direct", "add"]):
                done = real.command(*words, name + words[0], "--happened-at", "2026-05-08T14:30")
                assert done.returncode == 0, done.stderr
        listed = map(json.loads, real.command("list", "--json").stdout.splitlines())
    stored = {each["text"]: each["happened_at"] for each in listed}
    assert all(stored[f"{name}add"] == stored[f"{name}--direct"] for name in zones)


# A write that is asked for again


def test_what_was_forgotten_after_a_write_was_asked_for_stays_forgotten(
    open_desk: Callable[..., Service],
) -> None:
    """Put again to the next daemon it finds a duplicate; asked for only now it brings it back."""
    desk = open_desk()
    twin = desk.remember(Draft("tea")).id
    change, since = new_id(), now()
    assert desk.remember(Draft("tea"), change=change, since=since).outcome == "duplicate"
    desk.forget([twin])
    assert desk.remember(Draft("tea"), change=change, since=since).outcome == "duplicate"
    assert desk.get([twin])[0].state == "trashed"
    assert desk.remember(Draft("tea"), change=change).outcome == "restored"


@direct_only
def test_a_write_that_was_cut_off_is_found_when_it_is_asked_for_again(
    open_desk: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its host need not wait for the next mending."""
    desk = open_desk(background=False)
    desk.remember(Draft("before"))
    change = new_id()

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(desk._core.store(), "index", crash)
        with pytest.raises(KeyboardInterrupt):
            desk.remember(Draft("lighthouse"), change=change)
    made = desk.remember(Draft("lighthouse"), change=change)
    assert desk.recall("lighthouse").hits[0].memory.id == made.id
    assert [memory.text for memory in desk.list().memories].count("lighthouse") == 1


def test_a_reindex_that_was_given_up_gets_its_vectors_back(
    open_desk: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The background embeds what it had rebuilt so far."""
    monkeypatch.setattr("memdesk.store.table._BATCH", 4)
    desk = open_desk(background=True)
    desk.remember_many([Draft(f"note {n}") for n in range(40)])
    until(lambda: not desk.stats().pending, SOON)

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.reindex(stop)
    until(lambda: not desk.stats().pending, SOON)
    assert desk.recall("note 1").degraded is None
