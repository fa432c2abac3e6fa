"""A cheap stand-in for the model, to fill a large store with vectors that lie like real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from memdesk.catalog import BUNDLED
from memdesk.passages import Embedded, EmbeddedQuestion

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memdesk.embedder import Embedder
    from memdesk.embedder.native import Vectors

_NOISE = 0.4
"""How far a vector lies from the real one it is made of: a cosine of about 0.93 to it."""


class StandIn:
    """Gives texts the vectors of other, real texts, each with some noise of its own.

    It passes for the bundled model, so that questions may be embedded by the real one.
    """

    spec = BUNDLED

    def __init__(self, real: Embedder, texts: Sequence[str]) -> None:
        """Embed the real texts once."""
        self._known = real.embed_documents(texts)
        self._chance = np.random.default_rng(0)

    def load(self) -> None:
        """Do nothing."""

    def read_query(self, text: str) -> EmbeddedQuestion:
        """Return some text's vector, and none of its words."""
        return EmbeddedQuestion(
            self.embed_documents([text])[0], np.zeros((0, self.spec.dims), np.float32)
        )

    def read_documents(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> list[Embedded]:
        """Return as many unit vectors as there are texts, without signs of their words."""
        return [Embedded(vector, b"") for vector in self.embed_documents(texts, progress)]

    def embed_documents(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> Vectors:
        """Return as many unit vectors as there are texts."""
        rows = self._chance.integers(len(self._known), size=len(texts))
        noise = self._chance.standard_normal((len(texts), self.spec.dims), dtype=np.float32)
        noise *= _NOISE / np.linalg.norm(noise, axis=1, keepdims=True)
        vectors = self._known[rows] + noise
        if progress:
            progress(len(texts))
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

    def count_tokens(self, text: str) -> int:
        """Return the number of words."""
        return len(text.split())

    def close(self) -> None:
        """Hold nothing."""
