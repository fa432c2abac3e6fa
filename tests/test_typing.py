"""Search as somebody types: the last word may be unfinished."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from fakes import FakeEmbedder
from hypothesis import given
from hypothesis import strategies as st
from served import direct_only

from memdesk.memory import Draft, Filter, Source, now
from memdesk.question import ask
from memdesk.store import unfinished
from memdesk.terms import beginning, completed, spans, terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from memdesk.answers import Hit
    from memdesk.service import Service

NOTES = (
    "Ana is allergic to penicillin",
    "The running shoes are a size 43",
    "Résumé of the meeting in Zürich",
    "Call parseJSON2Dict before the cache is filled",
    "東京の事務所は渋谷にある",
    "The bicycle is green",
    "Memories of the harbour",
)


@pytest.fixture
def notes(desk: Service) -> Service:
    """A desk with a few notes."""
    desk.remember_many([Draft(text) for text in NOTES])
    return desk


def typed(desk: Service, query: str) -> list[Hit]:
    """Return what is found while it is typed."""
    return list(desk.recall(query, typing=True).hits)


@pytest.mark.parametrize(
    ("query", "first", "marked"),
    [
        ("pe", 0, ["pe"]),
        ("penic", 0, ["penic"]),
        ("PENICIL", 0, ["penicil"]),
        ("who is alle", 0, ["alle"]),
        ("ana penic", 0, ["Ana", "penic"]),
        ("runni", 1, ["running"]),
        ("runnin", 1, ["running"]),
        ("resu", 2, ["Résu"]),
        ("züri", 2, ["Züri"]),
        ("parsej", 3, ["parseJ"]),
        ("jso", 3, ["parseJSON2Dict"]),
        ("東京", 4, ["東京"]),
        ("memorie", 6, ["Memories"]),
    ],
)
def test_the_last_word_may_be_unfinished(
    notes: Service, query: str, first: int, marked: list[str]
) -> None:
    """What begins so comes first, is certain, and the beginning is marked where it stands."""
    hit = typed(notes, query)[0]
    assert hit.memory.text == NOTES[first]
    assert [hit.memory.text[start:end] for start, end in hit.matched] == marked


def test_without_a_model_it_is_found_too(open_desk: Callable[..., Service]) -> None:
    """By words alone, and nothing else is."""
    desk = open_desk(embedder=FakeEmbedder(broken="no model"))
    desk.remember_many([Draft(text) for text in NOTES])
    answer = desk.recall("penic", typing=True)
    assert [hit.memory.text for hit in answer.hits] == [NOTES[0]]
    assert answer.certainty >= 0.5


@pytest.mark.parametrize("query", ["penic ", "penic,", "p", "the", "penic\n", "penic_", "🎉"])
def test_a_finished_word_is_taken_as_it_is(query: str) -> None:
    """So it is after a space or a mark, with one letter, and if it asks."""
    found = ask(query, typing=True)
    assert (found.begun, found.terms) == ("", ask(query).terms)


def test_nothing_changes_for_who_is_not_typing(notes: Service) -> None:
    """A whole question is looked for by its whole words."""
    assert NOTES[0] not in [hit.memory.text for hit in notes.recall("penic", limit=3).hits[:1]]
    assert ask("penic").terms == ("penic",)


def test_what_has_more_of_the_words_comes_first(desk: Service) -> None:
    """Of many with the beginning those with the other words are candidates before newer ones."""
    wanted = desk.remember(Draft("meeting with Petra")).id
    desk.remember_many([Draft(f"Peter counted {n} apples") for n in range(150)])
    desk.remember_many([Draft(f"a meeting about {n} pears") for n in range(3)])
    assert typed(desk, "meeting with petr")[0].memory.id == wanted


def test_filters_hold_while_typing(notes: Service) -> None:
    """Neither another space nor the trash nor another source is found."""
    kept = notes.remember(Draft("penicillin in the web", space="web")).id
    gone = notes.remember(Draft("penicillin forgotten", space="web")).id
    notes.forget([gone])
    found = notes.recall("penic", typing=True, where=Filter(spaces=("web",))).hits
    assert [hit.memory.id for hit in found] == [kept]
    elsewhere = Filter(spaces=("web",), sources=("claude",))
    assert not notes.recall("penic", typing=True, where=elsewhere).hits


@direct_only
def test_kept_rows_and_the_table_find_the_same(open_desk: Callable[..., Service]) -> None:
    """A desk that stays keeps its rows in memory; the answers are those of one that does not."""
    cold, warm = open_desk(), open_desk()
    cold.remember_many([Draft(text) for text in NOTES])
    warm.warm()
    for query in ("pe", "penic", "the bicy", "resu", "runni"):
        one, other = typed(cold, query), typed(warm, query)
        assert [hit.memory.id for hit in one] == [hit.memory.id for hit in other]


def test_the_beginning_of_an_id_finds_its_memory(notes: Service) -> None:
    """From the eighth character on, in any case; only while it is typed."""
    id = notes.list().memories[3].id
    for query in (id[:8], id[:13].upper(), id, f" {id[:20]}"):
        answer = notes.recall(query, typing=True)
        assert answer.hits[0].memory.id == id
        assert answer.certainty == 1.0
        assert dict(answer.hits[0].priors)["id"] == 1.0
    assert not ask(id[:7], typing=True).id
    assert not ask(id[:8]).id


def test_what_stood_once_is_looked_for_by_whole_words(notes: Service) -> None:
    """With `as_of` a last word is taken as it is."""
    moment = now() + timedelta(days=1)
    whole = notes.recall("penic", as_of=moment, floor=0.0)
    assert notes.recall("penic", as_of=moment, floor=0.0, typing=True) == whole


def test_the_table_is_read_in_parts(
    open_desk: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a beginning is in most passages, some of them are enough."""
    monkeypatch.setattr(unfinished, "_READ", 3)
    desk = open_desk()
    desk.remember_many([Draft(f"penguin {n}") for n in range(9)])
    assert len(typed(desk, "peng")) >= 3


def test_a_source_of_one_s_own(desk: Service) -> None:
    """Only what a host of this name wrote is found, listed, and looked back at."""
    desk.remember(Draft("tea by the person"))
    mine = desk.remember(Draft("tea by claude", source=Source("claude", "agent"))).id
    where = Filter(sources=("  claude ", 'it\'s "none"'))
    assert [hit.memory.id for hit in desk.recall("tea", where=where, floor=0.0).hits] == [mine]
    assert [memory.id for memory in desk.list(where=where).memories] == [mine]
    then = desk.recall("tea", where=where, floor=0.0, as_of=now() + timedelta(days=1))
    assert [hit.memory.id for hit in then.hits] == [mine]


@given(st.text(max_size=30))
def test_any_text_has_a_beginning_or_none(text: str) -> None:
    """It is one word without a space, and every word that begins so has a term that does, or a stem."""
    begun = beginning(text)
    assert not begun or (len(begun) >= 2 and not any(each.isspace() for each in begun))
    for start, end in spans(text, (*terms(text), f"{begun}*")):
        assert 0 <= start < end <= len(text)


@pytest.mark.parametrize(
    ("begun", "stems"), [("runni", ("run",)), ("memorie", ("memori",)), ("penic", ())]
)
def test_stems_of_what_a_word_may_become(begun: str, stems: tuple[str, ...]) -> None:
    """Only those that do not begin like the word."""
    assert completed(begun) == stems
