"""What a person asks for, as SQL that LanceDB understands: the only place that builds such text.

LanceDB takes predicates as text. Every value goes through `literal`; only the single quote needs
doubling there (LANCEDB.md §7: backslash, NUL, newline, double quotes and comment marks round-trip).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memdesk.memory import Filter

NOTHING = "false"


def literal(value: str | float | bool | datetime | None) -> str:
    """Return a value as SQL text; datetimes must carry their zone."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime):
        try:
            utc = value.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:  # the calendar's first and last hours, seen from far east or west
            utc = value.replace(tzinfo=None)
        return f"timestamp '{utc.isoformat(sep=' ', timespec='microseconds')}'"
    return "'" + value.replace("'", "''") + "'"


def equals(column: str, value: str | float | bool | datetime | None) -> str:
    """Return `column = value`, or `IS NULL` for None."""
    return f"{column} IS NULL" if value is None else f"{column} = {literal(value)}"


def one_of(column: str, values: Iterable[str | int]) -> str:
    """Return `column IN (…)`; nothing matches an empty list, which SQL cannot say."""
    listed = ", ".join(literal(value) for value in values)
    return f"{column} IN ({listed})" if listed else NOTHING


def has_all(column: str, values: Iterable[str]) -> str:
    """Return a test that a list column holds all the values; always true for none."""
    return both(*(f"array_has({column}, {literal(value)})" for value in values))


def begins(column: str, beginning: str) -> str:
    """Return a test that a column's value begins so; `beginning` is of ASCII without “~”."""
    return f"{column} >= {literal(beginning)} AND {column} < {literal(beginning + '~')}"


def has_word(column: str, beginning: str) -> str:
    """Return a test that one of a column's words begins so; `beginning` is letters and digits."""
    return f"{column} LIKE {literal(beginning + '%')} OR {column} LIKE {literal(f'% {beginning}%')}"


def both(*conditions: str) -> str:
    """Return the conditions joined by AND; blank ones are left out."""
    return " AND ".join(f"({condition})" for condition in conditions if condition)


def where(wanted: Filter, now: datetime, *, at: str, source: str = "source.name") -> str:
    """Return the predicate of a filter.

    `at` is the column (or expression) that says when, `source` the one that names the source. `now`
    decides what has expired.
    """
    return both(
        *_settled(wanted, at, source),
        "" if wanted.expired else f"expires_at IS NULL OR expires_at > {literal(now)}",
    )


def settled(wanted: Filter, *, at: str, source: str = "source.name") -> str:
    """Return the part of a filter's predicate that time does not change: all but the expiry."""
    return both(*_settled(wanted, at, source))


def _settled(wanted: Filter, at: str, source: str) -> tuple[str, ...]:
    return (
        one_of("state", wanted.states) if wanted.states else "",
        one_of("space", wanted.spaces) if wanted.spaces else "",
        one_of("kind", wanted.kinds) if wanted.kinds else "",
        has_all("tags", wanted.tags),
        f"{at} >= {literal(wanted.since)}" if wanted.since else "",
        f"{at} < {literal(wanted.until)}" if wanted.until else "",
        "" if wanted.pinned is None else equals("pinned", wanted.pinned),
        one_of(source, wanted.sources) if wanted.sources else "",
    )
