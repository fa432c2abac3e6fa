"""How long a call may still take and whether it is still wanted, as its front has set it.

Standard library only. Without a front that sets a limit, every call is wanted to its end.
"""

from __future__ import annotations

import contextlib
import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memdesk.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, slots=True)
class _Limit:
    wanted: Callable[[], bool]
    seconds: float
    until: float | None
    """When the call must be over, by the monotonic clock; None for a long one."""


_limit: ContextVar[_Limit | None] = ContextVar("limit", default=None)


@contextlib.contextmanager
def limited(
    *, seconds: float, wanted: Callable[[], bool] = lambda: True, long: bool = False
) -> Iterator[None]:
    """Limit what is called inside, on this thread, to `seconds` and to while it is wanted.

    A `long` call has the seconds for each time it waits, not for the whole of it.
    """
    until = None if long else time.monotonic() + seconds
    token = _limit.set(_Limit(wanted, seconds, until))
    try:
        yield
    finally:
        _limit.reset(token)


def left(most: float) -> float:
    """Return how many seconds this call may wait now, at most `most`, at least 0."""
    limit = _limit.get()
    if limit is None:
        return most
    seconds = limit.seconds if limit.until is None else limit.until - time.monotonic()
    return max(0.0, min(most, seconds))


def check() -> None:
    """Raise `Cancelled` when nobody wants this call's answer any more."""
    limit = _limit.get()
    if limit is not None and not limit.wanted():
        raise Cancelled("the caller no longer waits for this; what was done before stays")
