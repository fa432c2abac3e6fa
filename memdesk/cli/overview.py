"""`memdesk profile`, `stats` and `paths`: the desk as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from memdesk.cli.command import Verbs, as_json, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.page import put_line
from memdesk.cli.terminal import one_line, put, say

if TYPE_CHECKING:
    from memdesk.answers import Stats, Status
    from memdesk.cli.root import Desk

overview = Verbs()

_TOP = 10
_MEGABYTE = 1_000_000


@overview.verb("profile", example="memdesk profile\nmemdesk profile --space website --json")
@click.option("--space", metavar="S", help="The project; the default space without it.")
@click.option(
    "--max-tokens",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    help="The room there is for it.",
)
@click.option(
    "--hook", is_flag=True, help="As a hook of a host's sessions: within 0.3 seconds or not at all."
)
@as_json
@pass_desk
def profile(desk: Desk, *, space: str | None, max_tokens: int, hook: bool, json_: bool) -> None:
    """Show what is always worth knowing: pinned memories, preferences, facts, decisions."""
    if hook:
        _hook(space, max_tokens)
        return
    space = space if space is not None else desk.settings.space
    found = desk.service.profile(space=space, max_tokens=max_tokens)
    if json_:
        put_json(found)
        return
    for memory in found.memories:
        put_line(memory)
    if found.left_out:
        say(f"{found.left_out} more did not fit in {max_tokens} tokens")
    if not found.memories:
        say("nothing is pinned, and there are no preferences, facts or decisions yet")


def _hook(space: str | None, max_tokens: int) -> None:
    from memdesk.hook import main

    main({"max_tokens": max_tokens} | ({"space": space} if space else {}))


@overview.verb("stats", example="memdesk stats\nmemdesk stats --json | jq .states.live")
@as_json
@pass_desk
def stats(desk: Desk, *, json_: bool) -> None:
    """Show the store in numbers."""
    if json_:
        put_json(desk.service.stats())
        return
    status = desk.service.status()
    found = status.stats
    for name, value in (*_rows(found), *_standing(status)):
        put(f"{name + ':':<12}{one_line(value)}")
    for note in found.notes:
        say(note)


def _rows(found: Stats) -> list[tuple[str, str]]:
    waiting = f", {found.pending} waiting for their vectors" if found.pending else ""
    return [
        ("store", found.path),
        ("on disk", f"{found.bytes_on_disk / _MEGABYTE:.1f} MB"),
        ("memories", _counts(found.states)),
        ("passages", f"{found.passages}{waiting}"),
        ("spaces", _counts(found.spaces)),
        ("kinds", _counts(found.kinds)),
        ("tags", _counts(found.tags)),
        ("model", f"{found.model} ({found.fingerprint})"),
        ("format", f"{found.format}, lancedb {found.lancedb}"),
    ]


def _standing(status: Status) -> list[tuple[str, str]]:
    """Return what goes on now, where anything does."""
    busy = [f"{duty.name} {duty.state}" for duty in status.duties if duty.state != "idle"]
    rows = [
        ("changing", status.switch),
        ("kept", status.backup),
        ("written by", status.holder),
        ("background", ", ".join(busy)),
    ]
    return [(name, value) for name, value in rows if value]


def _counts(of: dict[str, int]) -> str:
    most = sorted(of.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{count} {name}" for name, count in most[:_TOP])
    return shown + (f" and {len(most) - _TOP} more" if len(most) > _TOP else "") or "none"


@overview.verb("paths", example="memdesk paths\nmemdesk paths --json | jq -r .store")
@as_json
@pass_desk
def paths(desk: Desk, *, json_: bool) -> None:
    """Show where memdesk keeps its files; creates nothing."""
    settings = desk.settings
    places = {
        "store": str(settings.home),
        "config": str(settings.config_file),
        "logs": str(settings.logs),
    }
    if json_:
        put_json(places)
        return
    for name, place in places.items():
        put(f"{name + ':':<8}{place}")
