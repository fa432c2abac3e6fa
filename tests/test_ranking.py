"""From what two searches found to one ranking: each part of the recipe alone, by numbers made by hand."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdesk.certainty import FLOOR, certainty
from memdesk.passages import Found
from memdesk.question import MOST_TERMS, Question, ask
from memdesk.ranking import (
    ANSWERING,
    ASKING,
    LATE,
    LATE_KEYWORD_WEIGHT,
    LATE_SHARE,
    NEWER,
    PERIOD,
    RANK_CONSTANT,
    ROLE,
    SHORT,
    WHEN,
    Ranked,
    rank,
)
from memdesk.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING = Recipe(**{field.name: False for field in fields(Recipe)})
PLAIN = replace(NOTHING, score_fusion=True)
"""BM25 and cosines, each divided by its best, and nothing else."""
X = Question((("x",),))


def found(memory: str, words: str = "", cosine: float | None = None, **rest: object) -> Found:
    """Return a passage with its words and its cosine."""
    return Found(memory, 0, len(words), None, cosine, words=words, **rest)  # type: ignore[arg-type]


def turn(position: int, words: str = "", cosine: float | None = None, **rest: object) -> Found:
    """Return a turn of a session, whose memory is called after its position."""
    rest = {"space": "p", "session": "s", "position": position, **rest}
    return found(f"turn {position}", words, cosine, **rest)


def only(part: str) -> Recipe:
    """Return the plain recipe with one more part."""
    return replace(PLAIN, **{part: True})


def by_memory(ranked: list[Ranked]) -> dict[str, Ranked]:
    """Return what was ranked by the ids of the memories."""
    return {each.memory: each for each in ranked}


def scores(ranked: list[Ranked]) -> dict[str, float]:
    """Return the score of each memory."""
    return {each.memory: each.score for each in ranked}


# words


def test_bm25_counts_own_words_fourfold() -> None:
    """A word that stands twice in a text as long counts by BM25's curve, not twice."""
    both = [found("a", "x x y z"), found("b", "x y z z")]
    ranked = by_memory(rank(X, both, [], recipe=PLAIN))
    # counts 8 and 4, all lengths the mean: 8 / (8 + 1.2) against 4 / (4 + 1.2)
    assert ranked["a"].words == pytest.approx(0.5)
    assert ranked["b"].words == pytest.approx(0.5 * (4 / 5.2) / (8 / 9.2))


def test_bm25_prefers_short_texts_and_rare_words() -> None:
    """Of two that have a word the shorter is better; a word that few have weighs more."""
    listed = [found("short", "x"), found("long", "x q q"), found("other", "y q")]
    ranked = by_memory(rank(Question((("x",), ("y",))), listed, [], recipe=PLAIN))
    common, rare = math.log(1 + 1.5 / 2.5), math.log(1 + 2.5 / 1.5)
    made = {  # lengths 4, 12 and 8; their mean is 8
        "short": common * 4 / (4 + 1.2 * (0.25 + 0.75 * 0.5)),
        "long": common * 4 / (4 + 1.2 * (0.25 + 0.75 * 1.5)),
        "other": rare * 4 / (4 + 1.2),
    }
    best = max(made.values())
    assert {memory: each.words for memory, each in ranked.items()} == pytest.approx(
        {memory: 0.5 * value / best for memory, value in made.items()}
    )
    assert ranked["other"].share == pytest.approx(rare / (common + rare))


def test_words_are_worth_the_part_of_the_question_they_are() -> None:
    """With fair words the best of a list gets no more than its part; without, it gets all."""
    listed = [found("a", "x y"), found("b", "y z")]
    question = Question((("x",), ("nowhere",)))
    fair = by_memory(rank(question, listed, [], recipe=only("fair_words")))["a"]
    # ln 2 for x, ln 6 for what is nowhere: 4 / 5.2 of ln 2 against 0.6 of ln 12
    assert fair.words == pytest.approx(0.5 * math.log(2) * (4 / 5.2) / (0.6 * math.log(12)))
    assert fair.share == pytest.approx(math.log(2) / math.log(12))
    assert by_memory(rank(question, listed, [], recipe=PLAIN))["a"].words == pytest.approx(0.5)


def test_fair_words_change_nothing_where_all_are_found() -> None:
    """A text with every telling word gets the whole half."""
    listed = [found("a", "x y"), found("b", "y z")]
    whole = by_memory(rank(Question((("x",), ("y",))), listed, [], recipe=only("fair_words")))["a"]
    assert (whole.words, whole.share) == pytest.approx((0.5, 1.0))


def test_one_word_is_found_before_what_lacks_it() -> None:
    """A long text that has the one word asked for comes before short ones that are nearer."""
    long = found("long", "x " + "y " * 300 + "y", cosine=0.1)
    listed = [found(f"short {n}", "y z", cosine=0.5) for n in range(20)]
    by_words, near = [long], [*listed, long]
    assert rank(X, by_words, near, recipe=only("one_word"))[0].memory == "long"
    assert rank(X, by_words, near, recipe=only("fair_words"))[0].memory != "long"


def test_the_words_of_the_turns_beside_count() -> None:
    """What was said before counts 2 and 1, what was said after 1 and 0.5, beside 4 for its own."""
    listed = [turn(position, "x" if position == 3 else "y") for position in range(1, 6)]
    ranked = by_memory(rank(X, listed, [], recipe=only("neighbours")))
    counts = [0.5, 1, 4, 2, 1]
    lengths = [4 + 1 + 0.5, 4 + 2 + 1 + 0.5, 4 + 2 + 1 + 1 + 0.5, 4 + 2 + 1 + 1, 4 + 2 + 1]
    mean = sum(lengths) / 5
    made = [
        count / (count + 1.2 * (0.25 + 0.75 * length / mean))
        for count, length in zip(counts, lengths, strict=True)
    ]
    assert [ranked[f"turn {n}"].words for n in range(1, 6)] == pytest.approx(
        [0.5 * each / made[2] for each in made]
    )
    assert [ranked[f"turn {n}"].share for n in range(1, 6)] == [0, 0, 1, 0, 0]


def test_without_neighbours_each_turn_stands_alone() -> None:
    """Switched off, the turns beside give nothing."""
    ranked = by_memory(rank(X, [turn(1, "x"), turn(2, "y")], [], recipe=PLAIN))
    assert ranked["turn 2"].words == 0


@pytest.mark.parametrize(
    "other",
    [
        {"session": "elsewhere"},
        {"space": "elsewhere"},
        {"session": None},
        {"position": None},
        {"position": 5},
    ],
)
def test_only_turns_of_the_same_place_are_beside(other: dict[str, object]) -> None:
    """Another session, one of that name in another space, and notes without a place are not beside."""
    there = replace(turn(2, "y"), **other)  # type: ignore[arg-type]
    ranked = by_memory(rank(X, [turn(1, "x"), there], [], recipe=only("neighbours")))
    assert ranked["turn 2"].words == 0


def test_only_short_turns_take_the_words_beside_them() -> None:
    """A turn of many words is clear without those beside it; it gives its own all the same."""
    long = turn(2, " ".join(["y"] * (SHORT + 1)))
    ranked = by_memory(rank(X, [turn(1, "x"), long], [], recipe=only("neighbours")))
    assert ranked["turn 2"].words == 0
    telling = turn(2, " ".join(["x"] * (SHORT + 1)))
    ranked = by_memory(rank(X, [turn(1, "y"), telling], [], recipe=only("neighbours")))
    assert ranked["turn 1"].words > 0


def test_heads_and_later_passages_take_no_words_from_beside() -> None:
    """Only a turn of one passage is read together with those beside it."""
    for ordinal in (-1, 1):
        listed = [turn(1, "x"), turn(2, "", 0.1, ordinal=ordinal)]
        ranked = by_memory(rank(X, listed, [], recipe=only("neighbours")))
        assert ranked["turn 2"].words == 0


def test_candidates_from_beside_are_ranked_too() -> None:
    """A turn that neither search found is a candidate when it stands beside one; it has no ranks."""
    listed = rank(X, [turn(1, "x", 0.4)], [turn(1, "x", 0.4)], [turn(2, "y", 0.2)])
    last = by_memory(listed)["turn 2"]
    assert (last.keyword_rank, last.vector_rank) == (None, None)
    assert last.words > 0
    assert last.meaning == pytest.approx(0.25)


# meaning


def test_cosines_are_divided_by_the_best() -> None:
    """The nearest gets half a point, what is turned away none, and what waits for its vector the middle."""
    listed = [found("a", "", 0.8), found("b", "", 0.2), found("c", "", -0.4), found("d")]
    ranked = by_memory(rank(X, [], listed, recipe=PLAIN))
    assert {memory: each.meaning for memory, each in ranked.items()} == pytest.approx(
        {"a": 0.5, "b": 0.125, "c": 0.0, "d": 0.125}
    )


def test_what_follows_a_near_question_is_nearer() -> None:
    """A turn has a part of the nearness of the question before it."""
    listed = [turn(1, "", 0.6, asking=0.5), turn(2, "", 0.2), turn(3, "", 0.2)]
    ranked = by_memory(rank(X, [], listed, recipe=only("answering")))
    near = 0.2 + ANSWERING * 0.6 * 0.5
    assert [ranked[f"turn {n}"].meaning for n in (1, 2, 3)] == pytest.approx(
        [0.5, 0.5 * near / 0.6, 0.5 * 0.2 / 0.6]
    )
    ranked = by_memory(rank(X, [], listed, recipe=PLAIN))
    assert ranked["turn 2"].meaning == ranked["turn 3"].meaning


def test_turns_are_near_word_by_word() -> None:
    """What is read word by word counts three quarters of its nearness, and words count less there."""
    listed = [turn(1, "x", 0.8), turn(2, "", 0.4), found("note", "", 0.8)]
    near = {("turn 1", 0): 0.2, ("turn 2", 0): 0.6}
    ranked = by_memory(rank(X, listed, listed, recipe=only("late"), read=lambda _: near))
    first, second = (
        LATE_SHARE * late + (1 - LATE_SHARE) * c for late, c in ((0.2, 0.8), (0.6, 0.4))
    )
    rest = 1 - LATE_KEYWORD_WEIGHT
    assert ranked["turn 1"].words == pytest.approx(LATE_KEYWORD_WEIGHT)
    assert ranked["turn 1"].meaning == pytest.approx(rest * first / second)
    assert ranked["turn 2"].meaning == pytest.approx(rest)
    assert ranked["note"].meaning == pytest.approx(rest)


def test_a_far_turn_does_not_come_before_a_near_note() -> None:
    """The best of what is read word by word is as near as its cosines say beside the others'."""
    listed = [turn(1, "", 0.1), found("note", "", 0.8)]
    ranked = rank(X, [], listed, recipe=only("late"), read=lambda _: {("turn 1", 0): 0.3})
    assert [each.memory for each in ranked] == ["note", "turn 1"]
    assert ranked[1].meaning == pytest.approx(ranked[0].meaning / 8)


def test_without_late_interaction_nothing_is_read() -> None:
    """Switched off, or where ranks are fused, no passage is looked at word by word."""

    def read(_: object) -> dict[tuple[str, int], float]:
        raise AssertionError

    listed = [turn(1, "x", 0.8)]
    for recipe in (PLAIN, replace(NOTHING, late=True)):
        assert rank(X, listed, listed, recipe=recipe, read=read) == rank(
            X, listed, listed, recipe=recipe
        )


def test_only_the_best_are_read() -> None:
    """The first few by the scores so far are looked at word by word, no others."""
    listed = [turn(n, "", n / 100) for n in range(LATE + 20)]
    asked: list[str] = []

    def read(passages: Sequence[Found]) -> dict[tuple[str, int], float]:
        asked.extend(each.memory for each in passages)
        return {}

    ranked = rank(X, [], listed, recipe=only("late"), read=read)
    assert sorted(asked) == sorted(each.memory for each in ranked[:LATE])


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=5))
def test_what_is_far_word_by_word_scores_nothing_for_meaning(near: list[float]) -> None:
    """Nearness below nothing counts as none, and divides nothing by next to nothing."""
    listed = [turn(n, "x", 0.1) for n in range(len(near))]
    told = {(f"turn {n}", 0): each for n, each in enumerate(near)}
    for each in rank(X, listed, listed, recipe=only("late"), read=lambda _: told):
        assert 0 <= each.meaning <= 1 - LATE_KEYWORD_WEIGHT + 1e-9


# fusion


def test_scores_are_fused_by_halves() -> None:
    """A score is half its share of the best BM25 and half its share of the best cosine."""
    listed = [found("a", "x y", 0.2), found("b", "y z", 0.8)]
    assert scores(rank(X, listed[:1], listed, recipe=PLAIN)) == pytest.approx(
        {"a": 0.5 + 0.125, "b": 0.5}
    )


def test_without_score_fusion_ranks_are_fused() -> None:
    """Each list gives 1 / (60 + rank), whatever its scores."""
    a, b, c = found("a", "x", 0.1), found("b", "x x", 0.9), found("c", "", 0.5)
    first, second, third = (1 / (RANK_CONSTANT + rank) for rank in (1, 2, 3))
    assert scores(rank(X, [a, b], [b, c, a], recipe=NOTHING)) == pytest.approx(
        {"a": first + third, "b": second + first, "c": second}
    )


def test_each_hit_says_its_ranks() -> None:
    """The places in both lists are kept, counted in memories; None says that a list did not have it."""
    parts = [found("a", "x", 0.9), found("a", "x", 0.8, ordinal=1), found("b", "x", 0.1)]
    ranked = by_memory(rank(X, parts, [parts[0], found("c", "", 0.2)]))
    ranks = {memory: (each.keyword_rank, each.vector_rank) for memory, each in ranked.items()}
    assert ranks == {"a": (1, 1), "b": (2, None), "c": (None, 2)}


# priors


def test_what_only_asks_loses() -> None:
    """A text loses by how much of it are questions."""
    listed = [found("a", "x", asking=1.0), found("b", "x", asking=0.5), found("c", "x")]
    ranked = by_memory(rank(X, listed, [], recipe=only("asking")))
    assert [ranked[each].priors["asking"] for each in "abc"] == [-ASKING, -ASKING / 2, 0]
    assert [ranked[each].score for each in "abc"] == pytest.approx([0.3, 0.4, 0.5])


def test_an_assistants_words_count_less() -> None:
    """The role “assistant” loses, but not where the question is after what the assistant said."""
    listed = [found("a", "x", role="user"), found("b", "x", role="assistant"), found("c", "x")]
    ranked = by_memory(rank(X, listed, [], recipe=only("roles")))
    assert [ranked[each].priors["roles"] for each in "abc"] == [0, -ROLE, 0]
    asked = replace(X, asks_assistant=True)
    assert "roles" not in rank(asked, listed, [], recipe=only("roles"))[0].priors


def test_what_tells_a_time_gains_where_one_is_asked_for() -> None:
    """Only a question after a time makes a difference."""
    listed = [found("a", "x", timed=True), found("b", "x")]
    asked = replace(X, asks_when=True)
    ranked = by_memory(rank(asked, listed, [], recipe=only("when")))
    assert [ranked[each].priors["when"] for each in "ab"] == [WHEN, 0]
    assert rank(X, listed, [], recipe=only("when"))[0].priors == {}


def test_a_time_that_the_question_names_gains() -> None:
    """What happened in one of the periods gains, its end left out."""
    listed = [found(str(at), "x", at=float(at)) for at in (9, 10, 19, 20, 30)]
    asked = replace(X, periods=((10.0, 20.0), (30.0, 31.0)))
    ranked = by_memory(rank(asked, listed, [], recipe=only("ranges")))
    gained = {memory for memory, each in ranked.items() if each.priors["ranges"] == PERIOD}
    assert gained == {"10", "19", "30"}
    assert rank(X, listed, [], recipe=only("ranges"))[0].priors == {}


def test_the_newer_of_equals_comes_first() -> None:
    """The newest gains most, by its place among the moments, not by how long ago they were."""
    listed = [found("a", "x", at=0.0), found("b", "x", at=5.0), found("c", "x", at=1e9)]
    ranked = rank(X, listed, [], recipe=only("newer"))
    assert [each.memory for each in ranked] == ["c", "b", "a"]
    assert [each.priors["newer"] for each in ranked] == pytest.approx([NEWER, NEWER / 2, 0])


@pytest.mark.parametrize("part", ["asking", "roles", "when", "ranges", "newer"])
def test_a_prior_that_is_switched_off_has_no_effect(part: str) -> None:
    """Without its part a prior is neither named nor counted."""
    asked = Question((("x",),), asks_when=True, periods=((0.0, 9.0),))
    listed = [found("a", "x", asking=1.0, timed=True, role="user", at=1.0), found("b", "x")]
    whole, without = (
        by_memory(rank(asked, listed, [], recipe=recipe))["a"]
        for recipe in (Recipe(), replace(Recipe(), **{part: False}))
    )
    assert set(whole.priors) - set(without.priors) == {part}
    assert whole.score - without.score == pytest.approx(whole.priors[part])


# order


def test_a_memory_counts_with_its_best_passage() -> None:
    """Of the passages of one memory the best one is shown, and no other."""
    listed = [found("a", "y"), found("a", "x", ordinal=1), found("b", "y x q")]
    ranked = rank(X, listed, [], recipe=PLAIN)
    assert [(each.memory, each.found.ordinal) for each in ranked] == [("a", 1), ("b", 0)]


def test_equals_are_in_the_order_of_their_ids() -> None:
    """The order of the lists decides nothing between equals."""
    listed = [found(each, "x", 0.5) for each in "cab"]
    for order in (listed, listed[::-1]):
        assert [each.memory for each in rank(X, order, order)] == ["a", "b", "c"]


def test_at_most_so_many_are_returned() -> None:
    """The first ones are the same as without a limit."""
    listed = [found(str(n), "x" * (n % 2), n / 10) for n in range(9)]
    assert rank(X, listed, [], most=3) == rank(X, listed, [])[:3]


def test_nothing_found_ranks_nothing() -> None:
    """Two empty lists make an empty answer."""
    assert rank(X, [], []) == []


def test_a_question_without_words_is_ranked_by_meaning() -> None:
    """“?” has no words: neither a division by zero nor a point for words comes of it."""
    ranked = rank(ask("?"), [], [found("a", "x", 0.1), found("b", "", 0.9)])
    assert [(each.memory, each.words, each.share) for each in ranked] == [("b", 0, 0), ("a", 0, 0)]


# questions


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("What is my sister's name?", ("sister", "name")),
        ("who are you", ("who", "are", "you")),
        ("?!", ()),
        ("name, name and Names", ("name",)),
        ("Wann ist der Termin", ("ist", "der", "termin")),
    ],
)
def test_questions_lose_the_words_that_only_ask(text: str, wanted: tuple[str, ...]) -> None:
    """The telling words are looked for, each once, or all words where none tells."""
    assert ask(text).terms == wanted


@pytest.mark.parametrize(
    ("text", "told"),
    [("What did you recommend?", True), ("the assistant's advice", True), ("my advice", False)],
)
def test_questions_to_the_assistant_are_known(text: str, told: bool) -> None:
    """“you” and “assistant” ask for what the assistant said."""
    assert ask(text).asks_assistant is told


def test_a_pasted_text_asks_with_its_first_words() -> None:
    """A question has at most so many terms."""
    assert len(ask(" ".join(f"word{n}" for n in range(500))).terms) == MOST_TERMS


# certainty


def one(words: float = 0.0, cosine: float | None = None, share: float = 0.0) -> Ranked:
    """Return a hit with this evidence."""
    return Ranked(found("a", "", cosine), 1.0, words, 0.0, {}, 2 * words, share, None, None)


def test_nothing_is_certain_of_nothing() -> None:
    """Without candidates there is no certainty."""
    assert certainty([], []) == 0.0


@given(st.floats(0, 0.5), st.none() | st.floats(-1, 1), st.floats(0, 1), st.floats(-1, 1))
def test_certainty_is_a_probability(
    words: float, cosine: float | None, share: float, background: float
) -> None:
    """It lies between 0 and 1 whatever the evidence."""
    for nearest in ([], [found("b", "", background)], [found("b", "", background)] * 40):
        assert 0 <= certainty([one(words, cosine, share)], nearest) <= 1


def test_certainty_rises_with_the_evidence() -> None:
    """More words, a nearer meaning and a farther background make more certain."""
    near = [found("b", "", 0.2)] * 40
    for evidence in (
        [certainty([one(words / 10, 0.3)], near) for words in range(6)],
        [certainty([one(words / 10)], []) for words in range(6)],
        [certainty([one(0.1, cosine / 10)], near) for cosine in range(-2, 10)],
        [certainty([one(0.1, 0.5)], [found("b", "", b / 10)] * 40) for b in range(5, -1, -1)],
    ):
        assert evidence == sorted(set(evidence))


def test_a_passage_with_the_whole_question_is_an_answer() -> None:
    """All telling words in one passage are certain enough, with and without meaning."""
    listed = [found("a", "x y", -0.1), found("b", "q", 0.0)]
    for recipe in (Recipe(), PLAIN):
        ranked = rank(Question((("x",), ("y",))), listed, listed, recipe=recipe)
        assert certainty(ranked, listed) >= 0.5 > FLOOR


def test_only_the_first_few_are_evidence() -> None:
    """What stands far down makes nothing certain."""
    far = [one(0.0, 0.0)] * 5
    assert certainty([*far, one(0.5, 1.0, 1.0)], []) == certainty(far, [])


# any candidates

WORDS = st.lists(st.sampled_from("wxyz"), max_size=6).map(" ".join)
FOUND = st.builds(
    found,
    st.sampled_from("abcdef"),
    WORDS,
    st.none() | st.floats(-1, 1),
    ordinal=st.integers(-1, 2),
    session=st.none() | st.sampled_from(["", "s", "t"]),
    position=st.none() | st.integers(0, 4) | st.just(2**63 - 1),
    space=st.sampled_from(["p", "q"]),
    role=st.none() | st.sampled_from(["user", "assistant"]),
    at=st.floats(-1e10, 1e12),
    asking=st.floats(0, 1),
    timed=st.booleans(),
)
LISTS = st.lists(FOUND, max_size=8)
QUESTIONS = st.builds(
    Question,
    st.lists(st.sampled_from(["w", "x", "y", "zz"]), unique=True, max_size=4).map(tuple),
    st.booleans(),
    st.booleans(),
    st.just(()) | st.just(((0.0, 1e9),)),
)
RECIPES = st.builds(Recipe, **{field.name: st.booleans() for field in fields(Recipe)})


@given(QUESTIONS, LISTS, LISTS, LISTS, RECIPES)
def test_any_candidates_are_ranked_once_by_finite_scores(
    question: Question, words: list[Found], near: list[Found], beside: list[Found], recipe: Recipe
) -> None:
    """Every memory comes once, best first; a score is the sum of its parts, and within their bounds."""
    ranked = rank(question, words, near, beside, recipe)
    assert {each.memory for each in ranked} == {each.memory for each in (*words, *near, *beside)}
    assert len({each.memory for each in ranked}) == len(ranked)
    made = [each.score for each in ranked]
    assert all(map(math.isfinite, made))
    assert made == sorted(made, reverse=True)
    for each in ranked:
        assert each.score == pytest.approx(each.words + each.meaning + sum(each.priors.values()))
        assert 0 <= each.words <= 0.5 + 1e-9
        assert 0 <= each.meaning <= 0.5 + 1e-9
        assert 0 <= each.share <= 1 + 1e-9


@given(st.lists(FOUND, max_size=8, unique_by=lambda each: (each.memory, each.ordinal)), st.data())
def test_the_order_of_the_candidates_decides_nothing(
    listed: list[Found], data: st.DataObject
) -> None:
    """Scores are fused, so the same candidates in another order make the same ranking."""
    # Two turns at one place in one session: which of them stands beside the others is left open.
    places = [(each.space, each.session, each.position) for each in listed]
    if len({place for place in places if None not in place}) < len(
        [place for place in places if None not in place]
    ):
        return
    first = rank(X, listed, [])
    again = rank(X, data.draw(st.permutations(listed)), [])
    assert scores(again) == pytest.approx(scores(first))


@given(QUESTIONS, st.lists(FOUND, min_size=1, max_size=8))
def test_one_more_candidate_is_no_harm(question: Question, listed: list[Found]) -> None:
    """A passage that has nothing of the question comes after what has all of it."""
    whole = found("whole", " ".join(question.terms), 1.0)
    none = found("zero", "q", 0.0)
    ranked = rank(question, [whole, *listed, none], [], recipe=PLAIN)
    order = [each.memory for each in ranked]
    assert order.index("whole") < order.index("zero")


# words of many parts


def test_a_word_of_many_parts_counts_like_any_other() -> None:
    """A long word that is there counts hardly more than a short one, though its halves are there too."""
    parts = tuple(f"part{n}" for n in range(10))
    question = Question((("long", *parts), ("short",)))
    listed = [found("a", " ".join(("long", *parts))), found("b", "short")]
    scores = by_memory(rank(question, listed, [], recipe=PLAIN))
    assert scores["b"].words < scores["a"].words < 1.6 * scores["b"].words
    assert scores["a"].share == pytest.approx(scores["b"].share)


def test_parts_that_nobody_has_do_not_count() -> None:
    """What is found by one part of a word is found by the word."""
    question = Question((("retrypolici", "retri", "polici"),))
    (ranked,) = rank(question, [found("a", "retri polici")], [], recipe=PLAIN)
    assert ranked.share == pytest.approx(1.0)


def test_words_that_tell_nothing_are_no_evidence() -> None:
    """A question of stop words finds what has them, and is no more certain for it."""
    question = ask("the")
    assert question.terms
    assert not question.telling
    (ranked,) = rank(question, [found("a", " ".join(question.terms))], [])
    assert ranked.share == 0.0
