"""What a plain use of LanceDB would find: a table of its own, past everything of memdesk.

It shares the model's vectors only. What memdesk indexes is made for memdesk's own queries, so in its
tables a plain query would find less than in a plain table, and look worse than it is.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Protocol

from memdesk.store.engine import FTS, MatchQuery, lancedb

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np


FULL_TEXT, VECTOR, FUSED = "full-text only", "vector only", "RRF k=60"
NAMES = (FULL_TEXT, VECTOR, FUSED)
CANDIDATES = 100
"""Memories that each search gives."""
_K = 60


class Vectoring(Protocol):
    """What a baseline needs of an embedder."""

    def embed_query(self, text: str) -> np.ndarray:
        """Return the vector of a question."""

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts, shape (n, dims)."""


class PlainTable:
    """Texts and their vectors, indexed as LanceDB does it when nothing is set."""

    def __init__(self, folder: Path, texts: Mapping[str, str], embedder: Vectoring) -> None:
        """Keep texts by the ids of their memories."""
        vectors = embedder.embed_documents(list(texts.values()))
        rows = [
            {"memory": memory, "text": text, "vector": vector}
            for (memory, text), vector in zip(texts.items(), vectors, strict=True)
        ]
        self._embedder = embedder
        self._table = lancedb.connect(folder).create_table("plain", rows)
        self._table.create_index("text", config=FTS())

    def rankings(self, question: str) -> dict[str, list[str]]:
        """Return the memories that each baseline finds, best first."""
        by_words = self._full_text(question)
        by_meaning = self._nearest(self._embedder.embed_query(question))
        return {FULL_TEXT: by_words, VECTOR: by_meaning, FUSED: fused(by_words, by_meaning)}

    def _full_text(self, question: str) -> list[str]:
        found = self._table.search(MatchQuery(question, "text"), query_type="fts")
        return _memories(found.select(["memory", "_score"]).limit(CANDIDATES).to_arrow())

    def _nearest(self, vector: np.ndarray) -> list[str]:
        found = self._table.search(vector, query_type="vector").distance_type("cosine")
        return _memories(found.select(["memory", "_distance"]).limit(CANDIDATES).to_arrow())


def fused(*rankings: Iterable[str]) -> list[str]:
    """Return several rankings as one, by the sum of 1 / (60 + place).

    Cormack, Clarke and Buettcher, SIGIR 2009; what LanceDB's hybrid search does by default.
    """
    scores: defaultdict[str, float] = defaultdict(float)
    for ranking in rankings:
        for place, memory in enumerate(ranking, 1):
            scores[memory] += 1 / (_K + place)
    return sorted(scores, key=lambda memory: -scores[memory])


def _memories(found: Any) -> list[str]:
    return [str(memory) for memory in found.column("memory").to_pylist()]
