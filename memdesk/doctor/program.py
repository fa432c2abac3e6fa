"""Whether this program is whole: its packages, its model, the terminal, the processor."""

from __future__ import annotations

import hashlib
import json
import locale
import os
import platform
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING

from memdesk import __version__
from memdesk.answers import Finding
from memdesk.catalog import BUNDLED, Catalog
from memdesk.doctor.rounds import GOOD, NOTE, PROBLEM, WARNING, Check, time_words
from memdesk.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memdesk.catalog import ModelSpec
    from memdesk.doctor.rounds import Case

GROUP = "This program"
_FASTER = ("avx2", "fma", "f16c", "avx512f", "amx_tile", "asimd")
"""What llama.cpp uses of a processor where it has it, as Linux names it."""
_NEEDED = ("avx2", "asimd")
_REQUIREMENT = re.compile(r"([\w.-]+)\s*(?:\[[^\]]*\])?\s*([^;]*)")
_CONDITION = re.compile(r"(>=|<|==)\s*([\w.]+)")
_REINSTALL = "install memdesk again (from a checkout: scripts/install), which brings them"
_TRIAL_SECONDS = 60.0
_SLOW_SECONDS = 0.25
_UTF8 = ("utf-8", "utf8")


def checks(case: Case) -> Iterator[Check]:
    """Yield the checks of the program itself; none of them needs the store."""
    yield Check(GROUP, "version", _version)
    yield Check(GROUP, "packages", _packages)
    yield Check(GROUP, "command", partial(_commands, case))
    yield Check(GROUP, "terminal", _terminal)
    yield Check(GROUP, "processor", _processor)
    yield Check(GROUP, "model", partial(_model, case), _TRIAL_SECONDS + 5)


def _version() -> Iterator[Finding]:
    where = f"{platform.system()} {platform.machine()}"
    yield Finding(
        "version", GOOD, f"memdesk {__version__}, Python {platform.python_version()}, {where}"
    )


def _packages() -> Iterator[Finding]:
    try:
        wanted = requires("memdesk") or []
    except PackageNotFoundError:
        words = "memdesk runs from a folder and was not installed, so its packages are not known"
        yield Finding("packages", NOTE, words)
        return
    bad = [words for words in map(_unmet, wanted) if words]
    if bad:
        yield Finding("packages", PROBLEM, "; ".join(bad), _REINSTALL)
    else:
        yield Finding("packages", GOOD, f"all {len(wanted)} are there, in versions that fit")


def _unmet(requirement: str) -> str:
    """Return what is wrong with what a package needs, in words; empty when nothing is."""
    match = _REQUIREMENT.match(requirement)
    if match is None or "extra ==" in requirement:
        return ""
    name, conditions = match[1], match[2]
    try:
        there = version(name)
    except PackageNotFoundError:
        return f"{name} is not installed"
    found = _CONDITION.findall(conditions)
    met = all(_holds(there, sign, wanted) for sign, wanted in found)
    return "" if met else f"{name} is {there}, and {conditions.strip()} is needed"


def _holds(there: str, sign: str, wanted: str) -> bool:
    a, b = _numbers(there), _numbers(wanted)
    width = max(len(a), len(b))
    a, b = [*a, *[0] * (width - len(a))], [*b, *[0] * (width - len(b))]
    return {">=": a >= b, "<": a < b, "==": a == b}[sign]


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:4]]


def _commands(case: Case) -> Iterator[Finding]:
    """Look for other installations: which one answers depends on who asks."""
    name = "memdesk.exe" if sys.platform == "win32" else "memdesk"
    there: dict[Path, str] = {}
    for folder in case.environ.get("PATH", "").split(os.pathsep):
        program = Path(folder, name)
        if folder and os.access(program, os.X_OK) and program.is_file():
            there.setdefault(program.resolve(), str(program))
    if len(there) > 1:
        paths = ", ".join(map(case.shown, there.values()))
        words = f"there are {len(there)} memdesk on your PATH: {paths}; the first one answers"
        yield Finding("command", WARNING, words, "remove those you do not need")
    elif there:
        yield Finding("command", GOOD, f"“memdesk” is {case.shown(*there.values())}")
    else:
        words = "“memdesk” is not on your PATH; AI hosts do not mind, since they name its place"
        yield Finding(
            "command", NOTE, words, f"add {case.shown(Path(sys.executable).parent)} to PATH"
        )


def _terminal() -> Iterator[Finding]:
    told = {"the locale": locale.getencoding(), "standard output": sys.stdout.encoding or ""}
    other = [f"{what} is {name}" for what, name in told.items() if name.lower() not in _UTF8]
    if other:
        words = f"{' and '.join(other)}, not UTF-8: some letters are shown as \\u… here"
        yield Finding("terminal", NOTE, words, "set LANG to a name that ends in .UTF-8")
    else:
        yield Finding("terminal", GOOD, "it reads and writes UTF-8")


def _processor() -> Iterator[Finding]:
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        yield Finding("processor", GOOD, f"{platform.machine()}, {os.cpu_count()} cores")
        return
    line = next((line for line in told.splitlines() if line.startswith(("flags", "Features"))), "")
    flags = set(line.split())
    names = ", ".join(name for name in _FASTER if name in flags) or "none of what makes it fast"
    words = f"{platform.machine()}, {os.cpu_count()} cores, with {names}"
    slow = not flags.intersection(_NEEDED)
    extra = ": the embedding model runs, but slowly" if slow else ""
    yield Finding("processor", NOTE if slow else GOOD, words + extra)


# The model


def _model(case: Case) -> Iterator[Finding]:
    spec = _chosen(case)
    if isinstance(spec, Finding):
        yield spec
        return
    if (wrong := _file(spec)) is not None:
        yield wrong
        return
    yield _trial(spec)


def _chosen(case: Case) -> ModelSpec | Finding:
    """Return the model of this store, or what is wrong with what it says."""
    try:
        told = json.loads((case.home / "store.json").read_text(encoding="utf-8"))
        name, fingerprint = str(told["model"]), str(told["fingerprint"])
    except (OSError, ValueError, LookupError, TypeError):
        return BUNDLED  # a store that cannot be read is another check's finding
    found = BUNDLED
    if fingerprint != BUNDLED.fingerprint:
        with suppress(ModelError):
            found = Catalog(case.home).get(name)
    if found.fingerprint == fingerprint:
        return found
    words = f"this store's vectors are of the model {name}, which this machine does not have"
    next = f"memdesk model add FILE --name {name}, or memdesk model use {BUNDLED.name}"
    return Finding("model", PROBLEM, f"{words}: memories are found by their words only", next)


def _file(spec: ModelSpec) -> Finding | None:
    again = "reinstall memdesk" if spec is BUNDLED else "put the file back, or memdesk model add it"
    try:
        with spec.path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        words = f"{spec.path} cannot be read: {error.strerror}"
        return Finding("model", PROBLEM, words, again)
    if found != spec.sha256:
        return Finding("model", PROBLEM, f"{spec.path} is not the file it was (sha256)", again)
    return None


def _trial(spec: ModelSpec) -> Finding:
    """Load the model and embed with it in a child: a library of another processor kills that."""
    told = json.dumps(asdict(spec) | {"path": str(spec.path)})
    command = [sys.executable, "-P", "-m", "memdesk.doctor.trial", told]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRIAL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        words = f"{spec.name} did not answer within {_TRIAL_SECONDS:.0f} s"
        return Finding("model", PROBLEM, words, "run memdesk doctor again when the machine is idle")
    except OSError as error:
        words = f"no process can be started to try it: {error.strerror}"
        return Finding("model", PROBLEM, words, "reinstall memdesk")
    try:
        told = json.loads(done.stdout.splitlines()[-1])
        load, one = float(told["load"]), float(told["one"])
    except (ValueError, LookupError, TypeError):
        words = f"{spec.name} cannot be run: {_ended(done.returncode)}"
        return Finding(
            "model",
            PROBLEM,
            f"{words}; memories are found by their words only",
            "reinstall llama-cpp-python with the flags of scripts/build-flags (README, “The model”)",
        )
    words = (
        f"{spec.name} is whole, loads in {time_words(load)}, reads a line in {one * 1000:.0f} ms"
    )
    if one > _SLOW_SECONDS:
        return Finding("model", NOTE, f"{words}, which is slow: is this machine busy?")
    return Finding("model", GOOD, words)


def _ended(code: int) -> str:
    if code >= 0:
        return f"trying it failed (exit code {code})"
    from signal import Signals

    try:
        name = Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"llama.cpp crashed ({name}), so it was built for another processor or is damaged"
