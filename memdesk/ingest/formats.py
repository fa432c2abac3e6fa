"""Every format there is, and which one a file has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memdesk.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memdesk.ingest.item import Format

_ROOMS = (
    "memdesk.ingest.lines",
    "memdesk.ingest.server_memory",
    "memdesk.ingest.memory_service",
    "memdesk.ingest.mem0",
    "memdesk.ingest.memoryos",
    "memdesk.ingest.memento",
    "memdesk.ingest.claude_ai",
    "memdesk.ingest.chatgpt",
    "memdesk.ingest.claude_code",
    "memdesk.ingest.codex",
    "memdesk.ingest.markdown",
    "memdesk.ingest.pdf",
    "memdesk.ingest.text",
    "memdesk.ingest.table",
)
"""Each has its `FORMAT`; the first that recognises a file reads it, so the narrow ones come first."""


def formats() -> Iterator[Format]:
    """Yield every format; its reader is imported with it."""
    from importlib import import_module

    for room in _ROOMS:
        yield import_module(room).FORMAT


def named(name: str) -> Format:
    """Return the format of a name; raises `Invalid`."""
    known = {each.name: each for each in formats()}
    if name not in known:
        raise Invalid("--from", f"“{name[:40]}” is no format; there are {', '.join(known)}")
    return known[name]


def recognised(path: Path) -> Format:
    """Return the format of a file or folder; raises `Invalid` where it has none that is known."""
    found = next((each for each in formats() if each.recognises(path)), None)
    if found is None:
        names = ", ".join(each.name for each in formats())
        raise Invalid(str(path), f"has no shape that memdesk knows; name one with --from: {names}")
    return found
