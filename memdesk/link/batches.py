"""Drafts in batches, so that a bulk load of any size is sent in calls that the daemon reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from memdesk.memory import Draft

_MOST = 1000
_BYTES = 8 << 20


def batches(drafts: Iterable[Draft]) -> Iterator[tuple[Draft, ...]]:
    """Yield drafts in batches that are each on the disk before the next is asked for."""
    batch: tuple[Draft, ...] = ()
    size = 0
    for draft in drafts:
        length = len(draft.text.encode("utf-8", "surrogatepass"))
        if batch and (len(batch) == _MOST or size + length > _BYTES):
            yield batch
            batch, size = (), 0
        batch += (draft,)
        size += length
    if batch:
        yield batch


def further(progress: Callable[[int], None], done: int) -> Callable[[int], None]:
    """Return what tells `progress` of a batch after so many drafts were done."""
    return lambda more: progress(done + more)
