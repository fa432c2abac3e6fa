"""The screens that show: history, status, activity, two texts side by side."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from dialog_bench import (
    AT,
    SIZES,
    Bench,
    answer,
    asked,
    memory,
    opened,
    press,
    revisions,
    status,
    text_of,
)
from hypothesis import given
from hypothesis import strategies as st
from textual.screen import ModalScreen
from tui import screen_text

from memdesk.errors import StoreError
from memdesk.memory import Draft, Edit
from memdesk.tui.activity import ActivityScreen
from memdesk.tui.compare import Comparison, Side, side_of
from memdesk.tui.differences import changes, differing
from memdesk.tui.history import History, what_changed
from memdesk.tui.status import StatusScreen, as_text

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from memdesk.answers import Asked, Status
    from memdesk.service import Service

FIRST = memory("Tests run on Python 3.11", seq=1)
SECOND = replace(FIRST, text="Tests run on Python 3.12", seq=4, actor="person")
THIRD = replace(SECOND, tags=("work",), pinned=True, space="tools", seq=9)
PAST = revisions(THIRD, SECOND, FIRST)


# History


@pytest.mark.parametrize("size", SIZES)
def test_history_tells_who_and_what(size: tuple[int, int]) -> None:
    """Each revision has its moment, who made it, and what it changed."""
    text = text_of(History(PAST), size)
    for words in ("person", "claude-code", "tags, pinned, moved to tools", "written", "1 of 3"):
        assert words in text
    assert "+ work" in text
    assert "- personal  + tools" in text


def test_history_shows_what_became_of_the_text() -> None:
    """A line that went has a minus, one that came a plus, whatever the colours are."""
    text = text_of(History(PAST), (80, 24), "j")
    assert "- Tests run on Python 3.11" in text
    assert "+ Tests run on Python 3.12" in text


def test_one_goes_back_to_what_was() -> None:
    """Enter and b answer with the revision's seq; the present one is not offered."""
    assert answer(History(PAST), "j", "enter") == SECOND.seq
    assert answer(History(PAST), "j", "j", "b") == FIRST.seq
    assert answer(History(PAST), "escape") is None

    async def run() -> None:
        async with opened(History(PAST), (80, 24), "enter", "b") as (app, pilot):
            assert app.answers == []
            assert "Go back" not in screen_text(app)
            assert "Go back to this one" in await press(pilot, "j")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"state": "trashed"}, "to the trash"),
        ({"state": "replaced"}, "replaced"),
        ({"state": "tombstone", "text": ""}, "erased"),
        ({"kind": "fact"}, "kind"),
        ({"audience": ("team",)}, "shared"),
        ({"expires_at": AT}, "expires"),
        ({"metadata": '{"a": 1}'}, "details"),
        ({"seq": 2}, "nothing that shows"),
    ],
)
def test_what_a_revision_changed(change: dict[str, object], words: str) -> None:
    """Every field that may change has a word for it."""
    assert what_changed(FIRST, replace(FIRST, **change)) == words  # type: ignore[arg-type]


def test_a_real_history_is_shown(desk: Service) -> None:
    """What the service gives is what the screen takes."""
    id = desk.remember(Draft("Tea is at four")).id
    desk.revise(id, Edit(text="Tea is at five"))
    desk.forget([id])
    past = desk.history(id)
    text = text_of(History(past), (80, 24))
    assert "to the trash" in text
    assert answer(History(past), "j", "enter") == past[1].memory.seq


@given(st.text(max_size=30), st.text(max_size=30))
def test_what_differs_is_all_that_differs(one: str, other: str) -> None:
    """Without the spans that only one of them has, two texts are the same."""

    def rest(text: str, spans: list[tuple[int, int]]) -> str:
        for start, end in reversed(spans):
            text = text[:start] + text[end:]
        return text

    mine, theirs = differing(one, other)
    assert rest(one, mine) == rest(other, theirs)


def test_long_texts_are_compared_quickly_enough() -> None:
    """A text of many words is marked as a whole, one of many lines is cut with a word on it."""
    assert differing("a " * 5000, "b " * 5000) == ([(0, 10_000)], [(0, 10_000)])
    many = "\n".join(str(number) for number in range(5000))
    shown = changes("", many).plain
    assert shown.endswith("more lines")
    assert shown.count("\n") == 2000


# Status


def _standing(*answers: Status | Exception) -> StatusScreen:
    told = list(answers)

    async def load() -> Status:
        said = told.pop(0) if len(told) > 1 else told[0]
        if isinstance(said, Exception):
            raise said
        return said

    return StatusScreen(load)


@pytest.mark.parametrize("size", SIZES)
def test_status_has_a_line_for_everything(size: tuple[int, int]) -> None:
    """What there is and what is not set up stand in labelled lines."""
    text = text_of(_standing(status(notes=("a clock was ahead",), last_error="no room")), size)
    for words in (
        "/somewhere/desk",
        "46 MB",
        "1,284 live, 12 trashed",
        "all-MiniLM-L6-v2",
        "97d2f0c3aa",
        "17 wait to be embedded",
        "free",
        "failed: no room",
        "0.5.0",
        "a clock was ahead",
    ):
        assert words in text
    assert text.count("not set up") == 2


def test_status_is_copied_without_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy for a bug report has no tag, no space and no home folder in it."""
    monkeypatch.setenv("HOME", "/home/ana")
    stats = {"path": "/home/ana/desk"}
    known = status(stats=stats, holder="4711 python /home/ana/x", notes=("see /home/ana/y",))

    async def run() -> None:
        async with opened(_standing(known), (80, 24), "y") as (app, _):
            (copied,) = app.copied
            assert copied == as_text(known)
            assert "~/desk" in copied
            assert "held by 4711 python ~/x" in copied
            assert not any(word in copied for word in ("secret", "ana", "\x1b"))

    asyncio.run(run())


def test_status_goes_on_after_an_error() -> None:
    """A store that fails is told in the border; what comes later is shown."""

    async def run() -> None:
        screen = _standing(StoreError("the disk is full"), status())
        async with opened(screen) as (app, pilot):
            assert "the disk is full" in screen_text(app)
            screen._look()
            text = await press(pilot)
            assert "the disk is full" not in text
            assert "1,284 live" in text
            assert app.errors == []

    asyncio.run(run())


def test_something_unexpected_is_told_once() -> None:
    """An unexpected error of status ends the looking, so that it is not told each second."""

    async def run() -> None:
        screen = _standing(RuntimeError("boom"))
        async with opened(screen, (80, 24)) as (app, _):
            assert len(app.errors) == 1
            assert screen._looking._task is None

    asyncio.run(run())


def test_the_real_status_is_shown(desk: Service) -> None:
    """What the service gives is what the screen takes."""
    desk.remember(Draft("Tea is at four"))
    text = text_of(_standing(desk.status()), (80, 24))
    assert "1 live" in text
    assert "free" in text


# Activity


class _Log:
    """Hosts' requests as the service gives them."""

    def __init__(self, *requests: Asked) -> None:
        self.requests = list(requests)

    async def load(self, after: int) -> tuple[Asked, ...]:
        """Return those beyond a number."""
        return tuple(each for each in self.requests if each.n > after)

    async def titles(self, ids: tuple[str, ...]) -> dict[str, str]:
        """Return a title for each."""
        return {id: f"title of {id}" for id in ids}

    def screen(self, *, off: bool = False) -> ActivityScreen:
        """Return what shows it."""
        return ActivityScreen(self.load, self.titles, off=off)


def test_activity_says_why_it_is_empty() -> None:
    """Before the first request, and where the log is off, there are words."""
    assert "No host has asked anything yet" in text_of(_Log().screen(), (80, 24))
    assert "The activity log is off" in text_of(_Log().screen(off=True), (80, 24))


@pytest.mark.parametrize("size", SIZES)
def test_activity_tells_who_asked_what_and_got_what(size: tuple[int, int]) -> None:
    """Each request has its host, verb, words and number; the chosen one its memories by title."""
    log = _Log(asked(1), asked(2, host="cursor", ids=("a", "b"), outcome="2 hits"))
    text = text_of(log.screen(), size)
    for words in ("claude-code", "cursor", "recall", "question 1", "2 hits, 34 ms", "title of b"):
        assert words in text


def test_activity_follows_unless_one_moved_up() -> None:
    """The cursor goes on with the newest; above it, it stays, and what came is counted."""

    async def run() -> None:
        log = _Log(*(asked(n) for n in range(1, 6)))
        screen = log.screen()
        async with opened(screen) as (_, pilot):
            assert screen._list.highlighted == 4
            log.requests.append(asked(6))
            screen._look()
            assert "following" in await press(pilot)
            assert screen._list.highlighted == 5
            await press(pilot, "k")
            log.requests += [asked(7), asked(8)]
            screen._look()
            assert "2 new below" in await press(pilot)
            assert screen._list.highlighted == 4
            await press(pilot, "G")
            assert screen._list.highlighted == 7

    asyncio.run(run())


def test_activity_answers_with_what_was_got() -> None:
    """Enter answers with the memories of a line; on a line without any it does nothing."""
    log = _Log(asked(1, ids=("a", "b")), asked(2))
    assert answer(log.screen(), "k", "enter") == ("a", "b")
    assert answer(log.screen(), "enter", "escape") == ()


def test_activity_keeps_the_newest() -> None:
    """A long log is shortened from its start, and the cursor stays on its line."""

    async def run() -> None:
        log = _Log(*(asked(n) for n in range(1, 1900)))
        screen = log.screen()
        async with opened(screen, (80, 24), "k") as (_, pilot):
            log.requests += [asked(n) for n in range(1900, 2100)]
            screen._look()
            await press(pilot)
            assert screen._asked[-1].n == 2099
            assert len(screen._asked) == screen._list.option_count == 1000
            assert screen._chosen is not None
            assert screen._chosen.n == 1898

    asyncio.run(run())


# Two texts


class _Both(ModalScreen[None]):
    """Shows two texts and nothing else."""

    def __init__(self, one: Side | None, other: Side | None) -> None:
        super().__init__()
        self._pair = (one, other)

    def compose(self) -> ComposeResult:
        """Yield them."""
        yield Comparison(*self._pair)


def test_two_texts_stand_where_there_is_room() -> None:
    """Wide, both are on the same lines; narrow, one is over the other."""
    screen = _Both(side_of(SECOND, "This"), side_of(replace(FIRST, tags=("old",)), "That"))
    lines = text_of(screen, (100, 24)).splitlines()
    assert any("3.12" in line and "3.11" in line for line in lines)
    screen = _Both(side_of(SECOND, "This"), side_of(replace(FIRST, tags=("old",)), "That"))
    lines = text_of(screen, (60, 24)).splitlines()
    assert not any("3.12" in line and "3.11" in line for line in lines)
    assert any("#old" in line and "claude-code" in line for line in lines)


def test_what_only_one_has_is_underlined() -> None:
    """The words that differ are underlined, the others are not."""

    async def run() -> None:
        screen = _Both(Side("A", "one two"), Side("B", "one three"))
        async with opened(screen, (100, 10)) as (app, _):
            strips = app.screen._compositor.render_strips()
            underlined = "".join(
                segment.text
                for strip in strips
                for segment in strip
                if segment.style and segment.style.underline
            )
            assert underlined == "twothree"

    asyncio.run(run())


def test_one_text_may_be_alone() -> None:
    """Without another one, the one has all the room."""
    text = text_of(_Both(Side("Only", "one two"), None), (100, 10))
    assert "one two" in text
    assert text.count("╭") == 1


def test_the_bench_is_not_the_desk() -> None:
    """What dialogs ask of the desk is there by the same names."""
    from memdesk.tui.app import MemdeskApp

    assert all(hasattr(MemdeskApp, name) and hasattr(Bench, name) for name in ("do", "copy"))
