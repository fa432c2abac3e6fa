"""Making what was found fit to keep: texts that are too long in parts, and secrets out of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from memdesk.answers import Whole
from memdesk.ingest.item import Item
from memdesk.ingest.parts import cut
from memdesk.memory import MAX_TEXT_BYTES, TOMBSTONE, Memory, content_hash
from memdesk.suspicion import SECRET, suspicions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memdesk.ingest.lines import Line
    from memdesk.ingest.receipt import Counting
    from memdesk.memory import Draft

REDACTED = "[redacted]"


def fitted(item: Item, *, counting: Counting, redact: bool) -> Iterator[Item]:
    """Yield an item, or as many as its text needs; `redact` takes secrets out of it first."""
    if _counted(item.draft.text, counting, redact=redact):
        item = replace(item, draft=replace(item.draft, text=without_secrets(item.draft.text)))
    parts = list(_parts(item))
    counting.split += len(parts) > 1
    yield from parts


def whole_line(line: Line, *, counting: Counting, redact: bool) -> Line:
    """Return a line of an export; `redact` takes the secrets of every revision out first."""
    whole = line.whole
    texts = "\n\n".join(each.text for each in (whole.memory, *whole.earlier))
    if _counted(texts, counting, redact=redact):
        earlier = tuple(_redacted(each) for each in whole.earlier)
        return replace(line, whole=Whole(_redacted(whole.memory), earlier))
    return line


def _counted(text: str, counting: Counting, *, redact: bool) -> bool:
    """Count a text that has a secret; tell whether that is to be taken out."""
    secret = any(each.kind == SECRET for each in suspicions(text))
    counting.redacted += secret and redact
    counting.flagged += secret and not redact
    return secret and redact


def _redacted(memory: Memory) -> Memory:
    text = without_secrets(memory.text)
    known = "" if memory.state == TOMBSTONE else content_hash(text)
    return replace(memory, text=text, content_hash=known)


def without_secrets(text: str) -> str:
    """Return a text with every secret in it replaced; what is found after that is replaced, too."""
    while spans := [each.span for each in suspicions(text) if each.kind == SECRET]:
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
