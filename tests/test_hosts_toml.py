"""Our entry in TOML: put in and taken out by whole lines, all others stay."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from written import unhurried

from memdesk.hosts import toml_entry
from memdesk.hosts.unusable import Unusable

PATH = ("mcp_servers", "memdesk")
ENTRY = {"command": "/opt/mem desk", "args": ["mcp"], "env": {"MEMDESK_HOME": 'C:\\st"öre'}}
PIECES = (
    "# a comment\n",
    "\n",
    'x = "# none"\n',
    "a.b = 1 # one\n",
    "[table]\n",
    "[mcp_servers.files]\n",
    "[mcp_servers.files.env]\n",
    "  [[list]]\n",
    'y = """\n[mcp_servers.memdesk]\n"""\n',
    "z = '''\n# it''s\n'''\n",
    "l = [ # of\n  1,\n  [2],\n]\n",
    "i = { a = 1, b = [1, 2] }\n",
    "n = nan\n",
    "d = 2026-05-08\n",
    '"q]" = "]"\n',
)


def is_toml(text: str) -> bool:
    """Tell whether a text can be read."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


texts = st.lists(st.sampled_from(PIECES), max_size=7, unique=True).map("".join).filter(is_toml)


@unhurried
@given(texts, st.sampled_from(["\n", "\r\n"]))
def test_every_other_line_stays(text: str, newline: str) -> None:
    """The entry comes at the end, and goes from there; what is there twice is there once."""
    text = text.replace("\n", newline)
    after = toml_entry.put(text, PATH, ENTRY)
    assert after.startswith(text)
    assert toml_entry.value(after, PATH) == ENTRY
    assert toml_entry.same_but(text, after, PATH)
    assert toml_entry.put(after, PATH, ENTRY) == after
    assert toml_entry.take(after, PATH) == text


@unhurried
@given(texts, texts)
def test_an_entry_is_replaced_and_removed_in_its_place(before: str, behind: str) -> None:
    """One that Codex wrote in its own way, with a table for the environment, is known."""
    theirs = '[mcp_servers.memdesk]\ncommand = "x"\n\n[mcp_servers.memdesk.env]\nA = "b"\n'
    behind = "\n# of the next\n[next]\n" + "".join(
        line for line in behind.splitlines(keepends=True) if line.startswith("#")
    )
    text = before + "\n" + theirs + behind
    after = toml_entry.put(text, PATH, ENTRY)
    assert toml_entry.value(after, PATH) == ENTRY
    assert toml_entry.same_but(text, after, PATH)
    assert after.startswith(before)
    assert after.endswith(behind)
    assert toml_entry.take(text, PATH) == before + behind


def test_keys_among_others_of_their_table_are_known() -> None:
    """Dotted and inline ones are taken out alone."""
    text = '[mcp_servers]\nmemdesk = { command = "x" }\nfiles.command = "y"\n\n[z]\na = 1\n'
    assert toml_entry.take(text, PATH) == '[mcp_servers]\nfiles.command = "y"\n\n[z]\na = 1\n'
    after = toml_entry.put(text, PATH, ENTRY)
    assert toml_entry.same_but(text, after, PATH)
    assert toml_entry.value(after, PATH) == ENTRY


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a = \n", "is no TOML (line 1)"),
        ("[a]\nb = 1\nb = 2\n", "is no TOML"),
        ("mcp_servers = 3", "has a “mcp_servers” that is no table"),
        ("n = " + "1" * 5000, "is no TOML"),
        ('mcp_servers = { files = { command = "x" } }', "has “mcp_servers” in one line"),
        ('mcp_servers = { memdesk = { command = "x" } }', "has “memdesk” written in one line"),
        ('[mcp_servers.memdesk] # mine\ncommand = "x"\n', "has comments in “memdesk”"),
    ],
)
def test_what_is_unclear_is_refused(text: str, why: str) -> None:
    """One sentence tells what is in the way."""
    with pytest.raises(Unusable) as raised:
        toml_entry.put(text, PATH, ENTRY)
    assert str(raised.value).startswith(why)


def test_a_comment_is_not_taken_out_with_an_entry() -> None:
    """Leaving is refused as renewing is."""
    with pytest.raises(Unusable, match="has comments in “memdesk”"):
        toml_entry.take('[mcp_servers]\nmemdesk = { command = "x" } # mine\n', PATH)


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e+16"])
def test_any_number_stays_as_it_is(number: str) -> None:
    """What a person has added to our entry is written again as TOML has it."""
    text = f'[mcp_servers.memdesk]\ncommand = "x"\nn = {number}\n'
    after = toml_entry.put(text, PATH, toml_entry.value(text, PATH) | ENTRY)
    assert repr(toml_entry.value(after, PATH)["n"]) == repr(float(number))


@unhurried
@given(texts)
def test_what_is_shown_hides_all_values(text: str) -> None:
    """Names stay, values and comments of others do not."""
    text += '[mcp_servers.other]\nbearer_token = "sk-canary" # canary\nenv = { K = "canary" }\n'
    shown = toml_entry.masked(toml_entry.put(text, PATH, ENTRY), PATH)
    assert "canary" not in shown
    assert "bearer_token" in shown
    assert "/opt/mem desk" in shown


def test_what_is_shown_hides_the_comments_of_heads_and_the_values_of_odd_keys() -> None:
    """A sign in quotes ends neither a key nor a name."""
    shown = toml_entry.masked('["a#b"] # canary\n"c=d" = "canary"\n# canary', PATH)
    assert shown == '["a#b"] #…\n"c=d" = …\n#…'


@unhurried
@given(st.dictionaries(st.text(max_size=5), st.text(max_size=8), max_size=3))
def test_any_text_can_be_written(env: dict[str, str]) -> None:
    """Paths have quotes, backslashes and letters of every script in them."""
    entry: dict[str, Any] = {"command": "x", "env": env}
    assert tomllib.loads(toml_entry.put("", PATH, entry))["mcp_servers"]["memdesk"] == entry
