"""Texts to vectors, from any thread: short ones at once, many of them packed and on two cores."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from memdesk.embedder.native import (
    MAX_PACKED_TEXTS,
    NO_POOLING,
    POOLING_NUMBERS,
    SHORT,
    Context,
    Model,
    freed,
)
from memdesk.errors import ModelError
from memdesk.passages import Embedded, EmbeddedQuestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from memdesk.catalog import Catalog, ModelSpec
    from memdesk.embedder.native import Vectors

    _Workers = tuple[ThreadPoolExecutor, queue.SimpleQueue[Context], bool]

# Measured: packing pays only with flash attention: a fifth faster for texts up to 64 tokens, all
# the same above, and nothing is gained beyond 128 tokens a batch.
PACKED = 256
BULK_TEXTS = 32
BULK_TOKENS = 512
"""From so many tokens on, `embed_documents` works on two cores."""
BULK_WORKERS = 2
MOST_WORDS = 256
"""Tokens of a text whose signs are kept; a passage of 120 words has about 160."""
T = TypeVar("T")


class Embedding(Protocol):
    """What the service needs of an embedder; tests hand in a fake."""

    @property
    def spec(self) -> ModelSpec:
        """The model in use."""

    def load(self) -> None:
        """Make ready now what would else load on first use; raises ModelError."""

    def read_query(self, text: str) -> EmbeddedQuestion:
        """A question's vector, and those of its words."""

    def read_documents(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> list[Embedded]:
        """The vectors of texts to be found, and the signs of their words, in the order given."""

    def count_tokens(self, text: str) -> int:
        """How many tokens the text has, special ones included, before any cut."""

    def close(self) -> None:
        """Free the model; it loads again on the next use."""


class Embedder:
    """One embedding model, loaded on first use; every method may be called from any thread."""

    def __init__(
        self, spec: ModelSpec, *, threads: int = 1, catalog: Catalog | None = None
    ) -> None:
        self.spec = spec
        self._threads = threads
        self._catalog = catalog
        self._lock = threading.RLock()
        self._idle = threading.Condition(self._lock)
        self._users = 0
        self._closing = False
        self._model: Model | None = None
        self._short: Context | None = None
        # One long context or one bulk at a time: each needs up to 100 MB while it works.
        self._long = threading.Lock()
        self._bulk = threading.Lock()

    def load(self) -> None:
        """Load library and model; with a catalog, verify and probe the file first.

        Raises ModelError.
        """
        with self._using():
            pass

    def embed_query(self, text: str) -> Vectors:
        """The vector of a question: float32, shape (dims,); raises ModelError."""
        return self.read_query(text).vector

    def embed_documents(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> Vectors:
        """The vectors of texts to be found: float32, shape (n, dims), as `read_documents`."""
        import numpy as np

        read = self.read_documents(texts, progress)
        return np.array([each.vector for each in read], np.float32).reshape(-1, self.spec.dims)

    def read_query(self, text: str) -> EmbeddedQuestion:
        """A question's vector, and those of its words; raises ModelError."""
        with self._using() as model:
            tokens = model.tokens(self.spec.query_prefix + text, self.spec.context)
            (vectors,) = self._read_few(model, [tokens], lambda _, vectors: vectors)
            return EmbeddedQuestion(
                self._pooled(vectors), _units(_of_words(model, tokens, vectors))
            )

    def read_documents(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> list[Embedded]:
        """The vectors of texts to be found, and the signs of their words, in the order given.

        Many texts are worked on two cores while questions are still answered; `progress` is called
        in the calling thread with the number done so far. Raises ModelError.
        """
        with self._using() as model:
            prefix, limit = self.spec.document_prefix, self.spec.context
            tokens = [model.tokens(prefix + text, limit) for text in texts]

            def document(text: list[int], vectors: Vectors) -> Embedded:
                return Embedded(self._pooled(vectors), _signs(_of_words(model, text, vectors)))

            # A few texts do not wait for another call's thousands.
            many = len(texts) > 1 and sum(map(len, tokens)) >= BULK_TOKENS
            if many and self._bulk.acquire(blocking=len(texts) >= BULK_TEXTS):
                try:
                    return self._read_many(model, tokens, document, progress)
                finally:
                    self._bulk.release()
            read = self._read_few(model, tokens, document)
        if progress is not None:
            progress(len(texts))
        return read

    def count_tokens(self, text: str) -> int:
        """How many tokens the text has, special ones included, before any cut."""
        with self._using() as model:
            return len(model.tokens(text, None))

    def close(self) -> None:
        """Free the model, ending a bulk call with ModelError; it loads again on the next use.

        Waits for the calls in progress, so it must not be called by their `progress`.
        """
        with self._lock:
            self._closing = True
            self._idle.wait_for(lambda: self._users == 0)
            if self._short is not None:
                self._short.free()
            if self._model is not None:
                self._model.free()
            self._short = self._model = None
            self._closing = False

    @contextmanager
    def _using(self) -> Iterator[Model]:
        """The loaded model, which `close` does not free before the block ends."""
        with self._lock:
            if self._model is None:
                self._model = self._opened()
            model = self._model
            self._users += 1
        try:
            yield model
        finally:
            with self._lock:
                self._users -= 1
                self._idle.notify_all()

    def _opened(self) -> Model:
        if self._catalog is not None:
            self._catalog.verify(self.spec)
            self._catalog.ensure_probed(self.spec)
        model = Model(self.spec.path)
        if model.dims == self.spec.dims:
            return model
        model.free()
        raise ModelError(
            f"{self.spec.path} gives {model.dims} numbers per text instead of {self.spec.dims};"
            f" add it again with: memdesk model add {self.spec.path}"
        )

    def _context(self, model: Model, size: int, texts: int = 1) -> Context:
        pooling = NO_POOLING if model.reads_words else POOLING_NUMBERS[self.spec.pooling]
        return Context(model, size, texts, pooling, self._threads)

    def _read_few(
        self, model: Model, texts: list[list[int]], made: Callable[[list[int], Vectors], T]
    ) -> list[T]:
        read: dict[int, T] = {}
        long = [row for row, text in enumerate(texts) if len(text) > SHORT]
        for row, text in enumerate(texts):
            if len(text) > SHORT:
                continue
            with self._lock:
                if self._short is None:
                    self._short = self._context(model, SHORT)
                vectors = self._short.embed([text])[0]
            read[row] = made(text, vectors)
        if long:
            size = max(len(texts[row]) for row in long)
            with self._long, freed(self._context(model, size)) as context:
                for row in long:
                    read[row] = made(texts[row], context.embed([texts[row]])[0])
        return [read[row] for row in range(len(texts))]

    def _read_many(
        self,
        model: Model,
        tokens: list[list[int]],
        made: Callable[[list[int], Vectors], T],
        progress: Callable[[int], None] | None,
    ) -> list[T]:
        read: dict[int, T] = {}
        with self._workers(model, max(map(len, tokens))) as (pool, free, packs):
            rows = {
                pool.submit(self._read_batch, free, [tokens[index] for index in batch], made): batch
                for batch in packed([len(each) for each in tokens], PACKED if packs else 0)
            }
            for future in as_completed(rows):
                read.update(zip(rows[future], future.result(), strict=True))
                if progress is not None:
                    progress(len(read))
        return [read[row] for row in range(len(tokens))]

    @contextmanager
    def _workers(self, model: Model, longest: int) -> Iterator[_Workers]:
        """Two threads with a context each, so that single calls need not wait; freed at the end."""
        free: queue.SimpleQueue[Context] = queue.SimpleQueue()
        with ExitStack() as made:
            for _ in range(BULK_WORKERS):
                context = self._context(model, max(longest, PACKED), MAX_PACKED_TEXTS)
                made.enter_context(freed(context))
                free.put(context)
            pool = ThreadPoolExecutor(BULK_WORKERS, thread_name_prefix="memdesk-embed")
            try:
                yield pool, free, context.packs
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _read_batch(
        self,
        free: queue.SimpleQueue[Context],
        batch: list[list[int]],
        made: Callable[[list[int], Vectors], T],
    ) -> list[T]:
        if self._closing:
            raise ModelError("the model was closed while texts were being embedded; try again")
        context = free.get()
        try:
            vectors = context.embed(batch)
        finally:
            free.put(context)
        return [made(text, each) for text, each in zip(batch, vectors, strict=True)]

    def _pooled(self, vectors: Vectors) -> Vectors:
        """One vector of those of a text's tokens, as the model's pooling says; as it is of one."""
        import numpy as np

        vector: Vectors = vectors[0 if self.spec.pooling == "cls" else -1]
        if self.spec.pooling == "mean":
            vector = vectors.mean(axis=0)
        if not np.isfinite(vector).all():
            raise ModelError(f"{self.spec.path} gave vectors that are not numbers; use another")
        # A copy: a row would keep the vectors of a whole batch in memory.
        return _units(vector[None])[0] if self.spec.normalize else vector.copy()


def _of_words(model: Model, tokens: list[int], vectors: Vectors) -> Vectors:
    """Return the vectors of the tokens that are of the text; none where they were pooled."""
    if len(vectors) != len(tokens) or not model.reads_words:
        return vectors[:0]
    first = 0 if model.says(tokens[0]) else 1
    last = len(tokens) - (0 if model.says(tokens[-1]) else 1)
    return vectors[first:last]


def _units(vectors: Vectors) -> Vectors:
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: Vectors = np.asarray(vectors / np.maximum(lengths, np.float32(1e-12)), np.float32)
    return units


def _signs(vectors: Vectors) -> bytes:
    import numpy as np

    return np.packbits(vectors[:MOST_WORDS] > 0, axis=1).tobytes()


def packed(lengths: Sequence[int], limit: int) -> list[list[int]]:
    """Indexes of `lengths` in batches of neighbours in length, each of at most `limit` tokens.

    A length over the limit is a batch of its own. The longest come first, so that the last batches
    to be worked on are quick ones and no core waits long for the other.
    """
    batches: list[list[int]] = []
    tokens = limit
    for index in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        tokens += lengths[index]
        if tokens > limit or len(batches[-1]) == MAX_PACKED_TEXTS:
            batches.append([])
            tokens = lengths[index]
        batches[-1].append(index)
    return batches
