"""The daemon's door: a socket that only its user reaches, and the sign that says where it is."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from memdesk import __version__
from memdesk.errors import StoreError
from memdesk.link.address import FILE, Address, read_address, write_address

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_PATH = 100
"""Bytes of a socket's path: macOS takes 104, Linux 108."""
_OLD = 60.0
_TRY = 0.1
BACKLOG = 1024
"""Connections that may wait to be received."""


@contextlib.contextmanager
def listening(home: Path) -> Iterator[socket.socket]:
    """Listen on a socket that only this user reaches, and say in the store's folder where."""
    door = _door(home)
    path: str = door.getsockname()
    try:
        _tell(home, path)
        yield door
    finally:
        unlist(home, path)
        door.close()


def _tell(home: Path, path: str) -> None:
    try:
        _sweep(Path(path))
        write_address(str(home), Address(path, os.getpid(), time.time(), __version__))
    except OSError as error:
        raise StoreError(f"cannot say where the daemon listens: {error.strerror}") from error


def unlist(home: Path, path: str) -> None:
    """Take the sign down and remove the socket, unless another daemon has put up its own."""
    address = read_address(str(home))
    if address and address.pid == os.getpid():
        with contextlib.suppress(OSError):
            (home / FILE).unlink()
        with contextlib.suppress(OSError):
            Path(path).unlink()


def _door(home: Path) -> socket.socket:
    """Return a listening socket in the first folder that will do; raises `StoreError`."""
    name = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:12]
    problems = []
    for folder in _folders(home):
        path = folder / name
        try:
            if len(os.fsencode(path)) > LONGEST_PATH:
                problems.append(f"{folder} is too long a path")
                continue
            _own(folder)
            return _bound(path)
        except OSError as error:
            problems.append(f"{folder}: {error.strerror or error}")
    raise StoreError(f"there is no folder for the daemon's socket ({'; '.join(problems)})")


def _folders(home: Path) -> Iterator[Path]:
    """Yield where sockets may be: what the system cleans up at logout, then what lasts."""
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "memdesk"
    yield Path(tempfile.gettempdir()) / f"memdesk-{os.getuid()}"
    yield home / "run"


def _own(folder: Path) -> None:
    """Make the folder, or see that it is this user's alone; raises `OSError`."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.getuid():
        raise PermissionError("it belongs to somebody else")
    if found.st_mode & 0o077:
        folder.chmod(0o700)


def _sweep(own: Path) -> None:
    """Remove the sockets that killed daemons of other stores have left behind."""
    for path in own.parent.iterdir():
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
            # One that was just made may not listen yet.
            if path != own and time.time() - path.stat().st_mtime > _OLD:
                line.settimeout(_TRY)
                try:
                    line.connect(str(path))
                except ConnectionRefusedError:
                    path.unlink()


def _bound(path: Path) -> socket.socket:
    # The lock says that nobody serves this store: a socket that is there is a dead daemon's.
    path.unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        door.bind(str(path))
        door.listen(BACKLOG)
    except OSError:
        door.close()
        raise
    finally:
        os.umask(before)
    return door
