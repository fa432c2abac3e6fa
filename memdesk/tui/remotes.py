"""The main screen's part about remotes: how they stand, exchanges with them, and what goes to which."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from memdesk.errors import Invalid, MemdeskError, SyncError
from memdesk.memory import Edit
from memdesk.remotes import DELETE, MEMORYOS
from memdesk.tui.confirm import Confirm
from memdesk.tui.dialog import Dialog
from memdesk.tui.latest import Latest
from memdesk.tui.places import Place
from memdesk.tui.plain import one_line
from memdesk.tui.standing import NO_REMOTE, outcome, state
from memdesk.tui.writes import UNDO_HINT, Writes, counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memdesk.memory import Memory
    from memdesk.remotes import Outbox, Standing
    from memdesk.service import Service

EVERY = 10.0
"""Seconds from one look at the remotes to the next: others sync, and what waits is looked up in the store."""
REST = 1.0
"""Seconds after a change before they are looked at: more of them may follow."""
_MOST = 500
"""What waits for a remote, as far as it is searched for a memory."""


class Remotes(Writes):
    """The main screen as far as it knows of remotes."""

    def __init__(self) -> None:
        super().__init__()
        self.standings: tuple[Standing, ...] = ()
        """How each remote stands, as far as it is known."""
        self._exchange = ""
        """What is said while an exchange is under way."""
        self._standing = Latest[None](self._look_at_remotes, rest=lambda: REST)

    # How they stand

    def watch_remotes(self) -> None:
        """Look at the remotes now, and every some seconds."""
        self._watching = self.set_interval(EVERY, self.look_at_remotes)
        self.desk_app.do(self._look_at_remotes(None))

    def look_at_remotes(self) -> None:
        """Look at the remotes soon."""
        if self._standing.want(None):
            self.desk_app.do(self._standing.run())

    async def _look_at_remotes(self, _: None) -> None:
        try:
            await self.ask_remotes()
        except MemdeskError:
            return  # whoever shows memories tells what is wrong with the store
        except Exception:
            self._watching.stop()  # it is told once, not each time
            raise

    async def ask_remotes(self) -> tuple[Standing, ...]:
        """Return how each remote stands now, and show it."""
        self.standings = await self.ask(lambda service: service.remotes())
        if self.is_attached:
            self.tell_state()
        return self.standings

    async def renew(self, *, at: str = "", changed: bool = True) -> None:
        """Show what has changed, and what waits for remotes since."""
        await super().renew(at=at, changed=changed)
        if changed:
            self.look_at_remotes()

    def tell_state(self) -> None:
        """Say at the top how the desk stands: where nothing else is to be said, how its remotes do."""
        words = self._exchange or state(self.standings, self.desk_app.glyphs)
        if words and not (self._waiting or self._trouble):
            self._put("#state", words)
        else:
            super().tell_state()

    def known(self, what: str) -> tuple[str, ...]:
        """Return the names that are in use: of spaces, tags, kinds or remotes."""
        if what == "remotes":
            return tuple(each.remote.name for each in self.standings)
        return super().known(what)

    # Exchanges

    @property
    def exchanging(self) -> bool:
        """Whether an exchange that was begun here is under way."""
        return bool(self._exchange)

    def action_sync(self) -> None:
        """Exchange with every remote."""
        self.begin(self.exchange())

    async def exchange(self, remote: str = "", *, pull: bool = True) -> None:
        """Exchange with one remote, or with all of them, and tell what came of it."""
        if self.exchanging:
            return
        self._say_exchanging("syncing")
        try:
            if not await self.ask_remotes():
                self.desk_app.say(NO_REMOTE)
                return
            tell = self._teller()
            told = await self.ask(lambda service: service.sync(remote, pull=pull, progress=tell))
        finally:
            self._exchange = ""
            self.tell_state()
        words = outcome(told)
        if any(each.error for each in told):
            self.desk_app.tell(SyncError(words))
        else:
            self.desk_app.say(words)
        await self._look_at_remotes(None)

    def _say_exchanging(self, words: str) -> None:
        self._exchange = f"{self.desk_app.glyphs.waiting} {words}"
        self.tell_state()
        if isinstance(self.app.screen, Dialog):
            self.app.screen.note(self._exchange)

    def _teller(self) -> Callable[[int, int], None]:
        """Return what shows, asked on any thread, how far an exchange is."""
        loop = asyncio.get_running_loop()

        def show(words: str) -> None:
            if self.exchanging:
                self._say_exchanging(words)

        def tell(done: int, total: int) -> None:
            loop.call_soon_threadsafe(show, f"syncing: {done:,} of {total:,}")

        return tell

    def action_outbox(self) -> None:
        """Show how the remotes stand, and what waits for them."""
        self.begin(self._show_outbox(), opens=True)

    async def _show_outbox(self) -> None:
        from memdesk.tui.sync import SyncScreen  # the first frame need not wait for it

        id = await self.desk_app.answer_of(SyncScreen(self))
        if id:
            self.go_to(Place("waits", id))

    async def outbox(self, remote: str, many: int) -> Outbox:
        """Return what waits for a remote."""
        return await self.ask(lambda service: service.outbox(remote, limit=many))

    async def retry(self, remote: str) -> None:
        """Let what is held at a remote be tried again."""
        many = await self.ask(lambda service: service.retry(remote))
        words = f"{counted(many)} will be tried again with the next exchange: s."
        self.desk_app.say(words if many else "What is held waits in the Inbox, or for a change.")

    # What goes to which

    async def share(self, id: str, remote: str) -> None:
        """Let a memory go to a remote, or no longer where it does."""
        (memory,) = await self.memories([id])
        if remote in memory.audience:
            await self.unshare(id, remote)
            return
        edit = Edit(audience=(*memory.audience, remote))
        await self.write(
            lambda service, change: service.revise(id, edit, base=memory.seq, change=change),
            lambda _: f"It goes to {remote} with the next exchange{UNDO_HINT}",
            undone=f"It goes to {remote} no longer",
        )

    async def unshare(self, id: str, remote: str) -> None:
        """Let a memory go to a remote no longer, which deletes it there; asks where it is another's."""
        (memory,) = await self.memories([id])
        audience = tuple(each for each in memory.audience if each != remote)
        if remote not in memory.audience or not await self.may_leave([memory], audience):
            return

        def take_out(service: Service, change: str) -> tuple[str, ...]:
            service.revise(id, Edit(audience=audience), base=memory.seq, change=change)
            return deleted_by(service, (remote,), (id,))

        await self.write(
            take_out,
            lambda deleted: self.left_words((remote,), deleted, 1),
            undone=again_words((remote,), 1),
        )

    async def may_leave(self, memories: Sequence[Memory], audience: Sequence[str]) -> bool:
        """Return whether memories may go to no other remotes than these.

        Asks where that deletes for everybody what somebody else has written.
        """
        theirs = [each for each in memories if each.source.trust == "remote"]
        left = {name: None for each in theirs for name in each.audience if name not in audience}
        names = [one_line(name) for name in left if self._can_delete(name)]
        if not names:
            return True
        many = sum(1 for each in theirs if set(each.audience) - set(audience))
        what, stays = ("it", "It stays") if many == 1 else (counted(many), "They stay")
        question = Confirm(
            "Delete for everybody",
            f"Delete {what} at {', '.join(names)} for everybody?",
            f"Somebody else wrote {'it' if many == 1 else 'them'}. {stays} here.",
            "Delete there",
            "Keep",
        )
        answer = await self.desk_app.answer_of(question)
        return answer is True

    def _can_delete(self, name: str) -> bool:
        return not any(
            each.remote.name == name and each.remote.kind == MEMORYOS for each in self.standings
        )

    def left_words(self, left: Sequence[str], deleted: Sequence[str], many: int) -> str:
        """Return what came of taking memories out of remotes, of which some delete them."""
        if deleted:
            verb, what = "deletes" if len(deleted) == 1 else "delete", "it" if many == 1 else "them"
            told = f"{', '.join(deleted)} {verb} {what} for everybody with the next exchange"
            return f"{told}; press u to take that back"
        whom, able = ", ".join(left), all(self._can_delete(name) for name in left)
        kept = "" if able else "; what was sent stays there"
        return f"{'It goes' if many == 1 else 'They go'} to {whom} no longer{kept}{UNDO_HINT}"

    async def undo_last(self) -> None:
        """Take back the last change that was made here, and wait until that is done."""
        if self.changes:
            await self._undo()

    async def warn_of(self, audience: Sequence[str]) -> None:
        """Tell which of the names of remotes are none."""
        if audience:
            with suppress(MemdeskError):  # the change itself is done
                await self.ask_remotes()
        for name in audience:
            if name not in self.known("remotes"):
                self.app.notify(no_remote(name), severity="warning", markup=False)


def no_remote(name: str) -> str:
    """Return the sentence that a name is none of a remote."""
    return one_line(f"“{name}” is no remote; add it: memdesk sync add {name} URL")


def deleted_by(service: Service, remotes: Sequence[str], ids: Sequence[str]) -> tuple[str, ...]:
    """Return which remotes delete memories with the next exchange; those were taken out just now."""
    return tuple(remote for remote in remotes if _deletes(service, remote, ids))


def _deletes(service: Service, remote: str, ids: Sequence[str]) -> bool:
    try:
        standings = service.remotes()
        if any(each.remote.name == remote and each.remote.kind == MEMORYOS for each in standings):
            return False
        waiting = service.outbox(remote, limit=_MOST)
    except Invalid:  # it is no remote
        return False
    except MemdeskError:  # the change itself is done; what may come of it is told rather than not
        return True
    there = any(each.id in ids and each.way == DELETE for each in waiting.parcels)
    return there or waiting.total > len(waiting.parcels)


def again_words(left: Sequence[str], many: int) -> str:
    """Return what is so again once it is undone that memories were taken out of remotes."""
    return f"{'It goes' if many == 1 else 'They go'} to {', '.join(left)} again"
