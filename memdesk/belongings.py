"""What memdesk has put on this machine for one store, and taking all of it away again.

It is known by its names, not by what is in it: a store that cannot be opened goes as well, and what
anybody else has put into the same folders stays.
"""

from __future__ import annotations

import re
import shutil
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memdesk.errors import StoreError
from memdesk.lock import WriterLock
from memdesk.service.backups import recorded

if TYPE_CHECKING:
    from collections.abc import Iterator

_GONE = ".erased-"
"""How a table is called while its files go: a kill leaves no half of a store."""
_LOCKS = (
    "write maintenance points copying switching embedding inbox activity backup daemon hosts installed "
    "remotes keys"
)
_DUTIES = ("maintenance", "points", "copying", "switching", "backup")
"""Who else changes the store's files, and is waited for."""
_JSON = (
    "dates store models inbox desk maintenance daemon restore backups hosts installed remotes keys"
)
_REMOTE = r"[a-z0-9][a-z0-9_.-]{0,39}"
"""A remote's name."""
_TABLE = re.compile(
    r"(memories|history|passages_\w+)(\.lance(\.(unreadable|dropped)-\d+)*|\.dropped-\d+)"
)
_FOLDERS = re.compile(
    rf"\.(making|restoring|copying|checking|backup|doctor)\S*|{re.escape(_GONE)}.+"
)
_FILES = re.compile(
    rf"\.?({_JSON.replace(' ', '|')})\.json(\.\S+)?|({_LOCKS.replace(' ', '|')}|sync-{_REMOTE})\.(lock|holder)"
    r"|activity\.jsonl(\.\S+)?|unsaved\.(txt|new)|desk\.new|scrub\.due|ballast(\.\S+)?"
    r"|config\.toml|daemon\.(start|out)|\.link-probe(-2)?"
)
_POINT = re.compile(r"\d{8}-\d{6}-\d{6}-[a-z0-9-]+|\.(making|dropped)-\S+")
_BACKUP = re.compile(r"\.?memdesk-\d{8}-\d{6}\S*\.zip\S*")
_LOG = re.compile(r"(cli|daemon|desk|mcp)\.log(\.\d+)?")
_SOCKET = re.compile(r"[0-9a-f]{12}")
_WATCH = re.compile(r"[0-9a-f]{16}\.(json|json\.unreadable|lock|holder)|\.[0-9a-f]{16}\.json\.\S+")
_IMPORT = re.compile(r"[0-9a-f]{32}\.json")
_LEDGER = re.compile(rf"{_REMOTE}\.db(-journal)?")
_BACKUPS = "backups"
_WITHIN = {
    "points": _POINT,
    _BACKUPS: _BACKUP,
    "logs": _LOG,
    "run": _SOCKET,
    "watch": _WATCH,
    "imports": _IMPORT,
    "sync": _LEDGER,
}
"""What is memdesk's in the folders of the store's that may have other things in them."""
_LAST = ("backups.json", "daemon.start", "write.holder", "write.lock")
"""What an erasure that was killed needs when it goes on."""
_WAIT = 30.0


@dataclass(frozen=True, slots=True)
class Belongings:
    """Everything of one store: its folder, and the settings and logs that may lie elsewhere."""

    home: Path
    config_file: Path
    logs: Path

    def points(self) -> list[Path]:
        """Return the restore points."""
        return [path for path in _own(self.home / "points", _POINT) if path.name[0] != "."]

    def backups(self) -> list[Path]:
        """Return the backup files in the store's folder."""
        found = _own(self.home / _BACKUPS, _BACKUP) if _BACKUPS in self._within() else []
        return list(dict.fromkeys((*found, *self._recorded()[0])))

    def backups_elsewhere(self) -> list[Path]:
        """Return the backup files that the person has put into other folders: they stay."""
        return self._recorded()[1]

    def _recorded(self) -> tuple[list[Path], list[Path]]:
        """Return the backup files that are known to be there: those in the store's folder, and others."""
        there = [Path(each.path) for each in recorded(self.home) if each.is_there]
        folder = self.home / _BACKUPS if _BACKUPS in self._within() else None
        inside = [path for path in there if path.parent == folder]
        return inside, [path for path in there if path not in inside]

    def _within(self) -> dict[str, re.Pattern[str]]:
        """Return what is memdesk's in which folders; one that is a link leads to somebody else's."""
        return {
            name: pattern
            for name, pattern in _WITHIN.items()
            if not (self.home / name).is_symlink()
        }

    def found(self) -> list[Path]:
        """Return all that is there, in the order in which it goes: first what is the store."""
        root = [path for path in _entries(self.home) if _is_ours(path)]
        tables = [path for path in root if path.is_dir()]
        within = [
            path
            for name, pattern in self._within().items()
            for path in _own(self.home / name, pattern)
        ]
        beside = [self.config_file] if self.config_file.is_file() else []
        beside += _own(self.logs, _LOG)
        found = dict.fromkeys((*tables, *self.backups(), *within, *root, *beside))
        return sorted(found, key=lambda path: path.parent == self.home and path.name in _LAST)

    def strangers(self) -> list[Path]:
        """Return what lies in the store's folders and is not memdesk's."""
        folders = [self.home, *(self.home / name for name in self._within()), self.logs]
        ours = {*self.found(), *folders}
        return [
            path
            for folder in dict.fromkeys(folders)
            for path in _entries(folder)
            if path not in ours
        ]

    def remove(self) -> list[Path]:
        """Remove it all, and the folders that are empty then; return what was removed.

        The caller sees to it that no daemon starts meanwhile. What a kill leaves goes with the next
        call. Raises `Busy` while somebody works on the store, and `StoreError`.
        """
        if not self.home.is_dir():
            return self._removed()
        with self._alone():
            return self._removed()

    def _removed(self) -> list[Path]:
        gone = self.found()
        for path in gone:
            try:
                _remove(path)
            except OSError as error:
                raise StoreError(
                    f"{path} cannot be removed: {error.strerror}; what is left goes with the next "
                    "memdesk erase"
                ) from error
        for folder in (*(self.home / name for name in self._within()), self.logs, self.home):
            with suppress(OSError):  # somebody else's files are in it, or it is not there
                folder.rmdir()
        with suppress(OSError):
            self.config_file.parent.rmdir()
        return gone

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with ExitStack() as stack:
            for name in (*_DUTIES, "write"):
                lock = WriterLock(self.home / f"{name}.lock", "erase")
                stack.enter_context(lock.hold(_WAIT))
            yield


def _is_ours(path: Path) -> bool:
    if path.is_dir():  # of a link, the link
        return bool(_TABLE.fullmatch(path.name) or _FOLDERS.fullmatch(path.name))
    return bool(_FILES.fullmatch(path.name))


def _own(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    return [path for path in _entries(folder) if pattern.fullmatch(path.name)]


def _entries(folder: Path) -> list[Path]:
    with suppress(FileNotFoundError, NotADirectoryError):
        return sorted(folder.iterdir())
    return []


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        hidden = path.with_name(_GONE + path.name)
        if not path.name.startswith("."):
            path = path.rename(hidden)
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
