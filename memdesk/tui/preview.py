"""The memory under the cursor: its text as Markdown, where it comes from, and why it was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from memdesk.memory import LIVE, PERSONAL, now
from memdesk.moment import age, happened_words, wall_clock
from memdesk.tui.keys import LIST_KEYS, MEMORY_KEYS
from memdesk.tui.plain import content, flat, one_line, plain

if TYPE_CHECKING:
    from datetime import datetime

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.widgets import Markdown

    from memdesk.answers import Concern, Hit
    from memdesk.memory import Memory
    from memdesk.tui.compare import Comparison
    from memdesk.tui.rows import Row

_OF_LINES = ("open", "mark", "mark_all", "top", "order", "memory_down", "memory_up")
_VERBS = [key for key in LIST_KEYS if key.action.startswith("screen.") and key.id not in _OF_LINES]
"""What is done to the memory one reads."""
_AROUND = 60
"""Characters that are shown around what looks suspicious."""
_SIDES = {"replaced": ("now", "before")}
_TWO = "a keep both · m merge · x drop the second · d drop the first"
_CONCERNS = {
    "duplicate": ("Nearly the same", _TWO),
    "contradiction": ("These may contradict each other", _TWO),
    "replaced": (
        "A host put this in the place of another",
        "a all right · r bring the former back, beside it",
    ),
    "secret": ("This looks like a secret", "a it is none, or may stay · e edit · d to trash"),
    "instruction": ("This reads like orders to an assistant", "a all right · e edit · d to trash"),
    "burst": (
        "One of too many that a host saved at once: not recalled",
        "a all right · d to trash",
    ),
    "conflict": ("Conflict", "a all right · h the other one, in its history · e edit · d to trash"),
    "low-trust": ("This came from somewhere you may not trust", "a all right · d to trash"),
}
MOST_BLOCKS = 150
"""Parts of a text that are laid out as Markdown; each is a widget, and a thousand take seconds."""
LONGEST = 20_000
"""Characters of a text that are laid out as Markdown: a megabyte would take a minute."""


class MemoryPane(VerticalScroll):
    """One memory, whole."""

    BINDINGS: ClassVar[list[BindingType]] = [*MEMORY_KEYS, *_VERBS]
    BINDING_GROUP_TITLE = "The memory"
    HELP = "Drag to select text. A link shows where it leads; choose it again to open it."

    def __init__(self, **more: str) -> None:
        super().__init__(**more)  # type: ignore[arg-type]
        self._link = ""
        """The link that was chosen last."""

    def compose(self) -> ComposeResult:
        """Lay out the text over what is known of it."""
        yield Static(id="plain", markup=False)
        yield Static(id="facts", markup=False)
        yield Static(id="why", markup=False)

    async def _show_text(self, memory: Memory | None) -> None:
        """Lay out a text as Markdown, or plainly where that would hold up the desk."""
        text = _text(memory) if memory else ""
        rich = _blocks(text) <= MOST_BLOCKS
        await (await self._markdown()).update(text if rich else "")
        plain_text = self.query_one("#plain", Static)
        plain_text.update(Content("" if rich else text))
        plain_text.display = not rich

    async def _markdown(self) -> Markdown:
        """Return where Markdown is shown; made when there is one, since the first frame need not wait."""
        from textual.widgets import Markdown

        if not (known := self.query("#text")):
            await self.mount(Markdown(id="text", open_links=False), before="#plain")
            known = self.query("#text")
        return known.first(Markdown)

    def on_markdown_link_clicked(self, event: Markdown.LinkClicked) -> None:
        """Show where a link leads; open it when it is chosen again."""
        event.stop()
        address = one_line(event.href)
        known, self._link = self._link, address
        if not address.lower().startswith(("https://", "http://")):
            self.app.notify(f"It leads to {address}, which is not opened from here.", markup=False)
        elif address == known:
            self.app.open_url(address)
        else:
            self.app.notify(f"It leads to {address}\nChoose it again to open it.", markup=False)

    async def _comparison(self) -> Comparison:
        from memdesk.tui.compare import Comparison

        if not (known := self.query("#pair")):
            await self.mount(Comparison(id="pair"))
            known = self.query("#pair")
        return known.first(Comparison)

    async def show(self, row: Row | None, *, why: bool) -> None:
        """Show what is under the cursor; `why` also how it was found."""
        memory = row.memory if row else None
        concern = row.concern if row else None
        if not await self._pair(concern):
            await self._show_text(memory)
        self.query_one("#facts", Static).update(facts(memory) if memory else "")
        reasons = _reasons(row, why=why) if row else Content("")
        self._show_why(reasons, first=concern is not None)
        self.border_subtitle = place_line(memory) if memory else ""
        self.scroll_home(animate=False)

    def _show_why(self, reasons: Content, *, first: bool) -> None:
        """Show why a line is there: what is to be settled before the text, else after it."""
        why = self.query_one("#why", Static)
        why.update(reasons)
        why.display = bool(reasons.plain)
        self.set_class(first, "-concern")
        if first:
            self.move_child(why, before=0)
        elif self.children[-1] is not why:
            self.move_child(why, after=self.query_one("#facts"))

    async def _pair(self, concern: Concern | None) -> bool:
        """Show two memories beside each other where a concern is about two; False where it is not."""
        other = concern.other if concern else None
        self.set_class(other is not None, "-pair")
        if concern is None or other is None:
            return False
        from memdesk.tui.compare import side_of

        first, second = _SIDES.get(concern.kind, ("first", "second"))
        comparison = await self._comparison()
        comparison.show(side_of(concern.memory, first), side_of(other, second))
        return True


def _reasons(row: Row, *, why: bool) -> Content:
    """Return why a line is there: what wants the person's eye, or how it was found."""
    if row.concern:
        return concern_words(row.concern)
    return reasons_of(row.hit) if row.hit and why else Content("")


def concern_words(concern: Concern) -> Content:
    """Return what is to be settled, and which key does what."""
    about = one_line(concern.about)
    words, keys = _CONCERNS.get(concern.kind, ("", "a all right · d to trash"))
    near = f" ({int(100 * concern.nearness)} % alike)" if concern.other and concern.nearness else ""
    told = f"{words}{near}" + (f": {about}" if about and not concern.other else "")
    parts = [Content.styled(told, "bold")]
    if concern.spans:
        start, end = concern.spans[0]
        first = max(0, start - _AROUND)
        text = concern.memory.text[first : end + _AROUND]
        parts.append(content(flat(text), (start - first, end - first)))
    return Content("\n").join([*parts, Content.styled(keys, "dim")])


def _text(memory: Memory) -> str:
    text = plain(memory.text)
    if len(text) <= LONGEST:
        return text or "*erased*"
    left = len(text) - LONGEST
    return f"{text[:LONGEST]}\n\n---\n\n*{left:,} more characters: E opens it whole.*"


def _blocks(text: str) -> int:
    """Return how many parts Markdown may make of a text, at most: lines, quotes in quotes, cells."""
    return sum(text.count(each) for each in "\n>|")


def place_line(memory: Memory) -> Content:
    """Return tags, who wrote it and when, for the pane's border."""
    tags = " ".join(f"#{one_line(tag)}" for tag in memory.tags)
    parts = (tags, one_line(memory.source.name), f"{age(memory.created_at, now())} ago")
    return Content(" · ".join(part for part in parts if part).replace("now ago", "just now"))


def facts(memory: Memory) -> Content:
    """Return what is known of a memory beside its text."""
    told = [
        memory.kind,
        f"in {memory.space}" if memory.space != PERSONAL else "personal",
        f"goes to {', '.join(memory.audience)}" if memory.audience else "private",
        "pinned" if memory.pinned else "",
        memory.state if memory.state != LIVE else "",
        f"happened {happened}" if (happened := happened_words(memory)) else "",
        f"recalled until {_time(memory.expires_at)}" if memory.expires_at else "",
        f"flagged {', '.join(memory.flags)}" if memory.flags else "",
        f"written {_time(memory.created_at)} by {memory.source.name} ({memory.source.trust})",
        f"changed {_time(memory.updated_at)}" if memory.updated_at != memory.created_at else "",
    ]
    return content(one_line(" · ".join(each for each in told if each)))


def reasons_of(hit: Hit) -> Content:
    """Return why a result stands where it stands: ranks, the sum of its score, and its words."""
    by_words = "not by words"
    if hit.keyword_rank is not None:
        by_words = f"by words {_nth(hit.keyword_rank)} (BM25 {hit.keyword_score:.2f})"
    by_meaning = "not by meaning"
    if hit.vector_rank is not None:
        by_meaning = f"by meaning {_nth(hit.vector_rank)}"
    nearness = f" (cosine {hit.cosine:.2f})" if hit.cosine is not None else ""
    parts = (("words", hit.words), ("meaning", hit.meaning), *hit.priors)
    sums = " ".join(f"{'-' if value < 0 else '+'} {abs(value):.3f} {name}" for name, value in parts)
    at = hit.memory.when
    lines = (
        Content.styled("Why this result", "bold"),
        Content(f"{by_words} · {by_meaning}{nearness}"),
        Content(f"score {hit.score:.3f} = {sums.removeprefix('+ ')}"),
        content(one_line(f"{age(at, now())} old · from {hit.memory.source.name}")),
        passage_of(hit),
    )
    return Content("\n").join(lines)


def passage_of(hit: Hit) -> Content:
    """Return the passage that was found, the words of the question in bold."""
    start, end = hit.span
    text = hit.memory.text[start:end]
    return content(flat(text), *((a - start, b - start) for a, b in hit.matched))


def _time(moment: datetime) -> str:
    return f"{wall_clock(moment):%Y-%m-%d %H:%M}"


def _nth(place: int) -> str:
    """Return a place as 1st, 2nd, 3rd, 4th and so on."""
    ending = "th" if 10 <= place % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")  # noqa: PLR2004
    return f"{place}{ending}"
