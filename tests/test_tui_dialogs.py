"""The dialogs that ask and take: confirm, choice, ask, the editor, another editor."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from dialog_bench import answer, memory, opened, press, text_of
from hypothesis import given
from hypothesis import strategies as st
from textual.widgets import TextArea
from tui import screen_text

from memdesk.errors import Busy, Conflict, Invalid
from memdesk.memory import Edit, clean_tags
from memdesk.tui.asking import Ask
from memdesk.tui.completion import RULE, NameSuggester, line_of, names_of
from memdesk.tui.confirm import Answer, Choice, Confirm
from memdesk.tui.editor import Editor
from memdesk.tui.forms import Written

MINE = Written("Allergic to penicillin", ("health",))


def _purge() -> Confirm:
    return Confirm("Delete for good", "Delete 3 memories?", "They are gone.", "Delete 3", "Keep")


def _choice() -> Choice:
    answers = (Answer("m", "Mine"), Answer("t", "Theirs"), Answer("b", "Back"))
    return Choice("Which", "Which one?", "", answers, "b")


# Confirm and Choice


def test_the_safe_answer_has_the_focus() -> None:
    """A confirm dialog names what and how many, and enter gives the safe answer."""
    text = text_of(_purge(), (80, 24))
    assert "Delete 3 memories?" in text
    assert "[ Keep (n) ]" in text
    assert "[ Delete 3 (y) ]" not in text
    assert answer(_purge(), "enter") is False


@pytest.mark.parametrize(
    ("keys", "given"),
    [
        ("y", True),
        ("n", False),
        ("escape", False),
        ("left enter", True),
        ("left right enter", False),
    ],
)
def test_each_answer_has_its_keys(keys: str, given: bool) -> None:
    """Only y, or enter on the other answer, says yes."""
    assert answer(_purge(), *keys.split()) is given


@pytest.mark.parametrize("key", ["Y", "d", "delete", "q", "space"])
def test_other_keys_say_nothing(key: str) -> None:
    """Keys that are no answer give none."""

    async def run() -> None:
        async with opened(_purge(), (80, 24), key) as (app, _):
            assert app.answers == []

    asyncio.run(run())


@pytest.mark.parametrize(
    ("keys", "given"), [("m", "m"), ("t", "t"), ("b", "b"), ("enter", "b"), ("escape", "b")]
)
def test_a_choice_answers_with_the_letter(keys: str, given: str) -> None:
    """A choice answers with the letter that was given; the safe one for enter and escape."""
    assert answer(_choice(), keys) == given


# One line


def test_enter_takes_the_line_and_escape_does_not() -> None:
    """Enter answers with what is written, escape with nothing."""
    assert answer(Ask("Rename", "work"), "s", "enter") == "works"
    assert answer(Ask("Rename", "work"), "s", "escape") is None


def test_the_last_name_is_completed() -> None:
    """Tab and the right arrow complete the last of several names, and the rule is told."""
    names = ("tooling", "work", "two words")
    for key in ("tab", "right"):
        ask = Ask("Tags", "work", suggestions=names, several=True)
        assert answer(ask, "space", "t", "o", key, "enter") == "work tooling"
    shown = text_of(Ask("Tags", "", suggestions=names, several=True), (80, 24))
    assert RULE.split(";")[0] in shown
    assert "two words" in shown


@pytest.mark.parametrize(
    ("value", "completed"),
    [
        ("to", "tooling"),
        ("#to", "#tooling"),
        ("-to", "-tooling"),
        ('work, "two w', 'work, "two words'),
        ("work tool", "work tooling"),
        ("TOOL", "tooling"),
        ("tooling to", None),
        ("x", None),
        ("", None),
        ("work ", None),
    ],
)
def test_what_completes(value: str, completed: str | None) -> None:
    """A name is completed after blanks, commas, # and -, and never with one that is there."""
    suggester = NameSuggester(("tooling", "two words"), several=True)
    assert asyncio.run(suggester.get_suggestion(value)) == completed


_TAG = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters=',#"'), min_size=1)


@given(st.lists(st.lists(_TAG, min_size=1, max_size=3).map(" ".join), unique=True, max_size=5))
def test_names_come_back_from_their_line(names: list[str]) -> None:
    """What `line_of` writes `names_of` reads, also a single name of several words."""
    tags = clean_tags(names)
    assert names_of(line_of(tags)) == tags


# The editor


class _Saver:
    """Takes what is saved, after raising some errors."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.saved: list[Written] = []

    async def __call__(self, written: Written) -> None:
        """Keep it, or raise the next error."""
        if self.errors:
            raise self.errors.pop(0)
        self.saved.append(written)


def test_the_editor_saves_all_that_is_written() -> None:
    """Ctrl+s hands over the text and every line under the rule, and closes."""
    save = _Saver()
    keys = ("!", "tab", *" food", "tab", *"s", "tab", "tab", *"team", "tab", *"2027")
    given = answer(Editor("Edit", MINE, save, tags=("health",)), *_named(keys), "ctrl+s")
    assert given is True
    assert save.saved == [
        Written(
            "Allergic to penicillin!", ("health", "food"), "notes", "personal", ("team",), "2027"
        )
    ]


def _named(keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple({" ": "space", "!": "exclamation_mark"}.get(key, key) for key in keys)


def test_the_editor_fits_its_words() -> None:
    """Title, count, the private audience and all keys are there at 80 columns."""
    text = text_of(Editor("Edit memory", MINE, _Saver()), (80, 24))
    for words in ("Edit memory", "22 characters", "Goes to  private", "Expires   never"):
        assert words in text.replace("   private", "  private")
    assert "^s Save  ^o Open in $EDITOR  esc Cancel" in text


def test_an_unchanged_editor_just_closes() -> None:
    """Escape leaves at once where nothing would be lost."""
    assert answer(Editor("Edit", MINE, _Saver()), "escape") is False


@pytest.mark.parametrize(
    ("keys", "kept"), [("enter", True), ("k", True), ("escape", True), ("d", False)]
)
def test_a_dirty_editor_asks(keys: str, kept: bool) -> None:
    """Escape asks where something would be lost; to keep editing is the safe answer."""

    async def run() -> None:
        editor = Editor("Edit", MINE, _Saver())
        async with opened(editor, (80, 24), "x", "escape") as (app, pilot):
            assert "[ Keep editing (k) ]" in screen_text(app)
            await press(pilot, keys)
            assert app.answers == ([] if kept else [False])
            assert not kept or editor.written.text == "Allergic to penicillinx"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Busy("cursor", 3.0), "Still busy. Your text is kept."),
        (Invalid("tags", "are 65; a memory has at most 64"), "tags: are 65"),
        (RuntimeError("boom"), "It could not be saved. Your text is kept."),
    ],
)
def test_the_text_stays_when_saving_fails(error: Exception, words: str) -> None:
    """Whatever goes wrong is told in the dialog, the text stays, and the next save works."""

    async def run() -> None:
        save = _Saver(error)
        editor = Editor("Edit", MINE, save)
        async with opened(editor, (80, 24), "x", "ctrl+s") as (app, pilot):
            assert words in await press(pilot)
            assert app.answers == []
            assert editor.written.text.endswith("x")
            assert bool(app.errors) == isinstance(error, RuntimeError)
            await press(pilot, "ctrl+s")
            assert app.answers == [True]
            assert [each.text for each in save.saved] == ["Allergic to penicillinx"]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("key", "given", "saves"), [("m", [True], 1), ("t", [False], 0), ("enter", [], 0)]
)
def test_a_conflict_shows_both_texts(key: str, given: list[bool], saves: int) -> None:
    """Keep mine saves again, take theirs leaves, and back to editing is the safe answer."""

    async def theirs() -> str:
        return "Allergic to amoxicillin"

    async def run() -> None:
        save = _Saver(Conflict("1", "changed by codex"))
        editor = Editor("Edit", MINE, save, theirs=theirs)
        async with opened(editor, (80, 24), "x", "ctrl+s") as (app, pilot):
            text = await press(pilot)
            for words in ("penicillinx", "amoxicillin", "changed by codex", "[ Back to editing"):
                assert words in text
            await press(pilot, key)
            assert app.answers == given
            assert len(save.saved) == saves
            assert given or editor.written.text == "Allergic to penicillinx"

    asyncio.run(run())


def test_nothing_is_written_on_while_it_is_saved() -> None:
    """What is typed during a long save would be lost: it is not taken, and escape waits, too."""

    async def run() -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def save(written: Written) -> None:
            begun.set()
            await go_on.wait()
            raise Busy("cursor", 3.0)

        editor = Editor("Edit", MINE, save)
        async with opened(editor) as (app, pilot):
            await pilot.press("x", "ctrl+s")
            await begun.wait()
            await pilot.press("y", "ctrl+s", "escape")
            await pilot.pause()
            assert "saving …" in screen_text(app)
            go_on.set()
            await press(pilot, "z")
            assert editor.written.text == "Allergic to penicillinxz"

    asyncio.run(run())


def test_without_the_other_text_a_conflict_is_told() -> None:
    """A conflict where there is nothing to show beside is told like any error."""
    editor = Editor("Edit", MINE, _Saver(Conflict("1", "it is in the trash")))
    assert "it is in the trash" in text_of(editor, (80, 24), "x", "ctrl+s")


def test_what_was_not_touched_stays_as_it_was() -> None:
    """Tags that no line can hold, tabs and odd characters are left alone until they are edited."""
    odd = Written("a\tb\u2028c", ("a,b", "x\x1by"), "note", "personal", ("r,1",), "2027-01-01")

    async def run() -> None:
        editor = Editor("Edit", odd, _Saver())
        async with opened(editor):
            assert editor.written == odd
            assert not editor.dirty
            editor.query_one(TextArea).text = "new"
            assert editor.written == replace(odd, text="new")

    asyncio.run(run())


def test_an_edit_has_only_what_changed() -> None:
    """`Written.edit` leaves alone what is the same as in the memory."""
    known = memory(tags=("health",), audience=("team",))
    assert Written.of(known).edit(known) == Edit()
    changed = replace(Written.of(known, text="New"), audience=(), expires="2027")
    assert changed.edit(known) == Edit(text="New", audience=(), expires_at="2027")
