"""What is due at a remote: computed from the memories and the ledger, whenever it is asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memdesk.clock import after
from memdesk.memory import LIVE, REPLACED
from memdesk.remotes import PUSH
from memdesk.sharing import clock_of, digest
from memdesk.suspicion import SECRET
from memdesk.sync.ledger import Held
from memdesk.sync.peer import Due

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from memdesk.memory import Memory
    from memdesk.remotes import Clock, Remote
    from memdesk.service.border import Border
    from memdesk.sync.ledger import Ledger
    from memdesk.sync.peer import Sent

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to do for a remote, in the order of the store's commits."""

    dues: tuple[Due, ...]
    held: tuple[Held, ...]
    """What does not go: for a reason of this side, or since the remote would not take it."""
    over: tuple[str, ...]
    """What was held, and is no longer."""
    seq: int
    """The last commit that was looked at."""


def plan(remote: Remote, border: Border, ledger: Ledger) -> Plan:
    """Return all that is due since the ledger's place, and what stays back."""
    place, there = ledger.place, ledger.ids()
    same = place.setting == setting(remote)
    held = ledger.held(PUSH)
    changes = border.changes(place.pushed if same else 0, place.epoch)
    ids = [
        id
        for id, _, audience in changes.shared
        if remote.name in audience or id in there or id in held
    ]
    found = [each for each in _of(remote, border, ledger, ids) if _seq(each) <= changes.seq]
    kept = {each.id for each in found if isinstance(each, Due) and same and _is_held(each, held)}
    stays = {each.key: each for each in found if isinstance(each, Held)}
    stays |= {id: each for id, each in held.items() if id in kept or id not in ids}
    return Plan(
        tuple(each for each in found if isinstance(each, Due) and each.id not in kept),
        tuple(stays.values()),
        tuple(held.keys() - stays.keys()),
        changes.seq,
    )


def _seq(found: Due | Held) -> int:
    """Return which commit was looked at: one later than the list of changes is of the next plan."""
    return found.seq if isinstance(found, Held) else found.memory.seq


def setting(remote: Remote) -> str:
    """Return what of a remote's setting decides what is due there: with another all is looked at anew."""
    return json.dumps(remote.spaces)


def _is_held(due: Due, held: Mapping[str, Held]) -> bool:
    return due.id in held and held[due.id].seq == due.memory.seq


def due_of(remote: Remote, border: Border, ledger: Ledger, ids: Iterable[str]) -> list[Due]:
    """Return what is due of some memories, whatever the ledger's place."""
    return [each for each in _of(remote, border, ledger, list(ids)) if isinstance(each, Due)]


def _of(remote: Remote, border: Border, ledger: Ledger, ids: list[str]) -> Iterable[Due | Held]:
    device = border.device
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        known, stored = ledger.known(some), border.stored(some)
        for id in some:
            if id in stored and (found := _due(remote, stored[id], known.get(id), device)):
                yield found


def _due(remote: Remote, memory: Memory, sent: Sent | None, device: str) -> Due | Held | None:
    shared = remote.name in memory.audience and memory.state in (LIVE, REPLACED)
    accepted = not remote.spaces or memory.space in remote.spaces
    there = sent is not None and sent.digest != ""
    if not shared:
        return Due(memory, True, _later(memory, sent, device), sent) if there else None
    if sent and sent.digest == digest(memory):
        return None
    if not accepted:
        return _hold(memory, _elsewhere(remote, memory))
    if why := _why_held(memory):
        return _hold(memory, why)
    return Due(memory, False, _later(memory, sent, device), sent)


def _why_held(memory: Memory) -> str:
    """Return why a memory does not leave before the person has looked at it; empty where it may."""
    if SECRET in memory.flags and SECRET not in (memory.reviewed or "").split():
        return "it may hold a secret; settle that in the Inbox, and it goes"
    if memory.held:
        return "it waits in the Inbox; settle that, and it goes"
    return ""


def _elsewhere(remote: Remote, memory: Memory) -> str:
    spaces = ", ".join(remote.spaces)
    return f"its space is {memory.space}, and {remote.name} accepts {spaces} only"


def _hold(memory: Memory, reason: str) -> Held:
    return Held(memory.id, PUSH, reason, memory.seq, memory.id)


def _later(memory: Memory, sent: Sent | None, device: str) -> Clock:
    """Return the memory's clock, or the next after that of what the remote has where that is later."""
    clock = clock_of(memory)
    if sent is None or clock > sent.clock:
        return clock
    ms, n, _ = sent.clock
    return (*after((ms, n)), device)
