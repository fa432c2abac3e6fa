"""Stores of an earlier memdesk: named steps from one format to the next.

A step may be cut short by a kill, so it does nothing twice that it has done: the stamp on the disk
says where to go on. Before the first one the store as it was is kept as a restore point, which the
earlier memdesk opens once it is put back.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memdesk.errors import StoreError
from memdesk.store.opening import VERSION, create_tables
from memdesk.store.snapshot import ABOUT, FOLDER
from memdesk.store.stamp import FORMAT, Stamp, passages_of, read_stamp, write_stamp
from memdesk.store.table import wrapped

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """What brings a store from one format to the next one."""

    before: int
    """The format it begins with."""
    name: str
    """What it does, in words for a person."""
    do: Callable[[Path, Stamp], Stamp]
    """Does it under the writer lock, or what is left of it, and returns the stamp after it."""


def _new_passages(home: Path, stamp: Stamp) -> Stamp:
    """Begin with an empty table for search, which the service fills from the memories."""
    now = replace(stamp, passages=passages_of(stamp.fingerprint))
    create_tables(home, now)
    return now


STEPS: tuple[Step, ...] = (
    Step(1, "what search reads is made anew, with the signs of the words of turns", _new_passages),
    Step(2, "what search reads is made anew, with where memories come from", _new_passages),
)
"""One step a format, in their order."""


def migrate(
    home: Path, memdesk: str, keep: Callable[[Path, str], object]
) -> tuple[Stamp, tuple[str, ...]]:
    """Bring a store to the present format; return its stamp, and in words what was done.

    The caller holds the writer lock. `keep` makes a lasting restore point of a folder, for a reason.
    Raises `StoreError`; the next call goes on with the step that failed.
    """
    stamp = read_stamp(home, VERSION)
    if stamp is None:
        raise StoreError(f"the store in {home} went away while it was opened")
    begun = stamp.format
    if begun == FORMAT:
        return _with_passages(home, stamp)
    if not _is_kept(home):
        keep(home, _reason())
    for step in STEPS:
        if step.before == stamp.format:
            log.info("from format %d: %s", step.before, step.name)
            after = step.do(home, stamp)
            stamp = replace(after, format=step.before + 1, memdesk=memdesk, lancedb=VERSION)
            write_stamp(home, stamp)
    if stamp.format != FORMAT:
        raise StoreError(f"the store in {home} is of format {stamp.format}, which nothing reads")
    done = "; ".join(dict.fromkeys(step.name for step in STEPS if step.before >= begun))
    words = f"this store was of format {begun} and is of format {FORMAT} now: {done}"
    return stamp, (f"{words}; as it was it is kept as a restore point, “{_reason()}”",)


def _with_passages(home: Path, stamp: Stamp) -> tuple[Stamp, tuple[str, ...]]:
    """Return a store of the present format with passages of the present layout."""
    if stamp.passages == passages_of(stamp.fingerprint):
        return stamp, ()  # another process was faster
    stamp = _new_passages(home, stamp)
    write_stamp(home, stamp)
    return stamp, ("what search reads was made by another memdesk and is being made anew",)


def _reason() -> str:
    return f"before format {FORMAT}"


def _is_kept(home: Path) -> bool:
    """Tell whether a restore point of this migration holds these very memories: it was killed then."""
    with wrapped(str(home)):
        slug = _reason().replace(" ", "-")
        return any(_is_of(home, point) for point in (home / FOLDER).glob(f"*-{slug}"))


def _is_of(home: Path, point: Path) -> bool:
    pairs = [(_newest(home / name), _newest(point / name)) for name in _TRUTH]
    return (point / ABOUT).exists() and all(
        now is not None and then is not None and now.samefile(then) for now, then in pairs
    )


_TRUTH = ("memories.lance", "history.lance")


def _newest(table: Path) -> Path | None:
    # Manifest names count down, so the newest sorts first.
    return min((table / "_versions").glob("*.manifest"), default=None)
