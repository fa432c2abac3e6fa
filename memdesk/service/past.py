"""Recall in the past: the memories as they stood at a moment, with the text they had then.

A memory that has not changed since is found by search. Every other one has a row in the history that
was valid then; search knows nothing of those, so their passages are made and ranked here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from memdesk import ranking
from memdesk.errors import Invalid
from memdesk.memory import LIVE, Memory
from memdesk.passages import Found
from memdesk.service import indexing
from memdesk.service.core import in_time
from memdesk.service.recalling import CANDIDATES, answered, degraded, hit_of, made_by_model_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from memdesk.answers import Hit, Recalled
    from memdesk.passages import Embedded, Passage
    from memdesk.ranking import Ranked
    from memdesk.service.core import Core
    from memdesk.service.recalling import Asked
    from memdesk.store import Store

_EMBEDDED = 16
"""Earlier texts whose meaning is looked at: the best by their words. Each takes some 40 ms."""
_SEARCHED = (CANDIDATES, 4000)
"""Passages that search is asked for; the larger number when later memories fill the smaller."""


@dataclass(frozen=True, slots=True)
class _Then:
    """What may answer, as it stood then."""

    memories: dict[str, Memory]
    by_words: list[Found]
    by_meaning: list[Found]
    changed: list[Found]
    """Passages of what has changed since."""

    def ranked(self, core: Core, wanted: Asked) -> list[Ranked]:
        """Return all of it, best first."""
        return ranking.rank(
            wanted.question, self.by_words, self.by_meaning, self.changed, core.recipe
        )


def recall(core: Core, wanted: Asked, as_of: datetime) -> Recalled:
    """Return the memories that answered a question best at a moment, as they stood then.

    What was live and unexpired then counts, whatever became of it; what has been purged since is
    gone from the past too. Raises `Invalid`.
    """
    if as_of.tzinfo is None:
        raise Invalid("as_of", "has no time zone; give a moment in UTC")
    if wanted.beside:
        raise Invalid("beside", "is not known of the past; leave it out or leave out as_of")
    wanted = replace(wanted, where=replace(wanted.where, states=(LIVE,)))
    store = core.store()
    made = made_by_model_of(store, in_time(core.question(wanted.text, store.stamp.fingerprint)))
    vector = made.vector if made else None
    then = _changed(store, wanted, as_of, vector, _unchanged(store, wanted, as_of, vector))
    ranked = then.ranked(core, wanted)
    if vector is not None:
        then = _read(core, then, ranked, store.stamp.fingerprint, vector)
        ranked = then.ranked(core, wanted)
    hits: dict[str, tuple[Ranked, Hit]] = {}
    for each in ranked:
        memory = then.memories[each.memory]
        hits.setdefault(memory.content_hash, (each, hit_of(memory, each, wanted.question)))
    answer = answered(wanted, list(hits.values()), then.by_meaning)
    return replace(answer, degraded=degraded(core, missing=vector is None))


def _unchanged(store: Store, wanted: Asked, as_of: datetime, vector: np.ndarray | None) -> _Then:
    """Return the passages of memories that stand as they stood then."""
    words, where = " ".join(wanted.question.terms), replace(wanted.where, expired=True)
    then = _Then({}, [], [], [])
    for most in _SEARCHED:
        sought = store.seek(words, where, most)
        by_meaning = sought.by_meaning(vector) if vector is not None else []
        by_words = sought.by_words(vector)
        found = store.get({each.memory for each in (*by_words, *by_meaning)})
        stood = {id: memory for id, memory in found.items() if _stood(memory, wanted, as_of)}
        then = _Then(stood, _of(by_words, stood), _of(by_meaning, stood), [])
        if len(stood) >= wanted.limit or max(len(by_words), len(by_meaning)) < most:
            break
    return then


def _of(found: Iterable[Found], memories: dict[str, Memory]) -> list[Found]:
    return [each for each in found if each.memory in memories]


def _stood(memory: Memory, wanted: Asked, as_of: datetime) -> bool:
    """Tell whether a present memory was the same then, and counted."""
    expires = None if wanted.where.expired else memory.expires_at
    lasting = expires is None or expires > as_of
    return memory.state == LIVE and memory.updated_at <= as_of and lasting


def _changed(
    store: Store, wanted: Asked, as_of: datetime, vector: np.ndarray | None, then: _Then
) -> _Then:
    """Return the same with the passages of revisions that counted then and have been changed since."""
    earlier = [each for each in _revisions(store, wanted, as_of) if not each.held]
    present = store.get(each.id for each in earlier)
    # A crash may leave a copy of the present revision in the history: it is no earlier one.
    earlier = [each for each in earlier if each.id in present and each.seq < present[each.id].seq]
    same = {each.id for each in earlier if _said(each) == _said(present[each.id])}
    kept = store.passages_of(same) if same else {}
    changed: list[Found] = []
    for memory in earlier:
        # Its tags and its date were others then: the words are made anew, the meaning has stayed.
        known = {each.ordinal: embedding for each, embedding in kept.get(memory.id, ())}
        changed += [
            _found(memory, passage, _cosine(known.get(passage.ordinal), vector))
            for passage in indexing.passages(memory)
        ]
    return replace(
        then, memories={**then.memories, **{each.id: each for each in earlier}}, changed=changed
    )


def _revisions(store: Store, wanted: Asked, as_of: datetime) -> list[Memory]:
    """Return what a filter would have found then and is in the history now."""
    from memdesk.store import filters

    moment = filters.literal(as_of)
    return store.revisions(
        filters.both(
            filters.where(wanted.where, as_of, at="coalesce(happened_at, created_at)"),
            f"valid_from <= {moment}",
            f"valid_to > {moment}",
        )
    )


def _said(memory: Memory) -> tuple[object, ...]:
    return memory.content_hash, memory.speaker


def _found(memory: Memory, passage: Passage, cosine: float | None) -> Found:
    return Found(
        memory.id,
        passage.start,
        passage.end,
        None,
        cosine,
        ordinal=passage.ordinal,
        words=passage.words,
        space=memory.space,
        session=memory.session,
        position=memory.position,
        role=memory.role,
        speaker=memory.speaker,
        at=memory.when.timestamp(),
        asking=passage.asking,
        timed=passage.timed,
    )


def _cosine(known: Embedded | None, vector: np.ndarray | None) -> float | None:
    if known is None or vector is None:
        return None
    norms = float(np.linalg.norm(known.vector) * np.linalg.norm(vector))
    return float(known.vector @ vector) / (norms or 1.0)


def _read(
    core: Core, then: _Then, ranked: Sequence[Ranked], model: str, vector: np.ndarray
) -> _Then:
    """Return the same with the cosines of the best few that have none."""
    order = {each.memory: place for place, each in enumerate(ranked)}
    unread = [place for place, each in enumerate(then.changed) if each.cosine is None]
    unread.sort(key=lambda place: order[then.changed[place].memory])
    chosen = [then.changed[place] for place in unread[:_EMBEDDED]]
    if not chosen:
        return then
    texts = [indexing.meaning(then.memories[each.memory], each) for each in chosen]
    vectors = in_time(core.vectors(texts, model))
    changed = list(then.changed)
    for place, known in zip(unread, () if vectors is None else vectors, strict=False):
        changed[place] = replace(changed[place], cosine=_cosine(known, vector))
    return replace(then, changed=changed)
