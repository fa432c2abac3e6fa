"""`memdesk add`: where the text comes from, what is said about it, and what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cli_runner import Cli
from fakes import FakeEmbedder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A person at an empty desk."""
    monkeypatch.setenv("MEMDESK_HOME", str(tmp_path / "desk"))
    return Cli(tmp_path / "desk", FakeEmbedder())


def test_words_are_joined(cli: Cli) -> None:
    """Words without quotes are one text; its id is all that is on standard output."""
    done = cli.ok("add", "buy", "more", "tea")
    assert len(done.lines) == 1
    assert cli.ok("get", done.lines[0], "--json").json["text"] == "buy more tea"
    assert "stored in personal" in done.err


def test_remember_is_add(cli: Cli) -> None:
    """The service's verb works as well."""
    assert cli.ok("remember", "tea").lines[0] == cli.ok("add", "tea").lines[0]


@pytest.mark.parametrize("words", [(), ("-",), ("--file", "-")])
def test_standard_input(cli: Cli, words: tuple[str, ...]) -> None:
    """A piped text is kept as it is, line ends and all."""
    cli.ok("add", *words, stdin="first line\r\nsecond “line” 茶 🍵\n".encode())
    assert cli.texts() == ["first line\nsecond “line” 茶 🍵\n"]


def test_file(cli: Cli, tmp_path: Path) -> None:
    """A file's text is kept without its byte order mark."""
    file = tmp_path / "note.txt"
    file.write_bytes("\ufeffgrüße".encode())
    cli.ok("add", "--file", str(file))
    assert cli.texts() == ["grüße"]


def test_words_win_over_a_pipe(cli: Cli) -> None:
    """A script's standard input is left alone when the text is given."""
    cli.ok("add", "given", stdin="piped")
    assert cli.texts() == ["given"]


def test_a_text_may_begin_with_a_dash(cli: Cli) -> None:
    """After -- everything is text."""
    cli.add("--not-an-option")
    assert cli.texts() == ["--not-an-option"]


def test_all_fields(cli: Cli) -> None:
    """Every option arrives in the memory."""
    old = cli.add("old")
    new = cli.add(
        "new",
        *("--kind", "fact", "--tag", "a", "-t", "b", "--space", "website", "--pin"),
        *("--happened-at", "2026-05", "--expires-at", "2099-01-01T00:00Z", "--replaces", old),
    )
    told = cli.ok("get", new, "--json").json
    assert (told["kind"], told["tags"], told["space"]) == ("fact", ["a", "b"], "website")
    assert (told["pinned"], told["happened_precision"], told["replaces"]) == (True, "month", old)
    assert told["expires_at"] == "2099-01-01T00:00:00Z"
    assert cli.ok("get", old, "--json").json["state"] == "replaced"


def test_the_settings_give_the_space(cli: Cli) -> None:
    """Without --space a memory goes where the settings say."""
    cli.home.mkdir()
    (cli.home / "config.toml").write_text('space = "garden"')
    assert cli.ok("get", cli.add("roses"), "--json").json["space"] == "garden"


def test_the_same_again(cli: Cli) -> None:
    """A text that is there is not stored twice, and one in the trash comes back; both are said."""
    id = cli.add("tea")
    again = cli.ok("add", "tea")
    assert again.lines == [id]
    assert "was there already" in again.err
    cli.ok("forget", id)
    back = cli.ok("add", "tea")
    assert back.lines == [id]
    assert "was in the trash" in back.err


def test_cleaning_is_said(cli: Cli) -> None:
    """Escape sequences are taken out, and how much that was is told."""
    done = cli.ok("add", "red \x1b[31malert\x07")
    assert "removed from the text: 2" in done.err
    assert cli.texts() == ["red [31malert"]


def test_json(cli: Cli) -> None:
    """With --json the outcome is one document with stable names."""
    told = cli.ok("add", "tea", "--json").json
    assert set(told) == {"id", "outcome", "space", "removed", "replaced", "pending", "held"}
    assert (told["outcome"], told["space"]) == ("stored", "personal")


def test_a_long_text_does_not_make_one_wait(cli: Cli) -> None:
    """Passages beyond the first few are left to a process of its own, and that is said."""
    done = cli.ok("add", stdin="\n\n".join(f"Chapter {n}. " + "tale " * 200 for n in range(40)))
    pending = cli.ok("stats", "--json").json["pending"]
    assert pending > 0
    assert cli.maintained == [cli.home]
    assert f"stored in personal; {pending} passages are found by their words now" in done.err


def test_a_short_text_starts_nothing(cli: Cli) -> None:
    """What is embedded at once needs no other process."""
    cli.add("tea")
    assert cli.maintained == []


def test_options_for_a_known_text_are_not_lost_in_silence(cli: Cli) -> None:
    """A text that is there keeps its kind and tags; how to change them is said."""
    id = cli.add("tea")
    done = cli.ok("add", "tea", "--kind", "fact", "--json")
    assert done.json["id"] == id
    assert "there already, in personal; the other options were not applied" in done.err
    assert f"memdesk revise {id} …" in done.err
    assert "options" not in cli.ok("add", "tea").err


def test_without_a_model_it_is_stored_and_said(cli: Cli) -> None:
    """A broken model costs the meaning, not the memory."""
    cli.embedder.broken = "the model file is gone"
    done = cli.ok("add", stdin="tale " * 5000)
    assert len(done.lines) == 1
    assert "found by their words now" in done.err
    assert cli.ok("search", "tale").lines


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf"]), min_size=1, max_size=60))
def test_any_text_comes_back(cli: Cli, text: str) -> None:
    """What goes in by a pipe comes out by --json, whatever script it is written in."""
    done = cli("add", "-", "--json", stdin=text)
    if not text.strip():
        assert done.code == 2
        return
    assert cli.ok("get", done.json["id"], "--json").json["text"] == text
