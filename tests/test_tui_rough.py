"""Every dialog with hostile text in it, in windows of every size, and the keys that all have names."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from dialog_bench import ROUGH, asked, memory, opened, press, revisions, status, until
from tui import screen_text

from memdesk.errors import Invalid
from memdesk.tui.activity import ActivityScreen
from memdesk.tui.asking import Ask
from memdesk.tui.confirm import Answer, Choice, Confirm
from memdesk.tui.conflict import ConflictDialog
from memdesk.tui.editor import Editor
from memdesk.tui.forms import Written
from memdesk.tui.history import History
from memdesk.tui.keys import every_key
from memdesk.tui.status import StatusScreen

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.screen import Screen

    from memdesk.answers import Asked, Status


def _confirm(text: str) -> Screen[Any]:
    return Confirm(text, text, text, text, text)


def _choice(text: str) -> Screen[Any]:
    return Choice(text, text, text, (Answer("a", text), Answer("b", text)), "b")


def _ask(text: str) -> Screen[Any]:
    return Ask(text, text, suggestions=(text, text + "x"), about=text, several=True)


async def _refuse(written: Written) -> None:
    raise Invalid("text", written.text)


def _editor(text: str) -> Screen[Any]:
    written = Written(text, (text,), text, text, (text,), text)
    return Editor(text, written, _refuse, tags=(text,), kinds=(text,), spaces=(text,))


def _conflict(text: str) -> Screen[Any]:
    return ConflictDialog(text, f"{text} {text}", text)


def _history(text: str) -> Screen[Any]:
    first = memory(text, actor=text, space=text, kind=text, tags=(text,))
    second = replace(first, text=text * 2, space="x", tags=(f"{text}2",), audience=(text,))
    return History(revisions(second, first))


def _status(text: str) -> Screen[Any]:
    async def load() -> Status:
        stats = {"path": text, "model": text, "fingerprint": text, "epoch": text}
        return status(notes=(text,), last_error=text, holder=text, backup=text, stats=stats)

    return StatusScreen(load)


def _activity(text: str) -> Screen[Any]:
    async def load(after: int) -> tuple[Asked, ...]:
        known = asked(1, host=text, verb=text, words=text, ids=("a", text), outcome=text)
        return () if after else (known,)

    async def titles(ids: tuple[str, ...]) -> dict[str, str]:
        return dict.fromkeys(ids[:1], text)

    return ActivityScreen(load, titles)


DIALOGS = (_confirm, _choice, _ask, _editor, _conflict, _history, _status, _activity)


@pytest.mark.parametrize("make", DIALOGS)
@pytest.mark.parametrize("text", [ROUGH, "[/x"], ids=["all", "tag"])
def test_text_neither_acts_nor_commands(make: Callable[[str], Screen[Any]], text: str) -> None:
    """Escapes do not reach the terminal, and markup is shown as it was written."""

    async def run() -> None:
        async with opened(make(text), (80, 24)) as (app, pilot):
            await press(pilot, "ctrl+s")  # where there is something to refuse, it is told
            for x in (14, 30, 60):
                await pilot.click(offset=(x, 2))
            shown = screen_text(app)
            assert not any(sign in shown for sign in "\x1b\x07\x9b\x00\u202e\t")
            assert app.is_running
            assert app.booms == 0
            assert app.errors == []
            assert "[/x" in shown or text == ROUGH

    asyncio.run(run())


@pytest.mark.parametrize("make", DIALOGS)
def test_every_window_holds_every_dialog(make: Callable[[str], Screen[Any]]) -> None:
    """From 1 by 1 to 200 by 60 and back nothing breaks, and the words come back."""

    async def run() -> None:
        async with opened(make("some words"), (80, 24)) as (app, pilot):
            before = screen_text(app).splitlines()[0]
            for size in ((1, 1), (10, 4), (40, 12), (200, 60), (120, 2)):
                await pilot.resize_terminal(*size)
                await until(pilot, lambda size=size: app.screen.size == size)  # type: ignore[misc]
                await pilot.press("down", "tab")
            await pilot.resize_terminal(80, 24)
            await until(pilot, lambda: screen_text(app).splitlines()[0] == before)
            assert app.answers == []

    asyncio.run(run())


@pytest.mark.parametrize("make", DIALOGS)
def test_the_footer_fits(make: Callable[[str], Screen[Any]]) -> None:
    """At 80 columns every key of a dialog is in the footer, with the one that leaves it."""

    async def run() -> None:
        async with opened(make("words"), (80, 24)) as (app, _):
            last = screen_text(app).splitlines()[-1]
            assert "esc " in last
            assert len(last) < 78

    asyncio.run(run())


def test_every_key_has_a_name_of_its_own() -> None:
    """A key of a dialog can be given another one in the settings, by its id."""
    ids = [binding.id for binding in every_key()]
    assert None not in ids
    assert len(set(ids)) == len(ids)
