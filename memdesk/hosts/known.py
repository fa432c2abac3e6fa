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
        config = (
            {
                "darwin": f"{home}/Library/Application Support",
                "win32": roaming,
            }.get(self.system)
            or self.environ.get("XDG_CONFIG_HOME")
            or f"{home}/.config"
        )
        return {
            "home": home,
            "config": config,
            "dotconfig": roaming if self.system == "win32" else f"{home}/.config",
            "local": self.environ.get("LOCALAPPDATA") or f"{home}/AppData/Local",
            "codex": self.environ.get("CODEX_HOME") or f"{home}/.codex",
            "copilot": self.environ.get("COPILOT_HOME") or f"{home}/.copilot",
            "claude": self.environ.get("CLAUDE_CONFIG_DIR") or f"{home}/.claude",
            "state": self.environ.get("CLAUDE_CONFIG_DIR") or home,
        }

    def place(self, path: str) -> Path:
        """Return the path that one of `HOSTS` stands for here."""
        return Path(path.format(**self.places()))


@dataclass(frozen=True, slots=True)
class Host:
    """One AI host, and how it keeps the servers it starts."""

    name: str
    """What one types to name it."""
    title: str
    """What its maker calls it."""
    files: Mapping[str, tuple[str, ...]]
    """Its user-wide file by system, the usual one last: the first that is there is the one it
    reads; of several editions, all. `{config}` and the like are `Surroundings.places`; a star stands for anything."""
    key: str = "mcpServers"
    """The table in the file that holds the servers by their names."""
    form: str = JSON
    typed: str = ""
    """What an entry calls a server that is started, for hosts that want its `type`."""
    all_tools: bool = False
    """Whether an entry has to say that all its tools may be used: `"tools": ["*"]`."""
    folder: str = ""
    """What is there once it has run; without it, the folder of its file."""
    teaches: str = ""
    """The file of instructions that it reads in every conversation; empty where it has none."""
    skill: str = ""
    """The file of a skill for memdesk; empty where it has no skills."""
    hooks: str = ""
    """The file of its hooks; empty where it has none at the start of a session."""
    restart: str = "start it anew"
    """What makes it read its file again."""
    variables: bool = False
    """Whether it puts the environment in for `${NAME}` or `${env:NAME}`."""
    calls_itself: str = ""
    """The name that it gives itself as a client, where that is known and is not `name`."""
    checked: str = "2026-11"
    """The month these facts were read in."""

    @property
    def client(self) -> str:
        """The name that its rules go by."""
        return self.calls_itself or self.name

    def present(self, around: Surroundings) -> tuple[Path, ...]:
        """Return the files of its that are there, the one it reads first."""
        return tuple(path for file in self._files(around) for path in _matching(file))

    def targets(self, around: Surroundings, *, named: bool) -> tuple[Path, ...]:
        """Return its files that an entry belongs in: those it has run with.

        Where there is no trace of it, none, or its usual one if it was `named`.
        """
        if self.folder:
            trace = os.path.isdir(around.place(self.folder))  # noqa: PTH112 (as below)
            there = trace or self.present(around)
            found = self._usual(around) if there else ()
        else:
            found = tuple(
                folder / Path(file).name
                for file in self._files(around)
                for folder in _matching(str(Path(file).parent))
                if os.path.isdir(folder)  # noqa: PTH112 (false where nobody may look)
            )
        return found or (self._usual(around) if named else ())

    def _usual(self, around: Surroundings) -> tuple[Path, ...]:
        return tuple(around.place(file) for file in self.files.get(around.system, ())[-1:])

    def _files(self, around: Surroundings) -> tuple[str, ...]:
        """Return its paths here, with the stars that stand for anything."""
        places = {name: glob.escape(path) for name, path in around.places().items()}
        return tuple(file.format(**places) for file in self.files.get(around.system, ()))


def _matching(pattern: str) -> list[Path]:
    return [Path(path) for path in sorted(glob.glob(pattern))]  # noqa: PTH207 (a whole path)


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
        restart="quit it wholly and start it again",
        calls_itself="claude-ai",
    ),
    Host(
        "claude-code",
        "Claude Code",
        _everywhere("{state}/.claude.json"),
        typed="stdio",
        folder="{claude}",
        teaches="{claude}/CLAUDE.md",
        skill="{claude}/skills/memdesk/SKILL.md",
        hooks="{claude}/settings.json",
        restart="start a new session",
        variables=True,
    ),
    Host("cursor", "Cursor", _everywhere("{home}/.cursor/mcp.json"), variables=True),
    Host(
        "vscode",
        "VS Code",
        _everywhere("{config}/Code - Insiders/User/mcp.json", "{config}/Code/User/mcp.json"),
        key="servers",
        typed="stdio",
        variables=True,
    ),
    Host(
        "windsurf",
        "Windsurf",
        _everywhere("{home}/.codeium/windsurf/mcp_config.json"),
        teaches="{home}/.codeium/windsurf/memories/global_rules.md",
        variables=True,
    ),
    Host(
        "zed",
        "Zed",
        _everywhere("{dotconfig}/zed/settings.json") | {"win32": ("{config}/Zed/settings.json",)},
        key="context_servers",
    ),
    Host(
        "codex",
        "Codex",
        _everywhere("{codex}/config.toml"),
        key="mcp_servers",
        form=TOML,
        teaches="{codex}/AGENTS.md",
        restart="start a new session",
    ),
    Host(
        "gemini",
        "Gemini CLI",
        _everywhere("{home}/.gemini/settings.json"),
        teaches="{home}/.gemini/GEMINI.md",
        variables=True,
    ),
    Host(
        "copilot",
        "Copilot CLI",
        _everywhere("{copilot}/mcp-config.json"),
        typed="local",
        all_tools=True,
        teaches="{copilot}/copilot-instructions.md",
    ),
    Host("antigravity", "Antigravity", _everywhere("{home}/.gemini/config/mcp_config.json")),
)
"""Every host memdesk knows, read in November 2026; on the hosts themselves none was verified."""
