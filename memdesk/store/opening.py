"""Opening a store: making it, refusing what it cannot read, mending what a power cut tore."""

from __future__ import annotations

import contextlib
import shutil
import time
from typing import TYPE_CHECKING

from memdesk.errors import StoreError
from memdesk.store import schema
from memdesk.store.durable import Flusher, check_hard_links, flush_folder, looks_torn, mend
from memdesk.store.engine import FTS, Bitmap, BTree, IvfSq, LabelList, lancedb, pa
from memdesk.store.stamp import Stamp, read_stamp, write_stamp
from memdesk.store.store import Store
from memdesk.store.table import LOOP, Table, connect, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lancedb.db import AsyncConnection

VERSION: str = lancedb.__version__
_MAKING = ".making"
_LONGEST_TOKEN = 200
"""Characters; LanceDB's 40 would leave SHA-256 sums and long paths unfound."""


def open_store(
    home: Path,
    memdesk: str,
    model: tuple[str, str, int],
    locked: Callable[[], contextlib.AbstractContextManager[None]],
) -> Store:
    """Open the store in a folder, or make it; a table that a power cut tore is mended.

    `model` is (name, fingerprint, dims) for a new store; `locked` holds the writer lock, which is
    taken only to make or mend. Raises `StoreError`.
    """
    with wrapped(str(home)):
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    stamp = read_stamp(home, VERSION)
    if stamp is None:
        with locked():
            stamp = read_stamp(home, VERSION) or _make(home, memdesk, model)
    if _whole(home, stamp):
        with contextlib.suppress(StoreError):
            return Store(home, stamp)
    with locked():
        repaired = [note for name in _names(stamp) for note in _mend(home, stamp, name)]
        create_tables(home, stamp)
        store = Store(home, stamp)
    store.repaired = tuple(repaired)
    return store


def store_for_model(store: Store, name: str, fingerprint: str, dims: int) -> Store:
    """Return the same store with an empty passages table for another model, not in use yet."""
    stamp = store.stamp.of_model(name, fingerprint, dims)
    if (store.home / f"{stamp.passages}.lance").exists():
        with wrapped(stamp.passages):
            LOOP.run(connect(store.home).drop_table(stamp.passages))
    create_tables(store.home, stamp)
    return Store(store.home, stamp)


def _make(home: Path, memdesk: str, model: tuple[str, str, int]) -> Stamp:
    with wrapped(str(home)):
        home.chmod(0o700)
    check_hard_links(home)
    stamp = Stamp.fresh(VERSION, memdesk, *model)
    create_tables(home, stamp)
    write_stamp(home, stamp)
    return stamp


def create_tables(home: Path, stamp: Stamp) -> None:
    """Make those tables of a store that are not there, with their indexes."""
    missing = [name for name in _names(stamp) if not (home / f"{name}.lance").exists()]
    making = home / _MAKING
    with wrapped(str(home)):
        shutil.rmtree(making, ignore_errors=True)
        for name in missing:
            shape = {"memories": schema.MEMORIES, "history": schema.HISTORY}
            making.mkdir(mode=0o700, exist_ok=True)
            table = shape.get(name) or schema.passages(stamp.dims)
            LOOP.run(_create(connect(making), name, table, stamp))
            Flusher(making / f"{name}.lance").flush()
            # A table appears whole, with its indexes, or not at all.
            (making / f"{name}.lance").rename(home / f"{name}.lance")
        shutil.rmtree(making, ignore_errors=True)
        flush_folder(home)


async def _create(db: AsyncConnection, name: str, shape: pa.Schema, stamp: Stamp) -> None:
    options = {"new_table_enable_stable_row_ids": "true"}
    table = await db.create_table(name, schema=shape, storage_options=options)
    if name != "history":
        await table.set_unenforced_primary_key("id" if name == "memories" else "key")
    for column, config in _INDEXES.get(name, _PASSAGE_INDEXES).items():
        await table.create_index(column, config=config)
    if name == stamp.passages:
        await table.create_index("text", config=word_index(stamp))


_INDEXES = {
    "memories": {
        "id": BTree(),
        "content_hash": BTree(),
        "seq": BTree(),
        "change": BTree(),
        "space": Bitmap(),
        "state": Bitmap(),
    },
    "history": {"id": BTree(), "change": BTree()},
}
_PASSAGE_INDEXES = {
    "memory": BTree(),
    "seq": BTree(),
    "space": Bitmap(),
    "kind": Bitmap(),
    "state": Bitmap(),
    "embedded": Bitmap(),
    "tags": LabelList(),
}
VECTOR_INDEX = IvfSq(distance_type="cosine")


def word_index(stamp: Stamp) -> FTS:
    """Return the full-text index's settings: icu/split finds CJK words and parts of identifiers."""
    return FTS(
        base_tokenizer="icu/split",
        with_position=True,
        stem=stamp.stem,
        remove_stop_words=False,
        max_token_length=_LONGEST_TOKEN,
    )


def _names(stamp: Stamp) -> tuple[str, str, str]:
    return "memories", "history", stamp.passages


def _whole(home: Path, stamp: Stamp) -> bool:
    folders = [home / f"{name}.lance" for name in _names(stamp)]
    with wrapped(str(home)):
        return all(folder.is_dir() and not looks_torn(folder) for folder in folders)


def _mend(home: Path, stamp: Stamp, name: str) -> list[str]:
    """Bring one table to its newest whole version; what cannot be mended is kept and reported."""
    folder = home / f"{name}.lance"

    def table() -> Table:
        return Table(connect(home), home, name, durable=False)

    def opens() -> None:
        opened = table()
        scanned = sum(batch.num_rows for batch in opened.batches(""))
        if scanned != opened.count():
            raise StoreError(f"{name} lost rows")

    if not folder.is_dir():
        if name == "memories":
            raise StoreError(
                f"the table {folder} is missing, and nothing was made in its place: restore it from "
                "a backup, or move the rest of the folder away to begin anew"
            )
        return [f"the table {name} was missing and has been made anew"]
    try:
        bad = mend(folder, opens, lambda: table().count())
    except Exception as error:
        if name != stamp.passages:
            raise StoreError(
                f"the table {folder} cannot be read ({error}); it was left as it is: restore it "
                "from a backup, or move the folder away to begin anew"
            ) from error
        folder.rename(folder.with_name(f"{folder.name}.unreadable-{time.time_ns()}"))
        return ["the search index was unreadable: it is set aside and rebuilt"]
    return [f"{name}: {len(bad)} unfinished commits of a power cut were set aside"] if bad else []
