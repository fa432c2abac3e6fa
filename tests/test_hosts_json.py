"""Our entry in JSON: everything else stays as it is written, whatever it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from written import documents, unhurried, values

from memdesk.hosts import json_entry
from memdesk.hosts.entries import _parsed
from memdesk.hosts.json_text import parse
from memdesk.hosts.unusable import Unusable

KEY = "mcpServers"
PATH = (KEY, "memdesk")
ENTRY = {"command": "/opt/memdesk", "args": ["mcp"], "env": {"MEMDESK_HOME": "/store ü"}}


@unhurried
@given(documents(KEY, comments=True))
def test_a_document_keeps_all_that_it_says(text: str) -> None:
    """With the entry in it, a document says what it said, and the entry; without it, the same."""
    before: Any = _parsed(text)
    after = json_entry.put(text, PATH, ENTRY)
    told: Any = _parsed(after)
    assert told[KEY].pop("memdesk") == ENTRY
    assert told == {KEY: {}} | before
    assert json_entry.same_but(text, after, PATH)
    assert _parsed(json_entry.take(after, PATH, False)) == {KEY: {}} | before
    assert _parsed(json_entry.take(after, PATH, True)).get(KEY, {}) == before.get(KEY, {})


@unhurried
@given(documents(KEY, comments=True))
def test_every_line_stays_in_its_place(text: str) -> None:
    """What is put in is put between: take the new characters away and the old ones are there."""
    rest = iter(json_entry.put(text, PATH, ENTRY))
    assert all(letter in rest for letter in text)


@unhurried
@given(documents(KEY, comments=False))
def test_strict_json_stays_strict(text: str) -> None:
    """A host that forgives nothing can read what was written, and what is left of it."""
    after = json_entry.put(text, PATH, ENTRY)
    assert json.loads(after)[KEY]["memdesk"] == ENTRY
    json.loads(json_entry.take(after, PATH, False))


@unhurried
@given(documents(KEY, comments=True), values)
def test_an_entry_is_replaced_in_its_place(text: str, other: Any) -> None:
    """Putting another one in the place of ours leaves the rest, and the same one changes nothing."""
    once = json_entry.put(text, PATH, {"command": other})
    after = json_entry.put(once, PATH, ENTRY)
    assert json_entry.value(after, PATH) == ENTRY
    assert json_entry.same_but(once, after, PATH)
    assert json_entry.value(json_entry.put(after, PATH, ENTRY), PATH) == ENTRY


@unhurried
@given(documents(KEY, comments=True))
def test_what_is_shown_hides_all_values(text: str) -> None:
    """A masked document has the entry, and of others no word but the names."""
    secret = json_entry.put(text, (KEY, "other"), {"env": {"TOKEN": "sk-canary"}, "n": 4711})
    shown = json_entry.masked(json_entry.put(secret, PATH, ENTRY), PATH)
    assert "canary" not in shown
    assert "4711" not in shown
    assert "comment" not in shown
    assert "/store ü" in shown


@unhurried
@given(values)
def test_what_is_read_is_what_is_meant(value: Any) -> None:
    """The scanner understands JSON as Python's does."""
    assert parse(json.dumps(value)).said() == value


@unhurried
@given(st.text(alphabet='{}[]",:/*\\\n 01aetrufnsl-+.', max_size=30))
def test_no_text_breaks_the_scanner(text: str) -> None:
    """Whatever stands in a file is JSON for both, or for neither."""
    try:
        told = parse(text).said()
    except Unusable:
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)
    else:
        assert told == _parsed(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1',
        '{"a" 1}',
        "{'a': 1}",
        '{"a": 01}',
        '{"a": NaN}',
        '{"a": "\\x"}',
        '{"a": "\n"}',
        "{a: 1}",
        "{} {}",
        "{,}",
        '{"a": 1,, }',
        "[1 2]",
        '{"a": 1}}',
        "/* {}",
        '{"a":}',
        "[" * 300 + "]" * 300,
    ],
)
def test_what_is_no_json_is_refused(text: str) -> None:
    """Nothing is guessed: a file that cannot be read is not written."""
    with pytest.raises(Unusable):
        json_entry.put(text, PATH, ENTRY)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[1]", "is no JSON object"),
        ('{"mcpServers": []}', "has a “mcpServers” that is no JSON object"),
        ('{"mcpServers": null}', "has a “mcpServers” that is no JSON object"),
        ('{"mcpServers": {}, "mcpServers": {}}', "has “mcpServers” twice"),
        ('{"mcpServers": {"memdesk": {}, "memdesk": {}}}', "has “memdesk” twice"),
        ('{"mcpServers": {"memdesk": {/* mine */}}}', "has comments in “memdesk”"),
        ('{\n"a": 1,\n"b" 2}', "is no JSON (line 3)"),
    ],
)
def test_what_is_unclear_is_refused(text: str, why: str) -> None:
    """One sentence tells what is in the way."""
    with pytest.raises(Unusable) as raised:
        json_entry.put(text, PATH, ENTRY)
    assert str(raised.value).startswith(why)


@pytest.mark.parametrize("indent", ["  ", "    ", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_it_is_written_as_the_file_is(indent: str, newline: str) -> None:
    """Indentation and ends of lines are those of the file."""

    def lines(servers: dict[str, object]) -> str:
        text = json.dumps({"theme": "dark", KEY: servers, "z": [1]}, indent=indent)
        return text.replace("\n", newline) + newline

    text = lines({"files": {"command": "npx"}})
    assert json_entry.put(text, PATH, ENTRY).replace("ü", "\\u00fc") == lines(
        {"files": {"command": "npx"}, "memdesk": ENTRY}
    )
    assert json_entry.take(json_entry.put(text, PATH, ENTRY), PATH) == text


def test_a_comment_is_not_taken_out_with_an_entry() -> None:
    """Neither one in it nor one before it: leaving is refused as renewing is."""
    for entry in ('{"command": "x" /* mine */}', "/* mine */ {}"):
        with pytest.raises(Unusable, match="has comments in “memdesk”"):
            json_entry.take(f'{{"mcpServers": {{"memdesk": {entry}}}}}', PATH)


def test_a_number_that_is_too_long_is_told() -> None:
    """Python reads no number of so many digits."""
    with pytest.raises(Unusable, match="a number that is too long"):
        json_entry.value('{"a": ' + "1" * 5000 + "}", ("a",))


def test_a_comment_stays_with_what_it_is_about() -> None:
    """The comma goes before it, and the entry below it."""
    text = '{\n  "mcpServers": {\n    "files": {} // about files\n  }\n}\n'
    after = json_entry.put(text, PATH, {"command": "x"})
    assert '"files": {}, // about files\n    "memdesk": {\n      "command": "x"\n    }\n' in after
    assert json_entry.take(after, PATH) == text
