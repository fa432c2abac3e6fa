"""What hosts asked and got: a bounded log on this machine, for the person's eye alone."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from memdesk.answers import Asked
from memdesk.errors import Invalid, MemdeskError
from memdesk.lock import WriterLock
from memdesk.memory import now

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

FILE = "activity.jsonl"
MOST = 2000
"""Requests that are kept when the file is full, and the most that are told at once."""
_MOST_BYTES = 1_000_000
_LONGEST = 300
"""Characters of a question that are kept."""
_TELLING = 3
"""Characters that a question has at least to be told of a text."""
_TAIL = 16_384
"""Bytes at the end of the file that hold the last line at least."""
_PATIENCE, _MORE_PATIENCE = 0.25, 5.0
"""Seconds that a request, and a purge, waits for another process that writes to the log."""


class Activity:
    """A log of what hosts ask, which any process may add to; thread-safe.

    It never holds a memory's text. What cannot be written is left out: no request fails for it.
    """

    def __init__(self, home: Path, *, on: bool) -> None:
        """Log into a file in `home`; if not `on`, log nothing and erase what is there."""
        self._path = home / FILE
        self._lock = WriterLock(home / "activity.lock", "activity")
        self._on = on
        if not on:
            self._erase()

    def record(
        self, host: str, verb: str, words: str, *, ids: Sequence[str], outcome: str, took: float
    ) -> None:
        """Add a request that took so many seconds."""
        if not self._on:
            return
        told = {
            "at": now().isoformat(),
            "host": _valid(host),
            "verb": _valid(verb),
            "words": _valid(" ".join(words.split())[:_LONGEST]),
            "ids": [_valid(id) for id in ids],
            "outcome": _valid(outcome),
            "took": round(took, 6),
        }
        with suppress(MemdeskError, OSError, ValueError), self._lock.hold(_PATIENCE):
            self._append(told)

    def recent(self, after: int, limit: int) -> tuple[Asked, ...]:
        """Return the last requests beyond the number `after`, at most `limit`, the newest last."""
        if not 1 <= limit <= MOST:
            raise Invalid("limit", f"must be between 1 and {MOST}")
        found: list[Asked] = []
        for line in reversed(self._lines()):
            asked = _asked(line)
            if asked and asked.n <= after:
                break
            found += [asked] if asked else []
            if len(found) == limit:
                break
        return tuple(reversed(found))

    def forget(self, ids: Iterable[str], texts: Iterable[str] = ()) -> None:
        """Erase what names one of these memories, whoever asked the same, and what tells their texts."""
        gone = set(ids)
        try:
            if not self._path.exists():
                return
            with self._lock.hold(_MORE_PATIENCE):
                self._drop(gone, _Texts(texts))
        except (MemdeskError, OSError, ValueError):
            self._erase()  # rather nothing than what should be forgotten

    def _drop(self, gone: set[str], texts: _Texts) -> None:
        lines = [(line, asked) for line in self._lines() if (asked := _asked(line))]
        words = {asked.words for _, asked in lines if gone.intersection(asked.ids)} - {""}
        kept = [
            line
            for line, asked in lines
            if asked.words not in words
            and not gone.intersection(asked.ids)
            and not texts.told_by(asked.words)
        ]
        self._rewrite(kept)

    def _append(self, told: dict[str, Any]) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        with os.fdopen(os.open(self._path, flags, 0o600), "r+b", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - _TAIL))
            tail = file.read(_TAIL)
            line = json.dumps({"n": _next(tail), **told}, ensure_ascii=False).encode() + b"\n"
            torn = tail and not tail.endswith(b"\n")
            file.write(b"\n" + line if torn else line)
        if size + len(line) > _MOST_BYTES:
            self._shorten()

    def _shorten(self) -> None:
        """Keep the newest, in half of the room at most."""
        kept: list[bytes] = []
        left = _MOST_BYTES // 2
        for line in reversed(self._lines()[-MOST:]):
            left -= len(line) + 1
            if left < 0:
                break
            kept.append(line)
        self._rewrite(kept[::-1])

    def _rewrite(self, lines: Sequence[bytes]) -> None:
        made = self._path.with_suffix(".new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(made, flags, 0o600), "wb") as file:
            file.write(b"".join(line + b"\n" for line in lines))
        made.replace(self._path)

    def _lines(self) -> list[bytes]:
        try:
            return self._path.read_bytes().split(b"\n")
        except OSError:
            return []

    def _erase(self) -> None:
        with suppress(OSError):
            self._path.unlink()


def _valid(text: str) -> str:
    """Return a text as valid Unicode: of a lone surrogate the number is written out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _folded(text: str) -> str:
    """Return a text in which neither case nor white space make a difference."""
    return " ".join(_valid(text).casefold().split())


class _Texts:
    """Texts that nothing in the log may tell."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._each = [_folded(text) for text in texts]
        self._all = "\n".join(self._each)
        self._short = [each for each in self._each if _TELLING <= len(each) <= 2 * _LONGEST]

    def told_by(self, words: str) -> bool:
        """Tell whether a question is a part of one of them, holds one, or was cut within one."""
        asked = _folded(words)
        if len(asked) < _TELLING or not self._all:
            return False
        if asked in self._all or any(text in asked for text in self._short):
            return True
        return len(words) >= _LONGEST and any(_runs_into(asked, text) for text in self._each)


def _runs_into(asked: str, text: str) -> bool:
    """Tell whether a question ends with the beginning of a text."""
    if text[:_TELLING] not in asked:
        return False
    return any(asked.endswith(text[:most]) for most in range(_TELLING, len(asked)))


def _next(tail: bytes) -> int:
    """Return the number after the last one; beyond all that an emptied file can have had.

    So the first one is the time, in milliseconds since 1970.
    """
    known = (asked.n for line in reversed(tail.split(b"\n")) if (asked := _asked(line)))
    return max(next(known, 0) + 1, int(time.time() * 1000))


def _asked(line: bytes) -> Asked | None:
    """Return the request of a line; None of a torn one."""
    try:
        told = json.loads(line)
        return Asked(
            int(told["n"]),
            datetime.fromisoformat(told["at"]),
            str(told["host"]),
            str(told["verb"]),
            str(told["words"]),
            tuple(map(str, told["ids"])),
            str(told["outcome"]),
            float(told["took"]),
        )
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
