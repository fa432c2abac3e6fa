"""`memdesk add`, also called `remember`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from memdesk.cli.audience import say_where_it_goes
from memdesk.cli.command import Verbs, as_json, described, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.terminal import flush, put, say
from memdesk.cli.text import given_text, piped_text
from memdesk.memory import Draft

if TYPE_CHECKING:
    from memdesk.answers import Remembered
    from memdesk.cli.root import Desk

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
    audience: tuple[str, ...],
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
        audience=audience,
        happened_at=happened_at,
        expires_at=expires_at,
        replaces=replaces,
        pinned=pin,
    )
    if kind is not None:
        draft = replace(draft, kind=kind)
    done = desk.service.remember(draft)
    put_json(done) if json_ else put(done.id)
    flush()
    if done.pending:
        desk.embed_soon()
    described = bool(kind is not None or tags or audience or pin or expires_at or happened_at)
    _tell(done, described=described, json_=json_)
    if done.outcome != "duplicate":
        say_where_it_goes(desk, done.id, draft.audience)


def _tell(done: Remembered, *, described: bool, json_: bool) -> None:
    """Say what became of the text; with --json only what the document does not tell."""
    words = _OUTCOMES[done.outcome].format(space=done.space)
    lost = described and done.outcome == "duplicate"
    if lost:
        words += f"; the other options were not applied: memdesk revise {done.id} …"
    if done.pending:
        passages = "1 passage is" if done.pending == 1 else f"{done.pending} passages are"
        its = "its" if done.pending == 1 else "their"
        words += f"; {passages} found by {its} words now, by meaning soon"
    if lost or not json_:
        say(words)
    if done.removed:
        say(f"unprintable characters removed from the text: {done.removed}")
    if done.held:
        say(
            f"a host saved it with too many others; have it recalled by: memdesk review burst:{done.id}"
        )
    if done.replaced:
        say(f"it takes the place of {done.replaced}")
