"""The ledgers: what each process was about to do and what it was told was done, line by line.

A slot is the place of one process after the other: a killed one's successor goes on with its ledger.
Lines are written with one call each, so kill -9 cuts none but the last one; what a killed process
wrote is in the system's cache and needs no flush.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from memdesk.memory import TOMBSTONE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Line = dict[str, Any]
_TAIL = 32 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """What one memory should be."""

    state: str
    revision: int
    """Which of its texts it has; see `texts.text`."""
    tags: tuple[str, ...] = ()

    def with_state(self, state: str) -> Record:
        """Return it in another state; erased, it has no tags."""
        return replace(self, state=state, tags=() if state == TOMBSTONE else self.tags)

    def told(self) -> list[Any]:
        """Return it as a ledger keeps it."""
        return [self.state, self.revision, list(self.tags)]


def record_of(told: list[Any]) -> Record:
    """Return what `Record.told` told."""
    return Record(told[0], told[1], tuple(told[2]))


@dataclass
class Memo:
    """One memory as the ledger knows it."""

    token: str
    id: str = ""
    """Empty while its save was not acknowledged."""
    now: Record | None = None
    """As acknowledged last; None while nothing was."""
    doubts: list[Record] = field(default_factory=list)
    """What it may be instead: changes that were begun and never acknowledged."""
    changes: list[tuple[str, Record]] = field(default_factory=list)
    """Every acknowledged change and what it made of it, the first one first."""
    undone: bool = False
    """Whether the last change was an undo."""

    @property
    def certain(self) -> bool:
        """Whether it is known what it is."""
        return bool(self.id) and self.now is not None and not self.doubts

    def may_be(self) -> list[Record | None]:
        """Return what it may be in the end; None for not there."""
        return [self.now, *self.doubts]


@dataclass
class Slot:
    """What one slot's ledger tells."""

    memos: dict[str, Memo] = field(default_factory=dict)
    """By their tokens."""
    common: dict[str, set[str]] = field(default_factory=dict)
    """The texts that everybody remembers, with the ids that were acknowledged for them."""
    open: dict[int, Line] = field(default_factory=dict)
    """What was begun and never answered, by its number."""
    number: int = 0
    """Of the last thing begun."""
    saved: int = 0
    """How many tokens were used."""
    took: list[tuple[str, float]] = field(default_factory=list)
    """Each verb that was answered, and its milliseconds."""
    busy: Counter[str] = field(default_factory=Counter)
    cut: int = 0
    """Answers that a killed daemon took with it, where the caller is told so."""
    opened: int = 0
    begun: int = 0
    """Processes that began."""
    failures: list[str] = field(default_factory=list)
    shared: set[str] = field(default_factory=set)
    """Changes of more than one memory."""

    def take(self, line: Line) -> None:
        """Take one line in."""
        if "begun" in line:
            self.begun += 1
            self.settle()
        elif "opened" in line:
            self.opened += 1
            self.took.append(("open", line["opened"]))
        elif "do" in line:
            self._intend(line)
        elif "wrong" in line:
            self.failures.append(line["wrong"])
        else:
            self._answer(line)

    def _intend(self, line: Line) -> None:
        self.number = max(self.number, line["n"])
        self.saved += 0 if line.get("again") else line.get("new", 0)
        self.open[line["n"]] = line
        after = line.get("after", ())
        for token in after:
            self.memos.setdefault(token, Memo(token))
        if len(after) > 1:
            self.shared.add(line["change"])
        if text := line.get("args", {}).get("common"):
            self.common.setdefault(text, set())

    def _answer(self, line: Line) -> None:
        asked = self.open.pop(line["n"])
        if "ok" in line:
            self.took.append((asked["do"], line["ok"]))
            self._acknowledge(asked, line)
        elif "busy" in line:
            self.busy[asked["do"]] += 1
            # A second try that was not let in says nothing about the first one.
            if asked.get("again") or line.get("partly"):
                self._doubt(asked)
        else:
            self.cut += bool(line.get("cut"))
            self._doubt(asked)
            if "error" in line:
                self.failures.append(f"{asked['do']}: {line['error']}")

    def _acknowledge(self, asked: Line, line: Line) -> None:
        if text := asked.get("args", {}).get("common"):
            self.common[text].add(line["id"])
        for token, told in asked.get("after", {}).items():
            memo = self.memos[token]
            memo.id = line.get("ids", {}).get(token, memo.id)
            memo.now, memo.doubts = record_of(told), []
            memo.undone = asked["do"] == "undo"
            memo.changes.append((line.get("change") or asked["change"], memo.now))

    def _doubt(self, asked: Line) -> None:
        for token, told in asked.get("after", {}).items():
            doubts = self.memos[token].doubts
            if (record := record_of(told)) not in doubts:
                doubts.append(record)

    def settle(self) -> None:
        """Put in doubt what a process left open; it is still in `open`, to be asked again."""
        for asked in self.open.values():
            self._doubt(asked)


def read_slot(path: Path) -> Slot:
    """Return what a ledger tells; what is open at its end is in doubt."""
    slot = Slot()
    for line in _lines(path.read_bytes() if path.exists() else b""):
        slot.take(line)
    slot.settle()
    return slot


def read_tail(path: Path) -> list[Line]:
    """Return the last lines of a ledger."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            told = file.read()
    except FileNotFoundError:
        return []
    return list(_lines(told))


def _lines(told: bytes) -> Iterator[Line]:
    for raw in told.split(b"\n"):
        try:
            line = json.loads(raw)
        except ValueError:
            continue  # cut short by a kill, or the end that is being written
        if isinstance(line, dict):
            yield line


class Ledger:
    """Where one process writes what it does, going on where its predecessor ended."""

    def __init__(self, path: Path) -> None:
        self.slot = read_slot(path)
        """What it tells so far."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.say({"begun": os.getpid()})

    def say(self, line: Line) -> None:
        """Write a line."""
        told = json.dumps(line | {"at": round(time.time(), 3)}).encode()
        # It begins with a line end: the one before may have been cut short.
        os.write(self._file, b"\n" + told + b"\n")
        self.slot.take(line)
