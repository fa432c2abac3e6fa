"""`memdesk list`, `get` and `history`: memories one knows of."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

import click

from memdesk.cli.command import Verbs, as_json, build_filter, filters, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.page import put_line, put_memory, put_revision
from memdesk.cli.terminal import one_line, put, say
from memdesk.memory import LIVE, STATES, TRASHED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memdesk.answers import Page
    from memdesk.cli.root import Desk
    from memdesk.memory import Filter
    from memdesk.service import Service

memories = Verbs()

_PAGE = 100


@memories.verb(
    "list",
    example="memdesk list --limit 50\n"
    "memdesk list --trash\n"
    "memdesk list --limit 0 --json > everything.jsonl",
)
@filters
@click.option(
    "--limit",
    "-n",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="How many; 0 for all of them.",
)
@click.option("--cursor", metavar="C", help="Go on where the list before this one ended.")
@click.option("--trash", is_flag=True, help="Those in the trash.")
@click.option("--all-states", is_flag=True, help="Also replaced, forgotten and erased ones.")
@click.option("--pinned", is_flag=True, help="Only the pinned ones.")
@click.option("--expired", is_flag=True, help="Also those whose time has run out.")
@as_json
@pass_desk
def list_(
    desk: Desk,
    *,
    space: str | None,
    kinds: tuple[str, ...],
    tags: tuple[str, ...],
    sources: tuple[str, ...],
    since: str | None,
    until: str | None,
    limit: int,
    cursor: str | None,
    trash: bool,
    all_states: bool,
    pinned: bool,
    expired: bool,
    json_: bool,
) -> None:
    """List memories, the newest first; with --json one per line.

    Where more follow, the cursor to go on with is written on standard error.
    """
    if trash and all_states:
        raise click.UsageError("--trash and --all-states exclude each other")
    where = build_filter(
        (space,) if space is not None else (),
        kinds,
        tags,
        since,
        until,
        sources=sources,
        states=STATES if all_states else (TRASHED,) if trash else (LIVE,),
        pinned=True if pinned else None,
        expired=expired or all_states,
    )
    page = None
    for page in _pages(desk.service, where, limit, cursor):
        for memory in page.memories:
            put_json(memory) if json_ else put_line(memory)
    if page and page.cursor:
        say(f"more follow: --cursor {page.cursor}")


def _pages(service: Service, where: Filter, limit: int, cursor: str | None) -> Iterator[Page]:
    left = limit
    while True:
        page = service.list(where=where, limit=min(left, _PAGE) if limit else _PAGE, cursor=cursor)
        yield page
        left, cursor = left - len(page.memories), page.cursor
        if cursor is None or (limit and left <= 0):
            return


@memories.verb(
    "get",
    example="memdesk get 7b9ad6a1-6f2e-4d0c-9c0b-0d8f6a1b2c3d\n"
    "memdesk get 7b9ad6a1-6f2e-4d0c-9c0b-0d8f6a1b2c3d --json | jq -r .text",
)
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@as_json
@pass_desk
def get(desk: Desk, ids: tuple[str, ...], *, json_: bool) -> None:
    """Show memories whole, in whatever state they are; with --json one per line."""
    for place, memory in enumerate(desk.service.get(ids)):
        if json_:
            put_json(memory)
            continue
        if place:
            put("\n" + "─" * 40)
        put_memory(memory)


@memories.verb("history", example="memdesk history 7b9ad6a1-6f2e-4d0c-9c0b-0d8f6a1b2c3d")
@click.argument("id")
@as_json
@pass_desk
def history(desk: Desk, id: str, *, json_: bool) -> None:
    """Show every state a memory was in, the newest first; with --json one per line."""
    revisions = desk.service.history(id)
    for revision, before in zip_longest(revisions, revisions[1:]):
        if json_:
            put_json(revision)
            continue
        put_revision(revision)
        for words in _shared(before.memory.audience if before else (), revision.memory.audience):
            put(f"   {words}")


def _shared(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """Yield in words what a change of an audience was."""
    if came := [one_line(each) for each in after if each not in before]:
        yield f"shared with {', '.join(came)}"
    if gone := [one_line(each) for each in before if each not in after]:
        yield f"no longer shared with {', '.join(gone)}{'' if after else '; private'}"
