"""What an earlier memdesk's table of passages still knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from memdesk.errors import StoreError
from memdesk.passages import Embedded
from memdesk.store.filters import both, one_of
from memdesk.store.stamp import LAYOUT, passages_of
from memdesk.store.table import Table, connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memdesk.memory import Memory
    from memdesk.store.store import Store

Place = tuple[str, int, int, int, int]
"""A passage's memory, the sequence number of its revision, ordinal, start and end."""
_COLUMNS = ("memory", "seq", "ordinal", "start", "end", "vector", "signs")


def former_vectors(store: Store, memories: Sequence[Memory]) -> dict[Place, Embedded]:
    """Return what the model made of these memories' passages for the layout before this one.

    A revision's passage at the same place has the same text, and the same text the same vector.
    """
    name = passages_of(store.stamp.fingerprint, LAYOUT - 1)
    if not (store.home / f"{name}.lance").is_dir():
        return {}
    wanted = both("embedded = true", one_of("memory", [memory.id for memory in memories]))
    try:
        table = Table(connect(store.home), store.home, name, durable=False)
        rows = table.rows(wanted, columns=list(_COLUMNS))
    except StoreError:  # torn, or gone meanwhile: then the model reads them again
        return {}
    return {
        (row["memory"], row["seq"], row["ordinal"], row["start"], row["end"]): Embedded(
            np.asarray(row["vector"], np.float32), row["signs"] or b""
        )
        for row in rows.to_pylist()
    }
