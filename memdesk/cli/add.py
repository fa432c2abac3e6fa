"""`memdesk add`, also called `remember`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from memdesk.cli.command import Verbs, as_json, described, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.terminal import Progress, put, say
from memdesk.cli.text import given_text, piped_text
from memdesk.errors import ModelError
from memdesk.memory import Draft

if TYPE_CHECKING:
    from memdesk.answers import Remembered
    from memdesk.cli.root import Desk
    from memdesk.service import Service

adding = Verbs()

_OUTCOMES = {
    "stored": "stored in {space}",
    "duplicate": "was there already, in {space}",
    "restored": "was in the trash and is back, in {space}",
}


@adding.verb(
    "add",
    "remember",
    example='memdesk add "The gate code is 4711" --tag home\n'
    "memdesk add --file minutes.md --kind document --happened-at 2026-05-08\n"
    "git log -1 | memdesk add - --space website",
)
@click.argument("text", nargs=-1)
@described
@click.option("--replaces", metavar="ID", help="The memory that this one takes the place of.")
@click.option("--pin", is_flag=True, help="Always part of the profile.")
@as_json
@pass_desk
def add(
    desk: Desk,
    text: tuple[str, ...],
    *,
    file: str | None,
    kind: str | None,
    tags: tuple[str, ...],
    space: str | None,
    happened_at: str | None,
    expires_at: str | None,
    replaces: str | None,
    pin: bool,
    json_: bool,
) -> None:
    """Remember a text.

    Give it as words, with --file, or through a pipe. Prints the id of the new memory.
    """
    given = given_text(text, file)
    if given is None:
        given = piped_text()
    if given is None:
        raise click.UsageError("give the text to remember, a --file, or pipe it in")
    draft = Draft(
        text=given,
        tags=tags,
        space=space if space is not None else desk.settings.space,
        happened_at=happened_at,
        expires_at=expires_at,
        replaces=replaces,
        pinned=pin,
    )
    if kind is not None:
        draft = replace(draft, kind=kind)
    _show(desk.service.remember(draft), json_=json_)
    finish_passages(desk.service)


def _show(done: Remembered, *, json_: bool) -> None:
    if json_:
        put_json(done)
    else:
        put(done.id)
        say(_OUTCOMES[done.outcome].format(space=done.space))
    if done.removed:
        say(f"unprintable characters removed from the text: {done.removed}")
    if done.replaced:
        say(f"it takes the place of {done.replaced}")


def finish_passages(service: Service) -> None:
    """Embed what a long text left to do; without a model its words are found all the same."""
    try:
        with Progress("reading") as progress:
            service.embed_pending(progress)
    except ModelError as error:
        say(f"it is found by its words only: {error}")
