"""Whether a process was stopped by a signal: it keeps what it holds, and says nothing for ever."""

from __future__ import annotations

from pathlib import Path


def is_stopped(pid: int) -> bool:
    """Tell whether a process is stopped (proc(5): the states T and t); False where none can tell."""
    try:
        told = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return told.rpartition(b") ")[2][:1] in (b"T", b"t")
