"""The parts of recall, each a switch, so that `python -m bench recall --ablate` can tell its worth."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Recipe:
    """Which parts of the recipe are used; all of them, but for measuring what each is worth.

    A field whose metadata says `indexed` decides what a store keeps, so a store made without it has
    to be made anew.
    """

    passages: bool = field(default=True, metadata={"indexed": True})
    """Long texts are cut into passages (RECALL.md, Z 2)."""
    date_words: bool = field(default=True, metadata={"indexed": True})
    """The date stands before the text as words (RECALL.md, Z 1)."""
    neighbours: bool = True
    """A turn's words are counted together with those beside it (RECALL.md, Z 1)."""
    answering: bool = True
    """A turn after a question that is near in meaning is near too."""
    score_fusion: bool = True
    """Scores are fused; else ranks, as `1 / (60 + rank)` (RECALL.md, Z 4)."""
    fair_words: bool = True
    """Words count by how much of the question they are, not only against the best found."""
    one_word: bool = True
    """A text that has the one word asked for comes before those that lack it, however long it is."""
    late: bool = True
    """Of the best turns each word of the question is looked for (ColBERT: Khattab and Zaharia 2020)."""
    asking: bool = True
    """What only asks counts less than what tells."""
    roles: bool = True
    """The person's own words count more in chats with an assistant (RECALL.md, Z 5)."""
    when: bool = True
    """Questions after a time prefer memories that tell one (RECALL.md, Z 5)."""
    ranges: bool = True
    """A date named in the question prefers memories of that time (RECALL.md, Z 5)."""
    newer: bool = True
    """Of near-equals the newer one comes first."""
