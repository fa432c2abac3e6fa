"""Texts, names and ids as they may be kept."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdesk.errors import Invalid
from memdesk.memory import (
    MAX_TEXT_BYTES,
    check_id,
    check_kind,
    check_metadata,
    check_space,
    clean,
    clean_tags,
    clean_text,
    content_hash,
    count_tokens,
    new_id,
)

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))

CLEAN_TEXT = ANY_TEXT.map(lambda text: clean(text)[0])


def test_clean_removes_escapes_and_says_how_many() -> None:
    """Terminal escapes, C1 controls and bidi overrides leave the text and are counted."""
    assert clean("a\x1b[31mb\x9bc\u202ed\u2066e\x7f") == ("a[31mbcde", 5)


def test_clean_keeps_newlines_tabs_and_joiners() -> None:
    """Newlines, tabs, emoji joiners and other scripts stay as they are."""
    text = "one\n\ttwo 👩\u200d💻 שלום 東京"
    assert clean(text) == (text, 0)


def test_clean_makes_every_line_end_a_newline() -> None:
    """Windows and old Mac line ends become newlines and are not counted as removed."""
    assert clean("a\r\nb\rc\n") == ("a\nb\nc\n", 0)


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "\udfff"])
def test_clean_refuses_nul_and_surrogates(text: str) -> None:
    """NUL and lone surrogates are refused with the field's name."""
    with pytest.raises(Invalid, match=r"^text: holds a"):
        clean(text)


@given(ANY_TEXT)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    """A cleaned text is clean, and holds no control character but newline and tab."""
    kept, _ = clean(text)
    assert clean(kept) == (kept, 0)
    assert not [c for c in kept if unicodedata.category(c) == "Cc" and c not in "\n\t"]


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\x1b\x07"])
def test_blank_text_is_refused(text: str) -> None:
    """A text without words cannot be remembered."""
    with pytest.raises(Invalid, match=r"^text: is empty"):
        clean_text(text)


def test_text_over_one_megabyte_is_refused_by_its_bytes() -> None:
    """The limit counts UTF-8 bytes, and exactly one megabyte still fits."""
    assert clean_text("é" * (MAX_TEXT_BYTES // 2))[1] == 0
    with pytest.raises(Invalid, match=r"1,048,578 bytes long"):
        clean_text("é" * (MAX_TEXT_BYTES // 2 + 1))


@pytest.mark.parametrize("name", ["personal", "a", "git@host:me/repo", "Ünïcode 東京", "v1.2_x+y"])
def test_well_formed_space_names_are_kept(name: str) -> None:
    """A space is named as projects are."""
    assert check_space(name) == name


@pytest.mark.parametrize(
    "name", ["", " a", "a ", "-a", "a\nb", "x" * 101, "a'b", "../x", "a;b", "a\x1bb", "a\0b"]
)
def test_malformed_space_names_are_refused(name: str) -> None:
    """A space's name that could not be one is an error."""
    with pytest.raises(Invalid, match=r"^space:"):
        check_space(name)


@pytest.mark.parametrize("kind", ["", "two words", "Ü", "1st", "x" * 33])
def test_malformed_kinds_are_refused(kind: str) -> None:
    """A kind is one plain word."""
    with pytest.raises(Invalid, match=r"^kind:"):
        check_kind(kind)


def test_tags_lose_blanks_repeats_and_hashes() -> None:
    """Tags keep their order, each once, without a leading #."""
    assert clean_tags(["#work", " ", "home ", "work", "## work", "#"]) == ("work", "home")


@pytest.mark.parametrize("id", ["", "7", "not-an-id", "x" * 300, "';--", "\x1b[2J"])
def test_what_is_no_uuid_is_refused(id: str) -> None:
    """An id that is none is refused, and its escapes are not repeated."""
    with pytest.raises(Invalid, match=r"is not an id") as caught:
        check_id(id)
    assert "\x1b" not in str(caught.value)


def test_ids_are_brought_to_one_form() -> None:
    """An id in capitals, without dashes or in braces is the same id."""
    id = new_id()
    assert {check_id(form) for form in (id.upper(), id.replace("-", ""), f"{{{id}}}")} == {id}


@pytest.mark.parametrize("metadata", ["", "[]", "{", '"x"', '{"a": NaN}', '{"a": "\\u0000"}'])
def test_metadata_must_be_a_json_object(metadata: str) -> None:
    """Metadata that is not a JSON object is refused, NaN and NUL included."""
    with pytest.raises(Invalid, match=r"^metadata:"):
        check_metadata(metadata if metadata != '{"a": "\\u0000"}' else '{"a": "\0"}')


@given(st.dictionaries(CLEAN_TEXT, st.integers() | CLEAN_TEXT | st.booleans(), max_size=5))
def test_metadata_means_the_same_after_checking(value: dict[str, object]) -> None:
    """Checked metadata holds what was given, in one form."""
    text = check_metadata(value)
    assert json.loads(text) == value
    assert check_metadata(text) == text


def test_metadata_is_in_order_after_something_was_removed() -> None:
    """Keys that lose a character are sorted, and may be one, as they will be the next time."""
    assert check_metadata('{"0": 0, "\\u007f": 1}') == '{"": 1, "0": 0}'
    assert check_metadata('{"a": 0, "a\\u007f": 1}') == '{"a": 1}'


def test_metadata_is_bounded_in_size_and_depth() -> None:
    """What is kept is what was measured, and a nest too deep for JSON readers is refused."""
    assert check_metadata({"a": "\u202e" * 9_000_000}) == '{"a": ""}'
    with pytest.raises(Invalid, match=r"longer than 65,536 bytes"):
        check_metadata({"a": "x" * 70_000})
    with pytest.raises(Invalid, match=r"more than 32 levels"):
        check_metadata('{"a":' * 40 + "1" + "}" * 40)


@given(ANY_TEXT)
def test_tokens_are_bytes_by_three_rounded_up(text: str) -> None:
    """A token is three bytes of UTF-8, begun ones counted."""
    tokens = count_tokens(text)
    assert tokens * 3 - 2 <= len(text.encode()) <= tokens * 3 or (tokens == 0 and not text)


def test_content_hash_is_sha256_of_utf8() -> None:
    """The hash is the one that any other tool computes."""
    assert content_hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
