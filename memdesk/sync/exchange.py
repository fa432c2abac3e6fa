"""One exchange with one remote: first what it has, then what is due there."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from memdesk.clock import SKEW_MS
from memdesk.errors import Invalid, MemdeskError, StoreError, SyncError
from memdesk.memory import TOMBSTONE, check_id, new_id, now
from memdesk.remotes import Absorbed, Arrival, Base, Synced
from memdesk.sharing import clock_of, digest
from memdesk.sync.ledger import Held, Luck, Place
from memdesk.sync.peer import (
    REFUSED,
    STALE,
    TAKEN,
    Doubting,
    Due,
    Incoming,
    Missing,
    Receipt,
    Sent,
    TooLarge,
    Unauthorized,
    Unfit,
    Unreachable,
)
from memdesk.sync.plan import PULL, PUSH, due_of, plan, setting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from memdesk.memory import Memory
    from memdesk.remotes import Clock, Remote
    from memdesk.service.border import Border
    from memdesk.sync.ledger import Ledger
    from memdesk.sync.peer import Feed, Peer

T = TypeVar("T")

_TRIES = 5
"""How often an exchange that fails is tried in a row before it is left for later."""
_LONGEST_CURSOR = 1000
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_LONGEST_BACKOFF = 3600.0
_MOST_EMPTY = 1000
"""Pages without news in a row after which a remote is not asked for the next one."""
_MOST_LIVES = 2
"""How often in one exchange a remote may say that it has lost everything."""
_ARRIVALS = 200
_LATER_THERE = "the remote has a later one, which could not be taken in"
_HERE = ("stored", "known", "kept")
"""Outcomes after which it is known what the remote has."""


@dataclass
class Exchange:
    """What is between one remote and the desk; used by one thread, for one run."""

    remote: Remote
    border: Border
    ledger: Ledger
    peer: Peer
    progress: Callable[[int, int], None] | None = None
    change: str = field(default_factory=new_id)
    """All that comes is one change, for `undo`."""
    stands: Callable[[], bool] = lambda: True
    """Whether the remote is still set up as it was."""
    lost: bool = False
    """Whether the remote has lost what was sent to it, as a pull in the midst of a push found out."""
    pushed: int = 0
    deleted: int = 0
    pulled: int = 0
    conflicts: int = 0

    def run(self, *, push: bool, pull: bool) -> Synced:
        """Exchange, and keep how it went; whatever goes wrong stands in the answer."""
        error = ""
        try:
            anew = self._begin()
            if (pull or anew) and self.peer.pulls:
                self._pull()
            if push:
                self._push()
            self.ledger.luck = Luck(synced_at=now(), cannot=self.peer.cannot)
        except MemdeskError as failed:
            error = str(failed)
            with suppress(StoreError):  # the disk is full, say
                self.ledger.luck = worse(self.ledger.luck, failed)
        done = (self.pushed, self.deleted, self.pulled, self.conflicts)
        return Synced(self.remote.name, *done, len(self.ledger.held()), error)

    def _begin(self) -> bool:
        """Begin anew where the store has another life, or the remote other rules, than last time.

        A store of another life may be older than what the remote has: then True is returned, as
        nothing may be sent before that was fetched.
        """
        place, epoch = self.ledger.place, self.border.epoch
        now_set = setting(self.remote)
        if place.epoch != epoch:
            place = Place(epoch, server=place.server)
        elif place.setting == now_set:
            return False
        self.ledger.release(self.ledger.held(PUSH))
        anew = place.epoch != self.ledger.place.epoch and bool(self.ledger.place.epoch)
        self.ledger.place = replace(place, pushed=0, setting=now_set)
        return anew

    # What the ledger and the store know, for kinds of remotes

    def known(self, ids: Iterable[str]) -> Mapping[str, Sent]:
        """Return what the remote is known to have of memories."""
        return self.ledger.known(ids)

    def by_ref(self, refs: Iterable[str]) -> Mapping[str, Sent]:
        """Return what is known under names of the remote's."""
        return self.ledger.by_ref(refs)

    def stored(self, ids: Iterable[str]) -> Mapping[str, Memory]:
        """Return the memories of this store, in any state."""
        return self.border.stored(ids)

    # Pulling

    def _pull(self) -> None:
        more, lives, empty, seen = True, 0, 0, set[str]()
        while more:
            place = self.ledger.place
            feed = self._patiently(lambda at=place.pulled: self.peer.pull(at, self))  # type: ignore[misc]
            if place.server and feed.epoch != place.server:
                lives += 1
                if lives > _MOST_LIVES:
                    raise SyncError(f"{self.remote.name} says each time that it was set up anew")
                self.lost = True
                self.ledger.forget()
                self.ledger.place = Place(place.epoch, server=feed.epoch, setting=place.setting)
                continue
            _check_feed(feed, self.remote.name)
            for some in _rounds(feed.items):
                self._take_in(some, place)
            self.ledger.place = replace(place, pulled=feed.cursor, server=feed.epoch)
            keys = {each.key for each in feed.items} - seen
            seen |= keys
            empty = 0 if keys else empty + 1
            more = feed.more and feed.cursor != place.pulled and empty < _MOST_EMPTY

    def _take_in(self, items: Sequence[Incoming], place: Place) -> None:
        """Take in what came, each memory once, and keep what is known of the remote then."""
        bases = self.ledger.known([each.memory.id for each in items if each.memory], place.epoch)
        memories = {
            each.memory.id: each
            for each in items
            if each.memory and not _is_known(each.memory, bases.get(each.memory.id))
        }
        held = [self._held(each, each.trouble, place) for each in items if each.trouble]
        arrivals = []
        for id, each in memories.items():
            assert each.memory
            if self.remote.spaces and not self._accepts(each.memory):
                held.append(self._held(each, "it is of a space that is not exchanged", place))
                continue
            base = Base(bases[id].clock, bases[id].digest) if id in bases else None
            arrivals.append(Arrival(each.memory, base))
        told = self.border.absorb(arrivals, self.remote.name, self.change) if arrivals else ()
        noted = list[Sent]()
        for arrival, became in zip(arrivals, told, strict=True):
            item = memories[arrival.memory.id]
            self._count(became)
            if became.outcome in _HERE:
                noted += _noted(arrival, item.ref, known=became.id in bases)
            elif became.outcome != "private" or became.id not in bases:
                held.append(self._held(item, became.reason, place))
        self.ledger.note(noted, place.epoch)
        self.ledger.release(each.key for each in items)
        self.ledger.hold(held)

    def _accepts(self, memory: Memory) -> bool:
        return memory.state == TOMBSTONE or memory.space in self.remote.spaces

    def _count(self, became: Absorbed) -> None:
        self.pulled += became.outcome == "stored"
        self.conflicts += became.conflict

    def _held(self, item: Incoming, reason: str, place: Place) -> Held:
        id = ""
        with suppress(Invalid):
            id = check_id(item.memory.id) if item.memory else ""
        return Held(item.key, PULL, reason, int(now().timestamp() * 1000), id, place.pulled)

    # Pushing

    def _push(self) -> None:
        due = plan(self.remote, self.border, self.ledger)
        self.ledger.release(due.over)
        self.ledger.hold(due.held)
        done, self.lost = 0, False
        for batch in batches(due.dues, self.peer):
            if not self.stands():
                raise SyncError(
                    f"{self.remote.name} was changed or removed meanwhile; sync it again"
                )
            if stale := self._send(self._still(batch)):
                self._settle(stale)
            done += len(batch)
            if self.progress:
                self.progress(done, len(due.dues))
        # Not before: what was sent stands in the ledger. Where the remote has lost it, all is looked at anew.
        if not self.lost:
            self.ledger.place = replace(self.ledger.place, pushed=due.seq)

    def _still(self, dues: Sequence[Due]) -> list[Due]:
        """Return what has not changed since it was planned: what has is of the next plan."""
        again = due_of(self.remote, self.border, self.ledger, [each.id for each in dues])
        now_due = {(each.id, each.memory.seq, each.deletes) for each in again}
        return [each for each in dues if (each.id, each.memory.seq, each.deletes) in now_due]

    def _settle(self, ids: Sequence[str]) -> None:
        """Fetch what the remote has of memories that it would not take, and send what is still due."""
        if self.peer.pulls:
            self._pull()
        again = due_of(self.remote, self.border, self.ledger, ids)
        left = {id for batch in batches(again, self.peer) for id in self._send(batch)}
        self.ledger.hold(_held_back(each, _LATER_THERE) for each in again if each.id in left)

    def _send(self, dues: Sequence[Due]) -> list[str]:
        """Send memories, fewer at once where they are not taken together; return the ids of stale ones."""
        stale = list[str]()
        while dues:
            try:
                receipts = self._patiently(lambda some=dues: self._once(some))  # type: ignore[misc]
            except (TooLarge, Unfit) as error:
                if isinstance(error, Missing):
                    raise  # the address has gone, whatever is sent there
                if len(dues) == 1:
                    self.ledger.hold([_held_back(dues[0], str(error))])
                    return stale
                middle = len(dues) // 2
                return [*stale, *self._send(dues[:middle]), *self._send(dues[middle:])]
            if not receipts:
                raise Unreachable(f"{self.remote.name} did not say what became of what was sent")
            stale += self._note(dues, receipts)
            dues = dues[len(receipts) :]
        return stale

    def _once(self, dues: Sequence[Due]) -> list[Receipt]:
        """Send memories, but for one whose arrival is not known and that turns out to be there."""
        if not isinstance(self.peer, Doubting):
            return self.peer.push(dues, self)
        (due,) = dues
        if self.ledger.doubtful([due.id]) and self.peer.arrived(due):
            return [Receipt(due.id, TAKEN, due.memory.content_hash)]
        self.ledger.doubt([due.id])
        return self.peer.push(dues, self)

    def _note(self, dues: Sequence[Due], receipts: Sequence[Receipt]) -> list[str]:
        """Keep what became of what was sent; return the ids of what the remote has later."""
        sent, held, stale = list[Sent](), list[Held](), list[str]()
        for due, receipt in zip(dues, receipts, strict=False):
            if receipt.outcome == REFUSED:
                held.append(_held_back(due, receipt.reason))
            elif receipt.outcome == STALE:
                stale.append(due.id)
                if due.deletes and due.sent and receipt.clock and _is_believed(receipt.clock):
                    sent.append(replace(due.sent, clock=receipt.clock))
            else:
                self.deleted += due.deletes
                self.pushed += not due.deletes
                sent.append(
                    Sent(due.id, due.clock, "" if due.deletes else digest(due.memory), receipt.ref)
                )
        self.ledger.note(sent, self.ledger.place.epoch)
        self.ledger.hold(held)
        return stale

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Ask, and again after a pause where the remote cannot be reached just now."""
        pause = _FIRST_PAUSE
        for left in reversed(range(_TRIES)):
            try:
                return ask()
            except Unreachable as error:
                wait = max(error.retry_after or 0.0, pause * random.uniform(0.5, 1.5))  # noqa: S311
                tired = not left or not error.sent or wait > _LONGEST_PAUSE
                if tired or not self.border.pause(wait):
                    raise
                pause *= 2
        raise AssertionError


def worse(luck: Luck, failed: MemdeskError) -> Luck:
    """Return how an exchange stands that has failed once more, and when to try again."""
    failures = luck.failures + 1
    wait = min(_LONGEST_BACKOFF, 5.0 * 2 ** min(failures, 12)) * random.uniform(0.5, 1.5)  # noqa: S311
    if isinstance(failed, Unreachable) and failed.retry_after:
        wait = max(wait, failed.retry_after)
    stopped = isinstance(failed, Unauthorized)
    retry = None if stopped else now() + timedelta(seconds=wait)
    return replace(luck, error=str(failed), failures=failures, retry_at=retry, stopped=stopped)


def batches(dues: Sequence[Due], peer: Peer) -> Iterator[list[Due]]:
    """Yield what is due in parts that the remote takes at once, as far as sizes tell."""
    batch, size = list[Due](), 0
    for due in dues:
        length = len(payload_text(peer, due, indent=None).encode())
        if batch and (len(batch) >= peer.most or size + length > peer.most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(due)
        size += length
    if batch:
        yield batch


def payload_text(peer: Peer, due: Due, indent: int | None = 1) -> str:
    """Return the JSON text that leaves for a memory; empty where the remote cannot hold it."""
    try:
        return json.dumps(peer.payload(due), ensure_ascii=False, indent=indent)
    except Unfit:
        return ""


def _check_feed(feed: Feed, name: str) -> None:
    """Raise `SyncError` for a place in a feed that could not be kept, or not be said again."""
    for each in (feed.cursor, feed.epoch):
        if len(each) > _LONGEST_CURSOR or not each.isprintable():
            raise SyncError(f"{name} gives a cursor or an epoch that is none")


def _rounds(items: Sequence[Incoming]) -> Iterator[list[Incoming]]:
    """Yield what came in parts in which no memory is twice."""
    some, ids = list[Incoming](), set[str]()
    for each in items:
        id = each.memory.id if each.memory else ""
        if some and (id in ids or len(some) >= _ARRIVALS):
            yield some
            some, ids = [], set()
        some.append(each)
        ids |= {id} - {""}
    if some:
        yield some


def _is_believed(clock: Clock) -> bool:
    return clock[0] <= now().timestamp() * 1000 + SKEW_MS


def _is_known(memory: Memory, sent: Sent | None) -> bool:
    """Tell whether a remote's news is what was exchanged already, such as the echo of a push."""
    return sent is not None and sent.clock == clock_of(memory) and sent.digest == digest(memory)


def _noted(arrival: Arrival, ref: str, *, known: bool) -> list[Sent]:
    memory = arrival.memory
    if memory.state == TOMBSTONE and not known:
        return []
    return [Sent(memory.id, clock_of(memory), digest(memory), ref)]


def _held_back(due: Due, reason: str) -> Held:
    return Held(due.id, PUSH, reason, due.memory.seq, due.id)
