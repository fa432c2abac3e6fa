"""What the tests of import formats share: a reader's answer that the service would take, and hostile files."""

from __future__ import annotations

import copy
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st

from memdesk.errors import Invalid
from memdesk.ingest.item import Choices, Item, Skipped
from memdesk.memory import now
from memdesk.service.drafting import check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memdesk.ingest.item import Format
    from memdesk.memory import Draft

patiently = settings(deadline=None, max_examples=60)
"""For properties that write files: how long that takes says nothing."""
DATA = Path(__file__).parent / "data" / "imports"


def told(
    format: Format, path: Path, choices: Choices | None = None
) -> tuple[list[Item], dict[str, int]]:
    """Return the items of a file and how many entries were skipped for each reason.

    Each item is one that the service takes, and a second reading tells the same.
    """
    found = list(format.read(path, choices or Choices()))
    assert list(format.read(path, choices or Choices())) == found
    items = [each for each in found if isinstance(each, Item)]
    for each in items:
        check(each.draft, now())
    skipped: dict[str, int] = {}
    for one in found:
        if isinstance(one, Skipped):
            skipped[one.reason] = skipped.get(one.reason, 0) + 1
    return items, skipped


def drafts(format: Format, path: Path, choices: Choices | None = None) -> list[Draft]:
    """Return the drafts of a file."""
    return [each.draft for each in told(format, path, choices)[0]]


def endures(format: Format, path: Path) -> None:
    """Read whatever a file holds: items that the service takes, what is skipped, or one `Invalid`."""
    format.recognises(path)
    error = _read(format, path)
    assert error is None or str(path) in error.field


def _read(format: Format, path: Path) -> Invalid | None:
    try:
        for each in format.read(path, Choices()):
            if isinstance(each, Item):
                check(each.draft, now())
            else:
                assert each.reason
                assert each.place
    except Invalid as error:
        return error
    return None


def zipped(folder: Path, target: Path, names: Callable[[str], str] = str) -> Path:
    """Pack the files of a folder as the makers of an export do."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, names(file.relative_to(folder).as_posix()))
    return target


def loaded(path: Path) -> Any:
    """Return the JSON of a fixture."""
    return json.loads(path.read_text(encoding="utf-8"))


def lines(path: Path) -> list[Any]:
    """Return the JSON lines of a fixture."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def as_lines(values: list[Any]) -> bytes:
    """Return values as JSON lines, in which a lone surrogate stays one."""
    return "".join(json.dumps(each) + "\n" for each in values).encode()


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=8)
    | st.sampled_from(
        ["\0", "\ud800", "\x1b[2J", " ", "-", "user", "2026-13-45", "9" * 400, 1e300]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=()), max_size=4), inner, max_size=3
        )
    ),
    max_leaves=6,
)
"""Any JSON there is, and what Python's encoder makes besides."""


@st.composite
def twisted(draw: st.DrawFn, value: Any) -> Any:
    """Return a JSON value in which one to three fields are something else, or gone."""
    changed = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(changed))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        if draw(st.booleans()) or not isinstance(holder, dict):
            holder[key] = draw(ANYTHING)
        else:
            del holder[key]
    return changed


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place in a JSON value where another one may stand."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in list(pairs):
        yield value, key
        if isinstance(each, dict | list):
            yield from _places(each)


BROKEN = {
    "empty": b"",
    "blank": b" \n\n ",
    "no JSON": b"Dear diary",
    "a number": b"7",
    "a word": b'"x"',
    "null": b"null",
    "an empty object": b"{}",
    "a list of other things": b'[1, "x", null, [2], {"a": 1}]',
    "an object of other things": b'{"a": {"b": []}, "c": [{}]}',
    "broken off": b'[{"content": "x',
    "no UTF-8": b'[{"content": "\xff\xfe"}]',
    "UTF-16": '[{"content": "x"}]'.encode("utf-16"),
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "a deep entry": b'[{"uuid": ' + b"[" * 50_000 + b"]" * 50_000 + b"}]",
    "a huge number": b"[" + b"1" * 10_000 + b"]",
    "more after the end": b"[] []",
    "NUL bytes": b"\0" * 1000,
}
"""Files that are no export."""
