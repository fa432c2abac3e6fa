"""Watched folders: seen as it happens, by the daemon, and from the command line."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cli_runner import Cli
from daemon_home import Home, until
from fakes import FakeEmbedder
from served import direct_only

from memdesk.config import load
from memdesk.errors import Invalid
from memdesk.ingest import watching
from memdesk.ingest.watched import Folder, Found
from memdesk.ingest.watching import Watches
from memdesk.lock import WriterLock
from memdesk.memory import TRASHED
from memdesk.service import Service, duties

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watched import Watched


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
        for number in range(5):
            (elsewhere / "deep" / "er" / f"{number}.txt").write_text(f"note {number}")
        elsewhere.rename(notes.path / "moved in")
        until(lambda: len(notes.memories()) == 6)
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


@direct_only
def test_a_look_that_broke_is_repeated(
    notes: Watched, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a mistake of memdesk's own is logged, and the next look is a whole one."""
    monkeypatch.setattr(watching, "_AGAIN", 0.01)
    find, broken = Folder.find, [1, 2, 3]

    def breaks(folder: Folder) -> Found:
        if broken:
            raise ZeroDivisionError(broken.pop())
        return find(folder)

    monkeypatch.setattr(Folder, "find", breaks)
    notes.write("tea.txt", "tea is at five")
    watches = Watches(notes.home, {notes.path: notes.space})
    watches.start(notes.service)
    until(lambda: notes.texts() == ["tea is at five"])
    watches.close()


def duty(service: Service) -> Any:
    """Return how the duty stands."""
    return next(each for each in service.duties.report() if each.name == watching.DUTY)


@direct_only
def test_it_is_a_duty_that_gives_way(notes: Watched, quick: None) -> None:
    """No step is taken while a request is worked on, nor while the duty is paused."""
    for number in range(10):
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
    until(lambda: len(notes.texts()) == 10)
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


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_the_command_prints_every_name(cli: Cli, tmp_path: Path, as_json: tuple[str, ...]) -> None:
    """One that is no Unicode, too."""
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("tea is at five")
    done = cli.ok("watch", str(tmp_path), "--once", *as_json)
    assert [r"caf\udce9.txt" in line for line in done.lines] == [True]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")
def test_the_command_goes_on_until_control_c(home: Path, tmp_path: Path) -> None:
    """Each note is printed as it is brought in."""
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "tea.txt").write_text("tea is at five")
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's & ignores it
    process = subprocess.Popen(
        [sys.executable, "-m", "memdesk", "watch", str(notes)],
        env=os.environ | {"MEMDESK_HOME": str(home), "MEMDESK_DIRECT": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    signal.signal(signal.SIGINT, ours)
    with process:
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
