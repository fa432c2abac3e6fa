"""The model behind a memory of its own: what was embedded once is not embedded again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from memdesk.memory import content_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from memdesk.catalog import ModelSpec
    from memdesk.embedder import Embedding


class EmbedOnce:
    """An embedder that gives the vectors it gave before; one thread at a time asks it."""

    def __init__(self, embedder: Embedding, file: Path | None = None) -> None:
        """Embed with `embedder`; a `file` keeps the vectors of texts for other runs."""
        self._embedder = embedder
        self._file = file
        self._documents: dict[str, np.ndarray] = {}
        """By the hash of the text."""
        self._queries: dict[str, np.ndarray] = {}
        if file and file.exists():
            with np.load(file) as kept:
                if str(kept["model"]) == self.spec.fingerprint:
                    self._documents = dict(
                        zip(kept["texts"].tolist(), kept["vectors"], strict=True)
                    )

    @property
    def spec(self) -> ModelSpec:
        """The model behind it."""
        return self._embedder.spec

    def load(self) -> None:
        """Load the model behind it."""
        self._embedder.load()

    def embed_query(self, text: str) -> np.ndarray:
        """Return the vector of a question."""
        if text not in self._queries:
            self._queries[text] = self._embedder.embed_query(text)
        return self._queries[text]

    def embed_documents(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> np.ndarray:
        """Return the vectors of texts, embedding those that are new."""
        hashes = [content_hash(text) for text in texts]
        new = {
            hash: text
            for hash, text in zip(hashes, texts, strict=True)
            if hash not in self._documents
        }
        if new:
            vectors = self._embedder.embed_documents(list(new.values()), progress)
            self._documents.update(zip(new, vectors, strict=True))
        return np.stack([self._documents[hash] for hash in hashes])

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the model sees in a text."""
        return self._embedder.count_tokens(text)

    def forget_query(self, text: str) -> None:
        """Embed this question anew when it is asked next, as its first asker would have to wait."""
        self._queries.pop(text, None)

    def forget_documents(self) -> None:
        """Let the vectors of texts go, unless they are kept: another conversation has others."""
        if self._file is None:
            self._documents.clear()

    def keep(self) -> None:
        """Write the vectors of texts to the file, if there is one."""
        if self._file and self._documents:
            texts = np.array(list(self._documents))
            vectors = np.stack(list(self._documents.values()))
            with self._file.open("wb") as file:
                np.savez(file, model=self.spec.fingerprint, texts=texts, vectors=vectors)

    def close(self) -> None:
        """Keep the model loaded for the next store; who made it closes it."""
