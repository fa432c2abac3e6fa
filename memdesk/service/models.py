"""Which embedding model answers: the one of the store's vectors, also while that changes."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING

from memdesk.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future, ThreadPoolExecutor

    from memdesk.embedder import Embedding
    from memdesk.passages import Embedded, EmbeddedQuestion
    from memdesk.store.stamp import Stamp

log = logging.getLogger(__name__)

_BACK = "memdesk model back"
_IN_FLIGHT = 10.0
"""How long calls that began with a model may still ask it after a change, in seconds."""


class Models:
    """The part of the core that knows models."""

    embedder: Embedding | None
    models: Callable[[str], Embedding] | None
    trouble: str
    model_ready: bool
    pool: ThreadPoolExecutor
    coming: Embedding | None = None
    """The model that the store is changing to, loaded by this process."""
    _former: Embedding | None = None
    _leaving: threading.Timer | None = None
    _way_back: str = ""

    def check_open(self) -> None:
        """Raise `StoreError` once this desk is closed."""
        raise NotImplementedError

    def use_model_of(self, stamp: Stamp) -> None:
        """Take the model that the store's vectors are of; vectors of two models are never mixed."""
        self._way_back = f"; go back to {stamp.former} with: {_BACK}" if stamp.former else ""
        if self.embedder and self.embedder.spec.fingerprint == stamp.fingerprint:
            return
        self._leave(self.embedder)
        self.embedder, self.model_ready = self._of_fingerprint(stamp)
        self.trouble = ""
        if self.embedder is None:
            self.trouble = (
                f"this store's vectors are of the model {stamp.model}, which is not available"
                + self._way_back
            )

    def _of_fingerprint(self, stamp: Stamp) -> tuple[Embedding | None, bool]:
        """Return the model that a store's vectors are of, and whether it is loaded."""
        coming = self.coming
        if coming and coming.spec.fingerprint == stamp.fingerprint:
            self.coming = None
            return coming, True
        if self.models:
            with contextlib.suppress(ModelError):
                found = self.models(stamp.model)
                if found.spec.fingerprint == stamp.fingerprint:
                    return found, False
        return None, False

    def _leave(self, embedder: Embedding | None) -> None:
        """Keep a model a little for the calls that began with it, then free it."""
        if embedder and self.model_ready:
            self._former = embedder
            self._leaving = threading.Timer(_IN_FLIGHT, self._let_go, (embedder,))
            self._leaving.daemon = True
            self._leaving.start()

    def _let_go(self, embedder: Embedding) -> None:
        if self._former is embedder:
            self._former = None
        embedder.close()

    @property
    def fingerprint(self) -> str:
        """What this process's vectors depend on; empty without a model."""
        return self.embedder.spec.fingerprint if self.embedder else ""

    def vectors(self, texts: Sequence[str], fingerprint: str = "") -> Future[list[Embedded] | None]:
        """Begin to embed documents, by the model of a fingerprint if one is named.

        None comes out where the model cannot be used.
        """
        self.check_open()
        return self.pool.submit(self._embed, texts, fingerprint)

    def question(self, text: str, fingerprint: str = "") -> Future[EmbeddedQuestion | None]:
        """Begin to embed a question, by the model of a fingerprint if one is named.

        None comes out where the model cannot be used.
        """
        self.check_open()
        return self.pool.submit(self._embed_query, text, fingerprint)

    def _embed(self, texts: Sequence[str], fingerprint: str) -> list[Embedded] | None:
        with self._model(fingerprint) as embedder:
            return embedder.read_documents(texts) if embedder else None
        return None

    def _embed_query(self, text: str, fingerprint: str) -> EmbeddedQuestion | None:
        with self._model(fingerprint) as embedder:
            return embedder.read_query(text) if embedder else None
        return None

    @contextlib.contextmanager
    def _model(self, fingerprint: str) -> Iterator[Embedding | None]:
        """Lend the model of a fingerprint, or the one in use; None where that is not at hand."""
        embedder = self.embedder
        if fingerprint and (embedder is None or embedder.spec.fingerprint != fingerprint):
            former = self._former  # the store has changed to another model since the call began
            embedder = former if former and former.spec.fingerprint == fingerprint else None
        try:
            yield embedder
        except ModelError as error:
            if embedder is self.embedder:
                self._complain(str(error))
        else:
            if embedder and embedder is self.embedder:
                self.trouble, self.model_ready = "", True

    def _complain(self, words: str) -> None:
        words += self._way_back
        if self.trouble != words:
            log.warning("the model cannot be used: %s", words)
        self.trouble = words

    def free_models(self) -> None:
        """Let every model go."""
        if self._leaving:
            self._leaving.cancel()
        for embedder in (self.embedder, self.coming, self._former):
            if embedder:
                embedder.close()
