"""What the doctor sees, with real processes: servers, folders, locks, daemons, and the proof."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from daemon_home import MCP, Home
from fakes import FakeEmbedder

from memdesk.answers import Finding
from memdesk.backup import files
from memdesk.doctor import contents, folder, handshake, processes, program, proof, rules, starting
from memdesk.doctor.rounds import Case, Check, Round, counted, hidden, size_words, time_words
from memdesk.errors import StoreError
from memdesk.hosts import Surroundings, entries
from memdesk.memory import TRASHED, Draft, Filter
from memdesk.rules import HostRules
from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

CANARY = "xylocanary"
SERVER = """
import json, sys, time
how = sys.argv[1:]
if "prints" in how: print("xylocanary", flush=True)
if "says" in how: print("xylocanary", file=sys.stderr)
if "dies" in how: sys.exit(3)
for line in sys.stdin:
    told = json.loads(line)
    if "id" not in told: continue
    if "refuses" in how:
        print(json.dumps({"jsonrpc": "2.0", "id": told["id"], "error": {"code": 1}}), flush=True)
        continue
    result = {"serverInfo": {"name": "memdesk", "version": "0.0.1"}, "tools": [{}]}
    print(json.dumps({"jsonrpc": "2.0", "id": told["id"], "result": result}), flush=True)
if "stays" in how: time.sleep(60)
"""
"""A server as small as possible, and what may be wrong with it."""


@pytest.fixture
def server(tmp_path: Path) -> Callable[..., list[str]]:
    """Return what gives the command of a small server that behaves as told."""
    path = tmp_path / "server.py"
    path.write_text(SERVER, encoding="utf-8")
    return lambda *how: [sys.executable, str(path), *how]


@pytest.fixture
def real() -> Iterator[Home]:
    """Return a store's folder for real daemons."""
    home = Home()
    yield home
    home.close()


@pytest.fixture
def person(tmp_path: Path) -> Path:
    """Return a person's home folder."""
    path = tmp_path / "person"
    path.mkdir()
    return path


@pytest.fixture
def case(home: Path, person: Path) -> Case:
    """Return a store that is not there yet, as the doctor finds it, with a fake model."""
    return case_of(home, person)


def case_of(home: Path, person: Path, environ: dict[str, str] | None = None) -> Case:
    """Return what the doctor looks at."""
    around = Surroundings("linux", person, environ or {})
    command = (*MCP,)
    services: list[Service] = []

    def open_service() -> Service:
        if not services:
            services.append(Service(home, FakeEmbedder(), background=False))
        return services[0]

    return Case(home, home / "logs", around, environ or {}, command, open_service)


@pytest.fixture
def stored(case: Case) -> Case:
    """Return a store with one memory."""
    case.open_service().remember(Draft(CANARY, tags=(CANARY,)))
    return case


def found(checks: Iterable[Check]) -> list[Finding]:
    """Return what checks find, as the doctor tells it."""
    return [finding for _, finding in Round(Path("/nobody")).go(checks)]


def levels(checks: Iterable[Check]) -> set[str]:
    """Return the levels of what checks find."""
    return {finding.level for finding in found(checks)}


def about(checks: Iterable[Check], word: str) -> Finding:
    """Return the one finding about a thing."""
    (one,) = [finding for finding in found(checks) if finding.about == word]
    return one


# Going round


def test_a_check_that_hangs_is_left() -> None:
    """What it has found counts, the next one comes, and the round knows that it still works."""
    held = threading.Event()

    def hang() -> Iterator[Finding]:
        yield Finding("a", "good", "so far")
        held.wait(60)

    visit = Round(Path("/home/x"))
    checks = (Check("g", "a", hang, 0.05), Check("g", "b", lambda: [Finding("b", "good", "ok")]))
    told = [finding for _, finding in visit.go(checks)]
    held.set()
    assert [(each.about, each.level) for each in told] == [
        *(("a", "good"), ("a", "warning"), ("b", "good"))
    ]
    assert visit.unfinished == ["a"]


def test_a_check_that_fails_is_told_by_its_kind() -> None:
    """The words of an error nobody foresaw may hold anything; those of ours are for a person."""

    def fail(error: Exception) -> list[Finding]:
        raise error

    told = found(
        [
            Check("g", "a", lambda: fail(RuntimeError(CANARY))),
            Check("g", "b", lambda: fail(StoreError("the disk is full"))),
        ]
    )
    assert [(each.level, each.words) for each in told] == [
        ("warning", "this could not be looked at (RuntimeError)"),
        ("problem", "the disk is full"),
    ]


def test_words_for_numbers() -> None:
    """Sizes, times and counts are written as a person reads them; the home folder is ~."""
    assert [size_words(n) for n in (7, 5300, 46e6, 1.24e9)] == [
        "7 bytes",
        "5.3 kB",
        "46 MB",
        "1.2 GB",
    ]
    times = [time_words(n) for n in (0.042, 1.25, 61, 600, 9000, 400_000)]
    assert times == ["42 ms", "1.2 s", "61 s", "10 minutes", "2 hours", "5 days"]
    assert (counted(1, "host"), counted(1200, "host")) == ("1 host", "1,200 hosts")
    assert hidden("in /home/me/x", Path("/home/me")) == "in ~/x"
    assert hidden("/home/me and /home/me2", Path("/home/me")) == "~ and /home/me2"
    assert hidden("in /x", Path("/")) == "in /x"


# Servers


def test_a_good_server_is_measured(server: Callable[..., list[str]]) -> None:
    """Its times, name, version and tools are known, and it left when its input ended."""
    told = handshake.shake(server(), {})
    assert (told.trouble, told.name, told.version, told.tools) == ("", "memdesk", "0.0.1", 1)
    assert 0 < told.opened <= told.listed
    assert told.left is not None
    assert (told.foreign, told.said) == (0, 0)


def test_lines_that_are_no_protocol_are_counted(server: Callable[..., list[str]]) -> None:
    """On standard output and on standard error, before the answer or after."""
    told = handshake.shake(server("prints", "says"), {})
    assert (told.trouble, told.foreign, told.said) == ("", 1, 1)


def test_a_server_that_hangs_is_killed(
    server: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that never answers ends by our hand, and what it waited for is told."""
    monkeypatch.setattr(handshake, "PATIENCE", 0.2)
    monkeypatch.setattr(handshake, "LEAVES_WITHIN", 0.2)
    told = handshake.shake([sys.executable, "-c", "import time; time.sleep(60)"], {})
    assert "did not answer “initialize”" in told.trouble
    assert told.left is None


def test_a_server_that_stays_is_killed(
    server: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must end when its host does."""
    monkeypatch.setattr(handshake, "LEAVES_WITHIN", 0.2)
    told = handshake.shake(server("stays"), {})
    assert (told.trouble, told.left) == ("", None)


@pytest.mark.parametrize(
    ("how", "trouble"),
    [
        ("dies", "it ended without an answer to “initialize” (exit code 3)"),
        ("refuses", "it refused “initialize”"),
    ],
)
def test_a_server_that_fails_is_told(
    server: Callable[..., list[str]], how: str, trouble: str
) -> None:
    """What became of it is in the words."""
    assert handshake.shake(server(how), {}).trouble == trouble


@pytest.mark.parametrize("command", ["/nowhere/memdesk", "memdesk-that-is-nowhere", "/"])
def test_a_command_that_is_not_there_is_told(command: str) -> None:
    """It counts as missing, whatever the system says of it."""
    told = handshake.shake([command], {"PATH": "/usr/bin"})
    assert told.missing
    assert told.trouble


def configure(person: Path, command: list[str], **env: str) -> Path:
    """Write an entry of memdesk for Cursor."""
    file = person / ".cursor" / "mcp.json"
    file.parent.mkdir(exist_ok=True)
    entry = {"command": command[0], "args": command[1:], "env": env}
    file.write_text(json.dumps({"mcpServers": {"memdesk": entry}}), encoding="utf-8")
    return file


def of_cursor(case: Case) -> list[Finding]:
    """Return what is found of Cursor, without trying any other start."""
    return found(check for check in starting.checks(case) if check.about == "Cursor")


def test_a_host_whose_server_works(real: Home, person: Path) -> None:
    """The real server answers with the host's environment, and the store is the same."""
    real.command("add", "one")
    case = case_of(real.path, person)
    configure(person, MCP, MEMDESK_HOME=str(real.path), KEY=CANARY)
    told = found(starting.checks(case))
    assert [each.level for each in told] == ["good", "good"], told
    assert [each.about for each in told] == ["Cursor", "a host added now"]
    assert "6 tools" in told[0].words
    assert CANARY not in str(told)


def test_no_store_is_made_by_looking(real: Home, person: Path) -> None:
    """Where there is none yet the server is tried on one that is thrown away."""
    real.path.mkdir()
    told = found(starting.checks(case_of(real.path, person)))
    assert [each.level for each in told] == ["note", "good"], told
    assert "throw-away store" in told[1].words
    assert list(real.path.iterdir()) == []


def test_a_host_whose_server_is_wrong(
    stored: Case, person: Path, server: Callable[..., list[str]]
) -> None:
    """Lines on standard output are a problem, another version and another store a warning."""
    configure(person, server("prints", "says"), MEMDESK_HOME=str(person / "elsewhere"), KEY=CANARY)
    told = of_cursor(stored)
    assert [each.level for each in told] == ["warning", "problem", "warning", "note", "good"]
    assert "in another store" in told[0].words
    assert "a line on standard output that is no JSON-RPC" in told[1].words
    assert "memdesk 0.0.1" in told[2].words
    assert all(each.next for each in told[:4])
    assert "with all args of its entry in" in told[1].next
    assert CANARY not in str(told)


def test_a_host_whose_command_is_missing(stored: Case, person: Path) -> None:
    """The file to mend and the command to write there are in the next step."""
    file = configure(person, ["/nowhere/memdesk", "mcp"], MEMDESK_HOME=str(stored.home))
    (told,) = of_cursor(stored)
    assert told.level == "problem"
    assert told.words.startswith("its command /nowhere/memdesk cannot be started")
    assert str(file.relative_to(person)) in told.next
    assert sys.executable in told.next


def test_entries_that_cannot_start_are_told(stored: Case, person: Path) -> None:
    """One without a command, one that is switched off, and a file that is no JSON."""
    cursor = configure(person, [""])
    (told,) = of_cursor(stored)
    assert "names no command" in told.words
    assert (
        starting._title(stored, replace(entries(stored.around)[0], name="work")) == "Cursor “work”"
    )
    entry = {"command": "memdesk", "args": ["mcp"], "disabled": True}
    cursor.write_text(json.dumps({"mcpServers": {"memdesk": entry}}), encoding="utf-8")
    (told,) = of_cursor(stored)
    assert (told.level, told.words) == ("note", "it has memdesk, but switched off")
    cursor.write_text(CANARY, encoding="utf-8")
    (told,) = of_cursor(stored)
    assert "is no JSON (line 1)" in told.words
    assert CANARY not in str(told)


# The program


def test_this_program_is_whole(case: Case) -> None:
    """Version, packages, terminal, processor and the real model are looked at, each with a line."""
    told = found(program.checks(case))
    assert {each.about for each in told} == {
        *("version", "packages", "command", "terminal", "processor", "model")
    }
    assert not [each for each in told if each.level in ("warning", "problem")], told


def test_packages_are_compared_with_what_is_needed() -> None:
    """A package that is missing or too old is named; extras and markers do not count."""
    assert program._unmet("filelock>=3.20") == ""
    assert program._unmet("filelock>=99,<100").endswith(">=99,<100 is needed")
    assert program._unmet("no-such-package>=1") == "no-such-package is not installed"
    assert program._unmet('no-such-package>=1; extra == "x"') == ""
    assert program._holds("1.10", ">=", "1.9")
    assert not program._holds("2", "<", "2.0")


def test_two_installations_are_told(case: Case, tmp_path: Path) -> None:
    """Two programs of the name on PATH are a warning, a link to the same one is none."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "memdesk").write_text("#!/bin/sh\n")
        (tmp_path / name / "memdesk").chmod(0o755)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "memdesk").symlink_to(tmp_path / "a" / "memdesk")
    for folders, level in (("ac", "good"), ("ab", "warning"), ("", "note")):
        path = os.pathsep.join(str(tmp_path / name) for name in folders)
        person = case_of(case.home, tmp_path, {"PATH": path})
        (told,) = program._commands(person)
        assert told.level == level


def test_a_model_that_crashes_is_told(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library of another processor kills the child, not the doctor."""
    dies = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGILL)"]
    real_run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda _, **more: real_run(dies, **more))
    (told,) = program._model(case)
    assert told.level == "problem"
    assert "SIGILL" in told.words
    assert "build-flags" in told.next


def test_a_model_that_is_not_here_is_told(stored: Case) -> None:
    """A store whose vectors are of a model nobody knows here says how to get on."""
    path = stored.home / "store.json"
    stamp = json.loads(path.read_text()) | {"model": "strange", "fingerprint": "0" * 12}
    path.write_text(json.dumps(stamp))
    (told,) = program._model(stored)
    assert told.level == "problem"
    assert "memdesk model add FILE --name strange" in told.next


# The folder


def test_a_good_folder_is_well(stored: Case) -> None:
    """Nothing is amiss with a store that memdesk has made, and no memory is told."""
    os.umask(0o077)
    told = found(folder.checks(stored))
    told = [each for each in told if each.about != "rights"]
    assert {each.level for each in told} == {"good"}, told
    assert CANARY not in str(told)


def test_files_that_others_may_read_are_told(stored: Case) -> None:
    """One file is named with its chmod; several with that of the folder."""
    for path in (stored.home, *stored.home.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    assert about(folder.checks(stored), "rights").level == "good"
    (stored.home / "store.json").chmod(0o644)
    told = about(folder.checks(stored), "rights")
    assert (told.level, told.next) == ("warning", f"chmod go-rwx {stored.home}/store.json")
    stored.home.chmod(0o755)
    told = about(folder.checks(stored), "rights")
    assert told.next == f"chmod -R go-rwx {stored.home}"
    assert "and 1 more" in told.words


def test_leftovers_are_told_with_their_size(stored: Case) -> None:
    """Those of killed processes once they are an hour old, those of power cuts at once."""
    young = stored.home / "memories.lance" / "data" / ".tmpx"
    young.write_bytes(b"x" * 2000)
    assert about(folder.checks(stored), "leftovers").level == "good"
    old = time.time() - 7200
    os.utime(young, (old, old))
    (stored.home / ".restoring").mkdir()
    os.utime(stored.home / ".restoring", (old, old))
    (stored.home / "memories.lance" / "_versions" / "9.manifest.bad").write_bytes(b"x")
    aside, litter = (each for each in found(folder.checks(stored)) if each.about == "leftovers")
    assert "after a power cut" in aside.words
    assert "2 files or folders" in litter.words


def test_synced_and_network_folders_are_told(person: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A drive that copies files while they change, or has no hard links, is no place for a store."""
    for name in ("Dropbox", "OneDrive - Work", "Mobile Documents"):
        home = person / name / "memdesk"
        home.mkdir(parents=True)
        assert about(folder.checks(case_of(home, person)), "place").level == "warning"
    case = case_of(person / "plain", person)
    case.home.mkdir()
    for kind, level in (("exfat", "problem"), ("nfs4", "warning"), ("ext4", "good")):
        monkeypatch.setattr(folder, "_file_system", lambda _, kind=kind: kind)
        assert about(folder.checks(case), "place").level == level


def test_a_disk_that_is_full_is_told(stored: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """First a warning, then a problem."""
    usage = shutil.disk_usage(stored.home)
    for free, level in ((10e6, "problem"), (100e6, "warning"), (10e9, "good")):
        left = usage._replace(free=int(free))
        monkeypatch.setattr(shutil, "disk_usage", lambda _, left=left: left)
        assert about(folder.checks(stored), "room").level == level


def test_rules_that_cannot_be_read_are_a_problem(stored: Case) -> None:
    """No host may do anything then; without rules there is nothing to tell."""
    assert found(rules.checks(stored)) == []
    (stored.home / "hosts.json").write_text("{")
    told = about(rules.checks(stored), "rules")
    assert (told.level, "hosts.json cannot be read" in told.words) == ("problem", True)
    assert "memdesk host NAME" in told.next


def test_hosts_that_may_not_do_everything_are_told(stored: Case) -> None:
    """Those that are paused or only read, with what takes it back; the names of spaces are not."""
    desk = stored.open_service()
    desk.set_host_rules("a b", HostRules(paused=True, read_only=True))
    desk.set_host_rules("c", HostRules(read_only=True))
    desk.set_host_rules("d", HostRules(spaces=(CANARY,)))
    one, two = found(rules.checks(stored))
    assert (one.level, "a b is paused" in one.words) == ("note", True)
    assert one.next.endswith("memdesk host 'a b' --resume")
    assert (two.level, two.next.endswith("memdesk host c --read-write")) == ("note", True)
    desk.set_host_rules("a b", HostRules())
    desk.set_host_rules("c", HostRules())
    assert (about(rules.checks(stored), "rules").level) == "good"
    assert CANARY not in str(found(rules.checks(stored)))


HOLD = (
    "import sys\nfrom pathlib import Path\nfrom memdesk.lock import WriterLock\n"
    "with WriterLock(Path(sys.argv[1]) / 'write.lock', 'test').hold(5):\n"
    "    print('held', flush=True)\n    sys.stdin.read()\n"
)


def test_a_lock_that_is_held_is_told(stored: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its process and its age; it is a problem when that is stopped, nothing when it is dead."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(stored.home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        told = about(folder.checks(stored), "locks")
        assert f"process {holder.pid}" in told.words
        monkeypatch.setattr(folder, "_LONG_HELD", -1.0)
        told = about(folder.checks(stored), "locks")
        assert (told.level, f"kill {holder.pid}" in told.next) == ("warning", True)
        os.kill(holder.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, holder.pid, os.WSTOPPED | os.WNOWAIT)
        told = about(folder.checks(stored), "locks")
        assert (told.level, f"kill -CONT {holder.pid}" in told.next) == ("problem", True)
        os.kill(holder.pid, signal.SIGKILL)
    told = about(folder.checks(stored), "locks")
    assert (told.level, "free" in told.words) == ("good", True)


# What it holds


def test_no_store_is_no_problem(case: Case) -> None:
    """Before the first memory there is nothing to look through, and nothing is made."""
    told = found([*folder.checks(case), *contents.checks(case)])
    assert [each.level for each in told] == ["good", "note"]
    assert not case.home.exists()


def test_a_store_that_cannot_be_opened_is_told(stored: Case, person: Path) -> None:
    """A newer one is refused, one without its stamp is not made anew, both with what to do."""
    path = stored.home / "store.json"
    stamp = json.loads(path.read_text())
    path.write_text(json.dumps(stamp | {"format": 99}))
    told = about(contents.checks(case_of(stored.home, person)), "contents")
    assert (told.level, "newer memdesk" in told.words) == ("problem", True)
    assert told.next
    path.unlink()
    (told,) = found(contents.checks(case_of(stored.home, person)))
    assert (told.level, "store.json is missing" in told.words) == ("problem", True)
    assert not path.exists()


# Processes


@pytest.fixture
def with_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process look for a daemon."""
    monkeypatch.setenv("MEMDESK_DIRECT", "")


def test_no_daemon_is_no_problem(case: Case, with_daemon: None) -> None:
    """The next command starts one."""
    assert levels(processes.checks(case)) == {"good"}


def test_a_daemon_that_serves_is_measured(real: Home, person: Path, with_daemon: None) -> None:
    """Its answer's time, its memory and its hosts are told."""
    case = case_of(real.path, person)
    with real.opened():
        told = found(processes.checks(case))
        assert {each.level for each in told} == {"good"}, told
        assert "serves 1 host with" in told[0].words
        assert "1 server of hosts and 1 daemon" in told[-1].words


def test_a_daemon_that_was_killed_is_told(real: Home, person: Path, with_daemon: None) -> None:
    """Its sign is still there; that is a note, since the next one takes its place."""
    real.command("add", "one")
    real.kill()
    told = about(processes.checks(case_of(real.path, person)), "daemon")
    assert (told.level, "ended without a goodbye" in told.words) == ("note", True)


def test_a_daemon_that_hangs_is_told(
    real: Home, person: Path, with_daemon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is stopped does not answer, and the list of processes says why."""
    monkeypatch.setattr("memdesk.link.visit._ANSWERS_WITHIN", 0.2)
    real.command("add", "one")
    os.kill(real.daemon, signal.SIGSTOP)
    told = found(processes.checks(case_of(real.path, person)))
    problems = [each for each in told if each.level == "problem"]
    assert [each.about for each in problems] == ["daemon", "servers"]
    assert problems[0].next.startswith("memdesk daemon stop")
    assert problems[1].next == f"kill -CONT {real.daemon}"


def test_a_daemon_of_another_version_is_told(real: Home, person: Path, with_daemon: None) -> None:
    """It is replaced by stopping it."""
    told = list(
        processes._answered(
            {
                "version": "0.0.1",
                "memory": 2e9,
                "since": time.time(),
                "pid": 1,
                "guests": [],
                "duties": [],
                "log": "x",
            },
            0.1,
        )
    )
    assert [each.level for each in told] == ["warning", "warning"]
    assert "memdesk 0.0.1" in told[0].words
    assert "2.0 GB" in told[1].words


def test_errors_in_the_log_are_counted_and_not_told(case: Case) -> None:
    """Only those of the last day count."""
    case.logs.mkdir(parents=True)
    today = time.strftime("%Y-%m-%d %H:%M:%S,000")
    lines = [
        f"2020-01-01 00:00:00,000 1 ERROR x: {CANARY}",
        f"{today} 1 ERROR x: {CANARY}",
        f"{today} 1 WARNING x: {CANARY}",
    ]
    (case.logs / "daemon.log").write_text("\n".join(lines))
    told = about(processes.checks(case), "log")
    assert told.level == "warning"
    assert told.words == "1 error and 1 warning in the daemon's log of the last day"


def test_a_server_whose_host_is_gone_is_told(real: Home, person: Path, with_daemon: None) -> None:
    """A stopped one cannot end itself: it is seen as stopped; one that goes on ends by itself."""
    told = processes._amiss(
        [
            processes.Process(11, "mcp", 5.0, orphan=True, stopped=False),
            processes.Process(12, "maintain", 7200.0, orphan=False, stopped=False),
            processes.Process(13, "daemon", 5.0, orphan=False, stopped=False),
            processes.Process(14, "daemon", 5.0, orphan=False, stopped=True),
        ]
    )
    assert [each.next.split(":")[0] for each in told] == [
        *("kill 11", "kill 12", "kill -CONT 14"),
        "memdesk daemon stop; the others leave by themselves",
    ]


@pytest.mark.parametrize(
    ("words", "role"),
    [
        (["/opt/memdesk", "mcp", "--space", "x"], "mcp"),
        (["/usr/bin/python3", "/opt/memdesk", "mcp"], "mcp"),
        (["python3.11", "-P", "-m", "memdesk", "daemon", "run", "--detached"], "daemon"),
        (["python", "-P", "-m", "memdesk", "maintain", "--linger", "10"], "maintain"),
        (["/opt/memdesk", "--direct", "list"], "list"),
        (["/opt/memdesk"], "desk"),
        (["vim", "memdesk"], ""),
        (["less", "/opt/memdesk.txt"], ""),
        ([], ""),
    ],
)
def test_processes_are_known_by_their_command(words: list[str], role: str) -> None:
    """A program of the name, or Python running it; no editor that has it open."""
    assert processes.role_of(words) == role


# The proof


def test_a_round_trip_is_proved(stored: Case) -> None:
    """A line is saved, found and forgotten; however often, one stays in the trash, away from hosts."""
    for _ in range(2):
        told = about(proof.checks(stored), "round trip")
        assert told.level == "good"
    service = stored.open_service()
    trash = service.list(where=Filter(states=(TRASHED,))).memories
    assert [(each.text, each.space) for each in trash] == [(proof.LINE, proof.SPACE)]
    assert CANARY not in str(told)


def test_a_line_that_is_not_found_is_a_problem(
    stored: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A save that search does not have is what the proof is for."""
    service = stored.open_service()
    empty = service.recall("nothing of this kind", where=Filter(spaces=("none",)))
    monkeypatch.setattr(service, "recall", lambda *_, **__: empty)
    told = about(proof.checks(stored), "round trip")
    assert (told.level, told.next.startswith("memdesk reindex")) == ("problem", True)


def test_what_was_not_proved_is_told(case: Case) -> None:
    """Without a store, and where something hangs."""
    for checks in (proof.checks(case), [proof.unproved(["daemon"])]):
        (told,) = found(checks)
        assert (told.level, "nothing was proved" in told.words) == ("note", True)
    assert not case.home.exists()


def test_without_a_backup_the_next_step_is_one(stored: Case) -> None:
    """Nothing to bring back is a note, and so is the lack of a backup without `--prove`."""
    assert about(proof.checks(stored), "restore point").level == "note"
    for told in (about(proof.checks(stored), "backup"), about(contents.checks(stored), "backups")):
        assert (told.level, told.next) == ("note", "memdesk backup create")


def backed_up(case: Case, passphrase: str | None = None) -> Path:
    """Make a backup file, and return it."""
    path = files.target(case.home, None, encrypted=passphrase is not None)
    return files.create(case.open_service(), case.home, path, passphrase).path


def test_the_last_backup_is_restored_elsewhere(stored: Case) -> None:
    """Every row is compared; a byte that has changed since is a problem."""
    path = backed_up(stored)
    known = about(contents.checks(stored), "backups")
    assert (known.level, f"copy {path} to another disk") == ("note", known.next)
    told = about(proof.checks(stored), "backup")
    assert told.level == "good", told
    assert "all 2 rows are the same" in told.words
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    told = about(proof.checks(stored), "backup")
    assert (told.level, "damaged" in told.words) == ("problem", True)
    assert CANARY not in str(told)


def test_an_encrypted_backup_needs_its_passphrase(stored: Case) -> None:
    """Without it only the sum is checked, and that is said; a wrong one is a problem."""
    backed_up(stored, "right")
    told = about(proof.checks(stored), "backup")
    assert (told.level, "--passphrase-file" in told.next) == ("note", True)
    told = about(proof.checks(replace(stored, passphrase="right")), "backup")
    assert told.level == "good"
    told = about(proof.checks(replace(stored, passphrase=CANARY)), "backup")
    assert (told.level, CANARY in str(told)) == ("problem", False)


def test_the_last_restore_point_is_brought_back(stored: Case) -> None:
    """Every row is compared in a place of its own, of which nothing stays."""
    point = stored.open_service().take_point(reason="by hand")
    stored.open_service().remember(Draft("later"))
    before = sorted(stored.home.rglob("*"))
    told = about(proof.checks(stored), "restore point")
    assert told.level == "good", told
    assert "by hand" in told.words
    assert [path for path in stored.home.iterdir() if path.name.startswith(proof.PREFIX)] == []
    point_files = stored.home / "points" / point.name
    assert [path for path in before if point_files in path.parents] == [
        path for path in sorted(stored.home.rglob("*")) if point_files in path.parents
    ]
    assert CANARY not in str(told)


def test_a_restore_point_with_a_torn_file_is_a_problem(stored: Case) -> None:
    """A data file that was cut short since is found by reading every row."""
    point = stored.open_service().take_point(reason="by hand")
    data = stored.home / "points" / point.name / "memories.lance" / "data"
    for path in data.glob("*.lance"):
        whole = path.read_bytes()
        path.unlink()  # the store keeps its own
        path.write_bytes(whole[: len(whole) // 2])
    told = about(proof.checks(stored), "restore point")
    assert (told.level, point.name in told.words) == ("problem", True)
    assert told.next.startswith("memdesk backup create")
    assert CANARY not in str(told)
