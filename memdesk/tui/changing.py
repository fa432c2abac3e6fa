"""The actions that change memories; each is one change of the service, and one step of undo."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from memdesk.errors import Invalid, MemdeskError
from memdesk.memory import CONFLICT, LIVE, Edit
from memdesk.tui.confirm import Confirm
from memdesk.tui.external import edit_outside
from memdesk.tui.forms import Written
from memdesk.tui.remotes import Remotes
from memdesk.tui.writes import counted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from memdesk.answers import Changed
    from memdesk.memory import Memory
    from memdesk.service import Service
    from memdesk.tui.editor import Editor

MANY = 50
"""So many memories go to the trash without a question."""


class Changing(Remotes):
    """The main screen's verbs."""

    @property
    def in_pair(self) -> bool:
        """Whether the concern under the cursor is about two memories of which one may go."""
        row = self.lines.current
        return bool(row and row.concern and row.concern.other and not self.former)

    @property
    def in_conflict(self) -> bool:
        """Whether the concern under the cursor is that it had changed here and at a remote."""
        row = self.lines.current
        return bool(row and row.concern and row.concern.kind == CONFLICT)

    @property
    def former(self) -> Memory | None:
        """The memory that the one under the cursor took the place of, where that is the concern."""
        row = self.lines.current
        concern = row.concern if row else None
        return concern.other if concern and concern.kind == "replaced" else None

    # Writing

    def action_new(self) -> None:
        """Write a memory."""
        place = self.wish.place
        written = Written(
            tags=(place.value,) if place.kind == "tag" else (),
            kind=place.value if place.kind == "kind" else "note",
            space=place.value if place.kind == "space" else self.desk_app.default_space,
        )
        self.begin(self._write_new(written), opens=True)

    def action_edit(self) -> None:
        """Change the memory under the cursor."""
        if self.memory:
            self.begin(self._edit_present(self.memory.id), opens=True)

    async def _edit_present(self, id: str, text: str | None = None) -> None:
        (began,) = await self.memories([id])
        base = began.seq

        async def save(now: Written) -> None:
            # What the person did not touch stays as others have made it meanwhile.
            await self._revise(began, now, base)

        async def theirs() -> str:
            nonlocal base
            (present,) = await self.memories([id])
            base = present.seq
            return present.text

        editor = self._editor("Edit memory", Written.of(began), save, theirs=theirs, text=text)
        await self.desk_app.answer_of(editor)

    async def _write_new(self, written: Written) -> None:
        unsaved = self.desk_app.unsaved or None
        await self.desk_app.answer_of(self._editor("New memory", written, self._add, text=unsaved))
        self.desk_app.forget_unsaved()  # it is saved, or the person has said to drop it

    def _editor(
        self, title: str, written: Written, save: Callable[[Written], Awaitable[None]], **more: Any
    ) -> Editor:
        # Its text area takes 0.1 s to import, and the first frame waits.
        from memdesk.tui.editor import Editor

        tags, kinds, spaces = (self.known(what) for what in ("tags", "kinds", "spaces"))
        more |= {"remotes": self.known("remotes")}
        return Editor(title, written, save, tags=tags, kinds=kinds, spaces=spaces, **more)

    async def _add(self, written: Written) -> None:
        draft = written.draft()
        done = await self.write(
            lambda service, change: service.remember(draft, change=change),
            lambda done: "" if done.outcome == "duplicate" else "Remembered",
            at=lambda done: done.id,
        )
        if done.outcome == "duplicate":
            self.changes.pop()
            self.desk_app.say("That text is remembered already; nothing was changed.")
        await self.warn_of(written.audience)

    async def _revise(self, before: Memory, written: Written, base: int) -> None:
        edit = written.edit(before)
        if edit.audience is not None and not await self.may_leave([before], edit.audience):
            raise Invalid(
                "goes to", "left as it was, so nothing is saved yet; write it there again"
            )
        if edit != Edit():
            await self.write(
                lambda service, change: service.revise(before.id, edit, base=base, change=change)
            )
            await self.warn_of(edit.audience or ())

    def action_external(self) -> None:
        """Change the text in $EDITOR."""
        if self.memory:
            self.begin(self._external(self.memory.id))

    async def _external(self, id: str) -> None:
        (memory,) = await self.memories([id])
        text = await edit_outside(self.app, memory.text)
        if text is None:
            return
        try:
            await self._revise(memory, Written.of(memory, text=text), memory.seq)
        except MemdeskError as error:  # the text is kept, to be saved once that is settled
            self.desk_app.tell(error)
            await self._edit_present(id, text)

    # The trash

    def action_delete(self) -> None:
        """Move what is chosen to the trash."""
        self._delete(self.ids)

    def _delete(self, ids: list[str]) -> None:
        if len(ids) > MANY:
            self.begin(self._delete_many(ids), opens=True)
        elif ids:
            self._trash(ids)

    async def _delete_many(self, ids: list[str]) -> None:
        question = Confirm(
            "Move to the trash",
            f"Move {counted(len(ids))} to the trash?",
            "They stay there for 30 days.",
            f"Move {len(ids)}",
            "Keep",
        )
        if await self.desk_app.answer_of(question):
            self._trash(ids)

    def _trash(self, ids: list[str]) -> None:
        self._move_out(
            ids,
            lambda service, change: service.forget(ids, change=change),
            lambda done: f"Moved {counted(len(done.done))} to trash",
        )

    def _move_out(
        self,
        lines: list[str],
        verb: Callable[[Service, str], Changed],
        done: Callable[[Changed], str],
    ) -> None:
        """Do what takes lines out of the list: they are gone from it at once, or back if it fails."""
        self.lines.take_away(lines)
        self.begin(self._moved_out(verb, done))

    async def _moved_out(
        self, verb: Callable[[Service, str], Changed], done: Callable[[Changed], str]
    ) -> None:
        try:
            await self.write(verb, done)
        except MemdeskError:
            self.want(self.wish)
            raise

    def action_restore(self) -> None:
        """Bring what is chosen back from the trash, or what another took the place of."""
        row = self.lines.current
        if self.former and row:
            self._bring_back([self.former.id], [row.id])
        elif self.ids:
            self._bring_back(self.ids, self.ids)

    def _bring_back(self, ids: list[str], lines: list[str]) -> None:
        self._move_out(
            lines,
            lambda service, change: service.restore(ids, change=change),
            lambda done: f"Restored {counted(len(done.done))}",
        )

    def action_purge(self) -> None:
        """Delete what is chosen for good, after a question."""
        if self.ids:
            self.begin(self._purge(self.ids), opens=True)

    async def _purge(self, ids: list[str]) -> None:
        question = Confirm(
            "Delete for good",
            f"Delete {counted(len(ids))} for good?",
            f"They leave the trash and cannot be brought back.{await self._backups(ids)}",
            f"Delete {len(ids)}",
            "Keep",
        )
        if await self.desk_app.answer_of(question):
            await self.ask(lambda service: service.purge(ids))
            self.lines.take_away(ids)
            await self.renew()

    async def _backups(self, ids: list[str]) -> str:
        """Say which backup files hold memories, too."""
        files = await self.ask(lambda service: service.backups_with(ids))
        return f"\nBackup files that still hold the words: {', '.join(files)}" if files else ""

    # Two memories; the Inbox

    def action_merge(self) -> None:
        """Make one memory of two: the pair of a concern, or those marked."""
        row = self.lines.current
        if row and row.concern and row.concern.other:
            self.begin(self._merge_two(row.memory.id, row.concern.other.id), opens=True)
        elif len(self.lines.marked) == 2:  # noqa: PLR2004
            self.begin(self._merge_two(*self.ids), opens=True)

    async def _merge_two(self, first: str, second: str) -> None:
        keep, drop = await self.memories([first, second])
        shown = Written.of(
            keep,
            text=keep.text if keep.text == drop.text else f"{keep.text}\n\n{drop.text}",
            tags=tuple(dict.fromkeys((*keep.tags, *drop.tags))),
            audience=tuple(remote for remote in keep.audience if remote in drop.audience),
        )

        async def save(now: Written) -> None:
            edit = replace(now.changes(shown), text=now.text)
            bases = (keep.seq, drop.seq)
            await self.write(
                lambda service, change: service.merge(
                    first, second, edit, bases=bases, change=change
                ),
                lambda _: "Merged 2 memories",
            )

        await self.desk_app.answer_of(self._editor("Merge two memories", shown, save))
        self.lines.unmark()

    def action_keep(self) -> None:
        """Settle what is chosen: all stays as it is."""
        keys = [row.concern.key for row in self.lines.chosen if row.concern]
        if keys:
            many = "1 thing" if len(keys) == 1 else f"{len(keys)} things"
            self._move_out(
                keys,
                lambda service, change: service.review(keys, change=change),
                lambda _: f"Settled {many}",
            )

    def action_drop_other(self) -> None:
        """Move the second memory of a pair to the trash."""
        row = self.lines.current
        other = row.concern.other if row and row.concern else None
        if other and other.state == LIVE:
            self._delete([other.id])
