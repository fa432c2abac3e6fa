"""The pipe to the host, kept clean while everything else is imported.

Standard output is the protocol's: until the SDK takes it over, file descriptor 1 leads to
standard error, so that no import, C library or child process can write on the wire.
"""

import gc
import os
import sys

_NONE = -1
_wire = _NONE


def guard() -> int:
    """Take the wire away from descriptor 1 and return the descriptor that holds it now.

    The first thing a process that speaks MCP does; calling it again changes nothing. It also
    stops garbage collection, which costs a tenth of the imports that follow, until `release`.
    """
    global _wire  # noqa: PLW0603 - descriptor 1 is the whole process's, and so is its guard
    if _wire == _NONE:
        gc.disable()
        _wire = os.dup(1)
        os.dup2(2, 1)
    return _wire


def release() -> None:
    """Give the wire back to descriptor 1, for the SDK to take over."""
    global _wire  # noqa: PLW0603
    if _wire == _NONE:
        return
    gc.enable()
    gc.freeze()
    sys.stdout.flush()
    os.dup2(_wire, 1)
    os.close(_wire)
    _wire = _NONE


def cut() -> None:
    """Lead descriptor 1 to standard error again: nothing may be written after the protocol ended."""
    os.dup2(2, 1)
