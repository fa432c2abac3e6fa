"""A question as recall sees it: the terms that tell, and what is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from memdesk.terms import terms

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_TERMS = 64
"""Terms of a question that are looked for; of a long text that was pasted, the first."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question as the ranking sees it."""

    terms: tuple[str, ...]
    """What its telling words are found by, each once."""
    asks_when: bool = False
    asks_assistant: bool = False
    """Whether it is after what the assistant has said."""
    periods: tuple[tuple[float, float], ...] = ()
    """The times that it names, as (start, end) in seconds since 1970 (UTC)."""


def ask(
    text: str, *, asks_when: bool = False, periods: Iterable[tuple[float, float]] = ()
) -> Question:
    """Return a question as the ranking sees it; without telling words, all its words tell."""
    every = dict.fromkeys(terms(text))
    telling = tuple(term for term in every if term not in _asking())
    asks_assistant = not _ADDRESSED.isdisjoint(every)
    return Question(
        (telling or tuple(every))[:MOST_TERMS], asks_when, asks_assistant, tuple(periods)
    )


# Words that ask and do not tell; search is better without them (RECALL.md, Z 3). Of other languages
# only those that are no English word.
_ASKING = (
    "a about am an and any are as at be been being but by can could did do does doing for from had has "
    "have having he her hers him his how i if in into is it its me my of on or our ours she should so "
    "than that the their them then there these they this those to us was we were what when where "
    "which while who whom whose why will with would you your yours s t d ll ve re m don didn doesn "
    "isn wasn "
    "wann wer wie warum welche welcher welches wem wessen quand où qui quel quelle quels quelles "
    "pourquoi combien cuándo dónde quién cómo qué cuál cuánto perché quale wanneer waar hoe quando "
    "когда где кто как почему какой какая какие сколько متى أين من كيف لماذا ماذا ما هل كم"
)
# In a question to an assistant about itself: “what did you recommend?”
_ADDRESSED = frozenset(("you", "your", "assist", "chatbot"))


@lru_cache(maxsize=1)
def _asking() -> frozenset[str]:
    return frozenset(terms(_ASKING))
