"""From what two searches found to one ranking: pure functions, no store, no model.

The recipe is RECALL.md's Z and what was measured on top of it (docs/RECALL.md has the figures): BM25
over a turn and those beside it, fused with nearness in meaning, and a few small priors. Each part
is a switch of `Recipe`, so that `python -m bench recall --ablate` can tell what it is worth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from memdesk.recipe import Recipe
from memdesk.terms import terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from memdesk.passages import Found

    Floats = NDArray[np.float64]

KEYWORD_WEIGHT = 0.5
"""The share of BM25 in the fused score; the rest is nearness in meaning (RECALL.md, Z 4)."""
K1, B = 1.2, 0.75
"""The saturation and length constants of BM25 (Robertson and Zaragoza 2009, 3.3.1)."""
FAIR = 0.6
"""The share of the best possible BM25 from which the words found count fully.

Divided by the best found alone, a question none of whose telling words is anywhere would rank by
what is left of it: “must”, “keep”, “at least”. Measured: docs/RECALL.md.
"""
OWN = 4.0
"""How often a passage's own words count beside those of its neighbours (RECALL.md, Z 1)."""
BESIDE = {-2: 1.0, -1: 2.0, 1: 1.0, 2: 0.5}
"""How often the words of a turn so many places away count: what came before says more."""
SHORT = 60
"""Words from which a turn is clear without its neighbours (RECALL.md, Z 1)."""
ANSWERING = 0.3
"""How much of the nearness of a question that stands before a turn the turn has itself."""
ASKING = 0.2
"""What a text loses that only asks: questions find what tells, not what asks the same."""
ROLE = 0.2
"""What the person's own words gain in a chat with an assistant (RECALL.md, Z 5)."""
WHEN = 0.1
"""What a text that tells a time gains where the question asks for one (RECALL.md, Z 5)."""
PERIOD = 0.05
"""What a memory of a time that the question names gains (RECALL.md, Z 5)."""
NEWER = 0.01
"""What the newest of all candidates gains over the oldest: it decides between near-equals."""
MOST_TERMS = 64
"""Terms of a question that are looked for; of a long text that was pasted, the first."""
FLOOR = 0.1
"""The certainty under which nothing is an answer: 95 of 100 answers and more stay (docs/RECALL.md)."""
RANK_CONSTANT = 60
"""The constant of reciprocal rank fusion (Cormack, Clarke and Buettcher 2009)."""
_EVERY_PART = Recipe()
_CERTAIN = (10.6, 11.2, 11.6, -8.5)
"""What a cosine, its distance from the background and BM25 add to the evidence; and where it begins."""
_CERTAIN_BY_WORDS = (14.0, -2.6)
"""The same for BM25 alone, where no meaning is known."""
_FIRST = 5
_BACKGROUND = 30
_USUAL = 0.2
"""The background of a store that has fewer passages."""
_WHOLE, _ALL = 0.5, 0.999


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


@dataclass(frozen=True, slots=True)
class Ranked:
    """A memory's best passage with the parts of its score."""

    found: Found
    score: float
    words: float
    """What its words and those beside it give: 0 to `KEYWORD_WEIGHT`."""
    meaning: float
    """What nearness in meaning gives: 0 to 1 - `KEYWORD_WEIGHT`."""
    priors: dict[str, float]
    """What else was added or taken away, by its name in `Recipe`."""
    share: float
    """How much of the question its own words are, 0 to 1: rare ones are more of it."""
    keyword_rank: int | None
    vector_rank: int | None

    @property
    def memory(self) -> str:
        """The id of the memory."""
        return self.found.memory


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


def rank(
    question: Question,
    by_words: Sequence[Found],
    by_meaning: Sequence[Found],
    beside: Sequence[Found] = (),
    recipe: Recipe = _EVERY_PART,
    *,
    most: int | None = None,
) -> list[Ranked]:
    """Return the memories of both result lists and those beside them, best first, at most `most`.

    Each list is in its own order, best first. A memory counts with its best passage.
    """
    found = _merged(by_words, by_meaning, beside)
    if not found:
        return []
    turns = _Turns(found)
    words, shares = _words(question, found, turns, recipe)
    meaning = _meaning(found, turns, recipe)
    if not recipe.score_fusion:
        words, meaning = _reciprocal(by_words, found), _reciprocal(by_meaning, found)
    priors = _priors(question, found, recipe)
    scores = (words + meaning + sum(priors.values(), np.zeros(len(found)))).tolist()
    best: dict[str, int] = {}
    for place in sorted(range(len(found)), key=lambda at: (-scores[at], found[at].memory)):
        best.setdefault(found[place].memory, place)
    word_ranks, vector_ranks = _ranks(by_words), _ranks(by_meaning)
    return [
        Ranked(
            found[place],
            scores[place],
            float(words[place]),
            float(meaning[place]),
            {name: float(prior[place]) for name, prior in priors.items()},
            float(shares[place]),
            word_ranks.get(memory),
            vector_ranks.get(memory),
        )
        for memory, place in islice(best.items(), most)
    ]


def certainty(ranked: Sequence[Ranked], nearest: Sequence[Found]) -> float:
    """Return how likely it is that one of the first few answers the question, 0 to 1.

    `nearest` are the passages nearest in meaning, best first. A logistic regression on what is not
    divided by the answer's own best: the best cosine, how far it stands out from the store's 30th,
    and BM25 as a share of what the question could have; its numbers are of questions about one
    conversation asked of another's store (docs/RECALL.md). Where all of a question's telling words
    stand in one passage, that is worth an answer by itself.
    """
    first = ranked[:_FIRST]
    if not first:
        return 0.0
    words = max(each.words for each in first)
    cosines = [each.found.cosine for each in first if each.found.cosine is not None]
    if cosines:
        best = max(cosines)
        weighed = zip(_CERTAIN, (best, best - _background(nearest), words, 1.0), strict=True)
        evidence = sum(weight * each for weight, each in weighed)
    else:
        evidence = _CERTAIN_BY_WORDS[0] * words + _CERTAIN_BY_WORDS[1]
    whole = _WHOLE if max(each.share for each in first) > _ALL else 0.0
    return max(1 / (1 + math.exp(-evidence)), whole)


def _background(nearest: Sequence[Found]) -> float:
    """Return the cosine of what has nothing to do with a question, as far as a store tells."""
    if len(nearest) >= _BACKGROUND:
        return nearest[_BACKGROUND - 1].cosine or 0.0
    return min(_USUAL, nearest[-1].cosine or 0.0) if nearest else _USUAL


class _Turns:
    """Which memories of the candidates stand beside which in their sessions."""

    def __init__(self, found: Sequence[Found]) -> None:
        numbers = {
            id: number for number, id in enumerate(dict.fromkeys(each.memory for each in found))
        }
        self.of = np.array([numbers[each.memory] for each in found])
        """The number of each candidate's memory."""
        self.count = len(numbers)
        self._numbers: dict[tuple[str, str, int], int] = {}
        self._turns: list[tuple[int, tuple[str, str, int]]] = []
        """Where each short turn stands among the candidates and in its session."""
        for at, each in enumerate(found):
            if each.session is not None and each.position is not None:
                place = each.space, each.session, each.position
                self._numbers[place] = numbers[each.memory]
                if each.ordinal == 0 and each.words.count(" ") < SHORT:
                    self._turns.append((at, place))

    def beside(self, step: int) -> NDArray[np.intp]:
        """Return the number of the memory so many places after each short turn's, or -1."""
        places = np.full(len(self.of), -1)
        for at, (space, session, position) in self._turns:
            places[at] = self._numbers.get((space, session, position + step), -1)
        return places


def _words(
    question: Question, found: Sequence[Found], turns: _Turns, recipe: Recipe
) -> tuple[Floats, Floats]:
    """Return each candidate's BM25, weighed, and the share of the question that its own words are.

    Document frequencies are those of the candidates: on LoCoMo as good as the whole store's
    (RECALL.md, Z 1).
    """
    own = np.array([_counts(question.terms, each.words) for each in found], np.float64).T
    lengths = np.array([each.words.count(" ") + 1 for each in found], np.float64)
    counts, lengths = OWN * own, OWN * lengths
    if recipe.neighbours:
        counts, lengths = _with_neighbours(own, counts, lengths, turns)
    holders = (counts > 0).sum(axis=1)
    rarity = np.log(1 + (len(found) - holders + 0.5) / (holders + 0.5))
    norm = K1 * (1 - B + B * lengths / max(lengths.mean(), 1.0))
    scores = (rarity[:, None] * counts * (K1 + 1) / (counts + norm)).sum(axis=0)
    possible = max(float(rarity.sum()), 1e-9)
    fair = FAIR * possible * (K1 + 1) if recipe.fair_words else 0.0
    best = max(float(scores.max(initial=0.0)), fair, 1e-9)
    shares = (rarity[:, None] * (own > 0)).sum(axis=0) / possible
    return KEYWORD_WEIGHT * scores / best, shares


def _counts(wanted: Sequence[str], words: str) -> list[int]:
    """Return how often each term stands among some words."""
    # Looking for a part of a string first is four times as fast as counting in every list.
    held = [term in words for term in wanted]
    if not any(held):
        return [0] * len(wanted)
    every = words.split()
    return [every.count(term) if there else 0 for term, there in zip(wanted, held, strict=True)]


def _with_neighbours(
    own: Floats, counts: Floats, lengths: Floats, turns: _Turns
) -> tuple[Floats, Floats]:
    """Return counts and lengths with those of the turns beside each added."""
    whole = np.zeros((turns.count, len(own)))
    np.add.at(whole, turns.of, own.T)
    size = np.zeros(turns.count)
    np.add.at(size, turns.of, lengths / OWN)
    for step, weight in BESIDE.items():
        place = turns.beside(step)
        there = place >= 0
        counts = counts + weight * np.where(there, whole[place].T, 0.0)
        lengths = lengths + weight * np.where(there, size[place], 0.0)
    return counts, lengths


def _meaning(found: Sequence[Found], turns: _Turns, recipe: Recipe) -> Floats:
    """Return each candidate's nearness in meaning, weighed; of a question before it, a part."""
    near = np.array([max(each.cosine or 0.0, 0.0) for each in found])
    if recipe.answering:
        asked = np.zeros(turns.count)
        np.maximum.at(asked, turns.of, near * np.array([each.asking for each in found]))
        before = turns.beside(-1)
        near = near + ANSWERING * np.where(before >= 0, asked[before], 0.0)
    return (1 - KEYWORD_WEIGHT) * near / max(float(near.max(initial=0.0)), 1e-9)


def _priors(question: Question, found: Sequence[Found], recipe: Recipe) -> dict[str, Floats]:
    """Return what is added to each candidate for other reasons than its words and its meaning."""
    priors: dict[str, Floats] = {}
    if recipe.asking:
        priors["asking"] = np.array([-ASKING * each.asking for each in found])
    if recipe.roles and not question.asks_assistant:
        priors["roles"] = ROLE * np.array([each.role == "user" for each in found])
    if recipe.when and question.asks_when:
        priors["when"] = WHEN * np.array([each.timed for each in found])
    if recipe.ranges and question.periods:
        priors["ranges"] = PERIOD * np.array(
            [any(start <= each.at < end for start, end in question.periods) for each in found]
        )
    if recipe.newer:
        moments = {at: place for place, at in enumerate(sorted({each.at for each in found}))}
        last = max(len(moments) - 1, 1)
        priors["newer"] = np.array([NEWER * moments[each.at] / last for each in found])
    return priors


def _reciprocal(order: Sequence[Found], found: Sequence[Found]) -> Floats:
    """Return each candidate's reciprocal rank in one list; 0 where it is not in it."""
    ranks = _ranks(order)
    return np.array(
        [
            1 / (RANK_CONSTANT + ranks[each.memory]) if each.memory in ranks else 0.0
            for each in found
        ]
    )


def _ranks(found: Iterable[Found]) -> dict[str, int]:
    return {id: place for place, id in enumerate(dict.fromkeys(each.memory for each in found), 1)}


def _merged(*lists: Sequence[Found]) -> list[Found]:
    """Return each passage once: the one with the words' score, if there is one."""
    merged: dict[tuple[str, int], Found] = {}
    for found in lists:
        for each in found:
            merged.setdefault((each.memory, each.ordinal), each)
    return list(merged.values())


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
