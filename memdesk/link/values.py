"""What crosses the socket: plain values and errors as JSON, one line each, and back again.

Every JSON object that stands for a value carries its kind under `$`, a mapping's keys stand in
pairs: no key that a person chose can be taken for ours. Only ASCII is written, so that also text
which is no valid Unicode arrives, for the service to refuse by name.
"""

from __future__ import annotations

import builtins
import json
import os
from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from memdesk import errors
from memdesk.answers import (
    Asked,
    Changed,
    Concern,
    Copied,
    Diff,
    Difference,
    Duty,
    Finding,
    Hit,
    Inbox,
    Overview,
    Page,
    Point,
    Profile,
    Recalled,
    Remembered,
    Restored,
    Revision,
    Stats,
    Status,
    Taken,
    Whole,
    Wholes,
)
from memdesk.errors import MemdeskError, StoreError
from memdesk.memory import Draft, Edit, Filter, Memory, Source
from memdesk.remotes import Outbox, Parcel, Remote, Standing, Synced
from memdesk.rules import HostRules

if TYPE_CHECKING:
    from collections.abc import Iterator

PART = 1 << 20
"""The longest part of what does not go in one line, in characters of its JSON text."""
_KIND = "$"
_SPEC = "ModelSpec"
_PLAIN = frozenset({type(None), bool, int, float, str})
"""Most fields of a record are these, and a page has thirty thousand of them."""
_CLASSES: dict[str, type[Any]] = {
    each.__name__: each
    for each in (
        *(Asked, Changed, Concern, Duty, Hit, Inbox, Overview, Page, Profile, Recalled),
        *(Remembered, Revision, Stats, Status, Taken, Whole, Wholes),
        *(Copied, Diff, Difference, Finding, Point, Restored),
        *(Draft, Edit, Filter, HostRules, Memory, Source),
        *(Outbox, Parcel, Remote, Standing, Synced),
    )
}


def line(said: dict[str, Any]) -> bytes:
    """Return one JSON object as a line; what it holds was packed."""
    return text(said).encode("ascii") + b"\n"


def text(packed: Any) -> str:
    """Return the JSON text of what was packed: ASCII without a line end."""
    return json.dumps(packed, separators=(",", ":"))


def parts(packed: str) -> Iterator[bytes]:
    """Yield a JSON text that is too long for one line as several, and one that ends them."""
    starts = range(0, len(packed), PART)
    for start in starts:
        yield line({"part": packed[start : start + PART]})
    yield line({"parts": len(starts)})


def parsed(said: bytes | str) -> Any:
    """Return what a JSON text says, still packed; raises `StoreError` for what is none."""
    try:
        return json.loads(said)
    except (ValueError, RecursionError) as error:
        raise _foreign("it is no JSON") from error


def read_line(said: bytes | str) -> dict[str, Any]:
    """Return the JSON object of a line, still packed; raises `StoreError` for anything else."""
    found = parsed(said)
    if not isinstance(found, dict):
        raise _foreign("a line is no JSON object")
    return found


def pack(value: object) -> Any:
    """Return a value as what JSON can say; raises `TypeError` for one that does not cross."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [pack(each) for each in value]
    if isinstance(value, dict):
        return {_KIND: "dict", "pairs": [[pack(key), pack(each)] for key, each in value.items()]}
    if isinstance(value, datetime):
        return {_KIND: "datetime", "at": value.isoformat()}
    if isinstance(value, os.PathLike):
        return {_KIND: "Path", "path": os.fspath(value)}
    return _pack_record(value)


def _pack_record(value: object) -> dict[str, Any]:
    name = type(value).__name__
    known = _class(name)
    if known is None or type(value) is not known:
        raise TypeError(f"a {name} cannot be given to the daemon")
    packed: dict[str, Any] = {_KIND: name}
    for field in _fields(name):
        each = getattr(value, field)
        packed[field] = each if type(each) in _PLAIN else pack(each)
    return packed


def unpack(packed: Any) -> Any:
    """Return the value that was packed, its lists as tuples; raises `StoreError` for none of ours."""
    if isinstance(packed, list):
        return tuple(map(unpack, packed))
    if not isinstance(packed, dict):
        return packed
    try:
        return _unpack_object(packed)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise _foreign(f"a {type(error).__name__} in it") from error


def _unpack_object(packed: dict[str, Any]) -> Any:
    kind = packed[_KIND]
    if kind == "dict":
        return {unpack(key): unpack(value) for key, value in packed["pairs"]}
    if kind == "datetime":
        return datetime.fromisoformat(packed["at"])
    if kind == "Path":
        from pathlib import Path

        return Path(packed["path"])
    known = _class(kind)
    if known is None:
        raise LookupError(kind)
    return known(
        **{
            name: value if type(value) in _PLAIN else unpack(value)
            for name, value in packed.items()
            if name != _KIND
        }
    )


def _class(name: str) -> type[Any] | None:
    if name == _SPEC:
        from memdesk.catalog import ModelSpec  # 6 ms that hardly any command needs

        return ModelSpec
    return _CLASSES.get(name)


@cache
def _fields(name: str) -> tuple[str, ...]:
    known = _class(name)
    assert known
    return tuple(field.name for field in fields(known))


def pack_error(error: BaseException) -> dict[str, Any]:
    """Return an error as what JSON can say: ours with their fields, others with their words."""
    for kind in type(error).__mro__:
        if kind is _ours(kind.__name__):
            return {"type": kind.__name__, "args": [_crossing(each) for each in error.args]}
    # A KeyError's own words are the repr of its key, which would grow quotes with every crossing.
    words = error.args[0] if isinstance(error, KeyError) and error.args else error
    return {"type": type(error).__name__, "words": str(words)}


def _crossing(value: object) -> Any:
    try:
        return pack(value)
    except TypeError:
        return str(value)


def unpack_error(packed: dict[str, Any]) -> Exception:
    """Return the error that was packed; one whose type is unknown here is a `RuntimeError`."""
    try:
        name = str(packed["type"])
        if ours := _ours(name):
            return ours(*unpack(packed["args"]))
        words = str(packed["words"])
    except (LookupError, TypeError) as error:
        return _foreign(f"a {type(error).__name__} in an error")
    return _builtin(name, words) or RuntimeError(f"{name}: {words}")


def _ours(name: str) -> type[MemdeskError] | None:
    found = getattr(errors, name, None)
    return found if isinstance(found, type) and issubclass(found, MemdeskError) else None


def _builtin(name: str, words: str) -> Exception | None:
    found = getattr(builtins, name, None)
    if not (isinstance(found, type) and issubclass(found, Exception)):
        return None
    try:
        return found(words)
    except TypeError:  # a few want more than words, such as UnicodeDecodeError
        return None


def _foreign(why: str) -> StoreError:
    return StoreError(
        f"the daemon and this program do not understand each other ({why}); they may be of two "
        "versions: end the daemon with `memdesk daemon stop` and try again"
    )
