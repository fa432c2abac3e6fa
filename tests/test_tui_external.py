"""A person's own editor, opened by the desk."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from dialog_bench import Bench, answer

from memdesk.tui.editor import Editor
from memdesk.tui.external import edit_outside
from memdesk.tui.forms import Written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a script that $EDITOR runs with the name of the file; VISUAL is not set."""
    script = tmp_path / "my editor.py"
    command = f"{shlex.quote(sys.executable)} {shlex.quote(str(script))}"
    monkeypatch.setenv("EDITOR", command)
    monkeypatch.delenv("VISUAL", raising=False)
    return script


def _edited(text: str, *, suspends: bool = True) -> tuple[str | None, list[str]]:
    async def run() -> tuple[str | None, list[str]]:
        app = Bench()
        if suspends:
            app.suspend = _suspended  # type: ignore[method-assign]
        async with app.run_test():
            return await edit_outside(app, text), app.told

    return asyncio.run(run())


@contextmanager
def _suspended() -> Iterator[None]:
    yield


def test_another_editor_changes_the_text(editor: Path, tmp_path: Path) -> None:
    """$EDITOR gets a file that only the person can read, and no copy of it stays."""
    seen = tmp_path / "seen"
    editor.write_text(
        "import os, pathlib, sys\n"
        "file = pathlib.Path(sys.argv[1])\n"
        f"modes = [oct(path.stat().st_mode & 0o777) for path in (file, file.parent)]\n"
        f"pathlib.Path({str(seen)!r}).write_text(' '.join([*modes, str(file)]))\n"
        "file.write_text(file.read_text() + ' and é\\n')\n",
        encoding="utf-8",
    )
    assert _edited("Tea") == ("Tea and é", [])
    mode, folder, path = seen.read_text(encoding="utf-8").split(" ", 2)
    assert (mode, folder) == ("0o600", "0o700")
    assert not os.path.exists(os.path.dirname(path))  # noqa: PTH110, PTH120


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("", ""),
        ("open(sys.argv[1], 'w').write('  \\n')", ""),
        ("open(sys.argv[1], 'w').write('new'); sys.exit(3)", "ended with an error (3)"),
        ("open(sys.argv[1], 'wb').write(b'\\xff')", "not UTF-8"),
        ("import os; os.remove(sys.argv[1])", "could not be opened"),
    ],
)
def test_nothing_is_saved(editor: Path, script: str, told: str) -> None:
    """An unchanged or empty file, or an editor that failed, changes nothing; why is told."""
    editor.write_text(f"import sys\n{script}\n", encoding="utf-8")
    text, words = _edited("Tea")
    assert text is None
    assert told in " ".join(words)
    assert bool(words) == bool(told)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("", "No editor is set"),
        ("'unfinished", "is not a command"),
        ("/nowhere/edit", "could not be opened: No such file"),
    ],
)
def test_a_missing_editor_is_told(
    editor: Path, monkeypatch: pytest.MonkeyPatch, command: str, told: str
) -> None:
    """What is wrong with EDITOR is told in a sentence."""
    monkeypatch.setenv("EDITOR", command)
    text, words = _edited("Tea")
    assert text is None
    assert told in " ".join(words)


def test_a_terminal_that_cannot_be_lent_is_told(editor: Path) -> None:
    """Where the desk cannot let go of the terminal, the text is to be edited in place."""
    editor.write_text("raise SystemExit(9)", encoding="utf-8")
    text, words = _edited("Tea", suspends=False)
    assert text is None
    assert "cannot be opened in this terminal" in " ".join(words)


def test_the_editor_takes_what_another_one_wrote(
    editor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl+o goes on in $EDITOR, and what it wrote is there to be saved."""
    editor.write_text("import sys\nopen(sys.argv[1], 'a').write(' and nuts')", encoding="utf-8")
    monkeypatch.setattr(Bench, "suspend", lambda _: _suspended())
    saved: list[Written] = []

    async def save(written: Written) -> None:
        saved.append(written)

    written = Written("Allergic to penicillin", ("health",))
    assert answer(Editor("Edit", written, save), "ctrl+o", "ctrl+s") is True
    assert saved == [Written("Allergic to penicillin and nuts", ("health",))]
