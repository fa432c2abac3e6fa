"""JSON as text, comments and last commas forgiven: what it says, and where each part of it stands.

Hosts' files are changed as text, so that all but our own entry stays as it is. Standard library only.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from memdesk.hosts.unusable import Unusable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)|(?P<comment>//[^\r\n]*|/\*.*?\*/)"""
    r"""|(?P<scalar>"(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})|[^"\\\x00-\x1f])*\""""
    r"""|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null)"""
    r"""|(?P<mark>[{}\[\]:,])""",
    re.DOTALL,
)
_CLOSING = {"{": "}", "[": "]"}
_DEEPEST = 200


@dataclass(slots=True)
class Part:
    """A value: an object, a list, or anything without parts."""

    start: int
    kind: str
    """`{`, `[`, or empty for a scalar."""
    end: int = 0
    """The place after its last character."""
    scalar: str = ""
    """As it is written; empty for objects and lists."""
    children: list[Child] = field(default_factory=list)

    def child(self, key: str) -> Child | None:
        """Return what an object has under a key; raises `Unusable` where that is there twice."""
        found = [child for child in self.children if child.key == key]
        if len(found) > 1:
            raise Unusable(f"has “{key}” twice")
        return found[0] if found else None

    def said(self) -> Any:
        """Return what it says, as `json.loads` does; raises `Unusable`."""
        if self.kind == "{":
            return {child.key: child.value.said() for child in self.children}
        if self.kind == "[":
            return [child.value.said() for child in self.children]
        try:
            return json.loads(self.scalar)
        except ValueError:  # the digits that Python reads are limited
            raise Unusable("has a number that is too long") from None

    def written(self, without: Collection[int] = ()) -> object:
        """Return all that is written in it but space and comments, to compare with another's.

        `without` are the ids of children to leave out.
        """
        if not self.kind:
            return self.scalar
        told = [
            (child.key, child.value.written(without))
            for child in self.children
            if id(child) not in without
        ]
        return (self.kind, told)


@dataclass(slots=True)
class Child:
    """A value in an object or a list, with its key and the comma after it."""

    start: int
    """Of its key, or of the value in a list."""
    key: str | None
    value: Part
    comma: int | None = None
    """Where the comma after it stands, if one does."""


class Token(NamedTuple):
    """A word, a mark, or a comment."""

    start: int
    end: int
    kind: str
    """scalar, mark or comment."""
    text: str


def tokens(text: str) -> Iterator[Token]:
    """Yield all but space; raises `Unusable` naming the line that is no JSON."""
    at = 0
    for found in _TOKEN.finditer(text):
        start, end = found.span()
        if start != at:
            break
        at = end
        if found.lastgroup != "space":
            yield Token(start, end, str(found.lastgroup), found[0])
    if at != len(text):
        raise _wrong(text, at)


@lru_cache(maxsize=4)  # a large file is asked for many things
def parse(text: str) -> Part:
    """Return the one value that a text is, not to be changed; raises `Unusable`."""
    return _Reading(text).value()


def at_path(root: Part, path: Sequence[str]) -> Part | None:
    """Return the part under some keys, or None where there is none.

    Raises `Unusable` where something on the way is no object, or is there twice.
    """
    part = root
    for depth, key in enumerate(path):
        if part.kind != "{":
            name = "“" + path[depth - 1] + "” that is" if depth else "is"
            raise Unusable(f"{'has a ' if depth else ''}{name} no JSON object")
        child = part.child(key)
        if child is None:
            return None
        part = child.value
    return part


class _Reading:
    """One way through a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = (token for token in tokens(text) if token.kind != "comment")
        self._open: list[Part] = []

    def value(self) -> Part:
        token = self._next()
        root = self._begun(token)
        while self._open:
            self._step(self._open[-1], self._next())
        after = next(self._tokens, None)
        if after is not None:
            raise _wrong(self._text, after.start)
        return root

    def _next(self) -> Token:
        token = next(self._tokens, None)
        if token is None:
            raise _wrong(self._text, len(self._text))
        return token

    def _step(self, part: Part, token: Token) -> None:
        """Take the next token in an object or a list: its end, a comma, or a child."""
        last = part.children[-1] if part.children else None
        if token.text == _CLOSING[part.kind] and token.kind == "mark":
            part.end = token.end
            self._open.pop()
        elif last is not None and last.comma is None:
            if token.text != ",":
                raise _wrong(self._text, token.start)
            last.comma = token.start
        elif part.kind == "[":
            part.children.append(Child(token.start, None, self._begun(token)))
        else:
            part.children.append(self._member(token))

    def _member(self, token: Token) -> Child:
        if token.kind != "scalar" or not token.text.startswith('"'):
            raise _wrong(self._text, token.start)
        colon = self._next()
        if colon.text != ":":
            raise _wrong(self._text, colon.start)
        return Child(token.start, json.loads(token.text), self._begun(self._next()))

    def _begun(self, token: Token) -> Part:
        if token.kind == "scalar":
            return Part(token.start, "", token.end, token.text)
        if token.text not in _CLOSING:
            raise _wrong(self._text, token.start)
        if len(self._open) >= _DEEPEST:
            raise Unusable("is nested too deeply")
        part = Part(token.start, token.text)
        self._open.append(part)
        return part


def _wrong(text: str, at: int) -> Unusable:
    line = text.count("\n", 0, at) + 1
    return Unusable(f"is no JSON (line {line})")
