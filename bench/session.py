"""A host's session with a server, timed: raw lines of JSON over the pipes of a real process."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.machine import memory_of
from memdesk import demo
from memdesk.link.visit import dismiss
from memdesk.shim import DIRECT

if TYPE_CHECKING:
    from collections.abc import Iterator

# Without -P the modules beside the script would hide installed ones of the same name.
BARE = [sys.executable, "-P", str(Path(__file__).with_name("bare_server.py"))]


class Session(demo.Session):
    """The demo's session; `took` is the seconds of the last request, the start in the first one's."""

    def tools(self) -> list[dict[str, Any]]:
        """Return the tools that the server offers."""
        return list(self.request("tools/list", {})["tools"])

    def time(self, tool: str, **arguments: object) -> float:
        """Call a tool and return how many milliseconds its answer took."""
        self.call(tool, **arguments)
        return self.took * 1000

    def memory(self) -> tuple[float, float | None]:
        """Return the server's resident memory in MB and, on Linux, its own share (PSS)."""
        return memory_of(self.pid)

    @property
    def pid(self) -> int:
        """The process that the host has started."""
        return self._process.pid


def command(*, direct: bool = False) -> list[str]:
    """Return what a host starts; `direct` is a server of its own in place of the daemon's shim."""
    return [*demo.server_command(), *([DIRECT] if direct else [])]


def memdesk(home: Path, *, direct: bool = False) -> Session:
    """Start memdesk as a host does, on the store in `home`."""
    return Session(command(direct=direct), home)


def opened(home: Path, *, direct: bool = False) -> Session:
    """Start memdesk and do what every host does first."""
    session = memdesk(home, direct=direct)
    session.initialize()
    session.tools()
    return session


@contextmanager
def daemon_leaves(home: Path) -> Iterator[None]:
    """See to it that the daemon that serves the store meanwhile has left at the end."""
    try:
        yield
    finally:
        dismiss(str(home), "the benchmark is over")
