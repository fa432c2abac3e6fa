"""`memdesk host`, as a person types it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cli_runner import Cli
from fakes import FakeEmbedder

from memdesk.memory import Draft, Source
from memdesk.rules import HostRules
from memdesk.service import Service

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A person at an empty desk."""
    monkeypatch.setenv("MEMDESK_HOME", str(tmp_path / "desk"))
    return Cli(tmp_path / "desk", FakeEmbedder())


def rules(cli: Cli) -> dict[str, HostRules]:
    """Return what the store knows of hosts."""
    service = Service(cli.home, FakeEmbedder(), background=False)
    try:
        return service.host_rules()
    finally:
        service.close()


def asked(cli: Cli, name: str) -> None:
    """Have a host ask something."""
    service = Service(cli.home, FakeEmbedder(), background=False)
    service.stats()
    service.hosts.record(name, "recall", "tea", ids=(), outcome="nothing", took=0.1)
    service.close()


def test_a_host_that_nobody_limited_may_do_everything(cli: Cli) -> None:
    """Its rules can be shown, whoever it is, and are not kept."""
    assert cli.ok("host", "Cursor").lines == ["cursor: reads and writes in every space"]
    assert rules(cli) == {}


@pytest.mark.parametrize(
    ("options", "words", "kept"),
    [
        (["--read-only"], "reads only in every space", HostRules(read_only=True)),
        (["--pause"], "paused; else reads and writes in every space", HostRules(paused=True)),
        (
            ["--spaces", "web, blog"],
            "reads and writes in web, blog, personal",
            HostRules(spaces=("web", "blog")),
        ),
        (["--spaces", "personal"], "reads and writes in personal", HostRules(spaces=())),
        (
            ["--spaces", "web", "--no-personal", "--read-only"],
            "reads only in web, not personal",
            HostRules(read_only=True, spaces=("web",), personal=False),
        ),
        (
            ["--no-personal"],
            "reads and writes in every space, not personal",
            HostRules(personal=False),
        ),
    ],
)
def test_what_is_said_is_kept_and_shown(
    cli: Cli, options: list[str], words: str, kept: HostRules
) -> None:
    """At once, and to whoever asks later."""
    assert cli.ok("host", "Claude-Code", *options).lines == [f"claude-code: {words}"]
    assert cli.ok("host", "claude-code").lines == [f"claude-code: {words}"]
    assert rules(cli) == {"claude-code": kept}


def test_what_is_not_said_stays(cli: Cli) -> None:
    """Each option changes its own rule, and its opposite takes it back."""
    cli.ok("host", "h", "--spaces", "web", "--read-only")
    cli.ok("host", "h", "--pause", "--no-personal")
    assert rules(cli)["h"] == HostRules(True, True, ("web",), False)
    cli.ok("host", "h", "--resume", "--read-write", "--all-spaces", "--personal")
    assert rules(cli) == {}


def test_personal_among_the_spaces_shows_it_again(cli: Cli) -> None:
    """It is said by name, so it is meant."""
    cli.ok("host", "h", "--spaces", "web", "--no-personal")
    cli.ok("host", "h", "--spaces", "web,personal")
    assert rules(cli)["h"] == HostRules(spaces=("web",))


def test_json_has_every_rule(cli: Cli) -> None:
    """One document of one host, one a line of all."""
    done = cli.ok("host", "Visual Studio", "--spaces", "web", "--json")
    assert done.json == {
        "name": "visual studio",
        "read_only": False,
        "paused": False,
        "spaces": ["web"],
        "personal": True,
    }
    asked(cli, "Cursor")
    assert [(each["name"], each["spaces"]) for each in cli.ok("host", "--json").jsonl] == [
        ("cursor", None),
        ("visual studio", ["web"]),
    ]
    assert cli.ok("host").lines[1] == "'visual studio': reads and writes in web, personal"


def test_a_host_is_known_by_the_name_it_is_installed_by(cli: Cli) -> None:
    """Claude Desktop gives itself another one, which rules go by."""
    assert cli.ok("host", "Claude-Desktop", "--read-only").lines == [
        "claude-ai: reads only in every space"
    ]
    assert rules(cli) == {"claude-ai": HostRules(read_only=True)}
    assert cli.ok("host", "claude-desktop", "--json").json["name"] == "claude-ai"


def test_an_empty_desk_knows_no_host(cli: Cli) -> None:
    """That is told in words, and is no error."""
    done = cli.ok("host")
    assert (done.out, "no host has asked anything yet" in done.err) == ("", True)


def test_a_name_that_no_host_has_is_told(cli: Cli) -> None:
    """A slip would protect nobody; the rule is kept all the same, for a host that comes later."""
    asked(cli, "claude-code")
    done = cli.ok("host", "claude-kode", "--read-only")
    assert "no host of this name has asked anything lately; known are: claude-code" in done.err
    assert "known are" not in cli.ok("host", "Claude-Code", "--read-only").err


def test_a_space_that_is_not_there_is_told(cli: Cli) -> None:
    """It may come, or be a slip."""
    cli.add("tea", "--space", "web")
    done = cli.ok("host", "h", "--spaces", "web,wep")
    assert "nothing is remembered in wep yet" in done.err
    assert rules(cli)["h"].spaces == ("web", "wep")


def test_a_text_that_waits_in_the_inbox_is_told(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who adds what a host has saved too fast learns how it is recalled."""
    monkeypatch.setattr("memdesk.service.hosts.MOST_SAVES", 0)
    service = Service(cli.home, FakeEmbedder(), background=False)
    id = service.for_host("h").remember(Draft("tea at five", source=Source("h", "agent"))).id
    service.close()
    assert cli.ok("search", "tea").out == ""
    told = cli.ok("add", "tea at five").err
    assert f"memdesk review burst:{id}" in told
    assert cli.ok("inbox").lines[0] == (
        "burst: h saved too many in a minute; it is not recalled until you settle this"
    )
    cli.ok("review", f"burst:{id}")
    assert id in cli.ok("search", "tea", "--json").out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--pause"], "say which host"),
        (["h", "--spaces", "web", "--all-spaces"], "either --spaces or --all-spaces"),
        (["h", "--spaces", " , "], "names no space"),
        (["h", "--spaces", "personal", "--no-personal"], "takes it away"),
        (["h", "--spaces", "a\tb"], "spaces: must be"),
        (["  ", "--pause"], "has no name"),
        (["x" * 101, "--pause"], "101 characters"),
    ],
)
def test_what_cannot_be_meant_is_refused(cli: Cli, words: list[str], reason: str) -> None:
    """In one sentence, with the code for usage; nothing is changed."""
    done = cli("host", *words)
    assert done.code == 2
    assert reason in done.err
    assert rules(cli) == {}


def test_nothing_to_see_at_all_is_refused(cli: Cli) -> None:
    """Whichever half was said first."""
    cli.ok("host", "h", "--spaces", "personal")
    done = cli("host", "h", "--no-personal")
    assert (done.code, "leave this host nothing to see" in done.err) == (2, True)
    assert rules(cli) == {"h": HostRules(spaces=())}
