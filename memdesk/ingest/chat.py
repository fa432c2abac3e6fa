"""A conversation with an AI, turn by turn, as drafts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memdesk.ingest.item import Item, Skipped
from memdesk.ingest.values import exactly, metadata, minute, name, words
from memdesk.memory import PERSONAL, Draft

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

EMPTY = "an empty turn"
TOOL_CALL = "a tool call"
TOOL_OUTPUT = "a tool's output"
IMAGE = "an image"
THINKING = "an AI's thinking"
OWN = "the program's own words"
SUMMARY = "a summary of turns that are there"
SIDE = "a turn of a subagent"
COPY = "a copy of a turn that was there before"
LEFT = "a turn of a branch that was left"
_NOTHINGS = (
    (IMAGE, ("image", "input_image", "image_asset_pointer", "document", "file")),
    (TOOL_OUTPUT, ("tool_result", "web_search_tool_result")),
    (TOOL_CALL, ("tool_use", "server_tool_use", "mcp_tool_use")),
    (THINKING, ("thinking", "redacted_thinking")),
)


def nothing(types: Sequence[str]) -> str:
    """Return what a turn is that says nothing in words, by the types of the blocks it has."""
    return next((what for what, known in _NOTHINGS if any(each in known for each in types)), EMPTY)


@dataclass
class Chat:
    """A conversation while its turns are told; they are numbered from 0, without what is skipped."""

    session: str
    """The conversation's id where it comes from."""
    assistant: str
    """What the AI is called."""
    person: str = ""
    """What the person is called, where that is known."""
    space: str = PERSONAL
    told: Mapping[str, object] = field(default_factory=dict)
    """What every turn's metadata says, such as the title."""
    _turns: int = 0

    def turn(
        self, role: str, text: object, at: datetime | None, place: str, empty: str = EMPTY
    ) -> Item | Skipped:
        """Return the next turn: by the `user` or the `assistant`; skipped where it has no words."""
        kept = words(text).strip()
        if not kept:
            return Skipped(place, empty)
        draft = Draft(
            kept,
            kind="dialogue",
            space=self.space,
            session=name(self.session) or None,
            position=self._turns if name(self.session) else None,
            role=role,
            speaker=name(self.assistant if role == "assistant" else self.person) or None,
            happened_at=minute(at),
            created_at=exactly(at),
            metadata=metadata(**self.told),
        )
        self._turns += 1
        return Item(draft, place)
