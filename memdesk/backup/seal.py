"""A sum over a whole file at its very end, in the zip format's comment: no byte changes unseen."""

from __future__ import annotations

import hashlib
import os
import zipfile
from typing import TYPE_CHECKING

from memdesk.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import IO, BinaryIO

_PIECE = 1 << 20
_MARK = b"memdesk sha256 "
_DIGITS = 64
COMMENT = _MARK + b"0" * _DIGITS
"""The comment to give a zip file before it is sealed."""


def seal(path: Path) -> None:
    """Write the sum of a zip file with `COMMENT` into that, and put the file on the disk."""
    with path.open("r+b") as file:
        told = _sum(file, path.stat().st_size - _DIGITS)
        file.seek(-_DIGITS, os.SEEK_END)
        file.write(told.encode("ascii"))
        file.flush()
        os.fsync(file.fileno())


def check(path: Path) -> None:
    """Raise `Invalid` where a file is not, to the last byte, what was sealed."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - len(COMMENT)))
            tail = file.read()
            file.seek(0)
            if not tail.startswith(_MARK) or size < len(COMMENT):
                raise Invalid("file", _what_else(path, file.read(2)))
            if _sum(file, size - _DIGITS).encode() != tail[-_DIGITS:]:
                raise Invalid(
                    "file", f"{path} is damaged: its sum is not what it was; use another one"
                )
    except OSError as error:
        raise Invalid("file", f"{path} cannot be read: {error.strerror or error}") from error


def _what_else(path: Path, head: bytes) -> str:
    if head == b"PK" and not zipfile.is_zipfile(path):
        return f"{path} is cut short: its end is missing; copy it again or use another one"
    return f"{path} is no backup of memdesk, or damaged at its end"


def _sum(file: BinaryIO, size: int) -> str:
    """Return the sum of a file's first `size` bytes."""
    file.seek(0)
    return summed(file, size, lambda _: None)


def summed(source: IO[bytes], size: int, take: Callable[[bytes], object]) -> str:
    """Hand on at most the next `size` bytes in pieces; return their SHA-256 in hex."""
    found = hashlib.sha256()
    while size and (piece := source.read(min(_PIECE, size))):
        take(piece)
        found.update(piece)
        size -= len(piece)
    return found.hexdigest()
