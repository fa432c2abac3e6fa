"""What the readers of notes, tables and folders find is stored once, as it was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes import FakeEmbedder

from memdesk.ingest.importing import bring_in
from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(__file__).parent / "data" / "imports"


@pytest.fixture
def desk(home: Path) -> Iterator[Service]:
    """Return a desk on a real store."""
    service = Service(home, FakeEmbedder(), background=False)
    yield service
    service.close()


@pytest.mark.parametrize(
    ("name", "format", "stored", "skipped"),
    [
        ("markdown", "markdown", 6, 3),
        ("text/2026-03-01 Reise.txt", "text", 1, 0),
        ("pdf", "markdown", 1, 2),
        ("pdf/manual.pdf", "pdf", 1, 0),
        ("csv/notes.csv", "csv", 2, 1),
        ("memento", "memento", 2, 0),
        ("memoryos/library", "memoryos", 12, 2),
        ("memoryos/server", "memoryos", 9, 0),
    ],
)
def test_every_format_is_recognised_and_stored_once(
    desk: Service, name: str, format: str, stored: int, skipped: int
) -> None:
    """The receipt counts all that was found; a second run stores nothing."""
    first = bring_in(desk, DATA / name)
    assert (first.format, first.stored, first.duplicate) == (format, stored, 0)
    assert sum(each.count for each in first.skipped.values()) == skipped
    assert first.found == stored + skipped
    assert desk.stats().states["live"] == stored
    again = bring_in(desk, DATA / name)
    assert (again.stored, again.duplicate) == (0, stored)


def test_what_a_note_says_is_in_the_memory(desk: Service) -> None:
    """Times, tags and kind are those of the note; it is known where it came from."""
    bring_in(desk, DATA / "markdown")
    found = {each.source.ref: each for each in desk.list(limit=20).memories}
    ines = found["people/Ines Duarte.md"]
    assert ines.created_at.isoformat() == "2025-03-04T08:30:00+00:00"
    assert (ines.source.name, ines.source.trust) == ("markdown", "import")
    day = found["journal/2026-11-20.md"]
    assert (day.happened_precision, day.tags) == ("day", ("garden/trees",))
