"""PDF: the text of one file, page by page; what is a picture of text has none."""

from __future__ import annotations

import json
import logging
import os
import re
from time import monotonic
from typing import TYPE_CHECKING

from memdesk.ingest import parts
from memdesk.ingest.fields import past
from memdesk.ingest.item import Format, Skipped
from memdesk.ingest.paper import MAX_FILE_BYTES, Unfit, fitting, head, opened, the_file
from memdesk.memory import PERSONAL, Draft, clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pypdf

    from memdesk.ingest.item import Choices, Item
    from memdesk.ingest.paper import Paper

SUFFIX = ".pdf"
_MARK = b"%PDF-"
_MOST_BYTES = 256 * 1024 * 1024
_MOST_PAGES = 5000
_LONGEST = 120.0
"""Seconds for one file: a page may ask for a lot of work."""
_LONGEST_TITLE = 300
_BROKEN = "is no PDF that can be read"
_TOO_LARGE = "is too large a PDF"
_DATE = re.compile(r"D:(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(?:(Z)|([+-]\d\d)'?(\d\d))?.*")


def notes(paper: Paper, choices: Choices) -> Iterator[Item | Skipped]:
    """Yield the one memory of a PDF, of a long one its parts; raises `Unfit`."""
    with opened(paper.path) as file:
        if os.fstat(file.fileno()).st_size > _MOST_BYTES:
            raise Unfit(_TOO_LARGE)
        reader = _opened(file)
        told, pages = _told(reader), _pages(reader)
    for number, page in enumerate(pages, 1):
        if page is None:
            yield Skipped(f"{paper.place}, page {number}", "is no page that can be read")
    title = told.pop("title", "") or paper.title
    created = _date(told.pop("created", "")) or paper.changed

    def drafted(text: str, part: dict[str, int]) -> Draft:
        return Draft(
            text,
            kind="document",
            space=choices.space or PERSONAL,
            happened_at=paper.day,
            created_at=created,
            metadata=json.dumps({**told, "pages": len(pages), **part}),
        )

    text = "\n\n".join(each for each in pages if each)
    known = parts.begins(text, title)
    yield from parts.items(text if known else f"{title}\n\n{text}", title, paper.place, drafted)


def _opened(file: object) -> pypdf.PdfReader:
    """Return the reader of a PDF; raises `Unfit` for one that is locked or broken."""
    import pypdf
    from pypdf.errors import DependencyError

    # It tells of every flaw of a file, and its words may be the file's.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)
    try:
        reader = pypdf.PdfReader(file)  # type: ignore[arg-type]
        locked = reader.is_encrypted and not reader.decrypt("")
    except DependencyError:
        locked = True
    except Exception:  # noqa: BLE001 (a broken file makes it raise nearly anything)
        raise Unfit(_BROKEN) from None
    if locked:
        raise Unfit("is encrypted")
    return reader


def _pages(reader: pypdf.PdfReader) -> list[str | None]:
    """Return the text of each page, None for one that is broken; raises `Unfit`."""
    pages: list[str | None] = []
    end, size = monotonic() + _LONGEST, 0
    for number in range(_count(reader)):
        pages.append(_page(reader, number, end))
        size += len(pages[-1] or "")
        if size > MAX_FILE_BYTES:
            raise Unfit(_TOO_LARGE)
    if not any(pages):
        raise Unfit("has no text; it may be scanned" if "" in pages else _BROKEN)
    return pages


def _count(reader: pypdf.PdfReader) -> int:
    try:
        count = len(reader.pages)
    except Exception:  # noqa: BLE001 (as above)
        raise Unfit(_BROKEN) from None
    if count > _MOST_PAGES:
        raise Unfit(_TOO_LARGE)
    return count


def _page(reader: pypdf.PdfReader, number: int, end: float) -> str | None:
    """Return the text of a page, None for a broken one; raises `Unfit` where that takes too long."""

    def look_at_the_clock(*_: object) -> None:
        if monotonic() > end:
            raise Unfit(_TOO_LARGE)

    try:
        text = reader.pages[number].extract_text(visitor_operand_before=look_at_the_clock)
    except Unfit:
        raise
    except Exception:  # noqa: BLE001 (as above)
        look_at_the_clock()
        return None
    look_at_the_clock()
    return _tidy(text)


def _tidy(text: str) -> str:
    """Return a page's text without what no memory may hold: fonts without a table give anything."""
    return clean(re.sub("[\0\ud800-\udfff]", "", text))[0].strip()


def _told(reader: pypdf.PdfReader) -> dict[str, str]:
    """Return title, author and date as the file tells them; most are missing."""
    names = {"title": "/Title", "author": "/Author", "created": "/CreationDate"}
    try:
        known: Mapping[str, object] = reader.metadata or {}
        told = {field: _tidy(str(known.get(name) or "")) for field, name in names.items()}
    except Exception:  # noqa: BLE001 (as above)
        return {}
    return {
        field: " ".join(value.split())[:_LONGEST_TITLE] for field, value in told.items() if value
    }


def _date(text: str) -> str | None:
    """Return a PDF's date (PDF 1.7, 7.9.4) as ISO 8601, or None."""
    part = _DATE.fullmatch(text)
    if not part:
        return None
    year, month, day, hour, minute, second, utc, hours, minutes = part.groups()
    zone = "Z" if utc else f"{hours}:{minutes}" if hours else ""
    return past(f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}{zone}")


def _recognises(path: Path) -> bool:
    return path.is_file() and head(path, len(_MARK)) == _MARK


def _read(path: Path, choices: Choices) -> Iterator[Item | Skipped]:
    return fitting(notes, the_file(path, FORMAT.name), choices)


FORMAT = Format("pdf", "PDF with text in it", _recognises, _read)
