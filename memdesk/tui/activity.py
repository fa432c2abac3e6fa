"""What each connected host asks and gets, as it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.cells import set_cell_size
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from memdesk.errors import MemdeskError
from memdesk.moment import wall_clock
from memdesk.tui.dialog import Dialog
from memdesk.tui.keys import ACTIVITY_KEYS
from memdesk.tui.plain import content, one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from memdesk.answers import Asked

EVERY = 1.0
"""Seconds from one look to the next."""
_MOST = 2000
"""So many lines are kept; the oldest go."""
_TITLES = 20
"""So many of the memories of one answer are named."""
_HOST, _VERB, _GOT = 12, 8, 3
HEAD = f"{'When':<8}  {'Host':<{_HOST}}  {'Verb':<{_VERB}}  {'Got':<{_GOT}}  What"
_WORDS = 300
NOTHING = "No host has asked anything yet. What they ask and get appears here as it happens."
OFF = "The activity log is off: nothing that hosts ask is written down."


def row(asked: Asked) -> Content:
    """Return a request as a line."""
    host = set_cell_size(one_line(asked.host), _HOST)
    verb = set_cell_size(one_line(asked.verb), _VERB)
    return Content.assemble(
        (f"{wall_clock(asked.at):%H:%M:%S}  ", "dim"),
        (f"{host}  {verb}  ", "bold"),
        f"{len(asked.ids) or '':>{_GOT}}  ",
        content(one_line(asked.words[:_WORDS])),
        (f"  {one_line(asked.outcome)}", "dim"),
    )


class Requests(OptionList):
    """The lines, the newest last."""

    BINDINGS: ClassVar[list[BindingType]] = [*ACTIVITY_KEYS]


class ActivityScreen(Dialog[tuple[str, ...]]):
    """Shows it; answers with the ids of the memories that are to be shown, or with none.

    It goes on with what comes, unless the person has moved up.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*ACTIVITY_KEYS]
    AUTO_FOCUS = "#requests"
    HELP = "The newest is last. Enter shows the memories that a host got."

    def __init__(
        self,
        load: Callable[[int], Awaitable[tuple[Asked, ...]]],
        title_of: Callable[[tuple[str, ...]], Awaitable[dict[str, str]]],
        *,
        off: bool = False,
    ) -> None:
        """`load` gives what came after a number; `title_of` the titles of memories by their ids.

        `off` says that the log is not kept.
        """
        super().__init__("Activity")
        self._load = load
        self._title_of = title_of
        self._off = off
        self._asked: list[Asked] = []
        self._seen = 0
        self._fresh = 0
        self._loading = False

    def within(self) -> ComposeResult:
        """Yield the lines, and under them what the chosen one got."""
        yield Static(OFF if self._off else NOTHING, id="no-requests", markup=False)
        yield Static(HEAD, id="head", markup=False)
        yield Requests(id="requests", markup=False, compact=True)
        yield Static("", id="got", markup=False)

    def on_mount(self) -> None:
        """Look now, and each second."""
        self._arrange()
        self._look()
        self._looking = self.set_interval(EVERY, self._look)

    @property
    def _list(self) -> OptionList:
        return self.query_one("#requests", OptionList)

    @property
    def _chosen(self) -> Asked | None:
        index = self._list.highlighted
        return self._asked[index] if index is not None and index < len(self._asked) else None

    @property
    def following(self) -> bool:
        """Whether the cursor is on the last line, so that it goes on with what comes."""
        index = self._list.highlighted
        return index is None or index >= len(self._asked) - 1

    def _look(self) -> None:
        if not self._loading:  # a slow answer is waited for, not asked for again
            self._loading = True
            self.desk.do(self._renew())

    async def _renew(self) -> None:
        try:
            came = await self._load(self._seen)
        except MemdeskError as error:
            if self.is_attached:
                self.note(one_line(str(error)))
            return
        except Exception:
            self._looking.stop()  # it is told once, not each second
            raise
        finally:
            self._loading = False
        if came and self.is_attached:
            self._add([asked for asked in came if asked.n > self._seen])

    def _add(self, came: list[Asked]) -> None:
        follow = self.following
        self._seen = max((asked.n for asked in came), default=self._seen)
        self._asked += came
        self._fresh += 0 if follow else len(came)
        with self.app.batch_update():
            if len(self._asked) > _MOST:
                self._shorten()
            else:
                self._list.add_options([Option(row(asked)) for asked in came])
            if follow:
                self._list.highlighted = len(self._asked) - 1
        self._arrange()

    def _shorten(self) -> None:
        """Let the oldest lines go; the cursor stays on its line."""
        gone = len(self._asked) - _MOST // 2
        at, scrolled = self._list.highlighted or 0, self._list.scroll_offset.y
        del self._asked[:gone]
        self._list.set_options([Option(row(asked)) for asked in self._asked])
        self._list.highlighted = max(0, at - gone)
        self._list.scroll_to(y=max(0, scrolled - gone), animate=False)

    def _arrange(self) -> None:
        self.query_one("#no-requests").display = not self._asked
        self._list.display = bool(self._asked)
        self.query_one("#head").display = bool(self._asked)
        self.query_one("#got").display = bool(self._asked)
        if self.following:
            self._fresh = 0
            self.note("following" if self._asked else "")
        else:
            self.note(f"{self._fresh} new below" if self._fresh else "not following: G goes on")
        self.refresh_bindings()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Name the memories of that answer."""
        event.stop()
        self._arrange()
        self.desk.do(self._tell_got(self._chosen))

    async def _tell_got(self, asked: Asked | None) -> None:
        if asked is None:
            return
        ids = asked.ids[:_TITLES]
        try:
            titles = await self._title_of(ids) if ids else {}
        except MemdeskError:  # one of them was erased since
            titles = {}
        if self.is_attached and asked is self._chosen:
            self.query_one("#got", Static).update(_got(asked, titles))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Offer what has an effect."""
        if action == "show":
            return bool(self.is_mounted and self._chosen and self._chosen.ids)
        if action == "follow":
            return bool(self.is_mounted and not self.following)
        return True

    def action_show(self) -> None:
        """Answer with the memories of the chosen line."""
        if self._chosen and self._chosen.ids:
            self.dismiss(self._chosen.ids)

    def action_follow(self) -> None:
        """Go to the last line, and on with those that come."""
        if self._asked:
            self._list.highlighted = len(self._asked) - 1

    def action_first(self) -> None:
        """Go to the first line."""
        self._list.action_first()

    def action_move(self, by: int) -> None:
        """Go down or up; not around, or the last line would follow the first."""
        if self._list.highlighted is not None:
            self._list.highlighted = min(max(0, self._list.highlighted + by), len(self._asked) - 1)

    def action_leave(self) -> None:
        """Back to the desk."""
        self.dismiss(())


def _got(asked: Asked, titles: dict[str, str]) -> Content:
    lead = f"{asked.outcome}, {asked.took * 1000:,.0f} ms" if asked.outcome else ""
    lines = [Content.assemble((one_line(asked.words), "bold"), f"  {one_line(lead)}")]
    lines += [content(f"  {one_line(titles.get(id, id))}") for id in asked.ids[:_TITLES]]
    if len(asked.ids) > _TITLES:
        lines.append(Content(f"  and {len(asked.ids) - _TITLES:,} more"))
    return Content("\n").join(lines)
