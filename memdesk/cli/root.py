"""The composition root: settings, model catalog, embedder, service and daemon, put together once.

Nothing heavy is imported before somebody asks for the service.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, cast

from memdesk import errors
from memdesk.config import HOME, load, private_folder
from memdesk.errors import Invalid, MemdeskError, ModelError, StoreError
from memdesk.link.client import ServiceClient
from memdesk.link.start import join, wanted
from memdesk.link.visit import NoDaemon, Refused, hello
from memdesk.workplace import Workplaces

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from memdesk.catalog import Catalog, ModelSpec
    from memdesk.config import Settings
    from memdesk.service import Service
    from memdesk.sync.keys import Keys
    from memdesk.sync.known import KnownRemotes
    from memdesk.sync.sync import Sync

_LOWEST_PRIORITY = 19
_PATIENCE = 5.0
"""How long a change of the remotes or their keys waits for another, in seconds."""
_log = logging.getLogger(__name__)
_UNSEEN = 0
"""How a background process starts on Windows (untested): without a window, below everything."""
if sys.platform == "win32":
    _UNSEEN = subprocess.CREATE_NO_WINDOW | subprocess.IDLE_PRIORITY_CLASS


class Desk:
    """What a command works with; each part is made when it is first asked for."""

    def __init__(
        self,
        opener: Callable[[Settings], Service] | None = None,
        maintain: Callable[[Path], object] | None = None,
    ) -> None:
        self.direct = False
        """Work in this process, whether or not there is a daemon."""
        self.stays = False
        """Whether this process stays for long, so that it may work beside its calls."""
        self._opener = opener or self._open
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

    @property
    def has_daemon(self) -> bool:
        """Whether the service is the daemon's."""
        return isinstance(self._opened, ServiceClient)

    def embed_soon(self) -> None:
        """Have the passages that wait embedded; where no daemon does it, by a process of their own."""
        if isinstance(self._opened, ServiceClient):
            return
        # Where none can be started, the next one that memdesk starts embeds them.
        with suppress(OSError):
            self._maintain(self.settings.home)

    def close(self) -> None:
        """Close the service if it was opened."""
        if self._opened is not None:
            self._opened.close(timeout=0)  # a command has no write in flight when it ends
            self._opened = None

    def _open(self, settings: Settings) -> Service:
        if not self.direct:
            return open_service(settings, background=self.stays)
        return open_in_process(settings, background=self.stays)


def open_catalog(settings: Settings) -> Catalog:
    """Return the catalog of the models that the store's folder knows."""
    from memdesk.catalog import Catalog

    return Catalog(settings.home)


def open_remotes(home: Path) -> tuple[KnownRemotes, Keys]:
    """Return the remotes of the store in a folder, and their keys."""
    from memdesk.lock import WriterLock
    from memdesk.sync.keys import Keys
    from memdesk.sync.known import KnownRemotes

    def locked(name: str) -> Callable[[], AbstractContextManager[None]]:
        return lambda: WriterLock(home / f"{name}.lock", name).hold(_PATIENCE)

    return KnownRemotes(home, locked("remotes")), Keys(home, locked("keys"))


def open_sync(home: Path) -> Sync:
    """Return what the service knows of remotes; cheap, as long as there are none."""
    from memdesk.sync.sync import Sync

    return Sync(home, *open_remotes(home))


def logs_folder() -> Path:
    """Return the folder of the log files; it need not exist."""
    return load().logs


def open_service(settings: Settings | None = None, *, background: bool = True) -> Service:
    """Return the service of the person's store: the daemon's, or where there is none our own.

    What comes back behaves the same either way.
    """
    settings = settings or load()
    try:
        return _of_daemon(settings)
    except NoDaemon as error:
        if not wanted():
            _log.warning("working without a daemon: %s", error)
        return open_in_process(settings, background=background)


def _of_daemon(settings: Settings) -> Service:
    """Return a client of the daemon, started if need be; raises `NoDaemon`."""
    home = str(private_folder(settings.home))
    greeting = hello("service", name="memdesk", space=settings.space)

    def connect() -> socket.socket:
        try:
            return first.pop() if first else join(home, greeting).link
        except Refused as error:
            raise as_error(error) from None
        except NoDaemon as error:
            if begun:
                raise StoreError(f"the daemon has gone, and no other came: {error}") from None
            raise

    begun, first = False, list[socket.socket]()
    first.append(connect())
    begun = True

    return cast("Service", ServiceClient(connect, default_space=settings.space))


def as_error(refused: Refused) -> MemdeskError:
    """Return memdesk's own error that a daemon has refused something with."""
    kind: type[MemdeskError] = getattr(errors, refused.kind, StoreError)
    return kind(*refused.args)


def open_for_host() -> Service:
    """Return the service of a host's own server, whose space is that of the folder it works in."""
    settings = load()
    try:
        space = workplaces(settings).space_of(os.getcwd())  # noqa: PTH109 - as the shim asks
    except FileNotFoundError:  # the folder has been removed
        space = settings.space
    return open_in_process(replace(settings, space=space))


def workplaces(settings: Settings) -> Workplaces:
    """Return how this person's folders and spaces belong together."""
    return Workplaces(settings.space, settings.spaces)


def open_in_process(settings: Settings | None = None, *, background: bool = True) -> Service:
    """Return a service of this process; cheap, since it opens the store on its first verb.

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
        activity=settings.activity,
        snapshots=settings.snapshots,
        remotes=open_sync(home),
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


def start_maintenance(home: Path) -> subprocess.Popen[bytes]:
    """Start `memdesk maintain` for the store; nobody need wait for it: its memory goes when it ends."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "memdesk", "maintain", "--linger", "10"],
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
    return child


def lower_priority() -> None:
    """Step behind everything else on this machine: for background work."""
    if sys.platform != "win32":
        os.nice(_LOWEST_PRIORITY)
