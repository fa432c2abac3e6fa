"""Desks that share memories, as people have them: a daemon on a store of its own, and its client."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Self

import psutil

from bench.notes import notes
from bench.samples import seconds
from bench.standin import StandIn
from bench.stores import maintain_once
from memdesk.cli.root import open_remotes, open_service
from memdesk.config import HOME, load
from memdesk.link.address import read_address
from memdesk.memory import Draft
from memdesk.remotes import Remote, Synced
from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.stores import Stores

TEAM = "team"
"""What the remote is called."""
_REAL = 200
"""Texts whose real vectors those of a store to push from are made of: nobody searches there."""
_LOOK = 0.02


@cache
def shared(stores: Stores, count: int, seed: int = 71) -> Path:
    """Return a store of so many memories for the team; to be copied."""
    home = stores.new_home()
    about = notes(count, seed=seed)
    stand_in = StandIn(stores.embedder, [note.text for note in about[:_REAL]])
    service = Service(home, stand_in, background=False)
    service.remember_many(
        [Draft(note.text, kind=note.kind, tags=note.tags, audience=(TEAM,)) for note in about]
    )
    service.close()
    maintain_once(home)
    return home


def connect(home: Path, url: str, key: str, kind: str) -> None:
    """Set the team's server up for a store."""
    home.mkdir(exist_ok=True)
    known, keys = open_remotes(home)
    keys.put(known.add(Remote(TEAM, url, kind)), key)


def by_itself(home: Path) -> None:
    """Have the store's daemon exchange with the team by itself."""
    known, _ = open_remotes(home)
    known.change(TEAM, auto=True)


@contextmanager
def desk(home: Path) -> Iterator[Service]:
    """Lend a store by way of its daemon, which has its model loaded."""
    client = open_service(load(os.environ | {HOME: str(home)}))
    try:
        client.warm()
        yield client
    finally:
        client.close()


def exchange(client: Service, *, push: bool = False, pull: bool = False) -> tuple[int, float]:
    """Exchange with the team; return how many memories went or came, and the seconds that took.

    Raises `ValueError` where it did not come to its end.
    """
    told = list[Synced]()
    took = seconds(lambda: told.extend(client.sync(TEAM, push=push, pull=pull)))
    (synced,) = told
    if synced.error or synced.held:
        raise ValueError(f"{synced.held} held; {synced.error}")
    return synced.pushed + synced.pulled, took


class Watched:
    """The memory of a store's daemon while something is done, in MB; a context manager."""

    def __init__(self, home: Path) -> None:
        address = read_address(str(home))
        assert address is not None
        self._process = psutil.Process(address.pid)
        self.before = self.most = self._now()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_LOOK):
            self.most = max(self.most, self._now())

    def _now(self) -> float:
        return float(self._process.memory_info().rss) / 2**20
