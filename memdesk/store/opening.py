"""Opening a store: making it, refusing what it cannot read, mending what a power cut tore."""

from __future__ import annotations

import contextlib
import shutil
import time
from typing import TYPE_CHECKING

from memdesk.disk import flush_folder, flush_way
from memdesk.errors import StoreError
from memdesk.store import exchange, schema
from memdesk.store.durable import Flusher, check_hard_links, mend
from memdesk.store.engine import FTS, Bitmap, BTree, IvfRq, IvfSq, LabelList, lancedb, pa
from memdesk.store.manifest import looks_torn
from memdesk.store.stamp import Stamp, read_stamp, write_stamp
from memdesk.store.store import Store
from memdesk.store.table import LOOP, Table, connect, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lancedb.db import AsyncConnection

VERSION: str = lancedb.__version__
_MAKING = ".making"
MAINTAINED = "maintenance.json"
"""The file that says what maintenance has done."""
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
    stamp = None if exchange.under_way(home) else read_stamp(home, VERSION)
    if stamp is None:
        with locked():
            exchange.finish(home)  # also one that has begun since, and was killed
            stamp = read_stamp(home, VERSION) or _make(home, memdesk, model)
    renewed: tuple[str, ...] = ()
    if stamp.is_earlier:
        stamp, renewed = _brought_up(home, memdesk, stamp, locked)
    if _whole(home, stamp):
        with contextlib.suppress(StoreError):
            store = Store(home, stamp)
            store.repaired = renewed
            return store
    with locked():
        exchange.finish(home)
        stamp = read_stamp(home, VERSION) or stamp
        repaired = _mended(home, stamp)
        store = Store(home, stamp)
    store.repaired = (*renewed, *repaired)
    return store


def _brought_up(
    home: Path,
    memdesk: str,
    stamp: Stamp,
    locked: Callable[[], contextlib.AbstractContextManager[None]],
) -> tuple[Stamp, tuple[str, ...]]:
    """Return a store of an earlier memdesk as this one's, and what was done to it, in words."""
    from memdesk.store.migrations import migrate

    with locked():
        stamp = read_stamp(home, VERSION) or stamp
        repaired = [] if _whole(home, stamp) else _mended(home, stamp)
        stamp, done = migrate(home, memdesk, _keep)
    return stamp, (*repaired, *done)


def _keep(home: Path, reason: str) -> None:
    """Make a restore point that stays, so that there is a way back."""
    from memdesk.store import snapshot

    snapshot.make_point(home, reason, kept=True)


def _mended(home: Path, stamp: Stamp) -> list[str]:
    repaired = [note for name in _names(stamp) for note in _mend(home, stamp, name)]
    if repaired:  # what search was known to have is to be looked for anew
        (home / MAINTAINED).unlink(missing_ok=True)
    create_tables(home, stamp)
    return repaired


def _make(home: Path, memdesk: str, model: tuple[str, str, int]) -> Stamp:
    with wrapped(str(home)):
        home.chmod(0o700)
    check_hard_links(home)
    stamp = Stamp.fresh(VERSION, memdesk, *model)
    create_tables(home, stamp)
    write_stamp(home, stamp)
    flush_way(home)
    return stamp


def create_tables(home: Path, stamp: Stamp, shapes: Mapping[str, pa.Schema] | None = None) -> None:
    """Make those tables of a store that are not there, with their indexes.

    `shapes` are the columns of tables that an earlier memdesk had otherwise.
    """
    missing = [name for name in _names(stamp) if not (home / f"{name}.lance").exists()]
    making = home / _MAKING
    with wrapped(str(home)):
        shutil.rmtree(making, ignore_errors=True)
        for name in missing:
            shape = {"memories": schema.MEMORIES, "history": schema.HISTORY, **(shapes or {})}
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
    for column, config in indexes(name).items():
        if column in shape.names:
            await table.create_index(column, config=config)
    if name == stamp.passages:
        await table.create_index("text", config=word_index())


_INDEXES: dict[str, dict[str, Bitmap | BTree | LabelList]] = {
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
_PASSAGE_INDEXES: dict[str, Bitmap | BTree | LabelList] = {
    "memory": BTree(),
    "seq": BTree(),
    "space": Bitmap(),
    "kind": Bitmap(),
    "source": Bitmap(),
    "state": Bitmap(),
    "embedded": Bitmap(),
    "tags": LabelList(),
    "session": BTree(),
}


def indexes(name: str) -> dict[str, Bitmap | BTree | LabelList]:
    """Return the indexes that the filters of a table need, by their columns."""
    return _INDEXES.get(name, _PASSAGE_INDEXES)


def vector_index(dims: int) -> IvfRq | IvfSq:
    """Return the vector index's settings.

    Four bits a number take half the memory and time of eight, at the same recall among 100 whose
    cosines are computed anew (measured at 1,000,000); LanceDB has them for multiples of 8 numbers.
    """
    if dims % 8:
        return IvfSq(distance_type="cosine")
    return IvfRq(distance_type="cosine", num_bits=4)


def word_index() -> FTS:
    """Return the full-text index's settings: words are terms already, with spaces between."""
    return FTS(
        base_tokenizer="whitespace",
        with_position=False,
        lower_case=False,
        stem=False,
        remove_stop_words=False,
        ascii_folding=False,
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
        bad = mend(folder, opens, lambda: table().count(), derived=name == stamp.passages)
    except Exception as error:
        if name != stamp.passages:
            raise StoreError(
                f"the table {folder} cannot be read ({error}); it was left as it is: restore it "
                "from a backup, or move the folder away to begin anew"
            ) from error
        folder.rename(folder.with_name(f"{folder.name}.unreadable-{time.time_ns()}"))
        return ["the search index was unreadable: it is set aside and rebuilt"]
    return [f"{name}: {len(bad)} unfinished commits of a power cut were set aside"] if bad else []
