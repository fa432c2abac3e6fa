"""Whether each host's server starts: with the host's own command, environment and folder."""

from __future__ import annotations

import shlex
import shutil
import tempfile
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from memdesk import __version__
from memdesk.answers import Finding
from memdesk.doctor.handshake import LEAVES_WITHIN, Handshake, shake
from memdesk.doctor.rounds import GOOD, NOTE, PROBLEM, WARNING, Check, counted, time_words
from memdesk.hosts import configs
from memdesk.link.address import HOME, home_of
from memdesk.link.visit import NoDaemon, ask, dismiss

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from memdesk.doctor.rounds import Case
    from memdesk.hosts import Config, Entry, Surroundings

GROUP = "AI hosts"
_OWN = "a host added now"
_SLOW = 5.0
"""Seconds from which on a start is worth a word: Claude Code blocks as long on a server's tools."""
_KEPT = (
    *("HOME", "LOGNAME", "SHELL", "TMPDIR", "USER", "LANG", "XDG_RUNTIME_DIR"),
    *("APPDATA", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "PATHEXT", "PROCESSOR_ARCHITECTURE"),
    *("SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "USERNAME", "USERPROFILE"),
)
"""What a server gets of its host's environment: those that the MCP SDK hands on, and a session's."""
_PATHS = {
    "darwin": "/usr/bin:/bin:/usr/sbin:/sbin",
    "linux": "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
}
"""The search path of a program that was not started from a shell."""


def checks(case: Case) -> Iterator[Check]:
    """Yield a check for each entry of a host's configuration, and one for an entry of ours."""
    starts = _Starts(case)
    found = configs(case.around)
    for config in found:
        if config.trouble:
            yield Check(GROUP, config.host.title, partial(_unread, case, config))
        yield from (check for _, _, check in of_entries(case, [config], starts))
    if not any(config.entries for config in found):
        yield Check(GROUP, "configured", partial(_none, found))
    yield Check(GROUP, _OWN, partial(_ours, case, starts), 40.0)


def of_entries(
    case: Case, found: Iterable[Config], starts: _Starts | None = None
) -> Iterator[tuple[Config, Entry, Check]]:
    """Yield each entry of hosts' files with the check of whether it starts."""
    starts = starts or _Starts(case)
    for config in found:
        for entry in config.entries:
            look = partial(_entry, case, entry, starts)
            yield config, entry, Check(GROUP, _title(case, entry), look, 40.0)


def _none(found: Iterable[Config]) -> Iterator[Finding]:
    titles = sorted({config.host.title for config in found})
    there = f"; there are {', '.join(titles)} on this machine" if titles else ""
    yield Finding(
        "configured",
        NOTE,
        f"no AI host starts memdesk yet{there}",
        "memdesk install HOST puts it into a host's configuration (docs/HOST.md)",
    )


def _unread(case: Case, config: Config) -> Iterator[Finding]:
    yield Finding(
        config.host.title,
        WARNING,
        f"its configuration {case.shown(config.file)} {config.trouble}",
        f"open {case.shown(config.file)} in an editor and mend it: the host cannot read it either",
    )


def _title(case: Case, entry: Entry) -> str:
    project = f" in {case.shown(entry.folder)}" if entry.folder else ""
    name = "" if entry.name == "memdesk" else f" “{entry.name}”"
    return f"{entry.host.title}{name}{project}"


# One entry


def _entry(case: Case, entry: Entry, starts: _Starts) -> Iterator[Finding]:
    about = _title(case, entry)
    if not entry.enabled:
        yield Finding(about, NOTE, "it has memdesk, but switched off")
        return
    if not entry.command:
        where = f"in {case.shown(entry.file)}"
        yield Finding(about, PROBLEM, f"its entry {where} names no command", _write(case, entry))
        return
    yield from _command(case, about, entry)
    yield from _store(case, about, entry)
    told = starts.of((entry.command, *entry.args), entry.env)
    if told.missing:
        words = f"its command {case.shown(entry.command)} cannot be started: {told.trouble}"
        yield Finding(about, PROBLEM, words, _write(case, entry))
        return
    yield from _behaviour(about, told, _by_hand(case, entry), _write(case, entry))


def _write(case: Case, entry: Entry) -> str:
    by_hand = f"in {case.shown(entry.file)}, set its command to {case.shown(case.command[0])}"
    ours = entry.name == "memdesk" and entry.command and not entry.folder
    return f"run memdesk install {entry.host.name}; or {by_hand}" if ours else by_hand


def _by_hand(case: Case, entry: Entry) -> str:
    if entry.args[
        1:
    ]:  # they may hold keys, so they are not shown, and without them it is another one
        rest = f"all args of its entry in {case.shown(entry.file)}"
        words = f"{case.quoted(entry.command)} with {rest}, and </dev/null"
    else:
        words = (
            f"{' '.join([case.quoted(entry.command), *map(shlex.quote, entry.args)])} </dev/null"
        )
    return f"run it in a terminal and see what it prints: {words}"


def _command(case: Case, about: str, entry: Entry) -> Iterator[Finding]:
    if Path(entry.command).is_absolute() or "\\" in entry.command:
        return
    found = shutil.which(entry.command, path=_minimal(case.around).get("PATH"))
    if found:
        words = f"its command “{entry.command}” is no absolute path: which program it is depends on"
        yield Finding(about, NOTE, f"{words} where the host was started", _write(case, entry))


def _store(case: Case, about: str, entry: Entry) -> Iterator[Finding]:
    home = home_of(_minimal(case.around) | dict(entry.env))
    if home is None:
        words = f"its {HOME} is no absolute path"
    elif Path(home).resolve() != case.home.resolve():
        words = f"its memories are in another store, {case.shown(home)}"
    else:
        return
    set_it = f"if that is not on purpose: in {case.shown(entry.file)}, set env {HOME}"
    yield Finding(about, WARNING, words, f"{set_it} to {case.shown(case.home)}")


def _behaviour(about: str, told: Handshake, by_hand: str, write: str) -> Iterator[Finding]:
    """Yield what is wrong with how a server behaved, and one line when it answered."""
    yield from _faults(about, told, by_hand, write)
    if told.trouble:
        return
    if told.name == "memdesk" and told.version != __version__:
        words = f"it starts memdesk {told.version}, and this is {__version__}"
        yield Finding(about, WARNING, words, write)
    if told.said:
        words = (
            f"it writes {counted(told.said, 'line')} on standard error, which hosts keep in a log"
        )
        yield Finding(about, NOTE, words, by_hand)
    how = f"it answers after {time_words(told.opened)}"
    how += f" and has listed its {told.tools} tools after {time_words(told.listed)}"
    how += f", the first time after {time_words(told.first)}" if told.first else ""
    if told.listed > _SLOW:
        yield Finding(about, WARNING, f"{how}{told.aside}; some hosts wait {_SLOW:.0f} s only")
    else:
        yield Finding(about, GOOD, f"{how}{told.aside}")


def _faults(about: str, told: Handshake, by_hand: str, write: str) -> Iterator[Finding]:
    if told.missing:
        yield Finding(about, PROBLEM, f"its command cannot be started: {told.trouble}", write)
    elif told.trouble:
        yield Finding(about, PROBLEM, told.trouble, by_hand)
    if told.foreign:
        lines = "a line" if told.foreign == 1 else f"{told.foreign} lines"
        words = f"it writes {lines} on standard output that {'is' if told.foreign == 1 else 'are'}"
        yield Finding(about, PROBLEM, f"{words} no JSON-RPC, and hosts drop such a server", by_hand)
    if told.left is None and not told.missing:
        words = f"it does not end within {LEAVES_WITHIN:.0f} s of its host and was killed"
        yield Finding(about, WARNING, words, by_hand)


def _ours(case: Case, starts: _Starts) -> Iterator[Finding]:
    """Yield how an entry that is written now would do."""
    about = _OWN
    words = " ".join(map(case.quoted, case.command))
    told = starts.of(case.command, {HOME: str(case.home)})
    yield from _behaviour(
        about,
        told,
        f"run it in a terminal and see what it prints: {words} </dev/null",
        "reinstall memdesk: its program is not where this one runs from",
    )


@dataclass(slots=True)
class _Starts:
    """The starts that were tried: hosts with the same entry share one."""

    case: Case
    _tried: dict[tuple[object, ...], Handshake] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def of(self, command: tuple[str, ...], env: Mapping[str, str]) -> Handshake:
        """Return how a server does that is started with this command and additional environment."""
        whole = _minimal(self.case.around) | dict(env)
        key = (command, *sorted(whole.items()))
        with self._turn:  # one at a time, or they would slow each other down
            if key not in self._tried:
                self._tried[key] = _tried(command, whole)
            return self._tried[key]


def _tried(command: tuple[str, ...], env: dict[str, str]) -> Handshake:
    home = home_of(env)
    if home and not Path(home, "store.json").exists():
        with _thrown_away() as folder:
            told = _twice(command, env | {HOME: folder})
        told.aside = " (on a throw-away store, since there is none yet)"
        return told
    return shake(command, env) if home and _served(home) else _twice(command, env)


def _twice(command: tuple[str, ...], env: dict[str, str]) -> Handshake:
    """Return how the second start went: the first one has a daemon to start as well."""
    first = shake(command, env)
    if first.trouble or first.left is None:
        return first
    told = shake(command, env)
    told.first = first.listed
    told.foreign, told.said = max(told.foreign, first.foreign), max(told.said, first.said)
    return told


def _served(home: str) -> bool:
    try:
        return ask(home, {"do": "status"}) is not None
    except (NoDaemon, OSError):
        return False


@contextmanager
def _thrown_away() -> Iterator[str]:
    """Give a folder for a store that nobody has: a server must not make the person's."""
    with tempfile.TemporaryDirectory(prefix="md-", ignore_cleanup_errors=True) as folder:
        try:
            yield folder
        finally:
            with suppress(NoDaemon, OSError):
                dismiss(folder, "the doctor has seen enough")


def _minimal(around: Surroundings) -> dict[str, str]:
    """Return what an app that was started from a menu has in its environment."""
    kept = {name: around.environ[name] for name in _KEPT if name in around.environ}
    path = _PATHS.get(around.system) or around.environ.get("PATH", "")
    return kept | {"HOME": str(around.home), "PATH": path}
