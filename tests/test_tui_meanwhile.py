"""What others do to a memory while a person is at it, and what becomes of either's change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Input, TextArea
from tui import MEMORIES, NARROW, WIDE, DyingService, Person, with_person

from memdesk.errors import Busy
from memdesk.memory import LIVE, TRASHED, Draft, Edit, Filter
from memdesk.tui.asking import Ask
from memdesk.tui.editor import Editor
from memdesk.tui.main import MainScreen

if TYPE_CHECKING:
    from memdesk.memory import Memory
    from memdesk.service import Service

NEWEST = [text for _, text, _, _ in reversed(MEMORIES)]
HOST = "claude"


def first(service: Service) -> Memory:
    """Return the memory on the first line."""
    return service.list(limit=1).memories[0]


def now(service: Service, memory: Memory) -> Memory:
    """Return a memory as it is now."""
    return service.get([memory.id])[0]


async def tags(person: Person, words: str) -> None:
    """Write words into the dialog that is open, and give them."""
    assert isinstance(person.app.screen, Ask)
    person.app.screen.query_one(Input).value = words
    await person.press("enter")


def test_a_dialog_is_for_what_was_under_the_cursor(demo: Service) -> None:
    """A host takes the memory away while its tags are asked for: no other one gets them."""

    async def scene(person: Person) -> None:
        await person.press("j")
        wanted = person.main.lines.current
        assert wanted
        await person.press("t")
        demo.forget([wanted.memory.id], actor=HOST)
        await person.until(lambda: wanted.id not in person.main.lines.rows)
        await tags(person, "mine")
        assert not demo.list(where=Filter(tags=("mine",))).memories
        assert "trash" in person.toasts[-1]

    with_person(demo, scene)


def test_tags_that_others_give_stay(demo: Service) -> None:
    """Only what the person added and took away is changed."""
    memory = first(demo)

    async def scene(person: Person) -> None:
        await person.press("t")
        demo.revise(memory.id, Edit(add_tags=("theirs",)), actor=HOST)
        await tags(person, "tooling, mine")
        assert set(now(demo, memory).tags) == {"tooling", "mine", "theirs"}

    with_person(demo, scene)


def test_keeping_mine_leaves_the_other_fields_to_others(demo: Service) -> None:
    """The text is the person's, the kind and tags the host's."""
    memory = first(demo)

    async def scene(person: Person) -> None:
        await person.press("e")
        demo.revise(memory.id, Edit(text="theirs", kind="fact", add_tags=("new",)), actor=HOST)
        person.app.screen.query_one("#text", TextArea).text = "mine"
        await person.press("ctrl+s")
        await person.press("m")
        assert isinstance(person.app.screen, MainScreen)
        after = now(demo, memory)
        assert (after.text, after.kind) == ("mine", "fact")
        assert "new" in after.tags

    with_person(demo, scene)


def test_all_that_is_written_into_a_merge_is_kept(demo: Service) -> None:
    """Text, tags and kind come from the editor; what may go nowhere stays private."""
    second, keep = demo.list(limit=2).memories[1], first(demo)
    demo.revise(second.id, Edit(audience=("team",)))

    async def scene(person: Person) -> None:
        await person.press("space", "space", "m")
        editor = person.app.screen
        assert isinstance(editor, Editor)
        editor.query_one("#text", TextArea).text = "both"
        editor.query_one("#line-kind", Input).value = "fact"
        editor.query_one("#line-tags", Input).value = "one, two"
        await person.press("ctrl+s")
        after = now(demo, keep)
        assert (after.text, after.kind, after.tags) == ("both", "fact", ("one", "two"))
        assert after.audience == ()
        assert now(demo, second).state != LIVE

    with_person(demo, scene)


def test_a_merge_overwrites_nothing_that_came_meanwhile(demo: Service) -> None:
    """A host's new text stands, and the person's stays in the editor."""
    keep = first(demo)

    async def scene(person: Person) -> None:
        await person.press("space", "space", "m")
        demo.revise(keep.id, Edit(text="theirs"), actor=HOST)
        await person.press("ctrl+s")
        assert isinstance(person.app.screen, Editor)
        assert now(demo, keep).text == "theirs"

    with_person(demo, scene)


def test_three_presses_delete_three(demo: Service) -> None:
    """A line is gone at once, so that the next press is for the next one."""

    async def scene(person: Person) -> None:
        await person.press("d", "d", "d")
        assert person.lines == NEWEST[3:]
        gone = demo.list(where=Filter(states=(TRASHED,))).memories
        assert {memory.text for memory in gone} == set(NEWEST[:3])
        await person.press("u", "u", "u")
        assert person.lines == NEWEST

    with_person(demo, scene)


def test_what_could_not_be_deleted_comes_back(demo: Service) -> None:
    """The store was busy: the line is there again, and nothing is to be undone."""
    dying = DyingService(demo)

    async def scene(person: Person) -> None:
        dying.failing["forget"] = Busy("cursor", 30.0)
        await person.press("d")
        await person.until(lambda: person.lines == NEWEST)
        assert "busy" in person.toasts[-1]
        assert "u Undo" not in person.footer

    with_person(dying, scene)


def test_results_follow_what_is_changed(demo: Service) -> None:
    """A result that goes to the trash is one no longer."""

    async def scene(person: Person) -> None:
        await person.look_for("penicillin")
        await person.press("down")
        gone = person.current
        await person.press("d")
        await person.until(lambda: gone not in person.lines)
        await person.press("u")
        await person.until(lambda: gone in person.lines)

    with_person(demo, scene)


def test_what_was_done_in_part_can_be_taken_back(demo: Service) -> None:
    """A rename that stops half way leaves a step of undo."""
    dying = DyingService(demo)

    async def scene(person: Person) -> None:
        await person.go("all:")
        dying.failing["rename_tag"] = Busy("cursor", 30.0)
        place = next(each for each in person.main.browse._places.values() if each.value == "work")
        person.main.rename(place)
        await person.until(lambda: isinstance(person.app.screen, Ask))
        await person.settle()
        await tags(person, "job")
        await person.until(lambda: person.main.changes)

    with_person(dying, scene, WIDE)


def test_a_text_of_a_thousand_parts_is_laid_out_plainly(demo: Service) -> None:
    """Markdown makes a widget of each, which would hold up the desk."""
    demo.remember(Draft("\n".join(f"- point {number}" for number in range(1000))))
    demo.remember(Draft("> " * 500 + "deep"))

    async def scene(person: Person) -> None:
        assert "> > >" in person.text
        await person.press("j")
        assert "- point 1" in person.text
        await person.press("j")
        assert person.main.pane.query_one("#plain").display is False

    with_person(demo, scene)


def test_a_link_shows_where_it_leads_first(demo: Service) -> None:
    """Chosen again it is opened; one that is no page of the web never is."""
    demo.remember(Draft("[here](https://example.com/x) [there](file:///etc/passwd)"))
    opened_pages: list[str] = []

    async def scene(person: Person) -> None:
        from textual.widgets import Markdown

        person.app.open_url = lambda url, **_: opened_pages.append(url)  # type: ignore[method-assign]
        pane = person.main.pane
        markdown = pane.query_one(Markdown)
        for times, href in ((1, "https://example.com/x"), (2, "https://example.com/x")):
            markdown.post_message(Markdown.LinkClicked(markdown, href))
            await person.settle()
            assert len(opened_pages) == times - 1
        for _ in range(2):
            markdown.post_message(Markdown.LinkClicked(markdown, "file:///etc/passwd"))
            await person.settle()
        assert opened_pages == ["https://example.com/x"]
        assert "file:///etc/passwd" in person.toasts[-1]

    with_person(demo, scene)


def test_leaving_in_the_middle_of_writing_asks(demo: Service) -> None:
    """ctrl+q leaves from anywhere, but loses nothing."""

    async def scene(person: Person) -> None:
        await person.press("n")
        await person.type("half")
        await person.press("ctrl+q")
        assert "Discard what you wrote?" in person.text
        await person.press("ctrl+q")
        assert person.app.is_running
        await person.press("k")
        assert person.app.screen.query_one("#text", TextArea).text == "half"

    with_person(demo, scene, NARROW)
