"""The daemon's life: one per store, from its lock to its leaving."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from memdesk import __version__
from memdesk.daemon.door import BACKLOG, listening, unlist
from memdesk.daemon.guests import Guests
from memdesk.daemon.house import House
from memdesk.daemon.reception import Reception
from memdesk.errors import Busy, Invalid, MemdeskError
from memdesk.link.address import connect, read_address
from memdesk.lock import WriterLock

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping

    from memdesk.ingest.watching import Watches
    from memdesk.service import Service
    from memdesk.sync.background import Background
    from memdesk.workplace import Workplaces

LOCK = "daemon.lock"
_PREDECESSOR_LEAVES_WITHIN = 5.0
_TRY = 0.1
_LEAVES_WITHIN = 1.8
_ANSWERS_WITHIN = 1.2
_CLOSES_WITHIN = 0.5
_LOOK = 2.0
_WATCHES_IN = 1.0
_POLL = 0.01
_FILES = 65536
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Terms:
    """What a daemon is told by whoever puts it together."""

    open_service: Callable[[], Service]
    workplaces: Callable[[], Workplaces]
    """Gives the spaces of hosts that name none, as the settings say now."""
    idle_seconds: float | None
    """How long it stays without guests; None for ever."""
    log: Path
    """The file it writes its log to."""
    hosts: bool
    """Whether it was started for a host."""
    watched: Mapping[Path, str] = field(default_factory=dict)
    """The folders whose notes are memories, and the space of each."""
    syncing: Background | None = None
    """What exchanges with remotes by itself."""


def run(home: Path, terms: Terms, ready: Callable[[str], None]) -> None:
    """Be the store's daemon until nobody needs one; ends the process.

    `ready` hears the path of the socket. Raises `Busy` when the store has a daemon, and
    `StoreError` where it cannot listen.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_alone(home))
        door = stack.enter_context(listening(home))
        more_files()
        ready(door.getsockname())
        asyncio.run(Daemon(home, door, terms).serve())
    logging.shutdown()
    os._exit(0)  # threads that still work have had their time


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Be the store's only daemon, once a predecessor has left; raises `Busy` where one serves."""
    deadline = time.monotonic() + _PREDECESSOR_LEAVES_WITHIN
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(WriterLock(home / LOCK, "daemon").hold(_TRY))
                break
            except Busy:
                if time.monotonic() > deadline or _serves(home):
                    raise
        yield


def _serves(home: Path) -> bool:
    """Return whether somebody listens where the store's address says."""
    address = read_address(str(home))
    try:
        if address is not None:
            connect(address, _TRY).close()
    except OSError:
        return False
    return address is not None


class Daemon:
    """Serves whoever comes, and knows when to leave."""

    def __init__(self, home: Path, door: socket.socket, terms: Terms) -> None:
        self._home = home
        self._door = door
        self._path: str = door.getsockname()
        self._terms = terms
        self._house = House(terms.open_service, terms.workplaces)
        self._guests = Guests()
        self._began = time.time()
        self._leaving = asyncio.Event()
        self._watches: Watches | None = None

    async def serve(self) -> None:
        """Serve until it is time to leave, then leave within two seconds."""
        if self._terms.hosts:
            self._house.expect_hosts(0)
        reception = Reception(self._house, self._guests, self.control)
        if self._terms.watched or self._terms.syncing:  # after whoever this was started for
            asyncio.get_running_loop().call_later(_WATCHES_IN, self._watch_soon)
        server = await asyncio.start_unix_server(reception.accept, sock=self._door, backlog=BACKLOG)
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            number = getattr(signal, name)
            asyncio.get_running_loop().add_signal_handler(number, self.leave, name)
        _log.info("memdesk %s serves %s", __version__, self._home)
        await self._stay()
        reception.closed = True
        server.close()
        await self._say_goodbye()

    def _watch_soon(self) -> None:
        threading.Thread(target=self._watch, name="watching", daemon=True).start()

    def _watch(self) -> None:
        from memdesk.ingest.watching import Watches

        try:
            service = self._house.service()
        except MemdeskError as error:
            _log.warning("no folder is watched, and nothing synced: %s", error)
            return
        if self._terms.watched:
            self._watches = Watches(self._home, self._terms.watched)
            self._watches.start(service)
        if self._terms.syncing:
            self._terms.syncing.start(service)

    def leave(self, why: str) -> None:
        """Leave as soon as what is being worked on is answered."""
        if self._leaving.is_set():
            return
        _log.info("leaving: %s", why)
        self._leaving.set()
        # Whatever still works then has had its time: what was acknowledged is on the disk.
        last = threading.Timer(_LEAVES_WITHIN, os._exit, (0,))
        last.daemon = True
        last.start()

    def control(self, do: str, **details: str) -> dict[str, object]:
        """Answer a request about the daemon itself."""
        if do == "status":
            return self._status()
        if do == "stop":
            self.leave(details.get("why", "asked to"))
            return {"leaving": True}
        if do in ("pause", "resume"):
            getattr(self._house.service().duties, do)(details["duty"])
            return {do: details["duty"]}
        raise Invalid("do", "is not a request that a daemon knows")

    def _status(self) -> dict[str, object]:
        opened = self._house.opened
        return {
            "pid": os.getpid(),
            "version": __version__,
            "home": str(self._home),
            "socket": self._path,
            "log": str(self._terms.log),
            "since": self._began,
            "memory": _resident(),
            "stays": self._terms.idle_seconds is None,
            "leaves_in": self._leaves_in(),
            "guests": [guest.report() for guest in self._guests.present],
            "duties": [_plain(duty) for duty in opened.duties.report()] if opened else [],
        }

    # How long it stays

    async def _stay(self) -> None:
        """Wait until somebody says to leave, nobody has come for long, or the store is gone."""
        while not self._leaving.is_set():
            with contextlib.suppress(TimeoutError):
                left = self._leaves_in()
                await asyncio.wait_for(
                    self._leaving.wait(), _LOOK if left is None else min(_LOOK, max(left, 0.01))
                )
            if self._leaves_in() == 0:
                self.leave("nobody needs it")
            elif why := self._lost():
                self.leave(why)

    def _leaves_in(self) -> float | None:
        """Return the seconds until it leaves by itself; None while something keeps it."""
        opened = self._house.opened
        if (
            self._terms.idle_seconds is None
            or self._guests.present
            or (opened and opened.duties.due())
        ):
            return None
        return max(0.0, self._guests.left + self._terms.idle_seconds - time.monotonic())

    def _lost(self) -> str:
        """Return why nobody can find it any more; empty while somebody can."""
        address = read_address(str(self._home))
        if address is None or address.pid != os.getpid():
            return "its address is no longer in the store's folder"
        return "" if Path(address.path).exists() else "its socket has been removed"

    async def _say_goodbye(self) -> None:
        """Let open requests be answered, take in no more, and close the store."""
        if self._watches:
            self._watches.close()
        if self._terms.syncing:
            self._terms.syncing.close()
        unlist(self._home, self._path)
        guests = self._guests.present
        deadline = time.monotonic() + _ANSWERS_WITHIN
        for guest in guests:
            if guest.reading and (guest.kind == "mcp" or not guest.open):
                guest.reading.cancel()
        # Counted in many places, waited for once.
        while any(guest.open for guest in guests) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_POLL)
        for guest in guests:
            guest.writer.close()
        if self._house.opened:
            await asyncio.to_thread(self._house.opened.close, _CLOSES_WITHIN)
        _log.info("left")


def _resident() -> int:
    """Return the bytes of memory this process has in use; at most so far where the system tells no more."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def _plain(duty: object) -> dict[str, object]:
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in asdict(duty).items()  # type: ignore[call-overload]
    }


def more_files() -> None:
    """Let as many guests come as the system allows: each is an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft < most:
        with contextlib.suppress(ValueError, OSError):  # then fewer come
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
