"""Bringing the memories of one note in line with what it says now."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from memdesk.errors import Conflict, Invalid, NotFound
from memdesk.ingest.notes import HERE, UNSURE, Part
from memdesk.ingest.round import (
    ACTOR,
    ADDED,
    BACK,
    CHANGED,
    CONFLICT,
    FORGOTTEN,
    KEPT,
    MOVED,
    SKIPPED,
    News,
    hash_of,
)
from memdesk.memory import LIVE, TRASHED, Edit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memdesk.ingest.round import Round
    from memdesk.memory import Draft, Memory

_EDITABLE = ("kind", "tags", "space", "audience", "pinned", "confidence", "metadata")
_DATED = ("happened_at", "expires_at")
_REASON = "its note says otherwise now"


@dataclass
class Alignment:
    """One note that says something else than before, or stands elsewhere."""

    around: Round
    path: str
    memories: dict[str, Memory]
    """Those of the note, as far as there are any."""
    moved_from: str = ""
    left: list[Part] = field(default_factory=list)
    """Memories that the note does not tell of any more."""

    def align(self, drafts: Sequence[Draft]) -> None:
        """Revise, store and forget what the note calls for; without drafts it has no words left."""
        note = self.around.notes.by_path[self.path]
        what = self._what()
        pairs, self.left = paired(note.parts, drafts)
        made = [part for old, draft in pairs if (part := self._aligned(old, draft))]
        self._hold(made)
        ids = {each.id for each in made}
        for part in self.left:
            if part.id not in ids and may_go(self.around, self.path, part, self.memories):
                self.around.service.forget([part.id], reason=_REASON, actor=ACTOR)
        if drafts:
            note.parts, note.state = made, HERE
        words = f"was {self.moved_from}" if self.moved_from else ""
        self.around.tell(News(what if drafts else FORGOTTEN, self.path, words))

    def _what(self) -> str:
        note = self.around.notes.by_path[self.path]
        if self.moved_from:
            return MOVED
        if note.state == UNSURE and self._bring_back(note.parts):
            return BACK
        return CHANGED if note.parts else ADDED

    def _bring_back(self, parts: Sequence[Part]) -> bool:
        """Take the memories of a note out of the trash; tell whether any was there."""
        ours = [each.id for each in parts if each.ours and each.id in self.memories]
        ids = [id for id in ours if self.memories[id].state == TRASHED]
        if ids:
            self.around.service.restore(ids, actor=ACTOR)
            self.memories.update(self.around.present(ids))
        return bool(ids)

    def _aligned(self, part: Part | None, draft: Draft) -> Part | None:
        """Return the memory that has a draft's text from now on; None where none can, which is told."""
        kept = self._kept(part, draft) if part else None
        if part and not kept and self.around.others(self.path, part):
            self.left.append(part)
        return kept or self._remembered(draft)

    def _kept(self, part: Part, draft: Draft) -> Part | None:
        """Return what a memory of the note is from now on; None where another is to be stored."""
        twins = sum(each.id == part.id for each in self.around.parts(self.path))
        memory, same = self.memories.get(part.id), hash_of(draft) == part.text
        shared = twins > 1 or self.around.others(self.path, part)
        if memory is None:  # the store is another one by now
            return None
        # Forgotten or erased by the person: a note that says something else is another memory.
        theirs = not part.ours or memory.state != LIVE
        if theirs or shared or part.id in self.around.elsewhere:
            return part if same else None
        if memory.content_hash not in (part.text, part.coming, hash_of(draft)):
            return part if same or self.moved_from else self._conflict(memory)
        return self._revised(part, memory, draft)

    def _revised(self, part: Part, memory: Memory, draft: Draft) -> Part | None:
        fields = _fields(draft)
        edit = _edit(memory, draft, rest=fields != part.fields)
        try:
            if edit != Edit():
                self.around.service.revise(part.id, edit, base=memory.seq, actor=ACTOR)
        except (Conflict, NotFound):
            return self._conflict(memory)
        except Invalid as error:
            self.around.tell(News(SKIPPED, self.path, str(error)))
            return part
        return Part(part.id, hash_of(draft), fields)

    def _conflict(self, memory: Memory) -> Part | None:
        """Tell that the note is a memory of its own from now on."""
        words = f"memory {memory.id} was edited in memdesk and stays; the note is another one now"
        self.around.tell(News(CONFLICT, self.path, words))
        return None

    def _remembered(self, draft: Draft) -> Part | None:
        return remembered(self.around, self.path, draft)

    def _hold(self, made: Sequence[Part]) -> None:
        for part in self.around.parts(self.path):
            self.around.held.get(part.id, set()).discard(self.path)
        for part in made:
            self.around.held.setdefault(part.id, set()).add(self.path)


def remembered(around: Round, path: str, draft: Draft) -> Part | None:
    """Store one memory of a note; None where it cannot be, which is told."""
    try:
        done = around.service.remember(draft, actor=ACTOR)
    except Invalid as error:
        around.tell(News(SKIPPED, path, str(error)))
        return None
    if done.outcome == "stored":
        return part_of(done.id, draft)
    return part_of(done.id, draft, ours=around.is_ours(around.present([done.id]).get(done.id)))


def may_go(around: Round, path: str, part: Part, memories: dict[str, Memory]) -> bool:
    """Tell whether a memory goes with its note; one that another note holds becomes that one's."""
    memory = memories.get(part.id)
    if not part.ours or memory is None or memory.state != LIVE:
        return False
    if others := around.others(path, part):
        point(around, part, min(others))
        return False
    if memory.content_hash not in (part.text, part.coming):
        words = f"memory {memory.id} was edited in memdesk and stays"
        around.tell(News(KEPT, path, words))
        return False
    return part.id not in around.elsewhere


def point(around: Round, part: Part, path: str) -> None:
    """Say in a memory's source which note it is."""
    try:
        around.service.revise(part.id, Edit(ref=around.ref(path)), actor=ACTOR)
    except (NotFound, Conflict):  # erased or forgotten by the person: it stays so
        return


def paired(
    parts: Sequence[Part], drafts: Sequence[Draft]
) -> tuple[list[tuple[Part | None, Draft]], list[Part]]:
    """Return each draft with the memory that it is to be, and the memories that are left.

    The same text is the same memory, wherever it stands in the note; the others go by their order.
    """
    left = list(parts)
    found: dict[int, Part] = {}
    for place, draft in enumerate(drafts):
        part = next((each for each in left if each.text == hash_of(draft)), None)
        if part:
            found[place] = part
            left.remove(part)
    others = [place for place in range(len(drafts)) if place not in found]
    found |= dict(zip(others, left, strict=False))
    return [(found.get(place), draft) for place, draft in enumerate(drafts)], left[len(others) :]


def part_of(id: str, draft: Draft, *, ours: bool = True) -> Part:
    """Return what is to be known of a memory that has a draft's text now."""
    return Part(id, hash_of(draft), _fields(draft), ours=ours)


def _fields(draft: Draft) -> str:
    """Return a hash of what a note says besides its text."""
    told = [getattr(draft, name) for name in (*_EDITABLE, *_DATED)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def _edit(memory: Memory, draft: Draft, *, rest: bool) -> Edit:
    """Return what a note changes in its memory; `rest` is whether it says other tags and so on, too.

    Tags and the like that the person has given in memdesk stay as long as the note says the same.
    """
    edit = Edit() if memory.content_hash == hash_of(draft) else Edit(text=draft.text)
    if memory.source.ref != draft.source.ref:
        edit = replace(edit, ref=draft.source.ref)
    if not rest:
        return edit
    told: dict[str, Any] = {name: getattr(draft, name) for name in _EDITABLE}
    told |= {name: getattr(draft, name) or "" for name in _DATED}
    return replace(edit, **told)
