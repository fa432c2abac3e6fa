"""Fetching what a remote has, and handing it in at the desk's border."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from memdesk.errors import Invalid, SyncError
from memdesk.memory import TOMBSTONE, check_id, now
from memdesk.remotes import KEPT, KNOWN, PRIVATE, PULL, STORED, Arrival, Base
from memdesk.sharing import clock_of, digest
from memdesk.sync.ledger import Held, Place
from memdesk.sync.peer import Incoming, Sent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memdesk.memory import Memory
    from memdesk.remotes import Absorbed
    from memdesk.sync.exchange import Exchange
    from memdesk.sync.peer import Feed

_AT_ONCE = 200
_MOST_NEWS = 100_000
"""News that one exchange takes in; the next one goes on. A remote may have no end."""
_MOST_HELD = 1000
_MOST_EMPTY = 1000
"""Pages in a row with nothing that was not told before, after which no next one is asked for."""
_MOST_LIVES = 2
"""How often in one exchange a remote may say that it has lost everything."""
_LONGEST_CURSOR = 1000
_HERE = (STORED, KNOWN, KEPT)
"""Outcomes after which it is known what the remote has."""
_NOT_EXCHANGED = "it is of the space “{}”, which is not exchanged with {}"


class Pull:
    """Everything that one remote tells since it was asked last."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._remote = exchange.remote
        self._ledger = exchange.ledger

    def run(self) -> None:
        """Fetch page after page; each is in the store and in the ledger before the next."""
        lives, empty, seen = 0, 0, set[str]()
        more = True
        while more and len(seen) < _MOST_NEWS:
            place = self._ledger.place
            feed = self._page(place)
            if place.server and feed.epoch != place.server:
                lives += 1
                if lives > _MOST_LIVES:
                    raise SyncError(f"{self._remote.name} says each time that it was set up anew")
                self._begin_anew(feed.epoch)
                continue
            self._take_page(feed, place)
            fresh = {each.key for each in feed.items} - seen
            seen |= fresh
            empty = 0 if fresh else empty + 1
            more = feed.more and feed.cursor != place.pulled and empty < _MOST_EMPTY

    def _page(self, place: Place) -> Feed:
        peer, desk = self._exchange.peer, self._exchange
        feed = desk.patiently(lambda: peer.pull(place.pulled, desk))
        for each in (feed.cursor, feed.epoch):  # what could not be kept, or not be said again
            if len(each) > _LONGEST_CURSOR or not each.isprintable():
                raise SyncError(f"{self._remote.name} gives a cursor or an epoch that is none")
        return feed

    def _begin_anew(self, server: str) -> None:
        """Forget what a remote had that has lost it: it is to be sent again."""
        place = self._ledger.place
        self._exchange.lost = True
        self._ledger.forget()
        self._ledger.place = Place(place.epoch, server=server, setting=place.setting)

    def _take_page(self, feed: Feed, place: Place) -> None:
        for some in _rounds(feed.items):
            self._take_in(some, place)
        if len(self._ledger.held(PULL)) > _MOST_HELD:
            raise SyncError(
                f"{self._remote.name} tells more than {_MOST_HELD} things that cannot be taken in"
            )
        self._ledger.place = replace(place, pulled=feed.cursor, server=feed.epoch)

    def _take_in(self, items: Sequence[Incoming], place: Place) -> None:
        """Take in what came, each memory once, and keep what is known of the remote then."""
        bases = self._ledger.known([each.memory.id for each in items if each.memory], place.epoch)
        held = [self._held(each, each.trouble, place) for each in items if each.trouble]
        arrivals, refs = [], {}
        for item in items:
            memory = item.memory
            if memory is None or _is_known(memory, bases.get(memory.id)):
                continue
            if not self._accepts(memory):
                words = _NOT_EXCHANGED.format(memory.space, self._remote.name)
                held.append(self._held(item, words, place))
                continue
            base = bases.get(memory.id)
            arrivals.append(Arrival(memory, Base(base.clock, base.digest) if base else None))
            refs[memory.id] = item
        noted = list[Sent]()
        for arrival, became in zip(arrivals, self._absorbed(arrivals), strict=True):
            item = refs[became.id]
            self._count(became)
            if became.outcome in _HERE:
                noted += _noted(arrival.memory, item.ref, known=became.id in bases)
            elif not _is_over(arrival.memory, became, known=became.id in bases):
                held.append(self._held(item, became.reason, place))
        self._ledger.note(noted, place.epoch)
        self._ledger.release(each.key for each in items)
        self._ledger.hold(held)

    def _absorbed(self, arrivals: Sequence[Arrival]) -> tuple[Absorbed, ...]:
        exchange = self._exchange
        if not arrivals:
            return ()
        return exchange.border.absorb(arrivals, self._remote.name, exchange.change)

    def _accepts(self, memory: Memory) -> bool:
        spaces = self._remote.spaces
        return not spaces or memory.state == TOMBSTONE or memory.space in spaces

    def _count(self, became: Absorbed) -> None:
        stored = became.outcome == STORED
        self._exchange.count(
            pulled=stored and not became.trashed,
            trashed=stored and became.trashed,
            conflicts=became.conflict,
        )

    def _held(self, item: Incoming, reason: str, place: Place) -> Held:
        id = ""
        with suppress(Invalid):
            id = check_id(item.memory.id) if item.memory else ""
        return Held(item.key, PULL, reason, int(now().timestamp() * 1000), id, place.pulled)


def _rounds(items: Sequence[Incoming]) -> Iterator[list[Incoming]]:
    """Yield what came in parts in which no memory is twice."""
    some, ids = list[Incoming](), set[str]()
    for each in items:
        id = each.memory.id if each.memory else ""
        if some and (id in ids or len(some) >= _AT_ONCE):
            yield some
            some, ids = [], set()
        some.append(each)
        ids |= {id} - {""}
    if some:
        yield some


def _is_known(memory: Memory, sent: Sent | None) -> bool:
    """Tell whether a remote's news is what was exchanged already, such as the echo of a push."""
    return sent is not None and sent.clock == clock_of(memory) and sent.digest == digest(memory)


def _is_over(memory: Memory, became: Absorbed, *, known: bool) -> bool:
    """Tell whether news of a private memory is none: it was shared once, or is deleted there anyway."""
    return became.outcome == PRIVATE and (known or memory.state == TOMBSTONE)


def _noted(memory: Memory, ref: str, *, known: bool) -> list[Sent]:
    if memory.state == TOMBSTONE and not known:
        return []
    return [Sent(memory.id, clock_of(memory), digest(memory), ref)]
