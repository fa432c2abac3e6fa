"""Being the daemon: what the composition root hands it, and what it says when it listens."""

from __future__ import annotations

import logging
import os
import socket
import sys
from typing import TYPE_CHECKING

from memdesk.cli.root import open_in_process, open_sync, workplaces
from memdesk.config import load, private_folder
from memdesk.errors import MemdeskError, StoreError
from memdesk.link.start import READY, Turn
from memdesk.link.visit import NoDaemon, dismiss

if TYPE_CHECKING:
    from collections.abc import Callable

    from memdesk.config import Settings

LOG = "daemon.log"


def run_daemon(*, stay: bool = False, detached: bool = True, hosts: bool = False) -> int:
    """Be the store's daemon and return the exit code when that cannot be; else ends the process.

    `stay` keeps it when nobody needs it; `hosts` says that it was started for one. A detached one
    says on its standard output that it listens, and nothing after that; one in the foreground
    takes over from whoever serves.
    """
    try:
        settings = load()
        _log_to(settings, detached=detached)
        if detached:
            _be_daemon(settings, _tell_starter, stay=stay, hosts=hosts)
        else:
            _take_over(settings, stay=stay)
    except (MemdeskError, NoDaemon) as error:
        sys.stderr.write(f"{error}\n" if detached else f"memdesk: {error}\n")
        return error.exit_code if isinstance(error, MemdeskError) else MemdeskError.exit_code
    return 0


def _log_to(settings: Settings, *, detached: bool) -> None:
    from memdesk.mcp import log

    log.to_stderr()
    file = log.to_file(settings.logs, LOG, level=logging.INFO)
    if detached:  # its standard error is for what cannot be logged
        logging.getLogger().handlers = [file]


def _take_over(settings: Settings, *, stay: bool) -> None:
    """Be the daemon in the place of the present one, whose hosts come over."""
    home = str(private_folder(settings.home))

    def ready(path: str) -> None:
        turn.give_up()
        sys.stderr.write(f"memdesk listens on {path}; end it with Ctrl-C\n")

    _check_sockets()
    with Turn(home) as turn:
        turn.wait()  # or its hosts would start another one
        if pid := dismiss(home, "memdesk daemon run takes over"):
            sys.stderr.write(f"memdesk: takes over from process {abs(pid)}\n")
        _be_daemon(settings, ready, stay=stay, hosts=True)


def _be_daemon(
    settings: Settings, ready: Callable[[str], None], *, stay: bool, hosts: bool
) -> None:
    _check_sockets()
    from memdesk.daemon.process import Terms, run
    from memdesk.sync.background import Background

    home = private_folder(settings.home)
    terms = Terms(
        open_service=open_in_process,
        workplaces=lambda: workplaces(load()),
        idle_seconds=None if stay else settings.idle_minutes * 60,
        log=settings.logs / LOG,
        hosts=hosts,
        watched=settings.watch,
        syncing=Background(open_sync(home)),
    )
    run(home, terms, ready)


def _check_sockets() -> None:
    if not hasattr(socket, "AF_UNIX"):
        raise StoreError("this system has no Unix sockets, so no daemon can be here")


def _tell_starter(_: str) -> None:
    os.write(1, READY + b"\n")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
