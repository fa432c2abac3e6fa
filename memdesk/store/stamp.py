"""`store.json`: which format a store has, which model its vectors are of, and which copy it is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from memdesk.disk import write_json
from memdesk.errors import StoreError
from memdesk.memory import new_id

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 3
"""The format this memdesk writes and reads."""
LAYOUT = 3
"""What the passages hold and how their words are made; another one needs another format, too.

Else an older memdesk would write its own kind of passages into the new table.
"""
FILE = "store.json"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a store says of itself."""

    format: int
    lancedb: str
    """The version of lancedb that wrote it last: an older one would corrupt it (LANCEDB.md §8)."""
    memdesk: str
    epoch: str
    """Renewed when the store is restored or copied; a cursor holds for one epoch only."""
    device: str
    """This computer's name in clocks; renewed with the epoch."""
    model: str
    """The name of the embedding model, for people."""
    fingerprint: str
    """What the vectors depend on; vectors of two fingerprints are never mixed."""
    dims: int
    passages: str
    """The table that search reads."""
    coming: str = ""
    """The name of the model that the store is changing to; empty while it is not."""
    coming_passages: str = ""
    """The table that is being made for it."""
    former: str = ""
    """The name of the model that was in use before; empty where there was none."""
    former_passages: str = ""
    """Its table, kept for a week."""

    @classmethod
    def fresh(cls, lancedb: str, memdesk: str, model: str, fingerprint: str, dims: int) -> Stamp:
        """Return the stamp of a new store."""
        table = passages_of(fingerprint)
        return cls(FORMAT, lancedb, memdesk, new_id(), new_id(), model, fingerprint, dims, table)

    def has_tables_of(self, other: Stamp) -> bool:
        """Tell whether what is stored and searched is the same by both, whatever else they say."""
        parts = ("format", "epoch", "device", "fingerprint", "dims", "passages")
        return all(getattr(self, part) == getattr(other, part) for part in parts)

    @property
    def is_earlier(self) -> bool:
        """Whether an earlier memdesk left the store so that this one has to change it first."""
        return self.format < FORMAT or self.passages != passages_of(self.fingerprint)

    def is_of_older(self, lancedb: str) -> bool:
        """Tell whether an older lancedb wrote it last, which may no longer do so after this one."""
        return _series(self.lancedb) < _series(lancedb)

    def of_model(self, model: str, fingerprint: str, dims: int) -> Stamp:
        """Return this stamp with another model's vectors in use."""
        return replace(
            self,
            model=model,
            fingerprint=fingerprint,
            dims=dims,
            passages=passages_of(fingerprint),
        )


def passages_of(fingerprint: str, layout: int = LAYOUT) -> str:
    """Return the name of the table that search reads, for a model's vectors."""
    return f"passages_{fingerprint}_{layout}"


def read_stamp(home: Path, lancedb: str) -> Stamp | None:
    """Return the stamp of a store, or None where there is none.

    Raises `StoreError` when it cannot be read, or was written by a newer memdesk or lancedb.
    """
    path = home / FILE
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        known = {field.name for field in fields(Stamp)}
        if told["format"] > FORMAT:
            raise StoreError(
                f"this store was written by a newer memdesk ({told['memdesk']}, format "
                f"{told['format']}; this one reads up to {FORMAT}); update memdesk to open it"
            )
        stamp = _checked({name: value for name, value in told.items() if name in known})
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise StoreError(f"no permission to read {path}; check who owns it") from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path} cannot be read ({error}); it was left as it is: restore it from a backup"
        ) from error
    _refuse_newer_lancedb(stamp, lancedb)
    return stamp


def _checked(told: dict[str, Any]) -> Stamp:
    for field in fields(Stamp):
        if field.name in told and type(told[field.name]).__name__ != field.type:
            raise TypeError(f"its “{field.name}” is no {field.type}")
    return Stamp(**told)


def _refuse_newer_lancedb(stamp: Stamp, lancedb: str) -> None:
    if _series(stamp.lancedb) > _series(lancedb):
        raise StoreError(
            f"this store was written with lancedb {stamp.lancedb}, and the installed {lancedb} would "
            "damage it; update memdesk and its packages to open it"
        )


def _series(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def write_stamp(home: Path, stamp: Stamp) -> None:
    """Put the stamp on the disk; an old or the new one survives a crash, never half of one."""
    try:
        write_json(home / FILE, asdict(stamp))
    except OSError as error:
        raise StoreError(f"cannot write {home / FILE}: {error.strerror or error}") from error
