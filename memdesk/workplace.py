"""Which space a working folder means: that of its git repository, or what the person calls it.

Files are read, nothing is run: a host waits for this. The names of a repository and of its work
trees are read from git's own files (gitrepository-layout(5)): a `.git` file names the folder of a
work tree, `commondir` in there what all work trees share, `gitdir` in there the way back.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from memdesk.errors import Invalid
from memdesk.memory import PERSONAL, check_space

if TYPE_CHECKING:
    from collections.abc import Mapping

_GIT = ".git"
_LONGEST = 8192
"""Bytes of git's small files that are read: a path and a word before it."""
_AT_ONCE = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
"""How such a file is opened: one that is a pipe is not waited for."""
_DEEPEST = 64
_LONGEST_NAME = 100
_OTHER = re.compile(r"[^\w.:/@+ -]")
_BEGINNING = re.compile(r"^[\W_]+")


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # this user has none
        return Path("/")


@dataclass(frozen=True, slots=True)
class Workplaces:
    """How folders and spaces belong together for one person."""

    default: str = PERSONAL
    """The space of every folder that has none of its own."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Spaces by the absolute path of a folder, or by the name of a repository."""
    home: Path = field(default_factory=_home)
    """The person's home folder; a repository there, of their settings say, is no project."""

    def space_of(self, folder: str) -> str:
        """Return the space of a working folder; never fails, and changes nothing."""
        if not Path(folder).is_absolute():
            return self.default
        try:
            real = Path(folder).resolve()
            within = [real, *real.parents][:_DEEPEST]
            project = self._project(within)
        except (OSError, ValueError, RuntimeError):
            return self.default
        if project is None:
            return self._by_path(within) or self.default
        named = self._by_path([*within, project, *project.parents])
        return named or self.aliases.get(project.name) or _as_space(project.name) or self.default

    def _project(self, within: list[Path]) -> Path | None:
        """Return the folder that the nearest repository is named after, of folders from within out."""
        home = self.home.resolve()
        outside = {home, *home.parents, Path(home.anchor)}
        inside = (each for each in within if each not in outside)
        return next((_shared(each) for each in inside if _is_repository(each)), None)

    def _by_path(self, folders: list[Path]) -> str:
        """Return the space that the aliases give to the nearest of these folders."""
        told = (self.aliases.get(str(each), "") for each in folders)
        return next((each for each in told if each), "")


def _shared(root: Path) -> Path:
    """Return the folder that a repository is named after: of a work tree, that of the first one."""
    git = root / _GIT
    if git.is_dir():
        return root
    try:
        own = (root / _told(git, "gitdir:")).resolve()
        common = (own / _told(own / "commondir")).resolve()
        back = (own / _told(own / "gitdir")).resolve()
    except (
        OSError
    ):  # a submodule, a repository whose folder of git is elsewhere, or no file of git's
        return root
    # Anybody may write a file that names another repository; git itself has written the way back.
    if back != git.resolve() or not _is_common(common):
        return root
    if common.name.startswith("."):
        return common.parent
    return common.with_name(common.name.removesuffix(".git"))


def _is_repository(folder: Path) -> bool:
    git = folder / _GIT
    return _is_common(git) if git.is_dir() else git.is_file()


def _is_common(folder: Path) -> bool:
    """Tell whether a folder is one of git's own, by what git itself looks for."""
    return (folder / "HEAD").exists() and (folder / "objects").exists()


def _told(file: Path, word: str = "") -> str:
    """Return the path that one of git's small files holds behind a word; raises `OSError`."""
    number = os.open(file, _AT_ONCE)
    try:
        content = os.read(number, _LONGEST) if stat.S_ISREG(os.fstat(number).st_mode) else b"\0"
    finally:
        os.close(number)
    line = content.decode("utf-8", "surrogateescape").strip()
    if not line.startswith(word) or "\0" in line or "\n" in line:
        raise OSError("not a file of git's")
    return line.removeprefix(word).strip()


def _as_space(name: str) -> str:
    """Return the name of a folder as that of a space; empty where nothing of it can be one."""
    known = _OTHER.sub("-", unicodedata.normalize("NFC", name))
    known = _BEGINNING.sub("", known)[:_LONGEST_NAME].rstrip()
    try:
        return check_space(known) if known else ""
    except Invalid:
        return ""
