"""`memdesk mcp`: the pipe between a host and the store's daemon.

It copies lines both ways, one blocking thread a way, so that whoever does not read holds up whoever
writes and nobody else. Of what it copies it reads only what a new daemon must be told when the old
one is gone: the session's opening, and the requests that have no answer yet. Standard library only.
"""

import contextlib
import json
import os
import re
import signal
import socket
import sys
import threading
import time

from memdesk.link.address import home_of
from memdesk.link.host import await_end, starters
from memdesk.link.start import join
from memdesk.link.visit import Joined, NoDaemon, Refused, hello

TRIES = 3
"""How often a request is put to daemons that die over it, before the host is told."""
LONGEST = 16 * 1024 * 1024
"""Bytes of the longest line a host may send: a text of 1 MB, however it is escaped, and room to spare."""
DIRECT = "--direct"
SESSION = "--session"
"""What a server of a session's own is told of it: its nonce, and what was asked before."""
_OPTIONS = ("--space", "--tools")
_USAGE = 2
_AT_END = 10.0
_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_LOOK = 0.5
_SOUND = 5.0
"""A daemon that served for so many seconds was not ended by what it was first asked."""
_PIECE = 65536
_REPEATED = "memdesk-opening"
"""The id under which a session's opening is told again; the host does not see its answer."""
_ID = re.compile(rb'\{"jsonrpc":"2\.0","id":(-?\d+|"(?:[^"\\]|\\.)*"),"(\w+)"')
_INTERNAL_ERROR, _INVALID_REQUEST = -32603, -32600

_LOST = "memdesk ended unexpectedly over this request; what it asked may be done or not: look, and ask again"

Id = str | int


class Asked:
    """A request of the host that has no answer yet."""

    __slots__ = ("at", "line", "times")

    def __init__(self, line: bytes) -> None:
        self.line = line
        self.times = 1
        self.at = time.time()


def main(argv: list[str]) -> int | None:
    """Serve the host until it leaves; None where it must be served in this very process.

    Returns 2 for arguments that the daemon does not accept, and otherwise ends the process.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the host's Control-C ends us without a word
    options, home = _options(argv), home_of()
    if options is None or home is None:
        return None
    shim = Shim(home, argv, hello("mcp", **options, nonce=os.urandom(16).hex()))
    elsewhere = threading.Event()
    threading.Thread(target=_end_with_host, args=(starters(), elsewhere), daemon=True).start()
    try:
        first = shim.reach()
    except NoDaemon as error:
        elsewhere.set()
        _say(f"serving without a daemon: {error}")
        return None
    except Refused as error:
        _say(": ".join(map(str, error.args)))
        return _USAGE
    shim.run(first)
    os._exit(0)


def _options(argv: list[str]) -> dict[str, object] | None:
    """Return the options, or None for words that whoever serves in this process explains."""
    options: dict[str, object] = {}
    words = iter(argv)
    for word in words:
        name, given, value = word.partition("=")
        value = value if given else next(words, "")
        if name not in _OPTIONS or not value:
            return None
        options[name[2:]] = value
    return options


def _say(words: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # it may be closed
        sys.stderr.write(f"memdesk mcp: {words}\n")
        sys.stderr.flush()


class Shim:
    """One host's session, whichever daemon serves it."""

    def __init__(self, home: str, argv: list[str], greeting: dict[str, object]) -> None:
        self._home = home
        self._argv = argv
        self._greeting = greeting
        self._state = threading.Condition()
        """Guards all below; never held while something is read or written."""
        self._link: socket.socket | None = None
        self._opener: Asked | None = None
        self._opened: list[bytes] = []
        """What the host says once its opening is answered: nothing yet, or one notification."""
        self._asked: dict[Id, Asked] = {}
        self._theirs: set[Id] = set()
        """The ids of what the present daemon asked the host."""
        self._ended = False
        self._tools: object = None
        self._short_lives = 0
        self._sending = threading.Lock()
        self._writing = threading.Lock()

    def reach(self) -> Joined:
        """Return a connection to the daemon; raises `NoDaemon` and `Refused`."""
        joined = join(self._home, self._greeting)
        self._tools = joined.welcome.get("tools")
        return joined

    def run(self, first: Joined) -> None:
        """Copy lines until the host has left and everything it asked is answered."""
        with self._state:
            self._link = first.link
        threading.Thread(target=self._from_host, daemon=True).start()
        link = first.link
        while True:
            begun = time.monotonic()
            self._to_host(link)
            with self._state:
                self._link = None
                if self._ended and not self._asked:
                    return
            _drop(link)
            link = self._again(sound=time.monotonic() - begun > _SOUND)

    # From the host to the daemon

    def _from_host(self) -> None:
        """Copy what the host says; the only reader of standard input."""
        with open(0, "rb", _PIECE, closefd=False) as host:
            while line := host.readline(LONGEST + 1):
                if len(line) > LONGEST:
                    self._refuse(line[:4096])
                    while line and not line.endswith(b"\n"):
                        line = host.readline(LONGEST)
                elif line.strip():
                    self._send(line if line.endswith(b"\n") else line + b"\n")
        self._leave()

    def _send(self, line: bytes) -> None:
        message = _message(line)
        while True:
            with self._state:
                while (link := self._link) is None:
                    self._state.wait()
                kept = self._track(message, line)
                if kept is None:
                    return
            try:
                with self._sending:
                    link.sendall(line)
            except OSError:
                # A new daemon is told what is kept, so only other words have to be said again.
                if kept:
                    return
                with self._state:
                    while self._link is link:
                        self._state.wait()
            else:
                return

    def _track(self, message: dict[str, object], line: bytes) -> bool | None:
        """Return whether a new daemon will be told this line; None for one that goes nowhere."""
        method, id = message.get("method"), message.get("id")
        if method is None and isinstance(id, Id):
            if id not in self._theirs:
                return None  # the answer to a question of a daemon that is no more
            self._theirs.discard(id)
        elif isinstance(id, Id):
            self._asked[id] = Asked(line)
            if method == "initialize":
                self._opener, self._opened = self._asked[id], []
            return True
        elif method == "notifications/initialized":
            self._opened = [line]
            return True
        elif method == "notifications/cancelled":
            self._forget(message)
        return False

    def _forget(self, cancelled: dict[str, object]) -> None:
        told = cancelled.get("params")
        id = told.get("requestId") if isinstance(told, dict) else None
        if isinstance(id, Id):
            self._asked.pop(id, None)
            self._state.notify_all()

    def _refuse(self, beginning: bytes) -> None:
        """Answer a line that is too long, as far as its beginning tells its id."""
        found = re.search(rb'"id"\s*:\s*(-?\d+|"(?:[^"\\]|\\.)*")', beginning)
        id = json.loads(found[1]) if found else None
        words = f"one message may have at most {LONGEST // 2**20} MiB"
        self._answer(id, _INVALID_REQUEST, words)

    def _leave(self) -> None:
        """Let the daemon answer what was asked, then tell it that the host has gone."""
        with self._state:
            self._ended = True
            while self._asked and (self._one_less() or self._writing.locked()):
                continue  # it is answered, or the host takes its time to read
            link = self._link
        threading.Timer(_LOOK, self._end).start()
        if link is not None:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_WR)

    def _one_less(self) -> bool:
        """Wait until one more request is answered; False when that takes too long."""
        open_ = len(self._asked)
        return self._state.wait_for(lambda: len(self._asked) < open_, _AT_END)

    def _end(self) -> None:
        with self._writing:  # never in the middle of a line
            os._exit(0)

    # From the daemon to the host

    def _to_host(self, link: socket.socket) -> None:
        """Copy what one daemon says until it is gone; the end of a line it began is dropped."""
        with link.makefile("rb", _PIECE) as daemon:
            try:
                for line in daemon:
                    if line.endswith(b"\n"):
                        self._pass_on(line)
            except OSError:
                return

    def _pass_on(self, line: bytes) -> None:
        """Give a line to the host, and note what the daemon answers or asks in it."""
        found = _ID.match(line)
        id: Id | None = json.loads(found[1]) if found else None
        if found is None or id is None:
            self._write(line)
        elif found[2] == b"method":
            with self._state:
                self._theirs.add(id)
            self._write(line)
        elif id != _REPEATED:
            answered = self._asked.get(id)
            self._write(line)
            with self._state:
                if answered is not None and self._asked.get(id) is answered:
                    del self._asked[id]  # and not what the host has asked under this id since
                self._state.notify_all()

    def _write(self, line: bytes) -> None:
        left = memoryview(line)
        try:
            with self._writing:
                while left:
                    left = left[os.write(1, left) :]
        except OSError:
            os._exit(0)  # the host has closed its end

    def _answer(self, id: Id | None, code: int, words: str) -> None:
        error = {"code": code, "message": words}
        self._write(json.dumps({"jsonrpc": "2.0", "id": id, "error": error}).encode() + b"\n")

    # When the daemon is gone

    def _again(self, *, sound: bool) -> socket.socket:
        """Return a connection on which a new daemon is being told where the session stands.

        `sound`: the last one served for so long that what it was asked is not what ended it.
        """
        before = self._tools
        self._short_lives = 0 if sound else self._short_lives + 1
        self._give_up(sound=sound)
        link = self._new_link()
        with self._state:
            self._theirs.clear()
            told = self._story()
            self._link = link
            self._sending.acquire()
            self._state.notify_all()
        # Beside the reading of its answers: neither side may wait for the other.
        threading.Thread(target=self._tell, args=(link, told), daemon=True).start()
        if self._tools != before and self._opener is not None:
            self._write(b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n')
        return link

    def _story(self) -> list[bytes]:
        """Return the lines that bring a new daemon to where the old one was."""
        asked = list(self._asked.values())
        opening: list[bytes] = []
        if self._opener in asked:
            asked.remove(self._opener)
            opening = [self._opener.line]
        elif self._opener is not None:
            repeated = _message(self._opener.line) | {"id": _REPEATED}
            opening = [json.dumps(repeated).encode() + b"\n"]
        return [*opening, *self._opened, *(each.line for each in asked)]

    def _tell(self, link: socket.socket, lines: list[bytes]) -> None:
        try:
            for line in lines:
                link.sendall(line)
        except OSError:
            return  # it is gone too, and the next one is told
        finally:
            self._sending.release()

    def _give_up(self, *, sound: bool) -> None:
        """Count one more try for every open request, and answer those that had enough."""
        with self._state:
            lost = [id for id, asked in self._asked.items() if asked.times >= TRIES and not sound]
            for id in lost:
                del self._asked[id]
            for asked in self._asked.values():
                asked.times = 2 if sound else asked.times + 1
        for id in lost:
            self._answer(id, _INTERNAL_ERROR, _LOST)

    def _new_link(self) -> socket.socket:
        """Return a connection to a daemon, or to a server of this host's own where there is none."""
        with self._state:
            self._greeting["again"] = [(id, asked.at) for id, asked in self._asked.items()]
        while True:
            # Who starts what ends at once must not do it all day.
            time.sleep(min(_PAUSE * 2 ** (self._short_lives - TRIES), _LONGEST_PAUSE))
            why: object = "it ends as soon as it is asked"
            try:
                if self._short_lives <= 2 * TRIES:
                    return self.reach().link
            except (NoDaemon, Refused) as error:
                why = error
            _say(f"going on without a daemon: {why}")
            try:
                return self._own_server()
            except OSError as error:
                _say(f"no server can be started: {error}")
                self._short_lives += 1

    def _own_server(self) -> socket.socket:
        """Return the line to a server of this host's own, which ends with it; raises `OSError`."""
        import subprocess

        ours, its = socket.socketpair()
        session = json.dumps({key: self._greeting[key] for key in ("nonce", "again")})
        # -P: the host's folder is somebody's project, not where our modules are.
        command = [sys.executable, "-P", "-m", "memdesk", "mcp", DIRECT, *self._argv]
        command += [SESSION, session]
        with its:
            child = subprocess.Popen(command, stdin=its.fileno(), stdout=its.fileno())
        threading.Thread(target=child.wait, daemon=True).start()
        return ours


def _drop(link: socket.socket) -> None:
    """Close a connection, and wake whoever is still sending on it."""
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)
    link.close()


def _message(line: bytes) -> dict[str, object]:
    """Return the message in a line; one that is none has nothing to keep."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _end_with_host(starters: list[int], elsewhere: threading.Event) -> None:
    """End this process when its host has ended, whoever still holds the pipes.

    `elsewhere` says that another server in this process sees to its own end.
    """
    await_end(starters)
    if not elsewhere.is_set():
        os._exit(0)
