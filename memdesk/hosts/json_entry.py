"""Our entry in a host's JSON: put in, changed and taken out as text."""

from __future__ import annotations

import json
import re
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from memdesk.hosts.json_text import Child, Part, at_path, parse, tokens
from memdesk.hosts.unusable import Unusable

if TYPE_CHECKING:
    from collections.abc import Sequence

Cut = tuple[int, int, str]
"""From where to where something is replaced, and by what."""
_REST_OF_LINE = re.compile(r"(?:[ \t]*(?://[^\r\n]*|/\*[^\r\n]*?\*/))*")
_MASK = '"…"'
_UNIT = "  "


def value(text: str, path: Sequence[str]) -> Any:
    """Return what the file says under some keys, None for nothing; raises `Unusable`."""
    found = at_path(_root(text), path)
    return None if found is None else found.said()


def put(text: str, path: Sequence[str], entry: Any) -> str:
    """Return the text with `entry` under some keys; raises `Unusable`.

    What is there already is replaced, unless a comment stands in it.
    """
    root = _root(text)
    found = at_path(root, path)
    if found is None:
        return _added(text, root, path, entry)
    check_uncommented(text[found.start : found.end], path[-1])
    own_lines = "\n" in text[found.start : found.end] or not found.kind
    rendered = _rendered(text, root, entry, _indent(text, found.start), own_lines=own_lines)
    return _spliced(text, (found.start, found.end, rendered))


def append(text: str, path: Sequence[str], item: Any) -> str:
    """Return the text with one more item in the list under some keys; raises `Unusable`."""
    root = _root(text)
    found = at_path(root, path)
    if found is None:
        return _added(text, root, path, [item])
    if found.kind != "[":
        raise Unusable(f"has a “{path[-1]}” that is no list")
    return _with(text, root, found, None, item)


def replaced(text: str, parts: Sequence[Part], value: Any) -> str:
    """Return the text with a value in the place of some parts."""
    return _spliced(text, *((part.start, part.end, _dumped(value, None)) for part in parts))


def take(text: str, path: Sequence[str], made: bool = False, /) -> str:
    """Return the text without what is under some keys; raises `Unusable`.

    With `made` the objects around it go, too, as far as nothing else is in them.
    """
    if not text.strip():
        return text
    parent = at_path(parse(text), path[:-1])
    found = _child(parent, path[-1]) if parent else None
    if parent is None or found is None:
        return text
    check_uncommented(text[found.start : found.value.end], path[-1])
    text = without(text, parent, found)
    return emptied(text, path[:-1]) if made else text


def check_uncommented(words: str, name: str) -> None:
    """Raise `Unusable` for words that cannot go without a comment in them."""
    if any(token.kind == "comment" for token in tokens(words)):
        raise Unusable(f"has comments in “{name}”, which would be lost")


def emptied(text: str, path: Sequence[str]) -> str:
    """Return the text without the objects and lists under some keys that have nothing in them."""
    for depth in range(len(path), 0, -1):
        parent = at_path(parse(text), path[: depth - 1])
        child = _child(parent, path[depth - 1]) if parent else None
        if parent is None or child is None:
            continue
        if _has_words(text, child.value):
            break
        text = without(text, parent, child)
    return text


def is_empty(text: str) -> bool:
    """Tell whether nothing is in the whole text, not even a comment."""
    return not text.strip() or not _has_words(text, parse(text))


def without(text: str, parent: Part, child: Child) -> str:
    """Return the text without one child of an object or a list, and without the comma it needs."""
    start, end = child.start, child.value.end
    at = parent.children.index(child)
    cuts: list[Cut] = []
    if child.comma is not None and not text[end : child.comma].strip():
        end = child.comma + 1
    elif child.comma is not None:
        cuts.append((child.comma, child.comma + 1, ""))
    elif at > 0:
        comma = parent.children[at - 1].comma
        assert comma is not None
        cuts.append((comma, comma + 1, ""))
    line, rest = re.search(r"(\r?\n)?[ \t]*\Z", text[:start]), re.match(r"[ \t]*", text[end:])
    assert line is not None
    assert rest is not None
    after = end + rest.end()
    if line[1] and text[after : after + 2].startswith(("\n", "\r\n")):
        start, end = line.start(), after  # it has lines of its own
    elif at > 0:
        start = len(text[:start].rstrip(" \t"))
    else:
        end = after
    return _spliced(text, *cuts, (start, end, ""))


def same_but(before: str, after: str, path: Sequence[str]) -> bool:
    """Tell whether two texts say the same beside what is under some keys; raises `Unusable`."""
    return _beside(before, path) == _beside(after, path)


def masked(text: str, path: Sequence[str]) -> str:
    """Return the text with all values hidden, as far as they are not under `path`: some are keys."""
    ours = at_path(parse(text), path) if text.strip() else None
    return hidden(text, [ours] if ours else [])


def hidden(text: str, shown: Sequence[Part]) -> str:
    """Return the text with all values hidden that are not in the parts to be `shown`."""
    cuts: list[Cut] = []
    read = list(tokens(text))
    for token, after in zip_longest(read, read[1:]):
        if any(part.start <= token.start < part.end for part in shown):
            continue
        if token.kind == "comment":
            cuts.append((token.start, token.end, "/*…*/"))
        elif token.kind == "scalar" and not (after and after.text == ":"):
            cuts.append((token.start, token.end, _MASK))
    return _spliced(text, *cuts)


def _root(text: str) -> Part:
    if not text.strip():
        return Part(0, "{")
    root = parse(text)
    if root.kind != "{":
        raise Unusable("is no JSON object")
    return root


def _child(parent: Part, key: str) -> Child | None:
    return parent.child(key) if parent.kind == "{" else None


def _has_words(text: str, part: Part) -> bool:
    """Tell whether anything is between the braces, a comment included."""
    return not part.kind or bool(text[part.start + 1 : part.end - 1].strip())


def _beside(text: str, path: Sequence[str]) -> object:
    """Return what is written beside the child under `path` and beside objects that are empty then."""
    root = _root(text)
    way = [root]
    for key in path[:-1]:
        child = _child(way[-1], key)
        if child is None:
            break
        way.append(child.value)
    gone: set[int] = set()
    for part, key in reversed([*zip(way, path, strict=False)]):
        child = _child(part, key)
        if child and (part is way[-1] or _is_left_empty(child.value, gone)):
            gone.add(id(child))
    return root.written(gone)


def _is_left_empty(part: Part, gone: set[int]) -> bool:
    return bool(part.kind) and all(id(each) in gone for each in part.children)


def _added(text: str, root: Part, path: Sequence[str], entry: Any) -> str:
    """Return the text with an entry whose key is not there, in objects made for it as needed."""
    part, depth = root, 0
    while depth < len(path) - 1 and (child := part.child(path[depth])):
        part, depth = child.value, depth + 1
    for key in reversed(path[depth + 1 :]):
        entry = {key: entry}
    if not text.strip():
        lines = _dumped({path[0]: entry}, _UNIT)
        return lines.replace("\n", _newline(text)) + (text or "\n")
    return _with(text, root, part, path[depth], entry)


def _with(text: str, root: Part, parent: Part, key: str | None, item: Any) -> str:
    """Return the text with one more child at the end of an object or a list."""
    name = "" if key is None else f"{json.dumps(key, ensure_ascii=False)}: "
    if not parent.children:
        return _with_first(text, root, parent, name, item)
    first, last = parent.children[0], parent.children[-1]
    cuts: list[Cut] = []
    at = last.value.end if last.comma is None else last.comma + 1
    if last.comma is None:
        cuts.append((at, at, ","))
    rest = _REST_OF_LINE.match(text, at)
    assert rest is not None
    own_lines = "\n" in text[parent.start : first.start] or "//" in rest[0]
    indent = _indent(text, last.start)
    rendered = name + _rendered(text, root, item, indent, own_lines=own_lines)
    lead = _newline(text) + indent if own_lines else " "
    cuts.append((rest.end(), rest.end(), lead + rendered + ("," if last.comma is not None else "")))
    return _spliced(text, *cuts)


def _with_first(text: str, root: Part, parent: Part, name: str, item: Any) -> str:
    inner = text[parent.start + 1 : parent.end - 1]
    at = parent.start + 1 + len(inner.rstrip(" \t\r\n"))
    own_lines = parent is root or "\n" in text[root.start : root.end]
    outer = _indent(text, parent.start)
    indent = outer + _unit(text, root)
    rendered = name + _rendered(text, root, item, indent, own_lines=own_lines)
    if own_lines:
        newline = _newline(text)
        closing = "" if "\n" in text[at : parent.end] else newline + outer
        rendered = newline + indent + rendered + closing
    return _spliced(text, (at, at, rendered))


def _rendered(text: str, root: Part, entry: Any, indent: str, *, own_lines: bool) -> str:
    if not own_lines:
        return _dumped(entry, None)
    return _dumped(entry, _unit(text, root)).replace("\n", _newline(text) + indent)


def _dumped(entry: Any, indent: str | None) -> str:
    return json.dumps(entry, indent=indent, ensure_ascii=False)


def _indent(text: str, at: int) -> str:
    """Return the space that the line of a place begins with."""
    line = re.match(r"[ \t]*", text[text.rfind("\n", 0, at) + 1 : at])
    assert line is not None
    return line[0]


def _unit(text: str, root: Part) -> str:
    """Return by how much a level is indented in this file."""
    if root.children and "\n" in text[root.start : root.children[0].start]:
        outer, inner = _indent(text, root.start), _indent(text, root.children[0].start)
        return inner.removeprefix(outer) or _UNIT
    return _UNIT


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text[: text.find("\n") + 1] else "\n"


def _spliced(text: str, *cuts: Cut) -> str:
    parts, at = [], 0
    for start, end, new in sorted(cuts, key=lambda cut: cut[:2]):
        parts += [text[at:start], new]
        at = end
    return "".join((*parts, text[at:]))
