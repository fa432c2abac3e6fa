"""The verbs that read: none of them locks, none of them writes."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from memdesk import ranking
from memdesk.answers import Hit, Page, Profile, Recalled, Revision, Stats
from memdesk.errors import Invalid, NotFound
from memdesk.memory import (
    LIVE,
    PERSONAL,
    STATES,
    TRUSTS,
    Filter,
    Memory,
    check_id,
    check_kind,
    check_space,
    clean,
    clean_tags,
    count_tokens,
)
from memdesk.service.core import in_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memdesk.passages import Found
    from memdesk.service.core import Core
    from memdesk.store import Store

MAX_RECALL = 50
MAX_LIST = 1000
MAX_QUERY = 10_000
CANDIDATES = 100
"""Passages each search gives to the ranking (RECALL.md, recipe Z 3)."""
MORE = 4000
"""Passages asked for when those of long documents fill the first answer."""
_SETTLED = ("preference", "fact", "decision")
_PROFILE_POOL = 200


def recall(core: Core, query: str, limit: int, where: Filter, max_tokens: int) -> Recalled:
    """Return the memories that answer a question best, by their words and by their meaning."""
    question = _checked_query(query)
    limit = _checked_limit(limit, MAX_RECALL)
    where = checked_filter(where)
    max_tokens = _checked_budget(max_tokens)
    store = core.store()
    vector_coming = core.query_vector(question)
    words = ranking.keywords(question)
    words_sought = store.search_words(words, where, CANDIDATES)
    vector = in_time(vector_coming)
    if vector is not None and len(vector) != store.stamp.dims:
        vector = None  # the store has switched to another model in this very moment
    by_meaning = store.search_vector(vector, where, CANDIDATES) if vector is not None else []
    by_words = words_sought.against(vector)
    if _crowded(by_words, limit):
        by_words = store.search_words(words, where, MORE).against(vector)
    if vector is not None and _crowded(by_meaning, limit):
        by_meaning = store.search_vector(vector, where, MORE)
    hits = _hits(store, ranking.rank(by_words, by_meaning), where, limit)
    return Recalled(_within(hits, max_tokens), _degraded(core, missing=vector is None))


def _crowded(found: Sequence[Found], limit: int) -> bool:
    """Tell whether the passages of a few long memories have kept others out."""
    return len(found) >= CANDIDATES and len({each.memory for each in found}) < 2 * limit


def _degraded(core: Core, *, missing: bool) -> str | None:
    if not missing:
        return None
    return core.trouble or "the model is still loading"


def _hits(store: Store, ranked: Sequence[ranking.Ranked], where: Filter, limit: int) -> list[Hit]:
    """Fetch the best of what was ranked; what was forgotten in this very moment is left out."""
    hits: list[Hit] = []
    for start in range(0, len(ranked), limit):
        batch = ranked[start : start + limit]
        found = store.get([each.memory for each in batch])
        hits += [
            _hit(found[each.memory], each)
            for each in batch
            if each.memory in found and _still(found[each.memory], where)
        ]
        if len(hits) >= limit:
            break
    return hits[:limit]


def _hit(memory: Memory, ranked: ranking.Ranked) -> Hit:
    return Hit(
        memory=memory,
        score=ranked.score,
        passage=memory.text[ranked.start : ranked.end],
        span=(ranked.start, ranked.end),
        keyword_rank=ranked.keyword_rank,
        keyword_score=ranked.keyword_score,
        vector_rank=ranked.vector_rank,
        cosine=ranked.cosine,
    )


def _still(memory: Memory, where: Filter) -> bool:
    """Tell whether a memory is as the filter wants it now; search may be one step behind."""
    in_space = not where.spaces or memory.space in where.spaces
    return bool(memory.text) and memory.state in where.states and in_space


def _within(hits: Sequence[Hit], max_tokens: int) -> tuple[Hit, ...]:
    """Return the best hits whose texts fit the budget; the first always stays."""
    if max_tokens <= 0:
        return tuple(hits)
    kept: list[Hit] = []
    spent = 0
    for hit in hits:
        spent += count_tokens(hit.memory.text)
        if kept and spent > max_tokens:
            break
        kept.append(hit)
    return tuple(kept)


def _checked_budget(max_tokens: int) -> int:
    if max_tokens < 0:
        raise Invalid("max_tokens", "must be 0, for no budget, or more")
    return max_tokens


def get(core: Core, ids: Sequence[str]) -> tuple[Memory, ...]:
    """Return memories by their ids, in any state; raises `NotFound` for the first that is none."""
    wanted = [check_id(id, "ids") for id in ids]
    found = core.store().get(wanted)
    for id in wanted:
        if id not in found:
            raise NotFound(id)
    return tuple(found[id] for id in wanted)


def list_(core: Core, where: Filter, limit: int, cursor: str | None) -> Page:
    """Return one page of memories, newest first; the cursor keeps its place while others write."""
    limit, where = _checked_limit(limit, MAX_LIST), checked_filter(where)
    store = core.store()
    after = _read_cursor(cursor, store.stamp.epoch) if cursor else None
    found = store.find(where, limit=limit + 1, after=after)
    more = len(found) > limit
    return Page(
        tuple(found[:limit]),
        _cursor(store.stamp.epoch, found[limit - 1]) if more else None,
    )


def _cursor(epoch: str, last: Memory) -> str:
    place = json.dumps([epoch, last.created_at.isoformat(), last.id])
    return base64.urlsafe_b64encode(place.encode()).decode()


def _read_cursor(cursor: str, epoch: str) -> tuple[datetime, str]:
    try:
        of, at, id = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        place = datetime.fromisoformat(at), check_id(id)
        place[0].astimezone(UTC)
    except (ValueError, TypeError, RecursionError, OverflowError, Invalid):
        raise Invalid("cursor", "is none that memdesk gave; leave it out to begin anew") from None
    if of != epoch:
        raise Invalid("cursor", "is of another copy of the store; leave it out to begin anew")
    return place


def history(core: Core, id: str) -> tuple[Revision, ...]:
    """Return every state a memory was in, newest first; raises `NotFound`."""
    (present,) = get(core, [id])
    earlier = [each for each in core.store().revisions_of(present.id) if each.seq < present.seq]
    revisions = [Revision(present, present.updated_at, None)]
    for memory in earlier:
        revisions.append(Revision(memory, memory.updated_at, revisions[-1].valid_from))
    return tuple(revisions)


def profile(core: Core, space: str, max_tokens: int) -> Profile:
    """Return what is pinned, then preferences, facts and decisions, to the token budget."""
    space, max_tokens = check_space(space), _checked_budget(max_tokens)
    spaces = tuple(dict.fromkeys((space, PERSONAL)))
    store = core.store()
    pinned = store.find(Filter(spaces=spaces, pinned=True), limit=_PROFILE_POOL)
    settled = store.find(Filter(spaces=spaces, kinds=_SETTLED, pinned=False), limit=_PROFILE_POOL)
    settled.sort(key=lambda memory: TRUSTS.index(memory.source.trust))
    unique: dict[str, Memory] = {}
    for memory in (*pinned, *settled):
        unique.setdefault(memory.content_hash, memory)
    kept: list[Memory] = []
    spent = 0
    for memory in unique.values():
        cost = count_tokens(memory.text)
        if max_tokens <= 0 or spent + cost <= max_tokens:
            kept.append(memory)
            spent += cost
    return Profile(space, tuple(kept), len(unique) - len(kept))


def stats(core: Core) -> Stats:
    """Return the store in numbers."""
    store = core.store()
    stamp = store.stamp
    live = Filter()
    return Stats(
        path=str(store.home),
        bytes_on_disk=store.size(),
        states=store.counts("state"),
        spaces=store.counts("space", live),
        kinds=store.counts("kind", live),
        tags=store.counts("tags", live),
        passages=store.passages.count(),
        pending=store.passages.count("embedded = false"),
        seq=max((memory.seq for memory in store.latest()), default=0),
        epoch=stamp.epoch,
        model=stamp.model,
        fingerprint=stamp.fingerprint,
        device=stamp.device,
        format=stamp.format,
        lancedb=stamp.lancedb,
        notes=(*core.notes, *([core.trouble] if core.trouble else [])),
    )


def checked_filter(where: Filter) -> Filter:
    """Return the filter with its names in their usual form; raises `Invalid`."""
    for state in where.states:
        if state not in STATES:
            raise Invalid("state", f"must be one of {', '.join(STATES)}")
    if where.tags and not clean_tags(where.tags):
        raise Invalid("tags", "are empty; name at least one or leave them out")
    if where.since and where.until and where.since >= where.until:
        raise Invalid("until", "must be later than since")
    return Filter(
        spaces=tuple(check_space(space) for space in where.spaces),
        kinds=tuple(check_kind(kind) for kind in where.kinds),
        tags=clean_tags(where.tags),
        since=where.since,
        until=where.until,
        states=where.states or (LIVE,),
        pinned=where.pinned,
        expired=where.expired,
    )


def _checked_query(query: str) -> str:
    cleaned = clean(query, "query")[0].strip()
    if not cleaned:
        raise Invalid("query", "is empty; give the words or the question to look for")
    if len(cleaned) > MAX_QUERY:
        raise Invalid(
            "query", f"is {len(cleaned):,} characters long; at most {MAX_QUERY:,} are used"
        )
    return cleaned


def _checked_limit(limit: int, most: int) -> int:
    if not 1 <= limit <= most:
        raise Invalid("limit", f"must be between 1 and {most}")
    return limit
