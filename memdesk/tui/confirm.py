"""Questions before what cannot be taken back: the safe answer has the focus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Static

from memdesk.tui.dialog import Dialog
from memdesk.tui.keys import QUESTION_KEYS
from memdesk.tui.plain import content, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer that may be given."""

    letter: str
    """The key that gives it."""
    words: str


class AnswerButton(Button):
    """An answer; in brackets while it has the focus, so that colour alone does not tell."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("", compact=True)
        self.letter = answer.letter
        self._words = f"{one_line(answer.words)} ({answer.letter})"
        self._bracket(focused=False)

    def _bracket(self, *, focused: bool) -> None:
        self.label = Content(f"[ {self._words} ]" if focused else f"  {self._words}  ")

    def on_focus(self) -> None:
        """Show that enter gives this answer."""
        self._bracket(focused=True)

    def on_blur(self) -> None:
        """Show that enter gives another one."""
        self._bracket(focused=False)


class Question(Dialog[T]):
    """A question and its answers; each is given by its letter, or with enter."""

    BINDINGS: ClassVar[list[BindingType]] = [*QUESTION_KEYS]

    def __init__(
        self, title: str, question: str, consequences: str, answers: Sequence[Answer], safe: str
    ) -> None:
        """`safe` is the letter of the answer that escape gives, and that has the focus."""
        super().__init__(title)
        self._asked = question
        self._consequences = consequences
        self._answers = tuple(answers)
        self._safe = safe

    def within(self) -> ComposeResult:
        """Yield the question, what comes of it, and the answers."""
        with VerticalScroll(id="asked", can_focus=False):
            yield Static(content(self._asked), id="question")
            if self._consequences:
                yield Static(content(self._consequences), id="consequences")
        with Horizontal(id="answers"):
            yield from (AnswerButton(answer) for answer in self._answers)

    def on_mount(self) -> None:
        """Give the safe answer the focus."""
        for button in self.query(AnswerButton):
            if button.letter == self._safe:
                button.focus()

    def result(self, letter: str) -> T:
        """Return what the answer of a letter means to the caller."""
        raise NotImplementedError

    def on_key(self, event: events.Key) -> None:
        """Take the answer of a letter."""
        if event.character and event.character in {answer.letter for answer in self._answers}:
            event.stop()
            event.prevent_default()
            self._give(event.character)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Take the answer that was chosen."""
        event.stop()
        self._give(cast("AnswerButton", event.button).letter)

    def action_safe(self) -> None:
        """Take the safe answer."""
        self._give(self._safe)

    def _give(self, letter: str) -> None:
        if self.is_current:
            self.dismiss(self.result(letter))


class Confirm(Question[bool]):
    """Asks whether to do something that cannot be taken back: y or n."""

    def __init__(self, title: str, question: str, consequences: str, yes: str, no: str) -> None:
        """`question` names what, and how many; `yes` and `no` are the words of the answers."""
        super().__init__(title, question, consequences, (Answer("y", yes), Answer("n", no)), "n")

    def result(self, letter: str) -> bool:
        """Return whether it is to be done."""
        return letter == "y"


class Choice(Question[str]):
    """Asks which of several things to do; answers with the letter."""

    def result(self, letter: str) -> str:
        """Return the letter."""
        return letter
