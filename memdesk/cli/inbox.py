"""`memdesk inbox` and `review`: what wants the person's eye, and that they have seen it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from memdesk.cli.changes import show_changed
from memdesk.cli.command import Verbs, as_json, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.terminal import fit, one_line, put, say, width

if TYPE_CHECKING:
    from memdesk.answers import Concern
    from memdesk.cli.root import Desk

inbox = Verbs()

_WORDS = 60
_SHOWN = "•••"
_KEY = "secret:7b9ad6a1-6f2e-4d0c-9c0b-0d8f6a1b2c3d"


@inbox.verb("inbox", example="memdesk inbox\nmemdesk inbox -n 5 --json | jq -r .key")
@click.option(
    "--limit", "-n", type=click.IntRange(1), default=100, show_default=True, help="How many."
)
@as_json
@pass_desk
def inbox_(desk: Desk, *, limit: int, json_: bool) -> None:
    """Show what wants your eye: duplicates, contradictions, secrets, instructions, doubtful imports.

    Also what a host saved too fast. Nothing is done about any of it without you.
    """
    found = desk.service.inbox(limit=limit)
    for concern in found.concerns:
        if json_:
            put_json(concern, key=concern.key)
        else:
            _put_concern(concern)
    if len(found.concerns) < found.total:
        say(f"{found.total - len(found.concerns)} more wait")
    if found.behind:
        say(f"{found.behind} memories are still to be looked at, by a process that stays")
    if not found.total:
        say("nothing wants your eye")


def _put_concern(concern: Concern) -> None:
    """Print what it is and its words, and below that the key to settle it by."""
    _put_fitting(f"{concern.kind}: {one_line(concern.about)}{_near(concern)}")
    _put_fitting(f"   {_words(concern)}")
    if concern.other:
        _put_fitting(f"   {fit(one_line(concern.other.title), _WORDS)}")
    put(f"   {concern.key}")


def _near(concern: Concern) -> str:
    return f" (cosine {concern.nearness:.2f})" if concern.nearness else ""


def _words(concern: Concern) -> str:
    """Return the first words of a memory, or those around what was found; a secret is not shown."""
    text, spans = concern.memory.text, sorted(concern.spans)
    if not spans:
        return fit(one_line(concern.memory.title), _WORDS)
    if concern.kind == "secret":
        for start, end in reversed(spans):
            text = text[:start] + _SHOWN + text[end:]
    first = spans[0][0]
    begin = max(text.rfind("\n", 0, first) + 1, first - _WORDS // 3)
    return fit(("…" if begin else "") + one_line(text[begin:]).strip(), _WORDS)


def _put_fitting(line: str) -> None:
    columns = width()
    put(fit(line, columns) if columns else line)


@inbox.verb("review", example=f"memdesk review {_KEY}")
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@as_json
@pass_desk
def review(desk: Desk, keys: tuple[str, ...], *, json_: bool) -> None:
    """Settle what the Inbox shows, by its keys: you have seen it, and all stays as it is."""
    show_changed(desk.service.review(keys), "reviewed", json_=json_)
