"""The embedder: the right vectors, from any thread, and words instead of crashes."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from memdesk import catalog as catalog_module
from memdesk.catalog import BUNDLED, Catalog, ModelSpec
from memdesk.embedder import Embedder, Embedding, native, packed
from memdesk.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

REFERENCE = Path(__file__).parent / "data" / "reference_vectors.npz"


@pytest.fixture(scope="module")
def embedder() -> Iterator[Embedder]:
    """The bundled model, loaded once for all tests here."""
    made = Embedder(BUNDLED)
    yield made
    made.close()


@pytest.fixture(scope="module")
def reference() -> tuple[list[str], NDArray[np.int32], NDArray[np.float32]]:
    """Texts, token counts and vectors that data/make_reference.py computed without llama.cpp."""
    with np.load(REFERENCE) as stored:
        texts = json.loads(stored["texts"].tobytes())
        return texts, stored["counts"], stored["vectors"]


def python(code: str) -> subprocess.CompletedProcess[bytes]:
    """Run code in a fresh interpreter."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


def cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each row with the same row."""
    rows = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray((a * b).sum(axis=1) / rows, np.float32)


def damaged(tmp_path: Path, content: bytes) -> ModelSpec:
    """The bundled model's spec over a file with other content."""
    file = tmp_path / "damaged.gguf"
    file.write_bytes(content)
    return dataclasses.replace(BUNDLED, path=file)


def test_vectors_match_the_reference(
    embedder: Embedder, reference: tuple[list[str], NDArray[np.int32], NDArray[np.float32]]
) -> None:
    """Over 300 texts of many scripts get the vectors an independent float32 forward pass gives."""
    texts, _, expected = reference
    assert len(texts) > 300
    found = embedder.embed_documents(texts)
    assert found.dtype == np.float32
    assert found.shape == (len(texts), 384)
    assert cosines(found, expected).min() >= 0.999
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_token_counts_match_the_reference(
    embedder: Embedder, reference: tuple[list[str], NDArray[np.int32], NDArray[np.float32]]
) -> None:
    """Every text has as many tokens as the model's own tokenizer finds."""
    texts, counts, _ = reference
    assert [embedder.count_tokens(text) for text in texts] == counts.tolist()


def test_bulk_equals_single(
    embedder: Embedder, reference: tuple[list[str], NDArray[np.int32], NDArray[np.float32]]
) -> None:
    """Packed, in two threads or alone: the same vectors in the order given."""
    texts = reference[0][:120]
    alone = np.stack([embedder.embed_query(text) for text in texts])
    assert cosines(embedder.embed_documents(texts), alone).min() > 0.9999
    assert cosines(embedder.embed_documents(texts[:9]), alone[:9]).min() > 0.9999


def test_no_texts_give_no_vectors(embedder: Embedder) -> None:
    """An empty list gives an array of shape (0, dims)."""
    assert embedder.embed_documents([]).shape == (0, 384)


def test_progress_counts_up_to_all(embedder: Embedder) -> None:
    """Progress rises with the texts done and ends at their number, in bulk and below."""
    for number in (3, 100):
        seen: list[int] = []
        embedder.embed_documents([f"text {i}" for i in range(number)], seen.append)
        assert seen == sorted(seen)
        assert seen[-1] == number


@pytest.mark.parametrize("text", ["", " ", "\n", "\t\n ", ".", "\u200b", "\x00", "\ud800", "🙂"])
def test_empty_text_has_a_vector(embedder: Embedder, text: str) -> None:
    """Texts with next to nothing in them get a vector of length one."""
    vector = embedder.embed_query(text)
    assert vector.shape == (384,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "text", ["word " * 511, "long " * 100_000, "日本語" * 5000, "x" * 1_000_000]
)
def test_long_text_is_cut(embedder: Embedder, text: str) -> None:
    """A text beyond the model's context is cut to it and never ends the process."""
    assert np.isfinite(embedder.embed_query(text)).all()


@pytest.mark.parametrize("length", [62, 63, 64, 65, 127, 128, 129, 509, 510, 511, 513])
def test_every_length_fits(embedder: Embedder, length: int) -> None:
    """Texts around the sizes where the working memory changes are embedded."""
    assert embedder.embed_query("word " * length).shape == (384,)


def test_special_tokens_in_a_text_are_text(embedder: Embedder) -> None:
    """A text cannot end itself: [SEP] in it is a word between brackets."""
    assert embedder.count_tokens("[SEP]") > 3


def test_prefixes_are_put_before(embedder: Embedder) -> None:
    """Questions and documents get the prefixes the spec has."""
    other = Embedder(dataclasses.replace(BUNDLED, query_prefix="q: ", document_prefix="d: "))
    assert np.allclose(other.embed_query("x"), embedder.embed_query("q: x"), atol=1e-6)
    assert np.allclose(other.embed_documents(["x"])[0], embedder.embed_query("d: x"), atol=1e-6)
    other.close()


def test_normalising_can_be_left_out(embedder: Embedder) -> None:
    """Without normalize the vectors keep their direction and their own length."""
    raw = Embedder(dataclasses.replace(BUNDLED, normalize=False))
    vector = raw.embed_query("some words")
    raw.close()
    assert np.linalg.norm(vector) > 2
    assert cosines(vector[None], embedder.embed_query("some words")[None])[0] > 0.9999


@pytest.mark.parametrize("pooling", ["cls", "last"])
def test_other_poolings_give_other_vectors(embedder: Embedder, pooling: str) -> None:
    """The spec's pooling is the one used."""
    other = Embedder(dataclasses.replace(BUNDLED, pooling=pooling))
    vector = other.embed_query("some words")
    other.close()
    assert cosines(vector[None], embedder.embed_query("some words")[None])[0] < 0.99


def test_threads_get_the_same_vectors(embedder: Embedder) -> None:
    """Four threads at once, short and long texts and a bulk among them, disturb nobody."""
    texts = [f"thought number {i} " * (1 + i % 30) for i in range(40)]
    alone = np.stack([embedder.embed_query(text) for text in texts])
    with ThreadPoolExecutor(4) as pool:
        bulk = pool.submit(embedder.embed_documents, texts)
        together = np.stack(list(pool.map(embedder.embed_query, texts)))
    assert cosines(together, alone).min() > 0.9999
    assert cosines(bulk.result(), alone).min() > 0.9999


def test_closed_embedder_loads_again() -> None:
    """Closing frees the model, twice does no harm, and the next use loads it again."""
    made = Embedder(BUNDLED)
    made.close()
    before = made.embed_query("again")
    made.close()
    made.close()
    assert np.array_equal(made.embed_query("again"), before)
    made.close()


def test_close_ends_a_bulk() -> None:
    """Closing while texts are being embedded ends that call with words."""
    made = Embedder(BUNDLED)
    with ThreadPoolExecutor(1) as pool:
        closed: list[Future[None]] = []

        def close_once(_: int) -> None:
            if not closed:
                closed.append(pool.submit(made.close))
                while not made._closing:
                    pass

        with pytest.raises(ModelError, match="was closed"):
            made.embed_documents(["some words " * 50] * 100, close_once)


@pytest.mark.parametrize(
    ("keep", "words"), [(0, "cannot be loaded"), (40, "cannot be loaded"), (2**24, "cannot be")]
)
def test_truncated_model_is_told(tmp_path: Path, keep: int, words: str) -> None:
    """A model file cut anywhere is a ModelError that names the file."""
    spec = damaged(tmp_path, BUNDLED.path.read_bytes()[:keep])
    with pytest.raises(ModelError, match=rf"damaged\.gguf {words}"):
        Embedder(spec).load()


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    """A text file and a missing file are ModelErrors with words."""
    with pytest.raises(ModelError, match="cannot be loaded"):
        Embedder(damaged(tmp_path, b"these are my notes\n")).load()
    with pytest.raises(ModelError, match="cannot be loaded"):
        Embedder(dataclasses.replace(BUNDLED, path=tmp_path / "none.gguf")).load()


def test_wrong_dims_are_told() -> None:
    """A file that gives other vectors than recorded is refused before it is used."""
    with pytest.raises(ModelError, match="384 numbers per text instead of 100"):
        Embedder(dataclasses.replace(BUNDLED, dims=100)).load()


def test_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without llama.cpp every use is a ModelError that says how to get it."""

    def fail() -> None:
        raise OSError("libllama.so: cannot open shared object file")

    monkeypatch.setattr(native, "_import_bindings", fail)
    native._library.cache_clear()
    with pytest.raises(ModelError, match=r"libllama.*reinstall llama-cpp-python"):
        Embedder(BUNDLED).load()
    native._library.cache_clear()


def test_any_gguf_by_path_works(tmp_path: Path, embedder: Embedder) -> None:
    """A GGUF file from anywhere is added by path and gives its vectors; it is probed only once."""
    file = shutil.copy(BUNDLED.path, tmp_path / "elsewhere.gguf")
    catalog = Catalog(tmp_path / "data")
    added = Embedder(catalog.add(Path(file)), catalog=catalog)
    vector = added.embed_query("some words")
    added.close()
    assert np.allclose(vector, embedder.embed_query("some words"), atol=1e-6)


def test_second_load_does_not_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child runs at the first load with a catalog and not at the second."""
    first = Embedder(BUNDLED, catalog=Catalog(tmp_path))
    first.load()
    first.close()
    monkeypatch.setattr(catalog_module, "probe", lambda *_: pytest.fail("probed again"))
    second = Embedder(BUNDLED, catalog=Catalog(tmp_path))
    second.load()
    second.close()


@pytest.mark.skipif(sys.platform == "win32", reason="no signals")
def test_crashing_probe_spares_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library would crash, load ends with words before the library is entered."""
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGILL)"
    monkeypatch.setattr(catalog_module, "_probe_command", lambda: [sys.executable, "-c", kill])
    with pytest.raises(ModelError, match="does not suit this processor"):
        Embedder(BUNDLED, catalog=Catalog(tmp_path)).load()


def test_library_prints_nothing() -> None:
    """Loading, embedding, cutting, bulk and a failed load leave stdout and stderr empty."""
    done = python(
        "from memdesk.embedder import Embedder\n"
        "from memdesk.catalog import BUNDLED\n"
        "from memdesk.errors import ModelError\n"
        "import dataclasses, pathlib\n"
        "e = Embedder(BUNDLED); e.embed_query('x'); e.embed_query('long ' * 3000)\n"
        "e.embed_documents(['a b c'] * 100); e.close()\n"
        "try: Embedder(dataclasses.replace(BUNDLED, path=pathlib.Path('none'))).load()\n"
        "except ModelError: pass\n"
    )
    assert (done.stdout, done.stderr) == (b"", b"")


def test_import_is_cheap() -> None:
    """Importing the package loads neither llama_cpp nor numpy."""
    done = python(
        "import sys, memdesk.embedder; print([name for name in sys.modules"
        " if name.partition('.')[0] in ('numpy', 'llama_cpp')])"
    )
    assert done.stdout.strip() == b"[]"


def test_later_import_of_the_package_works() -> None:
    """Loading only the C bindings leaves `import llama_cpp` as it was for others."""
    python(
        "from memdesk.embedder import Embedder; from memdesk.catalog import BUNDLED\n"
        "Embedder(BUNDLED).load(); import llama_cpp; assert llama_cpp.Llama\n"
    )


def test_module_run_as_a_program_reports() -> None:
    """`python -m memdesk.embedder FILE` prints one JSON line, an error as one too."""
    command = [sys.executable, "-m", "memdesk.embedder"]
    done = subprocess.run([*command, BUNDLED.path], capture_output=True, check=True)
    assert json.loads(done.stdout)["dims"] == 384
    failed = subprocess.run([*command, __file__], capture_output=True, check=False)
    assert failed.returncode == 1
    assert "cannot be loaded" in json.loads(failed.stdout)["error"]


def test_packing_keeps_to_the_limit() -> None:
    """Batches hold every text once, neighbours in length together, and at most the limit."""
    lengths = [5, 300, 7, 120, 120, 64, 3, *[2] * 200]
    batches = packed(lengths, 256)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert batches[0] == [1]
    assert all(len(batch) == 1 or sum(lengths[i] for i in batch) <= 256 for batch in batches)
    assert max(map(len, batches)) <= 64
    assert all(len(batch) == 1 for batch in packed(lengths, 0))


def test_embedder_is_an_embedding() -> None:
    """The class has what the protocol asks for; the type checker holds the signatures."""
    made: Embedding = Embedder(BUNDLED)
    assert made.spec is BUNDLED


def test_the_words_of_a_question_and_a_text_are_read(embedder: Embedder) -> None:
    """Each token has a unit vector in a question and the signs of it in a text; the ends have none."""
    question = embedder.read_query("blue bikes")
    (document,) = embedder.read_documents(["blue bikes"])
    assert question.words.shape == (2, 384)
    assert np.linalg.norm(question.words, axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert document.signs == np.packbits(question.words > 0, axis=1).tobytes()
    assert np.allclose(document.vector, question.vector)


def test_many_texts_are_read_as_one_is(embedder: Embedder) -> None:
    """The signs of packed texts are nearly those of each alone: rounding turns a few bits."""
    texts = [f"memory number {number} about bikes and tea" for number in range(80)]
    together = embedder.read_documents(texts)
    for text, read in zip(texts, together, strict=True):
        (alone,) = embedder.read_documents([text])
        assert len(read.signs) == len(alone.signs)
        different = np.unpackbits(
            np.frombuffer(read.signs, np.uint8) ^ np.frombuffer(alone.signs, np.uint8)
        )
        assert different.mean() < 0.01
