"""Taking in what other programs knew: stored at once and found by its words, embedded afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from memdesk.answers import Taken
from memdesk.errors import Invalid
from memdesk.limits import check as check_wanted
from memdesk.memory import LIVE, MAX_TEXT_BYTES, REPLACED, TOMBSTONE, TRASHED, now
from memdesk.service import indexing, points
from memdesk.service.drafting import Checked, check
from memdesk.service.undoing import undo_of
from memdesk.service.writing import Identity, checked_change, identity, rewrite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memdesk.memory import Draft, Memory
    from memdesk.service.core import Core, Writing
    from memdesk.service.realigning import Pair
    from memdesk.store import Store

_STORED, _DUPLICATE, _SKIPPED = "stored", "duplicate", "skipped"


def take_in(
    core: Core,
    drafts: Sequence[Draft],
    actor: str,
    change: str | None,
    *,
    fresh: bool = False,
    dry: bool = False,
) -> tuple[Taken, ...]:
    """Store what can be stored of some drafts and tell what became of each, in their order.

    What was taken in before and has been forgotten, replaced or edited since stays as it is now.
    A `dry` run tells the same and writes nothing. A repeated change returns its first result.
    """
    change = checked_change(change)
    fit = [_fit(draft) for draft in drafts]
    checked = [each for each in fit if isinstance(each, Checked)]
    if dry:
        told = _Known(core.store(), checked, change, fresh=fresh).settled()
    else:
        check_wanted()
        points.before_import(core, [each.text for each in drafts], change)
        told = _write(core, checked, actor, change, fresh=fresh) if checked else []
    answers = iter(told)
    return tuple(next(answers) if isinstance(each, Checked) else each for each in fit)


def _fit(draft: Draft) -> Checked | Taken:
    if draft.replaces:
        return Taken(_SKIPPED, "names what it takes the place of")
    try:
        return check(draft, now())
    except Invalid as error:
        return Taken(_SKIPPED, _reason(draft, error))


def _reason(draft: Draft, error: Invalid) -> str:
    """Return why a draft cannot be stored, the same for all that have this fault."""
    if error.field != "text":
        return f"its {error.field} cannot be used"
    if not draft.text.strip():
        return "empty"
    too_long = len(draft.text.encode("utf-8", "surrogatepass")) > MAX_TEXT_BYTES
    return "longer than one memory may be" if too_long else "its text is not valid Unicode"


def _write(
    core: Core, checked: Sequence[Checked], actor: str, change: str | None, *, fresh: bool
) -> list[Taken]:
    # Cut before the lock is taken: of a thousand notes that is a second in which others wait.
    before = _Known(core.store(), checked, change, fresh=fresh)
    before.settled()
    cut = indexing.cut(core, before.new)
    with core.writing(actor, change) as write:
        known = _Known(write.store, checked, change, fresh=fresh)
        told = known.settled(write)
        if known.new:
            write.store.insert(known.new)
            indexing.put(core, write.store, indexing.rows_of(core, known.new, cut))
        if known.back:
            rewrite(core, write, known.back)
    if known.new:
        indexing.embed_in_background(core)
    return told


@dataclass
class _Known:
    """What a store knows of some drafts, and what becomes of them there."""

    store: Store
    drafts: Sequence[Checked]
    change: str | None
    fresh: bool
    new: list[Memory] = field(default_factory=list)
    """Memories to store."""
    back: list[Pair] = field(default_factory=list)
    """Memories that an undo had taken away, and that come back."""

    def __post_init__(self) -> None:
        """Look up every memory that has, or had once, the text of one of the drafts."""
        from memdesk.store.filters import one_of

        hashes = {each.memory.content_hash for each in self.drafts}
        same = self.store.same_texts(hashes) if hashes else []
        had = self.store.revisions(one_of("content_hash", hashes)) if hashes else []
        had = [each for each in had if each.source.trust == "import"]
        self.present = {each.id: each for each in same}
        self.present |= self.store.get({each.id for each in had} - self.present.keys())
        self.by_identity: dict[Identity, dict[str, None]] = {}
        for each in (*same, *had):
            self.by_identity.setdefault(identity(each), {})[each.id] = None
        gone = [each.id for each in self.present.values() if each.state == TRASHED]
        self.earlier = self.store.revisions_of(*gone) if gone else []
        self.ours = {each.id for each in had if self._of_this(each)}

    def _of_this(self, memory: Memory) -> bool:
        return not self.fresh and self.change is not None and memory.change == self.change

    def settled(self, write: Writing | None = None) -> list[Taken]:
        """Return what becomes of each draft; without `write` nothing is signed."""
        return [self._settle(each, write) for each in self.drafts]

    def _settle(self, draft: Checked, write: Writing | None) -> Taken:
        key = identity(draft.memory)
        ids = self.by_identity.get(key, {})
        twins = [self.present[id] for id in ids if id in self.present]
        for answer in (self._answer(each, key) for each in sorted(twins, key=_order)):
            if answer:
                return answer
        undone = next((each for each in twins if each.state == TRASHED), None)
        if undone:
            self.back.append((undone, replace(undone, state=LIVE, expires_at=None)))
            self.present[undone.id] = self.back[-1][1]
            return Taken(_STORED, id=undone.id)
        memory = draft.memory
        if write:
            memory = write.sign(draft.begun(write.at))
        self.new.append(memory)
        self.present[memory.id] = memory
        self.by_identity.setdefault(key, {})[memory.id] = None
        return Taken(_STORED, id=memory.id)

    def _answer(self, twin: Memory, key: Identity) -> Taken | None:
        """Answer for a draft whose text a memory has or had; None where an undo has taken it away."""
        if twin.state == LIVE:
            if twin.content_hash != key[1]:
                return Taken(_SKIPPED, "edited since it was imported", twin.id)
            ours = self._of_this(twin) or twin.id in self.ours
            first = ours and not any(each.id == twin.id for each in self.new)
            return Taken(_STORED if first else _DUPLICATE, id=twin.id)
        if twin.state == REPLACED:
            return Taken(_SKIPPED, "replaced since it was imported", twin.id)
        return None if self._undone(twin) else Taken(_SKIPPED, "forgotten since", twin.id)

    def _undone(self, memory: Memory) -> bool:
        """Tell whether a memory is in the trash because its import was undone."""
        before = (each for each in self.earlier if each.id == memory.id and each.seq < memory.seq)
        last = next(before, None)  # the newest come first
        return last is not None and memory.change == undo_of(last.change)


def _order(memory: Memory) -> tuple[int, int]:
    states = (LIVE, REPLACED, TRASHED, TOMBSTONE)
    return states.index(memory.state), -memory.seq
