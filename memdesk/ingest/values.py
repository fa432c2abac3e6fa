"""What another program wrote, made fit for a draft's fields: nothing here fails, whatever it is given."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from memdesk.clock import SKEW_MS
from memdesk.errors import Invalid
from memdesk.ingest.item import Item, Skipped
from memdesk.memory import (
    MAX_METADATA_BYTES,
    MAX_TAG_LENGTH,
    MAX_TAGS,
    Draft,
    check_space,
    clean,
    now,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_BAD = re.compile("[\0\ud800-\udfff]")
_NO_KIND = re.compile("[^a-z0-9_-]+")
_LONGEST_NAME = 200
_LONGEST_KIND = 32
_MILLISECONDS = 1e11
"""A number beyond this counts milliseconds: as seconds it were the year 5138."""
_DEEPEST = 12
_MOST_METADATA = MAX_METADATA_BYTES - 2048
"""Leaves room for what the import adds."""


def words(value: object) -> str:
    """Return a text without what no honest text holds; empty where the value is no text."""
    if not isinstance(value, str):
        return ""
    return clean(valid(value))[0]


def valid(text: str) -> str:
    """Return a text without NUL characters, and with a mark for each lone surrogate."""
    return _BAD.sub(lambda bad: "" if bad[0] == "\0" else "\ufffd", text)


def name(value: object, longest: int = _LONGEST_NAME) -> str:
    """Return a name or an id in one line, numbers too; empty where the value is neither."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    return " ".join(words(value).split())[:longest].strip()


def mapping(value: object) -> dict[str, Any]:
    """Return a value that is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    """Return a value that is a list, else an empty one."""
    return value if isinstance(value, list) else []


def moment(value: object) -> datetime | None:
    """Return the past moment that ISO 8601, or seconds or milliseconds since 1970, tell: in UTC.

    None for anything else, and for what is still to come: then a clock was wrong.
    """
    at = any_moment(value)
    return at if at is not None and at <= now() + timedelta(milliseconds=SKEW_MS) else None


def any_moment(value: object) -> datetime | None:
    """Return the moment that a value tells, be it past or future; else None."""
    try:
        return _numbered(value) if isinstance(value, int | float) else _written(value)
    except (ValueError, OverflowError, OSError):
        return None


def _numbered(value: float) -> datetime | None:
    if isinstance(value, bool) or not math.isfinite(value) or value == 0:  # that is no time at all
        return None
    return datetime.fromtimestamp(value / 1000 if abs(value) > _MILLISECONDS else value, UTC)


def _written(value: object) -> datetime | None:
    text = name(value)
    if not text:
        return None
    if re.fullmatch(r"-?\d{9,}(?:\.\d+)?", text):
        return _numbered(float(text))
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def minute(at: datetime | None) -> str | None:
    """Return a moment to the minute, as a draft's `happened_at`; the writer's zone is not known."""
    return f"{at.replace(tzinfo=None).isoformat(timespec='minutes')}+00:00" if at else None


def exactly(at: datetime | None) -> str | None:
    """Return a moment as a draft's `created_at` or `expires_at`."""
    return at.isoformat() if at else None


def tags(values: Iterable[object]) -> tuple[str, ...]:
    """Return what can be tags, in the order given, as many as a memory may have."""
    cut = (name(value).lstrip("# ")[:MAX_TAG_LENGTH].strip() for value in values)
    return tuple(dict.fromkeys(tag for tag in cut if tag))[:MAX_TAGS]


def kind(value: object, default: str) -> str:
    """Return a value as a kind, or the default where nothing is left of it."""
    told = _NO_KIND.sub("-", name(value).lower()).strip("-_0123456789")
    return told[:_LONGEST_KIND] or default


def space(value: object) -> str | None:
    """Return a value that can name a space, else None."""
    try:
        return check_space(name(value, 100))
    except Invalid:
        return None


def metadata(**told: object) -> str:
    """Return what is told as a draft's metadata: without what is empty, and not too much of it.

    What has no room is named under `left_out`.
    """
    kept = {name(key): _plain(each) for key, each in told.items() if each not in (None, "", [], {})}
    text, left_out = json.dumps(kept, ensure_ascii=False), []
    while len(text.encode()) > _MOST_METADATA and kept:
        longest = max(kept, key=lambda key: len(json.dumps(kept[key])))
        del kept[longest]
        left_out.append(longest)
        text = json.dumps({**kept, "left_out": left_out[:50]}, ensure_ascii=False)
    return text


def beside(own: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """Return a memory's own metadata beside what else is told of it.

    What both have, and differently, is kept as it was under `metadata`.
    """
    both = {
        key: each for key, each in own.items() if key in told and _plain(told[key]) != _plain(each)
    }
    return own | told | ({"metadata": both} if both else {})


def _plain(value: object, depth: int = 0) -> Any:
    """Return a value made of what metadata may hold."""
    if isinstance(value, str):
        return words(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth >= _DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {name(key): _plain(each, depth + 1) for key, each in value.items()}
    return (
        [_plain(each, depth + 1) for each in value]
        if isinstance(value, list | tuple)
        else name(value)
    )


def found(draft: Draft, place: str, empty: str = "an empty text") -> Item | Skipped:
    """Return a draft as an item, or as skipped where it has no text; its text is from `words`."""
    return Item(draft, place) if draft.text.strip() else Skipped(place, empty)
