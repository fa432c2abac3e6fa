"""The composition root: settings, model catalog, embedder and service, put together once.

Nothing heavy is imported before somebody asks for the service.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from memdesk.config import HOME, load, private_folder
from memdesk.errors import Invalid, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from memdesk.catalog import Catalog, ModelSpec
    from memdesk.config import Settings
    from memdesk.service import Service

_LOWEST_PRIORITY = 19
_UNSEEN = 0
"""How a background process starts on Windows (untested): without a window, below everything."""
if sys.platform == "win32":
    _UNSEEN = subprocess.CREATE_NO_WINDOW | subprocess.IDLE_PRIORITY_CLASS


class Desk:
    """What a command works with; each part is made when it is first asked for."""

    def __init__(
        self,
        opener: Callable[[Settings], Service] | None = None,
        maintain: Callable[[Path], None] | None = None,
    ) -> None:
        self._opener = opener or _open_for_command
        self._maintain = maintain or start_maintenance
        self._opened: Service | None = None

    @cached_property
    def settings(self) -> Settings:
        """The settings of this person."""
        return load()

    @cached_property
    def catalog(self) -> Catalog:
        """The embedding models on this machine."""
        return open_catalog(self.settings)

    @property
    def service(self) -> Service:
        """The service, opened on first use."""
        if self._opened is None:
            self._opened = self._opener(self.settings)
        return self._opened

    def embed_soon(self) -> None:
        """Have a process of its own embed the passages that wait."""
        # Where none can be started, the next one that memdesk starts embeds them.
        with suppress(OSError):
            self._maintain(self.settings.home)

    def close(self) -> None:
        """Close the service if it was opened."""
        if self._opened is not None:
            self._opened.close(timeout=0)  # a command has no write in flight when it ends
            self._opened = None


def _open_for_command(settings: Settings) -> Service:
    return open_service(settings, background=False)


def open_catalog(settings: Settings) -> Catalog:
    """Return the catalog of the models that the store's folder knows."""
    from memdesk.catalog import Catalog

    return Catalog(settings.home)


def logs_folder() -> Path:
    """Return the folder of the log files; it need not exist."""
    return load().logs


def open_service(settings: Settings | None = None, *, background: bool = True) -> Service:
    """Return a service for the person's store; cheap, since it opens the store on its first verb.

    `background` lets it embed beside its calls: for processes that live long.
    """
    from memdesk.embedder import Embedder
    from memdesk.service import Service

    settings = settings or load()
    home = private_folder(settings.home)
    catalog = open_catalog(settings)
    return Service(
        home,
        Embedder(_chosen_model(settings, catalog), catalog=catalog),
        default_space=settings.space,
        maintain=lambda: start_maintenance(home),
        models=lambda name: Embedder(catalog.get(name), catalog=catalog),
        background=background,
    )


def _chosen_model(settings: Settings, catalog: Catalog) -> ModelSpec:
    """Return the model for a new store; one that has vectors already names its own."""
    from memdesk.catalog import BUNDLED

    if settings.model is None:
        return BUNDLED
    try:
        return catalog.get(settings.model)
    except ModelError as error:
        raise Invalid(f"{settings.config_file}: model", str(error)) from error


def start_maintenance(home: Path) -> None:
    """Start `memdesk maintain` for the store and forget it: its memory goes when it ends."""
    child = subprocess.Popen(
        [sys.executable, "-m", "memdesk", "maintain", "--linger", "10"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=home.anchor,
        env=os.environ | {HOME: str(home)},
        start_new_session=True,
        creationflags=_UNSEEN,
    )
    # Somebody has to ask how it ended, or a server that runs for weeks collects zombies.
    threading.Thread(target=child.wait, name="maintenance", daemon=True).start()


def lower_priority() -> None:
    """Step behind everything else on this machine: for background work."""
    if sys.platform != "win32":
        os.nice(_LOWEST_PRIORITY)
