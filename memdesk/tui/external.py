"""A person's own editor, for the text of a memory."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import SuspendNotSupported

if TYPE_CHECKING:
    from textual.app import App


async def edit_outside(app: App[Any], text: str) -> str | None:
    """Return the text as $VISUAL or $EDITOR left it, or None when nothing is to be saved.

    That is when it was not changed, is empty, or the editor ended with an error. What went wrong
    is told. The text is in a file that only the person can read, for as long as the editor runs.
    """
    try:
        # Nothing else may run meanwhile: it would draw over the editor.
        return _edited(app, text)
    except SuspendNotSupported:
        _tell(app, "An editor cannot be opened in this terminal; edit the text here.")
    except UnicodeDecodeError:
        _tell(app, "What the editor saved is not UTF-8; nothing was changed.")
    except ValueError as error:
        _tell(app, str(error))
    except OSError as error:
        _tell(app, f"The editor could not be opened: {error.strerror or error}.")
    return None


def _edited(app: App[Any], text: str) -> str | None:
    command = _editor()
    with tempfile.TemporaryDirectory(prefix="memdesk-") as folder:
        file = Path(folder) / "memory.md"
        _write(file, text)
        failed: OSError | None = None
        with app.suspend():
            # Descriptor 2 may be a log (cli/screen.py): the editor belongs to the terminal.
            try:
                code = subprocess.run(
                    [*command, str(file)], check=False, stderr=sys.__stderr__
                ).returncode
            except OSError as error:  # raised in here it would leave the terminal suspended
                code, failed = 0, error
        if failed:
            raise failed
        if code:
            _tell(app, f"{command[0]} ended with an error ({code}); nothing was changed.")
            return None
        return _changed(text, file.read_text(encoding="utf-8"))


def _editor() -> list[str]:
    """Return the command of the person's editor; raises `ValueError` when there is none."""
    line = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    try:
        command = shlex.split(line)
    except ValueError as error:
        raise ValueError(f"VISUAL or EDITOR is not a command: {error}.") from None
    if not command:
        raise ValueError("No editor is set: give its command as EDITOR in your shell's settings.")
    return command


def _write(file: Path, text: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(text.encode())


def _changed(before: str, after: str) -> str | None:
    if not before.endswith("\n"):  # editors end the last line
        after = after.removesuffix("\n")
    return after if after.strip() and after != before else None


def _tell(app: App[Any], words: str) -> None:
    app.notify(words, severity="warning", markup=False)
