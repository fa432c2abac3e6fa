"""What an audience means: which of its names are remotes, and what becomes there of a memory."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from memdesk.cli.root import open_remotes
from memdesk.cli.terminal import say
from memdesk.errors import MemdeskError
from memdesk.memory import TRASHED
from memdesk.remotes import DELETE, Outbox

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from memdesk.cli.root import Desk
    from memdesk.memory import Memory
    from memdesk.remotes import Parcel, Remote

MOST = 500
"""Memories that a list of what waits for a remote names at once."""
_LOOKED_AT = 20
"""Memories whose history is asked what an undo has changed; it is one request each."""


def remotes_of(desk: Desk) -> dict[str, Remote]:
    """Return the remotes by their names; none where they cannot be read, which `sync` tells."""
    with suppress(MemdeskError):
        return {each.name: each for each in open_remotes(desk.settings.home)[0].all()}
    return {}


def parcels(desk: Desk, name: str, ids: Iterable[str]) -> list[Parcel]:
    """Return what waits for a remote of some memories, as far as it is listed."""
    wanted = set(ids)
    return [each for each in _outbox(desk, name).parcels if each.id in wanted]


def _outbox(desk: Desk, name: str) -> Outbox:
    """Return what waits for a remote; says why where nobody can tell: the change itself is done."""
    try:
        return desk.service.outbox(name, limit=MOST)
    except MemdeskError as error:
        say(str(error))
        return Outbox(name, (), 0)


def say_where_it_goes(desk: Desk, id: str, audience: Sequence[str]) -> None:
    """Say which names of a memory's audience are no remotes, and how it goes to the others."""
    known = remotes_of(desk) if audience else {}
    going = []
    for name in audience:
        if name not in known:
            say(f"“{name}” is no remote of this store, so it goes nowhere; {_those(known)}")
        elif held := [each.held for each in parcels(desk, name, [id]) if each.held]:
            say(f"held back from {name}: {held[0]}")
        elif known[name].auto:
            say(f"goes to {name} by itself, while the daemon runs")
        else:
            going.append(name)
    if going:
        say(f"goes to {' and '.join(going)} with: memdesk sync now")


def _those(known: Iterable[str]) -> str:
    names = ", ".join(known)
    return f"the remotes are: {names}" if names else "add it by: memdesk sync add NAME URL"


def say_taken_out(desk: Desk, before: Sequence[str], now: Collection[str], id: str) -> None:
    """Say what becomes of a memory at the remotes that were taken out of its audience."""
    for name in (each for each in before if each not in now and each in remotes_of(desk)):
        say_deleted_there(desk, name, {id})


def say_deleted_there(desk: Desk, name: str, ids: Collection[str]) -> None:
    """Say what a remote deletes, or cannot, of memories that may go there no longer."""
    outbox = _outbox(desk, name)
    there = [each for each in outbox.parcels if each.id in ids and each.way == DELETE]
    going = sum(bool(each.payload) for each in there)
    if going:
        say(
            f"{name} deletes {_these(going, ids)} for everybody with the next exchange: memdesk sync now {name}"
        )
    if staying := len(there) - going:
        say(f"{name} keeps {_these(staying, ids)}: its kind cannot delete")
    if not there and outbox.total > len(outbox.parcels):
        say(
            f"{name} deletes what it has of this for everybody with the next exchange: memdesk sync now {name}"
        )


def _these(many: int, of: Collection[str]) -> str:
    if len(of) == 1:
        return "it"
    return f"{many:,} of these {len(of):,} memories"


def say_undone(desk: Desk, ids: Sequence[str]) -> None:
    """Say what an undo of changes of memories means at remotes."""
    known = remotes_of(desk)
    again: dict[str, int] = {}
    gone = set[str]()
    for before, after in _steps(desk, ids[:_LOOKED_AT]) if known else ():
        dropped = after.state == TRASHED != before.state
        gone |= {each for each in before.audience if dropped or each not in after.audience}
        for name in () if after.state == TRASHED else after.audience:
            if name not in before.audience or before.state == TRASHED:
                again[name] = again.get(name, 0) + 1
    for name, many in again.items():
        if name in known:
            say(f"{_they(many, ids)} to {name} again")
    for name in known:
        if name in gone:
            say_deleted_there(desk, name, set(ids))


def _they(many: int, of: Collection[str]) -> str:
    if len(of) == 1:
        return "it goes"
    if len(of) > _LOOKED_AT:
        return f"{many} or more of these {len(of):,} memories go"
    return f"{many} of these {len(of)} memories go" if many > 1 else "one of these goes"


def _steps(desk: Desk, ids: Iterable[str]) -> Iterator[tuple[Memory, Memory]]:
    """Yield memories as they were before the last change of them, and as they are."""
    for id in ids:
        revisions = desk.service.history(id)[:2]
        if len(revisions) > 1:
            yield revisions[1].memory, revisions[0].memory
