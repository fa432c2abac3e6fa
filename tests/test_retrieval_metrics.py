"""How rankings are judged: metrics against hand-made cases and scikit-learn, and the bootstrap."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sklearn.metrics import (
    label_ranking_average_precision_score,
    ndcg_score,
    recall_score,
    roc_auc_score,
    top_k_accuracy_score,
)

from bench.recall import metrics
from bench.recall.baselines import fused
from bench.recall.bootstrap import difference
from bench.recall.refusals import below, floor_keeping, roc_area

if TYPE_CHECKING:
    from collections.abc import Sequence

RANKING = ["a", "b", "c", "d", "e"]


@some.composite
def rankings(draw: some.DrawFn) -> tuple[list[str], set[str]]:
    """Draw a ranking of all there is, and which of it is right."""
    ids = [str(number) for number in range(draw(some.integers(2, 30)))]
    right = draw(some.sets(some.sampled_from(ids), min_size=1))
    return draw(some.permutations(ids)), right


def as_labels(ranking: Sequence[str], right: set[str]) -> tuple[list[list[int]], list[list[int]]]:
    """Return truth and scores as scikit-learn wants them, the best ranked scored highest."""
    truth = [[int(id in right) for id in ranking]]
    return truth, [list(range(len(ranking), 0, -1))]


@pytest.mark.parametrize(
    ("cut", "right", "any_", "all_", "recall"),
    [
        (1, {"a"}, 1, 1, 1),
        (1, {"b"}, 0, 0, 0),
        (2, {"b", "e"}, 1, 0, 1 / 2),
        (5, {"b", "e"}, 1, 1, 1),
        (5, {"x"}, 0, 0, 0),
        (9, {"a", "b", "x"}, 1, 0, 2 / 3),
    ],
)
def test_what_is_found_in_the_first(
    cut: int, right: set[str], any_: float, all_: float, recall: float
) -> None:
    """Some of it, all of it, and which share; a ranking may be shorter than the cut."""
    assert metrics.any_at(cut, RANKING, right) == any_
    assert metrics.all_at(cut, RANKING, right) == all_
    assert metrics.recall_at(cut, RANKING, right) == recall


@pytest.mark.parametrize(
    ("right", "value"), [({"a"}, 1), ({"c", "e"}, 1 / 3), ({"x"}, 0), ({"x", "e"}, 1 / 5)]
)
def test_the_reciprocal_rank_is_of_the_first_that_is_right(right: set[str], value: float) -> None:
    """Zero when none is in the ranking."""
    assert metrics.reciprocal_rank(RANKING, right) == value


@pytest.mark.parametrize(
    ("cut", "right", "value"),
    [
        (10, {"a"}, 1.0),
        (10, {"c"}, 1 / 2),
        (10, {"a", "b"}, 1.0),
        (10, {"b", "d"}, (1 / math.log2(3) + 1 / math.log2(5)) / (1 + 1 / math.log2(3))),
        (10, {"a", "x"}, 1 / (1 + 1 / math.log2(3))),
        (3, {"d"}, 0.0),
        (1, {"a", "b", "c"}, 1.0),
    ],
)
def test_ndcg_of_cases_computed_by_hand(cut: int, right: set[str], value: float) -> None:
    """What is right and not found counts; more than the cut can hold does not."""
    assert metrics.ndcg_at(cut, RANKING, right) == pytest.approx(value)


def test_nothing_right_is_no_question() -> None:
    """Every metric says so rather than counting it as a failure."""
    for metric in metrics.TURNS.values():
        with pytest.raises(ValueError, match="nothing is right"):
            metric(RANKING, set())


def test_an_empty_ranking_scores_zero() -> None:
    """A system that finds nothing is wrong, not left out."""
    assert set(metrics.scores(metrics.TURNS, [], {"a"}).values()) == {0.0}


@given(rankings(), some.integers(1, 30))
def test_ndcg_is_that_of_scikit_learn(drawn: tuple[list[str], set[str]], cut: int) -> None:
    """For any ranking, any truth and any cut."""
    truth, scores = as_labels(*drawn)
    expected = ndcg_score(truth, scores, k=cut)
    assert metrics.ndcg_at(cut, *drawn) == pytest.approx(expected)


@given(rankings(), some.integers(1, 30))
def test_recall_is_that_of_scikit_learn(drawn: tuple[list[str], set[str]], cut: int) -> None:
    """The first of the ranking are what is predicted."""
    truth, _ = as_labels(*drawn)
    predicted = [int(place < cut) for place in range(len(truth[0]))]
    assert metrics.recall_at(cut, *drawn) == pytest.approx(recall_score(truth[0], predicted))


@given(rankings())
def test_one_right_answer_as_scikit_learn_judges_it(drawn: tuple[list[str], set[str]]) -> None:
    """Reciprocal rank is then the average precision of labels, any and all the top-k accuracy."""
    ranking, right = drawn[0], {min(drawn[1])}
    truth, scores = as_labels(ranking, right)
    precision = label_ranking_average_precision_score(truth, scores)
    assert metrics.reciprocal_rank(ranking, right) == pytest.approx(precision)
    if len(ranking) > 5:
        classes = list(range(len(ranking)))
        accuracy = top_k_accuracy_score([truth[0].index(1)], scores, k=5, labels=classes)
        assert metrics.any_at(5, ranking, right) == accuracy
        assert metrics.all_at(5, ranking, right) == accuracy


@given(
    some.lists(some.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0]), min_size=1),
    some.lists(some.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0]), min_size=1),
)
def test_the_roc_area_is_that_of_scikit_learn(own: list[float], foreign: list[float]) -> None:
    """Ties included."""
    truth = [1] * len(own) + [0] * len(foreign)
    assert roc_area(own, foreign) == pytest.approx(roc_auc_score(truth, own + foreign))


def test_a_floor_keeps_the_share_it_promises() -> None:
    """Of twenty it lets one go; of three none may go."""
    certainties = [number / 20 for number in range(20)]
    floor = floor_keeping(certainties, 0.95)
    assert floor == 0.05
    assert below(certainties, floor) == 0.05
    assert floor_keeping([0.9, 0.1, 0.5], 0.95) == 0.1


@given(some.lists(some.floats(0, 1), min_size=1), some.floats(0.01, 1))
def test_no_floor_loses_more_than_it_may(certainties: list[float], share: float) -> None:
    """And a higher certainty as the floor would, where there is one."""
    floor = floor_keeping(certainties, share)
    kept = sum(each >= floor for each in certainties)
    above = sum(each > floor for each in certainties)
    assert kept >= share * len(certainties) > above


def test_ranks_are_fused_by_their_reciprocals() -> None:
    """What both lists have beats what one has first; equal sums keep the first list's order."""
    assert fused(["a", "b", "c"], ["b", "d"]) == ["b", "a", "d", "c"]
    assert fused(["a"], ["b"]) == ["a", "b"]
    assert fused([], []) == []


@settings(max_examples=10)
@given(some.lists(some.tuples(some.floats(0, 1), some.floats(0, 1)), min_size=1, max_size=40))
def test_a_difference_has_its_mean_in_its_interval(pairs: list[tuple[float, float]]) -> None:
    """Turned around it is the same with the other sign; it does not depend on chance."""
    ours, theirs = zip(*pairs, strict=True)
    found, turned = difference(ours, theirs), difference(theirs, ours)
    assert found.mean == pytest.approx(np.mean(ours) - np.mean(theirs))
    assert found.low - 1e-9 <= found.mean <= found.high + 1e-9
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))
    assert difference(ours, theirs) == found


def test_the_interval_of_many_is_that_of_the_normal_distribution() -> None:
    """1.96 standard errors to either side, as the central limit has it."""
    values = np.random.default_rng(1).normal(0.1, 1.0, 1000)
    found = difference(values.tolist(), [0.0] * 1000)
    error = values.std() / math.sqrt(1000)
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=error / 10)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=error / 10)


def test_the_same_everywhere_is_sure() -> None:
    """Questions are paired: how much they differ among each other widens nothing."""
    theirs = [0.0, 0.3, 0.6]
    found = difference([each + 0.25 for each in theirs], theirs)
    assert found.low == pytest.approx(0.25)
    assert found.high == pytest.approx(0.25)
