"""`memdesk install`, `uninstall` and `hosts` as a person runs them, on every system's paths."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cli_runner import Cli
from daemon_home import MCP, Home
from fakes import FakeEmbedder
from mcp_session import DEADLINE

import memdesk.hosts
from memdesk.demo import server_command
from memdesk.doctor import starting
from memdesk.hosts import HOSTS, Surroundings
from memdesk.hosts.teaching import BEGIN

if TYPE_CHECKING:
    from collections.abc import Iterator

SYSTEMS = ("linux", "darwin", "win32")
MAC = "Library/Application Support/"
ROAMING = "AppData/Roaming/"
USUAL = {
    "claude-desktop": {
        "linux": ".config/Claude/claude_desktop_config.json",
        "darwin": MAC + "Claude/claude_desktop_config.json",
        "win32": ROAMING + "Claude/claude_desktop_config.json",
    },
    "claude-code": dict.fromkeys(SYSTEMS, ".claude.json"),
    "cursor": dict.fromkeys(SYSTEMS, ".cursor/mcp.json"),
    "vscode": {
        "linux": ".config/Code/User/mcp.json",
        "darwin": MAC + "Code/User/mcp.json",
        "win32": ROAMING + "Code/User/mcp.json",
    },
    "windsurf": dict.fromkeys(SYSTEMS, ".codeium/windsurf/mcp_config.json"),
    "zed": {
        "linux": ".config/zed/settings.json",
        "darwin": ".config/zed/settings.json",
        "win32": ROAMING + "Zed/settings.json",
    },
    "codex": dict.fromkeys(SYSTEMS, ".codex/config.toml"),
    "gemini": dict.fromkeys(SYSTEMS, ".gemini/settings.json"),
    "copilot": dict.fromkeys(SYSTEMS, ".copilot/mcp-config.json"),
    "antigravity": dict.fromkeys(SYSTEMS, ".gemini/config/mcp_config.json"),
}


class Person:
    """Somebody with a home folder on some system, and memdesk."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.store = folder / "store"
        self._patch = patch
        self.cli = Cli(self.store, FakeEmbedder())
        patch.setenv("MEMDESK_HOME", str(self.store))
        self.on("linux")

    def on(self, system: str, **environ: str) -> None:
        """Have memdesk believe that this is another system."""
        around = partial(Surroundings, system, self.folder, environ)
        self._patch.setattr(memdesk.hosts, "Surroundings", around)

    def write(self, name: str, text: str) -> Path:
        """Write a file of a host."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def files(self) -> dict[str, bytes]:
        """Return all files there are, but for the store's."""
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and self.store not in path.parents
        }


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    """Return a person on Linux without any host."""
    (tmp_path / "me").mkdir()
    return Person(tmp_path / "me", monkeypatch)


def told(name: str, content: bytes) -> dict[str, Any]:
    """Return the servers in a host's file."""
    host = next(host for host in HOSTS if host.name == name)
    text = content.decode()
    servers: dict[str, Any] = (tomllib.loads(text) if host.form == "toml" else json.loads(text))[
        host.key
    ]
    return servers


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("name", USUAL)
def test_every_host_gets_its_entry_where_it_reads_it(
    person: Person, name: str, system: str
) -> None:
    """Named, its usual file is made: an absolute command, and the store in use; leaving undoes it."""
    person.on(system)
    done = person.cli.ok("install", name)
    path = person.folder / USUAL[name][system]
    assert done.lines == [str(path)]
    assert list(person.files()) == [USUAL[name][system]]
    entry = told(name, path.read_bytes())["memdesk"]
    assert [entry.pop("command"), *entry.pop("args")] == server_command()
    assert entry.pop("env") == {"MEMDESK_HOME": str(person.store)}
    assert entry == {
        "claude-code": {"type": "stdio"},
        "vscode": {"type": "stdio"},
        "copilot": {"type": "local", "tools": ["*"]},
    }.get(name, {})
    assert Path(server_command()[0]).is_absolute()
    assert "nothing to change" in person.cli.ok("install", name).err
    assert person.cli.ok("uninstall", name).lines == [str(path)]
    assert list(person.folder.iterdir()) == []


def test_the_table_is_whole() -> None:
    """Every host that memdesk knows is tried above."""
    assert {host.name for host in HOSTS} == set(USUAL)


@pytest.mark.parametrize(
    ("system", "folders", "files"),
    [
        (
            "linux",
            [".config/Code/User", ".config/Code - Insiders/User", ".codex", ".claude"],
            [
                *(".claude.json", ".config/Code - Insiders/User/mcp.json"),
                *(".config/Code/User/mcp.json", ".codex/config.toml"),
            ],
        ),
        (
            "darwin",
            [MAC + "Claude", ".gemini"],
            [USUAL["claude-desktop"]["darwin"], ".gemini/settings.json"],
        ),
        (
            "win32",
            ["AppData/Local/Packages/Claude_[x]/LocalCache/Roaming/Claude", ROAMING + "Zed"],
            [
                "AppData/Local/Packages/Claude_[x]/LocalCache/Roaming/Claude/claude_desktop_config.json",
                ROAMING + "Zed/settings.json",
            ],
        ),
        ("linux", [], []),
    ],
)
def test_all_is_what_is_there(
    person: Person, system: str, folders: list[str], files: list[str]
) -> None:
    """A host is there when its folder is; of several editions each gets an entry."""
    person.on(system)
    for folder in folders:
        (person.folder / folder).mkdir(parents=True)
    done = person.cli.ok("install", "all")
    assert done.lines == [str(person.folder / file) for file in files]
    assert sorted(person.files()) == sorted(files)
    assert ("no AI host" in done.err) == (not files)
    person.cli.ok("uninstall", "all")
    assert person.files() == {}
    assert all((person.folder / folder).is_dir() for folder in folders)


def test_folders_named_by_the_environment_are_used(person: Person) -> None:
    """Hosts can be told to keep their files elsewhere."""
    places = {name: str(person.folder / name) for name in ("CODEX_HOME", "CLAUDE_CONFIG_DIR")}
    person.on("linux", **places)
    person.cli.ok("install", "codex", "claude-code", "--teach")
    assert sorted(person.files()) == [
        *("CLAUDE_CONFIG_DIR/.claude.json", "CLAUDE_CONFIG_DIR/CLAUDE.md"),
        "CLAUDE_CONFIG_DIR/settings.json",
        "CLAUDE_CONFIG_DIR/skills/memdesk/SKILL.md",
        *("CODEX_HOME/AGENTS.md", "CODEX_HOME/config.toml"),
    ]


def test_what_fails_for_one_does_not_stop_the_others(person: Person) -> None:
    """Each has its sentence and the lines to put in by hand; the exit code is 1."""
    person.write(".cursor/mcp.json", '{"mcpServers": ')
    person.write(".gemini/settings.json", '{"mcpServers": 3}')
    before = person.files()
    done = person.cli("install", "cursor", "gemini", "codex")
    assert done.code == 1
    assert done.lines == [str(person.folder / ".codex/config.toml")]
    assert "Cursor: " in done.err
    assert "is no JSON (line 1); it is left as it is" in done.err
    assert "“mcpServers” that is no JSON object" in done.err
    assert done.err.count('"memdesk": {') == 2
    assert person.files().items() > before.items()


def test_a_dry_run_changes_nothing_and_shows_no_key(person: Person) -> None:
    """It shows what would be different, file by file, and of others' servers only the names."""
    told = {"mcpServers": {"files": {"command": "npx", "env": {"TOKEN": "sk-canary"}}}}
    person.write(".cursor/mcp.json", json.dumps(told, indent=2))
    person.write(".codex/AGENTS.md", "canary\n")
    before = person.files()
    done = person.cli.ok("install", "cursor", "codex", "--teach", "--dry-run")
    assert person.files() == before
    assert not person.store.exists()
    assert "canary" not in done.out + done.err
    assert done.out.count("+++ ") == 3
    assert '+    "memdesk": {' in done.lines
    assert f"+{BEGIN}" in done.lines
    person.cli.ok("install", "cursor")
    between = person.files()
    done = person.cli.ok("uninstall", "cursor", "--dry-run")
    assert '-    "memdesk": {' in done.lines
    assert person.files() == between


def test_a_dry_run_shows_files_that_are_to_be_made(person: Person) -> None:
    """For every host, on a machine where none has run yet, and of an empty file."""
    person.write(".cursor/mcp.json", "")
    for host in (each.name for each in HOSTS):
        done = person.cli.ok("install", host, "--teach", "--dry-run")
        assert "+++ " in done.out, host
    assert person.files() == {".cursor/mcp.json": b""}


def test_what_is_printed_can_be_put_in_by_hand(person: Person) -> None:
    """Each host in its own form; nothing is written."""
    assert json.loads(person.cli.ok("install", "vscode", "--print").out)["servers"]["memdesk"]
    printed = person.cli.ok("install", "codex", "--print", "--space", "web").out
    assert tomllib.loads(printed)["mcp_servers"]["memdesk"]["args"][-2:] == ["--space", "web"]
    assert person.files() == {}


def test_teaching_is_put_in_and_taken_out(person: Person) -> None:
    """For Claude Code instructions, a skill and a hook; the second time nothing changes."""
    person.write(".claude/CLAUDE.md", "# Mine")
    person.write(".claude/settings.json", '{"model": "opus"}\n')
    person.write(".cursor/mcp.json", "{}")
    before = person.files()
    done = person.cli.ok("install", "claude-code", "cursor", "--teach")
    assert "Cursor has no file of instructions for all projects" in done.err
    between = person.files()
    hooks = json.loads(between[".claude/settings.json"])["hooks"]["SessionStart"]
    assert hooks[0]["hooks"][0]["command"].endswith(" profile --hook")
    assert between[".claude/CLAUDE.md"].startswith(b"# Mine\n\n<!-- memdesk:begin -->")
    assert person.cli.ok("install", "claude-code", "cursor", "--teach").lines == []
    assert person.files() == between
    person.cli.ok("uninstall", "claude-code", "cursor")
    assert person.files() == before
    assert "has no memdesk" in person.cli.ok("uninstall", "claude-code").err


def test_other_entries_of_memdesk_are_named(person: Person) -> None:
    """One under another name, or for one project, is the person's own."""
    server = {"command": "/opt/memdesk", "args": ["mcp"]}
    told = {
        "mcpServers": {"notes": server},
        "projects": {"/site": {"mcpServers": {"memdesk": server}}},
    }
    person.write(".claude.json", json.dumps(told))
    done = person.cli.ok("install", "claude-code")
    assert "also starts memdesk as “notes”" in done.err
    assert "in the project /site" in done.err
    person.cli.ok("uninstall", "claude-code")
    assert json.loads(person.files()[".claude.json"]) == told


@pytest.mark.parametrize("words", [[], ["emacs"], ["cursor", "--space", " "]])
def test_words_that_make_no_sense_are_refused(person: Person, words: list[str]) -> None:
    """With the hosts there are."""
    done = person.cli("install", *words)
    assert done.code == 2
    assert person.files() == {}


def test_erase_takes_memdesk_out_of_the_hosts(person: Person) -> None:
    """Of this store only: what starts another one stays; the files are as they were before."""
    person.write(".cursor/mcp.json", '{"mcpServers": {}}')
    other = {"memdesk": {"command": "/opt/memdesk", "args": ["mcp"], "env": {"MEMDESK_HOME": "/o"}}}
    person.write(".gemini/settings.json", json.dumps({"mcpServers": other}))
    before = person.files()
    person.cli.ok("install", "cursor", "codex", "--teach")
    done = person.cli.ok("erase", "--yes", "--json")
    assert len(done.json["hosts"]) == 3
    assert person.files() == before
    assert not person.store.exists()
    assert person.cli.ok("erase", "--yes", "--json").json["hosts"] == []


def test_erase_leaves_what_starts_another_store(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where this one was put in first; what is for both goes with the last."""
    person.cli.ok("install", "cursor", "claude-code", "--teach")
    other = person.folder / "other"
    monkeypatch.setenv("MEMDESK_HOME", str(other))
    person.cli.ok("install", "cursor", "claude-code", "--teach")
    before = {name: each for name, each in person.files().items() if "other/" not in name}
    monkeypatch.setenv("MEMDESK_HOME", str(person.store))
    assert person.cli.ok("erase", "--yes", "--json").json["hosts"] == []
    assert before.items() <= person.files().items()
    assert not person.store.exists()
    monkeypatch.setenv("MEMDESK_HOME", str(other))
    person.cli.ok("erase", "--yes")
    left = [each for name, each in person.files().items() if ".memdesk-" not in name]
    assert not any(b"memdesk" in each for each in left)


def test_no_odd_file_keeps_a_store_from_being_erased(person: Person) -> None:
    """What was put into it is named as what is left."""
    person.cli.ok("install", "cursor", "claude-code", "--teach")
    for name in (".cursor/mcp.json", ".claude/settings.json"):
        person.write(name, "[" * 100_000)
    done = person.cli.ok("erase", "--yes", "--json")
    assert [Path(each).name for each in done.json["hosts"]] == [
        "SKILL.md",
        "CLAUDE.md",
        ".claude.json",
    ]
    assert done.err.count("it is left as it is") == 2
    assert not person.store.exists()


def test_hosts_says_who_is_there(person: Person) -> None:
    """Files that cannot be read are a problem; hosts without memdesk are named with what to do."""
    assert "no AI host" in person.cli.ok("hosts").err
    (person.folder / ".codex").mkdir()
    person.write(".gemini/settings.json", "{}")
    assert "without memdesk: codex, gemini" in person.cli.ok("hosts").err
    person.write(".cursor/mcp.json", "{")
    done = person.cli("hosts", "--json")
    assert done.code == 1
    assert [(row["host"], row["level"]) for row in done.jsonl] == [("cursor", "problem")]


def test_hosts_shows_the_rules_of_each(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that have any in this store, by the name that a host gives itself."""
    monkeypatch.setattr(starting, "_entry", lambda *_: [])  # nothing is started
    person.cli.ok("install", "claude-desktop", "cursor", "codex")
    text = person.folder.joinpath(".codex/config.toml").read_text()
    person.write(".codex/config.toml", text.replace(str(person.store), "/other"))
    for name in ("claude-desktop", "codex"):
        person.cli.ok("host", name, "--pause", "--spaces", "web")
    rules = {row["host"]: row["rules"] for row in person.cli.ok("hosts", "--json").jsonl}
    known = {"read_only": False, "paused": True, "spaces": ["web"], "personal": True}
    assert rules == {"claude-desktop": known, "cursor": None, "codex": None}
    told = "rules: paused; else reads and writes in web, personal (memdesk host claude-ai)"
    assert person.cli.ok("hosts").out.count("rules: ") == 1
    assert told in person.cli.ok("hosts").out
    (person.store / "hosts.json").write_text("{")
    assert "hosts.json, so they may do nothing; remove" in person.cli.ok("hosts").err


@pytest.fixture
def real() -> Iterator[Home]:
    """Return a store's folder for real daemons."""
    home = Home()
    yield home
    home.close()


def run(real: Home, *words: str) -> subprocess.CompletedProcess[str]:
    """Run memdesk for a person whose home is the folder above the store."""
    return subprocess.run(
        [sys.executable, "-m", "memdesk", *words],
        env=os.environ | real.env | {"HOME": str(real.folder), "XDG_CONFIG_HOME": ""},
        capture_output=True,
        text=True,
        timeout=3 * DEADLINE,
        check=False,
    )


def test_what_was_installed_starts(real: Home) -> None:
    """`hosts` starts it as the host does; a command that is gone is a problem, keys are not shown."""
    assert run(real, "install", "cursor", "--space", "web").returncode == 0
    file = real.folder / ".cursor" / "mcp.json"
    told = json.loads(file.read_text("utf-8"))
    told["mcpServers"]["memdesk"] |= {"command": MCP[0], "args": [*MCP[1:], "--space", "web"]}
    file.write_text(json.dumps(told), encoding="utf-8")
    done = run(real, "hosts", "--json")
    (row,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, row["level"]) == (0, "good"), done
    assert row["command"][-2:] == ["--space", "web"]
    assert row["store"] == str(real.path)
    told["mcpServers"]["memdesk"] |= {"command": "/gone/memdesk", "args": ["mcp", "--key=canary"]}
    file.write_text(json.dumps(told), encoding="utf-8")
    done = run(real, "hosts")
    assert done.returncode == 1
    assert "cannot be started" in done.stdout
    assert "canary" not in done.stdout + done.stderr
