"""Watched folders: what is a note, what several folders share, and whatever may happen meanwhile."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from fakes import FakeEmbedder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import direct_only
from watched import Counted, Watched

from memdesk.belongings import Belongings
from memdesk.errors import Busy, Invalid, StoreError
from memdesk.memory import TRASHED
from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
    for number in range(21):
        notes.write(f"{number}.txt", f"note {number}")
    notes.catch_up()
    assert [each.reason for each in notes.service.points()] == ["import"]
    for number in range(21):
        notes.write(f"{number}.txt", f"note {number}, edited")
    notes.catch_up()
    assert [each.reason for each in notes.service.points()] == ["watch", "import"]


def test_what_is_kept_is_private_and_known(
    home: Path, tmp_path: Path, open_desk: Callable[..., Service]
) -> None:
    """Its file is for its owner only, and goes with the rest of memdesk."""
    notes = Watched(home, tmp_path / "notes", open_desk(background=False))
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
