"""Dates as people write them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdesk.errors import Invalid
from memdesk.moment import age, local_time, parse_moment, placed, wall_clock, written_in

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@pytest.fixture(autouse=True)
def _in_berlin() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("text", "at", "precision", "end"),
    [
        ("2026", "2025-12-31T23:00", "year", "2026-12-31T23:00"),
        ("2026-02", "2026-01-31T23:00", "month", "2026-02-28T23:00"),
        ("2026-05-08", "2026-05-07T22:00", "day", "2026-05-08T22:00"),
        ("2026-05-08T14:30Z", "2026-05-08T14:30", "minute", "2026-05-08T14:30"),
        ("2026-05-08 14:30+02:00", "2026-05-08T12:30", "minute", "2026-05-08T12:30"),
        ("2026-05-08T14:30:15", "2026-05-08T12:30:15", "second", "2026-05-08T12:30:15"),
    ],
)
def test_iso_dates_keep_their_precision(text: str, at: str, precision: str, end: str) -> None:
    """A date is local time without an offset, and ends when its stated period does."""
    moment = parse_moment(text, "since")
    assert moment.at == datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert moment.precision == precision
    assert moment.end == datetime.fromisoformat(end).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "soon", "2026-13-01", "2026-02-30", "26-1-1", "2026-05-08T25:00", "0000", "\x1b["]
)
def test_what_is_no_date_is_refused(text: str) -> None:
    """A date that does not exist or cannot be read names the field and repeats no escape."""
    with pytest.raises(Invalid, match=r"^until: ") as caught:
        parse_moment(text, "until")
    assert "\x1b" not in str(caught.value)


def test_the_last_year_has_an_end() -> None:
    """A period that ends with the calendar ends there."""
    assert parse_moment("9999", "until").end.year == 9999


@given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001 (hypothesis wants it so)
def test_every_moment_survives_its_iso_form(at: datetime) -> None:
    """A moment written with its offset is read as itself."""
    at = at.replace(tzinfo=UTC)
    assert parse_moment(at.isoformat(), "at").at == at


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "now"), (59, "now"), (60, "1m"), (7200, "2h"), (86400 * 4, "4d"), (86400 * 15, "2w"),
     (86400 * 160, "5mo"), (86400 * 800, "2y"), (-90, "in 1m"), (-30, "now")],
)  # fmt: skip
def test_ages_are_short_words(seconds: int, words: str) -> None:
    """An age is its largest whole unit."""
    now = datetime(2026, 11, 21, tzinfo=UTC)
    assert age(now - timedelta(seconds=seconds), now) == words


def test_local_time_is_that_of_a_caller_elsewhere() -> None:
    """A process that works for another takes dates as that one means them."""
    with written_in("Asia/Tokyo"):
        there = parse_moment("2026-05-08T09:00", "at")
    assert (there.at, there.utc_offset_min) == (datetime(2026, 5, 8, tzinfo=UTC), 540)
    with written_in("Asia/Tokyo"):
        assert parse_moment("2026-05-08T09:00Z", "at").utc_offset_min == 0


@pytest.mark.parametrize("zone", ["Nowhere/At All", "../../etc/passwd", "EST5", "/etc", "x\0"])
def test_an_unknown_zone_is_its_offset(zone: str) -> None:
    """What a system does not know by name is known by its distance from UTC."""
    with written_in(zone, -5 * 3600):
        assert parse_moment("2026-05-08T09:00", "at").utc_offset_min == -300


def test_without_a_zone_ones_own_holds() -> None:
    """Most processes name none."""
    here = parse_moment("2026-05-08T09:00", "at")
    with written_in(""):
        assert parse_moment("2026-05-08T09:00", "at") == here


@pytest.mark.parametrize(
    ("text", "hours"),
    [("2026-03-29", 23), ("2026-10-25", 25), ("2026-03", 24 * 31 - 1), ("2026", 24 * 365)],
)
def test_periods_end_where_clocks_say_so(text: str, hours: int) -> None:
    """A day or month in which the clocks change is an hour shorter or longer."""
    moment = parse_moment(text, "until")
    assert moment.end - moment.at == timedelta(hours=hours)


@given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001 (hypothesis wants it so)
def test_a_wall_clock_shows_what_was_placed(wall: datetime) -> None:
    """From a clock on the wall to UTC and back is no change, where the clock showed it at all."""
    with written_in("Asia/Kolkata"):  # its clocks have never been put forward since 1945
        assert wall_clock(placed(wall)) == wall


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Auckland"])
@pytest.mark.parametrize("at", [FIRST, LAST])
def test_the_ends_of_the_calendar_are_told_in_utc(
    zone: str, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No clock here can show them, and an offset that is none changes nothing."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    assert wall_clock(at).year == at.year
    assert local_time(at, -600 if at == FIRST else 600) == at
    assert local_time(at, -1440) == at
    for minutes in (-600, 600):
        assert local_time(at, minutes).year == at.year
