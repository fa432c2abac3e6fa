"""The papers in a folder: its files in the same order every time, and nothing outside it."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from memdesk.errors import Invalid
from memdesk.ingest.item import Skipped
from memdesk.ingest.paper import Paper, shown, why

if TYPE_CHECKING:
    from collections.abc import Iterator

_GLANCE = 5000
"""So many entries are looked at to tell what kind of folder it is."""


def papers(root: Path) -> Iterator[Paper | Skipped]:
    """Yield every regular file below a folder by name, folder by folder, and what is left out.

    What is hidden is left out with all that is in it. Symbolic links are not followed: they may lead
    outside, or round in a circle. Raises `Invalid` where the folder itself cannot be read.
    """
    try:
        waiting = [("", iter(_entries(root)))]
    except OSError as error:
        raise Invalid(shown(str(root)), f"cannot be opened: {why(error)}") from None
    while waiting:
        above, rest = waiting[-1]
        entry = next(rest, None)
        if entry is None:
            waiting.pop()
            continue
        place = above + shown(entry.name)
        if reason := _left_out(entry):
            yield Skipped(place, reason)
        elif entry.is_file(follow_symlinks=False):
            yield Paper(Path(entry.path), place)
        else:
            try:
                waiting.append((place + "/", iter(_entries(entry.path))))
            except OSError as error:
                yield Skipped(place, f"cannot be opened: {why(error)}")


def first(root: Path) -> Iterator[Paper]:
    """Yield the files that lie highest in a folder, to tell what it is; never fails."""
    waiting, left = deque([("", root)]), _GLANCE
    while waiting and left > 0:
        above, folder = waiting.popleft()
        try:
            entries = _entries(folder)[:left]
        except OSError:
            continue
        left -= len(entries)
        for entry in entries:
            place = above + shown(entry.name)
            if _left_out(entry):
                continue
            if entry.is_file(follow_symlinks=False):
                yield Paper(Path(entry.path), place)
            else:
                waiting.append((place + "/", Path(entry.path)))


def _left_out(entry: os.DirEntry[str]) -> str:
    """Return why an entry is not looked at; empty where it is."""
    if entry.name.startswith("."):
        return "is hidden"
    if entry.is_symlink():
        return "is a symbolic link"
    if not entry.is_file(follow_symlinks=False) and not entry.is_dir(follow_symlinks=False):
        return "is no regular file"
    return ""


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as found:
        return sorted(found, key=lambda entry: entry.name)
