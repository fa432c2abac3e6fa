"""Notes in Markdown come in one by one: front matter, tags, times, and nothing from outside."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from memdesk.errors import Invalid
from memdesk.ingest import frontmatter, markdown, papers
from memdesk.ingest.formats import recognised
from memdesk.ingest.item import Choices, Item
from memdesk.ingest.leaves import leaf
from memdesk.memory import MAX_TAGS, MAX_TEXT_BYTES, Draft, Memory, clean
from memdesk.service.drafting import check

DATA = Path(__file__).parent / "data" / "imports" / "markdown"
PLAIN = st.text(st.characters(exclude_categories=["Cc", "Cs", "Co", "Cn"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | PLAIN,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(PLAIN, inside, max_size=3),
    max_leaves=8,
)


def read(path: Path, **said: Any) -> dict[str, Draft | str]:
    """Return what the reader yields by its place: a draft, or why there is none."""
    found = list(markdown.FORMAT.read(path, Choices(**said)))
    assert len({each.place for each in found}) == len(found)
    return {each.place: each.draft if isinstance(each, Item) else each.reason for each in found}


def note(folder: Path, words: str, name: str = "note.md", **said: Any) -> Draft:
    """Return the one draft of a note with these words."""
    (folder / name).write_bytes(words.encode())
    (found,) = read(folder / name, **said).values()
    assert isinstance(found, Draft)
    return found


def test_a_vault_comes_in_note_by_note() -> None:
    """Every file of the folder is a memory or left out for a reason, in the same order every time."""
    found = read(DATA)
    assert [place for place, each in found.items() if isinstance(each, Draft)] == [
        "boiler.txt",
        "broken.md",
        "coffee-brewing-methods.md",
        "journal/2026-11-20.md",
        "people/Ines Duarte.md",
        "people/Tomas.md",
    ]
    assert {place: each for place, each in found.items() if isinstance(each, str)} == {
        ".obsidian": "is hidden",
        "empty.md": "is empty",
        "picture.png": "is no note (.png)",
    }
    assert list(read(DATA)) == list(found)
    assert recognised(DATA) is markdown.FORMAT


def test_front_matter_becomes_fields() -> None:
    """Title, other names, tags and times land in the memory, all the rest in its metadata."""
    draft = read(DATA)["people/Ines Duarte.md"]
    assert isinstance(draft, Draft)
    assert draft.text == (
        "# Ines Duarte\nAlso called: Inês, the carpenter\n\n"
        "Built the kitchen. Prefers [[Oak]] over pine.\n"
    )
    assert check(draft, datetime.now(UTC)).memory.tags == ("people", "work")
    assert draft.created_at == "2025-03-04T09:30:00+01:00"
    assert json.loads(draft.metadata) == {
        "phone": "+351 21 000 00 00",
        "rating": 5,
        "met": {"where": "Lisbon", "when": "12:30"},
    }


def test_a_basic_memory_note_is_one_memory() -> None:
    """Observations and relations stay in their note; its type is the kind, its link is kept."""
    draft = read(DATA)["coffee-brewing-methods.md"]
    assert isinstance(draft, Draft)
    assert draft.kind == "guide"
    assert draft.tags == ("coffee", "brewing", "taste")
    assert "- requires [[Grinding]]" in draft.text
    assert json.loads(draft.metadata) == {
        "permalink": "coffee-brewing-methods",
        "created_at": "2024-02-30",
    }


def test_a_day_note_happened_on_its_day() -> None:
    """A name that is a date is when it happened, and no title; #tags in code are none."""
    draft = read(DATA)["journal/2026-11-20.md"]
    assert isinstance(draft, Draft)
    assert draft.happened_at == "2026-11-20"
    assert draft.tags == ("garden/trees",)
    assert draft.text.startswith("Planted the quince")


def test_nothing_of_a_note_is_lost(tmp_path: Path) -> None:
    """Front matter that cannot be read stays text; a note that has nothing else is its properties."""
    found = read(DATA)
    broken, properties = found["broken.md"], found["people/Tomas.md"]
    assert isinstance(broken, Draft)
    assert broken.text.endswith("---\ntitle: [unclosed\n---\n# Broken\nThe words are kept.\n")
    assert isinstance(properties, Draft)
    assert properties.text == "# Tomas\n\n---\nbirthday: 1990-05-12\n---\n"
    far = note(tmp_path, "---\nx: " + "y" * 20_000 + "\n---\nwords\n")
    assert far.text.count("y") == 20_000


@pytest.mark.parametrize(
    ("said", "field", "value"),
    [
        ("date: 2026-05", "happened_at", "2026-05"),
        ("date: 2026/05/08", "happened_at", "2026-05-08"),
        ("Date Created: 2024-01-02 10:30", "created_at", "2024-01-02 10:30"),
        ("created: 1700000000", "created_at", "2023-11-14T22:13:20+00:00"),
        ("created: 1700000000000", "created_at", "2023-11-14T22:13:20+00:00"),
        ("type: Meeting Notes", "kind", "meeting-notes"),
        ("kind: decision\ntype: x", "kind", "decision"),
        ("type: 会議", "kind", "note"),
        ("type: '!!!'\nkind: fact", "kind", "fact"),
        ("space: work/acme", "space", "work/acme"),
        ("space: '#bad'", "space", "personal"),
        ("tags: [a, 'b c', 2024, true, null]", "tags", ("a", "b c", "2024", "true")),
        ("tags: a b", "tags", ("a", "b")),
        ("tag: one, two words", "tags", ("one", "two words")),
        ("tags:", "tags", ()),
        ("pinned: true", "pinned", True),
        ("confidence: 0.25", "confidence", 0.25),
        ("confidence: 7", "confidence", None),
        ("text: not the note", "text", "# note\n\nWords.\n"),
        ("title: Words!", "text", "Words.\n"),
        ("title: Ends\ncreated: 2999-01-01", "expires_at", None),
    ],
)
def test_each_field_as_people_write_it(
    tmp_path: Path, said: str, field: str, value: object
) -> None:
    """Usual names and shapes are understood; what a field cannot hold does not stop the note."""
    draft = note(tmp_path, f"---\n{said}\n---\nWords.\n")
    assert getattr(draft, field) == value
    check(draft, datetime.now(UTC))


@pytest.mark.parametrize(
    ("name", "words", "title"),
    [
        ("C++.md", "Once upon a time.", "# C++\n\n"),
        ("AI.md", "Maintenance of the boat.", "# AI\n\n"),
        ("🎉.md", "A party.", "# 🎉\n\n"),
        ("boat.md", "On a boat.", "# boat\n\n"),
        ("rain-gauge_2.md", "## Rain gauge 2: parts", ""),
        ("🎉.md", "# 🎉 A party.", ""),
        ("t" * 240 + ".md", "x", f"# {'t' * 240}\n\n"),
    ],
)
def test_a_title_is_told_where_the_note_does_not_begin_with_it(
    tmp_path: Path, name: str, words: str, title: str
) -> None:
    """It is known by whole words at the beginning; one without letters is told like others."""
    assert note(tmp_path, words, name).text == title + words


def test_a_long_title_is_whole(tmp_path: Path) -> None:
    """No part of a title vanishes, and one that an export has cut is known."""
    title = "word " * 100 + "end"
    assert note(tmp_path, f"---\ntitle: {title}\n---\nx").text == f"# {title}\n\nx"
    assert note(tmp_path, f"---\ntitle: {title[:302]}\n---\n{title}").text == title


def test_tags_in_the_text_have_no_end(tmp_path: Path) -> None:
    """A note with more of them than a memory has is kept, with its own tags and the first of those."""
    words = " ".join(f"#tag{number}" for number in range(12_000))
    draft = note(tmp_path, f"---\ntags: [own, tag1]\n---\n{words} #{'x' * 101}")
    assert draft.tags == ("own", "tag1", "tag0", *(f"tag{at}" for at in range(2, MAX_TAGS - 1)))
    assert draft.metadata == "{}"


def test_what_a_field_cannot_hold_is_kept(tmp_path: Path) -> None:
    """A date that is none, a time to come and tags beyond the most stay in the metadata."""
    tags = [f"tag{number}" for number in range(MAX_TAGS + 1)]
    draft = note(
        tmp_path, f"---\ncreated: 2999-01-01\ndate: soon\ntags: {json.dumps(tags)}\n---\nx\n"
    )
    assert json.loads(draft.metadata) == {
        "created_at": "2999-01-01",
        "happened_at": "soon",
        "tags": tags,
    }
    assert len(draft.tags) == MAX_TAGS
    check(draft, datetime.now(UTC))


@pytest.mark.parametrize(
    ("words", "tags"),
    [
        ("# Heading\n#real and#not (#no) #also-real.", ["real", "also-real"]),
        ("#1984 #y1984 #2026-11-20 #_ #ünï/cödé", ["y1984", "ünï/cödé"]),
        ("``` a\n#no\n```\n#yes\n~~~\n#no\n", ["yes"]),
        ("`#no` ``#no ` #no`` #yes `#unclosed", ["yes"]),
        ("see [[Note#Part]] and https://x.org/#anchor", []),
        ("#🌱seed #double #double", ["🌱seed", "double"]),
    ],
)
def test_inline_tags(words: str, tags: list[str]) -> None:
    """A tag stands alone after a space; headings, numbers, code and links have none."""
    assert markdown.inline_tags(words) == tags


@given(st.dictionaries(PLAIN, VALUES, max_size=5), PLAIN)
def test_front_matter_round_trip(values: dict[str, object], words: str) -> None:
    """What a YAML writer puts before a note is read as it was."""
    written = yaml.safe_dump(values, allow_unicode=True)
    assert frontmatter.values(written) == values
    told, body = frontmatter.split(f"---\n{written}---\n{words}")
    assert (told, body) == (values, words)


PIECES = (
    *(
        "---\n",
        "...\n",
        "\n",
        "\r",
        ": ",
        "- ",
        "? ",
        "[",
        "]",
        "{",
        "}",
        "'",
        '"',
        "|",
        ">",
        "\t",
        " ",
    ),
    *("title: ", "tags: ", "created: ", "date: ", "kind: ", "space: ", "aliases: ", "session: "),
    *(
        "&a ",
        "*a",
        "!!set ",
        "%YAML 1.1\n",
        "\\0",
        "2026-01-01",
        "9" * 400,
        "#tag",
        "# ",
        "```",
        "`",
    ),
    *("[[x]]", "é", "\x1b", "\u202e", "\ufeff", "🌱", "word"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=30), st.booleans())
def test_any_note_is_a_memory_or_told(pieces: list[str], fenced: bool) -> None:
    """Whatever stands in a note, it is fit to be stored or there is a reason why not."""
    words = "---\n" * fenced + "".join(pieces)
    with TemporaryDirectory() as folder:
        (Path(folder) / "note.md").write_bytes(words.encode())
        (found,) = read(Path(folder) / "note.md").values()
    if isinstance(found, Draft):
        check(found, datetime.now(UTC))
    else:
        assert found == "is empty"


@pytest.mark.parametrize(
    "source",
    [
        "a: &x [1, 2]\nb: *x",
        "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]",
        "- a\n- b",
        "just words",
        "a: 1\n--- \nb: 2",
        "? [a, b]\n: c",
        "a: [",
        "a: " + "[" * 60 + "]" * 60,
        "[" * 8000,
        "\t: x",
    ],
)
def test_front_matter_that_is_refused(source: str) -> None:
    """Anchors, endless nesting and what is no mapping are no front matter."""
    assert frontmatter.values(source) is None


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("a: yes", "yes"),
        ("a: 12:30", "12:30"),
        ("a: 0123", "0123"),
        ("a: 2026-11-20", "2026-11-20"),
        ("a: !!python/object/apply:os.system [echo]", ["echo"]),
        ("a: !!binary aGk=", "aGk="),
        ("a: .nan", ".nan"),
        ('a: "\\0x"', "x"),
        ("a: 1.50", 1.5),
        ("a: " + "9" * 5000, "9" * 5000),
        ("a: ~", None),
    ],
)
def test_values_are_what_is_written(source: str, value: object) -> None:
    """YAML makes no objects, no numbers of times, and no words into something else."""
    assert frontmatter.values(source) == {"a": value}


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
    st.lists(st.sampled_from(["a", "two words", "ß/x"]), unique=True),
)
def test_an_exported_memory_comes_in_as_it_was(words: str, tags: list[str]) -> None:
    """The file that an export writes of a memory gives its text and fields again."""
    text = clean(words)[0]
    if not text.strip():
        return
    draft = Draft(text, "decision", tuple(tags), space="work", happened_at="2024-05", pinned=True)
    before = check(draft, datetime(2026, 1, 2, 3, 4, 5, 6, UTC)).memory
    with TemporaryDirectory() as folder:
        after = _checked(note(Path(folder), leaf(before), "any-name.md"))
    same = {name: getattr(before, name) for name in ("text", "kind", "space", "happened_at")}
    assert {name: getattr(after, name) for name in same} == same
    assert after.pinned
    assert after.created_at == before.created_at
    assert after.tags[: len(tags)] == before.tags


def _checked(draft: Draft) -> Memory:
    return check(replace(draft, metadata="{}"), datetime.now(UTC)).memory


def test_what_a_person_says_holds_for_what_says_nothing(tmp_path: Path) -> None:
    """The space that was chosen is that of a note which names none."""
    assert note(tmp_path, "x", space="trips").space == "trips"
    assert note(tmp_path, "---\nspace: work\n---\nx", space="trips").space == "work"


def test_windows_line_ends(tmp_path: Path) -> None:
    """Front matter is found whatever the lines end with, and a byte order mark before it."""
    draft = note(tmp_path, "\ufeff---\r\nkind: fact\r\n---\r\nWords.\r\n")
    assert (draft.kind, draft.text) == ("fact", "# note\n\nWords.\n")


def test_a_long_note_comes_in_parts(tmp_path: Path) -> None:
    """It is cut at headings; each part has the title, the fields, and its number."""
    chapters = "".join(f"## Chapter {number}\n\n{'word ' * 50_000}\n" for number in range(6))
    (tmp_path / "Saga.md").write_text(f"---\ntags: epic\n---\n{chapters}")
    found = read(tmp_path / "Saga.md")
    assert list(found) == ["Saga.md, part 1 of 2", "Saga.md, part 2 of 2"]
    first, second = (each for each in found.values() if isinstance(each, Draft))
    assert first.text.startswith("# Saga\n\n## Chapter 0")
    assert second.text.startswith("# Saga\n\n## Chapter 4")
    assert json.loads(second.metadata) == {"part": 2, "parts": 2}
    assert first.tags == second.tags == ("epic",)
    assert len(first.text.encode()) <= MAX_TEXT_BYTES


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    """Links are not followed, out of the folder or in a circle; pipes are not waited for."""
    (tmp_path / "secret.md").write_text("outside")
    vault = tmp_path / "vault"
    (vault / "sub").mkdir(parents=True)
    (vault / "note.md").write_text("inside")
    (vault / "link.md").symlink_to(tmp_path / "secret.md")
    (vault / "sub" / "round").symlink_to(vault)
    (vault / ".git").mkdir()
    (vault / ".git" / "HEAD.md").write_text("hidden")
    os.mkfifo(vault / "pipe.md")
    found = read(vault)
    assert isinstance(found.pop("note.md"), Draft)
    assert found == {
        ".git": "is hidden",
        "link.md": "is a symbolic link",
        "pipe.md": "is no regular file",
        "sub/round": "is a symbolic link",
    }


def test_a_file_that_cannot_be_opened_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system refuses is skipped with its reason; the others come in."""
    (tmp_path / "a.md").write_text("one")
    (tmp_path / "b.md").write_text("two")
    real = os.open

    def refused(path: Path, *more: int) -> int:
        if Path(path).name == "a.md":
            raise PermissionError(13, "Permission denied")
        return real(path, *more)

    monkeypatch.setattr(os, "open", refused)
    found = read(tmp_path)
    assert found["a.md"] == "cannot be opened: permission denied"
    assert isinstance(found["b.md"], Draft)


def test_a_folder_that_cannot_be_listed_is_told(tmp_path: Path) -> None:
    """One below is skipped; the one that was named is refused."""
    with pytest.raises(Invalid, match="is no file; name one that is there"):
        read(tmp_path / "missing")
    with pytest.raises(Invalid, match="cannot be opened: no such file or directory"):
        list(papers.papers(tmp_path / "missing"))
    deep = tmp_path
    (tmp_path / "note.md").write_text("words")
    here = os.open(".", os.O_RDONLY)
    try:
        for _ in range(20):  # beyond the longest path that the system opens
            os.chdir(deep)
            deep = Path("d" * 250)
            deep.mkdir()
    finally:
        os.fchdir(here)
        os.close(here)
    found = list(read(tmp_path).values())
    assert "cannot be opened: file name too long" in found
    assert any(isinstance(each, Draft) for each in found)


def test_names_that_are_no_unicode(tmp_path: Path) -> None:
    """A file's name in another encoding, or with a line end in it, can be told and stored."""
    (tmp_path / os.fsdecode(b"caf\xe9.md")).write_text("words")
    (tmp_path / "two\nlines.md").write_text("words")
    found = read(tmp_path)
    assert list(found) == ["caf\ufffd.md", "two lines.md"]
    texts = [
        check(each, datetime.now(UTC)).memory.text
        for each in found.values()
        if isinstance(each, Draft)
    ]
    assert texts == ["# caf\ufffd\n\nwords", "# two lines\n\nwords"]


def test_other_files_are_told_by_a_few_reasons(tmp_path: Path) -> None:
    """A receipt counts by reasons: names that end in numbers, or in nothing, have the same."""
    for name in ("note.md", "a.PNG", "b.log.1", "c.log.2", "d", "e.canvas"):
        (tmp_path / name).write_text("words")
    found = [each for each in read(tmp_path).values() if isinstance(each, str)]
    assert found == ["is no note (.png)", *["is no note"] * 3, "is no note (.canvas)"]


def test_a_folder_without_notes_is_refused(tmp_path: Path) -> None:
    """Nothing to import is a failure that says what was looked for."""
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    assert not markdown.FORMAT.recognises(tmp_path)
    with pytest.raises(Invalid, match="name a folder of notes"):
        read(tmp_path)


def test_backticks_without_end_take_no_time(tmp_path: Path) -> None:
    """Code that is never closed is looked for no further than a line or two."""
    words = " ".join("`" * (number % 60 + 1) for number in range(30_000))
    words += "." * 301 + " #tag"
    assert markdown.inline_tags(words) == ["tag"]
    assert note(tmp_path, words).text.endswith("#tag")


def test_a_vault_is_known_by_what_lies_highest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder with more pictures than are looked at does not hide the notes beside it."""
    monkeypatch.setattr(papers, "_GLANCE", 10)
    (tmp_path / "assets").mkdir()
    for number in range(20):
        (tmp_path / "assets" / f"{number}.png").touch()
    assert not markdown.FORMAT.recognises(tmp_path)
    (tmp_path / "note.md").write_text("words")
    assert markdown.FORMAT.recognises(tmp_path)


def test_a_mixed_folder_is_read_by_each_reader(tmp_path: Path) -> None:
    """Markdown, text and PDF lie side by side."""
    shutil.copy(DATA.parent / "pdf" / "manual.pdf", tmp_path)
    (tmp_path / "a.markdown").write_text("one")
    (tmp_path / "b.TXT").write_text("two")
    found = read(tmp_path)
    kinds = [each.kind for each in found.values() if isinstance(each, Draft)]
    assert (list(found), kinds) == (
        ["a.markdown", "b.TXT", "manual.pdf"],
        ["note", "note", "document"],
    )


@pytest.mark.parametrize("field", ["title", "aliases", "tags", "kind", "mood"])
def test_what_is_no_text_in_front_matter_is_marked(tmp_path: Path, field: str) -> None:
    """An escape may name half a character, or a NUL: the note comes in without it."""
    draft = note(tmp_path, f"---\n{field}: '[\"\\ud800 x\\u0000\"]'\n---\nBody\n")
    assert draft.text.endswith("Body\n")
    check(draft, datetime.now(UTC))


def test_a_table_is_no_note(tmp_path: Path) -> None:
    """A table that is named with --from markdown is refused, since it would be one note."""
    (tmp_path / "a.csv").write_text("text\nx\n")
    with pytest.raises(Invalid, match=r"a\.csv: is a table; bring it in with --from csv"):
        read(tmp_path / "a.csv")
