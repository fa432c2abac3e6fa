"""Real hosts in real folders: whose memories go where, and what their rules do, by daemon and alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from daemon_home import Home
from test_workplace import repository, work_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mcp_session import Session

TEA = "Ana drinks green tea at five in the afternoon"
WAYS = [pytest.param((), id="daemon"), pytest.param(("--direct",), id="direct")]


@pytest.fixture
def home() -> Iterator[Home]:
    """Return a store's folder; what serves it ends with the test."""
    home = Home()
    yield home
    home.close()


def remembered(host: Session, text: str = TEA, **more: str) -> str:
    """Have a host remember something, and return where it went."""
    said = host.call("remember", text=text, **more)
    assert said.startswith("Remembered as ")
    return said.split(" in ")[1].rstrip(".")


@pytest.mark.parametrize("options", WAYS)
def test_a_host_remembers_in_the_space_of_its_repository(
    home: Home, options: tuple[str, ...], tmp_path: Path
) -> None:
    """Also from another work tree of it, where it is recalled with what is personal."""
    root = repository(tmp_path / "website")
    (root / "src").mkdir()
    tree = work_tree(root / ".git", tmp_path / "fix-42")
    with home.opened(*options, cwd=root / "src") as host:
        assert remembered(host) == "website"
        assert remembered(host, "Bo drinks black tea", space="personal") == "personal"
    with home.opened(*options, cwd=tree) as host:
        found = host.call("recall", query="who drinks green tea or black tea")
        assert TEA in found
        assert "Bo drinks black tea" in found
    with home.opened(*options, cwd=tmp_path) as host:
        assert TEA not in host.call("recall", query="who drinks green tea or black tea")


@pytest.mark.parametrize("options", WAYS)
def test_what_the_person_has_said_comes_first(
    home: Home, options: tuple[str, ...], tmp_path: Path
) -> None:
    """`--space` before the settings' table, that before the repository, and `space` where there is none."""
    root = repository(tmp_path / "website")
    home.path.mkdir()
    settings = home.path / "config.toml"
    settings.write_text('space = "usual"\n[spaces]\nwebsite = "acme"\n')
    for words, folder, space in (
        (("--space", "mine"), root, "mine"),
        ((), root, "acme"),
        ((), tmp_path, "usual"),
    ):
        with home.opened(*options, *words, cwd=folder) as host:
            assert remembered(host, f"{TEA} in {space}") == space


def test_the_daemon_tells_each_hosts_space(home: Home, tmp_path: Path) -> None:
    """Two hosts in two projects; a change of the settings counts for whoever comes next."""
    folders = [repository(tmp_path / name) for name in ("one", "two")]
    with home.opened(cwd=folders[0]) as one, home.opened(cwd=folders[1]) as two:
        assert [remembered(each) for each in (one, two)] == ["one", "two"]
        assert [guest["space"] for guest in home.status()["guests"]] == ["one", "two"]
        (home.path / "config.toml").write_text('[spaces]\none = "other"\n')
        with home.opened(cwd=folders[0]) as next_:
            assert remembered(next_, "something else") == "other"
        assert remembered(one, "one thing more") == "one"


@pytest.mark.parametrize("options", WAYS)
def test_a_rule_counts_from_the_next_call_on(
    home: Home, options: tuple[str, ...], tmp_path: Path
) -> None:
    """For a host that is connected already, known by the name it gave itself."""
    with home.opened(*options, client="Claude-Code", cwd=tmp_path) as host:
        remembered(host)
        assert home.command("host", "claude-code", "--read-only").returncode == 0
        said, failed = host.try_call("remember", text="another")
        assert failed
        assert "memdesk host Claude-Code --read-write" in said
        assert TEA in host.call("recall", query="green tea")
        assert home.command("host", "claude-code", "--pause").returncode == 0
        said, failed = host.try_call("recall", query="green tea")
        assert failed
        assert "paused for Claude-Code" in said
        answer = host.request("resources/read", {"uri": "memories://recent"})
        assert "paused for Claude-Code" in answer["error"]["message"]
        answer = host.request("prompts/get", {"name": "brief"})
        assert "paused for Claude-Code" in answer["error"]["message"]
        with home.opened(*options, client="other", cwd=tmp_path) as other:
            assert TEA in other.call("recall", query="green tea")
        assert home.command("host", "claude-code", "--resume", "--read-write").returncode == 0
        assert remembered(host, "another") == "personal"
    told = home.command("activity", "--json").stdout.splitlines()
    assert [each["outcome"] for each in map(json.loads, told)].count("error: Denied") == 4


@pytest.mark.parametrize("options", WAYS)
def test_hidden_memories_are_in_no_resource(
    home: Home, options: tuple[str, ...], tmp_path: Path
) -> None:
    """Neither in the newest nor by id; a host in a hidden project is told so when it saves."""
    root = repository(tmp_path / "website")
    with home.opened(*options, client="free", cwd=root) as host:
        id = host.call("remember", text=TEA, kind="fact").split()[2]
    assert home.command("host", "shy", "--spaces", "personal").returncode == 0
    with home.opened(*options, client="shy", cwd=root) as host:
        for what in ("recent", "profile"):
            answer = host.request("resources/read", {"uri": f"memories://{what}"})
            assert TEA not in json.dumps(answer["result"])
        answer = host.request("resources/read", {"uri": f"memories://{id}"})
        assert "no memory has the id" in answer["error"]["message"]
        said, failed = host.try_call("remember", text="another")
        assert failed
        assert "may not use the space “website”" in said


@pytest.mark.parametrize("options", WAYS)
def test_what_a_host_recalled_is_not_stored_again(
    home: Home, options: tuple[str, ...], tmp_path: Path
) -> None:
    """In another space neither, nor as the tool showed it."""
    with home.opened(*options, cwd=tmp_path) as host:
        remembered(host)
        shown = host.call("recall", query="green tea")
        for text in (TEA, f"> {TEA}", shown):
            assert host.call("remember", text=text, space="web").startswith("Already known as ")
