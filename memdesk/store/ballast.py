"""A reserve on the disk, given up first when it is full: compaction needs room before it makes room."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE = "ballast"
SIZE = 32 << 20
"""Bytes."""
_AMPLE = 10
"""How many times its size the disk has free when it is made."""


def keep(home: Path) -> None:
    """Make the reserve where there is none and the disk has ample room; failing is no error."""
    path = home / FILE
    with contextlib.suppress(OSError):
        if path.exists() or shutil.disk_usage(home).free <= _AMPLE * SIZE:
            return
        try:
            _fill(path)
        except OSError:
            path.unlink()
            raise


def _fill(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, SIZE)
        else:
            file.write(bytes(SIZE))


def make_room(home: Path) -> None:
    """Give the reserve up if the disk has less than its size left."""
    with contextlib.suppress(OSError):
        if shutil.disk_usage(home).free < SIZE:
            give_up(home)


def give_up(home: Path) -> bool:
    """Free the reserve; tell whether there was one."""
    try:
        (home / FILE).unlink()
    except OSError:
        return False
    return True
