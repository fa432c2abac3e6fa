"""One request of a host, and what it got: for the answer, and for the log of activity."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memdesk.answers import Recalled
    from memdesk.memory import Memory


class Request(NamedTuple):
    """Who asks, for what; `words` are a question or a few words, never a memory's text."""

    host: str
    verb: str
    words: str = ""


class Answer(NamedTuple):
    """What a host is told, and what of it the person sees: the memories' ids, and what came of it."""

    text: str
    ids: tuple[str, ...]
    outcome: str


def told(text: str, memories: Iterable[Memory]) -> Answer:
    """Return the answer that shows some memories."""
    ids = tuple(memory.id for memory in memories)
    return Answer(text, ids, f"{len(ids)} shown" if ids else "nothing to show")


def found(text: str, answer: Recalled) -> Answer:
    """Return the answer to a question."""
    ids = tuple(hit.memory.id for hit in answer.hits)
    outcome = f"{len(ids)} found" if ids else "nothing relevant"
    return Answer(text, ids, outcome + (", by words only" if answer.degraded else ""))
