"""`memdesk` alone: the desk's own screen, on the person's terminal."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from typing import TYPE_CHECKING

from memdesk.cli.terminal import say
from memdesk.config import private_folder
from memdesk.demo import connect_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memdesk.cli.root import Desk

LOG = "desk.log"
CHOICES = "desk.json"
"""What a person chose on the screen itself; in the store's folder."""
UNSAVED = "unsaved.txt"
"""What was being written when the terminal went away; in the store's folder."""
_MAX_LOG = 1024 * 1024


def at_a_terminal() -> bool:
    """Return whether a screen can be shown: a person sits at both ends, at a terminal that can move its cursor."""
    ends = (sys.stdin, sys.stdout, sys.stderr)
    able = sys.platform == "win32" or os.environ.get("TERM", "") not in ("", "dumb", "unknown")
    return able and all(end is not None and end.isatty() for end in ends)


def show(desk: Desk) -> int:
    """Show the desk until the person leaves; return the exit code."""
    desk.stays = True
    # Read when Textual is imported.
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    _follow_the_window()
    home, logs = private_folder(desk.settings.home), private_folder(desk.settings.logs)
    with _quiet(logs / LOG):
        from memdesk.tui.app import MemdeskApp

        app = MemdeskApp(
            lambda: desk.service,
            keys=desk.settings.keys,
            theme=_chosen(home).get("theme", ""),
            connect=connect_line(home),
            default_space=desk.settings.space,
            activity=desk.settings.activity,
            log_file=str(logs / LOG),
            unsaved=_unsaved(home),
            keep_unsaved=lambda text: _keep_unsaved(home, text),
            save_theme=lambda theme: _choose(home, theme=theme),
        )
        app.run()
    if app.ended_by:
        say(app.ended_by)
    return app.return_code or 0


def _follow_the_window() -> None:
    """Have the terminal asked for its size: variables (readline exports them) do not change with it."""
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)


@contextlib.contextmanager
def _quiet(log: Path) -> Iterator[None]:
    """Keep the terminal for the screen alone: what logs, or prints from C, goes to the log.

    Textual draws on Python's own standard error, so that keeps the terminal; descriptor 2, where
    C libraries print, does not.
    """
    fresh = os.O_TRUNC if log.exists() and log.stat().st_size > _MAX_LOG else 0
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | fresh, 0o600)
    terminal, drawn = os.dup(2), sys.__stderr__
    root, ours = logging.getLogger(), logging.getLogger("memdesk")
    saying, ours.handlers = ours.handlers, []
    handler = logging.FileHandler(log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    sys.__stderr__ = os.fdopen(os.dup(2), "w", encoding=_encoding(), errors="replace")  # type: ignore[misc]
    os.dup2(target, 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        sys.__stderr__.close()
        sys.__stderr__ = drawn  # type: ignore[misc]
        root.removeHandler(handler)
        handler.close()
        ours.handlers = saying
        os.close(terminal)
        os.close(target)


def _encoding() -> str:
    return getattr(sys.__stderr__, "encoding", None) or "utf-8"


def _chosen(home: Path) -> dict[str, str]:
    try:
        told = json.loads((home / CHOICES).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _choose(home: Path, **choices: str) -> None:
    """Keep what a person chose; where that cannot be written they choose again next time."""
    _write(home / CHOICES, json.dumps(_chosen(home) | choices))


def _unsaved(home: Path) -> str:
    try:
        return (home / UNSAVED).read_text("utf-8")
    except (OSError, ValueError):
        return ""


def _keep_unsaved(home: Path, text: str) -> None:
    """Keep what was being written, or nothing any more."""
    if text:
        _write(home / UNSAVED, text)
    else:
        (home / UNSAVED).unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    """Put text in a file that only its owner reads: all of it or, where that fails, none."""
    beside = path.with_suffix(".new")
    with contextlib.suppress(OSError):
        with open(beside, "w", encoding="utf-8", opener=_private) as file:
            file.write(text)
        beside.replace(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
