"""Going from check to check: each is bounded in time, and none ends the others."""

from __future__ import annotations

import re
import shlex
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from memdesk.answers import Finding
from memdesk.errors import MemdeskError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from memdesk.hosts import Surroundings
    from memdesk.service import Service

GOOD, NOTE, WARNING, PROBLEM = "good", "note", "warning", "problem"
_EXACT = 9.5
LEVELS = (GOOD, NOTE, WARNING, PROBLEM)


@dataclass(frozen=True, slots=True)
class Case:
    """What is looked at."""

    home: Path
    """The store's folder; it need not exist."""
    logs: Path
    around: Surroundings
    environ: Mapping[str, str]
    """This process's own environment."""
    command: tuple[str, ...]
    """How a host that is configured now would start memdesk: absolute."""
    open_service: Callable[[], Service]
    """Gives the service of the store: the daemon's, or one in this process."""
    passphrase: str | None = None
    """Of an encrypted backup; None where none was given."""

    @property
    def stored(self) -> bool:
        """Whether there is a store in the folder."""
        return (self.home / "store.json").exists()

    def shown(self, path: Path | str) -> str:
        """Return a path as it is told: the person's home folder is `~`."""
        return hidden(str(path), self.around.home)

    def quoted(self, path: Path | str) -> str:
        """Return a path as one types it in a shell."""
        shown = self.shown(path)
        start = "~/" if shown.startswith("~/") else ""
        return start + shlex.quote(shown.removeprefix(start)) if shown != "~" else shown


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at."""

    group: str
    """The heading its findings stand under."""
    about: str
    look: Callable[[], Iterable[Finding]]
    seconds: float = 20.0
    """How long it may take; what it has found by then counts."""


@dataclass(slots=True)
class Round:
    """One visit of all checks."""

    user_home: Path
    """What is shown as `~` in everything that is told."""
    unfinished: list[str] = field(default_factory=list)
    """The checks that still work, on threads of this process."""

    def go(self, checks: Iterable[Check]) -> Iterator[tuple[Check, Finding]]:
        """Yield each check's findings once it is done or its time is over."""
        for check in checks:
            for found in self._visit(check):
                yield (
                    check,
                    replace(
                        found,
                        words=hidden(found.words, self.user_home),
                        next=hidden(found.next, self.user_home),
                    ),
                )

    def _visit(self, check: Check) -> list[Finding]:
        found: list[Finding] = []
        thread = threading.Thread(target=_look, args=(check, found), daemon=True)
        thread.start()
        thread.join(check.seconds)
        if not thread.is_alive():
            return found
        self.unfinished.append(check.about)
        words = f"this took longer than {check.seconds:.0f} s and was left"
        return [*found, Finding(check.about, WARNING, words, "run memdesk doctor again when idle")]


def _look(check: Check, found: list[Finding]) -> None:
    try:
        for finding in check.look():
            found.append(finding)  # noqa: PERF402 (what was found before an error counts)
    except MemdeskError as error:
        found.append(Finding(check.about, PROBLEM, str(error)))
    except Exception as error:  # noqa: BLE001 - one check's failure never ends the others
        # The text of an error nobody foresaw may hold anything, so only its kind is told.
        words = f"this could not be looked at ({type(error).__name__})"
        found.append(Finding(check.about, WARNING, words))


def hidden(text: str, home: Path) -> str:
    """Return a text with the person's home folder written as `~`."""
    for path in dict.fromkeys((str(home), str(home.resolve()))):
        if path != home.anchor:  # the home of a service's user is the root of all paths
            text = re.sub(re.escape(path) + r"(?![\w.-])", "~", text)
    return text


def counted(count: int, word: str) -> str:
    """Return a number of things in words."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def size_words(size: float) -> str:
    """Return a number of bytes as a person reads it."""
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= step:
            return f"{size / step:.1f} {unit}" if size < 10 * step else f"{size / step:.0f} {unit}"
    return f"{size:.0f} bytes"


def time_words(seconds: float) -> str:
    """Return a length of time as a person reads it."""
    for unit, step in (("days", 86_400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * step:
            return f"{seconds / step:.0f} {unit}"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2g} s" if seconds < _EXACT else f"{seconds:.0f} s"
