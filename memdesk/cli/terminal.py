"""The person's terminal: what is safe to print there, how wide it is, and progress on it."""

from __future__ import annotations

import re
import shutil
import sys
import time
import unicodedata
from typing import Self, TextIO

_UNSAFE = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""What commands a terminal; and lone surrogates, as in a file's name that is not UTF-8: none can print them."""
_WIDE = ("W", "F")
_APPEARS_AFTER = 1.0
_BAR = 24


def safe(text: str) -> str:
    r"""Return the text with what could command a terminal, or is no Unicode, shown as \uNNNN.

    A JSON document stays one that means the same when its unsafe characters are in strings.
    """
    return _UNSAFE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def one_line(text: str) -> str:
    """Return the text's words on one line, safe to print."""
    return safe(" ".join(text.split()))


def fit(text: str, columns: int) -> str:
    """Return as much of the text as has room in so many columns, with an ellipsis where it is cut."""
    if columns_of(text) <= columns:
        return text
    room, kept = columns - 1, ""
    for character in text:
        room -= columns_of(character)
        if room < 0:
            break
        kept += character
    return kept.rstrip() + "…"


def columns_of(text: str) -> int:
    """Return how many columns of a terminal the text takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in _WIDE else 1
        for c in text
    )


def width() -> int | None:
    """Return the columns of the terminal that standard output is, or None when it is none."""
    return shutil.get_terminal_size().columns if _is_terminal(sys.stdout) else None


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()  # None: closed by whoever started us


def say(words: str) -> None:
    """Write words for a person on standard error, as one line."""
    print(f"memdesk: {one_line(words)}", file=sys.stderr)


def put(text: str) -> None:
    """Write one piece of data on standard output, safe for a terminal."""
    print(safe(text))


def flush() -> None:
    """Hand what was put to whoever reads standard output, at once."""
    if sys.stdout is not None:  # closed by whoever started us
        sys.stdout.flush()


class Progress:
    """A bar on a terminal's standard error, for what takes longer than a second."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._begun = time.monotonic()
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` steps are behind us."""
        if not _is_terminal(sys.stderr) or time.monotonic() - self._begun < _APPEARS_AFTER:
            return
        self._shown = True
        full = _BAR * done // max(total, 1)
        bar = "█" * full + "░" * (_BAR - full)
        print(f"\r{self._label} {bar} {done}/{total}", end="", file=sys.stderr, flush=True)
