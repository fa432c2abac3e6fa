"""One store in another's place, by renames: a kill at any point leaves the old one or the new one.

The new store lies whole and flushed in `.restoring`. A journal names what goes and what comes, and
is on the disk before anything moves. `store.json` goes first and comes last: until it has gone the
old store stands, and the journal is void; from then on whoever opens the folder finishes the work,
or, where what was to come is gone, takes the old store back.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memdesk.disk import flush_file, flush_folder, write_json
from memdesk.errors import StoreError
from memdesk.store.durable import Flusher
from memdesk.store.stamp import FILE

if TYPE_CHECKING:
    from collections.abc import Mapping

JOURNAL = "restore.json"
NEW = ".restoring"
"""Where the store that is to come is made."""
POINT = "point.json"
"""What a restore point says of itself."""
_DERIVED = ("maintenance.json", "inbox.json")
"""What belongs to a store beside its tables; all else in the folder is the person's, or the desk's."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the journal says."""

    aside: str
    """The folder, below the home, that takes the old store; empty where there is none."""
    going: tuple[str, ...]
    coming: tuple[str, ...]
    point: dict[str, object]
    """What the restore point says of the old store."""


def exchange(home: Path, aside: str, point: Mapping[str, object]) -> str:
    """Put the store in `.restoring` in the place of the one in `home`, which goes to `aside`.

    The caller holds the writer lock, and those of the duties that write. `aside` is a folder below
    `home` that is not there yet; `point` becomes its `point.json`. Returns `aside`, or nothing where
    there was no store.
    """
    new = home / NEW
    try:
        for table in new.glob("*.lance"):
            Flusher(table).flush()
        coming = _belonging(new)
        for name in coming:
            if (new / name).is_file():
                flush_file(new / name)
        flush_folder(new)
        going = _belonging(home)
        plan = _Plan(aside if going else "", tuple(going), tuple(coming), dict(point))
        write_json(home / JOURNAL, asdict(plan))
        _begin(home, plan)
    except OSError as error:
        finish(home)
        raise _failed(error) from error
    finish(home)
    return plan.aside


def _belonging(folder: Path) -> list[str]:
    """Return the names of what makes up a store, `store.json` first."""
    tables = sorted(path.name for path in folder.glob("*.lance"))
    return [name for name in (FILE, *_DERIVED, *tables) if (folder / name).exists()]


def under_way(home: Path) -> bool:
    """Tell whether one store was being put in the place of another when a process died."""
    return (home / JOURNAL).exists()


def finish(home: Path) -> None:
    """Finish what the journal says, or drop it where the old store still stands.

    The caller holds the writer lock. Raises `StoreError`.
    """
    plan = _read(home)
    if plan is None:
        return
    try:
        if not _stands(home, plan):
            (_move if _is_whole(home, plan) else _go_back)(home, plan)
        _give_up(home, plan)
        flush_folder(home)
        (home / JOURNAL).unlink()
        flush_folder(home)
        shutil.rmtree(home / NEW, ignore_errors=True)
    except OSError as error:
        raise _failed(error) from error


def _begin(home: Path, plan: _Plan) -> None:
    """Move the old store's `store.json` away: from here on the new one counts."""
    if plan.aside:
        _make_aside(home, plan)
        if FILE in plan.going:
            _rename(home / FILE, home / plan.aside / FILE)
            flush_folder(
                home / plan.aside
            )  # no table may be there before it, whatever the disk does
            flush_folder(home)


def _make_aside(home: Path, plan: _Plan) -> None:
    aside = home / plan.aside
    aside.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_json(aside / POINT, plan.point)
    flush_folder(aside.parent)
    flush_folder(home)


def _stands(home: Path, plan: _Plan) -> bool:
    """Tell whether the old store is still there as it was."""
    return FILE in plan.going and not any(_has_gone(home, plan, name) for name in plan.going)


def _has_gone(home: Path, plan: _Plan, name: str) -> bool:
    return (home / plan.aside / name).exists()


def _has_come(home: Path, plan: _Plan, name: str) -> bool:
    still_old = name in plan.going and not _has_gone(home, plan, name)
    return (home / name).exists() and not still_old


def _is_whole(home: Path, plan: _Plan) -> bool:
    """Tell whether all that is to come is there still."""
    return all((home / NEW / name).exists() or _has_come(home, plan, name) for name in plan.coming)


def _move(home: Path, plan: _Plan) -> None:
    """Move what has not been moved yet: first all that goes, then what comes, `store.json` last."""
    aside, new = home / plan.aside, home / NEW
    if plan.aside:
        _make_aside(home, plan)
        for name in plan.going:
            if not (aside / name).exists():
                _rename(home / name, aside / name)
        flush_folder(aside)
    flush_folder(home)
    for name in reversed(plan.coming):
        if (new / name).exists():
            _rename(new / name, home / name)


def _go_back(home: Path, plan: _Plan) -> None:
    """Take the old store back, `store.json` last."""
    (home / NEW).mkdir(mode=0o700, exist_ok=True)
    for name in plan.coming:
        if _has_come(home, plan, name):
            _rename(home / name, home / NEW / name)
    for name in reversed(plan.going):
        if _has_gone(home, plan, name):
            _rename(home / plan.aside / name, home / name)


def _rename(old: Path, new: Path) -> None:
    old.rename(new)


def _give_up(home: Path, plan: _Plan) -> None:
    """Remove the point of a store that stands after all."""
    aside = home / plan.aside
    if plan.aside and aside.is_dir() and {path.name for path in aside.iterdir()} <= {POINT}:
        shutil.rmtree(aside)


def _read(home: Path) -> _Plan | None:
    try:
        told = json.loads((home / JOURNAL).read_text(encoding="utf-8"))
        going, coming = tuple(map(_name, told["going"])), tuple(map(_name, told["coming"]))
        return _Plan(str(told["aside"]), going, coming, dict(told["point"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise StoreError(
            f"{home / JOURNAL}, the plan of a restore that was cut short, cannot be read ({error}); "
            f"what was there before is in the folder {home} or in its points: move that file away, and "
            "if memories are missing then, memdesk backup list and memdesk backup restore POINT"
        ) from error


def _name(told: object) -> str:
    if not isinstance(told, str) or Path(told).name != told:
        raise ValueError(f"“{told}” is no file's name")
    return told


def _failed(error: OSError) -> StoreError:
    return StoreError(
        f"the store could not be put in its place ({error.strerror or error}); what was there is "
        "kept, and the next command tries again"
    )
