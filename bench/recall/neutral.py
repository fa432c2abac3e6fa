"""The neutral schema: what any data set can be written in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.recall.conversation import Conversation, Question, Turn, placed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME = "the neutral schema"
EXPECTED = (
    '{"conversations": [{"id", "memories": [{"id", "text", and perhaps "speaker", "role", "time", '
    '"session"}], "questions": [{"question", "category", "evidence": [ids]}]}]}'
)


def recognises(data: Any) -> bool:
    """Tell whether the data has this shape, by its outermost level."""
    return isinstance(data, dict) and isinstance(data.get("conversations"), list)


def conversations(data: Any) -> Iterator[Conversation]:
    """Yield what the data holds; raises `LookupError` or `TypeError` where it has another shape."""
    for each in data["conversations"]:
        yield Conversation(
            str(each["id"]),
            placed(map(_turn, each["memories"])),
            tuple(map(_question, each["questions"])),
        )


def _turn(memory: Mapping[str, Any]) -> Turn:
    return Turn(
        str(memory["id"]),
        memory["text"],
        session=_word(memory, "session"),
        speaker=_word(memory, "speaker"),
        role=_word(memory, "role"),
        time=_word(memory, "time"),
    )


def _word(memory: Mapping[str, Any], name: str) -> str | None:
    value = memory.get(name)
    return None if value in (None, "") else str(value)


def _question(asked: Mapping[str, Any]) -> Question:
    evidence = dict.fromkeys(str(id) for id in asked["evidence"])
    return Question(asked["question"], str(asked["category"]), tuple(evidence))
