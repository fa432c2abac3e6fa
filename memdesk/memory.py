"""The record: one memory, what it may hold, and how text becomes fit to keep.

Standard library only; every room may import this one.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from memdesk.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_TEXT_BYTES = 1024 * 1024
"""The longest text one memory holds, in UTF-8 bytes: 1 MB."""

MAX_TAGS = 64
MAX_TAG_LENGTH = 100
MAX_METADATA_BYTES = 64 * 1024
MAX_METADATA_DEPTH = 32
PERSONAL = "personal"
"""The space of everything that belongs to no project."""

LIVE, TRASHED, REPLACED, TOMBSTONE = "live", "trashed", "replaced", "tombstone"
STATES = (LIVE, TRASHED, REPLACED, TOMBSTONE)
TRUSTS = ("user", "agent", "import", "remote")
BURST = "burst"
"""The flag of what one host saved beyond a number in a minute: the person looks at it first."""
CONFLICT = "conflict"
"""The flag of what had changed here and at a remote: the later one won."""

# C0 but newline and tab, DEL, C1, and the bidi overrides that can hide text (DESIGN §2).
_REMOVED = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_END = re.compile("\r\n?")
_KIND = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_SPACE = re.compile(r"[^\W_](?:[\w.:/@+ -]{0,98}[\w.:/@+-])?")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a memory came from."""

    name: str = "memdesk"
    """The host or client that wrote it, as it calls itself."""
    trust: str = "user"
    """Who stands behind it: one of `TRUSTS`."""
    ref: str = ""
    """A file, address or remote it was taken from; empty when there is none."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A memory as a caller asks for it; the service checks it and fills in the rest."""

    text: str
    kind: str = "note"
    tags: tuple[str, ...] = ()
    space: str = PERSONAL
    audience: tuple[str, ...] = ()
    source: Source = Source()
    session: str | None = None
    position: int | None = None
    role: str | None = None
    speaker: str | None = None
    happened_at: str | None = None
    """ISO 8601, from a year to a minute; how much is given is its precision."""
    created_at: str | None = None
    """ISO 8601; when it was written first, elsewhere. None: now."""
    expires_at: str | None = None
    """ISO 8601; at that moment it stops being recalled."""
    replaces: str | None = None
    """The id of the memory that this one takes the place of."""
    pinned: bool = False
    confidence: float | None = None
    metadata: str = "{}"
    """A JSON object, as text."""
    held: bool = False
    """Whether it is not recalled before the person has seen it in the Inbox."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What a revision changes; None leaves a field as it is."""

    text: str | None = None
    kind: str | None = None
    tags: tuple[str, ...] | None = None
    space: str | None = None
    audience: tuple[str, ...] | None = None
    happened_at: str | None = None
    """ISO 8601, or "" for not known."""
    expires_at: str | None = None
    """ISO 8601, or "" for never."""
    pinned: bool | None = None
    confidence: float | None = None
    metadata: str | None = None
    ref: str | None = None
    """The file, address or remote it was taken from."""
    add_tags: tuple[str, ...] = ()
    """Tags it has afterwards besides those it has."""
    drop_tags: tuple[str, ...] = ()
    """Tags it has no longer afterwards."""


@dataclass(frozen=True, slots=True)
class Memory:
    """One memory as the store keeps it: the row of `memories` (DESIGN §2)."""

    id: str
    text: str
    kind: str
    tags: tuple[str, ...]
    space: str
    audience: tuple[str, ...]
    """The remotes it may go to; empty means private."""
    source: Source
    session: str | None
    position: int | None
    role: str | None
    speaker: str | None
    happened_at: datetime | None
    happened_precision: str | None
    utc_offset_min: int | None
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    state: str
    """One of `STATES`."""
    replaces: str | None
    replaced_by: str | None
    pinned: bool
    confidence: float | None
    flags: tuple[str, ...]
    reviewed: str | None
    metadata: str
    content_hash: str
    """SHA-256 of the cleaned UTF-8, in hex; empty for a tombstone."""
    clock_ms: int
    """Hybrid logical clock, wall part; decides conflicts and nothing else."""
    clock_n: int
    device: str
    seq: int
    """The store's commit sequence of this revision."""
    change: str
    """The operation that wrote this revision."""
    actor: str
    """Who asked for it."""

    @property
    def when(self) -> datetime:
        """When the thing happened, or else when it was remembered."""
        return self.happened_at or self.created_at

    @property
    def held(self) -> bool:
        """Whether it is not recalled yet, since the person has not seen it in the Inbox."""
        waits = BURST in self.flags and BURST not in (self.reviewed or "").split()
        return waits and self.state == LIVE

    @property
    def title(self) -> str:
        """The first line that has words, for a list of memories."""
        return next((line.strip() for line in self.text.splitlines() if line.strip()), "")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which memories a read may return; every part that is set must hold."""

    spaces: tuple[str, ...] = ()
    """Any of these; empty means every space."""
    kinds: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    """All of these."""
    since: datetime | None = None
    """Happened (or was remembered) at or after this."""
    until: datetime | None = None
    """Happened (or was remembered) before this."""
    states: tuple[str, ...] = (LIVE,)
    pinned: bool | None = None
    sources: tuple[str, ...] = ()
    """From any host, file or person of these names."""
    expired: bool = False
    """Also those whose time has run out."""


def clean(text: str, field: str = "text") -> tuple[str, int]:
    """Return `text` fit to keep and how many characters were removed from it.

    Line ends become newlines. Raises `Invalid` for NUL and lone surrogates, which no
    honest text holds and which do not survive UTF-8 and C strings.
    """
    if "\0" in text:
        raise Invalid(field, "holds a NUL character; remove it")
    if _SURROGATE.search(text):
        raise Invalid(
            field, "holds a lone surrogate, so it is not valid Unicode text; send it as UTF-8"
        )
    return _REMOVED.subn("", _LINE_END.sub("\n", text))


def clean_text(text: str) -> tuple[str, int]:
    """Return a memory's text fit to keep and how many characters were removed.

    Raises `Invalid` when it is blank or longer than `MAX_TEXT_BYTES`.
    """
    kept, removed = clean(text)
    if not kept.strip():
        raise Invalid("text", "is empty; give the words to remember")
    size = len(kept.encode())
    if size > MAX_TEXT_BYTES:
        raise Invalid(
            "text",
            f"is {size:,} bytes long; one memory holds at most {MAX_TEXT_BYTES:,}, so split it",
        )
    return kept, removed


def clean_word(value: str, field: str, limit: int = 200) -> str:
    """Return a one-line value without control characters; raises `Invalid` when it is too long."""
    kept = " ".join(clean(value, field)[0].split())
    if len(kept) > limit:
        raise Invalid(field, f"is {len(kept)} characters long; at most {limit} are kept")
    return kept


def clean_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Return the tags without blanks and repeats, in the order given."""
    kept = dict.fromkeys(clean_word(tag, "tags", MAX_TAG_LENGTH).lstrip("# ") for tag in tags)
    kept.pop("", None)
    if len(kept) > MAX_TAGS:
        raise Invalid("tags", f"are {len(kept)}; a memory has at most {MAX_TAGS}")
    return tuple(kept)


def check_space(name: str, field: str = "space") -> str:
    """Return the name of a space; raises `Invalid` when it is malformed."""
    if not _SPACE.fullmatch(name):
        raise Invalid(
            field,
            "must be 1 to 100 letters, digits, spaces or any of . : / @ + - _, starting with a "
            "letter or digit and not ending with a space",
        )
    return name


def check_kind(kind: str) -> str:
    """Return the kind in lower case; raises `Invalid` when it is malformed."""
    kind = clean(kind, "kind")[0].strip().lower()
    if not _KIND.fullmatch(kind):
        raise Invalid(
            "kind", "must be one lower-case word such as note, fact, preference, decision or task"
        )
    return kind


def check_id(id: str, field: str = "id") -> str:
    """Return a UUID in its usual form; raises `Invalid` when it is none."""
    try:
        return str(uuid.UUID(id))
    except (ValueError, AttributeError, TypeError):
        shown = clean(str(id)[:60].replace("\0", ""), field)[0]
        raise Invalid(field, f"“{shown}” is not an id; ids look like {uuid.UUID(int=0)}") from None


def check_metadata(metadata: str | Mapping[str, object]) -> str:
    """Return the metadata as the text of a JSON object; raises `Invalid` for anything else."""
    try:
        value = json.loads(metadata) if isinstance(metadata, str) else dict(metadata)
        text = _as_json(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise Invalid("metadata", f"is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Invalid("metadata", "must be a JSON object")
    if _depth(value) > MAX_METADATA_DEPTH:
        raise Invalid("metadata", f"is nested more than {MAX_METADATA_DEPTH} levels deep")
    text, removed = clean(text, "metadata")
    if removed:  # keys may be in another order now, or be one
        text = _as_json(json.loads(text, strict=False))
    if len(text.encode()) > MAX_METADATA_BYTES:
        raise Invalid("metadata", f"is longer than {MAX_METADATA_BYTES:,} bytes")
    return text


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True)


def _depth(value: object) -> int:
    """Return how many levels of lists and objects a JSON value has."""
    level, depth = [value], 0
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        level = [each for one in level for each in (one.values() if isinstance(one, dict) else one)]
    return depth


def content_hash(text: str) -> str:
    """Return the SHA-256 of the cleaned text's UTF-8, in hex: what makes two texts the same."""
    return hashlib.sha256(text.encode()).hexdigest()


def count_tokens(text: str) -> int:
    """Return the tokens a text costs, counted everywhere as UTF-8 bytes / 3, rounded up.

    A real vocabulary would have to be downloaded; this overestimates English by a third (DESIGN §2).
    """
    return -(-len(text.encode()) // 3)


def new_id() -> str:
    """Return a fresh random id (UUIDv4)."""
    return str(uuid.uuid4())


def now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)
