"""What the store's folder shows without being opened: rights, leftovers, locks, room, its place."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from memdesk.answers import Finding
from memdesk.doctor.processes import STOPPED, role_of
from memdesk.doctor.rounds import GOOD, NOTE, PROBLEM, WARNING, Check, size_words, time_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memdesk.doctor.rounds import Case

GROUP = "The store's folder"
_ASIDE = (".manifest.bad", ".unreadable-", ".broken-")
_LITTER = (".tmp", ".manifest#")
_UNDER_WAY = (".making", ".restoring", ".copying", ".checking", ".backup", ".doctor-")
_LITTER_SECONDS = 3600.0
_LONG_HELD = 60.0
_LITTLE_ROOM = 200e6
_NO_ROOM = 50e6
_NO_LINKS = ("exfat", "vfat", "msdos", "fat", "fat32")
_NETWORK = (
    *("nfs", "nfs4", "cifs", "smbfs", "smb2", "smb3", "afpfs", "webdav", "davfs", "9p"),
    *("fuse.sshfs", "fuse.rclone", "fuse.davfs2", "sshfs", "ncpfs", "ceph", "glusterfs"),
)
_SYNCED = (
    *(("dropbox", "Dropbox"), ("onedrive", "OneDrive"), ("mobile documents", "iCloud Drive")),
    *(
        ("icloud", "iCloud Drive"),
        ("google drive", "Google Drive"),
        ("googledrive", "Google Drive"),
    ),
    *(("cloudstorage", "a cloud drive"), ("nextcloud", "Nextcloud"), ("pcloud", "pCloud")),
)


def checks(case: Case) -> Iterator[Check]:
    """Yield the checks that need no store to be opened."""
    yield Check(GROUP, "place", partial(_place, case))
    if case.home.is_dir():
        yield Check(GROUP, "rights", partial(_rights, case), 30.0)
        yield Check(GROUP, "leftovers", partial(_leftovers, case), 30.0)
        yield Check(GROUP, "locks", partial(_locks, case))
        yield Check(GROUP, "room", partial(_room, case), 30.0)
        yield Check(GROUP, "hard links", partial(_links, case))


# Where it is


def _place(case: Case) -> Iterator[Finding]:
    shown = case.shown(case.home)
    move = f"memdesk daemon stop, move {shown} elsewhere, and name its new place as MEMDESK_HOME"
    kind = _file_system(case.home)
    service = _synced(case.home)
    if not case.home.is_dir():
        words = f"{shown} is not there yet; the first memory makes it"
        yield Finding("place", GOOD, words)
    elif service:
        words = f"{shown} is in {service}, which copies files while they change: stores break of it"
        yield Finding("place", WARNING, words, move)
    if kind in _NO_LINKS:
        words = f"{shown} is on {kind}, which has no hard links; memdesk needs them"
        yield Finding("place", PROBLEM, words, move)
    elif kind in _NETWORK:
        words = f"{shown} is on a network drive ({kind}), where locks and flushes are not sure"
        yield Finding("place", WARNING, words, move)
    elif case.home.is_dir() and not service:
        yield Finding("place", GOOD, f"{shown}{f', on {kind}' if kind else ''}")


def _synced(home: Path) -> str:
    for part in (part.lower() for part in home.resolve().parts):
        for mark, name in _SYNCED:
            if part == mark or part.startswith((f"{mark} ", f"{mark}-", f"{mark} (")):
                return name
    return ""


def _file_system(path: Path) -> str:
    """Return the kind of file system a path is on, in small letters; empty where nobody knows."""
    import psutil

    best, kind = "", ""
    whole = str(path.resolve())
    for part in psutil.disk_partitions(all=True):
        point = part.mountpoint.rstrip(os.sep) or os.sep
        inside = whole == point or whole.startswith(point.rstrip(os.sep) + os.sep)
        if inside and len(point) >= len(best):
            best, kind = point, part.fstype.lower()
    return kind


# Who may read it


@dataclass(slots=True)
class _Open:
    """Files that others may read, or that are not the person's."""

    others: list[Path] = field(default_factory=list)
    foreign: list[Path] = field(default_factory=list)
    files: int = 0

    def look(self, path: Path) -> None:
        """Look at one file or folder."""
        try:
            told = path.lstat()
        except OSError:
            return
        self.files += 1
        if stat.S_ISLNK(told.st_mode):
            return
        if told.st_mode & 0o077:
            self.others.append(path)
        if told.st_uid != os.getuid():
            self.foreign.append(path)


def _rights(case: Case) -> Iterator[Finding]:
    if sys.platform == "win32":
        yield Finding("rights", NOTE, "on Windows the rights of your user's folder protect it")
        return
    found = _Open()
    for path in _walk(case.home):
        found.look(path)
    folder = case.quoted(case.home)
    if found.foreign:
        words = f"{_named(case, found.foreign)} belong to another user"
        yield Finding("rights", PROBLEM, words, f"sudo chown -R $(id -un) {folder}")
    if found.others:
        words = f"others on this computer may read {_named(case, found.others)}"
        only = len(found.others) == 1 and found.others[0] != case.home
        named = case.quoted(found.others[0]) if only else folder
        yield Finding("rights", WARNING, words, f"chmod {'' if only else '-R '}go-rwx {named}")
    if not os.access(case.home, os.W_OK):
        words = f"{case.shown(case.home)} cannot be written: nothing new can be remembered"
        yield Finding("rights", PROBLEM, words, f"chmod u+rwx {folder}")
    elif not found.others and not found.foreign:
        yield Finding("rights", GOOD, f"all {found.files:,} files are yours alone")


def _named(case: Case, paths: Sequence[Path]) -> str:
    more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
    return f"{case.shown(paths[0])}{more}"


def _walk(home: Path) -> Iterator[Path]:
    yield home
    for folder, folders, files in os.walk(home):
        for name in (*folders, *files):
            yield Path(folder, name)


# What is left over


def _leftovers(case: Case) -> Iterator[Finding]:
    litter, aside = _Heap(), _Heap()
    points = case.home / "points"
    for path in _walk(case.home):
        if points in path.parents:
            continue
        if any(mark in path.name for mark in _ASIDE):
            aside.take(path)
        elif path.name.startswith(".tmp") or ".manifest#" in path.name:
            litter.take(path, older=_LITTER_SECONDS)
    for path in case.home.iterdir():
        if path.name.startswith(_UNDER_WAY):
            litter.take(path, older=_LITTER_SECONDS)
    if aside.paths:
        words = f"{aside.words()} set aside after a power cut, {case.shown(aside.paths[0])}"
        yield Finding(
            "leftovers",
            NOTE,
            f"{words}; nothing was deleted",
            "once you miss nothing: memdesk backup create, then remove them",
        )
    if litter.paths:
        words = f"{litter.words()} that killed processes left, {case.shown(litter.paths[0])}"
        yield Finding(
            "leftovers",
            NOTE,
            f"{words}; the next maintenance or copy removes them",
            "memdesk maintain",
        )
    if not aside.paths and not litter.paths:
        yield Finding("leftovers", GOOD, "none of killed processes or power cuts")


@dataclass(slots=True)
class _Heap:
    """Files of one kind, and how much they take."""

    paths: list[Path] = field(default_factory=list)
    size: int = 0

    def take(self, path: Path, older: float = 0.0) -> None:
        """Count a file or a folder with all in it, when it is older than so many seconds."""
        try:
            told = path.lstat()
        except OSError:
            return
        if time.time() - told.st_mtime >= older:
            self.paths.append(path)
            self.size += size_of(path) if path.is_dir() else told.st_size

    def words(self) -> str:
        """Say how many there are, and how large."""
        what = "1 file or folder" if len(self.paths) == 1 else f"{len(self.paths)} files or folders"
        return f"{what} ({size_words(self.size)})"


def size_of(folder: Path) -> int:
    """Return the bytes that a folder's files take, each counted once however often it is linked."""
    seen: dict[tuple[int, int], int] = {}
    for path in _walk(folder):
        try:
            told = path.lstat()
        except OSError:
            continue
        if stat.S_ISREG(told.st_mode):
            seen[told.st_dev, told.st_ino] = told.st_size
    return sum(seen.values())


# Who holds what


def _locks(case: Case) -> Iterator[Finding]:
    held = [found for file in sorted(case.home.glob("*.holder")) for found in _lock(file)]
    yield from held
    if not held:
        yield Finding("locks", GOOD, "nobody keeps the store from being written")


def _lock(file: Path) -> Iterator[Finding]:
    name = file.stem
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        pid, since = int(told["pid"]), float(told["since"])
    except (OSError, ValueError, LookupError, TypeError):
        return  # it was just let go
    if name == "daemon":  # it holds its own as long as it lives
        return
    state, command = _living(pid, since)
    if not state:
        words = f"{name}.lock is free: process {pid}, which held it last, was killed"
        yield Finding("locks", GOOD, words)
        return
    held = max(0.0, time.time() - since)
    who = f"process {pid}{command} for {time_words(held)}"
    end = f"kill {pid}: what was acknowledged stays"
    if state in STOPPED:
        words = f"{name}.lock is held by a process that is stopped, {who}: all others wait"
        yield Finding("locks", PROBLEM, words, f"let it go on with kill -CONT {pid}, or {end}")
    elif name == "write" and held > _LONG_HELD:
        words = f"write.lock is held by {who}; it lives, so nobody takes the lock from it"
        yield Finding("locks", WARNING, words, f"if it does not come to an end: {end}")
    else:
        yield Finding("locks", GOOD, f"{name}.lock is held by {who}, which is usual")


def _living(pid: int, since: float) -> tuple[str, str]:
    """Return how a process is that was there at a moment, empty where it is gone, and what it runs."""
    import psutil

    try:
        process = psutil.Process(pid)
        state = str(process.status())
        if process.create_time() > since + 1 or state == psutil.STATUS_ZOMBIE:
            return "", ""  # another process has its number now, or nobody asked yet how it ended
        role = role_of(process.cmdline())
    except psutil.Error:
        return "", ""
    return state, f" (memdesk {role})" if role else ""


# Room


def _room(case: Case) -> Iterator[Finding]:
    free = shutil.disk_usage(case.home).free
    size = size_of(case.home)
    reserve = case.home / "ballast"
    kept = (
        f"; {size_words(reserve.stat().st_size)} of it are in reserve" if reserve.exists() else ""
    )
    words = f"the folder takes {size_words(size)}{kept}, and {size_words(free)} are free"
    ask = f"free some space on the disk of {case.shown(case.home)}"
    if free < _NO_ROOM:
        yield Finding("room", PROBLEM, f"{words}: saving fails soon", ask)
    elif free < size + _LITTLE_ROOM:
        words = f"{words}: tidying and backups may need as much as the store"
        yield Finding("room", WARNING, words, ask)
    else:
        yield Finding("room", GOOD, words)


def _links(case: Case) -> Iterator[Finding]:
    if not os.access(case.home, os.W_OK):
        return
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=case.home) as folder:
            first = Path(folder, "a")
            first.write_bytes(b"")
            os.link(first, Path(folder, "b"))
    except OSError as error:
        words = f"hard links cannot be made here ({error.strerror}), and memdesk needs them"
        where = "move the store to a file system that has them, and name it as MEMDESK_HOME"
        yield Finding("hard links", PROBLEM, words, where)
    else:
        yield Finding("hard links", GOOD, "they can be made")
