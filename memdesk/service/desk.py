"""The service: the verbs of memdesk, the same for every front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memdesk.memory import PERSONAL, Filter, check_space
from memdesk.recipe import Recipe
from memdesk.service import (
    erasing,
    inbox,
    loading,
    points,
    reading,
    reviewing,
    switching,
    tidying,
    undoing,
    watching,
    writing,
)
from memdesk.service.core import Core
from memdesk.service.duties import WARMING
from memdesk.service.hosts import Hosting
from memdesk.service.keeping import Keeping
from memdesk.service.syncing import Syncing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from memdesk.answers import (
        Asked,
        Changed,
        Inbox,
        Overview,
        Page,
        Profile,
        Recalled,
        Remembered,
        Revision,
        Stats,
        Status,
    )
    from memdesk.embedder import Embedding
    from memdesk.memory import Draft, Edit, Memory
    from memdesk.service.duties import Child, Duties
    from memdesk.service.syncing import Remotes
    from memdesk.store import Store

_EVERYTHING = Filter()
_RECIPE = Recipe()
_AFTER_A_WRITE = (
    reviewing.review_in_background,
    points.keep_in_background,
    switching.go_on_in_background,
)


def _due(core: Core, store: Store) -> None:
    """Do in the background what is due when a store has been opened, and after each write to it."""
    core.on_write[:] = _AFTER_A_WRITE
    reviewing.opened(core, store)
    points.opened(core)
    switching.opened(core, store)


class Service(Keeping, Hosting, Syncing):
    """One person's memories; thread-safe, synchronous, and safe beside other processes.

    Every verb raises `Invalid` for input it cannot use and `StoreError` when the store fails; those
    that write raise `Busy` when another process keeps the lock. `actor` is who asks, for the
    history; `change` is an id of the caller's: the same one again returns the first result.
    `fresh` says that this `change` was never sent before, so that no first result is looked for.
    Within `limits.limited` no verb waits longer than that; it raises `Cancelled` once unwanted.
    """

    def __init__(
        self,
        home: Path,
        embedder: Embedding | None,
        *,
        default_space: str = PERSONAL,
        wait: float = 30.0,
        maintain: Callable[[], Child | None] | None = None,
        models: Callable[[str], Embedding] | None = None,
        background: bool = True,
        recipe: Recipe = _RECIPE,
        activity: bool = True,
        snapshots: bool = False,
        remotes: Remotes | None = None,
    ) -> None:
        """Prepare a desk on the folder `home`; nothing is opened until a verb needs it.

        `wait` is how long a write waits for the lock, in seconds; `maintain` starts the
        maintenance child; `models` gives the model of a name, for a store of another model;
        `background` embeds what waits beside the calls; `recipe` is for measuring recall without
        one of its parts; `activity` logs what hosts ask; `snapshots` makes restore
        points on a schedule, with a background; `remotes` knows where memories may go.
        """
        self._core = Core(
            *(home, embedder, default_space, wait, maintain, models, background, recipe, _due),
            log_hosts=activity,
            snapshots=snapshots,
            remotes=remotes,
        )
        self.hosts = self._core.activity
        """The log of what hosts ask."""

    @property
    def duties(self) -> Duties:
        """The background work of this desk."""
        return self._core.duties

    def warm_soon(self) -> None:
        """Have `warm` done in the background if it is not: once the requests of now are answered."""
        if not self._core.warm:
            self._core.duties.run(WARMING, self.warm)

    def warm(self) -> None:
        """Load the store and the model before they are needed; a missing model is no error."""
        self._core.warm_up()

    def scope(self, space: str | None) -> tuple[str, ...]:
        """Return the spaces that a recall in `space` looks in: itself and `personal`."""
        chosen = check_space(space) if space else self._core.default_space
        return tuple(dict.fromkeys((chosen, PERSONAL)))

    # Reading

    def recall(
        self,
        query: str,
        *,
        limit: int = 5,
        where: Filter = _EVERYTHING,
        max_tokens: int = 0,
        as_of: datetime | None = None,
        beside: int = 0,
        floor: float | None = None,
        typing: bool = False,
    ) -> Recalled:
        """Return the memories that answer a question best, or none when nothing is certain enough.

        `max_tokens` is a budget for the passages, 0 for none; `beside` asks for so many turns before
        and after each hit of a conversation. Under the certainty `floor` (0 to 1; by default
        `certainty.FLOOR`) there are no hits, only the nearest miss. With `as_of` memories are looked
        for as they stood at that moment, with the text they had then. `typing` says that the last
        word may be unfinished: memories that have what it begins are found, too, but with `as_of`.
        """
        from memdesk.service import recalling  # brings numpy

        typing = typing and as_of is None
        wanted = recalling.asked(
            query, limit, where, max_tokens=max_tokens, beside=beside, floor=floor, typing=typing
        )
        return recalling.recall(self._core, wanted, as_of)

    def get(self, ids: Sequence[str]) -> tuple[Memory, ...]:
        """Return memories by their ids, in any state; raises `NotFound`."""
        return reading.get(self._core, ids)

    def list(
        self,
        *,
        where: Filter = _EVERYTHING,
        limit: int = 20,
        cursor: str | None = None,
        oldest_first: bool = False,
    ) -> Page:
        """Return one page of memories, newest first unless `oldest_first`."""
        return reading.list_(self._core, where, limit, cursor, oldest_first=oldest_first)

    def history(self, id: str) -> tuple[Revision, ...]:
        """Return every state a memory was in, newest first; raises `NotFound`."""
        return reading.history(self._core, id)

    def profile(self, *, space: str = PERSONAL, max_tokens: int = 1000) -> Profile:
        """Return what is always worth knowing, pinned first, to the token budget."""
        return reading.profile(self._core, space, max_tokens)

    def stats(self) -> Stats:
        """Return the store in numbers."""
        return reading.stats(self._core)

    def overview(self) -> Overview:
        """Return how many memories there are of everything one may browse by."""
        return reading.overview(self._core)

    def inbox(self, *, limit: int = 100) -> Inbox:
        """Return what wants the person's eye, the newest first."""
        return inbox.inbox(self._core, limit)

    def activity(self, *, after: int = 0, limit: int = 200) -> tuple[Asked, ...]:
        """Return what hosts asked lately and got, the newest last; those numbered beyond `after`."""
        return self._core.activity.recent(after, limit)

    def status(self) -> Status:
        """Return how the desk stands: the store, the lock, the background work."""
        return reading.status(self._core)

    def await_change(self, seen: int, seconds: float) -> int:
        """Return the store's seq once it exceeds `seen`, or the present one after `seconds`.

        Sooner, too, when the Inbox has other pairs. Writes of this process are seen at once, those
        of others within half a second.
        """
        return watching.await_change(self._core, seen, seconds)

    # Writing

    def remember(
        self,
        draft: Draft,
        *,
        actor: str = "person",
        change: str | None = None,
        fresh: bool = False,
        since: datetime | None = None,
    ) -> Remembered:
        """Store a draft, unless the same is there; it is on the disk when this returns.

        `since` is when a `change` that is asked again was asked first: what somebody has forgotten
        after that stays forgotten.
        """
        return writing.remember(self._core, draft, actor, change, fresh=fresh, since=since)

    def remember_many(
        self,
        drafts: Iterable[Draft],
        *,
        actor: str = "person",
        change: str | None = None,
        fresh: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[Remembered, ...]:
        """Store many drafts in batches; `progress` hears how many are on the disk."""
        return loading.remember_many(self._core, drafts, actor, change, progress, fresh=fresh)

    def revise(
        self,
        id: str,
        edit: Edit,
        *,
        base: int | None = None,
        actor: str = "person",
        change: str | None = None,
        fresh: bool = False,
    ) -> Memory:
        """Change some fields of a live memory; raises `NotFound`, or `Conflict` when it is not live.

        `base` is the seq of the revision that the edit began from: where the memory has another by
        now, that is a `Conflict`, too.
        """
        return writing.revise(self._core, id, edit, actor, change, fresh=fresh, base=base)

    def forget(
        self,
        ids: Sequence[str],
        *,
        reason: str = "",
        actor: str = "person",
        change: str | None = None,
        fresh: bool = False,
    ) -> Changed:
        """Move memories to the trash, all or none; raises `NotFound`."""
        return writing.forget(self._core, ids, reason, actor, change, fresh=fresh)

    def restore(
        self,
        ids: Sequence[str],
        *,
        actor: str = "person",
        change: str | None = None,
        fresh: bool = False,
    ) -> Changed:
        """Bring memories back from the trash; raises `NotFound`."""
        return writing.restore(self._core, ids, actor, change, fresh=fresh)

    def purge(
        self,
        ids: Sequence[str],
        *,
        actor: str = "person",
        change: str | None = None,
        fresh: bool = False,
    ) -> Changed:
        """Erase memories of the trash for good; raises `NotFound`, `Invalid` for one not there."""
        return erasing.purge(self._core, ids, actor, change, fresh=fresh)

    def undo(self, change: str | None = None, *, actor: str = "person") -> Changed:
        """Take back one change, the last by default; reports what has changed since."""
        return undoing.undo(self._core, change, actor)

    # Tidying

    def revise_many(
        self,
        ids: Sequence[str],
        edit: Edit,
        *,
        actor: str = "person",
        change: str | None = None,
        fresh: bool = False,
    ) -> Changed:
        """Change the same fields of live memories, all or none, as one change.

        Raises `NotFound`, or `Conflict` when one is not live.
        """
        return tidying.revise_many(self._core, ids, edit, actor, change, fresh=fresh)

    def rename_tag(
        self,
        tag: str,
        into: str,
        *,
        actor: str = "person",
        change: str | None = None,
        fresh: bool = False,
    ) -> Changed:
        """Give every memory that has a tag another in its place; with `into` empty, none.

        A tag that is there already takes the memories in: the two are merged.
        """
        return tidying.rename_tag(self._core, tag, into, actor, change, fresh=fresh)

    def rename_space(
        self,
        space: str,
        into: str,
        *,
        actor: str = "person",
        change: str | None = None,
        fresh: bool = False,
    ) -> Changed:
        """Move every memory of a space to another, which may be there already: the two are merged."""
        return tidying.rename_space(self._core, space, into, actor, change, fresh=fresh)

    def delete_space(
        self, space: str, *, actor: str = "person", change: str | None = None, fresh: bool = False
    ) -> Changed:
        """Move every live memory of a space to the trash."""
        return tidying.delete_space(self._core, space, actor, change, fresh=fresh)

    def merge(
        self,
        keep: str,
        drop: str,
        edit: Edit | None = None,
        *,
        bases: tuple[int, int] | None = None,
        actor: str = "person",
        change: str | None = None,
        fresh: bool = False,
    ) -> Changed:
        """Make two live memories one: `keep` has what either told, and takes the place of `drop`.

        What `edit` gives wins. Else it has its own text and fields, the tags of both, the later
        expiry, and goes only where both may go. `bases` are the seqs of the revisions, as with
        `revise`. Raises `NotFound`, or `Conflict` when one is not live.
        """
        return tidying.merge(
            self._core, keep, drop, edit, actor, change=change, bases=bases, fresh=fresh
        )

    def revert(
        self,
        id: str,
        seq: int,
        *,
        actor: str = "person",
        change: str | None = None,
        fresh: bool = False,
    ) -> Memory:
        """Go back to an earlier revision of a live memory, known by its seq, as a new one.

        Its audience stays as it is: what was made private since is not shared again.
        Raises `NotFound`, `Invalid` when there is no such revision, or `Conflict` when it is not live.
        """
        return tidying.revert(self._core, id, seq, actor, change, fresh=fresh)

    def review(
        self,
        concerns: Sequence[str],
        *,
        actor: str = "person",
        change: str | None = None,
        fresh: bool = False,
    ) -> Changed:
        """Settle concerns of the Inbox, by their keys: the person has seen them and all stays as it is.

        Raises `NotFound`, or `Invalid` for a key that is none.
        """
        return inbox.review(self._core, concerns, actor, change, fresh=fresh)

    def close(self, timeout: float = 2.0) -> None:
        """Wait for a write in flight, at most `timeout` seconds, and let everything go."""
        self._core.close(timeout)
