"""What coding agents write down of their sessions: one file each, one JSON object a line."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from memdesk.errors import Invalid
from memdesk.ingest.values import name, space
from memdesk.workplace import Workplaces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_LOOKED_AT = 20
"""So many files of a folder are looked at to tell whose they are."""
_LONGEST_PATH = 4000
_ADDRESS = re.compile(r"([^/:\\]{1,100}?)(?:\.git)?/?")


def any_of(path: Path, patterns: Iterable[str], is_one: Callable[[Path], bool]) -> bool:
    """Tell whether a file is a transcript, or one of the first of a folder's that match."""
    try:
        if path.is_file():
            return is_one(path)
        files = (file for pattern in patterns for file in path.glob(pattern))
        return any(is_one(file) for file in islice(files, _LOOKED_AT))
    except (OSError, ValueError):
        return False


def repository(folder: object) -> str | None:
    """Return the space of a working folder's repository; None where there is none on this machine."""
    return Workplaces(default="").space_of(name(folder, _LONGEST_PATH)) or None


def remote(address: object) -> str | None:
    """Return the last part of a repository's address, as a space; None where it has none."""
    match = _ADDRESS.fullmatch(name(address).rstrip("/").rpartition("/")[2].rpartition(":")[2])
    return space(match[1]) if match else None


def none_there(path: Path, expected: str) -> Invalid:
    """Return the error for a path without any transcript."""
    return Invalid(str(path), f"holds no transcript; expected {expected}")
