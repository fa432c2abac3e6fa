"""Getting files onto the disk itself, and replacing them whole; standard library only."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def flush_file(path: Path) -> None:
    """Put a file's bytes on the disk itself (F_FULLFSYNC on macOS, where fsync stops at the drive)."""
    # Windows flushes only through a handle that may write.
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        if sys.platform == "darwin":
            import fcntl

            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        else:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_folder(path: Path) -> None:
    """Put a folder's entries on the disk; Windows does that by itself."""
    if sys.platform != "win32":
        flush_file(path)


def flush_way(path: Path) -> None:
    """Put the entries that lead to a new folder on the disk, as far as they may be read."""
    for above in path.parents:
        with contextlib.suppress(OSError):
            flush_folder(above)


def write_json(path: Path, value: Mapping[str, object] | Sequence[object]) -> None:
    """Replace a JSON file so that after a crash either the old or the new one is whole."""
    write_text(path, json.dumps(value, indent=1))


def write_text(path: Path, text: str) -> None:
    """Replace a text file, which only its owner reads, in the same way."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        flush_file(Path(name))
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    flush_folder(path.parent)
