"""Where a store is, where its daemon listens, and how the two greet each other.

Standard library only, and little of it: every start of a host's server imports this. The address is
what `daemon.json` in the store's folder says, never computed from the environment, which differs
between a desktop, ssh and a sandbox (DESIGN §2).
"""

import json
import os
import socket
import sys

HOME = "MEMDESK_HOME"
"""The environment variable that names the store's folder."""
FILE = "daemon.json"
PROTOCOL = 2
"""The version of the greeting; a daemon that speaks another one is not used."""
LONGEST_LINE = 64 * 1024 * 1024
"""Bytes of the longest line that goes over the socket."""
LONGEST_CALL = 1 << 29
"""Characters of the longest call; one that is too long for a line goes over it in parts."""
_CREDENTIALS = 12
_APPLE_CREDENTIALS = 76


class Address:
    """One daemon's place and identity."""

    __slots__ = ("path", "pid", "started", "version")

    def __init__(self, path: str, pid: int, started: float, version: str) -> None:
        self.path = path
        """The socket it listens on."""
        self.pid = pid
        self.started = started
        """When the process began, in seconds since 1970."""
        self.version = version


def default_home(environ: "os._Environ[str] | dict[str, str]" = os.environ) -> str:
    """Return the folder of the store where nothing names another: platformdirs' user data folder."""
    if sys.platform == "darwin":
        usual = "~/Library/Application Support"
    else:
        usual = "~/.local/share"
    chosen = environ.get("XDG_DATA_HOME", "")
    return os.path.join(chosen if os.path.isabs(chosen) else os.path.expanduser(usual), "memdesk")


def home_of(environ: "os._Environ[str] | dict[str, str]" = os.environ) -> str | None:
    """Return the store's folder, or None when what the environment names cannot be one."""
    home = os.path.expanduser(environ.get(HOME) or default_home(environ))
    return home if os.path.isabs(home) else None


def read_address(home: str) -> Address | None:
    """Return where the daemon of a store says it listens, or None."""
    try:
        with open(os.path.join(home, FILE), encoding="utf-8") as file:
            told = json.load(file)
        return Address(str(told["path"]), int(told["pid"]), float(told["started"]), told["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_address(home: str, address: Address) -> None:
    """Say where this daemon listens; the old or the new file is whole at every moment."""
    path = os.path.join(home, FILE)
    beside = f"{path}.{os.getpid()}"
    told = {name: getattr(address, name) for name in Address.__slots__}
    file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with open(file, "w", encoding="utf-8") as stream:
            json.dump(told, stream)
        os.replace(beside, path)
    except OSError:
        os.unlink(beside)
        raise


def connect(address: Address, timeout: float) -> socket.socket:
    """Return a connection to a daemon of this user; raises `OSError` for anything else."""
    link = socket.socket(socket.AF_UNIX)
    try:
        link.settimeout(timeout)
        link.connect(address.path)
        if peer(link)[1] != os.getuid():
            raise PermissionError(f"{address.path} belongs to another user")
    except OSError:
        link.close()
        raise
    return link


def peer(link: socket.socket) -> tuple[int, int]:
    """Return the process id (0 where the system does not tell it) and user id at the other end."""
    if sys.platform == "linux":
        raw = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS)
        return int.from_bytes(raw[:4], sys.byteorder), int.from_bytes(raw[4:8], sys.byteorder)
    # macOS and the BSDs: struct xucred, its version first, then the user (unix(4): LOCAL_PEERCRED).
    raw = link.getsockopt(0, 1, _APPLE_CREDENTIALS)
    return 0, int.from_bytes(raw[4:8], sys.byteorder)


def say(link: socket.socket, message: dict[str, object]) -> None:
    """Send one message as a line."""
    link.sendall(json.dumps(message).encode() + b"\n")


def hear(link: socket.socket) -> dict[str, object]:
    """Return the other side's next line; raises `OSError` when there is none.

    For turns where it says one line and then waits for us: nothing follows it.
    """
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = link.recv(65536)
        if not piece:
            raise ConnectionResetError("the daemon has gone")
        line += piece
    told = json.loads(line)
    if not isinstance(told, dict):
        raise ConnectionError("what listens there is no memdesk daemon")
    return told
