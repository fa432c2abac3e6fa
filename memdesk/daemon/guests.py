"""Who is connected, and what each of them has asked for."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator


@dataclass(eq=False)
class Guest:
    """One connection: a host, a front of ours, or somebody who asks about the daemon itself."""

    kind: str
    """mcp, service or control."""
    pid: int
    folder: str
    """The working folder it was started in."""
    space: str
    version: str
    writer: asyncio.StreamWriter
    zone: str = ""
    """The time zone that its environment names, if it does."""
    offset: int = 0
    """How far that zone is from UTC now, in seconds."""
    name: str = ""
    """What it calls itself."""
    since: float = field(default_factory=time.time)
    asked: int = 0
    """How many requests it has made."""
    open: int = 0
    """How many of them wait for their answer."""
    reading: asyncio.Task[Any] | None = None
    """What takes in its requests; cancelled when the daemon leaves."""

    def report(self) -> dict[str, object]:
        """Return what `memdesk daemon status` tells of it."""
        told = ("kind", "name", "pid", "folder", "space", "version", "since", "asked", "open")
        return {key: getattr(self, key) for key in told}


class Guests:
    """All of them."""

    def __init__(self) -> None:
        self._here: set[Guest] = set()
        self.left = time.monotonic()
        """When the last of them left."""

    @contextmanager
    def received(self, guest: Guest) -> Iterator[Guest]:
        """Count a guest for as long as it stays; those who ask about the daemon do not keep it."""
        self._here.add(guest)
        try:
            yield guest
        finally:
            self._here.discard(guest)
            if guest.kind != "control":
                self.left = time.monotonic()

    @property
    def present(self) -> list[Guest]:
        """Those who work with memories, the first to come first."""
        here = (guest for guest in self._here if guest.kind != "control")
        return sorted(here, key=lambda guest: guest.since)
