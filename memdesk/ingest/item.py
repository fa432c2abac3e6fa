"""What a reader finds in somebody's file: drafts, and what cannot be one, each with its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from memdesk.memory import Draft


@dataclass(frozen=True, slots=True)
class Item:
    """One memory that a file tells of."""

    draft: Draft
    place: str
    """Where it stands, for a person: the file below what was named, and a line or an entry's number."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something in a file that becomes no memory."""

    place: str
    reason: str
    """Why, in a few words that are the same for all of a kind: a receipt counts by them."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person has said about a file that it does not say itself."""

    space: str | None = None
    """The space of what names none; None for the format's own choice."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """The columns of a table by the fields of a draft that they are."""


@dataclass(frozen=True, slots=True)
class Format:
    """One shape that memories are kept in elsewhere."""

    name: str
    """What one types after `--from`."""
    title: str
    recognises: Callable[[Path], bool]
    """Tells by names and the first bytes alone; never fails, and is sure where it says yes."""
    read: Callable[[Path, Choices], Iterator[Item | Skipped]]
    """Yields what is there one after the other, in an order that is the same every time.

    Whatever is there is an item or is skipped for a reason. Raises `Invalid` for a file that has not
    this shape; memory use does not grow with the file.
    """
