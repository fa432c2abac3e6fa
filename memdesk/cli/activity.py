"""`memdesk activity`: what hosts asked and got."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import click

from memdesk.cli.command import Verbs, as_json, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.terminal import fit, flush, one_line, put, say, width

if TYPE_CHECKING:
    from memdesk.answers import Asked
    from memdesk.cli.root import Desk

activities = Verbs()

_SECONDS = 0.5
"""Between two looks, while it follows."""
_MOST = 2000
_pause = threading.Event()


@activities.verb(
    "activity",
    example="memdesk activity\n"
    "memdesk activity --follow\n"
    "memdesk activity -n 500 --json | jq -r .words",
)
@click.option(
    "--limit",
    "-n",
    type=click.IntRange(1, _MOST),
    default=20,
    show_default=True,
    help="How many of the last ones.",
)
@click.option("--follow", "-f", is_flag=True, help="Show what comes, until Control-C.")
@as_json
@pass_desk
def activity(desk: Desk, *, limit: int, follow: bool, json_: bool) -> None:
    """Show what hosts asked lately and what they got, the newest last."""
    found = desk.service.activity(limit=limit)
    _put(found, json_=json_)
    if not found and not desk.settings.activity:
        say("the setting activity is off: nothing is logged")
    elif not found:
        say("no host has asked anything yet")
    after = found[-1].n if found else 0
    while follow:
        flush()
        _pause.wait(_SECONDS)
        found = desk.service.activity(after=after, limit=_MOST)
        _put(found, json_=json_)
        after = found[-1].n if found else after


def _put(found: tuple[Asked, ...], *, json_: bool) -> None:
    for asked in found:
        if json_:
            put_json(asked)
            continue
        columns = width()
        put(fit(_line(asked), columns) if columns else _line(asked))


def _line(asked: Asked) -> str:
    words = f"“{asked.words}”" if asked.words else ""
    at, took = f"{asked.at.astimezone():%Y-%m-%d %H:%M:%S}", f"{1000 * asked.took:.0f} ms"
    parts = (at, asked.host, asked.verb, words, asked.outcome, took)
    return "  ".join(one_line(part) for part in parts if part)
