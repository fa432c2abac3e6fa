"""The keys of the desk: named once, and told in the README."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from textual.keys import format_key

from memdesk.tui.keymap import checked
from memdesk.tui.keys import GROUPS, every_key

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")


def table() -> str:
    """The README's list of keys, as it ought to be."""
    lines = ["| where | key | does | name |", "|---|---|---|---|"]
    for where, keys in GROUPS.items():
        for binding in keys:
            shown = " ".join(f"`{shown_key(key)}`" for key in binding.key.split(","))
            lines.append(f"| {where} | {shown} | {binding.tooltip} | `{binding.id}` |")
    return "\n".join(lines)


def shown_key(key: str) -> str:
    """A key as a person would write it."""
    return format_key(key).lower() if len(key) > 1 else key


def test_every_key_has_a_name_of_its_own() -> None:
    """No two bindings share an id, and none is without one."""
    names = Counter(binding.id for binding in every_key())
    assert names[None] == 0
    assert [name for name, times in names.items() if times > 1] == []


def test_every_key_says_what_it_does() -> None:
    """Each has a name and a sentence for the palette and the help."""
    assert all(binding.description and binding.tooltip for binding in every_key())


def test_the_readme_lists_the_keys() -> None:
    """The README's list is made from the bindings."""
    told = README.split("<!-- keys:begin -->")[1].split("<!-- keys:end -->")[0]
    assert told.strip() == table()


def test_the_keys_as_they_are_do_not_clash() -> None:
    """No key means two things in one place before the settings say so."""
    assert checked({}) == ({}, [])
    assert checked({binding.id or "": binding.key for binding in every_key()})[1] == []


def test_keys_of_the_settings_are_checked() -> None:
    """What is no key, or another's, is said once, by name; the rest is used."""
    usable, troubles = checked({"edit": "d", "delete": "notakey", "nope": "x", "open": "ctrl+x"})
    assert usable == {"edit": "d", "open": "ctrl+x"}
    told = "\n".join(troubles)
    assert "keys.nope is no key of the desk" in told
    assert "“notakey” is no key" in told
    assert "“d” is the key of edit and of delete" in told
