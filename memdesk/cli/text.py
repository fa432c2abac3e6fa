"""The text a person gives: as words, from a file, or through a pipe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from memdesk.errors import Invalid
from memdesk.memory import MAX_TEXT_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST = 16 * MAX_TEXT_BYTES
"""Far above what a memory may hold, so that the refusal can say how long the text is."""


def given_text(words: Sequence[str], file: str | None) -> str | None:
    """Return the text from the one place it was given in, or None when it was in none.

    Words are joined by spaces; `-`, or no words and a pipe, mean standard input.
    """
    if words and file is not None:
        raise click.UsageError("give the text as words or with --file, not both")
    if file is not None and file != "-":
        return _read_file(Path(file))
    if file == "-" or tuple(words) == ("-",):
        return _decode(_read(sys.stdin.buffer), "text")
    return " ".join(words) if words else None


def piped_text() -> str | None:
    """Return what is piped into this process, or None when a person sits at its other end."""
    if sys.stdin is None or sys.stdin.isatty():
        return None
    return _decode(_read(sys.stdin.buffer), "text")


def _read_file(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return _decode(_read(stream), "file")
    except OSError as error:
        raise Invalid("file", f"{path} cannot be read: {error.strerror}") from error


def _read(stream: BinaryIO) -> bytes:
    data = stream.read(_MOST + 1)
    if len(data) > _MOST:
        raise Invalid("text", f"is longer than {_MOST:,} bytes; a memory holds {MAX_TEXT_BYTES:,}")
    return data


def _decode(data: bytes, field: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(
            field, f"is not UTF-8 text (byte {error.start + 1}); convert it first"
        ) from error
