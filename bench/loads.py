"""How fast many texts become vectors, and memories: without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.notes import LONGEST, SHORTEST, notes
from bench.samples import median, seconds
from bench.table import of_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.scale import Bench
    from bench.table import Row


def bulk(bench: Bench) -> Iterator[Row]:
    """Measure a bulk load beside the model alone on the same texts, in turn."""
    stores = bench.stores
    texts = [note.text for note in stores.notes]
    alone: list[float] = []
    loaded: list[float] = []
    for _ in range(bench.scale.loads):
        bench.say(f"embedding {len(texts):,} texts")
        stores.embedder.load()
        alone.append(seconds(lambda: stores.embedder.embed_documents(texts)))
        loaded.append(stores.load_small())
    shares = [100 * one / other for one, other in zip(alone, loaded, strict=True)]
    what = f"bulk load of {len(texts):,}, share of the model's speed"
    yield of_runs("bulk", what, shares, "%", 90, at_least=True)
    yield of_runs("bulk", "  bulk load", [len(texts) / took for took in loaded], "texts/s")
    yield of_runs("bulk", "  the model alone", [len(texts) / took for took in alone], "texts/s")


def embedder(bench: Bench) -> Iterator[Row]:
    """Measure the model alone, for reference."""
    model = bench.stores.embedder
    model.load()
    for words in (12, 40):
        took: list[float] = []
        for run in range(bench.scale.runs):
            texts = [note.text for note in notes(100, seed=40 + run, words=words)]
            each = [seconds(lambda text=text: model.embed_documents([text])) for text in texts]  # type: ignore[misc]
            took.append(median(each) * 1000)
        yield of_runs("embedder", f"the model: one text of {words} words", took)
    many = [note.text for note in notes(1000, seed=41)]
    speeds = [
        len(many) / seconds(lambda: model.embed_documents(many)) for _ in range(bench.scale.runs)
    ]
    yield of_runs(
        "embedder", f"the model: many texts of {SHORTEST} to {LONGEST} words", speeds, "texts/s"
    )
