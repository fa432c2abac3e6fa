"""The clipboard, also from the far end of an ssh connection."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.app import App

_WAIT = 2.0


def copy(app: App[Any], text: str) -> None:
    """Put text on the clipboard: by the terminal (OSC 52), by pbcopy in macOS' own, which has not that."""
    if os.environ.get("TERM_PROGRAM") == "Apple_Terminal":
        try:
            subprocess.run(["/usr/bin/pbcopy"], input=text.encode(), timeout=_WAIT, check=True)
        except (OSError, subprocess.SubprocessError):
            pass
        else:
            return
    app.copy_to_clipboard(text)
