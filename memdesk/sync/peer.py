"""What a kind of remote has to be able to do, and what can go wrong with one.

SyncError
├── Unreachable     offline, overloaded or failing: a normal state, tried again later
├── Unauthorized    the key is missing or refused: nothing is tried until the person has looked
├── TooLarge        the body is too large for it: a batch is split, a single memory held
├── Foreign         what answers does not speak as such a remote does
└── Unfit           it does not take what was sent: a batch is split, a single memory held
    └── Missing     there is no such thing there (404, 405)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from memdesk.errors import SyncError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from memdesk.memory import Memory
    from memdesk.remotes import Clock

TAKEN, STALE, REFUSED = "taken", "stale", "refused"


class Unreachable(SyncError):  # noqa: N818 (read as “raises Unreachable”)
    """The remote could not be reached, is overloaded or has failed."""

    def __init__(self, reason: str, retry_after: float | None = None, *, sent: bool = True) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        """How long it asks to be left alone, in seconds; None where it does not say."""
        self.sent = sent
        """Whether it may have heard what was sent."""


class Unauthorized(SyncError):  # noqa: N818
    """The remote refuses the key, or there is none."""


class Foreign(SyncError):  # noqa: N818
    """What answers does not speak as such a remote does: another server, or a network's log-in page."""


class TooLarge(SyncError):  # noqa: N818
    """The remote does not take a body of this size."""


class Unfit(SyncError):  # noqa: N818
    """The remote does not take what was sent."""


class Missing(Unfit):
    """The remote has no such thing."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What a remote is known to have of a memory: one line of the ledger."""

    id: str
    clock: Clock
    digest: str
    """Of what was exchanged (`sharing.digest`); empty for a memory that is deleted there."""
    ref: str = ""
    """What the remote calls it, where it has names of its own."""


@dataclass(frozen=True, slots=True)
class Due:
    """A memory that is to go to a remote."""

    memory: Memory
    """As it is here; a tombstone where it is erased."""
    deletes: bool
    """Whether the remote is to delete it."""
    clock: Clock
    """What it is sent with: the memory's own, or a later one for a delete that must win."""
    sent: Sent | None
    """What the remote is known to have of it."""

    @property
    def id(self) -> str:
        """The memory's id."""
        return self.memory.id


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a remote has made of one memory that was sent to it."""

    id: str
    outcome: str
    """`TAKEN` (or had it already), `STALE` (has a later one, which a pull brings), or `REFUSED`."""
    ref: str = ""
    """What the remote calls it."""
    clock: Clock | None = None
    """The clock that the remote has of it, where that is a later one."""
    reason: str = ""
    """Why it was refused."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One thing that a remote tells."""

    key: str
    """What the remote calls this piece of news; it tells it by the same name again."""
    memory: Memory | None = None
    """A memory as it is there, or a tombstone; None for what cannot be understood, or is no news."""
    ref: str = ""
    """What the remote calls the memory."""
    trouble: str = ""
    """Why it cannot be understood; empty for what is no news."""


@dataclass(frozen=True, slots=True)
class Feed:
    """A page of a remote's news."""

    items: tuple[Incoming, ...]
    cursor: str
    """Where the next page begins."""
    more: bool
    """Whether there is a next page now."""
    epoch: str = ""
    """What the remote calls its present life, if it does; another one has lost what was sent to it."""


class Desk(Protocol):
    """What a kind of remote may ask about this side."""

    def by_ref(self, refs: Iterable[str]) -> Mapping[str, Sent]:
        """Return what is known under names of the remote's."""
        ...

    def known(self, ids: Iterable[str]) -> Mapping[str, Sent]:
        """Return what the remote is known to have of memories."""
        ...

    def stored(self, ids: Iterable[str]) -> Mapping[str, Memory]:
        """Return the memories of this store, in any state; those that are not there are left out."""
        ...


class Peer(Protocol):
    """A remote of one kind."""

    @property
    def cannot(self) -> tuple[str, ...]:
        """What it cannot do, one sentence each."""
        ...

    @property
    def updates(self) -> bool:
        """Whether it takes another text, tags or state of a memory it has."""
        ...

    @property
    def deletes(self) -> bool:
        """Whether it deletes a memory when told."""
        ...

    @property
    def pulls(self) -> bool:
        """Whether it tells what it has."""
        ...

    @property
    def most(self) -> int:
        """The most memories it is sent at once."""
        ...

    @property
    def most_bytes(self) -> int:
        """The most bytes of payloads it is sent at once."""
        ...

    def payload(self, due: Due) -> object:
        """Return what leaves for a memory, as JSON knows it, without asking the remote; may raise `Unfit`."""
        ...

    def push(self, dues: Sequence[Due], desk: Desk) -> list[Receipt]:
        """Send memories, all in one exchange, and return what became of each.

        Fewer receipts than memories mean that the rest was not dealt with and is sent again. What
        was sent before with the same clock must do no harm. Raises the errors of this module.
        """
        ...

    def pull(self, cursor: str, desk: Desk) -> Feed:
        """Return the news after a cursor; an empty one stands for the beginning."""
        ...

    def close(self) -> None:
        """Let the connection go."""
        ...


@runtime_checkable
class Doubting(Protocol):
    """A remote that keeps everything it is sent, also the same thing twice; it takes one at a time.

    What it has of a memory is known by the hash of the text: that is its `ref`.
    """

    def arrived(self, due: Due) -> bool | None:
        """Tell whether a memory that may have been sent is there; None where that cannot be told."""
        ...
