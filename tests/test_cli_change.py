"""`memdesk revise`, `forget`, `restore`, `purge`, `undo`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from cli_runner import Cli
from fakes import FakeEmbedder

from memdesk.cli import changes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A person at an empty desk."""
    monkeypatch.setenv("MEMDESK_HOME", str(tmp_path / "desk"))
    return Cli(tmp_path / "desk", FakeEmbedder())


def test_revise(cli: Cli) -> None:
    """What is given changes, the rest stays; an empty tag or date takes them away."""
    id = cli.add("before", "--tag", "a", "--expires-at", "2099", "--happened-at", "2020")
    cli.ok("revise", id, "after", "all", "--kind", "fact", "--pin")
    told = cli.ok("get", id, "--json").json
    assert (told["text"], told["kind"], told["tags"]) == ("after all", "fact", ["a"])
    cli.ok("revise", id, "--tag", "", "--expires-at", "", "--happened-at", "", "--unpin")
    told = cli.ok("get", id, "--json").json
    assert (told["tags"], told["expires_at"], told["happened_at"]) == ([], None, None)
    assert told["pinned"] is False
    assert told["text"] == "after all"


def test_revise_from_a_pipe_and_a_file(cli: Cli, tmp_path: Path) -> None:
    """The new text may come from anywhere a text comes from, but a pipe only when asked for."""
    id = cli.add("before")
    assert cli.ok("revise", id, "-", "--json", stdin="piped").json["text"] == "piped"
    (tmp_path / "new.txt").write_text("filed")
    cli.ok("revise", id, "--file", str(tmp_path / "new.txt"))
    cli.ok("revise", id, "--kind", "fact", stdin="not asked for")
    assert cli.texts() == ["filed"]


def test_forget_and_restore(cli: Cli) -> None:
    """Both print the ids they changed, say how to undo, and are content with what is so already."""
    one, two = cli.add("one"), cli.add("two")
    done = cli.ok("forget", one, two, "--reason", "old")
    assert set(done.lines) == {one, two}
    assert "undo with" in done.err or "memdesk undo" in done.err
    again = cli.ok("forget", one)
    assert (again.out, "1 already so" in again.err) == ("", True)
    assert cli.ok("restore", one).lines == [one]
    assert cli.texts() == ["one"]


def test_changes_as_json(cli: Cli) -> None:
    """With --json a change tells everything about itself."""
    told = cli.ok("forget", cli.add("one"), "--json").json
    assert set(told) == {"change", "done", "unchanged", "conflicts"}


def test_undo(cli: Cli) -> None:
    """The last change, or a named one, is taken back."""
    id = cli.add("one")
    change = cli.ok("forget", id, "--json").json["change"]
    cli.ok("undo")
    assert cli.texts() == ["one"]
    cli.ok("forget", id)
    assert cli("undo", change).code == 1  # it was undone, and another one stands now
    cli.ok("undo")
    assert cli.texts() == ["one"]


def test_undo_names_what_it_took_back(cli: Cli) -> None:
    """Each memory's first words are told, and whether it is back or in the trash."""
    id = cli.add("word " * 40)
    cli.ok("forget", id)
    back = cli.ok("undo").err.splitlines()[0]
    assert back.startswith("memdesk: “word word")
    assert back.endswith("…” is back as before")
    cli.add("tea")
    assert "“tea” went to the trash" in cli.ok("undo").err


def test_undo_reports_what_changed_since(cli: Cli) -> None:
    """A memory that something else has changed stays as it is, and that is said."""
    id = cli.add("one")
    change = cli.ok("revise", id, "two", "--json").json["change"]
    cli.ok("revise", id, "three")
    done = cli("undo", change)
    assert (done.code, done.out, cli.texts()) == (1, "", ["three"])
    assert "changed" in done.err


def test_purge_needs_an_answer(cli: Cli) -> None:
    """Without a person at the terminal and without --yes nothing is erased."""
    id = cli.add("secret")
    cli.ok("forget", id)
    done = cli("purge", id, stdin="y\n")
    assert done.code == 2
    assert "--yes" in done.err
    assert cli.texts("--trash") == ["secret"]


def test_purge_with_yes(cli: Cli) -> None:
    """What was in the trash is erased; nothing offers to take that back."""
    id = cli.add("secret")
    cli.ok("forget", id)
    done = cli.ok("purge", id, "--yes")
    assert done.lines == [id]
    assert "memdesk undo" not in done.err
    assert cli.texts("--trash") == []
    assert "(erased)" in cli.ok("get", id).out


@pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, []), ("n\n", 130, ["secret"])])
def test_purge_asks_at_a_terminal(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, left: list[str]
) -> None:
    """The question names how many; no means that nothing happens."""
    id = cli.add("secret")
    cli.ok("forget", id)
    monkeypatch.setattr(changes, "_at_a_terminal", lambda: True)
    done = cli("purge", id, stdin=answer)
    assert done.code == code
    assert "Erase 1 memory for good" in done.err
    assert done.out == (f"{id}\n" if code == 0 else "")
    assert cli.texts("--trash") == left


def test_only_the_trash_can_be_purged(cli: Cli) -> None:
    """A live memory is refused."""
    id = cli.add("alive")
    assert cli("purge", id, "--yes").code == 2
    assert cli.texts() == ["alive"]


def test_nobody_at_a_closed_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without standard input has nobody to ask."""
    monkeypatch.setattr(sys, "stdin", None)
    assert not changes._at_a_terminal()
