"""The reference memory server of MCP: entities, their observations and the relations between them.

Its file has one JSON object a line. Every observation becomes a fact that begins with its entity's
name, so that a question about the entity finds it, and every relation a sentence; the metadata keeps
names and types as they were, so that the graph can be built again.
"""

from __future__ import annotations

import json
import re
from typing import IO, TYPE_CHECKING, Any

from memdesk.errors import Invalid
from memdesk.ingest.bundle import HEAD, only, opened
from memdesk.ingest.item import Choices, Format, Item, Skipped
from memdesk.ingest.paper import head
from memdesk.ingest.streamed import Unread, lines, parts
from memdesk.ingest.values import found, mapping, metadata, name, tags, words
from memdesk.memory import PERSONAL, Draft

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

EXPECTED = "lines of JSON with “type”: “entity” or “relation”, or one object with both in lists"
_LINE = re.compile(rb'\s*\{\s*"type"\s*:\s*"(?:entity|relation)"')
_GRAPH = re.compile(rb'\s*\{\s*"(?:entities|relations)"\s*:\s*\[')
_MARK = b"\xef\xbb\xbf"
_LOOKED_AT = 20
"""So many lines tell whose file it is: kin of the server begin with a line of their own."""
_LONGEST_NAME = 1000
_ENTITY = {"type", "name", "entityType", "observations"}
_RELATION = {"type", "from", "to", "relationType"}
"""What is told in other ways; forks of the server write more."""


def recognises(path: Path) -> bool:
    """Tell whether a file begins with an entity or a relation."""
    begins = head(path, HEAD).removeprefix(_MARK)
    if b'"entityType"' not in begins and b'"relationType"' not in begins:
        return False
    if _LINE.match(begins) or _GRAPH.match(begins):
        return True
    return any(_fits(line) for line in begins.split(b"\n")[:_LOOKED_AT])


def _fits(line: bytes) -> bool:
    """Tell whether a line is of the graph, however its keys are ordered."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("type") in ("entity", "relation")


def read(path: Path, choices: Choices) -> Iterator[Item | Skipped]:
    """Yield a fact for each observation and each relation."""
    if path.is_dir():
        raise Invalid(str(path), f"is a folder; expected a file of {EXPECTED}")
    space = choices.space or PERSONAL
    with opened(path) as bundle:
        entry = only(bundle, path, EXPECTED)
        graph = _GRAPH.match(entry.head().removeprefix(_MARK))
        with entry.open() as file:
            known = yield from (_graph(file, path, space) if graph else _lines(file, space))
    if not known:
        raise Invalid(str(path), f"holds no entity or relation; expected {EXPECTED}")


def _lines(file: IO[bytes], space: str) -> Generator[Item | Skipped, None, bool]:
    """Yield what each line tells; returns whether any was of the graph."""
    known = False
    for number, value in lines(file):
        place = f"line {number}"
        if isinstance(value, Unread):
            yield Skipped(place, value.reason)
            continue
        told = mapping(value)
        if told.get("type") in ("entity", "relation"):
            known = True
            yield from (
                _entity(told, place, space)
                if told["type"] == "entity"
                else _relation(told, place, space)
            )
        else:
            yield Skipped(place, "neither an entity nor a relation")
    return known


def _graph(file: IO[bytes], path: Path, space: str) -> Generator[Item | Skipped, None, bool]:
    """Yield what one object with the whole graph tells; returns whether it was that."""
    known = False
    for part in parts(file, str(path), EXPECTED):
        place = f"{part.key} {part.number}"
        known = known or part.key in ("entities", "relations")
        if part.key == "entities" and part.number:
            yield from _entity(mapping(part.value), place, space)
        elif part.key == "relations" and part.number:
            yield from _relation(mapping(part.value), place, space)
    return known


def _entity(told: dict[str, Any], place: str, space: str) -> Iterator[Item | Skipped]:
    """Yield a fact for each observation, or the entity itself where it has none."""
    entity, kind = name(told.get("name"), _LONGEST_NAME), name(told.get("entityType"))
    if not entity:
        yield Skipped(place, "an entity without a name")
        return
    said = told.get("observations")
    observations = said if isinstance(said, list) else [said] if said else []
    about = _rest(told, _ENTITY) | {"entity": entity, "entity_type": kind}
    if not observations:
        text = f"{entity}: {kind}" if kind else entity
        yield Item(_fact(text, tags([kind]), metadata(**about), space), place)
    for number, each in enumerate(observations, start=1):
        said = words(each).strip() or name(each)
        text = f"{entity}: {said}" if said else ""
        draft = _fact(text, tags([kind]), metadata(**(about | {"observation": number})), space)
        yield found(draft, f"{place}, observation {number}", "an observation without words")


def _relation(told: dict[str, Any], place: str, space: str) -> Iterator[Item | Skipped]:
    """Yield a relation as a sentence."""
    ends = [name(told.get(key), _LONGEST_NAME) for key in ("from", "relationType", "to")]
    if not all(ends):
        yield Skipped(place, "a relation that lacks an end or a type")
        return
    # Words are found by themselves only where no underscore joins them.
    text = f"{ends[0]} {' '.join(ends[1].replace('_', ' ').split())} {ends[2]}"
    own = {"from": ends[0], "relation_type": ends[1], "to": ends[2]}
    about = metadata(**(_rest(told, _RELATION) | own))
    yield Item(_fact(text, (), about, space), place)


def _rest(told: dict[str, Any], known: set[str]) -> dict[str, object]:
    """Return what else a line tells."""
    return {key: each for key, each in told.items() if key not in known}


def _fact(text: str, tags: tuple[str, ...], about: str, space: str) -> Draft:
    return Draft(text, kind="fact", tags=tags, space=space, metadata=about)


FORMAT = Format("server-memory", "The memory file of MCP's reference server", recognises, read)
