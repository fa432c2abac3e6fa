"""mem0 and OpenMemory: what `get_all` returns, the platform's exports, and OpenMemory's backup zip."""

from __future__ import annotations

import gzip
import re
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from memdesk.errors import Invalid
from memdesk.ingest import values
from memdesk.ingest.bundle import HEAD, Entry, bounded, opened
from memdesk.ingest.item import Choices, Format, Item, Skipped
from memdesk.ingest.streamed import Unread, lines, parts
from memdesk.memory import PERSONAL, Draft, now

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXPECTED = "a list of memories, or an object with them in “results”, “memories” or “items”"
_LISTS = ("", "results", "memories", "items", "records")
_RELATIONS = "relations"
_LOOKUPS = ("categories", "apps")
_TEXTS = ("memory", "text", "content", "data")
"""Where a memory's words are, by what wrote it: mem0, older mem0, OpenMemory, a raw payload."""
_NOT_TOLD = {"metadata", "metadata_", "categories", "category_ids", "score"}
_TELLING = re.compile(rb'"(?:user_id|agent_id|run_id|app_id|hash|categories|state|owner_id)"\s*:')
_TEXT = re.compile(rb'"(?:memory|text|data)"\s*:\s*"')
_OPEN_MEMORY = re.compile(rb'"content"\s*:\s*"')
_OPEN_MEMORY_TELLING = re.compile(rb'"(?:app_id|app_name|app|category_ids|owner_id)"\s*:')
_GZIP = b"\x1f\x8b"
_MOST = 1024 * 1024 * 1024
"""Packed lines expand to so many bytes at most."""


def recognises(path: Path) -> bool:
    """Tell whether a file holds memories of mem0 or OpenMemory."""
    if not path.is_file():
        return False
    try:
        with opened(path) as bundle, _file(_entry(bundle.entries, path)) as file:
            head = file.read(HEAD)
    except (Invalid, OSError, EOFError, ValueError):
        return False
    if not re.match(rb"(?:\xef\xbb\xbf)?\s*[\[{]", head) or b'"content_hash"' in head:
        return False
    if _TEXT.search(head) and _TELLING.search(head):
        return True
    return bool(_OPEN_MEMORY.search(head) and _OPEN_MEMORY_TELLING.search(head))


def read(path: Path, choices: Choices) -> Iterator[Item | Skipped]:
    """Yield each memory that is not deleted there, and each relation of the graph."""
    if path.is_dir():
        raise Invalid(str(path), "is a folder; name the exported file")
    with opened(path) as bundle:
        yield from bundle.refused
        entry = _entry(bundle.entries, path)
        for each in bundle.entries:
            if each is not entry and len(bundle.entries) > 1:
                yield Skipped(each.name, "another file of the export")
        read_ = _lines if _by_line(entry) else _parts
        with _file(entry) as file:
            yield from read_(file, str(path), choices)


def _entry(entries: tuple[Entry, ...], path: Path) -> Entry:
    """Return the file that tells most: OpenMemory's lines name what its tables only number."""
    if len(entries) == 1:
        return entries[0]
    for base in ("memories.jsonl.gz", "memories.jsonl", "memories.json"):
        for each in entries:
            if each.base == base:
                return each
    raise Invalid(str(path), "holds no memories.json; expected an export of OpenMemory")


@contextmanager
def _file(entry: Entry) -> Iterator[IO[bytes]]:
    """Give a file, unpacked where it is packed."""
    with entry.open() as file:
        packed = file.read(len(_GZIP)) == _GZIP
    with entry.open() as file:
        if not packed:
            yield file
            return
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield bounded(unpacked, _MOST, entry.where)  # type: ignore[arg-type]


def _by_line(entry: Entry) -> bool:
    """Tell whether each line of a file is an object of its own."""
    if entry.base.removesuffix(".gz").endswith((".jsonl", ".ndjson")):
        return True
    with _file(entry) as file:
        return bool(re.match(rb"(?:\xef\xbb\xbf)?\s*\{[^\n]*\}\s*\n\s*\{", file.read(HEAD)))


def _lines(file: IO[bytes], where: str, choices: Choices) -> Iterator[Item | Skipped]:
    fit = False
    for number, value in lines(file):
        place = f"line {number}"
        if isinstance(value, Unread):
            yield Skipped(place, value.reason)
            continue
        fit = fit or _has_text(value)
        yield _memory(value, place, choices, {})
    if not fit:
        raise Invalid(where, "holds no memory; expected one a line, as JSON")


def _parts(file: IO[bytes], where: str, choices: Choices) -> Iterator[Item | Skipped]:
    """Yield the memories of one JSON document; what their numbers mean stands before them."""
    named: dict[str, str] = {}
    seen, wholes, others = False, 0, 0
    for part in parts(file, where, EXPECTED):
        if part.key in _LOOKUPS and part.number:
            each = values.mapping(part.value)
            named[values.name(each.get("id"))] = values.name(each.get("name"))
        elif part.key == _RELATIONS and part.number:
            yield _relation(part.value, f"relation {part.number}", choices)
        elif part.key in _LISTS and not part.number:
            seen = seen or part.value == []
        elif part.key in _LISTS:
            whole = _has_text(part.value)
            wholes, others = wholes + whole, others + (not whole)
            yield _memory(part.value, f"memory {part.number}", choices, named)
    if not seen or (others and not wholes):
        raise Invalid(where, f"has no memories; expected {EXPECTED}")


def _has_text(value: object) -> bool:
    return any(isinstance(values.mapping(value).get(key), str) for key in _TEXTS)


def _memory(value: object, place: str, choices: Choices, named: dict[str, str]) -> Item | Skipped:
    if not isinstance(value, dict):
        return Skipped(place, "a memory of another shape")
    if (
        value.get("state") == "deleted"
        or value.get("deleted_at")
        or value.get("is_deleted") is True
    ):
        return Skipped(place, "deleted there")
    expires = values.any_moment(value.get("expiration_date"))
    if expires is not None and expires <= now():
        return Skipped(place, "expired there")
    key = next((key for key in _TEXTS if _said(value.get(key))), "")
    created = values.moment(value.get("created_at"))
    used = {key, "created_at"} if created else {key}
    draft = Draft(
        _said(value.get(key)),
        kind="fact",
        tags=values.tags(_tags(value, named)),
        space=choices.space or PERSONAL,
        expires_at=values.exactly(expires),
        created_at=values.exactly(created),
        metadata=_about({key: each for key, each in value.items() if key not in used}, named),
    )
    return values.found(draft, place)


def _said(value: object) -> str:
    """Return a memory's words; a number is one."""
    return values.words(value).strip() or values.name(value)


def _tags(value: dict[str, Any], named: dict[str, str]) -> list[object]:
    """Return the categories, and what of its state still matters."""
    told = [
        each.get("name") if isinstance(each, dict) else each
        for each in values.sequence(value.get("categories"))
    ]
    told += [named.get(values.name(each)) for each in values.sequence(value.get("category_ids"))]
    told += [value["state"]] if value.get("state") in ("archived", "paused") else []
    return told


def _about(value: dict[str, Any], named: dict[str, str]) -> str:
    """Return what else is known of a memory as metadata."""
    rest = {values.name(key): each for key, each in value.items() if key not in _NOT_TOLD}
    app = named.get(values.name(value.get("app_id")))
    own = value.get("metadata") or value.get("metadata_")
    told = (
        {values.name(key): each for key, each in own.items()}
        if isinstance(own, dict)
        else {"metadata": own}
    )
    return values.metadata(**values.beside(told, rest | ({"app": app} if app else {})))


def _relation(value: object, place: str, choices: Choices) -> Item | Skipped:
    """Return an edge of mem0's graph as a sentence."""
    told = values.mapping(value)
    ends = [
        values.name(told.get("source")),
        values.name(told.get("relationship") or told.get("relation")),
        values.name(told.get("target") or told.get("destination")),
    ]
    if not all(ends):
        return Skipped(place, "a relation that lacks an end or a type")
    text = " ".join(" ".join(ends).replace("_", " ").split())
    about = values.metadata(**{"from": ends[0], "relation_type": ends[1], "to": ends[2]})
    return Item(Draft(text, kind="fact", space=choices.space or PERSONAL, metadata=about), place)


FORMAT = Format("mem0", "mem0 or OpenMemory (JSON export or backup)", recognises, read)
