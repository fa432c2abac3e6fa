"""What a remote says: hostile words, cut and cleaned before anybody sees them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memdesk.sync.peer import Foreign

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memdesk.errors import SyncError

_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """What a remote has answered."""

    status: int
    headers: Mapping[str, str]
    """By names in lower case."""
    content: bytes
    """Decompressed."""

    def json(self) -> Any:
        """Return what its JSON says, NaN and the like as None; raises `Foreign` where it is none."""
        try:
            return json.loads(self.content, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            # Whoever stands between, such as a network that wants one to log in first.
            raise Foreign(
                f"it answers with something that is no JSON (HTTP {self.status}): is it the server?"
            ) from None


def answer_of(error: SyncError) -> Answer | None:
    """Return the answer that an error of `Http.ask` stands for; None where there was none."""
    answer = vars(error).get("answer")
    return answer if isinstance(answer, Answer) else None


def plain(text: str, most: int = _SHOWN) -> str:
    """Return what a remote says as one short line that is fit for a terminal."""
    kept = "".join(each if each.isprintable() else " " for each in text[: most * 4])
    line = " ".join(kept.split())
    return line if len(line) <= most else line[:most] + "…"
