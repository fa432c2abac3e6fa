"""Try a model once: `python -m memdesk.embedder FILE [POOLING]` prints one line of JSON.

`catalog.probe` reads that.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from memdesk.embedder.native import try_model
from memdesk.errors import ModelError

if TYPE_CHECKING:
    from memdesk.catalog import Report


def main(arguments: list[str]) -> int:
    """Try the model file that is the first argument, with the pooling that is the second."""
    answer: Report | dict[str, str]
    try:
        answer = try_model(Path(arguments[0]), (*arguments[1:], "")[0])
    except ModelError as error:
        answer = {"error": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")
    return int("error" in answer)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
