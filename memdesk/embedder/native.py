"""llama.cpp's C functions: the only module that imports llama_cpp, and only when asked."""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.util
import os
import sys
import threading
from collections import deque
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import memdesk.environment  # noqa: F401 (what llama.cpp reads must be there before any thread)
from memdesk.catalog import MAX_CONTEXT, Report
from memdesk.embedder.wordpiece import WordPiece
from memdesk.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

# Measured (one thread, AVX-512): alone, a text of up to 64 tokens is a tenth to a quarter faster
# without flash attention, a longer one faster with it.
SHORT = 64
MAX_PACKED_TEXTS = 64
POOLING_NUMBERS = {"mean": 1, "cls": 2, "last": 3}
NO_POOLING = 0

# llama.cpp sets aside and clears a row of the vocabulary per token, even for embeddings.
_OUTPUT_BYTES = 512 * 1024 * 1024
_UNSPECIFIED, _RANK = -1, 4
_WORDPIECE = 3
_ENCODERS = frozenset(("bert", "nomic-bert"))
_ERROR = 3
_errors: deque[str] = deque(maxlen=6)
_loading = threading.Lock()


class Model:
    """A loaded GGUF file and its tokenizer; contexts of several threads may share it."""

    def __init__(self, file: Path) -> None:
        self.lib = _library()
        self.file = file
        parameters = self.lib.llama_model_default_params()
        parameters.n_gpu_layers = 0
        parameters.load_mode = self.lib.LLAMA_LOAD_MODE_MMAP
        _errors.clear()
        self._handle = self.lib.llama_model_load_from_file(os.fsencode(file), parameters)
        if not self._handle:
            raise ModelError(f"the model {file} cannot be loaded: {_last_words()}")
        self._vocabulary = self.lib.llama_model_get_vocab(self._handle)
        self.dims: int = self.lib.llama_model_n_embd_out(self._handle)
        self.words: int = self.lib.llama_vocab_n_tokens(self._vocabulary)
        affordable = _OUTPUT_BYTES // (4 * self.words)
        trained = self.lib.llama_model_n_ctx_train(self._handle)
        self.context: int = min(trained, MAX_CONTEXT, affordable)
        self._wordpiece = self._read_wordpiece()

    @property
    def handle(self) -> object:
        """The library's own pointer."""
        return self._handle

    def described(self, key: str) -> str:
        """The value of a metadata key; empty if the file has none."""
        value = ctypes.create_string_buffer(256)
        self.lib.llama_model_meta_val_str(self._handle, key.encode(), value, len(value))
        return value.value.decode("utf-8", "replace")

    @property
    def reads_words(self) -> bool:
        """Whether a text's vector is no more than what its tokens' vectors give: with BERT's kin."""
        return self.described("general.architecture") in _ENCODERS

    def says(self, token: int) -> bool:
        """Whether a token is of the text and no mark of its begin or end."""
        return not self.lib.llama_vocab_is_control(self._vocabulary, token)

    def tokens(self, text: str, limit: int | None) -> list[int]:
        """The text's tokens, cut to `limit` with the special ones kept."""
        if self._wordpiece is not None:
            return self._wordpiece.tokens(text, limit)
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        found = (ctypes.c_int32 * room)()
        count = self.lib.llama_tokenize(self._vocabulary, data, len(data), found, room, True, False)
        if count < 0:
            raise ModelError(f"{self.file} cannot read a text of {len(data)} bytes")
        tokens = list(found[:count]) or [self.lib.llama_vocab_eos(self._vocabulary)]
        if limit is None or len(tokens) <= limit:
            return tokens
        ends = self.lib.llama_vocab_is_control(self._vocabulary, tokens[-1])
        return [*tokens[: limit - 1], tokens[-1]] if ends else tokens[:limit]

    def _read_wordpiece(self) -> WordPiece | None:
        lib, vocabulary = self.lib, self._vocabulary
        if lib.llama_vocab_type(vocabulary) != _WORDPIECE:
            return None
        pieces = {
            lib.llama_vocab_get_text(vocabulary, token).decode("utf-8", "replace"): token
            for token in range(self.words)
            if not lib.llama_vocab_is_control(vocabulary, token)
        }
        lowercase = self.described("tokenizer.ggml.normalizer.lowercase") != "false"
        unknown = int(self.described("tokenizer.ggml.unknown_token_id") or 100)
        ends = lib.llama_vocab_bos(vocabulary), lib.llama_vocab_sep(vocabulary)
        return WordPiece(pieces, unknown, ends, lowercase=lowercase)

    def free(self) -> None:
        """Unmap the file; every context must be freed before."""
        self.lib.llama_model_free(self._handle)
        self._handle = None


class Context:
    """Working memory for one batch at a time; one thread at a time."""

    def __init__(self, model: Model, size: int, texts: int, pooling: int, threads: int) -> None:
        self._model, self._lib = model, model.lib
        parameters = self._lib.llama_context_default_params()
        # All three the same: an encoder reads a batch whole or aborts the process; and a multiple
        # of the texts, or setting up aborts it.
        room = -(-size // MAX_PACKED_TEXTS) * MAX_PACKED_TEXTS
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = room
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.n_seq_max = texts
        parameters.kv_unified = True
        parameters.embeddings = True
        parameters.pooling_type = pooling
        parameters.flash_attn_type = int(size > SHORT)
        _errors.clear()
        self._handle = self._lib.llama_init_from_model(model.handle, parameters)
        if not self._handle:
            raise ModelError(f"the model {model.file} cannot be set up: {_last_words()}")
        self._memory = self._lib.llama_get_memory(self._handle)
        self.packs = texts > 1 and not self._memory
        """Whether several texts may share a batch: only where nothing is remembered between."""

    @property
    def pooling(self) -> int:
        """The pooling in effect, as the library numbers it."""
        return int(self._lib.llama_pooling_type(self._handle))

    def embed(self, texts: list[list[int]]) -> list[Vectors]:
        """Each text's raw vectors, shape (n, dims): one a token without pooling, else one.

        All texts together must fit the context.
        """
        import numpy as np

        lengths = [len(text) for text in texts]
        columns = {
            "token": np.concatenate([np.asarray(text, np.int32) for text in texts]),
            "pos": np.concatenate([np.arange(length, dtype=np.int32) for length in lengths]),
            "n_seq_id": np.ones(sum(lengths), np.int32),
            "logits": np.ones(sum(lengths), np.int8),
        }
        ids = np.arange(len(texts), dtype=np.int32)
        columns["seq_id"] = ids.ctypes.data + 4 * np.repeat(ids.astype(np.uintp), lengths)
        batch = self._lib.llama_batch(n_tokens=sum(lengths))
        for name, kind in self._lib.llama_batch._fields_:
            if name in columns:
                setattr(batch, name, ctypes.cast(columns[name].ctypes.data, kind))
        self._run(batch)
        if self.pooling == NO_POOLING:
            every = self._vectors(self._lib.llama_get_embeddings(self._handle), sum(lengths))
            return np.split(every, np.cumsum(lengths)[:-1])
        return [
            self._vectors(self._lib.llama_get_embeddings_seq(self._handle, number), 1)
            for number in range(len(texts))
        ]

    def _run(self, batch: object) -> None:
        _errors.clear()
        if self._memory:
            self._lib.llama_memory_clear(self._memory, True)
        code = self._lib.llama_decode(self._handle, batch)
        if code != 0:
            raise ModelError(f"{self._model.file} failed on a text ({code}): {_last_words()}")

    def _vectors(self, pointer: Any, count: int) -> Vectors:
        import numpy as np

        if not pointer:
            raise ModelError(f"{self._model.file} gave no vector; is it an embedding model?")
        found = np.ctypeslib.as_array(pointer, shape=(count * self._model.dims,))
        return np.array(found, np.float32).reshape(count, self._model.dims)

    def free(self) -> None:
        """Give the memory back."""
        self._lib.llama_free(self._handle)
        self._handle = None


@contextmanager
def freed(context: Context) -> Iterator[Context]:
    """Free a context at the end: llama.cpp keeps vocabulary times tokens floats in each."""
    try:
        yield context
    finally:
        context.free()
        _give_memory_back()


def _give_memory_back() -> None:
    """Return freed memory to the system; glibc else keeps up to 100 MB of it."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


@functools.cache
def _library() -> ModuleType:
    """llama.cpp's C functions, loaded quietly; raises ModelError if they cannot be."""
    with _loading:
        try:
            library = _import_bindings()
        except Exception as error:
            raise ModelError(
                f"llama.cpp cannot be loaded ({error}); reinstall llama-cpp-python, see README"
                ' "The model"'
            ) from error
    library.llama_log_set(_log_callback(library), ctypes.c_void_p(0))
    library.llama_backend_init()
    return library


def _import_bindings() -> ModuleType:
    """The module of C bindings without the package's chat code: 0.2 s and 10 MB less."""
    found = importlib.util.find_spec("llama_cpp")
    if found is None or "llama_cpp" in sys.modules:
        return importlib.import_module("llama_cpp.llama_cpp")
    shell = ModuleType("llama_cpp")
    shell.__path__ = list(found.submodule_search_locations or [])
    sys.modules["llama_cpp"] = shell
    try:
        return importlib.import_module("llama_cpp.llama_cpp")
    finally:
        del sys.modules["llama_cpp"]


@functools.cache
def _log_callback(library: ModuleType) -> object:
    """Keep errors for our messages; cached, as C calls it for as long as the process lives."""

    def keep(level: int, text: bytes | None, _: object) -> None:
        if level == _ERROR and text:
            _errors.append(text.decode("utf-8", "replace").strip())

    return library.llama_log_callback(keep)


def _last_words() -> str:
    return "; ".join(_errors) or "the library gave no reason"


def try_model(file: Path, pooling: str) -> Report:
    """Load a model and embed a short, a long and two packed texts; an empty pooling is its own.

    Raises ModelError, or kills the process: meant for the probe's child.
    """
    model = Model(file)
    short = Context(model, SHORT, 1, POOLING_NUMBERS.get(pooling, _UNSPECIFIED), 1)
    names = {number: name for name, number in POOLING_NUMBERS.items()}
    if short.pooling not in names:
        what = "ranks texts" if short.pooling == _RANK else "writes text"
        raise ModelError(f"{file} {what} and makes no embeddings; give an embedding model")
    long = Context(model, model.context, MAX_PACKED_TEXTS, short.pooling, 1)
    short.embed([model.tokens("a word", SHORT)])
    long.embed([model.tokens("a long text " * 2000, model.context)])
    if long.packs:
        long.embed([model.tokens(text, SHORT) for text in ("one", "two words")])
    return Report(
        architecture=model.described("general.architecture"),
        name=model.described("general.name"),
        dims=model.dims,
        context=model.context,
        pooling=names[short.pooling],
    )
