"""The branch of a conversation that was on the screen last."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOTS = ("", "00000000-0000-4000-8000-000000000000")
"""What stands where a message answers none."""


def branch(parents: Mapping[str, str], last: str) -> frozenset[str]:
    """Return the ids from the first message to `last`.

    Empty where they are no whole branch, since one is missing or they go in a circle.
    """
    ids: set[str] = set()
    while last not in _ROOTS:
        if last in ids or last not in parents:
            return frozenset()
        ids.add(last)
        last = parents[last]
    return frozenset(ids)
