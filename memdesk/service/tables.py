"""Memories as one file that programs of tables read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memdesk.limits import check
from memdesk.service import reading

if TYPE_CHECKING:
    from pathlib import Path

    from memdesk.memory import Filter
    from memdesk.service.core import Core

_PAGE = 200


def write_parquet(core: Core, path: Path, where: Filter) -> int:
    """Write the memories of a filter into a new Parquet file; return how many they are."""
    from memdesk.store.parquet import parquet_file

    core.store()
    done, cursor = 0, None
    with parquet_file(path) as write:
        while True:
            check()
            page = reading.list_(core, where, _PAGE, cursor, oldest_first=True)
            if page.memories:
                write(page.memories)
            done, cursor = done + len(page.memories), page.cursor
            if cursor is None:
                return done
