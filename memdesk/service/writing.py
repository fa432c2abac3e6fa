"""The verbs that change memories: each checks first, then writes under the lock."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from memdesk.answers import Changed, Remembered
from memdesk.errors import Conflict, Denied, Invalid, NotFound
from memdesk.memory import (
    LIVE,
    REPLACED,
    TOMBSTONE,
    TRASHED,
    Draft,
    Edit,
    Memory,
    check_id,
    clean_word,
    now,
)
from memdesk.service import indexing, points
from memdesk.service.core import MAINTENANCE, in_time
from memdesk.service.drafting import Checked, check, edited
from memdesk.service.realigning import bring_in_line, realign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from memdesk.service.core import Core, Writing
    from memdesk.service.realigning import Pair
    from memdesk.store import Store

Identity = tuple[str, str, str | None, int | None]
"""Space, content hash, session and position."""
MAX_IDS = 1000
_REMOTE = "remote"
"""The trust of what came from a remote."""
_REASON = "forgotten because"
_HELD = "one of too many in a minute replaces nothing until it is settled; try again later"


def remember(
    core: Core,
    draft: Draft,
    actor: str,
    change: str | None,
    *,
    fresh: bool = False,
    since: datetime | None = None,
) -> Remembered:
    """Store a draft, unless the same is there; it is on the disk when this returns."""
    checked = check(draft, now())
    change = checked_change(change)
    core.store()  # which model the store wants is known once it is open
    begun = indexing.begin(core, checked.memory)
    if not core.model_ready:
        in_time(begun.coming)  # a cold model loads before the lock is taken, not under it
    with core.writing(actor, change) as write:
        first = None if fresh else _first_result(write.store, change, checked.memory)
        if first:
            _index_if_missing(core, write.store, first.id)
        if known := first or _known(core, write, checked, None if fresh else since):
            return known
        memory = _store(write, checked.begun(write.at))
        made = begun.rows(write.store, memory)
        indexing.put(core, write.store, made)
    pending = sum(row.embedded is None for row in made)
    if pending:
        indexing.embed_in_background(core)
    return Remembered(memory.id, "stored", memory.space, checked.removed, memory.replaces, pending)


def _index_if_missing(core: Core, store: Store, id: str) -> None:
    """Give search a memory that a crash had cut off from it: its host waits for it to be found."""
    if not store.passages_of([id]):
        indexing.rebuild(store, list(store.get([id]).values()), core)


def _store(write: Writing, draft: Memory) -> Memory:
    """Put a new memory on the disk, and in the same commit mark the one it replaces."""
    replaced = _replaceable(write.store, draft.replaces, draft) if draft.replaces else None
    memory = write.sign(draft)
    if replaced is None:
        write.store.insert([memory])
        return memory
    old = write.sign(replace(replaced, state=REPLACED, replaced_by=memory.id))
    write.store.replace([memory, old], [replaced], write.at)
    realign(write.store, [old])
    return memory


def _replaceable(store: Store, id: str, by: Memory) -> Memory:
    if replace(by, state=LIVE).held:  # else neither of them would be found
        raise Denied(_HELD)
    old = existing(store, [id])[0]
    if old.state == REPLACED:
        raise Conflict(id, f"it was replaced by {old.replaced_by} already; replace that one")
    return old


def _known(core: Core, write: Writing, draft: Checked, since: datetime | None) -> Remembered | None:
    """Answer for a draft whose text is there already; a trashed or expired one comes back.

    But not one that somebody has forgotten after `since`, when this was asked for first. Nor is one
    from a remote what a person means to keep: it goes when it is deleted there.
    """
    memory = draft.memory
    same = write.store.same_texts([memory.content_hash])
    if memory.source.trust != _REMOTE:
        same = [each for each in same if each.source.trust != _REMOTE]
    twin = _best_twin((each for each in same if identity(each) == identity(memory)), write.at)
    if twin is None or twin.id == memory.replaces:
        return None
    outcome = "duplicate"
    changed = []
    if twin.state == TRASHED and since and twin.updated_at > since:
        return Remembered(twin.id, outcome, twin.space, draft.removed)
    if twin.state == TRASHED or expired(twin, write.at):
        outcome = "restored"
        changed.append((twin, replace(twin, state=LIVE, expires_at=memory.expires_at)))
    if memory.replaces:
        old = _replaceable(write.store, memory.replaces, twin)
        changed.append((old, replace(old, state=REPLACED, replaced_by=twin.id)))
    if changed:
        rewrite(core, write, changed)
    told = (twin.id, outcome, twin.space, draft.removed, memory.replaces)
    return Remembered(*told, held=twin.held)


def _best_twin(same: Iterable[Memory], at: datetime) -> Memory | None:
    def order(memory: Memory) -> tuple[bool, bool, int]:
        return memory.state == LIVE, not expired(memory, at), memory.seq

    there = (memory for memory in same if memory.state in (LIVE, TRASHED))
    return max(there, key=order, default=None)


def expired(memory: Memory, at: datetime) -> bool:
    """Tell whether a memory's time had run out at a moment."""
    return memory.expires_at is not None and memory.expires_at <= at


def _first_result(store: Store, change: str | None, draft: Memory) -> Remembered | None:
    """Answer a repeated `remember` as the first time: its change is on a revision already."""
    if change is None:
        return None
    present, earlier = store.changed_by(change)
    rows = sorted((*earlier, *present), key=lambda memory: memory.seq)
    replaced = next((row.id for row in rows if row.id == draft.replaces), None)
    same = [row for row in rows if identity(row) == identity(draft) and row.id != draft.replaces]
    if same:
        outcome = "stored" if _is_first(store, same[0]) else "restored"
        return Remembered(same[0].id, outcome, same[0].space, replaced=replaced)
    # The text was there already, and only what it replaces was written.
    by = next((row.replaced_by for row in rows if row.id == draft.replaces), None)
    return Remembered(by, "duplicate", draft.space, replaced=replaced) if by else None


def _is_first(store: Store, memory: Memory) -> bool:
    """Tell whether a revision is the one that a memory began with."""
    if memory.created_at == memory.updated_at:
        return True
    return not any(each.seq < memory.seq for each in store.revisions_of(memory.id))


def identity(memory: Memory) -> Identity:
    """Return what makes two memories the same: space and text, for turns also their place."""
    position = memory.position if memory.session is not None else None
    return memory.space, memory.content_hash, memory.session, position


def revise(
    core: Core,
    id: str,
    edit: Edit,
    actor: str,
    change: str | None,
    *,
    fresh: bool = False,
    base: int | None = None,
) -> Memory:
    """Change some fields of a live memory; the revision before stays in its history.

    Raises `Conflict` when it is not live, or has another revision than the one with the seq `base`.
    """
    id, change = check_id(id), checked_change(change)
    with core.writing(actor, change) as write:
        before = existing(write.store, [id])[0]
        if change and not fresh and (first := written_by(write.store, change, id)):
            return first
        check_live(before)
        check_base(write.store, before, base)
        after = edited(before, edit, write.at)
        if after == before:
            return before
        (revised,) = rewrite(core, write, [(before, after)])
    indexing.embed_in_background(core)
    return revised


_STATE_WORDS = {
    TRASHED: "it is in the trash; restore it first",
    REPLACED: "another memory took its place; revise that one, or restore this one first",
}


def check_base(store: Store, memory: Memory, base: int | None) -> None:
    """Raise `Conflict` when a memory has another revision by now than the one with the seq `base`.

    One to which maintenance has added nothing but flags since counts as the same.
    """
    if base is None or memory.seq == base:
        return
    earlier = store.revisions_of(memory.id)
    for before in (each for each in earlier if base <= each.seq < memory.seq):
        if not only_flagged(before, memory):
            break
        memory = before
    if memory.seq != base:
        words = f"revised by {memory.actor}; look at it as it is now, then do that again"
        raise Conflict(memory.id, words)


_NOT_TOLD = (*("flags", "clock_ms", "clock_n", "device", "seq", "updated_at", "change", "actor"),)


def only_flagged(before: Memory, after: Memory) -> bool:
    """Tell whether a revision is one of maintenance that changed nothing but the flags."""
    same = {name: getattr(before, name) for name in _NOT_TOLD}
    return after.actor == MAINTENANCE and replace(after, **same) == before


def check_live(memory: Memory) -> None:
    """Raise `Conflict` when a memory is not live."""
    if memory.state != LIVE:
        raise Conflict(memory.id, _STATE_WORDS[memory.state])


def forget(
    core: Core,
    ids: Sequence[str],
    reason: str,
    actor: str,
    change: str | None,
    *,
    fresh: bool = False,
) -> Changed:
    """Move memories to the trash, all or none; raises `NotFound`."""
    reason = clean_word(reason, "reason", 500)

    def changed(memory: Memory) -> Memory | None:
        return None if memory.state == TRASHED else trashed(memory, reason)

    return change_all(core, ids, changed, actor, change, fresh=fresh, bulk="forget")


def trash_expired(core: Core, ids: Sequence[str], actor: str, at: datetime) -> Changed:
    """Move those of the memories to the trash that had expired at a moment."""

    def changed(memory: Memory) -> Memory | None:
        if memory.state != LIVE or not expired(memory, at):
            return None
        return trashed(memory, "its time had run out")

    return change_all(core, ids, changed, actor, None)


def trashed(memory: Memory, reason: str = "") -> Memory:
    """Return the memory as it is in the trash."""
    return replace(memory, state=TRASHED, metadata=with_reason(memory.metadata, reason))


def restore(
    core: Core, ids: Sequence[str], actor: str, change: str | None, *, fresh: bool = False
) -> Changed:
    """Bring memories back from the trash, or from under what replaced them."""

    def restored(memory: Memory) -> Memory | None:
        if memory.state == LIVE and not expired(memory, now()):
            return None
        expires = None if expired(memory, now()) else memory.expires_at
        metadata = with_reason(memory.metadata, "")
        return replace(memory, state=LIVE, replaced_by=None, expires_at=expires, metadata=metadata)

    return change_all(core, ids, restored, actor, change, fresh=fresh, bulk="restore")


def with_reason(metadata: str, reason: str) -> str:
    """Return the metadata with why the memory was forgotten, or without when that is empty."""
    values = json.loads(metadata)
    values.pop(_REASON, None)
    if reason:
        values[_REASON] = reason
    return json.dumps(values, ensure_ascii=False, sort_keys=True)


def change_all(
    core: Core,
    ids: Sequence[str],
    changed: Callable[[Memory], Memory | None],
    actor: str,
    change: str | None,
    *,
    fresh: bool = False,
    settled: Callable[[Store, list[Pair], datetime], list[Pair]] | None = None,
    bulk: str = "",
) -> Changed:
    """Write what `changed` makes of memories, all or none; None stays as it is.

    `settled` is asked for what becomes of all of them, as (before, after), at a moment. `bulk` is
    what a restore point before many of them is for; without one there is none.
    """
    ids, change = checked_ids(ids), checked_change(change)
    if bulk:
        points.before_many(core, ids, bulk, change)
    with core.writing(actor, change) as write:
        if change and not fresh and (done := done_before(write.store, change)):
            return Changed(change, done)
        pairs = [(memory, changed(memory)) for memory in existing(write.store, ids)]
        wanted = [(before, after) for before, after in pairs if after is not None]
        if wanted and settled:
            wanted = settled(write.store, wanted, write.at)
        if wanted:
            rewrite(core, write, wanted)
        return Changed(
            write.change,
            tuple(before.id for before, _ in wanted),
            tuple(before.id for before, after in pairs if after is None),
        )


def written_by(store: Store, change: str, id: str) -> Memory | None:
    """Return the revision of a memory that a change wrote, if it has."""
    present, earlier = store.changed_by(change)
    return next((memory for memory in (*present, *earlier) if memory.id == id), None)


def done_before(store: Store, change: str) -> tuple[str, ...]:
    """Return the ids of the memories that a change wrote already."""
    present, earlier = store.changed_by(change)
    return tuple(dict.fromkeys(memory.id for memory in (*present, *earlier)))


def rewrite(core: Core, write: Writing, pairs: Sequence[tuple[Memory, Memory]]) -> list[Memory]:
    """Write new revisions of memories (before, after), and bring search in line."""
    made = [
        write.sign(replace(after, clock_ms=before.clock_ms, clock_n=before.clock_n))
        for before, after in pairs
    ]
    befores = [before for before, _ in pairs]
    write.store.replace(made, befores, write.at)
    bring_in_line(write.store, list(zip(befores, made, strict=True)), core)
    return made


def existing(store: Store, ids: Sequence[str]) -> list[Memory]:
    """Return the memories of these ids in this order; raises `NotFound` for one that is none."""
    found = store.get(ids)
    for id in ids:
        if id not in found or found[id].state == TOMBSTONE:
            raise NotFound(id)
    return [found[id] for id in ids]


def checked_ids(ids: Sequence[str]) -> list[str]:
    """Return ids in their usual form, each once; raises `Invalid` for none or too many."""
    checked = list(dict.fromkeys(check_id(id, "ids") for id in ids))
    if not checked:
        raise Invalid("ids", "are missing; name at least one memory")
    if len(checked) > MAX_IDS:
        raise Invalid("ids", f"are {len(checked)}; at most {MAX_IDS} are changed at once")
    return checked


def checked_change(change: str | None) -> str | None:
    """Return the id of a change in its usual form; raises `Invalid`."""
    return None if change is None else check_id(change, "change")
