"""One file of somebody's notes: its place, its times, its text; read within bounds, whatever it is."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from memdesk.errors import Invalid
from memdesk.ingest.item import Skipped
from memdesk.memory import clean, now
from memdesk.moment import parse_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from memdesk.ingest.item import Choices, Item

MAX_FILE_BYTES = 16 * 1024 * 1024
"""The longest file of notes: a long novel is a tenth of it."""
_GLANCE = 200
"""Characters in which nearly every text has words."""
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_DATED = re.compile(r"(\d{4}-\d{2}(?:-\d{2})?)(?:[ _](?P<words>.+))?", re.DOTALL)


class Unfit(Exception):  # noqa: N818 (it becomes a `Skipped`, it is no error)
    """A file or an entry that becomes no memory; its message says why."""


@dataclass(frozen=True, slots=True)
class Paper:
    """One file of notes."""

    path: Path
    place: str
    """Where it stands below what was named."""

    @property
    def title(self) -> str:
        """Its name as words; empty where the name is a date alone."""
        stem = shown(self.path.stem)
        dated = _DATED.fullmatch(stem)
        return stem if dated is None or dated["words"] else ""

    @property
    def day(self) -> str | None:
        """The day or month that its name begins with, as in a journal."""
        dated = _DATED.fullmatch(shown(self.path.stem))
        return moment(dated[1]) if dated else None

    @property
    def changed(self) -> str | None:
        """When it was changed last, or None where the disk's time cannot be."""
        try:
            at = datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
        except (OSError, OverflowError, ValueError):
            return None
        return at.isoformat() if at <= now() else None

    def words(self, most: int = MAX_FILE_BYTES) -> str:
        """Return its text; raises `Unfit` where it has none that can be read."""
        with opened(self.path) as file:
            try:
                data = file.read(most + 1)
            except OSError as error:
                raise Unfit(f"cannot be read: {why(error)}") from None
        if len(data) > most:
            raise Unfit(f"is longer than {most >> 20} MB")
        text = decoded(data)
        if "\0" in text:
            raise Unfit("holds NUL characters, so it is no text")
        if not clean(text[:_GLANCE])[0].strip() and not clean(text)[0].strip():
            raise Unfit("is empty")
        return text


def opened(path: Path) -> BinaryIO:
    """Return a regular file, open to be read; raises `Unfit` for anything else."""
    try:
        # A pipe without a writer would be waited for.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as error:
        raise Unfit(f"cannot be opened: {why(error)}") from None
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise Unfit("is no regular file")
    return os.fdopen(number, "rb")


def head(path: Path, size: int = 4096) -> bytes:
    """Return the first bytes of a file, none where it cannot be read."""
    try:
        with opened(path) as file:
            return file.read(size)
    except (OSError, Unfit):
        return b""


def is_text(path: Path) -> bool:
    """Tell whether a regular file begins as text does."""
    start = head(path)
    return start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" not in start


def why(error: OSError | ValueError) -> str:
    """Return the system's reason alone: its message would name the file."""
    reason = getattr(error, "strerror", None)
    return str(reason).lower() if reason else "it has no usable name"


def encoded(path: Path) -> str:
    """Return the encoding that a file's byte order mark tells, else UTF-8."""
    return _encoding(head(path, 4))


def _encoding(start: bytes) -> str:
    return next((name for mark, name in _MARKS if start.startswith(mark)), "utf-8")


def decoded(data: bytes) -> str:
    """Return text by its byte order mark, else as UTF-8; raises `Unfit`."""
    try:
        return data.decode(_encoding(data))
    except UnicodeDecodeError:
        raise Unfit("is not UTF-8 text") from None


def shown(name: str) -> str:
    """Return a file's name as it may be told: without control characters, valid in any encoding."""
    return clean(os.fsencode(name).decode("utf-8", "replace"))[0].replace("\n", " ")


def moment(text: str) -> str | None:
    """Return a date that the service understands, or None."""
    try:
        parse_moment(text, "date")
    except Invalid:
        return None
    return text


def the_file(path: Path, format: str) -> Paper:
    """Return the one file that was named; raises `Invalid` for a folder or what is not there."""
    if path.is_dir():
        raise Invalid(shown(str(path)), f"is a folder; {format} is one file, markdown a folder")
    if not path.is_file():
        raise Invalid(shown(str(path)), "is no file; name one that is there")
    return Paper(path, shown(path.name))


def fitting(
    read: Callable[[Paper, Choices], Iterator[Item | Skipped]], paper: Paper, choices: Choices
) -> Iterator[Item | Skipped]:
    """Yield what a reader finds in a paper; where it is unfit, that."""
    try:
        yield from read(paper, choices)
    except Unfit as unfit:
        yield Skipped(paper.place, str(unfit))
