"""Looking the store over: what is told is counts and states, never a memory's text."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from memdesk.answers import Finding
from memdesk.clock import is_believed
from memdesk.errors import MemdeskError
from memdesk.memory import LIVE, REPLACED, TRASHED, now
from memdesk.service import points
from memdesk.service.upkeep import TRASH_DAYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memdesk.service.core import Core
    from memdesk.store.census import TableState

log = logging.getLogger(__name__)

_GOOD, _NOTE, _WARNING, _PROBLEM = "good", "note", "warning", "problem"
_MANY_FRAGMENTS = 256
_MANY_VERSIONS = 2000
_MANY_UNINDEXED = 50_000
_MANY_PENDING = 1000
_DAY = 86_400
_LATE_DAYS = 3
_TIDY = "memdesk maintain"
_REINDEX = "memdesk reindex"
_RESTORE = "memdesk backup create first; then bring back a backup or a restore point (docs/CLI.md)"


def examine(core: Core) -> tuple[Finding, ...]:
    """Look the store over: rows, indexes, upkeep, points, models; changes nothing but what is torn.

    Each part is looked at on its own, so that one that cannot be does not keep the others.
    """
    core.store()  # where it cannot be opened there is nothing to look at
    parts: tuple[tuple[str, Callable[[Core], Iterator[Finding]]], ...] = (
        ("format", _stamp),
        ("memories", _rows),
        ("tables", _tables),
        ("restore points", _points),
        ("model", _model),
        ("opening", _notes),
    )
    return tuple(finding for about, look in parts for finding in _part(core, about, look))


def _part(core: Core, about: str, look: Callable[[Core], Iterator[Finding]]) -> tuple[Finding, ...]:
    try:
        return tuple(look(core))
    except MemdeskError as error:
        return (Finding(about, _PROBLEM, str(error)),)
    except Exception as error:
        log.exception("the store's %s could not be looked at", about)
        return (Finding(about, _WARNING, f"could not be looked at ({type(error).__name__})"),)


def _stamp(core: Core) -> Iterator[Finding]:
    stamp = core.store().stamp
    written = f"written by memdesk {stamp.memdesk} with lancedb {stamp.lancedb}"
    yield Finding("format", _GOOD, f"format {stamp.format}, {written}")


# Rows


def _rows(core: Core) -> Iterator[Finding]:
    from memdesk.store.census import census

    found = census(core.store())
    live, trash = found.states.get(LIVE, 0), found.states.get(TRASHED, 0)
    replaced = found.states.get(REPLACED, 0)
    words = f"{live:,} live, {trash:,} in the trash, {replaced:,} replaced"
    yield Finding("memories", _GOOD, words)
    if found.duplicates:
        words = f"rows with the id of another one: {found.duplicates:,}"
        yield Finding("memories", _PROBLEM, words, _RESTORE)
    yield from _counters(core, found.head, found.before)
    yield from _search(core, found.without_passages, found.without_memory, found.passages)
    if found.pending:
        words = f"{found.pending:,} of {found.passages:,} passages wait for their vectors; until "
        words += "they have them they are found by their words"
        level = _NOTE if found.pending < _MANY_PENDING else _WARNING
        yield Finding("vectors", level, words, "leave memdesk running: the daemon embeds them")
    ahead = found.ahead / 1000 - time.time()
    if not is_believed(found.ahead, time.time() * 1000):
        hours = ahead / 3600
        words = f"a memory was written when a clock was {hours:,.1f} hours ahead of this one"
        yield Finding("clock", _WARNING, words, "check this computer's date and time")
    late = (now().timestamp() - found.oldest_trash) / _DAY - TRASH_DAYS if found.oldest_trash else 0
    if late > _LATE_DAYS:
        words = f"the trash keeps what should have gone {late:.0f} days ago; maintenance of two days purges it"
        yield Finding("trash", _WARNING, words, _TIDY)


def _counters(core: Core, head: int, before: int) -> Iterator[Finding]:
    """Compare the store's own counters: each was taken from one that is never below it."""
    from memdesk.store import indexed_until

    store = core.store()
    highest = max(before, indexed_until(store))
    if highest > head:
        words = f"the memories end at seq {head:,}, and something was written up to {highest:,}"
        yield Finding("memories", _PROBLEM, f"{words}: rows were lost", _RESTORE)


def _search(core: Core, missing: int, stale: int, passages: int) -> Iterator[Finding]:
    if not missing and not stale:
        yield Finding("search", _GOOD, f"it has every memory, in {passages:,} passages")
        return
    parts = [f"it lacks {missing:,} of the memories" if missing else ""]
    parts += [f"{stale:,} of its passages are of what is no more" if stale else ""]
    words = "; ".join(part for part in parts if part)
    if core.behind or core.duties.due():
        yield Finding("search", _NOTE, f"{words}; that is being seen to")
    else:
        yield Finding("search", _WARNING, words, _REINDEX)


# Tables


def _tables(core: Core) -> Iterator[Finding]:
    from memdesk.store.census import table_states

    states = table_states(core.store())
    bad = [finding for state in states for finding in _table(state)]
    yield from bad
    if not bad:
        files = sum(state.fragments for state in states)
        versions = sum(state.versions for state in states)
        words = f"{len(states)} with all their indexes, {files:,} data files, {versions:,} versions"
        yield Finding("tables", _GOOD, words)


def _table(state: TableState) -> Iterator[Finding]:
    if state.missing:
        words = f"{state.name} has no index for {', '.join(state.missing)}"
        yield Finding("tables", _NOTE, f"{words}: filters are slower", _TIDY)
    if state.unindexed > _MANY_UNINDEXED:
        words = f"{state.unindexed:,} of {state.rows:,} rows of {state.name} are in no index yet"
        yield Finding("tables", _NOTE, f"{words}: searches read them one by one", _TIDY)
    if state.fragments > _MANY_FRAGMENTS or state.versions > _MANY_VERSIONS:
        words = (
            f"{state.name} has many files ({state.fragments:,}) or versions ({state.versions:,})"
        )
        yield Finding("tables", _WARNING, f"{words}: maintenance is behind", _TIDY)


# What keeps it safe


def _points(core: Core) -> Iterator[Finding]:
    found = points.points(core)
    size = sum(point.size for point in found) / 1e6
    kept = [point for point in found if point.kept]
    if found:
        last = found[0]
        words = f"{len(found)}, the last of {last.at.astimezone():%d %b %H:%M} ({last.reason})"
        yield Finding("restore points", _GOOD, f"{words}; they keep {size:,.0f} MB")
    else:
        words = "none yet; they are made on a schedule, and before whatever changes much"
        yield Finding("restore points", _GOOD, words)
    for note in points.notes(core):
        yield Finding("restore points", _WARNING, note)
    if kept:
        taken = sum(point.size for point in kept) / 1e6
        words = f"{taken:,.0f} MB are kept of what restores have set aside ({len(kept)})"
        yield Finding("restore points", _NOTE, words, "drop them once you miss nothing")


def _model(core: Core) -> Iterator[Finding]:
    stamp = core.store().stamp
    if core.trouble:
        yield Finding("model", _WARNING, core.trouble, "memdesk model list shows those there are")
    coming = stamp.coming
    if coming:
        yield Finding("model", _NOTE, f"vectors of {coming} are being made beside {stamp.model}'s")
    else:
        yield Finding("model", _GOOD, f"{stamp.model}, {stamp.dims} numbers a vector")


def _notes(core: Core) -> Iterator[Finding]:
    """Say what a person should know of how the store was opened."""
    for note in core.notes:
        yield Finding("opening", _WARNING, note, _after(note))


def _after(note: str) -> str:
    return (
        "" if "being made anew" in note else "nothing, if you miss no memory; else: docs/STORE.md"
    )
