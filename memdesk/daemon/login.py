"""The login item of a store's daemon, for those who want its duties on time: one file, per system.

Linux: a user unit of systemd. macOS: a launch agent. Windows: a command file in the Startup folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import plistlib
import shlex
import subprocess
import sys
import tempfile
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memdesk.errors import Invalid
from memdesk.link.address import HOME, default_home

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Tell = Callable[[Sequence[str]], str]
    """Runs a command of the system; returns why that failed, or nothing."""

MARK = "Written by memdesk daemon install; memdesk daemon uninstall removes it."
STAY = ("daemon", "run", "--stay")
"""What memdesk is told to do at login."""
_FIELD = "login item"
_NO_PROGRAM = frozenset("\"'\\$")
"""What systemd takes in an argument, but refuses or misreads in the path of the program."""
_NEVER = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, bytes that are no UTF-8, and ends of lines."""
_MODE = 0o644  # systemd and launchd complain of files that they alone may read
_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Item:
    """A login item: its file, and the commands by which the system takes notice of it."""

    file: Path
    content: bytes
    start: tuple[tuple[str, ...], ...] = ()
    stop: tuple[tuple[str, ...], ...] = ()
    """Run before the file is removed."""
    forget: tuple[tuple[str, ...], ...] = ()
    """Run after it."""


def tell(command: Sequence[str]) -> str:
    """Run a command of the system; return why that failed, or nothing."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return type(error).__name__ if not isinstance(error, FileNotFoundError) else "not found"
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return "" if done.returncode == 0 else (said or [f"exit code {done.returncode}"])[-1]


def install(
    command: Sequence[str], home: Path, *, platform: str = sys.platform, tell: Tell = tell
) -> tuple[str, ...]:
    """Have the system start the daemon of the store in `home` at login; return what was done.

    `command` is memdesk without arguments and begins with the absolute path of a program.
    Raises `Invalid`.
    """
    item = login_item((*command, *STAY), home, platform)
    known = _content(item)
    if known == item.content:
        said = [f"{item.file} is there already"]
    else:
        _write(item)
        said = [f"wrote {item.file}"]
    if platform == "darwin" and known is not None:
        _run(item.stop, tell)  # launchctl loads nothing twice
    return (*said, *_run(item.start, tell))


def uninstall(home: Path, *, platform: str = sys.platform, tell: Tell = tell) -> tuple[str, ...]:
    """Remove the login item of the store in `home`; return what was done. Raises `Invalid`."""
    item = login_item((), home, platform)
    if _content(item) is None:
        return (f"there was no login item {item.file}",)
    said = _run(item.stop, tell)
    try:
        item.file.unlink()
    except OSError as error:
        raise Invalid(_FIELD, f"{item.file} cannot be removed: {error.strerror}") from error
    return (*said, f"removed {item.file}", *_run(item.forget, tell))


def login_item(command: Sequence[str], home: Path, platform: str) -> Item:
    """Return the login item of a store on a system; nothing is written. Raises `Invalid`."""
    for word in (*command, os.fspath(home)):
        _check(word)
    if platform == "darwin":
        return _agent(command, home)
    return _startup(command, home) if platform == "win32" else _unit(command, home)


def _check(word: str) -> None:
    if any(unicodedata.category(letter) in _NEVER for letter in word):
        raise Invalid(_FIELD, f"a path with unprintable characters cannot be used: {word!a}")


def _name(home: Path) -> str:
    """Return the item's name: each store but the usual one has a name of its own."""
    if os.fspath(home) == default_home():
        return "memdesk"
    return f"memdesk-{hashlib.sha256(os.fspath(home).encode()).hexdigest()[:8]}"


def _user_folder(variable: str, *otherwise: str) -> Path:
    """Return the folder that a variable of the environment names, or one in the person's home."""
    chosen = Path(os.environ.get(variable, ""))
    if chosen.is_absolute():
        return chosen
    try:
        return Path.home().joinpath(*otherwise)
    except RuntimeError as error:
        raise Invalid(_FIELD, "this user has no home folder to put it in") from error


# Linux


def _unit(command: Sequence[str], home: Path) -> Item:
    name = f"{_name(home)}.service"
    content = f"""\
# {MARK}
[Unit]
Description=memdesk: one process for the memory of all AI hosts

[Service]
ExecStart={_exec_start(command)}
Environment={quoted(f"{HOME}={home}")}
WorkingDirectory=/
Restart=on-failure
RestartSec=30

[Install]
WantedBy=default.target
"""
    systemctl = ("systemctl", "--user")
    return Item(
        _user_folder("XDG_CONFIG_HOME", ".config") / "systemd" / "user" / name,
        content.encode(),
        start=((*systemctl, "daemon-reload"), (*systemctl, "enable", "--now", name)),
        stop=((*systemctl, "disable", "--now", name),),
        forget=((*systemctl, "daemon-reload"),),
    )


def _exec_start(command: Sequence[str]) -> str:
    if command and set(command[0]) & _NO_PROGRAM:
        command = ("/bin/sh", "-c", 'exec "$0" "$@"', *command)
    return " ".join(quoted(word).replace("$", "$$") for word in command)


def quoted(word: str) -> str:
    """Return one word as systemd reads it (systemd.syntax(7); `%` begins a specifier)."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


# macOS


def _agent(command: Sequence[str], home: Path) -> Item:
    label = f"org.{_name(home)}.daemon"
    file = _user_folder("", "Library", "LaunchAgents") / f"{label}.plist"
    told = {
        "Label": label,
        "ProgramArguments": list(command),
        "EnvironmentVariables": {HOME: os.fspath(home)},
        "WorkingDirectory": "/",
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 30,
    }
    content = plistlib.dumps(told).replace(b"<plist", f"<!-- {MARK} -->\n<plist".encode(), 1)
    return Item(
        file,
        content,
        start=(("launchctl", "load", "-w", os.fspath(file)),),
        stop=(("launchctl", "unload", "-w", os.fspath(file)),),
    )


# Windows (untested there)


def _startup(command: Sequence[str], home: Path) -> Item:
    lines = [
        "@echo off",
        f"rem {MARK}",
        "chcp 65001 >nul",
        f'set "{HOME}={_in_quotes(os.fspath(home))}"',
        f'start "memdesk" /min {" ".join(_word(word) for word in command)}',
        "",
    ]
    folder = _user_folder("APPDATA", "AppData", "Roaming")
    file = folder / "Microsoft/Windows/Start Menu/Programs/Startup" / f"{_name(home)}.cmd"
    return Item(file, "\r\n".join(lines).encode())


def _word(word: str) -> str:
    return f'"{_in_quotes(word)}"'


def _in_quotes(word: str) -> str:
    if '"' in word:  # no path on Windows has one
        raise Invalid(_FIELD, f"a path with quotation marks cannot be used: {word}")
    return word.replace("%", "%%")


# The file and the system


def _content(item: Item) -> bytes | None:
    """Return what our file says, None where there is none; raises `Invalid` for somebody else's."""
    try:
        found = item.file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Invalid(_FIELD, f"{item.file} cannot be read: {error.strerror}") from error
    if MARK.encode() not in found:
        raise Invalid(_FIELD, f"{item.file} was not written by memdesk; move it away first")
    return found


def _write(item: Item) -> None:
    """Replace the file, so that the old or the new one is whole at every moment."""
    made = None
    try:
        item.file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, made = tempfile.mkstemp(dir=item.file.parent, prefix=f".{item.file.name}.")
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(item.content)
        Path(made).chmod(_MODE)
        Path(made).replace(item.file)
    except OSError as error:
        if made:
            with contextlib.suppress(OSError):
                Path(made).unlink()
        raise Invalid(_FIELD, f"{item.file} cannot be written: {error.strerror}") from error


def _run(commands: Sequence[Sequence[str]], tell: Tell) -> list[str]:
    """Run commands of the system; those that fail are left to the person."""
    said = []
    for command in commands:
        trouble = tell(command)
        words = shlex.join(command)
        said.append(f"run this yourself ({trouble}): {words}" if trouble else f"ran {words}")
    return said
