"""`memdesk tag`, `space`, `move`, `merge`, `revert`, and `--audience`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cli_runner import UNKNOWN, Cli
from fakes import FakeEmbedder

from memdesk.cli import changes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A person at an empty desk."""
    monkeypatch.setenv("MEMDESK_HOME", str(tmp_path / "desk"))
    return Cli(tmp_path / "desk", FakeEmbedder())


def told(cli: Cli, id: str) -> dict[str, object]:
    """Return a memory as JSON."""
    return dict(cli.ok("get", id, "--json").json)


def test_tags_and_spaces_are_listed(cli: Cli) -> None:
    """Each with how many live memories have it, the most first; as JSON one per line."""
    cli.add("tea", "--tag", "a", "--tag", "b", "--space", "s")
    cli.add("cake", "--tag", "b")
    cli.ok("forget", cli.add("milk", "--tag", "c"))
    assert cli.ok("tag", "list").lines == ["b  2", "a  1"]
    assert cli.ok("space", "list", "--json").jsonl == [
        {"name": "personal", "memories": 1},
        {"name": "s", "memories": 1},
    ]


def test_a_tag_is_renamed(cli: Cli) -> None:
    """The ids are printed, the words say what they have now, and undo takes it back."""
    ids = {cli.add(text, "--tag", "old") for text in ("tea", "cake")}
    done = cli.ok("tag", "rename", "#old", "#new")
    assert set(done.lines) == ids
    assert "memdesk: 2 now tagged “new”" in done.err
    assert "take it back with: memdesk undo " in done.err
    assert cli.ok("tag", "list").lines == ["new  2"]
    cli.ok("undo")
    assert cli.ok("tag", "list").lines == ["old  2"]
    assert set(cli.ok("tag", "rename", "old", "new", "--json").json["done"]) == ids


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tag", "rename", "none", "new"), "tag: “none” is on no memory"),
        (("tag", "rename", "old", "#"), "NEW is empty; take a tag away by: memdesk tag delete"),
        (("tag", "rename", "old", "old"), "into: “old” is what the tag is called already"),
        (("tag", "delete", "none"), "tag: “none” is on no memory"),
        (("tag", "delete", "#", "--yes"), "tag: is empty"),
        (("space", "rename", "none", "new"), "space: “none” holds no memories"),
        (("space", "rename", "s", "/"), "into: must be 1 to 100 letters"),
        (("space", "delete", "none"), "space: “none” holds no live memories"),
        (("space", "delete", "personal", "--yes"), "“personal” is where everything is"),
        (("merge", UNKNOWN, UNKNOWN), "drop: is the memory to keep itself"),
        (("revert", UNKNOWN, "first"), "'first' is not a valid integer"),
    ],
)
def test_what_cannot_be_tidied(cli: Cli, words: tuple[str, ...], said: str) -> None:
    """What is wrong is said in one line, with exit code 2, and nothing is changed."""
    cli.add("tea", "--tag", "old", "--space", "s")
    done = cli(*words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert cli.ok("list", "--json").json["seq"] == 1


def test_a_tag_is_deleted_after_asking(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The question names how many; no means that nothing happens, and yes keeps the memories."""
    id = cli.add("tea", "--tag", "old")
    assert "delete without asking by --yes" in cli("tag", "delete", "old").err
    monkeypatch.setattr(changes, "_at_a_terminal", lambda: True)
    refused = cli("tag", "delete", "old", stdin="n\n")
    assert (refused.code, refused.out) == (130, "")
    assert "Take the tag “old” off 1 memory?" in refused.err
    done = cli("tag", "delete", "old", stdin="y\n")
    assert (done.code, done.lines) == (0, [id])
    assert "1 no longer tagged “old”" in done.err
    assert cli.texts() == ["tea"]
    assert cli.ok("tag", "list").out == ""


def test_a_tag_is_deleted_without_asking(cli: Cli) -> None:
    """With --yes, and where only forgotten memories have it."""
    id = cli.add("tea", "--tag", "old", "--tag", "rest")
    assert cli.ok("tag", "delete", "old", "--yes").lines == [id]
    cli.ok("forget", id)
    assert cli.ok("tag", "delete", "rest").lines == [id]


def test_a_space_is_renamed(cli: Cli, tmp_path: Path) -> None:
    """All that is in it moves; where new memories go by a setting is said."""
    id = cli.add("tea", "--space", "old")
    done = cli.ok("space", "rename", "old", "new")
    assert done.lines == [id]
    assert "1 now in “new”" in done.err
    assert "setting" not in done.err
    assert cli.texts("--space", "new") == ["tea"]
    config = tmp_path / "desk" / "config.toml"
    config.write_text('space = "new"\n')
    assert "new memories still go to “new”" in cli.ok("space", "rename", "new", "third").err


def test_a_space_is_deleted_after_asking(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its memories are in the trash, and come back by undo."""
    ids = {cli.add(text, "--space", "old") for text in ("tea", "cake")}
    assert cli("space", "delete", "old").code == 2
    monkeypatch.setattr(changes, "_at_a_terminal", lambda: True)
    refused = cli("space", "delete", "old", stdin="n\n")
    assert (refused.code, refused.out) == (130, "")
    assert "Move 2 memories of “old” to the trash?" in refused.err
    done = cli("space", "delete", "old", stdin="y\n")
    assert (done.code, set(done.lines)) == (0, ids)
    assert "2 moved to the trash" in done.err
    assert set(cli.texts("--trash")) == {"tea", "cake"}
    cli.ok("undo")
    assert set(cli.texts("--space", "old")) == {"tea", "cake"}


def test_memories_are_moved(cli: Cli) -> None:
    """All or none; what is there already is said."""
    tea, cake = cli.add("tea"), cli.add("cake", "--space", "new")
    done = cli.ok("move", "new", tea, cake)
    assert done.lines == [tea]
    assert "1 moved to “new”" in done.err
    assert "1 already so" in done.err
    assert cli("move", "other", tea, UNKNOWN).code == 3
    assert "space: must be 1 to 100 letters" in cli("move", "/", tea).err
    assert set(cli.texts("--space", "new")) == {"tea", "cake"}


def test_two_memories_are_merged(cli: Cli) -> None:
    """The first one stays, with the tags of both and the text that was given."""
    keep, drop = cli.add("tea", "--tag", "a"), cli.add("cake", "--tag", "b")
    done = cli.ok("merge", keep, drop, "tea", "and", "cake")
    assert done.lines == [keep, drop]
    assert "2 made one" in done.err
    assert (told(cli, keep)["text"], told(cli, keep)["tags"]) == ("tea and cake", ["a", "b"])
    assert cli.texts() == ["tea and cake"]
    assert cli("merge", keep, drop).code == 1
    cli.ok("undo")
    assert set(cli.texts()) == {"tea", "cake"}
    cli.ok("merge", keep, drop, "-", stdin="piped")
    assert cli.texts() == ["piped"]


def test_a_memory_is_reverted(cli: Cli) -> None:
    """The number that history shows is what is gone back to; the memory is printed, and how to undo."""
    id = cli.add("tea")
    cli.ok("revise", id, "cake")
    rows = cli.ok("history", id, "--json").jsonl
    seqs = [row["memory"]["seq"] for row in rows]
    shown = cli.ok("history", id).out
    assert all(f"seq {seq}  change " in shown for seq in seqs)
    done = cli.ok("revert", id, str(seqs[-1]))
    assert done.out.startswith(id)
    assert cli.texts() == ["tea"]
    assert f"memdesk undo {told(cli, id)['change']}" in done.err
    again = cli.ok("revert", id, str(told(cli, id)["seq"]), "--json")
    assert (again.json["text"], again.err) == ("tea", "memdesk: already so\n")
    assert cli("revert", id, "99").code == 2
    assert cli("revert", UNKNOWN, "1").code == 3


def test_the_audience_is_given_and_taken_away(cli: Cli) -> None:
    """Remotes are named one by one; an empty one makes a memory private again."""
    id = cli.add("tea", "--audience", "team", "--audience", "home")
    assert told(cli, id)["audience"] == ["team", "home"]
    assert "audience:    team, home" in cli.ok("get", id).out
    cli.ok("revise", id, "--pin")
    assert told(cli, id)["audience"] == ["team", "home"]
    cli.ok("revise", id, "--audience", "")
    assert told(cli, id)["audience"] == []
    assert "audience" not in cli.ok("get", id).out
    assert "options were not applied" in cli.ok("add", "--audience", "x", "--", "tea").err


def test_hostile_names_are_safe_to_print(cli: Cli) -> None:
    """A space or tag never commands the terminal."""
    cli.add("tea", "--tag", "old")
    done = cli.ok("tag", "rename", "old", "a\u2028b\x1b[2J")
    assert "\x1b" not in done.err
    assert "\x1b" not in cli.ok("tag", "list").out
