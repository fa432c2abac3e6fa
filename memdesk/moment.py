"""Moments as people write them: ISO 8601 from a year to a microsecond, and ages in words."""

from __future__ import annotations

import re
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING

from memdesk.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memdesk.memory import Memory

_ISO = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2})(?:[T ](?P<clock>\d{2}:\d{2}"
    r"(?::\d{2}(?:\.\d{1,6})?)?)\s*(?P<zone>[Zz]|[+-]\d{2}:?\d{2})?)?)?)?"
)
_MINUTE = 60
EARLIEST, LATEST = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)
"""Between these every clock on earth can show a moment, and a computer add a day to it."""
_here: ContextVar[tzinfo | None] = ContextVar("here", default=None)
_STEPS = (
    ("y", 31_536_000),
    ("mo", 2_592_000),
    ("w", 604_800),
    ("d", 86_400),
    ("h", 3600),
    ("m", 60),
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time with how exactly it is known."""

    at: datetime
    """The start of the stated period, in UTC."""
    precision: str
    """year, month, day, minute or second: how much of the date was given."""
    utc_offset_min: int
    """The writer's local offset from UTC then, in minutes."""
    end: datetime
    """The first moment after the stated year, month or day; `at` itself for a time of day."""


def parse_moment(text: str, field: str) -> Moment:
    """Return the moment that an ISO 8601 text names; without an offset it is local time.

    Raises `Invalid` naming `field` when the text is no date or the date does not exist.
    """
    match = _ISO.fullmatch(text.strip())
    if not match:
        shown = text.strip()[:40].encode("unicode_escape").decode()
        raise Invalid(field, f"“{shown}” is not a date; write 2026-05-08 or 2026-05-08T14:30+02:00")
    part = match.groupdict()
    clock, zone = part["clock"] or "00:00", (part["zone"] or "").upper().replace("Z", "+00:00")
    try:
        date = f"{part['year']}-{part['month'] or '01'}-{part['day'] or '01'}"
        written = datetime.fromisoformat(f"{date}T{clock}{zone}")
        aware = written if zone else _local(written)
        minutes = round((aware.utcoffset() or timedelta()).total_seconds() / 60)
        at, precision = aware.astimezone(UTC), _precision(part)
        return Moment(at, precision, minutes, _end(written, precision) or at)
    except (ValueError, OverflowError, OSError) as error:
        raise Invalid(field, f"“{text.strip()[:40]}” is not a date: {error}") from None


def _end(written: datetime, precision: str) -> datetime | None:
    """Return where a year, month or day ends on the clocks here; None for a time of day."""
    try:
        if precision == "year":
            return placed(written.replace(year=written.year + 1))
        if precision == "month":
            return placed((written.replace(day=1) + timedelta(days=32)).replace(day=1))
        return placed(written + timedelta(days=1)) if precision == "day" else None
    except (ValueError, OverflowError):  # the calendar ends with the year 9999
        return datetime.max.replace(tzinfo=UTC)


@contextmanager
def written_in(zone: str, offset: int = 0) -> Iterator[None]:
    """Take what is parsed inside for local time of a zone such as Europe/Berlin.

    For a process that works for another one. Of a name that this system does not know `offset` is
    taken, in seconds east of UTC; without a name the process's own zone holds.
    """
    token = _here.set(_zone(zone, offset))
    try:
        yield
    finally:
        _here.reset(token)


def _zone(name: str, offset: int) -> tzinfo | None:
    if not name:
        return None
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name.removeprefix(":"))
    except (KeyError, ValueError, OSError):
        return timezone(timedelta(seconds=offset))


def _local(written: datetime) -> datetime:
    zone = _here.get()
    return written.replace(tzinfo=zone) if zone else written.astimezone()


def placed(wall: datetime) -> datetime:
    """Return the UTC moment at which the clocks here show `wall`, which has no zone.

    Raises `OverflowError` or `ValueError` at the calendar's ends.
    """
    return _local(wall).astimezone(UTC)


def wall_clock(at: datetime) -> datetime:
    """Return what the clocks here show at a moment, without a zone; UTC at the calendar's ends."""
    try:
        return at.astimezone(_here.get()).replace(tzinfo=None)
    except (OverflowError, ValueError, OSError):
        return at.replace(tzinfo=None)


def local_time(at: datetime, offset_min: int | None) -> datetime:
    """Return a moment as the clock showed it where it was written, or as it is where none could."""
    try:
        return at.astimezone(timezone(timedelta(minutes=offset_min or 0)))
    except (OverflowError, ValueError):  # the calendar's ends, and an offset that is none
        return at


_SHAPES = {"year": "%Y", "month": "%Y-%m", "day": "%Y-%m-%d"}


def happened_words(memory: Memory) -> str:
    """Return when a memory's thing happened, in its writer's time, as exactly as is known; or nothing."""
    if memory.happened_at is None:
        return ""
    shape = _SHAPES.get(memory.happened_precision or "")
    if shape is None:
        return wall_clock(memory.happened_at).strftime("%Y-%m-%d %H:%M:%S")
    return local_time(memory.happened_at, memory.utc_offset_min).strftime(shape)


def _precision(part: dict[str, str | None]) -> str:
    if part["clock"]:
        return "second" if part["clock"].count(":") > 1 else "minute"
    return "day" if part["day"] else "month" if part["month"] else "year"


def age(then: datetime, now: datetime) -> str:
    """Return how long ago something was as `2m`, `3h`, `4d`, `2w`, `5mo` or `1y`; `now` under a minute."""
    seconds = (now - then).total_seconds()
    if seconds <= -_MINUTE:
        return "in " + age(now, then)
    return next(
        (f"{int(seconds // size)}{unit}" for unit, size in _STEPS if seconds >= size), "now"
    )
