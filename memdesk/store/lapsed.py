"""Rows whose time has run out: expired memories, old trash, tombstones and revisions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from memdesk.memory import TOMBSTONE
from memdesk.store.filters import both, equals, literal

if TYPE_CHECKING:
    from memdesk.store.store import Store


def lapsed(
    store: Store, state: str, *, expired: datetime | None = None, before: datetime | None = None
) -> list[str]:
    """Return the ids of memories in a state that had expired, or were changed last before a moment."""
    condition = both(
        equals("state", state),
        f"expires_at <= {literal(expired)}" if expired else "",
        _long_before(store, before) if before else "",
    )
    return [
        str(id) for id in store.memories.rows(condition, columns=["id"]).column("id").to_pylist()
    ]


def erased(store: Store) -> dict[str, int]:
    """Return the tombstones' sequence numbers by their ids."""
    rows = store.memories.rows(equals("state", TOMBSTONE), columns=["id", "seq"])
    return {str(row["id"]): int(row["seq"]) for row in rows.to_pylist()}


def old_tombstones(store: Store, before: datetime, until: int) -> bool:
    """Tell whether there are tombstones from before a moment, up to a sequence number."""
    return bool(store.memories.count(_old_tombstones(store, before, until)))


def drop_tombstones(store: Store, before: datetime, until: int) -> None:
    """Drop tombstones from before a moment; the one that holds the last sequence number stays.

    And those after the sequence number `until`: not every remote knows of them yet.
    """
    until = min(until, store.refresh().seq - 1)
    store.memories.delete(_old_tombstones(store, before, until))


def _old_tombstones(store: Store, before: datetime, until: int) -> str:
    return both(equals("state", TOMBSTONE), _long_before(store, before), f"seq <= {until}")


def old_revisions(store: Store, before: datetime) -> bool:
    """Tell whether there are revisions in the history that were replaced before a moment."""
    return bool(store.history.count(_replaced_before(store, before)))


def drop_revisions(store: Store, before: datetime) -> None:
    """Drop the revisions that were replaced before a moment."""
    store.history.delete(_replaced_before(store, before))


def _replaced_before(store: Store, before: datetime) -> str:
    return both(f"valid_to < {literal(before)}", _long_before(store, before))


def _long_before(store: Store, before: datetime) -> str:
    """Return what holds for rows of before a moment, written with a clock that was right.

    Nothing is older than what was created or written before it: a clock may have been behind.
    """
    at = literal(before)
    since = f"updated_at >= {at} AND updated_at <= {literal(datetime.now(UTC))}"
    younger = store.memories.rows(since, columns=["seq"]).column("seq").to_pylist()
    earlier = f"seq < {min(younger)}" if younger else ""
    return both(f"updated_at < {at}", f"created_at < {at}", earlier)
