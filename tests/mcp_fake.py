"""A service in a dictionary, for what the MCP front does by itself; runs as a stdio server too."""

# ruff: noqa: D102 - the verbs are those of memdesk.service.Service
from __future__ import annotations

import sys

if __name__ == "__main__":
    from memdesk.mcp import wire

    wire.guard()

import os
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from memdesk.answers import Changed, Hit, Page, Profile, Recalled, Remembered
from memdesk.errors import Invalid, NotFound
from memdesk.memory import Draft, Edit, Filter, Memory, check_id, clean_text, new_id, now
from memdesk.service.activity import Activity
from memdesk.service.duties import Duties

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memdesk.service import Service


def memory(text: str, **fields: Any) -> Memory:
    """Return a live memory made just now, with these fields."""
    moment, draft = now(), Draft(text)
    plain: dict[str, Any] = {
        "id": new_id(),
        "text": text,
        "kind": "note",
        "tags": (),
        "space": "personal",
        "audience": (),
        "source": draft.source,
        "session": None,
        "position": None,
        "role": None,
        "speaker": None,
        "happened_at": None,
        "happened_precision": None,
        "utc_offset_min": None,
        "created_at": moment,
        "updated_at": moment,
        "expires_at": None,
        "state": "live",
        "replaces": None,
        "replaced_by": None,
        "pinned": False,
        "confidence": None,
        "flags": (),
        "reviewed": None,
        "metadata": "{}",
        "content_hash": "",
        "clock_ms": 0,
        "clock_n": 0,
        "device": "fake",
        "seq": 1,
        "change": new_id(),
        "actor": "person",
    }
    return Memory(**(plain | fields))


def hit(found: Memory, span: tuple[int, int] | None = None) -> Hit:
    """Return a hit whose passage is the part of the text in `span`."""
    start, end = span or (0, len(found.text))
    return Hit(found, 1.0, found.text[start:end], (start, end), 1, 1.0, 1, 0.9)


@dataclass
class FakeService:
    """Answers like a service, finds every memory that shares a word, notes who asked."""

    memories: dict[str, Memory] = field(default_factory=dict)
    degraded: str | None = None
    failure: Exception | None = None
    """Raised by every verb when set."""
    hits: tuple[Hit, ...] | None = None
    """What `recall` answers, whatever is asked."""
    asked: list[tuple[str, Any]] = field(default_factory=list)
    """The verbs called, with what was given to them."""
    gate: threading.Event | None = None
    """A verb waits for it, so that a call is in flight for as long as a test likes."""
    started: threading.Event = field(default_factory=threading.Event)
    closed: list[float] = field(default_factory=list)
    changes: list[tuple[str | None, bool]] = field(default_factory=list)
    """The change of each write, and whether it was said to be fresh."""
    duties: Duties = field(default_factory=Duties)
    host: str = ""
    """Who asked last."""
    space: str | None = None
    """What the host means by no space."""
    hosts: Activity = field(default_factory=lambda: Activity(Path(os.devnull), on=False))

    def _verb(self, name: str, given: Any) -> None:
        self.asked.append((name, given))
        self.started.set()
        if self.gate is not None:
            self.gate.wait(60)
        if self.failure is not None:
            raise self.failure

    def warm_soon(self) -> None:
        self.asked.append(("warm", None))

    def for_host(self, name: str, space: str | None = None) -> Self:
        self.host, self.space = name, space
        return self

    def scope(self, space: str | None) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.room(space), "personal")))

    def room(self, space: str | None) -> str:
        return space or self.space or "personal"

    def remember(self, draft: Draft, **asked: Any) -> Remembered:
        self._verb("remember", (draft, self.host))
        self.changes.append((asked["change"], asked["fresh"]))
        text, removed = clean_text(draft.text)
        for known in self.memories.values():
            if known.text == text and known.space == draft.space:
                return Remembered(known.id, "duplicate", known.space, removed)
        made = memory(
            text, kind=draft.kind, tags=draft.tags, space=draft.space, source=draft.source
        )
        self.memories[made.id] = made
        return Remembered(made.id, "stored", made.space, removed, draft.replaces)

    def recall(
        self,
        query: str,
        *,
        limit: int = 5,
        where: Filter = Filter(),  # noqa: B008
        beside: int = 0,
    ) -> Recalled:
        self._verb("recall", (query, limit, where, beside))
        if self.hits is not None:
            return Recalled(self.hits, self.degraded)
        words = set(query.lower().split())
        live = [each for each in self.memories.values() if each.state == "live"]
        found = [hit(each) for each in live if words & set(each.text.lower().split())]
        return Recalled(tuple(found[:limit]), self.degraded)

    def get(self, ids: Sequence[str]) -> tuple[Memory, ...]:
        self._verb("get", ids)
        known = [check_id(each) for each in ids]
        for each in known:
            if each not in self.memories:
                raise NotFound(each)
        return tuple(self.memories[each] for each in known)

    def list(self, *, where: Filter = Filter(), limit: int = 20, cursor: str | None = None) -> Page:  # noqa: B008
        self._verb("list", (where, limit, cursor))
        return Page(tuple(reversed(self.memories.values()))[:limit], None)

    def revise(self, id: str, edit: Edit, *, change: str | None, fresh: bool) -> Memory:
        self._verb("revise", (id, edit, self.host))
        self.changes.append((change, fresh))
        [known] = self.get([id])
        if edit.text is not None and not edit.text:
            raise Invalid("text", "is empty; give the words to remember")
        known = replace(known, text=edit.text or known.text, pinned=edit.pinned or known.pinned)
        self.memories[known.id] = known
        return known

    def forget(
        self, ids: Sequence[str], *, reason: str, change: str | None, fresh: bool
    ) -> Changed:
        self._verb("forget", (ids, reason, self.host))
        self.changes.append((change, fresh))
        known = self.get(ids)
        done = tuple(each.id for each in known if each.state == "live")
        for each in known:
            self.memories[each.id] = replace(each, state="trashed")
        return Changed("change", done, tuple(each.id for each in known if each.id not in done))

    def profile(self, *, space: str | None = None, max_tokens: int = 1000) -> Profile:
        named = self.room(space)
        self._verb("profile", (named, max_tokens))
        return Profile(named, tuple(each for each in self.memories.values() if each.pinned), 0)

    def close(self, timeout: float = 2.0) -> None:
        self.closed.append(timeout)

    @property
    def real(self) -> Service:
        """This object under the type that the front expects."""
        return cast("Service", self)


def main() -> None:
    """Serve standard input; a file named by the first argument ends the wait of every verb."""
    from memdesk.mcp import stdio

    service = FakeService()
    if len(sys.argv) > 1:
        service.gate = cast("threading.Event", _FileGate(Path(sys.argv[1])))
    stdio.main([], open_service=lambda: service.real)


class _FileGate:
    """Opens when another process writes to a named pipe; says first, in a file, that it waits."""

    def __init__(self, pipe: Path) -> None:
        self._pipe = pipe

    def wait(self, _: float) -> None:
        sys.stderr.write("waiting\n")
        sys.stderr.flush()
        self._pipe.read_bytes()
        sys.stderr.write("done\n")
        sys.stderr.flush()


if __name__ == "__main__":
    main()
