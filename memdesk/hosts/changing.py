"""Changing a host's files: nothing but our own pieces, and only where that can be proved."""

from __future__ import annotations

import difflib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memdesk.hosts import files
from memdesk.hosts.installed import Record, Records, record
from memdesk.hosts.unusable import Unusable

if TYPE_CHECKING:
    from memdesk.hosts.pieces import Piece


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of one file."""

    file: Path
    piece: Piece
    before: bytes | None
    """What is in it; None where it is not there."""
    after: bytes | None
    """What will be in it; None where it goes."""
    base: bytes | None
    """What was in it before memdesk came."""
    known: Record | None
    """What was done to it, as far as it is still so."""

    @property
    def idle(self) -> bool:
        """Whether nothing changes."""
        return self.before == self.after

    def diff(self) -> str:
        """Return it line by line, with the values of others hidden."""
        shown = [self.piece.masked(files.text_of(each)) for each in (self.before, self.after)]
        old, new = (text.splitlines() for text in shown)
        names = str(self.file), str(self.file)
        return "\n".join(difflib.unified_diff(old, new, *names, lineterm=""))


def putting_in(piece: Piece, file: Path, records: Records) -> Change:
    """Return how a piece comes into a file; raises `Unusable`."""
    return _possible(_put_in(piece, file, records))


def taking_out(piece: Piece, file: Path, records: Records) -> Change:
    """Return how a piece goes out of a file: what was there before comes back; raises `Unusable`."""
    return _possible(_taken_out(piece, file, records))


def _possible(change: Change) -> Change:
    if not change.idle:
        files.check_writable(change.file)
    return change


def _put_in(piece: Piece, file: Path, records: Records) -> Change:
    now, known, base = _standing(file, records)
    text = files.text_of(now)
    put_in = bytes.fromhex(known.new).decode("utf-8", "replace") if known else ""
    after = _proved(piece, text, piece.put(text, put_in))
    content = now if now is not None and after == text else files.content_of(after, now)
    return Change(file, piece, now, content, base, known)


def _taken_out(piece: Piece, file: Path, records: Records) -> Change:
    now, known, base = _standing(file, records)
    text = files.text_of(now)
    if now is None or not piece.stands(text):
        return Change(file, piece, now, now, base, known)
    if known and known.holds(now):
        if base is None:
            return Change(file, piece, now, None, base, known)
        if not piece.stands(files.text_of(base)):
            return Change(file, piece, now, base, base, known)
    left = piece.take(text, known.made if known else False)
    if piece.alone(left) and (piece.whole or (known and not known.before)):
        return Change(file, piece, now, None, base, known)
    return Change(file, piece, now, files.content_of(_proved(piece, text, left), now), base, known)


def carry_out(change: Change, records: Records) -> Path | None:
    """Make a change; return the copy of what was there before, if one was needed.

    Raises `Unusable`, also where somebody else has changed the file since.
    """
    if change.idle:
        return None
    if change.after is None:
        _removed(change, records)
        return None
    as_left = change.known is not None and change.known.holds(change.before)
    folders = files.make_folder(files.real(change.file).parent)
    copy = None if change.before is None or as_left else files.back_up(change.file, change.before)
    gone = not change.piece.stands(files.text_of(change.after))
    try:
        if not gone:
            records.keep(change.file, _note(change, folders, copy))
        files.replace(change.file, change.before, change.after)
    except Unusable:
        records.keep(change.file, change.known)
        files.forget(copy, folders)
        raise
    if gone:
        _forget_copies(change)
        records.keep(change.file, None)
    return copy


def _note(change: Change, folders: list[Path], copy: Path | None) -> Record:
    """Return what a change does, so that it can be taken back."""
    assert change.after is not None
    stood = change.before is not None and change.piece.stands(files.text_of(change.before))
    old = change.known if stood else None
    made = old.made if old else not change.piece.held(files.text_of(change.base))
    copies = (*(old.backups if old else ()), *([str(copy)] if copy else []))
    kept = old.folders if old else tuple(map(str, folders))
    return record(change.base, change.after, made=made, folders=kept, backups=copies)


def _standing(file: Path, records: Records) -> tuple[bytes | None, Record | None, bytes | None]:
    """Return what is in a file, what was done to it, and what was in it before that."""
    now, known = files.read(file), records.of(file)
    if known and now is not None and known.holds(now):
        return now, known, known.undone(now)
    return now, known, now


def _proved(piece: Piece, before: str, after: str) -> str:
    """Return a text that says the same as before beside our piece; raises `Unusable`."""
    if not piece.same(before, after):
        raise Unusable("cannot be changed without changing what is not memdesk's")
    return after


def _removed(change: Change, records: Records) -> None:
    assert change.before is not None
    if files.read(change.file) != change.before:
        raise Unusable("was just changed by another program: try again")
    folders = [Path(each) for each in change.known.folders] if change.known else []
    files.remove(change.file, folders or [change.file.parent] * change.piece.whole)
    records.keep(change.file, None)


def _forget_copies(change: Change) -> None:
    """Remove the copies that tell no more than the file does now."""
    for name in change.known.backups if change.known else ():
        copy = Path(name)
        with suppress(OSError):
            if copy.is_file() and copy.read_bytes() == change.after:
                copy.unlink()
