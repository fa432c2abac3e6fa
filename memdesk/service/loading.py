"""Many memories at once: embedded together, and on the disk batch by batch."""

from __future__ import annotations

from itertools import accumulate, islice
from typing import TYPE_CHECKING

from memdesk.answers import Remembered
from memdesk.limits import check as check_wanted
from memdesk.memory import now
from memdesk.service import indexing, points
from memdesk.service.drafting import Checked, check
from memdesk.service.writing import Identity, identity, remember

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from memdesk.memory import Draft, Memory
    from memdesk.passages import Embedded, Passage
    from memdesk.service.core import Core
    from memdesk.store import PassageRow, Store

_BATCH = 1000


def remember_many(
    core: Core,
    drafts: Iterable[Draft],
    actor: str,
    change: str | None,
    progress: Callable[[int], None] | None,
    *,
    fresh: bool = False,
) -> tuple[Remembered, ...]:
    """Store many drafts, in batches that are each on the disk before the next is begun.

    Raises `Invalid` for the first draft that cannot be stored; the batches before it stay.
    """
    results: list[Remembered] = []
    waiting = iter(drafts)
    while batch := list(islice(waiting, _BATCH)):
        check_wanted()
        if not results:  # further batches are of the same change
            points.before_import(core, [each.text for each in batch], change)
        results += _remember_batch(core, batch, actor, change, fresh=fresh)
        if progress:
            progress(len(results))
    return tuple(results)


def _remember_batch(
    core: Core, drafts: Sequence[Draft], actor: str, change: str | None, *, fresh: bool
) -> list[Remembered]:
    checked = [check(draft, now()) for draft in drafts]
    written = {} if fresh else _written_by(core.store(), change)
    new = _unknown(core.store(), checked)
    model = core.fingerprint
    embedded = _embed(core, new, model)
    with core.writing(actor, change) as write:
        still_new = {draft.memory.id for draft in _unknown(write.store, new)}
        rows: list[PassageRow] = []
        stored: dict[str, Memory] = {}
        for draft, passages, vectors in embedded:
            if draft.memory.id in still_new:
                memory = write.sign(draft.begun(write.at))
                stored[memory.id] = memory
                same_model = model == write.store.stamp.fingerprint
                rows += indexing.rows(memory, passages, vectors if same_model else None)
        if stored:
            write.store.insert(list(stored.values()))
            indexing.put(core, write.store, rows)
    if any(row.embedded is None for row in rows):
        indexing.embed_in_background(core)
    results = []
    for each, asked in zip(checked, drafts, strict=True):
        known = stored.get(each.memory.id) or written.get(identity(each.memory))
        # What is no new memory takes the way of a single one.
        results.append(
            _stored(known, each) if known else remember(core, asked, actor, change, fresh=fresh)
        )
    return results


def _stored(memory: Memory, checked: Checked) -> Remembered:
    return Remembered(memory.id, "stored", memory.space, checked.removed, memory.replaces)


def _written_by(store: Store, change: str | None) -> dict[Identity, Memory]:
    """Return what a repeated change wrote the first time."""
    present, earlier = store.changed_by(change) if change else ([], [])
    return {identity(memory): memory for memory in (*present, *earlier)}


def _embed(
    core: Core, drafts: Sequence[Checked], model: str
) -> list[tuple[Checked, list[Passage], list[Embedded] | None]]:
    """Return each draft with its passages and their vectors, all embedded together."""
    cut = [(draft, indexing.passages(draft.memory, core.recipe)) for draft in drafts]
    texts = [indexing.meaning(draft.memory, one) for draft, found in cut for one in found]
    vectors = core.vectors(texts, model).result() if texts else None
    if vectors is None:
        return [(draft, found, None) for draft, found in cut]
    ends = accumulate(len(found) for _, found in cut)
    return [
        (draft, found, vectors[end - len(found) : end])
        for (draft, found), end in zip(cut, ends, strict=True)
    ]


def _unknown(store: Store, drafts: Sequence[Checked]) -> list[Checked]:
    """Return the drafts that replace nothing and whose text is new to the store, each text once."""
    hashes = {draft.memory.content_hash for draft in drafts}
    seen = {identity(memory) for memory in store.same_texts(hashes)} if hashes else set()
    new: dict[Identity, Checked] = {}
    for draft in drafts:
        if draft.memory.replaces is None and identity(draft.memory) not in seen:
            new.setdefault(identity(draft.memory), draft)
    return list(new.values())
