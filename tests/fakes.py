"""A model for tests where meaning does not matter: vectors from the hashes of words."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from memdesk.catalog import BUNDLED
from memdesk.errors import ModelError
from memdesk.passages import Embedded, EmbeddedQuestion

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memdesk.catalog import ModelSpec


class FakeEmbedder:
    """Texts that share words are near each other; instant, deterministic, no model file."""

    def __init__(self, spec: ModelSpec = BUNDLED, *, broken: str = "") -> None:
        """Embed with the dimensions of `spec`; `broken` is raised as a `ModelError` by every call."""
        self.spec = spec
        self.broken = broken
        self.embedded: list[str] = []

    def load(self) -> None:
        """Do nothing, or fail as told."""
        if self.broken:
            raise ModelError(self.broken)

    def embed_query(self, text: str) -> np.ndarray:
        """Return the unit vector of a text."""
        self.load()
        vector = np.full(self.spec.dims, 1e-3, dtype=np.float32)
        for word in text.lower().split():
            digest = hashlib.sha256(word.encode()).digest()
            vector[int.from_bytes(digest[:4]) % self.spec.dims] += 1
        return vector / np.linalg.norm(vector)

    def read_query(self, text: str) -> EmbeddedQuestion:
        """Return the unit vector of a text, and none of its words."""
        vector = self.embed_query(text)
        return EmbeddedQuestion(vector, np.zeros((0, len(vector)), np.float32))

    def read_documents(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> list[Embedded]:
        """Return the unit vectors of texts, without signs of their words."""
        return [Embedded(vector, b"") for vector in self.embed_documents(texts, progress)]

    def embed_documents(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> np.ndarray:
        """Return the unit vectors of texts."""
        self.load()
        self.embedded.extend(texts)
        if progress:
            progress(len(texts))
        return np.stack([self.embed_query(text) for text in texts])

    def count_tokens(self, text: str) -> int:
        """Return the number of words."""
        return len(text.split())

    def close(self) -> None:
        """Hold nothing."""


def other_model(name: str = "other", dims: int = 64) -> ModelSpec:
    """Return the spec of a model that is not the bundled one."""
    return replace(BUNDLED, name=name, sha256="0" * 64, dims=dims)
