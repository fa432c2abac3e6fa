"""Keys that arrive all at once, as over a slow line: each goes where the key before it leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.events import Key
from textual.keys import _character_to_key
from textual.widgets import TextArea
from tui import MEMORIES, Person, with_person

from memdesk.tui.editor import Editor
from memdesk.tui.status import StatusScreen

if TYPE_CHECKING:
    from memdesk.service import Service

NEWEST = [text for _, text, _, _ in reversed(MEMORIES)]


async def burst(person: Person, keys: str) -> None:
    """Have keys arrive before the first of them has come to anything."""
    for each in keys:
        key = "enter" if each == "\r" else _character_to_key(each)
        person.app.post_message(Key(key, each))
    await person.settle()


@pytest.mark.parametrize("typed", ["dzz", "quit", "nd"])
def test_a_search_takes_what_follows_it(demo: Service, typed: str) -> None:
    """No letter of a question acts on the list."""

    async def scene(person: Person) -> None:
        await burst(person, f"/{typed}")
        assert person.main.search.value == typed
        assert person.app.is_running
        assert demo.overview().live == len(NEWEST)

    with_person(demo, scene)


@pytest.mark.parametrize(("key", "typed"), [("n", "dzz"), ("e", "quit")])
def test_an_editor_takes_what_follows_it(demo: Service, key: str, typed: str) -> None:
    """What is written after n or e stands in the editor, all of it."""

    async def scene(person: Person) -> None:
        await burst(person, key + typed)
        await person.until(lambda: isinstance(person.app.screen, Editor))
        await person.settle()
        assert person.app.screen.query_one("#text", TextArea).text.endswith(typed)
        assert demo.overview().live == len(NEWEST)

    with_person(demo, scene)


def test_a_line_takes_what_follows_it(demo: Service) -> None:
    """Tags are typed into the dialog that t opens, and given."""

    async def scene(person: Person) -> None:
        await burst(person, "t dq\r")
        await person.until(lambda: "dq" in demo.list(limit=1).memories[0].tags)
        assert demo.overview().live == len(NEWEST)

    with_person(demo, scene)


def test_a_status_that_is_scrolled_before_it_is_there_breaks_nothing(demo: Service) -> None:
    """Its keys wait until it is shown."""

    async def scene(person: Person) -> None:
        await burst(person, "ijjk")
        assert isinstance(person.app.screen, StatusScreen)
        assert person.app.is_running

    with_person(demo, scene)


def test_keys_after_one_that_opens_nothing_act_as_ever(demo: Service) -> None:
    """Three deletions in one burst are three."""

    async def scene(person: Person) -> None:
        await burst(person, "dddj")
        await person.until(lambda: demo.overview().trash == 3)
        assert person.lines == NEWEST[3:]

    with_person(demo, scene)
