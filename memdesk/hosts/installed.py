"""What was put into which host's file, so that taking it out brings back what was there before."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from memdesk.disk import write_json
from memdesk.errors import MemdeskError
from memdesk.hosts.unusable import Unusable
from memdesk.lock import WriterLock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FILE = "installed.json"
"""In the store's folder: of a host's own words only those are in it that stand amid ours."""
_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Record:
    """One change of one file: from its `at`th byte on, `new` stands where `old` was."""

    at: int
    old: str
    """Hexadecimal, as `new`."""
    new: str
    before: str
    """The SHA-256 of the file before; empty where there was none."""
    after: str
    made: bool
    """Whether the table that our entry is in was made for it."""
    folders: tuple[str, ...] = ()
    """The folders that were made for the file, the innermost first."""
    backups: tuple[str, ...] = ()
    """The copies that were made of it."""

    def holds(self, content: bytes | None) -> bool:
        """Tell whether a file is as our change left it."""
        return content is not None and _sum(content) == self.after

    def undone(self, content: bytes) -> bytes | None:
        """Return what was in the file before; None where there was none."""
        if not self.before:
            return None
        end = self.at + len(self.new) // 2
        return content[: self.at] + bytes.fromhex(self.old) + content[end:]


def record(before: bytes | None, after: bytes, **more: Any) -> Record:
    """Return what a change was, by what a file had before and after."""
    old = before or b""
    start = _common(old, after)
    most = min(len(old), len(after)) - start
    same = _common(old[::-1][:most], after[::-1][:most])
    return Record(
        start,
        old[start : len(old) - same].hex(),
        after[start : len(after) - same].hex(),
        "" if before is None else _sum(before),
        _sum(after),
        **more,
    )


class Records:
    """The changes that stand, by file; several processes may keep theirs at the same time."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._file = home / FILE
        self._lock = WriterLock(home / "installed.lock", "installed")

    def of(self, path: Path) -> Record | None:
        """Return what was done to a file; None where nothing is known."""
        told = self._read().get(str(path))
        try:
            return Record(**_checked(told)) if told else None
        except TypeError:
            return None

    def keep(self, path: Path, record: Record | None) -> None:
        """Note what was done to a file, or that nothing is any more; raises `Unusable`."""
        if not record and not self._file.exists():
            return
        try:
            with self._alone():
                told = self._read()
                told.pop(str(path), None)
                if record:
                    told[str(path)] = asdict(record)
                self._write(told)
        except (OSError, MemdeskError) as error:
            why = getattr(error, "strerror", None) or error
            raise Unusable(f"cannot be noted in {self._file}: {why}") from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from noting theirs meanwhile; a folder made for that alone goes."""
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with self._lock.hold(_PATIENCE):
                yield
        finally:
            with suppress(OSError):
                if list(self._home.iterdir()) == [self._lock.path]:  # else a store is in it
                    self._lock.path.unlink()
                    self._home.rmdir()

    def _read(self) -> dict[str, Any]:
        try:
            told = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}  # then our entries are known by their name alone
        return told if isinstance(told, dict) else {}

    def _write(self, told: Mapping[str, Any]) -> None:
        if not told:
            self._file.unlink(missing_ok=True)
            return
        write_json(self._file, told)


def _common(one: bytes, other: bytes) -> int:
    """Return how many bytes two texts begin with alike."""
    least, most = 0, min(len(one), len(other))
    while least < most:
        middle = (least + most + 1) // 2
        if one[least:middle] == other[least:middle]:
            least = middle
        else:
            most = middle - 1
    return least


def _checked(told: Any) -> dict[str, Any]:
    if not isinstance(told, dict):
        raise TypeError
    lists = {name: tuple(told.get(name, ())) for name in ("folders", "backups")}
    return told | lists


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
