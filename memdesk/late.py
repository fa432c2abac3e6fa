"""Late interaction: how near a passage is to a question, word by word.

Each of the question's tokens looks for the nearest of the passage's; the mean of what they find is
the nearness (MaxSim: Khattab and Zaharia 2020, ColBERT, 3.3). Of a passage's token vectors only the
signs are kept, an eighth of a byte a number: on LoCoMo as good as the numbers (docs/RECALL.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def nearness(words: np.ndarray, signs: Sequence[bytes]) -> list[float]:
    """Return how near each passage is to a question: about a mean of cosines, -1 to 1.

    `words` are the question's token vectors, unit length, shape (n, dims), n > 0; `signs` each
    passage's, dims / 8 bytes a token, none of them empty.
    """
    dims = words.shape[1]
    width = -(-dims // 8)
    packed = np.frombuffer(b"".join(signs), np.uint8).reshape(-1, width)
    bits = np.unpackbits(packed, axis=1, count=dims).astype(np.float32)
    # What is no bit is -1: 2 b - 1, of which the part that is the same for every token comes last.
    products = 2 * (bits @ words.T) - words.sum(axis=1)
    starts = np.cumsum([0, *(len(each) // width for each in signs[:-1])])
    nearest = np.maximum.reduceat(products, starts, axis=0)
    found: list[float] = (nearest.mean(axis=1) / np.sqrt(dims)).tolist()
    return found
