"""What one run finds out: each question's scores by every system, and what recall said of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.recall import metrics
from bench.recall.store import within_budget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.recall.conversation import Question
    from bench.recall.data import Dataset
    from bench.recall.refusals import Verdict
    from bench.recall.store import ConversationStore

BUDGETS = (500, 1000, 2000)
"""Tokens that an answer may cost."""


@dataclass(frozen=True, slots=True)
class Covered:
    """What an answer within a budget holds."""

    tokens: int
    share: float
    """The part of the evidence that is in it."""


@dataclass(slots=True)
class Judged:
    """One question that has evidence, and what every system made of it."""

    question: Question
    turns: dict[str, dict[str, float]] = field(default_factory=dict)
    """By system, then metric."""
    sessions: dict[str, dict[str, float]] = field(default_factory=dict)
    """As `turns`; empty where the evidence has no session."""
    covered: dict[str, dict[int, Covered]] = field(default_factory=dict)
    """By system, then budget."""

    def judge(self, store: ConversationStore, system: str, ranking: Sequence[str]) -> None:
        """Score a ranking, and what of it fits each budget."""
        self.mark(store, system, ranking)
        for budget in BUDGETS:
            self.cover(store, system, budget, *within_budget(store, ranking, budget))

    def mark(self, store: ConversationStore, system: str, ranking: Sequence[str]) -> None:
        """Score the memories of `store` in the order in which a system found them."""
        right = store.evidence(self.question)
        self.turns[system] = metrics.scores(metrics.TURNS, ranking, right)
        if sessions := store.sessions(right):
            found = store.sessions(ranking)
            self.sessions[system] = metrics.scores(metrics.SESSIONS, found, sessions)

    def cover(
        self,
        store: ConversationStore,
        system: str,
        budget: int,
        answer: Sequence[str],
        tokens: int,
    ) -> None:
        """Note what an answer that was to keep to a budget holds and costs."""
        share = metrics.recall_at(len(answer), answer, store.evidence(self.question))
        self.covered.setdefault(system, {})[budget] = Covered(tokens, share)


@dataclass(slots=True)
class Measured:
    """All that was measured on one data set."""

    dataset: Dataset
    judged: list[Judged] = field(default_factory=list)
    verdicts: list[tuple[Question, Verdict]] = field(default_factory=list)
    """Of the conversations' own questions."""
    foreign: list[Verdict] = field(default_factory=list)
    """Of questions about another conversation."""
    times: list[float] = field(default_factory=list)
    """Milliseconds until each answer."""
    parts: tuple[str, ...] = ()
    """Of the recipe, each left out once."""

    @property
    def counted(self) -> list[Judged]:
        """The questions of the total."""
        return [each for each in self.judged if each.question.counted]
