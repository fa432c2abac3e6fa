"""Which machine measured, with which versions, and how busy it was."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

import memdesk

PACKAGES = ("lancedb", "mcp", "llama-cpp-python")


@dataclass(frozen=True, slots=True)
class Machine:
    """What a measurement depends on."""

    processor: str
    cores: int
    memory_gb: float
    system: str
    python: str
    versions: dict[str, str]

    def __str__(self) -> str:
        """Name the machine in two lines."""
        packages = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return (
            f"{self.processor}, {self.cores} cores, {self.memory_gb:.0f} GB, {self.system}\n"
            f"Python {self.python}, {packages}"
        )


def this_machine() -> Machine:
    """Return the machine this runs on."""
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_gb=psutil.virtual_memory().total / 2**30,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        versions={"memdesk": memdesk.__version__, **{name: _version(name) for name in PACKAGES}},
    )


def load_average() -> float:
    """Return how many processes wanted a core, on average of the last minute; -1 if unknown."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return -1.0


def memory_of(process: int) -> tuple[float, float | None]:
    """Return a process's resident memory in MB and, on Linux, its share of it alone (PSS)."""
    found = psutil.Process(process).memory_full_info()
    share = getattr(found, "pss", None)
    return found.rss / 2**20, None if share is None else share / 2**20


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"
