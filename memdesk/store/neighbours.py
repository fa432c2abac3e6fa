"""Memories near each other in meaning: for each of some, the others of its space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from memdesk.memory import Filter
from memdesk.store.candidates import COLUMNS, Candidates, lasting
from memdesk.store.filters import both, one_of, settled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from memdesk.store.search import Search

_FIRST = "ordinal <= 0 AND session IS NULL"
"""Of memories that are no turns the first passage, and of long ones the head."""
_SPARE = 28
"""Passages asked for beyond the limit, in place of those whose time has run out."""


def neighbours(
    search: Search, seqs: Sequence[int], least: float, most: int, now: datetime
) -> dict[str, list[tuple[str, float]]]:
    """Return what lies near each memory; see `Store.near`."""
    condition = both(one_of("seq", seqs), _FIRST)
    own = Candidates.of_rows(search.table.rows(condition, columns=COLUMNS))
    found: dict[str, list[tuple[str, float]]] = {}
    for space, vectors in _by_space(own).items():
        near = _near_each(search, space, np.stack(list(vectors.values())), most, now)
        for id, others in zip(vectors, near, strict=True):
            best: dict[str, float] = {}
            for other, cosine in others:
                if other != id and cosine >= least:
                    best[other] = max(cosine, best.get(other, cosine))
            found[id] = sorted(best.items(), key=lambda each: -each[1])[:most]
    return found


def _by_space(own: Candidates) -> dict[str, dict[str, np.ndarray]]:
    """Return by space and id the vector that stands for each memory."""
    told = [own.fields.column(name).to_pylist() for name in ("ordinal", "memory", "space")]
    spaces: dict[str, dict[str, np.ndarray]] = {}
    # A long text's head comes before its first passage.
    for place in np.argsort(told[0], kind="stable"):
        if own.known[place]:
            vectors = spaces.setdefault(told[2][place], {})
            vectors.setdefault(told[1][place], own.vectors[place])
    return spaces


def _near_each(
    search: Search, space: str, vectors: np.ndarray, most: int, now: datetime
) -> Iterator[list[tuple[str, float]]]:
    """Yield for each vector the memories nearest to it and their cosines, itself among them."""
    condition = both(settled(Filter(spaces=(space,)), at="at", source="source"), _FIRST)
    matching = search.kept.matching(condition)
    depth = 2 * most + _SPARE
    if matching.held is None:
        for vector in vectors:
            rows = search.near(condition, depth, vector, exact=not matching.many)
            rows = rows.pick(lasting(rows.fields, now))
            cosines = [cosine or 0.0 for cosine in rows.cosines(vector)]
            yield list(zip(rows.fields.column("memory").to_pylist(), cosines, strict=True))
        return
    kept = matching.held.rows
    places = matching.held.places
    places = places[(kept.known & lasting(kept.fields, now))[places]]
    # All at once: sixteen vectors cost BLAS about what comparing a single one costs without it.
    lengths = np.outer(kept.norms, np.linalg.norm(vectors, axis=1))
    cosines = (kept.vectors @ vectors.T / lengths)[places]
    for near in cosines.T:
        best = np.argpartition(-near, depth)[:depth] if len(near) > depth else np.arange(len(near))
        ids = kept.fields.column("memory").take(places[best]).to_pylist()
        yield list(zip(ids, near[best].tolist(), strict=True))
