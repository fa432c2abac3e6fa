"""Recall: a question's candidates from the store, ranked, fetched and cut to the budget."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memdesk import ranking
from memdesk.answers import Hit, Recalled
from memdesk.certainty import FIRST, FLOOR, certainty
from memdesk.errors import Invalid
from memdesk.late import nearness
from memdesk.memory import Filter, Memory, clean, count_tokens, now
from memdesk.periods import periods_in
from memdesk.question import ask
from memdesk.service.core import in_time
from memdesk.service.reading import checked_budget, checked_filter, checked_limit
from memdesk.terms import spans
from memdesk.timewords import asks_when

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from memdesk.passages import EmbeddedQuestion, Found
    from memdesk.question import Question
    from memdesk.ranking import Ranked, Read
    from memdesk.service.core import Core
    from memdesk.store import Store

MAX_RECALL = 50
MAX_QUERY = 10_000
MAX_BESIDE = 5
CANDIDATES = 100
"""Passages that each search gives to the ranking (RECALL.md, Z 3)."""
_SPARE = 4
"""How many times the limit is ranked: equal texts and what has just been forgotten fall away."""
TAIL = 0.4
"""The least share of the first hit's score that is shown of a whole list, while somebody types.

On tests/data/desk_notes.json it keeps 99.5 % of the answers and leaves 10 of 50 hits.
"""
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
    tail: float = 0.0
    """The share of the first hit's score under which there are no further hits."""


def asked(
    query: str,
    limit: int,
    where: Filter,
    *,
    max_tokens: int,
    beside: int,
    floor: float | None,
    typing: bool = False,
) -> Asked:
    """Return what is looked for; raises `Invalid` for what cannot be.

    `typing` says that the query's last word may be unfinished.
    """
    typed = clean(query, "query")[0]
    text = typed.strip()
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
        ask(
            typed,
            asks_when=asks_when(text),
            periods=[(each.start.timestamp(), each.end.timestamp()) for each in periods_in(text)],
            typing=typing,
        ),
        checked_filter(where),
        checked_limit(limit, MAX_RECALL),
        checked_budget(max_tokens),
        beside,
        FLOOR if floor is None else floor,
        TAIL if typing else 0.0,
    )


def recall(core: Core, wanted: Asked, as_of: datetime | None = None) -> Recalled:
    """Return the memories that answer a question best; none when nothing is certain enough.

    With `as_of` they are looked for as they stood at that moment.
    """
    if as_of is not None:
        from memdesk.service import past  # rarely asked for

        return past.recall(core, wanted, as_of)
    store = core.store()
    coming = core.question(wanted.text, store.stamp.fingerprint)
    words = " ".join(wanted.question.sought)
    sought = store.seek(words, wanted.where, CANDIDATES, memories=2 * wanted.limit)
    begun = store.begun(wanted.question, wanted.where, CANDIDATES)
    made = made_by_model_of(store, in_time(coming))
    vector = made.vector if made else None
    by_meaning = sought.by_meaning(vector) if vector is not None else []
    by_words = [*sought.by_words(vector), *begun.found(vector)]
    beside = store.beside(by_words, REACH, wanted.where, vector) if core.recipe.neighbours else []
    read = reader(store, made)
    found: list[tuple[Ranked, Hit]] = []
    for most in (_SPARE * wanted.limit, None):
        ranked = ranking.rank(
            wanted.question, by_words, by_meaning, beside, core.recipe, most=most, read=read
        )
        found = _fetched(store, ranked, wanted)
        if len(found) >= wanted.limit or len(ranked) != most:
            break
    answer = answered(wanted, found, by_meaning)
    hits = _with_turns(store, answer.hits, wanted)
    return replace(answer, hits=hits, degraded=degraded(core, missing=vector is None))


def made_by_model_of(store: Store, made: EmbeddedQuestion | None) -> EmbeddedQuestion | None:
    """Return what a model made of a question if it is the model of the store's vectors."""
    known = made is not None and len(made.vector) == store.stamp.dims
    return made if known else None  # else it has switched to another model in this very moment


def reader(store: Store, made: EmbeddedQuestion | None) -> Read | None:
    """Return what tells the nearness of passages word by word, where the model has words."""
    if made is None or not len(made.words):
        return None

    def read(found: Sequence[Found]) -> dict[tuple[str, int], float]:
        turns = {each.memory for each in found if each.session is not None}
        signs = store.signs(turns) if turns else {}
        wanted = [key for each in found if (key := (each.memory, each.ordinal)) in signs]
        if not wanted:
            return {}
        near = nearness(made.words, [signs[key] for key in wanted])
        return dict(zip(wanted, near, strict=True))

    return read


def degraded(core: Core, *, missing: bool) -> str | None:
    """Return what the answer lacks: memories that search does not know yet, or meaning."""
    if core.behind:
        return "search is still being made anew and does not know every memory yet"
    if not missing:
        return None
    return core.trouble or "the model is still loading"


def answered(
    wanted: Asked, found: Sequence[tuple[Ranked, Hit]], nearest: Sequence[Found]
) -> Recalled:
    """Return the hits that fit the budget, or only the nearest miss where nothing is certain."""
    certain = certainty([ranked for ranked, _ in found], nearest)
    hits = [hit for _, hit in found[: wanted.limit]]
    if wanted.tail:
        hits = [hit for hit in hits if hit.score >= wanted.tail * hits[0].score]
    if certain < wanted.floor:
        return Recalled((), certainty=certain, nearest=hits[0] if hits else None)
    return Recalled(within(hits, wanted.max_tokens), certainty=certain)


def _fetched(store: Store, ranked: Sequence[Ranked], wanted: Asked) -> list[tuple[Ranked, Hit]]:
    """Fetch the best of what was ranked, at least the few that tell how certain the answer is.

    What was forgotten in this very moment is left out, and what another one says as well.
    """
    hits: dict[str, tuple[Ranked, Hit]] = {}
    many = max(wanted.limit, FIRST)
    for start in range(0, len(ranked), many):
        batch = ranked[start : start + many]
        found = store.get([each.memory for each in batch])
        for each in batch:
            memory = found.get(each.memory)
            if memory and _still(memory, wanted.where):
                hit = hit_of(memory, each, wanted.question)
                hits.setdefault(memory.content_hash, (each, hit))
        if len(hits) >= many:
            break
    return list(hits.values())


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
    """Tell whether a memory is as the filter wants it now.

    Search may be one step behind, and the turns beside what it found pass only a part of the filter.
    """
    return (
        bool(memory.text)
        and memory.state in where.states
        and not memory.held
        and (not where.spaces or memory.space in where.spaces)
        and (not where.kinds or memory.kind in where.kinds)
        and set(where.tags) <= set(memory.tags)
        and (not where.sources or memory.source.name in where.sources)
        and (where.since is None or memory.when >= where.since)
        and (where.until is None or memory.when < where.until)
        and where.pinned in (None, memory.pinned)
        and (where.expired or memory.expires_at is None or memory.expires_at > now())
    )


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
        if cost <= left and hit.passage:
            kept.append(hit)
            left -= cost
    return tuple(kept)


def _cut(hit: Hit, tokens: int) -> Hit:
    """Return a hit with as much of its passage as so many tokens hold (3 bytes each, DESIGN §2).

    What matched is in it, if it is no longer than that.
    """
    text, first = hit.memory.text, hit.span[0]
    if hit.matched and count_tokens(text[first : hit.matched[0][1]]) > tokens:
        first = max(first, hit.matched[0][0] - tokens // 2)
    passage = text[first : hit.span[1]].encode()[: 3 * tokens].decode(errors="ignore")
    end = first + len(passage)
    matched = tuple(span for span in hit.matched if first <= span[0] and span[1] <= end)
    return replace(hit, passage=passage, span=(first, end), matched=matched)


def _with_turns(store: Store, hits: Sequence[Hit], wanted: Asked) -> tuple[Hit, ...]:
    """Return the hits with the turns beside each, whatever their kind; none is there twice."""
    if not wanted.beside:
        return tuple(hits)
    told = {hit.memory.content_hash for hit in hits}
    left = wanted.max_tokens - sum(count_tokens(hit.passage) for hit in hits)
    found: list[Hit] = []
    for hit in hits:
        memory, turns = hit.memory, tuple[Memory, ...]()
        if memory.session is not None and memory.position is not None:
            near = store.turns(memory, wanted.beside, Filter(states=wanted.where.states))
            fresh = {turn.content_hash: turn for turn in near if turn.content_hash not in told}
            turns = tuple(fresh.values())
            if wanted.max_tokens:
                turns, left = _affordable(turns, memory, left)
            told.update(turn.content_hash for turn in turns)
        found.append(replace(hit, beside=turns))
    return tuple(found)


def _affordable(
    turns: Sequence[Memory], around: Memory, tokens: int
) -> tuple[tuple[Memory, ...], int]:
    """Return the turns nearest to one that so many tokens hold, in their order, and what is left."""
    place = around.position or 0
    kept: set[str] = set()
    for turn in sorted(turns, key=lambda turn: abs((turn.position or 0) - place)):
        cost = count_tokens(turn.text)
        if cost <= tokens:
            kept.add(turn.id)
            tokens -= cost
    return tuple(turn for turn in turns if turn.id in kept), tokens
