"""Reading JSON piece by piece: the same values as at once, in little memory, and no way to hang or crash."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from read_imports import patiently

from memdesk.errors import Invalid
from memdesk.ingest import streamed
from memdesk.ingest.streamed import Part, Unread, lines, parts, records

if TYPE_CHECKING:
    from pathlib import Path

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
SPACES = st.sampled_from([None, 1, "\t"])


class Slow(io.BytesIO):
    """A file that gives a few bytes at a time, so that everything is cut somewhere."""

    def __init__(self, data: bytes, step: int) -> None:
        super().__init__(data)
        self._step = step

    def read(self, size: int | None = -1) -> bytes:  # noqa: ARG002
        """Return the next few bytes."""
        return super().read(self._step)


def encoded(value: Any, indent: Any, *, ascii_: bool) -> bytes:
    """Return a value as JSON in one of the ways that it is written."""
    return json.dumps(value, indent=indent, ensure_ascii=ascii_).encode("utf-8", "surrogatepass")


@patiently
@given(st.lists(JSON, max_size=5), SPACES, st.booleans(), st.integers(1, 9))
def test_a_list_comes_in_its_order(values: list[Any], indent: Any, ascii_: bool, step: int) -> None:
    """Wherever the pieces are cut, a list's elements are those that are read at once."""
    data = encoded(values, indent, ascii_=ascii_)
    expected = [Part("", 0, []), *(Part("", n, each) for n, each in enumerate(values, start=1))]
    assert list(parts(Slow(data, step), "x", "y")) == expected
    assert list(records(Slow(data, step), "x", "y")) == values


@patiently
@given(st.dictionaries(st.text(), JSON, max_size=4), SPACES, st.booleans(), st.integers(1, 9))
def test_an_object_is_taken_apart(
    value: dict[str, Any], indent: Any, ascii_: bool, step: int
) -> None:
    """An object's fields come one after the other, and the elements of its lists by themselves."""
    data = encoded(value, indent, ascii_=ascii_)
    built: dict[str, Any] = {}
    for part in parts(Slow(data, step), "x", "y"):
        if part.number:
            built[part.key].append(part.value)
        else:
            built[part.key] = part.value
    assert built == value
    assert list(records(Slow(data, step), "x", "y")) == [value]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nothing",
        b"[1 2]",
        b"[1,]",
        b"[1",
        b"[1,",
        b'["a',
        b'["\\',
        b"[1]]",
        b"[1] [2]",
        b"{1: 2}",
        b'{"a" 1}',
        b'{"a": 1 "b": 2}',
        b'{"a": 1,',
        b'{"a": [1, {"b": }]}',
        b'{"a": tru',
        b'["\xff"]',
        b"[" + b"7" * 5000 + b"]",
        b"[" * 100_000 + b"]" * 100_000,
        b'[{"a":' * 50_000,
    ],
)
def test_what_is_no_json_is_one_error(data: bytes) -> None:
    """Whatever is wrong, the error names the file, about where, and what was expected."""
    with pytest.raises(
        Invalid, match=r"near character [0-9,]+; expected a list of memories"
    ) as caught:
        list(parts(io.BytesIO(data), "notes.json", "a list of memories"))
    assert caught.value.field == "notes.json"


@patiently
@given(st.binary(max_size=60))
def test_any_bytes_end(data: bytes) -> None:
    """Bytes of any kind are values or one error."""
    for reads in (parts, records):
        try:
            list(reads(io.BytesIO(data), "x", "y"))
        except Invalid as error:
            told = error.field
        else:
            told = "x"
        assert told == "x"
    assert all(number for number, _ in lines(io.BytesIO(data)))


def test_what_comes_before_a_break_is_read() -> None:
    """Of a broken-off file, the elements before the break come first."""
    found = records(io.BytesIO(b'[{"a": 1}, {"a": 2}, {"a"'), "x", "y")
    assert [next(found), next(found)] == [{"a": 1}, {"a": 2}]
    with pytest.raises(Invalid, match="broken off"):
        next(found)


def test_one_entry_may_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry beyond the limit is an error before it is read to its end."""
    monkeypatch.setattr(streamed, "LONGEST", 100_000)
    monkeypatch.setattr(streamed, "_PIECE", 1000)
    file = io.BytesIO(b'[{"a": "' + b"x" * 10_000_000 + b'"}]')
    with pytest.raises(Invalid, match="over 100,000 characters"):
        list(records(file, "x", "y"))
    assert file.tell() < 1_000_000


def test_the_memory_it_takes_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """A file of twelve megabytes is read in less than three."""
    entry = json.dumps({"text": "word " * 2000}).encode()
    (tmp_path / "long.json").write_bytes(b"[" + b",".join([entry] * 1200) + b"]")
    tracemalloc.start()
    try:
        with (tmp_path / "long.json").open("rb") as file:
            count = sum(1 for _ in records(file, "x", "y"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 1200
    assert peak < 3_000_000


def test_large_numbers_are_kept() -> None:
    """A number beyond 64 bits, and one with a fraction, are what they are."""
    assert list(records(io.BytesIO(b"[123456789012345678901234567890, 1.5]"), "x", "y")) == [
        123456789012345678901234567890,
        1.5,
    ]


def test_the_last_of_two_equal_keys_holds() -> None:
    """An object that says a thing twice means the last."""
    assert list(records(io.BytesIO(b'[{"a": 1, "a": 2}]'), "x", "y")) == [{"a": 2}]


def test_a_mark_of_the_byte_order_is_no_text() -> None:
    """A file that begins with UTF-8's mark, as on Windows, is read like any other."""
    assert list(records(io.BytesIO(b"\xef\xbb\xbf[1]"), "x", "y")) == [1]
    assert list(lines(io.BytesIO(b'\xef\xbb\xbf{"a": 1}\n'))) == [(1, {"a": 1})]


def test_lines_are_numbered_as_an_editor_does() -> None:
    """Blank lines count and tell nothing; a line that cannot be read says why."""
    data = b'{"a": 1}\n\n  \r\nno\n"\xff"\n[' + b"[" * 100_000 + b"\n7"
    assert list(lines(io.BytesIO(data))) == [
        (1, {"a": 1}),
        (4, Unread("a line that is no JSON")),
        (5, Unread("a line that is not valid UTF-8")),
        (6, Unread("a line that is no JSON")),
        (7, 7),
    ]


def test_many_small_values_may_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long entry with too many of them is an error, or a line that is skipped; text counts as one."""
    monkeypatch.setattr(streamed, "_LONG", 1000)
    monkeypatch.setattr(streamed, "_MOST_VALUES", 500)
    many, text = b"[" + b"{}," * 1000 + b"{}]", json.dumps('[{,"\\}]' * 1000).encode()
    with pytest.raises(Invalid, match="an entry of over 500 values"):
        list(records(io.BytesIO(b"[" + many + b"]"), "x", "y"))
    assert list(lines(io.BytesIO(many))) == [(1, Unread("a line of too many values"))]
    few = b"[" + b", ".join([b"[1]"] * 300 + [text]) + b"]"
    assert len(list(records(io.BytesIO(few), "x", "y"))) == 301
