"""Making what was found fit to keep: texts that are too long in parts, and secrets out of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from memdesk.answers import Whole
from memdesk.ingest.item import Item
from memdesk.ingest.parts import cut
from memdesk.memory import MAX_TEXT_BYTES, TOMBSTONE, Draft, Memory, content_hash
from memdesk.suspicion import secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memdesk.ingest.lines import Line
    from memdesk.ingest.receipt import Counting

REDACTED = "[redacted]"

_Kept = TypeVar("_Kept", Draft, Memory)


def fitted(item: Item, *, counting: Counting, redact: bool) -> Iterator[Item]:
    """Yield an item, or as many as its text needs; `redact` takes secrets out of it first."""
    clean = _clean(item.draft)
    if _counted(counting, secret=clean != item.draft, redact=redact):
        item = replace(item, draft=clean)
    parts = list(_parts(item))
    counting.split += len(parts) > 1
    yield from parts


def whole_line(line: Line, *, counting: Counting, redact: bool) -> Line:
    """Return a line of an export; `redact` takes the secrets of every revision out first."""
    earlier = tuple(_redacted(each) for each in line.whole.earlier)
    clean = Whole(_redacted(line.whole.memory), earlier)
    if _counted(counting, secret=clean != line.whole, redact=redact):
        return replace(line, whole=clean)
    return line


def _counted(counting: Counting, *, secret: bool, redact: bool) -> bool:
    """Count what has a `secret`; tell whether that is to be taken out."""
    counting.redacted += secret and redact
    counting.flagged += secret and not redact
    return secret and redact


def _redacted(memory: Memory) -> Memory:
    clean = _clean(memory)
    if clean.text == memory.text or memory.state == TOMBSTONE:
        return clean
    return replace(clean, content_hash=content_hash(clean.text))


def _clean(kept: _Kept) -> _Kept:
    """Return a draft or a memory without secrets; the same where it has none."""
    return replace(
        kept,
        text=without_secrets(kept.text),
        tags=_clean_tags(kept.tags),
        session=kept.session and without_secrets(kept.session),
        speaker=kept.speaker and without_secrets(kept.speaker),
        source=replace(kept.source, ref=without_secrets(kept.source.ref)),
        metadata=_clean_metadata(kept.metadata),
    )


def _clean_tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    clean = [without_secrets(each) for each in tags]
    return tags if clean == list(tags) else tuple(dict.fromkeys(clean))


def _clean_metadata(metadata: str) -> str:
    if metadata == "{}":
        return metadata
    try:
        told = json.loads(metadata)
        clean = _clean_value("", told)
        return metadata if clean == told else json.dumps(clean)
    except (ValueError, RecursionError):  # the service says what is wrong with it
        return metadata


def _clean_value(name: str, value: object) -> object:
    """Return a JSON value without secrets; one that its name makes a secret is taken out whole."""
    if isinstance(value, dict):
        return {each: _clean_value(each, one) for each, one in value.items()}
    if isinstance(value, list):
        return [_clean_value(name, each) for each in value]
    if not isinstance(value, str):
        return value
    clean = without_secrets(value)
    return REDACTED if secrets(json.dumps({name: clean}, ensure_ascii=False)) else clean


def without_secrets(text: str) -> str:
    """Return a text with every secret in it replaced; what is found after that is replaced, too."""
    while spans := [each.span for each in secrets(text)]:
        for start, end in reversed(_joined(spans)):
            text = text[:start] + REDACTED + text[end:]
    return text


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans in order, those that overlap as one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _parts(item: Item) -> Iterator[Item]:
    """Yield an item in parts where it is too long, each cut where its writer made a break."""
    text = item.draft.text
    if len(text) * 4 <= MAX_TEXT_BYTES or _bytes(text) <= MAX_TEXT_BYTES:
        yield item
        return
    valid = text.encode("utf-8", "replace").decode()
    parts = [each for each in cut(valid, MAX_TEXT_BYTES) if each.strip()]
    for number, part in enumerate(parts, start=1):
        draft = replace(item.draft, text=part, metadata=_numbered(item.draft, number, len(parts)))
        yield Item(draft, f"{item.place}, part {number} of {len(parts)}")


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _numbered(draft: Draft, number: int, parts: int) -> str:
    try:
        told = json.loads(draft.metadata)
    except ValueError:
        return draft.metadata  # the service says what is wrong with it
    known = told if isinstance(told, dict) else {}
    return json.dumps(known | {"part": number, "parts": parts})
