"""Hosts' files on the disk: read with care, replaced whole, copied before."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from memdesk.hosts.unusable import Unusable

BOM = b"\xef\xbb\xbf"
_LARGEST = 32_000_000
_PRIVATE = 0o600


def read(path: Path) -> bytes | None:
    """Return what is in a file, None where there is none; raises `Unusable`."""
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            raise Unusable("is a folder")
        if not stat.S_ISREG(about.st_mode):
            raise Unusable("is no file")
        if about.st_size > _LARGEST:
            raise Unusable(f"is larger than {_LARGEST / 1e6:.0f} MB")
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror}") from error


def real(path: Path) -> Path:
    """Return where a file is, or would be, behind all links."""
    return Path(os.path.realpath(path))


def check_writable(path: Path) -> None:
    """Raise `Unusable` for a file that may only be read: replacing it would work all the same."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # it is not there, or writing will tell
    if not mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
        raise Unusable("is read-only")


def text_of(content: bytes | None) -> str:
    """Return a file's text without its byte order mark; raises `Unusable`."""
    try:
        return (content or b"").removeprefix(BOM).decode("utf-8")
    except UnicodeDecodeError:
        raise Unusable("is not UTF-8") from None


def content_of(text: str, before: bytes | None) -> bytes:
    """Return a text as it stands in the file: with the byte order mark that was there before."""
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError:
        raise Unusable("cannot hold a path that is no text") from None
    return BOM + content if (before or b"").startswith(BOM) else content


def replace(path: Path, before: bytes | None, after: bytes) -> None:
    """Put `after` in the place of `before`, whole or not at all; a link stays one.

    Raises `Unusable`, also where somebody else has changed the file meanwhile.
    """
    target = real(path)
    try:
        fd, name = tempfile.mkstemp(prefix=".memdesk-", dir=target.parent)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(after)
                file.flush()
                os.fsync(fd)
            _like(Path(name), target)
            if read(path) != before:
                raise Unusable("was just changed by another program: try again")
            os.replace(name, target)  # noqa: PTH105 (of two names)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(name)  # noqa: PTH108 (as above)
    except OSError as error:
        raise Unusable(f"cannot be written: {error.strerror}") from error


def make_folder(folder: Path) -> list[Path]:
    """Make a folder that is not there, for its owner only; return those made, the innermost first."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    try:
        for each in reversed(missing):
            each.mkdir(mode=0o700)
    except OSError as error:
        raise Unusable(f"cannot be made: {error.strerror}") from error
    return missing


def remove(path: Path, folders: list[Path]) -> None:
    """Remove a file, and folders that are empty then; a link to it stays. Raises `Unusable`."""
    try:
        real(path).unlink()
    except OSError as error:
        raise Unusable(f"cannot be removed: {error.strerror}") from error
    with suppress(OSError):  # somebody else's files are in it
        for folder in folders:
            folder.rmdir()


def forget(copy: Path | None, folders: list[Path]) -> None:
    """Remove a copy that was made for nothing, and folders that are empty."""
    with suppress(OSError):
        if copy:
            copy.unlink()
        for folder in folders:
            folder.rmdir()


def back_up(path: Path, content: bytes) -> Path:
    """Write a file's content beside it under a name that tells the time; raises `Unusable`."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for number in range(1, 100):
        again = f"-{number}" if number > 1 else ""
        copy = path.with_name(f"{path.name}.memdesk-{stamp}{again}")
        try:
            fd = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
        except FileExistsError:
            continue
        except OSError as error:
            raise Unusable(f"cannot be copied beside itself: {error.strerror}") from error
        with os.fdopen(fd, "wb") as file:
            file.write(content)
        return copy
    raise Unusable("has too many copies beside it")


def _like(new: Path, old: Path) -> None:
    """Give a new file the mode and the owner of the one that it replaces."""
    try:
        about = old.stat()
    except FileNotFoundError:
        return  # it is its owner's alone, as `mkstemp` makes it
    new.chmod(stat.S_IMODE(about.st_mode))
    if hasattr(os, "chown") and (about.st_uid, about.st_gid) != (os.geteuid(), os.getegid()):
        with suppress(PermissionError):
            os.chown(new, about.st_uid, about.st_gid)
