"""`memdesk backup`: restore points and backup files, and the way back from either."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from memdesk.answers import document
from memdesk.cli.changes import ask_first, how_many
from memdesk.cli.command import Verbs, as_json, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.terminal import Progress, fit, flush, one_line, put, say
from memdesk.errors import Invalid, MemdeskError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from memdesk.answers import Point, Restored
    from memdesk.cli.root import Desk
    from memdesk.service.backups import Backup

_MEGABYTE = 1_000_000
_WORDS = 50
_passphrase_file = click.option(
    "--passphrase-file",
    type=click.Path(),
    metavar="FILE",
    help="Take the passphrase from this file's first line.",
)


@click.group(cls=Verbs, short_help="Make, check and restore backups; list restore points.")
def backup() -> None:
    """Backups of the whole store, and the restore points that are made by themselves.

    See docs/BACKUP.md for what is in a backup, and for moving to a new computer.

    Example: memdesk backup create
    """


@backup.verb(
    "create",
    example="memdesk backup create\nmemdesk backup create /media/stick --encrypt",
)
@click.argument("file", required=False, type=click.Path())
@click.option(
    "--encrypt", is_flag=True, help="Ask for a passphrase, without which nobody reads it."
)
@_passphrase_file
@as_json
@pass_desk
def create(
    desk: Desk, file: str | None, *, encrypt: bool, passphrase_file: str | None, json_: bool
) -> None:
    """Write the whole store into one file, as it is now, while others go on writing.

    FILE may be a folder; without it the file goes to the folder backups beside the store. Prints
    its path.
    """
    from memdesk.backup import files

    home = _home(desk)
    encrypt = encrypt or passphrase_file is not None
    path = files.target(home, Path(file) if file else None, encrypted=encrypt)
    secret = _passphrase(passphrase_file, new=True) if encrypt else None
    with Progress("copying") as progress:
        made = files.create(desk.service, home, path, secret, progress)
    if json_:
        put_json(document({"path": str(made.path), "size": made.size} | {"rows": made.rows}))
    else:
        put(str(made.path))
    flush()
    kept = "encrypted: without the passphrase nobody can restore it" if encrypt else "not encrypted"
    say(f"{_memories(made.rows)}, {_size(made.size)}, {kept}")
    if made.path.stat().st_dev == home.stat().st_dev:
        say("it lies on the store's own disk: copy it to another one, or it is lost with the first")


@backup.verb("list", example="memdesk backup list\nmemdesk backup list --json | jq .points")
@as_json
@pass_desk
def list_(desk: Desk, *, json_: bool) -> None:
    """List the restore points and the backup files, the newest first."""
    from memdesk.backup import files

    known = files.known(_home(desk))
    points = desk.service.points()
    if json_:
        put_json({"points": list(points), "backups": [_fields(each) for each in known]})
        return
    for point in points:
        put(_point_line(point))
    for each in known:
        put(_file_line(each))
    if not known:
        say("there is no backup file yet; make one with: memdesk backup create FOLDER")


def _point_line(point: Point) -> str:
    kept = ", kept until you drop it" if point.kept else ""
    what = f"{how_many(point.memories)}, {_size(point.size)}{kept}"
    return f"{point.name}  {_when(point.at)}  {fit(one_line(point.reason), _WORDS)}  {what}"


def _file_line(each: Backup) -> str:
    from datetime import datetime

    told = [_when(datetime.fromisoformat(each.at)), _size(each.size)]
    told += ["encrypted"] if each.encrypted else []
    told += [] if each.is_there else ["missing: it was moved, or its disk is not there"]
    return f"{one_line(each.path)}  {'  '.join(told)}"


def _fields(each: Backup) -> dict[str, Any]:
    fields = ("at", "path", "seq", "epoch", "size", "encrypted")
    return {name: getattr(each, name) for name in fields} | {"missing": not each.is_there}


@backup.verb("verify", example="memdesk backup verify memdesk-20260514-093000.zip")
@click.argument("file", type=click.Path())
@_passphrase_file
@as_json
@pass_desk
def verify(desk: Desk, file: str, *, passphrase_file: str | None, json_: bool) -> None:
    """Restore a backup into a temporary place, and compare every row and field with it.

    Ends with 1 and says why where it would not come back as it was.
    """
    from memdesk.backup import files

    path = _there(file)
    secret = _secret_of(path, passphrase_file)
    try:
        with Progress("checking") as progress:
            manifest = files.verify(desk.service, _home(desk), path, secret, progress)
    except Invalid as error:
        if error.field == "passphrase":
            raise
        say(str(error))
        raise click.exceptions.Exit(MemdeskError.exit_code) from error
    if json_:
        told = {"path": str(path), "made": manifest.made, "rows": manifest.rows}
        put_json(told | {"memdesk": manifest.memdesk, "model": manifest.model})
    rows = ", ".join(f"{count:,} of {name}" for name, count in manifest.rows.items())
    say(f"it was restored and every row compared: {rows}")


@backup.verb(
    "restore",
    example="memdesk backup restore memdesk-20260514-093000.zip\n"
    "memdesk backup restore 20260514-093000-000000-before-import",
)
@click.argument("backup_", metavar="FILE|POINT")
@_passphrase_file
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@as_json
@pass_desk
def restore(
    desk: Desk, backup_: str, *, passphrase_file: str | None, yes: bool, json_: bool
) -> None:
    """Put a backup file or a restore point in the store's place.

    What is there now is set aside as a restore point. What was purged since stays erased.
    """
    path = Path(backup_)
    of_file = path.exists() or "/" in backup_ or path.suffix == ".zip"
    do = _of_file(desk, path, passphrase_file) if of_file else _of_point(desk, backup_)
    if not yes:
        ask_first("restore", f"Put {one_line(backup_)} in the place of {_present(desk)}?")
    restored = do()
    if json_:
        put_json(restored)
    _tell(desk, restored)


def _of_file(desk: Desk, path: Path, passphrase_file: str | None) -> Callable[[], Restored]:
    from memdesk.backup import files

    path = _there(str(path))
    secret = _secret_of(path, passphrase_file)

    def do() -> Restored:
        with Progress("restoring") as progress:
            return files.restore(desk.service, _home(desk), path, secret, progress)

    return do


def _of_point(desk: Desk, name: str) -> Callable[[], Restored]:
    if name not in {each.name for each in desk.service.points()}:
        raise Invalid("FILE|POINT", f"there is no file and no restore point “{name[:80]}”")
    return lambda: desk.service.restore_point(name)


def _present(desk: Desk) -> str:
    """Return in words what a restore will set aside."""
    if not (_home(desk) / "store.json").exists():
        return "nothing (there is no store yet)"
    try:
        states = desk.service.stats().states
    except MemdeskError:
        return "the store there is, which cannot be read and will be set aside as it is"
    there = sum(count for state, count in states.items() if state != "tombstone")
    return f"the present store ({how_many(there)}), which will be set aside"


def _tell(desk: Desk, restored: Restored) -> None:
    say(f"{how_many(restored.memories)} restored")
    if restored.erased:
        say(f"{how_many(restored.erased)} had been erased for good since, and stayed so")
    for note in (*restored.notes, *desk.service.stats().notes):
        say(note)
    if restored.aside:
        say(
            f"what was there before is set aside; go back with: memdesk backup restore {restored.aside}"
        )
        say(f"once you do not need it any more: memdesk backup drop {restored.aside}")
    else:
        say("on a new computer, connect your AI hosts (docs/HOST.md); no keys are in a backup")


@backup.verb("drop", example="memdesk backup drop 20260514-093000-000000-set-aside-by-a-restore")
@click.argument("point", metavar="POINT")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_desk
def drop(desk: Desk, point: str, *, yes: bool) -> None:
    """Delete a restore point for good; `memdesk backup list` shows those there are."""
    found = {each.name: each for each in desk.service.points()}.get(point)
    if found is None:
        raise Invalid("POINT", f"there is no restore point “{point[:80]}”")
    if not yes:
        ask_first(
            "drop", f"Delete the restore point {point} ({how_many(found.memories)}) for good?"
        )
    desk.service.drop_point(point)
    say(f"{point} is gone")


def _home(desk: Desk) -> Path:
    from memdesk.config import private_folder

    return private_folder(desk.settings.home)


def _there(file: str) -> Path:
    path = Path(file).absolute()
    if not path.is_file():
        what = f"{path} is no file" if path.exists() else f"there is no file {path}"
        raise Invalid("file", f"{what}; name a backup file")
    return path


def _secret_of(path: Path, passphrase_file: str | None) -> str | None:
    """Return the passphrase of a backup, asked for where it has one; every byte was checked first."""
    from memdesk.backup import container, seal

    try:
        seal.check(path)
        encrypted = container.is_encrypted(path)
    except Invalid as error:
        say(str(error))
        raise click.exceptions.Exit(MemdeskError.exit_code) from error
    return _passphrase(passphrase_file, new=False) if encrypted else None


def _passphrase(file: str | None, *, new: bool) -> str:
    """Return the passphrase: from a file, or asked for, twice for a new one, without showing it."""
    if file is not None:
        return first_line(file)
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError("nobody is here to type the passphrase: give --passphrase-file")
    asked: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=new, err=True)
    return asked


def first_line(file: str) -> str:
    """Return the passphrase in a file; raises `Invalid`."""
    try:
        with Path(file).open(encoding="utf-8") as told:
            line = told.readline().rstrip("\n")
    except (OSError, ValueError) as error:
        raise Invalid("--passphrase-file", f"cannot be read: {error}") from error
    if not line:
        raise Invalid("--passphrase-file", "has no passphrase in its first line")
    return line


def _memories(rows: dict[str, int]) -> str:
    return f"{how_many(rows['memories'])} and {rows['history']:,} earlier revisions"


def _size(count: int) -> str:
    return f"{count / _MEGABYTE:,.1f} MB" if count >= _MEGABYTE else f"{count / 1000:,.0f} kB"


def _when(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M}"
