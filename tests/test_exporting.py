"""Exports: nothing is lost on the way out, and none of it on the way back."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
import yaml
from cli_runner import Cli
from fakes import FakeEmbedder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memdesk.answers import Whole
from memdesk.errors import Invalid, MemdeskError
from memdesk.ingest import leaves
from memdesk.ingest import lines as own
from memdesk.ingest.exporting import json_lines, table, wholes, write_notes
from memdesk.ingest.importing import bring_in
from memdesk.ingest.item import Skipped
from memdesk.ingest.lines import FORMAT, HEADER, lines, rows
from memdesk.memory import STATES, Draft, Edit, Filter, Memory, Source, new_id, now
from memdesk.service import Service, core, indexing
from memdesk.service.drafting import check
from memdesk.sharing import clock_of

if TYPE_CHECKING:
    from collections.abc import Callable

EVERYTHING = Filter(states=STATES, expired=True)
HOSTILE = ("=cmd|' /C calc'!A0", "a\u2028b\x85c", "---\nid: 1\n---\n", '"\\\n\t', "🧠 e\u0301", "#")


def exported(desk: Service) -> str:
    """Return the whole export of a store."""
    return "".join(json_lines(wholes(desk, EVERYTHING)))


def desk_in(folder: Path) -> Service:
    """Return a desk of its own."""
    return Service(folder, FakeEmbedder(), background=False)


def brought(desk: Service, text: str, path: Path) -> dict[str, int]:
    """Import an export and return the numbers of its receipt."""
    path.write_text(text, encoding="utf-8")
    receipt = bring_in(desk, path)
    skipped = {reason: left.count for reason, left in receipt.skipped.items()}
    return {"stored": receipt.stored, "duplicate": receipt.duplicate, **skipped}


def worked_on(desk: Service) -> dict[str, str]:
    """Fill a store with memories in every state, some with a history; return their ids by a name."""
    told = {
        name: desk.remember(Draft(f"the {name} note", tags=("a", "b"), happened_at="2020-05")).id
        for name in ("edited", "trashed", "erased", "replaced", "plain")
    }
    desk.revise(told["edited"], Edit(text="edited", metadata='{"b": 1, "a": [1, null]}'))
    desk.revise(told["edited"], Edit(pinned=True, confidence=0.25))
    desk.forget([told["trashed"], told["erased"]], reason="no longer so")
    desk.purge([told["erased"]])
    desk.remember(
        Draft("in its place", replaces=told["replaced"], source=Source("c", "agent", "r"))
    )
    return told


# Lossless


def test_an_export_gives_the_same_store(open_desk: Callable[..., Service], tmp_path: Path) -> None:
    """Every field of every revision is the same after an import into an empty store, tombstones too."""
    desk, path = open_desk(), tmp_path / "all.jsonl"
    worked_on(desk)
    text = exported(desk)
    other = desk_in(tmp_path / "other")
    assert brought(other, text, path) == {"stored": 6, "duplicate": 0}
    assert exported(other) == text
    assert other.stats().states == desk.stats().states
    other.embed_pending()
    assert [finding.words for finding in other.examine() if finding.level != "good"] == []
    other.close()


texts = st.sampled_from(HOSTILE) | st.text(
    st.characters(exclude_categories=["Cs", "Cc"]), min_size=1
).filter(str.strip)
drafts = st.builds(
    Draft,
    texts,
    tags=st.lists(st.text("abcé ", min_size=1, max_size=5)).map(tuple),
    space=st.sampled_from(["personal", "work"]),
    audience=st.sampled_from([(), ("team",)]),
    source=st.builds(Source, st.sampled_from(["x", "y z"]), st.sampled_from(["agent", "import"])),
    session=st.none() | st.just("s"),
    position=st.none() | st.integers(0, 5),
    role=st.sampled_from([None, "user"]),
    happened_at=st.sampled_from([None, "2020", "2021-03-04T05:06+05:30"]),
    created_at=st.sampled_from([None, "2019-01-01T00:00:00.000001Z"]),
    expires_at=st.sampled_from([None, "2099"]),
    pinned=st.booleans(),
    confidence=st.none() | st.floats(0, 1),
    metadata=st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=2)
    .map(json.dumps),
)  # fmt: skip
deeds = st.lists(
    st.tuples(
        st.sampled_from(["remember", "revise", "forget", "restore", "purge", "undo"]),
        drafts,
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=8,
)


def do(desk: Service, verb: str, draft: Draft, number: int) -> None:
    """Do something with a memory of the store, if that can be done."""
    there = desk.list(where=EVERYTHING, limit=100).memories
    id = there[number % len(there)].id if there else new_id()
    with suppress(MemdeskError):  # what cannot be done is no matter here
        if verb == "remember" or not there:
            desk.remember(draft)
        elif verb == "revise":
            desk.revise(id, Edit(text=draft.text, tags=draft.tags, pinned=draft.pinned))
        elif verb == "undo":
            desk.undo()
        else:
            getattr(desk, verb)([id])


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(deeds)
def test_export_import_export_is_the_same(work: list[tuple[str, Draft, int]]) -> None:
    """Whatever was done to a store, its export is byte for byte that of a store made of it."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        home = Path(folder)
        first, second = desk_in(home / "first"), desk_in(home / "second")
        patch.setattr(own, "LONGEST_PIECE", 10)
        for verb, draft, number in work:
            do(first, verb, draft, number)
        text = exported(first)
        brought(second, text, home / "all.jsonl")
        assert exported(second) == text
        assert brought(second, text, home / "all.jsonl")["stored"] == 0
        assert exported(second) == text
        first.close()
        second.close()


def test_a_long_history_stands_on_several_lines(
    desk: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is longer than an import reads, and all of them together are one memory."""
    monkeypatch.setattr(own, "LONGEST_PIECE", 150)
    id = desk.remember(Draft("x" * 99)).id
    for n in range(5):
        desk.revise(id, Edit(text=f"{n}" * 99))
    desk.remember(Draft("a later one"))
    text, other = exported(desk), desk_in(tmp_path / "other")
    histories = [len(json.loads(row)["earlier"]) for row in text.splitlines()[1:]]
    assert histories == [1, 1, 1, 1, 1, 0]
    assert brought(other, text, tmp_path / "all.jsonl") == {"stored": 2, "duplicate": 0}
    assert exported(other) == text
    rest = "\n".join([HEADER, *text.splitlines()[2:]])
    told = brought(other, rest, tmp_path / "rest.jsonl")
    alone = "goes on with a memory that does not stand above it"
    assert told == {"stored": 0, "duplicate": 1, alone: 4}
    other.close()


def test_an_adopted_memory_has_the_history_it_had(desk: Service, tmp_path: Path) -> None:
    """Its revisions are told with their times, nothing is told of how it came, and it is recalled as of then."""
    told = worked_on(desk)
    other = desk_in(tmp_path / "other")
    brought(other, exported(desk), tmp_path / "all.jsonl")
    before, after = desk.history(told["edited"]), other.history(told["edited"])
    assert [(each.memory.text, each.valid_from, each.valid_to) for each in after] == [
        (each.memory.text, each.valid_from, each.valid_to) for each in before
    ]
    then = other.recall("edited note", as_of=before[-1].valid_from, floor=0.0)
    assert "the edited note" in [hit.memory.text for hit in then.hits]
    other.close()


# Into a store that has memories


@pytest.fixture
def two(tmp_path: Path) -> tuple[Service, Service, dict[str, str]]:
    """Return two desks with the same memories."""
    first, second = desk_in(tmp_path / "first"), desk_in(tmp_path / "second")
    ids = {name: first.remember(Draft(f"the {name} note")).id for name in ("one", "two", "three")}
    brought(second, exported(first), tmp_path / "all.jsonl")
    return first, second, ids


Two = tuple[Service, Service, dict[str, str]]


def test_the_later_of_two_revisions_wins(two: Two, tmp_path: Path) -> None:
    """The one with the later clock is present afterwards, and the other in its history."""
    first, second, ids = two
    first.revise(ids["one"], Edit(text="one, from the file"))
    second.revise(ids["two"], Edit(text="two, from here"))
    first.revise(ids["three"], Edit(text="three, from the file"))
    second.revise(ids["three"], Edit(text="three, from here"))
    told = brought(second, exported(first), tmp_path / "all.jsonl")
    assert told == {
        "stored": 1,
        "duplicate": 1,
        "older than what is here, in whose history it is kept": 1,
    }
    found = second.get([ids["one"], ids["two"], ids["three"]])
    assert [each.text for each in found] == [
        "one, from the file",
        "two, from here",
        "three, from here",
    ]
    texts_of_three = [each.memory.text for each in second.history(ids["three"])]
    assert texts_of_three == ["three, from here", "three, from the file", "the three note"]
    assert brought(second, exported(first), tmp_path / "all.jsonl") == {"stored": 0, "duplicate": 3}


def test_an_adoption_is_undone(two: Two, tmp_path: Path) -> None:
    """What was new goes to the trash, and what was here before has its own text again."""
    first, second, ids = two
    first.revise(ids["one"], Edit(text="from the file"))
    new = first.remember(Draft("a new one")).id
    second.remember(Draft("only here"))
    brought(second, exported(first), tmp_path / "all.jsonl")
    assert [each.memory.text for each in second.history(ids["one"])] == [
        "from the file",
        "the one note",
    ]
    undone = second.undo()
    assert set(undone.done) == {ids["one"], new}
    assert second.get([ids["one"]])[0].text == "the one note"
    assert {each.text for each in second.list().memories} == {
        "the one note",
        "the two note",
        "the three note",
        "only here",
    }


def test_what_was_changed_since_an_adoption_is_not_undone(two: Two, tmp_path: Path) -> None:
    """An edit made after it stands, and is reported."""
    first, second, ids = two
    first.revise(ids["one"], Edit(text="from the file"))
    (tmp_path / "more.jsonl").write_text(exported(first))
    receipt = bring_in(second, tmp_path / "more.jsonl")
    second.revise(ids["one"], Edit(text="and edited here"))
    undone = second.undo(receipt.change)
    assert (undone.done, undone.conflicts) == ((), (ids["one"],))
    assert second.get([ids["one"]])[0].text == "and edited here"


def test_what_was_erased_stays_erased(two: Two, tmp_path: Path) -> None:
    """An import brings back no words of what was purged, and purges nothing itself: that goes to the trash."""
    first, second, ids = two
    text = exported(first)
    second.forget([ids["one"]])
    second.purge([ids["one"]])
    told = brought(second, text, tmp_path / "all.jsonl")
    assert told == {"stored": 0, "duplicate": 2, "erased here since": 1}
    first.forget([ids["two"]])
    first.purge([ids["two"]])
    brought(second, exported(first), tmp_path / "all.jsonl")
    (two_,) = second.get([ids["two"]])
    assert (two_.state, two_.text) == ("trashed", "the two note")


def test_an_own_edit_is_undone_under_which_an_older_import_was_kept(
    two: Two, tmp_path: Path
) -> None:
    """What was here before it comes back, not what was never present here."""
    first, second, ids = two
    first.revise(ids["one"], Edit(text="from the file"))
    second.revise(ids["one"], Edit(add_tags=("own",)))
    brought(second, exported(first), tmp_path / "all.jsonl")
    assert second.undo().done == (ids["one"],)
    (one,) = second.get([ids["one"]])
    assert (one.text, one.tags) == ("the one note", ())


def test_what_an_undo_took_away_comes_back_with_the_next_import(two: Two, tmp_path: Path) -> None:
    """What it made is live again, and what it changed says that again, as often as that is undone."""
    first, second, ids = two
    first.revise(ids["one"], Edit(text="from the file"))
    new = first.remember(Draft("a new one")).id
    dry = tmp_path / "dry.jsonl"
    dry.write_text(exported(first))
    for _ in range(3):
        assert brought(second, exported(first), tmp_path / "all.jsonl")["stored"] == 2
        assert [each.text for each in second.get([ids["one"], new])] == [
            "from the file",
            "a new one",
        ]
        assert brought(second, exported(first), tmp_path / "all.jsonl")["stored"] == 0
        assert set(second.undo().done) == {ids["one"], new}
        assert bring_in(second, dry, dry=True).stored == 2
        assert second.get([ids["one"]])[0].text == "the one note"
        assert second.get([new])[0].state == "trashed"


def test_an_export_from_before_an_undone_import_brings_nothing_back(
    two: Two, tmp_path: Path
) -> None:
    """A memory that says again what it said stays so when an older file says that, too."""
    first, second, ids = two
    older = exported(first)
    first.revise(ids["one"], Edit(text="from the file"))
    brought(second, exported(first), tmp_path / "all.jsonl")
    second.undo()
    assert brought(second, older, tmp_path / "all.jsonl") == {"stored": 0, "duplicate": 3}


def test_an_older_mark_of_what_was_erased_changes_nothing(two: Two, tmp_path: Path) -> None:
    """A memory that was changed here after it was erased elsewhere stays, and so does its history."""
    first, second, ids = two
    first.forget([ids["one"]])
    first.purge([ids["one"]])
    second.revise(ids["one"], Edit(text="changed here"))
    before = second.history(ids["one"])
    told = brought(second, exported(first), tmp_path / "all.jsonl")
    assert told["erased elsewhere, and changed here since"] == 1
    assert second.history(ids["one"]) == before


def test_passages_are_cut_before_the_lock_is_taken(
    two: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for what takes the longest of an adoption."""
    first, second, _ = two
    first.remember(Draft("a new one"))
    cut, locked = indexing.passages, list[bool]()

    def noting(*arguments: Any) -> Any:
        locked.append(second._core._writes_here())
        return cut(*arguments)

    monkeypatch.setattr(indexing, "passages", noting)
    assert brought(second, exported(first), tmp_path / "all.jsonl")["stored"] == 1
    assert locked == [False]


# Clocks of elsewhere


def clocked(text: str, ms: int, n: int) -> str:
    """Return an export whose memories have another clock."""
    head, *rows = text.splitlines()
    told = [json.dumps(json.loads(row) | {"clock_ms": ms, "clock_n": n}) for row in rows]
    return "\n".join([head, *told])


def ahead(**time: float) -> int:
    """Return the clock of a moment so far from now."""
    return int((now() + timedelta(**time)).timestamp() * 1000)


@pytest.mark.parametrize(("ms", "n"), [(None, 2**31 - 1), (2**62, 0)])
def test_a_clock_that_no_memdesk_can_have_is_told(
    desk: Service, tmp_path: Path, ms: int | None, n: int
) -> None:
    """A count near its end, or a time after all dates, would leave no later one to write with."""
    desk.remember(Draft("one"))
    other = desk_in(tmp_path / "other")
    text = clocked(exported(desk), ms or ahead(minutes=3), n)
    told = brought(other, text, tmp_path / "all.jsonl")
    field = "clock_n" if n else "clock_ms"
    assert told == {"stored": 0, "duplicate": 0, f"its {field} cannot be used": 1}
    other.close()


@pytest.mark.parametrize("hours", [1, 24 * 365])
def test_an_edit_of_what_came_with_a_clock_far_ahead_stands(
    desk: Service, tmp_path: Path, hours: int
) -> None:
    """It is later than the memory's own clock, so that the same import does not take it back."""
    id = desk.remember(Draft("one")).id
    other = desk_in(tmp_path / "other")
    text = clocked(exported(desk), ahead(hours=hours), 5)
    brought(other, text, tmp_path / "all.jsonl")
    other.revise(id, Edit(text="my own edit"))
    assert brought(other, text, tmp_path / "all.jsonl")["duplicate"] == 1
    assert other.get([id])[0].text == "my own edit"
    fresh = other.remember(Draft("another")).id
    assert other.get([fresh])[0].clock_ms <= ahead(minutes=5)
    other.close()


def test_the_clock_does_not_fall_with_what_is_adopted(
    two: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written after it is later than what was here, also while the wall is behind."""
    first, second, _ = two
    with monkeypatch.context() as patch:
        patch.setattr(core, "now", lambda: now() + timedelta(minutes=3))
        last = second.get([second.remember(Draft("of a clock that was ahead")).id])[0]
    first.remember(Draft("a new one"))
    brought(second, exported(first), tmp_path / "all.jsonl")
    (after,) = second.get([second.remember(Draft("after it")).id])
    assert clock_of(after) > clock_of(last)


# What is no export


def test_a_line_that_was_changed_by_hand_is_told(desk: Service, tmp_path: Path) -> None:
    """A text that is not that of its sum, a field too many, a wrong type: each is skipped, the rest is read."""
    desk.remember(Draft("kept"))
    (whole,) = wholes(desk, EVERYTHING)
    good = json.loads(next(rows(whole)))
    odd = [
        good | {"text": "changed"},
        good | {"more": 1},
        good | {"pinned": 1},
        good | {"tags": [1]},
        good | {"created_at": "2020-01-01"},
        good | {"clock_ms": 2**70},
        good | {"state": "undead"},
        good | {"id": "../../etc"},
        good | {"earlier": [good | {"id": new_id()}]},
        [],
        good,
        good,
    ]
    other = desk_in(tmp_path / "other")
    told = brought(other, "\n".join([HEADER, *map(json.dumps, odd)]), tmp_path / "all.jsonl")
    assert told.pop("stored") == 1
    assert told.pop("duplicate") == 0
    assert sum(told.values()) == len(odd) - 1
    assert told["its id is there twice"] == 1
    assert told["is no memory as memdesk writes it"] == 6
    other.close()


def test_a_line_that_is_too_long_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told where it stands, and what comes after it is read."""
    (good,) = rows(Whole(memory("good")))
    monkeypatch.setattr(own, "LONGEST_LINE", len(good) + 1)
    path = tmp_path / "all.jsonl"
    for longer in (2, 3, 5000):
        path.write_text("\n".join([HEADER, "x" * (len(good) + longer), good]))
        skipped, line = lines(path)
        assert skipped == Skipped("all.jsonl, line 2", "its line is longer than memdesk writes it")
        assert isinstance(line, own.Line)
        assert line.whole.memory.text == "good"


@pytest.mark.parametrize("first", ["", "{}", '{"format": "memdesk", "version": 99}', "\xff"])
def test_a_file_without_the_head_is_none(tmp_path: Path, first: str) -> None:
    """Only what begins as an export does is one, and one of a later memdesk is refused."""
    path = tmp_path / "all.jsonl"
    path.write_text(first + "\n", encoding="latin-1")
    with pytest.raises(Invalid, match=r"all\.jsonl"):
        list(lines(path))


def test_an_export_of_nothing_is_one(tmp_path: Path) -> None:
    """An empty store gives a head alone, and that imports nothing."""
    desk = desk_in(tmp_path / "first")
    assert exported(desk) == HEADER + "\n"
    assert brought(desk, exported(desk), tmp_path / "all.jsonl") == {"stored": 0, "duplicate": 0}
    desk.close()


@given(texts, st.lists(texts.map(lambda text: text[:20]), max_size=2))
def test_a_line_is_one_line(text: str, tags: list[str]) -> None:
    """No text breaks a line, whatever its reader takes for the end of one."""
    (told,) = rows(Whole(memory(text, tuple(tags))))
    assert len(told.splitlines()) == 1
    assert json.loads(told)["text"] == text


def memory(text: str, tags: tuple[str, ...] = ()) -> Memory:
    """Return a memory that no store has."""
    return replace(check(Draft("x"), now()).memory, text=text, tags=tags)


# Tables and notes


def test_a_cell_is_no_formula() -> None:
    """What a spreadsheet would run begins with an apostrophe; everything else is as it was."""
    rows = [*csv.DictReader(io.StringIO("".join(table([Whole(memory(each)) for each in HOSTILE]))))]
    assert rows[0]["text"] == "'" + HOSTILE[0]
    assert rows[2]["text"] == "'" + HOSTILE[2]
    assert [row["text"] for row in rows[3:]] == list(HOSTILE[3:])


@given(texts)
def test_a_note_is_read_as_it_was_written(text: str) -> None:
    """The front matter ends where the text begins, and is what YAML takes for plain values."""
    told = memory(text, ("a: b", "#c"))
    head, _, body = leaves.leaf(told).removeprefix("---\n").partition("\n---\n")
    assert body == text
    known = yaml.safe_load(head)
    assert (known["id"], known["tags"], known["kind"]) == (told.id, ["a: b", "#c"], "note")


@pytest.mark.parametrize("odd", ["\ufffe", "\uffff", "\ufeff", "\x85", "\u2028", "\x7f"])
def test_front_matter_holds_every_character(odd: str) -> None:
    """Also those that YAML has no place for."""
    head = leaves.leaf(memory("x", (f"a{odd}b",))).split("---\n")[1]
    assert yaml.safe_load(head)["tags"] == [f"a{odd}b"]


def test_names_of_notes_are_readable_and_unique() -> None:
    """A name is the first words; the second of a name, by any case, has a part of its id."""
    taken: set[str] = set()
    names = []
    for text in (
        "# The gate!",
        "the GATE",
        "../../etc/passwd",
        "CON",
        "🧠",
        "x" * 500,
        "日本語" * 99,
    ):
        names.append(leaves.name_of(memory(text), taken))
        taken.add(names[-1].casefold())
    assert names[0] == "The-gate.md"
    assert names[1].startswith("the-GATE-")
    assert names[2] == "etc-passwd.md"
    assert names[3].startswith("note-")
    assert len(taken) == len(names)
    assert max(len(name.encode()) for name in names) < 255
    assert not any("/" in name or name.startswith(".") for name in names)


@pytest.mark.parametrize(("text", "title"), [("## A heading\n\ntext", "A heading"), ("#", "#")])
def test_a_title_has_no_mark_of_a_heading(text: str, title: str) -> None:
    """It is what other programs show of the note."""
    assert f'\ntitle: "{title}"\n' in leaves.leaf(memory(text))


def test_notes_come_back_as_they_were(tmp_path: Path) -> None:
    """An import of the Markdown files has the same texts, kinds, tags, spaces and times."""
    desk, other = desk_in(tmp_path / "first"), desk_in(tmp_path / "second")
    desk.remember(Draft("# A heading\n\ntext", kind="decision", tags=("a b", "c"), space="work"))
    desk.remember(Draft("The gate: 4711", happened_at="2020-05", pinned=True))
    desk.remember(Draft("old", created_at="2011-01-02T03:04:05.678901Z", happened_at="2010"))
    turn = Draft("What is it?", session="1.0", position=0, role="user", speaker="Ada")
    desk.remember(replace(turn, confidence=0.5))
    assert write_notes(wholes(desk, Filter()), tmp_path / "notes") == 4
    bring_in(other, tmp_path / "notes")

    def told(desk: Service) -> list[tuple[object, ...]]:
        names = [
            "text",
            "kind",
            "tags",
            "space",
            "created_at",
            "happened_at",
            "happened_precision",
            "pinned",
            "session",
            "position",
            "role",
            "speaker",
            "confidence",
        ]
        found = desk.list().memories
        return sorted(tuple(getattr(each, name) for name in names) for each in found)

    assert told(other) == told(desk)
    assert bring_in(desk, tmp_path / "notes").stored == 0
    desk.close()
    other.close()


# The command


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return a person at a desk."""
    monkeypatch.setenv("MEMDESK_HOME", str(tmp_path / "desk"))
    return Cli(tmp_path / "desk", FakeEmbedder())


def test_an_export_goes_to_standard_output(cli: Cli) -> None:
    """By default it is JSON lines of everything, in the trash too; filters narrow it."""
    cli.add("one", "--tag", "a")
    cli.ok("forget", cli.add("two"))
    assert cli.ok("export").lines[0] == HEADER
    assert [row["text"] for row in cli.ok("export").jsonl[1:]] == ["one", "two"]
    assert [row["text"] for row in cli.ok("export", "--tag", "a").jsonl[1:]] == ["one"]
    assert [row["text"] for row in cli.ok("export", "--trash").jsonl[1:]] == ["two"]
    assert len(cli.ok("export", "--format", "csv").lines) == 2


def test_an_exported_file_is_private_and_whole(cli: Cli, tmp_path: Path) -> None:
    """Only its owner reads it, it takes the place of another at once, and no part of one is left."""
    cli.add("one")
    path = tmp_path / "out" / "all.jsonl"
    path.parent.mkdir()
    path.write_text("before")
    cli.ok("export", "--to", str(path))
    assert path.read_text() == cli.ok("export").out
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["all.jsonl"]
    assert cli("export", "--to", str(path.parent)).code == 2
    assert cli("export", "--to", str(tmp_path / "no" / "x")).code == 2


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_a_link_is_followed(cli: Cli, tmp_path: Path, format: str) -> None:
    """The file that it leads to is replaced, and the link stays one."""
    cli.add("tea at five")
    there, link = tmp_path / "there", tmp_path / "link"
    there.write_text("an older export")
    link.symlink_to(there)
    cli.ok("export", "--format", format, "--to", str(link))
    assert link.readlink() == there
    assert b"tea at five" in there.read_bytes()


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_what_is_no_file_is_not_replaced(cli: Cli, tmp_path: Path, format: str) -> None:
    """A pipe, say: it is refused and stays one."""
    cli.add("tea at five")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    done = cli("export", "--format", format, "--to", str(pipe))
    assert (done.code, "pipe" in done.err, pipe.is_fifo()) == (2, True, True)


def test_a_parquet_file_has_every_column(cli: Cli, tmp_path: Path) -> None:
    """The live memories are its rows."""
    cli.add("one")
    cli.ok("forget", cli.add("two"))
    cli.ok("export", "--format", "parquet", "--to", str(tmp_path / "all.parquet"))
    assert pq.read_table(tmp_path / "all.parquet").column("text").to_pylist() == ["one"]
    assert cli("export", "--format", "parquet").code == 2


def test_notes_are_written_into_an_empty_folder(cli: Cli, tmp_path: Path) -> None:
    """One file a memory; a folder that has something in it is left alone."""
    cli.add("The gate code")
    cli.ok("export", "--format", "markdown", "--to", str(tmp_path / "notes"))
    assert (tmp_path / "notes" / "The-gate-code.md").read_text().endswith("\nThe gate code")
    assert cli("export", "--format", "markdown", "--to", str(tmp_path / "notes")).code == 2


def test_a_line_tells_where_it_stands(tmp_path: Path) -> None:
    """What cannot be read is named by its line."""
    path = tmp_path / "all.jsonl"
    path.write_text(HEADER + "\n\nno JSON\n")
    assert list(lines(path)) == [Skipped("all.jsonl, line 3", "is no memory as memdesk writes it")]


def test_another_beginning_is_no_export(tmp_path: Path) -> None:
    """A pipe is not waited for, and a first line that is nested without end is no header."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "deep").write_text("[" * 2000)
    for name, reason in (("pipe", "is no regular file"), ("deep", "is no export of memdesk")):
        assert not FORMAT.recognises(tmp_path / name)
        with pytest.raises(Invalid, match=f"{name}: {reason}"):
            list(lines(tmp_path / name))
