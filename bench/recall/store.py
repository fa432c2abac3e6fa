"""One conversation in a real store of its own, and the questions it is asked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from memdesk.memory import Draft, count_tokens
from memdesk.recipe import Recipe
from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from bench.recall.conversation import Conversation, Question, Turn
    from bench.recall.vectors import EmbedOnce
    from memdesk.answers import Recalled

DEPTH = 50
"""Memories asked for where a ranking is judged: the most that recall gives."""
ASKED = 10
"""Memories asked for where time is measured."""
_FULL = Recipe()


class ConversationStore:
    """A conversation as the service keeps it; close it when done."""

    def __init__(
        self, conversation: Conversation, home: Path, embedder: EmbedOnce, recipe: Recipe = _FULL
    ) -> None:
        """Store every turn below the folder `home`, and maintain the store once."""
        self.embedder = embedder
        self._service = Service(home, embedder, background=False, recipe=recipe)
        stored = self._service.remember_many(map(_draft, conversation.turns))
        self._service.embed_pending()
        self._service.maintain()
        self._ids = {turn.id: one.id for turn, one in zip(conversation.turns, stored, strict=True)}
        # Turns without a session that say the same are one memory.
        self._turns = {self._ids[turn.id]: turn for turn in conversation.turns}

    def close(self) -> None:
        """Let the store go."""
        self._service.close()

    def follow(self, recipe: Recipe) -> None:
        """Rank by another recipe from now on; one that the store need not be made anew for."""
        self._service._core.recipe = recipe  # noqa: SLF001 - no product can change it

    def evidence(self, question: Question) -> frozenset[str]:
        """Return the memories that answer a question of this conversation."""
        return frozenset(self._ids[id] for id in question.evidence)

    def said(self) -> dict[str, str]:
        """Return what each memory says, with who said it in front."""
        return {
            memory: f"{turn.speaker}: {turn.text}" if turn.speaker else turn.text
            for memory, turn in self._turns.items()
        }

    def sessions(self, memories: Iterable[str]) -> list[str]:
        """Return the sessions of memories, each at the place of its first one."""
        found = (self._turns[memory].session for memory in memories)
        return list(dict.fromkeys(session for session in found if session is not None))

    def tokens(self, memory: str) -> int:
        """Return what a memory's whole text costs."""
        return count_tokens(self._turns[memory].text)

    def ranking(self, question: str) -> list[str]:
        """Return what recall finds, best first, however sure it is."""
        return _memories(self._found(question))

    def within(self, question: str, budget: int) -> tuple[list[str], int]:
        """Return what recall gives for so many tokens, and what its passages cost."""
        recalled = self._found(question, budget)
        return _memories(recalled), sum(count_tokens(hit.passage) for hit in recalled.hits)

    def answer(self, question: str) -> Recalled:
        """Return what a person would be answered: nothing, where nothing is relevant."""
        return _whole(self._service.recall(question, limit=ASKED))

    def timed(self, question: str) -> tuple[float, Recalled]:
        """Return the milliseconds until the answer to a question never asked before, and it."""
        self.embedder.forget_query(question)
        begun = time.perf_counter()
        recalled = self.answer(question)
        return (time.perf_counter() - begun) * 1000, recalled

    def _found(self, question: str, max_tokens: int = 0) -> Recalled:
        # However sure recall is: a ranking is judged for itself.
        return _whole(self._service.recall(question, limit=DEPTH, max_tokens=max_tokens, floor=0.0))


def _draft(turn: Turn) -> Draft:
    return Draft(
        turn.text,
        session=turn.session,
        position=turn.position,
        role=turn.role,
        speaker=turn.speaker,
        happened_at=turn.time,
    )


def _memories(recalled: Recalled) -> list[str]:
    return [hit.memory.id for hit in recalled.hits]


def _whole(recalled: Recalled) -> Recalled:
    """Return the answer; raises `RuntimeError` when it was found by words alone."""
    if recalled.degraded:
        raise RuntimeError(f"recall did without meaning: {recalled.degraded}")
    return recalled


def within_budget(
    store: ConversationStore, ranking: Sequence[str], budget: int
) -> tuple[list[str], int]:
    """Return the first of a ranking whose whole texts fit a budget of tokens, and their cost."""
    kept: list[str] = []
    spent = 0
    for memory in ranking:
        cost = store.tokens(memory)
        if spent + cost > budget:
            break
        kept.append(memory)
        spent += cost
    return kept, spent
