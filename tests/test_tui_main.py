"""The main screen: what it shows in which size, where keys lead, and what others change."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from textual.widgets import Footer, HelpPanel
from tui import (
    MEMORIES,
    NARROW,
    NOW,
    WIDE,
    Person,
    demo_service,
    desk_app,
    opened,
    run,
    with_person,
)

from memdesk.memory import Draft, Source
from memdesk.tui.browse import Places
from memdesk.tui.listing import PAGE
from memdesk.tui.places import ALL, Place

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tui import Clock

    from memdesk.service import Service

NEWEST = [text for _, text, _, _ in reversed(MEMORIES)]
SIZES = pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])


@SIZES
def test_all_memories(demo: Service, size: tuple[int, int]) -> None:
    """The newest is first and under the cursor, and laid out beside or below the list."""

    async def scene(person: Person) -> None:
        person.golden("all")
        assert person.lines == NEWEST
        assert person.current == NEWEST[0]

    with_person(demo, scene, size)


@SIZES
def test_searching(demo: Service, size: tuple[int, int]) -> None:
    """Results come while one types, the words in them; the memory says why it was found."""

    async def scene(person: Person) -> None:
        await person.press("slash")
        await person.type("penic")
        person.golden("searching")
        assert set(person.lines[:2]) == {text for text in NEWEST if "penicillin" in text}

    with_person(demo, scene, size)


def test_browse_opens_over_the_list(demo: Service) -> None:
    """Where the window is narrow, the places are over the list until one is chosen."""

    async def scene(person: Person) -> None:
        assert not person.main.browse.display
        await person.press("f")
        person.golden("browse")
        await person.press("f")
        assert not person.main.browse.display
        await person.go("tag:work")
        assert not person.main.browse.display
        assert person.title == "#work · newest first"
        assert person.lines == [
            text for _, text, tags, _ in reversed(MEMORIES) if tags == ("work",)
        ]

    with_person(demo, scene)


def test_places(demo: Service) -> None:
    """Each place of the browse pane shows what is there."""
    places = {
        "trash:": [],
        "pinned:": [],
        "space:personal": NEWEST,
        "kind:note": NEWEST,
        "source:cursor": [text for _, text, _, source in MEMORIES if source == "cursor"],
        "all:": NEWEST,
    }

    async def scene(person: Person) -> None:
        for place, texts in places.items():
            await person.go(place)
            assert person.lines == texts, place

    with_person(demo, scene, WIDE)


def test_moving_about(demo: Service) -> None:
    """Vim's keys and the arrows move the cursor, and the memory follows it."""

    async def scene(person: Person) -> None:
        for key, at in [("j", 1), ("down", 2), ("k", 1), ("up", 0), ("G", 11), ("g", 0)]:
            await person.press(key)
            assert person.current == NEWEST[at], key
        await person.press("end")
        assert person.current == NEWEST[-1]
        assert "12 of 12" in person.text
        await person.shows("written 2026-02-19")

    with_person(demo, scene)


def test_opening_a_memory(demo: Service) -> None:
    """Enter gives a memory the narrow window, and in a wide one the focus; nothing is changed."""

    async def scene(person: Person) -> None:
        before = demo.stats().seq
        await person.press("enter")
        assert person.main.pane.has_focus
        assert person.main.pane.size.width > 70
        await person.press("escape")
        assert person.main.lines.has_focus
        assert demo.stats().seq == before

    with_person(demo, scene)


def test_zoom(demo: Service) -> None:
    """The pane that has the focus takes the whole window, and gives it back."""

    async def scene(person: Person) -> None:
        await person.press("z")
        assert person.main.lines.size.height > 18
        assert not person.main.pane.display
        await person.press("z")
        assert person.main.pane.display

    with_person(demo, scene)


def test_the_escape_ladder(demo: Service) -> None:
    """Escape takes back zoom, panel, marks, search and filter, one each time, and never quits."""

    async def scene(person: Person) -> None:
        main = person.main
        await person.go("tag:work")
        await person.press("slash")
        await person.type("bugs")
        await person.press("down", "space", "question_mark", "z")
        assert main.has_class("-zoomed")
        steps: list[Callable[[], object]] = [
            lambda: main.has_class("-zoomed"),
            lambda: main.query(HelpPanel),
            lambda: main.lines.marked,
            lambda: main.wish.searches,
            lambda: main.wish.place != ALL,
        ]
        for at, step in enumerate(steps):
            assert all(bool(each()) for each in steps[at:]), at
            await person.press("escape")
            assert not step(), at
        for _ in range(3):
            await person.press("escape")
        assert person.app.is_running
        assert person.lines == NEWEST

    with_person(demo, scene)


def test_escape_in_the_search_line(demo: Service) -> None:
    """It empties the line first, then leaves it."""

    async def scene(person: Person) -> None:
        await person.press("slash")
        await person.type("uv")
        await person.press("escape")
        assert person.main.search.has_focus
        assert person.main.search.value == ""
        assert person.lines == NEWEST
        await person.press("escape")
        assert person.main.lines.has_focus

    with_person(demo, scene)


def test_every_footer_fits(demo: Service) -> None:
    """In 80 columns no key of a footer is cut, wherever one is."""

    async def scene(person: Person) -> None:
        stops: list[tuple[str, ...]] = [
            (),
            ("space", "space"),
            ("slash",),
            ("escape", "escape"),
            ("f",),
            ("escape", "d"),
            ("n",),
            ("escape", "enter"),
            ("escape", "i"),
            ("escape", "A"),
            ("escape", "h"),
            ("escape", "t"),
        ]
        for keys in stops:
            await person.press(*keys)
            footer = person.app.screen.query_one(Footer)
            assert footer.virtual_size.width <= NARROW[0], (keys, person.footer)
            assert person.footer.strip(), keys
        await person.press("escape")
        await person.go("trash:")
        assert person.main.query_one(Footer).virtual_size.width <= NARROW[0]

    with_person(demo, scene)


def test_keys_of_the_settings(demo: Service) -> None:
    """What `[keys]` names is bound anew; an unknown name is told."""

    async def play() -> None:
        app = desk_app(demo, keys={"down": "ctrl+n", "fly": "b"})
        async with opened(app) as person:
            await person.press("ctrl+n")
            assert person.current == NEWEST[1]
            await person.press("j")
            assert person.current == NEWEST[1]
            assert any("keys.fly" in toast for toast in person.toasts)

    run(play())


def test_the_palette_has_the_actions(demo: Service) -> None:
    """Each action that makes sense is found in the palette, and so is each place."""

    async def scene(person: Person) -> None:
        named = {command.title for command in person.main.commands()}
        assert {"New", "Edit", "Delete", "Order", "Copy as JSON", "Status", "Search"} <= named
        assert not {"Purge", "Restore", "Undo", "Merge"} & named
        await person.press("ctrl+p")
        await person.type("go to #work")
        await person.until(lambda: "Go to #work (5)" in person.text)
        await person.press("enter")
        await person.until(lambda: person.main.wish.place == Place("tag", "work"))
        await person.settle()
        assert len(person.lines) == 5

    with_person(demo, scene)


def test_the_order_turns(demo: Service) -> None:
    """Oldest first, and back; of results, newest first."""

    async def scene(person: Person) -> None:
        await person.press("o")
        assert person.lines == NEWEST[::-1]
        assert "oldest first" in person.title
        await person.press("o")
        assert person.lines == NEWEST
        await person.press("slash")
        await person.type("penicillin")
        await person.press("down", "o")
        assert "newest first" in person.title
        assert person.lines == [text for text in NEWEST if text in person.lines]

    with_person(demo, scene)


def _has_rows(person: Person, rows: int) -> bool:
    return len(person.text.splitlines()) == rows


def test_sizes(demo: Service) -> None:
    """Any size of the window does, and what was shown is there again afterwards."""

    async def scene(person: Person) -> None:
        before = person.text
        sizes = [WIDE, (80, 24), (40, 12), (10, 4), (1, 1), (200, 60), (3, 30), (120, 3)]
        for width, height in sizes:
            await person.pilot.resize_terminal(width, height)
            await person.until(partial(_has_rows, person, height))
        await person.pilot.resize_terminal(*NARROW)
        await person.until(lambda: person.text == before)
        await person.press("j")
        assert person.current == NEWEST[1]

    with_person(demo, scene)


def test_a_long_list_comes_in_pages(home: Path, clock: Clock) -> None:
    """The next page is there before the cursor needs it, and the border says how many there are."""
    service = demo_service(home)
    many = PAGE + 60
    service.remember_many([Draft(f"memory number {n}") for n in range(many)])

    async def scene(person: Person) -> None:
        assert len(person.lines) == PAGE
        assert person.place == f"1 of {many}"
        await person.press("G")
        await person.until(lambda: len(person.lines) == many)
        assert len(set(person.lines)) == many
        await person.press("G")
        assert person.place == f"{many} of {many}"

    with_person(service, scene)
    service.close()


def test_what_others_remember_appears(demo: Service, home: Path) -> None:
    """Another process's memory is in the first line soon, and the cursor stays on its memory."""

    async def scene(person: Person) -> None:
        other = demo_service(home)
        other.remember(Draft("Ana moved to Porto", source=Source("cursor", "agent")))
        await person.until(lambda: "Ana moved to Porto" in person.lines)
        await person.settle()
        assert person.lines[0] == "Ana moved to Porto"
        assert person.current == NEWEST[0]
        assert "13 memories" in person.text
        other.close()

    with_person(demo, scene)


def test_rows_do_not_move_under_the_cursor(demo: Service) -> None:
    """Away from the top, what is new is counted in the border; g shows it."""

    async def scene(person: Person) -> None:
        await person.press("j", "j", "j")
        before = person.lines
        demo.remember(Draft("Ana moved to Porto"))
        await person.until(lambda: "1 new" in person.place)
        await person.settle()
        assert person.lines == before
        assert person.current == NEWEST[3]
        await person.press("g")
        assert person.lines[0] == "Ana moved to Porto"
        assert "new" not in person.place

    with_person(demo, scene)


def test_marks_survive_what_others_do(demo: Service) -> None:
    """While something is marked, nothing moves; what is gone elsewhere is gone here."""

    async def scene(person: Person) -> None:
        await person.press("space", "space")
        gone = next(iter(person.main.lines.rows))
        demo.forget([gone])
        await person.until(lambda: gone not in person.main.lines.rows)
        await person.settle()
        assert person.lines == NEWEST[1:]
        assert len(person.main.lines.marked) == 1

    with_person(demo, scene)


def test_the_help_tells_the_keys(demo: Service) -> None:
    """A question mark shows the keys of what has the focus, and puts them away."""

    async def scene(person: Person) -> None:
        await person.press("question_mark")
        assert "Copy as JSON" in person.text
        await person.press("question_mark")
        assert not person.main.query(HelpPanel)

    with_person(demo, scene, WIDE)


def test_ages_go_on(demo: Service, clock: Clock) -> None:
    """Time that passes is seen without anything else changing."""

    async def scene(person: Person) -> None:
        assert "  2m  Prefers" in person.text
        clock.at = NOW.replace(hour=15)
        person.main.lines.age()
        await person.settle()
        assert "  3h  Prefers" in person.text

    with_person(demo, scene)


def test_the_places_keep_the_cursor(demo: Service) -> None:
    """Where counts change, the cursor of the browse pane stays on its place."""

    async def scene(person: Person) -> None:
        await person.go("tag:work")
        demo.remember(Draft("something new", tags=("work", "zebra")))
        await person.until(lambda: "tag:zebra" in person.main.browse._places)
        await person.settle()
        assert person.main.browse.current == Place("tag", "work")
        assert person.main.query_one(Places).option_count > 10

    with_person(demo, scene, WIDE)
