"""A table: CSV and what is like it, one memory a row.

Columns are known by their usual names or named by the person; the others become metadata.
"""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING

from memdesk.errors import Invalid
from memdesk.ingest import fields, parts
from memdesk.ingest.item import Format, Item, Skipped
from memdesk.ingest.paper import Unfit, encoded, head, is_text, opened, the_file, why
from memdesk.memory import MAX_TEXT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from memdesk.ingest.item import Choices
    from memdesk.ingest.paper import Paper
    from memdesk.memory import Draft

SUFFIXES = (".csv", ".tsv", ".tab")
_DELIMITERS = ",;\t|"
_LONGEST_ROW = 4 * MAX_TEXT_BYTES
_SAID = re.compile(r"sep=(.)", re.IGNORECASE)
"""How Excel has a first line tell the sign, in place of the columns' names."""
_OURS = ["id", "text", "kind"]
"""How the columns of memdesk's own export begin."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_UNCLOSED = "has a quotation mark without its other one"
_MOST_AGAIN = 8 * _LONGEST_ROW
"""So many characters are read again where a quotation mark is never closed: every line may have one."""
_SHOWN = 30, 40
"""So many columns are named where none holds text, and so much of each name."""


class _Endless(Exception):  # noqa: N818 (it ends a row, it is no error)
    """A row that is longer than any may be."""


class _Lines:
    """The lines of a table, counted, no row of them longer than `_LONGEST_ROW` characters."""

    def __init__(self, file: io.TextIOWrapper) -> None:
        self._file = file
        self._waiting: list[str] = []
        self._again = 0
        self.number = 0
        self.row: list[str] = []
        """The lines of the present row so far."""
        self._size = 0

    def begin(self) -> int:
        """Begin a row and return the number of its first line."""
        self.row, self._size = [], 0
        return self.number + 1

    def put_back(self) -> bool:
        """Give the lines behind a row's first one again; False where that was done too often."""
        again = self.row[1:]
        self._again += sum(map(len, again))
        if again and self._again > _MOST_AGAIN:
            return False
        self._waiting += again[::-1]
        self.number -= len(again)
        return True

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._waiting.pop() if self._waiting else self._line()
        if not line:
            raise StopIteration
        self.number += 1
        self.row.append(line)
        self._size += len(line)
        if self._size >= _LONGEST_ROW:
            raise _Endless
        return line

    def _line(self) -> str:
        """Return the next line of the file; of one that is too long no more than its beginning."""
        line = rest = self._file.readline(_LONGEST_ROW)
        while len(rest) == _LONGEST_ROW and not rest.endswith(("\n", "\r")):
            rest = self._file.readline(_LONGEST_ROW)
        return line


def _plain(cells: list[str]) -> list[str]:
    """Return cells as they were before an export of memdesk marked what looks like a formula."""
    return [
        cell[1:] if cell[1:].startswith(_FORMULA) and cell[0] == "'" else cell for cell in cells
    ]


def _rows(lines: _Lines, delimiter: str) -> Iterator[tuple[int, list[str] | Unfit]]:
    """Yield the line that each row begins at, and its cells, or why it cannot be read."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        begins = lines.begin()
        cells: list[str] | Unfit
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (_Endless, csv.Error):
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            cells = _loosely(lines, delimiter)
        if isinstance(cells, Unfit) or any(cell.strip() for cell in cells):
            yield begins, cells


def _loosely(lines: _Lines, delimiter: str) -> list[str] | Unfit:
    """Return the cells of the first line of a row that is against the rules; the next row follows it.

    What a mark that is never closed would join are rows of their own.
    """
    if len(lines.row[0]) >= _LONGEST_ROW:
        return Unfit("is longer than a row may be")
    reader = csv.reader([lines.row[0], ""], delimiter=delimiter)
    cells = next(reader)
    if not lines.put_back():
        return Unfit(f"{_UNCLOSED}, as too many before it; it takes in what follows")
    return cells if reader.line_num == 1 else Unfit(_UNCLOSED)


def _delimiter(paper: Paper) -> str:
    """Return what parts the cells: of the usual signs the one that the first line has most."""
    start = head(paper.path, 1 << 16).decode(encoded(paper.path), "ignore").lstrip("\ufeff\r\n")
    first = start.splitlines()[0] if start else ""
    if said := _SAID.fullmatch(first):
        return said[1]
    bare = "".join(first.split('"')[::2])
    return max(_DELIMITERS, key=bare.count)


def _read(path: Path, choices: Choices) -> Iterator[Item | Skipped]:
    paper = the_file(path, FORMAT.name)
    csv.field_size_limit(_LONGEST_ROW)
    try:
        with (
            opened(path) as file,
            io.TextIOWrapper(
                file, encoded(path), errors="surrogateescape", newline=""
            ) as characters,
        ):
            yield from _memories(paper, _Lines(characters), choices)
    except UnicodeDecodeError:
        raise Invalid(
            paper.place, "is broken off, or no UTF-16 as it begins; save it as UTF-8"
        ) from None
    except (Unfit, OSError) as error:
        reason = f"cannot be read: {why(error)}" if isinstance(error, OSError) else str(error)
        raise Invalid(paper.place, reason) from None


def _memories(paper: Paper, lines: _Lines, choices: Choices) -> Iterator[Item | Skipped]:
    rows = _rows(lines, _delimiter(paper))
    _, header = next(rows, (0, []))
    if header == ["sep=", ""]:
        _, header = next(rows, (0, []))
    if isinstance(header, Unfit):
        raise header
    columns = _columns([name.lstrip("\ufeff").strip() for name in header])
    meant = _meant(paper, columns, choices.columns)
    ours, found = columns[: len(_OURS)] == _OURS, False
    changed = paper.changed
    for line, row in rows:
        found = True
        cells = _plain(row) if ours and isinstance(row, list) else row
        place = f"{paper.place}, line {line}"
        try:
            yield Item(_drafted(_told(cells, columns, meant), choices, changed), place)
        except Unfit as unfit:
            yield Skipped(place, str(unfit))
    if not found:
        raise Invalid(paper.place, "has no rows below its first one, which names the columns")


def _columns(header: Sequence[str]) -> list[str]:
    """Return a name for every column, each another."""
    names: dict[str, None] = {}
    for number, name in enumerate(header, 1):
        given = name[:200] or f"column {number}"
        names[f"{given} ({number})" if given in names else given] = None
    return list(names)


def _meant(paper: Paper, columns: Sequence[str], chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the field of each column that has one; raises `Invalid` where none holds the text."""
    shown = ", ".join(each[: _SHOWN[1]] for each in columns[: _SHOWN[0]]) or "none"
    meant: dict[str, str] = {}
    for field, column in chosen.items():
        if field not in fields.USUAL:
            known = ", ".join(fields.USUAL)
            raise Invalid("--column", f"“{field[:40]}” is no field of a memory; there are {known}")
        if column not in columns:
            raise Invalid("--column", f"“{column[:40]}” is no column; there are {shown}")
        meant[column] = field
    for column in columns:
        field_ = fields.field_of(column)
        if field_ and column not in meant and field_ not in meant.values():
            meant[column] = field_
    if "text" not in meant.values():
        reason = f"has no column that is known to hold the text; its columns are {shown}"
        raise Invalid(paper.place, f"{reason}; name it with --column text=COLUMN")
    return meant


def _told(
    cells: Sequence[str] | Unfit, columns: Sequence[str], meant: Mapping[str, str]
) -> fields.Told:
    """Return what a row says; raises `Unfit`."""
    if isinstance(cells, Unfit):
        raise cells
    if any(cell.strip() for cell in cells[len(columns) :]):
        raise Unfit("has more cells than the table has columns")
    told = {name: cell for name, cell in zip(columns, cells, strict=False) if cell.strip()}
    if any("\udc80" <= sign <= "\udcff" for cell in told.values() for sign in cell):
        raise Unfit("is not UTF-8 text")
    known: dict[str, object] = {meant[name]: cell for name, cell in told.items() if name in meant}
    if not str(known.get("text", "")).strip():
        raise Unfit("has no text")
    rest: dict[str, object] = {name: cell for name, cell in told.items() if name not in meant}
    return fields.Told(known, _unpacked(rest))


def _unpacked(rest: dict[str, object]) -> dict[str, object]:
    """Return the other cells, what a column of metadata holds among them, as memdesk exports it."""
    try:
        value = json.loads(str(rest.get("metadata")))
    except (ValueError, RecursionError):
        return rest
    if not isinstance(value, dict):
        return rest
    return {**{name: cell for name, cell in rest.items() if name != "metadata"}, **value}


def _drafted(told: fields.Told, choices: Choices, changed: str | None) -> Draft:
    """Return the draft of a row; raises `Unfit`."""
    text, title = str(told.fields["text"]), told.get("title")
    known = parts.begins(text, title)
    return told.drafted(
        text if known else f"{title}\n\n{text}", space=choices.space, created_at=changed
    )


def _recognises(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file() and is_text(path)


FORMAT = Format("csv", "A table (CSV), with --column FIELD=NAME", _recognises, _read)
