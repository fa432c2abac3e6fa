"""The few signs that stand beside words, never instead of them."""

from __future__ import annotations

import locale
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The signs of a terminal."""

    marked: str = "✓"
    pinned: str = "◆"
    fine: str = "●"
    waiting: str = "◌"
    problem: str = "▲"
    cut: str = "…"
    newer: str = "↑"


ASCII = Glyphs("*", "+", "o", ".", "!", "...", "^")


def glyphs(encoding: str | None = None) -> Glyphs:
    """Return the signs that an encoding has; the locale's where none is given."""
    # Python speaks UTF-8 in the C locale, too; its terminal need not.
    used = (encoding or locale.getencoding()).lower()
    return Glyphs() if used.replace("-", "") == "utf8" else ASCII
