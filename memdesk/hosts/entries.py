"""Which hosts start memdesk, and with what command: read from their own files, which stay as they are."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memdesk.hosts import files
from memdesk.hosts.known import HOSTS, TOML, Host, Surroundings
from memdesk.hosts.unusable import Unusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_PROGRAM = "memdesk"
_SERVE = "mcp"
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_LAST_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])', re.DOTALL)
_VARIABLE = re.compile(r"\$\{(?:env:)?(\w+)(?::-([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Entry:
    """How one host starts memdesk."""

    host: Host
    file: Path
    """The file it stands in."""
    name: str
    """What the host calls this server."""
    command: str
    args: tuple[str, ...]
    env: Mapping[str, str]
    """What the host adds to the environment; may hold keys, so it is never shown."""
    folder: str = ""
    """The project it is for; empty for one of the whole user."""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Config:
    """One host's file of servers."""

    host: Host
    file: Path
    entries: tuple[Entry, ...] = ()
    """Those that start memdesk."""
    trouble: str = ""
    """Why it cannot be read; empty where it can."""


def entries(around: Surroundings) -> tuple[Entry, ...]:
    """Return every entry that starts memdesk, by host."""
    return tuple(entry for config in configs(around) for entry in config.entries)


def configs(around: Surroundings) -> tuple[Config, ...]:
    """Return the files of the hosts that are on this machine, whether or not memdesk is in them."""
    return tuple(_read(host, file, around) for host in HOSTS for file in host.present(around))


def _read(host: Host, file: Path, around: Surroundings) -> Config:
    try:
        text = files.text_of(files.read(file))
        told = tomllib.loads(text) if host.form == TOML else _parsed(text)
    except Unusable as error:
        return Config(host, file, trouble=str(error))
    except (ValueError, RecursionError) as error:
        where = re.search(r"line \d+", str(error))  # the rest may quote what stands there
        place = f" ({where[0]})" if where else ""
        return Config(host, file, trouble=f"is no {host.form.upper()}{place}")
    return Config(host, file, tuple(_entries(host, file, told, around)))


def _parsed(text: str) -> Any:
    """Return what a JSON text says, comments and commas at the end of lists being forgiven."""
    if not text.strip():
        return {}
    try:
        return json.loads(text)
    except ValueError:
        bare = _TOKEN.sub(lambda found: found[0] if found[0][0] == '"' else " ", text)
        return json.loads(_LAST_COMMA.sub(lambda found: found[1] or "", bare))


def _entries(host: Host, file: Path, told: Any, around: Surroundings) -> Iterator[Entry]:
    for folder, servers in _tables(host, told):
        for name, server in servers.items():
            entry = _entry(Config(host, file), folder, name, server, around)
            if entry:
                yield entry


def _tables(host: Host, told: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the tables of servers: the user's, then each project's (Claude Code keeps those too)."""
    told = _table(told)
    yield "", _table(told.get(host.key))
    for folder, project in _table(told.get("projects")).items():
        yield folder, _table(_table(project).get(host.key))


def _entry(
    config: Config, folder: str, name: str, server: Any, around: Surroundings
) -> Entry | None:
    server = _table(server)
    nested = _table(server.get("command"))  # Zed's older shape
    command = nested.get("path") if nested else server.get("command")
    args = (nested or server).get("args")
    env = _table((nested or server).get("env"))
    put_in = _putting_in(around.environ) if config.host.variables else str
    entry = Entry(
        config.host,
        config.file,
        name,
        put_in(command) if isinstance(command, str) else "",
        tuple(put_in(str(word)) for word in args) if isinstance(args, list) else (),
        {str(key): put_in(str(value)) for key, value in env.items()},
        folder,
        enabled=not server.get("disabled") and server.get("enabled") is not False,
    )
    return entry if _is_ours(entry) else None


def _is_ours(entry: Entry) -> bool:
    if entry.name == _PROGRAM:
        return True
    programs = (re.split(r"[\\/]", word)[-1] for word in (entry.command, *entry.args))
    named = any(program.removesuffix(".exe") == _PROGRAM for program in programs)
    return named and _SERVE in entry.args


def _putting_in(environ: Mapping[str, str]) -> Callable[[str], str]:
    """Return what writes the environment's values in the place of variables."""

    def put_in(text: str) -> str:
        return _VARIABLE.sub(lambda found: environ.get(found[1]) or found[2] or "", text)

    return put_in


def _table(told: Any) -> Mapping[str, Any]:
    return told if isinstance(told, dict) else {}
