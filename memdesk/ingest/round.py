"""One round through a watched folder: what everybody who takes part in it works with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from memdesk.errors import Invalid, NotFound
from memdesk.ingest.item import Item
from memdesk.ingest.notes import Note, ref_of
from memdesk.ingest.watched import BLANK, settled
from memdesk.memory import Draft, Source, clean_text, content_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from memdesk.ingest.item import Skipped
    from memdesk.ingest.notes import Notes, Part
    from memdesk.ingest.watched import Folder, Stamp
    from memdesk.memory import Memory
    from memdesk.service import Service

    Reader = Callable[[str], Iterable[Item | Skipped]]

ACTOR = "watch"
"""Who asks for what is done here, and the name of the source of every note's memory."""
ADDED, CHANGED, MOVED, FORGOTTEN, BACK = "added", "changed", "moved", "forgotten", "back"
CONFLICT, KEPT, SKIPPED, HELD = "conflict", "kept", "skipped", "held"
"""What can be told of a note; these four want the person's eye."""
MOST_IDS = 1000
"""So many memories are asked for or changed at once."""


@dataclass(frozen=True, slots=True)
class News:
    """What became of one note."""

    what: str
    """One of the words above."""
    path: str
    """Below the folder; the folder's own, where it is about all of it."""
    words: str = ""


@dataclass
class Round:
    """One round: who does it, what of, and who is told."""

    service: Service
    folder: Folder
    notes: Notes
    read: Reader
    """Gives what a note tells, by its path below the folder."""
    tell: Callable[[News], None]
    held: dict[str, set[str]] = field(default_factory=dict)
    """The paths of the notes that each memory is there for."""

    @cached_property
    def elsewhere(self) -> set[str]:
        """The memories that other folders have notes of, too."""
        return self.notes.elsewhere()

    def parts(self, path: str) -> list[Part]:
        """Return the memories of a note, as far as is known."""
        return self.notes.by_path[path].parts

    def others(self, path: str, part: Part) -> set[str]:
        """Return the other notes that a memory is there for: they have the same text."""
        return self.held.get(part.id, set()) - {path}

    def ref(self, path: str, number: int = 0) -> str:
        """Return what the source of a memory says of its note."""
        return ref_of(self.folder.path, path, number)

    def skip(self, path: str, stamp: Stamp, reason: str) -> None:
        """Tell of a file that cannot be a memory; what it was before stays."""
        self.tell(News(SKIPPED, path, reason))
        self.notes.by_path.setdefault(path, Note()).stamp = settled(stamp)

    def drafts(self, path: str, stamp: Stamp, bytes: str) -> list[Draft] | None:
        """Return what a note's memories are to be; None where it cannot be read, which is told."""
        if bytes == BLANK:
            return []
        try:
            read = list(self.read(path))
        except FileNotFoundError:  # the next round says what became of it
            return None
        except (OSError, Invalid) as error:
            self.skip(path, stamp, why(error))
            return None
        reasons = [each.reason for each in read if not isinstance(each, Item)]
        drafts = [each.draft for each in read if isinstance(each, Item)]
        reasons += filter(None, map(_unfit, drafts))
        for reason in dict.fromkeys(reasons):
            self.skip(path, stamp, reason)
        good = [each for each in drafts if not _unfit(each)]
        if reasons and not good:
            return None
        return [self._sourced(each, path, number) for number, each in enumerate(good)]

    def _sourced(self, draft: Draft, path: str, number: int) -> Draft:
        return replace(draft, source=Source(ACTOR, "import", self.ref(path, number)), replaces=None)

    def present(self, ids: Iterable[str]) -> dict[str, Memory]:
        """Return those of some memories that there are, in any state."""
        wanted = list(dict.fromkeys(ids))
        found: dict[str, Memory] = {}
        for start in range(0, len(wanted), MOST_IDS):
            some = wanted[start : start + MOST_IDS]
            while some:
                try:
                    found |= {each.id: each for each in self.service.get(some)}
                    break
                except NotFound as missing:
                    some = [id for id in some if id != missing.id]
        return found

    def is_ours(self, memory: Memory | None) -> bool:
        """Tell whether a memory is there because of a note of this folder."""
        if memory is None or memory.source.name != ACTOR:
            return False
        return memory.source.ref.startswith(self.ref(""))


def why(error: OSError | Invalid) -> str:
    """Return the reason alone that a file cannot be read for."""
    if isinstance(error, OSError):
        return error.strerror or "it cannot be read"
    return error.reason


def hash_of(draft: Draft) -> str:
    """Return the content hash that a draft's memory will have."""
    return content_hash(clean_text(draft.text)[0])


def _unfit(draft: Draft) -> str:
    """Return why a text cannot be a memory; empty where it can."""
    try:
        clean_text(draft.text)
    except Invalid as error:
        return str(error)
    return ""
