"""`memdesk demo`: a whole session with the real model, and what it says when something is amiss."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memdesk import demo
from memdesk.errors import MemdeskError
from memdesk.link.address import read_address

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder with a short path: sockets are in it."""
    made = Path(tempfile.mkdtemp(prefix="md-"))
    yield made
    shutil.rmtree(made)


def words(text: str) -> set[str]:
    """The words of a text, in lower case."""
    return set(re.findall(r"\w+", text.lower()))


@pytest.mark.parametrize(("question", "answer"), demo.QUESTIONS)
def test_questions_share_no_word_with_their_answers(question: str, answer: str) -> None:
    """Only their meaning can find them."""
    assert not words(question) & words(answer)
    assert answer in dict(demo.MEMORIES)


def test_the_question_asked_again_shares_no_word_either() -> None:
    """The revised memory is found by its meaning, too."""
    assert not words(demo.QUESTIONS[3][0]) & words(demo.REVISED)


@contextmanager
def running(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo without a terminal, through a daemon, with `folder` for everything temporary."""
    surroundings = {
        "MEMDESK_DIRECT": "",
        "MEMDESK_HOME": str(folder / "mine"),
        "TMPDIR": str(folder),
        "XDG_RUNTIME_DIR": "",
    }
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "memdesk", "demo"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | surroundings,
    ) as started:
        yield started


def is_whole(shown: str) -> bool:
    """Whether a demo found everything and showed every step."""
    found = [*(answer for _, answer in demo.QUESTIONS), demo.REVISED]
    steps = 2 + len(demo.MEMORIES) + len(demo.QUESTIONS) + 5
    all_found = all(f"→ 1. {text}" in shown for text in found)
    return all_found and "→ nothing relevant" in shown and shown.count(" ms ") == steps


def test_the_whole_demo(folder: Path) -> None:
    """It finds everything, ends with 0, and leaves neither a store nor a daemon behind."""
    with running(folder) as shown:
        out, err = shown.communicate(timeout=180)
    assert (shown.returncode, err) == (0, "")
    assert is_whole(out)
    assert str(folder / "mine") in out
    [sockets] = folder.iterdir()
    assert list(sockets.iterdir()) == []


def test_killing_the_daemon_during_the_demo_changes_nothing_that_is_seen(folder: Path) -> None:
    """After a save, and twice more: the steps go on and find everything."""
    killed: list[int] = []
    with running(folder) as shown:
        assert shown.stdout is not None
        assert shown.stderr is not None
        out = ""
        for line in shown.stdout:
            out += line
            if demo.COFFEE in line or demo.QUESTIONS[1][0] in line:
                [home] = folder.glob("memdesk-demo-*")
                address = read_address(str(home))
                assert address is not None
                assert address.pid not in killed
                os.kill(address.pid, signal.SIGKILL)
                killed.append(address.pid)
        assert shown.stderr.read() == ""
    assert shown.returncode == 0
    assert len(killed) > 2
    assert is_whole(out)


def test_how_to_connect() -> None:
    """The printed commands are absolute and survive a shell, spaces in the path included."""
    printed = demo.connect_words(Path("/a folder"))
    snippet = json.loads(printed[printed.index("{") : printed.index("\n\n")])
    server = snippet["mcpServers"]["memdesk"]
    assert Path(server["command"]).is_absolute()
    assert server["args"][-1] == "mcp"
    line = next(line for line in printed.splitlines() if "claude mcp add" in line)
    told = shlex.split(line)
    assert told[told.index("--") + 1 :] == [server["command"], *server["args"]]
    assert "MEMDESK_HOME=/a folder" in told


def test_places_go_by_the_order_of_the_answer() -> None:
    """The first memory that an answer names is in the first place."""
    reply = f"1 {demo.KEY}\n2 {demo.COFFEE}"
    assert demo.place_of(demo.KEY, reply) == 1
    assert demo.place_of(demo.COFFEE, reply) == 2
    assert demo.place_of(demo.DENTIST, reply) is None


SERVER = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    answer = {ANSWER}
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **answer}), flush=True)
"""


def server(answer: str) -> list[str]:
    """The command of a server that answers everything so."""
    return [sys.executable, "-c", SERVER.replace("{ANSWER}", answer)]


def test_a_tool_error_is_told(tmp_path: Path) -> None:
    """What a tool refused is in the sentence."""
    answer = '{"result": {"isError": True, "content": [{"type": "text", "text": "too late"}]}}'
    with (
        demo.Session(server(answer), tmp_path) as session,
        pytest.raises(MemdeskError, match="the demo failed: recall answered: too late"),
    ):
        session.call("recall", query="x")


def test_a_protocol_error_is_told(tmp_path: Path) -> None:
    """So is an error of the protocol."""
    with (
        demo.Session(server('{"error": {"code": -1, "message": "no"}}'), tmp_path) as session,
        pytest.raises(MemdeskError, match=r"initialize answered .*no"),
    ):
        session.initialize()


def test_a_server_that_ends_is_told(tmp_path: Path) -> None:
    """Its last words on standard error are in the sentence."""
    command = [sys.executable, "-c", "import sys; sys.exit('out of luck')"]
    with (
        demo.Session(command, tmp_path) as session,
        pytest.raises(MemdeskError, match="the server ended; out of luck"),
    ):
        session.initialize()


def test_a_server_that_keeps_silent_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo does not wait for ever, nor for the server to leave."""
    monkeypatch.setattr(demo, "PATIENCE", 0.05)
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with (
        demo.Session(command, tmp_path) as session,
        pytest.raises(MemdeskError, match="no answer to initialize"),
    ):
        session.initialize()


def test_a_wrong_answer_fails_the_demo(tmp_path: Path) -> None:
    """A question that finds something else ends it with a sentence."""
    answer = '{"result": {"content": [{"type": "text", "text": "nothing"}]}}'
    with (
        demo.Session(server(answer), tmp_path) as session,
        pytest.raises(MemdeskError, match="did not find"),
    ):
        demo._ask(session, lambda _: None)


def test_an_answer_to_what_was_never_told_fails_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that cannot say “nothing” is no demo."""
    monkeypatch.setattr(demo, "QUESTIONS", ())
    answer = '{"result": {"content": [{"type": "text", "text": "1 memory"}]}}'
    with (
        demo.Session(server(answer), tmp_path) as session,
        pytest.raises(MemdeskError, match="was answered"),
    ):
        demo._ask(session, lambda _: None)
