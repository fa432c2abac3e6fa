"""Front matter: the YAML before a note, read as values and nothing else.

Values are those of YAML 1.2: 12:30 is a text and no number of seconds, `yes` is a word, and a date
stays as it was written, with the precision it was given. Anchors are refused: a few lines of them
expand to gigabytes.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import yaml

MOST = 16 * 1024
"""The longest front matter in characters; what is longer is taken for text."""
_DEEPEST = 24
"""More levels are no front matter; metadata holds `memory.MAX_METADATA_DEPTH`."""
_BLOCK = re.compile(
    r"\A---[ \t]*\n(?P<yaml>.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE
)
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_WHOLE = re.compile(r"[-+]?(?:0|[1-9]\d{0,15})")
_DECIMAL = re.compile(r"[-+]?\d{1,15}\.\d{1,15}(?:[eE][-+]?\d{1,3})?")


def split(text: str) -> tuple[dict[str, object], str]:
    """Return what stands before a note, and the note; nothing and all of it where none can be read."""
    block = _BLOCK.match(text[:MOST]) if text.startswith("---") else None
    told = values(block["yaml"]) if block else None
    return (told, text[block.end() :]) if block and told is not None else ({}, text)


def values(source: str) -> dict[str, object] | None:
    """Return the fields of a YAML mapping; None for anything else."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        events = iter(yaml.parse(source, Loader=loader))
        built = [_built(each, events, _DEEPEST) for each in events if _begins(each)]
    except (yaml.YAMLError, ValueError):
        return None
    if not built:
        return {}
    return built[0] if len(built) == 1 and isinstance(built[0], dict) else None


def _begins(event: yaml.Event) -> bool:
    """Tell whether a value begins with an event of the document's own level."""
    import yaml

    return isinstance(event, yaml.NodeEvent)


def _built(event: yaml.Event, events: Iterator[yaml.Event], levels: int) -> object:
    """Return the value that begins with an event; raises `ValueError` for one that is refused."""
    import yaml

    if isinstance(event, yaml.ScalarEvent):
        value = event.value.replace("\0", "")
        return _scalar(value) if event.implicit[0] and not event.style else value
    if levels == 0 or isinstance(event, yaml.AliasEvent):
        raise ValueError
    inside: list[object] = []
    for each in events:
        if isinstance(each, yaml.CollectionEndEvent):
            break
        inside.append(_built(each, events, levels - 1))
    if isinstance(event, yaml.SequenceStartEvent):
        return inside
    return dict(zip(map(_key, inside[::2]), inside[1::2], strict=True))


def _key(value: object) -> str:
    """Return the name of a field; raises `ValueError` where it is none."""
    if isinstance(value, dict | list):
        raise ValueError  # noqa: TRY004 (`values` answers for it)
    return "" if value is None else str(value)


def _scalar(text: str) -> object:
    """Return what a plain word of YAML stands for."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text
