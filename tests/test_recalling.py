"""What recall promises of a real store: which memories come back, in which order, and how much of them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from fakes import FakeEmbedder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import direct_only

from memdesk.errors import Invalid
from memdesk.memory import Draft, Edit, Filter, clean, count_tokens, new_id
from memdesk.service import drafting
from memdesk.service.recalling import MAX_QUERY
from memdesk.store.stamp import LAYOUT, passages_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from memdesk.service import Service

QUICK = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def found(desk: Service, query: str, **how: object) -> list[str]:
    """Return the texts of the hits, best first, however uncertain."""
    answer = desk.recall(query, **{"floor": 0.0, "limit": 20, **how})  # type: ignore[arg-type]
    return [hit.memory.text for hit in answer.hits]


def talk(desk: Service, texts: list[str], session: str = "s", **rest: object) -> list[str]:
    """Remember turns of one session in their order; return their ids."""
    drafts = [
        Draft(text, session=session, position=number, **rest)  # type: ignore[arg-type]
        for number, text in enumerate(texts)
    ]
    return [done.id for done in desk.remember_many(drafts)]


# what comes back


def test_what_is_gone_never_surfaces(
    open_desk: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the trashed nor the replaced nor the expired is a hit, the nearest miss, or beside one."""
    desk = open_desk()
    trashed, old, expired, kept = talk(
        desk, ["a heron in the trash", "a heron of old", "a heron of a day", "a heron to keep"]
    )
    desk.forget([trashed])
    new = desk.remember(Draft("a heron that is new", replaces=old)).id
    with monkeypatch.context() as patch:  # as if it had been given its time long ago
        patch.setattr(drafting, "_expiry", lambda *_: datetime(2020, 1, 1, tzinfo=UTC))
        desk.revise(expired, Edit(expires_at="2020-01-01"))
    answer = desk.recall("heron", floor=0.0, limit=20, beside=5)
    assert {hit.memory.id for hit in answer.hits} == {kept, new}
    assert not [turn for hit in answer.hits for turn in hit.beside]
    uncertain = desk.recall("trash old day unheard unseen unknown", floor=1.0)
    assert not uncertain.hits
    assert uncertain.nearest
    assert uncertain.nearest.memory.id in {kept, new}


def test_the_trashed_is_found_where_it_is_asked_for(desk: Service) -> None:
    """The same words find what a filter of states lets through."""
    id = desk.remember(Draft("a heron in the trash")).id
    desk.forget([id])
    assert found(desk, "heron", where=Filter(states=("trashed",))) == ["a heron in the trash"]


def test_no_text_comes_twice(desk: Service) -> None:
    """Turns that say the same are one hit, and leave room for others."""
    talk(desk, ["see you tomorrow"] * 60 + ["see you tomorrow at the lake", "tomorrow then"])
    texts = found(desk, "see you tomorrow", limit=3)
    assert sorted(texts) == ["see you tomorrow", "see you tomorrow at the lake", "tomorrow then"]


def test_no_text_comes_twice_among_the_turns_beside(desk: Service) -> None:
    """A turn between two hits is beside the better one only."""
    talk(desk, ["so?", "the glacier was steep", "yes", "the glacier was cold", "no", "well"])
    answer = desk.recall("glacier steep cold", floor=0.0, limit=2, beside=2)
    texts = [hit.memory.text for hit in answer.hits]
    texts += [turn.text for hit in answer.hits for turn in hit.beside]
    assert sorted(texts) == sorted({*texts})
    assert len(texts) == 6


def test_a_thousand_turns_of_one_text_hide_nothing(desk: Service) -> None:
    """What differs by its words is found among any number of the same."""
    talk(desk, ["ok"] * 1000 + ["ok, the boiler is fixed"])
    assert found(desk, "is the boiler ok", limit=5)[0] == "ok, the boiler is fixed"


# how much comes back


@direct_only
@QUICK
@given(
    sizes=st.lists(st.integers(0, 90), min_size=1, max_size=6),
    letter=st.sampled_from(["w", "é", "東", "🎉 "]),
    budget=st.integers(1, 200),
)
def test_a_budget_is_never_exceeded(
    desk: Service, sizes: list[int], letter: str, budget: int
) -> None:
    """The passages cost no more tokens than asked for, none is empty, and the best come first."""
    space = f"s{sizes}{letter.strip()}"[:90].translate(str.maketrans("[], 🎉", "--- x"))
    space = space.rstrip("- ")
    for number, size in enumerate(sizes):
        desk.remember(Draft(f"kite {number} {letter * size}", space=space))
    where = Filter(spaces=(space,))
    whole = desk.recall("kite", floor=0.0, where=where).hits
    hits = desk.recall("kite", floor=0.0, where=where, max_tokens=budget).hits
    assert sum(count_tokens(hit.passage) for hit in hits) <= budget
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert hits[0].memory == whole[0].memory
    for hit in hits:
        assert hit.passage == hit.memory.text[slice(*hit.span)] != ""
        assert all(hit.span[0] <= start < end <= hit.span[1] for start, end in hit.matched)


def test_a_budget_for_no_character_gives_no_empty_hit(desk: Service) -> None:
    """Three bytes hold no letter of four: then there is nothing to show."""
    desk.remember(Draft("𝒫𝒶𝓇𝓉𝓎"))
    assert found(desk, "𝒫𝒶𝓇𝓉𝓎", max_tokens=1) == []
    assert found(desk, "𝒫𝒶𝓇𝓉𝓎", max_tokens=2) == ["𝒫𝒶𝓇𝓉𝓎"]


def test_a_passage_is_cut_around_what_matched(desk: Service) -> None:
    """A budget that is too small for a passage shows the words that were looked for."""
    desk.remember(Draft(f"{'The committee talked about the garden. ' * 5}Then Lindqvist resigned."))
    (hit,) = desk.recall("Lindqvist", max_tokens=10).hits
    assert "Lindqvist" in hit.passage
    assert hit.passage == hit.memory.text[slice(*hit.span)]
    assert count_tokens(hit.passage) <= 10


@direct_only
def test_an_expired_memory_is_none_though_search_still_has_it(desk: Service) -> None:
    """What has expired is not shown, though the passages do not know it yet."""
    done = desk.remember(Draft("the zebra is on loan"))
    (memory,) = desk.get([done.id])
    with desk._core.writing("test") as write:
        gone = replace(memory, expires_at=datetime(2020, 1, 1, tzinfo=UTC))
        write.store.replace([write.sign(gone)], [memory], write.at)
    assert not found(desk, "zebra")


def test_a_document_is_shown_by_its_best_passage(desk: Service) -> None:
    """Of a long text the passage with the words is given, with the words marked where they stand."""
    filler = " ".join(f"Sentence {n} tells nothing of interest to anyone." for n in range(60))
    desk.remember(Draft(f"{filler} The zanzibar ferry leaves at nine. {filler}"))
    (hit,) = desk.recall("zanzibar ferry").hits
    assert "zanzibar" in hit.passage
    assert len(hit.passage) < 1000
    assert {hit.memory.text[start:end] for start, end in hit.matched} == {"zanzibar ferry"} or {
        hit.memory.text[start:end] for start, end in hit.matched
    } == {"zanzibar", "ferry"}


# what stands beside


def test_beside_gives_the_turns_around(desk: Service) -> None:
    """So many turns before and after, in order; fewer at the ends of a session."""
    talk(desk, [f"turn {name}" for name in ["zero", "one", "two", "three", "four", "five", "six"]])
    for name, around in (
        ("three", "one two four five"),
        ("zero", "one two"),
        ("six", "four five"),
    ):
        (hit,) = desk.recall(f"turn {name}", floor=0.0, limit=1, beside=2).hits
        assert [turn.text.split()[1] for turn in hit.beside] == around.split()
    (hit,) = desk.recall("turn three", floor=0.0, limit=1).hits
    assert hit.beside == ()


def test_beside_keeps_to_the_session_and_the_space(desk: Service) -> None:
    """Another session and one of the same name in another space are elsewhere; notes have nothing beside."""
    talk(desk, ["here before", "a comet here", "here after"], space="home")
    talk(desk, ["there before", "a thing there", "there after"], space="work")
    talk(desk, ["else before", "a thing else", "else after"], session="other", space="home")
    desk.remember(Draft("a comet note", space="home"))
    hits = desk.recall("comet", floor=0.0, limit=2, beside=1).hits
    beside = {hit.memory.text: [turn.text for turn in hit.beside] for hit in hits}
    assert beside == {"a comet here": ["here before", "here after"], "a comet note": []}


def test_trashed_turns_are_not_beside(desk: Service) -> None:
    """What was forgotten leaves a gap: turns are counted by their places."""
    ids = talk(desk, ["one", "two", "a comet", "four", "five"])
    desk.forget([ids[1]])
    (hit,) = desk.recall("comet", floor=0.0, limit=1, beside=1).hits
    assert [turn.text for turn in hit.beside] == ["four"]


def test_turns_at_one_place_are_all_beside(desk: Service) -> None:
    """Two turns may have one position; both are there, and neither is lost."""
    for text, position in (("a comet", 3), ("a tail", 3), ("a star", 4), ("a moon", 4)):
        desk.remember(Draft(text, session="s", position=position))
    (hit,) = desk.recall("comet", floor=0.0, limit=1, beside=1).hits
    assert sorted(turn.text for turn in hit.beside) == ["a moon", "a star", "a tail"]


@pytest.mark.parametrize("position", [0, 2**40, 2**63 - 1])
def test_turns_at_the_ends_of_all_places_are_found(desk: Service, position: int) -> None:
    """The first and the last position there can be break nothing."""
    desk.remember(Draft("a comet in the sky", session="s", position=position))
    (hit,) = desk.recall("comet", beside=5).hits
    assert hit.memory.position == position


def test_a_turn_is_found_by_the_words_before_it(desk: Service) -> None:
    """An answer that has none of the words stands beside the question that has them."""
    desk.remember_many([Draft(f"a note of number {n}") for n in range(30)])
    talk(desk, ["so which harbour did you sail from?", "Lisbon", "how lovely"])
    assert "Lisbon" in found(desk, "harbour sail", limit=3)


@pytest.mark.parametrize(
    "where",
    [
        Filter(kinds=("fact",)),
        Filter(tags=("sea",)),
        Filter(pinned=True),
        Filter(since=datetime(2024, 1, 1, tzinfo=UTC)),
        Filter(until=datetime(2020, 1, 1, tzinfo=UTC)),
    ],
)
def test_turns_beside_a_hit_are_hits_only_where_the_filter_lets_them(
    desk: Service, where: Filter
) -> None:
    """The words beside a turn help to find it; what the filter leaves out stays out all the same."""
    at = "2019-05-01" if where.until else "2025-05-01"
    talk(desk, ["which harbour?", "a harbour in the south", "Lisbon"], happened_at="2022-01-01")
    chosen = Draft("that harbour it was", kind="fact", tags=("sea",), pinned=True, happened_at=at)
    desk.remember(replace(chosen, session="s", position=3))
    assert found(desk, "harbour", where=where) == ["that harbour it was"]


# which comes first


def test_the_newer_of_equals_comes_first(desk: Service) -> None:
    """Between two that answer alike it is time that decides."""
    for year in ("2023", "2025", "2024"):
        desk.remember(Draft(f"my phone number is x{year}", happened_at=f"{year}-03-01"))
    assert found(desk, "phone number") == [f"my phone number is x{n}" for n in (2025, 2024, 2023)]


FACTS = {
    "retry policy": "the retryPolicy of the client gives up after three attempts",
    "RETRY_POLICY": "the retryPolicy of the client gives up after three attempts",
    "main.py": "start reading at src/app/main.py",
    "E0308": "the compiler says E0308, mismatched types",
    "2.14.1": "we stay on v2.14.1 until spring",
    "4f0c2b9": "broken since 4f0c2b9ad1e37a5566c0d98b1fe2a7730c4d5e6f",
    "docs.example.org": "instructions: https://docs.example.org/guide/install?page=2",
    "Datenbank": "Die Datenbankmigration beginnt am Montag um sechs",
    "élève": "Les eleves arrivent à huit heures",
    "cumpleaños": "El cumpleaños de Lucía es en otoño",
    "встречи": "встреча с врачом будет в пятницу",
    "مدرسة": "المدرسة قريبة من البيت",
    "乌龙茶": "我最喜欢喝的是冰乌龙茶",
    "東京都": "私は東京都の北に住んでいます",
    "회의": "내일 서울에서 회의가 있습니다",
    "หมอฟัน": "ฉันมีนัดหมอฟันวันจันทร์หน้า",
}


@pytest.fixture
def polyglot(desk: Service) -> Service:
    """Return a desk with facts in code and ten languages."""
    desk.remember_many([Draft(text) for text in dict.fromkeys(FACTS.values())])
    return desk


@direct_only
def test_identifiers_and_nine_languages_are_found_by_their_words(polyglot: Service) -> None:
    """Each fact is a certain hit, the first by its words, and says which they are."""
    for query, text in FACTS.items():
        hits = {hit.memory.text: hit for hit in polyglot.recall(query).hits}
        assert text in hits, query
        assert hits[text].keyword_rank == 1, query
        assert hits[text].matched, query


# nothing


def test_what_is_not_there_is_not_an_answer(desk: Service) -> None:
    """Without evidence there is no hit, but the nearest miss; with no floor there are hits."""
    desk.remember_many([Draft(f"a note about gardening {n}") for n in range(40)])
    answer = desk.recall("quarterly revenue projections")
    assert (answer.hits, answer.nearest is None) == ((), False)
    assert answer.certainty < 0.1
    answer = desk.recall("quarterly revenue projections", floor=0.0)
    assert len(answer.hits) == 5
    assert answer.nearest is None


def test_the_past_has_no_answer_either(desk: Service) -> None:
    """A question of a moment is as honest as one of now."""
    id = desk.remember(Draft("a note about gardening")).id
    moment = desk.get([id])[0].created_at
    answer = desk.recall("quarterly revenue projections", as_of=moment)
    assert (answer.hits, answer.nearest is None) == ((), False)


def test_an_empty_desk_answers_nothing(desk: Service) -> None:
    """There is no hit, no nearest miss and no certainty."""
    answer = desk.recall("anything")
    assert (answer.hits, answer.nearest, answer.certainty) == ((), None, 0.0)


@pytest.mark.parametrize("floor", [-0.1, 1.1, float("nan")])
def test_a_floor_is_a_certainty(desk: Service, floor: float) -> None:
    """It lies between 0 and 1."""
    with pytest.raises(Invalid, match="floor"):
        desk.recall("anything", floor=floor)


@pytest.mark.parametrize("beside", [-1, 6])
def test_beside_has_a_limit(desk: Service, beside: int) -> None:
    """A few turns are beside, not a whole conversation."""
    with pytest.raises(Invalid, match="beside"):
        desk.recall("anything", beside=beside)


@pytest.mark.parametrize(
    "query",
    [
        *(
            "?",
            "the",
            "what is it",
            "x",
            "東",
            "🎉",
            "!!!",
            '"',
            "a AND NOT (b",
            "\u0301",
            "\u200d",
        ),
        "?" * MAX_QUERY,
        "a" * MAX_QUERY,
        "why " * (MAX_QUERY // 4),
        "東京" * (MAX_QUERY // 2),
        "Donaudampfschifffahrt " * 400,
    ],
)
@direct_only
def test_no_question_is_too_odd(desk: Service, query: str) -> None:
    """Marks, single characters, words that only ask and pages of anything are answered, or not."""
    desk.remember_many([Draft(text) for text in ("?", "...", "🎉", "the", "a lake at dawn")])
    assert len(desk.recall(query, floor=0.0).hits) == 5
    assert 0 <= desk.recall(query).certainty <= 1


ANYTHING = st.text(
    st.sampled_from("aB1 _./?!\n'-é\u0301東京ไทย한국مُПр🎉ß\u200d")
    | st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    min_size=1,
    max_size=60,
).filter(lambda text: bool(clean(text)[0].strip()))


@direct_only
@QUICK
@given(
    texts=st.lists(ANYTHING, min_size=1, max_size=5),
    query=ANYTHING,
    beside=st.integers(0, 5),
    limit=st.integers(1, 4),
)
def test_any_question_of_any_text_is_answered_in_order(
    desk: Service, texts: list[str], query: str, beside: int, limit: int
) -> None:
    """Hits are different memories, best first, whose passages and matches stand where they say."""
    talk(desk, texts, session=new_id())
    answer = desk.recall(query, limit=limit, beside=beside, floor=0.0)
    assert 1 <= len(answer.hits) <= limit
    assert 0 <= answer.certainty <= 1
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)
    told = [hit.memory.id for hit in answer.hits]
    told += [turn.id for hit in answer.hits for turn in hit.beside]
    assert len(told) == len(set(told))
    assert len({hit.memory.text for hit in answer.hits}) == len(answer.hits)
    for hit in answer.hits:
        assert hit.passage == hit.memory.text[slice(*hit.span)]
        assert all(hit.span[0] <= start < end <= hit.span[1] for start, end in hit.matched)


# what is looked at


def test_tags_are_words_too(desk: Service) -> None:
    """A memory is found by a tag it has, and no longer by one it had."""
    id = desk.remember(Draft("call Ana back", tags=("insurance",))).id
    desk.remember_many([Draft(f"a note of number {n}") for n in range(30)])
    assert found(desk, "insurance", limit=1) == ["call Ana back"]
    desk.revise(id, Edit(tags=("warranty",)))
    assert [hit.memory.id for hit in desk.recall("warranty").hits][:1] == [id]
    assert not desk.recall("insurance").hits


def test_the_past_is_found_by_the_tags_and_the_date_of_then(desk: Service) -> None:
    """What a memory is filed under now says nothing of what it was filed under."""
    draft = Draft("call Ana back", tags=("insurance",), happened_at="2024-03-05")
    before = desk.get([desk.remember(draft).id])[0]
    desk.revise(before.id, Edit(tags=("warranty",), happened_at="2025-08-09"))
    for old, new in (("insurance", "warranty"), ("5 March 2024", "9 August 2025")):
        assert [hit.memory for hit in desk.recall(old, as_of=before.updated_at).hits] == [before]
        assert not desk.recall(new, as_of=before.updated_at).hits
        assert desk.recall(new).hits
        assert not desk.recall(old).hits


def test_a_revised_text_is_found_and_the_old_one_not(desk: Service) -> None:
    """Search knows the words of now."""
    id = desk.remember(Draft("the key is under the mat")).id
    desk.remember_many([Draft(f"a note of number {n}") for n in range(30)])
    desk.revise(id, Edit(text="the key is with Ana"))
    assert not desk.recall("mat").hits
    assert [hit.memory.id for hit in desk.recall("Ana").hits][:1] == [id]


def test_what_waits_for_its_vector_is_found_by_its_words(open_desk: Callable[..., Service]) -> None:
    """A page that has just been saved is found by a word of its end, by that passage."""
    desk = open_desk(background=False)
    done = desk.remember(
        Draft(" ".join(f"Sentence {n} speaks of subject{n} at length." for n in range(400)))
    )
    assert done.pending
    (hit,) = desk.recall("subject399").hits
    assert "subject399" in hit.passage


# a store of an earlier memdesk


@direct_only
def test_a_store_of_an_earlier_layout_is_made_anew(
    open_desk: Callable[..., Service], home: Path
) -> None:
    """What search reads is made again from the memories, which says so; every memory is found."""
    desk = open_desk(background=False)
    ids = {done.id for done in desk.remember_many([Draft(f"comet number {n}") for n in range(30)])}
    gone = desk.remember(Draft("comet forgotten")).id
    desk.forget([gone])
    name = desk._core.store().passages.name
    fingerprint = desk._core.fingerprint
    desk.close()
    earlier = f"passages_{fingerprint}"
    (home / f"{name}.lance").rename(home / f"{earlier}.lance")
    stamp = json.loads((home / "store.json").read_text(encoding="utf-8"))
    (home / "store.json").write_text(json.dumps({**stamp, "passages": earlier}), encoding="utf-8")

    desk = open_desk(background=False)
    notes = desk.stats().notes
    assert any("made anew" in note for note in notes), notes
    assert desk.duties.settled(30)
    assert desk.stats().passages == 31
    assert json.loads((home / "store.json").read_text(encoding="utf-8"))["passages"] == name
    assert name == passages_of(fingerprint)
    desk.embed_pending()
    hits = desk.recall("comet number", limit=50).hits
    assert {hit.memory.id for hit in hits} == ids
    assert all(hit.cosine is not None for hit in hits)
    assert not open_desk(background=False).stats().notes


@direct_only
def test_vectors_of_the_layout_before_are_taken_over(
    open_desk: Callable[..., Service], home: Path
) -> None:
    """The same revision's passages keep their vectors, so that nothing is embedded again."""
    desk = open_desk(background=False)
    drafts = [Draft(f"comet number {n}", session="s", position=n) for n in range(30)]
    desk.remember_many([*drafts, Draft("long " * 1000)])
    desk.embed_pending()
    name, fingerprint = desk._core.store().passages.name, desk._core.fingerprint
    desk.close()
    former = passages_of(fingerprint, LAYOUT - 1)
    (home / f"{name}.lance").rename(home / f"{former}.lance")
    stamp = json.loads((home / "store.json").read_text(encoding="utf-8"))
    (home / "store.json").write_text(json.dumps({**stamp, "passages": former}), encoding="utf-8")

    embedder = FakeEmbedder()
    desk = open_desk(background=False, embedder=embedder)
    assert desk.stats().notes
    assert desk.duties.settled(30)
    assert desk.stats().pending == 0
    assert embedder.embedded == []
    assert all(hit.cosine is not None for hit in desk.recall("comet number", limit=30).hits)


@direct_only
def test_a_recipe_of_fewer_parts_finds_too(open_desk: Callable[..., Service]) -> None:
    """Recall goes on where each part of the recipe is switched off."""
    from memdesk.recipe import Recipe

    desk = open_desk()
    talk(desk, ["which harbour?", "Lisbon it was", "a comet"])
    for part in ("neighbours", "answering", "score_fusion", "fair_words", "newer"):
        other = open_desk(recipe=replace(Recipe(), **{part: False}), embedder=FakeEmbedder())
        assert found(other, "comet", limit=1) == ["a comet"], part
