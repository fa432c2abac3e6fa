"""How far the calendar is believed: one wrong date must not make young trash old enough to erase."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE = "dates.json"
_APART = timedelta(days=1)


def believed(home: Path, at: datetime) -> datetime | None:
    """Return the moment that ages are counted from where something is put away or dropped.

    It is the last time of maintenance that was at least a day before `at`, the time of this one, so
    that a clock which jumps ahead has to stay there for a day. None where there is none yet.
    """
    # Moments that are still to come were seen on a clock that has gone back since.
    seen = [each for each in _read(home) if each <= at]
    older = max((each for each in seen if each <= at - _APART), default=None)
    younger = [each for each in seen if each > at - _APART]
    kept = [each for each in (older, min(younger, default=at)) if each]
    with contextlib.suppress(OSError):
        _write(home, kept)
    return older


def _read(home: Path) -> list[datetime]:
    try:
        told = json.loads((home / FILE).read_text(encoding="utf-8"))
        return [datetime.fromisoformat(each).astimezone(UTC) for each in told["maintained"]]
    except (OSError, ValueError, LookupError, TypeError):
        return []


def _write(home: Path, seen: list[datetime]) -> None:
    from memdesk.disk import write_json

    write_json(home / FILE, {"maintained": [each.isoformat() for each in seen]})
