"""The main screen: search, browse, list and memory, in three layouts by width."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import SystemCommand
from textual.containers import Container, Horizontal, Vertical
from textual.content import Content
from textual.geometry import Size
from textual.reactive import Reactive
from textual.widgets import Footer, Input, Static

from memdesk.tui.browse import BrowsePane, Places
from memdesk.tui.changing import Changing
from memdesk.tui.fields import Fields
from memdesk.tui.keys import BROWSE_KEYS, LIST_KEYS, MAIN_KEYS, SEARCH_KEYS
from memdesk.tui.listing import Wish, turned
from memdesk.tui.memories import MemoryList
from memdesk.tui.places import ALL
from memdesk.tui.plain import plain
from memdesk.tui.preview import MemoryPane
from memdesk.tui.showing import Showing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.widget import Widget

_MINUTE = 60.0
MOST_MARKED = 1000
"""The service changes no more at once."""
_LIVE = ("edit", "delete", "external", "tags", "pin", "kind", "move", "share", "expiry")
_CURSOR = ("cursor_", "page_", "first", "last", "select", "scroll_")


class Search(Input):
    """Where one types what to look for."""

    # As Textual has it, every key lays out the whole screen, since the text may outgrow its line.
    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=False)
    BINDINGS: ClassVar[list[BindingType]] = [*SEARCH_KEYS]
    BINDING_GROUP_TITLE = "Search"
    HELP = "Results come while you type; the last word may be unfinished."


class MainScreen(Changing, Fields, Showing):
    """What the desk shows most of the time."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (140, "-wide")]  # noqa: RUF012 - Textual says which it is
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (16, "-short"), (32, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [*MAIN_KEYS]
    AUTO_FOCUS = "#lines"

    def compose(self) -> ComposeResult:
        """Lay out one line of search, the three panes, and the keys."""
        with Horizontal(id="top"):
            yield Static("memdesk", id="name", markup=False)
            yield Search(id="search", placeholder="Search", compact=True)
            yield Static(id="state", markup=False)
        yield Static(id="banner", markup=False)
        with Container(id="panes"):
            yield BrowsePane(id="browse")
            with Vertical(id="list"):
                yield Static(id="nothing", markup=False)
                yield MemoryList(self.desk_app.glyphs, id="lines")
            yield MemoryPane(id="memory")
        yield Footer()

    def on_mount(self) -> None:
        """Open the service behind the first frame."""
        self.pane.border_title = "Memory"
        self.query_one("#list").border_title = Content("loading")
        self.query_one("#nothing").display = False
        self.search.cursor_blink = False
        self.tell_state()
        self.set_interval(_MINUTE, self.lines.age)
        self.call_after_refresh(self._open)

    def _open(self) -> None:
        self.want(self.wish)
        self.desk_app.do(self.live())
        self.desk_app.do(self._warm())
        self.watch_remotes()

    async def _warm(self) -> None:
        """Have the model loaded before a search waits for it, and tell what is wrong with the store."""
        await self.ask(lambda service: service.warm())
        stats = await self.ask(lambda service: service.stats())
        self.tell_notes(" · ".join(stats.notes))

    def on_screen_suspend(self) -> None:
        """Show no keys while something is over the desk: they would not work."""
        self.query_one(Footer).visible = False

    def on_screen_resume(self) -> None:
        """Show the keys again."""
        self.query_one(Footer).visible = True

    def on_input_changed(self, event: Input.Changed) -> None:
        """Look for what is typed."""
        if event.value != plain(event.value):  # it was pasted
            event.input.value = plain(event.value)
        elif event.input is self.search:
            self.want(Wish(self.wish.place, event.value))

    def on_browse_pane_chosen(self, event: BrowsePane.Chosen) -> None:
        """Show the place that was chosen."""
        self.remove_class("-browsing")
        self.go_to(event.place)
        self.lines.focus()

    def on_option_list_option_selected(self, event: MemoryList.OptionSelected) -> None:
        """Open a memory that was clicked again."""
        if event.option_list is self.lines:
            self.action_open()

    # Going about

    def action_search(self) -> None:
        """Type what to look for."""
        self.set_focus(self.search)  # at once: the next keys are for it

    def action_results(self) -> None:
        """Go to the first result."""
        self.set_focus(self.lines)

    def action_clear(self) -> None:
        """Empty the search, or leave it."""
        if self.search.value:
            self.search.value = ""
        else:
            self.lines.focus()

    def action_open(self) -> None:
        """Read the memory: in the whole window where that is narrow."""
        if self.lines.current is None:
            return
        if self.has_class("-narrow") or self.has_class("-tiny"):
            self._zoom(self.pane)
        self.pane.focus()

    def action_pane(self, name: str) -> None:
        """Focus a pane."""
        if name == "browse":
            self.action_browse()
        elif name == "list":
            self.lines.focus()
        else:
            self.action_open()

    def action_browse(self) -> None:
        """Show the browse pane and go there, or leave it."""
        if self.query_one(Places).has_focus:
            self._leave_browse()
        else:
            self.add_class("-browsing")
            self.browse.put_cursor(self.wish.place)
            self.query_one(Places).focus()

    def _leave_browse(self) -> None:
        self.remove_class("-browsing")
        self.lines.focus()

    def action_zoom(self) -> None:
        """Give the whole window to the pane that has the focus, or take it back."""
        if self.has_class("-zoomed"):
            self._unzoom()
        elif pane := self._pane_of_focus():
            self._zoom(pane)

    def _pane_of_focus(self) -> Widget | None:
        for pane in self.query_one("#panes").children:
            if pane.has_focus_within:
                return pane
        return None

    def _zoom(self, pane: Widget) -> None:
        self._unzoom()
        self.add_class("-zoomed")
        pane.add_class("-zoom")

    def _unzoom(self) -> None:
        self.remove_class("-zoomed")
        for pane in self.query(".-zoom"):
            pane.remove_class("-zoom")
        if self.pane.has_focus and self.has_class("-narrow"):
            self.lines.focus()

    def action_back(self) -> None:
        """Take one step back: zoom, panel, marks, search, filter, and then nothing."""
        if self.has_class("-zoomed"):
            self._unzoom()
            self.lines.focus()
        elif self.query("HelpPanel"):
            self.app.action_hide_help_panel()
        elif self.has_class("-browsing") or self.query_one(Places).has_focus:
            self._leave_browse()
        elif self.lines.marked:
            self.lines.unmark()
        elif self.wish.searches:
            self.search.value = ""
        elif self.filtered:
            self.go_to(ALL)
        self.app.clear_notifications()
        self.set_focus(self.lines)

    def action_help(self) -> None:
        """Show the keys of what has the focus, or put them away."""
        if self.query("HelpPanel"):
            self.app.action_hide_help_panel()
        else:
            self.app.action_show_help_panel()

    def action_top(self) -> None:
        """Go to the first line, with all that is new."""
        self.show_newest()

    def action_order(self) -> None:
        """Turn the order."""
        self.want(turned(self.wish))

    def action_scroll_memory(self, by: int) -> None:
        """Scroll the memory while the list has the focus."""
        self.pane.scroll_relative(y=by * max(1, self.pane.size.height // 2), animate=False)

    def action_mark(self) -> None:
        """Mark the line and go on."""
        if row := self.lines.current:
            self.lines.mark([row.id])
            self.lines.action_cursor_down()

    def action_mark_all(self) -> None:
        """Mark all lines, as many as can be changed at once, or none where they are."""
        unmarked = [id for id in self.lines.rows if id not in self.lines.marked]
        room = MOST_MARKED - len(self.lines.marked)
        if len(unmarked) > room:
            self.desk_app.say(f"Marked {MOST_MARKED:,}: so many can be changed at once.")
        self.lines.mark(unmarked[:room]) if unmarked and room else self.lines.unmark()

    # Which keys there are

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what makes no sense where one is; dim what needs a memory."""
        del parameters
        if action in _LIVE:
            hidden = self.in_trash or (action == "edit" and self.in_pair)
            return not hidden and (self._some or None)
        sense = self._sense.get(action)
        return sense is None or sense()

    @cached_property
    def _sense(self) -> dict[str, Callable[[], bool]]:
        """When the actions make sense that do not always."""
        return {
            "search": lambda: not self.search.has_focus,
            "order": lambda: not self.in_inbox,
            "new": lambda: not (self.in_trash or self.in_inbox or self.shut),
            "undo": lambda: bool(self.changes),
            "keep": lambda: self.in_inbox,
            "other_text": lambda: self.in_conflict,
            "drop_other": lambda: self.in_pair,
            "merge": lambda: self.in_pair or len(self.lines.marked) == 2,  # noqa: PLR2004
            "restore": lambda: self.in_trash or self.former is not None,
            "purge": lambda: self.in_trash,
            "rename": self._place_changes,
            "delete_place": self._place_changes,
        }

    def _place_changes(self) -> bool:
        place = self.browse.current
        return place is not None and place.changes

    @property
    def _some(self) -> bool:
        return bool(self.lines.rows)

    def commands(self) -> Iterator[SystemCommand]:
        """Yield every action that makes sense now, for the palette."""
        for binding in (*MAIN_KEYS, *LIST_KEYS, *BROWSE_KEYS):
            action = binding.action.removeprefix("screen.")
            if action.startswith(_CURSOR) or action in ("back", "pane"):
                continue
            name = action.partition("(")[0]
            if self.check_action(name, ()):
                yield SystemCommand(
                    binding.description, binding.tooltip, partial(self.run_action, action)
                )
        about = "Make anew what search reads, from the memories; it works meanwhile"
        yield SystemCommand("Rebuild the search index", about, self.action_reindex)
