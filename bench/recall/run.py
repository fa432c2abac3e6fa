"""One run over a data set: every conversation stored, every question asked of every system."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.recall import refusals
from bench.recall.baselines import PlainTable
from bench.recall.judged import BUDGETS, Judged, Measured
from bench.recall.store import ConversationStore
from memdesk.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.recall.conversation import Conversation
    from bench.recall.data import Dataset
    from bench.recall.vectors import EmbedOnce

OURS = "memdesk"
BUDGETED = "memdesk, max_tokens"
"""What recall gives when it is told the budget."""
_FULL = Recipe()
_PREFIX = "memdesk-bench-"
_WARM_UP = ("the desk", "what was that about", "who is there")


def without(part: str) -> str:
    """Return the name of the system that lacks a part of the recipe."""
    return f"without {part}"


def parts() -> tuple[str, ...]:
    """Return the names of the parts that the recipe can do without."""
    return tuple(
        each.name for each in fields(Recipe) if isinstance(getattr(_FULL, each.name), bool)
    )


@dataclass(frozen=True, slots=True)
class Run:
    """How data sets are measured."""

    embedder: EmbedOnce
    say: Callable[[str], None]
    parts: tuple[str, ...] = ()
    """Of the recipe, to be left out one after the other."""
    quick: bool = False
    """Whether to leave out foreign questions, and budgets kept by the service itself."""

    def measure(self, dataset: Dataset) -> Measured:
        """Return what all the conversations of a data set gave."""
        measured = Measured(dataset, parts=self.parts)
        for place, conversation in enumerate(dataset.conversations):
            if conversation.turns and conversation.questions:
                self.embedder.forget_documents()
                others = [] if self.quick else refusals.foreign(dataset.conversations, place)
                self._converse(measured, conversation, others)
        return measured

    def _converse(
        self, measured: Measured, conversation: Conversation, others: Sequence[str]
    ) -> None:
        judged = [Judged(each) for each in conversation.questions if each.evidence]
        measured.judged += judged
        with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder:
            with self._store(conversation, folder) as store:
                self.say(f"{conversation.id}: asking {len(conversation.questions):,} questions")
                _answer(measured, store, conversation)
                measured.foreign += [refusals.verdict(store.answer(each)) for each in others]
                plain = PlainTable(Path(folder, "plain"), store.said(), self.embedder)
                self._judge(judged, store, plain)
                for part in self._parts(indexed=False):
                    self.say(f"{conversation.id}: {without(part)}")
                    store.follow(replace(_FULL, **{part: False}))
                    _mark_without(part, judged, store)
            for part in self._parts(indexed=True):
                recipe = replace(_FULL, **{part: False})
                with self._store(conversation, folder, recipe) as store:
                    _mark_without(part, judged, store)

    def _parts(self, *, indexed: bool) -> list[str]:
        """Return the parts to be left out that decide, or do not, what a store keeps."""
        found = {each.name: bool(each.metadata.get("indexed")) for each in fields(Recipe)}
        return [part for part in self.parts if found[part] == indexed]

    def _judge(self, judged: Sequence[Judged], store: ConversationStore, plain: PlainTable) -> None:
        for each in judged:
            question = each.question.text
            each.judge(store, OURS, store.ranking(question))
            for system, ranking in plain.rankings(question).items():
                each.judge(store, system, ranking)
            if not self.quick:
                _keep_to_budgets(each, store)

    @contextmanager
    def _store(
        self, conversation: Conversation, folder: str, recipe: Recipe = _FULL
    ) -> Iterator[ConversationStore]:
        lacking = [part for part in parts() if not getattr(recipe, part)]
        how = f" {', '.join(map(without, lacking))}" if lacking else ""
        self.say(f"{conversation.id}: storing {len(conversation.turns):,} turns{how}")
        home = Path(tempfile.mkdtemp(dir=folder))
        store = ConversationStore(conversation, home, self.embedder, recipe)
        try:
            yield store
        finally:
            store.close()


def _answer(measured: Measured, store: ConversationStore, conversation: Conversation) -> None:
    """Ask each question as a person would: note how long it takes and how sure recall is."""
    for words in _WARM_UP:
        store.timed(words)
    for question in conversation.questions:
        took, recalled = store.timed(question.text)
        measured.times.append(took)
        measured.verdicts.append((question, refusals.verdict(recalled)))


def _keep_to_budgets(judged: Judged, store: ConversationStore) -> None:
    for budget in BUDGETS:
        judged.cover(store, BUDGETED, budget, *store.within(judged.question.text, budget))


def _mark_without(part: str, judged: Sequence[Judged], store: ConversationStore) -> None:
    for each in judged:
        each.mark(store, without(part), store.ranking(each.question.text))
