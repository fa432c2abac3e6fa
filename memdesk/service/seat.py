"""The desk as one AI host may use it: the verbs of hosts, within the rules that the person gave it."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from memdesk import echo
from memdesk.answers import Page, Profile, Remembered
from memdesk.errors import Denied, Invalid, NotFound
from memdesk.memory import LIVE, PERSONAL, Filter, check_id, check_space, now
from memdesk.service import reading, writing
from memdesk.service.drafting import check

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from memdesk.answers import Changed, Hit, Recalled
    from memdesk.echo import Piece
    from memdesk.memory import Draft, Edit, Memory
    from memdesk.rules import HostRules
    from memdesk.service.core import Core

MOST_FORGOTTEN = 20
"""Memories that a host moves to the trash at once, at most."""
_EVERYTHING = Filter()


class Seat:
    """One host's place at the desk; every verb raises `Denied` for what the host may not.

    A memory of a space that it may not see is `NotFound`. Rules are read anew for each verb.
    """

    def __init__(self, core: Core, name: str, space: str | None = None) -> None:
        """Take the seat of a host; `space` is what it means when it names none."""
        self._core = core
        self._name = name
        self._space = space or core.default_space

    # Which space is meant

    def scope(self, space: str | None) -> tuple[str, ...]:
        """Return the spaces that a recall looks in: `space`, or the host's own, and `personal`.

        Of those the host may not see it gets the others; where that is none, all that it may see.
        """
        rules = self._rules()
        if space:
            self._check_space(rules, check_space(space))
        looked = dict.fromkeys((space or self._space, PERSONAL))
        found = tuple(filter(rules.sees, looked)) or self._all(rules)
        if not found:
            raise self._hidden(self._space)
        return found

    def room(self, space: str | None) -> str:
        """Return the space that a save goes to: `space`, or the host's own.

        Without a space of its own and without `personal`, the first of those it may see.
        """
        rules = self._rules()
        chosen = check_space(space) if space else self._space
        if not space and chosen == PERSONAL and not rules.personal and rules.spaces:
            return rules.spaces[0]
        self._check_space(rules, chosen)
        return chosen

    # Reading

    def recall(
        self, query: str, *, limit: int = 5, where: Filter = _EVERYTHING, beside: int = 0
    ) -> Recalled:
        """Return the memories that answer a question best; see `Service.recall`."""
        from memdesk.service import recalling  # brings numpy

        rules, where = self._rules(), self._within(where)
        wanted = recalling.asked(query, limit, where, max_tokens=0, beside=beside, floor=None)
        answer = recalling.recall(self._core, wanted)
        hits = tuple(_seen(hit, rules) for hit in answer.hits if rules.sees(hit.memory.space))
        for hit in hits:
            self._core.hosts.show(self._name, hit.memory.id, hit.memory.text, hit.passage)
            self._show(hit.beside)
        return replace(answer, hits=hits)

    def get(self, ids: Sequence[str]) -> tuple[Memory, ...]:
        """Return memories by their ids, in any state; raises `NotFound` for the first it may not see."""
        found = self._seen(self._rules(), ids)
        self._show(found)
        return found

    def list(self, *, where: Filter = _EVERYTHING, limit: int = 20) -> Page:
        """Return the newest memories, but for those that wait in the Inbox before they are recalled."""
        where = reading.checked_filter(self._within(where))
        limit = reading.checked_limit(limit, reading.MAX_LIST)
        found = tuple(reading.not_held(self._core.store(), where, limit))
        self._show(found)
        return Page(found, None)

    def profile(self, *, space: str | None = None, max_tokens: int = 1000) -> Profile:
        """Return what is always worth knowing of a space and of `personal`, to the token budget."""
        spaces = self.scope(space)
        answer = reading.profile(self._core, spaces[0], max_tokens, spaces)
        self._show(answer.memories)
        return answer

    # Writing

    def remember(
        self,
        draft: Draft,
        *,
        change: str | None = None,
        fresh: bool = False,
        since: datetime | None = None,
    ) -> Remembered:
        """Store a draft, unless the same is there, or it is what this host was shown.

        One of too many in a minute is stored, too, and not recalled before the person has seen it.
        """
        rules = self._writing()
        self._check_space(rules, draft.space)
        if draft.replaces:
            self._seen(rules, [check_id(draft.replaces, "replaces")])
        elif known := self._echoed(rules, draft):
            return Remembered(known.id, "duplicate", known.space)
        with self._core.hosts.saving(self._name) as save:
            draft = replace(draft, held=save.too_many)
            done = writing.remember(self._core, draft, self._name, change, fresh=fresh, since=since)
            save.stored = done.outcome == "stored"
        made = fresh and save.stored  # else it may be what an earlier call has stored
        return replace(done, held=draft.held if made else self._is_held(done.id))

    def revise(
        self, id: str, edit: Edit, *, change: str | None = None, fresh: bool = False
    ) -> Memory:
        """Change some fields of a live memory; see `Service.revise`."""
        rules = self._writing()
        self._seen(rules, [id], "id")
        if edit.space is not None:
            self._check_space(rules, edit.space)
        return writing.revise(self._core, id, edit, self._name, change, fresh=fresh)

    def forget(
        self,
        ids: Sequence[str],
        *,
        reason: str = "",
        change: str | None = None,
        fresh: bool = False,
    ) -> Changed:
        """Move memories to the trash, all or none; at most `MOST_FORGOTTEN`."""
        rules = self._writing()
        if len(set(ids)) > MOST_FORGOTTEN:
            raise Invalid("ids", f"are {len(set(ids))}; a host forgets at most {MOST_FORGOTTEN}")
        self._seen(rules, ids)
        return writing.forget(self._core, ids, reason, self._name, change, fresh=fresh)

    # Rules

    def _rules(self) -> HostRules:
        rules = self._core.hosts.of(self._name)
        if rules.paused:
            raise Denied(f"memdesk is paused for {self._name}; {self._way_out('--resume')}")
        return rules

    def _writing(self) -> HostRules:
        rules = self._rules()
        if rules.read_only:
            raise Denied(f"{self._name} may only read here; {self._way_out('--read-write')}")
        return rules

    def _check_space(self, rules: HostRules, space: str) -> None:
        if not rules.sees(space):
            raise self._hidden(space)

    def _all(self, rules: HostRules) -> tuple[str, ...]:
        """Return every space there is that a host may see but for `personal`."""
        if rules.spaces is not None:
            return rules.spaces
        there = self._core.store().counts("space", _EVERYTHING)
        return tuple(sorted(there.keys() - {PERSONAL}))

    def _hidden(self, space: str) -> Denied:
        way = self._way_out("--personal" if space == PERSONAL else "--spaces")
        return Denied(f"{self._name} may not use the space “{space}”; {way}")

    def _way_out(self, option: str) -> str:
        return f"the user can change that with: memdesk host {shlex.quote(self._name)} {option}"

    def _within(self, where: Filter) -> Filter:
        """Return the filter with spaces that the host may see, and at least one."""
        if not where.spaces:
            return replace(where, spaces=self.scope(None))
        rules = self._rules()
        for space in where.spaces:
            self._check_space(rules, space)
        return where

    def _seen(self, rules: HostRules, ids: Sequence[str], field: str = "ids") -> tuple[Memory, ...]:
        """Return memories that the host may see; raises `NotFound` for the first that is none."""
        wanted = [check_id(id, field) for id in ids]
        found = self._core.store().get(wanted)
        for id in wanted:
            if id not in found or not rules.sees(found[id].space):
                raise NotFound(id)
        return tuple(found[id] for id in wanted)

    # What it was shown

    def _show(self, memories: Iterable[Memory]) -> None:
        for memory in memories:
            self._core.hosts.show(self._name, memory.id, memory.text)

    def _echoed(self, rules: HostRules, draft: Draft) -> Memory | None:
        """Return the memory, shown to this host, that a draft only says again; None where it is news.

        That is one of a space that recall looks in for the draft's; what is said again in a conversation
        is a turn of its own. Raises `Invalid` for a draft that could not be stored.
        """
        if draft.session is not None:
            return None
        for pieces in echo.readings(draft.text):
            known = self._known(rules, pieces[0])
            if (
                known
                and known.space in (draft.space, PERSONAL)
                and all(self._known(rules, piece) for piece in pieces[1:])
            ):
                check(draft, now())
                return known
        return None

    def _known(self, rules: HostRules, piece: Piece) -> Memory | None:
        """Return the memory that a piece of text is of."""
        shown = self._core.hosts.shown_as(self._name, piece.text)
        id = shown or piece.id
        memory = self._core.store().get([id]).get(id) if id else None
        if memory is None or memory.state != LIVE or not rules.sees(memory.space):
            return None
        text = echo.plain(memory.text)
        same = piece.text in text if shown or piece.part else piece.text == text
        return memory if same and not writing.expired(memory, now()) else None

    def _is_held(self, id: str) -> bool:
        found = self._core.store().get([id]).get(id)
        return found is not None and found.held


def _seen(hit: Hit, rules: HostRules) -> Hit:
    """Return a hit without the turns beside it that a host may not see."""
    return replace(hit, beside=tuple(turn for turn in hit.beside if rules.sees(turn.space)))
