"""Sending what is due at a remote: in parts, as it is at that moment, each known by its receipt."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from memdesk.clock import is_believed
from memdesk.memory import now
from memdesk.remotes import PULL, PUSH
from memdesk.sharing import digest
from memdesk.sync.ledger import Held
from memdesk.sync.peer import (
    STALE,
    TAKEN,
    Doubting,
    Due,
    Missing,
    Receipt,
    Sent,
    TooLarge,
    Unfit,
    Unreachable,
)
from memdesk.sync.plan import due_of, plan
from memdesk.sync.pulling import Pull

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memdesk.sync.exchange import Exchange
    from memdesk.sync.peer import Peer

_LATER_THERE = "the remote has a later one, which could not be taken in"


class Push:
    """Everything that is due at one remote."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._remote = exchange.remote
        self._ledger = exchange.ledger
        self._peer = exchange.peer

    def run(self) -> None:
        """Send it all; what is sent stands in the ledger, so whatever cuts this short loses nothing."""
        due = plan(self._remote, self._exchange.border, self._ledger)
        self._ledger.release(due.over)
        self._ledger.hold(due.held)
        done, self._exchange.lost = 0, False
        for batch in batches(due.dues, self._peer):
            if stale := self._send(batch):
                self._settle(stale)
            done += len(batch)
            if self._exchange.progress:
                self._exchange.progress(done, len(due.dues))
        if not self._exchange.lost:  # else all is looked at anew
            self._ledger.place = replace(self._ledger.place, pushed=due.seq)

    def _settle(self, ids: Sequence[str]) -> None:
        """Fetch what the remote has of memories that it would not take, and send what is still due."""
        if self._peer.pulls:
            held = [each for each in self._ledger.held(PULL).values() if each.id in ids]
            if held:  # what could not be taken in before may be now
                place = replace(self._ledger.place, pulled=self._ledger.back_to(held))
                self._ledger.place = place
            Pull(self._exchange).run()
        again = self._due_of(ids)
        left = {id for batch in batches(again, self._peer) for id in self._send(batch)}
        self._ledger.hold(_held_back(each, _LATER_THERE) for each in again if each.id in left)

    def _due_of(self, ids: Sequence[str]) -> list[Due]:
        return due_of(self._remote, self._exchange.border, self._ledger, ids)

    def _send(self, dues: Sequence[Due]) -> list[str]:
        """Send memories, fewer at once where they are not taken together; return the ids of stale ones."""
        stale = list[str]()
        while dues:
            try:
                sent, receipts = self._exchange.patiently(lambda some=dues: self._once(some))  # type: ignore[misc]
            except (TooLarge, Unfit) as error:
                if isinstance(error, Missing):
                    raise  # the address has gone, whatever is sent there
                if len(dues) == 1:
                    self._ledger.hold([_held_back(dues[0], str(error))])
                    return stale
                middle = len(dues) // 2
                return [*stale, *self._send(dues[:middle]), *self._send(dues[middle:])]
            if sent and not receipts:
                raise Unreachable(f"{self._remote.name} did not say what became of what was sent")
            stale += self._note(sent, receipts)
            dues = sent[len(receipts) :]
        return stale

    def _once(self, dues: Sequence[Due]) -> tuple[list[Due], list[Receipt]]:
        """Send what is still due of some memories, just as it is now; return what that was."""
        still = self._still(dues)
        if not still:
            return [], []
        if isinstance(self._peer, Doubting):
            (due,) = still
            if self._ledger.doubtful([due.id]) and self._peer.arrived(due):
                return still, [Receipt(due.id, TAKEN, due.memory.content_hash)]
            self._ledger.doubt([due.id])
        return still, self._peer.push(still, self._exchange)

    def _still(self, dues: Sequence[Due]) -> list[Due]:
        """Return what has not changed since it was planned: what has is of the next plan."""
        planned = {(each.id, each.memory.seq, each.deletes) for each in dues}
        again = self._due_of([each.id for each in dues])
        return [each for each in again if (each.id, each.memory.seq, each.deletes) in planned]

    def _note(self, dues: Sequence[Due], receipts: Sequence[Receipt]) -> list[str]:
        """Keep what became of what was sent; return the ids of what the remote has later."""
        sent, held, stale = list[Sent](), list[Held](), list[str]()
        for due, receipt in zip(dues, receipts, strict=False):
            gone = "" if due.deletes else digest(due.memory)
            if receipt.outcome == STALE:
                stale.append(due.id)
                if due.deletes and due.sent and receipt.clock and _is_believed(receipt.clock[0]):
                    sent.append(replace(due.sent, clock=receipt.clock))
            elif receipt.outcome == TAKEN:
                self._exchange.count(deleted=due.deletes, pushed=not due.deletes)
                sent.append(Sent(due.id, due.clock, gone, receipt.ref))
            elif due.sent and self._cannot(due):
                self._exchange.count(kept=1)
                sent.append(replace(due.sent, clock=due.clock, digest=gone))
            else:
                held.append(_held_back(due, receipt.reason))
        self._ledger.note(sent, self._ledger.place.epoch)
        self._ledger.hold(held)
        return stale

    def _cannot(self, due: Due) -> bool:
        """Tell whether no remote of this kind can do this: nothing is gained by trying again."""
        return not (self._peer.deletes if due.deletes else self._peer.updates)


def batches(dues: Sequence[Due], peer: Peer) -> Iterator[list[Due]]:
    """Yield what is due in parts that the remote takes at once, as far as sizes tell."""
    batch, size = list[Due](), 0
    for due in dues:
        length = len(payload_text(peer, due).encode())
        if batch and (len(batch) >= peer.most or size + length > peer.most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(due)
        size += length
    if batch:
        yield batch


def payload_text(peer: Peer, due: Due, *, indent: int | None = None) -> str:
    """Return the JSON text that leaves for a memory; empty where the remote cannot hold it."""
    separators = (",", ":") if indent is None else None
    try:
        payload = peer.payload(due)
    except Unfit:
        return ""
    return json.dumps(payload, ensure_ascii=False, indent=indent, separators=separators)


def _is_believed(ms: int) -> bool:
    return is_believed(ms, now().timestamp() * 1000)


def _held_back(due: Due, reason: str) -> Held:
    return Held(due.id, PUSH, reason, due.memory.seq, due.id)
