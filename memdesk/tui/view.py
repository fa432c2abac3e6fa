"""What the main screen shows and how it stays true: the wish, the lines, and the changes of others."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Static

from memdesk.errors import Invalid, MemdeskError
from memdesk.tui.browse import BrowsePane
from memdesk.tui.dialog import Dialog
from memdesk.tui.latest import Latest
from memdesk.tui.listing import MOST_LOADED, PAGE, Shown, Wish, look, nothing, title
from memdesk.tui.memories import MemoryList
from memdesk.tui.places import ALL, INBOX, Place
from memdesk.tui.plain import content, one_line
from memdesk.tui.preview import MemoryPane

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memdesk.answers import Overview
    from memdesk.service import Service
    from memdesk.tui.app import MemdeskApp

T = TypeVar("T")
TYPING_REST = 0.07
"""Seconds without a key after which what was typed is looked for."""
CURSOR_REST = 0.08
"""Seconds after which the memory under a resting cursor is laid out."""
TYPED_REST = 0.25
"""As much while somebody types: to lay it out would hold up the next key."""
SLOW = 0.3
"""Seconds after which a search is said to be under way."""
_LISTEN = 5.0
_AGAIN = 1.0
_SHUT = "cannot be opened"
_REST = 0.3


class View(Screen[None]):
    """The main screen as far as it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.wish = Wish()
        self.shown = Shown(self.wish, ())
        self.why = True
        """Whether the memory pane tells why a result was found."""
        self._newer = 0
        self._sense_shown: tuple[object, ...] = ()
        self._renewing = asyncio.Lock()
        self._said: dict[str, str] = {}
        """What stands in the lines that are ours."""
        self._read_last: tuple[object, bool] | None = None
        self._looking = Latest[Wish](self._look, rest=lambda: TYPING_REST)
        self._reading = Latest[object](self._read, rest=self._rest_of_cursor, calm=True)
        self._trouble = ""
        self._waiting = "opening"

    # The parts

    @property
    def desk_app(self) -> MemdeskApp:
        """The application."""
        return cast("MemdeskApp", self.app)

    @property
    def lines(self) -> MemoryList:
        """The list."""
        return self.query_one(MemoryList)

    @property
    def pane(self) -> MemoryPane:
        """The memory."""
        return self.query_one(MemoryPane)

    @property
    def browse(self) -> BrowsePane:
        """The places."""
        return self.query_one(BrowsePane)

    @property
    def search(self) -> Input:
        """The search line."""
        return self.query_one("#search", Input)

    async def ask(self, work: Callable[[Service], T]) -> T:
        """Return what the service answers."""
        return await self.desk_app.ask(work)

    # What is wanted

    def go_to(self, place: Place) -> None:
        """Show what is somewhere, from its first line."""
        self.search.value = ""
        self.lines.unmark()
        self.want(Wish(place))

    def want(self, wish: Wish) -> None:
        """Show something else, as soon as it is known; what is shown stays until then."""
        self.wish = wish
        if self._looking.want(wish):
            self.desk_app.do(self._looking.run())

    async def _look(self, wish: Wish) -> None:
        slowly = asyncio.get_running_loop().call_later(SLOW, self._say_searching, wish)
        try:
            shown = await self.ask(lambda service: look(service, wish))
        except Invalid as error:  # such as a question that is too long
            self.desk_app.tell(error)
            return
        except MemdeskError as error:
            self._failed(error)
            return
        finally:
            slowly.cancel()
            self.lines.remove_class("-old")
        if wish == self.wish:
            moved = wish != self.shown.wish
            self._show(shown, to_top=moved)

    def _say_searching(self, wish: Wish) -> None:
        if wish.searches:
            self.lines.add_class("-old")
            self.query_one("#list").border_title = Content("searching…")

    def _show(self, shown: Shown, *, to_top: bool = False) -> None:
        self.shown, self._newer = shown, 0
        self.lines.show(shown.rows, to_top=to_top)
        if shown.wish.searches:
            self._tell_degraded(shown.degraded)
        self._trouble, self._waiting = "", ""
        self._tell_place()
        self.tell_state()
        self.read()

    # What is told beside the lines

    def _tell_place(self) -> None:
        """Say in the list's border what is shown, in which order, and where the cursor is."""
        box, rows = self.query_one("#list"), self.lines.rows
        box.border_title = content(one_line(title(self.shown.wish, len(rows))))
        box.border_subtitle = Content(self._where())
        empty = self.query_one("#nothing", Static)
        empty.display = not rows and not self._waiting
        if not rows:
            empty.update(content(nothing(self.shown.wish, connect=self.desk_app.connect)))

    def _where(self) -> str:
        newer = f"{self._newer} new {self.desk_app.glyphs.newer}" if self._newer else ""
        marked = f"{len(self.lines.marked)} marked" if self.lines.marked else ""
        total = self._total()
        at = (self.lines.highlighted or 0) + 1
        place = f"{at:,} of {total}" if self.lines.rows else ""
        return " · ".join(part for part in (newer, marked, place) if part)

    def _total(self) -> str:
        if self.shown.total is not None:
            return f"{self.shown.total:,}"
        if self.shown.cursor is None:
            return f"{len(self.lines.rows):,}"
        overview = self.desk_app.overview
        if overview and self.shown.wish == replace(Wish(), turned=self.shown.wish.turned):
            return f"{overview.live:,}"
        return f"{len(self.lines.rows):,}+"

    def tell_state(self) -> None:
        """Say at the top how the desk stands, in a word with its sign."""
        signs = self.desk_app.glyphs
        if self._waiting:
            words = f"{signs.waiting} {self._waiting}"
        elif self._trouble:
            words = f"{signs.problem} {self._trouble}"
        else:
            words = f"{signs.fine} on this machine"
        self._put("#state", words)

    def _put(self, place: str, words: str) -> None:
        """Show words in a line of ours, unless they stand there: laying out the screen takes 10 ms."""
        if self._said.get(place) != words:
            self._said[place] = words
            self.query_one(place, Static).update(content(one_line(words)))

    def wait_for(self, words: str) -> None:
        """Say what is waited for; nothing when it is over."""
        self._waiting = words
        self.tell_state()
        if words and isinstance(self.app.screen, Dialog):
            self.app.screen.note(words)  # it covers the line above

    def _tell_degraded(self, why: str) -> None:
        """Say in a line of its own that meaning is not searched by."""
        self.tell_notes(f"Searching by words only: {why}" if why else "")

    def tell_notes(self, words: str) -> None:
        """Say in a line of its own what a person should know of the store; nothing to say hides it."""
        self._put("#banner", words)
        self.query_one("#banner").set_class(bool(words), "-shown")

    def _failed(self, error: MemdeskError) -> None:
        """Say what keeps the desk from showing anything, and how to go on; lines that are there stay."""
        self._waiting = ""
        self._trouble = "not connected" if self.lines.rows else _SHUT
        self.tell_state()
        self._tell_place()
        self.tell_notes(str(error) if self.lines.rows else "")
        if not self.lines.rows:
            self.query_one("#list").border_title = Content("Not open")
            empty = self.query_one("#nothing", Static)
            empty.update(content(f"{error}\n\nctrl+r tries again, q leaves."))
            empty.display = True
        self.refresh_keys()

    # The memory under the cursor

    def read(self) -> None:
        """Lay out the memory under the cursor once that rests."""
        if self._reading.want(None):
            self.desk_app.do(self._reading.run())

    def _rest_of_cursor(self) -> float:
        return TYPED_REST if self.search.has_focus else CURSOR_REST

    async def _read(self, _: object) -> None:
        row, why = self.lines.current, self.why
        if (row, why) != self._read_last:
            self._read_last = (row, why)
            await self.pane.show(row, why=why)

    def on_memory_list_moved(self) -> None:
        """Follow the cursor."""
        self.query_one("#list").border_subtitle = Content(self._where())
        self.refresh_keys()
        self.read()

    def refresh_keys(self) -> None:
        """Show other keys where others make sense now: the footer takes 9 ms to be made anew."""
        sense = self.sense()
        if sense != self._sense_shown:
            self._sense_shown = sense
            self.refresh_bindings()

    def sense(self) -> tuple[object, ...]:
        """Return all that decides which keys make sense."""
        row = self.lines.current
        concern = row.concern if row else None
        return (
            self.shut,
            self.shown.wish.place,
            bool(self.lines.rows),
            len(self.lines.marked),
            concern and (concern.kind, bool(concern.other)),
        )

    def on_memory_list_near_end(self) -> None:
        """Load the next page before the cursor needs it."""
        if self.shown.cursor and not self.shown.wish.searches:
            cursor, self.shown = self.shown.cursor, replace(self.shown, cursor=None)
            self.desk_app.do(self._load_more(self.shown.wish, cursor))

    async def _load_more(self, wish: Wish, cursor: str) -> None:
        more = await self.ask(lambda service: look(service, wish, cursor=cursor))
        if wish == self.shown.wish:
            self.lines.add(more.rows)
            self.shown = replace(self.shown, cursor=more.cursor)
            self.query_one("#list").border_subtitle = Content(self._where())

    # What others change

    async def live(self) -> None:
        """Show what any process changes, for as long as the desk is open."""
        seen, told = -1, False
        while self.is_attached:
            try:
                newest = await self.ask(partial(_await_change, seen))
                await self.renew(changed=newest != seen)
                seen = newest
                await asyncio.sleep(_REST)  # a burst of saves is shown a few times a second
            except MemdeskError as error:
                if not self.is_attached:
                    return
                self._failed(error)
                await asyncio.sleep(_AGAIN)
            except Exception as error:  # noqa: BLE001 - told once; what comes after it is shown
                if not told:
                    self.desk_app.tell(error)
                told = True
                await asyncio.sleep(_AGAIN)

    def action_retry(self) -> None:
        """Ask anew for what is shown."""
        self.want(self.wish)
        self.desk_app.do(self.renew())

    async def renew(self, *, at: str = "", changed: bool = True) -> None:
        """Show what has changed; no line moves away under the cursor.

        `at` is a memory that the cursor is to go to, where it is shown. Where no memory has
        `changed`, the Inbox may have: it is found in the background.
        """
        async with self._renewing:  # the last to ask is the last to show
            waits = self.desk_app.overview.inbox if self.desk_app.overview else 0
            overview = await self._count()
            changed = changed or (self.in_inbox and overview.inbox != waits)
            if self._trouble:
                self._trouble, changed = "", True
                self.tell_state()
                self.tell_notes("")
            if changed and self.shown.wish.searches:
                self.want(self.wish)  # one question at a time, this one too
            elif changed and self._looking.idle:
                await self._renew_place(self.shown, at)
        self.refresh_keys()

    async def _renew_place(self, shown: Shown, at: str) -> None:
        many = min(max(PAGE, len(self.lines.rows)), MOST_LOADED)
        fresh = await self.ask(lambda service: look(service, shown.wish, many=many))
        if shown.wish == self.wish == self.shown.wish:
            self._merge(fresh, at)

    async def _count(self) -> Overview:
        overview = await self.ask(lambda service: service.overview())
        self.desk_app.overview = overview
        self.browse.show(overview)
        many = "1 memory" if overview.live == 1 else f"{overview.live:,} memories"
        self.search.placeholder = f"Search {many}"
        return overview

    def _merge(self, fresh: Shown, at: str) -> None:
        """Take in a page that was read anew: at the top all of it, elsewhere what was there."""
        lines = self.lines
        fresh = self._with_rest(fresh)
        newer = [row for row in fresh.rows if row.id not in lines.rows]
        goes = any(row.id == at for row in fresh.rows)
        settled = self.in_inbox or (lines.at_top and not lines.marked)
        if goes or not newer or settled:
            self._show(fresh)
            if goes:
                lines.highlighted = lines.get_option_index(at)
            return
        present = {row.id: row for row in fresh.rows}
        lines.show(present[id] for id in lines.rows if id in present)
        self._newer = len(newer)
        self.shown = replace(self.shown, cursor=fresh.cursor)
        self._tell_place()

    def _with_rest(self, fresh: Shown) -> Shown:
        """Return a page with the lines after it that were loaded already: it may be shorter."""
        known = list(self.lines.rows)
        last = fresh.rows[-1].id if fresh.rows else ""
        if fresh.cursor is None or last not in self.lines.rows:
            return fresh
        rest = [self.lines.rows[id] for id in known[known.index(last) + 1 :]]
        cursor = self.shown.cursor if rest else fresh.cursor
        return replace(fresh, rows=(*fresh.rows, *rest), cursor=cursor)

    def show_newest(self) -> None:
        """Show what has come since, from the first line."""
        self.lines.highlighted = 0 if self.lines.rows else None
        self.lines.scroll_home(animate=False)
        if self._newer:
            self.desk_app.do(self.renew())

    @property
    def shut(self) -> bool:
        """Whether the store cannot be opened."""
        return self._trouble == _SHUT

    @property
    def in_inbox(self) -> bool:
        """Whether the lines are concerns."""
        return self.shown.wish.place == INBOX and not self.shown.wish.searches

    @property
    def in_trash(self) -> bool:
        """Whether the lines are memories in the trash."""
        return self.shown.wish.place.kind == "trash"

    @property
    def filtered(self) -> bool:
        """Whether less than everything is looked at."""
        return self.wish.place != ALL

    def show_memories(self, ids: Sequence[str]) -> None:
        """Show some memories, by their ids."""
        self.go_to(Place("these", ",".join(ids)))


def _await_change(seen: int, service: Service) -> int:
    return service.await_change(seen, _LISTEN)
