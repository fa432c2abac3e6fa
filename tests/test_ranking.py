"""From two result lists to one."""

from __future__ import annotations

import pytest

from memdesk.passages import Found
from memdesk.ranking import keywords, rank


def word(memory: str, score: float, cosine: float | None = None, start: int = 0) -> Found:
    """Return what the full-text search finds."""
    return Found(memory, start, start + 5, score, cosine)


def near(memory: str, cosine: float, start: int = 0) -> Found:
    """Return what the vector search finds."""
    return Found(memory, start, start + 5, None, cosine)


def test_scores_are_fused_by_halves() -> None:
    """A memory's score is half its share of the best BM25, half its share of the best cosine."""
    ranked = rank([word("a", 8.0, 0.2), word("b", 4.0, 0.4)], [near("c", 0.8), near("b", 0.4)])
    assert {each.memory: each.score for each in ranked} == pytest.approx(
        {"a": 0.5 + 0.125, "b": 0.25 + 0.25, "c": 0.5}
    )
    assert [each.memory for each in ranked] == ["a", "b", "c"]


def test_a_memory_counts_with_its_best_passage() -> None:
    """Of two passages of one memory the better one is shown."""
    ranked = rank([word("a", 1.0, start=0), word("a", 9.0, start=50)], [])
    assert [(each.memory, each.start) for each in ranked] == [("a", 50)]


def test_each_hit_says_its_ranks() -> None:
    """The places in both lists are kept, and None says that a list did not have it."""
    first, second = rank([word("a", 2.0, 0.9)], [near("a", 0.9), near("b", 0.1)])
    assert (first.keyword_rank, first.vector_rank, first.cosine) == (1, 1, 0.9)
    assert (second.keyword_rank, second.vector_rank, second.keyword_score) == (None, 2, 0.0)


def test_nothing_found_ranks_nothing() -> None:
    """Two empty lists make an empty answer."""
    assert rank([], []) == []


def test_words_alone_are_ranked_by_bm25() -> None:
    """Without vectors the full-text order stands."""
    assert [each.memory for each in rank([word("b", 3.0), word("a", 2.0)], [])] == ["b", "a"]


def test_negative_cosines_do_not_divide_by_zero() -> None:
    """Texts that point away from the question score nothing for meaning."""
    assert [each.score for each in rank([], [near("a", -0.2)])] == [0.0]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("What is my sister's name?", "sister's name"),
        ("who are you", "who are you"),
        ("where did I put src/app/main.py?", "put src/app/main.py"),
        ("C++ in 東京", "C++ 東京"),
    ],
)
def test_questions_lose_the_words_that_only_ask(query: str, words: str) -> None:
    """The full-text query keeps the telling words, or all of them when there are none."""
    assert keywords(query) == words
