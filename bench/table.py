"""What was measured beside what was wanted: as a table for people and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from bench.samples import median, percentile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HEADINGS = ("what", "measured", "target", "met?")


@dataclass(frozen=True, slots=True)
class Row:
    """One measured number."""

    name: str
    """The benchmark it belongs to: what `--only` selects."""
    what: str
    measured: float
    unit: str = "ms"
    target: float | None = None
    """None for a number that is only reported."""
    at_least: bool = False
    """Whether more is better."""
    note: str = ""
    runs: tuple[float, ...] = ()
    """The numbers that `measured` is the median of, one a run."""

    @property
    def met(self) -> bool | None:
        """Whether the target was met; None without one."""
        if self.target is None:
            return None
        return self.measured >= self.target if self.at_least else self.measured <= self.target


@dataclass(frozen=True, slots=True)
class Failure:
    """A benchmark that did not come to its end."""

    name: str
    words: str


def of_runs(
    name: str,
    what: str,
    runs: Sequence[float],
    unit: str = "ms",
    target: float | None = None,
    *,
    at_least: bool = False,
    note: str = "",
) -> Row:
    """Return the row of what was measured once a run: the median."""
    return Row(name, what, median(runs), unit, target, at_least, note, tuple(runs))


def spread(
    name: str,
    what: str,
    runs: Sequence[Sequence[float]],
    *,
    targets: tuple[float | None, float | None],
    note: str = "",
) -> Iterator[Row]:
    """Yield p50 and p95 of many calls a run: the medians over the runs, beside their targets."""
    for percent, target in zip((50, 95), targets, strict=True):
        each = [percentile(values, percent) for values in runs]
        yield of_runs(name, f"{what}, p{percent}", each, target=target, note=note)


def as_table(rows: Sequence[Row]) -> str:
    """Return rows in aligned columns, their notes below; equal notes have one number."""
    noted = list(dict.fromkeys(row.note for row in rows if row.note))
    marks = [noted.index(row.note) + 1 if row.note else 0 for row in rows]
    cells = [_HEADINGS, *(_cells(row, mark) for row, mark in zip(rows, marks, strict=True))]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADINGS))]
    lines = [_aligned(line, widths) for line in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    notes = [f"{mark}) {note}" for mark, note in enumerate(noted, 1)]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def as_json(row: Row) -> dict[str, object]:
    """Return a row as a JSON object."""
    return {**asdict(row), "met": row.met}


def _cells(row: Row, mark: int) -> tuple[str, ...]:
    sign = "≥" if row.at_least else "≤"
    target = "" if row.target is None else f"{sign} {_number(row.target, row.unit)}"
    met = {True: "yes", False: "NO", None: ""}[row.met]
    what = f"{row.what} {mark})" if mark else row.what
    return what, _number(row.measured, row.unit), target, met


def _number(value: float, unit: str) -> str:
    digits = {"x": 2, "ms": 1, "s": 2, "%": 1, "texts/s": 0, "/s": 0}.get(unit, 0)
    shown = f"{value:,.{digits}f}"
    return f"{shown}x" if unit == "x" else f"{shown} {unit}"


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    what, measured, target, met = line
    return f"{what:<{widths[0]}}  {measured:>{widths[1]}}  {target:>{widths[2]}}  {met}".rstrip()
