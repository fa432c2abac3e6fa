"""Changing hosts' files: a copy before, whole or not at all, and all of it can be taken back."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from written import documents, unhurried

from memdesk.hosts import HOSTS, files, installed
from memdesk.hosts.changing import Change, carry_out, putting_in, taking_out
from memdesk.hosts.files import BOM
from memdesk.hosts.installed import Records
from memdesk.hosts.pieces import Server
from memdesk.hosts.unusable import Unusable

CURSOR = next(host for host in HOSTS if host.name == "cursor")
CODEX = next(host for host in HOSTS if host.name == "codex")
SERVER = Server(CURSOR, ("/opt/memdesk", "mcp"), {"MEMDESK_HOME": "/store"})
OTHERS = '{\n  "mcpServers": {\n    "files": {"command": "npx"}\n  }\n}\n'


@pytest.fixture
def store(tmp_path: Path) -> Records:
    """Return the records of a store that is not there yet."""
    return Records(tmp_path / "store")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a host's file with the server of another."""
    (tmp_path / "host").mkdir()
    path = tmp_path / "host" / "mcp.json"
    path.write_text(OTHERS, encoding="utf-8")
    return path


def install(file: Path, store: Records, server: Server = SERVER) -> Path | None:
    """Put a server into a file."""
    return carry_out(putting_in(server, file, store), store)


def uninstall(file: Path, store: Records, server: Server = SERVER) -> Change:
    """Take a server out of a file."""
    change = taking_out(server, file, store)
    carry_out(change, store)
    return change


def mode(path: Path) -> int:
    """Return who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


@unhurried
@given(documents("mcpServers", comments=True), st.booleans(), st.booleans())
def test_what_was_there_before_comes_back(text: str, bom: bool, twice: bool) -> None:
    """Byte for byte, and nothing is left beside the file."""
    content = (BOM if bom else b"") + text.encode()
    with tempfile.TemporaryDirectory() as folder:
        file, store = Path(folder, "mcp.json"), Records(Path(folder, "store"))
        file.write_bytes(content)
        install(file, store)
        assert file.read_bytes().startswith(BOM) is bom
        if twice:
            install(file, store, Server(CURSOR, ("/elsewhere/memdesk", "mcp"), {"A": "b"}, "x"))
        uninstall(file, store)
        assert file.read_bytes() == content
        assert os.listdir(folder) == ["mcp.json"]  # noqa: PTH208


def test_a_second_time_changes_nothing(file: Path, store: Records) -> None:
    """There is one copy, and the file is not even written."""
    copy = install(file, store)
    assert copy is not None
    assert copy.read_text(encoding="utf-8") == OTHERS
    assert mode(copy) == 0o600
    before = file.stat()
    assert install(file, store) is None
    assert file.stat().st_ino == before.st_ino
    assert sorted(file.parent.iterdir()) == [file, copy]


def test_a_file_that_is_not_there_is_made_and_goes(tmp_path: Path, store: Records) -> None:
    """For its owner alone, with its folders, which go as well."""
    file = tmp_path / "new" / "folder" / "mcp.json"
    assert install(file, store) is None
    assert mode(file) == 0o600
    assert mode(tmp_path / "new") == 0o700
    uninstall(file, store)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_things_in_it_stays(tmp_path: Path, store: Records) -> None:
    """Of the folders that were made only empty ones go."""
    file = tmp_path / "new" / "mcp.json"
    install(file, store)
    (tmp_path / "new" / "theirs").touch()
    uninstall(file, store)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["theirs"]


def test_links_and_modes_stay(file: Path, store: Records, tmp_path: Path) -> None:
    """Where somebody keeps such files elsewhere, they are changed there."""
    real = tmp_path / "dotfiles.json"
    file.rename(real)
    real.chmod(0o640)
    file.symlink_to(real)
    install(file, store)
    assert file.is_symlink()
    assert "memdesk" in json.loads(real.read_text("utf-8"))["mcpServers"]
    assert mode(real) == 0o640
    uninstall(file, store)
    assert file.is_symlink()
    assert real.read_text("utf-8") == OTHERS
    assert mode(real) == 0o640


def test_when_the_host_has_written_meanwhile_only_our_entry_goes(
    file: Path, store: Records
) -> None:
    """What else the host has written stays, and so does the copy of what was there before."""
    copy = install(file, store)
    told = json.loads(file.read_text("utf-8")) | {"theme": "dark"}
    file.write_text(json.dumps(told, indent=4), encoding="utf-8")
    uninstall(file, store)
    expected = {"mcpServers": {"files": {"command": "npx"}}, "theme": "dark"}
    assert file.read_text("utf-8") == json.dumps(expected, indent=4)
    assert copy is not None
    assert copy.exists()


def test_tables_that_were_made_for_it_go_with_it(tmp_path: Path, store: Records) -> None:
    """Also when the host has written the file anew; a file with nothing else in it goes."""
    file = tmp_path / "mcp.json"
    install(file, store)
    told = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(told | {"theme": "dark"}), encoding="utf-8")
    uninstall(file, store)
    assert json.loads(file.read_text("utf-8")) == {"theme": "dark"}
    file.unlink()
    install(file, store)
    file.write_text(json.dumps(told), encoding="utf-8")
    assert uninstall(file, store).after is None
    assert not file.exists()


def test_without_a_record_the_entry_is_known_by_its_name(file: Path, store: Records) -> None:
    """A store that was erased, or another one: the entry goes all the same."""
    install(file, store)
    uninstall(file, Records(file.parent / "another"))
    assert file.read_text("utf-8") == OTHERS


def test_records_that_cannot_be_read_are_none(file: Path, store: Records, tmp_path: Path) -> None:
    """Somebody else's words in their place do no harm."""
    for words in ("[]", "no", json.dumps({str(file): 3}), json.dumps({str(file): {"at": 1}})):
        install(file, store)
        (tmp_path / "store" / installed.FILE).write_text(words, encoding="utf-8")
        uninstall(file, store)
        assert file.read_text("utf-8") == OTHERS


def test_an_older_entry_is_taken_over_and_does_not_come_back(file: Path, store: Records) -> None:
    """What the person has added to it stays while it is there: its space, a time-out, a switch."""
    older = {
        "command": "/old/memdesk",
        "args": ["mcp", "--space", "web"],
        "env": {"A": "b", "MEMDESK_HOME": "/old"},
        "timeout": 9,
        "disabled": True,
    }
    file.write_text(json.dumps({"mcpServers": {"memdesk": older}}), encoding="utf-8")
    install(file, store)
    assert json.loads(file.read_text("utf-8"))["mcpServers"]["memdesk"] == older | {
        "command": "/opt/memdesk",
        "env": {"A": "b", "MEMDESK_HOME": "/store"},
    }
    uninstall(file, store)
    assert json.loads(file.read_text("utf-8")) == {"mcpServers": {}}


def test_a_space_that_is_named_takes_the_place_of_another(file: Path, store: Records) -> None:
    """And stays when the entry is renewed without one."""
    install(file, store, Server(CURSOR, SERVER.command, SERVER.env, "web"))
    install(file, store)
    args = json.loads(file.read_text("utf-8"))["mcpServers"]["memdesk"]["args"]
    assert args == ["mcp", "--space", "web"]
    install(file, store, Server(CURSOR, SERVER.command, SERVER.env, "shop"))
    args = json.loads(file.read_text("utf-8"))["mcpServers"]["memdesk"]["args"]
    assert args == ["mcp", "--space", "shop"]


def test_other_switches_stay_when_a_space_is_named(file: Path, store: Records) -> None:
    """Whatever stands before and after the old one's name."""
    for args in (["mcp", "--direct"], ["mcp", "--space", "a", "--direct"], ["mcp", "--space=a"]):
        told = {"mcpServers": {"memdesk": {"command": "/old/memdesk", "args": args}}}
        file.write_text(json.dumps(told), encoding="utf-8")
        install(file, store, Server(CURSOR, SERVER.command, SERVER.env, "web"))
        told = json.loads(file.read_text("utf-8"))
        switches = ["--direct"] if "--direct" in args else []
        assert told["mcpServers"]["memdesk"]["args"] == ["mcp", *switches, "--space", "web"]


@pytest.mark.parametrize(
    "words",
    [
        ["npx", "-y", "other-memdesk", "mcp", "--key", "K"],
        ["npx", "-y", "memdesk", "mcp"],
        ["python", "memdesk", "mcp"],
        ["/opt/memdesk", "serve"],
    ],
)
def test_another_server_of_our_name_is_left_alone(
    file: Path, store: Records, words: list[str]
) -> None:
    """Only what starts memdesk is renewed and taken out."""
    told = {"mcpServers": {"memdesk": {"command": words[0], "args": words[1:]}}}
    file.write_text(json.dumps(told), encoding="utf-8")
    for change in (install, uninstall):
        with pytest.raises(Unusable, match="has another server under the name “memdesk”"):
            change(file, store)
    assert json.loads(file.read_text("utf-8")) == told


@pytest.mark.parametrize(
    "server",
    [
        {"command": "C:\\py\\memdesk.exe", "args": ["mcp", "--direct"]},
        {"command": "/usr/bin/python3.11", "args": ["-P", "-m", "memdesk", "mcp", "--direct"]},
        {"command": {"path": "/old/memdesk", "args": ["mcp", "--direct"]}},
    ],
)
def test_an_entry_of_ours_is_known_in_every_shape(
    file: Path, store: Records, server: object
) -> None:
    """It is renewed with its switches."""
    file.write_text(json.dumps({"mcpServers": {"memdesk": server}}), encoding="utf-8")
    install(file, store)
    told = json.loads(file.read_text("utf-8"))["mcpServers"]["memdesk"]
    assert (told["command"], told["args"]) == ("/opt/memdesk", ["mcp", "--direct"])


def test_a_link_to_a_file_that_is_not_there_stays(
    file: Path, store: Records, tmp_path: Path
) -> None:
    """The file is made where the link leads, with its folder, and both go from there."""
    target = tmp_path / "dotfiles" / "mcp.json"
    file.unlink()
    file.symlink_to(target)
    install(file, store)
    assert "memdesk" in target.read_text("utf-8")
    uninstall(file, store)
    assert file.is_symlink()
    assert not target.parent.exists()


def test_what_several_processes_note_is_all_kept(tmp_path: Path) -> None:
    """Each waits for the others, as its own process would."""
    kept = installed.record(b"a", b"ab", made=True)

    def note(number: int) -> None:
        Records(tmp_path / "store").keep(Path(f"/{number}"), kept)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(note, range(40)))
    assert all(Records(tmp_path / "store").of(Path(f"/{number}")) for number in range(40))


def test_a_record_that_cannot_be_written_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the folder that was made for it."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("memdesk.disk.flush_file", full)
    with pytest.raises(Unusable, match="No space left on device"):
        Records(tmp_path / "store").keep(Path("/f"), installed.record(None, b"a", made=True))
    assert list(tmp_path.iterdir()) == []


def folder(path: Path) -> None:
    """Put a folder in the place of a file."""
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    """Put a named pipe in the place of a file."""
    path.unlink()
    os.mkfifo(path)


def text(words: str) -> object:
    """Return what writes words into a file."""
    return lambda path: path.write_text(words, encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (folder, "is a folder"),
        (pipe, "is no file"),
        (lambda path: path.write_bytes(b'{"a": "\xff"}'), "is not UTF-8"),
        (lambda path: os.truncate(path, 33_000_000), "is larger than 32 MB"),
        (text('{"mcpServers": '), "is no JSON (line 1)"),
        (text('{"mcpServers": 3}'), "has a “mcpServers” that is no JSON object"),
        (text('{"mcpServers": {"memdesk": 1, "memdesk": 2}}'), "has “memdesk” twice"),
        (text('{"mcpServers": {"memdesk": {"url": "u"}}}'), "has another kind of server"),
    ],
)
def test_what_is_in_the_way_is_told_and_nothing_is_changed(
    file: Path, store: Records, spoil: object, why: str
) -> None:
    """Each in one sentence, for putting in and taking out alike; no copy is made."""
    assert callable(spoil)
    spoil(file)
    before = file.read_bytes() if file.is_file() else b""
    with pytest.raises(Unusable) as raised:
        install(file, store)
    assert str(raised.value).startswith(why)
    if why != "has a “mcpServers” that is no JSON object":
        with pytest.raises(Unusable):
            uninstall(file, store)
    assert (file.read_bytes() if file.is_file() else b"") == before
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_may_only_be_read_is_not_changed(file: Path, store: Records) -> None:
    """Replacing it would work; but where nothing is to be changed, nothing is wrong."""
    file.chmod(0o400)
    assert uninstall(file, store).idle
    with pytest.raises(Unusable, match="is read-only"):
        install(file, store)
    file.chmod(0o600)
    install(file, store)
    file.chmod(0o400)
    assert install(file, store) is None
    with pytest.raises(Unusable, match="is read-only"):
        uninstall(file, store)
    assert "memdesk" in file.read_text("utf-8")


def test_what_another_has_written_just_now_is_not_lost(file: Path, store: Records) -> None:
    """Between reading and writing a host may have changed its file: then it stays as the host left it."""
    change = putting_in(SERVER, file, store)
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(Unusable, match="was just changed"):
        files.replace(file, change.before, change.after or b"")
    assert file.read_text("utf-8") == "{}"
    assert list(file.parent.iterdir()) == [file]


def test_what_cannot_be_written_leaves_nothing_behind(
    file: Path, store: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: no copy, no folder, no record of what did not happen."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("memdesk.hosts.files.os.fsync", full)
    for path in (file, file.parent / "new" / "mcp.json"):
        with pytest.raises(Unusable, match="No space left on device"):
            install(path, store)
    monkeypatch.undo()
    assert list(file.parent.iterdir()) == [file]
    assert store.of(file) is None


def test_a_change_that_cannot_be_proved_is_not_made(tmp_path: Path, store: Records) -> None:
    """A table in one line is closed: the entry would break the file."""
    file = tmp_path / "config.toml"
    file.write_text('mcp_servers = { files = { command = "x" } }\n', encoding="utf-8")
    with pytest.raises(Unusable):
        install(file, store, Server(CODEX, SERVER.command, SERVER.env))


def test_toml_comes_back_too(tmp_path: Path, store: Records) -> None:
    """Also where the file ends without an end of line."""
    file = tmp_path / "config.toml"
    for words in ('model = "o"', "# mine\n\n[mcp_servers.files]\ncommand = 'x' # y\r\n", "\n"):
        file.write_bytes(words.encode())
        install(file, store, Server(CODEX, SERVER.command, SERVER.env))
        assert b"memdesk" in file.read_bytes()
        uninstall(file, store, Server(CODEX))
        assert file.read_bytes() == words.encode()


def test_a_path_that_is_no_text_is_refused(file: Path, store: Records) -> None:
    """JSON cannot hold bytes that are no letters."""
    with pytest.raises(Unusable, match="no text"):
        install(file, store, Server(CURSOR, ("/opt/\udcff", "mcp"), {}))
    assert file.read_text("utf-8") == OTHERS


def test_the_difference_hides_what_others_keep(file: Path, store: Records) -> None:
    """Our lines are shown whole; of others only their names."""
    told = {"mcpServers": {"files": {"env": {"API_KEY": "sk-canary"}, "args": ["--key=canary"]}}}
    file.write_text(json.dumps(told, indent=2), encoding="utf-8")
    shown = putting_in(SERVER, file, store).diff()
    assert "canary" not in shown
    assert '+      "command": "/opt/memdesk",' in shown
    install(file, store)
    shown = taking_out(SERVER, file, store).diff()
    assert "canary" not in shown
    assert '-      "command": "/opt/memdesk",' in shown
