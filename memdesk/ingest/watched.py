"""A watched folder: which of its files are notes, and whether one has changed."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memdesk.errors import Invalid
from memdesk.ingest.ignored import IGNORE, Ignored

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = (".md", ".markdown", ".txt")
"""How the names of notes end."""
MOST = 200_000
"""So many notes one watched folder holds at most: more is somebody's whole disk."""
BLANK = "blank"
"""What stands for the bytes of a file without words."""
_MOST_BYTES = 64 << 20
_PIECE = 1 << 20
_RACY_NS = 2_000_000_000

Stamp = tuple[int, ...]
"""Size, times and inode of a file: one that has the same is the same. Empty: unknown."""


@dataclass
class Found:
    """What a folder holds at a moment."""

    notes: dict[str, Stamp] = field(default_factory=dict)
    """By the paths below the folder, with slashes."""
    blind: set[str] = field(default_factory=set)
    """What below it could not be looked at: nothing is known of it, nor of what is in it."""
    there: bool = True
    """Whether there is a folder at all."""

    def knows(self, path: str) -> bool:
        """Tell whether a path that was not found is certainly not there."""
        parts = path.split("/")
        ways = ("/".join(parts[:number]) for number in range(1, len(parts) + 1))
        return self.blind.isdisjoint(ways)


class Folder:
    """A folder whose files are notes."""

    def __init__(self, path: Path, without: Path | None = None) -> None:
        """Prepare to look; `without` is a folder that is never looked into: the store's own."""
        self.path = path.resolve()
        self._without = str(without.resolve()) if without else ""

    def find(self) -> Found:
        """Look through the whole folder, but not into links; raises `Invalid` where it is too large."""
        found = Found()
        root = str(self.path)
        waiting = [("", Ignored.above(root))]
        while waiting:
            below, rules = waiting.pop()
            here = f"{root}/{below}" if below else root
            try:
                with os.scandir(here) as entries:
                    listed = sorted(entries, key=lambda entry: entry.name)
            except (FileNotFoundError, NotADirectoryError):
                found.there = found.there and bool(below)
                continue
            except OSError:
                found.blind.add(below)
                found.there = found.there and bool(below)
                continue
            rules = rules.within(here)
            for entry in listed:
                place = f"{below}/{entry.name}" if below else entry.name
                try:
                    if self._is_folder(entry, rules):
                        waiting.append((place, rules))
                    elif stamp := _stamp_of(entry, rules):
                        found.notes[place] = stamp
                except FileNotFoundError:  # gone again, as editors' files are
                    continue
                except OSError:
                    found.blind.add(place)
            if len(found.notes) > MOST:
                raise Invalid(root, f"holds more than {MOST:,} notes; watch a folder below it")
        return found

    def _is_folder(self, entry: os.DirEntry[str], rules: Ignored) -> bool:
        if entry.name.startswith(".") or entry.path == self._without:
            return False
        is_folder = entry.is_dir(follow_symlinks=False)
        return is_folder and not rules.leave_out(entry.path, folder=True)

    def concerns(self, path: str) -> bool:
        """Tell whether a change of something may change what `find` finds."""
        if self._without and (path == self._without or path.startswith(self._without + "/")):
            return False
        below = path.removeprefix(str(self.path)).strip("/").split("/")
        hidden = [part for part in below if part.startswith(".") and part != IGNORE]
        return not hidden and not below[-1].endswith("~")

    def bytes_of(self, place: str) -> str:
        """Return a hash of a note's bytes, `BLANK` for one without words.

        Raises `OSError`, and `Invalid` for one that is too large.
        """
        digest, blank, size = hashlib.sha256(), True, 0
        # What was a file a moment ago may be a link out of the folder or a pipe by now.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        with os.fdopen(os.open(self.path / place, flags), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise Invalid(place, "is no file")
            while piece := stream.read(_PIECE):
                size += len(piece)
                if size > _MOST_BYTES:
                    raise Invalid(place, f"is larger than {_MOST_BYTES >> 20} MB")
                blank = blank and not piece.strip()
                digest.update(piece)
        return BLANK if blank else digest.hexdigest()


def _stamp_of(entry: os.DirEntry[str], rules: Ignored) -> Stamp | None:
    """Return the stamp of a note; None for what is none. Raises `OSError`."""
    name = entry.name
    if name.startswith((".", "~$")) or not name.lower().endswith(SUFFIXES):
        return None
    told = entry.stat(follow_symlinks=False)
    if not stat.S_ISREG(told.st_mode) or rules.leave_out(entry.path, folder=False):
        return None
    return told.st_size, told.st_mtime_ns, told.st_ctime_ns, told.st_ino


def settled(stamp: Stamp) -> Stamp:
    """Return a stamp that tells two states of a file apart; none of a file that is too young.

    Within a tick of the file system's clock a file may change twice and keep its times.
    """
    young = stamp and abs(time.time_ns() - max(stamp[1], stamp[2])) < _RACY_NS
    return () if young else stamp
