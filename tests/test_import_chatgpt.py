"""Importing ChatGPT's export: the branch of each conversation that was on the screen last."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from read_imports import BROKEN, DATA, drafts, endures, loaded, patiently, told, twisted, zipped

from memdesk.errors import Invalid
from memdesk.ingest.chatgpt import FORMAT
from memdesk.ingest.item import Choices

FOLDER = DATA / "chatgpt"
FIRST, SECOND = FOLDER / "conversations-000.json", FOLDER / "conversations-001.json"


def conversation(nodes: dict[str, Any], **told_of: Any) -> list[Any]:
    """Return an export of one conversation: its nodes with the id of the parent and the text of each."""
    mapping = {
        id: {
            "id": id,
            "parent": parent,
            "children": [],
            "message": text
            and {
                "id": id,
                "author": {"role": "user"},
                "content": {"content_type": "text", "parts": [text]},
            },
        }
        for id, (parent, text) in nodes.items()
    }
    return [{"conversation_id": "c", "title": "T", "mapping": mapping} | told_of]


def written(tmp_path: Path, export: Any) -> Path:
    """Return the file of an export."""
    (tmp_path / "conversations.json").write_text(json.dumps(export), encoding="utf-8")
    return tmp_path / "conversations.json"


def test_its_exports_are_recognised(tmp_path: Path) -> None:
    """The zip, the unpacked folder and its main file are known, Claude's are not taken for them."""
    assert FORMAT.recognises(zipped(FOLDER, tmp_path / "chatgpt.zip"))
    assert FORMAT.recognises(FOLDER)
    assert FORMAT.recognises(FIRST)
    for other in ("claude-ai", "claude-ai-parts", "claude-code", "codex", "mem0/results.json"):
        assert not FORMAT.recognises(DATA / other)


def test_counts_survive(tmp_path: Path) -> None:
    """Every message of every file is a turn, a memory, or is skipped for a reason."""
    items, skipped = told(FORMAT, zipped(FOLDER, tmp_path / "chatgpt.zip"))
    nodes = [
        node
        for file in (FIRST, SECOND)
        for talk in loaded(file)
        for node in talk["mapping"].values()
    ]
    messages = sum(bool(node["message"]) for node in nodes)
    two_of_one = 2  # the person's instructions and the list of memories have two each
    others = {"another file of the export": 2, "an empty conversation": 1}
    assert len(items) + sum(skipped.values()) == messages + two_of_one + sum(others.values())
    assert skipped == others | {
        "a hidden turn": 1,
        "an AI's thinking": 1,
        "a tool call": 1,
        "a tool's output": 1,
        "an image": 1,
        "an empty turn": 1,
        "a turn of a branch that was left": 1,
    }


def test_a_turn_has_its_place() -> None:
    """Session, order, role, speaker, time and title of a turn are those of the message."""
    turns = [each for each in drafts(FORMAT, FIRST) if each.kind == "dialogue"]
    assert [(each.position, each.role, each.speaker, each.text) for each in turns] == [
        (0, "user", None, "How deep should a pond be?"),
        (1, "assistant", "ChatGPT", "Sixty centimetres."),
        (2, "user", None, "Is this one deep enough?"),
    ]
    assert {each.session for each in turns} == {"conv-1"}
    assert turns[0].happened_at == "2026-02-01T09:00+00:00"
    assert turns[0].created_at == "2026-02-01T09:00:01.250000+00:00"
    assert json.loads(turns[0].metadata) == {"title": "A pond for the garden"}
    assert not turns[0].tags


def test_what_chatgpt_remembers_becomes_memories() -> None:
    """Its notes and its list are facts, what the person has told it for good is a preference."""
    kept = [each for each in drafts(FORMAT, FIRST) if each.kind != "dialogue"]
    assert [(each.kind, each.text) for each in kept] == [
        ("preference", "I live at the harbour."),
        ("preference", "Answer in short sentences."),
        ("fact", "User keeps bees."),
        ("fact", "User drinks tea."),
        ("fact", "User is building a pond."),
    ]
    assert kept[2].created_at == "2025-05-01T00:00:00+00:00"


def test_a_list_of_memories_is_read(tmp_path: Path) -> None:
    """A list of memories beside the conversations is imported, too."""
    written(tmp_path, conversation({"a": (None, "Hello")}))
    memories = {
        "memories": [{"id": "1", "content": "User keeps bees.", "updated_at": 1769936400}, {}]
    }
    (tmp_path / "memories.json").write_text(json.dumps(memories), encoding="utf-8")
    items, skipped = told(FORMAT, tmp_path)
    assert [each.draft.text for each in items] == ["Hello", "User keeps bees."]
    assert skipped == {"a memory without words": 1}


def test_the_branch_of_the_current_node_is_read(tmp_path: Path) -> None:
    """Of an answer that was made anew, the one that was on the screen is read, the other counted."""
    tree = {"q": (None, "Q"), "old": ("q", "Old"), "new": ("q", "New"), "end": ("new", "End")}
    for node, texts in (("end", ["Q", "New", "End"]), ("old", ["Q", "Old"])):
        items, skipped = told(FORMAT, written(tmp_path, conversation(tree, current_node=node)))
        assert [each.draft.text for each in items] == texts
        assert skipped == {"a turn of a branch that was left": len(tree) - len(texts)}


def test_without_a_current_node_the_last_message_ends_the_branch(tmp_path: Path) -> None:
    """A conversation that does not say what was on the screen ends with its last message."""
    tree = {"q": (None, "Q"), "old": ("q", "Old"), "new": ("q", "New"), "empty": ("new", None)}
    for node in (None, "gone", 7, ["q"]):
        found = drafts(FORMAT, written(tmp_path, conversation(tree, current_node=node)))
        assert [each.text for each in found] == ["Q", "New"]


@pytest.mark.parametrize(
    "tree",
    [
        {"a": ("b", "A"), "b": ("a", "B")},
        {"a": ("a", "A"), "b": ("a", "B")},
        {"a": ("gone", "A"), "b": ("a", "B")},
    ],
)
def test_a_broken_tree_keeps_every_turn(tree: dict[str, Any], tmp_path: Path) -> None:
    """Where nodes go in a circle or lead nowhere, all of them are read in the file's order."""
    items, skipped = told(FORMAT, written(tmp_path, conversation(tree, current_node="b")))
    assert [each.draft.text for each in items] == ["A", "B"]
    assert skipped == {}


def test_an_empty_account_is_no_error(tmp_path: Path) -> None:
    """An export without conversations has the right shape."""
    assert told(FORMAT, written(tmp_path, [])) == ([], {})


@pytest.mark.parametrize("name", BROKEN)
def test_another_file_is_refused(name: str, tmp_path: Path) -> None:
    """A file of another shape is an error that names it and says what was expected."""
    file = tmp_path / "conversations.json"
    file.write_bytes(BROKEN[name])
    for path in (file, tmp_path, zipped(tmp_path, tmp_path / "export.zip")):
        assert not FORMAT.recognises(path)
        with pytest.raises(Invalid, match="expected") as caught:
            list(FORMAT.read(path, Choices()))
        assert str(path) in str(caught.value)


def test_claudes_export_is_refused() -> None:
    """The other maker's conversations have another shape."""
    with pytest.raises(Invalid, match="mapping"):
        list(FORMAT.read(DATA / "claude-ai", Choices()))


def test_conversations_that_are_cut_anywhere_are_endured(tmp_path: Path) -> None:
    """A broken-off file gives what was whole, then one error."""
    whole, file = FIRST.read_bytes(), tmp_path / "conversations.json"
    for end in range(0, len(whole), 97):
        file.write_bytes(whole[:end])
        endures(FORMAT, file)


@patiently
@given(twisted(loaded(FIRST)), twisted(loaded(SECOND)))
def test_anything_in_a_field_is_endured(first: object, second: object) -> None:
    """Whatever stands in a field, the memories are fit to store, or one error tells what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
        (Path(folder) / FIRST.name).write_bytes(json.dumps(first).encode())
        (Path(folder) / SECOND.name).write_bytes(json.dumps(second).encode())
        endures(FORMAT, Path(folder))


def test_a_browsers_second_download_is_read(tmp_path: Path) -> None:
    """A file that a person names is known by its beginning, whatever it is called."""
    file = written(tmp_path, conversation({"a": (None, "Hello")}))
    file = file.rename(tmp_path / "conversations (1).json")
    assert FORMAT.recognises(file)
    assert [each.text for each in drafts(FORMAT, file)] == ["Hello"]
    assert not FORMAT.recognises(tmp_path)
    file.write_text('[{"mapping": {"properties": {}}}]')
    assert not FORMAT.recognises(file)


@pytest.mark.parametrize("text", ["# \n1. a\n\n2. b" + "\n " * 100_000, "#" * 200_000])
def test_a_list_of_blanks_or_marks_is_read_at_once(tmp_path: Path, text: str) -> None:
    """What ChatGPT was given as its list takes no longer for having nothing in it."""
    export = conversation({"a": (None, "x")})
    content = {"content_type": "model_editable_context", "model_set_context": text}
    export[0]["mapping"]["a"]["message"]["content"] = content
    found = [each.text for each in drafts(FORMAT, written(tmp_path, export))]
    assert found == (["a", "b"] if "1." in text else [text])
