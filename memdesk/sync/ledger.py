"""What one remote is known to have, and how far each way was exchanged: one small SQLite file.

It is no second truth: what is due follows from the memories and from this. Lost, it is made anew by a
full exchange. It holds ids, clocks and digests, never a word of a memory.
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from memdesk.errors import StoreError
from memdesk.sync.peer import Sent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

FOLDER = "sync"
_AT_ONCE = 500
_PATIENCE = 10.0
_TABLES = """
CREATE TABLE IF NOT EXISTS sent (
    id TEXT PRIMARY KEY, ms INTEGER, n INTEGER, device TEXT, digest TEXT, ref TEXT, epoch TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sent_ref ON sent (ref);
CREATE TABLE IF NOT EXISTS held (
    key TEXT, way TEXT, seq INTEGER, id TEXT, reason TEXT, place TEXT, PRIMARY KEY (way, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS doubt (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Held:
    """Something that does not go, or could not be taken in, and why."""

    key: str
    """The memory's id; of what comes, what the remote calls that piece of news."""
    way: str
    """push or pull."""
    reason: str
    seq: int = 0
    """Of the memory as it was then: another one is tried anew."""
    id: str = ""
    place: str = ""
    """The cursor with which the remote tells it again."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far was exchanged."""

    epoch: str = ""
    """The store's, when that was; another one means to begin anew."""
    pushed: int = 0
    """The seq up to which everything has gone or is held."""
    pulled: str = ""
    """The remote's cursor."""
    server: str = ""
    """The remote's own epoch, where it has one."""
    setting: str = ""
    """What the remote was set up as then."""


@dataclass(frozen=True, slots=True)
class Luck:
    """How the last exchanges went."""

    synced_at: datetime | None = None
    error: str = ""
    failures: int = 0
    """In a row."""
    retry_at: datetime | None = None
    stopped: bool = False
    """Whether the background waits for the person: the key was refused."""
    cannot: tuple[str, ...] = ()
    """What the remote could not do then, one sentence each."""


class Ledger:
    """The ledger of one remote; each call is on the disk when it returns."""

    def __init__(self, home: Path, remote: str) -> None:
        """Open or make it; raises `StoreError`."""
        folder = home / FOLDER
        self._path = folder / f"{remote}.db"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreError(f"cannot write {self._path}: {error.strerror}") from error
        with self._open() as db:
            db.executescript(_TABLES)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction, which is on the disk in the end."""
        try:
            with closing(sqlite3.connect(self._path, timeout=_PATIENCE)) as db, db:
                db.execute("PRAGMA synchronous = FULL")
                yield db
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"what was synced cannot be kept in {self._path}: {error}; where that file is broken, "
                "remove it: everything is compared anew then"
            ) from error

    # What the remote has

    def known(self, ids: Iterable[str], epoch: str = "") -> dict[str, Sent]:
        """Return what the remote is known to have, by id; only of an `epoch` where one is named."""
        found = self._sent("id", ids)
        return {sent.id: sent for of, sent in found if not epoch or of == epoch}

    def by_ref(self, refs: Iterable[str]) -> dict[str, Sent]:
        """Return what the remote is known to have, by its own names."""
        return {sent.ref: sent for _, sent in self._sent("ref", refs) if sent.ref}

    def _sent(self, column: str, values: Iterable[str]) -> Iterator[tuple[str, Sent]]:
        wanted = list(values)
        with self._open() as db:
            for start in range(0, len(wanted), _AT_ONCE):
                some = wanted[start : start + _AT_ONCE]
                marks = ",".join("?" * len(some))
                asked = f"SELECT epoch, id, ms, n, device, digest, ref FROM sent WHERE {column} IN ({marks})"  # noqa: S608
                for epoch, id, ms, n, device, digest, ref in db.execute(asked, some).fetchall():
                    yield epoch, Sent(id, (ms, n, device), digest, ref)

    def ids(self) -> set[str]:
        """Return the ids of all that the remote is known to have and has not deleted."""
        with self._open() as db:
            return {id for (id,) in db.execute("SELECT id FROM sent WHERE digest <> ''")}

    def note(self, sent: Iterable[Sent], epoch: str) -> None:
        """Keep what the remote has now; it is held and in doubt no longer."""
        rows = [(each.id, *each.clock, each.digest, each.ref, epoch) for each in sent]
        if not rows:
            return
        with self._open() as db:
            db.executemany("INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            ids = [(row[0],) for row in rows]
            db.executemany("DELETE FROM held WHERE id = ?", ids)
            db.executemany("DELETE FROM doubt WHERE id = ?", ids)

    # What may have been sent

    def doubt(self, ids: Iterable[str]) -> None:
        """Keep that memories are being sent: until the answer is there nobody knows whether they are."""
        with self._open() as db:
            db.executemany("INSERT OR IGNORE INTO doubt VALUES (?)", [(id,) for id in ids])

    def doubtful(self, ids: Iterable[str]) -> set[str]:
        """Return those memories that may have been sent."""
        with self._open() as db:
            return {id for (id,) in db.execute("SELECT id FROM doubt")} & set(ids)

    def settle(self, ids: Iterable[str]) -> None:
        """Keep that memories have surely not been sent."""
        with self._open() as db:
            db.executemany("DELETE FROM doubt WHERE id = ?", [(id,) for id in ids])

    # What is held

    def hold(self, held: Iterable[Held]) -> None:
        """Keep what is held, and why."""
        rows = [(h.key, h.way, h.seq, h.id, h.reason, h.place) for h in held]
        if not rows:
            return
        with self._open() as db:
            db.executemany("INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?, ?, ?)", rows)

    def held(self, way: str = "") -> dict[str, Held]:
        """Return what is held, by its key; of one way where that is named."""
        asked = "SELECT key, way, reason, seq, id, place FROM held WHERE ? IN ('', way) ORDER BY seq, key"
        with self._open() as db:
            return {row[0]: Held(*row) for row in db.execute(asked, (way,))}

    def release(self, keys: Iterable[str]) -> int:
        """Hold things no longer; return how many that were."""
        rows = [(key,) for key in keys]
        if not rows:
            return 0
        with self._open() as db:
            before = db.total_changes
            db.executemany("DELETE FROM held WHERE key = ?", rows)
            return db.total_changes - before

    def back_to(self, coming: Iterable[Held]) -> str:
        """Return the cursor from which all that is held of what came is told again; the present one for none."""
        first = min(coming, key=lambda each: each.seq, default=None)
        return first.place if first else self.place.pulled

    # How far, and how it went

    @property
    def place(self) -> Place:
        """How far was exchanged."""
        told = self._state("place")
        return Place(**told) if told else Place()

    @place.setter
    def place(self, place: Place) -> None:
        self._keep("place", {name: getattr(place, name) for name in Place.__slots__})

    @property
    def luck(self) -> Luck:
        """How the last exchanges went."""
        told = self._state("luck")
        for name in ("synced_at", "retry_at"):
            if told and told[name]:
                told[name] = datetime.fromisoformat(told[name]).astimezone(UTC)
        return Luck(**told | {"cannot": tuple(told["cannot"])}) if told else Luck()

    @luck.setter
    def luck(self, luck: Luck) -> None:
        told = {name: getattr(luck, name) for name in Luck.__slots__}
        for name in ("synced_at", "retry_at"):
            told[name] = told[name].isoformat() if told[name] else None
        self._keep("luck", told)

    def _state(self, name: str) -> dict[str, Any] | None:
        with self._open() as db:
            row = db.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def _keep(self, name: str, told: Mapping[str, object]) -> None:
        with self._open() as db:
            db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, json.dumps(told)))

    def forget(self) -> None:
        """Forget what the remote has: it is another one, or has lost everything."""
        with self._open() as db:
            db.execute("DELETE FROM sent")
            db.execute("DELETE FROM held")

    def drop(self) -> None:
        """Remove the file: what the remote has is not known any more."""
        for end in ("", "-journal"):
            self._path.with_name(self._path.name + end).unlink(missing_ok=True)
