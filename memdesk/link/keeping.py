"""The verbs that keep what there is, asked of the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memdesk.answers import Copied, Diff, Point, Restored, Wholes
from memdesk.link.calls import Call
from memdesk.memory import new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from memdesk.answers import Finding, Taken, Whole
    from memdesk.catalog import ModelSpec
    from memdesk.link.calls import Calls
    from memdesk.memory import Draft, Filter


class Keeping:
    """The part of the client that loses nothing."""

    _calls: Calls

    # Restore points

    def points(self) -> tuple[Point, ...]:
        """Return the restore points there are, the newest first."""
        return self._calls.ask(tuple, Call("points"))

    def take_point(self, *, reason: str = "by hand") -> Point:
        """Make a restore point of the store as it is now."""
        return self._calls.ask(Point, Call("take_point", kwargs={"reason": reason}, writes=True))

    def drop_point(self, name: str) -> None:
        """Delete a restore point; raises `Invalid` for a name that is none."""
        self._calls.ask(type(None), _once("drop_point", name))

    def restore_point(self, name: str) -> Restored:
        """Put a restore point in the store's place; what is there now is set aside as another one.

        What was purged since stays erased. Raises `Invalid` for a name that is none.
        """
        return self._calls.ask(Restored, _once("restore_point", name))

    def diff(self, since: datetime, *, limit: int = 100) -> Diff:
        """Return what has changed since a moment, the last change first, at most `limit` memories."""
        return self._calls.ask(Diff, Call("diff", (since,), {"limit": limit}))

    # Copies

    def copy_to(self, folder: Path, progress: Callable[[int, int], None] | None = None) -> Copied:
        """Copy the whole store as of one moment into an empty folder, one file a table.

        Others write meanwhile. `progress` hears (rows done, of how many).
        """
        return self._calls.ask(Copied, _once("copy_to", folder, progress=progress))

    def check_copy(
        self, folder: Path, progress: Callable[[int, int], None] | None = None
    ) -> Copied:
        """Restore a copy into a temporary place and compare every row with the copy.

        Raises `Invalid` where it is no copy or something is missing or different.
        """
        return self._calls.ask(Copied, Call("check_copy", (folder,), progress=progress))

    def restore_copy(
        self, folder: Path, progress: Callable[[int, int], None] | None = None
    ) -> Restored:
        """Put a copy in the store's place; what is there now is set aside as a restore point.

        The store gets a new epoch and device. What was purged since stays erased. Raises `Invalid`
        where it is no copy.
        """
        return self._calls.ask(Restored, _once("restore_copy", folder, progress=progress))

    def backups_with(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Return the paths of the backup files that may still hold the words of memories.

        That is those known to this computer, made since the oldest of them was created, and still
        there. Raises `NotFound`.
        """
        return self._calls.ask(tuple, Call("backups_with", (tuple(ids),)))

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
        fresh, change = fresh or change is None, new_id() if change is None else change
        asked: dict[str, object] = {"actor": actor, "change": change, "dry": dry}
        call = Call("take_in", (tuple(drafts),), asked, writes=not dry, fresh=fresh)
        return self._calls.ask(tuple, call)

    def wholes(self, *, where: Filter, limit: int = 100, cursor: str | None = None) -> Wholes:
        """Return memories with all that they were before, the oldest first, at most 200."""
        asked: dict[str, object] = {"where": where, "limit": limit, "cursor": cursor}
        return self._calls.ask(Wholes, Call("wholes", kwargs=asked))

    def write_parquet(self, path: Path, *, where: Filter) -> int:
        """Write memories into a new Parquet file, the oldest first; return how many they are."""
        return self._calls.ask(int, _once("write_parquet", path, where=where))

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
        change = new_id() if change is None else change
        asked: dict[str, object] = {"actor": actor, "change": change, "dry": dry}
        return self._calls.ask(tuple, Call("adopt", (tuple(wholes),), asked, writes=not dry))

    # Models

    def use_model(self, spec: ModelSpec, progress: Callable[[int, int], None] | None = None) -> int:
        """Embed everything with another model, then switch to it; raises `ModelError`.

        Until then the present one is searched with. What a kill cuts short goes on by itself.
        """
        return self._calls.ask(int, Call("use_model", (spec,), progress=progress, writes=True))

    def roll_back_model(self, progress: Callable[[int, int], None] | None = None) -> str:
        """Go back to the model that was in use before, or give up a change under way.

        Returns the name of the model in use then. Raises `ModelError` where there is no way back.
        """
        return self._calls.ask(str, _once("roll_back_model", progress=progress))

    # Upkeep

    def examine(self) -> tuple[Finding, ...]:
        """Look the store over: rows, indexes, leftovers, locks, points; changes nothing."""
        return self._calls.ask(tuple, Call("examine"))

    def embed_pending(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Embed the passages of long texts that wait for it; `progress` hears (done, total)."""
        return self._calls.ask(int, Call("embed_pending", progress=progress, writes=True))

    def reindex(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Build what search reads anew from the memories; return how many there are."""
        return self._calls.ask(int, Call("reindex", progress=progress, writes=True))

    def maintain(self, *, keep_seconds: float = 600.0, linger_seconds: float = 0.0) -> bool:
        """Do the duties of maintenance; False when another process is at it.

        Old versions younger than `keep_seconds` stay for readers; `linger_seconds` is how long to
        wait for more to do.
        """
        asked: dict[str, object] = {"keep_seconds": keep_seconds, "linger_seconds": linger_seconds}
        return self._calls.ask(bool, Call("maintain", kwargs=asked, writes=True))


def _once(
    verb: str,
    *args: object,
    progress: Callable[[int, int], None] | None = None,
    **more: object,
) -> Call:
    """Return a call that is not asked again when the daemon dies over it."""
    return Call(verb, args, more, progress, writes=True, repeatable=False)
