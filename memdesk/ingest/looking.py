"""Looking through a watched folder: what has become of its notes since the last time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from memdesk.errors import Invalid
from memdesk.ingest.notes import GONE, HERE, UNSURE, Note, Part, file_of
from memdesk.ingest.round import ACTOR, HELD, MOST_IDS, News, why
from memdesk.ingest.watched import BLANK, settled
from memdesk.memory import LIVE, Filter, now

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memdesk.ingest.round import Round
    from memdesk.ingest.watched import Found, Stamp
    from memdesk.memory import Memory

BULK = 20
"""More notes than this that are gone at once, and more than half of all, are taken for a lost disk."""
AT_ONCE = timedelta(minutes=1)
_MOST_GONE = 0.5
_MAINTENANCE = "maintenance"
_HASHED = 200
_SAMPLE = 50
"""So many notes, most of them, tell a folder that was moved."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One file as it is now."""

    path: str
    stamp: Stamp
    bytes: str


@dataclass
class Look:
    """What is to be done."""

    new: list[Seen] = field(default_factory=list)
    changed: list[Seen] = field(default_factory=list)
    moved: dict[str, Seen] = field(default_factory=dict)
    """By the paths they had before."""
    gone: list[str] = field(default_factory=list)
    alike: int = 0
    """Notes that are as they were although their times are not, or were not known for sure."""

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.moved or self.gone)


def look(around: Round, found: Found, to_do: Look, *, believe: bool) -> Iterator[None]:
    """Find out what has changed, in steps; `believe` takes files that are gone for deleted ones."""
    notes = around.notes
    for number, (path, stamp) in enumerate(found.notes.items()):
        if number % _HASHED == 0:
            yield
        _look_at(around, path, stamp, to_do)
    gone = [path for path in notes.here() if path not in found.notes and found.knows(path)]
    gone = _without_moved(around, gone, to_do)
    if gone and _too_many(around, gone, found, believe=believe):
        around.tell(News(HELD, str(around.folder.path), _held_words(gone, found)))
    else:
        to_do.gone = gone


def _look_at(around: Round, path: str, stamp: Stamp, to_do: Look) -> None:
    note = around.notes.by_path.get(path)
    if note and note.state != UNSURE and note.stamp == stamp:
        return
    try:
        seen = Seen(path, stamp, around.folder.bytes_of(path))
    except FileNotFoundError:  # the next look says what became of it
        return
    except (OSError, Invalid) as error:
        around.skip(path, stamp, why(error))
        return
    if note is None:
        to_do.new.append(seen)
    elif _same(note, seen):
        note.stamp = settled(stamp)
        to_do.alike += 1
    else:
        to_do.changed.append(seen)


def _same(note: Note, seen: Seen) -> bool:
    known = note.state == HERE or (note.state == GONE and seen.bytes == BLANK)
    return known and note.bytes == seen.bytes


def _without_moved(around: Round, gone: list[str], to_do: Look) -> list[str]:
    """Find the files that are gone under other names; return those that are not."""
    by_bytes: dict[str, list[str]] = {}
    for path in gone:
        note = around.notes.by_path[path]
        if note.state == HERE and note.bytes not in ("", BLANK):
            by_bytes.setdefault(note.bytes, []).append(path)

    def moved(seen: Seen) -> bool:
        before = by_bytes.get(seen.bytes)
        if before and _is_free(around, seen.path):
            to_do.moved[before.pop(0)] = seen
            return True
        return False

    to_do.new = [seen for seen in to_do.new if not moved(seen)]
    to_do.changed = [seen for seen in to_do.changed if not moved(seen)]
    return [path for path in gone if path not in to_do.moved]


def _is_free(around: Round, path: str) -> bool:
    """Tell whether no memory waits for a note of this name but those of a deleted one."""
    note = around.notes.by_path.get(path)
    return note is None or note.state == GONE


def _too_many(around: Round, gone: Sequence[str], found: Found, *, believe: bool) -> bool:
    """Tell whether so many notes are gone that it is not their deletion that one sees."""
    if believe and found.there:
        return False
    if not found.notes:
        return True
    lately = around.notes.gone_lately(now(), AT_ONCE)
    known = sum(1 for _ in around.notes.here()) + lately
    many = len(gone) + lately
    return many > BULK and many > _MOST_GONE * known


def _held_words(gone: Sequence[str], found: Found) -> str:
    if not found.there:
        return "the folder is not there or cannot be read; none of its notes was forgotten"
    notes = "1 note is" if len(gone) == 1 else f"{len(gone):,} notes are"
    return (
        f"{notes} gone at once and not forgotten, since the disk may be away; if they were deleted "
        "on purpose: memdesk watch FOLDER --once --deleted"
    )


def take_over(around: Round, found: Found) -> None:
    """Go on with the memories of a folder that has been moved or renamed, with its notes, to here."""

    def is_here(known: dict[str, Note]) -> bool:
        told = (path for path, note in known.items() if note.state == HERE and note.bytes)
        some = sorted(told)[:_SAMPLE]
        alike = (_holds(around, path, known[path].bytes) for path in some if path in found.notes)
        return sum(alike) > len(some) / 2

    around.notes.take_over(is_here)


def _holds(around: Round, path: str, bytes: str) -> bool:
    try:
        return around.folder.bytes_of(path) == bytes
    except (OSError, Invalid):
        return False


def adopt(around: Round, found: Found) -> Iterator[None]:
    """Find the memories that were stored by a process which did not live to write it down."""
    notes = around.notes
    known = notes.ids()
    places = {around.ref(each): each for each in (*notes.by_path, *found.notes)}
    for memory in _watched(around):
        ours = around.is_ours(memory) and _by_watch(memory)
        if ours and memory.id not in known:
            file = file_of(memory.source.ref)
            path = places.get(file, file.removeprefix(around.ref("")))
            note = notes.by_path.setdefault(path, Note())
            note.parts.append(Part(memory.id, memory.content_hash, ""))
            note.state, note.stamp, note.bytes = UNSURE, (), ""
    yield


def renew(around: Round) -> None:
    """Find out what the memories of notes are in a store that has been put in another one's place."""
    every = around.notes.by_path.values()
    memories = around.present(part.id for note in every for part in note.parts)
    for note in every:
        ours = [each for each in note.parts if _by_watch(memories.get(each.id))]
        for part in ours:
            part.text = part.coming = memories[part.id].content_hash
        lost = any(each.id not in memories for each in note.parts)
        if note.state == GONE and ours:
            note.state = UNSURE
        if lost or ours:
            note.stamp, note.bytes = (), ""


def _by_watch(memory: Memory | None) -> bool:
    """Tell whether a live memory is as the watch has left it."""
    return memory is not None and memory.state == LIVE and memory.actor in (ACTOR, _MAINTENANCE)


def _watched(around: Round) -> Iterator[Memory]:
    """Yield the live memories of every watched folder."""
    cursor, where = None, Filter(sources=(ACTOR,), expired=True)
    while True:
        page = around.service.list(where=where, limit=MOST_IDS, cursor=cursor)
        yield from page.memories
        if (cursor := page.cursor) is None:
            return
