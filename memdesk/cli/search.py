"""`memdesk search`, also called `recall`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from memdesk.cli.command import Verbs, as_json, build_filter, filters, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.page import put_hit
from memdesk.cli.terminal import Progress, say

if TYPE_CHECKING:
    from datetime import datetime

    from memdesk.cli.root import Desk

searching = Verbs()


@searching.verb(
    "search",
    "recall",
    example="memdesk search what do I call my bike\n"
    "memdesk search deploy --space website --since 2026-01 --explain\n"
    "memdesk search where does Ana live --as-of 'last summer'\n"
    "memdesk search birthday --json | jq -r '.hits[].memory.text'",
)
@click.argument("query", nargs=-1, required=True)
@filters
@click.option("--as-of", metavar="WHEN", help="As the memories stood at the end of then.")
@click.option("--limit", "-n", default=5, show_default=True, help="The most memories to show.")
@click.option(
    "--max-tokens",
    type=click.IntRange(0),
    default=0,
    help="Stop at so many tokens of text; 0 for no limit.",
)
@click.option("--explain", is_flag=True, help="Show why each one was found.")
@as_json
@pass_desk
def search(
    desk: Desk,
    query: tuple[str, ...],
    *,
    space: str | None,
    kinds: tuple[str, ...],
    tags: tuple[str, ...],
    since: str | None,
    until: str | None,
    as_of: str | None,
    limit: int,
    max_tokens: int,
    explain: bool,
    json_: bool,
) -> None:
    """Find memories by meaning and by words.

    Looks in every space; with --space in that one and in personal.
    """
    spaces = desk.service.scope(space) if space is not None else ()
    where = build_filter(spaces, kinds, tags, since, until)
    asked = " ".join(query)
    then = _moment(as_of) if as_of is not None else None
    found = desk.service.recall(asked, limit=limit, where=where, max_tokens=max_tokens, as_of=then)
    if found.degraded:
        say(f"found by words only: {found.degraded}")
    if json_:
        put_json(found, query=asked)
        return
    for place, hit in enumerate(found.hits, 1):
        put_hit(place, hit, explain=explain)
    if not found.hits:
        say("nothing was found")


def _moment(as_of: str) -> datetime:
    from memdesk.periods import parse_period

    return parse_period(as_of, "as_of").last


@searching.verb("reindex", example="memdesk reindex")
@pass_desk
def reindex(desk: Desk) -> None:
    """Build what search reads anew from the memories.

    Needed only when search misses what `memdesk list` shows; no memory is changed.
    """
    with Progress("indexing") as progress:
        done = desk.service.reindex(progress)
    with Progress("embedding") as progress:
        desk.service.embed_pending(progress)
    say(f"memories indexed anew: {done}")
    if waiting := desk.service.stats().pending:
        say(f"passages that are found by their words now, by meaning soon: {waiting}")
