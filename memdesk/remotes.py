"""What is said about remotes: which there are, what waits for them, what came of it. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from memdesk.memory import Memory

MEMDESK, MEMORY_SERVICE, MEMORYOS = "memdesk", "mcp-memory-service", "memoryos"
KINDS = (MEMDESK, MEMORY_SERVICE, MEMORYOS)
"""What a remote may be (docs/SYNC.md)."""
PUT, DELETE = "put", "delete"
"""What is to become of a memory at a remote."""
PUSH, PULL = "push", "pull"
"""The two ways."""
STORED, KNOWN, KEPT = "stored", "known", "kept"
PRIVATE, AHEAD, REFUSED = "private", "ahead", "refused"
"""What becomes of what comes; see `Absorbed`."""

Clock = tuple[int, int, str]
"""A hybrid logical clock: milliseconds, counter, device. The later one wins."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A server that memories may go to, as the person has set it up; its key is kept elsewhere."""

    name: str
    """What audiences call it."""
    url: str
    kind: str
    """One of `KINDS`."""
    spaces: tuple[str, ...] = ()
    """The spaces it accepts; empty means every one."""
    into: str = ""
    """The space of what comes from it without one of ours; empty means one of its own name."""
    auto: bool = False
    """Whether the daemon syncs it in the background."""
    insecure: bool = False
    """Whether the person allows plain http to another computer: whoever listens reads key and text."""
    fingerprint: str = ""
    """SHA-256 of the only certificate that is believed, in hex; empty: any that the system trusts."""
    user: str = ""
    """The user that a server without users of its own is told (MemoryOS); empty means “memdesk”."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one remote stands."""

    remote: Remote
    cannot: tuple[str, ...] = ()
    """What this kind of server cannot do, one sentence each."""
    waiting: int = 0
    """How many memories are due to go."""
    held: int = 0
    """How many are held back, or could not be taken in; nothing else waits for them."""
    synced_at: datetime | None = None
    """When everything was exchanged last."""
    error: str = ""
    """What went wrong last, if anything has since."""
    retry_at: datetime | None = None
    """When the background tries again; None where it need not, or has given up (a key refused)."""
    key: str = ""
    """Where its key is kept, such as “keyring”; never the key. Empty where there is none."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One memory that waits for a remote, and exactly what would leave."""

    id: str
    way: str
    """`PUT` or `DELETE`, or “pull” for something from there that could not be taken in."""
    title: str
    """Its first line; empty for what is erased here."""
    payload: str
    """The JSON text that leaves for this memory; empty for what comes."""
    size: int
    """Bytes of the payload in UTF-8."""
    held: str = ""
    """Why it does not go by itself; empty for what goes with the next push."""


@dataclass(frozen=True, slots=True)
class Outbox:
    """What waits for one remote, held ones last."""

    remote: str
    parcels: tuple[Parcel, ...]
    total: int
    """How many there are; `parcels` may be fewer."""


@dataclass(frozen=True, slots=True)
class Synced:
    """What one exchange with a remote has done."""

    remote: str
    pushed: int = 0
    """Memories that the remote has taken, or had already as they are."""
    deleted: int = 0
    """Memories that are gone from the remote."""
    kept: int = 0
    """Memories that stay there as they were: this kind of remote can do nothing about them."""
    pulled: int = 0
    """Memories that were new or have changed here."""
    trashed: int = 0
    """Memories that went to the trash here, as they are deleted there."""
    conflicts: int = 0
    """Memories that had changed on both sides: the later one won, the other is in its history."""
    held: int = 0
    """Memories that are held back or could not be taken in, after this."""
    error: str = ""
    """Why it ended early; empty where it did not."""


@dataclass(frozen=True, slots=True)
class Base:
    """What a remote had of a memory when it was exchanged last."""

    clock: Clock
    digest: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """A memory that came from a remote."""

    memory: Memory
    """As it was sent; a tombstone for one that is deleted there."""
    base: Base | None = None
    """What the two had exchanged of it before."""


@dataclass(frozen=True, slots=True)
class Absorbed:
    """What became of an arrival."""

    id: str
    outcome: str
    """stored, known, kept (what is here is later), private, ahead (its clock) or refused."""
    reason: str = ""
    """Why it was not taken, in words."""
    conflict: bool = False
    """Whether both sides had changed it."""
    trashed: bool = False
    """Whether it went to the trash, as it is deleted there."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Which memories have changed after a sequence number: their ids, in that order, and audiences."""

    epoch: str
    seq: int
    """The last one that was looked at."""
    shared: tuple[tuple[str, int, tuple[str, ...]], ...]
    """(id, seq, audience) of each."""
