"""Periods in words: what a person may give as a time, and what a question names."""

from __future__ import annotations

import subprocess
import sys
import time
import zoneinfo
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memdesk.errors import Invalid
from memdesk.moment import parse_moment, written_in
from memdesk.periods import parse_period, periods_in
from memdesk.timewords import asks_when, tells_time

NOW = datetime(2026, 11, 24, 10, 30, 20, tzinfo=UTC)
"""A Tuesday."""
ZONES = sorted(zoneinfo.available_timezones() - {"localtime"})


def on(text: str, now: datetime = NOW) -> tuple[str, str]:
    """Return start and end of a period on a clock in London, the end only where it is no moment."""
    with written_in("UTC"):
        period = parse_period(text, "since", now)
    moment = period.end - period.start == timedelta(microseconds=1)
    return _short(period.start), "" if moment else _short(period.end)


def _short(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}".removesuffix(":00").removesuffix("T00:00")


DAYS = [
    ("today", "2026-11-24"), ("yesterday", "2026-11-23"), ("Tomorrow", "2026-11-25"),
    ("the day before yesterday", "2026-11-22"), ("the day after tomorrow", "2026-11-26"),
    ("3 days ago", "2026-11-21"), ("two weeks ago", "2026-11-10"), ("a month ago", "2026-10-24"),
    ("three years ago", "2023-11-24"), ("a couple of days ago", "2026-11-22"),
    ("a few days ago", "2026-11-21"), ("in 3 days", "2026-11-27"), ("8 May", "2026-05-08"),
    ("8 May 2023", "2023-05-08"), ("May 8th", "2026-05-08"), ("May 8, 2023", "2023-05-08"),
    ("8th of May", "2026-05-08"), ("the 8th of May, 2023", "2023-05-08"), ("8 December", "2025-12-08"),
    ("24 november", "2026-11-24"), ("29 February", "2024-02-29"), ("Mon, 8 May 2023", "2023-05-08"),
    ("2023-05-08", "2023-05-08"), ("2023/05/08", "2023-05-08"), ("08.05.2023", "2023-05-08"),
    ("monday", "2026-11-23"), ("tuesday", "2026-11-24"), ("last friday", "2026-11-20"),
    ("last tuesday", "2026-11-17"), ("since tuesday", "2026-11-24"), ("on Friday", "2026-11-20"),
    ("next friday", "2026-11-27"), ("this friday", "2026-11-27"), ("next tuesday", "2026-12-01"),
    ("two days before 8 May 2023", "2023-05-06"), ("a week after 8 May 2023", "2023-05-15"),
    ("the day after 30 April 2023", "2023-05-01"),
    ("half a year ago", "2026-05-24"), ("thirteen days ago", "2026-11-11"), ("3d ago", "2026-11-21"),
    ("1.5 years ago", "2025-05-24"), ("a fortnight ago", "2026-11-10"), ("monday of last week", "2026-11-16"),
    # dateparser's part
    ("gestern", "2026-11-23"), ("vor zwei Wochen", "2026-11-10"), ("8. Mai 2023", "2023-05-08"),
    ("hier", "2026-11-23"), ("il y a trois jours", "2026-11-21"), ("8 mai 2023", "2023-05-08"),
    ("ayer", "2026-11-23"), ("hace 2 semanas", "2026-11-10"), ("8 de mayo de 2023", "2023-05-08"),
    ("вчера", "2026-11-23"), ("8 мая 2023", "2023-05-08"), ("昨天", "2026-11-23"),
    ("2023年5月8日", "2023-05-08"), ("昨日", "2026-11-23"), ("어제", "2026-11-23"), ("أمس", "2026-11-23"),
    ("wczoraj", "2026-11-23"), ("3 dagen geleden", "2026-11-21"),
]  # fmt: skip
RANGES = [
    ("last week", "2026-11-16", "2026-11-23"), ("this week", "2026-11-23", "2026-11-30"),
    ("next week", "2026-11-30", "2026-12-07"), ("the week before last", "2026-11-09", "2026-11-16"),
    ("last month", "2026-10-01", "2026-11-01"), ("this month", "2026-11-01", "2026-12-01"),
    ("last year", "2025-01-01", "2026-01-01"), ("the last quarter", "2026-07-01", "2026-10-01"),
    ("this decade", "2020-01-01", "2030-01-01"), ("the 1990s", "1990-01-01", "2000-01-01"),
    ("last spring", "2026-03-01", "2026-06-01"), ("last autumn", "2025-09-01", "2025-12-01"),
    ("this autumn", "2026-09-01", "2026-12-01"), ("in the summer of 2023", "2023-06-01", "2023-09-01"),
    ("winter 2023", "2023-12-01", "2024-03-01"), ("in May", "2026-05-01", "2026-06-01"),
    ("November", "2026-11-01", "2026-12-01"), ("last November", "2025-11-01", "2025-12-01"),
    ("december", "2025-12-01", "2026-01-01"), ("next May", "2027-05-01", "2027-06-01"),
    ("May 2023", "2023-05-01", "2023-06-01"), ("2023-05", "2023-05-01", "2023-06-01"),
    ("2023", "2023-01-01", "2024-01-01"), ("in 2023", "2023-01-01", "2024-01-01"),
    ("Q2 2024", "2024-04-01", "2024-07-01"), ("2024-Q2", "2024-04-01", "2024-07-01"),
    ("q4", "2026-10-01", "2027-01-01"), ("the weekend", "2026-11-21", "2026-11-23"),
    ("last weekend", "2026-11-21", "2026-11-23"), ("this weekend", "2026-11-28", "2026-11-30"),
    ("the week of 12 June 2023", "2023-06-12", "2023-06-19"),
    ("the month after May 2023", "2023-06-01", "2023-07-01"),
    ("the last 3 days", "2026-11-21T10:30:20", "2026-11-24T10:30:20"),
    ("past two weeks", "2026-11-10T10:30:20", "2026-11-24T10:30:20"),
    ("the past week", "2026-11-17T10:30:20", "2026-11-24T10:30:20"),
    ("between March and May 2024", "2024-03-01", "2024-06-01"),
    ("from November to February 2024", "2023-11-01", "2024-03-01"),
    ("8 to 12 May 2023", "2023-05-08", "2023-05-13"), ("May 8 - 12", "2026-05-08", "2026-05-13"),
    ("2021 to 2023", "2021-01-01", "2024-01-01"), ("early May 2023", "2023-05-01", "2023-05-11"),
    ("the end of May 2023", "2023-05-22", "2023-06-01"), ("mid-May", "2026-05-11", "2026-05-21"),
    ("May last year", "2025-05-01", "2025-06-01"), ("summer of last year", "2025-06-01", "2025-09-01"),
    ("5-7 June 2023", "2023-06-05", "2023-06-08"), ("June 5-7, 2023", "2023-06-05", "2023-06-08"),
    ("jan-mar 2023", "2023-01-01", "2023-04-01"), ("2023-05 - 2023-07", "2023-05-01", "2023-08-01"),
    ("yesterday to today", "2026-11-23", "2026-11-25"), ("Q1-Q2 2023", "2023-01-01", "2023-07-01"),
    ("2023-W19", "2023-05-08", "2023-05-15"), ("the year 2023", "2023-01-01", "2024-01-01"),
    ("the past hour", "2026-11-24T09:30:20", "2026-11-24T10:30:20"),
    ("the end of the month", "2026-11-21", "2026-12-01"),
    ("last sunday morning", "2026-11-22T06:00", "2026-11-22T12:00"),
    ("this morning", "2026-11-24T06:00", "2026-11-24T12:00"),
    ("last night", "2026-11-23T18:00", "2026-11-24T06:00"),
    ("tonight", "2026-11-24T18:00", "2026-11-25T06:00"),
    ("monday evening", "2026-11-23T18:00", "2026-11-24"),
    ("letzte Woche", "2026-11-16", "2026-11-23"), ("im Mai 2023", "2023-05-01", "2023-06-01"),
    ("la semaine dernière", "2026-11-16", "2026-11-23"), ("mayo de 2023", "2023-05-01", "2023-06-01"),
]  # fmt: skip
MOMENTS = [
    ("10 min ago", "2026-11-24T10:20"), ("2h ago", "2026-11-24T08:30"), ("2023-05-08 noon", "2023-05-08T12:00"), ("yesterday noon", "2026-11-23T12:00"),
    ("5 seconds ago", "2026-11-24T10:30:15"), ("30 sec ago", "2026-11-24T10:29:50"), ("a second ago", "2026-11-24T10:30:19"),
    ("now", "2026-11-24T10:30"), ("an hour ago", "2026-11-24T09:30"), ("5 minutes ago", "2026-11-24T10:25"),
    ("14:30", "2026-11-23T14:30"), ("at 9:15", "2026-11-24T09:15"), ("5pm", "2026-11-23T17:00"),
    ("12am", "2026-11-24"), ("yesterday at 5pm", "2026-11-23T17:00"), ("monday 8:05", "2026-11-23T08:05"),
    ("8 May 2023 at 2:30 pm", "2023-05-08T14:30"), ("2023-05-08T14:30+02:00", "2023-05-08T12:30"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "day"), DAYS)
def test_days(text: str, day: str) -> None:
    """A day is meant from midnight to midnight."""
    assert on(text) == (day, _short(datetime.fromisoformat(day) + timedelta(days=1)))


@pytest.mark.parametrize(("text", "start", "end"), RANGES)
def test_ranges(text: str, start: str, end: str) -> None:
    """A longer time ends where the next one begins."""
    assert on(text) == (start, end)


@pytest.mark.parametrize(("text", "at"), MOMENTS)
def test_moments(text: str, at: str) -> None:
    """A time of day is one moment, the latest there was when it has no day."""
    assert on(text) == (at, "")


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "soon", "banana", "10", "a", "5", "second", "march on", "may be", "monday.com", "2.14",
        "v1.2.3", "32 May", "May 32", "31 June 2023", "30 February", "2026-13-01", "2026-02-30",
        "26-1-1", "25:00", "14:75", "13pm", "0 pm", "her birthday", "8 to 5 May 2023 to", "the the",
        "99999 years ago", "9999 years ago", "between May and", "Q5 2024", "x" * 500, "2 sheds ago", "the party", "last hurrah", "next birthday", "12 h of it", "2023-W60", "\x1b[31m",
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    """What cannot be read names its field and repeats no escape."""
    with pytest.raises(Invalid, match=r"^until: .*is not a date") as caught:
        parse_period(text, "until", NOW)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_day_is_that_of_the_persons_zone() -> None:
    """Shortly after midnight in Tokyo, yesterday in London is the day before the day before."""
    late = datetime(2026, 11, 23, 16, tzinfo=UTC)  # 01:00 on the 24th in Tokyo
    with written_in("Asia/Tokyo"):
        there = parse_period("yesterday", "since", late)
    with written_in("Europe/London"):
        here = parse_period("yesterday", "since", late)
    assert there.start == datetime(2026, 11, 22, 15, tzinfo=UTC)
    assert here.start == datetime(2026, 11, 22, tzinfo=UTC)
    assert there.end == there.start + timedelta(days=1)


def test_days_are_as_long_as_clocks_show() -> None:
    """The day the clocks are put back has 25 hours, in words as in ISO."""
    with written_in("Europe/Berlin"):
        for text in ("25 October 2026", "2026-10-25"):
            period = parse_period(text, "since", NOW)
            assert period.end - period.start == timedelta(hours=25)


def test_last_is_the_last_moment_of_a_period() -> None:
    """Who looks back from a day looks back from its end; from a moment, from it."""
    with written_in("UTC"):
        assert (
            parse_period("2023-05-08", "as_of").last.isoformat()
            == "2023-05-08T23:59:59.999999+00:00"
        )
        assert parse_period("2023-05-08T14:30", "as_of").last == datetime(
            2023, 5, 8, 14, 30, tzinfo=UTC
        )


@given(st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)), st.sampled_from(ZONES))  # noqa: DTZ001
def test_iso_means_the_same_as_a_moment(at: datetime, zone: str) -> None:
    """Every ISO form is read as `parse_moment` reads it, in every zone."""
    with written_in(zone):
        for shape in ("%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S.%f"):
            text = at.strftime(shape)
            period, moment = parse_period(text, "at"), parse_moment(text, "at")
            assert (period.start, period.precision) == (moment.at, moment.precision)
            assert period.start < period.end
            assert period.end == moment.end or moment.precision in ("minute", "second")


PHRASES = [text for text, *_ in (*DAYS[:42], *RANGES[:-4], *MOMENTS)]


@settings(deadline=None)
@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(ZONES),
    st.sampled_from(PHRASES),
)
def test_every_period_has_a_beginning_before_its_end(now: datetime, zone: str, text: str) -> None:
    """Whatever the zone and the moment, a phrase is understood and is no empty time."""
    with written_in(zone):
        period = parse_period(text, "since", now)
    assert period.start < period.end


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_neighbours_touch(now: datetime) -> None:
    """Last, this and next follow each other without a gap, and this holds now."""
    with written_in("America/New_York"):
        for unit in ("week", "month", "quarter", "year"):
            three = [
                parse_period(f"{which} {unit}", "since", now) for which in ("last", "this", "next")
            ]
            assert all(first.end == second.start for first, second in pairwise(three))
            assert three[1].start <= now < three[1].end
        day = parse_period("today", "since", now)
        assert parse_period("yesterday", "since", now).end == day.start <= now < day.end


WORDS = st.sampled_from(
    [
        *" ".join(PHRASES).split(),
        "of",
        "the",
        "between",
        "and",
        "to",
        "ago",
        "9999",
        "0",
        "before",
        "after",
    ]
)


@settings(deadline=None)
@given(st.one_of(st.text(max_size=90), st.lists(WORDS, max_size=9).map(" ".join)))
def test_no_text_does_harm(text: str) -> None:
    """Any text is a period or `Invalid`, and any question names periods or none."""
    for period in periods_in(text, NOW):
        assert period.start < period.end
    assert tells_time(text) in (True, False)
    assert asks_when(text) in (True, False)
    with suppress(Invalid):
        period = parse_period(text, "since", NOW)
        assert period.start < period.end


QUESTIONS = [
    ("What did Ana do in May 2023?", ["May 2023"]), ("where did I go last summer", ["last summer"]),
    ("What happened two days before 8 May?", ["6 May"]), ("what was in the week of 12 June", ["week of 12 June"]),
    ("What did we decide between March and May 2024?", ["March to May 2024"]),
    ("what did I do in 2022", ["2022"]), ("Who did I meet on 8 may?", ["8 May"]),
    ("What did I do yesterday evening?", ["yesterday evening"]), ("Did I swim on Monday?", ["monday"]),
    ("What did we eat over the weekend?", ["the weekend"]), ("in Q2 2024 what did we ship", ["Q2 2024"]),
    ("the deploy of 2023-05-08", ["2023-05-08"]), ("and on 08.05.2023?", ["8 May 2023"]),
    ("In early May what broke?", ["early May"]), ("what did I buy from 8 to 12 May 2023?", ["8 to 12 May 2023"]),
    ("what about June 5-7, 2023?", ["5 to 7 June 2023"]), ("May last year, what was it?", ["May 2025"]),
    ("the summer of last year", ["summer 2025"]), ("what we did 5-7 June", ["5 to 7 June"]),
    ("What did Mel paint on 13 October, 2023?", ["13 October 2023"]), ("music of the 1990s", ["the 1990s"]),
    ("the meeting on May 8th, 2023", ["8 May 2023"]), ("What did I read last march?", ["last March"]),
    ("What did I do in May and in June 2020?", ["May", "June 2020"]), ("Who called today?", ["today"]),
    ("what did I learn in the last 3 days?", ["the last 3 days"]),
    ("Which plan did we make two months ago?", ["2026-09"]), ("what did I read a week ago?", ["last week"]),
    ("where was I in the summer of 2021, and why?", ["summer 2021"]), ("what did I plan on Friday", ["friday"]),
]  # fmt: skip


@pytest.mark.parametrize(("question", "named"), QUESTIONS)
def test_questions_name_periods(question: str, named: list[str]) -> None:
    """What a question names is what `parse_period` makes of the same words."""
    with written_in("Europe/Berlin"):
        expected = [parse_period(text, "since", NOW) for text in named]
        found = periods_in(question, NOW)
    assert [(each.start, each.end) for each in found] == [
        (each.start, each.end) for each in expected
    ]


@pytest.mark.parametrize(
    "question",
    [
        "may I ask you something", "what may be the reason", "they march on Rome", "the cat sat on the mat",
        "second chance for Bob", "the 2022 number", "version 2.14 of Python", "is monday.com used",
        "the meeting at 14:30", "who is April", "what did June say", "the sun is shining on sun cream",
        "in Spring Boot how do I configure", "fall in love", "wait a minute", "I have 3 days of holiday",
        "in 2000 words", "room 2019 is booked", "port 8080", "retry 5 times in 30 seconds", "E0308 error",
        "what did Sunday Times write", "Black Friday deals", "who is Wednesday Addams", "march 2 by 2",
        "what's the year", "how many days are left", "may 8 people come", "spring cleaning", "in v2022.1",
        "fix issue 2021-x", "the second quarter note", "src/2023/may.py", "a1b2 2023a", "this may be it",
        "call 030 2023 2024", "when did she leave?", "", "?",
    ],
)  # fmt: skip
def test_other_questions_name_none(question: str) -> None:
    """Verbs, names, versions and numbers are no dates."""
    assert periods_in(question, NOW) == ()


def test_since_and_before_are_open_to_one_side() -> None:
    """A question may name where a time begins, or where it ends."""
    with written_in("UTC"):
        year = parse_period("2020", "since")
        (before,), (since,) = (
            periods_in("before 2020", NOW),
            periods_in("what changed since 2020?", NOW),
        )
        (after,), (until,) = periods_in("after 2020", NOW), periods_in("until 2020", NOW)
    assert (before.end, since.start, after.start, until.end) == (
        year.start,
        year.start,
        year.end,
        year.end,
    )
    assert before.start.year == until.start.year == 1
    assert since.end.year == after.end.year == 9999


@pytest.mark.parametrize(
    "text",
    ["a few " * 200, "between " * 120, "may 8 " * 160, "the last " * 110, "2 days before " * 70, "8" * 1000],
)  # fmt: skip
def test_hostile_questions_cost_little(text: str) -> None:
    """No text sends the patterns astray."""
    periods_in("in May", NOW)  # the patterns are made once
    begun = time.process_time()
    periods_in(text, NOW)
    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("I met Bob on 8 May", True), ("we went there last week", True), ("she has danced for 5 years", True),
        ("in 2019 we moved", True), ("call at 3pm", True), ("at 14:30 sharp", True), ("tonight we eat", True),
        ("every morning I run", True), ("two years ago", True), ("since march", True), ("on 2023-05-08", True),
        ("it lasted a few hours", True), ("for a year", True), ("May 8th", True), ("am 3. Oktober", True),
        ("hier soir", True), ("vino ayer", True), ("昨日行った", True), ("2023年5月", True),
        ("may I", False), ("they march on", False), ("version 2.14", False), ("a second chance", False),
        ("wait a minute", False), ("chapter 12", False), ("a ratio of 3:2", False), ("", False),
        ("the dog is brown", False), ("what a day", False), ("8080", False),
    ],
)  # fmt: skip
def test_texts_that_tell_a_time(text: str, told: bool) -> None:
    """Dates, weekdays, spans and ages are times; numbers, verbs and names are none."""
    assert tells_time(text) is told


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("When did Ana move?", True), ("since when do we deploy daily", True), ("What year was it?", True),
        ("Which month did she leave?", True), ("how long ago was that", True), ("On what date is it", True),
        ("Wann war das?", True), ("quand est-ce arrivé", True), ("¿Cuándo fue?", True), ("Когда это было", True),
        ("いつ行きましたか", True), ("什么时候去的", True), ("do you know when did he call", True),
        ("What did she say when he left?", False), ("Whenever I go, who comes?", False), ("Who is it?", False),
        ("what is the name", False), ("", False),
    ],
)  # fmt: skip
def test_questions_that_ask_when(question: str, asked: bool) -> None:
    """A question after a time is told from one that only has a “when” in it."""
    assert asks_when(question) is asked


def test_dateparser_is_imported_for_other_languages_only() -> None:
    """English and ISO times, and every question, are read without it."""
    program = (
        "import sys; from memdesk.periods import parse_period, periods_in\n"
        "parse_period('2 weeks ago', 'since'); parse_period('2023-05', 'since')\n"
        "periods_in('was war im Mai, in May 2023 and last week?')\n"
        "assert 'dateparser' not in sys.modules\n"
        "parse_period('gestern', 'since'); assert 'dateparser' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
