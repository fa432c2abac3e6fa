"""How much of everything one run measures, and what the benchmarks work with."""

from __future__ import annotations

from argparse import ArgumentTypeError
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.stores import Stores

WARM_UP = 5
"""Calls of each kind that come before those that count."""


def positive(word: str) -> int:
    """Return the number that a word of the command line is; raises `ArgumentTypeError` under 1."""
    number = int(word)
    if number < 1:
        raise ArgumentTypeError("must be at least 1")
    return number


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything is measured."""

    runs: int = 5
    loads: int = 5
    """Bulk loads, which take longest."""
    starts: int = 20
    """Starts of each server and of each command, which vary most."""
    memories: int = 10_000
    many: int = 100_000
    large: tuple[int, ...] = (100_000, 1_000_000)
    """Memories of the stores that are written straight to the tables."""
    questions: int = 200
    saves: int = 200
    in_use: int = 500
    """Saves after which recall is measured again."""
    busy_seconds: float = 5.0
    """How long hosts ask without a pause."""
    at_once: int = 1_000
    """Saves of all hosts together."""
    grown: int = 10_000
    """Single saves after which a store is compared with a freshly loaded one."""
    imported: int = 10_000
    """Notes of a folder that is imported."""
    chat_bytes: int = 200_000_000
    """Of a chat export, before it is packed."""
    commits: tuple[int, ...] = (5_000, 10_000, 20_000)
    """Saves after which the server's memory is measured again."""


QUICK = Scale(
    runs=2,
    loads=1,
    starts=5,
    large=(100_000,),
    commits=(500, 1_000),
    busy_seconds=2.0,
    at_once=200,
    grown=400,
    imported=200,
    chat_bytes=2_000_000,
)


@dataclass(frozen=True, slots=True)
class Bench:
    """What a benchmark works with."""

    scale: Scale
    stores: Stores
    say: Callable[[str], None]
    """Tells how far it is, beside the table."""
