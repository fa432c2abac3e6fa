"""Importing Claude.ai's export: conversations, memories and projects, zipped, in parts or unpacked."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from read_imports import BROKEN, DATA, drafts, endures, loaded, patiently, told, twisted, zipped

from memdesk.errors import Invalid
from memdesk.ingest.claude_ai import FORMAT
from memdesk.ingest.item import Choices

FOLDER = DATA / "claude-ai"
PARTS = DATA / "claude-ai-parts"


def parted(target: Path) -> Path:
    """Return a folder with the several zips that a large account gets."""
    target.mkdir()
    for name in ("projects", "memories", "design_chats"):
        zipped(PARTS / name, target / f"{name}-000.zip", f"{name}/{{}}".format)
    whole = target / "light"
    whole.mkdir()
    shutil.copy(PARTS / "conversations.json", whole)
    zipped(whole, target / "conversations-000.zip")
    (whole / "conversations.json").unlink()
    shutil.copy(PARTS / "users.json", whole)
    zipped(whole, target / "light_metadata-000.zip")
    shutil.rmtree(whole)
    return target


def test_its_exports_are_recognised(tmp_path: Path) -> None:
    """The zip, its parts one by one or together, the unpacked folder, and its main file are known."""
    assert FORMAT.recognises(zipped(FOLDER, tmp_path / "data-2026-batch-0000.zip"))
    assert FORMAT.recognises(FOLDER)
    assert FORMAT.recognises(FOLDER / "conversations.json")
    assert FORMAT.recognises(PARTS)
    assert FORMAT.recognises(parted(tmp_path / "parts"))
    assert FORMAT.recognises(tmp_path / "parts" / "memories-000.zip")
    for other in ("chatgpt", "claude-code", "codex", "mem0/results.json", "server-memory"):
        assert not FORMAT.recognises(DATA / other)
    assert not FORMAT.recognises(zipped(DATA / "chatgpt", tmp_path / "chatgpt.zip"))


def test_counts_survive() -> None:
    """Every message is a turn or is skipped for a reason, and so is everything else."""
    items, skipped = told(FORMAT, FOLDER)
    messages = [
        each for talk in loaded(FOLDER / "conversations.json") for each in talk["chat_messages"]
    ]
    turns = [each for each in items if each.draft.kind == "dialogue"]
    of_turns = ("a turn of a branch that was left", "an image", "a tool call")
    assert len(turns) + sum(skipped[reason] for reason in of_turns) == len(messages)
    assert skipped == dict.fromkeys(of_turns, 1) | {
        "an attached file": 1,
        "an empty conversation": 1,
        "the account's own data": 1,
    }
    assert len(items) - len(turns) == 3 + 1 + 3  # memory, the project's memory, the project


def test_a_turn_has_its_place() -> None:
    """Session, order, role, speaker, time and title of a turn are those of the message."""
    turns = [each for each in drafts(FORMAT, FOLDER) if each.session == "conv-1"]
    assert [(each.position, each.role, each.speaker, each.text) for each in turns] == [
        (0, "user", "Ada Brook", "How deep should a pond be?"),
        (1, "assistant", "Claude", "Sixty centimetres.\n\nThen it does not freeze through."),
        (2, "user", "Ada Brook", "Thanks."),
    ]
    assert {each.kind for each in turns} == {"dialogue"}
    assert turns[0].happened_at == "2026-02-01T09:00+00:00"
    assert turns[0].created_at == "2026-02-01T09:00:01.250000+00:00"
    assert json.loads(turns[0].metadata) == {"title": "A pond for the garden"}
    assert not turns[0].tags


def test_older_exports_have_only_text() -> None:
    """A message without blocks is its text; one without a time has its conversation's."""
    turns = [each for each in drafts(FORMAT, FOLDER) if each.session == "conv-2"]
    assert [each.text for each in turns] == ["An older export has only text.", "Indeed."]
    assert turns[1].happened_at == "2024-05-01T09:00+00:00"


def test_what_claude_remembers_becomes_facts() -> None:
    """Each paragraph of a memory is a fact that begins with the heading above it."""
    facts = [each for each in drafts(FORMAT, FOLDER) if each.kind == "fact"]
    assert [(each.text, each.tags) for each in facts] == [
        ("Work context: Ada maintains a rain gauge in Rust.", ()),
        ("Personal context: She keeps bees.", ()),
        ("Personal context: She drinks tea.", ()),
        ("The garden plan needs a pond.", ("Garden",)),
    ]


def test_a_project_gives_its_texts() -> None:
    """A project's description, instructions and documents are memories that bear its name."""
    texts = [
        each
        for each in drafts(FORMAT, FOLDER)
        if each.kind in ("reference", "preference", "document")
    ]
    assert [(each.kind, each.text) for each in texts] == [
        ("reference", "Garden: Planning the beds"),
        ("preference", "Answer in short sentences."),
        ("document", "# Beds\n\nNorth: beans. South: roses."),
    ]
    assert {each.tags for each in texts} == {("Garden",)}
    assert json.loads(texts[2].metadata)["file"] == "beds.md"


@pytest.mark.parametrize("shape", ["zip", "parts", "folder"])
def test_every_packing_tells_the_same(shape: str, tmp_path: Path) -> None:
    """One zip, one zip for each part, and the unpacked folder give the same memories."""
    made = {"zip": lambda: zipped(PARTS, tmp_path / "all.zip"), "folder": lambda: PARTS}
    path = made.get(shape, lambda: parted(tmp_path / "parts"))()
    assert [each.text for each in drafts(FORMAT, path)] == [
        "Garden: The pond is sixty centimetres deep.",
        "Which tea keeps?",
        "Draw a sign with a bee",
        "Here is a round one.",
    ]


def test_a_chosen_space_holds_for_all() -> None:
    """--space decides where everything of an export goes."""
    assert {each.space for each in drafts(FORMAT, FOLDER, Choices(space="old"))} == {"old"}


def test_a_broken_chain_keeps_every_turn(tmp_path: Path) -> None:
    """Where a message's parent is missing or they go in a circle, no turn counts as left."""
    talks = loaded(FOLDER / "conversations.json")[:1]
    for parent in ("nowhere", "m-5"):
        talks[0]["chat_messages"][2]["parent_message_uuid"] = parent
        (tmp_path / "conversations.json").write_text(json.dumps(talks), encoding="utf-8")
        items, skipped = told(FORMAT, tmp_path / "conversations.json")
        assert [each.draft.text for each in items][1] == "A left branch."
        assert "a turn of a branch that was left" not in skipped


def test_an_empty_account_is_no_error(tmp_path: Path) -> None:
    """An export without conversations has the right shape."""
    (tmp_path / "conversations.json").write_text("[]", encoding="utf-8")
    assert told(FORMAT, tmp_path) == ([], {})


@pytest.mark.parametrize("name", BROKEN)
def test_another_file_is_refused(name: str, tmp_path: Path) -> None:
    """A file of another shape is an error that names it and says what was expected."""
    file = tmp_path / "conversations.json"
    file.write_bytes(BROKEN[name])
    for path in (file, tmp_path):
        assert not FORMAT.recognises(path)
        with pytest.raises(Invalid, match="expected") as caught:
            list(FORMAT.read(path, Choices()))
        assert str(path) in str(caught.value)


def test_chatgpts_export_is_refused() -> None:
    """The other maker's conversations have another shape."""
    with pytest.raises(Invalid, match="chat_messages"):
        list(FORMAT.read(DATA / "chatgpt", Choices()))


def test_conversations_that_are_cut_anywhere_are_endured(tmp_path: Path) -> None:
    """A broken-off file gives what was whole, then one error."""
    whole, file = (FOLDER / "conversations.json").read_bytes(), tmp_path / "conversations.json"
    for end in range(0, len(whole), 97):
        file.write_bytes(whole[:end])
        endures(FORMAT, file)


@pytest.mark.parametrize(
    "name", ["conversations.json", "memories.json", "projects.json", "users.json"]
)
def test_anything_in_a_field_is_endured(name: str) -> None:
    """Whatever stands in a field, the memories are fit to store, or one error tells what is wrong."""

    @patiently
    @given(twisted(loaded(FOLDER / name)))
    def endured(value: object) -> None:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
            (Path(folder) / name).write_bytes(json.dumps(value).encode())
            endures(FORMAT, Path(folder))

    endured()


@patiently
@given(
    twisted(loaded(PARTS / "design_chats" / "d-1.json")),
    twisted(loaded(PARTS / "memories" / "acc-1.json")),
)
def test_anything_in_a_part_is_endured(design: object, memory: object) -> None:
    """The same holds for the files that only newer exports have."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(PARTS, folder, dirs_exist_ok=True)
        (Path(folder) / "design_chats" / "d-1.json").write_bytes(json.dumps(design).encode())
        (Path(folder) / "memories" / "acc-1.json").write_bytes(json.dumps(memory).encode())
        endures(FORMAT, Path(folder))


def test_a_browsers_second_download_is_read(tmp_path: Path) -> None:
    """A file that a person names is known by its beginning, whatever it is called."""
    file = tmp_path / "conversations (1).json"
    talk = {"uuid": "c", "chat_messages": [{"uuid": "m", "sender": "human", "text": "Hello"}]}
    file.write_text(json.dumps([talk]), encoding="utf-8")
    assert FORMAT.recognises(file)
    assert [each.text for each in drafts(FORMAT, file)] == ["Hello"]
    assert not FORMAT.recognises(tmp_path)
