"""Passages that a search came by, as columns: from LanceDB's answer or from the rows kept in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memdesk.passages import Found
from memdesk.store.engine import pa, pc

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from memdesk.store.kept import Rows

FIELDS = (
    "memory",
    "ordinal",
    "start",
    "end",
    "text",
    "space",
    "session",
    "position",
    "role",
    "speaker",
    "asking",
    "timed",
    "at",
    "expires_at",
)
COLUMNS = (*FIELDS, "vector")
"""What is read of a passage."""
_SECOND = 1_000_000
"""Arrow's timestamps count microseconds."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Some passages, in one order for all columns."""

    fields: pa.Table
    vectors: np.ndarray
    """One row a passage; of what has no vector the row means nothing."""
    known: np.ndarray
    """Which passages have a vector."""

    @classmethod
    def of_rows(cls, rows: pa.Table) -> Candidates:
        """Return the passages of an answer that has `COLUMNS`."""
        column = rows.column("vector").combine_chunks()
        known = column.is_valid().to_numpy(zero_copy_only=False)
        vectors = np.zeros((len(rows), column.type.list_size), np.float32)
        vectors[known] = np.asarray(column.drop_null().flatten()).reshape(-1, vectors.shape[1])
        return cls(rows.select(FIELDS), vectors, known)

    @classmethod
    def of_kept(cls, rows: Rows, places: np.ndarray) -> Candidates:
        """Return the passages at some places of what is kept."""
        return cls(rows.fields.take(places), rows.vectors[places], rows.known[places])

    def __len__(self) -> int:
        return len(self.fields)

    def pick(self, which: np.ndarray) -> Candidates:
        """Return those of a mask or at some indexes."""
        chosen = np.flatnonzero(which) if which.dtype == np.bool_ else which
        return Candidates(self.fields.take(chosen), self.vectors[chosen], self.known[chosen])

    def cosines(self, query: np.ndarray | None) -> list[float | None]:
        """Return the exact cosine of each passage to a vector; None where either has none."""
        if query is None or not len(self):
            return [None] * len(self)
        # Twice as exact as the vectors: each row's cosine is then the same in every company.
        vectors, wanted = self.vectors.astype(np.float64), query.astype(np.float64)
        norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(wanted)
        exact = np.einsum("ij,j->i", vectors, wanted) / np.where(norms == 0, 1, norms)
        return [
            cosine if known else None
            for cosine, known in zip(exact.tolist(), self.known.tolist(), strict=True)
        ]

    def found(
        self, *, scores: Sequence[float | None], cosines: Sequence[float | None]
    ) -> list[Found]:
        """Return the passages as values."""
        *columns, at, _ = (self.fields.column(name) for name in FIELDS)
        seconds = (at.cast(pa.int64()).to_numpy() / _SECOND).tolist()
        rows = zip(*(column.to_pylist() for column in columns), strict=True)
        return [
            Found(
                memory,
                start,
                end,
                score,
                cosine,
                ordinal=ordinal,
                words=text,
                space=space,
                session=session,
                position=position,
                role=role,
                speaker=speaker,
                asking=asking or 0.0,
                timed=bool(timed),
                at=when,
            )
            for (
                memory,
                ordinal,
                start,
                end,
                text,
                space,
                session,
                position,
                role,
                speaker,
                asking,
                timed,
            ), score, cosine, when in zip(rows, scores, cosines, seconds, strict=True)
        ]


def lasting(fields: pa.Table, now: datetime) -> np.ndarray:
    """Return a mask of the rows whose time has not run out."""
    column = fields.column("expires_at")
    later = pc.greater(column, pa.scalar(now, column.type))
    mask: np.ndarray = pc.fill_null(later, True).to_numpy()
    return mask
