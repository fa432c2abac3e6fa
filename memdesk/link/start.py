"""Reach the store's daemon, and start one where there is none.

Standard library only: a host's server and every command come through here.
"""

import os
import select
import socket
import sys
import time

from memdesk import __version__
from memdesk.link.address import HOME, PROTOCOL, home_of
from memdesk.link.visit import Joined, NoDaemon, Refused, checked, dismiss, visit

DIRECT = "MEMDESK_DIRECT"
"""Set it to 1 and nothing is started or asked: everything works in its own process."""
READY = b"ready"
"""What a daemon says on its standard output when it listens."""
OUTPUT = "daemon.out"
"""The file in the store's folder for what a daemon says before it has its log."""
TURN = "daemon.start"
_LONGEST_OUTPUT = 65536
_STARTS_WITHIN = 30.0
_POLL = 0.01


def wanted() -> str:
    """Return why no daemon is to be used here; empty where one is."""
    if os.environ.get(DIRECT, "") not in ("", "0"):
        return f"{DIRECT} is set"
    if not hasattr(socket, "AF_UNIX"):
        return "this system has no Unix sockets"
    if home_of() is None:
        return f"{HOME} is not an absolute path"
    return ""


def join(home: str, greeting: dict[str, object]) -> Joined:
    """Return a connection to the store's daemon, started or replaced by a newer one where needed.

    Raises `NoDaemon` where there can be none, and `Refused` for a greeting it does not accept.
    """
    if why := wanted():
        raise NoDaemon(why)
    joined = visit(home, greeting)
    if joined is None or _older(joined):
        if joined:
            joined.link.close()
        joined = _started(home, greeting)
    return _accepted(joined)


def _accepted(joined: Joined) -> Joined:
    """Return a connection on which the daemon waits for us; raises `Refused` and `NoDaemon`."""
    if joined.welcome.get("memdesk") != PROTOCOL:
        joined.link.close()
        raise NoDaemon(f"the one that serves is memdesk {joined.welcome.get('version')}")
    try:
        checked(joined.welcome)
    except Refused:
        joined.link.close()
        raise
    return joined


def _older(joined: Joined) -> bool:
    return _age(joined.welcome.get("memdesk"), str(joined.welcome["version"])) < _age(
        PROTOCOL, __version__
    )


def _age(protocol: object, version: str) -> tuple[int, list[int]]:
    """Return what is higher for the newer of two: first the protocol, so that none replaces the other in turn."""
    return protocol if isinstance(protocol, int) else 0, _numbers(version)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.partition("+")[0].split(".") if part.isdigit()]


def _started(home: str, greeting: dict[str, object]) -> Joined:
    """Return a connection to a daemon that this process or another one starts now."""
    deadline = time.monotonic() + _STARTS_WITHIN
    with Turn(home) as turn:
        while time.monotonic() < deadline:
            joined = visit(home, greeting)
            if joined and not _older(joined):
                return joined
            if turn.taken():
                if joined:
                    dismiss(home, "a newer memdesk takes over")
                try:
                    spawn(home, hosts=greeting["kind"] == "mcp")
                except NoDaemon:
                    # Somebody else may have started one, such as the system at login.
                    if joined := visit(home, greeting):
                        return joined
                    raise
            if joined:
                joined.link.close()
            time.sleep(_POLL)
    raise NoDaemon("none came up in time")


def spawn(home: str, *, hosts: bool) -> None:
    """Start a daemon that outlives this process, and wait until it listens; raises `NoDaemon`.

    It is nobody's child: hosts that end their servers end whole process trees. With `hosts` it
    gets ready for those at once.
    """
    import subprocess

    # -P: the folder it is started in is not where our modules are.
    command = [sys.executable, "-P", "-m", "memdesk", "daemon", "run", "--detached"]
    command += ["--hosts"] if hosts else []
    # Its zone is the system's; each caller tells its own.
    environ = {name: value for name, value in os.environ.items() if name != "TZ"}
    try:
        output = os.open(_output(home), os.O_WRONLY | os.O_CREAT | os.O_APPEND, mode=0o600)
        with open(output, "wb") as errors:
            if errors.tell() > _LONGEST_OUTPUT:
                errors.truncate(0)
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd="/",
                env=environ | {HOME: home},
                start_new_session=True,
            )
    except OSError as error:
        raise NoDaemon(f"none can be started: {error}") from None
    assert child.stdout is not None
    with child.stdout as said:
        words = said.readline() if select.select([said], [], [], _STARTS_WITHIN)[0] else b""
    child.wait()
    if not words.startswith(READY):
        raise NoDaemon(words.decode(errors="replace").strip() or _last_words(home))


def _output(home: str) -> str:
    return os.path.join(home, OUTPUT)


def _last_words(home: str) -> str:
    with open(_output(home), encoding="utf-8", errors="replace") as file:
        lines = file.read().strip().splitlines()
    return lines[-1] if lines else "it ended without a word"


class Turn:
    """Whose turn it is to start a daemon: one process's at a time; freed when that one dies."""

    def __init__(self, home: str) -> None:
        self._path = os.path.join(home, TURN)
        self._home = home
        self._file = -1

    def __enter__(self) -> "Turn":
        try:
            os.makedirs(self._home, mode=0o700, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, mode=0o600)
        except OSError as error:
            raise NoDaemon(f"{self._path}: {error.strerror}") from None
        return self

    def taken(self) -> bool:
        """Take it if nobody has it."""
        import fcntl

        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def wait(self) -> None:
        """Take it as soon as nobody has it."""
        while not self.taken():
            time.sleep(_POLL)

    def give_up(self) -> None:
        """Let the next one have it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __exit__(self, *_: object) -> None:
        self.give_up()
