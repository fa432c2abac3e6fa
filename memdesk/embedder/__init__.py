"""Text to vectors with llama.cpp, which nothing else imports.

Importing this package is cheap; the library and the model load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memdesk.embedder.embedder import Embedder, Embedding, packed
from memdesk.embedder.native import try_model

if TYPE_CHECKING:
    # A name for type checkers only: making it would import numpy.
    from memdesk.embedder.native import Vectors as Vectors

__all__ = ["Embedder", "Embedding", "packed", "try_model"]
