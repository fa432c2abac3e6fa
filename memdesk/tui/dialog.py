"""What dialogs have in common: a box over the desk with its title, and a footer of its own keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer

from memdesk.tui.plain import one_line

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from memdesk.tui.app import MemdeskApp

T = TypeVar("T")


class Dialog(ModalScreen[T]):
    """A box over the desk; what is in it comes from `within`."""

    CSS_PATH = "dialog.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (140, "-wide")]  # noqa: RUF012 - Textual says which it is
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (16, "-short"), (32, "-tall")]  # noqa: RUF012

    def __init__(self, title: str) -> None:
        """`title` stands in the border; it may hold anything."""
        super().__init__()
        self._heading = one_line(title)

    @property
    def desk(self) -> MemdeskApp:
        """The application, by its own type."""
        return cast("MemdeskApp", self.app)

    @property
    def box(self) -> Vertical:
        """What has the border."""
        return self.query_one("#box", Vertical)

    def compose(self) -> ComposeResult:
        """Yield the box and the footer."""
        with Vertical(id="box") as box:
            box.border_title = cast("str", Content(self._heading))
            yield from self.within()
        # Without one of its own, the footer of the screen below shows keys that do not work.
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Take the keys that were typed ahead, once there is something that has the focus."""
        self.call_after_refresh(self.desk.type_ahead.release)

    def within(self) -> ComposeResult:
        """Yield what stands in the box."""
        raise NotImplementedError

    def note(self, words: str) -> None:
        """Show a few words of our own in the lower border."""
        self.box.border_subtitle = cast("str", Content(words))
