"""The actions that change one field of what is chosen, and the tags and spaces themselves."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from memdesk.errors import Invalid
from memdesk.memory import Edit
from memdesk.tui.asking import Ask
from memdesk.tui.completion import line_of, names_of
from memdesk.tui.confirm import Confirm
from memdesk.tui.forms import moment_words
from memdesk.tui.plain import one_line
from memdesk.tui.remotes import Remotes, again_words, deleted_by, no_remote
from memdesk.tui.writes import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memdesk.answers import Changed, Overview
    from memdesk.memory import Memory
    from memdesk.service import Service
    from memdesk.tui.places import Place

_TITLE = 40


class Fields(Remotes):
    """The main screen's verbs for a field, a tag or a space.

    What an action is for is what was chosen when its key was pressed: others may change what is
    under the cursor while a dialog is open.
    """

    def action_pin(self) -> None:
        """Pin what is chosen, or unpin it where all of it is pinned."""
        memories = self.chosen
        pinned = not all(memory.pinned for memory in memories)
        self.begin(self._change(memories, Edit(pinned=pinned)))

    def action_tags(self) -> None:
        """Change the tags; of several, add and remove."""
        memories = self.chosen
        if len(memories) == 1:
            self.begin(self._tags_of(memories[0]), opens=True)
        elif memories:
            self.begin(self._tags_of_many(memories), opens=True)

    async def _tags_of(self, memory: Memory) -> None:
        title = f"Tags of {_named([memory])}"
        told = await self._asked(title, line_of(memory.tags), "tags", several=True)
        if told is not None:
            wanted = names_of(told)
            added = tuple(tag for tag in wanted if tag not in memory.tags)
            dropped = tuple(tag for tag in memory.tags if tag not in wanted)
            if added or dropped:  # what others add meanwhile stays
                await self._change([memory], Edit(add_tags=added, drop_tags=dropped))

    async def _tags_of_many(self, memories: Sequence[Memory]) -> None:
        about = "They are added; with a minus before it, a tag is removed."
        told = await self._asked(f"Tags of {_named(memories)}", "", "tags", about, several=True)
        if told:
            names = names_of(told)
            dropped = tuple(name[1:].strip() for name in names if name.startswith("-"))
            added = tuple(name for name in names if not name.startswith("-"))
            await self._change(memories, Edit(add_tags=added, drop_tags=dropped))

    def action_kind(self) -> None:
        """Change the kind."""
        self._field("Kind", "kinds", "kind", "One word.")

    def action_move(self) -> None:
        """Move to another space."""
        self._field("Space", "spaces", "space", "A new name makes it.")

    def action_share(self) -> None:
        """Change which remotes it may go to: one memory, where there is one remote, without asking."""
        names, memories = self.known("remotes"), self.chosen
        if len(names) == len(memories) == 1:
            memory = memories[0]
            asks = names[0] in memory.audience and memory.source.trust == "remote"
            self.begin(self.share(memory.id, names[0]), opens=asks)
        else:
            about = "Names of remotes; none is private. A remote deletes what goes there no longer."
            self._field("Remotes", "remotes", "audience", about)

    def action_expiry(self) -> None:
        """Change until when it is recalled."""
        about = "A date such as 2027-05-31; empty for ever."
        self._field("Expiry", "", "expires_at", about)

    def _field(self, title: str, suggested: str, field: str, about: str) -> None:
        if memories := self.chosen:
            title = f"{title} of {_named(memories)}"
            self.begin(self._ask_field(memories, title, suggested, field, about), opens=True)

    async def _ask_field(
        self, memories: Sequence[Memory], title: str, suggested: str, field: str, about: str
    ) -> None:
        values = {getattr(memory, field) for memory in memories}
        shown = _shown(values.pop()) if len(values) == 1 else ""
        several = field == "audience"
        told = await self._asked(title, shown, suggested, about, several=several)
        while told is not None and told != shown:
            wanted = told.strip()
            try:
                if several:
                    await self._address(memories, names_of(told))
                else:
                    await self._change(memories, Edit(**{field: wanted}))  # type: ignore[arg-type]
                break
            except Invalid as error:  # what was typed stays, to be put right
                told = await self._asked(title, told, suggested, str(error), several=several)

    async def _address(self, memories: Sequence[Memory], audience: tuple[str, ...]) -> None:
        """Let memories go to these remotes alone; raises `Invalid` for a new name that is none.

        Before there is any remote, a name may be given ahead.
        """
        known = {name for memory in memories for name in memory.audience}
        new = [name for name in audience if name not in known]
        await self.warn_of(new)
        remotes = self.known("remotes")
        if remotes and (wrong := [name for name in new if name not in remotes]):
            raise Invalid("remotes", no_remote(wrong[0]))
        if await self.may_leave(memories, audience):
            left = tuple(sorted(known - set(audience)))
            await self._readdress([memory.id for memory in memories], audience, left)

    async def _readdress(
        self, ids: list[str], audience: tuple[str, ...], left: tuple[str, ...]
    ) -> None:
        deleted: list[str] = []

        def readdress(service: Service, change: str) -> Changed:
            done = service.revise_many(ids, Edit(audience=audience), change=change)
            deleted[:] = deleted_by(service, left, ids)
            return done

        def words(done: Changed) -> str:
            if left:
                return self.left_words(left, deleted, len(ids))
            return f"Changed {counted(len(done.done))}" if len(ids) > 1 else ""

        undone = again_words(left, len(ids)) if left else ""
        await self.write(readdress, words, undone=undone)

    async def _asked(
        self, title: str, value: str, suggested: str, about: str = "", *, several: bool = False
    ) -> str | None:
        suggestions = self.known(suggested) if suggested else ()
        asking = Ask(title, value, suggestions=suggestions, about=about, several=several)
        return await self.desk_app.answer_of(asking)

    async def _change(self, memories: Sequence[Memory], edit: Edit) -> None:
        if ids := [memory.id for memory in memories]:
            await self.write(
                lambda service, change: service.revise_many(ids, edit, change=change),
                (lambda done: f"Changed {counted(len(done.done))}") if len(ids) > 1 else None,
            )

    # Tags and spaces

    def action_rename(self) -> None:
        """Rename the tag or space under the browse pane's cursor, or merge it into another."""
        if self.browse.current:
            self.rename(self.browse.current)

    def rename(self, place: Place) -> None:
        """Rename a tag or a space, or merge it into another."""
        if place.changes:
            self.begin(self._rename(place), opens=True)

    async def _rename(self, place: Place) -> None:
        what = "spaces" if place.kind == "space" else "tags"
        about = "A name that is in use already takes them in."
        told = await self._asked(f"Rename the {place.kind}", place.value, what, about)
        into = (told or "").strip().lstrip("#")
        if not into or into == place.value:
            return
        words = f"Renamed {one_line(place.value)} to {one_line(into)}"
        await self.write(
            lambda service, change: (
                service.rename_space(place.value, into, change=change)
                if place.kind == "space"
                else service.rename_tag(place.value, into, change=change)
            ),
            lambda _: words,
            in_parts=True,
        )

    def action_delete_place(self) -> None:
        """Delete the tag or space under the browse pane's cursor, after a question."""
        if self.browse.current:
            self.delete_place(self.browse.current)

    def delete_place(self, place: Place) -> None:
        """Delete a tag or a space, after a question."""
        if place.changes and self.desk_app.overview:
            self.begin(self._delete_place(place, self.desk_app.overview), opens=True)

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
            lambda _: f"Deleted the {place.kind}",
            in_parts=True,
        )


def _named(memories: Sequence[Memory]) -> str:
    """Return what an action is for: the first words of one memory, or how many they are."""
    if len(memories) > 1:
        return counted(len(memories))
    title = one_line(memories[0].title)
    return f"“{title}”" if len(title) <= _TITLE else f"“{title[:_TITLE].rstrip()}…”"


def _shown(value: object) -> str:
    """Return a field as a person would type it."""
    if isinstance(value, tuple):
        return line_of(value)
    return moment_words(value) if isinstance(value, datetime) else str(value or "")
