"""A table comes in row by row; a table without a column of text is refused and says its columns."""

from __future__ import annotations

import csv
import io
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdesk.errors import Invalid
from memdesk.ingest import table
from memdesk.ingest.formats import recognised
from memdesk.ingest.item import Choices, Item
from memdesk.memory import Draft
from memdesk.service.drafting import check

DATA = Path(__file__).parent / "data" / "imports" / "csv"
CELL = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cf"], include_characters="\n\t"),
    min_size=1,
    max_size=40,
).filter(lambda cell: bool(cell.strip()))


def read(path: Path, **columns: str) -> list[Draft | str]:
    """Return a draft of each row, or why there is none."""
    return [
        each.draft if isinstance(each, Item) else each.reason
        for each in table.FORMAT.read(path, Choices(columns=columns))
    ]


def made(folder: Path, text: str | bytes, name: str = "a.csv") -> Path:
    """Return a table with these bytes."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def only(path: Path, **columns: str) -> Draft:
    """Return the draft of the one row."""
    (found,) = read(path, **columns)
    assert isinstance(found, Draft)
    return found


def test_usual_names_are_understood() -> None:
    """Columns are known by their names; others, and what a field cannot hold, are metadata."""
    path = DATA / "notes.csv"
    assert recognised(path) is table.FORMAT
    boiler, tea, empty = read(path)
    assert isinstance(boiler, Draft)
    assert boiler.text == "Boiler\n\nServiced every May,\nby Mr. Ortiz."
    assert (boiler.kind, boiler.tags, boiler.pinned) == ("fact", ("home", "yearly"), True)
    assert (boiler.created_at, json.loads(boiler.metadata)) == ("2025-05-03", {"Mood": "calm"})
    assert isinstance(tea, Draft)
    assert (tea.kind, tea.tags) == ("preference", ("tea", "home"))
    assert json.loads(tea.metadata) == {"created_at": "not a date"}
    assert empty == "has no text"


def test_places_are_lines_of_the_file() -> None:
    """A row of several lines counts as many, as an editor shows it."""
    found = table.FORMAT.read(DATA / "notes.csv", Choices())
    assert [each.place for each in found] == [f"notes.csv, line {line}" for line in (2, 4, 5)]


def test_a_title_stands_above_its_text(tmp_path: Path) -> None:
    """It is left out only where the text begins with it as a word, and is never cut."""
    long = "t" * 400
    path = made(tmp_path, f"name,text\nA,Apples are good\nCarl,Carl said so\n{long},x\n")
    assert [each.text for each in read(path) if isinstance(each, Draft)] == [
        "A\n\nApples are good",
        "Carl said so",
        f"{long}\n\nx",
    ]


def test_a_person_names_the_columns() -> None:
    """What --column says holds, and signs other than commas part the cells."""
    draft = only(DATA / "german.csv", text="Notiz", title="Was", happened_at="Datum")
    assert draft.text == "Keller\n\nZähler steht auf 4711"
    assert draft.happened_at == "2026-01-02"


def test_a_table_without_text_is_refused_with_its_columns() -> None:
    """Nothing is guessed: the failure names what there is, and how to say which it is."""
    with pytest.raises(Invalid) as told:
        read(DATA / "german.csv")
    assert str(told.value) == (
        "german.csv: has no column that is known to hold the text; its columns are Was, Notiz, "
        "Datum; name it with --column text=COLUMN"
    )


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"text": "Body"}, "“Body” is no column; there are Was, Notiz, Datum"),
        ({"words": "Was"}, "“words” is no field of a memory; there are text, title, kind"),
    ],
)
def test_a_wrong_choice_is_refused(columns: dict[str, str], reason: str) -> None:
    """A column that is not there and a field that is none are told with what there is."""
    with pytest.raises(Invalid, match=reason):
        read(DATA / "german.csv", **columns)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no rows"),
        ("text\n", "has no rows"),
        ("\n\n", "has no rows"),
        (b"\x89\0PNG", "has no rows"),
    ],
)
def test_a_table_without_rows_is_refused(tmp_path: Path, text: str | bytes, reason: str) -> None:
    """Nothing to import is a failure."""
    with pytest.raises(Invalid, match=f"has no column|{reason}"):
        read(made(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("text\tkind\na\tfact\n", "a"),
        ("text|kind\na|fact\n", "a"),
        ("sep=;\ntext;kind,of\na,b;fact\n", "a,b"),
        ('text;kind\n"a;b,c";fact\n', "a;b,c"),
        ("text\rone\r", "one"),
        ("Content\r\n\r\n \r\none\r\n", "one"),
        ('"text"\n"say ""so"""\n', 'say "so"'),
        ("text,,text\nold,x,new\n", "old"),
    ],
)
def test_shapes_of_tables(tmp_path: Path, text: str, found: str) -> None:
    """Signs, line ends and quotation marks are those of the file."""
    assert only(made(tmp_path, text)).text == found


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings_of_spreadsheets(tmp_path: Path, encoding: str) -> None:
    """A byte order mark tells the encoding and is no part of the first column's name."""
    path = made(tmp_path, "text;kind\nGrüße;fact\n".encode(encoding))
    assert table.FORMAT.recognises(path)
    assert only(path).text == "Grüße"


def test_rows_that_cannot_be_are_told(tmp_path: Path) -> None:
    """A row in another encoding, one with too many cells, and those after them, which come in."""
    path = made(tmp_path, b"text,kind\ncaf\xe9,fact\na,b,c\nd,fact,\nlast\n")
    first, second, third, last = read(path)
    assert (first, second) == ("is not UTF-8 text", "has more cells than the table has columns")
    assert isinstance(third, Draft)
    assert isinstance(last, Draft)
    assert last.text == "last"


def test_a_line_of_100_mb_is_told(tmp_path: Path) -> None:
    """It is passed over a piece at a time, and the rows around it come in."""
    path = made(tmp_path, "text\nfirst\n")
    with path.open("ab") as file:
        file.writelines(b"x" * 1_000_000 for _ in range(100))
        file.write(b"\nlast\n")
    first, long, last = read(path)
    assert isinstance(first, Draft)
    assert long == "is longer than a row may be"
    assert isinstance(last, Draft)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('one\n"two\nthree\nfour\n', ["one", None, "three", "four"]),
        ('one\n"two\n"three"\nfour\n', ["one", None, "three", "four"]),
        ('"two\n"three\nfour\n', [None, None, "four"]),
        ('one\n"two\n', ["one", None]),
        ('"a"b\n"two ""2"" "\n', ["ab", 'two "2" ']),
        ('"two\nlines"\nthree\n', ["two\nlines", "three"]),
    ],
)
def test_a_quotation_mark_without_its_other_one(
    tmp_path: Path, text: str, found: list[str | None]
) -> None:
    """It is told with its line, and the rows behind it are rows of their own."""
    told = list(table.FORMAT.read(made(tmp_path, f"text\n{text}"), Choices()))
    texts = [each.draft.text if isinstance(each, Item) else None for each in told]
    assert texts == found
    skipped = [each for each in told if not isinstance(each, Item)]
    assert {each.reason for each in skipped} <= {"has a quotation mark without its other one"}
    lines = [f"a.csv, line {at}" for at, each in enumerate(found, 2) if each is None]
    assert [each.place for each in skipped] == lines


def test_a_quotation_mark_before_much_else(tmp_path: Path) -> None:
    """What it swallows is bounded, told, and read all the same."""
    path = made(tmp_path, 'text\nfirst\n"open\n' + ("x" * 999 + "\n") * 4300 + "last\n")
    found = read(path)
    assert found[1] == "has a quotation mark without its other one"
    assert len(found) == 1 + 1 + 4300 + 1
    last = found[-1]
    assert isinstance(last, Draft)
    assert last.text == "last"


def test_quotation_marks_that_never_close_take_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where every line has one, the lines behind are not read anew for each of them."""
    monkeypatch.setattr(table, "_MOST_AGAIN", 2_000_000)
    found = read(made(tmp_path, "text,other,more\n" + 'x",",\n' * 100_000))
    unclosed = "has a quotation mark without its other one"
    endless = f"{unclosed}, as too many before it; it takes in what follows"
    assert set(found) == {unclosed, endless}
    assert len(found) < 10


def test_cells_beyond_what_metadata_holds_are_told(tmp_path: Path) -> None:
    """A row is not stored without a part of it."""
    path = made(tmp_path, f"text,other\na,{'x' * 70_000}\nb,\n")
    first, second = read(path)
    assert first == "has more fields beside its text than a memory keeps"
    assert isinstance(second, Draft)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Folders and pipes are no tables."""
    os.mkfifo(tmp_path / "pipe.csv")
    assert not table.FORMAT.recognises(tmp_path / "pipe.csv")
    for path in (tmp_path, tmp_path / "pipe.csv", tmp_path / "missing.csv"):
        with pytest.raises(Invalid):
            read(path)


@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=5), st.sampled_from(",;\t|"))
def test_any_table_comes_in_whole(rows: list[tuple[str, str, str]], delimiter: str) -> None:
    """What a CSV writer writes is as many memories with these texts, and all other cells are kept."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([("text", "mood", "place"), *rows])
    with TemporaryDirectory() as folder:
        found = read(made(Path(folder), text.getvalue()))
    drafts = [each for each in found if isinstance(each, Draft)]
    assert [(each.text, json.loads(each.metadata)) for each in drafts] == [
        (words, {"mood": mood, "place": place}) for words, mood, place in rows
    ]


def test_an_export_comes_in_again(tmp_path: Path) -> None:
    """An export's table gives texts, fields and metadata back, its marks of formulas taken off."""
    path = made(
        tmp_path,
        "id,text,kind,tags,space,happened_at,created_at,pinned,metadata\n"
        'x,\'- milk,task,"a, b",home,2024-05,2024-05-06T07:08:09Z,true,"{""n"": 1}"\n',
    )
    draft = only(path)
    assert (draft.text, draft.kind, draft.tags, draft.space) == (
        "- milk",
        "task",
        ("a", "b"),
        "home",
    )
    assert (draft.happened_at, draft.pinned) == ("2024-05", True)
    assert json.loads(draft.metadata) == {"id": "x", "n": 1}
    check(draft, datetime.now(UTC))


@pytest.mark.parametrize("end", [b"x", b"\x00\xd8\n\x00"])
def test_utf_16_that_is_broken_is_told(tmp_path: Path, end: bytes) -> None:
    """What is cut within a character, or holds half of one, is one error."""
    path = made(tmp_path, "text\nhello\n".encode("utf-16") + end)
    with pytest.raises(Invalid, match=r"a\.csv: is broken off, or no UTF-16"):
        read(path)
