"""The verbs that read: none of them locks, none of them writes."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from memdesk import __version__
from memdesk.answers import Overview, Page, Profile, Revision, Stats, Status
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
    clean_tags,
    clean_word,
    count_tokens,
    now,
)
from memdesk.moment import placed, wall_clock
from memdesk.service import points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memdesk.service.core import Core
    from memdesk.store import Store

MAX_RECALL = 50
MAX_LIST = 1000
MAX_QUERY = 10_000
CANDIDATES = 100
"""Passages each search gives to the ranking (RECALL.md, recipe Z 3)."""
_SETTLED = ("preference", "fact", "decision")
_PROFILE_POOL = 200
_WEEKS = 12
"""Weeks whose additions are counted; they begin on Monday, as everywhere in memdesk."""


def checked_budget(max_tokens: int) -> int:
    """Return a token budget; raises `Invalid`."""
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


def list_(
    core: Core, where: Filter, limit: int, cursor: str | None, *, oldest_first: bool = False
) -> Page:
    """Return one page of memories, newest or oldest first; the cursor keeps its place while others write."""
    limit, where = checked_limit(limit, MAX_LIST), checked_filter(where)
    store = core.store()
    after = _read_cursor(cursor, store.stamp.epoch) if cursor else None
    found = store.find(where, limit=limit + 1, after=after, oldest=oldest_first)
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


def profile(
    core: Core, space: str, max_tokens: int, spaces: tuple[str, ...] | None = None
) -> Profile:
    """Return what is pinned, then preferences, facts and decisions, to the token budget.

    It is of the space and of `personal`, or else of the `spaces`.
    """
    space, max_tokens = check_space(space), checked_budget(max_tokens)
    spaces = spaces or tuple(dict.fromkeys((space, PERSONAL)))
    store = core.store()
    pinned = not_held(store, Filter(spaces=spaces, pinned=True), _PROFILE_POOL)
    settled = not_held(store, Filter(spaces=spaces, kinds=_SETTLED, pinned=False), _PROFILE_POOL)
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


def not_held(store: Store, where: Filter, limit: int) -> list[Memory]:
    """Return the newest memories of a filter that may be recalled."""
    found: list[Memory] = []
    after: tuple[datetime, str] | None = None
    while len(found) < limit:
        page = store.find(where, limit=limit, after=after)
        found += [each for each in page if not each.held]
        if len(page) < limit:
            break
        after = page[-1].created_at, page[-1].id
    return found[:limit]


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
        notes=(*core.notes, *([core.trouble] if core.trouble else []), *points.notes(core)),
    )


def overview(core: Core) -> Overview:
    """Return how many memories there are of everything one may browse by."""
    from memdesk.service import inbox

    today = wall_clock(now()).replace(hour=0, minute=0, second=0, microsecond=0)
    monday = today - timedelta(days=today.weekday())
    weeks = [placed(monday - timedelta(weeks=ago)) for ago in reversed(range(_WEEKS))]
    told = core.store().tally(weeks)
    return Overview(
        live=told.live,
        pinned=told.pinned,
        trash=told.trash,
        inbox=inbox.count(core),
        spaces=told.spaces,
        tags=told.tags,
        kinds=told.kinds,
        sources=told.sources,
        added=told.added,
    )


def status(core: Core) -> Status:
    """Return how the desk stands: the store, the lock, the background work."""
    from memdesk.service import switching

    stamp = core.store().stamp
    return Status(
        stats(core),
        __version__,
        core.lock.held(),
        core.duties.report(),
        points.told(core),
        core.remotes.told() if core.remotes else "",
        switch=switching.told(core),
        coming=stamp.coming,
        former=stamp.former,
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
        sources=tuple(clean_word(name, "source") for name in where.sources),
        expired=where.expired,
    )


def checked_limit(limit: int, most: int) -> int:
    """Return how many are wanted; raises `Invalid`."""
    if not 1 <= limit <= most:
        raise Invalid("limit", f"must be between 1 and {most}")
    return limit
