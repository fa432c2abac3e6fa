"""A folder of notes and the desk that keeps them, for tests; and as a program, one that is killed.

python watched.py HOME FOLDER SPACE N      catches up, and is killed at its Nth call or save, from 1 on
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from fakes import FakeEmbedder

from memdesk.ingest.notes import Notes
from memdesk.ingest.watching import Watch
from memdesk.memory import LIVE, STATES, Filter
from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from memdesk.ingest.round import News
    from memdesk.memory import Memory

VERBS = ("take_in", "remember", "revise", "forget", "restore", "take_point", "list", "get")


class Watched:
    """A folder of notes, and what a desk makes of it."""

    def __init__(self, home: Path, folder: Path, service: Service, space: str = "notes") -> None:
        """Begin with a folder that need not be there yet."""
        folder.mkdir(exist_ok=True)
        self.home = home
        self.path = folder
        self.service = service
        self.space = space
        self.news: list[News] = []
        self.watch = self.anew()

    def anew(self, **more: Any) -> Watch:
        """Watch as another process would."""
        self.watch = Watch(self.home, self.path, self.space, self.news.append, **more)
        return self.watch

    def write(self, name: str, text: str | bytes) -> Path:
        """Write a note."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def catch_up(self, service: Service | None = None, **more: Any) -> list[tuple[str, str]]:
        """Bring the memories in line; return what was told, as (what, path)."""
        before = len(self.news)
        for _ in self.watch.catch_up(service or self.service, **more):
            pass
        return [(each.what, each.path) for each in self.news[before:]]

    def memories(self, *states: str) -> list[Memory]:
        """Return the memories of the space, the oldest first."""
        where = Filter(spaces=(self.space,), states=states or (LIVE,))
        return list(self.service.list(where=where, limit=1000, oldest_first=True).memories)

    def texts(self, *states: str) -> list[str]:
        """Return their texts."""
        return sorted(each.text for each in self.memories(*states))

    def one(self, *states: str) -> Memory:
        """Return the only one."""
        (found,) = self.memories(*states or STATES)
        return found

    def on_the_disk(self) -> set[str]:
        """Return the texts of the notes that are there."""
        files = (each for each in self.path.rglob("*.txt") if each.is_file())
        return {text for each in files if (text := each.read_text()).strip()}


class Counted:
    """A service that calls `at` before and after each verb that matters here."""

    def __init__(self, service: Service, at: Callable[[], None]) -> None:
        self._service = service
        self._at = at

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._service, name)
        if name not in VERBS:
            return verb

        def called(*args: Any, **kwargs: Any) -> Any:
            self._at()
            done = verb(*args, **kwargs)
            self._at()
            return done

        return called


def main(home: str, folder: str, space: str, kill_at: str) -> None:
    """Catch up, and die where told to."""
    left = [int(kill_at)]

    def step() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def killed_save(notes: Notes) -> None:
        step()
        save(notes)
        step()

    save = Notes.save
    Notes.save = killed_save  # type: ignore[assignment,method-assign]
    service = Service(Path(home), FakeEmbedder(), background=False)
    watch = Watch(Path(home), Path(folder), space, lambda _: None, batch=2)
    for _ in watch.catch_up(cast("Service", Counted(service, step))):
        pass
    service.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
