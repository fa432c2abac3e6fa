"""Long texts as passages."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdesk.passages import HEAD_WORDS, MAX_CHARS, WORDS, asking, head, split, weigh

TEXTS = st.text(
    st.sampled_from("ab .!?\n。東京ไทย한국🎉-") | st.characters(exclude_categories=["Cs"]),
    max_size=4000,
)


def test_a_short_text_is_one_passage_without_its_blank_edges() -> None:
    """A note stays whole."""
    assert split("  Allergic to penicillin. \n") == [(2, 25)]


def test_a_long_text_is_cut_on_sentence_ends() -> None:
    """Passages end where sentences do."""
    text = " ".join(f"This is sentence number {i} of ten words in all." for i in range(60))
    spans = split(text)
    assert len(spans) > 3
    assert all(text[start:end].endswith(".") for start, end in spans)
    assert all(text[start:end].startswith("This") for start, end in spans)


def test_texts_without_spaces_are_cut_too() -> None:
    """Neither a Chinese text nor a blob of base64 makes a passage too long for a model."""
    for text in ("東京は日本の首都です" * 300, "QmFzZTY0" * 3000):
        spans = split(text)
        assert len(spans) > 1
        assert all(end - start <= MAX_CHARS for start, end in spans)


@given(TEXTS.filter(str.strip))
def test_passages_hold_every_word_once_and_in_order(text: str) -> None:
    """Nothing that can be read is lost, doubled or moved, and no passage is too long."""
    spans = split(text)
    assert all(start < end for start, end in spans)
    assert all(a_end <= b_start for (_, a_end), (b_start, _) in pairwise(spans))
    kept = "".join(text[start:end] for start, end in spans)
    assert "".join(kept.split()) == "".join(text.split())
    assert all(weigh(text[start:end]) <= WORDS + 1 for start, end in spans)


@given(TEXTS)
def test_the_head_is_a_beginning(text: str) -> None:
    """The head ends inside its text."""
    assert 0 <= head(text) <= len(text)


@pytest.mark.parametrize("text", ["." * 1_000_000, "?!" * 500_000, "。" * 300_000, ". " * 500_000])
def test_runs_of_sentence_ends_are_cut_too(text: str) -> None:
    """A megabyte of dots is cut in a moment, not in hours."""
    assert all(end - start <= MAX_CHARS for start, end in split(text))


def test_a_megabyte_is_cut_quickly_into_many() -> None:
    """A document as long as one may be becomes passages of its own sentences."""
    text = ("The quick brown fox jumps over the lazy dog. " * 24000)[:1_000_000]
    assert len(split(text)) > 1500


def test_the_head_of_a_long_text_has_so_many_words() -> None:
    """Beyond that a model would not read on; of a short text the head is all."""
    text = "word " * 1000
    assert len(text[: head(text)].split()) == HEAD_WORDS
    assert head("a short note") == len("a short note")


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("Where did you go?", 1.0),
        ("Lisbon. The sea was calm.", 0.0),
        ("Lovely day. Where are you?", 0.6),
        ("Really?! I never knew that", 0.0),
        ("I never knew!? Really?", 1.0),
        ("“Who is it?” she asked.", 0.5),
        ("where did you go", 0.0),
        ("どこへ行きましたか？", 1.0),
        ("أين ذهبت؟", 1.0),
        ("ready?\nyes", 0.5),
        ("?", 1.0),
        ("...", 0.0),
        ("", 0.0),
        ("  \n ", 0.0),
    ],
)
def test_a_text_asks_as_much_as_its_questions_are_of_it(text: str, share: float) -> None:
    """The words of its questions are counted, in any script."""
    assert asking(text) == pytest.approx(share)


@given(TEXTS | st.text("a ?!.\n？؟"))
def test_asking_is_a_share(text: str) -> None:
    """Any text asks between nothing and all of it, and one without a question mark not at all."""
    assert 0 <= asking(text) <= 1
    assert asking(text) == 0 or not {"?", "？", "؟"}.isdisjoint(text)


@pytest.mark.parametrize("text", ["?" * 1_000_000, "? " * 500_000, "a" * 1_000_000, "؟!" * 500_000])
def test_runs_of_question_marks_are_no_trap(text: str) -> None:
    """A megabyte of question marks is weighed in a moment."""
    assert asking(text) in (0.0, 1.0)
