"""The Inbox: what wants the person's eye, found in the background and settled by them alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from memdesk.answers import Changed, Concern, Inbox
from memdesk.errors import Invalid
from memdesk.memory import BURST, CONFLICT, LIVE, check_id, now
from memdesk.service import reading, reviewing
from memdesk.service.drafting import FLAGS, LOW_TRUST, SECRET, beside
from memdesk.service.reviewing import CONTRADICTION, DUPLICATE
from memdesk.service.writing import change_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from memdesk.memory import Memory
    from memdesk.service.core import Core
    from memdesk.service.reviewing import Looked
    from memdesk.store import Store

REPLACED = "replaced"
_DAYS = 30
"""How long a memory that an AI host replaced is shown."""
_PERSON = "person"
_PAGE = 500
_PAIRS = (DUPLICATE, CONTRADICTION, REPLACED)
_FLAGS = (*FLAGS, BURST, CONFLICT)


def inbox(core: Core, limit: int) -> Inbox:
    """Return what wants the person's eye, the newest first."""
    limit = reading.checked_limit(limit, reading.MAX_LIST)
    looked = reviewing.read(core)
    found = _concerns(core, looked)
    shown = [told for each in found[:limit] for told in _told(each)]
    store = core.store()
    behind = store.memories.count(f"seq > {looked.seq}") + len(looked.waiting)
    return Inbox(tuple(shown), len(found), behind)


def count(core: Core) -> int:
    """Return how many concerns there are."""
    return len(_concerns(core, reviewing.read(core)))


def _concerns(core: Core, looked: Looked) -> list[Concern]:
    """Return every concern that is not settled, the newest memory's first."""
    found = [*_flagged(core), *_paired(core, looked), *_replaced(core)]
    open_ = [each for each in found if not _is_settled(each)]
    return sorted(
        open_, key=lambda each: (each.memory.created_at, each.memory.id, each.key), reverse=True
    )


def _flagged(core: Core) -> Iterator[Concern]:
    for memory in core.store().flagged():
        yield from (Concern(flag, memory) for flag in memory.flags if flag in _FLAGS)


def _paired(core: Core, looked: Looked) -> Iterator[Concern]:
    pairs = looked.pairs.values()
    ids = {id for pair in pairs for id in (pair.newer, pair.older)}
    present = core.store().get(ids) if ids else {}
    for pair in pairs:
        newer, older = present.get(pair.newer), present.get(pair.older)
        if newer is None or older is None or not reviewing.alike(newer, older):
            continue
        if pair.texts == reviewing.texts_of(newer, older):
            yield Concern(pair.kind, newer, older, pair.cosine)


def _replaced(core: Core) -> Iterator[Concern]:
    """Yield what took the place of another in the last days, where no person asked for that."""
    store, since = core.store(), now() - timedelta(days=_DAYS)
    old = [each for each in store.replaced_since(since) if each.replaced_by]
    new = store.get({each.replaced_by for each in old if each.replaced_by}) if old else {}
    pairs = [(new[each.replaced_by], each) for each in old if each.replaced_by in new]
    pairs = [(memory, each) for memory, each in pairs if memory.state == LIVE]
    replacing = _replacing(store, pairs)
    for memory, each in pairs:
        then = replacing[each.id]
        # A host may call itself a person; that it wrote the new memory stands in its source.
        born = memory.source.trust == "agent" and then.updated_at == memory.created_at
        if then.updated_at > since and (born or then.actor != _PERSON):
            yield Concern(REPLACED, memory, each)


def _replacing(store: Store, pairs: Sequence[tuple[Memory, Memory]]) -> dict[str, Memory]:
    """Return the revisions in which the second ones were replaced, by their ids."""
    first = {each.id: each for _, each in pairs}
    changed = [each.id for memory, each in pairs if each.updated_at != memory.created_at]
    for start in range(0, len(changed), _PAGE):
        for earlier in store.revisions_of(*changed[start : start + _PAGE]):  # the newest first
            later = first[earlier.id]
            if earlier.replaced_by == later.replaced_by and earlier.state == later.state:
                first[earlier.id] = earlier
    return first


def _told(concern: Concern) -> Iterator[Concern]:
    """Yield a concern with what was found and where."""
    from memdesk.suspicion import secrets, suspicions

    if concern.kind == BURST:
        yield replace(concern, about=f"{concern.memory.source.name} {_TOO_MANY}")
    elif concern.kind not in FLAGS:
        yield replace(concern, about=_ABOUT[concern.kind])
    elif concern.kind == LOW_TRUST:
        yield replace(concern, about=f"it came from {concern.memory.source.name}")
    else:
        found = [each for each in suspicions(concern.memory.text) if each.kind == concern.kind]
        about = list(dict.fromkeys(each.about for each in found))
        if concern.kind == SECRET:
            others = dict.fromkeys(each.about for each in secrets(beside(concern.memory)))
            about += [f"{each} beside the text" for each in others]
        yield replace(concern, about=", ".join(about), spans=tuple(each.span for each in found))


_TOO_MANY = "saved too many in a minute; it is not recalled until you settle this"
_ABOUT = {
    DUPLICATE: "nearly the same as another",
    CONTRADICTION: "says otherwise than another",
    REPLACED: "took the place of another",
    CONFLICT: "had changed here and elsewhere; the later text won, the other one is in its history",
}


# What was settled stands in the memory: its kind; of a pair in both, each with the other's id. So it
# is settled no longer once either has another text, and nothing of a text stays with the other one.


def review(
    core: Core,
    concerns: Sequence[str],
    actor: str,
    change: str | None,
    *,
    fresh: bool = False,
) -> Changed:
    """Keep that the person has seen concerns, in the memories they are about."""
    keys = [_parsed(key) for key in concerns]
    settled: dict[str, list[str]] = {}
    for kind, id, other in keys:
        settled.setdefault(id, []).append(_mark(kind, other))
        if other:
            settled.setdefault(other, []).append(_mark(kind, id))

    def seen(memory: Memory) -> Memory | None:
        reviewed = _joined({*_settled(memory), *settled[memory.id]})
        return replace(memory, reviewed=reviewed) if reviewed != memory.reviewed else None

    return change_all(core, list(settled), seen, actor, change, fresh=fresh)


def _parsed(key: str) -> tuple[str, str, str]:
    """Return kind, id and the other's id of a concern's key; raises `Invalid`."""
    kind, _, ids = key.partition(":")
    id, _, other = ids.partition(":")
    if kind not in (*_FLAGS, *_PAIRS) or bool(other) != (kind in _PAIRS):
        raise Invalid("concerns", f"“{key[:100]}” is no concern's key; `inbox` lists them")
    return kind, check_id(id, "concerns"), check_id(other, "concerns") if other else ""


def _is_settled(concern: Concern) -> bool:
    memory, other = concern.memory, concern.other
    if other is None:
        return concern.kind in _settled(memory)
    one, two = _mark(concern.kind, other.id), _mark(concern.kind, memory.id)
    return one in _settled(memory) and two in _settled(other)


def _mark(kind: str, other: str) -> str:
    return f"{kind}:{other}" if other else kind


def _settled(memory: Memory) -> set[str]:
    return set((memory.reviewed or "").split())


def _joined(shorts: Iterable[str]) -> str:
    return " ".join(sorted(shorts))
