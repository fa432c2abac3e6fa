"""Who started this server, and when they have ended, whoever still holds the pipes.

Standard library only, and little of it: every start of a host's server imports this.
"""

import os
import select
import time

_LOOK = 0.5
_PASSED_ON = ("pipe:", "socket:")


def starters() -> list[int]:
    """Return the process ids of the host and of the wrappers (`sh -c`, `uvx`) between it and us.

    A wrapper has our very standard input; only the host has its other end. Systems that do not tell
    what a process has open tell our parent only.
    """
    found = [os.getppid()]
    try:
        ours = os.readlink("/proc/self/fd/0")
        while ours.startswith(_PASSED_ON) and os.readlink(f"/proc/{found[-1]}/fd/0") == ours:
            found.append(_parent(found[-1]))
    except (OSError, ValueError, IndexError):
        pass  # it is not ours to look into, or has just ended
    return found


def _parent(pid: int) -> int:
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[1])  # its name may hold anything


def await_end(pids: list[int], wire: int = -1) -> None:
    """Return when one of some processes has ended, of which the first is our parent.

    Also when nobody reads any more what is written to the descriptor `wire`.
    """
    try:
        ends = select.poll()
        for pid in pids:
            ends.register(os.pidfd_open(pid), select.POLLIN)
        if wire >= 0:
            ends.register(wire, 0)  # only that its reader has gone is told without asking
        ends.poll()
    except ProcessLookupError:
        return
    except (AttributeError, OSError):
        while os.getppid() == pids[0]:
            time.sleep(_LOOK)
