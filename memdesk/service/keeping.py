"""The verbs that keep what there is: restore points, copies, what has changed, models, upkeep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memdesk.service import (
    adopting,
    backups,
    copying,
    differing,
    examining,
    indexing,
    points,
    switching,
    tables,
    taking,
    upkeep,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from memdesk.answers import Copied, Diff, Finding, Point, Restored, Taken, Whole, Wholes
    from memdesk.catalog import ModelSpec
    from memdesk.memory import Draft, Filter
    from memdesk.service.core import Core


class Keeping:
    """The part of the service that loses nothing."""

    _core: Core

    # Restore points

    def points(self) -> tuple[Point, ...]:
        """Return the restore points there are, the newest first."""
        return points.points(self._core)

    def take_point(self, *, reason: str = "by hand") -> Point:
        """Make a restore point of the store as it is now."""
        return points.take(self._core, reason)

    def drop_point(self, name: str) -> None:
        """Delete a restore point; raises `Invalid` for a name that is none."""
        points.drop(self._core, name)

    def restore_point(self, name: str) -> Restored:
        """Put a restore point in the store's place; what is there now is set aside as another one.

        What was purged since stays erased. Raises `Invalid` for a name that is none.
        """
        return copying.restore_point(self._core, name)

    def diff(self, since: datetime, *, limit: int = 100) -> Diff:
        """Return what has changed since a moment, the last change first, at most `limit` memories."""
        return differing.diff(self._core, since, limit)

    # Copies

    def copy_to(self, folder: Path, progress: Callable[[int, int], None] | None = None) -> Copied:
        """Copy the whole store as of one moment into an empty folder, one file a table.

        Others write meanwhile. `progress` hears (rows done, of how many).
        """
        return copying.copy_to(self._core, folder, progress)

    def check_copy(
        self, folder: Path, progress: Callable[[int, int], None] | None = None
    ) -> Copied:
        """Restore a copy into a temporary place and compare every row with the copy.

        Raises `Invalid` where it is no copy or something is missing or different.
        """
        return copying.check_copy(self._core, folder, progress)

    def restore_copy(
        self, folder: Path, progress: Callable[[int, int], None] | None = None
    ) -> Restored:
        """Put a copy in the store's place; what is there now is set aside as a restore point.

        The store gets a new epoch and device. What was purged since stays erased. Raises `Invalid`
        where it is no copy.
        """
        return copying.restore_copy(self._core, folder, progress)

    def backups_with(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Return the paths of the backup files that may still hold the words of memories.

        That is those known to this computer, made since the oldest of them was created, and still
        there. Raises `NotFound`.
        """
        return backups.with_words_of(self._core, ids)

    # Importing

    def take_in(
        self,
        drafts: Sequence[Draft],
        *,
        actor: str = "import",
        change: str | None = None,
        fresh: bool = False,
        dry: bool = False,
    ) -> tuple[Taken, ...]:
        """Store what can be stored of some drafts at once, and tell what became of each, in order.

        They are found by their words from then on, and by meaning once embedded. What was taken in
        before and has been forgotten, replaced or edited since stays as it is now. A `dry` run
        tells the same and writes nothing.
        """
        return taking.take_in(self._core, drafts, actor, change, fresh=fresh, dry=dry)

    def wholes(self, *, where: Filter, limit: int = 100, cursor: str | None = None) -> Wholes:
        """Return memories with all that they were before, the oldest first, at most 200."""
        return adopting.wholes(self._core, where, limit, cursor)

    def write_parquet(self, path: Path, *, where: Filter) -> int:
        """Write memories into a new Parquet file, the oldest first; return how many they are."""
        return tables.write_parquet(self._core, path, where)

    def adopt(
        self,
        wholes: Sequence[Whole],
        *,
        actor: str = "import",
        change: str | None = None,
        dry: bool = False,
    ) -> tuple[Taken, ...]:
        """Take memories of another store in with their ids and histories; tell what became of each.

        Of two with one id the one with the later clock is present afterwards, and the other in its
        history. What was erased here stays erased; what was erased elsewhere goes to the trash.
        """
        return adopting.adopt(self._core, wholes, actor, change, dry=dry)

    # Models

    def use_model(self, spec: ModelSpec, progress: Callable[[int, int], None] | None = None) -> int:
        """Embed everything with another model, then switch to it; raises `ModelError`.

        Until then the present one is searched with. What a kill cuts short goes on by itself.
        """
        return switching.use_model(self._core, spec, progress)

    def roll_back_model(self, progress: Callable[[int, int], None] | None = None) -> str:
        """Go back to the model that was in use before, or give up a change under way.

        Returns the name of the model in use then. Raises `ModelError` where there is no way back.
        """
        return switching.roll_back_model(self._core, progress)

    # Upkeep

    def examine(self) -> tuple[Finding, ...]:
        """Look the store over: rows, indexes, leftovers, locks, points; changes nothing."""
        return examining.examine(self._core)

    def embed_pending(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Embed the passages of long texts that wait for it; `progress` hears (done, total)."""
        return indexing.embed_now(self._core, progress)

    def reindex(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Build what search reads anew from the memories; return how many there are."""
        return upkeep.reindex(self._core, progress)

    def maintain(self, *, keep_seconds: float = 600.0, linger_seconds: float = 0.0) -> bool:
        """Do the duties of maintenance; False when another process is at it.

        Old versions younger than `keep_seconds` stay for readers; `linger_seconds` is how long to
        wait for more to do.
        """
        return upkeep.maintain(self._core, keep_seconds, linger_seconds)
