"""Recall: a question's candidates from the store, ranked, fetched and cut to the budget."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memdesk import ranking
from memdesk.answers import Hit, Recalled
from memdesk.errors import Invalid
from memdesk.memory import Filter, Memory, clean, count_tokens
from memdesk.periods import periods_in
from memdesk.service.core import in_time
from memdesk.service.reading import checked_budget, checked_filter, checked_limit
from memdesk.terms import spans
from memdesk.timewords import asks_when

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

    from memdesk.passages import Found
    from memdesk.ranking import Question, Ranked
    from memdesk.service.core import Core
    from memdesk.store import Store

MAX_RECALL = 50
MAX_QUERY = 10_000
MAX_BESIDE = 5
CANDIDATES = 100
"""Passages that each search gives to the ranking (RECALL.md, Z 3)."""
_SPARE = 4
"""How many times the limit is ranked: equal texts and what has just been forgotten fall away."""
REACH = 2
"""Turns before and after a candidate that are candidates too (RECALL.md, Z 1)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for, checked."""

    text: str
    question: Question
    where: Filter
    limit: int
    max_tokens: int
    """0 means no budget."""
    beside: int
    """Turns before and after each hit that are wanted with it."""
    floor: float
    """The certainty under which nothing is an answer."""


def asked(
    query: str, limit: int, where: Filter, *, max_tokens: int, beside: int, floor: float | None
) -> Asked:
    """Return what is looked for; raises `Invalid` for what cannot be."""
    text = clean(query, "query")[0].strip()
    if not text:
        raise Invalid("query", "is empty; give the words or the question to look for")
    if len(text) > MAX_QUERY:
        raise Invalid("query", f"is {len(text):,} characters long; at most {MAX_QUERY:,} are used")
    if not 0 <= beside <= MAX_BESIDE:
        raise Invalid("beside", f"must be between 0 and {MAX_BESIDE}")
    if floor is not None and not 0 <= floor <= 1:
        raise Invalid("floor", "must be between 0, for any answer, and 1")
    return Asked(
        text,
        ranking.ask(
            text,
            asks_when=asks_when(text),
            periods=[(each.start.timestamp(), each.end.timestamp()) for each in periods_in(text)],
        ),
        checked_filter(where),
        checked_limit(limit, MAX_RECALL),
        checked_budget(max_tokens),
        beside,
        ranking.FLOOR if floor is None else floor,
    )


def recall(core: Core, wanted: Asked) -> Recalled:
    """Return the memories that answer a question best; none when nothing is certain enough."""
    store = core.store()
    coming = core.query_vector(wanted.text)
    words = " ".join(wanted.question.terms)
    sought = store.seek(words, wanted.where, CANDIDATES, memories=2 * wanted.limit)
    vector = vector_for(store, in_time(coming))
    by_meaning = sought.by_meaning(vector) if vector is not None else []
    by_words = sought.by_words(vector)
    beside = store.beside(by_words, REACH, wanted.where, vector) if core.recipe.neighbours else []
    ranked = ranking.rank(
        wanted.question, by_words, by_meaning, beside, core.recipe, most=_SPARE * wanted.limit
    )
    answer = answered(wanted, ranked, by_meaning, _hits(store, ranked, wanted))
    hits = tuple(_with_turns(store, hit, answer.hits, wanted) for hit in answer.hits)
    return replace(answer, hits=hits, degraded=degraded(core, missing=vector is None))


def vector_for(store: Store, vector: np.ndarray | None) -> np.ndarray | None:
    """Return a question's vector if it is of the model that the store's vectors are of."""
    known = vector is not None and len(vector) == store.stamp.dims
    return vector if known else None  # else it has switched to another model in this very moment


def degraded(core: Core, *, missing: bool) -> str | None:
    """Return why meaning was not used, if it was not."""
    if not missing:
        return None
    return core.trouble or "the model is still loading"


def answered(
    wanted: Asked, ranked: Sequence[Ranked], nearest: Sequence[Found], hits: Sequence[Hit]
) -> Recalled:
    """Return the hits that fit the budget, or only the nearest miss where nothing is certain."""
    certainty = ranking.certainty(ranked, nearest)
    if certainty < wanted.floor:
        return Recalled((), certainty=certainty, nearest=hits[0] if hits else None)
    return Recalled(within(hits, wanted.max_tokens), certainty=certainty)


def _hits(store: Store, ranked: Sequence[Ranked], wanted: Asked) -> list[Hit]:
    """Fetch the best of what was ranked; what was forgotten in this very moment is left out."""
    hits: dict[str, Hit] = {}
    for start in range(0, len(ranked), wanted.limit):
        batch = ranked[start : start + wanted.limit]
        found = store.get([each.memory for each in batch])
        for each in batch:
            memory = found.get(each.memory)
            if memory and _still(memory, wanted.where):
                hits.setdefault(memory.content_hash, hit_of(memory, each, wanted.question))
        if len(hits) >= wanted.limit:
            break
    return list(hits.values())[: wanted.limit]


def hit_of(memory: Memory, ranked: Ranked, question: Question) -> Hit:
    """Return a memory with the parts of its score."""
    found = ranked.found
    passage = memory.text[found.start : found.end]
    return Hit(
        memory=memory,
        score=ranked.score,
        passage=passage,
        span=(found.start, found.end),
        keyword_rank=ranked.keyword_rank,
        keyword_score=found.score or 0.0,
        vector_rank=ranked.vector_rank,
        cosine=found.cosine,
        words=ranked.words,
        meaning=ranked.meaning,
        priors=tuple((name, value) for name, value in ranked.priors.items() if value),
        matched=tuple(
            (found.start + start, found.start + end)
            for start, end in spans(passage, question.terms)
        ),
    )


def _still(memory: Memory, where: Filter) -> bool:
    """Tell whether a memory is as the filter wants it now; search may be one step behind."""
    in_space = not where.spaces or memory.space in where.spaces
    return bool(memory.text) and memory.state in where.states and in_space


def within(hits: Iterable[Hit], max_tokens: int) -> tuple[Hit, ...]:
    """Return the best hits whose passages fit the budget; a first one that is too long is cut."""
    if max_tokens <= 0:
        return tuple(hits)
    kept: list[Hit] = []
    left = max_tokens
    for hit in hits:
        cost = count_tokens(hit.passage)
        if cost > left and not kept:
            hit, cost = _cut(hit, left), left  # noqa: PLW2901
        if cost <= left:
            kept.append(hit)
            left -= cost
    return tuple(kept)


def _cut(hit: Hit, tokens: int) -> Hit:
    """Return a hit with as much of its passage as so many tokens hold (3 bytes each, DESIGN §2)."""
    passage = hit.passage.encode()[: 3 * tokens].decode(errors="ignore")
    end = hit.span[0] + len(passage)
    matched = tuple(span for span in hit.matched if span[1] <= end)
    return replace(hit, passage=passage, span=(hit.span[0], end), matched=matched)


def _with_turns(store: Store, hit: Hit, hits: Sequence[Hit], wanted: Asked) -> Hit:
    """Return a hit with the turns beside it that are no hits themselves."""
    memory = hit.memory
    if not wanted.beside or memory.session is None or memory.position is None:
        return hit
    others = {each.memory.id for each in hits}
    turns = store.turns(memory, wanted.beside, wanted.where)
    return replace(hit, beside=tuple(turn for turn in turns if turn.id not in others))
