"""Memento's texts come in with what their .meta files say of them."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from memdesk.errors import Invalid
from memdesk.ingest import memento
from memdesk.ingest.formats import recognised
from memdesk.ingest.item import Choices, Item
from memdesk.memory import Draft
from memdesk.service.drafting import check

DATA = Path(__file__).parent / "data" / "imports" / "memento"
MEETING = "20250714_143052_meeting.txt"


def read(path: Path, space: str | None = None) -> dict[str, Draft | str]:
    """Return what the reader yields by its place: a draft, or why there is none."""
    return {
        each.place: each.draft if isinstance(each, Item) else each.reason
        for each in memento.FORMAT.read(path, Choices(space))
    }


@pytest.fixture
def alice(tmp_path: Path) -> Path:
    """Return a user's folder that a test may change."""
    return Path(shutil.copytree(DATA / "alice", tmp_path / "alice"))


def test_a_memory_has_all_that_is_known_of_it() -> None:
    """Text, description, tags, time and name land; what follows from them does not."""
    draft = read(DATA / "alice")[MEETING]
    assert isinstance(draft, Draft)
    assert draft.text == "Team meeting\n\nBudget approved: 4,000 for the new shelves.\n"
    assert draft.tags == ("work", "meeting")
    assert draft.created_at == "2025-07-14T14:30:52.104233"
    assert json.loads(draft.metadata) == {"filename": "meeting.txt", "description": "Team meeting"}
    assert draft.space == "personal"
    check(draft, datetime.now(UTC))


def test_each_of_several_users_has_a_space() -> None:
    """What Memento kept apart stays apart, unless the person names a space for all."""
    found = [each for each in read(DATA).values() if isinstance(each, Draft)]
    assert [each.space for each in found] == ["alice", "bob"]
    found = [each for each in read(DATA, "team").values() if isinstance(each, Draft)]
    assert [each.space for each in found] == ["team", "team"]


def test_recognised_by_its_meta_files(tmp_path: Path, alice: Path) -> None:
    """The folder of a user and that of all are known; .meta files of others are not."""
    assert recognised(DATA) is memento.FORMAT
    assert recognised(alice) is memento.FORMAT
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "scene.meta").write_text('{"guid": "1f"}')
    assert not memento.FORMAT.recognises(tmp_path / "other")
    assert not memento.FORMAT.recognises(alice / MEETING)


def test_a_text_without_its_meta_file_comes_in(alice: Path) -> None:
    """What was stored just before a crash is a memory, too; its name tells that Memento made it."""
    (alice / "20250715_080000_note").write_text("Left alone.")
    (alice / "readme.txt").write_text("Not of Memento.")
    found = read(alice)
    draft = found["20250715_080000_note"]
    assert isinstance(draft, Draft)
    assert draft.text == "Left alone."
    assert found["readme.txt"] == "is no memory of Memento"


@pytest.mark.parametrize("meta", ["{", "[]", '"x"', "[" * 100_000, "\ud7ff\0", ""])
def test_a_broken_meta_file_is_told(alice: Path, meta: str) -> None:
    """The text comes in without it."""
    (alice / f"{MEETING}.meta").write_text(meta)
    found = read(alice)
    draft = found.pop(MEETING)
    assert isinstance(draft, Draft)
    assert draft.text.startswith("Budget")
    assert set(found) == {f"{MEETING}.meta"}


def test_a_meta_file_leads_nowhere_else(tmp_path: Path, alice: Path) -> None:
    """The text is the file beside it, whatever name is written inside."""
    (tmp_path / "secret.txt").write_text("outside")
    (alice / f"{MEETING}.meta").write_text(
        '{"stored_filename": "../secret.txt", "content_hash": "", "tags": "a, b", "timestamp": 7}'
    )
    draft = read(alice)[MEETING]
    assert isinstance(draft, Draft)
    assert draft.text.startswith("Budget")
    assert draft.tags == ("a", "b")
    check(draft, datetime.now(UTC))


def test_what_has_no_text_is_told(alice: Path) -> None:
    """A memory whose text is gone, one that is no text, and a link are skipped for their reasons."""
    (alice / MEETING).write_bytes(b"caf\xe9")
    (alice / "20250101_000000_gone.txt.meta").write_text("{}")
    (alice / "20250102_000000_link.txt").symlink_to(alice / MEETING)
    assert read(alice) == {
        MEETING: "is not UTF-8 text",
        "20250101_000000_gone.txt.meta": "has lost its text",
        "20250102_000000_link.txt": "is a symbolic link",
    }


def test_what_is_no_folder_of_memento_is_refused(alice: Path) -> None:
    """Nothing to import is a failure."""
    with pytest.raises(Invalid, match="holds no text with a"):
        read(DATA.parent / "csv")
    with pytest.raises(Invalid, match="is no folder"):
        read(alice / MEETING)


def test_a_description_that_is_no_text_is_marked(alice: Path) -> None:
    """Half a character in it is replaced, and the memory comes in."""
    (alice / f"{MEETING}.meta").write_text('{"description": "d\\ud800"}')
    draft = read(alice)[MEETING]
    assert isinstance(draft, Draft)
    assert draft.text.startswith("d\ufffd\n\nBudget")
    check(draft, datetime.now(UTC))


@pytest.mark.parametrize("field", ["description", "tags", "mood"])
def test_a_meta_file_that_is_nested_too_deep_is_told(alice: Path, field: str) -> None:
    """At any depth the memory comes in, or is skipped for a reason."""
    for depth in range(900, 1000, 3):
        (alice / f"{MEETING}.meta").write_text(f'{{"{field}": {"[" * depth}{"]" * depth}}}')
        assert read(alice)[MEETING]


def test_a_meta_file_that_is_a_link_is_not_followed(tmp_path: Path, alice: Path) -> None:
    """It may lead anywhere: the text comes in without it."""
    meta = alice / f"{MEETING}.meta"
    meta.rename(tmp_path / "elsewhere")
    meta.symlink_to(tmp_path / "elsewhere")
    found = read(alice)
    draft = found.pop(MEETING)
    assert isinstance(draft, Draft)
    assert draft.text.startswith("Budget")
    assert found == {f"{MEETING}.meta": "is a symbolic link"}
