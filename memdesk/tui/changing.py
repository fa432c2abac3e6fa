"""The actions that change memories; each is one change of the service, and one step of undo."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from memdesk.memory import LIVE, Edit, Memory
from memdesk.tui.asking import Ask
from memdesk.tui.completion import line_of, names_of
from memdesk.tui.confirm import Confirm
from memdesk.tui.external import edit_outside
from memdesk.tui.forms import Written, moment_words
from memdesk.tui.plain import one_line
from memdesk.tui.writes import Writes, counted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from memdesk.answers import Overview
    from memdesk.tui.editor import Editor
    from memdesk.tui.places import Place

MANY = 50
"""So many memories go to the trash without a question."""
KINDS = ("note", "fact", "preference", "decision", "event", "task", "reference")


class Changing(Writes):
    """The main screen's verbs."""

    @property
    def ids(self) -> list[str]:
        """The memories that an action is for."""
        return list(dict.fromkeys(row.memory.id for row in self.lines.chosen))

    @property
    def memory(self) -> Memory | None:
        """The memory under the cursor."""
        row = self.lines.current
        return row.memory if row else None

    @property
    def in_pair(self) -> bool:
        """Whether the concern under the cursor is about two memories of which one may go."""
        row = self.lines.current
        return bool(row and row.concern and row.concern.other and not self.former)

    @property
    def former(self) -> Memory | None:
        """The memory that the one under the cursor took the place of, where that is the concern."""
        row = self.lines.current
        concern = row.concern if row else None
        return concern.other if concern and concern.kind == "replaced" else None

    def known(self, what: str) -> tuple[str, ...]:
        """Return the names that are in use: of spaces, tags or kinds."""
        overview = self.desk_app.overview
        names: Mapping[str, int] = getattr(overview, what) if overview else {}
        return tuple(dict.fromkeys((*names, *(KINDS if what == "kinds" else ()))))

    # Writing

    def action_new(self) -> None:
        """Write a memory."""
        place = self.wish.place
        written = Written(
            text=self.desk_app.unsaved,
            tags=(place.value,) if place.kind == "tag" else (),
            kind=place.value if place.kind == "kind" else "note",
            space=place.value if place.kind == "space" else self.desk_app.default_space,
        )
        self.begin(self._write_new(written))

    def action_edit(self) -> None:
        """Change the memory under the cursor."""
        if self.memory:
            self.begin(self._edit_present(self.memory.id))

    async def _edit_present(self, id: str) -> None:
        (began,) = await self.memories([id])

        async def save(now: Written) -> None:
            await self._revise(began, now)

        async def theirs() -> str:
            nonlocal began
            (began,) = await self.memories([id])
            return began.text

        editor = self._editor("Edit memory", Written.of(began), save, theirs=theirs)
        await self.desk_app.answer_of(editor)

    async def _write_new(self, written: Written) -> None:
        if await self.desk_app.answer_of(self._editor("New memory", written, self._add)):
            self.desk_app.forget_unsaved()

    def _editor(
        self, title: str, written: Written, save: Callable[[Written], Awaitable[None]], **more: Any
    ) -> Editor:
        from memdesk.tui.editor import (
            Editor,  # its text area takes 0.1 s, and the first frame waits
        )

        tags, kinds, spaces = (self.known(what) for what in ("tags", "kinds", "spaces"))
        return Editor(title, written, save, tags=tags, kinds=kinds, spaces=spaces, **more)

    async def _add(self, written: Written) -> None:
        draft = written.draft()
        done = await self.write(
            lambda service, change: service.remember(draft, change=change),
            "Remembered",
            at=lambda done: done.id,
        )
        if done.outcome == "duplicate":
            self.changes.pop()
            self.desk_app.say("That text is remembered already; nothing was changed.")

    async def _revise(self, before: Memory, written: Written) -> None:
        edit, base = written.edit(before), before.seq
        if edit != Edit():
            await self.write(
                lambda service, change: service.revise(before.id, edit, base=base, change=change)
            )

    def action_external(self) -> None:
        """Change the text in $EDITOR."""
        if self.memory:
            self.begin(self._external(self.memory.id))

    async def _external(self, id: str) -> None:
        (memory,) = await self.memories([id])
        text = await edit_outside(self.app, memory.text)
        if text is not None:
            edit = Edit(text=text)
            await self.write(
                lambda service, change: service.revise(id, edit, base=memory.seq, change=change)
            )

    # One field of what is chosen

    def action_pin(self) -> None:
        """Pin what is chosen, or unpin it where all of it is pinned."""
        rows = self.lines.chosen
        pinned = not all(row.memory.pinned for row in rows)
        self.begin(self._change(Edit(pinned=pinned)))

    def action_tags(self) -> None:
        """Change the tags; of several, add and remove."""
        self.begin(self._tags())

    async def _tags(self) -> None:
        rows = self.lines.chosen
        if len(rows) == 1:
            told = await self._asked("Tags", line_of(rows[0].memory.tags), "tags", several=True)
            if told is not None:
                await self._change(Edit(tags=names_of(told)))
        elif rows:
            about = f"Added to {counted(len(rows))}; with a minus before it, removed."
            told = await self._asked("Tags", "", "tags", about, several=True)
            if told:
                names = names_of(told)
                dropped = tuple(name[1:].strip() for name in names if name.startswith("-"))
                added = tuple(name for name in names if not name.startswith("-"))
                await self._change(Edit(add_tags=added, drop_tags=dropped))

    def action_kind(self) -> None:
        """Change the kind."""
        self.begin(self._field("Kind", "kinds", "kind", "One word."))

    def action_move(self) -> None:
        """Move to another space."""
        self.begin(self._field("Move to the space", "spaces", "space", "A new name makes it."))

    def action_share(self) -> None:
        """Change which remotes it may go to."""
        about = "Names of remotes, separated by commas; none is private."
        self.begin(self._field("Goes to", "", "audience", about))

    def action_expiry(self) -> None:
        """Change until when it is recalled."""
        about = "A date such as 2027-05-31; empty for ever."
        self.begin(self._field("Recalled until", "", "expires_at", about))

    async def _field(self, title: str, suggested: str, field: str, about: str) -> None:
        if not (rows := self.lines.chosen):
            return
        value = getattr(rows[0].memory, field)
        shown = _shown(value) if len({getattr(row.memory, field) for row in rows}) == 1 else ""
        told = await self._asked(title, shown, suggested, about, several=field == "audience")
        if told is not None and told != shown:
            wanted = names_of(told) if field == "audience" else told.strip()
            await self._change(Edit(**{field: wanted}))  # type: ignore[arg-type]

    async def _asked(
        self, title: str, value: str, suggested: str, about: str = "", *, several: bool = False
    ) -> str | None:
        suggestions = self.known(suggested) if suggested else ()
        asking = Ask(title, value, suggestions=suggestions, about=about, several=several)
        return await self.desk_app.answer_of(asking)

    async def _change(self, edit: Edit) -> None:
        if ids := self.ids:
            await self.write(
                lambda service, change: service.revise_many(ids, edit, change=change),
                f"Changed {counted(len(ids))}" if len(ids) > 1 else "",
            )

    # The trash

    def action_delete(self) -> None:
        """Move what is chosen to the trash."""
        if self.ids:
            self.begin(self._delete(self.ids))

    async def _delete(self, ids: list[str]) -> None:
        if len(ids) > MANY and not await self.desk_app.answer_of(
            Confirm(
                "Move to the trash",
                f"Move {counted(len(ids))} to the trash?",
                "They stay there for 30 days.",
                f"Move {len(ids)}",
                "Keep",
            ),
        ):
            return
        await self.write(
            lambda service, change: service.forget(ids, change=change),
            f"Moved {counted(len(ids))} to trash",
        )
        self.lines.unmark()

    def action_restore(self) -> None:
        """Bring what is chosen back from the trash, or what another took the place of."""
        ids = [self.former.id] if self.former else self.ids
        if ids:
            self.begin(self._restore(ids))

    async def _restore(self, ids: list[str]) -> None:
        await self.write(
            lambda service, change: service.restore(ids, change=change),
            f"Restored {counted(len(ids))}",
        )
        self.lines.unmark()

    def action_purge(self) -> None:
        """Delete what is chosen for good, after a question."""
        if self.ids:
            self.begin(self._purge(self.ids))

    async def _purge(self, ids: list[str]) -> None:
        question = Confirm(
            "Delete for good",
            f"Delete {counted(len(ids))} for good?",
            "They leave the trash and cannot be brought back.",
            f"Delete {len(ids)}",
            "Keep",
        )
        if await self.desk_app.answer_of(question):
            await self.ask(lambda service: service.purge(ids))
            self.lines.unmark()
            await self.renew()

    # Two memories; the Inbox

    def action_merge(self) -> None:
        """Make one memory of two: the pair of a concern, or those marked."""
        row = self.lines.current
        if row and row.concern and row.concern.other:
            self.begin(self._merge_two(row.memory, row.concern.other))
        elif len(self.lines.marked) == 2:  # noqa: PLR2004
            first, second = self.lines.chosen
            self.begin(self._merge_two(first.memory, second.memory))

    async def _merge_two(self, keep: Memory, drop: Memory) -> None:
        text = keep.text if keep.text == drop.text else f"{keep.text}\n\n{drop.text}"
        tags = tuple(dict.fromkeys((*keep.tags, *drop.tags)))
        written = Written.of(keep, text=text, tags=tags)

        async def save(now: Written) -> None:
            await self.write(
                lambda service, change: service.merge(keep.id, drop.id, now.text, change=change),
                "Merged 2 memories",
            )

        await self.desk_app.answer_of(self._editor("Merge two memories", written, save))
        self.lines.unmark()

    def action_keep(self) -> None:
        """Settle what is chosen: all stays as it is."""
        keys = [row.concern.key for row in self.lines.chosen if row.concern]
        if keys:
            many = "1 thing" if len(keys) == 1 else f"{len(keys)} things"
            self.begin(self._keep(keys, f"Settled {many}"))

    async def _keep(self, keys: list[str], done: str) -> None:
        await self.write(lambda service, change: service.review(keys, change=change), done)
        self.lines.unmark()

    def action_drop_other(self) -> None:
        """Move the second memory of a pair to the trash."""
        row = self.lines.current
        other = row.concern.other if row and row.concern else None
        if other and other.state == LIVE:
            self.begin(self._delete([other.id]))

    # Tags and spaces

    def action_rename(self) -> None:
        """Rename the tag or space under the browse pane's cursor, or merge it into another."""
        if self.browse.current:
            self.rename(self.browse.current)

    def rename(self, place: Place) -> None:
        """Rename a tag or a space, or merge it into another."""
        if place.changes:
            self.begin(self._rename(place))

    async def _rename(self, place: Place) -> None:
        what = "spaces" if place.kind == "space" else "tags"
        about = "A name that is in use already takes them in."
        told = await self._asked(f"Rename the {place.kind}", place.value, what, about)
        into = (told or "").strip().lstrip("#")
        if not into or into == place.value:
            return
        name = one_line(place.value)
        await self.write(
            lambda service, change: (
                service.rename_space(place.value, into, change=change)
                if place.kind == "space"
                else service.rename_tag(place.value, into, change=change)
            ),
            f"Renamed {name} to {one_line(into)}",
        )

    def action_delete_place(self) -> None:
        """Delete the tag or space under the browse pane's cursor, after a question."""
        if self.browse.current:
            self.delete_place(self.browse.current)

    def delete_place(self, place: Place) -> None:
        """Delete a tag or a space, after a question."""
        if place.changes and self.desk_app.overview:
            self.begin(self._delete_place(place, self.desk_app.overview))

    async def _delete_place(self, place: Place, overview: Overview) -> None:
        space = place.kind == "space"
        many = (overview.spaces if space else overview.tags).get(place.value, 0)
        about = (
            f"{counted(many)} go to the trash and stay there for 30 days."
            if space
            else f"{counted(many)} lose it and stay."
        )
        question = f"Delete the {place.kind} “{one_line(place.value)}”?"
        dialog = Confirm(f"Delete a {place.kind}", question, about, "Delete", "Keep")
        if not await self.desk_app.answer_of(dialog):
            return
        await self.write(
            lambda service, change: (
                service.delete_space(place.value, change=change)
                if space
                else service.rename_tag(place.value, "", change=change)
            ),
            f"Deleted the {place.kind}",
        )


def _shown(value: object) -> str:
    """Return a field as a person would type it."""
    if isinstance(value, tuple):
        return line_of(value)
    return moment_words(value) if isinstance(value, datetime) else str(value or "")
