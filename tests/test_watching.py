"""Watched folders: what becomes of notes that are new, changed, renamed, deleted, and back again."""

from __future__ import annotations

import errno
import json
import os
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from served import direct_only
from watched import Watched

from memdesk.memory import LIVE, TRASHED, Draft, Edit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# What becomes of a note


def test_a_new_note_is_a_memory(notes: Watched) -> None:
    """It is found at once, and its source names the file."""
    notes.write("sub/tea.txt", "tea is at five")
    notes.write("cake.md", "# Cake\n\nApple, with #cinnamon.\n")
    assert notes.catch_up() == [("added", "cake.md"), ("added", "sub/tea.txt")]
    tea = next(each for each in notes.memories() if each.text == "tea is at five")
    assert (tea.source.name, tea.source.trust) == ("watch", "import")
    assert tea.source.ref == str(notes.path.resolve() / "sub" / "tea.txt")
    hits = notes.service.recall("cinnamon").hits
    assert [hit.memory.tags for hit in hits[:1]] == [("cinnamon",)]


def test_nothing_new_changes_nothing(notes: Watched) -> None:
    """A second look writes nothing and says nothing, nor does that of another process."""
    notes.write("tea.txt", "tea is at five")
    notes.catch_up()
    seq = notes.service.stats().seq
    assert notes.catch_up() == []
    notes.anew()
    assert notes.catch_up() == []
    assert notes.service.stats().seq == seq


def test_a_changed_note_is_the_same_memory(notes: Watched) -> None:
    """It is revised, and what it said before is in its history."""
    notes.write("tea.txt", "tea is at five")
    notes.catch_up()
    before = notes.one()
    notes.write("tea.txt", "tea is at six!")
    assert notes.catch_up() == [("changed", "tea.txt")]
    after = notes.one()
    assert (after.id, after.text, after.actor) == (before.id, "tea is at six!", "watch")
    told = [each.memory.text for each in notes.service.history(after.id)]
    assert told == ["tea is at six!", "tea is at five"]


def test_a_renamed_note_is_the_same_memory(notes: Watched) -> None:
    """Only its source is another one."""
    notes.write("tea.txt", "tea is at five")
    notes.catch_up()
    before = notes.one()
    (notes.path / "sub").mkdir()
    (notes.path / "tea.txt").rename(notes.path / "sub" / "five.txt")
    assert notes.catch_up() == [("moved", "sub/five.txt")]
    after = notes.one()
    assert (after.id, after.text) == (before.id, before.text)
    assert after.source.ref.endswith("sub/five.txt")


@direct_only
@pytest.mark.parametrize("empty", [False, True])
def test_a_name_that_was_deleted_may_be_given_to_another_note(notes: Watched, empty: bool) -> None:
    """The memory goes with its note; the one that had the name before stays in the trash."""
    notes.write("stays.txt", "stays")
    notes.write("tea.txt", "tea is at five")
    supper = notes.write("supper.txt", "supper is at eight")
    notes.catch_up()
    before = {each.text: each.id for each in notes.memories()}
    notes.write("supper.txt", "") if empty else supper.unlink()
    notes.catch_up()
    (notes.path / "tea.txt").replace(supper)
    assert notes.catch_up() == [("moved", "supper.txt")]
    assert {each.text: each.id for each in notes.memories()} == {
        text: id for text, id in before.items() if text != "supper is at eight"
    }
    assert notes.texts(TRASHED) == ["supper is at eight"]
    assert notes.catch_up() == []


def test_a_title_from_the_name_follows_it(notes: Watched) -> None:
    """A note without a heading is headed by its file's name, whatever that is by now."""
    notes.write("Garden.md", "Peas and beans.")
    notes.catch_up()
    before = notes.one()
    (notes.path / "Garden.md").rename(notes.path / "Orchard.md")
    notes.catch_up()
    after = notes.one()
    assert after.id == before.id
    assert ("Garden" in before.text, "Orchard" in after.text) == (True, True)


def test_a_deleted_note_goes_to_the_trash_and_comes_back(notes: Watched) -> None:
    """Also under another name, and with another text under the old one."""
    notes.write("stays.txt", "stays")
    notes.write("tea.txt", "tea is at five")
    notes.catch_up()
    before = next(each for each in notes.memories() if each.text == "tea is at five")
    (notes.path / "tea.txt").unlink()
    assert notes.catch_up() == [("forgotten", "tea.txt")]
    gone = notes.one(TRASHED)
    assert (gone.id, json.loads(gone.metadata)["forgotten because"]) == (
        before.id,
        "its note was deleted",
    )
    notes.write("tea.txt", "tea is at six")
    assert notes.catch_up() == [("back", "tea.txt")]
    assert {each.id for each in notes.memories() if each.text == "tea is at six"} == {before.id}
    (notes.path / "tea.txt").unlink()
    notes.catch_up()
    notes.write("other.txt", "tea is at six")
    notes.catch_up()
    assert [each.id for each in notes.memories() if each.text == "tea is at six"] == [before.id]
    assert notes.texts(TRASHED) == []


def test_a_note_without_words_is_a_deleted_one(notes: Watched) -> None:
    """Editors empty a file before they write it: its memory waits in the trash."""
    notes.write("stays.txt", "stays")
    notes.write("tea.txt", "tea is at five")
    notes.catch_up()
    notes.write("tea.txt", " \n")
    notes.catch_up()
    assert notes.texts() == ["stays"]
    assert notes.catch_up() == []
    notes.write("tea.txt", "tea is at six")
    notes.catch_up()
    assert notes.texts() == ["stays", "tea is at six"]
    assert notes.texts(TRASHED) == []


def test_what_a_note_says_besides_its_text_is_kept(notes: Watched) -> None:
    """Tags of its front matter follow it; those that the person gave stay while it says the same."""
    notes.write("tea.md", "---\ntags: [drinks]\n---\n# Tea\n\nAt five.\n")
    notes.catch_up()
    memory = notes.one()
    notes.service.revise(memory.id, Edit(add_tags=("mine",)))
    notes.write("tea.md", "---\ntags: [drinks]\n---\n# Tea\n\nAt six.\n")
    notes.catch_up()
    assert notes.one().tags == ("drinks", "mine")
    notes.write("tea.md", "---\ntags: [hot]\n---\n# Tea\n\nAt six.\n")
    notes.catch_up()
    assert notes.one().tags == ("hot",)


# The person's own changes


def test_what_the_person_edited_is_not_overwritten(notes: Watched) -> None:
    """The note's new text is another memory, that is told, and the two go their own ways."""
    notes.write("tea.txt", "tea is at five")
    notes.catch_up()
    memory = notes.one()
    notes.service.revise(memory.id, Edit(text="tea is at four, says the person"))
    assert notes.catch_up() == []
    notes.write("tea.txt", "tea is at six")
    assert notes.catch_up() == [("conflict", "tea.txt"), ("changed", "tea.txt")]
    assert memory.id in notes.news[-2].words
    notes.write("tea.txt", "tea is at seven")
    assert notes.catch_up() == [("changed", "tea.txt")]
    assert notes.texts() == ["tea is at four, says the person", "tea is at seven"]


def test_what_the_person_edited_stays_without_its_note(notes: Watched) -> None:
    """A deleted note takes only what it has brought."""
    notes.write("stays.txt", "stays")
    notes.write("tea.txt", "tea is at five")
    notes.catch_up()
    tea = next(each for each in notes.memories() if each.text == "tea is at five")
    notes.service.revise(tea.id, Edit(text="tea is at four"))
    (notes.path / "tea.txt").unlink()
    assert notes.catch_up() == [("kept", "tea.txt"), ("forgotten", "tea.txt")]
    assert notes.texts() == ["stays", "tea is at four"]


def test_what_the_person_forgot_stays_forgotten(notes: Watched) -> None:
    """Until the note says something else: that is another memory."""
    notes.write("tea.txt", "tea is at five")
    notes.catch_up()
    notes.service.forget([notes.one().id])
    (notes.path / "tea.txt").touch()
    assert notes.catch_up() == []
    assert notes.texts() == []
    notes.write("tea.txt", "tea is at six")
    notes.catch_up()
    assert (notes.texts(), notes.texts(TRASHED)) == (["tea is at six"], ["tea is at five"])


@direct_only
def test_a_folder_that_was_moved_goes_on(notes: Watched, tmp_path: Path) -> None:
    """Its notes are the memories that they were, also of what the person has forgotten meanwhile."""
    for name in ("cake", "supper", "tea"):
        notes.write(f"{name}.txt", f"{name} is at five")
    notes.catch_up()
    before = {each.text: each.id for each in notes.memories()}
    notes.service.forget([before["tea is at five"]])
    moved = Watched(notes.home, notes.path.rename(tmp_path / "moved"), notes.service)
    moved.catch_up()
    assert moved.texts(TRASHED) == ["tea is at five"]
    assert {each.text: each.id for each in moved.memories()}.items() < before.items()
    assert all("/moved/" in each.source.ref for each in moved.memories())
    moved.write("cake.txt", "cake is at six")
    (moved.path / "supper.txt").unlink()
    moved.catch_up()
    (cake,) = moved.memories()
    assert (cake.id, cake.text) == (before["cake is at five"], "cake is at six")


@direct_only
def test_a_folder_that_is_not_the_one_that_is_away_begins_anew(
    notes: Watched, tmp_path: Path
) -> None:
    """One note that both have does not make another folder the same."""
    for name in ("cake", "supper", "tea"):
        notes.write(f"{name}.txt", f"{name} is at five")
    notes.catch_up()
    notes.path.rename(tmp_path / "away")
    other = Watched(notes.home, tmp_path / "other", notes.service)
    other.write("tea.txt", "tea is at five")
    other.catch_up()
    (tmp_path / "away").rename(notes.path)
    notes.anew()
    assert notes.catch_up() == []
    other.write("tea.txt", "tea is at six")
    other.catch_up()
    assert "tea is at five" in notes.texts()


def test_what_the_person_erased_stays_erased(notes: Watched) -> None:
    """The note's next text is a new memory, and a deleted note of an erased memory is no trouble."""
    notes.write("stays.txt", "stays")
    notes.write("tea.txt", "tea is at five")
    notes.catch_up()
    tea = next(each for each in notes.memories() if each.text == "tea is at five")
    for _ in range(2):
        notes.service.forget([tea.id])
        notes.service.purge([tea.id])
        assert notes.catch_up() == []
        notes.write("tea.txt", "tea is at six")
        notes.catch_up()
        assert notes.texts() == ["stays", "tea is at six"]
        tea = next(each for each in notes.memories() if each.text == "tea is at six")
        notes.write("tea.txt", "tea is at five")
        notes.catch_up()
    (notes.path / "tea.txt").unlink()
    assert notes.catch_up() == [("forgotten", "tea.txt")]


def test_what_the_person_had_before_is_theirs(notes: Watched) -> None:
    """A note with the same text adds nothing, and takes nothing away."""
    mine = notes.service.remember(Draft("tea is at five", space=notes.space)).id
    notes.write("stays.txt", "stays")
    notes.write("tea.txt", "tea is at five")
    notes.catch_up()
    assert [each.id for each in notes.memories() if each.text == "tea is at five"] == [mine]
    notes.write("tea.txt", "tea is at six")
    notes.catch_up()
    (notes.path / "tea.txt").unlink()
    notes.catch_up()
    assert notes.texts() == ["stays", "tea is at five"]


def test_two_notes_of_one_text_are_one_memory(notes: Watched) -> None:
    """It stays as long as one of them says it, and each may go on to say something else."""
    for name in ("one.txt", "two.txt", "three.txt"):
        notes.write(name, "the same")
    notes.catch_up()
    same = notes.one()
    (notes.path / same.source.ref.rpartition("/")[2]).unlink()
    notes.catch_up()
    assert notes.one(LIVE).source.ref != same.source.ref
    left = sorted(notes.path.iterdir())
    left[0].write_text("another")
    notes.catch_up()
    assert notes.texts() == ["another", "the same"]
    left[1].write_text("a third")
    notes.catch_up()
    assert notes.texts() == ["a third", "another"]
    assert {each.id for each in notes.memories() if each.text == "a third"} == {same.id}


# What is no deletion


@pytest.mark.parametrize("away", ["emptied", "gone", "a file in its place"])
def test_a_folder_that_is_away_is_no_deletion(notes: Watched, away: str, tmp_path: Path) -> None:
    """An unmounted disk leaves an empty folder or none; when it is back, nothing has happened."""
    for number in range(3):
        notes.write(f"{number}.txt", f"note {number}")
    notes.catch_up()
    before = notes.memories()
    notes.path.rename(tmp_path / "elsewhere")
    if away == "emptied":
        notes.path.mkdir()
    elif away != "gone":
        notes.path.write_text("")
    assert [what for what, _ in notes.catch_up()] == ["held"]
    assert notes.catch_up() == []
    if away == "emptied":
        notes.path.rmdir()
    notes.path.unlink(missing_ok=True)
    (tmp_path / "elsewhere").rename(notes.path)
    assert notes.catch_up() == []
    assert notes.memories() == before
    notes.path.rename(tmp_path / "elsewhere")
    assert [what for what, _ in notes.catch_up()] == ["held"]


@direct_only
def test_many_that_are_gone_at_once_are_no_deletion(notes: Watched) -> None:
    """More than twenty and more than half wait for the person; what is new is brought in meanwhile."""
    for number in range(40):
        notes.write(f"{number}.txt", f"note {number}")
    notes.catch_up()
    for number in range(21):
        (notes.path / f"{number}.txt").unlink()
    notes.write("new.txt", "new")
    assert notes.catch_up() == [("held", str(notes.path.resolve())), ("added", "new.txt")]
    assert "--deleted" in notes.news[-2].words
    assert len(notes.memories()) == 41
    told = notes.catch_up(believe=True)
    assert len(told) == 21
    assert len(notes.memories()) == 20
    assert len(notes.memories(TRASHED)) == 21


@direct_only
def test_many_that_go_little_by_little_are_no_deletion_either(
    notes: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is being removed is seen in the midst of it: the rest of it waits."""
    monkeypatch.setattr("memdesk.ingest.looking.BULK", 4)
    for number in range(9):
        notes.write(f"{number}.txt", f"note {number}")
    notes.catch_up()
    for path in sorted(notes.path.iterdir())[:8]:
        path.unlink()
        if path.stem in "1357":
            notes.catch_up()
    assert len(notes.memories()) == 5
    for number in range(9):
        notes.write(f"{number}.txt", f"note {number}")
    notes.catch_up()
    assert (len(notes.memories()), notes.texts(TRASHED)) == (9, [])


@direct_only
def test_a_folder_renamed_within_is_no_deletion(notes: Watched) -> None:
    """However many notes are in it: their bytes are known under their new names."""
    for number in range(21):
        notes.write(f"old/{number}.txt", f"note {number}")
    notes.catch_up()
    before = {each.id: each.text for each in notes.memories()}
    (notes.path / "old").rename(notes.path / "new")
    assert {what for what, _ in notes.catch_up()} == {"moved"}
    assert {each.id: each.text for each in notes.memories()} == before
    assert all("/new/" in each.source.ref for each in notes.memories())


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser reads everything")
@pytest.mark.parametrize("mode", [0, 0o444])
def test_a_folder_that_cannot_be_read_is_no_deletion(notes: Watched, mode: int) -> None:
    """Nothing is known of what is in it, also where its names can be read."""
    notes.write("stays.txt", "stays")
    notes.write("sub/tea.txt", "tea is at five")
    notes.catch_up()
    (notes.path / "sub").chmod(mode)
    try:
        assert notes.catch_up() == []
    finally:
        (notes.path / "sub").chmod(0o700)
    assert notes.texts() == ["stays", "tea is at five"]


@direct_only
@pytest.mark.parametrize("unsure", ["sub", "sub/tea.txt"])
def test_what_cannot_be_looked_at_is_no_deletion(
    notes: Watched, unsure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk may tell a name and fail to tell what it is; what is gone beside it is forgotten."""
    for name in ("stays.txt", "sub/tea.txt", "sub2/cake.txt"):
        notes.write(name, name)
    notes.catch_up()
    (notes.path / "sub2" / "cake.txt").unlink()
    failing_at(notes.path.resolve() / unsure, monkeypatch)
    assert notes.catch_up() == [("forgotten", "sub2/cake.txt")]
    assert notes.texts() == ["stays.txt", "sub/tea.txt"]


def failing_at(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the disk fail whenever it is asked what an entry of a folder is."""
    scandir = os.scandir

    def fail(**_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    @contextmanager
    def scanned(folder: str) -> Iterator[list[Any]]:
        with scandir(folder) as entries:
            broken = SimpleNamespace(name=path.name, path=str(path), is_dir=fail, stat=fail)
            yield [broken if each.path == str(path) else each for each in entries]

    monkeypatch.setattr(os, "scandir", scanned)
