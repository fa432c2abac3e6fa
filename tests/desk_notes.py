"""The desk notes: memories of one invented year, and questions with the answers a person would pick."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memdesk.memory import Draft

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FILE = Path(__file__).parent / "data" / "desk_notes.json"


@dataclass(frozen=True)
class Question:
    """A question, the notes that answer it, and what it tries."""

    query: str
    expected: tuple[str, ...]
    about: str


@dataclass(frozen=True)
class Answered:
    """A question and what came back, best first."""

    question: Question
    found: tuple[str, ...]

    @property
    def recall(self) -> float:
        """The share of the expected notes that were found."""
        return 1 - len(self.missed) / len(self.question.expected)

    @property
    def missed(self) -> tuple[str, ...]:
        """The expected notes that were not found."""
        return tuple(each for each in self.question.expected if each not in self.found)


@dataclass(frozen=True, repr=False)  # or a failing test would print all of it
class DeskNotes:
    """The whole set: notes by their id in the file, questions, and questions without an answer."""

    notes: dict[str, Draft]
    questions: tuple[Question, ...]
    unanswerable: tuple[str, ...]

    def ask(self, recall: Callable[[str], Sequence[str]]) -> Report:
        """Return how `recall`, which gives the ids of notes for a question, answers all questions."""
        return Report(self, [Answered(each, tuple(recall(each.query))) for each in self.questions])


@dataclass(frozen=True)
class Report:
    """All answers; as text, the recall of each group and what the missed questions got instead."""

    desk: DeskNotes
    answers: Sequence[Answered]

    @property
    def recall(self) -> float:
        """The mean share of the expected notes that were found, 0..1."""
        return _mean(self.answers)

    def __str__(self) -> str:
        """Write a line for each group and one for each question that missed a note."""
        groups: dict[str, list[Answered]] = defaultdict(list)
        for each in self.answers:
            groups[each.question.about].append(each)
        lines = [f"recall {self.recall:.3f} of {len(self.answers)} questions"]
        lines += [f"  {name:<12} {_mean(of):.3f} of {len(of)}" for name, of in groups.items()]
        return "\n".join(lines + [self._miss(each) for each in self.answers if each.missed])

    def _miss(self, answer: Answered) -> str:
        first = self._text(answer.found[0]) if answer.found else "nothing"
        missed = "; ".join(self._text(each) for each in answer.missed)
        question = answer.question
        return f"[{question.about}] {question.query}\n  missed: {missed}\n  first:  {first}"

    def _text(self, id: str) -> str:
        return f"{id} {self.desk.notes[id].text[:80]!r}"


def load() -> DeskNotes:
    """Read the set from its file."""
    held = json.loads(FILE.read_text(encoding="utf-8"))
    return DeskNotes(
        {each["id"]: _draft(each) for each in held["memories"]},
        tuple(Question(q["query"], tuple(q["expected"]), q["about"]) for q in held["queries"]),
        tuple(held["unanswerable"]),
    )


def _draft(note: dict[str, str | list[str]]) -> Draft:
    fields = {name: value for name, value in note.items() if name != "id"}
    return Draft(**{**fields, "tags": tuple(note["tags"])})  # type: ignore[arg-type]


def _mean(answers: Sequence[Answered]) -> float:
    return sum(each.recall for each in answers) / len(answers)
