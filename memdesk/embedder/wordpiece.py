"""BERT's tokenizer; standard library only."""

from __future__ import annotations

import functools
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_WORD_START = "\u2581"
_LONGEST_WORD = 100
_CHINESE = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class WordPiece:
    """BERT's tokenizer, token for token; llama.cpp's own drops vowel signs and splits less.

    Differs on purpose in one thing: text that spells a special token stays plain text.
    """

    def __init__(
        self, pieces: dict[str, int], unknown: int, ends: tuple[int, int], *, lowercase: bool
    ) -> None:
        self._pieces = pieces
        self._unknown = unknown
        self._first, self._last = ends
        self._longest = max(map(len, pieces))
        self._letters = _Letters(lowercase=lowercase)
        self._word = functools.lru_cache(maxsize=4096)(self._split)

    def tokens(self, text: str, limit: int | None) -> list[int]:
        """The text's tokens between the special two, cut to `limit`."""
        found = [self._first]
        for word in self._letters.words(text):
            found += self._word(word)
            if limit is not None and len(found) >= limit:
                del found[limit - 1 :]
                break
        return [*found, self._last]

    def _split(self, word: str) -> list[int]:
        """The longest known pieces from the left; one unknown token if any part is not known."""
        if len(word) > _LONGEST_WORD or _WORD_START in word:
            return [self._unknown]
        rest, found = _WORD_START + word, []
        while rest:
            for end in range(min(len(rest), self._longest), 0, -1):
                if (piece := self._pieces.get(rest[:end])) is not None:
                    break
            else:
                return [self._unknown]
            found.append(piece)
            rest = rest[end:]
        return found


class _Letters:
    """How BERT cleans text before it looks words up; two tables that fill as letters are met."""

    def __init__(self, *, lowercase: bool) -> None:
        self._cleaned = _Table(_clean)
        self._folded = _Table(_fold if lowercase else _space_punctuation)
        self._lowercase = lowercase

    def words(self, text: str) -> list[str]:
        """The text's words; punctuation and Chinese characters are words of their own."""
        clean = text.translate(self._cleaned)
        if self._lowercase and not clean.isascii():
            clean = unicodedata.normalize("NFD", clean)
        return clean.translate(self._folded).split()


class _Table(dict[int, str]):
    def __init__(self, change: Callable[[str], str]) -> None:
        super().__init__()
        self._change = change

    def __missing__(self, code: int) -> str:
        self[code] = self._change(chr(code))
        return self[code]


def _clean(letter: str) -> str:
    if letter in "\t\n\r" or unicodedata.category(letter) in ("Zs", "Zl", "Zp"):
        return " "
    if letter == "\ufffd" or unicodedata.category(letter) in ("Cc", "Cf", "Co", "Cs"):
        return ""
    return f" {letter} " if _is_chinese(ord(letter)) else letter


def _is_chinese(code: int) -> bool:
    return any(first <= code <= last for first, last in _CHINESE)


def _fold(letter: str) -> str:
    if unicodedata.category(letter) == "Mn":
        return ""
    return _space_punctuation(letter.lower())


def _space_punctuation(letter: str) -> str:
    mark = unicodedata.category(letter[0])[0] == "P" or letter in "$+<=>^`|~"
    return f" {letter} " if mark else letter
