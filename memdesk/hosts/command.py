"""Which commands start memdesk, so that others of its name are not taken for it."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROGRAM = "memdesk"
_PYTHON = re.compile(r"py|pythonw?[\d.]*")


def arguments(words: Sequence[str]) -> list[str] | None:
    """Return what a command gives to memdesk; None where it starts something else."""
    if not words:
        return None
    program = re.split(r"[\\/]", words[0])[-1].lower().removesuffix(".exe")
    if program == _PROGRAM:
        return list(words[1:])
    flags = [*takewhile(lambda word: word.startswith("-"), words[1:])]
    rest = list(words[1 + len(flags) :])
    if _PYTHON.fullmatch(program) and flags[-1:] == ["-m"] and rest[:1] == [_PROGRAM]:
        return rest[1:]
    return None
