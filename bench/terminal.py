"""A terminal for a program: a real pseudo-terminal, and what a person would see on it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING, Any, Self

import pyte

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PATIENCE = 60.0
"""Seconds after which what does not appear is not coming."""
_PIECE = 65536
_MODES = {
    "cursor": 25,
    "alternate": 1049,
    "mouse": 1000,
    "motion": 1003,
    "sgr": 1006,
    "paste": 2004,
}
"""The private modes of a terminal that a program may leave behind, by what they do."""
_ON_TERMINAL = 'exec "$@" <"$0" >"$0" 2>&1'
"""What gives a new session its terminal, so that the program hears of a new size: opening it."""


class Terminal:
    """A program with a screen of its own; what it prints is read as it comes.

    `at` is when the last piece of output came, on the clock of `time.perf_counter`.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        size: tuple[int, int] = (80, 24),
    ) -> None:
        """Start a program on a terminal of so many columns and lines."""
        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        self.output = bytearray()
        """All that the program has printed."""
        self._master, self._slave = pty.openpty()
        self.resize(*size)
        self.settings: Any = termios.tcgetattr(self._slave)
        """The terminal's settings before the program."""
        self.begun = self.at = time.perf_counter()
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", _ON_TERMINAL, os.ttyname(self._slave), *command],
            env={"TERM": "xterm-256color", **env},
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self._slave)

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size; the program hears of it."""
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, size)
        self._screen.resize(lines, columns)

    def write(self, keys: str) -> None:
        """Press keys, as the bytes that a terminal sends for them."""
        os.write(self._master, keys.encode())

    @property
    def lines(self) -> list[str]:
        """What a person sees, line by line."""
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        """What a person sees."""
        return "\n".join(self.lines)

    def read(self, seconds: float) -> bool:
        """Take in a piece of output that comes within so many seconds; False when none does."""
        if not select.select([self._master], [], [], max(0.0, seconds))[0]:
            return False
        piece = os.read(self._master, _PIECE)
        self.at = time.perf_counter()
        self.output += piece
        self._stream.feed(piece)
        return True

    def until(self, look: Callable[[], object], seconds: float = PATIENCE) -> float:
        """Read until `look` finds something; return when its piece came, in seconds after the start."""
        ends = time.perf_counter() + seconds
        while not look():
            if not self.read(ends - time.perf_counter()):
                raise TimeoutError(f"the screen does not show it:\n{self.text}")
        return self.at - self.begun

    def shows(self, words: str, seconds: float = PATIENCE) -> float:
        """Read until words stand on the screen; return when they came, in seconds after the start."""
        return self.until(lambda: words in self.text, seconds)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Read until the program has ended; return its exit code."""
        ends = time.perf_counter() + seconds
        while self.process.poll() is None:
            self.read(0.05)
            if time.perf_counter() > ends:
                raise TimeoutError(f"the program does not end:\n{self.text}")
        while self.read(0):
            continue
        return self.process.returncode

    @property
    def restored(self) -> bool:
        """Whether the terminal's settings are those from before the program."""
        return bool(termios.tcgetattr(self._slave) == self.settings)

    @property
    def left(self) -> list[str]:
        """The modes in which the program has left the terminal, by their names."""
        usual = {"cursor": True}
        return [name for name in _MODES if self._mode(name) != usual.get(name, False)]

    def _mode(self, name: str) -> bool:
        number = _MODES[name]
        on = self.output.rfind(b"\x1b[?%dh" % number)
        off = self.output.rfind(b"\x1b[?%dl" % number)
        return on > off if on != off else name == "cursor"
