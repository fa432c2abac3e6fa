"""The text of a PDF comes in; what has none, or is broken, is told."""

from __future__ import annotations

import io
import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memdesk.errors import Invalid
from memdesk.ingest import pdf
from memdesk.ingest.item import Choices, Item, Skipped
from memdesk.service.drafting import check

if TYPE_CHECKING:
    from collections.abc import Iterable

DATA = Path(__file__).parent / "data" / "imports" / "pdf"
MANUAL = (DATA / "manual.pdf").read_bytes()


def only(path: Path) -> Item | Skipped:
    """Return the one thing that the reader yields."""
    (found,) = pdf.FORMAT.read(path, Choices())
    return found


def made(path: Path, data: bytes) -> Path:
    """Return a file with these bytes."""
    path.write_bytes(data)
    return path


def test_pages_are_joined_under_the_title() -> None:
    """One memory has the words of every page; title and date are the file's own."""
    found = only(DATA / "manual.pdf")
    assert isinstance(found, Item)
    assert found.draft.text == (
        "Boiler manual\n\nDescale twice a year.\nUse citric acid.\n\nNever use vinegar."
    )
    assert found.draft.kind == "document"
    assert found.draft.created_at == "2024-05-06T07:08:09+02:00"
    assert json.loads(found.draft.metadata) == {"pages": 2}
    check(found.draft, datetime.now(UTC))


def test_locked_and_scanned_pdfs_are_told() -> None:
    """An encrypted file and one of pictures are skipped, each for its reason."""
    assert only(DATA / "locked.pdf") == Skipped("locked.pdf", "is encrypted")
    assert only(DATA / "scan.pdf") == Skipped("scan.pdf", "has no text; it may be scanned")


def test_an_empty_password_locks_nothing(tmp_path: Path) -> None:
    """What any reader opens without asking is read."""
    writer = pypdf.PdfWriter(clone_from=DATA / "manual.pdf")
    writer.encrypt("", "owner", algorithm="RC4-128")
    writer.write(tmp_path / "open.pdf")
    found = only(tmp_path / "open.pdf")
    assert isinstance(found, Item)
    assert found.draft.text.endswith("Never use vinegar.")


@pytest.mark.parametrize("name", ["Warranty", "Des"])
def test_without_a_title_its_name_is_it(tmp_path: Path, name: str) -> None:
    """The file's name stands over the text, and its time is when it was written."""
    writer = pypdf.PdfWriter(clone_from=DATA / "manual.pdf")
    writer.metadata = None
    writer.write(tmp_path / f"{name}.pdf")
    os.utime(tmp_path / f"{name}.pdf", (1_700_000_000, 1_700_000_000))
    found = only(tmp_path / f"{name}.pdf")
    assert isinstance(found, Item)
    assert found.draft.text.startswith(f"{name}\n\nDescale")
    assert found.draft.created_at == "2023-11-14T22:13:20+00:00"


@pytest.mark.parametrize(
    "data", [b"", b"%PDF-", b"%PDF-1.7\nnothing", MANUAL[:500], b"words", b"\0" * 5000]
)
def test_a_broken_pdf_is_told(
    tmp_path: Path, data: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is skipped in a few words, and nothing of it is printed or logged."""
    found = only(made(tmp_path / "a.pdf", data))
    assert isinstance(found, Skipped)
    assert found.reason in ("is no PDF that can be read", "has no text; it may be scanned")
    assert capfd.readouterr() == ("", "")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(MANUAL) - 1), st.integers(0, 255)), min_size=1, max_size=12
    )
)
def test_any_damage_is_an_item_or_told(damage: Iterable[tuple[int, int]]) -> None:
    """Whatever bytes are changed, the file ends in a memory or in a reason why there is none."""
    data = bytearray(MANUAL)
    for at, byte in damage:
        data[at] = byte
    with TemporaryDirectory() as folder:
        *_, found = pdf.FORMAT.read(made(Path(folder) / "a.pdf", bytes(data)), Choices())
    if isinstance(found, Item):
        check(found.draft, datetime.now(UTC))


def test_a_broken_page_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other pages come in; a file without a page that can be read is none."""
    real = pypdf.PageObject.extract_text

    def broken(page: pypdf.PageObject, **more: Any) -> str:
        text = real(page, **more)
        if "vinegar" in text:
            raise KeyError("/Font")
        return text

    monkeypatch.setattr(pypdf.PageObject, "extract_text", broken)
    told, found = pdf.FORMAT.read(DATA / "manual.pdf", Choices())
    assert told == Skipped("manual.pdf, page 2", "is no page that can be read")
    assert isinstance(found, Item)
    assert found.draft.text.endswith("Use citric acid.")
    monkeypatch.setattr(pypdf.PageObject, "extract_text", lambda *_, **__: 1 // 0)
    *_, last = pdf.FORMAT.read(DATA / "manual.pdf", Choices())
    assert last == Skipped("manual.pdf", "is no PDF that can be read")


def test_a_bomb_is_told(tmp_path: Path) -> None:
    """A page whose content expands to hundreds of megabytes is not read."""
    writer = pypdf.PdfWriter()
    page = writer.add_blank_page(100, 100)
    stream = pypdf.generic.DecodedStreamObject()
    stream.set_data(b" " * 200_000_000)
    page[pypdf.generic.NameObject("/Contents")] = writer._add_object(stream.flate_encode())
    file = io.BytesIO()
    writer.write(file)
    assert len(file.getvalue()) < 1_000_000
    found = only(made(tmp_path / "a.pdf", file.getvalue()))
    assert isinstance(found, Skipped)


@pytest.mark.parametrize("name", ["_LONGEST", "_MOST_PAGES", "_MOST_BYTES", "MAX_FILE_BYTES"])
def test_what_asks_for_too_much_is_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time, bytes, pages and text of one file are bounded."""
    monkeypatch.setattr(pdf, name, 0)
    assert only(DATA / "manual.pdf") == Skipped("manual.pdf", "is too large a PDF")


def test_recognised_by_its_first_bytes(tmp_path: Path) -> None:
    """A PDF is one whatever its name, and nothing else is."""
    assert pdf.FORMAT.recognises(made(tmp_path / "scan", MANUAL))
    assert not pdf.FORMAT.recognises(made(tmp_path / "a.pdf", b"words"))
    assert not pdf.FORMAT.recognises(tmp_path)
    with pytest.raises(Invalid, match="is a folder"):
        only(tmp_path)


def test_it_does_not_quieten_other_logs() -> None:
    """Only the reader of PDFs is silent."""
    only(DATA / "manual.pdf")
    assert logging.getLogger("pypdf").getEffectiveLevel() > logging.CRITICAL
    assert logging.getLogger("memdesk").getEffectiveLevel() <= logging.WARNING
