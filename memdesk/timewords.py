"""The words that tell a time, and whether a text or a question is about one: nothing but words and patterns.

English in full. Of other languages the words that mean nothing else: weekdays, months, yesterday,
and those that ask when.
"""

from __future__ import annotations

import re
from functools import cache

MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
"""A month's name; its first three letters say which."""
WEEKDAY = (
    r"(?:mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:r(?:s(?:day)?)?)?"
    r"|fri(?:day)?|sat(?:urday)?|sun(?:day)?)"
)
SEASON = r"(?:spring|summer|autumn|fall|winter)"
UNIT = r"(?:minute|hour|day|week|fortnight|month|quarter|year|decade)s?"
NUMBER = (
    r"(?:\d{1,4}(?:\.5)?|half an?|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
    r"|(?:thir|four|fif|six|seven|eigh|nine)teen|twenty|thirty|forty|fifty"
    r"|(?:a )?couple(?: of)?|(?:a )?few|several)"
)
YEAR = r"(?:1[5-9]|20)\d\d"
_YEAR_DIGITS = 4


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TOKEN = re.compile(r"[^\W\d_]+|\d+")
_TELLING = _words(
    "january february april june july august september october november december monday tuesday "
    "wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays fridays "
    "saturdays sundays today yesterday tomorrow tonight nowadays weekend weekends fortnight ago "
    "gestern vorgestern heute übermorgen montag dienstag mittwoch donnerstag freitag samstag sonntag "
    "januar februar märz juni juli oktober dezember hier aujourd demain lundi mardi mercredi jeudi "
    "vendredi samedi dimanche janvier février avril juillet août septembre octobre novembre "
    "décembre ayer hoy mañana lunes martes miércoles jueves viernes sábado domingo enero febrero "
    "abril mayo junio julio agosto septiembre octubre noviembre diciembre ieri oggi domani ontem "
    "amanhã hoje gisteren вчера сегодня завтра вчора wczoraj dzisiaj jutro"
)
_SPANS = _words(
    "minute minutes hour hours day days week weeks month months quarter quarters year years decade "
    "decades spring summer autumn fall winter morning afternoon evening night"
)
_MONTHS = _words("jan feb mar march apr may jun jul aug sep sept oct nov dec")
_COUNTS = _words(
    "one two three four five six seven eight nine ten eleven twelve few couple several last next "
    "past this previous every each"
)
_AT = _words("in on since during until till by of from around before after early late")
_FOR = _words("for in after within about")
_AFTER_NUMBER = frozenset(("am", "pm", "o", "年", "月", "日", "년", "월", "일"))
_WRITTEN = (
    r"\d(?:\d{3}-\d\d(?!\d)|\d?([./])\d{1,2}\1\d{2,4}(?!\d)|\d?:\d\d(?!\d)|\d?[年月日년월일])"
)
_FAR_EAST = "[昨今明]日|[昨今明]天|去年|今年|先週|先月|上周|上个月|어제|오늘|내일"
_WHEN = (
    r"^\W*(?:(?:and|so|but) )?(?:(?:since|until|till|from|by) )?when\b(?!ever)"
    r"|\bwhen (?:exactly |else )?(?:did|do|does|was|were|is|are|am|will|would|has|have|had|can|could"
    r"|should|shall)\b"
    r"|\b(?:what|which) (?:\w+ )?(?:year|month|week|day|date|time|weekday|season|decade)s?\b"
    r"|\bwhat(?:'s| is| was) the date\b|\bhow long\b"
    r"|\bhow many (?:hours|days|weeks|months|years)\b"
    r"|\b(?:wann|quand|cuándo|quando|wanneer|hvornår|kiedy|когда|коли|kdy|mikor|milloin|πότε)\b"
    r"|^\W*(?:cuando|när|når|când)\b|\bne zaman\b|\b(?:متى|מתי)\b"
    "|कब|เมื่อไ[หร]|什么时候|什麼時候|何时|何時|哪年|哪天|几月|いつ|언제"
)


_ENGLISH = (
    _words(
        "january february march april may june july august september october november december monday "
        "tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun "
        "today yesterday tomorrow tonight weekend ago fortnight q"
    )
    | _SPANS
    | _MONTHS
)


@cache
def pattern(text: str) -> re.Pattern[str]:
    """Return a compiled expression: large ones take milliseconds, so none is made at import."""
    return re.compile(text)


def tells_time(text: str) -> bool:
    """Tell whether a text holds a time expression: a date, a weekday, “last week”, “for 5 years”."""
    lower = text.lower()
    words = _TOKEN.findall(lower)
    if not _TELLING.isdisjoint(words):
        return True
    numbered = False
    for place, word in enumerate(words):
        number = word.isdecimal()
        numbered |= number
        if (number or word in _SPANS or word in _MONTHS) and _is_time(words, place):
            return True
    if numbered and pattern(_WRITTEN).search(lower):
        return True
    return not lower.isascii() and pattern(_FAR_EAST).search(lower) is not None


def may_name_period(question: str) -> bool:
    """Tell at once that most questions name no period; True says only that it is worth a look."""
    words = _TOKEN.findall(question.lower())
    if not _ENGLISH.isdisjoint(words):
        return True
    return any(len(word) == _YEAR_DIGITS and word.isdecimal() for word in words)


def _is_time(words: list[str], place: int) -> bool:
    """Tell whether the word at a place, a number, a unit or a month, is one of a time."""
    word = words[place]
    before = words[place - 1] if place else ""
    after = words[place + 1] if place + 1 < len(words) else ""
    if word in _SPANS:
        article = before in ("a", "an") and place > 1 and words[place - 2] in _FOR
        return before in _COUNTS or before.isdecimal() or article
    if word in _MONTHS:
        dated = after.isdecimal() or before.isdecimal() or before in ("st", "nd", "rd", "th")
        return dated or (before in _AT and word in ("may", "march"))
    year = len(word) == _YEAR_DIGITS and word[:2] in ("19", "20")
    return after in _AFTER_NUMBER or (year and (before in _AT or before in _SPANS))


def asks_when(question: str) -> bool:
    """Tell whether a question asks for a time: “when did”, “what year”, “how long”, “wann”."""
    return pattern(_WHEN).search(question.lower()) is not None
