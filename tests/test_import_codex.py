"""Importing Codex's sessions: what was said, without the noise of tools."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from read_imports import BROKEN, DATA, as_lines, drafts, endures, lines, patiently, told, twisted

from memdesk.errors import Invalid
from memdesk.ingest.codex import FORMAT
from memdesk.ingest.item import Choices

FOLDER = DATA / "codex"
DAY = FOLDER / "sessions" / "2026" / "03" / "04"
SESSION = next(DAY.glob("*7fb6.jsonl"))
OLD = next(DAY.glob("rollout-2025*"))
ID = "019bce9f-0a40-79e2-8351-8818e8487fb6"


def meta(**payload: Any) -> dict[str, Any]:
    """Return the first line of a session."""
    return {
        "timestamp": "2026-03-04T05:06:07Z",
        "type": "session_meta",
        "payload": {"id": "s"} | payload,
    }


def said(text: object) -> dict[str, Any]:
    """Return a line that a person has typed."""
    content = [{"type": "input_text", "text": text}]
    return {
        "type": "response_item",
        "payload": {"type": "message", "role": "user", "content": content},
    }


def test_its_sessions_are_recognised(tmp_path: Path) -> None:
    """The folder of all sessions, one day and one file are known, also by a first line that is long."""
    for path in (FOLDER, FOLDER / "sessions", DAY, SESSION, OLD):
        assert FORMAT.recognises(path)
    for other in ("claude-code", "claude-ai", "server-memory/memory.jsonl"):
        assert not FORMAT.recognises(DATA / other)
    long = tmp_path / "rollout-x.jsonl"
    line = json.dumps(meta(base_instructions={"text": "word " * 50_000}), separators=(",", ":"))
    long.write_text(line + "\n", encoding="utf-8")
    assert FORMAT.recognises(long)


def test_counts_survive() -> None:
    """Every line of a session is a turn or is skipped for a reason."""
    items, skipped = told(FORMAT, FOLDER)
    written = sum(len(lines(file)) for file in DAY.iterdir())
    assert len(items) + sum(skipped.values()) == written
    assert skipped == {
        "a line that is no turn": 7,
        "the program's own words": 2,
        "an AI's thinking": 1,
        "a tool call": 1,
        "a tool's output": 1,
        "a summary of turns that are there": 1,
        "an image": 1,
        "a turn of a subagent": 1,
    }


def test_a_turn_has_its_place() -> None:
    """Session, order, role, speaker, time and folder of a turn are those of its line."""
    turns = [each for each in drafts(FORMAT, FOLDER) if each.session == ID]
    assert [(each.position, each.role, each.speaker, each.text) for each in turns] == [
        (0, "user", None, "Why does the pump test fail?"),
        (1, "assistant", "Codex", "The pump test waits for a pin."),
    ]
    assert turns[0].happened_at == "2026-03-04T05:06+00:00"
    assert turns[0].created_at == "2026-03-04T05:06:08+00:00"
    assert json.loads(turns[0].metadata) == {"folder": "/home/ada/garden", "branch": "main"}
    assert {(each.kind, each.tags) for each in turns} == {("dialogue", ())}


def test_older_sessions_have_no_envelopes() -> None:
    """What lines were before has the time at which the session began."""
    turns = drafts(FORMAT, OLD)
    assert [each.text for each in turns] == [
        "An older session has no envelopes.",
        "So it has no times either.",
    ]
    assert {each.happened_at for each in turns} == {"2025-05-07T17:24+00:00"}
    assert {each.session for each in turns} == {"5973b6c0-94b8-487b-a530-2aeb6098ae0e"}


@pytest.mark.parametrize(
    ("address", "space"),
    [
        ("git@example.com:ada/rain-gauge.git", "rain-gauge"),
        ("https://example.com/ada/rain-gauge", "rain-gauge"),
        ("ssh://git@example.com/ada/rain-gauge.git/", "rain-gauge"),
        ("example.com:rain-gauge", "rain-gauge"),
        ("", "personal"),
        ("/", "personal"),
        ("https://example.com/\x1b[2J", "personal"),
        (7, "7"),
        (None, "personal"),
    ],
)
def test_the_space_is_the_repository(address: object, space: str, tmp_path: Path) -> None:
    """A session whose folder is not here goes into the space of the address it was cloned from."""
    file = tmp_path / "rollout-x.jsonl"
    file.write_bytes(as_lines([meta(git={"repository_url": address}), said("Hello")]))
    assert [each.space for each in drafts(FORMAT, file)] == [space]
    assert [each.space for each in drafts(FORMAT, file, Choices(space="x"))] == ["x"]


@pytest.mark.parametrize("forked", [{"forked_from_id": "a"}, {}])
def test_a_fork_is_a_session_of_its_own(forked: dict[str, str], tmp_path: Path) -> None:
    """Its first line tells whose it is, not the copies that follow; what was said before is told once."""
    first, second = meta(id="a", cwd="/first"), meta(id="b", cwd="/second", **forked)
    before = [said("One"), said("Two")]
    for file, values in (
        ("1", [first, *before, said("Three")]),
        ("2", [second, first, *before, said("Other"), said("Three")]),
        ("3", [meta(id="c", forked_from_id="b"), second, first, *before, said("Other")]),
    ):
        (tmp_path / f"rollout-{file}.jsonl").write_bytes(as_lines(values))
    items, skipped = told(FORMAT, tmp_path)
    assert [(each.draft.session, each.draft.position, each.draft.text) for each in items] == [
        ("a", 0, "One"),
        ("a", 1, "Two"),
        ("a", 2, "Three"),
        ("b", 2, "Other"),
        ("b", 3, "Three"),
    ]
    assert json.loads(items[-1].draft.metadata) == {"folder": "/second"}
    assert skipped["a copy of a turn that was there before"] == 2 + 3
    alone = drafts(FORMAT, tmp_path / "rollout-2.jsonl")
    assert [(each.session, each.position) for each in alone] == [("b", at) for at in range(4)]


def test_a_session_that_is_being_written_is_read(tmp_path: Path) -> None:
    """A last line that is not whole yet is skipped, the others are turns."""
    file = tmp_path / "rollout-x.jsonl"
    file.write_bytes(as_lines([meta(), said("Hello")]) + b'{"type": "resp')
    items, skipped = told(FORMAT, file)
    assert [each.draft.text for each in items] == ["Hello"]
    assert skipped == {"a line that is no turn": 1, "a line that is no JSON": 1}


@pytest.mark.parametrize("name", BROKEN)
def test_another_file_is_refused(name: str, tmp_path: Path) -> None:
    """A file without any session's line is an error that says what was expected."""
    (tmp_path / "rollout-x.jsonl").write_bytes(BROKEN[name])
    for path in (tmp_path / "rollout-x.jsonl", tmp_path):
        assert not FORMAT.recognises(path)
        with pytest.raises(Invalid, match="expected") as caught:
            list(FORMAT.read(path, Choices()))
        assert str(path) in str(caught.value)


@patiently
@given(twisted(lines(SESSION)), twisted(lines(OLD)))
def test_anything_in_a_field_is_endured(first: list[object], second: list[object]) -> None:
    """Whatever stands in a field, the turns are fit to store, or one error tells what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / SESSION.name).write_bytes(as_lines(first))
        (Path(folder) / OLD.name).write_bytes(as_lines(second))
        endures(FORMAT, Path(folder))
