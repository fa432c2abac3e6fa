"""A question as recall sees it: the terms that tell, and what is asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from memdesk.terms import BEGINNING, beginning, completed, terms, words

if TYPE_CHECKING:
    from collections.abc import Iterable

_ID = re.compile(r"[0-9a-fA-F]{8}[0-9a-fA-F-]{0,28}")
MOST_TERMS = 64
"""Terms of a question that are looked for; of a long text that was pasted, the first."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question as the ranking sees it."""

    words: tuple[tuple[str, ...], ...]
    """The terms of each telling word: the word itself first, then its parts; no term twice."""
    telling: bool = True
    """Whether they tell anything; of “what is it” no word does, and all are looked for."""
    asks_when: bool = False
    asks_assistant: bool = False
    """Whether it is after what the assistant has said."""
    periods: tuple[tuple[float, float], ...] = ()
    """The times that it names, as (start, end) in seconds since 1970 (UTC)."""
    begun: str = ""
    """The last word, where it may be unfinished: what begins so counts as that word."""
    id: str = ""
    """The beginning of an id, where the question may be one."""

    @property
    def terms(self) -> tuple[str, ...]:
        """What its words are found by; of an unfinished one also its beginning and `BEGINNING`."""
        return tuple(term for word in self.words for term in word)

    @property
    def sought(self) -> tuple[str, ...]:
        """Those that are looked for as they are."""
        return tuple(term for term in self.terms if not term.endswith(BEGINNING))


def ask(
    text: str,
    *,
    asks_when: bool = False,
    periods: Iterable[tuple[float, float]] = (),
    typing: bool = False,
) -> Question:
    """Return a question as the ranking sees it; without telling words, all its words tell.

    `typing` says that the last word may be unfinished, unless something follows it or it asks.
    """
    every = list(words(text))
    begun = beginning(text) if typing and every and every[-1][0] not in _asking() else ""
    if begun:
        every[-1] = (*every[-1], begun + BEGINNING, *completed(begun))
    telling = [word for word in every if word[0] not in _asking()]
    asks_assistant = any(word[0] in _ADDRESSED for word in every)
    looked_for = _each_once(telling or every)
    id = text.strip().lower() if typing and _ID.fullmatch(text.strip()) else ""
    return Question(looked_for, bool(telling), asks_when, asks_assistant, tuple(periods), begun, id)


def _each_once(every: Iterable[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Return words without the terms that stood before, up to `MOST_TERMS` of them."""
    seen: set[str] = set()
    kept: list[tuple[str, ...]] = []
    for word in every:
        new = tuple(term for term in word if term not in seen)[: MOST_TERMS - len(seen)]
        seen.update(new)
        if new:
            kept.append(new)
    return tuple(kept)


# Words that ask and do not tell; search is better without them (RECALL.md, Z 3). Of other languages
# only those that are no English word.
_ASKING = (
    "a about am an and any are as at be been being but by can could did do does doing for from had has "
    "have having he her hers him his how i if in into is it its me my of on or our ours she should so "
    "than that the their them then there these they this those to us was we were what when where "
    "which while who whom whose why will with would you your yours s t d ll ve re m don didn doesn "
    "isn wasn "
    "wann wer wie warum welche welcher welches wem wessen quand où qui quel quelle quels quelles "
    "pourquoi combien cuándo dónde quién cómo qué cuál cuánto perché quale wanneer waar quando "
    "когда где кто как почему какой какая какие сколько متى أين من كيف لماذا ماذا ما هل كم"
)
# In a question to an assistant about itself: “what did you recommend?”
_ADDRESSED = frozenset(("you", "your", "assist", "chatbot"))


@lru_cache(maxsize=1)
def _asking() -> frozenset[str]:
    return frozenset(terms(_ASKING))
