"""The processes of a store: its daemon, its servers, what should have ended."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memdesk import __version__
from memdesk.answers import Finding
from memdesk.doctor.rounds import (
    GOOD,
    NOTE,
    PROBLEM,
    WARNING,
    Check,
    counted,
    size_words,
    time_words,
)
from memdesk.link.address import home_of, read_address
from memdesk.link.start import wanted
from memdesk.link.visit import NoDaemon, Refused, ask

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from memdesk.doctor.rounds import Case

GROUP = "Processes"
_LONG_MAINTENANCE = 3600.0
_MUCH_MEMORY = 1e9
_SLOW_ANSWER = 1.0
_INIT = ("systemd", "init", "launchd", "explorer.exe")
STOPPED = ("stopped", "tracing-stop")
_LOG_BYTES = 1 << 20


def checks(case: Case) -> Iterator[Check]:
    """Yield the checks of what runs."""
    yield Check(GROUP, "daemon", partial(_daemon, case))
    yield Check(GROUP, "log", partial(_log, case))
    yield Check(GROUP, "servers", partial(_servers, case))


def _daemon(case: Case) -> Iterator[Finding]:
    if why := wanted():
        yield Finding("daemon", NOTE, f"none is used, since {why}")
        return
    home = str(case.home)
    begun = time.monotonic()
    try:
        told = ask(home, {"do": "status"})
    except NoDaemon as error:
        words = f"{error}; commands and hosts work without it, slower"
        yield Finding("daemon", PROBLEM, words, "memdesk daemon stop ends it; a new one comes")
        return
    except Refused as error:
        yield Finding("daemon", PROBLEM, f"it does not speak with this memdesk: {error}")
        return
    if told is None:
        gone = read_address(home)
        words = f"process {gone.pid} has ended without a goodbye; " if gone else "none runs now; "
        level = NOTE if gone else GOOD
        yield Finding("daemon", level, f"{words}the next host or command starts one")
        return
    yield from _answered(told, time.monotonic() - begun)


def _answered(told: dict[str, Any], took: float) -> Iterator[Finding]:
    if told["version"] != __version__:
        words = f"it is memdesk {told['version']}, and this is {__version__}"
        yield Finding("daemon", WARNING, words, "memdesk daemon stop: its successor is this one")
    memory = int(told["memory"])
    since = time_words(time.time() - float(told["since"]))
    words = f"process {told['pid']} answers in {took * 1000:.0f} ms, runs for {since}"
    guests = [guest for guest in told["guests"] if guest["kind"] == "mcp"]
    words += f", serves {counted(len(guests), 'host')} with {size_words(memory)} of memory"
    if memory > _MUCH_MEMORY:
        yield Finding("daemon", WARNING, words, "memdesk daemon stop gives it back; hosts go on")
    elif took > _SLOW_ANSWER:
        yield Finding("daemon", NOTE, f"{words}; it is busy")
    else:
        yield Finding("daemon", GOOD, words)
    for duty in told["duties"]:
        if duty["last_error"]:
            words = f"its duty “{duty['name']}” failed last time"
            yield Finding("daemon", WARNING, words, f"see {told['log']}")
        elif duty["state"] == "paused":
            words = f"its duty “{duty['name']}” is paused"
            yield Finding("daemon", NOTE, words, f"memdesk daemon resume {duty['name']}")


def _log(case: Case) -> Iterator[Finding]:
    """Count what went wrong in the last day; the lines themselves are not told."""
    file = case.logs / "daemon.log"
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - _LOG_BYTES))
            text = stream.read()
    except OSError:
        return
    since = (datetime.now(UTC) - timedelta(days=1)).astimezone().strftime("%Y-%m-%d %H:%M")
    lines = [line for line in text.splitlines() if line[:16] >= since.encode()]
    errors = sum(b" ERROR " in line or b" CRITICAL " in line for line in lines)
    warnings = sum(b" WARNING " in line for line in lines)
    also = f" and {counted(warnings, 'warning')}" if warnings else ""
    if errors:
        words = f"{counted(errors, 'error')}{also} in the daemon's log of the last day"
        yield Finding("log", WARNING, words, f"see {case.shown(file)}")
    else:
        yield Finding("log", GOOD, f"no errors{also} in the daemon's log of the last day")


# The system's own list


@dataclass(frozen=True, slots=True)
class Process:
    """One process of this store."""

    pid: int
    role: str
    """What memdesk it is: mcp, daemon, maintain, or another command."""
    age: float
    """Seconds since it began."""
    orphan: bool
    """Whether the process that started it is gone."""
    stopped: bool
    """Whether it was stopped, by Control-Z or SIGSTOP."""


def processes(home: Path) -> list[Process]:
    """Return this user's memdesk processes of a store."""
    import psutil

    found = []
    for process in psutil.process_iter(["pid", "ppid", "cmdline", "create_time", "status"]):
        told = process.info
        role = role_of(told["cmdline"] or ())
        if not role or not _is_of(process, home):
            continue
        found.append(
            Process(
                told["pid"],
                role,
                max(0.0, time.time() - told["create_time"]),
                orphan=role == "mcp" and _alone(process),
                stopped=told["status"] in STOPPED,
            )
        )
    return found


def role_of(words: Sequence[str]) -> str:
    """Return which of memdesk's commands a command line is; empty where it is none."""
    for place, word in enumerate(words[:6]):
        name = re.split(r"[\\/]", word)[-1].removesuffix(".exe")
        begins = place == 0 or words[place - 1] == "-m" or "python" in words[0]
        if name == "memdesk" and begins:
            rest = [word for word in words[place + 1 :] if not word.startswith("-")]
            return rest[0] if rest else "desk"
    return ""


def _is_of(process: Any, home: Path) -> bool:
    import psutil

    try:
        found = home_of(process.environ())
    except (psutil.Error, OSError):
        return False  # another user's
    return found is not None and Path(found).resolve() == home.resolve()


def _alone(process: Any) -> bool:
    import psutil

    try:
        parent = process.parent()
        return parent is None or parent.pid == 1 or parent.name() in _INIT
    except psutil.Error:
        return False


def _servers(case: Case) -> Iterator[Finding]:
    found = processes(case.home)
    bad = list(_amiss(found))
    yield from bad
    if not bad:
        yield Finding("servers", GOOD, f"{_counted(found)}, and none that should have ended")


def _counted(found: Iterable[Process]) -> str:
    roles = [process.role for process in found]
    servers, daemons = roles.count("mcp"), roles.count("daemon")
    return (
        f"{counted(servers, 'server')} of hosts and {counted(daemons, 'daemon')} of this store run"
    )


def _amiss(found: list[Process]) -> Iterator[Finding]:
    for process in found:
        who = f"process {process.pid} (memdesk {process.role})"
        if process.stopped:
            words = f"{who} is stopped, and may keep others waiting"
            yield Finding("servers", PROBLEM, words, f"kill -CONT {process.pid}")
        elif process.orphan:
            words = f"{who} serves a host that is gone"
            yield Finding("servers", WARNING, words, f"kill {process.pid}")
        elif process.role == "maintain" and process.age > _LONG_MAINTENANCE:
            words = f"{who} has been tidying for {time_words(process.age)}"
            yield Finding("servers", WARNING, words, f"kill {process.pid}: the next one goes on")
    daemons = [process.pid for process in found if process.role == "daemon"]
    if len(daemons) > 1:
        words = f"{len(daemons)} daemons run for this store: {', '.join(map(str, daemons))}"
        yield Finding(
            "servers", WARNING, words, "memdesk daemon stop; the others leave by themselves"
        )
