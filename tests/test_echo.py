"""A text that a host says back is known again, however it quotes it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_fake import hit, memory

from memdesk import echo
from memdesk.answers import Recalled
from memdesk.echo import Piece, plain, readings
from memdesk.mcp import render

TEXT = "Ana's flight to Lisbon leaves at 10:40 from gate B"


@pytest.mark.parametrize(
    "said",
    [
        TEXT,
        f"  {TEXT}\n",
        f"> {TEXT}",
        f"| {TEXT}",
        f"- {TEXT}",
        f"  * {TEXT}",
        f"> - {TEXT}",
        f"> | {TEXT}",
        "> Ana's flight to Lisbon\n>\n> leaves at 10:40\n> from gate B",
    ],
)
def test_quoting_makes_no_difference(said: str) -> None:
    """Marks before each line, and white space around and within."""
    assert [Piece(plain(TEXT))] in shown(said)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *((TEXT, f"{TEXT} now"), (TEXT, f"not: {TEXT}"), (TEXT, TEXT.replace("10", "11"))),
        (TEXT, "- Ana's flight to Lisbon leaves\n> at 10:40 from gate B"),
        ("12. April: Zahnarzt um 9 Uhr", "14. April: Zahnarzt um 9 Uhr"),
        ("The password of the router is Qx7Zab", "The password of the router is QX7ZAB"),
        ("5 °C in the cellar", "-5 °C in the cellar"),
        ("5 °C in the cellar", "- 5 °C in the cellar"),
        ("€5 a day", "- €5 a day"),
        ("3) floor is Ana's", "4) floor is Ana's"),
        ("5 people", "> 5 people"),
        ("Guests:\n5 people", "> Guests:\n> 5 people"),
        ("1. Liga", "2. Liga"),
        ("Liga", "1. Liga"),
        ("x", "*x"),
        ("the key is ab.", "the key is ab"),
    ],
)
def test_another_text_is_another(one: str, other: str) -> None:
    """One word, sign, number or letter makes it news, whichever of the two was shown."""
    assert [Piece(plain(one))] not in shown(other)
    assert [Piece(plain(other))] not in shown(one)


def shown(text: str) -> list[list[Piece]]:
    """Return how an answer to a host is read when the host says it back."""
    return list(readings(text))


def test_an_answer_of_recall_is_read_as_what_it_shows() -> None:
    """Headers, the sentence above and the notes below are ours; what is behind bars is not."""
    one = memory(TEXT, tags=("travel",))
    two = memory("Two lines\n\n| and a bar", speaker="Ana", session="s", position=3)
    long = memory("word " * 900)
    turn = memory("before that", session="s", position=2, speaker="Bo")
    hits = (hit(one), hit(two), hit(long, (0, 600)))
    answer = Recalled((hits[0], replace(hits[1], beside=(turn,)), hits[2]))
    said = render.recalled(answer, ("personal",), 5000)
    assert [
        Piece(plain(one.text), one.id),
        Piece(plain(two.text), two.id),
        Piece(plain(long.text[:600]), long.id, part=True),
    ] in shown(said)


def test_memories_in_full_are_read_as_what_they_show() -> None:
    """Also the second line of their header, and metadata."""
    one, two = memory(TEXT, metadata='{"a": 1}'), memory("Tea\nat five", state="trashed")
    said = render.whole([one, two], 5000)
    assert [Piece(plain(one.text), one.id), Piece(plain(two.text), two.id)] in shown(said)


def test_a_list_is_read_as_what_it_shows() -> None:
    """The newest, and what did not fit."""
    many = [memory(f"{TEXT}, part {number}") for number in range(40)]
    [*_, pieces] = [
        each for each in shown(render.listed(many, "The newest memories", 600)) if each[0].id
    ]
    assert pieces == [Piece(plain(each.text), each.id) for each in many[: len(pieces)]]
    assert 1 < len(pieces) < 40


def test_a_text_that_was_cut_is_read_as_its_beginning() -> None:
    """Of a memory that is longer than the answer may be."""
    long = memory("one word after another " * 300)
    said = render.whole([long], 400)
    [piece] = next(each for each in shown(said) if each[0].id)
    assert (piece.id, piece.part) == (long.id, True)
    assert plain(long.text).startswith(piece.text)


def test_words_of_the_hosts_own_are_never_left_out() -> None:
    """One line beside what was shown, and it is no answer of ours any more."""
    said = render.whole([memory(TEXT)], 500) + "\nBut she missed it."
    assert not any(each[0].id for each in shown(said))


def test_a_very_long_text_is_not_looked_at() -> None:
    """No host was shown as much."""
    assert shown("x" * (echo.LONGEST + 1)) == []


def test_marks_of_any_number_are_read_soon() -> None:
    """A host that quotes without end does not keep the desk busy."""
    assert len(shown("> " * (echo.LONGEST // 2 - 1) + "x")) < 10


@given(st.text(st.characters(), max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    """Also what is no valid Unicode, and what is nothing but marks."""
    for pieces in readings(text):
        assert pieces
        assert all(piece.text and echo.digest(piece.text) for piece in pieces)
