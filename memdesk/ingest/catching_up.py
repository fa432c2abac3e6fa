"""Bringing the memories of a watched folder in line with its notes, whatever happened meanwhile.

Every look is at the whole folder, so nothing depends on having heard of each change. What is about
to be done is written down before it is done, so that a process killed at any point is continued:

    new      stored; were they stored and not written down, their source says so (`looking.adopt`)
    changed  revised, if the memory still has the text that the watch gave it; else stored as another
    moved    the same bytes under another name: the memory stays, its source is revised
    gone     put into the trash, unless so many are gone that the folder itself may be
    back     out of the trash
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from memdesk.errors import StoreError
from memdesk.ingest.aligning import Alignment, may_go, paired, part_of, remembered
from memdesk.ingest.looking import BULK, Look, Seen, adopt, look, renew, take_over
from memdesk.ingest.notes import GONE, HERE, UNSURE, Note
from memdesk.ingest.round import ACTOR, ADDED, FORGOTTEN, MOST_IDS, SKIPPED, News, hash_of
from memdesk.ingest.watched import settled
from memdesk.lock import WriterLock
from memdesk.memory import new_id, now

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memdesk.ingest.notes import Notes, Part
    from memdesk.ingest.round import Round
    from memdesk.memory import Draft

_REVISED = 50
_ALIKE = 100
"""More notes than this are not to be read once more by the next process."""
_REASON = "its note was deleted"
_Read = tuple[Seen, "list[Draft]"]


def catch_up(
    around: Round, *, batch: int, believe: bool = False, wait: float = 0.0, epoch: str = ""
) -> Iterator[None]:
    """Do it, in steps of a fraction of a second each; `batch` is how many memories are stored at once.

    `believe` takes files that are gone for deleted ones, however many they are; `wait` is how long to
    wait for another process that is at the folder, in seconds; `epoch` is the store's, where it was
    asked for. Raises `Busy` when that does not help,
    and what the service raises: the next round goes on from there.
    """
    notes, to_do = around.notes, Look()
    with _alone(notes, wait):
        found = around.folder.find()
        yield
        if found.notes and not notes.by_path:
            take_over(around, found)
        if epoch and epoch != notes.epoch:
            renew(around)
            notes.epoch, notes.unsure = epoch, True
        if notes.unsure and (found.notes or notes.by_path):
            yield from adopt(around, found)
        yield from look(around, found, to_do, believe=believe)
        if to_do:
            _announce(around, to_do)
            yield from _align_all(around, to_do)
            yield from _forget(around, to_do.gone)
            yield from _store(around, to_do.new, batch)
        if to_do or notes.unsure or to_do.alike > _ALIKE:
            notes.unsure = False
            notes.let_old_go(now())
            notes.save()


@contextmanager
def _alone(notes: Notes, wait: float) -> Iterator[None]:
    """Be the only one at a folder; raises `Busy`."""
    try:
        notes.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(f"{notes.file.parent} cannot be made: {error.strerror}") from error
    with WriterLock(notes.lock, ACTOR).hold(wait), notes.loaded():
        yield


def _announce(around: Round, to_do: Look) -> None:
    """Write down what is about to happen, and make the restore point that many changes need."""
    notes = around.notes
    for path in to_do.gone:
        notes.by_path[path].state = UNSURE
    for seen in to_do.changed:
        if notes.by_path[seen.path].state == GONE:
            notes.by_path[seen.path].state = UNSURE
    notes.unsure = True
    notes.save()
    if len(to_do.changed) + len(to_do.moved) > BULK:
        around.service.take_point(reason=ACTOR)


def _align_all(around: Round, to_do: Look) -> Iterator[None]:
    """Bring notes that have changed or moved in line."""
    by_path = around.notes.by_path
    origin = {seen.path: before for before, seen in to_do.moved.items()}
    for before, seen in to_do.moved.items():
        by_path[seen.path] = by_path.pop(before)
    around.held = around.notes.holders()
    every = [*to_do.moved.values(), *to_do.changed]
    for start in range(0, len(every), _REVISED):
        some = every[start : start + _REVISED]
        read = {seen: around.drafts(seen.path, seen.stamp, seen.bytes) for seen in some}
        memories = around.present(part.id for seen in some for part in around.parts(seen.path))
        for seen, drafts in read.items():
            _expect(around.parts(seen.path), drafts or ())
        around.notes.save()
        for seen, drafts in read.items():
            if drafts is not None:
                Alignment(around, seen.path, memories, origin.get(seen.path, "")).align(drafts)
                _note_down(by_path[seen.path], seen, empty=not drafts)
            yield


def _expect(parts: Sequence[Part], drafts: Sequence[Draft]) -> None:
    """Note which text each memory will have, so that it is known for the watch's own afterwards."""
    for part, draft in paired(parts, drafts)[0]:
        if part:
            part.coming = hash_of(draft)


def _note_down(note: Note, seen: Seen, *, empty: bool) -> None:
    note.stamp, note.bytes = settled(seen.stamp), seen.bytes
    note.state, note.since = (GONE, now().isoformat()) if empty else (HERE, "")


def _forget(around: Round, gone: Sequence[str]) -> Iterator[None]:
    """Put the memories of deleted notes into the trash."""
    change = new_id()
    around.held = around.notes.holders()
    for start in range(0, len(gone), MOST_IDS):
        some = gone[start : start + MOST_IDS]
        memories = around.present(part.id for path in some for part in around.parts(path))
        ids = dict.fromkeys(
            part.id
            for path in some
            for part in around.parts(path)
            if may_go(around, path, part, memories)
        )
        for first in range(0, len(ids), MOST_IDS):
            _trash(around, list(ids)[first : first + MOST_IDS], change)
            yield
        for path in some:
            note = around.notes.by_path[path]
            note.state, note.since, note.stamp = GONE, now().isoformat(), ()
            around.tell(News(FORGOTTEN, path))


def _trash(around: Round, ids: Sequence[str], change: str) -> None:
    forget = around.service.forget
    done = forget(ids, reason=_REASON, actor=ACTOR, change=change, fresh=True)
    # A call that a broken connection had asked again answers with all that its change has done.
    if left := [id for id in ids if id not in {*done.done, *done.unchanged}]:
        forget(left, reason=_REASON, actor=ACTOR)


def _store(around: Round, new: Sequence[Seen], batch: int) -> Iterator[None]:
    """Store the memories of new notes, many at once."""
    change, waiting, size = new_id(), list[_Read](), 0
    for seen in new:
        drafts = around.drafts(seen.path, seen.stamp, seen.bytes)
        if drafts:
            waiting.append((seen, drafts))
            size += len(drafts)
        elif drafts is not None:  # it has no words yet
            around.notes.by_path[seen.path] = Note(settled(seen.stamp), seen.bytes)
        if size >= batch:
            _store_batch(around, waiting, change)
            waiting, size = [], 0
            yield
    if waiting:
        _store_batch(around, waiting, change)
        yield


def _store_batch(around: Round, batch: Sequence[_Read], change: str) -> None:
    drafts = [each for _, some in batch for each in some]
    taken = around.service.take_in(drafts, actor=ACTOR, change=change, fresh=True)
    known = around.present(each.id for each in taken if each.outcome == "duplicate")
    answers = iter(taken)
    for seen, some in batch:
        parts: list[Part] = []
        for draft in some:
            answer = next(answers)
            if answer.outcome == "stored":
                parts.append(part_of(answer.id, draft))
            elif answer.outcome == "duplicate":
                ours = around.is_ours(known.get(answer.id))
                parts.append(part_of(answer.id, draft, ours=ours))
            elif not answer.id:
                around.tell(News(SKIPPED, seen.path, answer.reason))
            elif part := remembered(around, seen.path, draft):
                parts.append(part)  # it was forgotten or edited since, and the note says it again
        around.notes.by_path[seen.path] = Note(settled(seen.stamp), seen.bytes, parts)
        if parts:
            around.tell(News(ADDED, seen.path))
