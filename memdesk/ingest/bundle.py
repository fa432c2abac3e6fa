"""An export as its makers send it: a zip, several of them, or the folder they were unpacked into."""

from __future__ import annotations

import io
import os
import re
import stat
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from memdesk.errors import Invalid
from memdesk.ingest.item import Skipped
from memdesk.ingest.paper import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAD = 64 * 1024
"""So many bytes tell what a file is."""
_FREELY = 64 * 1024 * 1024
"""A packed file may always expand to so many bytes …"""
_AT_MOST = 100
"""… and beyond that to so many times its packed size: real exports stay below thirty."""
_STEADY = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What is unpacked a piece at a time: of the others `zipfile` unpacks all that it has read."""
_MOST_FILES = 200_000
_MOST_DIRECTORY = 64 * 1024 * 1024
"""Bytes of a zip's list of members, which is held in memory as a whole: over half a million of them."""
_LONGEST_END = 66 * 1024
"""Where a zip ends there is a comment of at most 64 KB, and before it the records that tell of the rest."""
_PART = re.compile(r"[a-z_]+-\d+\.zip")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an export."""

    name: str
    """Below the export, with slashes."""
    where: str
    """For a person: the export's own path and the name."""
    open: Callable[[], IO[bytes]]
    """Raises `Invalid`, and so does reading from what it returns."""
    changed: int = 0
    """When it was changed last, in nanoseconds; 0 in an archive."""
    alone: bool = False
    """Whether it was named itself: a person may have given it any name."""

    @property
    def base(self) -> str:
        """The file's own name."""
        return self.name.rpartition("/")[2]

    def head(self) -> bytes:
        """Return how it begins; empty where it cannot be read."""
        try:
            with self.open() as file:
                return file.read(HEAD)
        except Invalid:
            return b""


@dataclass(frozen=True, slots=True)
class Bundle:
    """The files of an export in the order of their names."""

    entries: tuple[Entry, ...]
    refused: tuple[Skipped, ...] = ()
    """What stands in it and is not opened."""


@contextmanager
def opened(
    path: Path, deepest: int | None = None, sought: Callable[[str], object] | None = None
) -> Iterator[Bundle]:
    """Give the files of an export while it is open; raises `Invalid` for what is none.

    Of a folder so many levels below it are looked at, all of them by default. One in which no name is
    `sought` is given as empty, without a look at its files.
    """
    with ExitStack() as stack:
        if path.is_dir():
            yield _folder(path, deepest, sought, stack)
        elif not path.is_file():
            raise Invalid(str(path), "is no file or folder")
        elif zipfile.is_zipfile(path):
            yield _zip(path, stack)
        else:
            alone = Entry(shown(path.name), str(path), lambda: _plain(path), alone=True)
            yield Bundle((alone,))


def _folder(
    path: Path,
    deepest: int | None,
    sought: Callable[[str], object] | None,
    stack: ExitStack,
) -> Bundle:
    """Return the files of a folder; zips in it that are parts of one export count as unpacked."""
    entries: list[Entry] = []
    refused: list[Skipped] = []
    files = list(_walk(path, deepest))
    if sought and not any(sought(name) or _PART.fullmatch(name) for name, _ in files):
        return Bundle(())
    for name, file in files:
        told = _told(file)
        if told is None or not stat.S_ISREG(told.st_mode):
            refused.append(Skipped(name, "a link or no ordinary file"))
        elif _PART.fullmatch(name) and zipfile.is_zipfile(file):
            inner = _zip(file, stack)
            entries += inner.entries
            refused += inner.refused
        else:
            entries.append(
                Entry(name, str(file), lambda file=file: _plain(file), told.st_mtime_ns)  # type: ignore[misc]
            )
    return Bundle(_sorted(entries), tuple(refused))


def only(bundle: Bundle, path: Path, expected: str) -> Entry:
    """Return the one file that a path names; raises `Invalid` where it holds several, or none."""
    if len(bundle.entries) != 1:
        raise Invalid(str(path), f"holds {len(bundle.entries)} files; expected one: {expected}")
    return bundle.entries[0]


def _walk(path: Path, deepest: int | None) -> Iterator[tuple[str, Path]]:
    """Yield the files below a folder with their names in it, following no links."""
    count = 0
    for folder, folders, names in os.walk(path, followlinks=False):
        here = Path(folder)
        level = len(here.parts) - len(path.parts)
        above = f"{here.relative_to(path).as_posix()}/" if level else ""
        folders[:] = [] if level == deepest else sorted(folders)
        for each in sorted(names):
            count += 1
            if count > _MOST_FILES:
                raise Invalid(
                    str(path), f"has over {_MOST_FILES:,} files; name the export's folder"
                )
            yield shown(above + each), here / each


def _plain(file: Path) -> IO[bytes]:
    try:
        return file.open("rb")
    except OSError as error:
        raise Invalid(str(file), f"cannot be read: {error.strerror}") from error


def _told(file: Path) -> os.stat_result | None:
    """Return what the system tells of a file itself, not of what it links to; None where it is gone."""
    try:
        return file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _zip(path: Path, stack: ExitStack) -> Bundle:
    """Return the files of a zip, each name once: the last one counts, as when it is unpacked."""
    try:
        if _directory_size(path) > _MOST_DIRECTORY:
            raise Invalid(str(path), "lists more files than any export has")
        archive = stack.enter_context(zipfile.ZipFile(path))
        infos = [each for each in archive.infolist() if not each.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise Invalid(
            str(path), f"is no whole zip file ({error}); ask for the export again"
        ) from error
    entries: dict[str, Entry] = {}
    refused: list[Skipped] = []
    for info in infos:
        name = info.filename.replace("\\", "/")
        if _leaves(name):
            refused.append(Skipped(name, "a name that leaves the archive"))
        elif info.flag_bits & 1:
            refused.append(Skipped(name, "encrypted"))
        else:
            if name in entries:
                refused.append(Skipped(name, "an entry that a later one of its name replaces"))
            entries[name] = Entry(
                name,
                f"{path}/{name}",
                lambda info=info: _packed(archive, info, f"{path}/{info.filename}"),  # type: ignore[misc]
            )
    return Bundle(_sorted(list(entries.values())), tuple(refused))


def _directory_size(path: Path) -> int:
    """Return how long a zip's list of its members is, as its end says (APPNOTE.TXT 4.3.14 to 4.3.16)."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LONGEST_END))
        end = file.read(_LONGEST_END)
    at = end.rfind(b"PK\x05\x06")
    large = end[at - 76 : at - 20] if at >= 76 else b""  # noqa: PLR2004 (both of its records' sizes)
    if large.startswith(b"PK\x06\x06"):
        return int.from_bytes(large[40:48], "little")
    return int.from_bytes(end[at + 12 : at + 16], "little")


def _leaves(name: str) -> bool:
    """Tell whether a name in an archive points out of it."""
    return (
        name.startswith("/")
        or ":" in name.split("/", maxsplit=1)[0]
        or ".." in PurePosixPath(name).parts
    )


def _sorted(entries: list[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda each: each.name))


def _packed(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> IO[bytes]:
    if info.compress_type not in _STEADY:
        raise Invalid(
            where,
            "cannot be unpacked here: its packing is not known; unpack it and name the folder",
        )
    most = max(_FREELY, info.compress_size * _AT_MOST)
    try:
        return bounded(archive.open(info), most, where)
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise Invalid(where, f"cannot be unpacked: {error}") from error


def bounded(file: IO[bytes], most: int, where: str) -> IO[bytes]:
    """Return an unpacking file that raises `Invalid` where it is damaged or gives over `most` bytes."""
    return io.BufferedReader(_Bounded(file, most, where), HEAD)


class _Bounded(io.RawIOBase):
    """A file that is unpacked while it is read, and no further than it may."""

    def __init__(self, file: IO[bytes], most: int, where: str) -> None:
        self._file = file
        self._left = self._most = most
        self._where = where

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Unpack what comes next; raises `Invalid`."""
        try:
            piece = self._file.read(len(buffer))
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise Invalid(self._where, f"is damaged: {error}") from error
        self._left -= len(piece)
        if self._left < 0:
            raise Invalid(
                self._where,
                f"expands to over {self._most:,} bytes, which no honest export does; unpack it "
                "yourself and name the folder if you trust it",
            )
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        """Close the file below, too."""
        self._file.close()
        super().close()
