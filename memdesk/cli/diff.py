"""`memdesk diff`: what has changed since a moment."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from memdesk.cli.command import Verbs, as_json, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.terminal import fit, one_line, put, say, width
from memdesk.moment import wall_clock

if TYPE_CHECKING:
    from memdesk.answers import Diff, Difference
    from memdesk.cli.root import Desk

differing = Verbs()

_WORDS = 40
"""Columns for each side of a change of text."""
_HOW = 10
_UNTOLD = ("text", "state", "replaced_by")
"""What is told in another way, or by what became of the memory."""


@differing.verb(
    "diff",
    example="memdesk diff yesterday\n"
    "memdesk diff '2 hours ago' --limit 20\n"
    "memdesk diff 2026-05-08T14:30 --json | jq .counts",
)
@click.argument("when", nargs=-1, required=True)
@click.option(
    "--limit",
    "-n",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="The most memories to show.",
)
@as_json
@pass_desk
def diff(desk: Desk, when: tuple[str, ...], *, limit: int, json_: bool) -> None:
    """Show what has changed since a moment, the last change first.

    WHEN is a date or words such as yesterday or “last monday”; what counts is where it begins. What
    was changed and changed back is left out. How many there are of each kind is written on standard
    error.
    """
    from memdesk.periods import parse_period

    found = desk.service.diff(parse_period(" ".join(when), "when").start, limit=limit)
    if json_:
        put_json(found)
        return
    for each in found.differences:
        _put(each)
    _tell(found)


def _put(each: Difference) -> None:
    """Print a memory as one line: what became of it, its id, and what is different."""
    line = f"{each.how:<{_HOW}}{each.now.id}  {_what(each)}".rstrip()
    columns = width()
    put(fit(line, columns) if columns else line)


def _what(each: Difference) -> str:
    parts = [_text(each)]
    if each.before:
        for name in each.fields:
            if name not in _UNTOLD:
                before, after = getattr(each.before, name), getattr(each.now, name)
                parts.append(f"{name}: {_value(before)} → {_value(after)}")
    return "  ".join(part for part in parts if part)


def _text(each: Difference) -> str:
    """Return what became of the text, in short; its first words where it has stayed."""
    if each.before is None or "text" not in each.fields:
        return fit(one_line(each.now.title), _WORDS)
    before, after = (" ".join(text.split()) for text in (each.before.text, each.now.text))
    pairs = enumerate(zip(before, after, strict=False))
    same = next((at for at, (one, other) in pairs if one != other), min(len(before), len(after)))
    start = before.rfind(" ", 0, same) + 1
    return f"{_excerpt(before, start)} → {_excerpt(after, start)}"


def _excerpt(text: str, start: int) -> str:
    lead = "…" if start and start < len(text) else ""
    return f"“{lead}{fit(one_line(text[start:] if lead else text), _WORDS)}”"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        value = ", ".join(str(each) for each in value)
    if isinstance(value, datetime):
        value = wall_clock(value).strftime("%Y-%m-%d %H:%M")
    if isinstance(value, bool):
        value = "yes" if value else "no"
    return fit(one_line(str(value)), _WORDS) if value not in (None, "") else "none"


def _tell(found: Diff) -> None:
    counts = ", ".join(f"{many:,} {how}" for how, many in sorted(found.counts.items()))
    say(counts or "nothing has changed since then")
    left = sum(found.counts.values()) - len(found.differences)
    if left:
        say(f"{left:,} more: --limit shows them")
