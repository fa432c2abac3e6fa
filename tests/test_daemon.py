"""One daemon per store, with real processes: how it starts, whom it serves, and when it leaves."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from daemon_home import AS_OLDER, ID, MCP, Home, ended, opening, until
from mcp_session import DEADLINE, MODERN, Session

from memdesk import __version__
from memdesk.daemon import reception
from memdesk.daemon.guests import Guests
from memdesk.daemon.house import House
from memdesk.link import address, visit
from memdesk.link.visit import NoDaemon, dismiss, hello
from memdesk.workplace import Workplaces

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
LEFT = 2.0
"""Seconds within which a daemon that was told to leave has left."""
SOON = 10.0
MEGABYTE = 1 << 20
PING = b'{"jsonrpc":"2.0","id":%d,"method":"ping"}\n'


@pytest.fixture
def home() -> Iterator[Home]:
    """A store's folder; its daemon ends with the test."""
    home = Home()
    yield home
    home.close()


@pytest.fixture(scope="module")
def served() -> Iterator[Home]:
    """A store whose daemon all tests share that leave it as it is."""
    home = Home()
    with home.opened() as host:
        host.call("recall", query="tea")  # the model is in memory from here on
    yield home
    home.close()


def _fds(pid: int) -> dict[int, str]:
    """Return what a process has open; some may close while one looks."""
    told = {}
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            told[int(each.name)] = str(each.readlink())
    return told


# How it starts


def test_hosts_that_start_at_once_share_one_daemon(home: Home) -> None:
    """Eight on a folder that does not exist are all answered, and only one daemon ever ran."""
    hosts = [home.host(version=MODERN) for _ in range(8)]
    try:
        asked = [host.ask("server/discover") for host in hosts]
        assert all("result" in host.wait(id) for host, id in zip(hosts, asked, strict=True))
        assert home.daemons() == [home.daemon]
        assert home.log().count(" serves ") == 1
        assert len(home.status()["guests"]) == 8
    finally:
        for host in hosts:
            host.end()


def test_a_daemon_is_nobodys_child_and_inherits_nothing(home: Home) -> None:
    """A host that ends its whole tree of processes, or unmounts its folder, does not meet it."""
    out, into = os.pipe()
    with subprocess.Popen(
        MCP,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | home.env,
        cwd=home.folder,
        pass_fds=[into],
    ) as shim:
        assert shim.stdin
        assert shim.stdout
        shim.stdin.write(PING % 1)
        shim.stdin.flush()
        shim.stdout.readline()
        pid = home.daemon
        inherited = str(Path(f"/proc/self/fd/{into}").readlink())
        assert inherited in _fds(shim.pid).values()
        assert os.getsid(pid) not in (os.getsid(0), os.getsid(shim.pid))
        shims = set(_fds(shim.pid).values())
        shim.stdin.close()
    told = _fds(pid)
    parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    assert int(parent) not in (shim.pid, os.getpid())
    assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
    assert not [link for link in told.values() if link.startswith("pipe:") and link in shims]
    assert [told[0], told[1]] == [os.devnull] * 2
    assert told[2] == str(home.path / "daemon.out")
    os.close(out)
    os.close(into)


def test_only_its_user_reaches_it_and_nothing_listens_on_a_network(served: Home) -> None:
    """The socket and the address are the user's own, and there is no other way in."""
    path = Path(served.address.path)
    assert stat.S_IMODE(path.lstat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.lstat().st_mode) == 0o700
    assert stat.S_IMODE((served.path / "daemon.json").lstat().st_mode) == 0o600
    links = _fds(served.daemon).values()
    own = {link[8:-1] for link in links if link.startswith("socket:[")}
    network = {
        line.split()[9]
        for name in ("tcp", "tcp6", "udp", "udp6")
        for line in Path(f"/proc/{served.daemon}/net/{name}").read_text().splitlines()[1:]
    }
    assert own
    assert own & network == set()


@pytest.mark.parametrize(
    "left",
    [
        "",
        "not JSON",
        "[]",
        '{"path": 1}',
        '{"path": "/nowhere/at/all", "pid": 1, "started": 0, "version": "0.1.0"}',
        '{"path": "%(deaf)s", "pid": %(own)d, "started": 0, "version": "0.1.0"}',
        '{"path": "%(file)s", "pid": 1, "started": 0, "version": "0.1.0"}',
        '{"path": "%(long)s", "pid": 1, "started": 0, "version": "0.1.0"}',
        '{"path": "%(file)s/below", "pid": 1, "started": 0, "version": "0.1.0"}',
    ],
)
def test_what_a_dead_daemon_left_behind_is_no_obstacle(home: Home, left: str) -> None:
    """Whatever its address says, a host gets a new daemon."""
    home.path.mkdir()
    deaf, file = home.folder / "deaf", home.folder / "file"
    with socket.socket(socket.AF_UNIX) as unheard:
        unheard.bind(str(deaf))
    file.touch()
    places = {"deaf": deaf, "own": os.getpid(), "file": file, "long": "/x" * 80}
    (home.path / "daemon.json").write_text(left % places)
    with home.opened() as host:
        assert host.errors == []
        assert home.daemons() == [home.daemon]


def test_a_socket_that_was_left_behind_is_replaced(home: Home) -> None:
    """A killed daemon's socket and address lie there; the next one takes both over."""
    home.opened().end()
    before = home.address
    home.kill()
    assert Path(before.path).is_socket()
    with home.opened() as host:
        assert host.errors == []
        assert home.address.path == before.path
        assert home.address.pid != before.pid


def test_a_runtime_folder_that_cannot_be_used_is_passed_over(home: Home) -> None:
    """The next one is taken: that for temporary files, or the store's own."""
    file = home.folder / "file"
    file.touch()
    temporary = home.folder / "t"
    temporary.mkdir()
    with home.opened(env={"XDG_RUNTIME_DIR": str(file), "TMPDIR": str(temporary)}) as host:
        assert host.errors == []
        assert Path(home.address.path).parent == temporary / f"memdesk-{os.getuid()}"
        home.kill()
        (temporary / f"memdesk-{os.getuid()}").rename(home.folder / "away")
        (temporary / f"memdesk-{os.getuid()}").touch()
        host.request("ping")
        assert Path(home.address.path).parent == home.path / "run"


def test_without_any_folder_for_a_socket_a_host_is_served_in_its_own_process(home: Home) -> None:
    """Standard error says why, and no daemon is there."""
    far = home.folder / ("far" * 40)
    far.mkdir()
    home.path = far / "home"
    home.env |= {"MEMDESK_HOME": str(home.path), "XDG_RUNTIME_DIR": "", "TMPDIR": str(far)}
    with home.opened() as host:
        host.hear("serving without a daemon: there is no folder for the daemon's socket")
        assert "tools" in host.request("tools/list")["result"]
        assert home.daemons() == []


@pytest.mark.parametrize("trouble", ["nothing can be written", "a folder is in the way"])
def test_on_a_full_disk_a_host_is_served_in_its_own_process(home: Home, trouble: str) -> None:
    """A daemon that cannot say where it is leaves at once."""
    within: dict[str, Any] = {}
    if trouble == "nothing can be written":
        code = (
            "import os, resource, sys\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
            "os.execv(sys.executable, [sys.executable, '-m', 'memdesk', 'mcp'])\n"
        )
        within["command"] = [sys.executable, "-c", code]
    else:
        (home.path / "daemon.json").mkdir(parents=True)
        within["command"] = MCP
    with Session(within["command"], env=home.env) as host:
        host.open()
        host.hear("serving without a daemon: ")
        assert "tools" in host.request("tools/list")["result"]
        assert home.daemons() == []


@pytest.mark.parametrize("how", ["--direct", "MEMDESK_DIRECT"])
def test_no_daemon_is_started_where_none_is_wanted(home: Home, how: str) -> None:
    """Neither for a host nor for a command."""
    direct = {"MEMDESK_DIRECT": "1"} if how == "MEMDESK_DIRECT" else {}
    options = [] if direct else ["--direct"]
    with home.opened(*options, env=direct):
        home.env |= direct
        assert home.command(*options, "add", "tea").returncode == 0
        assert home.daemons() == []
        assert not (home.path / "daemon.json").exists()


# Whom it serves


def test_a_process_of_another_user_is_turned_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hears nothing, not even a welcome, and no program of ours would talk to its daemon."""
    monkeypatch.setattr(reception, "peer", lambda _: (1, os.getuid() + 1))
    doorkeeper = reception.Reception(None, Guests(), lambda: None)  # type: ignore[arg-type]

    async def visit() -> bytes:
        path = tmp_path / "s"
        async with await asyncio.start_unix_server(doorkeeper.accept, path):
            reader, writer = await asyncio.open_unix_connection(path)
            heard = await reader.read()
            writer.close()
            return heard

    assert asyncio.run(visit()) == b""
    monkeypatch.setattr(address, "peer", lambda _: (1, os.getuid() + 1))
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(tmp_path / "t"))
        stranger.listen()
        with pytest.raises(PermissionError, match="another user"):
            address.connect(address.Address(str(tmp_path / "t"), 1, 0.0, "1"), SOON)


def test_folders_that_never_answer_hold_up_no_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host in one has the usual space soon; more of them than asyncio has threads change nothing."""
    monkeypatch.setattr(reception, "_TELLS_WITHIN", 0.2)
    answers = threading.Event()

    class Slow(Workplaces):
        def space_of(self, folder: str) -> str:
            return "web" if folder == "/web" else str(answers.wait(SOON))

    house = House(None, lambda: Slow("usual"))  # type: ignore[arg-type]
    front = reception.Reception(house, Guests(), lambda: None)

    async def visit() -> list[str]:
        told = [front._space_of(folder) for folder in (*["/dead"] * 40, "/web")]
        return await asyncio.wait_for(asyncio.gather(*told), SOON / 2)

    try:
        assert asyncio.run(visit()) == ["usual"] * 40 + ["web"]
    finally:
        answers.set()


def test_status_names_the_hosts_and_the_duties(served: Home) -> None:
    """Who is connected, from where, for which space, and what is done beside them."""
    with served.opened("--space", "website", client="editor") as host:
        told = json.loads(served.command("daemon", "status", "--json").stdout)
        assert told["running"] is True
        assert told["pid"] == served.daemon
        assert told["leaves_in"] is None
        [guest] = told["guests"]
        assert guest["name"] == "editor"
        assert guest["pid"] == host.process.pid
        assert guest["folder"] == str(served.folder.resolve())
        assert (guest["kind"], guest["space"]) == ("mcp", "website")
        host.call("profile")
        duties = served.status()["duties"]
        assert {"warming", "embedding", "maintenance"} <= {duty["name"] for duty in duties}
        shown = served.command("daemon", "status").stdout
        assert f"editor (process {host.process.pid}, memdesk {__version__})" in shown
        assert "embedding (" in shown


def test_status_and_stop_without_a_daemon_start_none(home: Home) -> None:
    """They say that there is none."""
    for words in (("daemon", "status"), ("daemon", "stop")):
        done = home.command(*words)
        assert done.returncode == 0
        assert "no daemon serves" in done.stderr
    told = json.loads(home.command("daemon", "status", "--json").stdout)
    assert told == {"running": False}
    assert home.daemons() == []


def test_a_host_that_never_reads_holds_up_nobody_else(served: Home) -> None:
    """Its 500 answers wait for it, in little memory; others are served meanwhile; it gets them all."""
    before = served.status()["memory"]
    with subprocess.Popen(
        MCP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | served.env
    ) as shim:
        assert shim.stdin
        assert shim.stdout
        stdin = shim.stdin
        lines = [_line(0, "initialize", opening("deaf"))]
        lines += [_line(id, "tools/list", {}) for id in range(1, 501)]

        def write() -> None:
            stdin.write(b"".join(lines))
            stdin.flush()

        writing = threading.Thread(target=write)
        writing.start()
        until(lambda: [each for each in served.status()["guests"] if each["open"] > 50])
        with served.opened() as other:
            began = time.monotonic()
            for _ in range(20):
                other.request("tools/list")
            assert time.monotonic() - began < SOON
        assert served.status()["memory"] - before < 100 * MEGABYTE
        answers = [json.loads(shim.stdout.readline()) for _ in lines]
        writing.join(DEADLINE)
        assert sorted(answer["id"] for answer in answers) == list(range(501))
        assert all("result" in answer for answer in answers)
        stdin.close()


def _line(id: int, method: str, params: object) -> bytes:
    told = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
    return json.dumps(told).encode() + b"\n"


def test_a_thousand_connects_leave_nothing_behind(served: Home) -> None:
    """Polite, silent and babbling visitors, one after another and 200 at once: all is as before."""
    with served.greeted("control") as asking:

        def files() -> int:
            asking.say({"do": "status"})
            asking.next()
            return len(_fds(served.daemon))

        before = files()
        greetings = [
            json.dumps(hello("mcp", nonce="n")).encode() + b"\n",
            b"",
            b"\xff{garbage\n" + b"x" * 5000,
            b'{"memdesk": 99}\n',
            b'{"memdesk": 1, "kind": "nothing we know"}\n',
        ]
        for n in range(1000):
            with address.connect(served.address, DEADLINE) as link:
                link.sendall(greetings[n % len(greetings)])
        with ThreadPoolExecutor(20) as pool:
            crowd = list(pool.map(lambda _: served.greeted(), range(200)))
        assert len(served.status()["guests"]) >= 200
        for each in crowd:
            each.link.close()
        until(lambda: files() <= before)
        assert "Traceback" not in served.log()
        assert " ERROR " not in served.log()


def test_a_daemon_that_was_stopped_and_goes_on_has_lost_nothing(home: Home) -> None:
    """A laptop sleeps: what was asked before is answered after, and who came meanwhile was served."""
    with home.opened() as host:
        first = ID.findall(host.call("remember", text="tea"))
        pid = home.daemon
        os.kill(pid, signal.SIGSTOP)
        asked = host.ask("tools/call", {"name": "remember", "arguments": {"text": "bread"}})
        with home.host() as newcomer:
            newcomer.open()
            assert first[0] in newcomer.call("get", ids=first)
            second = ID.findall(newcomer.call("remember", text="salt"))
            os.kill(pid, signal.SIGCONT)
            third = ID.findall(str(host.wait(asked)))
        recent = str(host.request("resources/read", {"uri": "memories://recent"}))
        assert [recent.count(f"{id} ·") for id in (*first, *second, *third)] == [1, 1, 1]
        assert home.daemon == pid


def test_a_host_does_not_wait_long_for_a_daemon_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server works alone then, with most of the ten seconds left that hosts give it; others wait."""
    waits: list[float] = []

    def hangs(_: address.Address, timeout: float) -> socket.socket:
        waits.append(timeout)
        raise TimeoutError

    address.write_address(str(tmp_path), address.Address("socket", 1, 0.0, __version__))
    monkeypatch.setattr(visit, "connect", hangs)
    for kind in ("mcp", "service"):
        with pytest.raises(NoDaemon):
            visit.visit(str(tmp_path), hello(kind))
    assert waits[0] <= 2 < waits[1]


def test_writers_of_every_kind_work_side_by_side(served: Home) -> None:
    """The daemon's host, one without a daemon, and commands: what each acknowledged is there."""
    with served.opened() as through, served.opened("--direct") as beside:

        def remember(host: Session, name: str) -> list[str]:
            said = [host.call("remember", text=f"{name} {n}") for n in range(8)]
            return [ID.findall(each)[0] for each in said]

        def add(words: str) -> list[str]:
            done = served.command(*words.split(), "--json")
            assert done.returncode == 0, done.stderr
            return ID.findall(done.stdout)[:1]

        with ThreadPoolExecutor(4) as pool:
            working = [
                pool.submit(remember, through, "through"),
                pool.submit(remember, beside, "beside"),
                pool.submit(add, "add command"),
                pool.submit(add, "--direct add direct-command"),
            ]
            ids = [id for each in working for id in each.result(DEADLINE)]
        assert len(set(ids)) == 18
        for host in (through, beside):
            shown = host.call("get", ids=ids, max_tokens=8000)
            assert [id for id in ids if id not in shown] == []


# When it leaves

TOOLS_CHANGED = '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n'


def test_a_daemon_that_is_stopped_is_missed_by_nobody(home: Home) -> None:
    """It leaves within two seconds, three hosts and a recall or not; they go on with the next one."""
    hosts = [home.opened() for _ in range(3)]
    try:
        first = home.daemon
        asked = [
            host.ask("tools/call", {"name": "recall", "arguments": {"query": "tea"}})
            for host in hosts
        ]
        assert dismiss(str(home.path), "a test")
        assert ended(first, LEFT)
        for host, id in zip(hosts, asked, strict=True):
            assert "Nothing relevant" in str(host.wait(id)["result"])
            assert "What is always" in host.call("profile")
        second = home.daemon
        assert second != first
        done = home.command("daemon", "stop")
        assert f"process {second} has left" in done.stderr
        assert all("result" in host.request("tools/list") for host in hosts)
        assert all(len(host.lines) == len(host.answers) for host in hosts)
        assert home.log().count("leaving: ") == 2
        assert "ERROR" not in home.log()
    finally:
        for host in hosts:
            host.end()


def _as_older(home: Home, *words: str) -> Session:
    return Session([sys.executable, "-c", AS_OLDER, *words], env=home.env)


def test_a_newer_memdesk_takes_over_from_an_older_one(home: Home) -> None:
    """Its host starts a daemon of its own version; the older one's host comes along unharmed."""
    with _as_older(home, "daemon", "run") as daemon:
        daemon.hear("memdesk listens on")
        with _as_older(home, "mcp") as older:
            older.open()
            assert (home.address.version, home.daemon) == ("0.0.1", daemon.process.pid)
            with home.opened() as newer:
                assert home.address.version == __version__
                assert daemon.finish(SOON) == 0
                for host in (older, newer):
                    assert "What is always" in host.call("profile")
                assert older.lines[1] == TOOLS_CHANGED
                versions = sorted(guest["version"] for guest in home.status()["guests"])
                assert versions == ["0.0.1", __version__]


def test_a_host_and_somebody_else_may_start_a_daemon_at_once(home: Home) -> None:
    """The system starts one at login, as the hosts do: one of them serves."""
    command = [sys.executable, "-m", "memdesk", "daemon", "run"]
    with Session(command, env=home.env), home.opened() as host:
        assert host.errors == []
        assert home.daemons() == [home.daemon]


def _idle_after(home: Home, seconds: float) -> None:
    home.path.mkdir()
    (home.path / "config.toml").write_text(f"idle_minutes = {seconds / 60}\n")


def test_a_daemon_leaves_when_nobody_needs_it(home: Home) -> None:
    """While a host is connected it stays; some time after the last one it goes."""
    _idle_after(home, 0.5)
    with home.opened() as host:
        pid = home.daemon
        assert not ended(pid, 0.8)  # longer than it would stay alone
        assert home.status()["leaves_in"] is None
        host.leave()
        host.finish(DEADLINE)
    assert ended(pid, SOON)
    assert not (home.path / "daemon.json").exists()
    assert "leaving: nobody needs it" in home.log()


def test_a_daemon_leaves_when_its_store_is_removed(home: Home) -> None:
    """Nobody could find it any more."""
    home.opened().end()
    pid = home.daemon
    shutil.rmtree(home.path)
    assert ended(pid, SOON)


def test_a_host_gets_a_new_daemon_when_the_socket_is_removed(home: Home) -> None:
    """The old one lets it, and its hosts come along."""
    with home.opened() as before:
        first = home.daemon
        Path(home.address.path).unlink()
        with home.opened() as after:
            assert after.errors == []
            assert "result" in before.request("ping")
            assert ended(first, SOON)
            assert home.daemons() == [home.daemon]


def test_a_signal_ends_a_daemon_as_stop_does(home: Home) -> None:
    """The system's own way to end a process is an orderly one."""
    with home.opened() as host:
        assert host.errors == []
        pid = home.daemon
        os.kill(pid, signal.SIGTERM)
        assert ended(pid, LEFT)
        assert "result" in host.request("ping")
        assert "leaving: SIGTERM" in home.log()


def test_one_in_the_foreground_takes_over_from_the_one_that_serves(home: Home) -> None:
    """The daemon of a login item stays; a host that was there before goes on with it."""
    with home.opened() as host:
        before = home.daemon
        command = [sys.executable, "-m", "memdesk", "daemon", "run", "--stay"]
        with subprocess.Popen(
            command, env=os.environ | home.env, stderr=subprocess.PIPE, text=True
        ) as staying:
            assert staying.stderr is not None
            assert f"takes over from process {before}" in staying.stderr.readline()
            assert "memdesk listens on" in staying.stderr.readline()
            assert "What is always" in host.call("profile")
            assert home.daemon == staying.pid != before
            assert home.status()["stays"] is True
            staying.send_signal(signal.SIGINT)
            assert staying.wait(LEFT) == 0
        assert "What is always" in host.call("profile")
