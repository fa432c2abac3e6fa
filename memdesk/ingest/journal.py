"""Which imports were begun and not ended: so that one that was cut off goes on as the same change."""

from __future__ import annotations

import json
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING

from memdesk.disk import flush_folder, write_json
from memdesk.errors import Invalid, StoreError
from memdesk.memory import check_id, new_id

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "imports"
"""Its place in the store's folder."""


class Journal:
    """The note on one import; without a folder there is none."""

    def __init__(self, home: Path | None, path: Path, *about: object) -> None:
        """Note an import of a file or folder; `about` is what else makes it another import."""
        self._file = home / FOLDER / f"{_name(path, about)}.json" if home else None

    def begun(self) -> str | None:
        """Return the change of the same import, if it was begun and not ended."""
        if self._file is None:
            return None
        try:
            told = json.loads(self._file.read_text(encoding="utf-8"))
            return check_id(told["change"])
        except (OSError, ValueError, LookupError, TypeError, Invalid):
            return None

    def begin(self) -> str:
        """Return the change of a new import, noted before its first write; raises `StoreError`."""
        change = new_id()
        if self._file:
            try:
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_json(self._file, {"change": change})
                flush_folder(self._file.parent.parent)
            except OSError as error:
                raise StoreError(
                    f"{self._file.parent} cannot be written: {error.strerror}"
                ) from error
        return change

    def end(self) -> None:
        """Forget the import: all of it is stored."""
        if self._file:
            with suppress(OSError):
                self._file.unlink()


def _name(path: Path, about: tuple[object, ...]) -> str:
    """Return what tells a file, as it is now, from others; a folder's notes may change meanwhile."""
    told = [str(path.resolve()), *map(str, about)]
    with suppress(OSError):
        if path.is_file():
            there = path.stat()
            told += [str(there.st_size), str(there.st_mtime_ns)]
    return blake2b("\0".join(told).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
