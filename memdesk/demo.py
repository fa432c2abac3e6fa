"""`memdesk demo`: a host's session with memdesk, step by step, on a store that is thrown away.

It speaks MCP as raw lines of JSON, so that what is shown is what a host really sends.
"""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from memdesk.errors import MemdeskError
from memdesk.link.visit import NoDaemon, dismiss

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROTOCOL = "2025-11-25"
PATIENCE = 120.0
"""Seconds that one answer may take before the demo gives up."""

PEANUTS = "Lena is allergic to peanuts; even traces make her throat swell."
ORCHIDS = "Grandma's birthday is on 14 June; she loves orchids."
COFFEE = "I drink my coffee black, never with sugar."
RELEASES = "Deploys to production happen on Tuesdays, never before a weekend."
KEY = "The spare key hangs in the shed behind the lawnmower."
DENTIST = "Dr. Okafor is my dentist; her practice is near the station."
MEMORIES = (
    (PEANUTS, "fact"),
    ("The landlord wants the rent on the third day of each month.", "fact"),
    ("We chose PostgreSQL over MongoDB for the billing service.", "decision"),
    ("My bicycle is a green Koga with a broken rear light.", "note"),
    (ORCHIDS, "fact"),
    (COFFEE, "preference"),
    (RELEASES, "decision"),
    ("The car insurance ends in November; cancel it in time.", "task"),
    ("Our team writes commit messages in the imperative mood.", "preference"),
    (KEY, "note"),
    (DENTIST, "fact"),
    ("I am learning Portuguese because we move to Lisbon next spring.", "note"),
)
"""What the demo remembers: text and kind."""
QUESTIONS = (
    ("Which foods are dangerous for our daughter?", PEANUTS),
    ("When may we release software?", RELEASES),
    ("What flowers would please an old woman?", ORCHIDS),
    ("How do I get into a locked house?", KEY),
    ("Who looks after teeth?", DENTIST),
)
"""What it asks, and which memory answers; question and answer have no word in common."""
UNTOLD = "What is my blood type?"
"""A question that none of it answers."""
REVISED = "The spare key is with Mr. Brandt, the neighbour on the left."
WITHIN = 3
"""The place among the hits at which the right memory must stand at the latest."""

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def server_command() -> list[str]:
    """Return the command that a host starts, with absolute paths: hosts have no useful PATH."""
    folder = Path(sys.executable).parent
    for script in (folder / "memdesk", folder / "memdesk.exe"):
        if script.is_file():
            return [str(script), "mcp"]
    return [sys.executable, "-P", "-m", "memdesk", "mcp"]


def run(say: Callable[[str], None], home: Path) -> None:
    """Show a session line by line, then how to connect a host to the store in `home`.

    Raises `MemdeskError` when an answer is not the one it should be.
    """
    say("memdesk demo: what an AI host does with memdesk, on a store that is thrown away\n")
    with (
        tempfile.TemporaryDirectory(prefix="memdesk-demo-", ignore_cleanup_errors=True) as folder,
        Session(server_command(), Path(folder)) as session,
    ):
        try:
            ids = _open_and_remember(session, say)
            _ask(session, say)
            _change(session, say, ids)
        finally:  # before its folder goes
            session.end()
            with suppress(NoDaemon):
                dismiss(folder, "the demo is over")
    say("The store of this demo is deleted.\n")
    say(connect_words(home))


def _open_and_remember(session: Session, say: Callable[[str], None]) -> dict[str, str]:
    say("1. The host starts memdesk and asks what it can do")
    opening = session.initialize()
    info = opening["serverInfo"]
    _step(say, session, "initialize", f"{info['name']} {info['version']} is there")
    tools = session.request("tools/list", {})["tools"]
    _step(say, session, "tools/list", ", ".join(tool["name"] for tool in tools))
    say(f"\n2. It remembers {len(MEMORIES)} things")
    ids = {}
    for text, kind in MEMORIES:
        found = _ID.search(session.call("remember", text=text, kind=kind))
        _expect(found is not None, f"remember gave no id for “{text}”")
        assert found is not None
        ids[text] = found[0]
        _step(say, session, "remember", text)
    return ids


def _ask(session: Session, say: Callable[[str], None]) -> None:
    say("\n3. It asks with words that are not in the answers, and at last what it was never told")
    for question, answer in QUESTIONS:
        _recall(session, say, question, answer)
    reply = session.call("recall", query=UNTOLD, limit=WITHIN)
    _step(say, session, "recall", UNTOLD)
    _expect("Nothing relevant is remembered" in reply, f"“{UNTOLD}” was answered")
    say(f"{'':>21}→ nothing relevant is remembered")


def _recall(session: Session, say: Callable[[str], None], question: str, answer: str) -> None:
    reply = session.call("recall", query=question, limit=WITHIN)
    place = place_of(answer, reply)
    _step(say, session, "recall", question)
    _expect(place is not None, f"“{question}” did not find “{answer}”")
    say(f"{'':>21}→ {place}. {answer}")


def _change(session: Session, say: Callable[[str], None], ids: dict[str, str]) -> None:
    say("\n4. It revises one and forgets one")
    session.call("revise", id=ids[KEY], text=REVISED)
    _step(say, session, "revise", REVISED)
    _recall(session, say, QUESTIONS[3][0], REVISED)
    session.call("forget", ids=[ids[COFFEE]], reason="drinks tea now")
    _step(say, session, "forget", COFFEE)
    reply = session.call("recall", query=COFFEE, limit=WITHIN)
    _step(say, session, "recall", COFFEE)
    _expect(place_of(COFFEE, reply) is None, "a forgotten memory was recalled")
    say(f"{'':>21}→ no longer found; it waits in the trash\n")


def place_of(text: str, reply: str) -> int | None:
    """Return at which place of an answer the memory with this text stands, from 1."""
    known = [*(memory for memory, _ in MEMORIES), REVISED]
    order = sorted((reply.find(memory), memory) for memory in known if memory in reply)
    places = [memory for _, memory in order]
    return places.index(text) + 1 if text in places else None


def connect_words(home: Path) -> str:
    """Return how to connect a host to the store in `home`, and what else there is."""
    command, *arguments = server_command()
    server = {"command": command, "args": arguments, "env": {"MEMDESK_HOME": str(home)}}
    snippet = json.dumps({"mcpServers": {"memdesk": server}}, indent=2, ensure_ascii=False)
    desk = _shell_words([command, *arguments[:-1]])
    return (
        "Connect Claude Desktop or Cursor: put this in its MCP configuration, and restart it\n"
        f"{snippet}\n\n"
        f"Connect Claude Code:\n  {connect_line(home)}\n\n"
        "Open your own desk:\n"
        f"  {desk}\n"
        f'  {desk} add "The first thing worth remembering"\n'
        f"  {desk} search what was it\n"
        f"  {desk} --help"
    )


def connect_line(home: Path) -> str:
    """Return the command that connects Claude Code to the store in `home`."""
    words = _shell_words(["claude", "mcp", "add", "-s", "user", "memdesk"])
    store = _shell_words([f"MEMDESK_HOME={home}"])
    return f"{words} -e {store} -- {_shell_words(server_command())}"


def _shell_words(words: Sequence[str]) -> str:
    if sys.platform == "win32":
        return subprocess.list2cmdline(words)
    import shlex

    return shlex.join(words)


def _step(say: Callable[[str], None], session: Session, what: str, words: str) -> None:
    say(f"   {what:<10} {session.took * 1000:>5.0f} ms  {words}")


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise MemdeskError(f"the demo failed: {otherwise}")


class Session:
    """One host's connection: a server process, and requests as lines of JSON."""

    def __init__(self, command: Sequence[str], home: Path) -> None:
        self.took = 0.0
        """Seconds from the last request to its answer; the first one's include the start."""
        self._begun = time.perf_counter()
        self._errors = (home / "server-errors.txt").open("w+b")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=os.environ | {"MEMDESK_HOME": str(home)},
        )
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._last_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Leave as a host does, and wait until the server has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
            self._process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._reader.join(10)
        self._process.stdout.close()
        self._errors.close()

    def initialize(self) -> dict[str, Any]:
        """Open the session as hosts do and return what the server says of itself."""
        told: dict[str, object] = {
            "protocolVersion": PROTOCOL,
            "capabilities": {},
            "clientInfo": {"name": "memdesk-demo", "version": "1"},
        }
        answer = self._exchange("initialize", told)
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    def request(self, method: str, params: dict[str, object]) -> dict[str, Any]:
        """Return the result of one request."""
        self._begun = time.perf_counter()
        return self._exchange(method, params)

    def call(self, tool: str, **arguments: object) -> str:
        """Return the text that a tool answers; raises `MemdeskError` when it answers an error."""
        result = self.request("tools/call", {"name": tool, "arguments": arguments})
        text = "\n".join(part.get("text", "") for part in result["content"])
        _expect(not result.get("isError"), f"{tool} answered: {text}")
        return text

    def _exchange(self, method: str, params: dict[str, object]) -> dict[str, Any]:
        self._last_id += 1
        self._send({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params})
        deadline = time.monotonic() + PATIENCE
        while True:
            message = self._receive(method, deadline)
            if message.get("id") == self._last_id and "method" not in message:
                self.took = time.perf_counter() - self._begun
                _expect("result" in message, f"{method} answered {message.get('error')}")
                return dict(message["result"])

    def _send(self, message: dict[str, object]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._ended() from error

    def _receive(self, method: str, deadline: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            words = f"the demo failed: no answer to {method} within {PATIENCE:.0f} s"
            raise MemdeskError(words) from None
        if not line:
            raise self._ended()
        return dict(json.loads(line))

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(b"")

    def _ended(self) -> MemdeskError:
        self._errors.seek(0)
        last = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return MemdeskError(
            f"the demo failed: the server ended; {last[-1] if last else 'no words'}"
        )
