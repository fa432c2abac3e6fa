"""A small grammar of dates and stretches of time in English, on a person's wall clock.

What has no year is the latest that has begun: memories are of the past. Weeks begin on Monday,
seasons are the northern, meteorological ones.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from memdesk.timewords import MONTH, NUMBER, SEASON, UNIT, WEEKDAY, YEAR, pattern

if TYPE_CHECKING:
    from collections.abc import Callable

DAY = r"\d{1,2}(?:st|nd|rd|th|\.)?"
_DEEPEST = 4
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
_NUMBERS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40,
    "fifty": 50, "couple": 2, "few": 3, "several": 4,
}  # fmt: skip
_PARTS = {"morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24), "night": (18, 30)}
"""Where the parts of a day begin and end, in hours."""
_NAMED_HOURS = {"midnight": "0", "noon": "12"}
_STEPS = {"last": -1, "previous": -1, "past": -1, "next": 1, "coming": 1}
_NOON = 12
_SATURDAY = 5
_LEADING = r"(?:(?:since|until|till|from|on|in|at|by|of|during|over|around|about|the) )+"


class Span(NamedTuple):
    """A period on the person's clock, without a zone."""

    start: datetime
    end: datetime
    """The first moment after it."""
    precision: str


# The grammar: each reader takes the words that its pattern matched whole.


def read(words: str, today: datetime, depth: int = 0) -> Span | None:
    """Return the span that plain words name, or None; raises `ValueError` for no such date."""
    if depth > _DEEPEST or not words:
        return None
    bare = pattern(_LEADING).sub("", words, count=1) if pattern(_LEADING).match(words) else words
    for each in dict.fromkeys((words, bare)):
        for shape, reader in _READERS:
            match = pattern(shape).fullmatch(each)
            if match and (span := reader(match, today, depth + 1)):
                return span
    return None


def _dated(match: re.Match[str], today: datetime, _: int) -> Span:
    """8 May 2023, May 8th, 08.05.2023, 2023-05-08."""
    part = match.groupdict()
    month = _month_number(part["month"])
    day = int(re.sub(r"\D", "", part["day"]))
    year = part.get("year")
    if year:
        return one("day", datetime(_year(year, today), month, day))
    for back in range(
        today.year, today.year - 9, -1
    ):  # a 29 February is every eight years at least
        if _exists(back, month, day) and datetime(back, month, day) <= today:
            return one("day", datetime(back, month, day))
    raise ValueError(day)


def _exists(year: int, month: int, day: int) -> bool:
    try:
        datetime(year, month, day)
    except ValueError:
        return False
    return True


def _month_number(name: str) -> int:
    return int(name) if name.isdecimal() else _MONTHS.index(name[:3]) + 1


def _year(words: str, today: datetime) -> int:
    """Return the number of a year: 2023, last year."""
    return (
        int(words) if words.isdecimal() else today.year + _STEPS.get(words.removesuffix(" year"), 0)
    )


def _monthly(match: re.Match[str], today: datetime, _: int) -> Span:
    """May, last May, May 2023."""
    month, year = _month_number(match["month"]), match["year"]
    first = datetime(_year(year, today) if year else today.year, month, 1)
    return one("month", first) if year else _latest("month", first, match["which"], today)


def _seasonal(match: re.Match[str], today: datetime, _: int) -> Span:
    """Last spring, summer 2023; a winter is of the year that it begins in."""
    year = match["year"]
    first = datetime(_year(year, today) if year else today.year, _SEASONS[match["season"]], 1)
    return one("season", first) if year else _latest("season", first, match["which"], today)


def _quarterly(match: re.Match[str], today: datetime, _: int) -> Span:
    """Q2 2024, 2024 Q2, Q2."""
    part = match.groupdict()
    quarter, year = part["quarter"] or part["quarter2"], part["year"] or part["year2"]
    first = datetime(_year(year, today) if year else today.year, 3 * int(quarter) - 2, 1)
    return one("quarter", first) if year else _latest("quarter", first, None, today)


def _latest(unit: str, first: datetime, which: str | None, today: datetime) -> Span:
    """Return what comes once a year: the latest that has begun, or the last that is over, or the next."""
    step = _STEPS.get(which or "", 0)
    if which == "this":
        return one(unit, first)
    if first > today:
        first = _moved(first, "year", -1)
    if step < 0 and _end(unit, first) > today:
        first = _moved(first, "year", -1)
    return one(unit, _moved(first, "year", 1) if step > 0 else first)


def _yearly(match: re.Match[str], _: datetime, __: int) -> Span:
    """2023, the 1990s."""
    year = int(match["year"])
    return one("decade" if match["s"] else "year", datetime(year, 1, 1))


def _weekly(match: re.Match[str], today: datetime, _: int) -> Span:
    """Monday (today or before), last Friday (before today), this Friday (of this week), next Friday."""
    which = match["which"]
    day = floor("day", today)
    ahead = (_WEEKDAYS.index(match["weekday"][:3]) - day.weekday()) % 7
    if which == "this":
        return one("day", floor("week", today) + timedelta(days=(ahead + day.weekday()) % 7))
    if which in ("next", "coming"):
        return one("day", day + timedelta(days=ahead or 7))
    back = ahead - 7 if ahead or which else 0
    return one("day", day + timedelta(days=back))


def _weekday_of(match: re.Match[str], today: datetime, depth: int) -> Span | None:
    """Monday of last week."""
    week = read(match["base"], today, depth)
    if week is None or week.precision != "week":
        return None
    return one("day", week.start + timedelta(days=_WEEKDAYS.index(match["weekday"][:3])))


def _iso_week(match: re.Match[str], _: datetime, __: int) -> Span:
    """2023-W19, as ISO 8601 counts weeks."""
    return one("week", datetime.fromisocalendar(int(match["year"]), int(match["week"]), 1))


def _counted(match: re.Match[str], today: datetime, _: int) -> Span:
    """Last week, this month, the weekend, the week before last."""
    unit, which = match["unit"], match["which"] or ""
    first = floor(unit, today)
    step = -2 if match["before"] else _STEPS.get(which, 0)
    if which == "past":
        return Span(_moved(today, unit, -1), today, "span")
    if unit == "weekend" and not step and which != "this" and first > today:
        step = -1  # a bare one is the last that has begun
    return one(unit, _moved(first, unit, step))


def _rolling(match: re.Match[str], today: datetime, _: int) -> Span:
    """The last 3 days, the past two weeks, the next 5 days."""
    size = _number(match["number"] or "one") * _STEPS[match["which"]]
    other = _moved(today, match["unit"], size)
    return Span(min(today, other), max(today, other), "span")


def _distant(match: re.Match[str], today: datetime, _: int) -> Span:
    """3 days ago, an hour ago, 30 seconds ago, in two weeks."""
    unit, number = match["unit"], _number(match["number"])
    unit = _SHORT.get(unit.removesuffix("s"), unit)
    at = _moved(today, unit, -number if match["ago"] else number)
    if unit[:3] == "sec":
        return Span(at, at, "second")
    return one("minute" if unit[:4] in ("minu", "hour") else "day", at)


def _named(match: re.Match[str], today: datetime, _: int) -> Span:
    """Today, yesterday, the day before yesterday, now."""
    if match[0] == "now":
        return one("minute", today)
    steps = {"day before yesterday": -2, "yesterday": -1, "today": 0, "tomorrow": 1}
    days = steps.get(match[0], 2)
    return one("day", today + timedelta(days=days))


def _part_of_day(match: re.Match[str], today: datetime, depth: int) -> Span | None:
    """This morning, yesterday evening, last night, tonight."""
    day, part = match["day"] or "this", match["part"] or "night"
    named = {"this": "today", "last": "yesterday"}.get(day, day)
    span = read(named, today, depth)
    if span is None or span.precision != "day":
        return None
    begin, end = (timedelta(hours=hour) for hour in _PARTS[part])
    return Span(span.start + begin, span.start + end, "part of a day")


def _clocked(match: re.Match[str], today: datetime, depth: int) -> Span | None:
    """14:30, 5pm, yesterday at 5pm, 8 May 2023 14:30."""
    hour, minute = int(_NAMED_HOURS.get(match["hour"], match["hour"])), int(match["minute"] or 0)
    if match["half"]:
        if not 1 <= hour <= _NOON:
            return None
        hour = hour % _NOON + (_NOON if match["half"] == "p" else 0)
    day = read(match["day"], today, depth) if match["day"] else one("day", today)
    if day is None or day.precision != "day":
        return None
    at = day.start.replace(hour=hour, minute=minute)
    if not match["day"] and at > today:
        at -= timedelta(days=1)
    return one("minute" if match["minute"] else "hour", at)


def _beside(match: re.Match[str], today: datetime, depth: int) -> Span | None:
    """Two days before 8 May, the week after Easter's date."""
    base = read(match["base"], today, depth)
    if base is None:
        return None
    unit, single = match["unit"].removesuffix("s"), match["number"] is None
    sign = -1 if match["side"] == "before" else 1
    if single and unit != "day":
        return one(unit, _moved(floor(unit, base.start), unit, sign))
    number = 1 if single else _number(match["number"])
    return one("day", _moved(base.start, unit, sign * number))


def _around(match: re.Match[str], today: datetime, depth: int) -> Span | None:
    """The week of 12 June: the one that the day is in."""
    base = read(match["base"], today, depth)
    return base and one(match["unit"], floor(match["unit"], base.start))


def _third(match: re.Match[str], today: datetime, depth: int) -> Span | None:
    """Early May, mid 2023, the end of last summer: a third of it."""
    base = read(match["base"], today, depth)
    if base is None:
        return None
    word = match["third"]
    third = timedelta(days=max(1, (base.end - base.start).days // 3))
    place = 0 if word[:5] in ("early", "start", "begin") else 1 if word[:3] == "mid" else 2
    start = base.end - third if place == 2 else base.start + place * third  # noqa: PLR2004
    return Span(start, start + third, base.precision)


def _ranged(match: re.Match[str], today: datetime, depth: int) -> Span | None:
    """Between March and May 2024, 8 to 12 May, from Monday to Friday."""
    first, second = match["first"], match["second"]
    named = pattern(MONTH).search(second if re.fullmatch(DAY, first) else first)
    if named and re.fullmatch(DAY, first):
        first = f"{first} {named[0]}"
    elif named and re.fullmatch(rf"{DAY}(?: {YEAR})?", second):
        second = f"{named[0]} {second}"
    end = read(second, today, depth)
    start = end and read(first, today, depth)
    year = pattern(rf"\b{YEAR}\b")
    if (
        start
        and end
        and (start.start >= end.end or (year.search(second) and not year.search(first)))
    ):
        start = read(first, end.end - timedelta(microseconds=1), depth)
    if not start or not end or start.start >= end.end:
        return None
    return Span(start.start, end.end, "span")


# The calendar


def one(unit: str, at: datetime) -> Span:
    """Return the unit that begins at `at`; a day, an hour or a minute is the one that it is in."""
    start = floor(unit, at) if unit in ("minute", "hour", "day", "decade") else at
    return Span(start, _end(unit, start), "day" if unit == "weekend" else unit)


def floor(unit: str, at: datetime) -> datetime:
    """Return when the unit that a moment is in began; of a weekend, that of its week."""
    at = at.replace(second=0, microsecond=0)
    if unit == "minute":
        return at
    at = at.replace(minute=0)
    if unit == "hour":
        return at
    at = at.replace(hour=0)
    if unit in _DAYS:
        back = 0 if unit == "day" else at.weekday() - (_SATURDAY if unit == "weekend" else 0)
        return at - timedelta(days=back)
    months = _MONTHS_OF[unit] if unit != "decade" else 12
    year = at.year - at.year % 10 if unit == "decade" else at.year
    return at.replace(year=year, month=at.month - (at.month - 1) % months, day=1)


def _end(unit: str, start: datetime) -> datetime:
    if unit == "weekend":
        return start + timedelta(days=2)
    if unit == "season":
        return _moved(start, "month", 3)
    return _moved(start, unit, 1)


_SHORT = {"sec": "second", "min": "minute", "hr": "hour", "h": "hour", "d": "day", "w": "week"}
_DAYS = {"day": 1, "week": 7, "weekend": 7, "fortnight": 14}
_MONTHS_OF = {"month": 1, "quarter": 3, "year": 12, "decade": 120}


def _moved(at: datetime, unit: str, number: float) -> datetime:
    """Return a moment so many units later; the 31st of a short month is its last day."""
    unit = unit.removesuffix("s")
    if unit in _DAYS:
        return at + timedelta(days=_DAYS[unit] * number)
    if unit not in _MONTHS_OF:
        return at + timedelta(**{unit + "s": number})
    months = at.year * 12 + at.month - 1 + round(_MONTHS_OF[unit] * number)
    first = at.replace(year=months // 12, month=months % 12 + 1, day=1)
    return first + timedelta(days=min(at.day, _length(first)) - 1)


def _length(first: datetime) -> int:
    """Return how many days the month has that begins on a day."""
    return ((first + timedelta(days=31)).replace(day=1) - first).days


def _number(words: str) -> float:
    if words[0].isdecimal():
        return float(words)
    if words.startswith("half"):
        return 0.5
    word = words.removeprefix("a ").split()[0]
    return _NUMBERS.get(word, 1)


_WHICH = r"(?:(?P<which>last|previous|past|this|next|coming) )?"
_ON = rf"(?:{WEEKDAY} )?(?:the )?"
_IN_YEAR = rf"(?: (?:of )?(?P<year>{YEAR}|(?:last|this|next) year))?"
_SINGLE = r"(?P<unit>week|weekend|month|quarter|year|decade)"
_AT = r"(?:(?P<day>.+?)(?: at)? )??"
_READERS: tuple[tuple[str, Callable[[re.Match[str], datetime, int], Span | None]], ...] = (
    (r"(?P<year>\d{4})[-/](?P<month>\d\d)[-/](?P<day>\d\d)", _dated),
    (r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})", _dated),
    (rf"{_ON}(?P<day>{DAY})(?: of)? (?P<month>{MONTH})\.?{_IN_YEAR}", _dated),
    (rf"{_ON}(?P<month>{MONTH})\.? (?:the )?(?P<day>{DAY})(?: (?P<year>{YEAR}))?", _dated),
    (r"(?P<which>\Z)?(?P<year>\d{4})[-/](?P<month>\d\d)", _monthly),
    (rf"{_WHICH}(?P<month>{MONTH})\.?{_IN_YEAR}", _monthly),
    (rf"{_WHICH}(?P<season>{SEASON}){_IN_YEAR}", _seasonal),
    (rf"q(?P<quarter>[1-4])(?: (?:of )?(?P<year>{YEAR}))?|(?P<year2>{YEAR})[ -]q(?P<quarter2>[1-4])",
     _quarterly),
    (rf"(?:year )?(?P<year>{YEAR})(?P<s>(?<=0)s)?", _yearly),
    (r"(?P<year>\d{4})-?w(?P<week>\d\d)", _iso_week),
    (rf"{_WHICH}(?P<weekday>{WEEKDAY})", _weekly),
    (r"(?P<which>last|previous|past|this|current|next|coming) " + _SINGLE + r"(?P<before>\Z)?", _counted),
    (r"(?P<which>\Z)?" + _SINGLE + r"(?P<before> before last)", _counted),
    (r"(?P<which>\Z)?" + _SINGLE + r"(?P<before>\Z)?", _counted),
    (r"(?P<which>last|past|next) (?P<number>\Z)?(?P<unit>hour|day)", _rolling),
    (rf"(?P<which>last|past|previous|next|coming) (?P<number>{NUMBER}) (?P<unit>{UNIT})", _rolling),
    (rf"(?P<number>{NUMBER}) (?P<unit>{UNIT}) (?:(?P<ago>ago)|from now)", _distant),
    (rf"(?P<number>{NUMBER}) ?(?P<unit>sec(?:ond)?s?|mins?|hrs?|[hdw]) (?P<ago>ago)", _distant),
    (rf"in (?P<number>{NUMBER}) (?P<unit>{UNIT})(?P<ago>(?!))?", _distant),
    (r"now|today|yesterday|tomorrow|day before yesterday|day after tomorrow", _named),
    (r"tonight(?P<day>\Z)?(?P<part>(?!))?", _part_of_day),
    (rf"(?P<day>this|last|yesterday|today|tomorrow|(?:(?:this|last|next) )?{WEEKDAY}) (?P<part>morning|afternoon|evening|night)",
     _part_of_day),
    (_AT + r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d))? ?(?P<half>[ap])\.?m\.?", _clocked),
    (_AT + r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?P<half>(?!))?", _clocked),
    (_AT + r"(?P<hour>noon|midnight)(?P<minute>(?!))?(?P<half>(?!))?", _clocked),
    (rf"(?P<weekday>{WEEKDAY}) (?:of )?(?:the )?(?P<base>.*week.*)", _weekday_of),
    (rf"(?P<number>{NUMBER}) (?P<unit>{UNIT}) (?P<side>before|after) (?P<base>.+)", _beside),
    (r"(?P<number>(?!))?(?P<unit>day|week|month|year) (?P<side>before|after|following) (?P<base>.+)",
     _beside),
    (r"(?P<unit>week|weekend|month|quarter|year) of (?P<base>.+)", _around),
    (r"(?P<third>early|mid|late|start of|beginning of|middle of|end of)[ -](?P<base>.+)", _third),
    (r"between (?P<first>.+?) and (?P<second>.+)", _ranged),
    (r"(?P<first>(?:[a-z]{3,9} )?\d{1,2}|[a-z]{3,9}|q\d) ?[-–] ?(?P<second>.+)", _ranged),
    (r"(?P<first>.+?) ?(?: to | until | till | through |–| - ) ?(?P<second>.+)", _ranged),
)  # fmt: skip
