"""Late interaction: each word of a question looks for the nearest of a passage's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdesk.late import nearness


@given(
    st.sampled_from((8, 20, 384)),
    st.integers(1, 5),
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.integers(0, 999),
)
def test_it_is_the_mean_of_the_nearest_of_each_word(
    dims: int, asked: int, lengths: list[int], seed: int
) -> None:
    """The bits give what a loop over the signs gives, for any number of words and dimensions."""
    chance = np.random.default_rng(seed)
    words = chance.standard_normal((asked, dims)).astype(np.float32)
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    passages = [chance.standard_normal((length, dims)) for length in lengths]
    signs = [np.packbits(each > 0, axis=1).tobytes() for each in passages]
    by_hand = [
        np.mean([max(word @ np.where(token > 0, 1.0, -1.0) for token in passage) for word in words])
        / np.sqrt(dims)
        for passage in passages
    ]
    assert nearness(words, signs) == pytest.approx(by_hand, abs=1e-4)


def test_a_passage_with_the_words_themselves_is_nearest() -> None:
    """A passage that has every word of the question is nearer than one that has none."""
    chance = np.random.default_rng(1)
    words = chance.standard_normal((3, 64)).astype(np.float32)
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    other = chance.standard_normal((9, 64))
    same, none = nearness(
        words, [np.packbits(each > 0, axis=1).tobytes() for each in (words, other)]
    )
    assert same > 0.7 > none
