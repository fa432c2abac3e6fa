"""Stores to measure on: loaded once in a run, copied for whoever writes to one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from bench.notes import Note, notes
from bench.samples import seconds
from bench.session import daemon_leaves
from bench.standin import StandIn
from memdesk.catalog import BUNDLED, Catalog
from memdesk.config import HOME
from memdesk.embedder import Embedder
from memdesk.link.start import DIRECT
from memdesk.memory import Draft
from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memdesk.embedder import Embedding

_PATIENCE = 120.0
"""Seconds until a maintenance that does not end is left alone."""
_REAL = 5_000
"""Texts whose real vectors the large store's are made of."""
_FEW = 100


class Stores:
    """The stores of one run, all below one folder."""

    def __init__(self, folder: Path, say: Callable[[str], None], small: int, large: int) -> None:
        """Prepare to load stores of `small` and of `large` memories when they are asked for."""
        self._folder = folder
        self._say = say
        self._large = large
        self.size = small
        self._small: Path | None = None

    @cached_property
    def few(self) -> Path:
        """A store with so little in it that its size costs nothing."""
        home = self.new_home()
        load(home, notes(_FEW, seed=1), self.embedder)
        return home

    @cached_property
    def notes(self) -> list[Note]:
        """The memories of the small store."""
        return notes(self.size, seed=1)

    @cached_property
    def embedder(self) -> Embedder:
        """The real model, loaded."""
        made = Embedder(BUNDLED, catalog=Catalog(self._folder))
        made.load()
        return made

    def small(self) -> Path:
        """Return a store of the smaller size, bulk loaded by the real model and maintained."""
        if self._small is None:
            self.load_small()
        assert self._small is not None
        return self._small

    def load_small(self) -> float:
        """Load the smaller store, in place of one that is there; return the seconds."""
        if self._small:
            shutil.rmtree(self._small)
        home = self.new_home()
        self._say(f"loading {self.size:,} memories")
        took = load(home, self.notes, self.embedder)
        maintain_once(home)
        self._small = home
        return took

    @cached_property
    def large(self) -> Path:
        """A store of the larger size, with vectors of a stand-in for the model."""
        home = self.new_home()
        self._say(f"loading {self._large:,} memories with stand-in vectors")
        stand_in = StandIn(self.embedder, [note.text for note in notes(_REAL, seed=1)])
        load(home, notes(self._large, seed=1), stand_in)
        maintain_once(home)
        return home

    @contextmanager
    def copy(self, home: Path) -> Iterator[Path]:
        """Lend a copy of a store that may be written to; its daemon leaves with it."""
        made = self.new_home()
        shutil.copytree(home, made, dirs_exist_ok=True)
        try:
            with daemon_leaves(made), _maintenance_ends(made):
                yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)

    @contextmanager
    def empty(self) -> Iterator[Path]:
        """Lend a folder without a store; its daemon leaves with it."""
        made = self.new_home()
        try:
            with daemon_leaves(made):
                yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def new_home(self) -> Path:
        """Return a new, empty folder for a store."""
        return Path(tempfile.mkdtemp(dir=self._folder))


def load(home: Path, about: list[Note], embedder: Embedding) -> float:
    """Store notes in one call; return the seconds that took."""
    service = Service(home, embedder)
    service.recall("is anybody there")  # opens the store, which the first verb would pay for
    drafts = [Draft(note.text, kind=note.kind, tags=note.tags) for note in about]
    took = seconds(lambda: service.remember_many(drafts))
    service.close()
    return took


def maintain_once(home: Path, *, keep: float = 600.0) -> None:
    """Do once what the maintenance child does, and wait for it; `keep` as in `Service.maintain`."""
    command = [sys.executable, "-m", "memdesk", "maintain", "--keep", str(keep)]
    environ = os.environ | {HOME: str(home), DIRECT: "1"}
    subprocess.run(command, env=environ, check=True, stdin=subprocess.DEVNULL)


@contextmanager
def _maintenance_ends(home: Path) -> Iterator[None]:
    """Wait for a maintenance child that outlives its hosts, so that it disturbs nothing else."""
    try:
        yield
    finally:
        _await_maintenance(home)


def _await_maintenance(home: Path) -> None:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if "maintain" in process.cmdline() and process.environ().get(HOME) == str(home):
                process.wait(_PATIENCE)
