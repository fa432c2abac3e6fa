"""Documents as people and programs write them: the same values with any space and comments between."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

unhurried = settings(deadline=None, max_examples=60)
"""Documents may be long, and the machine busy."""
_PLAIN = ("", "", " ", "\n", "\n  ", "\t", "\r\n", "\n\n    ")
_COMMENTS = (" // its “comment”, {\n", "/* [1, */", " /* \n */ ", "// \r\n")

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
servers = st.dictionaries(
    st.sampled_from(["github", "files", "memory", "メモ", 'a"b', ""]),
    st.fixed_dictionaries({"command": st.just("npx")}, optional={"env": values, "args": values}),
    max_size=3,
)


@st.composite
def documents(draw: Callable[..., Any], key: str, *, comments: bool) -> str:
    """A JSON object as text, which may have servers of others under `key`."""
    told = draw(st.dictionaries(st.sampled_from(["a", "projects", "ü"]), values, max_size=3))
    if draw(st.booleans()):
        told[key] = draw(servers)
    order = draw(st.permutations(sorted(told)))
    told = {name: told[name] for name in order}
    if draw(st.booleans()):
        newline = draw(st.sampled_from(["\n", "\r\n"]))
        text = json.dumps(told, indent=draw(st.sampled_from([None, 1, 2, 4, "\t"])))
        return text.replace("\n", newline) + str(draw(st.sampled_from(["", newline])))
    return str(draw(_written(told, comments=comments)))


@st.composite
def _written(draw: Callable[..., Any], value: object, *, comments: bool) -> str:
    def gap() -> str:
        return str(draw(st.sampled_from(_PLAIN + (_COMMENTS if comments else ()))))

    def write(part: Any) -> str:
        if isinstance(part, dict):
            inner = [
                f"{gap()}{json.dumps(name, ensure_ascii=draw(st.booleans()))}{gap()}:{gap()}{write(each)}{gap()}"
                for name, each in part.items()
            ]
            return "{" + ",".join(inner) + last(inner) + "}"
        if isinstance(part, list):
            inner = [gap() + write(each) + gap() for each in part]
            return "[" + ",".join(inner) + last(inner) + "]"
        return json.dumps(part)

    def last(inner: list[str]) -> str:
        comma = "," if inner and comments and draw(st.booleans()) else ""
        return comma + (gap() if comma or not inner else "")

    return gap() + write(value) + gap()
