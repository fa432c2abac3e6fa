"""Tidying up: the verbs that change many memories at once, or one back to what it was."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from memdesk.answers import Changed
from memdesk.errors import Busy, Invalid, MemdeskError, StoreError
from memdesk.limits import check as check_wanted
from memdesk.memory import (
    LIVE,
    PERSONAL,
    REPLACED,
    TRASHED,
    Edit,
    Filter,
    Memory,
    check_id,
    check_space,
    clean_tags,
    new_id,
    now,
)
from memdesk.service import indexing, points
from memdesk.service.drafting import edited, reflagged
from memdesk.service.writing import (
    change_all,
    check_base,
    check_live,
    checked_change,
    done_before,
    existing,
    expired,
    identity,
    rewrite,
    trashed,
    with_reason,
    written_by,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from memdesk.service.core import Core, Writing
    from memdesk.service.realigning import Pair
    from memdesk.store import Store

    Step = Callable[[Writing, list[Memory]], list[Pair]]
    """What a change makes of some memories."""

_BATCH = 500
_KEPT = (LIVE, TRASHED, REPLACED)
_REVERTED = (
    *("kind", "tags", "space", "happened_at", "happened_precision", "utc_offset_min", "pinned"),
    "confidence",
)


def revise_many(
    core: Core,
    ids: Sequence[str],
    edit: Edit,
    actor: str,
    change: str | None,
    *,
    fresh: bool = False,
) -> Changed:
    """Change the same fields of live memories, all or none.

    One that is moved to where its very text is live already is replaced by that one.
    """
    if edit.text is not None:
        raise Invalid("text", "is one memory's own; revise them one at a time to change it")
    at = now()

    def revised(memory: Memory) -> Memory | None:
        check_live(memory)
        after = edited(memory, edit, at)
        return after if after != memory else None

    into = None if edit.space is None else _one_of_twins
    changed = change_all(
        core, ids, revised, actor, change, fresh=fresh, settled=into, bulk="revise many"
    )
    indexing.embed_in_background(core)
    return changed


def rename_tag(
    core: Core, tag: str, into: str, actor: str, change: str | None, *, fresh: bool = False
) -> Changed:
    """Put another tag in a tag's place, or none, on every memory that has it, forgotten ones too."""
    old, new = clean_tags((tag,)), clean_tags((into,))
    if not old:
        raise Invalid("tag", "is empty; name the one to change")
    if new == old:
        raise Invalid("into", f"“{old[0]}” is what the tag is called already; give another name")

    def renamed(_: Writing, memories: list[Memory]) -> list[Pair]:
        return [
            (memory, replace(memory, tags=clean_tags(_put_for(memory.tags, old, new))))
            for memory in memories
        ]

    wanted = Filter(tags=old, states=_KEPT, expired=True)
    nobody = Invalid("tag", f"“{old[0]}” is on no memory")
    _before(core, wanted, "rename a tag", change)
    return _change_each(core, wanted, renamed, actor, change, nobody=nobody, fresh=fresh)


def _put_for(tags: tuple[str, ...], old: tuple[str, ...], new: tuple[str, ...]) -> list[str]:
    return [each for tag in tags for each in (new if tag in old else (tag,))]


def rename_space(
    core: Core, space: str, into: str, actor: str, change: str | None, *, fresh: bool = False
) -> Changed:
    """Move every memory of a space to another, forgotten ones too.

    A live one whose very text is live there already is replaced by that one.
    """
    check_space(space)
    if check_space(into, "into") == space:
        raise Invalid("into", f"“{space}” is what the space is called already; give another name")

    def moved(write: Writing, memories: list[Memory]) -> list[Pair]:
        pairs = [(memory, replace(memory, space=into)) for memory in memories]
        return _one_of_twins(write.store, pairs, write.at)

    wanted = Filter(spaces=(space,), states=_KEPT, expired=True)
    nobody = Invalid("space", f"“{space}” holds no memories")
    _before(core, wanted, "rename a space", change)
    return _change_each(core, wanted, moved, actor, change, nobody=nobody, fresh=fresh)


def _one_of_twins(store: Store, pairs: list[Pair], at: datetime) -> list[Pair]:
    """Have live memories that are moved replaced by those that are the same, and there already.

    Of two that come together, the first one is there.
    """
    moving = {before.id for before, after in pairs if before.space != after.space}
    there = {
        identity(twin): twin.id
        for twin in store.same_texts({after.content_hash for _, after in pairs})
        if twin.id not in moving and twin.state == LIVE and not expired(twin, at)
    }
    settled: list[Pair] = []
    for before, after in pairs:
        twin = there.get(identity(after)) if before.id in moving else None
        if twin and after.state == LIVE:
            settled.append((before, replace(after, state=REPLACED, replaced_by=twin)))
            continue
        if after.state == LIVE and not expired(after, at):
            there.setdefault(identity(after), after.id)
        settled.append((before, after))
    return settled


def delete_space(
    core: Core, space: str, actor: str, change: str | None, *, fresh: bool = False
) -> Changed:
    """Move every live memory of a space to the trash; the space itself is where its memories are."""
    if check_space(space) == PERSONAL:
        raise Invalid(
            "space",
            f"“{PERSONAL}” is where everything is that has no project; it cannot be deleted",
        )

    def forgotten(_: Writing, memories: list[Memory]) -> list[Pair]:
        return [(memory, trashed(memory)) for memory in memories]

    wanted = Filter(spaces=(space,), expired=True)
    nobody = Invalid("space", f"“{space}” holds no live memories")
    _before(core, wanted, "delete a space", change)
    return _change_each(core, wanted, forgotten, actor, change, nobody=nobody, fresh=fresh)


def _before(core: Core, wanted: Filter, reason: str, change: str | None) -> None:
    """Make a restore point before a change of the memories of a filter, where there are many."""
    change = checked_change(change)
    points.before_many(core, core.store().find(wanted, limit=points.BULK + 1), reason, change)


def _change_each(
    core: Core,
    wanted: Filter,
    step: Step,
    actor: str,
    change: str | None,
    *,
    nobody: Invalid,
    fresh: bool,
) -> Changed:
    """Rewrite every memory of a filter, in batches that are each on the disk before the next.

    A repeated change goes on where it was cut off; what was written since it began stays as it is.
    Raises `nobody` where there is no such memory. What fails in between tells how far it came.
    """
    known = None if fresh else checked_change(change)
    change = checked_change(change) or new_id()
    written, began = _begun(core, known)
    done = dict.fromkeys(written)
    try:
        for batch in _batches(core, wanted, step, actor, change, before=began):
            done |= dict.fromkeys(batch)
    except MemdeskError as error:
        if not done:
            raise
        raise _so_far(error, core, wanted, len(done)) from error
    if not done:
        raise nobody
    return Changed(change, tuple(done))


def _batches(
    core: Core, wanted: Filter, step: Step, actor: str, change: str, *, before: int | None
) -> Iterator[list[str]]:
    """Rewrite the memories of a filter, those `before` a seq if one is given.

    Yields the ids of each batch once it is on the disk.
    """
    after = None
    while True:
        check_wanted()
        with core.writing(actor, change) as write:
            found = write.store.find(wanted, limit=_BATCH, after=after)
            due = [memory for memory in found if before is None or memory.seq < before]
            if due:
                rewrite(core, write, step(write, due))
        yield [memory.id for memory in due]
        if len(found) < _BATCH:
            return
        after = found[-1].created_at, found[-1].id


def _so_far(error: MemdeskError, core: Core, wanted: Filter, done: int) -> MemdeskError:
    """Return an error that also tells how many memories were done before."""
    words = f"{done:,}"
    with suppress(StoreError):
        words += f" of {done + sum(core.store().counts('state', wanted).values()):,}"
    words += " are done, do it again to finish"
    if isinstance(error, Busy):
        return Busy(error.holder, error.waited, words)
    return type(error)(f"{error}; {words}") if len(error.args) == 1 else error


def _begun(core: Core, change: str | None) -> tuple[list[str], int | None]:
    """Return the ids that a change has written already, and the seq of the first, if any."""
    present, earlier = core.store().changed_by(change) if change else ([], [])
    written = sorted((*present, *earlier), key=lambda memory: memory.seq)
    return [memory.id for memory in written], written[0].seq if written else None


def merge(
    core: Core,
    keep: str,
    drop: str,
    edit: Edit | None,
    actor: str,
    *,
    change: str | None,
    bases: tuple[int, int] | None = None,
    fresh: bool = False,
) -> Changed:
    """Make two live memories one: `drop` is replaced by `keep`, which has what either told.

    What `edit` gives wins over that. Raises `Conflict` when one is not live, or has another revision
    than the one with its seq of `bases`.
    """
    keep, drop, change = check_id(keep, "keep"), check_id(drop, "drop"), checked_change(change)
    if keep == drop:
        raise Invalid("drop", "is the memory to keep itself; name another one")
    with core.writing(actor, change) as write:
        if change and not fresh and (done := done_before(write.store, change)):
            return Changed(change, done)
        kept, dropped = existing(write.store, [keep, drop])
        for memory, base in zip((kept, dropped), bases or (None, None), strict=True):
            check_live(memory)
            check_base(write.store, memory, base)
        whole = _with_both(kept, dropped)
        if edit and edit != Edit():
            whole = edited(whole, edit, write.at)
        replaced = replace(dropped, state=REPLACED, replaced_by=keep)
        rewrite(core, write, [(kept, whole), (dropped, replaced)])
    indexing.embed_in_background(core)
    return Changed(write.change, (keep, drop))


def _with_both(kept: Memory, dropped: Memory) -> Memory:
    """Return the memory with what only the other one knew, as private as the two together."""
    both = (kept.expires_at, dropped.expires_at)
    if kept.happened_at is None:
        kept = replace(
            kept,
            happened_at=dropped.happened_at,
            happened_precision=dropped.happened_precision,
            utc_offset_min=dropped.utc_offset_min,
        )
    return replace(
        kept,
        tags=clean_tags((*kept.tags, *dropped.tags)),
        audience=tuple(each for each in kept.audience if each in dropped.audience),
        expires_at=max((at for at in both if at), default=None) if all(both) else None,
        pinned=kept.pinned or dropped.pinned,
        replaces=kept.replaces or dropped.id,
    )


def revert(
    core: Core, id: str, seq: int, actor: str, change: str | None, *, fresh: bool = False
) -> Memory:
    """Write what an earlier revision of a live memory told forward, as a new revision.

    Neither its audience of then is brought back, nor a moment of expiry that has passed since.
    """
    id, change = check_id(id), checked_change(change)
    with core.writing(actor, change) as write:
        before = existing(write.store, [id])[0]
        if change and not fresh and (first := written_by(write.store, change, id)):
            return first
        check_live(before)
        revisions = (before, *write.store.revisions_of(id))
        then = next((each for each in revisions if each.seq == seq), None)
        if then is None:
            raise Invalid(
                "seq", f"{seq} is no revision of this memory; its history tells which are"
            )
        after = _as_then(before, then, write)
        if after == before:
            return before
        (reverted,) = rewrite(core, write, [(before, after)])
    indexing.embed_in_background(core)
    return reverted


def _as_then(memory: Memory, then: Memory, write: Writing) -> Memory:
    if memory.text != then.text:
        memory = edited(memory, Edit(text=then.text), write.at)
    told = {name: getattr(then, name) for name in _REVERTED}
    after = replace(
        memory,
        **told,
        expires_at=None if expired(then, write.at) else then.expires_at,
        metadata=with_reason(then.metadata, ""),
    )
    return reflagged(memory, after)
