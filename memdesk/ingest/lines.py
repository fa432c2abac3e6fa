"""memdesk's own JSON lines: memories with all that they were before, nothing left out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from memdesk.answers import Whole, document
from memdesk.errors import Invalid
from memdesk.ingest.item import Choices, Format, Item, Skipped
from memdesk.ingest.paper import Unfit, head, opened, why
from memdesk.ingest.streamed import crowded
from memdesk.memory import LIVE, Draft, Memory, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

NAME, VERSION = "memdesk", 1
HEADER = json.dumps({"format": NAME, "version": VERSION})
"""The first line: it says what follows."""
_LONGEST_HEADER = 1000
LONGEST_LINE = 64 << 20
"""In bytes; what memdesk writes is far shorter."""
LONGEST_PIECE = 4 << 20
"""So much of a history stands in one line, in characters; what is more stands in lines after it."""
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What ends a line for some programs, or commands a terminal."""
_EARLIER = "earlier"
_UNREAD = "is no memory as memdesk writes it"
_LONG = "its line is longer than memdesk writes it"
_ALONE = "goes on with a memory that does not stand above it"


@dataclass(frozen=True, slots=True)
class Line:
    """One memory of a file, with its history."""

    whole: Whole
    place: str


@dataclass(frozen=True, slots=True)
class _More:
    """What a line tells more of the history of a memory above it."""

    id: str
    earlier: tuple[Memory, ...]
    place: str


# Writing


def rows(whole: Whole) -> Iterator[str]:
    """Yield a memory with its history as a line of JSON, without a line end; a long history as several."""
    pieces = _pieces(whole.earlier)
    yield _row(_told(whole.memory) | {_EARLIER: next(pieces, [])})
    for piece in pieces:
        yield _row({"id": whole.memory.id, _EARLIER: piece})


def _pieces(revisions: Iterable[Memory]) -> Iterator[list[dict[str, Any]]]:
    piece, size = list[dict[str, Any]](), 0
    for each in revisions:
        length = len(each.text) + len(each.metadata)
        if piece and size + length > LONGEST_PIECE:
            yield piece
            piece, size = [], 0
        piece.append(_told(each))
        size += length
    if piece:
        yield piece


def _row(told: dict[str, Any]) -> str:
    return _ESCAPED.sub(_escape, json.dumps(told, ensure_ascii=False))


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _told(memory: Memory) -> dict[str, Any]:
    """Return the fields but for the seq, which is another one in every store."""
    told: dict[str, Any] = document(memory)
    del told["seq"]
    return told


# Reading


def recognises(path: Path) -> bool:
    """Tell whether the first line says that a file is an export of memdesk."""
    return _is_header(head(path, _LONGEST_HEADER).partition(b"\n")[0])


def _is_header(first: bytes) -> bool:
    try:
        told = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and told.get("format") == NAME and "version" in told


def lines(path: Path) -> Iterator[Line | Skipped]:
    """Yield every memory of an export; raises `Invalid` for a file that is none, or of a later memdesk."""
    last: Line | None = None
    for each in _lines(path):
        if isinstance(each, Skipped):
            yield each
        elif isinstance(each, Line):
            if last:
                yield last
            last = each
        elif last and last.whole.memory.id == each.id:
            last = replace(last, whole=Whole(last.whole.memory, last.whole.earlier + each.earlier))
        else:
            yield Skipped(each.place, _ALONE)
    if last:
        yield last


def _lines(path: Path) -> Iterator[Line | _More | Skipped]:
    try:
        with opened(path) as file:
            _check_header(path, file.readline(_LONGEST_HEADER))
            for number, row in enumerate(_bounded(file), start=2):
                place = f"{path.name}, line {number}"
                if row is None:
                    yield Skipped(place, _LONG)
                elif row.strip():
                    yield _read(row, place)
    except Unfit as unfit:
        raise Invalid(str(path), str(unfit)) from None
    except OSError as error:
        raise Invalid(str(path), f"cannot be read: {why(error)}") from error


def _bounded(file: BinaryIO) -> Iterator[bytes | None]:
    """Yield each line; None for one that is longer than any may be, of which nothing is kept."""
    while row := file.readline(LONGEST_LINE + 1):
        fits = len(row) <= LONGEST_LINE
        while not fits and row and not row.endswith(b"\n"):
            row = file.readline(LONGEST_LINE)
        yield row if fits else None


def _check_header(path: Path, first: bytes) -> None:
    if not _is_header(first):
        raise Invalid(str(path), f"is no export of memdesk: its first line is not {HEADER}")
    version = json.loads(first)["version"]
    if version != VERSION:
        raise Invalid(
            str(path), f"was written by a later memdesk (version {version!r:.20}); update this one"
        )


def _read(row: bytes, place: str) -> Line | _More | Skipped:
    try:
        text = row.decode()
        if crowded(text):
            return Skipped(place, _UNREAD)
        told = json.loads(text)
        earlier = tuple(_memory(each) for each in told.pop(_EARLIER, ()))
        if told.keys() == {"id"}:
            return _More(_word(told["id"]), earlier, place)
        return Line(Whole(_memory(told), earlier), place)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
        return Skipped(place, _UNREAD)


def _memory(told: dict[str, Any]) -> Memory:
    """Return the memory of a JSON object; raises `LookupError`, `TypeError` or `ValueError`."""
    values = {each.name: told[each.name] for each in fields(Memory) if each.name != "seq"}
    if unknown := told.keys() - values.keys():
        raise ValueError(unknown)
    for name, kind in _KINDS.items():
        if not isinstance(values[name], kind) or isinstance(values[name], bool) != (kind is bool):
            raise TypeError(name)
    for name in _TIMES:
        values[name] = _time(values[name])
    for name in _LISTS:
        values[name] = _words(values[name])
    source = values["source"]
    values["source"] = Source(*(_word(source[each]) for each in ("name", "trust", "ref")))
    values["metadata"] = json.dumps(values["metadata"], ensure_ascii=False, sort_keys=True)
    if values["confidence"] is not None:
        values["confidence"] = float(values["confidence"])
    return Memory(**values, seq=0)


_TEXT, _TEXT_OR_NONE, _NUMBER_OR_NONE = str, (str, type(None)), (int, type(None))
_KINDS: dict[str, Any] = {
    **dict.fromkeys(("id", "text", "kind", "space", "state", "content_hash"), _TEXT),
    **dict.fromkeys(("device", "change", "actor"), _TEXT),
    **dict.fromkeys(("session", "role", "speaker", "happened_precision"), _TEXT_OR_NONE),
    **dict.fromkeys(("replaces", "replaced_by", "reviewed"), _TEXT_OR_NONE),
    **dict.fromkeys(("happened_at", "expires_at"), _TEXT_OR_NONE),
    **dict.fromkeys(("created_at", "updated_at"), _TEXT),
    **dict.fromkeys(("position", "utc_offset_min"), _NUMBER_OR_NONE),
    **dict.fromkeys(("clock_ms", "clock_n"), int),
    **dict.fromkeys(("tags", "audience", "flags"), list),
    **dict.fromkeys(("source", "metadata"), dict),
    "pinned": bool,
    "confidence": (int, float, type(None)),
}
_TIMES = ("happened_at", "created_at", "updated_at", "expires_at")
_LISTS = ("tags", "audience", "flags")


def _time(told: str | None) -> datetime | None:
    if told is None:
        return None
    at = datetime.fromisoformat(told)
    if at.tzinfo is None:
        raise ValueError(told)
    return at.astimezone(UTC)


def _words(told: list[Any]) -> tuple[str, ...]:
    return tuple(_word(each) for each in told)


def _word(told: Any) -> str:
    if not isinstance(told, str):
        raise TypeError
    return told


# As any other format, for whoever wants drafts


def read(path: Path, choices: Choices) -> Iterator[Item | Skipped]:
    """Yield the live memories of an export as drafts; an import takes `lines`, and loses nothing."""
    del choices  # every memory says its space
    for each in lines(path):
        if isinstance(each, Skipped):
            yield each
        elif each.whole.memory.state == LIVE:
            yield Item(_draft(each.whole.memory), each.place)
        else:
            yield Skipped(each.place, "not live")


def _draft(memory: Memory) -> Draft:
    names = ("text", "kind", "tags", "space", "session", "position", "role", "speaker", "metadata")
    return replace(
        Draft(**{name: getattr(memory, name) for name in names}),
        created_at=memory.created_at.isoformat(),
        confidence=memory.confidence,
        pinned=memory.pinned,
    )


FORMAT = Format(NAME, "An export of memdesk: JSON lines", recognises, read)
