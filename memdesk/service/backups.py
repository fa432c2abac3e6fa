"""Which backup files were made of a store, as far as this computer knows, and what they still hold."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from memdesk.errors import StoreError
from memdesk.service import reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memdesk.service.core import Core

FILE = "backups.json"
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup file, as it was when it was made."""

    at: str
    """When, in ISO 8601."""
    path: str
    seq: int
    epoch: str
    size: int
    """Bytes."""
    encrypted: bool

    @property
    def is_there(self) -> bool:
        """Whether the file is still where it was put."""
        try:
            return Path(self.path).exists()
        except OSError:
            return False


def recorded(home: Path) -> tuple[Backup, ...]:
    """Return the backups made on this computer, the newest last; those of an unreadable list are none."""
    try:
        told = json.loads((home / FILE).read_text(encoding="utf-8"))
        found = [Backup(**{name: each[name] for name in Backup.__slots__}) for each in told]
        return tuple(each for each in found if datetime.fromisoformat(each.at).tzinfo)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return ()


def record(home: Path, made: Backup) -> None:
    """Add a backup to the list; the caller holds the lock of backups. Raises `StoreError`."""
    from memdesk.disk import write_json

    others = [each for each in recorded(home) if each.path != made.path]
    try:
        write_json(home / FILE, [asdict(each) for each in (*others, made)[-_MOST:]])
    except OSError as error:
        raise StoreError(f"cannot write {home / FILE}: {error.strerror or error}") from error


def with_words_of(core: Core, ids: Sequence[str]) -> tuple[str, ...]:
    """Return the paths of the backup files there are that were made since the oldest of some memories."""
    oldest = min((each.created_at for each in reading.get(core, ids)), default=None)
    if oldest is None:
        return ()
    return tuple(
        each.path
        for each in recorded(core.home)
        if datetime.fromisoformat(each.at) >= oldest and each.is_there
    )
