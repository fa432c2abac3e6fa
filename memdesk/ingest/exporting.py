"""An export: memories one after the other, as JSON lines, a table, or a folder of Markdown."""

from __future__ import annotations

import csv
import io
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from memdesk.answers import document
from memdesk.errors import Invalid
from memdesk.ingest import leaves
from memdesk.ingest.lines import HEADER, rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from memdesk.answers import Whole
    from memdesk.memory import Filter, Memory
    from memdesk.service import Service

_FEW, _MOST = 20, 200
_PAGE_BYTES = 4 << 20
_COLUMNS = (
    *("id", "text", "kind", "tags", "space", "happened_at", "created_at", "updated_at"),
    *("expires_at", "pinned", "state", "source", "trust", "ref", "session", "position", "role"),
    *("speaker", "confidence", "flags", "metadata"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes a cell for a formula by (OWASP, CSV Injection)."""


def wholes(desk: Service, where: Filter) -> Iterator[Whole]:
    """Yield memories with their histories, the oldest first, without having many of them at once."""
    cursor, limit = None, _FEW
    while True:
        page = desk.wholes(where=where, limit=limit, cursor=cursor)
        yield from page.memories
        if page.cursor is None:
            return
        size = sum(len(each.memory.text) * (1 + len(each.earlier)) for each in page.memories)
        limit = max(1, min(_MOST, limit * _PAGE_BYTES // max(size, 1)))
        cursor = page.cursor


def json_lines(found: Iterable[Whole]) -> Iterator[str]:
    """Yield the lines of an export that loses nothing."""
    yield HEADER + "\n"
    for each in found:
        for row in rows(each):
            yield row + "\n"


def table(found: Iterable[Whole]) -> Iterator[str]:
    """Yield the rows of a table of comma-separated values, after its head: one memory each.

    A cell that a spreadsheet would take for a formula begins with an apostrophe.
    """
    yield _row(_COLUMNS)
    for each in found:
        yield _row(_cells(each.memory))


def _row(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _cells(memory: Memory) -> list[str]:
    told = document(memory) | {
        "tags": ", ".join(memory.tags),
        "flags": ", ".join(memory.flags),
        "source": memory.source.name,
        "trust": memory.source.trust,
        "ref": memory.source.ref,
        "metadata": memory.metadata,
    }
    return [_cell(told[name]) for name in _COLUMNS]


def _cell(value: object) -> str:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def write_notes(found: Iterable[Whole], folder: Path) -> int:
    """Write each memory as a Markdown file into a new or empty folder; return how many they are."""
    _make(folder)
    names: set[str] = set()
    for each in found:
        name = leaves.name_of(each.memory, names)
        names.add(name.casefold())
        with written(folder / name) as file:
            file.write(leaves.leaf(each.memory))
    return len(names)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise Invalid("--to", f"{folder} is not empty; name a new or an empty folder")
    except OSError as error:
        raise Invalid("--to", f"{folder} cannot be used: {error.strerror}") from error


@contextmanager
def written(path: Path) -> Iterator[TextIO]:
    """Lend a file that only its owner reads; it is at its place once all is in it, or not at all."""
    with beside(path) as part:
        made = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(made, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 (of a descriptor)
            yield file
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Lend the place of a file that is to take the place of another, which a link may lead to."""
    try:
        if path.is_dir():
            raise Invalid("--to", f"{path} is a folder; name a file")
        if path.exists() and not path.is_file():
            raise Invalid("--to", f"{path} is a pipe or a device; name a file, or leave --to out")
        target = path.resolve()
        part = target.with_name(f".{target.name[:50]}.{os.getpid()}.part")
    except (OSError, RuntimeError) as error:  # links that go round in a circle, say
        raise Invalid("--to", f"{path} cannot be written: {error}") from error
    try:
        yield part
        part.replace(target)
    except OSError as error:
        raise Invalid("--to", f"{path} cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            part.unlink()
