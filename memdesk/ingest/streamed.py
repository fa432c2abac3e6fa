"""JSON that is read piece by piece, however long the file; hostile files end in one `Invalid`.

The standard library's decoder does the work on a window of the file: it is fast, knows numbers of any
size, and fails where others crash.
"""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from memdesk.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 32 * 1024 * 1024
"""The longest single entry that is read, in characters; of a line, in bytes."""
_MOST_VALUES = 2_000_000
"""The most values and signs between them in a long entry: a real one has one in fifteen characters."""
_PIECE = 256 * 1024
_LONG = 1024 * 1024
"""A shorter entry takes little memory, whatever is in it."""
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{},]', re.DOTALL)
_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER_GOES_ON = re.compile(r"[-+.\dEe]*")
"""What may be the beginning of a number's rest where a piece of the file ends."""
_CROWDED = "a line of too many values"
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Part:
    """One value of a JSON file's outermost list or object."""

    key: str
    """Its key in the outermost object; empty in a list."""
    number: int
    """Its place in a list, from 1; 0 for what stands in none, and for a list itself."""
    value: Any
    """Of a list only that there is one (`[]`): its elements follow as parts of their own."""


def parts(file: IO[bytes], where: str, expected: str, apart: str | None = None) -> Iterator[Part]:
    """Yield what a JSON file's outermost value holds, lists in its object taken apart, too.

    So is the object that stands in it under the key `apart`: its values follow as elements do.
    Raises `Invalid` naming the file and what was expected for what is no list or object of JSON, and
    for an entry of over `LONGEST` characters.
    """
    text = _Window(file, where, expected)
    first = text.peek()
    if first == "[":
        yield from _elements(text, "")
    elif first == "{":
        yield from _fields(text, apart)
    else:
        raise text.wrong("begins like no list or object of JSON")
    if text.peek():
        raise text.wrong("goes on after its end")


def records(file: IO[bytes], where: str, expected: str) -> Iterator[Any]:
    """Yield the elements of a JSON file's list one after the other, or the one object it is."""
    text = _Window(file, where, expected)
    if text.peek() == "[":
        yield from (part.value for part in _elements(text, "") if part.number)
    else:
        yield text.value()
    if text.peek():
        raise text.wrong("goes on after its end")


def lines(file: IO[bytes]) -> Iterator[tuple[int, Any]]:
    """Yield the number, from 1, and the value of each line that is not blank.

    The value is an `Unread` where the line is no JSON or too long.
    """
    number = 0
    while line := file.readline(LONGEST + 1):
        number += 1
        if len(line) > LONGEST:
            while line and not line.endswith(b"\n"):
                line = file.readline(_PIECE)
            yield number, Unread("a line that is too long")
        elif line.strip():
            yield number, _line(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line)


@dataclass(frozen=True, slots=True)
class Unread:
    """A line that could not be read, and why."""

    reason: str


def _line(line: bytes) -> Any:
    try:
        text = line.decode()
        return Unread(_CROWDED) if crowded(text) else json.loads(text)
    except UnicodeDecodeError:
        return Unread("a line that is not valid UTF-8")
    except (ValueError, RecursionError):
        return Unread("a line that is no JSON")


def crowded(text: str, at: int = 0) -> bool:
    """Tell whether the value that begins here would fill the memory with its many small parts."""
    depth = count = 0
    for token in _TOKEN.finditer(text, at) if len(text) - at > _LONG else ():
        sign = text[token.start()]
        depth += (sign in "[{") - (sign in "]}")
        count += 1
        if depth <= 0 or count > _MOST_VALUES:
            break
    return count > _MOST_VALUES


def _elements(text: _Window, key: str) -> Iterator[Part]:
    """Yield the list that begins here, then its elements."""
    text.take("[")
    yield Part(key, 0, [])
    number = 0
    while text.peek() != "]":
        if number:
            text.take(",")
        number += 1
        yield Part(key, number, text.value())
    text.take("]")


def _fields(text: _Window, apart: str | None) -> Iterator[Part]:
    """Yield what the object that begins here holds."""
    text.take("{")
    first = True
    while text.peek() != "}":
        if not first:
            text.take(",")
        first = False
        if text.peek() != '"':
            raise text.wrong("has a key without quotation marks")
        key = text.value()
        text.take(":")
        if text.peek() == "[":
            yield from _elements(text, key)
        elif key == apart and text.peek() == "{":
            inside = (part for part in _fields(text, None) if part.number == 0)
            yield from (Part(key, number, part.value) for number, part in enumerate(inside, 1))
        else:
            yield Part(key, 0, text.value())
    text.take("}")


class _Window:
    """The part of a file's text that is looked at."""

    def __init__(self, file: IO[bytes], where: str, expected: str) -> None:
        self._file = file
        self._where = where
        self._expected = expected
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._at = 0
        self._before = 0
        self._ended = False

    def peek(self) -> str:
        """Return the next character that is no space; empty at the end."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if self._ended:
                return ""
            self._more(_PIECE)

    def take(self, character: str) -> None:
        """Go past a character; raises `Invalid` where another one stands."""
        if self.peek() != character:
            raise self.wrong("ends too soon" if not self.peek() else f"has no “{character}” there")
        self._at += 1

    def value(self) -> Any:
        """Return the value that begins here and go past it."""
        if not self.peek():
            raise self.wrong("ends too soon")
        while True:
            if crowded(self._text, self._at):
                raise self.wrong(f"has an entry of over {_MOST_VALUES:,} values")
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
                if self._ended or not _NUMBER_GOES_ON.fullmatch(self._text, end):
                    self._at = end
                    return value
            except json.JSONDecodeError:
                if self._ended:
                    raise self.wrong("is broken off, or no JSON") from None
            except (ValueError, RecursionError):
                raise self.wrong("has a number or a nesting beyond all reason") from None
            if len(self._text) - self._at > LONGEST:
                raise self.wrong(f"is no JSON, or has an entry of over {LONGEST:,} characters")
            # Twice as much each time, or a long entry would be begun anew with every piece.
            self._more(max(_PIECE, len(self._text) - self._at))

    def _more(self, size: int) -> None:
        """Read on, and forget what lies behind."""
        piece = self._file.read(size)
        self._ended = not piece
        try:
            more = self._decoder.decode(piece, final=self._ended)
        except UnicodeDecodeError:
            raise self.wrong("is not valid UTF-8") from None
        self._before += self._at
        self._text = self._text[self._at :] + more
        self._at = 0

    def wrong(self, what: str) -> Invalid:
        """Return the error that says what is wrong, about where, and what was expected."""
        return Invalid(
            self._where,
            f"{what}, near character {self._before + self._at:,}; expected {self._expected}",
        )
