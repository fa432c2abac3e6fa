"""Between a memory and what the editor shows of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from memdesk.memory import PERSONAL, Draft, Edit, Memory
from memdesk.moment import wall_clock

if TYPE_CHECKING:
    from datetime import datetime

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Written:
    """What a person wrote."""

    text: str = ""
    tags: tuple[str, ...] = ()
    kind: str = "note"
    space: str = PERSONAL
    audience: tuple[str, ...] = ()
    """The remotes it may go to; empty means private."""
    expires: str = ""
    """As it was written, ISO 8601; empty means never."""

    @classmethod
    def of(cls, memory: Memory, **other: Any) -> Written:
        """Return what is written in a memory; `other` stands in place of fields of it."""
        written = cls(
            memory.text,
            memory.tags,
            memory.kind,
            memory.space,
            memory.audience,
            moment_words(memory.expires_at),
        )
        return replace(written, **other)

    def edit(self, before: Memory) -> Edit:
        """Return what makes this of a memory; what is the same in both is left alone."""
        return self.changes(Written.of(before))

    def changes(self, was: Written) -> Edit:
        """Return what was changed of what was written before."""
        return Edit(
            text=_other(was.text, self.text),
            tags=_other(was.tags, self.tags),
            kind=_other(was.kind, self.kind),
            space=_other(was.space, self.space),
            audience=_other(was.audience, self.audience),
            expires_at=_other(was.expires, self.expires),
        )

    def draft(self) -> Draft:
        """Return this as a memory to be remembered."""
        return Draft(
            self.text,
            kind=self.kind,
            tags=self.tags,
            space=self.space or PERSONAL,
            audience=self.audience,
            expires_at=self.expires or None,
        )


def _other(was: T, now: T) -> T | None:
    return None if was == now else now


def moment_words(moment: datetime | None) -> str:
    """Return a moment as a person would type it, in local time; empty for none."""
    return f"{wall_clock(moment):%Y-%m-%dT%H:%M}" if moment else ""
