"""Plain text: one file, one memory, its text as it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from memdesk.ingest import parts
from memdesk.ingest.item import Format
from memdesk.ingest.paper import fitting, is_text, the_file
from memdesk.memory import PERSONAL, Draft

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memdesk.ingest.item import Choices, Item, Skipped
    from memdesk.ingest.paper import Paper

SUFFIXES = (".txt", ".text")
"""Not .log: what a program wrote for itself is a memory only where somebody says so with --from."""


def notes(paper: Paper, choices: Choices) -> Iterator[Item]:
    """Yield the one memory of a text file, of a long one its parts; raises `Unfit`."""

    def drafted(text: str, part: dict[str, int]) -> Draft:
        return Draft(
            text,
            space=choices.space or PERSONAL,
            happened_at=paper.day,
            created_at=paper.changed,
            metadata=json.dumps(part),
        )

    yield from parts.items(paper.words(), paper.title, paper.place, drafted)


def _recognises(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file() and is_text(path)


def _read(path: Path, choices: Choices) -> Iterator[Item | Skipped]:
    return fitting(notes, the_file(path, FORMAT.name), choices)


FORMAT = Format("text", "Plain text (.txt)", _recognises, _read)
