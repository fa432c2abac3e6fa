"""Whether recall knows when nothing is relevant: certainties of what it should answer and refuse."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.recall.conversation import Conversation
    from memdesk.answers import Recalled

MOST = 200
"""Foreign questions that one store is asked."""
KEPT = 0.95
"""The share of a store's own questions that must be answered where refusals are counted."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How sure recall was of one answer, and whether it gave it."""

    certainty: float
    refused: bool


def verdict(recalled: Recalled) -> Verdict:
    """Return what an answer says of itself."""
    return Verdict(recalled.certainty, not recalled.hits)


def foreign(conversations: Sequence[Conversation], place: int) -> list[str]:
    """Return the questions about the next conversation, the same ones every time.

    Nothing in this one answers them, as far as anybody can know.
    """
    if len(conversations) < 2:
        return []
    following = conversations[(place + 1) % len(conversations)]
    asked = [question.text for question in following.questions if question.counted]
    return random.Random(following.id).sample(asked, min(MOST, len(asked)))


def roc_area(own: Sequence[float], foreign: Sequence[float]) -> float:
    """Return how often an own question is surer than a foreign one; an equal pair counts half.

    That is the area below the ROC curve (Hanley and McNeil, Radiology 143, 1982).
    """
    ours, theirs = np.asarray(own)[:, None], np.asarray(foreign)[None, :]
    return float(((ours > theirs) + 0.5 * (ours == theirs)).mean())


def floor_keeping(own: Sequence[float], share: float = KEPT) -> float:
    """Return the highest certainty that at least this share of own questions reaches."""
    return sorted(own, reverse=True)[max(1, math.ceil(share * len(own))) - 1]


def below(certainties: Sequence[float], floor: float) -> float:
    """Return the share of certainties below a floor."""
    return sum(certainty < floor for certainty in certainties) / len(certainties)
