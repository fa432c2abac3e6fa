"""What the server writes about itself, without ever writing what people remember.

Memories and questions reach log lines through the arguments of other libraries' messages and
through tracebacks, so of their records only the message's template and the error's type are kept.
"""

from __future__ import annotations

import logging
import os
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from io import TextIOWrapper
    from types import TracebackType

FILE = "mcp.log"
MAX_BYTES = 1024 * 1024
KEPT = 2
"""How many earlier log files are kept beside the present one."""


class Discreet(logging.Formatter):
    """Writes one line per record: no traceback, and no argument of a message that is not ours."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        ours = record.name.partition(".")[0] == "memdesk"
        said = record.getMessage() if ours else str(record.msg)
        line = f"{self.formatTime(record)} {record.process} {record.levelname} {record.name}: "
        line += next(iter(said.splitlines()), "")
        if record.exc_info and record.exc_info[1]:
            line += f" [{describe(record.exc_info[1])}]"
        return line


def describe(error: BaseException) -> str:
    """Return an error's type and the place that raised it; its text may hold a memory."""
    place = _place(error.__traceback__)
    return f"{type(error).__name__}{place}"


def _place(trace: TracebackType | None) -> str:
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


class _PrivateFile(RotatingFileHandler):
    """A log file that only its owner can read, made when the first line is written."""

    def _open(self) -> TextIOWrapper:
        path = Path(self.baseFilename)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return open(path, "a", encoding="utf-8", opener=_private)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def to_stderr() -> None:
    """Send warnings and worse to standard error, where hosts collect them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Discreet())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.raiseExceptions = False


def to_file(folder: Path, name: str = FILE, level: int = logging.WARNING) -> logging.Handler:
    """Write them to a rotating file in `folder` as well, readable by its owner only; return that.

    With a lower `level` what memdesk itself tells of its doings goes there too.
    """
    handler = _PrivateFile(
        folder / name, maxBytes=MAX_BYTES, backupCount=KEPT, encoding="utf-8", delay=True
    )
    handler.setFormatter(Discreet())
    logging.getLogger().addHandler(handler)
    if level < logging.WARNING:
        logging.getLogger("memdesk").setLevel(level)
    return handler
