"""What a run measured, as tables."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from bench.recall import baselines, metrics, refusals
from bench.recall.bootstrap import difference
from bench.recall.grid import Grid, Share
from bench.recall.judged import BUDGETS
from bench.recall.run import OURS, without
from bench.samples import median, percentile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bench.recall.grid import Cell
    from bench.recall.judged import Judged, Measured
    from bench.recall.refusals import Verdict

SYSTEMS = (OURS, *baselines.NAMES)
COMPARED = ("nDCG@10", "any@5", "rec@10")
"""The metrics whose differences are shown with their interval."""
_CHANGES = (*COMPARED, "MRR")


def grids(measured: Measured) -> Iterator[Grid]:
    """Yield the tables of one data set, those first that are looked at first."""
    yield _data(measured)
    if measured.counted:
        yield _systems(measured)
        yield _differences(measured)
        yield _categories(measured)
        yield from _sessions(measured)
        yield _budgets(measured)
    yield _speed(measured)
    yield from _refusals(measured)
    if measured.parts and measured.counted:
        yield _ablation(measured)


def _data(measured: Measured) -> Grid:
    conversations = measured.dataset.conversations
    questions = [each for one in conversations for each in one.questions]
    turns = sum(len(each.turns) for each in conversations)
    apart = sum(each.apart for each in questions)
    counted = sum(each.counted for each in questions)
    return Grid(
        "data",
        "What was asked: apart have no true answer, left out have no evidence",
        ("data set", "conversations", "turns", "questions", "apart", "left out", "lost evidence"),
        (
            (
                measured.dataset.name,
                len(conversations),
                turns,
                counted,
                apart,
                len(questions) - counted - apart,
                measured.dataset.lost,
            ),
        ),
    )


def _systems(measured: Measured) -> Grid:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (system, *_means([each.turns[system] for each in measured.counted], metrics.TURNS))
        for system in SYSTEMS
    )
    return Grid("systems", "Turns, per cent", ("system", *metrics.TURNS), rows)


def _means(scores: Sequence[dict[str, float]], names: Iterable[str]) -> list[Share]:
    return [Share(fmean(each[name] for each in scores)) for name in names]


def _differences(measured: Measured) -> Grid:
    rows = (
        _changes(measured.counted, f"memdesk − {system}", OURS, system, COMPARED)
        for system in baselines.NAMES
    )
    return Grid(
        "differences",
        "Differences in points, with 95 % intervals of the paired bootstrap",
        ("difference", *COMPARED),
        tuple(rows),
    )


def _changes(
    judged: Sequence[Judged], what: str, ours: str, theirs: str, names: Iterable[str]
) -> tuple[Cell, ...]:
    found = (
        difference(
            [each.turns[ours][name] for each in judged],
            [each.turns[theirs][name] for each in judged],
        )
        for name in names
    )
    return (what, *found)


def _categories(measured: Measured) -> Grid:
    names = sorted({(each.question.apart, each.question.category) for each in measured.judged})
    rows: list[tuple[Cell, ...]] = []
    for apart, category in names:
        scores = [
            each.turns[OURS] for each in measured.judged if each.question.category == category
        ]
        what = f"{category} (apart)" if apart else category
        rows.append((what, len(scores), *_means(scores, metrics.TURNS)))
    headings = ("category", "questions", *metrics.TURNS)
    return Grid("categories", "memdesk by category, per cent", headings, tuple(rows))


def _sessions(measured: Measured) -> Iterator[Grid]:
    judged = [each for each in measured.counted if each.sessions]
    if not judged:
        return
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (system, *_means([each.sessions[system] for each in judged], metrics.SESSIONS))
        for system in SYSTEMS
    )
    title = "Sessions, each at the place of its best turn, per cent"
    yield Grid("sessions", title, ("system", *metrics.SESSIONS), rows)


def _budgets(measured: Measured) -> Grid:
    headings = [each for one in BUDGETS for each in (f"{one:,}: tokens", f"{one:,}: covered")]
    rows = []
    for system in measured.counted[0].covered:
        cells: list[Cell] = [system]
        for budget in BUDGETS:
            covered = [each.covered[system][budget] for each in measured.counted]
            cells.append(round(fmean(each.tokens for each in covered)))
            cells.append(Share(fmean(each.share for each in covered)))
        rows.append(tuple(cells))
    title = "Mean tokens of an answer within a budget, and the evidence in it in per cent"
    return Grid("budgets", title, ("system", *headings), tuple(rows))


def _speed(measured: Measured) -> Grid:
    title = "Milliseconds of a recall of ten, the question's embedding included"
    times = measured.times
    spread = (median(times), percentile(times, 95)) if times else (None, None)
    return Grid("speed", title, ("system", "median", "p95"), ((OURS, *spread),))


def _refusals(measured: Measured) -> Iterator[Grid]:
    own = [found for question, found in measured.verdicts if question.counted]
    if not own:
        return
    certain = [each.certainty for each in own]
    floor = refusals.floor_keeping(certain)
    groups = {"own questions": own, "of another conversation": measured.foreign}
    for question, found in measured.verdicts:
        if question.apart:
            groups.setdefault(question.category, []).append(found)
    rows = tuple(
        _refused(name, verdicts, certain, floor) for name, verdicts in groups.items() if verdicts
    )
    yield Grid(
        "refusals",
        f"Answered with “nothing relevant”, per cent; ROC area against own questions; "
        f"{100 * refusals.KEPT:.0f} % of own questions are kept above a certainty of {floor:.3f}",
        ("questions", "count", "refused", "refused at 95 % kept", "ROC area", "certainty"),
        rows,
    )


def _refused(
    name: str, verdicts: Sequence[Verdict], own: Sequence[float], floor: float
) -> tuple[Cell, ...]:
    certain = [each.certainty for each in verdicts]
    return (
        name,
        len(verdicts),
        Share(fmean(each.refused for each in verdicts)),
        Share(refusals.below(certain, floor)),
        Share(refusals.roc_area(own, certain)),
        Share(fmean(certain)),
    )


def _ablation(measured: Measured) -> Grid:
    rows = (
        _changes(measured.counted, without(part), without(part), OURS, _CHANGES)
        for part in measured.parts
    )
    return Grid(
        "ablation",
        "Without one part of the recipe, change in points with 95 % intervals",
        ("recipe", *_CHANGES),
        tuple(rows),
    )
