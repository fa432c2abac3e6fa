"""The sync screen: how each remote stands, what waits for it, and exactly what leaves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar, cast

from rich.cells import set_cell_size
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from memdesk.errors import MemdeskError
from memdesk.remotes import DELETE, PUT
from memdesk.tui.dialog import Dialog
from memdesk.tui.keys import SYNC_KEYS
from memdesk.tui.latest import Latest
from memdesk.tui.plain import content, one_line
from memdesk.tui.standing import NO_REMOTE, about, row
from memdesk.tui.status import size_words

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from memdesk.remotes import Outbox, Parcel, Standing
    from memdesk.tui.remotes import Remotes

EVERY = 3.0
"""Seconds from one look to the next."""
FEW, MANY = 100, 500
"""So many of what waits are shown at first, and once the cursor is on the last of them."""
LONGEST = 20_000
"""Characters of a payload that are laid out: a megabyte would take seconds."""
_WAY = 10
_NOTHING = "Nothing leaves this machine.\n\n"
_SECRET, _HIDDEN = "secret", "(hidden: may hold a secret)"
"""What the reason says where something is held as it may hold one, and what is shown of it then."""
_UNPRINTED = "\n"
"""What a payload may hold that is not printable and yet shown as it is."""


def parcel_row(parcel: Parcel) -> Content:
    """Return what waits as a line: what becomes of it, its size, its title, and why it is held."""
    size = size_words(parcel.size) if parcel.size else ""
    lead = f"{set_cell_size(_way(parcel), _WAY)}{size:>9}  "
    title = one_line(parcel.title) or ("(erased)" if parcel.way == DELETE else parcel.id)
    if _SECRET in parcel.held:
        title = _HIDDEN
    held = (f"  {one_line(parcel.held)}", "dim") if parcel.held else ""
    return Content.assemble((lead, "dim"), content(one_line(title)), held)


def _way(parcel: Parcel) -> str:
    if parcel.way in (PUT, DELETE):
        return "held" if parcel.held else parcel.way
    return "not taken"


def payload_shown(parcel: Parcel) -> Content:
    """Return exactly what leaves; what cannot be printed as the escape that JSON has for it."""
    text = parcel.payload[:LONGEST]
    shown = "".join(
        each if each in _UNPRINTED or each.isprintable() else json.dumps(each)[1:-1]
        for each in text
    )
    left = len(parcel.payload) - len(text)
    parts = [Content.styled(f"Held: {one_line(parcel.held)}", "bold")] if parcel.held else []
    parts += [Content(shown)] if shown else []
    parts += [Content.styled(f"{left:,} more characters: y copies all.", "bold")] if left else []
    return Content("\n").join(parts)


class Lines(OptionList):
    """The remotes, or what waits for one."""

    BINDINGS: ClassVar[list[BindingType]] = [*SYNC_KEYS]


class SyncScreen(Dialog[str]):
    """Shows it; answers with the id of a memory that is to be shown, or with nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [*SYNC_KEYS]
    AUTO_FOCUS = "#remotes"
    HELP = "What is listed is what leaves with the next exchange; nothing else does."

    def __init__(self, main: Remotes) -> None:
        """`main` asks the service, and tells what came of it."""
        super().__init__("Sync")
        self._main = main
        self._standings: tuple[Standing, ...] = ()
        self._outbox: Outbox | None = None
        self._asked = False
        self._told_of = ""
        self._many = FEW
        self._looking = Latest[str](self._renew, rest=lambda: 0)

    def within(self) -> ComposeResult:
        """Yield the remotes beside or over what waits, and under that what leaves."""
        yield Static("Looking …", id="nothing-there", markup=False)
        with Container(id="both"):
            with Vertical(id="side"):
                yield Lines(id="remotes", markup=False, compact=True)
                with VerticalScroll(id="about-box"):
                    yield Static("", id="about", markup=False)
            with Vertical(id="waiting"):
                yield Static("", id="nothing-waits", markup=False)
                yield Lines(id="parcels", markup=False, compact=True)
                with VerticalScroll(id="payload-box", can_focus=False):
                    yield Static("", id="payload", markup=False)

    def on_mount(self) -> None:
        """Look now, and every few seconds."""
        self.query_one("#both").display = False
        self._look()
        self._every = self.set_interval(EVERY, self._look)

    # What there is

    @property
    def _names(self) -> OptionList:
        return self.query_one("#remotes", OptionList)

    @property
    def _list(self) -> OptionList:
        return self.query_one("#parcels", OptionList)

    @property
    def standing(self) -> Standing | None:
        """The remote that is chosen."""
        index = self._names.highlighted if self.is_mounted else None
        return self._standings[index] if index is not None else None

    @property
    def remote(self) -> str:
        """Its name; empty where there is none."""
        return self.standing.remote.name if self.standing else ""

    @property
    def parcel(self) -> Parcel | None:
        """What is chosen of what waits for it."""
        index = self._list.highlighted if self.is_mounted and self._outbox else None
        return self._outbox.parcels[index] if self._outbox and index is not None else None

    def _look(self) -> None:
        if self._looking.want(self.remote):
            self.desk.do(self._looking.run())

    async def _renew(self, remote: str) -> None:
        try:
            standings = await self._main.ask_remotes()
            names = [each.remote.name for each in standings]
            chosen = remote if remote in names else next(iter(names), "")
            outbox = await self._main.outbox(chosen, self._many) if chosen else None
        except MemdeskError as error:
            if self.is_attached:
                self.note(one_line(str(error)))
            return
        except Exception:
            self._every.stop()  # it is told once, not each time
            raise
        if self.is_attached and self.remote in (remote, chosen, ""):
            self._show(standings, outbox)

    def _show(self, standings: tuple[Standing, ...], outbox: Outbox | None) -> None:
        chosen = outbox.remote if outbox else ""
        self._show_remotes(standings, chosen)
        if outbox != self._outbox:
            self._show_parcels(outbox)
        if not self._asked and self.parcel and len(standings) == 1:
            self.set_focus(self._list)  # there is nothing to choose before that
        self._asked = True
        self._tell_place()

    def _show_remotes(self, standings: tuple[Standing, ...], chosen: str) -> None:
        there = bool(standings)
        self.query_one("#both").display = there
        nothing = self.query_one("#nothing-there", Static)
        nothing.display = not there
        nothing.update(Content(f"{_NOTHING}{NO_REMOTE}"))
        lines = [row(each, self.desk.glyphs) for each in standings]
        self._standings = standings
        names = [each.remote.name for each in standings]
        with self.app.batch_update(), self.prevent(OptionList.OptionHighlighted):
            self._names.set_options([Option(each) for each in lines])
            self._names.highlighted = names.index(chosen) if chosen in names else None
        told = about(self.standing) if self.standing else Content("")
        self.query_one("#about", Static).update(told)
        if chosen != self._told_of:
            self.query_one("#about-box", VerticalScroll).scroll_home(animate=False)
            self._told_of = chosen
        waiting = self.query_one("#waiting", Vertical)
        waiting.border_title = cast("str", content(f"What waits for {one_line(chosen)}"))

    def _show_parcels(self, outbox: Outbox | None) -> None:
        """Show what waits; the cursor stays on its memory, or near the place where that was."""
        same = outbox and self._outbox and outbox.remote == self._outbox.remote
        stood, at = (self.parcel, self._list.highlighted or 0) if same else (None, 0)
        self._outbox = outbox
        parcels = outbox.parcels if outbox else ()
        ids = [each.id for each in parcels]
        with self.app.batch_update(), self.prevent(OptionList.OptionHighlighted):
            self._list.set_options([Option(parcel_row(each)) for each in parcels])
            if parcels:
                known = stood is not None and stood.id in ids
                index = ids.index(stood.id) if stood and known else min(at, len(ids) - 1)
                self._list.highlighted = index
        for name in ("#parcels", "#payload-box"):
            self.query_one(name).display = bool(parcels)
        nothing = self.query_one("#nothing-waits", Static)
        nothing.display = not parcels
        nothing.update(content(f"Nothing waits for {one_line(self.remote)}."))
        if not parcels and self._list.has_focus:
            self.set_focus(self._names)
        self._show_payload()

    def _show_payload(self) -> None:
        shown = payload_shown(self.parcel) if self.parcel else Content("")
        self.query_one("#payload", Static).update(shown)
        self.query_one("#payload-box", VerticalScroll).scroll_home(animate=False)

    def _tell_place(self) -> None:
        many = len(self._outbox.parcels) if self._outbox else 0
        at = (self._list.highlighted or 0) + 1
        self.note(f"{at:,} of {self._outbox.total:,}" if self._outbox and many else "")
        if self._main.exchanging:
            self.note(f"{self.desk.glyphs.waiting} syncing")
        self.refresh_bindings()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show what waits for that remote, or what leaves for that memory."""
        event.stop()
        if event.option_list is self._names:
            self._many = FEW
            self._look()
            return
        self._show_payload()
        self._tell_place()
        more = self._outbox and self._outbox.total > len(self._outbox.parcels)
        if more and self._many < MANY and event.option_index == self._list.option_count - 1:
            self._many = MANY
            self._look()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Open what was clicked."""
        event.stop()
        self.action_open()

    # What can be done

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Offer what has an effect."""
        if not self.is_mounted or action not in _NEEDS:
            return True
        parcel = self.parcel
        there = bool(parcel and parcel.way in (PUT, DELETE))
        return {
            "open": there or (self._names.has_focus and parcel is not None),
            "sync": self.standing is not None,
            "push": self.standing is not None,
            "retry": bool(self.standing and self.standing.held),
            "unshare": there and bool(parcel and parcel.way == PUT),
            "undo": bool(self._main.changes),
            "copy": bool(parcel and parcel.payload),
        }[action]

    def _do(self, work: Coroutine[Any, Any, None], *, opens: bool = False) -> None:
        self.desk.do(self._done(work), opens=opens)

    async def _done(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        finally:
            if self.is_attached:
                self._tell_place()
                self._look()

    def action_sync(self) -> None:
        """Exchange with this remote."""
        self._do(self._main.exchange(self.remote))

    def action_push(self) -> None:
        """Send what waits for this remote, and fetch nothing."""
        self._do(self._main.exchange(self.remote, pull=False))

    def action_retry(self) -> None:
        """Let what is held be tried again."""
        self._do(self._main.retry(self.remote))

    def action_unshare(self) -> None:
        """Let the chosen memory go there no longer."""
        if self.parcel:
            self._do(self._main.unshare(self.parcel.id, self.remote), opens=True)

    def action_undo(self) -> None:
        """Take back the last change."""
        self._do(self._main.undo_last())

    def action_copy(self) -> None:
        """Copy exactly what leaves."""
        if self.parcel:
            self.desk.copy(self.parcel.payload, "what leaves")

    def action_open(self) -> None:
        """Answer with the memory; of a remote, go to what waits for it."""
        if self._names.has_focus:
            self.set_focus(self._list)
        elif self.parcel and self.parcel.way in (PUT, DELETE):
            self.dismiss(self.parcel.id)

    def action_move(self, by: int) -> None:
        """Go down or up in what has the focus."""
        if (box := self.query_one("#about-box", VerticalScroll)).has_focus:
            box.scroll_relative(y=by, animate=False)
            return
        lines = self._names if self._names.has_focus else self._list
        if lines.highlighted is not None:
            lines.highlighted = min(max(0, lines.highlighted + by), lines.option_count - 1)

    def action_scroll(self, by: int) -> None:
        """Scroll what leaves, or what is told of a remote where that is longer than its place."""
        box = self.query_one("#about-box", VerticalScroll)
        told = self._names.has_focus and box.max_scroll_y > 0
        box = box if told else self.query_one("#payload-box", VerticalScroll)
        box.scroll_relative(y=by * max(1, box.size.height // 2), animate=False)

    def action_leave(self) -> None:
        """Back to the desk."""
        self.dismiss("")


_NEEDS = ("open", "sync", "push", "retry", "unshare", "undo", "copy")
