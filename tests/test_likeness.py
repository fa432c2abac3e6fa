"""Which texts contradict each other, by their words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdesk.likeness import contradicts, repeats

AT_ODDS = [
    ("The gate code is 4711", "The gate code is 4712"),
    ("Lena eats fish", "Lena does not eat fish"),
    ("Lena eats fish.", "Lena doesn't eat fish."),
    ("Lena eats fish", "Lena never eats fish"),
    ("The meeting is on 3 May", "The meeting is on 4 June"),
    ("The meeting is on Monday", "The meeting is on Tuesday"),
    ("Lena can come", "Lena can't come"),
    ("Lena isst Fisch", "Lena isst keinen Fisch"),
    ("The window closes at 18:30", "The window closes at 19:00"),
]
NOT_AT_ODDS = [
    ("Lena eats fish", "lena eats fish."),
    ("Lena eats fish", "Lena eats meat"),
    ("The gate code is 4711", "The alarm code is 4712"),
    ("4711", "4712"),
    ("", ""),
    ("Room 3 is free on 4 May", "Room 3 is free on 4 May"),
]


@pytest.mark.parametrize(("first", "second"), AT_ODDS)
def test_other_numbers_dates_and_negations_contradict(first: str, second: str) -> None:
    """The same words with another number, date or negation say otherwise, in either order."""
    assert contradicts(first, second)
    assert contradicts(second, first)


@pytest.mark.parametrize(("first", "second"), NOT_AT_ODDS)
def test_other_words_do_not(first: str, second: str) -> None:
    """Other words are another subject, and the same ones say the same."""
    assert not contradicts(first, second)


@given(st.text())
def test_no_text_contradicts_itself(text: str) -> None:
    """A text says what it says."""
    assert not contradicts(text, text)


REPEATED = [
    ("Ailsa likes tea", "Ailsa likes tea very much"),
    ("I prefer dark mode in every editor", "I prefer dark mode in all editors"),
    ("Ailsa likes tea", "ailsa likes TEA."),
    ("บ้านพักที่เชียงใหม่มีสองห้องนอน", "บ้านพักที่เชียงใหม่มีสองห้องนอน ครับ"),
]
NOT_REPEATED = [
    ("Ailsa likes tea", "The gate code is 4711"),
    ("รถไฟตู้นอนจากกรุงเทพไปเชียงใหม่ออกหกโมงเย็น", "คุณสมชายแพ้กุ้งและไม่กินเผ็ด เวลาทำต้มยำให้ใช้ไก่แทน"),
    ("word " * 100, "word " * 300),
]


@pytest.mark.parametrize(("first", "second"), REPEATED)
def test_nearly_the_same_words_repeat(first: str, second: str) -> None:
    """A few words more or less tell the same, in every script."""
    assert repeats(first, second)
    assert repeats(second, first)


@pytest.mark.parametrize(("first", "second"), NOT_REPEATED)
def test_other_words_and_lengths_do_not_repeat(first: str, second: str) -> None:
    """A model that cannot read a language takes all its texts for one; their words tell them apart."""
    assert not repeats(first, second)


def test_long_texts_contradict_nothing() -> None:
    """Among two thousand characters another number is no contradiction."""
    assert not contradicts("word " * 500 + "1", "word " * 500 + "2")
