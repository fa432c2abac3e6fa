"""Whether two texts that are near in meaning say the same or the opposite: pure functions of their words."""

from __future__ import annotations

import re

from memdesk.terms import terms

_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_NEGATIONS = frozenset(
    re.findall(
        r"\w+",
        "not no never none cannot don doesn didn isn aren wasn weren won wouldn shouldn can couldn "
        "hasn nicht kein keine keinen nie niemals pas jamais nunca não non не нет никогда",
    )
)
_CARRIERS = frozenset({"do", "does", "did", "t", "the", "a", "an"})
"""Words that come and go with a negation, and say nothing by themselves."""
_TIMES = frozenset(
    re.findall(
        r"\w+",
        "january february march april may june july august september october november december "
        "monday tuesday wednesday thursday friday saturday sunday januar februar märz mai juni juli "
        "oktober dezember montag dienstag mittwoch donnerstag freitag samstag sonntag",
    )
)
_SHORT_NOT = re.compile(r"n['’]t\b")
_WORD = re.compile(r"[^\W\d_]+")
_AS_LONG = 0.5
"""The least that a shorter text may have of the longer one's length, to tell the same."""
_SHARED = 0.4
"""The least share of all their words that two texts have in common then."""
_LONG = 2000
"""Characters beyond which a text says too much to contradict another by one word."""


def contradicts(first: str, second: str) -> bool:
    """Tell whether two texts have the same words but for numbers, dates and negations."""
    if max(len(first), len(second)) > _LONG:
        return False
    core = _core(first)
    if not core or core != _core(second):
        return False
    return _told(first) != _told(second) or _denied(first) != _denied(second)


def repeats(first: str, second: str) -> bool:
    """Tell whether two texts that are near in meaning tell the same: as long, with the same words.

    Nearness alone says little of long texts with one beginning, and nothing of a language that the
    model cannot read: all its words are one to it.
    """
    shorter, longer = sorted((len(first), len(second)))
    if shorter < _AS_LONG * longer:
        return False
    one, other = set(terms(first)), set(terms(second))
    return len(one & other) >= _SHARED * len(one | other)


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _core(text: str) -> tuple[str, ...]:
    """Return the stems of a text without its numbers, dates and negations, in their order."""
    left_out = _NEGATIONS | _CARRIERS | _TIMES
    return terms(" ".join(word for word in _words(text) if word not in left_out))


def _told(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the numbers and the names of days and months."""
    return tuple(_NUMBER.findall(text)), tuple(word for word in _words(text) if word in _TIMES)


def _denied(text: str) -> bool:
    short = _SHORT_NOT.search(text.casefold()) is not None
    return short or not _NEGATIONS.isdisjoint({*_words(text)} - {"can", "won"})
