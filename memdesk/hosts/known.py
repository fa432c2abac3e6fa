"""The hosts memdesk knows: where each keeps its list of servers, and in what shape.

These facts age: each row says when it was read last, in the vendor's documents. Standard library
only.
"""

from __future__ import annotations

import glob
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON, TOML = "json", "toml"
_SYSTEMS = ("linux", "darwin", "win32")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Whose hosts are looked at: the system, the person's home folder, the environment."""

    system: str = sys.platform
    home: Path = field(default_factory=Path.home)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def places(self) -> dict[str, str]:
        """Return the folders that the paths of `HOSTS` begin with, by their names there."""
        home = str(self.home)
        roaming = self.environ.get("APPDATA") or f"{home}/AppData/Roaming"
        config = {
            "darwin": f"{home}/Library/Application Support",
            "win32": roaming,
        }.get(self.system) or self.environ.get("XDG_CONFIG_HOME", f"{home}/.config")
        return {
            "home": home,
            "config": config,
            "dotconfig": roaming if self.system == "win32" else f"{home}/.config",
            "local": self.environ.get("LOCALAPPDATA") or f"{home}/AppData/Local",
            "codex": self.environ.get("CODEX_HOME") or f"{home}/.codex",
            "copilot": self.environ.get("COPILOT_HOME") or f"{home}/.copilot",
        }


@dataclass(frozen=True, slots=True)
class Host:
    """One AI host, and how it keeps the servers it starts."""

    name: str
    """What one types to name it."""
    title: str
    """What its maker calls it."""
    files: Mapping[str, tuple[str, ...]]
    """Its user-wide file by system, the usual one last: the first that is there is the one it
    reads. `{config}` and the like are `Surroundings.places`; a star stands for anything."""
    key: str = "mcpServers"
    """The table in the file that holds the servers by their names."""
    form: str = JSON
    comments: bool = False
    """Whether its JSON may have comments, which a writer would destroy."""
    typed: bool = False
    """Whether an entry says that it is started: `"type": "stdio"`."""
    variables: bool = False
    """Whether it puts the environment in for `${NAME}` or `${env:NAME}`."""
    checked: str = "2026-11"
    """The month these facts were read in."""

    def present(self, around: Surroundings) -> tuple[Path, ...]:
        """Return the files of its that are there, the one it reads first."""
        places = {name: glob.escape(path) for name, path in around.places().items()}
        found = (
            glob.glob(file.format(**places))  # noqa: PTH207 (the pattern is a whole path)
            for file in self.files.get(around.system, ())
        )
        return tuple(Path(path) for paths in found for path in sorted(paths))


def _everywhere(*paths: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(_SYSTEMS, paths)


_CLAUDE = "Claude/claude_desktop_config.json"

HOSTS = (
    Host(
        "claude-desktop",
        "Claude Desktop",
        _everywhere("{config}/" + _CLAUDE)
        | {
            "win32": (
                "{local}/Claude-Data/claude*/claude_desktop_config.json",
                "{local}/Packages/*Claude*/LocalCache/Roaming/" + _CLAUDE,
                "{config}/" + _CLAUDE,
            )
        },
    ),
    Host(
        "claude-code",
        "Claude Code",
        _everywhere("{home}/.claude.json"),
        typed=True,
        variables=True,
    ),
    Host("cursor", "Cursor", _everywhere("{home}/.cursor/mcp.json"), variables=True),
    Host(
        "vscode",
        "VS Code",
        _everywhere("{config}/Code/User/mcp.json", "{config}/Code - Insiders/User/mcp.json"),
        key="servers",
        comments=True,
        typed=True,
        variables=True,
    ),
    Host(
        "windsurf",
        "Windsurf",
        _everywhere("{home}/.codeium/windsurf/mcp_config.json"),
        variables=True,
    ),
    Host(
        "zed",
        "Zed",
        _everywhere("{dotconfig}/zed/settings.json") | {"win32": ("{config}/Zed/settings.json",)},
        key="context_servers",
        comments=True,
    ),
    Host(
        "codex",
        "Codex",
        _everywhere("{codex}/config.toml"),
        key="mcp_servers",
        form=TOML,
    ),
    Host("gemini", "Gemini CLI", _everywhere("{home}/.gemini/settings.json"), variables=True),
    Host("copilot", "Copilot CLI", _everywhere("{copilot}/mcp-config.json")),
    Host("antigravity", "Antigravity", _everywhere("{home}/.gemini/config/mcp_config.json")),
)
"""Every host memdesk knows, read in November 2026; on the hosts themselves none was verified."""
