"""`memdesk export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from memdesk.cli.changes import how_many
from memdesk.cli.command import Verbs, build_filter, filters, pass_desk
from memdesk.cli.terminal import say
from memdesk.memory import LIVE, STATES, TRASHED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memdesk.cli.root import Desk
    from memdesk.memory import Filter

exporting = Verbs()

_LINES, _NOTES, _TABLE, _PARQUET = _FORMATS = ("jsonl", "markdown", "csv", "parquet")


@exporting.verb(
    "export",
    example="memdesk export --to everything.jsonl\n"
    "memdesk export --format markdown --to ~/Notes/memdesk --tag home\n"
    "memdesk export --format csv --space website > website.csv",
    short_help="Write memories as JSON lines, Markdown, CSV or Parquet.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(_FORMATS),
    default=_LINES,
    show_default=True,
    help="jsonl loses nothing.",
)
@click.option("--to", type=click.Path(), metavar="PATH", help="A file; a folder for Markdown.")
@filters
@click.option("--trash", is_flag=True, help="Those in the trash.")
@click.option("--all-states", is_flag=True, help="Also replaced, forgotten and erased ones.")
@click.option("--pinned", is_flag=True, help="Only the pinned ones.")
@click.option("--expired", is_flag=True, help="Also those whose time has run out.")
@pass_desk
def export(
    desk: Desk,
    *,
    format_: str,
    to: str | None,
    space: str | None,
    kinds: tuple[str, ...],
    tags: tuple[str, ...],
    sources: tuple[str, ...],
    since: str | None,
    until: str | None,
    trash: bool,
    all_states: bool,
    pinned: bool,
    expired: bool,
) -> None:
    """Write memories out, the oldest first: to standard output, or to a file or folder.

    As jsonl it is all of them, with every earlier revision and what is in the trash; memdesk import
    of it gives the same store. The other formats have the live ones unless more is asked for.
    """
    if trash and all_states:
        raise click.UsageError("--trash and --all-states exclude each other")
    if to is None and format_ in (_NOTES, _PARQUET):
        raise click.UsageError(f"--format {format_} needs --to PATH")
    every = all_states or (format_ == _LINES and not trash)
    where = build_filter(
        (space,) if space is not None else (),
        kinds,
        tags,
        since,
        until,
        sources=sources,
        states=(TRASHED,) if trash else STATES if every else (LIVE,),
        pinned=True if pinned else None,
        expired=expired or every,
    )
    done = _write(desk, where, format_, Path(to).absolute() if to is not None else None)
    if to is not None:
        say(f"{how_many(done)} written to {to}")


def _write(desk: Desk, where: Filter, format_: str, to: Path | None) -> int:
    """Write the memories of a filter and return how many they were."""
    from memdesk.ingest import exporting as out

    if format_ == _PARQUET and to:
        return _parquet(desk, where, to)
    found = out.wholes(desk.service, where)
    if format_ == _NOTES and to:
        return out.write_notes(found, to)
    pieces = out.json_lines(found) if format_ == _LINES else out.table(found)
    if to is None:
        return _print(pieces)
    with out.written(to) as file:
        return sum(1 for piece in pieces if file.write(piece)) - 1


def _print(pieces: Iterable[str]) -> int:
    number = 0
    for number, piece in enumerate(pieces):  # noqa: B007 (the head is none)
        click.echo(piece, nl=False)
    return number


def _parquet(desk: Desk, where: Filter, to: Path) -> int:
    from memdesk.ingest.exporting import beside

    with beside(to) as part:
        return desk.service.write_parquet(part, where=where)
