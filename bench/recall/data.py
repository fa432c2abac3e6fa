"""Data sets from files, each shape recognised by what is in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.recall import locomo, longmemeval, neutral

if TYPE_CHECKING:
    from pathlib import Path

    from bench.recall.conversation import Conversation

_SHAPES = (neutral, locomo, longmemeval)


class UnknownData(ValueError):  # noqa: N818 (read as “raises UnknownData”)
    """A file that is no data set, or none of a known shape."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """One file of conversations."""

    name: str
    conversations: tuple[Conversation, ...]
    lost: int
    """Ids given as evidence that no turn has; they are left out."""


def load(path: Path) -> Dataset:
    """Read a data set; raises `UnknownData` saying what was expected, and `OSError`."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UnknownData(f"{path} is not JSON: {error}") from error
    read = _read(path, data)
    kept = tuple(_without_lost(each) for each in read)
    return Dataset(path.stem, kept, _pieces(read) - _pieces(kept))


def _read(path: Path, data: Any) -> tuple[Conversation, ...]:
    for shape in _SHAPES:
        if not shape.recognises(data):
            continue
        try:
            return tuple(shape.conversations(data))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            what = f"{type(error).__name__}: {error}"
            raise UnknownData(
                f"{path} looks like {shape.NAME} ({shape.EXPECTED}) but is not: {what}"
            ) from error
    known = "\n".join(f"  {shape.NAME}: {shape.EXPECTED}" for shape in _SHAPES)
    raise UnknownData(f"{path} has none of the shapes that are known:\n{known}")


def _without_lost(conversation: Conversation) -> Conversation:
    known = {turn.id for turn in conversation.turns}
    questions = tuple(
        replace(question, evidence=tuple(id for id in question.evidence if id in known))
        for question in conversation.questions
    )
    return replace(conversation, questions=questions)


def _pieces(conversations: tuple[Conversation, ...]) -> int:
    return sum(len(question.evidence) for each in conversations for question in each.questions)
