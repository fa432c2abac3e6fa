"""A question that is asked again while it changes: one at a time, and the latest one wins."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


class Latest(Generic[T]):
    """Runs `work` for the value that was wanted last, never two at once.

    Cancelling a thread does not stop it: so a question that is under way is let finish, and what
    was wanted meanwhile is asked next, all but the last of it never.
    """

    def __init__(
        self, work: Callable[[T], Awaitable[None]], *, rest: Callable[[], float], calm: bool = False
    ) -> None:
        """`rest` gives how long to wait, in seconds, for a value that may still change.

        With `calm` it is waited until none has come for so long; else only once.
        """
        self._work = work
        self._rest = rest
        self._calm = calm
        self._wanted: list[T] = []
        self._times = 0
        self._running = False

    @property
    def idle(self) -> bool:
        """Whether nothing is under way or wanted."""
        return not self._running

    def want(self, value: T) -> bool:
        """Take note of what is wanted now; True when `run` is to be begun."""
        self._wanted[:] = [value]
        self._times += 1
        return not self._running

    async def run(self) -> None:
        """Work until nothing new is wanted."""
        if self._running:
            return
        self._running = True
        try:
            while self._wanted:
                times = self._times
                await asyncio.sleep(self._rest())
                if self._wanted and not (self._calm and self._times > times):
                    await self._work(self._wanted.pop())
        finally:
            self._running = False
