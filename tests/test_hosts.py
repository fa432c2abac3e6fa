"""Which hosts start memdesk: read from files of each host's own shape."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from memdesk.hosts import HOSTS, Surroundings, configs, entries

if TYPE_CHECKING:
    from pathlib import Path

SERVER = {"command": "/opt/memdesk", "args": ["mcp"], "env": {"MEMDESK_HOME": "/store"}}


def write(path: Path, text: str) -> Path:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    """Return a person on Linux without any host."""
    return Surroundings("linux", tmp_path, {})


def test_without_hosts_there_is_nothing(around: Surroundings) -> None:
    """An empty home has neither files nor entries."""
    assert configs(around) == ()
    assert entries(around) == ()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("claude-desktop", ".config/Claude/claude_desktop_config.json"),
        ("claude-code", ".claude.json"),
        ("cursor", ".cursor/mcp.json"),
        ("vscode", ".config/Code/User/mcp.json"),
        ("windsurf", ".codeium/windsurf/mcp_config.json"),
        ("zed", ".config/zed/settings.json"),
        ("gemini", ".gemini/settings.json"),
        ("copilot", ".copilot/mcp-config.json"),
        ("antigravity", ".gemini/config/mcp_config.json"),
    ],
)
def test_json_hosts_are_read(around: Surroundings, name: str, file: str) -> None:
    """Each host's file on Linux is found, and its entry read with command, arguments and environment."""
    host = next(host for host in HOSTS if host.name == name)
    path = write(around.home / file, json.dumps({host.key: {"memdesk": SERVER, "other": {}}}))
    (found,) = entries(around)
    assert (found.host, found.file, found.name) == (host, path, "memdesk")
    assert (found.command, found.args) == ("/opt/memdesk", ("mcp",))
    assert found.env == {"MEMDESK_HOME": "/store"}
    assert (found.folder, found.enabled) == ("", True)


def test_toml_is_read(around: Surroundings) -> None:
    """Codex keeps its servers in TOML, below the folder that CODEX_HOME names."""
    here = Surroundings("linux", around.home, {"CODEX_HOME": str(around.home / "cx")})
    text = '[mcp_servers.memdesk]\ncommand = "memdesk"\nargs = ["mcp"]\nenabled = false\n'
    write(around.home / "cx" / "config.toml", text)
    (found,) = entries(here)
    assert (found.command, found.args, found.enabled) == ("memdesk", ("mcp",), False)


def test_every_host_has_a_file_on_every_system(tmp_path: Path) -> None:
    """The table is complete, and every path in it is under a folder that is known."""
    for system in ("linux", "darwin", "win32"):
        places = Surroundings(system, tmp_path, {}).places()
        for host in HOSTS:
            assert host.files[system]
            for file in host.files[system]:
                assert file.format(**places).startswith(str(tmp_path)), (host.name, file)


def test_stars_stand_for_folders(tmp_path: Path) -> None:
    """On Windows Claude's folder has a name that nobody knows; brackets in the path are no pattern."""
    home = tmp_path / "[x]"
    package = home / "AppData/Local/Packages/Claude_ab1/LocalCache/Roaming/Claude"
    write(package / "claude_desktop_config.json", json.dumps({"mcpServers": {"memdesk": SERVER}}))
    (found,) = entries(Surroundings("win32", home, {}))
    assert found.host.name == "claude-desktop"


def test_comments_and_last_commas_are_forgiven(around: Surroundings) -> None:
    """Editors keep JSON with comments; what looks like one in a string is none."""
    text = """{ // servers
      /* all of them */ "servers": {"memdesk": {"command": "/a//b,}", "args": ["mcp",],},},
    }"""
    write(around.home / ".config/Code/User/mcp.json", text)
    (found,) = entries(around)
    assert found.command == "/a//b,}"
    assert found.args == ("mcp",)


def test_projects_of_claude_code_are_read(around: Surroundings) -> None:
    """An entry for one project tells its folder."""
    told = {"projects": {"/home/me/site": {"mcpServers": {"memdesk": SERVER}}, "/x": {}}}
    write(around.home / ".claude.json", json.dumps(told))
    (found,) = entries(around)
    assert found.folder == "/home/me/site"


def test_an_older_shape_of_zed_is_read(around: Surroundings) -> None:
    """There the command is a table of its own."""
    server = {"command": {"path": "/opt/memdesk", "args": ["mcp"], "env": {"A": "b"}}}
    told = {"context_servers": {"memdesk": server}}
    write(around.home / ".config/zed/settings.json", json.dumps(told))
    (found,) = entries(around)
    assert (found.command, found.args, found.env) == ("/opt/memdesk", ("mcp",), {"A": "b"})


@pytest.mark.parametrize(
    ("name", "command", "args", "ours"),
    [
        ("memory", "/opt/bin/memdesk", ["mcp", "--space", "x"], True),
        ("memory", "C:\\tools\\memdesk.exe", ["mcp"], True),
        ("memory", "/usr/bin/python3", ["-m", "memdesk", "mcp"], True),
        ("memory", "uvx", ["memdesk", "mcp"], True),
        ("memdesk", "/home/me/wrapper.sh", [], True),
        ("files", "npx", ["server-filesystem", "/home/me/memdesk"], False),
        ("memory", "npx", ["mcp"], False),
    ],
)
def test_an_entry_is_known_by_its_program_or_its_name(
    around: Surroundings, name: str, command: str, args: list[str], *, ours: bool
) -> None:
    """What starts memdesk is found under any name; another server in a folder of that name is not."""
    told = {"mcpServers": {name: {"command": command, "args": args}}}
    write(around.home / ".cursor/mcp.json", json.dumps(told))
    assert bool(entries(around)) is ours


def test_variables_are_put_in_where_the_host_does_so(around: Surroundings) -> None:
    """Cursor knows the environment in its file, Claude Desktop does not."""
    here = Surroundings("linux", around.home, {"ROOT": "/r"})
    server = {"command": "${env:ROOT}/memdesk", "args": ["mcp", "${NONE:-x}"]}
    text = json.dumps({"mcpServers": {"memdesk": server}})
    write(around.home / ".cursor/mcp.json", text)
    write(around.home / ".config/Claude/claude_desktop_config.json", text)
    desktop, cursor = entries(here)
    assert (cursor.command, cursor.args) == ("/r/memdesk", ("mcp", "x"))
    assert desktop.command == "${env:ROOT}/memdesk"


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ('{\n"mcpServers": canary', "is no JSON (line 2)"),
        ("", ""),
        ("[1]", ""),
        ('{"mcpServers": {"memdesk": "canary"}}', ""),
    ],
)
def test_what_cannot_be_read_is_told_without_quoting_it(
    around: Surroundings, text: str, trouble: str
) -> None:
    """A file that is no JSON says in which line; any other shape is no error."""
    write(around.home / ".cursor/mcp.json", text)
    (config,) = configs(around)
    assert config.trouble == trouble


def test_bytes_that_are_no_text_are_told(around: Surroundings) -> None:
    """A file that is not UTF-8 is unreadable, one with a byte order mark is not."""
    path = write(around.home / ".cursor/mcp.json", "")
    path.write_bytes(b"\xff\xfe")
    assert configs(around)[0].trouble == "is not UTF-8"
    path.write_bytes(b"\xef\xbb\xbf{}")
    assert configs(around)[0].trouble == ""
    path.unlink()
    path.mkdir()
    assert configs(around)[0].trouble == "is a folder"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".cursor/mcp.json", "[" * 100_000),
        (".cursor/mcp.json", '{"n": ' + "1" * 5000 + "}"),
        (".codex/config.toml", "a = " + "[" * 100_000),
        (".codex/config.toml", "n = " + "1" * 5000),
    ],
)
def test_an_odd_file_is_told_of_like_any_other(around: Surroundings, name: str, text: str) -> None:
    """What is nested too deeply, or has a number that is too long, stops no command."""
    write(around.home / name, text)
    (config,) = configs(around)
    assert config.trouble in ("is no JSON", "is no TOML")


def test_nobody_waits_for_a_pipe(around: Surroundings) -> None:
    """What stands in the place of a file and is none is not opened."""
    path = around.home / ".gemini/settings.json"
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    assert configs(around)[0].trouble == "is no file"


def test_an_entry_without_a_command_is_shown(around: Surroundings) -> None:
    """A remote server under our name has no command."""
    told = {"mcpServers": {"memdesk": {"url": "https://example.org"}}}
    write(around.home / ".cursor/mcp.json", json.dumps(told))
    assert entries(around)[0].command == ""
