"""Our entry in a host's TOML: put in, changed and taken out as text, by whole lines."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memdesk.hosts.unusable import Unusable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_WORD = re.compile(
    r"""\"\"\"(?:\\.|[^\\])*?\"\"\"+|'''.*?'''+|"(?:\\.|[^"\\\n])*"|'[^'\n]*'"""
    r"""|(?P<comment>\#[^\r\n]*)|(?P<open>[\[{])|(?P<close>[\]}])|(?P<end>\r?\n)|.""",
    re.DOTALL,
)
_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Line:
    """A statement: the head of a table, or a key with its value, which may take several lines."""

    start: int
    end: int
    """With the end of its line."""
    path: tuple[str, ...]
    """The keys of what it is about, those of its table included."""
    commented: bool
    """Whether a comment stands in it."""

    def is_head(self, text: str) -> bool:
        """Tell whether it is the head of a table."""
        return text[self.start : self.end].lstrip().startswith("[")


def value(text: str, path: Sequence[str]) -> Any:
    """Return what the file says under some keys, None for nothing; raises `Unusable`."""
    found: Any = _read(text)
    for depth, key in enumerate(path):
        if not isinstance(found, dict):
            name = f"“{path[depth - 1]}”"
            raise Unusable(f"has a {name} that is no table")
        if key not in found:
            return None
        found = found[key]
    return found


def put(text: str, path: Sequence[str], entry: Mapping[str, Any]) -> str:
    """Return the text with a table for `entry` under some keys; raises `Unusable`.

    Where it is there already, its lines are replaced, unless a comment stands among them; else it
    comes at the end.
    """
    known = value(text, path)
    newline = "\r\n" if "\r\n" in text else "\n"
    table = _table(path, entry).replace("\n", newline)
    if known is None:
        _check_open(text, path[:-1])
        lead = newline if text and not text.endswith("\n") else ""
        lead += newline if text else ""
        return text + lead + table
    ours = _ours(text, path)
    if ours[0].is_head(text):
        return _cut(text, ours, table)
    return put(_cut(text, ours), path, entry)  # its keys stand among others of their table


def take(text: str, path: Sequence[str], _made: bool = False, /) -> str:
    """Return the text without what is under some keys; raises `Unusable`."""
    return text if value(text, path) is None else _cut(text, _ours(text, path))


def is_empty(text: str) -> bool:
    """Tell whether nothing is in the whole text."""
    return not text.strip()


def same_but(before: str, after: str, path: Sequence[str]) -> bool:
    """Tell whether two texts say the same beside what is under some keys; raises `Unusable`."""
    return _beside(before, path) == _beside(after, path)


def masked(text: str, path: Sequence[str]) -> str:
    """Return the text with all values hidden, as far as they are not under `path`: some are keys."""
    parts, at = [], 0
    for line in _lines(text):
        parts.append(_uncommented(text[at : line.start]))
        words = text[line.start : line.end]
        if line.path[: len(path)] == tuple(path):
            parts.append(words)
        elif line.is_head(text):
            parts.append(_uncommented(words))
        else:
            parts.append(_left(words) + "= …\n")
        at = line.end
    return "".join((*parts, _uncommented(text[at:])))


def _uncommented(text: str) -> str:
    """Return a text with what its comments say hidden."""
    return _WORD.sub(lambda word: "#…" if word["comment"] else word[0], text)


def _read(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        where = re.search(r"line \d+", str(error))
        raise Unusable("is no TOML" + (f" ({where[0]})" if where else "")) from None


def _beside(text: str, path: Sequence[str]) -> str:
    told = _read(text)
    table: Any = told
    for key in path[:-1]:
        table = table.get(key, {})
    table.pop(path[-1], None)
    if not table:
        told.pop(path[0], None)
    return repr(told)  # of two that say nan, too, the same


def _table(path: Sequence[str], entry: Mapping[str, Any]) -> str:
    lines = [f"[{'.'.join(map(_key, path))}]"]
    lines += [f"{_key(key)} = {_written(each)}" for key, each in entry.items()]
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _written(key)


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{ "
            + ", ".join(f"{_key(key)} = {_written(each)}" for key, each in value.items())
            + " }"
        )
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _check_open(text: str, table: Sequence[str]) -> None:
    """Raise `Unusable` for a table that is written as a value: it cannot have further keys."""
    if any(line.path == tuple(table) and not line.is_head(text) for line in _lines(text)):
        raise Unusable(f"has “{table[-1]}” in one line")


def _ours(text: str, path: Sequence[str]) -> list[Line]:
    """Return the lines of what is under some keys; raises `Unusable` where they cannot go."""
    ours = [line for line in _lines(text) if line.path[: len(path)] == tuple(path)]
    if not ours:
        raise Unusable(f"has “{path[-1]}” written in one line with others")
    if any(line.commented for line in ours):
        raise Unusable(f"has comments in “{path[-1]}”, which would be lost")
    return ours


def _cut(text: str, ours: Sequence[Line], instead: str = "") -> str:
    """Return the text with others `instead` of some lines, or without the empty line before them."""
    parts, at = [], 0
    for line in ours:
        parts.append(text[at : line.start])
        at = line.end
        if instead and line is ours[0]:
            parts.append(instead)
            continue
        blank = re.search(r"(?:(?<=\n)|\A)[ \t]*\r?\n\Z", parts[-1])
        if line.is_head(text) and blank:
            parts[-1] = parts[-1][: blank.start()]
    return "".join((*parts, text[at:]))


def _lines(text: str) -> Iterator[Line]:
    """Yield the statements of a text that is TOML."""
    table: tuple[str, ...] = ()
    for start, end, commented in _statements(text):
        words = text[start:end]
        keys = _keys(words)
        if words.lstrip().startswith("["):
            table = keys
            yield Line(start, end, keys, commented)
        else:
            yield Line(start, end, table + keys, commented)


def _statements(text: str) -> Iterator[tuple[int, int, bool]]:
    start, depth, commented, blank = 0, 0, False, True
    for word in _WORD.finditer(text):
        depth += (word["open"] is not None) - (word["close"] is not None)
        commented = commented or word["comment"] is not None
        blank = blank and (word["comment"] is not None or not word[0].strip())
        if word["end"] is not None and depth == 0:
            if not blank:
                yield start, word.end(), commented
            start, commented, blank = word.end(), False, True
    if not blank:
        yield start, len(text), commented


def _keys(words: str) -> tuple[str, ...]:
    """Return the keys of a statement: the one way in the table that it alone makes."""
    told: Any = tomllib.loads(words)
    if not words.lstrip().startswith("["):
        told = tomllib.loads(_left(words) + "= 0")
    keys = []
    while told and isinstance(told, dict | list):
        if isinstance(told, list):  # the head of one of several tables
            told = told[0]
            continue
        (key,) = told
        keys.append(key)
        told = told[key]
    return tuple(keys)


def _left(words: str) -> str:
    """Return what stands before the equals sign of a statement."""
    for word in _WORD.finditer(words):
        if word[0] == "=":
            return words[: word.start()]
    raise AssertionError(words)  # it was read as TOML before
