"""From what two searches found to one ranking: pure functions, no store, no model.

The recipe is RECALL.md's Z and what was measured on top of it (docs/RECALL.md has the figures): BM25
over a turn and those beside it, fused with nearness in meaning, and a few small priors. Each part
is a switch of `Recipe`, so that `python -m bench recall --ablate` can tell what it is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from memdesk.recipe import Recipe
from memdesk.terms import BEGINNING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from memdesk.passages import Found
    from memdesk.question import Question

    Floats = NDArray[np.float64]
    Read = Callable[[Sequence[Found]], Mapping[tuple[str, int], float]]

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
LATE = 24
"""The best candidates, whose nearness is looked at word by word."""
LATE_SHARE = 0.75
"""What that counts beside the cosine of the whole; of turns only (docs/RECALL.md)."""
LATE_KEYWORD_WEIGHT = 0.4
"""The share of BM25 where nearness is known word by word: that has much of the words in it."""
ANSWERING = 0.3
"""How much of the nearness of a question that stands before a turn the turn has itself."""
ASKING = 0.2
"""What a text loses that only asks: questions find what tells, not what asks the same."""
ROLE = 0.2
"""What an assistant's words count less than a person's (RECALL.md, Z 5: the person's count more)."""
WHEN = 0.1
"""What a text that tells a time gains where the question asks for one (RECALL.md, Z 5)."""
PERIOD = 0.05
"""What a memory of a time that the question names gains (RECALL.md, Z 5)."""
NEWER = 0.01
"""What the newest of all candidates gains over the oldest: it decides between near-equals."""
LENGTH = 0.1
"""What the length of a text still counts where it has the one word that is asked for."""
PARTS = 0.5
"""What the parts of a word count together where the whole word is there too."""
RANK_CONSTANT = 60
"""The constant of reciprocal rank fusion (Cormack, Clarke and Buettcher 2009)."""
ALL = 0.999
"""The share from which on a text has all of the question."""
_EVERY_PART = Recipe()


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
    bm25: float
    """BM25 of its words and those beside it, as a share of what it could be, 0 to 1."""
    share: float
    """How much of the question its own words are, 0 to 1: rare ones are more of it."""
    keyword_rank: int | None
    vector_rank: int | None

    @property
    def memory(self) -> str:
        """The id of the memory."""
        return self.found.memory


def rank(
    question: Question,
    by_words: Sequence[Found],
    by_meaning: Sequence[Found],
    beside: Sequence[Found] = (),
    recipe: Recipe = _EVERY_PART,
    *,
    most: int | None = None,
    read: Read | None = None,
) -> list[Ranked]:
    """Return the memories of both result lists and those beside them, best first, at most `most`.

    Each list is in its own order, best first. A memory counts with its best passage. `read` is
    asked for the nearness of the first few passages word by word.
    """
    found = _merged(by_words, by_meaning, beside)
    if not found:
        return []
    turns = _Turns(found)
    words, shares = _words(question, found, turns, recipe)
    cosines = _cosines(found, turns)
    meaning = _shares(_answering(cosines, found, turns, recipe))
    priors = _priors(question, found, recipe)

    lifted = _named(question, words, shares) if recipe.one_word else words

    def parts(weight: float, near: Floats) -> _Parts:
        return _Parts(weight * lifted, (1 - weight) * near, priors, words, shares)

    weighed = parts(KEYWORD_WEIGHT, meaning)
    if not recipe.score_fusion:
        by_rank = _reciprocal(by_words, found), _reciprocal(by_meaning, found)
        weighed = _Parts(*by_rank, priors, words, shares)
    elif read and recipe.late:
        first = np.argsort(-weighed.scores, kind="stable")[:LATE]
        closer = _read(read, first, cosines, found)
        if not np.isnan(closer).all():
            # A question that stands before a turn counts there only if it is among the best itself.
            near = _answering(np.nan_to_num(closer), found, turns, recipe)
            weighed = parts(LATE_KEYWORD_WEIGHT, _with_read(meaning, closer, near, cosines))
    return _ranked(found, weighed, _ranks(by_words), _ranks(by_meaning), most)


def _cosines(found: Sequence[Found], turns: _Turns) -> Floats:
    """Return each candidate's cosine, at least 0.

    A passage that waits for its vector is as near as the best of its memory, and a memory that
    waits as near as the middle one: it is neither hidden nor put first.
    """
    known = np.array([each.cosine is not None for each in found])
    cosines = np.array([max(each.cosine or 0.0, 0.0) for each in found])
    if known.all() or not known.any():
        return cosines
    best = np.full(turns.count, -1.0)
    np.maximum.at(best, turns.of[known], cosines[known])
    best[best < 0] = float(np.median(cosines[known]))
    filled: Floats = np.where(known, cosines, best[turns.of])
    return filled


def _read(read: Read, first: NDArray[np.intp], cosines: Floats, found: Sequence[Found]) -> Floats:
    """Return the nearness of the first few, word by word and as a whole; of others not a number."""
    closer = np.full(len(found), np.nan)
    told = read([found[place] for place in first.tolist()])
    for place in first.tolist():
        late = told.get((found[place].memory, found[place].ordinal))
        if late is not None:
            closer[place] = max(0.0, LATE_SHARE * late + (1 - LATE_SHARE) * cosines[place])
    return closer


def _with_read(meaning: Floats, closer: Floats, near: Floats, cosines: Floats) -> Floats:
    """Return the nearness as shares, of what was read by its words.

    What was read and what was not have scales of their own: the best of what was read is as near
    as its cosines say beside all others', or one far-off turn would come before every note.
    """
    read = ~np.isnan(closer)
    nearest = float(cosines[read].max()) / max(float(cosines.max()), 1e-9)
    return np.where(read, nearest * _shares(np.where(read, near, 0.0)), meaning)


def _shares(near: Floats) -> Floats:
    return near / max(float(near.max(initial=0.0)), 1e-9)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of every candidate's score."""

    words: Floats
    meaning: Floats
    priors: dict[str, Floats]
    bm25: Floats
    shares: Floats

    @property
    def scores(self) -> Floats:
        """Their sums."""
        return self.words + self.meaning + sum(self.priors.values(), np.zeros(len(self.words)))


def _ranked(
    found: Sequence[Found],
    parts: _Parts,
    word_ranks: dict[str, int],
    vector_ranks: dict[str, int],
    most: int | None,
) -> list[Ranked]:
    """Return each memory once, with its best passage, best first."""
    scores = parts.scores.tolist()
    best: dict[str, int] = {}
    for place in sorted(range(len(found)), key=lambda at: (-scores[at], found[at].memory)):
        best.setdefault(found[place].memory, place)
    return [
        Ranked(
            found[place],
            scores[place],
            float(parts.words[place]),
            float(parts.meaning[place]),
            {name: float(prior[place]) for name, prior in parts.priors.items()},
            float(parts.bm25[place]),
            float(parts.shares[place]),
            word_ranks.get(memory),
            vector_ranks.get(memory),
        )
        for memory, place in islice(best.items(), most)
    ]


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
    """Return each candidate's BM25 as a share, and the share of the question that its own words are.

    Document frequencies are those of the candidates: on LoCoMo as good as the whole store's
    (RECALL.md, Z 1).
    """
    wanted = question.terms
    own = np.array([_counts(wanted, each.words) for each in found], np.float64).T
    lengths = np.array([each.words.count(" ") + 1 for each in found], np.float64)
    counts, lengths = OWN * own, OWN * lengths
    if recipe.neighbours:
        counts, lengths = _with_neighbours(own, counts, lengths, turns)
    holders = (counts > 0).sum(axis=1)
    rarity = np.log(1 + (len(found) - holders + 0.5) / (holders + 0.5))
    norm = K1 * (1 - B + B * lengths / max(lengths.mean(), 1.0))
    weights = rarity * _weights(question, holders, PARTS)
    scores = (weights[:, None] * counts * (K1 + 1) / (counts + norm)).sum(axis=0)
    possible = max(float(weights.sum()), 1e-9)
    fair = FAIR * possible * (K1 + 1) if recipe.fair_words else 0.0
    best = max(float(scores.max(initial=0.0)), fair, 1e-9)
    whole = rarity * _weights(question, holders, 0.0)
    shares = (whole[:, None] * (own > 0)).sum(axis=0) / max(float(whole.sum()), 1e-9)
    return scores / best, shares if question.telling else np.zeros(len(found))


def _named(question: Question, words: Floats, shares: Floats) -> Floats:
    """Return what the words give where one word alone is asked for: a text that has it comes first.

    How long the text is decides among those that have it, and not between them and all others: a name
    in the midst of a long passage was found behind short notes that lack it (`memdesk torture`).
    """
    has: NDArray[np.bool_] = (shares > ALL) & (len(question.words) == 1)
    return np.where(has, 1 - LENGTH * (1 - words), words)


def _weights(question: Question, holders: NDArray[np.int_], parts: float) -> Floats:
    """Return how much each term counts, so that a word of many parts counts hardly more than another.

    `parts` is what the parts of a word count together where the whole word is there too.

    What no candidate has of a word does not count where some has another part of it.
    """
    weights: list[float] = []
    for word in question.words:
        held = [bool(many) for many in holders[len(weights) : len(weights) + len(word)]]
        if not any(held):
            weights += [1.0, *[0.0] * (len(word) - 1)]
            continue
        of_parts = parts if held[0] else 1.0
        each = of_parts / max(sum(held[1:]), 1)
        weights += [float(held[0]), *(each * there for there in held[1:])]
    return np.array(weights)


def _counts(wanted: Sequence[str], words: str) -> list[int]:
    """Return how often each term stands among some words."""
    # Looking for a part of a string first is four times as fast as counting in every list.
    held = [term.rstrip(BEGINNING) in words for term in wanted]
    if not any(held):
        return [0] * len(wanted)
    every = words.split()
    return [_count(every, term) if there else 0 for term, there in zip(wanted, held, strict=True)]


def _count(every: Sequence[str], term: str) -> int:
    if not term.endswith(BEGINNING):
        return every.count(term)
    return sum(each.startswith(term[:-1]) for each in every)


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


def _answering(near: Floats, found: Sequence[Found], turns: _Turns, recipe: Recipe) -> Floats:
    """Return each candidate's nearness with a part of that of a question before it."""
    if not recipe.answering:
        return near
    asked = np.zeros(turns.count)
    np.maximum.at(asked, turns.of, near * np.array([each.asking for each in found]))
    before = turns.beside(-1)
    added: Floats = near + ANSWERING * np.where(before >= 0, asked[before], 0.0)
    return added


def _priors(question: Question, found: Sequence[Found], recipe: Recipe) -> dict[str, Floats]:
    """Return what is added to each candidate for other reasons than its words and its meaning."""
    priors: dict[str, Floats] = {}
    if recipe.asking:
        priors["asking"] = np.array([-ASKING * each.asking for each in found])
    if recipe.roles and not question.asks_assistant:
        priors["roles"] = -ROLE * np.array([each.role == "assistant" for each in found])
    if recipe.when and question.asks_when:
        priors["when"] = WHEN * np.array([each.timed for each in found])
    if recipe.ranges and question.periods:
        priors["ranges"] = PERIOD * np.array(
            [any(start <= each.at < end for start, end in question.periods) for each in found]
        )
    if question.id:
        priors["id"] = np.array([float(each.memory.startswith(question.id)) for each in found])
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
