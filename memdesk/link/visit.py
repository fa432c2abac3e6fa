"""Come to the daemon that serves a store: the greeting, and what it can be asked about itself.

Standard library only: a host's server and every command come through here.
"""

import os
import signal
import socket
import time

from memdesk import __version__
from memdesk.link.address import PROTOCOL, Address, connect, hear, peer, read_address, say

_ANSWERS_WITHIN = 5.0
_GREETS_HOSTS_WITHIN = 2.0
"""Of a host's server, which can do without: some hosts give it ten seconds in all to answer."""
_LEAVES_WITHIN = 3.0


class NoDaemon(Exception):  # noqa: N818 (read as “raises NoDaemon”)
    """There is no daemon to work with; says why."""


class Refused(Exception):  # noqa: N818 (read as “raises Refused”)
    """The daemon will not serve this; `kind` and `args` are those of one of memdesk's errors."""

    def __init__(self, kind: str, args: list[object]) -> None:
        super().__init__(*args)
        self.kind = kind


class Joined:
    """A connection that the daemon has welcomed."""

    __slots__ = ("link", "welcome")

    def __init__(self, link: socket.socket, welcome: dict[str, object]) -> None:
        self.link = link
        self.welcome = welcome


def hello(kind: str, **more: object) -> dict[str, object]:
    """Return how a front greets the daemon; `kind` is mcp, service or control."""
    try:
        folder = os.getcwd()
    except OSError:
        folder = ""
    said: dict[str, object] = {"memdesk": PROTOCOL, "kind": kind, "version": __version__}
    zone = os.environ.get("TZ", "")
    where = {"TZ": zone, "offset": time.localtime().tm_gmtoff} if zone else {}
    return said | {"pid": os.getpid(), "cwd": folder, "env": where} | more


def visit(home: str, greeting: dict[str, object]) -> Joined | None:
    """Return a connection to the daemon that runs and what it says to it; None where none does.

    Raises `NoDaemon` for one that does not answer.
    """
    address = read_address(home)
    if address is None:
        return None
    within = _GREETS_HOSTS_WITHIN if greeting["kind"] == "mcp" else _ANSWERS_WITHIN
    try:
        link = connect(address, within)
    except (PermissionError, TimeoutError, BlockingIOError) as error:
        raise NoDaemon(f"{address.path}: {error.strerror or error}") from None
    except OSError:  # a dead one's address
        return None
    try:
        return _greeted(link, address, greeting)
    except BaseException:
        link.close()
        raise


def _greeted(link: socket.socket, address: Address, greeting: dict[str, object]) -> Joined | None:
    try:
        say(link, greeting)
        welcome = hear(link)
    except TimeoutError:
        raise NoDaemon(f"process {address.pid} does not answer") from None
    except (OSError, ValueError):  # it was just leaving
        link.close()
        return None
    link.settimeout(None)
    return Joined(link, welcome)


def checked(told: dict[str, object]) -> dict[str, object]:
    """Return what the daemon said; raises `Refused` when it was a refusal."""
    refused = told.get("refused")
    if isinstance(refused, list):
        raise Refused(str(refused[0]), refused[1:])
    return told


def ask(home: str, request: dict[str, object]) -> dict[str, object] | None:
    """Return the daemon's answer to a request about itself, or None where none runs.

    Raises `NoDaemon` for one that does not answer.
    """
    joined = visit(home, hello("control"))
    if joined is None:
        return None
    with joined.link as link:
        link.settimeout(_ANSWERS_WITHIN)
        try:
            say(link, request)
            told = hear(link)
        except OSError as error:
            raise NoDaemon(f"the daemon did not answer: {error}") from None
    return checked(told)


def dismiss(home: str, why: str) -> int | None:
    """Have the daemon leave, and wait until it has; None where none runs.

    Returns the process id, negative when it did not answer and was killed. Raises `NoDaemon` when
    it does not go.
    """
    try:
        joined = visit(home, hello("control"))
    except NoDaemon:
        return _kill(home)
    if joined is None:
        return None
    with joined.link as link:
        pid = peer(link)[0] or int(str(joined.welcome["pid"]))
        link.settimeout(_LEAVES_WITHIN)
        try:
            say(link, {"do": "stop", "why": why})
            hear(link)
            while link.recv(1):  # only its end ends this
                continue
        except TimeoutError:
            raise NoDaemon(f"process {pid} was told to leave and is still there") from None
        except OSError:
            return pid
    return pid


def _kill(home: str) -> int:
    """End a daemon that hangs: whatever was acknowledged is on the disk."""
    address = read_address(home)
    if address is None:
        raise NoDaemon("it has just gone")
    try:
        with connect(address, _ANSWERS_WITHIN) as link:
            pid = peer(link)[0]
    except OSError as error:
        raise NoDaemon(f"{address.path}: {error.strerror or error}") from None
    if not pid:
        raise NoDaemon(f"process {address.pid} does not answer; end it by hand")
    os.kill(pid, signal.SIGKILL)
    return -pid
