"""`memdesk diff` in a shell."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cli_runner import Cli
from fakes import FakeEmbedder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cli(home: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return a person at a desk."""
    monkeypatch.setenv("MEMDESK_HOME", str(home))
    return Cli(home, FakeEmbedder())


def since() -> str:
    """Return the present moment as a person may write it; what is done later lies after it."""
    at = datetime.now(UTC)
    while datetime.now(UTC) == at:
        continue
    return at.isoformat()


def test_each_difference_is_a_line(cli: Cli) -> None:
    """What became of it, its id and what is different; the counts are on standard error."""
    gate = cli.add("The code of the gate is 4711", "--tag", "home")
    gone = cli.add("Buy milk")
    before = since()
    new = cli.add("A new note")
    cli.ok("revise", gate, "The code of the gate is 4712", "--tag", "house", "--pin")
    cli.ok("forget", gone)
    done = cli.ok("diff", before)
    assert done.lines == [
        f"forgotten {gone}  Buy milk",
        f"revised   {gate}  “…4711” → “…4712”  tags: home → house  pinned: no → yes",
        f"added     {new}  A new note",
    ]
    assert "1 added, 1 forgotten, 1 revised" in done.err


def test_words_tell_the_moment(cli: Cli) -> None:
    """Today begins at midnight; what is no time is refused, and so is one to come."""
    cli.add("A note")
    assert len(cli.ok("diff", "today").lines) == 1
    assert len(cli.ok("diff", "2", "days", "ago").lines) == 1
    assert "nothing has changed" in cli.ok("diff", since()).err
    assert cli("diff", "blue").code == 2
    assert cli("diff", "2999-01-01").code == 2


def test_json_is_one_document(cli: Cli) -> None:
    """With the memories as they stand and stood, the fields and the counts."""
    note = cli.add("one")
    before = since()
    cli.ok("revise", note, "two")
    told = cli.ok("diff", before, "--json").json
    (only,) = told["differences"]
    assert (only["how"], only["fields"]) == ("revised", ["text"])
    assert (only["before"]["text"], only["now"]["text"]) == ("one", "two")
    assert told["counts"] == {"revised": 1}
    assert told["since"].endswith("Z")


def test_hostile_text_cannot_command_the_terminal(cli: Cli) -> None:
    """Escapes in texts and tags are shown, not obeyed, and lines stay one line each."""
    note = cli.add("one\n\N{RIGHT-TO-LEFT MARK} two", "--tag", "a")
    before = since()
    cli.ok("revise", note, "--file", "-", "--tag", "b\u2028c", stdin="evil\u2028 \n text")
    (line,) = cli.ok("diff", before).lines
    assert "\u2028" not in line
    assert "evil" in line


def test_the_limit_is_told(cli: Cli) -> None:
    """What is left out is counted on standard error."""
    for number in range(3):
        cli.add(f"note {number}")
    done = cli.ok("diff", "today", "-n", "1")
    assert len(done.lines) == 1
    assert "2 more" in done.err
