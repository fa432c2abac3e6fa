"""Writing from the main screen: one change at a time, its wait told, its undo kept."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from memdesk.answers import Changed
from memdesk.errors import Busy, MemdeskError, StoreError
from memdesk.memory import new_id
from memdesk.tui.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from typing import Any

    from memdesk.memory import Memory
    from memdesk.service import Service

T = TypeVar("T")
KINDS = ("note", "fact", "preference", "decision", "event", "task", "reference")
UNDO_HINT = "\nPress u to undo."
_UNDONE = "Undone."
_SLOW = 0.5
"""Seconds after which a write is said to wait."""


def counted(many: int) -> str:
    """Return a number of memories in words."""
    return "1 memory" if many == 1 else f"{many:,} memories"


def _undone(done: str) -> str:
    return f"Undone: {done[0].lower()}{done[1:]}" if done else _UNDONE


class Writes(View):
    """The main screen as far as it writes."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[tuple[str, str]] = []
        """What was done here and can be taken back: (change, what is said then), the last one last."""
        self._undoing = asyncio.Lock()

    @property
    def chosen(self) -> list[Memory]:
        """The memories that an action is for: those that are marked, or the one under the cursor."""
        rows = self.lines.chosen
        return list({row.memory.id: row.memory for row in rows}.values())

    @property
    def ids(self) -> list[str]:
        """Their ids."""
        return [memory.id for memory in self.chosen]

    @property
    def memory(self) -> Memory | None:
        """The memory under the cursor."""
        row = self.lines.current
        return row.memory if row else None

    def known(self, what: str) -> tuple[str, ...]:
        """Return the names that are in use: of spaces, tags or kinds."""
        overview = self.desk_app.overview
        names: Mapping[str, int] = getattr(overview, what) if overview else {}
        return tuple(dict.fromkeys((*names, *(KINDS if what == "kinds" else ()))))

    def begin(self, work: Coroutine[Any, Any, None], *, opens: bool = False) -> None:
        """Begin an action; what goes wrong is told. One that `opens` a dialog takes the next keys."""
        self.desk_app.do(work, opens=opens)

    async def write(
        self,
        verb: Callable[[Service, str], T],
        done: Callable[[T], str] | None = None,
        *,
        at: Callable[[T], str] | None = None,
        undone: str = "",
        in_parts: bool = False,
    ) -> T:
        """Return what a verb answers that is given the id of a change, and keep that for undo.

        `done` tells from the answer what was done, for a toast that offers to take it back; `at`
        which memory the cursor is to go to. With `undone`, which says what is so once it is taken
        back, the words of `done` stand alone. A verb that works `in_parts` may have done some of it
        when it fails: that can be taken back, too.
        """
        change = new_id()
        try:
            answer = await self._patiently(lambda service: verb(service, change))
        except (Busy, StoreError):
            if in_parts:
                self.changes.append((change, _UNDONE))
                await self.renew()
            raise
        words = done(answer) if done else ""
        if not isinstance(answer, Changed) or answer.done:  # else there is nothing to take back
            self.changes.append((change, undone or _undone(words)))
            if words:
                self.desk_app.say(words if undone else f"{words}{UNDO_HINT}")
        await self.renew(at=at(answer) if at else "")
        return answer

    async def _patiently(self, work: Callable[[Service], T]) -> T:
        """Do something that may wait for another process, and say for whom."""
        told = asyncio.create_task(self._say_waiting())
        self.desk_app.writing += 1
        try:
            return await self.ask(work)
        finally:
            self.desk_app.writing -= 1
            told.cancel()
            self.wait_for("")

    async def _say_waiting(self) -> None:
        await asyncio.sleep(_SLOW)
        self.wait_for("writing")
        with suppress(MemdeskError):  # the write itself tells what is wrong
            status = await self.ask(lambda service: service.status())
            if status.holder:
                self.wait_for(f"waiting for {status.holder}")

    def action_undo(self) -> None:
        """Take back the last change that was made here."""
        if self.changes:
            self.begin(self._undo())

    async def _undo(self) -> None:
        async with self._undoing:  # the one before may be about the same memory
            if self.changes:
                await self._undo_one()

    async def _undo_one(self) -> None:
        change, words = self.changes.pop()
        try:
            answer = await self._patiently(lambda service: service.undo(change))
        except (Busy, StoreError):
            self.changes.append((change, words))
            raise
        if answer.conflicts:
            words = f"{counted(len(answer.conflicts))} left: something else has changed it since."
        self.desk_app.say(words)
        # What came back is shown, wherever the cursor was.
        await self.renew(at=next(iter(answer.done), ""))

    def sense(self) -> tuple[object, ...]:
        """Return all that decides which keys make sense."""
        return (*super().sense(), bool(self.changes))

    async def memories(self, ids: list[str]) -> tuple[Memory, ...]:
        """Return memories as they are now."""
        return await self.ask(lambda service: service.get(ids))
