"""What reaches a terminal: nothing that commands it, nothing wider than it, progress after a second."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdesk.cli import terminal
from memdesk.cli.page import _put_fitting
from memdesk.cli.terminal import Progress, fit, one_line, safe

if TYPE_CHECKING:
    from collections.abc import Callable


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Claim to be one."""
        return True


@given(st.text())
def test_no_control_character_gets_through(text: str) -> None:
    """Only newline and tab are left of what terminals act on, and a second time changes nothing."""
    shown = safe(text)
    assert not any(ord(c) < 32 and c not in "\n\t" for c in shown)
    assert not any(0x7F <= ord(c) <= 0x9F for c in shown)
    assert not set(shown) & set("\u202a\u202e\u2066\u2069")
    assert safe(shown) == shown


@given(st.text(st.characters(categories=["Cs", "L"])))
def test_everything_can_be_written(text: str) -> None:
    """A file's name need not be Unicode; what stands for its bytes is shown."""
    assert safe(text).encode().decode() == safe(text)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_stays_json(text: str) -> None:
    """Escaping a document does not change what it says."""
    assert json.loads(safe(json.dumps({"text": text}, ensure_ascii=False))) == {"text": text}


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(2, 100))
def test_a_line_fits(text: str, columns: int) -> None:
    """A cut line is no wider than asked, and says that it was cut."""
    line = one_line(text)
    cut = fit(line, columns)
    assert terminal.columns_of(cut) <= columns
    assert cut == line or cut.endswith("…")


def test_wide_characters_count_twice() -> None:
    """Chinese and Japanese characters take two columns each."""
    assert fit("日本語", 6) == "日本語"
    assert fit("日本語", 5) == "日本…"


def test_lines_are_cut_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pipe gets whole lines."""
    monkeypatch.setattr("memdesk.cli.page.width", lambda: 10)
    _put_fitting("0123456789abc")
    monkeypatch.setattr("memdesk.cli.page.width", lambda: None)
    _put_fitting("0123456789abc")
    assert capsys.readouterr().out == "012345678…\n0123456789abc\n"


def test_width_is_a_terminal_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a terminal has a width."""
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "42")
    assert terminal.width() == 42
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert terminal.width() is None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the time that progress goes by."""
    times = [0.0]
    monkeypatch.setattr("memdesk.cli.terminal.time.monotonic", lambda: times[0])

    def set_to(seconds: float) -> None:
        times[0] = seconds

    return set_to


def test_progress_waits_a_second(
    monkeypatch: pytest.MonkeyPatch, clock: Callable[[float], None]
) -> None:
    """What is quick shows no bar; what is not clears its bar at the end."""
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    with Progress("reading") as progress:
        progress(1, 4)
        assert stream.getvalue() == ""
        clock(1.5)
        progress(2, 4)
        assert "reading ████████████░░░░░░░░░░░░ 2/4" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_progress_is_for_terminals(
    monkeypatch: pytest.MonkeyPatch, clock: Callable[[float], None]
) -> None:
    """A log file gets no bars."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    with Progress("reading") as progress:
        clock(9.0)
        progress(1, 2)
    assert stream.getvalue() == ""


def test_half_a_character_can_be_printed() -> None:
    """A file's name that is not UTF-8 holds what no stream can encode."""
    assert safe("\udcff.md").encode() == b"\\udcff.md"
