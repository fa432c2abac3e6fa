"""From the names that people give to things, to the fields of a draft.

What a field cannot hold, and what is no field, goes into the metadata under the name it had.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from memdesk.errors import Invalid
from memdesk.ingest.paper import Unfit, moment
from memdesk.ingest.values import valid
from memdesk.memory import (
    MAX_TAG_LENGTH,
    MAX_TAGS,
    PERSONAL,
    Draft,
    check_kind,
    check_metadata,
    check_space,
    clean_tags,
    clean_word,
    now,
)
from memdesk.moment import parse_moment

if TYPE_CHECKING:
    from collections.abc import Mapping

USUAL = {
    "text": ("text", "content", "body", "note", "memory", "message"),
    "title": ("title", "name", "subject", "heading"),
    "kind": ("kind", "type", "memory_type", "note_type"),
    "tags": ("tags", "tag", "labels", "label", "keywords"),
    "space": ("space",),
    "happened_at": ("happened_at", "happened", "date"),
    "created_at": (
        *("created_at", "created", "date_created", "created_on", "created_time"),
        *("creation_date", "creation_time", "timestamp"),
    ),
    "expires_at": ("expires_at", "expires"),
    "session": ("session", "session_id", "conversation", "conversation_id"),
    "position": ("position", "turn"),
    "role": ("role",),
    "speaker": ("speaker",),
    "pinned": ("pinned",),
    "confidence": ("confidence",),
}
"""The usual names of each field, its own first; told apart by neither case nor what joins words."""
_FIELD = {name: field for field, names in USUAL.items() for name in names}
_ROLES = ("user", "assistant", "system", "tool")
_SLASHED = re.compile(r"(\d{4})/(\d{2})/(\d{2})")
_SECONDS, _MILLISECONDS = re.compile(r"\d{10}(?:\.\d+)?"), re.compile(r"\d{13}")
_YES, _NO = ("true", "yes", "1"), ("false", "no", "0", "")


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody's file says of a memory: values by the name of a draft's field, and the rest."""

    fields: Mapping[str, object]
    rest: Mapping[str, object]

    def get(self, field: str) -> str:
        """Return a field's value as a word, empty where it has none."""
        value = self.fields.get(field)
        return word(value) if value is not None else ""

    def drafted(
        self,
        text: str,
        *,
        kind: str = "note",
        space: str | None = None,
        happened_at: str | None = None,
        created_at: str | None = None,
    ) -> Draft:
        """Return a draft of a text; what is given here holds where the file says nothing.

        Raises `Unfit` where what is left over is more than metadata holds.
        """
        fits, rest = _fitted(self.fields)
        usual: dict[str, object] = {
            "kind": kind,
            "space": space or PERSONAL,
            "happened_at": happened_at,
            "created_at": created_at,
        }
        try:
            whole = json.dumps({**rest, **self.rest}, ensure_ascii=False)
            metadata = check_metadata(valid(whole))
        except (Invalid, ValueError, TypeError, RecursionError):
            raise Unfit("has more fields beside its text than a memory keeps") from None
        return Draft(text, metadata=metadata, **{**usual, **fits})  # type: ignore[arg-type]


def field_of(name: str) -> str | None:
    """Return the field that a usual name means, or None."""
    return _FIELD.get(re.sub(r"[\s_-]+", "_", name.strip().casefold()))


def told(values: Mapping[str, object], without: str = "") -> Told:
    """Return what values say by their usual names, but for one field.

    Of several names for a field the first holds whose value the field can hold, else the first.
    """
    taken: dict[str, str] = {}
    for name, value in values.items():
        field = field_of(name)
        if field is None or field == without or value in (None, ""):
            continue
        if field not in taken or _fits(field, values[taken[field]]) < _fits(field, value):
            taken[field] = name
    names = taken.values()
    rest = {name: value for name, value in values.items() if name not in names}
    return Told({field: values[name] for field, name in taken.items()}, rest)


def _fits(field: str, value: object) -> bool:
    try:
        return field not in _FITS or _FITS[field](value) is not None
    except (Unfit, RecursionError):  # nested deeper than any field
        return False


def _fitted(fields: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """Return what a draft's fields can hold, and what they cannot."""
    fits: dict[str, object] = {}
    rest: dict[str, object] = {}
    for name, value in fields.items():
        if name in ("text", "title"):
            continue
        fit = _FITS[name](value)
        if fit is None:
            rest[name] = value
        else:
            fits[name] = fit
    if "tags" in fields and len(fits["tags"]) < len(words(fields["tags"])):  # type: ignore[arg-type]
        rest["tags"] = fields["tags"]
    return fits, rest


def word(value: object) -> str:
    """Return a value as one line; raises `Unfit` where that is nested beyond all reason."""
    try:
        text = (
            value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        )
    except RecursionError:
        raise Unfit("has a field that is nested too deep") from None
    return " ".join(valid(text).split())


def words(value: object) -> list[str]:
    """Return the words of a list, or of a text with commas between them; #tags need none."""
    if isinstance(value, list):
        return [each for each in map(word, value) if each not in ("", "null")]
    text = word(value) if not isinstance(value, str) else value
    if text.startswith("[") and text.endswith("]"):
        try:
            inside = json.loads(text)
        except (ValueError, RecursionError):
            inside = None
        if isinstance(inside, list):
            return words(inside)
    found = text.split() if all(each.startswith("#") for each in text.split()) else []
    found = found or re.split(r"[,;|\n]", text)
    return [each.strip() for each in found if each.strip()]


def _tags(value: object) -> tuple[str, ...]:
    """Return as many tags as a memory has, without those that are none."""
    fit = [each for each in words(value) if len(each.lstrip("# ")) <= MAX_TAG_LENGTH]
    return clean_tags(list(dict.fromkeys(fit))[:MAX_TAGS])


def _kind(value: object) -> str | None:
    try:
        return check_kind(word(value).replace(" ", "-"))
    except Invalid:
        return None


def _space(value: object) -> str | None:
    try:
        return check_space(word(value))
    except Invalid:
        return None


def _name(value: object) -> str | None:
    try:
        return clean_word(word(value), "name") or None
    except Invalid:
        return None


def _role(value: object) -> str | None:
    role = word(value).lower()
    return role if role in _ROLES else None


def date(value: object) -> str | None:
    """Return a moment as ISO 8601 from what people and programs write, or None."""
    text = word(value)
    if _SECONDS.fullmatch(text) or _MILLISECONDS.fullmatch(text):
        seconds = float(text) / (1 if _SECONDS.fullmatch(text) else 1000)
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    return moment(_SLASHED.sub(r"\1-\2-\3", text))


def past(value: object) -> str | None:
    """Return a moment that is not in the future, or None."""
    text = date(value)
    return text if text and parse_moment(text, "date").at <= now() else None


def _whole(value: object) -> int | None:
    text = word(value)
    return int(text) if re.fullmatch(r"\d{1,18}", text) else None


def _share(value: object) -> float | None:
    text = word(value)
    share = float(text) if re.fullmatch(r"\d(?:\.\d{1,20})?", text) else -1.0
    return share if 0.0 <= share <= 1.0 else None


def _is_yes(value: object) -> bool | None:
    text = word(value).lower()
    return True if text in _YES else False if text in _NO else None


_FITS = {
    "kind": _kind,
    "tags": _tags,
    "space": _space,
    "happened_at": date,
    "created_at": past,
    "expires_at": date,
    "session": _name,
    "position": _whole,
    "role": _role,
    "speaker": _name,
    "pinned": _is_yes,
    "confidence": _share,
}
