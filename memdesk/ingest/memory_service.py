"""mcp-memory-service: its JSON export, and the SQLite file it keeps everything in.

The file is opened read-only, also beside a running server, and read row by row.
"""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from memdesk.errors import Invalid
from memdesk.ingest import paper, values
from memdesk.ingest.bundle import HEAD, only, opened
from memdesk.ingest.item import Choices, Format, Item, Skipped
from memdesk.ingest.streamed import LONGEST, parts
from memdesk.memory import PERSONAL, Draft

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXPECTED = (
    "a JSON object with “memories”, each with “content” and “content_hash”, or its SQLite file"
)
_MAGIC = b"SQLite format 3\0"
_JSON = re.compile(rb"\s*[\[{]")
_WRITE_AHEAD = 2
"""In bytes 18 and 19 of a SQLite file: it keeps a write-ahead log (sqlite.org/fileformat2, 1.3.3)."""
_NEEDED = {"content", "content_hash"}
_OWN = {"content", "tags", "memory_type", "metadata", "created_at", "created_at_iso", "store"}
"""What becomes a draft's own field; the rest goes into its metadata."""
_NOTHING = ("id", "deleted_at", "updated_at", "embedding", "success", "similarity_score")
_NO_TAG = "untagged"
"""What the server gives to a memory without tags."""


def recognises(path: Path) -> bool:
    """Tell whether a file is its export or its database."""
    head = paper.head(path, HEAD)
    if head.startswith(_MAGIC):
        return _has_table(path, head)
    return bool(_JSON.match(head)) and b'"content_hash"' in head and b'"content"' in head


def read(path: Path, choices: Choices) -> Iterator[Item | Skipped]:
    """Yield each memory that is not deleted there, in the order it keeps them."""
    if path.is_dir():
        raise Invalid(str(path), f"is a folder; expected a file: {EXPECTED}")
    head = paper.head(path, HEAD)
    rows = _rows(path, head) if head.startswith(_MAGIC) else _records(path)
    for place, told in rows:
        if told is None:
            yield Skipped(place, "a memory of another shape")
        elif _left(told):
            yield Skipped(place, _left(told))
        else:
            yield values.found(_draft(told, choices), place)


def _left(told: dict[str, Any]) -> str:
    """Return why a memory is not taken over; empty where it is."""
    about = values.mapping(told.get("metadata"))
    if told.get("deleted_at") not in (None, "", 0):
        return "deleted there"
    if told.get("superseded_by") or about.get("superseded_by"):
        return "replaced by a later one there"
    return ""


def _draft(told: dict[str, Any], choices: Choices) -> Draft:
    about = told.get("metadata")
    at = values.moment(told.get("created_at")) or values.moment(told.get("created_at_iso"))
    kind = values.kind(told.get("memory_type"), "note")
    rest = {key: value for key, value in told.items() if key not in _OWN and key not in _NOTHING}
    if values.name(told.get("memory_type")) not in ("", kind):
        rest["memory_type"] = told["memory_type"]
    if at is None:
        rest |= {key: told.get(key) for key in ("created_at", "created_at_iso")}
    store = values.name(told.get("store"))
    return Draft(
        values.words(told.get("content")) or values.name(told.get("content")),
        kind=kind,
        tags=tuple(tag for tag in values.tags(_tags(told.get("tags"))) if tag != _NO_TAG),
        space=choices.space or (store not in ("", "default") and values.space(store)) or PERSONAL,
        created_at=values.exactly(at),
        metadata=values.metadata(
            **values.beside(about if isinstance(about, dict) else {"metadata": about}, rest)
        ),
    )


def _tags(value: object) -> list[object]:
    """Return tags as the server writes them: a list, or words with commas between."""
    if isinstance(value, str):
        listed = _json(value) if value.lstrip().startswith("[") else None
        return listed if isinstance(listed, list) else list(value.split(","))
    return values.sequence(value)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


# JSON


def _records(path: Path) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Yield each memory of an export; None for what is none."""
    fit, wholes, others = False, 0, 0
    with opened(path) as bundle, only(bundle, path, EXPECTED).open() as file:
        for part in parts(file, str(path), EXPECTED):
            if part.key not in ("", "memories"):
                continue
            if not part.number:
                fit = fit or part.value == []
                continue
            whole = isinstance(part.value, dict) and part.value.keys() >= _NEEDED
            wholes, others = wholes + whole, others + (not whole)
            yield f"memory {part.number}", part.value if whole else None
    if not fit or (others and not wholes):
        raise Invalid(str(path), f"has no memories; expected {EXPECTED}")


# SQLite


def _has_table(path: Path, head: bytes) -> bool:
    try:
        with closing(_connected(path, head)) as database:
            return set(_columns(database)) >= _NEEDED
    except (sqlite3.Error, OSError, ValueError):
        return False


def _rows(path: Path, head: bytes) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Yield each row of the table of memories; raises `Invalid` where there is none or it is damaged."""
    try:
        with closing(_connected(path, head)) as database:
            columns = _columns(database)
            if not set(columns) >= _NEEDED:
                raise Invalid(str(path), f"has no table of memories; expected {EXPECTED}")
            wanted = ", ".join(f'"{each}"' for each in columns if each != "embedding")
            for row in database.execute(f"SELECT rowid, {wanted} FROM memories ORDER BY rowid"):  # noqa: S608
                yield _row(columns, row)
    except (sqlite3.Error, sqlite3.Warning, OverflowError, MemoryError) as error:
        locked = "locked" in str(error)
        advice = "stop its server and try again" if locked else "take its JSON export instead"
        raise Invalid(str(path), f"cannot be read as a database: {error}; {advice}") from error


def _row(columns: list[str], row: tuple[Any, ...]) -> tuple[str, dict[str, Any] | None]:
    place = f"row {row[0]}"
    try:
        values = [each.decode() if isinstance(each, bytes) else each for each in row[1:]]
    except UnicodeDecodeError:
        return place, None
    told = dict(zip((each for each in columns if each != "embedding"), values, strict=True))
    if isinstance(told.get("metadata"), str):
        told["metadata"] = _json(told["metadata"])
    return place, told


def _connected(path: Path, head: bytes) -> sqlite3.Connection:
    """Return a connection that cannot write.

    A log beside the file means that a server may be at work, whose last words are in it. Without one
    nobody has it open, and to be told so keeps SQLite from making one.
    """
    logged = head[18:20] == bytes((_WRITE_AHEAD, _WRITE_AHEAD))
    alone = logged and not path.with_name(f"{path.name}-wal").exists()
    address = path.absolute().as_uri() + ("?immutable=1" if alone else "?mode=ro")
    database = sqlite3.connect(address, uri=True, timeout=5)
    database.text_factory = bytes
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
    database.execute("PRAGMA query_only = ON")
    database.execute("PRAGMA trusted_schema = OFF")
    return database


def _columns(database: sqlite3.Connection) -> list[str]:
    """Return the columns of the table of memories that hold a value of their own; none where it is no table."""
    table = (
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'memories' AND rootpage > 0"
    )
    if not database.execute(table).fetchone():
        return []
    told = database.execute("PRAGMA table_xinfo(memories)").fetchall()
    names = [each[1].decode("utf-8", "replace") for each in told if not each[6]]
    return [each for each in names if each.isidentifier()]


FORMAT = Format(
    "memory-service", "mcp-memory-service (JSON export or SQLite file)", recognises, read
)
