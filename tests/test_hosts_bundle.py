"""The bundle for Claude Desktop: what is in it, and its launcher with and without memdesk."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from mcp_session import DEADLINE

import memdesk
from memdesk.demo import server_command

ROOT = Path(__file__).parent.parent
NODE = shutil.which("node")
INITIALIZE = {
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "claude-ai", "version": "1"},
    },
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bundle as the script builds it."""
    return build(tmp_path_factory.mktemp("dist"))


def build(out: Path) -> Path:
    """Run the script; return the bundle's path."""
    script = [sys.executable, str(ROOT / "scripts" / "bundle"), "--out", str(out), "--owner", "me"]
    done = subprocess.run(script, capture_output=True, text=True, timeout=DEADLINE, check=True)
    return Path(done.stdout.splitlines()[0])


def test_the_manifest_has_what_claude_desktop_wants(bundle: Path) -> None:
    """The required fields, our version, the entry point, and the tools there are."""
    with zipfile.ZipFile(bundle) as packed:
        names = packed.namelist()
        told = json.loads(packed.read("manifest.json"))
        script = packed.read("server/index.js").decode()
    assert sorted(names) == ["LICENSE", "manifest.json", "server/index.js"]
    assert {"manifest_version", "name", "version", "description", "author", "server"} <= told.keys()
    assert told["author"]["name"]
    assert told["version"] == memdesk.__version__
    assert told["server"]["type"] == "node"
    assert told["server"]["entry_point"] in names
    assert told["server"]["mcp_config"]["args"] == ["${__dirname}/server/index.js"]
    assert [tool["name"] for tool in told["tools"]] == [
        *("remember", "recall", "get", "revise", "forget", "profile")
    ]
    assert all(tool["description"] for tool in told["tools"])
    assert f'VERSION = "{memdesk.__version__}"' in script
    assert not told["server"]["mcp_config"]["env"].keys() - {"MEMDESK_HOME", "MEMDESK_PROGRAM"}


def test_the_same_source_gives_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    """So that anybody can check what is released."""
    assert build(tmp_path).read_bytes() == bundle.read_bytes()


def test_the_registry_is_told_which_bundle_it_is(bundle: Path) -> None:
    """By its address and its sum; nothing in it makes a host download packages at the first start."""
    told = json.loads(bundle.with_name("server.json").read_text("utf-8"))
    assert told["name"] == "io.github.me/memdesk"
    assert told["version"] == memdesk.__version__
    assert len(told["description"]) <= 100
    (package,) = told["packages"]
    assert package["registryType"] == "mcpb"
    assert package["identifier"].endswith(f"/v{memdesk.__version__}/{bundle.name}")
    assert package["fileSha256"] == hashlib.sha256(bundle.read_bytes()).hexdigest()
    assert package["transport"] == {"type": "stdio"}


@pytest.fixture
def launcher(bundle: Path, tmp_path: Path) -> Path:
    """Return the launcher as Claude Desktop unpacks it."""
    if NODE is None:
        pytest.skip("there is no node here, which Claude Desktop brings")
    with zipfile.ZipFile(bundle) as packed:
        packed.extractall(tmp_path / "extension")
    return tmp_path / "extension" / "server" / "index.js"


def talk(launcher: Path, *messages: dict[str, Any] | str, **env: str) -> list[dict[str, Any]]:
    """Say some lines to the launcher, await an answer to each request, and end; return those."""
    lines = [
        line if isinstance(line, str) else json.dumps({"jsonrpc": "2.0", "id": number} | line)
        for number, line in enumerate(messages)
    ]
    assert NODE is not None
    with subprocess.Popen(
        [NODE, str(launcher)],
        env={"HOME": str(launcher.parent), "PATH": "/nowhere"} | env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write("\n".join(lines) + "\n")
        process.stdin.flush()
        wanted = sum("notifications/" not in line for line in lines)
        answers = [json.loads(process.stdout.readline()) for _ in range(wanted)]
        rest, _ = process.communicate(timeout=DEADLINE)
    assert (process.returncode, rest) == (0, "")
    return answers


def test_without_memdesk_it_says_how_to_install_it(launcher: Path) -> None:
    """A good server with one tool; settings that were left empty arrive as they are written."""
    answers = talk(
        launcher,
        INITIALIZE,
        '{"jsonrpc": "2.0", "method": "notifications/initialized"}',
        {"method": "ping"},
        {"method": "tools/list"},
        {"method": "tools/call", "params": {"name": "install_memdesk"}},
        {"method": "server/discover"},
        "no json",
        MEMDESK_PROGRAM="${user_config.program}",
    )
    opened, pinged, listed, called, refused, broken = answers
    assert opened["result"]["protocolVersion"] == "2025-06-18"
    assert opened["result"]["serverInfo"] == {"name": "memdesk", "version": memdesk.__version__}
    assert (pinged["id"], pinged["result"]) == (2, {})
    assert [tool["name"] for tool in listed["result"]["tools"]] == ["install_memdesk"]
    assert "install" in called["result"]["content"][0]["text"]
    assert refused["error"]["code"] == -32601
    assert broken["error"]["code"] == -32700


def program(folder: Path) -> Path:
    """Return a program memdesk in a folder."""
    folder.mkdir(parents=True)
    path = folder / "memdesk"
    words = " ".join(f"'{word}'" for word in server_command()[:-1])
    path.write_text(f'#!/bin/sh\nexec {words} "$@" --direct\n', encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    "place", [".local/bin", ".local/share/uv/tools/memdesk/bin", "Library/Python/3.13/bin", "own"]
)
def test_it_starts_the_memdesk_that_is_installed(
    launcher: Path, tmp_path: Path, place: str
) -> None:
    """Found where installers put it, on the path, or where the person says; the store is theirs."""
    home = tmp_path / "me"
    path = program(home / place)
    env = {
        "HOME": str(home),
        "PATH": "/usr/bin:/bin" + (f":{path.parent}" if place == "own" else ""),
        "MEMDESK_PROGRAM": "",
        "MEMDESK_HOME": str(tmp_path / "store"),
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    opened, listed = talk(launcher, INITIALIZE, {"method": "tools/list"}, **env)
    assert opened["result"]["serverInfo"]["version"] == memdesk.__version__
    assert len(listed["result"]["tools"]) == 6


def test_a_program_that_is_named_comes_first(launcher: Path, tmp_path: Path) -> None:
    """One that cannot be started after all is as good as none."""
    broken = tmp_path / "broken"
    broken.write_text("#!/nowhere/interpreter\n", encoding="utf-8")
    broken.chmod(0o755)
    opened, *_ = talk(launcher, INITIALIZE, MEMDESK_PROGRAM=str(broken))
    assert "not installed" in opened["result"]["instructions"]
