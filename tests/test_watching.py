"""Watched folders: what becomes of notes that are new, changed, renamed, deleted, and back again."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from cli_runner import Cli
from daemon_home import Home, until
from fakes import FakeEmbedder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import direct_only
from watched import Counted, Watched

from memdesk.belongings import Belongings
from memdesk.config import load
from memdesk.errors import Busy, Invalid, StoreError
from memdesk.ingest import watching
from memdesk.ingest.watching import Watches
from memdesk.lock import WriterLock
from memdesk.memory import LIVE, TRASHED, Draft, Edit
from memdesk.service import Service, duties

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def notes(home: Path, tmp_path: Path, desk: Service) -> Watched:
    """Return an empty folder that is watched by a desk."""
    return Watched(home, tmp_path / "notes", desk)


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
def test_many_that_go_little_by_little_are_no_deletion_either(notes: Watched) -> None:
    """A folder that is being removed is seen in the midst of it: the rest of it waits."""
    for number in range(44):
        notes.write(f"{number:02}.txt", f"note {number}")
    notes.catch_up()
    for path in sorted(notes.path.iterdir())[:43]:
        path.unlink()
        if path.name[1] == "9":
            notes.catch_up()
    assert len(notes.memories()) == 24
    for number in range(44):
        notes.write(f"{number:02}.txt", f"note {number}")
    notes.catch_up()
    assert (len(notes.memories()), notes.texts(TRASHED)) == (44, [])


@direct_only
def test_a_folder_renamed_within_is_no_deletion(notes: Watched) -> None:
    """However many notes are in it: their bytes are known under their new names."""
    for number in range(30):
        notes.write(f"old/{number}.txt", f"note {number}")
    notes.catch_up()
    before = {each.id: each.text for each in notes.memories()}
    (notes.path / "old").rename(notes.path / "new")
    assert {what for what, _ in notes.catch_up()} == {"moved"}
    assert {each.id: each.text for each in notes.memories()} == before
    assert all("/new/" in each.source.ref for each in notes.memories())


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser reads everything")
def test_a_folder_that_cannot_be_read_is_no_deletion(notes: Watched) -> None:
    """Nothing is known of what is in it."""
    notes.write("stays.txt", "stays")
    notes.write("sub/tea.txt", "tea is at five")
    notes.catch_up()
    (notes.path / "sub").chmod(0)
    try:
        assert notes.catch_up() == []
    finally:
        (notes.path / "sub").chmod(0o700)
    assert notes.texts() == ["stays", "tea is at five"]


# What is no note


def test_what_git_ignores_is_left_out(notes: Watched, tmp_path: Path) -> None:
    """By nested .gitignore files, the inner one deciding, and by those of the repository above."""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("private*\n/notes/above.txt\n*.o[\n")
    notes.write(".gitignore", "drafts/\n*.log.txt\n!important.log.txt\n")
    notes.write("sub/.gitignore", "!private-but-here.txt\n/local.txt\n")
    for name in ("drafts/x.txt", "a.log.txt", "private.txt", "above.txt", "sub/local.txt"):
        notes.write(name, f"left out: {name}")
    kept = ("important.log.txt", "sub/private-but-here.txt", "local.txt", "sub/deep/local.txt")
    for name in kept:
        notes.write(name, f"kept: {name}")
    notes.catch_up()
    assert notes.texts() == sorted(f"kept: {name}" for name in kept)
    notes.write(".gitignore", "local.txt\n")
    notes.catch_up()
    assert "kept: local.txt" not in notes.texts()
    assert "left out: drafts/x.txt" in notes.texts()


def test_a_folder_that_git_ignores_may_be_watched(notes: Watched, tmp_path: Path) -> None:
    """It was named on purpose."""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("notes/\n")
    notes.write("tea.txt", "tea is at five")
    notes.catch_up()
    assert notes.texts() == ["tea is at five"]


def test_only_notes_are_read(notes: Watched, home: Path) -> None:
    """No hidden ones, no editors' files, no other kinds, no links, no pipes, not the store."""
    for name in (".git/x.txt", ".obsidian/y.txt", ".hidden.txt", "~$z.txt", "#z.txt#", "z.txt~"):
        notes.write(name, name)
    for name in (".z.txt.swp", "4913", "z.py", "z.log", "z.txt.tmp"):
        notes.write(name, name)
    outside = notes.path.parent / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    (notes.path / "link.txt").symlink_to(outside / "secret.txt")
    (notes.path / "sub").symlink_to(outside)
    (notes.path / "loop").symlink_to(notes.path)
    os.mkfifo(notes.path / "pipe.txt")
    notes.write("tea.txt", "tea is at five")
    notes.catch_up()
    assert notes.texts() == ["tea is at five"]


def test_the_store_is_not_watched(tmp_path: Path) -> None:
    """It may lie in the folder; what it keeps there are no notes."""
    folder = tmp_path / "notes"
    service = Service(folder / "desk", FakeEmbedder(), background=False)
    notes = Watched(folder / "desk", folder, service)
    notes.write("tea.txt", "tea is at five")
    notes.catch_up()
    notes.write("desk/own.txt", "of the store")
    assert notes.catch_up() == []
    assert not notes.watch.folder.concerns(str(folder / "desk" / "memories.lance"))
    assert not notes.watch.folder.concerns(str(folder / "sub" / ".git" / "index"))
    assert notes.watch.folder.concerns(str(folder / "sub" / ".gitignore"))
    service.close()


@direct_only
def test_what_cannot_be_a_memory_is_told_once(notes: Watched) -> None:
    """Whatever it is, the other notes are brought in, and what it said before stays."""
    notes.write("bytes.txt", b"\xff\xfe\xfd")
    notes.write("nul.txt", b"a\0b")
    notes.write("tea.txt", "tea is at five")
    notes.write("late.txt", "later no text")
    told = notes.catch_up()
    assert ("added", "tea.txt") in told
    assert {path for what, path in told if what == "skipped"} == {"bytes.txt", "nul.txt"}
    assert notes.catch_up() == []
    notes.write("late.txt", b"\xff\xfe\xfd")
    assert notes.catch_up() == [("skipped", "late.txt")]
    assert notes.texts() == ["later no text", "tea is at five"]
    notes.write("bytes.txt", "now words")
    assert notes.catch_up() == [("added", "bytes.txt")]
    (notes.path / "nul.txt").unlink()
    notes.catch_up()
    assert notes.texts() == ["later no text", "now words", "tea is at five"]


@direct_only
def test_names_may_be_anything(notes: Watched) -> None:
    """A name that is no Unicode, has line ends, two spaces or control characters is a file's name."""
    names = [b"caf\xe9.txt", b"two  spaces.txt", b"line\nend.txt", b"\x1b[31m.txt", b"#2.txt"]
    for number, name in enumerate(names):
        (notes.path / os.fsdecode(name)).write_text(f"note {number}")
    notes.catch_up()
    assert notes.texts() == [f"note {number}" for number in range(5)]
    notes.anew()
    assert notes.catch_up() == []
    next(iter(Path(notes.home / "watch").glob("*.json"))).unlink()
    notes.anew()
    notes.catch_up()
    assert notes.texts() == [f"note {number}" for number in range(5)]
    for path in notes.path.iterdir():
        path.write_text("changed " + path.read_text())
    notes.catch_up()
    assert notes.texts() == [f"changed note {number}" for number in range(5)]


@direct_only
def test_a_long_note_is_several_memories(notes: Watched) -> None:
    """They follow it together, and go together."""
    notes.write("stays.txt", "stays")
    text = "\n\n".join(f"paragraph {number} " + "word " * 9000 for number in range(24))
    notes.write("long.txt", text)
    notes.catch_up()
    before = {each.id for each in notes.memories()}
    assert len(before) > 2
    notes.write("long.txt", text.replace("paragraph 3 ", "paragraph three "))
    assert notes.catch_up() == [("changed", "long.txt")]
    assert {each.id for each in notes.memories()} == before
    assert any("paragraph three" in each.text for each in notes.memories())
    notes.write("long.txt", "short")
    notes.catch_up()
    assert notes.texts() == ["short", "stays"]
    (notes.path / "long.txt").unlink()
    notes.catch_up()
    assert notes.texts() == ["stays"]


def test_another_folder_s_note_keeps_a_memory(notes: Watched, tmp_path: Path) -> None:
    """Two folders with one text have one memory: what the one says next is not what the other says."""
    other = Watched(notes.home, tmp_path / "other", notes.service)
    for each in (notes, other):
        each.write("stays.txt", f"stays in {each.path.name}")
        for name in ("tea.txt", "cake.txt"):
            each.write(name, f"{name} is at five")
        each.catch_up()
    notes.write("tea.txt", "tea is at six")
    (notes.path / "cake.txt").unlink()
    notes.catch_up()
    texts = ["cake.txt is at five", "stays in notes", "stays in other"]
    assert notes.texts() == [*texts, "tea is at six", "tea.txt is at five"]


@direct_only
def test_folders_within_each_other_agree(notes: Watched) -> None:
    """A note that is in both is one memory, whichever looks first."""
    inner = Watched(notes.home, notes.path / "sub", notes.service)
    notes.write("stays.txt", "stays")
    inner.write("stays too.txt", "stays, too")
    inner.write("tea.txt", "tea is at five")
    for text in ("tea is at six", "tea is at seven"):
        for each in (notes, inner):
            each.catch_up()
        inner.write("tea.txt", text)
        for each in (inner, notes):
            each.catch_up()
        assert notes.texts() == ["stays", "stays, too", text]
    (inner.path / "tea.txt").unlink()
    for each in (inner, notes):
        each.catch_up()
    assert (notes.texts(), len(notes.texts(TRASHED))) == (["stays", "stays, too"], 1)


def test_a_store_that_is_put_back_gets_the_notes_of_today(notes: Watched) -> None:
    """What it lacks is stored, what it has as of then is revised, and what is gone is forgotten."""
    for name in ("stays", "edited", "deleted"):
        notes.write(f"{name}.txt", f"{name} before")
    notes.catch_up()
    point = notes.service.take_point(reason="before").name
    notes.write("edited.txt", "edited after")
    notes.write("new.txt", "new after")
    (notes.path / "deleted.txt").unlink()
    notes.catch_up()
    notes.service.restore_point(point)
    assert notes.texts() == ["deleted before", "edited before", "stays before"]
    notes.anew()
    notes.catch_up()
    assert notes.texts() == ["edited after", "new after", "stays before"]
    assert notes.texts(TRASHED) == ["deleted before"]


# Whatever happens


PATHS = ("a.txt", "b.txt", "sub/c.txt", "sub/d.txt", "e.txt")
TEXTS = ("alpha", "beta", "gamma", "delta", "", " \n", "alpha\r\n")
DEEDS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(PATHS), st.sampled_from(TEXTS)),
    st.tuples(st.just("rename"), st.sampled_from(PATHS), st.sampled_from(PATHS)),
    st.tuples(st.just("delete"), st.sampled_from(PATHS), st.just("")),
    st.tuples(st.just("catch up"), st.just(""), st.just("")),
    st.tuples(st.just("fail"), st.just(""), st.integers(1, 12).map(str)),
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a desk that many folders are watched by, each for a space."""
    service = Service(tmp_path_factory.mktemp("shared"), FakeEmbedder(), background=False)
    yield service
    service.close()


def failing(notes: Watched, at: int) -> None:
    """Catch up until the store fails, before or after some call."""
    left = [at]

    def step() -> None:
        left[0] -= 1
        if left[0] == 0:
            raise StoreError("the disk is full")

    with suppress(StoreError):
        notes.catch_up(cast("Service", Counted(notes.service, step)))


def do(notes: Watched, deed: str, name: str, other: str) -> None:
    """Do something with a note, or bring the memories in line."""
    path = notes.path / name
    if deed == "write":
        notes.write(name, other)
    elif deed == "rename" and path.exists():
        (notes.path / other).parent.mkdir(exist_ok=True)
        path.replace(notes.path / other)
    elif deed == "delete":
        path.unlink(missing_ok=True)
    elif deed == "fail":
        failing(notes, int(other))
        notes.anew(batch=2)
    else:
        notes.catch_up()


@given(deeds=st.lists(DEEDS, max_size=14))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_sequence_ends_with_what_is_there(
    shared: Service, tmp_path_factory: pytest.TempPathFactory, deeds: list[tuple[str, str, str]]
) -> None:
    """Written, renamed, deleted, failed on the way: the live memories are the folder's texts."""
    folder = tmp_path_factory.mktemp("notes")
    notes = Watched(shared._core.home, folder, shared, space=folder.name)
    notes.write("always.txt", "always here")
    for deed in deeds:
        do(notes, *deed)
    notes.catch_up()
    texts = [text.replace("\r\n", "\n") for text in notes.texts()]
    assert set(texts) == {text.replace("\r\n", "\n") for text in notes.on_the_disk()}
    assert len(notes.memories()) <= sum(1 for each in folder.rglob("*.txt"))
    seq = shared.stats().seq
    assert notes.catch_up() == []
    assert shared.stats().seq == seq


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_at_any_point_it_goes_on(home: Path, tmp_path: Path) -> None:
    """A process that is killed again and again neither loses a note nor stores one twice."""
    service = Service(home, FakeEmbedder(), background=False)
    notes = Watched(home, tmp_path / "notes", service)
    dice = random.Random(7)
    killed = 0
    for round in range(7):
        for number in range(4):
            notes.write(f"{round}-{number}.txt", f"note {number} of round {round}")
        files = sorted(notes.path.iterdir())
        dice.choice(files).unlink()
        dice.choice(files[1:]).with_suffix(".txt").touch()
        for path in dice.sample(sorted(notes.path.iterdir()), 2):
            path.write_text(path.read_text() + f", edited in round {round}")
        moved = dice.choice(sorted(notes.path.iterdir()))
        moved.rename(notes.path / f"moved-{round}.txt")
        killed += killed_after(home, notes.path, 1 + dice.randrange(14))
    notes.catch_up()
    assert killed > 3
    assert set(notes.texts()) == notes.on_the_disk()
    assert len(notes.memories()) == len(notes.on_the_disk())
    service.close()


def killed_after(home: Path, folder: Path, steps: int) -> bool:
    """Catch up in a process that is killed after so many steps; tell whether it was."""
    program = Path(__file__).parent / "watched.py"
    done = subprocess.run(
        [sys.executable, str(program), str(home), str(folder), "notes", str(steps)],
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL)
    return done.returncode != 0


@direct_only
def test_what_is_known_may_be_lost(notes: Watched) -> None:
    """Without its file, or with a torn one, the same memories are found again by their source."""
    for number in range(3):
        notes.write(f"{number}.txt", f"note {number}")
    notes.catch_up()
    ids = {each.id for each in notes.memories()}
    (file,) = (notes.home / "watch").glob("*.json")
    for torn in (None, "{", '{"notes": [], "unsure": false}'):
        file.unlink() if torn is None else file.write_text(torn)
        notes.write("0.txt", f"note 0 after {torn}")
        (notes.path / "1.txt").rename(notes.path / "one.txt")
        notes.anew()
        notes.catch_up()
        assert {each.id for each in notes.memories()} == ids
        (notes.path / "one.txt").rename(notes.path / "1.txt")
        notes.catch_up()
    assert file.with_suffix(".json.unreadable").exists()


@direct_only
def test_many_changes_have_a_restore_point(notes: Watched) -> None:
    """Before many new notes and before many changed ones."""
    for number in range(25):
        notes.write(f"{number}.txt", f"note {number}")
    notes.catch_up()
    assert [each.reason for each in notes.service.points()] == ["import"]
    for number in range(25):
        notes.write(f"{number}.txt", f"note {number}, edited")
    notes.catch_up()
    assert [each.reason for each in notes.service.points()] == ["watch", "import"]


def test_what_is_kept_is_private_and_known(notes: Watched) -> None:
    """Its file is for its owner only, and goes with the rest of memdesk."""
    notes.write("tea.txt", "tea is at five")
    notes.catch_up()
    notes.service.close()
    room = notes.home / "watch"
    assert stat.S_IMODE(room.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in room.glob("*.json")} == {0o600}
    (room / ".0123456789abcdef.json.x1").write_text("")
    known = Belongings(notes.home, notes.home / "config.toml", notes.home / "logs")
    assert known.strangers() == []
    known.remove()
    assert not notes.home.exists()


def test_one_process_at_a_time_is_at_a_folder(notes: Watched) -> None:
    """Another one is told who is there, and finds nothing left to do afterwards."""
    notes.write("tea.txt", "tea is at five")
    first = notes.watch.catch_up(notes.service)
    next(first)
    other = Watched(notes.home, notes.path, notes.service)
    with pytest.raises(Busy, match="watch"):
        other.catch_up()
    for _ in first:
        pass
    assert other.catch_up() == []


# As it happens


@contextmanager
def watched(notes: Watched) -> Iterator[None]:
    """Watch the folder on a thread meanwhile."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for _ in notes.watch.looks(stop):
                notes.catch_up()
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not failed


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a burst for over after a moment."""
    monkeypatch.setattr(watching, "QUIET_MS", 20)
    monkeypatch.setattr(watching, "_TICK_MS", 100)


@direct_only
def test_changes_are_seen_as_they_happen(notes: Watched, quick: None) -> None:
    """New, written in place, renamed over it as editors do, deleted, and a whole folder moved in."""
    notes.write("stays.txt", "stays")
    with watched(notes):
        until(lambda: notes.texts() == ["stays"])
        notes.write("tea.txt", "tea is at five")
        until(lambda: "tea is at five" in notes.texts())
        tea = next(each.id for each in notes.memories() if each.text == "tea is at five")
        notes.write("tea.txt", "tea is at six")
        until(lambda: "tea is at six" in notes.texts())
        notes.write("4913", "")
        (notes.path / "4913").unlink()
        (notes.path / "tea.txt").rename(notes.path / "tea.txt~")
        notes.write("tea.txt", "tea is at seven")
        (notes.path / "tea.txt~").unlink()
        until(lambda: "tea is at seven" in notes.texts())
        notes.write(".tea.txt.swp", "tea is at eight")
        (notes.path / ".tea.txt.swp").rename(notes.path / "tea.txt")
        until(lambda: "tea is at eight" in notes.texts())
        assert notes.service.get([tea])[0].text == "tea is at eight"
        (notes.path / "tea.txt").rename(notes.path / "supper.txt")
        until(lambda: notes.service.get([tea])[0].source.ref.endswith("supper.txt"))
        (notes.path / "supper.txt").unlink()
        until(lambda: notes.texts(TRASHED) == ["tea is at eight"])
        elsewhere = notes.path.parent / "elsewhere"
        (elsewhere / "deep" / "er").mkdir(parents=True)
        for number in range(30):
            (elsewhere / "deep" / "er" / f"{number}.txt").write_text(f"note {number}")
        elsewhere.rename(notes.path / "moved in")
        until(lambda: len(notes.memories()) == 31)
        (notes.path / "moved in" / "deep" / "new.txt").write_text("written there")
        until(lambda: "written there" in notes.texts())
    assert notes.texts(TRASHED) == ["tea is at eight"]


@direct_only
def test_another_folder_in_its_place_is_watched(
    notes: Watched, quick: None, tmp_path: Path
) -> None:
    """A disk that is taken away and comes back is watched again, and nothing was forgotten."""
    notes.write("tea.txt", "tea is at five")
    with watched(notes):
        until(lambda: notes.texts() == ["tea is at five"])
        notes.path.rename(tmp_path / "away")
        until(lambda: [each.what for each in notes.news if each.what == "held"])
        shutil.copytree(tmp_path / "away", notes.path)
        (notes.path / "new.txt").write_text("written on another computer")
        until(lambda: len(notes.texts()) == 2)
        notes.write("newer.txt", "seen by an event")
        until(lambda: len(notes.texts()) == 3)
    assert notes.texts(TRASHED) == []


@direct_only
def test_a_folder_that_tells_of_no_changes_is_looked_through(
    notes: Watched, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system has no more room to watch, a look now and then does."""

    def full(*_: object, **__: object) -> Iterator[Any]:
        raise OSError(28, "OS file watch limit reached")

    monkeypatch.setattr("watchfiles.watch", full)
    monkeypatch.setattr(watching, "_WITHOUT_EVENTS", 0.02)
    with watched(notes):
        notes.write("tea.txt", "tea is at five")
        until(lambda: notes.texts() == ["tea is at five"])


@direct_only
def test_a_look_that_failed_is_repeated(
    notes: Watched, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing need change for that."""
    monkeypatch.setattr(watching, "_AGAIN", 0.01)
    notes.write("tea.txt", "tea is at five")
    watches = Watches(notes.home, {notes.path: notes.space})
    lock = notes.watch._notes.lock
    lock.parent.mkdir(parents=True)
    with WriterLock(lock, "test").hold(0):
        watches.start(notes.service)
        until(lambda: duty(notes.service).runs)
    until(lambda: notes.texts() == ["tea is at five"])
    watches.close()


def duty(service: Service) -> Any:
    """Return how the duty stands."""
    return next(each for each in service.duties.report() if each.name == watching.DUTY)


@direct_only
def test_it_is_a_duty_that_gives_way(notes: Watched, quick: None) -> None:
    """No step is taken while a request is worked on, nor while the duty is paused."""
    for number in range(30):
        notes.write(f"{number}.txt", f"note {number}")
    watches = Watches(notes.home, {notes.path: notes.space})
    with notes.service.duties.busy():
        watches.start(notes.service)
        until(lambda: notes.service.duties.working(watching.DUTY))
        assert notes.texts() == []
        notes.service.duties.pause(watching.DUTY)
    assert notes.texts() == []
    assert duty(notes.service).state == "paused"
    notes.service.duties.resume(watching.DUTY)
    until(lambda: len(notes.texts()) == 30)
    watches.close()
    assert duties.WATCHING == watching.DUTY


# By the daemon and from the command line


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_daemon_watches_what_the_settings_say() -> None:
    """From its start on; what happened while there was none is caught up."""
    real = Home()
    try:
        folder = real.folder / "notes"
        folder.mkdir()
        (folder / "tea.txt").write_text("tea is at five")
        real.path.mkdir(mode=0o700)
        (real.path / "config.toml").write_text(f'[watch]\n"{folder}" = "journal"\n')
        with real.opened() as host:
            until(lambda: caught_up(real, "tea is at five"))
            assert "five" in host.call("recall", query="tea", space="journal")
            (folder / "tea.txt").write_text("tea is at six")
            until(lambda: caught_up(real, "tea is at six"))
            assert "six" in host.call("recall", query="tea", space="journal")
            names = {each["name"] for each in real.status()["duties"] if each["runs"]}
            assert "watching" in names
            told = real.command("watch", str(folder), "--once")
            assert (told.returncode, told.stdout) == (0, "")
    finally:
        real.close()


def caught_up(real: Home, text: str) -> bool:
    """Tell whether a text was brought in; asking the daemon for memories would keep it from that."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    told = [each.read_text() for each in (real.path / "watch").glob("*.json")]
    return any(digest in each and '"unsure":false' in each for each in told)


@pytest.fixture
def cli(home: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return a person at a desk of their own."""
    monkeypatch.setenv("MEMDESK_HOME", str(home))
    return Cli(home, FakeEmbedder())


def test_the_command_brings_in_what_is_there(cli: Cli, tmp_path: Path) -> None:
    """It prints a line for each note, and in JSON as much."""
    (tmp_path / "tea.txt").write_text("tea is at five")
    done = cli.ok("watch", str(tmp_path), "--once", "--space", "journal")
    assert done.lines == ["added tea.txt"]
    assert cli.ok("list", "--json", "--space", "journal").jsonl[0]["text"] == "tea is at five"
    (tmp_path / "tea.txt").rename(tmp_path / "five.txt")
    told = cli.ok("watch", str(tmp_path), "--once", "--json").jsonl
    assert told == [{"what": "moved", "note": "five.txt", "words": "was tea.txt"}]
    (tmp_path / "five.txt").unlink()
    done = cli.ok("watch", str(tmp_path), "--once")
    assert (done.lines, "--deleted" in done.err) == ([], True)
    assert cli.ok("watch", str(tmp_path), "--once", "--deleted").lines == ["forgotten five.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")
def test_the_command_goes_on_until_control_c(home: Path, tmp_path: Path) -> None:
    """Each note is printed as it is brought in."""
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "tea.txt").write_text("tea is at five")
    with subprocess.Popen(
        [sys.executable, "-m", "memdesk", "watch", str(notes)],
        env=os.environ | {"MEMDESK_HOME": str(home), "MEMDESK_DIRECT": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "added tea.txt\n"
        (notes / "cake.txt").write_text("cake is at six")
        assert process.stdout.readline() == "added cake.txt\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize("words", [("nowhere",), ("{}", "--space", "-"), ()])
def test_a_folder_that_is_none_is_refused(cli: Cli, tmp_path: Path, words: tuple[str, ...]) -> None:
    """With what is wrong, and before anything is done."""
    named = [each.format(tmp_path) for each in words]
    assert cli("watch", *named, "--once").code == 2
    assert not cli.home.exists()


def test_the_settings_name_folders_and_their_spaces(tmp_path: Path) -> None:
    """A folder is named by its whole path; ~ is the person's home."""
    environ = {"MEMDESK_HOME": str(tmp_path)}
    config = tmp_path / "config.toml"
    config.write_text(f'[watch]\n"{tmp_path}/../{tmp_path.name}/notes" = "journal"\n"~/x" = "y"\n')
    told = load(environ).watch
    assert told == {
        tmp_path.resolve() / "notes": "journal",
        Path("~/x").expanduser().resolve(): "y",
    }
    for wrong in (
        'watch = ["/x"]',
        '[watch]\n"notes" = "a"',
        '[watch]\n"/x" = 1',
        '[watch]\n"/x" = "-"',
    ):
        config.write_text(wrong)
        with pytest.raises(Invalid, match="watch"):
            load(environ)


@direct_only
def test_a_whole_disk_is_refused(notes: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of very many notes was hardly meant."""
    monkeypatch.setattr("memdesk.ingest.watched.MOST", 5)
    for number in range(6):
        notes.write(f"{number}.txt", f"note {number}")
    with pytest.raises(Invalid, match="more than 5 notes"):
        notes.catch_up()


def test_times_of_the_disk_may_stand_still(notes: Watched) -> None:
    """Two states of a file within one tick of its clock are told apart by their bytes."""
    path = notes.write("tea.txt", "tea is at five")
    notes.catch_up()
    at = time.time_ns()
    for text in ("tea is at nine", "tea is at four"):
        path.write_text(text)
        os.utime(path, ns=(at, at))
        notes.catch_up()
        assert notes.texts() == [text]
