"""`memdesk revise`, `forget`, `restore`, `purge` and `undo`: what changes memories."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from memdesk.cli.audience import say_taken_out, say_undone, say_where_it_goes
from memdesk.cli.command import Verbs, as_json, described, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.page import put_line
from memdesk.cli.terminal import Progress, fit, flush, one_line, put, say
from memdesk.cli.text import given_text
from memdesk.errors import MemdeskError, ModelError
from memdesk.memory import TRASHED, Edit

if TYPE_CHECKING:
    from memdesk.answers import Changed
    from memdesk.cli.root import Desk
    from memdesk.service import Service

changing = Verbs()

_NAMED = 20
_WORDS = 60
_ID = "7b9ad6a1-6f2e-4d0c-9c0b-0d8f6a1b2c3d"
_ids = click.argument("ids", metavar="ID...", nargs=-1, required=True)


@changing.verb(
    "revise",
    example=f'memdesk revise {_ID} "The gate code is 4712"\nmemdesk revise {_ID} --pin --tag home',
)
@click.argument("id")
@click.argument("text", nargs=-1)
@described
@click.option("--pin/--unpin", "pinned", default=None, help="Always part of the profile, or not.")
@as_json
@pass_desk
def revise(
    desk: Desk,
    id: str,
    text: tuple[str, ...],
    *,
    file: str | None,
    kind: str | None,
    tags: tuple[str, ...],
    space: str | None,
    audience: tuple[str, ...],
    happened_at: str | None,
    expires_at: str | None,
    pinned: bool | None,
    json_: bool,
) -> None:
    """Change a memory; what is not given stays as it is.

    --tag replaces all tags ("" for none), --audience all remotes ("" for private): a remote that is
    taken out deletes the memory, for everybody. A date of "" takes the date away.
    """
    edit = Edit(
        text=given_text(text, file),
        kind=kind,
        tags=tags or None,
        space=space,
        audience=audience or None,
        happened_at=happened_at,
        expires_at=expires_at,
        pinned=pinned,
    )
    if edit == Edit():
        raise click.UsageError("say what to change: a text, --file or one of the options")
    before = desk.service.get([id])[0].audience if audience else ()
    revised = desk.service.revise(id, edit)
    put_json(revised) if json_ else put_line(revised)
    flush()
    if audience:
        say_taken_out(desk, before, revised.audience, revised.id)
        say_where_it_goes(desk, revised.id, revised.audience)
    finish_passages(desk.service)


def finish_passages(service: Service) -> None:
    """Embed what a long text left to do; without a model its words are found all the same."""
    try:
        with Progress("reading") as progress:
            service.embed_pending(progress)
    except ModelError as error:
        say(f"it is found by its words only: {error}")


@changing.verb("forget", example=f'memdesk forget {_ID} --reason "out of date"')
@_ids
@click.option("--reason", default="", metavar="WORDS", help="Why, for the history.")
@as_json
@pass_desk
def forget(desk: Desk, ids: tuple[str, ...], *, reason: str, json_: bool) -> None:
    """Move memories to the trash, where they stay for 30 days.

    Prints the ids that this changed.
    """
    show_changed(desk.service.forget(ids, reason=reason), "moved to the trash", json_=json_)


@changing.verb("restore", example=f"memdesk restore {_ID}")
@_ids
@as_json
@pass_desk
def restore(desk: Desk, ids: tuple[str, ...], *, json_: bool) -> None:
    """Take memories out of the trash again.

    Prints the ids that this changed.
    """
    show_changed(desk.service.restore(ids), "restored", json_=json_)


@changing.verb(
    "purge",
    example=f"memdesk purge {_ID}\n"
    "memdesk list --trash --limit 0 --json | jq -r .id | xargs memdesk purge --yes",
)
@_ids
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@as_json
@pass_desk
def purge(desk: Desk, ids: tuple[str, ...], *, yes: bool, json_: bool) -> None:
    """Erase memories in the trash for good, with their history.

    Asks first. Prints the ids that this changed.
    """
    if not yes:
        must_answer("erase")
        what = how_many(len(desk.service.get(ids)))
        ask_first("erase", f"Erase {what} for good, history included? This cannot be undone.")
    backups = desk.service.backups_with(ids)
    show_changed(desk.service.purge(ids), "erased for good", json_=json_, undo=False)
    if backups:
        say(f"backup files that still hold the words: {', '.join(backups)}")


def how_many(memories: int) -> str:
    """Return a number of memories in words."""
    return "1 memory" if memories == 1 else f"{memories} memories"


def ask_first(doing: str, question: str) -> None:
    """Ask the person whether to go on; raises `UsageError` where nobody can answer."""
    must_answer(doing)
    click.confirm(one_line(question), abort=True, err=True)


def must_answer(doing: str) -> None:
    """Raise `UsageError` where nobody can answer whether to go on with `doing`."""
    if not _at_a_terminal():
        raise click.UsageError(f"nobody is here to answer: {doing} without asking by --yes")


def _at_a_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


@changing.verb("undo", example="memdesk undo\nmemdesk undo 0f9f4f3e-5a52-4f0e-8b7c-2f4f3d1c9a77")
@click.argument("change", required=False)
@as_json
@pass_desk
def undo(desk: Desk, change: str | None, *, json_: bool) -> None:
    """Take back a change: the last one, or that of the id that `history` shows.

    Prints the ids that this changed; ends with 1 where nothing was taken back.
    """
    changed = desk.service.undo(change)
    _put(changed, json_=json_)
    for memory in desk.service.get(changed.done[:_NAMED]) if changed.done else ():
        became = "went to the trash" if memory.state == TRASHED else "is back as before"
        say(f"“{fit(one_line(memory.title), _WORDS)}” {became}")
    if len(changed.done) > _NAMED:
        say(f"and {len(changed.done) - _NAMED} more")
    _tell(changed)
    say_undone(desk, changed.done)
    if not changed.done:
        raise click.exceptions.Exit(MemdeskError.exit_code)


def show_changed(changed: Changed, words: str, *, json_: bool, undo: bool = True) -> None:
    """Print the ids that a change has changed, and say in words what became of them."""
    _put(changed, json_=json_)
    say(f"{len(changed.done)} {words}")
    _tell(changed, undo=undo)


def _put(changed: Changed, *, json_: bool) -> None:
    if json_:
        put_json(changed)
    else:
        for id in changed.done:
            put(id)
            flush()
    flush()


def _tell(changed: Changed, *, undo: bool = True) -> None:
    if changed.unchanged:
        say(f"{len(changed.unchanged)} already so")
    for id in changed.conflicts:
        say(
            f"{id} was left as it is: something else has changed it since, or what it was before is "
            "no longer kept"
        )
    if undo and changed.done:
        say(f"take it back with: memdesk undo {changed.change}")
