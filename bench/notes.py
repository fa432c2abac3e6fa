"""Sample memories and questions about them: made up here from a grammar, the same for one seed."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.words import (
    ADJECTIVES,
    FIRST_NAMES,
    JOBS,
    LAST_NAMES,
    NOUNS,
    PLACES,
    PROJECTS,
    TOPICS,
    VERBS,
    Choice,
    doing,
    past,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHORTEST, LONGEST = 17, 60
"""Words of a note; no statement of the grammar is longer than the shortest."""
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("January", "March", "May", "June", "August", "September", "November", "December")

# kind, statement, question about it
_GRAMMAR = (
    (
        "fact",
        "{first} {last} works as a {job} in {place} and keeps a {adjective} {noun} there.",
        "What does {first} {last} do for a living?",
    ),
    (
        "fact",
        "The {adjective} {noun} in {place} costs {number} euros a year.",
        "How much do we pay for the {noun} in {place}?",
    ),
    (
        "fact",
        "{first}'s birthday is on {number} {month}; a {adjective} {noun} would be a good gift.",
        "When was {first} born, and what would please them?",
    ),
    (
        "preference",
        "I like a {adjective} {noun} better than a {adjective2} one when I am {doing} in {place}.",
        "Which kind of {noun} do I like in {place}?",
    ),
    (
        "preference",
        "{first} never wants to {verb} a {noun} before {day}, and asks for a {adjective} {noun2} instead.",
        "What does {first} not want to do with a {noun}?",
    ),
    (
        "decision",
        "For {project} we decided to {verb} the {noun}, because the {noun2} was too {adjective}.",
        "Why did we {verb} the {noun} of {project}?",
    ),
    (
        "decision",
        "The {project} team will {verb} its {adjective} {noun} on {day}, {number} {month}.",
        "When does the {project} team {verb} the {noun}?",
    ),
    (
        "task",
        "Ask {first} {last} to {verb} the {noun} for {project} before the end of {month}.",
        "What must {first} {last} do for {project}?",
    ),
    (
        "event",
        "On {number} {month} {first} {past} the {adjective} {noun} near {place} together with {last}.",
        "Who {past} the {noun} near {place}?",
    ),
    (
        "note",
        "The {noun} of {project} lies behind the {adjective} {noun2}; {first} knows how to {verb} it.",
        "Where is the {noun} of {project}?",
    ),
)


@dataclass(frozen=True, slots=True)
class Note:
    """One memory to be, and a question that it answers."""

    text: str
    kind: str
    tags: tuple[str, ...]
    question: str


def notes(count: int, *, seed: int = 0, words: int | None = None) -> list[Note]:
    """Return so many different notes; `words` makes all of them of one length."""
    chance = random.Random(seed)
    unique: dict[str, Note] = {}
    while len(unique) < count:
        note = _note(chance, words or chance.randint(SHORTEST, LONGEST))
        unique.setdefault(note.text, note)
    return list(unique.values())


def questions(about: list[Note], count: int, *, seed: int = 0) -> list[str]:
    """Return so many different questions that some of these notes answer."""
    unique = list(dict.fromkeys(note.question for note in about))
    return random.Random(seed).sample(unique, count)


def document(size: int, *, seed: int = 0) -> str:
    """Return a text of exactly `size` bytes, all of it ASCII, in paragraphs."""
    chance = random.Random(seed)
    paragraphs: list[str] = []
    length = 0
    while length < size:
        paragraphs.append(_note(chance, 100).text)
        length += len(paragraphs[-1]) + 2
    return "\n\n".join(paragraphs)[: size - 1] + "."


def _note(chance: random.Random, words: int) -> Note:
    kind, text, question = _statement(chance)
    while text.count(" ") + 1 < words:
        text = f"{text} {_statement(chance)[1]}"
    kept = " ".join(text.split()[:words]).rstrip(",;.") + "."
    tags = tuple(chance.sample(TOPICS, chance.randint(0, 3)))
    return Note(kept, kind, tags, question)


def _statement(chance: random.Random) -> tuple[str, str, str]:
    kind, statement, question = chance.choice(_GRAMMAR)
    slots = {name: _SLOTS[name](chance) for name in _slot_names(statement)}
    return kind, statement.format(**slots), question.format(**slots)


def _slot_names(statement: str) -> Iterator[str]:
    return (name for _, name, _, _ in string.Formatter().parse(statement) if name)


def _inflected(words: list[str], form: Callable[[str], str]) -> Callable[[random.Random], str]:
    return Choice([form(word) for word in words]).one


_NOUN, _ADJECTIVE = Choice(NOUNS).one, Choice(ADJECTIVES).one
_SLOTS: dict[str, Callable[[random.Random], str]] = {
    "first": Choice(FIRST_NAMES).one,
    "last": Choice(LAST_NAMES).one,
    "place": Choice(PLACES).one,
    "project": Choice(PROJECTS).one,
    "job": Choice(JOBS).one,
    "noun": _NOUN,
    "noun2": _NOUN,
    "adjective": _ADJECTIVE,
    "adjective2": _ADJECTIVE,
    "verb": Choice(VERBS).one,
    "past": _inflected(VERBS, past),
    "doing": _inflected(VERBS, doing),
    "day": Choice(list(_DAYS)).one,
    "month": Choice(list(_MONTHS)).one,
    "number": lambda chance: str(chance.randint(1, 28)),
}
