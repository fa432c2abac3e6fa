"""What a tortured process does to memories: which change comes next, and how it is asked of the service."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from memdesk.memory import LIVE, REPLACED, TOMBSTONE, TRASHED, Draft, Edit, Source, new_id
from memdesk.torture import texts
from memdesk.torture.ledger import Memo, Record

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from memdesk.service import Service
    from memdesk.torture.ledger import Line, Slot

_SEVERAL = (2, 6)
_MANY = (5, 40)
_GROUP = "group-"
_COLOURS = ("red", "green", "blue", "white", "black")
_LEFT_FOR_LATER = 20
"""Memories in the trash from which on it is purged."""


class Broken(Exception):  # noqa: N818 (read as “raises Broken”)
    """An answer that breaks a promise; `str()` of it tells which."""


class Deeds:
    """Chooses changes to the memories of one slot; what is in doubt is left alone."""

    def __init__(self, slot: Slot, number: int, seed: int, chance: random.Random) -> None:
        self._slot = slot
        self._number = number
        self._seed = seed
        self._chance = chance

    def those(self, *states: str) -> list[Memo]:
        """Return the memories that are certainly in one of these states."""
        memos = self._slot.memos.values()
        return [memo for memo in memos if memo.certain and memo.now and memo.now.state in states]

    def save(self) -> Line:
        """Save one new memory."""
        token, record = self._fresh(0)
        return _line("save", {"token": token, "tags": record.tags}, {token: record}, new=1)

    def save_many(self) -> Line:
        """Save many new memories as one change."""
        fresh = dict(self._fresh(n) for n in range(self._chance.randint(*_MANY)))
        args = {"tokens": list(fresh), "tags": [list(each.tags) for each in fresh.values()]}
        return _line("save_many", args, fresh, new=len(fresh))

    def put_in_place(self) -> Line | None:
        """Save a memory that takes the place of another."""
        (old,) = self._some(1, LIVE) or (None,)
        if old is None or old.now is None:
            return None
        token, record = self._fresh(0)
        args = {"token": token, "tags": record.tags, "replaces": old.id}
        after = {token: record, old.token: old.now.with_state(REPLACED)}
        return _line("replace", args, after, new=1)

    def revise(self) -> Line | None:
        """Give a memory another text."""
        (memo,) = self._some(1, LIVE) or (None,)
        if memo is None or memo.now is None:
            return None
        after = replace(memo.now, revision=1 + max(each.revision for _, each in memo.changes))
        args = {"id": memo.id, "token": memo.token, "revision": after.revision}
        return _line("revise", args, {memo.token: after})

    def tag(self) -> Line | None:
        """Give a memory another tag in the place of one it has."""
        (memo,) = self._some(1, LIVE) or (None,)
        if memo is None or memo.now is None:
            return None
        kept = tuple(tag for tag in memo.now.tags if tag not in _COLOURS)
        new = [colour for colour in _COLOURS if colour not in memo.now.tags]
        after = replace(memo.now, tags=(*kept, self._chance.choice(new)))
        return _line("tag", {"id": memo.id, "tags": after.tags}, {memo.token: after})

    def revise_many(self) -> Line | None:
        """Give several memories a new tag of their own."""
        memos = self._some(self._chance.randint(*_SEVERAL), LIVE)
        tag = _GROUP + texts.token(self._seed, -1 - self._number, self._slot.number)
        after = {
            memo.token: replace(memo.now, tags=(*memo.now.tags, tag)) for memo in memos if memo.now
        }
        return _line("revise_many", {"ids": [m.id for m in memos], "tag": tag}, after)

    def rename_tag(self) -> Line | None:
        """Rename the tag of such a group, wherever its memories are by now."""
        tags = {tag for memo in self.those(LIVE) if memo.now for tag in memo.now.tags}
        old = min((tag for tag in tags if tag.startswith(_GROUP)), default=None)
        group = [memo for memo in self._slot.memos.values() if old and _may_have(memo, old)]
        if old is None or not all(memo.certain for memo in group):
            return None
        new = _GROUP + texts.token(self._seed, -1 - self._number, self._slot.number)
        after = {
            memo.token: replace(memo.now, tags=tuple(new if t == old else t for t in memo.now.tags))
            for memo in group
            if memo.now
        }
        return _line("rename_tag", {"old": old, "new": new}, after)

    def forget(self) -> Line | None:
        """Move a few memories to the trash."""
        return self._moved("forget", LIVE, TRASHED)

    def restore(self) -> Line | None:
        """Bring a few back from the trash."""
        return self._moved("restore", TRASHED, LIVE)

    def purge(self) -> Line | None:
        """Erase a few memories of the trash for good, once it holds some."""
        if len(self.those(TRASHED)) < _LEFT_FOR_LATER:
            return None
        return self._moved("purge", TRASHED, TOMBSTONE)

    def merge(self) -> Line | None:
        """Make two memories one."""
        two = self._some(2, LIVE)
        if len(two) < len(("keep", "drop")):
            return None
        keep, drop = two
        assert keep.now
        assert drop.now
        both = tuple(dict.fromkeys((*keep.now.tags, *drop.now.tags)))
        after = {
            keep.token: replace(keep.now, tags=both),
            drop.token: drop.now.with_state(REPLACED),
        }
        return _line("merge", {"keep": keep.id, "drop": drop.id}, after)

    def undo(self) -> Line | None:
        """Take back the last change of a memory, where it was a change of that one alone."""
        memos = [memo for memo in self.those(LIVE, TRASHED) if self._alone(memo)]
        if not memos:
            return None
        memo = self._chance.choice(memos)
        change, now = memo.changes[-1]
        before = memo.changes[-2][1] if len(memo.changes) > 1 else now.with_state(TRASHED)
        return _line("undo", {"of": change}, {memo.token: before})

    def _alone(self, memo: Memo) -> bool:
        """Tell whether the last change of a memory was of no other one, and can be taken back once."""
        changes = [change for change, _ in memo.changes]
        others = self._slot.shared
        return not memo.undone and changes[-1] not in others and changes[-1] not in changes[:-1]

    def _fresh(self, further: int) -> tuple[str, Record]:
        token = texts.token(self._seed, self._number, self._slot.saved + further)
        tags = (f"slot-{self._number}", self._chance.choice(_COLOURS))
        return token, Record(LIVE, 0, tags)

    def _some(self, most: int, state: str) -> list[Memo]:
        there = self.those(state)
        return self._chance.sample(there, min(most, len(there)))

    def _moved(self, verb: str, before: str, after: str) -> Line | None:
        memos = self._some(self._chance.randint(1, _SEVERAL[1]), before)
        moved = {memo.token: memo.now.with_state(after) for memo in memos if memo.now}
        return _line(verb, {"ids": [memo.id for memo in memos]}, moved)


def _may_have(memo: Memo, tag: str) -> bool:
    return any(each is not None and tag in each.tags for each in memo.may_be())


def _line(do: str, args: dict[str, Any], after: dict[str, Record], *, new: int = 0) -> Line:
    told = {token: record.told() for token, record in after.items()}
    return {"do": do, "args": args, "after": told, "change": new_id(), "new": new}


def perform(service: Service, line: Line) -> dict[str, Any]:
    """Ask the service for what a line says; return what it answered, for the acknowledgement.

    Raises what the service raises, and `Broken` where the answer is not what it should be.
    """
    return _VERBS[line["do"]](service, line["args"], line["change"])


def _draft(token: str, tags: list[str], replaces: str | None = None) -> Draft:
    source = Source("torture", "agent")
    return Draft(texts.text(token, 0), tags=tuple(tags), source=source, replaces=replaces)


def _save(service: Service, args: dict[str, Any], change: str) -> dict[str, Any]:
    draft = _draft(args["token"], args["tags"], args.get("replaces"))
    done = service.remember(draft, actor="torture", change=change)
    _expect(done.outcome == "stored", f"a new text was answered with “{done.outcome}”")
    return {"ids": {args["token"]: done.id}}


def _save_many(service: Service, args: dict[str, Any], change: str) -> dict[str, Any]:
    drafts = [_draft(*each) for each in zip(args["tokens"], args["tags"], strict=True)]
    done = service.remember_many(drafts, actor="torture", change=change)
    _expect(all(each.outcome == "stored" for each in done), "new texts were not all stored")
    return {"ids": dict(zip(args["tokens"], (each.id for each in done), strict=True))}


def _revise(service: Service, args: dict[str, Any], change: str) -> dict[str, Any]:
    wanted = texts.text(args["token"], args["revision"])
    done = service.revise(args["id"], Edit(text=wanted), actor="torture", change=change)
    _expect(done.text == wanted, "a revision was answered with another text")
    return {}


def _tag(service: Service, args: dict[str, Any], change: str) -> dict[str, Any]:
    service.revise(args["id"], Edit(tags=tuple(args["tags"])), actor="torture", change=change)
    return {}


def _revise_many(service: Service, args: dict[str, Any], change: str) -> dict[str, Any]:
    edit = Edit(add_tags=(args["tag"],))
    done = service.revise_many(args["ids"], edit, actor="torture", change=change)
    return _all(args["ids"], done.done)


def _all(ids: list[str], done: tuple[str, ...]) -> dict[str, Any]:
    _expect(set(done) == set(ids), f"{len(done)} of {len(ids)} memories were changed")
    return {}


def _rename_tag(service: Service, args: dict[str, Any], change: str) -> dict[str, Any]:
    service.rename_tag(args["old"], args["new"], actor="torture", change=change)
    return {}


def _moves(verb: str) -> Callable[[Service, dict[str, Any], str], dict[str, Any]]:
    def moved(service: Service, args: dict[str, Any], change: str) -> dict[str, Any]:
        done = getattr(service, verb)(args["ids"], actor="torture", change=change)
        return _all(args["ids"], done.done)

    return moved


def _merge(service: Service, args: dict[str, Any], change: str) -> dict[str, Any]:
    done = service.merge(args["keep"], args["drop"], actor="torture", change=change)
    return _all([args["keep"], args["drop"]], done.done)


def _undo(service: Service, args: dict[str, Any], _change: str) -> dict[str, Any]:
    done = service.undo(args["of"], actor="torture")
    _expect(not done.conflicts and len(done.done) == 1, "an undo met a change that nobody made")
    return {"change": done.change}


def _common(service: Service, args: dict[str, Any], change: str) -> dict[str, Any]:
    return {"id": service.remember(Draft(args["common"]), actor="torture", change=change).id}


def _expect(so: bool, else_: str) -> None:
    if not so:
        raise Broken(else_)


_VERBS: dict[str, Callable[[Service, dict[str, Any], str], dict[str, Any]]] = {
    "save": _save,
    "save_many": _save_many,
    "replace": _save,
    "revise": _revise,
    "tag": _tag,
    "revise_many": _revise_many,
    "rename_tag": _rename_tag,
    "forget": _moves("forget"),
    "restore": _moves("restore"),
    "purge": _moves("purge"),
    "merge": _merge,
    "undo": _undo,
    "common": _common,
}
