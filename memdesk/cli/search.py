"""`memdesk search`, also called `recall`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from memdesk.cli.command import Verbs, as_json, build_filter, filters, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.page import put_hit
from memdesk.cli.terminal import Progress, put, say

if TYPE_CHECKING:
    from datetime import datetime

    from memdesk.answers import Recalled
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
@click.option("--beside", metavar="N", default=0, help="Show N turns of talk around each one.")
@click.option("--nearest", is_flag=True, help="When nothing is relevant, show the nearest miss.")
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
    sources: tuple[str, ...],
    since: str | None,
    until: str | None,
    as_of: str | None,
    limit: int,
    max_tokens: int,
    beside: int,
    nearest: bool,
    explain: bool,
    json_: bool,
) -> None:
    """Find memories by meaning and by words.

    Looks in every space; with --space in that one and in personal.
    """
    spaces = desk.service.scope(space) if space is not None else ()
    where = build_filter(spaces, kinds, tags, since, until, sources=sources)
    asked = " ".join(query)
    then = _moment(as_of) if as_of is not None else None
    found = desk.service.recall(
        asked, limit=limit, where=where, max_tokens=max_tokens, as_of=then, beside=beside
    )
    if found.degraded:
        say(f"found by words only: {found.degraded}")
    if json_:
        put_json(found, query=asked)
    elif found.hits:
        _put_hits(found, explain=explain)
    else:
        _put_nothing(found, nearest=nearest, explain=explain)


def _put_hits(found: Recalled, *, explain: bool) -> None:
    if explain:
        put(f"certainty {found.certainty:.2f}")
    for place, hit in enumerate(found.hits, 1):
        put_hit(f"{place}. ", hit, explain=explain)


def _put_nothing(found: Recalled, *, nearest: bool, explain: bool) -> None:
    if found.nearest is None:
        say("nothing was found")
        return
    certainty = f"certainty {found.certainty:.2f}"
    if nearest:
        say("nothing relevant is remembered")
        put_hit(f"nearest miss, {certainty}: ", found.nearest, explain=explain)
    else:
        say(f"nothing relevant is remembered ({certainty}; --nearest shows the nearest miss)")


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
