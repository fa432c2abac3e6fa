"""`memdesk search`, `list`, `get`, `history`, `profile`, `stats`: for people and for scripts."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cli_runner import Cli
from fakes import FakeEmbedder
from mcp_fake import memory

from memdesk.answers import Hit, Profile, Recalled, Stats
from memdesk.cli.page import put_hit, put_memory
from memdesk.cli.terminal import columns_of
from memdesk.errors import Invalid
from memdesk.memory import Draft, Memory, Source, now
from memdesk.service import Service

if TYPE_CHECKING:
    from pathlib import Path

LONG_AGO = now() - timedelta(days=800)


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A person at an empty desk."""
    monkeypatch.setenv("MEMDESK_HOME", str(tmp_path / "desk"))
    return Cli(tmp_path / "desk", FakeEmbedder())


def names(of: type) -> set[str]:
    """The field names of a dataclass."""
    return {field.name for field in fields(of)}


def test_search_for_people(cli: Cli) -> None:
    """Each hit shows its passage, id, age, kind and tags."""
    id = cli.add("the bicycle is green", "--tag", "home")
    cli.add("tax papers are due")
    done = cli.ok("search", "green", "bicycle", "--limit", "1")
    assert done.lines == ["1. the bicycle is green", f"   {id}  now note #home"]


def test_search_explains(cli: Cli) -> None:
    """With --explain every part of a hit is shown on three lines, under the answer's certainty."""
    cli.add("the bicycle is green, the Bicycle is old", "--space", "shed")
    lines = cli.ok("search", "bicycle", "colours", "--space", "shed", "--explain").lines
    assert re.fullmatch(r"certainty 0\.\d\d|certainty 1\.00", lines[0])
    number = r"\d+\.\d+"
    for shown, line in zip(
        lines[3:],
        (
            rf"   meaning 1\. \(cosine {number}\) · words 1\. \(BM25 {number}\) “bicycle”",
            rf"   score {number} = words {number} \+ meaning {number}",
            r"   age now · space shed · from memdesk \(user\) · characters 0-40 of 40",
        ),
        strict=True,
    ):
        assert re.fullmatch(line, shown), shown


def test_an_explanation_has_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    """Priors stand with their names and signs; what did not find it is said; nothing commands."""
    found = memory(
        "ask\x1b[2J 東京の新しい事務所は渋谷駅の近くです東京の新しい事務所は渋谷駅",
        created_at=LONG_AGO,
    )
    found = replace(found, source=Source("a\nb", "import"))
    hit = Hit(found, 0.3, "ask", (0, 3), None, 0.0, None, None)
    hit = replace(hit, words=0.1, meaning=0.3, priors=(("asking", -0.2), ("roles", 0.1)))
    put_hit("1. ", replace(hit, matched=((0, 7), (8, len(found.text)))), explain=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith(
        "   not by meaning · not by words “ask\\u001b[2J” “東京の新しい事務所は渋谷駅の"
    )
    assert columns_of(lines[2]) < 90
    assert lines[3] == "   score 0.300 = words 0.100 + meaning 0.300 - asking 0.200 + roles 0.100"
    assert lines[4].startswith(
        "   age 2y · space personal · from a b (import) · characters 0-3 of "
    )
    assert len(lines) == 5


@pytest.fixture
def talk(cli: Cli) -> Cli:
    """A desk with a conversation of four turns."""
    said = (
        ("Ana", None, "when do we meet?"),
        ("Ben", None, "at nine"),
        (None, "user", "bring\nthe tent"),
        (None, None, "ok"),
    )
    service = Service(cli.home, cli.embedder, background=False)
    service.remember_many(
        Draft(text, session="s", position=place, speaker=who, role=role)
        for place, (who, role, text) in enumerate(said)
    )
    service.close()
    return cli


def test_search_shows_the_turns_beside(talk: Cli) -> None:
    """With --beside a hit of a conversation stands between what was said before and after it."""
    lines = talk.ok("search", "nine", "--beside", "2", "--limit", "1").lines
    assert lines[0] == "1. Ben: at nine"
    assert lines[2:] == [
        "   before Ana: when do we meet?",
        "   after  user: bring the tent",
        "   after  ok",
    ]
    assert len(talk.ok("search", "nine", "--limit", "1").lines) == 2
    told = talk.ok("search", "nine", "--beside", "1", "--limit", "1", "--json").json
    assert [turn["position"] for turn in told["hits"][0]["beside"]] == [0, 2]
    refused = talk("search", "nine", "--beside", "9")
    assert (refused.code, refused.err) == (2, "memdesk: beside: must be between 0 and 5\n")


def test_no_turn_is_shown_twice(talk: Cli) -> None:
    """Turns stand beside the first hit they belong to, whatever kind was asked for."""
    talk.ok(
        "revise",
        talk.ok("search", "nine", "--json").json["hits"][0]["memory"]["id"],
        "--kind",
        "fact",
    )
    shown = talk.ok("search", "nine", "tent", "--beside", "3", "--limit", "2", "--json").json
    ids = [hit["memory"]["id"] for hit in shown["hits"]]
    ids += [turn["id"] for hit in shown["hits"] for turn in hit["beside"]]
    assert len(ids) == len(set(ids)) == 4
    [hit] = talk.ok("search", "nine", "--beside", "1", "--kind", "fact", "--json").json["hits"]
    assert len(hit["beside"]) == 2


def test_search_as_json(cli: Cli) -> None:
    """One document: the question, the hits with every part, and whole memories."""
    cli.add("the bicycle is green", "--happened-at", "2026-05-08")
    cli.add("a green bicycle", "--happened-at", "2026-05-09")
    told = cli.ok("search", "bicycle", "--json").json
    assert set(told) == {"query"} | names(Recalled)
    assert told["query"] == "bicycle"
    assert told["degraded"] is None
    assert told["nearest"] is None
    assert 0.5 <= told["certainty"] <= 1
    assert all(set(hit) == names(Hit) for hit in told["hits"])
    hit = next(each for each in told["hits"] if each["memory"]["text"] == "a green bicycle")
    assert hit["matched"] == [[8, 15]]
    assert hit["priors"] == {"newer": 0.01}
    assert set(hit["memory"]) == names(Memory)
    assert hit["memory"]["created_at"].endswith("Z")
    assert hit["memory"]["metadata"] == {}


def test_nothing_relevant(cli: Cli) -> None:
    """What is not certain enough is no answer; the nearest miss is shown when asked for, as such."""
    id = cli.add("the bicycle is green")
    done = cli.ok("search", "zebra", "--explain")
    assert done.out == ""
    assert done.err == (
        "memdesk: nothing relevant is remembered "
        "(certainty 0.00; --nearest shows the nearest miss)\n"
    )
    shown = cli.ok("search", "zebra", "--nearest")
    assert shown.err == "memdesk: nothing relevant is remembered\n"
    assert shown.lines == [
        "nearest miss, certainty 0.00: the bicycle is green",
        f"   {id}  now note",
    ]
    assert len(cli.ok("search", "zebra", "--nearest", "--explain").lines) == 5
    told = cli.ok("search", "zebra", "--json").json
    assert (told["hits"], told["nearest"]["memory"]["id"]) == ([], id)
    assert cli.ok("search", "bicycle", "--nearest").lines[0] == "1. the bicycle is green"


def test_search_filters(cli: Cli) -> None:
    """Spaces, kinds, tags and dates narrow a search; without --space it looks everywhere."""
    cli.add("green in personal", "--tag", "a", "--happened-at", "2024-03-03")
    cli.add("green in website", "--space", "website", "--kind", "fact")
    cli.add("green in garden", "--space", "garden")

    def found(*options: str) -> set[str]:
        hits = cli.ok("search", "green", "--json", *options).json["hits"]
        return {hit["memory"]["space"] for hit in hits}

    assert found() == {"personal", "website", "garden"}
    assert found("--space", "website") == {"personal", "website"}
    assert found("--kind", "fact") == {"website"}
    assert found("--source", "memdesk", "--tag", "a") == {"personal"}
    assert found("--source", "claude") == set()
    assert found("--tag", "a") == {"personal"}
    assert found("--until", "2024") == {"personal"}
    assert found("--since", "2025") == {"website", "garden"}


def test_nothing_found(cli: Cli) -> None:
    """No hit is no error."""
    done = cli.ok("search", "anything")
    assert (done.out, done.err) == ("", "memdesk: nothing was found\n")
    assert cli.ok("search", "anything", "--json").json["hits"] == []


def test_search_without_a_model(cli: Cli) -> None:
    """A search by words alone says so, on standard error."""
    cli.add("the bicycle is green")
    cli.embedder.broken = "the model file is gone"
    done = cli.ok("search", "bicycle")
    assert "found by words only" in done.err
    assert "bicycle" in done.out
    assert cli.ok("search", "bicycle", "--json").json["degraded"]


def test_a_line_leaves_half_of_the_terminal_to_the_text(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tags that have no room are left out, and a text of more lines ends with an ellipsis."""
    monkeypatch.setattr("memdesk.cli.page.width", lambda: 80)
    tags = [word for n in range(9) for word in ("--tag", f"a-long-tag-{n}")]
    id = cli.add("word " * 40, *tags)
    line = cli.ok("list").lines[0]
    assert line.startswith(f"{id}  word word")
    assert 78 <= len(line) <= 80
    id = cli.add("tea\nand milk", *tags)
    assert cli.ok("list").lines[0].startswith(f"{id}  now note #a-long-tag-0")
    assert cli.ok("list").lines[0].endswith("  tea…")


def test_a_warning_is_one_line_for_a_person(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """What memdesk logs while a command runs is said on standard error."""

    def paths(_: object) -> str:
        logging.getLogger("memdesk.store").warning("mended\n%s", "it")
        raise Invalid("x", "y")

    monkeypatch.setattr("memdesk.cli.overview.put_line", paths)
    cli.add("tea", "--pin")
    assert cli("profile").err == "memdesk: mended it\nmemdesk: x: y\n"


def test_list_is_newest_first_and_pages(cli: Cli) -> None:
    """A page ends with the cursor of the next; together they are everything, once."""
    for number in range(5):
        cli.add(f"note {number}")
    assert cli.texts() == [f"note {number}" for number in (4, 3, 2, 1, 0)]
    first = cli.ok("list", "--limit", "2", "--json")
    cursor = first.err.split("--cursor ")[1].strip()
    rest = cli.ok("list", "--limit", "9", "--cursor", cursor, "--json")
    assert [row["text"] for row in first.jsonl + rest.jsonl] == cli.texts()
    assert rest.err == ""


def test_list_goes_over_pages_by_itself(cli: Cli) -> None:
    """More than one page of the service is still one list."""
    drafts = "\n".join(f"note {number}" for number in range(3))
    cli.add(drafts)
    from memdesk.cli import memories

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memories, "_PAGE", 1)
        cli.add("another")
        assert len(cli.texts()) == 2


def test_list_states(cli: Cli) -> None:
    """The trash is a list of its own, and --all-states has everything."""
    kept, gone = cli.add("kept"), cli.add("gone")
    cli.ok("forget", gone)
    assert cli.texts() == ["kept"]
    assert cli.texts("--trash") == ["gone"]
    assert set(cli.texts("--all-states")) == {"kept", "gone"}
    assert "trashed" in cli.ok("list", "--trash").out
    cli.ok("revise", kept, "--pin")
    cli.add("other")
    assert cli.texts("--pinned") == ["kept"]


def test_list_filters(cli: Cli) -> None:
    """Here --space means that space alone."""
    cli.add("here")
    cli.add("there", "--space", "website", "--tag", "x")
    assert cli.texts("--space", "website") == ["there"]
    assert cli.texts("--tag", "x") == ["there"]
    assert cli.texts("--kind", "fact") == []
    assert cli.texts("--source", "memdesk", "--source", "claude") == ["there", "here"]
    assert cli.texts("--source", "claude") == []


def test_expired_ones_are_listed_on_request(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A memory whose time has run out shows with --expired only."""
    with monkeypatch.context() as patch:
        patch.setattr("memdesk.service.writing.now", lambda: datetime(2019, 1, 1, tzinfo=UTC))
        cli.add("old news", "--expires-at", "2020-01-01")
    assert cli.texts() == []
    assert cli.texts("--expired") == ["old news"]


def test_get_for_people(cli: Cli) -> None:
    """Everything about a memory, then its text as it is."""
    one = cli.add("first line\nsecond line", "--tag", "t", "--happened-at", "2026-05")
    two = cli.add("two", "--happened-at", "2026-05-08T14:30+02:00", "--pin")
    out = cli.ok("get", one, two).out
    assert "\nfirst line\nsecond line\n" in out
    assert f"id:          {one}" in out
    assert "happened:    2026-05\n" in out
    assert "pinned:      yes" in out
    assert "trust" not in out


def test_get_as_json_lines(cli: Cli) -> None:
    """Several memories are several lines, in the order asked for."""
    ids = [cli.add("one"), cli.add("two")]
    assert [row["id"] for row in cli.ok("get", *ids, "--json").jsonl] == ids


def test_history(cli: Cli) -> None:
    """Each revision with its time and change, the newest first."""
    id = cli.add("before")
    cli.ok("revise", id, "after")
    told = cli.ok("history", id, "--json").jsonl
    assert [row["memory"]["text"] for row in told] == ["after", "before"]
    assert told[0]["valid_to"] is None
    assert told[1]["valid_to"].endswith("Z")
    out = cli.ok("history", id).out
    assert "to now" in out
    assert f"change {told[0]['memory']['change']}" in out


def test_profile(cli: Cli) -> None:
    """Pinned memories come first; what does not fit is counted."""
    assert "nothing is pinned" in cli.ok("profile").err
    cli.add("I like tea", "--kind", "preference")
    cli.add("my name is Ida", "--pin")
    told = cli.ok("profile", "--json").json
    assert set(told) == names(Profile)
    assert [row["text"] for row in told["memories"]] == ["my name is Ida", "I like tea"]
    assert "did not fit" in cli.ok("profile", "--max-tokens", "8").err
    assert "my name is Ida" in cli.ok("profile").out


def test_stats(cli: Cli) -> None:
    """The store in numbers, for people and as one document."""
    cli.add("tea", "--tag", "x", "--space", "website")
    told = cli.ok("stats", "--json").json
    assert set(told) == names(Stats)
    assert (told["states"]["live"], told["spaces"], told["tags"]) == (1, {"website": 1}, {"x": 1})
    out = cli.ok("stats").out
    assert "1 website" in out
    assert str(cli.home) in out


def test_stats_shows_the_biggest(cli: Cli) -> None:
    """A long list of tags is cut, and how many more there are is said."""
    cli.add("tea", *(word for n in range(14) for word in ("--tag", f"t{n:02}")))
    assert "and 4 more" in cli.ok("stats").out


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Auckland"])
def test_a_moment_that_no_clock_shows_is_printed(
    zone: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One memory with a date at the end of the calendar is read like any other."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        for at in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
            put_memory(memory("odd", created_at=at, expires_at=at, happened_at=at))
    time.tzset()
    assert capsys.readouterr().out.count("odd") == 2
