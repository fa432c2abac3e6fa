"""LoCoMo's own file (snap-research/locomo, `locomo10.json`)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bench.recall.conversation import Conversation, Question, Turn, placed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NAME = "LoCoMo's own file"
EXPECTED = (
    '[{"sample_id", "conversation": {"session_1": [{"speaker", "dia_id", "text"}], '
    '"session_1_date_time"}, "qa": [{"question", "category", "evidence"}]}]'
)
_CATEGORIES = {
    1: "1-multi-hop",
    2: "2-temporal",
    3: "3-open-domain",
    4: "4-single-hop",
    5: "5-adversarial",
}
_SESSION = re.compile(r"session_(\d+)")
# Some of its ids have a stray colon, leading zeros, brackets, or others beside them.
_ID = re.compile(r"D:?(\d+):(\d+)")


def recognises(data: Any) -> bool:
    """Tell whether the data has this shape, by its first sample."""
    return isinstance(data, list) and bool(data) and _is_sample(data[0])


def _is_sample(first: Any) -> bool:
    return isinstance(first, dict) and {"conversation", "qa"} <= first.keys()


def conversations(data: Any) -> Iterator[Conversation]:
    """Yield what the data holds; raises `LookupError` or `ValueError` where it has another shape."""
    for number, sample in enumerate(data):
        yield Conversation(
            str(sample.get("sample_id", number)),
            placed(_turns(sample["conversation"])),
            tuple(map(_question, sample["qa"])),
        )


def _turns(conversation: Mapping[str, Any]) -> Iterator[Turn]:
    numbers = sorted(
        int(match[1]) for match in map(_SESSION.fullmatch, conversation) if match is not None
    )
    for number in numbers:
        time = _iso(conversation[f"session_{number}_date_time"])
        for said in conversation[f"session_{number}"]:
            (id,) = _ids([said["dia_id"]])
            yield Turn(id, _text(said), f"S{number}", speaker=said["speaker"], time=time)


def _iso(words: str) -> str:
    """Return “1:56 pm on 8 May, 2023” as ISO 8601."""
    return datetime.strptime(words.strip(), "%I:%M %p on %d %B, %Y").isoformat()  # noqa: DTZ007


def _text(said: Mapping[str, Any]) -> str:
    caption = said.get("blip_caption")
    photo = f"[photo: {caption}]" if caption else ""
    return f"{said.get('text') or ''} {photo}".strip()


def _ids(words: Sequence[str]) -> tuple[str, ...]:
    found = _ID.findall(" ".join(words))
    return tuple(dict.fromkeys(f"D{int(session)}:{int(turn)}" for session, turn in found))


def _question(asked: Mapping[str, Any]) -> Question:
    category = _CATEGORIES[int(asked["category"])]
    return Question(str(asked["question"]), category, _ids(asked.get("evidence") or []))
