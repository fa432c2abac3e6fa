"""What the service answers: plain frozen values that any front can show and any wire can carry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

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
    """The ids that something else has changed since, left as they are."""


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
