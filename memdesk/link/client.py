"""The service's very methods, asked of the daemon: fronts cannot tell it from the service itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from memdesk.answers import (
    Changed,
    Inbox,
    Overview,
    Page,
    Profile,
    Recalled,
    Remembered,
    Stats,
    Status,
)
from memdesk.link.batches import batches, further
from memdesk.link.calls import Call, Calls
from memdesk.link.keeping import Keeping
from memdesk.link.syncing import Syncing
from memdesk.memory import PERSONAL, Filter, Memory, check_space, new_id, now
from memdesk.rules import HostRules

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from memdesk.answers import Asked, Revision
    from memdesk.memory import Draft, Edit

T = TypeVar("T")
_EVERYTHING = Filter()


class ServiceClient(Keeping, Syncing):
    """A person's memories, by way of the daemon; thread-safe, as `memdesk.service.Service` is.

    A call whose connection breaks is asked again; a write is then known by its `change`, and
    returns its first result. Verbs raise what the service raises.
    """

    def __init__(
        self,
        connect: Callable[[], socket.socket],
        *,
        default_space: str = PERSONAL,
        wait: float = 30.0,
    ) -> None:
        """Prepare to ask; nothing is connected until a verb needs it.

        `connect` returns a socket on which the daemon waits for the first call; `wait` is how long
        a write waits for the lock, in seconds.
        """
        self._calls = Calls(connect, wait)
        self._default_space = default_space

    def warm(self) -> None:
        """Load the store and the model before they are needed; a missing model is no error."""
        self._calls.ask(type(None), Call("warm"))

    def scope(self, space: str | None) -> tuple[str, ...]:
        """Return the spaces that a recall in `space` looks in: itself and `personal`."""
        chosen = check_space(space) if space else self._default_space
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
        asked = {
            "limit": limit,
            "where": where,
            "max_tokens": max_tokens,
            "as_of": as_of,
            "beside": beside,
            "floor": floor,
            "typing": typing,
        }
        return self._calls.ask(Recalled, Call("recall", (query,), asked))

    def get(self, ids: Sequence[str]) -> tuple[Memory, ...]:
        """Return memories by their ids, in any state; raises `NotFound`."""
        return self._calls.ask(tuple, Call("get", (tuple(ids),)))

    def list(
        self,
        *,
        where: Filter = _EVERYTHING,
        limit: int = 20,
        cursor: str | None = None,
        oldest_first: bool = False,
    ) -> Page:
        """Return one page of memories, newest first unless `oldest_first`."""
        asked = {"where": where, "limit": limit, "cursor": cursor, "oldest_first": oldest_first}
        return self._calls.ask(Page, Call("list", kwargs=asked))

    def history(self, id: str) -> tuple[Revision, ...]:
        """Return every state a memory was in, newest first; raises `NotFound`."""
        return self._calls.ask(tuple, Call("history", (id,)))

    def profile(self, *, space: str = PERSONAL, max_tokens: int = 1000) -> Profile:
        """Return what is always worth knowing, pinned first, to the token budget."""
        asked = {"space": space, "max_tokens": max_tokens}
        return self._calls.ask(Profile, Call("profile", kwargs=asked))

    def stats(self) -> Stats:
        """Return the store in numbers."""
        return self._calls.ask(Stats, Call("stats"))

    def overview(self) -> Overview:
        """Return how many memories there are of everything one may browse by."""
        return self._calls.ask(Overview, Call("overview"))

    def inbox(self, *, limit: int = 100) -> Inbox:
        """Return what wants the person's eye, the newest first."""
        return self._calls.ask(Inbox, Call("inbox", kwargs={"limit": limit}))

    def activity(self, *, after: int = 0, limit: int = 200) -> tuple[Asked, ...]:
        """Return what hosts asked lately and got, the newest last; those numbered beyond `after`."""
        return self._calls.ask(tuple, Call("activity", kwargs={"after": after, "limit": limit}))

    def status(self) -> Status:
        """Return how the desk stands: the store, the lock, the background work."""
        return self._calls.ask(Status, Call("status"))

    def await_change(self, seen: int, seconds: float) -> int:
        """Return the store's seq once it exceeds `seen`, or the present one after `seconds`.

        Sooner, too, when the Inbox has other pairs. Writes of the daemon are seen at once, those of
        others within half a second.
        """
        return self._calls.ask(int, Call("await_change", (seen, seconds)))

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
        if change is None:
            since = now()  # for when it has to be asked again
        return self._write(
            Remembered, "remember", (draft,), change, fresh, actor=actor, since=since
        )

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
        fresh = fresh or change is None
        change = new_id() if change is None else change
        done: tuple[Remembered, ...] = ()
        for batch in batches(drafts):
            heard = further(progress, len(done)) if progress else None
            done += self._write(
                tuple, "remember_many", (batch,), change, fresh, actor=actor, progress=heard
            )
        return done

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
        return self._write(Memory, "revise", (id, edit), change, fresh, actor=actor, base=base)

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
        return self._write(
            Changed, "forget", (tuple(ids),), change, fresh, actor=actor, reason=reason
        )

    def restore(
        self,
        ids: Sequence[str],
        *,
        actor: str = "person",
        change: str | None = None,
        fresh: bool = False,
    ) -> Changed:
        """Bring memories back from the trash; raises `NotFound`."""
        return self._write(Changed, "restore", (tuple(ids),), change, fresh, actor=actor)

    def purge(
        self,
        ids: Sequence[str],
        *,
        actor: str = "person",
        change: str | None = None,
        fresh: bool = False,
    ) -> Changed:
        """Erase memories of the trash for good; raises `NotFound`, `Invalid` for one not there."""
        return self._write(Changed, "purge", (tuple(ids),), change, fresh, actor=actor)

    def undo(self, change: str | None = None, *, actor: str = "person") -> Changed:
        """Take back one change, the last by default; reports what has changed since."""
        return self._calls.ask(
            Changed,
            Call("undo", (change,), {"actor": actor}, writes=True, repeatable=bool(change)),
        )

    # Hosts

    def host_rules(self) -> dict[str, HostRules]:
        """Return what those hosts may do and see that may not do everything, by their names."""
        return self._calls.ask(dict, Call("host_rules"))

    def set_host_rules(self, name: str, rules: HostRules) -> HostRules:
        """Say what a host may do and see; return the rules in their usual form. Raises `Invalid`."""
        return self._calls.ask(HostRules, Call("set_host_rules", (name, rules), writes=True))

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
        return self._write(Changed, "revise_many", (tuple(ids), edit), change, fresh, actor=actor)

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
        return self._write(Changed, "rename_tag", (tag, into), change, fresh, actor=actor)

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
        return self._write(Changed, "rename_space", (space, into), change, fresh, actor=actor)

    def delete_space(
        self, space: str, *, actor: str = "person", change: str | None = None, fresh: bool = False
    ) -> Changed:
        """Move every live memory of a space to the trash."""
        return self._write(Changed, "delete_space", (space,), change, fresh, actor=actor)

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
        return self._write(
            Changed, "merge", (keep, drop, edit), change, fresh, actor=actor, bases=bases
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
        return self._write(Memory, "revert", (id, seq), change, fresh, actor=actor)

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
        return self._write(Changed, "review", (tuple(concerns),), change, fresh, actor=actor)

    def close(self, timeout: float = 2.0) -> None:
        """Wait for a write in flight, at most `timeout` seconds, and let everything go."""
        self._calls.close(timeout)

    def _write(
        self,
        kind: type[T],
        verb: str,
        args: tuple[object, ...],
        change: str | None,
        fresh: bool,
        *,
        actor: str,
        progress: Callable[[int], None] | None = None,
        **more: object,
    ) -> T:
        """Ask for a change, which has its id from here on: it can be asked for again."""
        fresh = fresh or change is None
        kwargs = more | {"actor": actor, "change": new_id() if change is None else change}
        return self._calls.ask(kind, Call(verb, args, kwargs, progress, writes=True, fresh=fresh))
