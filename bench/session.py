"""A host's session with a server, timed: raw lines of JSON over the pipes of a real process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from bench.machine import memory_of
from memdesk import demo

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
        return memory_of(self._process.pid)


def memdesk(home: Path) -> Session:
    """Start memdesk as a host does, on the store in `home`."""
    return Session(demo.server_command(), home)


def opened(home: Path) -> Session:
    """Start memdesk and do what every host does first."""
    session = memdesk(home)
    session.initialize()
    session.tools()
    return session
