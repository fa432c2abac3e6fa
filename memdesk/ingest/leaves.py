"""A memory as a Markdown file: what is known of it before the text, and a name that says what it is."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from memdesk.moment import local_time

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from memdesk.memory import Memory

_LONGEST = 60
_NO_WORD = re.compile(r"[^\w]+")
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_DEVICES = re.compile(r"(?i)con|prn|aux|nul|com\d|lpt\d")
_PRECISE = {"year": "%Y", "month": "%Y-%m", "day": "%Y-%m-%d"}


def leaf(memory: Memory) -> str:
    """Return the file's content: front matter in YAML, then the text as it is."""
    lines = (f"{name}: {value}" for name, value in _known(memory))
    return "---\n" + "\n".join(lines) + "\n---\n" + memory.text


def _known(memory: Memory) -> list[tuple[str, str]]:
    known = {
        "id": memory.id,
        "title": (memory.title.lstrip("# ") or memory.title)[:300],
        "kind": memory.kind,
        "tags": list(memory.tags),
        "space": memory.space,
        "created": _moment(memory),
        "happened": happened(memory),
        "expires": memory.expires_at.isoformat() if memory.expires_at else "",
        "source": memory.source.name,
        "pinned": memory.pinned or "",
        "session": memory.session,
        "position": memory.position,
        "role": memory.role,
        "speaker": memory.speaker,
        "confidence": memory.confidence,
    }
    told = {name: value for name, value in known.items() if value not in (None, "", [])}
    return [(name, _quoted(value)) for name, value in told.items()]


def _moment(memory: Memory) -> str:
    return memory.created_at.isoformat().replace("+00:00", "Z")


def happened(memory: Memory) -> str:
    """Return when it happened as ISO 8601, in its writer's time and as exactly as is known."""
    if memory.happened_at is None:
        return ""
    at = local_time(memory.happened_at, memory.utc_offset_min)
    shape = _PRECISE.get(memory.happened_precision or "")
    exact = "minutes" if memory.happened_precision == "minute" else "auto"
    return at.strftime(shape) if shape else at.isoformat(timespec=exact)


def _quoted(value: object) -> str:
    """Return a value as JSON, which is YAML, too, but for characters that end its lines."""
    told = json.dumps(value, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", told)


def name_of(memory: Memory, taken: AbstractSet[str]) -> str:
    """Return a file's name of the first words, with the id where that is `taken` (in lower case)."""
    words = _NO_WORD.sub("-", memory.title).strip("-_").encode()[: 2 * _LONGEST]
    stem = words.decode("utf-8", "ignore")[:_LONGEST].strip("-_")
    if not stem or _DEVICES.fullmatch(stem):
        stem = f"{memory.kind}-{memory.id[:8]}"
    name = f"{stem}.md"
    if name.casefold() in taken:
        name = f"{stem}-{memory.id[:8]}.md"
    return name if name.casefold() not in taken else f"{stem}-{memory.id}.md"
