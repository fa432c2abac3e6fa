"""What the service answers: plain frozen values that any front can show and any wire can carry."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memdesk.memory import Memory


@dataclass(frozen=True, slots=True)
class Remembered:
    """What became of one draft."""

    id: str
    outcome: str
    """stored, duplicate (it was there) or restored (it was in the trash)."""
    space: str
    removed: int = 0
    """Unprintable characters that were removed from the text."""
    replaced: str | None = None
    """The id of the memory it took the place of."""
    pending: int = 0
    """Passages that are found by their words now and by meaning once embedded."""
    held: bool = False
    """Whether it is not recalled before the person has seen it in the Inbox."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one draft of an import."""

    outcome: str
    """stored, duplicate (it was there) or skipped."""
    reason: str = ""
    """Why it was skipped, in words that are the same for all of a kind."""
    id: str = ""
    """The memory that it is; empty where it is none."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A memory with all that it was before."""

    memory: Memory
    earlier: tuple[Memory, ...] = ()
    """Its earlier revisions, the oldest first."""


@dataclass(frozen=True, slots=True)
class Wholes:
    """Some memories with their histories."""

    memories: tuple[Whole, ...]
    cursor: str | None
    """Give this back for those that follow; None at the end."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One recalled memory and why it was chosen."""

    memory: Memory
    score: float
    """The fused score; comparable within one answer only."""
    passage: str
    """The best passage's text."""
    span: tuple[int, int]
    """Where that passage stands in the memory's text, in characters."""
    keyword_rank: int | None
    """Place in the full-text results, from 1; None when its words did not match."""
    keyword_score: float
    """BM25 of the best passage, as the full-text index scored it."""
    vector_rank: int | None
    """Place in the vector results, from 1; None when it was not among them."""
    cosine: float | None
    """Cosine of the question and the best passage; None without a vector."""
    words: float = 0.0
    """What words gave to the score, those of the turns beside it included."""
    meaning: float = 0.0
    """What nearness in meaning gave to the score."""
    priors: tuple[tuple[str, float], ...] = ()
    """What else was added or taken away, by the name of its rule (docs/RECALL.md)."""
    matched: tuple[tuple[int, int], ...] = ()
    """Where the question's words stand in the passage, in characters of the memory's text."""
    beside: tuple[Memory, ...] = ()
    """The turns before and after it in its conversation, when they were asked for."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """The answer to one question."""

    hits: tuple[Hit, ...]
    degraded: str | None = None
    """Why meaning was not used and only words were, or None."""
    certainty: float = 0.0
    """How likely it is that something here answers the question, 0 to 1 (docs/RECALL.md)."""
    nearest: Hit | None = None
    """What would have come first, where nothing was certain enough to be an answer."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    memories: tuple[Memory, ...]
    cursor: str | None
    """Give this back for the next page; None at the end."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change did to several memories."""

    change: str
    """Its id, for `undo`."""
    done: tuple[str, ...]
    """The ids it changed."""
    unchanged: tuple[str, ...] = ()
    """The ids that were so already."""
    conflicts: tuple[str, ...] = ()
    """The ids that something else has changed since, or whose state before is gone: left as they are."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One state a memory was in."""

    memory: Memory
    valid_from: datetime
    valid_to: datetime | None
    """None for the present one."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What is always worth knowing about the person or project."""

    space: str
    memories: tuple[Memory, ...]
    left_out: int
    """How many more would belong but for the token budget."""


@dataclass(frozen=True, slots=True)
class Stats:
    """The store in numbers."""

    path: str
    bytes_on_disk: int
    states: dict[str, int]
    spaces: dict[str, int]
    kinds: dict[str, int]
    tags: dict[str, int]
    passages: int
    pending: int
    """Passages that wait for their embedding."""
    seq: int
    epoch: str
    model: str
    fingerprint: str
    device: str
    format: int
    lancedb: str
    notes: tuple[str, ...] = field(default=())
    """What a person should know: a store repaired, a clock from the future."""


@dataclass(frozen=True, slots=True)
class Overview:
    """How many memories there are of everything that a person may browse by."""

    live: int
    pinned: int
    trash: int
    inbox: int
    """What waits for the person's eye."""
    spaces: dict[str, int]
    """Of live memories, the most first; so are the next three."""
    tags: dict[str, int]
    kinds: dict[str, int]
    sources: dict[str, int]
    """By the name of the host, file or person that wrote them."""
    added: tuple[int, ...]
    """How many were added in each of the last twelve weeks, the present one last."""


@dataclass(frozen=True, slots=True)
class Concern:
    """Something about a memory that wants the person's eye; nothing is done about it without them."""

    kind: str
    """duplicate, contradiction, replaced, secret, instruction, low-trust, burst or conflict."""
    memory: Memory
    other: Memory | None = None
    """What it is a duplicate of or contradicts, or what took its place."""
    nearness: float = 0.0
    """Cosine of the two; 0 without another."""
    about: str = ""
    """What was found, in a few words, such as “a GitHub token”."""
    spans: tuple[tuple[int, int], ...] = ()
    """Where in the memory's text it was found, in characters."""

    @property
    def key(self) -> str:
        """Its name, to settle it by: the kind, the memory's id and the other one's."""
        parts = (self.kind, self.memory.id, *((self.other.id,) if self.other else ()))
        return ":".join(parts)


@dataclass(frozen=True, slots=True)
class Inbox:
    """What wants the person's eye, the newest first."""

    concerns: tuple[Concern, ...]
    total: int
    """How many there are; `concerns` may be fewer."""
    behind: int = 0
    """How many memories were not looked at yet."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a connected host, and what it got."""

    n: int
    """Rises with every request of the log."""
    at: datetime
    host: str
    """What the host calls itself."""
    verb: str
    words: str
    """What was asked: a question, or what was to change in a few words; never a memory's text."""
    ids: tuple[str, ...]
    """The memories it got or changed."""
    outcome: str
    """What came of it, in a few words."""
    took: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Status:
    """How the desk stands, for a person and for a bug report."""

    stats: Stats
    version: str
    """Of the memdesk that answers."""
    holder: str
    """Who holds the writer lock now; empty when nobody does."""
    duties: tuple[Duty, ...]
    """The background work of the process that answers."""
    backup: str = ""
    """When a backup was made last; empty while backups are not set up."""
    sync: str = ""
    """How sync stands; empty while it is not set up."""
    switch: str = ""
    """How far the change to another model has come; empty while there is none."""
    coming: str = ""
    """The name of the model that it is to."""
    former: str = ""
    """The name of the model that was in use before; empty where there was none."""


@dataclass(frozen=True, slots=True)
class Point:
    """A restore point: the store's tables as they stood at a moment, hard-linked beside them."""

    name: str
    """Its folder's name in `points`, and what one restores it by."""
    at: datetime
    reason: str
    """What it was made before, or “scheduled”."""
    seq: int
    """The store's seq at that moment."""
    memories: int
    """How many there were, but for tombstones."""
    size: int
    """Bytes that it alone keeps on the disk."""
    kept: bool = False
    """Whether it stays until a person drops it: a store that a restore has set aside."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy of the whole store, one file a table."""

    folder: str
    at: datetime
    seq: int
    epoch: str
    model: str
    format: int
    rows: dict[str, int]
    """Of each table."""
    notes: tuple[str, ...] = ()
    """What a person should know of it."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What stands in the store's place now."""

    memories: int
    """How many there are, but for tombstones."""
    aside: str
    """The restore point that holds what was there before; empty where nothing was."""
    erased: int = 0
    """How many of them had been purged since, and so were erased again."""
    notes: tuple[str, ...] = ()
    """What a person should know, and what is left to do."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One memory that has changed since a moment."""

    how: str
    """added, revised, forgotten, restored, replaced, expired or erased."""
    now: Memory
    before: Memory | None = None
    """As it stood at the moment; None where it was not there, or is erased."""
    fields: tuple[str, ...] = ()
    """The names of what is different, but for clocks and the like."""


@dataclass(frozen=True, slots=True)
class Diff:
    """What has changed since a moment, the last change first."""

    since: datetime
    differences: tuple[Difference, ...]
    counts: dict[str, int]
    """How many there are of each kind; `differences` may be fewer."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What `doctor` has found out about one thing."""

    about: str
    """The thing, in a word or two."""
    level: str
    """good, note (worth knowing), warning (will hurt) or problem (hurts now)."""
    words: str
    """What was found; never a memory's text."""
    next: str = ""
    """What to do about it; empty where nothing is to be done."""


@dataclass(frozen=True, slots=True)
class Duty:
    """One duty of a process's background work, and how it stands."""

    name: str
    about: str
    """What it does, in a few words."""
    state: str
    """idle, waiting (for a moment without requests), running or paused."""
    runs: int = 0
    """How often it was done since the process began."""
    last_began: datetime | None = None
    last_took: float = 0.0
    """Seconds, of the last run that ended."""
    last_error: str = ""
    """What went wrong last time; empty when nothing did."""
    child: int = 0
    """The process that does it, while one does; 0 otherwise."""


def document(value: object) -> Any:
    """Return the value made of what JSON knows: times in UTC with a Z, metadata and priors as objects."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _field(name, part) for name, part in asdict(value).items()}
    if isinstance(value, dict):
        return {str(name): _field(str(name), part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [document(part) for part in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value


def _field(name: str, value: object) -> Any:
    if name == "metadata" and isinstance(value, str):
        return json.loads(value)
    return dict(value) if name == "priors" and isinstance(value, tuple) else document(value)
