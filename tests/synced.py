"""Desks that share memories through a server, for tests of sync."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from fakes import FakeEmbedder

from memdesk.memory import Draft, Filter
from memdesk.remotes import MEMDESK, Remote
from memdesk.service import Service
from memdesk.sync.keys import Keys
from memdesk.sync.known import KnownRemotes
from memdesk.sync.sync import Sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memdesk.memory import Memory
    from memdesk.remotes import Synced

EVERYTHING = Filter(states=("live", "replaced", "trashed"), expired=True)


class Sharer:
    """One desk with remotes, as a process has it."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self.known = KnownRemotes(home, nullcontext)
        self.keys = Keys(home)
        self.sync = Sync(home, self.known, self.keys)
        self.service = Service(home, FakeEmbedder(), background=False, remotes=self.sync)

    def add(
        self, url: str, key: str = "", *, name: str = "team", kind: str = MEMDESK, **more: object
    ) -> Remote:
        """Set a remote up."""
        remote = self.known.add(Remote(name, url, kind, **more))  # type: ignore[arg-type]
        if key:
            self.keys.put(remote, key)
        return remote

    def share(self, text: str, *, to: tuple[str, ...] = ("team",), **more: object) -> str:
        """Remember something for the team; return its id."""
        return self.service.remember(Draft(text, audience=to, **more)).id  # type: ignore[arg-type]

    def go(self, remote: str = "team", *, push: bool = True, pull: bool = True) -> Synced:
        """Exchange once with a remote."""
        (told,) = self.service.sync(remote, push=push, pull=pull)
        return told

    def get(self, id: str) -> Memory:
        """Return a memory."""
        return self.service.get([id])[0]

    def texts(self) -> set[str]:
        """Return the texts of all live memories."""
        return {each.text for each in self.service.list(limit=500).memories}

    def all(self) -> dict[str, Memory]:
        """Return every memory that is not erased, by its id."""
        return {each.id: each for each in self.service.list(where=EVERYTHING, limit=500).memories}


@contextmanager
def sharer(home: Path) -> Iterator[Sharer]:
    """Open a desk with remotes and close it in the end."""
    desk = Sharer(home)
    try:
        yield desk
    finally:
        desk.service.close()
