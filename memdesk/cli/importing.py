"""`memdesk import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from memdesk.cli.changes import how_many
from memdesk.cli.command import Verbs, as_json, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.terminal import Progress, flush, one_line, put, say
from memdesk.errors import Invalid, MemdeskError, ModelError
from memdesk.memory import check_space

if TYPE_CHECKING:
    from memdesk.cli.root import Desk
    from memdesk.ingest.importing import Import
    from memdesk.ingest.receipt import Receipt

importing = Verbs()
_INTERRUPTED = 130


@importing.verb(
    "import",
    example="memdesk import ~/Notes --dry-run\n"
    "memdesk import conversations.zip --redact\n"
    "memdesk import old.csv --column text=Body --column happened_at=Date",
    short_help="Bring in memories from a file or folder of another program.",
)
@click.argument("path", metavar="FILE|DIR", type=click.Path())
@click.option("--from", "format_", metavar="FORMAT", help="Which shape it has; else recognised.")
@click.option("--dry-run", "dry", is_flag=True, help="Only tell what would be stored.")
@click.option("--redact", is_flag=True, help="Take what looks like a secret out of the texts.")
@click.option("--space", metavar="S", help="The space of what names none itself.")
@click.option(
    "--column",
    "columns",
    metavar="FIELD=COLUMN",
    multiple=True,
    help="Which column of a table is which field of a memory.",
)
@as_json
@pass_desk
def import_(
    desk: Desk,
    path: str,
    *,
    format_: str | None,
    dry: bool,
    redact: bool,
    space: str | None,
    columns: tuple[str, ...],
    json_: bool,
) -> None:
    """Bring in the memories of a file or folder, and print a receipt of what became of each.

    Nothing is stored twice: run again after a stop it goes on. A restore point is made first, and
    memdesk undo takes all of it back. See docs/IMPORT.md for the formats.
    """
    from memdesk.ingest.formats import named
    from memdesk.ingest.importing import Import, wish
    from memdesk.ingest.item import Choices

    if space is not None:
        check_space(space, "--space")
    choices = Choices(space, dict(_column(each) for each in columns))
    given = named(format_) if format_ is not None else None
    try:
        wanted = wish(Path(path), given, choices, dry=dry, redact=redact)
        run = Import(desk.service, wanted, desk.settings.home)
        receipt = _run(run)
    except Invalid as error:  # what is in the file is no usage of the command
        say(str(error))
        raise click.exceptions.Exit(MemdeskError.exit_code) from error
    put_json(receipt) if json_ else _put(receipt)
    flush()
    _tell(receipt)
    if not receipt.complete:
        desk.embed_soon()
        raise click.exceptions.Exit(_INTERRUPTED)
    if receipt.stored and not dry:
        _embed(desk)


def _column(told: str) -> tuple[str, str]:
    field, equals, column = told.partition("=")
    if not (field.strip() and equals and column.strip()):
        raise click.UsageError("--column is FIELD=COLUMN, such as text=Body")
    return field.strip(), column.strip()


def _run(run: Import) -> Receipt:
    """Run an import and return its receipt, also where Control-C ends it."""
    try:
        with Progress("reading") as progress:
            return run.run(lambda found: progress(found, found))
    except KeyboardInterrupt:
        return run.receipt
    except MemdeskError:
        if stored := run.receipt.stored:
            say(f"{how_many(stored)} stored before this; {_AGAIN}")
        raise


_AGAIN = "run the same command again to go on"


def _put(receipt: Receipt) -> None:
    put(f"{receipt.found:,} found in {one_line(receipt.path)} ({receipt.format})")
    put(f"{receipt.stored:,} {'would be stored' if receipt.dry else 'stored'}")
    put(f"{receipt.duplicate:,} there already")
    for reason, left in receipt.skipped.items():
        put(f"{left.count:,} skipped: {one_line(reason)}")
        for place in left.places:
            put(f"    {one_line(place)}")
        if left.count > len(left.places):
            put(f"    and {left.count - len(left.places):,} more")


def _tell(receipt: Receipt) -> None:
    if not receipt.found and receipt.complete:
        say("there is nothing in it: no memory was found")
    if receipt.split:
        say(f"texts longer than one memory may be, stored in parts: {receipt.split:,}")
    if receipt.redacted:
        say(f"secrets were taken out of {how_many(receipt.redacted)}")
    if receipt.flagged and receipt.stored:
        say(f"{how_many(receipt.flagged)} may hold a secret: see memdesk inbox, or use --redact")
    if not receipt.complete:
        say(f"stopped; {_AGAIN}")
    if receipt.change:
        say(f"take all of it back with: memdesk undo {receipt.change}")


def _embed(desk: Desk) -> None:
    """Have what was stored found by meaning, or say that it will be."""
    try:
        with Progress("embedding") as progress:
            desk.service.embed_pending(progress)
        waiting = desk.service.stats().pending
    except (KeyboardInterrupt, ModelError) as error:
        waiting = desk.service.stats().pending
        if isinstance(error, ModelError):
            say(str(error))
    if waiting:
        desk.embed_soon()
        say(
            f"found by words now; by meaning soon: {waiting:,} passages are embedded in the background"
        )
