"""LongMemEval's own files (xiaowu0162/LongMemEval): a haystack of chats for each question."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bench.recall.conversation import Conversation, Question, Turn, placed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME = "LongMemEval's own file"
EXPECTED = (
    '[{"question_id", "question_type", "question", "haystack_session_ids", "haystack_dates", '
    '"haystack_sessions": [[{"role", "content", perhaps "has_answer"}]]}]'
)
_ABSTENTION = "_abs"
_WEEKDAY = re.compile(r"\s*\(\w+\)\s*")


def recognises(data: Any) -> bool:
    """Tell whether the data has this shape, by its first question."""
    return isinstance(data, list) and bool(data) and _is_entry(data[0])


def _is_entry(first: Any) -> bool:
    return isinstance(first, dict) and {"question_id", "haystack_sessions"} <= first.keys()


def conversations(data: Any) -> Iterator[Conversation]:
    """Yield what the data holds; raises `LookupError` or `ValueError` where it has another shape."""
    for entry in data:
        said = list(_said(entry))
        evidence = tuple(turn.id for turn, has_answer in said if has_answer)
        turns = placed(turn for turn, _ in said)
        yield Conversation(str(entry["question_id"]), turns, (_question(entry, evidence),))


def _said(entry: Mapping[str, Any]) -> Iterator[tuple[Turn, bool]]:
    """Yield each turn and whether it holds evidence."""
    seen: Counter[str] = Counter()
    sessions = zip(
        entry["haystack_session_ids"],
        entry["haystack_dates"],
        entry["haystack_sessions"],
        strict=True,
    )
    for name, date, turns in sessions:
        seen[name] += 1
        session = name if seen[name] == 1 else f"{name}#{seen[name]}"
        time = _iso(date)
        for number, said in enumerate(turns):
            turn = Turn(
                f"{session}:{number}", said["content"], session, role=said["role"], time=time
            )
            yield turn, bool(said.get("has_answer"))


def _iso(words: str) -> str:
    """Return “2023/05/20 (Sat) 02:21” as ISO 8601."""
    return datetime.strptime(_WEEKDAY.sub(" ", words.strip()), "%Y/%m/%d %H:%M").isoformat()  # noqa: DTZ007


def _question(entry: Mapping[str, Any], evidence: tuple[str, ...]) -> Question:
    if _ABSTENTION in str(entry["question_id"]):
        return Question(entry["question"], "abstention", ())
    return Question(entry["question"], entry["question_type"], evidence)
