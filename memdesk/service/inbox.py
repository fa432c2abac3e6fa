"""The Inbox: what wants the person's eye, found in the background and settled by them alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from memdesk.answers import Changed, Concern, Inbox
from memdesk.errors import Invalid
from memdesk.memory import LIVE, check_id, now
from memdesk.service import reading, reviewing
from memdesk.service.drafting import FLAGS, LOW_TRUST
from memdesk.service.reviewing import CONTRADICTION, DUPLICATE, text_of
from memdesk.service.writing import change_all, existing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from memdesk.memory import Memory
    from memdesk.service.core import Core
    from memdesk.service.reviewing import Looked

REPLACED = "replaced"
_DAYS = 30
"""How long a memory that an AI host replaced is shown."""
_PERSON = "person"
_PAIRS = (DUPLICATE, CONTRADICTION, REPLACED)


def inbox(core: Core, limit: int) -> Inbox:
    """Return what wants the person's eye, the newest first."""
    limit = reading.checked_limit(limit, reading.MAX_LIST)
    looked = reviewing.read(core)
    found = _concerns(core, looked)
    shown = [told for each in found[:limit] for told in _told(each)]
    store = core.store()
    behind = len(store.changed_since(looked.seq)) + len(looked.waiting)
    return Inbox(tuple(shown), len(found), behind)


def count(core: Core) -> int:
    """Return how many concerns there are."""
    return len(_concerns(core, reviewing.read(core)))


def _concerns(core: Core, looked: Looked) -> list[Concern]:
    """Return every concern that is not settled, the newest memory's first."""
    found = [*_flagged(core), *_paired(core, looked), *_replaced(core)]
    open_ = [each for each in found if _short(each) not in _settled(each.memory)]
    return sorted(
        open_, key=lambda each: (each.memory.created_at, each.memory.id, each.key), reverse=True
    )


def _flagged(core: Core) -> Iterator[Concern]:
    for memory in core.store().flagged():
        yield from (Concern(flag, memory) for flag in memory.flags if flag in FLAGS)


def _paired(core: Core, looked: Looked) -> Iterator[Concern]:
    present = core.store().get({id for pair in looked.pairs for id in pair}) if looked.pairs else {}
    for pair in looked.pairs.values():
        newer, older = present.get(pair.newer), present.get(pair.older)
        if newer is None or older is None or not reviewing.alike(newer, older):
            continue
        if pair.texts == reviewing.texts_of(newer, older):
            yield Concern(pair.kind, newer, older, pair.cosine)


def _replaced(core: Core) -> Iterator[Concern]:
    """Yield what took the place of another in the last days, where no person asked for that."""
    store = core.store()
    old = [
        each
        for each in store.replaced_since(now() - timedelta(days=_DAYS))
        if each.actor != _PERSON and each.replaced_by
    ]
    new = store.get({each.replaced_by for each in old if each.replaced_by}) if old else {}
    for each in old:
        memory = new.get(each.replaced_by or "")
        if memory and memory.state == LIVE:
            yield Concern(REPLACED, memory, each)


def _told(concern: Concern) -> Iterator[Concern]:
    """Yield a concern with what was found and where."""
    from memdesk.suspicion import suspicions

    if concern.kind not in FLAGS:
        yield replace(concern, about=_ABOUT[concern.kind])
    elif concern.kind == LOW_TRUST:
        yield replace(concern, about=f"it came from {concern.memory.source.name}")
    else:
        found = [each for each in suspicions(concern.memory.text) if each.kind == concern.kind]
        about = ", ".join(dict.fromkeys(each.about for each in found))
        yield replace(concern, about=about, spans=tuple(each.span for each in found))


_ABOUT = {
    DUPLICATE: "nearly the same as another",
    CONTRADICTION: "says otherwise than another",
    REPLACED: "took the place of another",
}


# What was settled stands in the newer memory: its kind, and for a pair the other's id and text.


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
    others = [other for _, _, other in keys if other]
    texts = {each.id: text_of(each) for each in existing(core.store(), others)}
    settled: dict[str, list[str]] = {}
    for kind, id, other in keys:
        short = f"{kind}:{other}:{texts[other]}" if other else kind
        settled.setdefault(id, []).append(short)

    def seen(memory: Memory) -> Memory | None:
        reviewed = _joined({*_settled(memory), *settled[memory.id]})
        return replace(memory, reviewed=reviewed) if reviewed != memory.reviewed else None

    return change_all(core, list(settled), seen, actor, change, fresh=fresh)


def _parsed(key: str) -> tuple[str, str, str]:
    """Return kind, id and the other's id of a concern's key; raises `Invalid`."""
    kind, _, ids = key.partition(":")
    id, _, other = ids.partition(":")
    if kind not in (*FLAGS, *_PAIRS) or bool(other) != (kind in _PAIRS):
        raise Invalid("concerns", f"“{key[:100]}” is no concern's key; `inbox` lists them")
    return kind, check_id(id, "concerns"), check_id(other, "concerns") if other else ""


def _short(concern: Concern) -> str:
    other = concern.other
    return f"{concern.kind}:{other.id}:{text_of(other)}" if other else concern.kind


def _settled(memory: Memory) -> set[str]:
    return set((memory.reviewed or "").split())


def _joined(shorts: Iterable[str]) -> str:
    return " ".join(sorted(shorts))
