"""Recall on the desk notes, with the real store and the real model; and that the set is sound."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from desk_notes import FILE, DeskNotes, load

from memdesk.catalog import BUNDLED
from memdesk.embedder import Embedder
from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

LANGUAGES = ("ar", "de", "es", "fr", "ja", "ko", "ru", "th", "zh")
SCRIPTS = {
    "ar": "[\u0621-\u064a]",
    "ja": "[\u3041-\u30fa]",
    "ko": "[\uac00-\ud7a3]",
    "ru": "[\u0410-\u044f]",
    "th": "[\u0e01-\u0e2e]",
    "zh": "[\u4e00-\u9fff]",
}


@pytest.fixture(scope="session")
def set_() -> DeskNotes:
    """Return the notes and the questions."""
    return load()


@pytest.fixture(scope="session")
def stored(
    set_: DeskNotes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, dict[str, str]]]:
    """Return a desk that holds all notes with their vectors, and each note's id by the memory's."""
    model = Embedder(BUNDLED)
    desk = Service(tmp_path_factory.mktemp("notes") / "desk", embedder=model, background=False)
    done = desk.remember_many(set_.notes.values())
    desk.embed_pending()
    yield desk, {one.id: note for one, note in zip(done, set_.notes, strict=True)}
    desk.close()
    model.close()


def test_a_question_finds_its_notes(
    set_: DeskNotes, stored: tuple[Service, dict[str, str]]
) -> None:
    """Among 400 notes, 95 % of what answers a question is in the first five hits."""
    desk, note_of = stored

    def ask(query: str) -> list[str]:
        return [note_of[hit.memory.id] for hit in desk.recall(query, limit=5).hits]

    report = set_.ask(ask)
    assert report.recall >= 0.95, str(report)


def test_every_note_is_stored_once(set_: DeskNotes, stored: tuple[Service, dict[str, str]]) -> None:
    """Each note becomes a memory of its own with its vector, none is taken for another."""
    desk, note_of = stored
    assert len(note_of) == len(set_.notes)
    assert desk.embed_pending() == 0


def test_the_set_has_its_size(set_: DeskNotes) -> None:
    """There are 400 different notes, 200 different questions and 40 that nothing answers."""
    assert len({draft.text for draft in set_.notes.values()}) == 400
    assert len({question.query for question in set_.questions}) == 200
    assert len(set(set_.unanswerable)) == 40
    assert not {question.query for question in set_.questions} & set(set_.unanswerable)
    assert len(json.loads(FILE.read_text(encoding="utf-8"))["memories"]) == 400


def test_a_question_expects_notes_that_exist(set_: DeskNotes) -> None:
    """Every question names one to three notes of the file, none of them twice."""
    for question in set_.questions:
        assert 1 <= len(set(question.expected)) == len(question.expected) <= 3, question
        assert set(question.expected) <= set(set_.notes), question


def test_each_language_has_notes_and_questions(set_: DeskNotes) -> None:
    """Nine languages besides English have six notes and four questions or more, in their scripts."""
    notes = Counter(tag for draft in set_.notes.values() for tag in draft.tags)
    questions = Counter(question.about.partition(":")[2] for question in set_.questions)
    assert min(notes[each] for each in LANGUAGES) >= 6
    assert min(questions[each] for each in LANGUAGES) >= 4
    for language, script in SCRIPTS.items():
        written = [draft.text for draft in set_.notes.values() if language in draft.tags]
        assert all(re.search(script, text) for text in written)


def test_notes_are_short_and_long(set_: DeskNotes) -> None:
    """Most notes are a sentence or two; a dozen are pages of 150 to 300 words."""
    words = [len(draft.text.split()) for draft in set_.notes.values()]
    assert sum(150 <= each <= 300 for each in words) == 12
    assert sum(each <= 80 for each in words) == 388
