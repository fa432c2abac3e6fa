"""The remotes of one store: how each stands, what waits for it, and an exchange with it."""

from __future__ import annotations

import logging
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from memdesk.errors import Invalid, MemdeskError, StoreError, SyncError
from memdesk.memory import now
from memdesk.moment import age
from memdesk.remotes import (
    DELETE,
    MEMDESK,
    MEMORY_SERVICE,
    PULL,
    PUSH,
    PUT,
    Outbox,
    Parcel,
    Standing,
    Synced,
)
from memdesk.sync.exchange import Exchange, worse
from memdesk.sync.ledger import Ledger, Luck
from memdesk.sync.plan import plan
from memdesk.sync.pushing import payload_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from memdesk.remotes import Remote
    from memdesk.service.border import Border
    from memdesk.sync.http import Http
    from memdesk.sync.keys import Keys
    from memdesk.sync.known import KnownRemotes
    from memdesk.sync.ledger import Held
    from memdesk.sync.peer import Due, Peer
    from memdesk.sync.plan import Plan

_BUSY = "another process exchanges with it just now"
_TITLE = 200
_log = logging.getLogger(__name__)


class Sync:
    """What the service knows of remotes: `memdesk.service.syncing.Remotes`."""

    def __init__(self, home: Path, known: KnownRemotes, keys: Keys) -> None:
        self.known = known
        self._home = home
        self._keys = keys

    def standings(self, border: Border) -> tuple[Standing, ...]:
        """Return how each remote stands, without asking it."""
        return tuple(self._standing(border, remote) for remote in self.known.all())

    def _standing(self, border: Border, remote: Remote) -> Standing:
        try:
            ledger = Ledger(self._home, remote.name)
            due, luck = plan(remote, border, ledger), ledger.luck
        except StoreError as error:
            cannot = _looked_at(remote, border).cannot
            return Standing(remote, cannot, error=str(error), key=self._keys.place(remote))
        held = _all_held(ledger, due)
        return Standing(
            remote,
            luck.cannot or _looked_at(remote, border).cannot,
            len(due.dues),
            len(held),
            luck.synced_at,
            luck.error,
            luck.retry_at if remote.auto else None,
            self._keys.place(remote),
        )

    def outbox(self, border: Border, remote: str, limit: int) -> Outbox:
        """Return what waits for a remote, exactly as it would leave."""
        chosen = self.known.get(remote)
        ledger = Ledger(self._home, remote)
        due = plan(chosen, border, ledger)
        held = _all_held(ledger, due)
        peer = _looked_at(chosen, border)
        waiting = [_parcel(peer, each) for each in due.dues[:limit]]
        titles = border.stored([each.id for each in held if each.id])
        back = [
            Parcel(
                each.id or each.key,
                PULL if each.way == PULL else PUT,
                titles[each.id].title[:_TITLE] if each.id in titles else "",
                "",
                0,
                each.reason,
            )
            for each in held[: max(0, limit - len(waiting))]
        ]
        return Outbox(remote, (*waiting, *back), len(due.dues) + len(held))

    def exchange(
        self,
        border: Border,
        remote: str,
        *,
        push: bool,
        pull: bool,
        progress: Callable[[int, int], None] | None,
    ) -> tuple[Synced, ...]:
        """Exchange with one remote, or with all where none is named."""
        chosen = [self.known.get(remote)] if remote else self.known.all()
        return tuple(
            self._tried(border, each, push=push, pull=pull, progress=progress) for each in chosen
        )

    def _tried(self, border: Border, remote: Remote, **how: Any) -> Synced:
        """Exchange with one remote; an error that not even its ledger can keep is no other remote's."""
        try:
            return self._exchange(border, remote, **how)
        except (Invalid, StoreError, SyncError) as error:
            return Synced(remote.name, error=str(error))

    def _exchange(
        self,
        border: Border,
        remote: Remote,
        *,
        push: bool,
        pull: bool,
        progress: Callable[[int, int], None] | None,
    ) -> Synced:
        with border.alone(remote.name) as alone:
            if not alone:
                return Synced(remote.name, error=_BUSY)
            remote = self.known.get(remote.name)  # it may have been changed or removed meanwhile
            ledger = Ledger(self._home, remote.name)

            def stands() -> bool:
                return remote in self.known.all()

            try:
                with self._asked(remote, border) as peer:
                    exchange = Exchange(remote, border, ledger, peer, progress, stands=stands)
                    told = exchange.run(push=push, pull=pull)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other remotes have their turn
                failed = _as_ours(error, remote.name)
                ledger.luck = worse(ledger.luck, failed)
                told = Synced(remote.name, held=len(ledger.held()), error=str(failed))
        if ledger.luck.stopped:
            words = f"{told.error}; give it one that it takes: memdesk sync key {remote.name}"
            ledger.luck = replace(ledger.luck, error=words)
            return replace(told, error=words)
        return told

    def retry(self, border: Border, remote: str, ids: Sequence[str]) -> int:
        """Let what is held at a remote be tried again; return how many that are."""
        self.known.get(remote)
        ledger = Ledger(self._home, remote)
        with border.alone(remote) as alone:
            if not alone:
                raise SyncError(f"{remote}: {_BUSY}; try again when that is done")
            held = ledger.held()
            wanted = [each for each in held.values() if not ids or {each.id, each.key} & {*ids}]
            ledger.release(each.key for each in wanted)
            coming = [each for each in wanted if each.way == PULL]
            # What it told since then it tells again, which does no harm.
            place = replace(ledger.place, pushed=0, pulled=ledger.back_to(coming))
            ledger.place = place
            ledger.luck = replace(ledger.luck, stopped=False)
        return len(wanted)

    def acknowledged(self, border: Border) -> int | None:
        """Return the seq up to which every remote has all it is to have; None without remotes."""
        return min(
            (self._acknowledged(border, each.name) for each in self.known.all()), default=None
        )

    def _acknowledged(self, border: Border, remote: str) -> int:
        try:
            ledger = Ledger(self._home, remote)
            place = ledger.place
        except StoreError:  # nothing is known of it, so everything is kept
            return 0
        held = [each.seq - 1 for each in ledger.held(PUSH).values()]
        return min([place.pushed, *held]) if place.epoch == border.epoch else 0

    def told(self) -> str:
        """Return how sync stands in a few words; empty where there are no remotes."""
        try:
            known = [(each.name, self._luck(each)) for each in self.known.all()]
        except StoreError as error:
            return str(error)
        for name, luck in known:
            if luck.error:
                since = age(luck.synced_at, now()) if luck.synced_at else ""
                since = "" if since in ("", "now") else f" for {since}"
                return f"{name} is not synced{since}: {luck.error}"
        last = min((luck.synced_at for _, luck in known if luck.synced_at), default=None)
        if last is None:
            return "not synced yet" if known else ""
        when = age(last, now())
        return "synced just now" if when == "now" else f"synced {when} ago"

    def due(self) -> list[str]:
        """Return the names of the remotes that the background may exchange with now."""
        found, at = [], now()
        for remote in self.known.all():
            if remote.auto:
                luck = self._luck(remote)
                if not luck.stopped and (not luck.retry_at or luck.retry_at <= at):
                    found.append(remote.name)
        return found

    def _luck(self, remote: Remote) -> Luck:
        try:
            return Ledger(self._home, remote.name).luck
        except StoreError as error:  # the ledger is broken, say: that is told, and nothing tried
            return Luck(error=str(error), stopped=True)

    @contextmanager
    def _asked(self, remote: Remote, border: Border) -> Iterator[Peer]:
        """Open a remote to ask it; its kind of interface may have to be found out for that."""
        from memdesk.sync.http import Http

        with closing(Http(remote, self._keys.get(remote))) as http:
            if remote.kind == MEMORY_SERVICE:
                from memdesk.sync.memory_service import open_memory_service

                yield open_memory_service(remote, http, border.device)
            else:
                yield _peer(remote, http, border.device)


def _looked_at(remote: Remote, border: Border) -> Peer:
    """Return what a remote is, for what leaves and what it cannot do; it cannot be asked."""
    return _peer(remote, cast("Http", None), border.device)


def _peer(remote: Remote, http: Http, device: str) -> Peer:
    if remote.kind == MEMORY_SERVICE:
        from memdesk.sync.memory_service import MemoryService

        return MemoryService(remote, http, device)
    from memdesk.sync.rpc import Rpc

    if remote.kind == MEMDESK:
        from memdesk.sync.team import Team

        return Team(Rpc(http), remote.name)
    from memdesk.sync.memoryos import MemoryOS

    return MemoryOS(Rpc(http), remote.user)


def _as_ours(error: Exception, name: str) -> MemdeskError:
    """Return an error that is told in words; what nobody has thought of goes to the log as well."""
    if isinstance(error, MemdeskError):
        return error
    _log.warning("%s is not synced", name, exc_info=error)
    return SyncError(f"{name}: something unexpected happened ({type(error).__name__})")


def _all_held(ledger: Ledger, due: Plan) -> list[Held]:
    return [*due.held, *ledger.held(PULL).values()]


def _parcel(peer: Peer, due: Due) -> Parcel:
    way, size = DELETE if due.deletes else PUT, len(payload_text(peer, due).encode())
    return Parcel(due.id, way, due.memory.title[:_TITLE], payload_text(peer, due, indent=1), size)
