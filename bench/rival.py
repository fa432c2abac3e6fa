"""The memory server most hosts know, from npm: what a start of ours is measured against."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = "@modelcontextprotocol/server-memory"
_PATIENCE = 180.0
"""Seconds that npm may take."""


class NoRival(Exception):  # noqa: N818 (read as “raises NoRival”)
    """It cannot be measured here; says why."""


class Rival:
    """The server as npm installs it, started by node itself: npx would only make it slower."""

    def __init__(self, folder: Path) -> None:
        """Install it below `folder`; raises `NoRival`."""
        node, npm = shutil.which("node"), shutil.which("npm")
        if not node or not npm:
            raise NoRival("no node or no npm here")
        _install(npm, folder)
        package = folder / "node_modules" / PACKAGE
        self.version = str(json.loads((package / "package.json").read_text("utf-8"))["version"])
        self.command = [node, str(package / "dist" / "index.js")]


def _install(npm: str, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", PACKAGE]
    try:
        subprocess.run(
            command, cwd=folder, env=os.environ, check=True, capture_output=True, timeout=_PATIENCE
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NoRival(f"npm does not install it: {type(error).__name__}") from error
