"""The daemon's login item: one file per system, read back as that system would."""

from __future__ import annotations

import os
import plistlib
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdesk.daemon.login import MARK, STAY, install, login_item, quoted, uninstall
from memdesk.errors import Invalid
from memdesk.link.address import default_home

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMAND = ('/opt/my py/100%/$HOME/“é”/"q"\'s\\n/python', "-m", "memdesk")
HOSTILE = Path('/data/my desk/50%h/${HOME}/"quoted"/it\'s/C:\\x/ünï')
PLATFORMS = ["linux", "darwin", "win32"]


class System:
    """Stands for systemctl and launchctl: notes what it is told, and fails as told."""

    def __init__(self, trouble: str = "") -> None:
        self.told: list[tuple[str, ...]] = []
        self.trouble = trouble

    def __call__(self, command: Sequence[str]) -> str:
        """Note a command."""
        self.told.append(tuple(command))
        return self.trouble


@pytest.fixture(autouse=True)
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the home folder of a person whose login items may be written."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def files(folder: Path) -> list[Path]:
    """Every file below a folder."""
    return [path for path in folder.rglob("*") if not path.is_dir()]


def unquoted(line: str) -> list[str]:
    """The words of a line of a unit, read by the rules of systemd.syntax(7) and specifiers."""
    words = re.findall(r'"((?:[^"\\]|\\.)*)"(?: |$)', line)
    assert " ".join(f'"{word}"' for word in words) == line
    plain = [re.sub(r"\\(.)", r"\1", word) for word in words]
    assert not any(re.search(r"(?<!%)(%%)*%(?!%)", word) for word in plain)
    return [word.replace("%%", "%") for word in plain]


def executed(line: str) -> list[str]:
    """The words of an ExecStart, in which two dollar signs are one and one begins a variable."""
    words = unquoted(line)
    assert not any(word.replace("$$", "").count("$") for word in words)
    return [word.replace("$$", "$") for word in words]


def settings(unit: str) -> dict[str, str]:
    """The settings of a unit."""
    pairs = [line.partition("=") for line in unit.splitlines() if "=" in line]
    return {key: value for key, _, value in pairs}


def test_a_unit_of_systemd_says_what_runs_and_for_which_store(person: Path) -> None:
    """Command and folder come out as they went in, whatever characters they have."""
    system = System()
    said = install(COMMAND, HOSTILE, platform="linux", tell=system)
    (file,) = files(person)
    assert file.parent == person / ".config" / "systemd" / "user"
    assert re.fullmatch(r"memdesk-[0-9a-f]{8}\.service", file.name)
    told = settings(file.read_text("utf-8"))
    assert executed(told["ExecStart"]) == ["/bin/sh", "-c", 'exec "$0" "$@"', *COMMAND, *STAY]
    assert unquoted(told["Environment"]) == [f"MEMDESK_HOME={HOSTILE}"]
    assert system.told == [
        ("systemctl", "--user", "daemon-reload"),
        ("systemctl", "--user", "enable", "--now", file.name),
    ]
    assert said[0] == f"wrote {file}"
    assert said[-1] == f"ran systemctl --user enable --now {file.name}"


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1))
def test_any_word_survives_systemd(word: str) -> None:
    """Quoting and reading are each other's opposite."""
    assert unquoted(quoted(word)) == [word]


def test_a_program_with_a_usual_name_needs_no_shell(person: Path) -> None:
    """Spaces, percent signs and letters of any language are no reason for one."""
    command = ("/opt/my py/100%/é/python3", "-m", "$memdesk")
    told = settings(login_item(command, HOSTILE, "linux").content.decode())
    assert executed(told["ExecStart"]) == list(command)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("name", ["plain", "a b%h$HOME", "é “q” \"d\" 's' \\n"])
def test_systemd_itself_understands_the_unit(person: Path, name: str) -> None:
    """`systemd-analyze verify` finds the program under its odd name and has nothing to say."""
    program = person / name / "python"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    install((str(program), "-m", "memdesk"), person / name, platform="linux", tell=System())
    (unit,) = (person / ".config").rglob("*.service")
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(person)},
    )
    ours = [line for line in done.stderr.splitlines() if unit.name in line]
    assert (done.returncode, ours) == (0, [])


def test_the_folder_of_settings_may_be_elsewhere(
    person: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XDG_CONFIG_HOME is heeded where it is absolute."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(person / "elsewhere"))
    install(COMMAND, HOSTILE, platform="linux", tell=System())
    assert files(person / "elsewhere" / "systemd" / "user")
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    install(COMMAND, HOSTILE, platform="linux", tell=System())
    assert files(person / ".config" / "systemd" / "user")


def test_a_launch_agent_says_the_same(person: Path) -> None:
    """The property list of macOS has command, folder and when to run."""
    system = System()
    install(COMMAND, HOSTILE, platform="darwin", tell=system)
    (file,) = files(person)
    assert file.parent == person / "Library" / "LaunchAgents"
    told = plistlib.loads(file.read_bytes())
    assert told["Label"] + ".plist" == file.name
    assert told["ProgramArguments"] == [*COMMAND, *STAY]
    assert told["EnvironmentVariables"] == {"MEMDESK_HOME": str(HOSTILE)}
    assert told["RunAtLoad"]
    assert system.told == [("launchctl", "load", "-w", str(file))]
    install(COMMAND, HOSTILE, platform="darwin", tell=system)
    assert [words[1] for words in system.told] == ["load", "unload", "load"]


def test_windows_gets_a_command_file(person: Path) -> None:
    """It is UTF-8 with CRLF, percent signs are doubled, and quotation marks refused."""
    home = Path("C:\\Users\\Zoë & Co\\100%")
    install(("C:\\my py\\python.exe", "-m", "memdesk"), home, platform="win32", tell=System())
    (file,) = files(person)
    assert file.suffix == ".cmd"
    assert file.parent.name == "Startup"
    lines = file.read_bytes().decode("utf-8").split("\r\n")
    assert 'set "MEMDESK_HOME=C:\\Users\\Zoë & Co\\100%%"' in lines
    assert (
        'start "memdesk" /min "C:\\my py\\python.exe" "-m" "memdesk" "daemon" "run" "--stay"'
        in lines
    )
    assert lines.index("chcp 65001 >nul") < lines.index(lines[3])
    with pytest.raises(Invalid, match="quotation marks"):
        login_item(('C:\\"x".exe',), home, "win32")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_installing_twice_is_installing_once(person: Path, platform: str) -> None:
    """The second time nothing is written; another command replaces the file, whole."""
    home, command = Path("/data/desk"), ("/usr/bin/python3", "-m", "memdesk")
    install(command, home, platform=platform, tell=System())
    (file,) = files(person)
    before = file.stat().st_mtime_ns
    said = install(command, home, platform=platform, tell=System())
    assert said[0] == f"{file} is there already"
    assert file.stat().st_mtime_ns == before
    assert install(("/new/python3",), home, platform=platform, tell=System())[0] == f"wrote {file}"
    assert files(person) == [file]
    assert b"/new/python3" in file.read_bytes()
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o644


@pytest.mark.parametrize("platform", PLATFORMS)
def test_uninstalling_removes_that_file_only(person: Path, platform: str) -> None:
    """What else is there stays; the second time there was none, and nobody is told anything."""
    install(("/p",), Path("/data/one"), platform=platform, tell=System())
    install(("/p",), Path("/data/two"), platform=platform, tell=System())
    both = files(person)
    said = uninstall(Path("/data/one"), platform=platform, tell=System())
    (left,) = files(person)
    (gone,) = set(both) - {left}
    assert f"removed {gone}" in said
    system = System()
    (said_then,) = uninstall(Path("/data/one"), platform=platform, tell=system)
    assert said_then == f"there was no login item {gone}"
    assert system.told == []
    assert b"two" in left.read_bytes()


def test_the_unit_is_stopped_before_and_forgotten_after_it_goes(person: Path) -> None:
    """It is disabled while systemd still knows it."""
    seen: list[tuple[str, bool]] = []

    def tell(command: Sequence[str]) -> str:
        seen.append((command[2], bool(files(person))))
        return ""

    install(("/p",), Path("/data"), platform="linux", tell=System())
    uninstall(Path("/data"), platform="linux", tell=tell)
    assert seen == [("disable", True), ("daemon-reload", False)]


def test_without_a_running_systemd_the_person_is_told_what_to_run(person: Path) -> None:
    """The file is written all the same, and the commands are shown."""
    said = install(("/p",), Path("/data"), platform="linux", tell=System("no bus"))
    (file,) = files(person)
    assert f"run this yourself (no bus): systemctl --user enable --now {file.name}" in said


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_usual_store_has_the_plain_name(person: Path, platform: str) -> None:
    """Only other stores have a hash in the name of their item."""
    usual = login_item((), Path(default_home()), platform).file.name
    assert usual in {"memdesk.service", "org.memdesk.daemon.plist", "memdesk.cmd"}
    assert login_item((), Path("/other"), platform).file.name != usual


def test_a_file_of_somebody_else_is_left_alone(person: Path) -> None:
    """Neither install nor uninstall touches what memdesk has not written."""
    item = login_item(("/p",), Path("/data"), "linux")
    item.file.parent.mkdir(parents=True)
    item.file.write_text("[Service]\nExecStart=/mine\n")
    with pytest.raises(Invalid, match="was not written by memdesk"):
        install(("/p",), Path("/data"), platform="linux", tell=System())
    with pytest.raises(Invalid, match="was not written by memdesk"):
        uninstall(Path("/data"), platform="linux", tell=System())
    assert MARK not in item.file.read_text()


@pytest.mark.parametrize("word", ["/a\nExecStartPre=/evil", "/a\udcff", "/a\x1b[2J"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_paths_that_cannot_be_written_down_are_refused(
    person: Path, platform: str, word: str
) -> None:
    """A line break cannot smuggle in a setting; the message is printable."""
    with pytest.raises(Invalid, match="unprintable") as caught:
        install(("/p",), Path(word), platform=platform, tell=System())
    assert str(caught.value).isprintable()
    assert files(person) == []


def test_a_folder_that_cannot_be_made_is_named(person: Path) -> None:
    """The error says which file could not be written, and nothing is left behind."""
    (person / ".config").write_text("in the way")
    with pytest.raises(Invalid, match=r"memdesk-\w+\.service cannot be (read|written)"):
        install(("/p",), Path("/data"), platform="linux", tell=System())
    assert files(person) == [person / ".config"]


def test_a_command_of_the_system_tells_how_it_went() -> None:
    """Success says nothing, failure its last line, absence that."""
    from memdesk.daemon.login import tell

    assert tell([sys.executable, "-c", "pass"]) == ""
    fails = "import sys; sys.stderr.write('one\\nno bus\\n'); sys.exit(3)"
    assert tell([sys.executable, "-c", fails]) == "no bus"
    assert tell([sys.executable, "-c", "raise SystemExit(3)"]) == "exit code 3"
    assert tell(["/nowhere/systemctl"]) == "not found"
