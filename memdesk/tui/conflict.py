"""A memory that was changed here and elsewhere: both texts, and which one is to stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Horizontal
from textual.widgets import Static

from memdesk.tui.compare import Comparison, Side
from memdesk.tui.confirm import Answer, AnswerButton, Choice
from memdesk.tui.plain import content

if TYPE_CHECKING:
    from textual.app import ComposeResult

MINE, THEIRS, BACK = "m", "t", "b"
"""The answers: keep mine, take theirs, back to editing."""

_ANSWERS = (
    Answer(MINE, "Keep mine"),
    Answer(THEIRS, "Take theirs"),
    Answer(BACK, "Back to editing"),
)


class ConflictDialog(Choice):
    """Shows both texts; going back to editing is the safe answer."""

    def __init__(self, mine: str, theirs: str, what: str = "") -> None:
        """`what` says what happened meanwhile; it may hold anything."""
        question = "This memory was changed elsewhere while you wrote."
        super().__init__("Changed elsewhere", question, what, _ANSWERS, BACK)
        self._mine = mine
        self._theirs = theirs

    def within(self) -> ComposeResult:
        """Yield what happened, both texts, and the answers."""
        yield Static(content(self._asked), id="question")
        if self._consequences:
            yield Static(content(self._consequences), id="what")
        yield Comparison(Side("Yours", self._mine), Side("Theirs", self._theirs))
        with Horizontal(id="answers"):
            yield from (AnswerButton(answer) for answer in self._answers)
