"""How well recall finds the evidence of questions, in data sets that others made.

Reads LoCoMo's own file, LongMemEval's own files and a neutral schema; each conversation is stored
through the service in a store of its own, with the bundled model, and every question is asked of
memdesk and of plain LanceDB with the same vectors: full-text search, vector search, both by RRF.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.machine import load_average, this_machine
from bench.recall import neutral, report, run
from bench.recall.data import Dataset, UnknownData, load
from bench.recall.vectors import EmbedOnce
from bench.scale import positive
from memdesk.catalog import BUNDLED, Catalog
from memdesk.embedder import Embedder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.recall.conversation import Conversation
    from bench.recall.grid import Grid
    from memdesk.embedder import Embedding

Results = dict[str, "list[Grid]"]
"""The tables of each data set, by its path."""


def main(argv: Sequence[str]) -> int:
    """Measure recall on the data sets named, print it, and return 2 if one cannot be read."""
    options = _options(argv)
    try:
        datasets = {str(path): _cut(load(path), options) for path in options.data}
    except (UnknownData, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    found = _measured(datasets, options)
    print(_as_json(found) if options.json else _as_text(found))
    return 0


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench recall",
        description=__doc__,
        epilog=f"{neutral.NAME}:\n  {neutral.EXPECTED}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("data", nargs="+", type=Path, metavar="DATA", help="a data set's JSON file")
    add("--ablate", action="store_true", help="also without each part of the recipe")
    add("--json", action="store_true", help="print one JSON document instead of tables")
    add("--quick", action="store_true", help="no foreign questions, no budgets by the service")
    add("--vectors", type=Path, metavar="FILE", help="keep the turns' vectors there for next time")
    add("--limit", type=positive, metavar="N", help="ask N questions of each conversation")
    add("--conversations", type=positive, metavar="N", help="use the first N conversations")
    return parser.parse_args(argv)


def _cut(dataset: Dataset, options: argparse.Namespace) -> Dataset:
    kept = dataset.conversations[: options.conversations]
    if options.limit:
        kept = tuple(_fewer(each, options.limit) for each in kept)
    return replace(dataset, conversations=kept)


def _fewer(conversation: Conversation, count: int) -> Conversation:
    """Return the conversation with so many of its questions: of all kinds, always the same."""
    asked = conversation.questions
    chosen = random.Random(conversation.id).sample(asked, min(count, len(asked)))
    return replace(conversation, questions=tuple(chosen))


def _measured(datasets: Mapping[str, Dataset], options: argparse.Namespace) -> Results:
    parts = run.parts() if options.ablate else ()
    with tempfile.TemporaryDirectory(prefix="memdesk-bench-") as folder:
        embedder = open_embedder(Path(folder))
        once = EmbedOnce(embedder, options.vectors)
        measuring = run.Run(once, _say, parts, options.quick)
        found = {
            path: list(report.grids(measuring.measure(dataset)))
            for path, dataset in datasets.items()
        }
        once.keep()
        embedder.close()
    return found


def open_embedder(folder: Path) -> Embedding:
    """Return the real model, loaded; `folder` is one that has no models of its own."""
    made = Embedder(BUNDLED, catalog=Catalog(folder))
    made.load()
    return made


def _as_json(found: Results) -> str:
    told = {
        "machine": asdict(this_machine()),
        "load": load_average(),
        "data": {
            path: {grid.name: grid.as_json() for grid in grids} for path, grids in found.items()
        },
    }
    return json.dumps(told, indent=1, ensure_ascii=False)


def _as_text(found: Results) -> str:
    machine = f"{this_machine()}\nload average at the end {load_average():.1f}"
    tables = [str(grid) for grids in found.values() for grid in grids]
    return "\n\n".join([machine, *tables])


def _say(words: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {words}", file=sys.stderr, flush=True)
