"""Values and errors on their way through a line of JSON."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdesk import answers, errors, memory
from memdesk.catalog import BUNDLED, ModelSpec
from memdesk.errors import Busy, Conflict, Invalid, MemdeskError, NotFound, StoreError
from memdesk.link import values
from memdesk.memory import Draft

text = st.text(st.characters(exclude_categories=[])) | st.sampled_from(
    ["$", '{"$": "Memory"}', "\ud83d", "\0", "\u2028", "a\nb", '"', "\\"]
)
whole = st.integers()
real = st.floats(allow_nan=False)
zones = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(timezones=zones | st.just(UTC))
words = st.lists(text, max_size=3).map(tuple)

BY_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "str": text,
    "str | None": st.none() | text,
    "int": whole,
    "int | None": st.none() | whole,
    "float": real,
    "float | None": st.none() | real,
    "bool": st.booleans(),
    "bool | None": st.none() | st.booleans(),
    "datetime": moments,
    "datetime | None": st.none() | moments,
    "Path": text.filter(lambda name: "\0" not in name).map(Path),
    "tuple[str, ...]": words,
    "tuple[str, ...] | None": st.none() | words,
    "tuple[int, ...]": st.lists(whole, max_size=3).map(tuple),
    "tuple[int, int]": st.tuples(whole, whole),
    "tuple[tuple[int, int], ...]": st.lists(st.tuples(whole, whole), max_size=3).map(tuple),
    "tuple[tuple[str, float], ...]": st.lists(st.tuples(text, real), max_size=3).map(tuple),
    "dict[str, int]": st.dictionaries(text, whole, max_size=3),
}


def record(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Return what makes values of a dataclass; a field of a new type is a KeyError."""
    parts = {field.name: BY_TYPE[str(field.type)] for field in dataclasses.fields(kind)}
    return st.builds(kind, **parts)


def dataclasses_of(module: object) -> list[type[Any]]:
    """Return the values that a module defines, those that others hold first."""
    found = [each for each in vars(module).values() if dataclasses.is_dataclass(each)]
    return [each for each in found if isinstance(each, type)]


RECORDS = [*dataclasses_of(memory), *dataclasses_of(answers), ModelSpec]
for each in RECORDS:
    made = st.deferred(lambda each=each: record(each))  # type: ignore[misc]
    BY_TYPE[each.__name__] = made
    BY_TYPE[f"{each.__name__} | None"] = st.none() | made
    BY_TYPE[f"tuple[{each.__name__}, ...]"] = st.lists(made, max_size=2).map(tuple)


def crossed(value: object) -> object:
    """Return what a value is on the other side."""
    line = values.line({"result": values.pack(value)})
    assert line.count(b"\n") == 1
    return values.unpack(values.read_line(line)["result"])


@pytest.mark.parametrize("kind", RECORDS)
@given(data=st.data())
def test_every_record_arrives_as_it_was(kind: type[Any], data: st.DataObject) -> None:
    """Whatever a record holds, the same comes out: times, hostile texts and keys included."""
    value = data.draw(record(kind))
    assert crossed(value) == value


@given(
    st.recursive(
        st.none() | st.booleans() | whole | real | text | moments,
        lambda inner: st.lists(inner).map(tuple) | st.dictionaries(text, inner),
        max_leaves=20,
    )
)
def test_plain_values_arrive_as_they_were(value: object) -> None:
    """Tuples and mappings of plain values come out the same, whatever their keys."""
    assert crossed(value) == value


def test_kinds_of_numbers_and_rows_are_kept() -> None:
    """1, 1.0 and True stay three things; a list comes out as a tuple."""
    out = crossed([1, 1.0, True, None])
    assert isinstance(out, tuple)
    assert [type(each).__name__ for each in out] == ["int", "float", "bool", "NoneType"]


def test_microseconds_and_offsets_are_kept() -> None:
    """A time keeps its zone's offset and its last microsecond."""
    at = datetime(2026, 5, 8, 0, 30, 0, 123456, timezone(timedelta(hours=2)))
    assert crossed(at).isoformat() == "2026-05-08T00:30:00.123456+02:00"  # type: ignore[attr-defined]


def test_what_is_not_ours_does_not_cross() -> None:
    """An object that nobody registered is refused by its name, also one that only shares a name."""
    stranger = dataclasses.make_dataclass("Draft", ["text"], frozen=True)
    for value in (object(), {1}, b"x", stranger("x")):
        with pytest.raises(TypeError, match=r"cannot be given to the daemon"):
            values.pack(value)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"$": "Nothing"},
        {"$": ["Draft"]},
        {"$": "Draft"},
        {"$": "Draft", "text": "x", "more": 1},
        {"$": "datetime", "at": "soon"},
        {"$": "datetime"},
        {"$": "dict", "pairs": [1]},
        {"$": "dict", "pairs": [[{"$": "dict", "pairs": []}, 1]]},
        {"$": "Path", "path": 7},
        {"$": "_class"},
    ],
)
def test_foreign_values_are_refused(said: object) -> None:
    """What nobody packed is a `StoreError` that says what to do."""
    with pytest.raises(StoreError, match=r"do not understand each other"):
        values.unpack([said])


@pytest.mark.parametrize("line", [b"", b"x\n", b"[]\n", b"7\n", b"\xff\n", b"[" * 100_000])
def test_foreign_lines_are_refused(line: bytes) -> None:
    """A line that is no JSON object is a `StoreError`."""
    with pytest.raises(StoreError):
        values.read_line(line)


EXAMPLES: list[MemdeskError] = [
    MemdeskError("x"),
    Invalid("text", "is “\ud800”"),
    NotFound("7"),
    Conflict("7", "it went"),
    Busy("process 7 (memdesk), for 3 s", 1.25),
    *(kind("words") for kind in (errors.StoreError, errors.ModelError, errors.SyncError)),
    *(errors.Cancelled("words"), errors.Denied("words")),
]


def test_a_busy_store_tells_how_far_a_change_came() -> None:
    """What was done before crosses with the rest."""
    error = Busy("process 7", 1.0, "3 of 7 are done")
    back = values.unpack_error(values.pack_error(error))
    assert (type(back), back.args, str(back)) == (Busy, error.args, str(error))
    assert str(error).endswith("try again; 3 of 7 are done")


def test_every_error_of_ours_has_an_example() -> None:
    """The list above leaves none out."""
    found = {each for each in vars(errors).values() if isinstance(each, type)}
    assert found == {type(each) for each in EXAMPLES}


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_errors_cross_with_their_fields(error: MemdeskError) -> None:
    """The type, the sentence and every field come out."""
    out = values.unpack_error(json.loads(values.text(values.pack_error(error))))
    assert type(out) is type(error)
    assert (out.args, str(out), vars(out)) == (error.args, str(error), vars(error))


def test_other_errors_cross_by_name_and_words() -> None:
    """A builtin is raised as itself, a stranger as a `RuntimeError` that names it."""
    for error in (TypeError("x"), KeyError("x"), OSError("x"), ZeroDivisionError("x")):
        assert type(values.unpack_error(values.pack_error(error))) is type(error)
    stranger = type("Strange", (Exception,), {})("words")
    for other in (stranger, KeyboardInterrupt("words"), subprocess.SubprocessError("words")):
        out = values.unpack_error(values.pack_error(other))
        assert type(out) is RuntimeError
        assert str(out) == f"{type(other).__name__}: words"
    decoding = UnicodeDecodeError("utf-8", b"x", 0, 1, "bad")
    assert type(values.unpack_error(values.pack_error(decoding))) is RuntimeError


def test_an_error_about_anything_crosses() -> None:
    """What a field holds that is no plain value arrives as its words."""
    out = values.unpack_error(values.pack_error(StoreError(OSError("the disk"))))
    assert isinstance(out, StoreError)
    assert out.args == ("the disk",)


@pytest.mark.parametrize("said", [{}, 7, {"type": "Invalid"}, {"type": "Invalid", "args": [1]}])
def test_foreign_errors_are_store_errors(said: Any) -> None:
    """An error that cannot be read is told as one."""
    assert isinstance(values.unpack_error(said), StoreError)


def test_a_subclass_of_ours_crosses_as_what_is_known() -> None:
    """An error that only the other side knows keeps its place in the tree."""
    special = type("Special", (NotFound,), {})("7")
    out = values.unpack_error(values.pack_error(special))
    assert type(out) is NotFound
    assert out.args == ("7",)


def test_a_model_is_sent_without_being_imported_before() -> None:
    """The catalogue is read only by those who speak of models."""
    assert crossed(BUNDLED) == BUNDLED
    assert crossed((Draft("x"),)) == (Draft("x"),)
    program = "import sys, memdesk.link.client; sys.exit('memdesk.catalog' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
