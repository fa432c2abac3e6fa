"""The model behind a memory of its own: what was embedded once is not embedded again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from memdesk.memory import content_hash
from memdesk.passages import Embedded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from memdesk.catalog import ModelSpec
    from memdesk.embedder import Embedding
    from memdesk.passages import EmbeddedQuestion


class EmbedOnce:
    """An embedder that gives the vectors it gave before; one thread at a time asks it."""

    def __init__(self, embedder: Embedding, file: Path | None = None) -> None:
        """Embed with `embedder`; a `file` keeps the vectors of texts for other runs."""
        self._embedder = embedder
        self._file = file
        self._documents: dict[str, Embedded] = {}
        """By the hash of the text."""
        self._queries: dict[str, EmbeddedQuestion] = {}
        if file and file.exists():
            with np.load(file) as kept:
                if str(kept["model"]) == self.spec.fingerprint:
                    self._documents = _read(kept)

    @property
    def spec(self) -> ModelSpec:
        """The model behind it."""
        return self._embedder.spec

    def load(self) -> None:
        """Load the model behind it."""
        self._embedder.load()

    def read_query(self, text: str) -> EmbeddedQuestion:
        """Return the vectors of a question."""
        if text not in self._queries:
            self._queries[text] = self._embedder.read_query(text)
        return self._queries[text]

    def read_documents(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> list[Embedded]:
        """Return what the model makes of texts, embedding those that are new."""
        hashes = [content_hash(text) for text in texts]
        new = {
            hash: text
            for hash, text in zip(hashes, texts, strict=True)
            if hash not in self._documents
        }
        if new:
            read = self._embedder.read_documents(list(new.values()), progress)
            self._documents.update(zip(new, read, strict=True))
        return [self._documents[hash] for hash in hashes]

    def embed_query(self, text: str) -> np.ndarray:
        """Return the vector of a question."""
        return self.read_query(text).vector

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts, shape (n, dims)."""
        vectors: np.ndarray = np.stack([each.vector for each in self.read_documents(texts)])
        return vectors

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
            vectors = np.stack([each.vector for each in self._documents.values()])
            signs = [each.signs for each in self._documents.values()]
            with self._file.open("wb") as file:
                np.savez(
                    file,
                    model=self.spec.fingerprint,
                    texts=texts,
                    vectors=vectors,
                    signs=np.frombuffer(b"".join(signs), np.uint8),
                    lengths=np.array([len(each) for each in signs]),
                )

    def close(self) -> None:
        """Keep the model loaded for the next store; who made it closes it."""


def _read(kept: Mapping[str, np.ndarray]) -> dict[str, Embedded]:
    """Return what was kept, by the hashes of the texts."""
    signs, ends = kept["signs"].tobytes(), np.cumsum(kept["lengths"]).tolist()
    parts = [signs[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    made = map(Embedded, kept["vectors"], parts)
    return dict(zip(kept["texts"].tolist(), made, strict=True))
