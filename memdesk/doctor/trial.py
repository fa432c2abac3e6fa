"""Load a model and embed one line, in a process that may die of it: prints one line of JSON.

`python -m memdesk.doctor.trial SPEC`, which is what `doctor.program` runs.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from memdesk.catalog import ModelSpec
from memdesk.embedder import Embedder
from memdesk.errors import ModelError

_LINE = "A line of twelve words, as people ask them of their memory."


def main(arguments: list[str]) -> int:
    """Try the model that the first argument describes: a `ModelSpec` as a JSON object."""
    told = json.loads(arguments[0])
    embedder = Embedder(ModelSpec(**told | {"path": Path(told["path"])}))
    begun = time.monotonic()
    try:
        embedder.load()
        loaded = time.monotonic()
        embedder.read_query("warm")
        warm = time.monotonic()
        embedder.read_query(_LINE)
    except ModelError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    answer = {"load": loaded - begun, "one": time.monotonic() - warm}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
