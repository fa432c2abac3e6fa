"""Importing Claude Code's transcripts: what was said, without the noise of tools."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from read_imports import BROKEN, DATA, as_lines, drafts, endures, lines, patiently, told, twisted

from memdesk.errors import Invalid
from memdesk.ingest.claude_code import FORMAT
from memdesk.ingest.item import Choices

FOLDER = DATA / "claude-code"
PROJECT = FOLDER / "projects" / "-home-ada-garden"
FIRST = PROJECT / "5c1c0f7e-1111-4000-8000-000000000001.jsonl"
SECOND = PROJECT / "5c1c0f7e-1111-4000-8000-000000000002.jsonl"


@pytest.fixture(autouse=True, scope="module")
def _written_in_their_order() -> None:
    """Give the transcripts times in which they can have been written: git keeps none."""
    for at, file in enumerate((FIRST, SECOND), 1_770_000_000):
        os.utime(file, (at, at))


def said(text: object, uuid: str = "", **told_of: Any) -> dict[str, Any]:
    """Return a line that a person has typed."""
    line = {
        "type": "user",
        "sessionId": "s",
        "uuid": uuid,
        "message": {"role": "user", "content": text},
    }
    return line | told_of


def test_its_transcripts_are_recognised() -> None:
    """The folder of all projects, one project and one file are known."""
    for path in (FOLDER, FOLDER / "projects", PROJECT, FIRST):
        assert FORMAT.recognises(path)
    for other in (
        "codex",
        "claude-ai",
        "server-memory/memory.jsonl",
        "mem0/openmemory/memories.jsonl",
    ):
        assert not FORMAT.recognises(DATA / other)


def test_counts_survive() -> None:
    """Every line of a transcript is a turn or is skipped for a reason."""
    items, skipped = told(FORMAT, FOLDER)
    turns = [each for each in items if each.draft.kind == "dialogue"]
    other_files = skipped.pop("a subagent's transcript")
    assert len(turns) + sum(skipped.values()) == len(lines(FIRST)) + len(lines(SECOND))
    assert (other_files, len(items) - len(turns)) == (1, 1)
    assert skipped == {
        "a line that is no turn": 3,
        "the program's own words": 2,
        "an AI's thinking": 1,
        "a tool call": 1,
        "a tool's output": 1,
        "a turn of a subagent": 1,
        "a summary of turns that are there": 1,
        "a copy of a turn that was there before": 1,
    }


def test_a_turn_has_its_place() -> None:
    """Session, order, role, speaker, time, title and folder of a turn are those of its line."""
    turns = [each for each in drafts(FORMAT, FOLDER) if each.session == FIRST.stem]
    assert [(each.position, each.role, each.speaker, each.text) for each in turns] == [
        (0, "user", None, "Why does the pump test fail?"),
        (1, "assistant", "Claude Code", "The pump test waits for a pin that is never set."),
        (2, "user", None, "Set it in setup()."),
    ]
    assert turns[0].happened_at == "2026-03-04T05:06+00:00"
    assert turns[0].created_at == "2026-03-04T05:06:09.500000+00:00"
    about = {"title": "The pump test", "folder": "/home/ada/garden", "branch": "main"}
    assert json.loads(turns[0].metadata) == about
    assert {(each.kind, each.tags, each.space) for each in turns} == {("dialogue", (), "personal")}


def test_a_session_that_goes_on_elsewhere_is_told_once() -> None:
    """Turns that another file of the project begins with are copies; what follows is its own."""
    turns = [each for each in drafts(FORMAT, FOLDER) if each.session == SECOND.stem]
    assert [(each.position, each.text) for each in turns] == [(0, "And now?")]


def test_a_session_that_goes_on_is_told_once_whatever_its_name(tmp_path: Path) -> None:
    """The transcript that was written before has the turns, also where subagents' folders lie between."""
    first, second = [said("One", "u1"), said("Two", "u2")], [said("Three", "u3")]
    for at, (file, values) in enumerate((("m", first), ("a", first + second), ("z", first)), 1):
        (tmp_path / "p" / file / "subagents").mkdir(parents=True)
        (tmp_path / "p" / file / "subagents" / "agent-1.jsonl").write_bytes(
            as_lines([said("Side")])
        )
        (tmp_path / "p" / f"{file}.jsonl").write_bytes(as_lines(values))
        os.utime(tmp_path / "p" / f"{file}.jsonl", (at, at))
    assert [(each.session, each.text) for each in drafts(FORMAT, tmp_path)] == [
        ("m", "One"),
        ("m", "Two"),
        ("a", "Three"),
    ]


def test_a_projects_notes_are_memories() -> None:
    """What Claude keeps in a project's memory folder is imported as it stands."""
    (note,) = [each for each in drafts(FORMAT, FOLDER) if each.kind == "note"]
    assert note.text == "# Garden\n\nThe pump pin is set in setup()."


def test_a_projects_notes_lie_beside_its_turns(tmp_path: Path) -> None:
    """They have the space of the project's repository, and the file's time."""
    (tmp_path / "rain" / ".git" / "objects").mkdir(parents=True)
    (tmp_path / "rain" / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    notes = tmp_path / "projects" / "p" / "memory"
    notes.mkdir(parents=True)
    (notes / "MEMORY.md").write_text("The gauge leaks.")
    os.utime(notes / "MEMORY.md", (1_770_000_000, 1_770_000_000))
    values = [said("Hello", cwd=str(tmp_path / "rain"))]
    (notes.parent / "s.jsonl").write_bytes(as_lines(values))
    turn, note = drafts(FORMAT, tmp_path)
    assert (turn.space, note.space) == ("rain", "rain")
    assert note.created_at == "2026-02-02T02:40:00+00:00"
    assert {each.space for each in drafts(FORMAT, tmp_path, Choices(space="x"))} == {"x"}


def test_nothing_in_the_folder_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A note that is too long is skipped, never cut, and so is every file that is no transcript."""
    monkeypatch.setattr("memdesk.ingest.claude_code.LONGEST", 1000)
    (tmp_path / "p" / "memory").mkdir(parents=True)
    (tmp_path / "p" / "memory" / "long.md").write_text("x" * 1001)
    (tmp_path / "p" / "memory" / "short.md").write_text("x" * 1000)
    (tmp_path / "p" / "other.bin").write_bytes(b"\0")
    (tmp_path / "p" / "s.jsonl").write_bytes(as_lines([said("Hello")]))
    items, skipped = told(FORMAT, tmp_path)
    assert len(items) == 2
    assert skipped == {"a note that is too long": 1, "a file that is no transcript": 1}


def test_the_space_is_the_repository(tmp_path: Path) -> None:
    """A turn goes into the space of the repository it was said in, work trees and subfolders alike."""
    repository, tree = tmp_path / "rain gauge", tmp_path / "tree"
    own = repository / ".git" / "worktrees" / "tree"
    for each in (own, repository / ".git" / "objects", repository / "src", tree):
        each.mkdir(parents=True)
    for file, text in (
        (repository / ".git" / "HEAD", "ref: refs/heads/main"),
        (tree / ".git", f"gitdir: {own}"),
        (own / "commondir", "../.."),
        (own / "gitdir", f"{tree}/.git"),
    ):
        file.write_text(f"{text}\n", encoding="utf-8")
    folders = [
        repository,
        repository / "src",
        tree,
        tmp_path,
        tmp_path / "gone",
        "",
        7,
        "\0",
        "../..",
    ]
    values = [said("Hello", cwd=str(each) if isinstance(each, Path) else each) for each in folders]
    file = tmp_path / "s.jsonl"
    file.write_bytes(as_lines(values))
    expected = ["rain gauge"] * 3 + ["personal"] * 6
    assert [each.space for each in drafts(FORMAT, file)] == expected
    assert {each.space for each in drafts(FORMAT, file, Choices(space="x"))} == {"x"}


def test_the_programs_words_are_no_turns(tmp_path: Path) -> None:
    """What the program types in the person's name is skipped, what they tell it to remember is kept."""
    values = [
        said("<command-name>/compact</command-name>"),
        said("<local-command-stdout>ok</local-command-stdout>"),
        said("<bash-input>ls</bash-input>"),
        said([{"type": "text", "text": "[Request interrupted by user for tool use]"}]),
        said("<system-reminder>only this</system-reminder>"),
        said("API Error: 500", isApiErrorMessage=True),
        said("<user-memory-input>Use tabs</user-memory-input>"),
        said("<command-line tools are fine> is what I read"),
    ]
    file = tmp_path / "s.jsonl"
    file.write_bytes(as_lines(values))
    items, skipped = told(FORMAT, file)
    assert [each.draft.text for each in items] == [
        "Use tabs",
        "<command-line tools are fine> is what I read",
    ]
    assert skipped == {"the program's own words": 6}


def test_a_transcript_that_is_being_written_is_read(tmp_path: Path) -> None:
    """A last line that is not whole yet is skipped, the others are turns."""
    file = tmp_path / "s.jsonl"
    file.write_bytes(as_lines([said("Hello")]) + b'{"type": "user", "mess')
    items, skipped = told(FORMAT, file)
    assert [each.draft.text for each in items] == ["Hello"]
    assert skipped == {"a line that is no JSON": 1}


def test_a_line_that_is_too_long_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image of many megabytes does not fill the memory, and the lines after it are read."""
    monkeypatch.setattr("memdesk.ingest.streamed.LONGEST", 1000)
    file = tmp_path / "s.jsonl"
    file.write_bytes(as_lines([said("x" * 5000), said("y" * 300_000), said("Hello")]))
    items, skipped = told(FORMAT, file)
    assert [each.draft.text for each in items] == ["Hello"]
    assert skipped == {"a line that is too long": 2}


def test_links_are_not_followed(tmp_path: Path) -> None:
    """A link to another file, or to the folder above, is counted and not opened."""
    shutil.copytree(PROJECT, tmp_path / "projects" / "p")
    (tmp_path / "projects" / "p" / "up").symlink_to(tmp_path)
    (tmp_path / "projects" / "p" / "z.jsonl").symlink_to(FIRST)
    items, skipped = told(FORMAT, tmp_path)
    assert len(items) == len(told(FORMAT, FOLDER)[0])
    assert skipped["a link or no ordinary file"] == 1


@pytest.mark.parametrize("name", BROKEN)
def test_another_file_is_refused(name: str, tmp_path: Path) -> None:
    """A file without any transcript's line is an error that says what was expected."""
    (tmp_path / "s.jsonl").write_bytes(BROKEN[name])
    for path in (tmp_path / "s.jsonl", tmp_path):
        assert not FORMAT.recognises(path)
        with pytest.raises(Invalid, match="expected") as caught:
            list(FORMAT.read(path, Choices()))
        assert str(path) in str(caught.value)


@patiently
@given(twisted(lines(FIRST)), twisted(lines(SECOND)))
def test_anything_in_a_field_is_endured(first: list[object], second: list[object]) -> None:
    """Whatever stands in a field, the turns are fit to store, or one error tells what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(PROJECT, folder, dirs_exist_ok=True)
        (Path(folder) / FIRST.name).write_bytes(as_lines(first))
        (Path(folder) / SECOND.name).write_bytes(as_lines(second))
        endures(FORMAT, Path(folder))


def test_a_later_file_holds_the_copies(tmp_path: Path) -> None:
    """Whatever their names are and whatever lies between them, the older file has the turns."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "agent-x.jsonl").write_bytes(b"")
    (tmp_path / "a.jsonl").write_bytes(as_lines([said("One", "1"), said("Two", "2")]))
    (tmp_path / "z.jsonl").write_bytes(as_lines([said("One", "1")]))
    os.utime(tmp_path / "z.jsonl", (1, 1))
    found = [(each.session, each.text) for each in drafts(FORMAT, tmp_path)]
    assert found == [("z", "One"), ("a", "Two")]


def test_copies_are_known_across_a_folder_of_subagents(tmp_path: Path) -> None:
    """A folder between two sessions of a project does not make them forget each other."""
    for name in ("a.jsonl", "c.jsonl"):
        (tmp_path / name).write_bytes(as_lines([said("One", "1")]))
    (tmp_path / "b" / "subagents").mkdir(parents=True)
    (tmp_path / "b" / "subagents" / "x.jsonl").write_bytes(b"")
    assert [each.text for each in drafts(FORMAT, tmp_path)] == ["One"]


def test_a_first_line_may_be_long(tmp_path: Path) -> None:
    """A transcript whose first line is longer than what is looked at is recognised all the same."""
    file = tmp_path / "s.jsonl"
    file.write_bytes(as_lines([said("x" * 100_000)]))
    assert FORMAT.recognises(file)
    file.write_bytes(as_lines([{"text": "x" * 100_000}]))
    assert not FORMAT.recognises(file)


def test_tags_that_are_never_closed_are_words(tmp_path: Path) -> None:
    """They are read at once, however many there are, and closed ones between them still count."""
    many = "<system-reminder><user-memory-input>" * 25_000
    values = [
        said(many),
        said(f"a <system-reminder>x</system-reminder>b</system-reminder> {many}"),
        said(f"</user-memory-input><user-memory-input>Use tabs</user-memory-input>{many}"),
    ]
    file = tmp_path / "s.jsonl"
    file.write_bytes(as_lines(values))
    texts = [each.text for each in drafts(FORMAT, file)]
    assert texts == [many, f"a b</system-reminder> {many}", "Use tabs"]
