"""What .gitignore files leave out of a folder, as git understands them."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pathspec import GitIgnoreSpec

IGNORE = ".gitignore"
_MOST_RULES = 1 << 20


@dataclass(frozen=True)
class Ignored:
    """What the .gitignore files on the way to a folder leave out, the outermost first."""

    read: tuple[tuple[str, GitIgnoreSpec], ...] = ()

    @classmethod
    def above(cls, root: str) -> Ignored:
        """Return the rules of the git repository that a folder is in, but for its own.

        A folder that they leave out itself was named on purpose: then they count for nothing.
        """
        rules, ways = cls(), list(_ways_down(Path(root)))
        for folder in ways:
            rules = rules.within(str(folder))
        return (
            cls()
            if any(rules.leave_out(str(each), folder=True) for each in (*ways[1:], root))
            else rules
        )

    def within(self, folder: str) -> Ignored:
        """Return these rules and those of a folder itself."""
        lines = _lines_of(f"{folder}/{IGNORE}")
        if not lines:
            return self
        from pathspec import GitIgnoreSpec

        try:
            return Ignored((*self.read, (folder, GitIgnoreSpec.from_lines(lines))))
        except ValueError:  # a pattern that is none: git passes over it, too
            good = [each for each in lines if _is_pattern(each)]
            return Ignored((*self.read, (folder, GitIgnoreSpec.from_lines(good))))

    def leave_out(self, path: str, *, folder: bool) -> bool:
        """Tell whether a file or folder is ignored; the innermost rule that knows it decides."""
        for base, spec in reversed(self.read):
            told = spec.check_file(path[len(base) + 1 :] + "/" * folder).include
            if told is not None:
                return told
        return False


def _ways_down(root: Path) -> Iterator[Path]:
    """Yield the folders from the top of a git repository to just above a folder in it."""
    above = [each for each in root.parents if (each / ".git").exists()]
    if above and not (root / ".git").exists():
        parents = [each for each in root.parents if each == above[0] or above[0] in each.parents]
        yield from reversed(parents)


def _lines_of(path: str) -> list[str]:
    """Return the lines of a .gitignore file; none where it is missing or cannot be read."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return []
        with Path(path).open(encoding="utf-8", errors="replace") as stream:
            return stream.read(_MOST_RULES).splitlines()
    except OSError:
        return []


def _is_pattern(line: str) -> bool:
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True
