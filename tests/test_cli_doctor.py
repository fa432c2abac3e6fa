"""`memdesk doctor` as a person runs it, with real processes in a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from daemon_home import MCP, Home
from mcp_session import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CANARY = "xylocanary"
WRAPPER = '#!/bin/sh\necho "{canary}"\nexec {python} -m memdesk "$@"\n'


@pytest.fixture
def real() -> Iterator[Home]:
    """Return a store's folder for real daemons."""
    home = Home()
    yield home
    home.close()


def doctor(real: Home, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `memdesk doctor` for a person whose home is the folder above the store."""
    return subprocess.run(
        [sys.executable, "-m", "memdesk", "doctor", *words],
        env=os.environ | real.env | {"HOME": str(real.folder)} | env,
        capture_output=True,
        text=True,
        timeout=3 * DEADLINE,
        check=False,
    )


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the one document on standard output."""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def configure(real: Home, file: str, command: list[str], **env: str) -> None:
    """Write an entry of memdesk into a host's file."""
    path = real.folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {name: value for name, value in (real.env | env).items() if value}
    entry = {"command": command[0], "args": command[1:], "env": whole}
    path.write_text(json.dumps({"mcpServers": {"memdesk": entry}}), encoding="utf-8")


def test_a_new_user_sees_nothing_alarming(real: Home) -> None:
    """In a fresh home nothing is wrong and nothing is made; each note says what to do, in few lines."""
    done = doctor(real)
    assert done.returncode == 0, done
    assert not real.path.exists()
    assert "PROBLEM" not in done.stdout
    assert "there are no memories yet" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("things are well")
    assert done.stderr == ""


def test_a_good_store_is_well_and_nothing_private_is_told(real: Home) -> None:
    """Hosts, folder, store and proof are told with paths below ~, and no word of a memory or a key."""
    real.command("add", f"my {CANARY}", "--tag", CANARY, "--space", CANARY)
    real.command("search", CANARY)
    configure(real, ".cursor/mcp.json", MCP, KEY=CANARY)
    done = doctor(real, "--prove", "--json")
    report = told(done)
    assert (done.returncode, report["counts"]["problem"]) == (0, 0), report
    assert CANARY not in done.stdout + done.stderr
    assert str(real.folder) not in done.stdout
    groups = {finding["group"] for finding in report["findings"]}
    assert groups == {
        *("This program", "The store's folder", "The store", "AI hosts", "Processes", "Proof")
    }
    assert {finding["level"] for finding in report["findings"]} <= {"good", "note", "warning"}
    (cursor,) = [each for each in report["findings"] if each["about"] == "Cursor"]
    assert (cursor["level"], "6 tools" in cursor["words"]) == ("good", True)


def test_a_host_that_cannot_work_is_a_problem(real: Home, tmp_path: Path) -> None:
    """A wrapper that prints and a command that is missing end with 1, each with its next step."""
    real.command("add", CANARY)
    wrapper = tmp_path / "wrapper.sh"
    wrapper.write_text(WRAPPER.format(canary=CANARY, python=sys.executable), encoding="utf-8")
    wrapper.chmod(0o755)
    configure(real, ".cursor/mcp.json", [str(wrapper), "mcp"])
    configure(real, ".gemini/settings.json", ["/nowhere/memdesk", "mcp"])
    done = doctor(real)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    for title, words in (("Cursor", "no JSON-RPC"), ("Gemini CLI", "cannot be started")):
        place = next(n for n, line in enumerate(lines) if f"PROBLEM  {title}: " in line)
        assert words in lines[place]
        assert lines[place + 1].strip().startswith("→ ")
    assert lines[-1].startswith("2 problems, ")
    assert CANARY not in done.stdout + done.stderr


def test_it_works_where_nothing_else_does(real: Home) -> None:
    """With settings, a stamp and a daemon that cannot be used it tells all three."""
    real.command("add", CANARY)
    real.kill()
    (real.path / "config.toml").write_text("colour = 1\n", encoding="utf-8")
    stamp = real.path / "store.json"
    stamp.write_text(json.dumps(json.loads(stamp.read_text()) | {"format": 99}), encoding="utf-8")
    done = doctor(real)
    assert done.returncode == 1
    assert "PROBLEM  settings: " in done.stdout
    assert "~/home/config.toml: colour" in done.stdout
    assert "ended without a goodbye" in done.stdout
    assert "PROBLEM  contents: " in done.stdout


def test_a_store_that_can_only_be_read_is_looked_over(real: Home) -> None:
    """Without a daemon and without the right to write all that can be told is told."""
    real.command("add", CANARY)
    real.kill()
    for path in (real.path, *real.path.rglob("*")):
        path.chmod(0o500 if path.is_dir() else 0o400)
    done = doctor(real, "--json", MEMDESK_DIRECT="1")
    for path in (real.path, *real.path.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    report = told(done)
    assert "search" in {finding["about"] for finding in report["findings"]}, report
    assert CANARY not in done.stdout + done.stderr
