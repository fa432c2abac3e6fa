"""What the main screen opens over itself: a memory's history, how the desk stands, what hosts ask."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from memdesk.answers import document
from memdesk.tui.writes import Writes, counted

if TYPE_CHECKING:
    from memdesk.answers import Asked, Status


class Showing(Writes):
    """The actions that only show."""

    def action_why(self) -> None:
        """Tell why a result was found, or no longer."""
        self.why = not self.why
        self.read()

    def action_status(self) -> None:
        """Show how the desk stands."""
        from memdesk.tui.status import StatusScreen  # the first frame need not wait for it

        self.desk_app.type_ahead.keep()
        self.app.push_screen(StatusScreen(self._status))

    async def _status(self) -> Status:
        return await self.ask(lambda service: service.status())

    def action_reindex(self) -> None:
        """Make anew what search reads; the desk goes on meanwhile."""
        self.desk_app.do(self._reindex())

    async def _reindex(self) -> None:
        loop = asyncio.get_running_loop()

        def tell(done: int, total: int) -> None:
            loop.call_soon_threadsafe(
                self.wait_for, f"making the index anew: {done:,} of {total:,}"
            )

        try:
            many = await self.ask(lambda service: service.reindex(tell))
        finally:
            self.wait_for("")
        self.desk_app.say(f"The index was made anew: {counted(many)}.")

    def action_activity(self) -> None:
        """Show what hosts ask and get."""
        self.desk_app.do(self._activity(), opens=True)

    async def _activity(self) -> None:
        from memdesk.tui.activity import ActivityScreen

        ids = await self.desk_app.answer_of(
            ActivityScreen(self._heard, self._titles, off=not self.desk_app.activity)
        )
        if ids:
            self.show_memories(ids)

    async def _heard(self, after: int) -> tuple[Asked, ...]:
        return await self.ask(lambda service: service.activity(after=after))

    async def _titles(self, ids: tuple[str, ...]) -> dict[str, str]:
        found = await self.ask(lambda service: service.get(ids))
        return {memory.id: memory.title for memory in found}

    def action_history(self) -> None:
        """Show a memory's revisions, and go back to one."""
        if row := self.lines.current:
            self.desk_app.do(self._history(row.memory.id), opens=True)

    def action_other_text(self) -> None:
        """Show the text that lost in a conflict: it is in the memory's history."""
        self.action_history()

    async def _history(self, id: str) -> None:
        revisions = await self.ask(lambda service: service.history(id))
        from memdesk.tui.history import History

        seq = await self.desk_app.answer_of(History(revisions))
        if seq is not None:
            await self.write(
                lambda service, change: service.revert(id, seq, change=change),
                lambda _: "Went back",
            )

    def action_copy(self) -> None:
        """Copy the texts of what is chosen."""
        if rows := self.lines.chosen:
            texts = "\n\n".join(row.memory.text for row in rows)
            self.desk_app.copy(texts, "the text" if len(rows) == 1 else f"{len(rows)} texts")

    def action_copy_json(self) -> None:
        """Copy the records of what is chosen, one JSON document a line."""
        if rows := self.lines.chosen:
            documents = (document(row.memory) for row in rows)
            text = "\n".join(json.dumps(each, ensure_ascii=False) for each in documents)
            what = "the record" if len(rows) == 1 else f"{len(rows)} records"
            self.desk_app.copy(text, f"{what} as JSON")
