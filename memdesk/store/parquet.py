"""Memories as a Parquet file, for programs that read tables."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from memdesk.disk import flush_file
from memdesk.store import schema
from memdesk.store.table import wrapped

import pyarrow.parquet as pq  # isort: skip (after the engine's settings)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from memdesk.memory import Memory


@contextmanager
def parquet_file(path: Path) -> Iterator[Callable[[Sequence[Memory]], None]]:
    """Make a file that only its owner reads; lend what writes memories into it, as one group each time.

    Raises `StoreError`.
    """
    with wrapped(str(path)):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with pq.ParquetWriter(path, schema.MEMORIES, compression="zstd") as file:
            yield lambda memories: file.write_table(schema.memory_rows(memories))
        flush_file(path)
