"""Importing from mcp-memory-service: its JSON export, and its database while the server runs."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from read_imports import ANYTHING, BROKEN, DATA, drafts, endures, loaded, patiently, told, twisted

from memdesk.errors import Invalid
from memdesk.ingest.item import Choices
from memdesk.ingest.memory_service import FORMAT

FILE = DATA / "memory-service" / "export.json"
ROWS = loaded(DATA / "memory-service" / "rows.json")
TABLE = (
    "CREATE TABLE memories (id INTEGER PRIMARY KEY AUTOINCREMENT, content_hash TEXT UNIQUE NOT NULL, "
    "content TEXT NOT NULL, tags TEXT, memory_type TEXT, metadata TEXT, created_at REAL, "
    "updated_at REAL, created_at_iso TEXT, updated_at_iso TEXT, deleted_at REAL DEFAULT NULL, "
    "store TEXT DEFAULT 'default')"
)


def database(
    path: Path, rows: list[dict[str, Any]] = ROWS, mode: str = "WAL"
) -> sqlite3.Connection:
    """Return an open database as the server keeps it, with some rows written."""
    made = sqlite3.connect(path, isolation_level=None)
    made.execute("PRAGMA synchronous = OFF")
    made.execute(f"PRAGMA journal_mode = {mode}")
    made.execute(TABLE)
    for row in rows:
        names = ", ".join(row)
        marks = ", ".join("?" * len(row))
        made.execute(f"INSERT INTO memories ({names}) VALUES ({marks})", list(row.values()))
    return made


def test_its_files_are_recognised(tmp_path: Path) -> None:
    """The export is known by its keys, the database by its table, whatever it is called."""
    assert FORMAT.recognises(FILE)
    assert not FORMAT.recognises(DATA / "mem0" / "results.json")
    with closing(database(tmp_path / "memories.bin")):
        pass
    assert FORMAT.recognises(tmp_path / "memories.bin")
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE memories (text TEXT)")
    assert not FORMAT.recognises(tmp_path / "other.db")


def test_counts_of_the_export_survive() -> None:
    """Each memory of the export is taken over, or skipped since a later one took its place."""
    items, skipped = told(FORMAT, FILE)
    assert len(items) + sum(skipped.values()) == len(loaded(FILE)["memories"])
    assert skipped == {"replaced by a later one there": 1}


def test_every_field_of_the_export_lands() -> None:
    """Text, kind, tags, times and metadata of a memory are where they belong."""
    first, second = drafts(FORMAT, FILE)
    assert first.text == "The rain gauge reports over LoRa every ten minutes."
    assert (first.kind, first.tags) == ("decision", ("rain-gauge", "radio"))
    assert first.created_at == "2026-01-02T03:04:05.500000+00:00"
    assert json.loads(first.metadata) == {
        "conversation_id": "c-17",
        "quality_score": 0.75,
        "content_hash": loaded(FILE)["memories"][0]["content_hash"],
    }
    assert (second.kind, second.tags) == ("learning-note", ())
    assert second.created_at == "2026-01-03T04:05:06+00:00"
    assert json.loads(second.metadata)["memory_type"] == "Learning Note"


def test_what_is_no_field_is_metadata(tmp_path: Path) -> None:
    """A text that is a number is one, a time that is none and what its metadata calls the same stay."""
    memory = {
        "content": 5,
        "content_hash": "h",
        "created_at": "bad",
        "metadata": {"content_hash": "inner"},
    }
    (tmp_path / "export.json").write_text(json.dumps({"memories": [memory]}))
    (only,) = drafts(FORMAT, tmp_path / "export.json")
    assert only.text == "5"
    assert json.loads(only.metadata) == {
        "content_hash": "h",
        "created_at": "bad",
        "metadata": {"content_hash": "inner"},
    }


def test_a_page_of_its_api_is_an_export_too(tmp_path: Path) -> None:
    """What GET /api/memories answers, and a bare list, are read like the export."""
    for shape in (
        {"memories": loaded(FILE)["memories"], "total": 3, "page": 1, "has_more": False},
        loaded(FILE)["memories"],
    ):
        (tmp_path / "page.json").write_text(json.dumps(shape), encoding="utf-8")
        assert FORMAT.recognises(tmp_path / "page.json")
        assert len(drafts(FORMAT, tmp_path / "page.json")) == 2


def test_an_empty_export_is_no_error(tmp_path: Path) -> None:
    """An export without memories has the right shape: nothing is imported, and nothing is wrong."""
    (tmp_path / "none.json").write_text('{"export_metadata": {}, "memories": []}', encoding="utf-8")
    assert told(FORMAT, tmp_path / "none.json") == ([], {})


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_rows_become_memories(mode: str, tmp_path: Path) -> None:
    """Rows are taken over with all their fields; tombstones are skipped for a reason."""
    with closing(database(tmp_path / "sqlite_vec.db", mode=mode)):
        pass
    items, skipped = told(FORMAT, tmp_path / "sqlite_vec.db")
    assert len(items) + sum(skipped.values()) == len(ROWS)
    assert skipped == {"deleted there": 1}
    first, second = (each.draft for each in items)
    assert (first.kind, first.tags, first.space) == ("decision", ("rain-gauge", "radio"), "garden")
    assert first.created_at == "2026-01-02T03:04:05.500000+00:00"
    assert json.loads(first.metadata)["conversation_id"] == "c-17"
    assert (second.kind, second.tags, second.space) == (
        "note",
        ("bees", "spring, early"),
        "personal",
    )
    assert second.created_at is None
    assert json.loads(second.metadata) == {
        "metadata": "not json",
        "content_hash": "aa03",
    }


def test_a_chosen_space_holds_for_all(tmp_path: Path) -> None:
    """--space decides, also where a row names its own store."""
    with closing(database(tmp_path / "sqlite_vec.db")):
        pass
    chosen = drafts(FORMAT, tmp_path / "sqlite_vec.db", Choices(space="old desk"))
    assert {each.space for each in chosen} == {"old desk"}


def test_it_is_read_while_the_server_writes(tmp_path: Path) -> None:
    """What stands only in the server's log is read, too, and the server is not kept from writing."""
    path = tmp_path / "sqlite_vec.db"
    with closing(database(path)) as server:
        assert path.with_name("sqlite_vec.db-wal").stat().st_size
        found = iter(FORMAT.read(path, Choices()))
        first = next(found)
        server.execute(
            "INSERT INTO memories (content_hash, content) VALUES ('bb', 'Written meanwhile')"
        )
        assert len([first, *found]) == len(ROWS)
        assert len(list(FORMAT.read(path, Choices()))) == len(ROWS) + 1


def test_nothing_is_left_beside_it(tmp_path: Path) -> None:
    """Reading a database changes neither it nor its folder."""
    path = tmp_path / "sqlite_vec.db"
    with closing(database(path)):
        pass
    before = path.read_bytes()
    told(FORMAT, path)
    assert FORMAT.recognises(path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == before


def test_older_databases_are_read(tmp_path: Path) -> None:
    """A database from before there were tombstones and stores is read all the same."""
    with closing(sqlite3.connect(tmp_path / "old.db", isolation_level=None)) as old:
        old.execute("CREATE TABLE memories (content_hash TEXT, content TEXT, tags TEXT)")
        old.execute("INSERT INTO memories VALUES ('a', 'An old one', 'x, y')")
    (only,) = drafts(FORMAT, tmp_path / "old.db")
    assert (only.text, only.tags) == ("An old one", ("x", "y"))


def test_a_view_in_the_place_of_the_table_is_refused(tmp_path: Path) -> None:
    """A database whose memories are computed is not read: that may never end."""
    path = tmp_path / "trap.db"
    with closing(sqlite3.connect(path)) as trap:
        trap.execute(
            "CREATE VIEW memories AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
            "SELECT i AS content_hash, i AS content FROM n"
        )
    assert not FORMAT.recognises(path)
    with pytest.raises(Invalid, match="no table of memories"):
        list(FORMAT.read(path, Choices()))


def test_a_damaged_database_is_one_error(tmp_path: Path) -> None:
    """Whatever page of a database is broken or missing, one error names the file, or all is read."""
    path = tmp_path / "sqlite_vec.db"
    rows = [{"content_hash": str(n), "content": "word " * 200} for n in range(100)]
    with closing(database(path, rows)):
        pass
    whole = path.read_bytes()
    for at in range(0, len(whole), 4096):
        path.write_bytes(whole[:at] + b"\xff" * 4096 + whole[at + 4096 :])
        endures(FORMAT, path)
        path.write_bytes(whole[:at])
        endures(FORMAT, path)


def test_bytes_that_are_no_text_are_skipped(tmp_path: Path) -> None:
    """A row that is not UTF-8 is counted, and the others are read."""
    rows: list[dict[str, Any]] = [
        {"content_hash": "a", "content": b"\xff\xfe"},
        {"content_hash": "b", "content": "Fine"},
    ]
    with closing(database(tmp_path / "sqlite_vec.db", rows)):
        pass
    items, skipped = told(FORMAT, tmp_path / "sqlite_vec.db")
    assert [each.draft.text for each in items] == ["Fine"]
    assert skipped == {"a memory of another shape": 1}


@pytest.mark.parametrize("name", BROKEN)
def test_another_file_is_refused(name: str, tmp_path: Path) -> None:
    """A file of another shape is an error that names it and says what was expected."""
    file = tmp_path / "export.json"
    file.write_bytes(BROKEN[name])
    assert not FORMAT.recognises(file)
    with pytest.raises(Invalid, match="expected") as caught:
        list(FORMAT.read(file, Choices()))
    assert str(file) in str(caught.value)


@patiently
@given(twisted(loaded(FILE)))
def test_anything_in_a_field_is_endured(value: object) -> None:
    """Whatever stands in a field, the memories are fit to store, or one error tells what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "export.json"
        file.write_bytes(json.dumps(value).encode())
        endures(FORMAT, file)


@patiently
@given(twisted(ROWS), ANYTHING)
def test_anything_in_a_column_is_endured(rows: list[object], extra: object) -> None:
    """SQLite keeps any value in any column; the same holds for them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sqlite_vec.db"
        fit: list[dict[str, Any]] = []
        for number, row in enumerate(rows):
            told_of = row if isinstance(row, dict) else {}
            kept = {name: _kept(value) for name, value in told_of.items() if name in ROWS[0]}
            fit.append(
                kept
                | {
                    "content_hash": str(number),
                    "content": _kept(told_of.get("content", extra)) or "",
                }
            )
        with closing(database(path, fit, "MEMORY")):
            pass
        endures(FORMAT, path)


def _kept(value: object) -> object:
    """Return a value as SQLite can hold one."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass") if "\ud800" in value else _encodable(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value if isinstance(value, int | float | None) else json.dumps(value)


def _encodable(text: str) -> str | bytes:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def test_another_table_of_memories_is_one_error(tmp_path: Path) -> None:
    """It is no server's work, so that the advice is not to stop one."""
    with closing(sqlite3.connect(tmp_path / "odd.db")) as odd:
        odd.execute(
            "CREATE TABLE memories (content_hash TEXT PRIMARY KEY, content TEXT) WITHOUT ROWID"
        )
    with pytest.raises(Invalid, match="rowid; take its JSON export instead"):
        list(FORMAT.read(tmp_path / "odd.db", Choices()))
