"""Numbers in rows and columns: aligned for people, by their names as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from bench.recall.bootstrap import Difference


class Share(float):
    """A part of one, shown as per cent."""


Cell = str | int | float | Difference | None


@dataclass(frozen=True, slots=True)
class Grid:
    """One table of a report."""

    name: str
    """What it is called in JSON."""
    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    """The first cell says what the row is of."""

    def __str__(self) -> str:
        """Show the title and, below it, the aligned columns."""
        lines = [self.headings, *(tuple(map(_shown, row)) for row in self.rows)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(self.headings))]
        shown = [_aligned(line, widths) for line in lines]
        shown.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join([self.title, *shown])

    def as_json(self) -> list[dict[str, object]]:
        """Return the rows as JSON objects; shares and differences are parts of one."""
        return [dict(zip(self.headings, map(_plain, row), strict=True)) for row in self.rows]


def _plain(cell: Cell) -> object:
    return asdict(cell) if isinstance(cell, Difference) else cell


def _aligned(line: tuple[str, ...], widths: list[int]) -> str:
    first, *others = line
    cells = [f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True)]
    return "  ".join([f"{first:<{widths[0]}}", *cells]).rstrip()


def _shown(cell: Cell) -> str:
    match cell:
        case None:
            return "–"
        case Difference(mean, low, high):
            return f"{100 * mean:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
        case Share():
            return f"{100 * cell:.1f}"
        case float():
            return f"{cell:,.1f}"
        case int():
            return f"{cell:,}"
    return str(cell)
