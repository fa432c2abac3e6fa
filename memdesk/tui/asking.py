"""One line that is asked for: a name, a date, some tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.widgets import Input, Static

from memdesk.tui.completion import RULE, NameInput
from memdesk.tui.dialog import Dialog
from memdesk.tui.keys import ASK_KEYS
from memdesk.tui.plain import content

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

_SHOWN = 12
"""So many of the names that may be meant are shown."""


class AskedLine(NameInput):
    """The line; enter takes it."""

    BINDINGS: ClassVar[list[BindingType]] = [*ASK_KEYS]


class Ask(Dialog[str | None]):
    """Asks for one line; answers with it, or with None when the person leaves all as it is."""

    BINDINGS: ClassVar[list[BindingType]] = [*ASK_KEYS]
    AUTO_FOCUS = "#line"

    def __init__(
        self,
        title: str,
        value: str = "",
        *,
        suggestions: Sequence[str] = (),
        about: str = "",
        several: bool = False,
    ) -> None:
        """`suggestions` complete what is written; with `several`, each name of the line.

        `completion.names_of` reads the names of the answer then, `line_of` writes `value`.
        """
        super().__init__(title)
        self._value = value
        self._names = tuple(suggestions)
        self._about = " ".join(part for part in (about, RULE if several else "") if part)
        self._several = several

    def within(self) -> ComposeResult:
        """Yield the line, the names that may be meant, and what it is about."""
        yield AskedLine(self._value, names=self._names, several=self._several, id="line")
        yield Static("", id="candidates", markup=False)
        if self._about:
            yield Static(content(self._about), id="about")

    def on_mount(self) -> None:
        """Show what may be meant."""
        self._show_candidates()

    @property
    def _line(self) -> NameInput:
        return self.query_one("#line", NameInput)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what may be meant."""
        event.stop()
        self._show_candidates()

    def _show_candidates(self) -> None:
        names = self._line.names.candidates(self._line.value)[:_SHOWN] if self._names else []
        candidates = self.query_one("#candidates", Static)
        candidates.update(content("  ".join(names)))
        candidates.display = bool(self._names)

    def action_done(self) -> None:
        """Take what is written."""
        self.dismiss(self._line.value.strip())

    def action_leave(self) -> None:
        """Leave all as it is."""
        self.dismiss(None)
