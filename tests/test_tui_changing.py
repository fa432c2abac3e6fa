"""Writing on the desk: what keys change, what undo takes back, and what asks first."""

from __future__ import annotations

import json
import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from textual.widgets import TextArea
from tui import MEMORIES, NARROW, WIDE, Person, with_person

from memdesk.memory import LIVE, TRASHED, Draft, Edit, Filter
from memdesk.service.backups import Backup, record
from memdesk.tui.confirm import Confirm
from memdesk.tui.editor import Editor
from memdesk.tui.main import MainScreen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memdesk.service import Service

NEWEST = [text for _, text, _, _ in reversed(MEMORIES)]
TRASH = Filter(states=(TRASHED,))
SIZES = pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])


def texts(service: Service, where: Filter = Filter()) -> list[str]:  # noqa: B008 - frozen
    """Return what the store holds, the newest first."""
    return [memory.text for memory in service.list(where=where, limit=100).memories]


def ids(service: Service, *wanted: str) -> list[str]:
    """Return the ids of memories by their first words."""
    every = service.list(limit=100).memories
    return [next(each.id for each in every if each.text.startswith(words)) for words in wanted]


def written(person: Person) -> TextArea:
    """Return where the editor's text is."""
    return person.app.screen.query_one("#text", TextArea)


def test_remembering(demo: Service) -> None:
    """What is written and saved is the first line; u takes it back."""

    async def scene(person: Person) -> None:
        await person.press("n")
        await person.type("buy milk")
        await person.press("ctrl+s")
        assert isinstance(person.app.screen, MainScreen)
        assert person.current == "buy milk"
        assert texts(demo)[0] == "buy milk"
        assert demo.list(limit=1).memories[0].source.trust == "user"
        assert "u Undo" in person.footer
        await person.press("u")
        assert person.lines == NEWEST
        assert texts(demo) == NEWEST
        assert "u Undo" not in person.footer

    with_person(demo, scene)


def test_a_place_gives_what_is_written_its_names(demo: Service) -> None:
    """A memory that is written while a tag is shown has that tag."""

    async def scene(person: Person) -> None:
        await person.go("tag:work")
        await person.press("n")
        await person.type("stand-up is at ten")
        await person.press("ctrl+s")
        assert demo.list(limit=1).memories[0].tags == ("work",)
        assert person.lines[0] == "stand-up is at ten"

    with_person(demo, scene)


def test_the_same_text_again(demo: Service) -> None:
    """What is remembered already is not stored twice, and that is said."""

    async def scene(person: Person) -> None:
        await person.press("n")
        written(person).text = "Allergic to penicillin"
        await person.press("ctrl+s")
        assert texts(demo) == NEWEST
        assert any("already" in toast for toast in person.toasts)
        assert "u Undo" not in person.footer

    with_person(demo, scene)


@SIZES
def test_editing(demo: Service, size: tuple[int, int]) -> None:
    """The text is changed in place, on its line; u brings the old one back."""

    async def scene(person: Person) -> None:
        await person.press("j")
        await person.press("e")
        person.golden("editor")
        await person.type(" (white ones)")
        await person.press("ctrl+s")
        assert person.current == NEWEST[1] + " (white ones)"
        assert texts(demo)[1] == person.current
        await person.press("u")
        assert person.current == NEWEST[1]
        assert texts(demo) == NEWEST

    with_person(demo, scene, size)


def test_leaving_the_editor(demo: Service) -> None:
    """What would be lost is asked about, and to keep it is the answer at hand."""

    async def scene(person: Person) -> None:
        await person.press("e")
        await person.press("escape")
        assert isinstance(person.app.screen, MainScreen)
        await person.press("e")
        await person.type(" really")
        await person.press("escape", "enter")
        assert isinstance(person.app.screen, Editor)
        assert written(person).text.endswith(" really")
        await person.press("escape", "d")
        assert isinstance(person.app.screen, MainScreen)
        assert texts(demo) == NEWEST

    with_person(demo, scene)


def test_a_memory_that_was_edited_elsewhere(demo: Service) -> None:
    """Nobody's text is replaced unseen: both are shown, and a save after that is meant."""

    async def scene(person: Person) -> None:
        await person.press("e")
        await person.type(" always")
        (id,) = ids(demo, "Prefers")
        demo.revise(id, Edit(text="Prefers pixi over uv"))
        await person.press("ctrl+s")
        await person.shows("Prefers pixi over uv")
        assert texts(demo)[0] == "Prefers pixi over uv"
        await person.press("escape")
        assert isinstance(person.app.screen, Editor)
        assert written(person).text.endswith(" always")
        await person.press("ctrl+s")  # both were seen: now it is meant
        assert isinstance(person.app.screen, MainScreen)
        assert texts(demo)[0] == f"{NEWEST[0]} always"

    with_person(demo, scene)


def test_deleting(demo: Service) -> None:
    """To the trash without a question; the cursor goes to the next line, u brings it back."""

    async def scene(person: Person) -> None:
        await person.press("j", "d")
        assert person.lines == [NEWEST[0], *NEWEST[2:]]
        assert person.current == NEWEST[2]
        assert texts(demo, TRASH) == [NEWEST[1]]
        person.golden("deleted")
        await person.press("delete")
        assert texts(demo, TRASH) == [NEWEST[1], NEWEST[2]]
        await person.press("u")
        assert person.current == NEWEST[2]
        await person.press("u")
        assert person.lines == NEWEST
        assert texts(demo, TRASH) == []

    with_person(demo, scene)


@SIZES
def test_marks(demo: Service, size: tuple[int, int]) -> None:
    """Space marks and goes on; one key then does the same to all that is marked, and so does undo."""

    async def scene(person: Person) -> None:
        await person.press("j", "space", "space", "space")
        assert person.place.startswith("3 marked")
        person.golden("marked")
        await person.press("d")
        assert person.lines == [NEWEST[0], *NEWEST[4:]]
        assert person.main.lines.marked == {}
        await person.press("u")
        assert person.lines == NEWEST
        await person.press("ctrl+a")
        assert len(person.main.lines.marked) == len(NEWEST)
        await person.press("ctrl+a")
        assert person.main.lines.marked == {}

    with_person(demo, scene, size)


def test_many_are_asked_about(demo: Service) -> None:
    """More than fifty at once go to the trash after a question only; to keep them is at hand."""
    demo.remember_many([Draft(f"thing number {n}") for n in range(60)])

    async def scene(person: Person) -> None:
        await person.press("ctrl+a", "d")
        assert isinstance(person.app.screen, Confirm)
        assert "Move 72 memories to the trash?" in person.text
        await person.press("enter")
        assert len(person.lines) == 72
        await person.press("d", "y")
        assert person.lines == []
        assert demo.stats().states == {TRASHED: 72}

    with_person(demo, scene)


@SIZES
def test_purging(demo: Service, size: tuple[int, int]) -> None:
    """Only the trash deletes for good, after the one question; the safe answer has the focus."""
    gone = ids(demo, "Coffee", "Landlord", "Allergic")
    demo.forget(gone)

    async def scene(person: Person) -> None:
        await person.press("D")
        assert isinstance(person.app.screen, MainScreen)
        await person.go("trash:")
        person.golden("trash")
        await person.press("ctrl+a", "D")
        person.golden("purge")
        await person.press("enter")
        assert len(person.lines) == 3
        await person.press("D", "escape")
        assert len(person.lines) == 3
        await person.press("D", "y")
        assert person.lines == []
        assert "The trash is empty." in person.text
        assert all(memory.text == "" for memory in demo.get(gone))

    with_person(demo, scene, size)


def test_purging_names_the_backups(demo: Service, tmp_path: Path) -> None:
    """The question tells which backup files hold the words, too."""
    (tmp_path / "mine.zip").touch()
    made = Backup(
        "2999-01-01T00:00:00+00:00", str(tmp_path / "mine.zip"), 1, "e", 1, encrypted=False
    )
    record(demo._core.home, made)
    demo.forget(ids(demo, "Coffee"))

    async def scene(person: Person) -> None:
        await person.go("trash:")
        await person.press("D")
        assert "Backup files that still hold the words" in person.text
        assert "mine.zip" in "".join(person.text.split())

    with_person(demo, scene, WIDE)


def test_restoring(demo: Service) -> None:
    """A memory comes back from the trash, and u puts it there again."""
    demo.forget(ids(demo, "Coffee"))

    async def scene(person: Person) -> None:
        await person.go("trash:")
        assert "e Edit" not in person.footer
        await person.press("r")
        assert person.lines == []
        assert texts(demo) == NEWEST
        await person.press("u")
        assert len(person.lines) == 1

    with_person(demo, scene)


def test_fields(demo: Service) -> None:
    """Pin, tags, kind, space, expiry and audience each have a key; each is one step of undo."""
    (id,) = ids(demo, "Prefers")

    async def scene(person: Person) -> None:
        await person.press("p")
        assert demo.get([id])[0].pinned
        assert "◆" in person.text
        for key, words in [
            ("t", " fast"),
            ("c", "preference"),
            ("v", "website"),
            ("X", "2030-01-31"),
            ("S", "team"),
        ]:
            await person.press(key)
            if key != "t":
                await person.press("ctrl+u", "ctrl+k")
            await person.press("end")
            await person.type(words)
            await person.press("enter")
        memory = demo.get([id])[0]
        assert set(memory.tags) == {"tooling", "python", "fast"}
        assert (memory.kind, memory.space, memory.audience) == ("preference", "website", ("team",))
        assert memory.expires_at is not None
        for _ in range(6):
            await person.press("u")
        memory = demo.get([id])[0]
        assert (memory.kind, memory.space, memory.audience) == ("note", "personal", ())
        assert not memory.pinned
        assert set(memory.tags) == {"tooling", "python"}
        assert "u Undo" not in person.footer

    with_person(demo, scene)


def test_tags_of_several(demo: Service) -> None:
    """What is typed is added to all that is marked; with a minus, taken from them."""

    async def scene(person: Person) -> None:
        await person.go("tag:work")
        await person.press("space", "space", "t")
        await person.type("job, -work")
        await person.press("enter")
        jobs = demo.list(where=Filter(tags=("job",))).memories
        assert [memory.tags for memory in jobs] == [("job",), ("job",)]
        assert len(person.lines) == 3

    with_person(demo, scene)


def test_renaming_a_tag(demo: Service) -> None:
    """A tag is renamed where it is browsed, and deleted there after a question."""

    async def scene(person: Person) -> None:
        await person.go("tag:health")
        await person.press("f", "r")
        await person.press("ctrl+u")
        await person.type("doctor")
        await person.press("enter")
        assert set(texts(demo, Filter(tags=("doctor",)))) == {
            text for text in NEWEST if "penicillin" in text
        }

    with_person(demo, scene, WIDE)


@contextmanager
def an_editor(folder: Path, patch: pytest.MonkeyPatch, work: str) -> Iterator[Path]:
    """Have EDITOR name a program that does something to the file `path`."""
    told = folder / "told"
    script = folder / "editor.py"
    script.write_text(
        "import os, sys, pathlib\n"
        "path = pathlib.Path(sys.argv[1])\n"
        f"pathlib.Path({str(told)!r}).write_text(f'{{os.stat(path).st_mode & 0o777:o}} {{path}}')\n"
        f"{work}\n"
    )
    patch.delenv("VISUAL", raising=False)
    patch.setenv("EDITOR", f"{sys.executable} '{script}'")
    yield told


@pytest.mark.parametrize(
    ("work", "after"),
    [
        ("path.write_text(path.read_text() + 'ONE MORE LINE')", NEWEST[0] + "ONE MORE LINE"),
        ("path.write_text('')", NEWEST[0]),
        ("pass", NEWEST[0]),
        ("path.write_text('half'); sys.exit(3)", NEWEST[0]),
    ],
    ids=["changed", "emptied", "untouched", "failed"],
)
def test_an_editor_of_ones_own(
    demo: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str, after: str
) -> None:
    """E edits in $EDITOR; nothing is saved where it failed, changed nothing or left nothing."""
    # Without a terminal Textual has nothing to step aside from.
    monkeypatch.setattr("textual.app.App.suspend", _aside)

    async def scene(person: Person) -> None:
        await person.press("E")
        assert person.current == after

    with an_editor(tmp_path, monkeypatch, work) as told:
        with_person(demo, scene)
        mode, path = told.read_text().split(" ", 1)
    assert mode == f"{stat.S_IRUSR | stat.S_IWUSR:o}"
    assert not (tmp_path / path).exists()
    assert texts(demo)[0] == after


@contextmanager
def _aside(_: object) -> Iterator[None]:
    yield


def test_copying(demo: Service) -> None:
    """The text, or with Y the record as JSON; of several, all of them."""

    async def scene(person: Person) -> None:
        await person.press("y")
        assert person.app.clipboard == NEWEST[0]
        await person.press("space", "space", "Y")
        records = [json.loads(line) for line in person.app.clipboard.splitlines()]
        assert [record["text"] for record in records] == NEWEST[:2]
        assert records[0]["state"] == LIVE

    with_person(demo, scene)
