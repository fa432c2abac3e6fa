"""What every data set is read into: conversations, their turns and the questions about them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

APART = ("adversarial", "abstention")
"""A category with one of these in its name asks for what was never said."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message or note: one memory."""

    id: str
    """As the data set names it, unique within its conversation."""
    text: str
    session: str | None = None
    position: int | None = None
    """Place in the session, from 0; None without a session."""
    speaker: str | None = None
    role: str | None = None
    time: str | None = None
    """ISO 8601."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question and the turns that answer it."""

    text: str
    category: str
    evidence: tuple[str, ...]
    """Ids of turns; empty where the data set names none."""

    @property
    def apart(self) -> bool:
        """Whether it has no true answer, so that it is reported apart and not in the total."""
        return any(word in self.category.lower() for word in APART)

    @property
    def counted(self) -> bool:
        """Whether it is in the total."""
        return bool(self.evidence) and not self.apart


@dataclass(frozen=True, slots=True)
class Conversation:
    """What one store holds, and what it is asked."""

    id: str
    turns: tuple[Turn, ...]
    questions: tuple[Question, ...]


def placed(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """Return the turns that have a text, each with its position in its session."""
    said: Counter[str] = Counter()
    found = []
    for turn in turns:
        if not turn.text.strip():
            continue
        if turn.session is None:
            found.append(turn)
            continue
        found.append(replace(turn, position=said[turn.session]))
        said[turn.session] += 1
    return tuple(found)
