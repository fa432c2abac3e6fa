"""Purge: memories of the trash are erased for good, and nothing can bring them back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from memdesk.answers import Changed
from memdesk.errors import Invalid
from memdesk.memory import TOMBSTONE, TRASHED, Memory, Source
from memdesk.service import reviewing
from memdesk.service.writing import checked_change, checked_ids, done_before, existing
from memdesk.terms import forget_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memdesk.service.core import Core, Writing


def purge(
    core: Core, ids: Sequence[str], actor: str, change: str | None, *, fresh: bool = False
) -> Changed:
    """Erase memories of the trash for good: their text, history and passages.

    A tombstone without words stays, so that other devices learn of it.
    """
    ids, change = checked_ids(ids), checked_change(change)
    with core.writing(actor, change) as write:
        done = done_before(write.store, change) if change and not fresh else ()
        texts = set() if done else _erase(core, write, ids)
    # Also where it was done before: whoever did it may have died before it came to this.
    done = done or tuple(ids)
    core.activity.forget(done, texts)
    reviewing.forget(core, done)
    core.maintain_soon()
    return Changed(write.change, done)


def _erase(core: Core, write: Writing, ids: Sequence[str]) -> set[str]:
    """Erase memories of the trash from the store; return all texts that they have had."""
    from memdesk.store import request_scrub

    memories = existing(write.store, ids)
    for memory in memories:
        if memory.state != TRASHED:
            raise Invalid("id", f"{memory.id} is not in the trash; forget it first")
    texts = {each.text for each in (*memories, *write.store.revisions_of(*ids))}
    core.activity.forget(ids, texts)  # a second try would not know the texts any more
    tombs = [write.sign(tombstone(memory)) for memory in memories]
    # First the wish, then the copies: were the power cut in between, the memory would still be
    # in the trash. Nothing is scrubbed before this lock is let go.
    request_scrub(write.store)
    write.store.unindex(ids)
    write.store.passages.flush(always=True)  # else a power cut could let search find them again
    write.store.drop_revisions(ids)
    write.store.replace(tombs, (), write.at)
    write.store.forget_kept()
    forget_words()
    return texts


def tombstone(memory: Memory) -> Memory:
    """Return what stays of a memory that is erased: no word of it."""
    return replace(
        memory,
        state=TOMBSTONE,
        text="",
        tags=(),
        source=Source("", memory.source.trust, ""),
        session=None,
        position=None,
        role=None,
        speaker=None,
        happened_at=None,
        happened_precision=None,
        utc_offset_min=None,
        expires_at=None,
        pinned=False,
        confidence=None,
        flags=(),
        reviewed=None,
        metadata="{}",
        content_hash="",
    )
