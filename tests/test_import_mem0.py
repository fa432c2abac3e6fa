"""Importing from mem0 and OpenMemory: their JSON and OpenMemory's backup."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from read_imports import (
    BROKEN,
    DATA,
    as_lines,
    drafts,
    endures,
    lines,
    loaded,
    patiently,
    told,
    twisted,
    zipped,
)

from memdesk.errors import Invalid
from memdesk.ingest.item import Choices
from memdesk.ingest.mem0 import FORMAT

RESULTS = DATA / "mem0" / "results.json"
LIST = DATA / "mem0" / "list.json"
TABLES = DATA / "mem0" / "openmemory" / "memories.json"
LINES = DATA / "mem0" / "openmemory" / "memories.jsonl"


def backup(folder: Path) -> Path:
    """Return the zip that OpenMemory's page of settings gives."""
    (folder / "backup").mkdir()
    (folder / "backup" / "memories.json").write_bytes(TABLES.read_bytes())
    (folder / "backup" / "memories.jsonl.gz").write_bytes(gzip.compress(LINES.read_bytes()))
    return zipped(folder / "backup", folder / "memories_export_ada.zip")


def test_its_files_are_recognised(tmp_path: Path) -> None:
    """What mem0 and OpenMemory write is known by its keys; what others write is not taken for it."""
    (tmp_path / "memories.jsonl.gz").write_bytes(gzip.compress(LINES.read_bytes()))
    for file in (RESULTS, LIST, TABLES, LINES, backup(tmp_path), tmp_path / "memories.jsonl.gz"):
        assert FORMAT.recognises(file), file
    for other in (
        "memory-service/export.json",
        "server-memory/memory.jsonl",
        "claude-ai",
        "chatgpt",
    ):
        assert not FORMAT.recognises(DATA / other)


def test_counts_survive(tmp_path: Path) -> None:
    """Every memory and relation is taken over, or skipped for a reason."""
    items, skipped = told(FORMAT, RESULTS)
    assert len(items) + sum(skipped.values()) == sum(map(len, loaded(RESULTS).values()))
    assert skipped == {"expired there": 1}
    for file, count in ((LIST, 2), (TABLES, 3), (LINES, 3)):
        items, skipped = told(FORMAT, file)
        assert len(items) + sum(skipped.values()) == count
    items, skipped = told(FORMAT, backup(tmp_path))
    assert len(items) == 2
    assert skipped == {"deleted there": 1, "another file of the export": 1}


def test_every_field_lands() -> None:
    """Text, categories, times and whose memory it is are where they belong."""
    first, second, relation = drafts(FORMAT, RESULTS)
    assert (first.text, first.kind) == ("Ada prefers tea to coffee", "fact")
    assert first.tags == ("preferences", "food")
    assert first.created_at == "2026-02-03T18:15:30.123456+00:00"
    assert json.loads(first.metadata) == {
        "source": "kitchen",
        "id": "0b8d6a6e-6c1b-4c55-8a62-6a9a1b3f9b10",
        "hash": "d41d8cd98f00b204e9800998ecf8427e",
        "user_id": "ada",
        "agent_id": "helper",
        "run_id": "r-9",
    }
    assert second.created_at == "2026-01-02T03:04:05+00:00"
    assert relation.text == "ada lives in harbour town"
    assert json.loads(relation.metadata)["relation_type"] == "lives_in"


def test_what_is_no_field_is_metadata(tmp_path: Path) -> None:
    """Other texts, times that are none and names that its own metadata has, too, are kept."""
    file = tmp_path / "mem0.json"
    memory = {
        "memory": "Likes tea",
        "text": "Other words",
        "data": {"important": "thing"},
        "user_id": "a",
        "created_at": "not a date",
        "metadata": {"user_id": "inner", "mood": "sure"},
    }
    file.write_text(json.dumps([memory]))
    (only,) = drafts(FORMAT, file)
    assert only.text == "Likes tea"
    assert json.loads(only.metadata) == {
        "text": "Other words",
        "data": {"important": "thing"},
        "user_id": "a",
        "created_at": "not a date",
        "mood": "sure",
        "metadata": {"user_id": "inner"},
    }


def test_a_text_that_is_a_number_and_a_time_long_ago(tmp_path: Path) -> None:
    """A number is a memory's words, and a negative one a time before 1970."""
    file = tmp_path / "mem0.json"
    memories = [{"memory": 12, "created_at": -86400}, {"memory": "x", "created_at": "-2000000000"}]
    file.write_text(json.dumps(memories))
    assert [(each.text, each.created_at) for each in drafts(FORMAT, file)] == [
        ("12", "1969-12-31T00:00:00+00:00"),
        ("x", "1906-08-16T20:26:40+00:00"),
    ]


def test_a_memory_that_expires_later_keeps_its_date(tmp_path: Path) -> None:
    """An expiration date that is still to come is the memory's own."""
    file = tmp_path / "mem0.json"
    file.write_text('[{"memory": "Is away", "user_id": "a", "expiration_date": "2999-01-02"}]')
    assert drafts(FORMAT, file)[0].expires_at == "2999-01-02T00:00:00+00:00"


@pytest.mark.parametrize("file", [TABLES, LINES])
def test_an_openmemory_backup_keeps_categories_and_apps(file: Path) -> None:
    """The tables' numbers become the names that the lines have; archived ones say so."""
    first, second = drafts(FORMAT, file)
    assert (first.text, first.tags) == ("Uses tabs in Makefiles only", ("work",))
    assert json.loads(first.metadata)["app"] == "cursor"
    assert json.loads(first.metadata)["mood"] == "sure"
    assert second.tags == ("archived",)


def test_a_page_of_openmemory_is_read(tmp_path: Path) -> None:
    """What its list of memories answers has other names for the same."""
    page = {
        "items": [
            {
                "id": "m-1",
                "content": "Uses tabs",
                "created_at": 1767600000,
                "state": "active",
                "app_id": "a-1",
                "app_name": "cursor",
                "categories": ["work"],
                "metadata_": {"mood": "sure"},
            }
        ],
        "total": 1,
    }
    (tmp_path / "page.json").write_text(json.dumps(page), encoding="utf-8")
    assert FORMAT.recognises(tmp_path / "page.json")
    (only,) = drafts(FORMAT, tmp_path / "page.json")
    assert (only.text, only.tags) == ("Uses tabs", ("work",))
    assert json.loads(only.metadata)["mood"] == "sure"


def test_a_backup_that_expands_beyond_all_reason_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packed lines are not unpacked without end."""
    monkeypatch.setattr("memdesk.ingest.mem0._MOST", 1_000_000)
    line = b'{"content": "x", "app": "a", "pad": "' + b" " * 10_000 + b'"}\n'
    bomb = tmp_path / "memories.jsonl.gz"
    bomb.write_bytes(gzip.compress(line * 1000))
    with pytest.raises(Invalid, match="expands to over"):
        list(FORMAT.read(bomb, Choices()))
    bomb.write_bytes(gzip.compress(LINES.read_bytes())[:-9])
    endures(FORMAT, bomb)


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_another_file_is_refused(name: str, ending: str, tmp_path: Path) -> None:
    """A file of another shape is an error that names it and says what was expected."""
    file = tmp_path / f"export.{ending}"
    file.write_bytes(BROKEN[name])
    assert not FORMAT.recognises(file)
    with pytest.raises(Invalid, match="expected") as caught:
        list(FORMAT.read(file, Choices()))
    assert str(file) in str(caught.value)


@patiently
@given(twisted(loaded(RESULTS)) | twisted(loaded(LIST)) | twisted(loaded(TABLES)))
def test_anything_in_a_field_is_endured(value: object) -> None:
    """Whatever stands in a field, the memories are fit to store, or one error tells what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "export.json"
        file.write_bytes(json.dumps(value).encode())
        endures(FORMAT, file)


@patiently
@given(twisted(lines(LINES)))
def test_anything_in_a_line_is_endured(values: list[object]) -> None:
    """The same holds for lines."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "memories.jsonl"
        file.write_bytes(as_lines(values))
        endures(FORMAT, file)
