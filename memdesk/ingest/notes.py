"""Which note of a watched folder is which memory, as it was when it was looked at last."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from memdesk.disk import write_text
from memdesk.errors import Busy, StoreError
from memdesk.lock import WriterLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from memdesk.ingest.watched import Stamp

ROOM = "watch"
"""The folder in the store's that these files are in."""
HERE, UNSURE, GONE = "here", "unsure", "gone"
"""A note that is there; one of which it is not written down yet what became of it; a deleted one."""
_FORMAT = 1
_KEPT = timedelta(days=30)
"""How long a deleted note is known: as long as the trash keeps its memory."""
_log = logging.getLogger(__name__)


@dataclass
class Part:
    """One memory that a note is."""

    id: str
    text: str
    """The content hash that the watch has given it last."""
    fields: str
    """A hash of what else the note said of it."""
    coming: str = ""
    """The content hash that is being written."""
    ours: bool = True
    """Whether the memory is there because of a note; not where the person had the same text before."""


@dataclass
class Note:
    """One file, as it was when it was looked at last."""

    stamp: Stamp = ()
    bytes: str = ""
    parts: list[Part] = field(default_factory=list)
    state: str = HERE
    since: str = ""
    """When it was found to be gone, in ISO 8601."""


class Notes:
    """What is known of one folder's notes; whoever changes it holds the folder's lock."""

    def __init__(self, home: Path, folder: Path) -> None:
        name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
        self.file = home / ROOM / f"{name}.json"
        self.lock = self.file.with_suffix(".lock")
        self._folder = str(folder)
        self._read: tuple[int, int] | None = None
        self.by_path: dict[str, Note] = {}
        self.epoch = ""
        """Of the store that all this was true of."""
        self.unsure = True
        """Whether memories may have been stored that are not written down here."""

    @contextmanager
    def loaded(self) -> Iterator[None]:
        """Work with what is on the disk; what is known here after an error is read anew."""
        self._load()
        good = False
        try:
            yield
            good = True
        finally:
            if not good:
                self._read = None

    def _load(self) -> None:
        """Read what is on the disk, if it is not what is known; an unreadable file is set aside."""
        try:
            told = self.file.stat()
            if (told.st_mtime_ns, told.st_ino) == self._read:
                return
            said = json.loads(self.file.read_text(encoding="utf-8"))
            self.by_path = {path: _note(each) for path, each in said["notes"].items()}
            if said["folder"] != self._folder:
                self._have_all_looked_at()
            self.unsure, self.epoch = bool(said["unsure"]), str(said["epoch"])
            self._read = told.st_mtime_ns, told.st_ino
        except FileNotFoundError:
            self.by_path, self.unsure, self.epoch = {}, True, ""
        except (ValueError, LookupError, TypeError, AttributeError):
            self.by_path, self.unsure, self.epoch = {}, True, ""
            aside = self.file.with_suffix(".json.unreadable")
            self.file.replace(aside)
            _log.warning("%s cannot be read; it is now called %s", self.file, aside.name)
        except OSError as error:
            raise StoreError(f"{self.file} cannot be read: {error.strerror}") from error

    def _have_all_looked_at(self) -> None:
        """Have every note read once more: it is somewhere else now, and its memories are to say so."""
        for note in self.by_path.values():
            if note.state == HERE:
                note.stamp, note.bytes = (), ""

    def take_over(self, is_here: Callable[[dict[str, Note]], bool]) -> None:
        """Go on with what is known of a folder that is there no more, if its notes are in this one."""
        for file in sorted(self.file.parent.glob("*.json")):
            with suppress(OSError, ValueError, LookupError, TypeError, AttributeError, Busy):
                said = json.loads(file.read_text(encoding="utf-8"))
                known = {path: _note(each) for path, each in said["notes"].items()}
                if os.path.lexists(said["folder"]) or not is_here(known):
                    continue
                with WriterLock(file.with_suffix(".lock"), ROOM).hold(0):
                    file.replace(self.file)
                self._load()
                return

    def save(self) -> None:
        """Put it on the disk, so that after a crash the old or the new is whole; raises `StoreError`."""
        said = {
            "format": _FORMAT,
            "folder": self._folder,
            "epoch": self.epoch,
            "unsure": self.unsure,
            "notes": self.by_path,
        }
        try:
            write_text(self.file, json.dumps(said, separators=(",", ":"), default=vars))
            told = self.file.stat()
        except OSError as error:
            raise StoreError(f"{self.file} cannot be written: {error.strerror}") from error
        self._read = told.st_mtime_ns, told.st_ino

    def here(self) -> Iterator[str]:
        """Yield the paths of the notes that are there, as far as is known."""
        return (path for path, note in self.by_path.items() if note.state != GONE)

    def ids(self) -> set[str]:
        """Return the memories of all notes, those of deleted ones too."""
        return {part.id for note in self.by_path.values() for part in note.parts}

    def holders(self) -> dict[str, set[str]]:
        """Return the paths of the notes that each memory is there for."""
        found: dict[str, set[str]] = {}
        for path, note in self.by_path.items():
            for part in note.parts if note.state == HERE else ():
                found.setdefault(part.id, set()).add(path)
        return found

    def elsewhere(self) -> set[str]:
        """Return the memories that are there for notes of other folders, too; not of one within another."""
        found: set[str] = set()
        for file in self.file.parent.glob("*.json"):
            with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
                said = json.loads(file.read_text(encoding="utf-8"))
                if not _within(said["folder"], self._folder):
                    here = (each for each in said["notes"].values() if each["state"] == HERE)
                    found |= {part["id"] for note in here for part in note["parts"]}
        return found

    def gone_lately(self, at: datetime, within: timedelta) -> int:
        """Return how many notes were found to be gone shortly before a moment."""
        since = (at - within).isoformat()
        return sum(note.state == GONE and note.since > since for note in self.by_path.values())

    def let_old_go(self, at: datetime) -> None:
        """Forget about notes that were deleted long ago."""
        before = (at - _KEPT).isoformat()
        old = [
            path
            for path, each in self.by_path.items()
            if each.state == GONE and each.since < before
        ]
        for path in old:
            del self.by_path[path]


def _within(one: str, other: str) -> bool:
    """Tell whether two folders are one, or one is in the other."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _note(said: dict[str, object]) -> Note:
    told = dict(said)
    parts = [Part(**each) for each in told.pop("parts")]  # type: ignore[attr-defined]
    note = Note(**told, parts=parts)  # type: ignore[arg-type]
    note.stamp = tuple(note.stamp)
    return note


def ref_of(folder: Path, path: str, number: int = 0) -> str:
    """Return where a memory was taken from: the note's file, and which part of it beyond the first."""
    told = os.fsencode(f"{folder}/{path}").decode("utf-8", "replace")
    part = f"#{number + 1}" if number else ""
    return (
        " ".join(re.sub(r"[\0-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", " ", told).split())[-1900:]
        + part
    )


def file_of(ref: str) -> str:
    """Return the file of a memory's `ref`, without the part."""
    return re.sub(r"#\d+$", "", ref)
