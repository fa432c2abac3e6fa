"""Periods as people name them: “last week”, “8 May”, “Q2 2024”, alone or inside a question.

English and ISO 8601 are read by the grammar of `spans`; other languages, and only where somebody
gives a time and nothing else, by dateparser, which is imported then. It is not asked about questions:
it takes milliseconds to find nothing, and takes “a” and “10” for dates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from memdesk.errors import Invalid
from memdesk.memory import now as present
from memdesk.moment import parse_moment, placed, wall_clock
from memdesk.spans import DAY, Span, floor, one, read
from memdesk.timewords import MONTH, NUMBER, SEASON, UNIT, WEEKDAY, YEAR, may_name_period, pattern

_LONGEST = 80
"""The longest text that is taken for a time, in characters."""
_SEARCHED = 1000
"""How much of a question is searched for periods, in characters."""
_MOST = 8
_INSTANT = timedelta(microseconds=1)
_TIMES_OF_DAY = ("minute", "hour")
_EXAMPLES = "write 2026-05-08, May 2026, 8 May, last week, yesterday or 3 days ago"
_LANGUAGES = [
    "de",
    "fr",
    "es",
    "it",
    "pt",
    "nl",
    "sv",
    "da",
    "nb",
    "fi",
    "pl",
    "cs",
    "sk",
    "ru",
    "uk",
    "tr",
    "el",
    "ro",
    "hu",
    "ar",
    "he",
    "fa",
    "hi",
    "th",
    "vi",
    "id",
    "zh",
    "ja",
    "ko",
]  # fmt: skip
"""What dateparser is asked for: each language costs it a file of words, all 200 two seconds."""

_ENGLISH = (
    r"\b(?:ago|last|next|this|past|previous|the|before|after|of|from|about|(?:min|minute|hour|day|month"
    r"|year)s?|weeks|morning|evening|now)\b"
)
"""Words of which dateparser makes foreign ones: “2h ago” is no 2 August, what the grammar refused is none."""
_SHORTEST = 4
"""Letters of the shortest words that are given to dateparser (ayer, hier); it takes “do” for a Thursday."""


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time that somebody named."""

    start: datetime
    """In UTC."""
    end: datetime
    """The first moment after it, in UTC; a time of day lasts a microsecond."""
    precision: str
    """second, minute, day, week, month, season, year …: how it was named; span for a range."""

    @property
    def last(self) -> datetime:
        """The last moment in it: where one looks back from."""
        return self.end - _INSTANT


def parse_period(text: str, field: str, now: datetime | None = None) -> Period:
    """Return the period that a text names, on the clocks here (see `moment.written_in`).

    For `since` take its start, for `until` its end. Raises `Invalid` naming `field`.
    """
    words = _plain(text)
    if re.fullmatch(r"\d{4}(?:-\d\d[-\d.:+tz ]*)?", words) and " - " not in words:
        return _exactly(text, field)
    try:
        today = wall_clock(now or present())
        span = read(words, today) or _foreign(words, today)
        if span:
            return _placed(span)
    except (ValueError, OverflowError, OSError):  # no such day, or beyond the calendar
        pass
    shown = text.strip()[:40].encode("unicode_escape", "replace").decode()
    raise Invalid(field, f"“{shown}” is not a date or a time that memdesk knows; {_EXAMPLES}")


def _plain(text: str) -> str:
    if len(text) > _LONGEST:
        return ""
    return " ".join(text.lower().replace(",", " ").replace("’", "'").split())


def _exactly(text: str, field: str) -> Period:
    moment = parse_moment(text, field)
    return Period(moment.at, max(moment.end, moment.at + _INSTANT), moment.precision)


def _placed(span: Span) -> Period:
    start = placed(span.start)
    if span.precision in _TIMES_OF_DAY:
        return Period(start, start + _INSTANT, span.precision)
    # Clocks that are put forward skip what they never showed: Samoa had no 30 December 2011.
    return Period(start, max(placed(span.end), start + _INSTANT), span.precision)


# Other languages


def _foreign(words: str, today: datetime) -> Span | None:
    """Return what dateparser makes of words in another language than English."""
    letters = pattern(rf"\b{MONTH}\b|[\W\d_]").sub("", words)
    dated = pattern(rf"\b{YEAR}\b").search(words)
    telling = len(letters) >= (_SHORTEST - 1 if dated else _SHORTEST) or not letters.isascii()
    if not letters or not telling or pattern(_ENGLISH).search(words):
        return None
    from dateparser.date import DateDataParser

    base = floor("minute", today)
    settings = {
        "RELATIVE_BASE": base,
        "PREFER_DATES_FROM": "past",
        "PREFER_DAY_OF_MONTH": "first",
        "PREFER_MONTH_OF_YEAR": "first",
        "RETURN_TIME_AS_PERIOD": True,
        "RETURN_AS_TIMEZONE_AWARE": False,
        "PARSERS": ["relative-time", "absolute-time"],
    }
    found = DateDataParser(languages=_LANGUAGES, use_given_order=True, settings=settings)
    try:
        known = found.get_date_data(words)
    except Exception:  # noqa: BLE001 - whatever it trips over in a hostile text: that is no date
        return None
    if known.date_obj is None:
        return None
    unit = "minute" if known.period == "time" else known.period
    at = known.date_obj.replace(tzinfo=None)
    days = abs((at - base).days)
    if unit == "week" and (days > 7 or re.search(r"\d", words)):  # noqa: PLR2004
        return one("day", at)  # “vor zwei Wochen” is a day, “letzte Woche” a week
    return one(unit, floor(unit, at))


# Inside a question

_WHICH = "last|previous|past|this|next|coming"
_PREPOSITION = "in|on|during|since|until|till|through|throughout|before|after|around|by|for|of|from|early|mid|late"
_YEARS = rf"(?:{YEAR}|(?:last|this|next) year)"
_PART = "morning|afternoon|evening|night"
_FULL = (
    r"\d{4}-\d\d(?:-\d\d)?|\d{1,2}\.\d{1,2}\.\d{4}"
    rf"|{DAY}(?: of)? {MONTH}\b\.?(?:,? (?:of )?{_YEARS})?"
    rf"|{MONTH}\b\.?,? (?:of )?{_YEARS}|{MONTH}\b\.? (?:the )?{DAY}(?:,? {YEAR})?(?![:%\d])"
    rf"|{SEASON} (?:of )?{_YEARS}|q[1-4] (?:of )?{YEAR}|{YEAR} q[1-4]|{YEAR[:-4]}\d0s"
    rf"|(?:last|past|previous|next|coming) {NUMBER} {UNIT}|{NUMBER} {UNIT} ago"
    rf"|(?:{_WHICH}) (?:week|weekend|month|quarter|year|decade|{SEASON}|{MONTH}|{WEEKDAY}(?: (?:{_PART}))?)"
    rf"|(?:this|last|yesterday|tomorrow|{WEEKDAY}) (?:{_PART})"
    r"|day before yesterday|day after tomorrow|today|yesterday|tomorrow|tonight"
    r"|(?:week|month|year) before last|(?<=the )weekend"
)
_BARE = rf"(?P<month>{MONTH})|(?P<year>{YEAR})|(?P<season>{SEASON})|(?P<weekday>{WEEKDAY})|(?P<quarter>q[1-4])"
_INNER = re.sub(r"\?P<\w+>", "?:", rf"(?:the )?(?:{_FULL}|{_BARE})")
_NAMED = (
    r"(?i)(?<![\w.@/'-])(?:"
    rf"(?P<range>(?:between|from) (?:{_INNER}|{DAY}) (?:and|to|until|till|through) (?:{_INNER}|{DAY}\b)"
    rf"|{MONTH} \d{{1,2}} ?[-–] ?\d{{1,2}}\b(?:,? {YEAR})?(?![:%])|\d{{1,2}} ?[-–] ?{DAY} {MONTH}\b(?:,? {YEAR})?"
    rf"|{MONTH} ?[-–] ?{MONTH} {YEAR}|q[1-4] ?[-–] ?q[1-4] {YEAR})"
    rf"|(?P<beside>(?:the )?(?:{NUMBER} {UNIT}|day|week|month|year) (?:before|after|following) {_INNER})"
    rf"|(?P<around>(?:week|weekend|month|year) of {_INNER})"
    rf"|(?:(?P<preposition>{_PREPOSITION}) )?(?:the )?(?:(?P<full>{_FULL})|{_BARE})"
    r")(?![\w@]|[.:,/-]\w)"
)
_NEEDED = {
    "month": frozenset(("in", "during", "since", "until", "till", "through", "throughout", "before", "after", "around", "early", "mid", "late")),
    "weekday": frozenset(("on", "since", "until", "till", "by", "before", "after", "for")),
}  # fmt: skip
_FOR_YEARS = _NEEDED["month"] | {"by", "of", "from"}
_SURE = frozenset(("in", "on", "since", "until", "till", "during"))
"""Prepositions after which also “may” and “march” in small letters are months."""
_DOUBTFUL = r"\b(?:may|mar|march|sun|mon|sat|wed|fri|thu|tue)\b"
_COUNTED = r" (?!(?:was|has|is|does|his|this|as|us|its)\b)[a-z]+s\b"
"""After a number: then it counts things and is no year."""


def periods_in(text: str, now: datetime | None = None) -> tuple[Period, ...]:
    """Return the dates and ranges that a question names, in its order; better none than a wrong one.

    “Since” and “before” make ranges that are open to one side. A time of day alone is none.
    """
    if not may_name_period(text):
        return ()
    today = wall_clock(now or present())
    found = pattern(_NAMED).finditer(" ".join(text[:_SEARCHED].split()))
    named = (_named(match, today) for match in found if not _doubted(match))
    return tuple(dict.fromkeys(period for period in named if period))[:_MOST]


def _named(match: re.Match[str], today: datetime) -> Period | None:
    words = _plain(match[0])
    preposition = (match["preposition"] or "").lower()
    if preposition in ("before", "after", "through", "throughout", "for"):
        words = words.removeprefix(preposition).strip()
    try:
        span = read(words, today)
        if span is None:
            return None
        if words.endswith(" ago") and span.precision == "day":
            unit = words.split()[-2].removesuffix("s")
            span = one(unit, floor(unit, span.start))  # nobody counts the days of “two months ago”
        return _opened(_placed(span), preposition)
    except (ValueError, OverflowError, OSError):
        return None


def _opened(period: Period, preposition: str) -> Period:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    if preposition in ("since", "after"):
        return Period(period.start if preposition == "since" else period.end, last, "span")
    if preposition in ("until", "till", "before"):
        return Period(first, period.start if preposition == "before" else period.end, "span")
    return period


def _doubted(match: re.Match[str]) -> bool:
    """Tell whether what looks like a time may be a verb, a name or a number."""
    if any(match[name] for name in ("range", "beside", "around")):
        return False
    preposition = (match["preposition"] or "").lower()
    rest = match.string[match.end() :]
    if not match["full"]:
        return _bare_is_doubted(match, preposition, rest)
    words = match["full"]
    sure = pattern(rf"\b{_YEARS}\b|\d(?:st|nd|rd|th)\b|^(?i:last|next|previous)\b").search(words)
    return not sure and preposition not in _SURE and bool(pattern(_DOUBTFUL).search(words))


def _bare_is_doubted(match: re.Match[str], preposition: str, rest: str) -> bool:
    """Tell whether a year, weekday, month, quarter or season that stands alone may be none."""
    if match["year"]:
        return preposition not in _FOR_YEARS or bool(pattern(_COUNTED).match(rest))
    doubtful = bool(pattern(_DOUBTFUL).search(match[0]))
    if match["weekday"]:
        last = not preposition and not rest.strip(" ?.!") and match["weekday"].endswith("day")
        return doubtful or not (last or preposition in _NEEDED["weekday"])
    if preposition not in _NEEDED["month"]:
        return True
    if match["season"]:  # “in Spring Boot”
        return match["season"][0].isupper() and rest[:1] == " " and rest[1:2].isupper()
    return doubtful and preposition not in _SURE
