"""Plain text comes in as it is, and what is no text is told."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdesk.errors import Invalid
from memdesk.ingest import parts, text
from memdesk.ingest.item import Choices, Item, Skipped
from memdesk.memory import MAX_TEXT_BYTES
from memdesk.service.drafting import check

DATA = Path(__file__).parent / "data" / "imports" / "text"
WORDS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=300
)


def read(path: Path) -> list[Item | Skipped]:
    """Return all that the reader yields."""
    return list(text.FORMAT.read(path, Choices()))


def only(path: Path) -> Item | Skipped:
    """Return the one thing that the reader yields."""
    (found,) = read(path)
    return found


def test_a_text_file_is_one_memory() -> None:
    """The day in its name is when it happened, its words are as they were."""
    found = only(DATA / "2026-03-01 Reise.txt")
    assert isinstance(found, Item)
    assert found.draft.text == "Ankunft um neun.\r\nTreffpunkt: Gleis 4.\r\n"
    assert found.draft.happened_at == "2026-03-01"
    assert found.place == "2026-03-01 Reise.txt"


def test_the_time_of_the_file_is_when_it_was_written(tmp_path: Path) -> None:
    """Where nothing else tells, the disk does; a time in the future is none."""
    note = tmp_path / "a.txt"
    note.write_text("words")
    os.utime(note, (1_700_000_000, 1_700_000_000))
    found = only(note)
    assert isinstance(found, Item)
    assert found.draft.created_at == datetime.fromtimestamp(1_700_000_000, UTC).isoformat()
    os.utime(note, (4_000_000_000, 4_000_000_000))
    later = only(note)
    assert isinstance(later, Item)
    assert later.draft.created_at is None


@given(WORDS)
def test_any_text_file_gives_its_text_back(words: str) -> None:
    """Whatever Unicode a file holds is the memory's text, unless no word is left of it."""
    with TemporaryDirectory() as folder:
        note = Path(folder) / "note.txt"
        note.write_bytes(words.encode())
        found = only(note)
    if isinstance(found, Item):
        assert found.draft.text == words.removeprefix("\ufeff")
        check(found.draft, datetime.now(UTC))
    else:
        assert found == Skipped("note.txt", "is empty")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str) -> None:
    """What Windows saves as Unicode is read, and the mark is no part of it."""
    note = tmp_path / "note.txt"
    note.write_bytes("Grüße".encode(encoding))
    found = only(note)
    assert text.FORMAT.recognises(note)
    assert isinstance(found, Item)
    assert found.draft.text == "Grüße"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"caf\xe9", "is not UTF-8 text"),
        (b"\xff\xfeabc", "is not UTF-8 text"),
        (b"a\0b", "holds NUL characters, so it is no text"),
        (b" \n\t\x1b\x7f", "is empty"),
        (b"", "is empty"),
    ],
)
def test_what_is_no_text_is_told(tmp_path: Path, data: bytes, reason: str) -> None:
    """Other encodings, binary files and files without words are skipped, each for its reason."""
    note = tmp_path / "note.txt"
    note.write_bytes(data)
    assert only(note) == Skipped("note.txt", reason)


def test_a_line_of_100_mb_is_told_without_being_read(tmp_path: Path) -> None:
    """A file beyond the bound is skipped, whatever is in it."""
    note = tmp_path / "note.txt"
    with note.open("wb") as file:
        file.truncate(100_000_000)
    assert only(note) == Skipped("note.txt", "is longer than 16 MB")


def test_a_long_text_comes_in_parts_under_its_title(tmp_path: Path) -> None:
    """Each part fits a memory, begins with the file's name, and all words are in one of them."""
    note = tmp_path / "The long walk.txt"
    paragraphs = [f"Paragraph {number} " + "word " * 200 for number in range(2500)]
    note.write_text("\n\n".join(paragraphs))
    found = read(note)
    assert [each.place for each in found] == [
        f"The long walk.txt, part {number} of 3" for number in (1, 2, 3)
    ]
    texts = [each.draft.text for each in found if isinstance(each, Item)]
    assert all(each.startswith("The long walk\n\n") for each in texts)
    assert all(len(each.encode()) <= MAX_TEXT_BYTES for each in texts)
    told = "".join(each.removeprefix("The long walk\n\n") for each in texts)
    assert told == "\n\n".join(paragraphs)
    assert all(each.rstrip().endswith("word") for each in texts)


@given(st.text(min_size=1, max_size=400).filter(lambda words: words.isprintable()))
def test_parts_give_the_text_again(words: str) -> None:
    """Whatever is cut, no part is too long and nothing is lost."""
    pieces = list(parts.cut(words, 8))
    assert "".join(pieces) == words
    assert all(len(each.encode()) <= 8 for each in pieces)


def test_a_text_is_cut_at_headings_first() -> None:
    """Of headings, paragraphs, lines and words the first that stand in the second half."""
    words = "one two three\n\nfour\nfive\n# Six\nseven eight nine ten"
    assert next(parts.cut(words, 36)) == "one two three\n\nfour\nfive\n"
    assert next(parts.cut(words, 24)) == "one two three\n\n"
    assert next(parts.cut(words, 12)) == "one two "
    assert next(parts.cut("x" * 20, 7)) == "x" * 7


def test_recognised_by_name_and_first_bytes(tmp_path: Path) -> None:
    """Text files are recognised, and logs, binary files, folders and pipes are not."""
    for name, data in (("a.txt", b"a"), ("b.log", b"a"), ("c.txt", b"\0\1")):
        (tmp_path / name).write_bytes(data)
    os.mkfifo(tmp_path / "d.txt")
    (tmp_path / "e.txt").mkdir()
    assert [path.name for path in sorted(tmp_path.iterdir()) if text.FORMAT.recognises(path)] == [
        "a.txt"
    ]


def test_a_folder_is_refused(tmp_path: Path) -> None:
    """Plain text is one file; whoever names a folder is told what reads it."""
    with pytest.raises(Invalid, match="is a folder; text is one file, markdown a folder"):
        read(tmp_path)
    with pytest.raises(Invalid, match="is no file"):
        read(tmp_path / "missing.txt")
