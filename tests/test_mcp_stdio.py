"""The server process as a host meets it: its pipe, its end, its log, its imports."""

from __future__ import annotations

import logging
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mcp_session import MODERN, VERSIONS, Session

from memdesk.errors import Invalid
from memdesk.mcp import log, stdio

if TYPE_CHECKING:
    from collections.abc import Iterator

FAKE = [sys.executable, str(Path(__file__).with_name("mcp_fake.py"))]
ROOT = {"PYTHONPATH": str(Path(__file__).parents[1])}
ENV = os.environ | ROOT
HEAVY = ("lancedb", "pyarrow", "numpy", "llama_cpp", "rich", "memdesk.store", "memdesk.service")
GONE = 2.0
"""Seconds within which a server ends, whatever it is doing."""
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and named pipes are POSIX")


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A named pipe: each verb of the fake service waits until something is written to it."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


@pytest.fixture
def waiting(pipe: Path) -> Iterator[Session]:
    """A server with a `remember` in flight."""
    with Session([*FAKE, str(pipe)], env=ROOT) as session:
        session.open()
        session.ask("tools/call", {"name": "remember", "arguments": {"text": "tea"}})
        session.hear("waiting")
        yield session


@pytest.mark.parametrize("version", VERSIONS)
def test_a_host_of_any_protocol_version_is_served(version: str) -> None:
    """The handshake answers with the version asked for, and the tools follow."""
    with Session(FAKE, version=version, env=ROOT) as session:
        opened = session.open()["result"]
        if version == MODERN:
            assert opened["supportedVersions"] == [MODERN]
        else:
            assert opened["protocolVersion"] == version
        assert len(session.request("tools/list")["result"]["tools"]) == 6
        assert session.call("remember", text="tea").startswith("Remembered as ")
        assert "from raw-host (agent)" in session.call("recall", query="tea")
        session.leave()
        assert session.finish(GONE) == 0


def test_nothing_heavy_is_imported_before_the_first_answer(tmp_path: Path) -> None:
    """The store's and the model's libraries wait until the host has its handshake."""
    command = [sys.executable, "-X", "importtime", "-m", "memdesk", "mcp"]
    with Session(command, env={"MEMDESK_HOME": str(tmp_path)}) as session:
        session.open()
        session.process.kill()
        session.finish(GONE)
        imported = {line.rpartition("|")[2].strip() for line in session.errors}
    assert "memdesk.mcp.server" in imported
    assert [name for name in HEAVY if name in imported] == []


def test_the_store_is_opened_in_the_background_after_the_tools_were_listed() -> None:
    """A host that only connects finds the store warm at its first question."""
    code = (
        "from memdesk.mcp import wire; wire.guard()\n"
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from memdesk.mcp import stdio\n"
        "from mcp_fake import FakeService\n"
        "class Loud(FakeService):\n"
        "    def warm_soon(self): sys.stderr.write('warm now\\n')\n"
        "stdio.main([], open_service=Loud)\n"
    )
    tests = str(Path(__file__).parent)
    with Session([sys.executable, "-c", code, tests], env=ROOT) as session:
        session.open()
        session.request("tools/list")
        session.hear("warm now")


def test_nothing_but_the_protocol_reaches_the_wire() -> None:
    """Prints of imports, of C code, of the service and at the end all land on standard error."""
    code = (
        "from memdesk.mcp import wire; wire.guard()\n"
        "import atexit, ctypes, os, subprocess, sys; sys.path.insert(0, sys.argv[1])\n"
        "def noise(when):\n"
        "    print(f'print {when}', flush=True); os.write(1, b'write\\n')\n"
        "    libc = ctypes.CDLL(None); libc.puts(b'puts'); libc.fflush(None)\n"
        "    subprocess.run(['echo', 'child'])\n"
        "noise('at import'); atexit.register(noise, 'at exit')\n"
        "from memdesk.mcp import stdio\n"
        "from mcp_fake import FakeService\n"
        "class Noisy(FakeService):\n"
        "    def close(self, timeout=2.0): noise('at close')\n"
        "    def recall(self, *a, **k): noise('in a call'); return super().recall(*a, **k)\n"
        "stdio.main([], open_service=Noisy)\n"
    )
    tests = str(Path(__file__).parent)
    with Session([sys.executable, "-c", code, tests], env=ROOT) as session:
        session.open()
        session.call("recall", query="tea")
        session.leave()
        assert session.finish(GONE) == 0
        assert len(session.lines) == 2
        for when in ("at import", "in a call", "at close"):
            assert f"print {when}\n" in session.errors


@pytest.mark.parametrize("version", VERSIONS)
def test_garbage_does_not_end_the_connection(version: str) -> None:
    """Lines that are no messages, and one of 4 MB, leave the next request answered."""
    garbage = [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe\x00", b'{"jsonrpc":"2.0"}']
    garbage += [b'{"jsonrpc":"2.0","id":null,"method":"x"}', b"[" * 10_000, b"x" * 4_000_000]
    with Session(FAKE, version=version, env=ROOT) as session:
        session.open()
        session.send_raw(b"\n".join(garbage) + b"\n")
        text, failed = session.try_call("remember", text="y" * 4_000_000)
        assert failed
        assert text.startswith("text: is 4,000,000 bytes long")
        assert "result" in session.request("tools/list")
        session.leave()
        assert session.finish(GONE) == 0
        assert all(len(line) < 20_000 for line in session.lines)


@pytest.mark.parametrize("version", VERSIONS)
def test_half_an_emoji_is_answered(version: str) -> None:
    """A request with a lone surrogate anywhere gets an answer, and the connection stays."""
    half = "half \ud83d"
    with Session(FAKE, version=version, env=ROOT) as session:
        session.open()
        said = session.try_call("remember", text=half)
        assert said == (
            "text: holds a lone surrogate, so it is not valid Unicode text; send it as UTF-8",
            True,
        )
        for tool, arguments in (
            (half, {}),
            ("recall", {half: "x"}),
            ("recall", {"query": half}),
            ("recall", {"query": "x", "since": half}),
            ("recall", {"query": "x", "limit": half}),
            ("get", {"ids": [half]}),
        ):
            session.try_call(tool, **arguments)
        for method, params in (
            (half, {}),
            ("resources/read", {"uri": half}),
            ("prompts/get", {"name": half}),
            ("prompts/get", {"name": "brief", "arguments": {"topic": half}}),
        ):
            assert session.request(method, params)
        assert "result" in session.request("tools/list")


@posix
def test_a_call_in_flight_keeps_nobody_waiting(waiting: Session) -> None:
    """While one call is stuck, other requests are answered."""
    assert len(waiting.request("tools/list")["result"]["tools"]) == 6
    assert "result" in waiting.request("ping")


@posix
def test_the_end_of_input_ends_a_server_that_is_stuck(waiting: Session) -> None:
    """A write that never returns does not keep the process alive for longer than two seconds."""
    waiting.leave()
    assert waiting.finish(GONE) == 0


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_ends_a_server_that_is_stuck(waiting: Session, name: str) -> None:
    """The signals that hosts send work while a call is in flight, within two seconds."""
    waiting.process.send_signal(getattr(signal, name))
    assert waiting.finish(GONE) == 0


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_ends_an_idle_server(name: str) -> None:
    """An idle server leaves cleanly on any of them, with its input still open."""
    with Session(FAKE, env=ROOT) as session:
        session.open()
        session.process.send_signal(getattr(signal, name))
        assert session.finish(GONE) == 0


@posix
def test_a_write_in_flight_finishes_when_the_host_leaves(waiting: Session, pipe: Path) -> None:
    """What was being written is written, although nobody waits for the answer any more."""
    waiting.leave()
    pipe.write_text("go on")
    waiting.hear("done", GONE)
    assert waiting.finish(GONE) == 0


@posix
def test_a_read_in_flight_is_dropped_when_the_host_leaves(pipe: Path) -> None:
    """A question that nobody waits for does not delay the end."""
    with Session([*FAKE, str(pipe)], env=ROOT) as session:
        session.open()
        session.ask("tools/call", {"name": "recall", "arguments": {"query": "tea"}})
        session.hear("waiting")
        session.leave()
        assert session.finish(stdio.SHUTDOWN / 2) == 0


@posix
def test_a_cancelled_call_is_not_answered(waiting: Session, pipe: Path) -> None:
    """A host that gives up gets no late answer, and the server goes on."""
    asked = max(waiting.answers) + 1
    waiting.send(
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": asked}}
    )
    assert "result" in waiting.request("ping")
    pipe.write_text("go on")
    waiting.hear("done")
    assert "result" in waiting.request("ping")
    assert asked not in waiting.answers


def test_a_host_that_stops_reading_is_survived() -> None:
    """When the host closes only the pipe it reads, the server ends with its input."""
    opening = b'{"jsonrpc":"2.0","id":1,"method":"server/discover"}\n'
    process = subprocess.Popen(
        FAKE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENV
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(opening)
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(opening)
        process.stdin.close()
        process.wait(GONE)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--spaces", "x"], "--spaces: is not an option; there are --space, --tools, --direct"),
        (["--space"], "--space: needs a value"),
        (["--space="], "--space: needs a value"),
        (["--space", "../x"], "--space: must be 1 to 100 letters"),
        (["--tools", "all"], "--tools: there is only core"),
        (["x"], "x: is not an option"),
    ],
)
def test_bad_options_are_refused_by_name(argv: list[str], said: str) -> None:
    """The option and what is wrong with it stand in one line."""
    with pytest.raises(Invalid) as raised:
        stdio.parse(argv)
    assert str(raised.value).startswith(said)


def test_options_are_understood_in_both_forms() -> None:
    """A value may follow its option or an equals sign."""
    assert stdio.parse(["--space", "work", "--tools=core"]) == {
        "--space": "work",
        "--tools": "core",
    }
    assert stdio.parse([]) == {}


def test_bad_options_end_with_status_2(tmp_path: Path) -> None:
    """A host's log shows the sentence, and nothing reaches the wire."""
    command = [sys.executable, "-m", "memdesk", "mcp", "--direct", "--tools", "all"]
    with Session(command, env={"MEMDESK_HOME": str(tmp_path)}) as session:
        assert session.finish(60) == 2
        assert session.errors == ["memdesk mcp: --tools: there is only core\n"]
        assert session.lines == []


def test_the_log_file_is_private_and_discreet(tmp_path: Path) -> None:
    """Only its owner reads it, and no line holds what a message or an error quotes."""
    root = logging.getLogger()
    before = list(root.handlers)
    log.to_file(tmp_path / "logs")
    [handler] = [each for each in root.handlers if each not in before]
    try:
        logging.getLogger("mcp.server").warning("rejected %r", "my secret")
        try:
            int("my secret")
        except ValueError:
            logging.getLogger("asyncio").exception("future\n<Future my secret>")
            logging.getLogger("memdesk.mcp").warning("could not %s", "warm up")
    finally:
        root.removeHandler(handler)
        handler.close()
    path = tmp_path / "logs" / log.FILE
    written = path.read_text()
    assert "my secret" not in written
    assert "WARNING mcp.server: rejected %r\n" in written
    assert "ERROR asyncio: future [ValueError at test_mcp_stdio.py:" in written
    assert "WARNING memdesk.mcp: could not warm up\n" in written
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
