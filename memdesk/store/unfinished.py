"""Search while somebody types: passages with a word that begins so, or of an id that does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memdesk.store.candidates import COLUMNS, Candidates
from memdesk.store.engine import pa, pc
from memdesk.store.filters import begins, both, has_word

if TYPE_CHECKING:
    from memdesk.passages import Found
    from memdesk.store.search import Search, Wanted

_READ = 2000
"""Passages that are looked at where they are not kept in memory; two letters begin a word in most."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What an unfinished question may mean, found before the vector of the question is there."""

    parts: tuple[Candidates, ...]

    def found(self, vector: np.ndarray | None) -> list[Found]:
        """Return the passages, best first, with their cosine to `vector`."""
        return [
            each
            for rows in self.parts
            for each in rows.found(scores=[None] * len(rows), cosines=rows.cosines(vector))
        ]


def with_beginning(search: Search, wanted: Wanted, beginning: str) -> Candidates:
    """Return the passages that have a word with this beginning, at most `wanted.limit`.

    First those with most of `wanted.words`, of these the newest. `beginning` is in the form of terms.
    """
    held = search.kept.matching(wanted.condition).held
    if held:
        has = _has_word(held.rows.fields.column("text"), beginning) & wanted.lasting(
            held.rows.fields
        )
        rows = Candidates.of_kept(held.rows, held.places[has[held.places]])
    else:
        condition = both(wanted.asked, has_word("text", beginning))
        rows = Candidates.of_rows(search.table.rows(condition, columns=COLUMNS, limit=_READ))
    return rows.pick(_best(rows.fields, wanted))


def with_id(search: Search, wanted: Wanted, beginning: str) -> Candidates:
    """Return passages of the memories whose id begins so, at most `wanted.limit`."""
    condition = both(wanted.asked, begins("memory", beginning))
    return Candidates.of_rows(search.table.rows(condition, columns=COLUMNS, limit=wanted.limit))


def _has_word(texts: pa.ChunkedArray, beginning: str) -> np.ndarray:
    first = pc.starts_with(texts, beginning)
    mask: np.ndarray = pc.or_(first, pc.match_substring(texts, f" {beginning}")).to_numpy()
    return mask


def _best(fields: pa.Table, wanted: Wanted) -> np.ndarray:
    """Return the places of the best few, best first."""
    texts, at = fields.column("text"), fields.column("at").cast(pa.int64()).to_numpy()
    words = np.zeros(len(fields), np.int64)
    for word in wanted.words.split():
        words += pc.match_substring(texts, word).to_numpy()
    best: np.ndarray = np.lexsort((-at, -words))[: wanted.limit]
    return best
