"""Words as search counts them: stems, the parts of identifiers, and pairs of characters where no space parts words."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3040-\u30ff\u3130-\u318f"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
"""Scripts whose words no space parts, or (Korean) whose endings cling to them, as a character class."""

# Accents, Arabic vowels and stretching, soft hyphens and joiners, as a character class.
_UNCOUNTED = "\u0300-\u036f\u0610-\u061a\u0640\u064b-\u065f\u0670\u00ad\u200c\u200d"
_WORD = re.compile(rf"[{UNSPACED}]+|(?:[^\W_{UNSPACED}]|[\u0900-\u0963\u0966-\u0dff])+")
# As _WORD, in a text whose accents may stand apart from their letters.
_WORD_AS_WRITTEN = re.compile(
    rf"[{UNSPACED}]+|(?:[^\W_{UNSPACED}]|[\u0900-\u0963\u0966-\u0dff{_UNCOUNTED}])+"
)
_UNSPACED_RUN = re.compile(f"[{UNSPACED}]+")
_MARKS = re.compile(f"[{_UNCOUNTED}]")
# HTMLParser is html + parser, parseJSON2Dict is parse + json + 2 + dict.
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\WA-Z\d_]+|\d+")
_HEX = re.compile(r"(?=[a-f]*\d)(?=\d*[a-f])[\da-f]{12,}")
_HASH_STARTS = range(6, 13)
_COMPOUND = range(12, 41)
"""Letters of a word that may be one of several: Datenbankmigration, Zahnarzttermin."""
_LAST = re.compile(rf"(?:[^\W_{UNSPACED}]|[\u0900-\u0963\u0966-\u0dff]){{2,}}\Z")
_ENDINGS = (
    "s",
    "es",
    "d",
    "ed",
    "g",
    "ng",
    "ing",
    "y",
    "ly",
    "n",
    "on",
    "ion",
    "ss",
    "ess",
    "ness",
)
"""What English stems are without; enough, since the next letters will tell."""
BEGINNING = "*"
"""Ends a term that stands for all that begin like it; no other one has it."""
_LEAST_PART = 5
_LONGEST = 100
"""Characters of a word beyond which it is no word."""


def terms(text: str) -> tuple[str, ...]:
    """Return every term of a text, in its order; what two texts share here is what matches.

    Accents and case do not count; a word is its stem (Snowball's, by its script), and an
    identifier or a long compound is its parts too. Runs of a script without spaces are their pairs
    of characters (bigrams, as Lucene's CJKAnalyzer makes them).
    """
    return tuple(term for word in words(text) for term in word)


def words(text: str) -> tuple[tuple[str, ...], ...]:
    """Return the terms of each word of a text: the word itself first, then its parts.

    A pair of characters is a word of its own.
    """
    found: list[tuple[str, ...]] = []
    for word in _WORD.findall(_folded(text)):
        if _UNSPACED_RUN.match(word):
            found += [(pair,) for pair in _of(word)]
        else:
            found.append(_of(word))
    return tuple(found)


def beginning(text: str) -> str:
    """Return the last word of a text, folded as terms are; nothing where it cannot be unfinished.

    So it is after a space or a mark, with one letter, and where no space parts words.
    """
    match = _LAST.search(_folded(text))
    return match.group().casefold() if match else ""


def completed(begun: str) -> tuple[str, ...]:
    """Return the stems of what an unfinished word may become that do not begin as it does.

    “runni” will be “running”, whose stem is “run”.
    """
    stems = (_stem(begun + ending) for ending in _ENDINGS)
    return tuple(dict.fromkeys(stem for stem in stems if not stem.startswith(begun)))


def spans(text: str, wanted: Iterable[str]) -> tuple[tuple[int, int], ...]:
    """Return where the words of a text stand that hold one of the terms, as (start, end) in characters.

    Of a word that only begins like a term with `BEGINNING` the beginning is told.
    """
    terms_wanted = frozenset(wanted)
    begun = tuple(term[:-1] for term in terms_wanted if term.endswith(BEGINNING))
    found: list[tuple[int, int]] = []
    for match in _WORD_AS_WRITTEN.finditer(text):
        word, start = match.group(), match.start()
        pairs = _UNSPACED_RUN.match(word) and len(word) > 2  # noqa: PLR2004
        pieces = [(at, at + 2) for at in range(len(word) - 1)] if pairs else [(0, len(word))]
        for first, end in pieces:
            made = terms(word[first:end])
            if terms_wanted.isdisjoint(made):
                if not (begun and any(term.startswith(begun) for term in made)):
                    continue
                end = _end_of_beginning(word, begun) or end  # noqa: PLW2901
            if found and found[-1][1] >= start + first:
                found[-1] = found[-1][0], start + end
            else:
                found.append((start + first, start + end))
    return tuple(found)


def _end_of_beginning(word: str, begun: tuple[str, ...]) -> int:
    """Return how many characters of a word as it is written are one of the beginnings; 0 of none."""
    ends = range(1, len(word) + 1)
    return next((end for end in ends if _folded(word[:end]).casefold() in begun), 0)


def _folded(text: str) -> str:
    """Return a text without accents, in its composed form; its case stays, since it parts identifiers."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFKD", text)))


@lru_cache(maxsize=65536)
def _of(word: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_made(word)))


def _made(word: str) -> Iterator[str]:
    if _UNSPACED_RUN.match(word):
        yield from (word[at : at + 2] for at in range(max(1, len(word) - 1)))
        return
    lower = word.casefold()
    yield _stem(lower)
    if _HEX.fullmatch(lower):
        yield from (lower[:length] for length in _HASH_STARTS)
        return
    parts = _PART.findall(word) if word.isascii() else []
    if len(parts) > 1:
        # The E of E0308 is in every error's number, and says nothing.
        yield from (_stem(part.casefold()) for part in parts if len(part) > 1 or part.isdigit())
    elif len(lower) in _COMPOUND and lower.isalpha():
        yield from _halves(lower)


def forget_words() -> None:
    """Keep no word in memory that was seen so far: after words were erased."""
    _of.cache_clear()


def _halves(word: str) -> Iterator[str]:
    """Yield each way to begin or to end a long word: no list of a language's words is needed."""
    for cut in range(_LEAST_PART, len(word) - _LEAST_PART + 1):
        yield _stem(word[:cut])
        yield _stem(word[cut:])


def _stem(word: str) -> str:
    if len(word) > _LONGEST or any(letter.isdigit() for letter in word):
        return word
    return _stemmer(word[0])(word)


def _stemmer(letter: str) -> Callable[[str], str]:
    if letter.isascii():
        return _snowball("english")
    if "\u0400" <= letter <= "\u04ff":
        return _snowball("russian")
    if "\u0600" <= letter <= "\u06ff":
        return _snowball("arabic")
    return str


@lru_cache(maxsize=8)
def _snowball(language: str) -> Callable[[str], str]:
    import Stemmer

    stem: Callable[[str], str] = Stemmer.Stemmer(language, 0).stemWord
    return stem
