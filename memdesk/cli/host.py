"""`memdesk host`: what an AI host may do and see."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from memdesk.cli.command import Verbs, as_json, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.terminal import one_line, put, say
from memdesk.memory import PERSONAL
from memdesk.rules import HostRules

if TYPE_CHECKING:
    from memdesk.cli.root import Desk

hosting = Verbs()

_ASKED = 2000
"""Requests of hosts in which their names are looked for."""


@hosting.verb(
    "host",
    example="memdesk host\n"
    "memdesk host claude-code --read-only\n"
    "memdesk host cursor-vscode --spaces website,blog --no-personal\n"
    "memdesk host claude-code --json",
)
@click.argument("name", required=False)
@click.option("--read-only/--read-write", default=None, help="Whether it may recall, not change.")
@click.option("--pause/--resume", default=None, help="Whether it gets nothing at all for now.")
@click.option("--spaces", metavar="S,S…", help="It may use these spaces, and no others.")
@click.option("--all-spaces", is_flag=True, help="It may use every space.")
@click.option("--personal/--no-personal", default=None, help="Whether it may use `personal`.")
@as_json
@pass_desk
def host(
    desk: Desk,
    name: str | None,
    *,
    read_only: bool | None,
    pause: bool | None,
    spaces: str | None,
    all_spaces: bool,
    personal: bool | None,
    json_: bool,
) -> None:
    """Show what an AI host may do and see, or change it; without a NAME, show all hosts.

    A host is known by the name it gives itself, which `memdesk activity` shows, or by that which
    `memdesk install` has for it.
    """
    said = {"read_only": read_only, "paused": pause, "personal": personal}
    changes = {field: value for field, value in said.items() if value is not None}
    listed = _spaces(spaces, all_spaces=all_spaces)
    if name is None:
        if changes or listed:
            raise click.UsageError("say which host: memdesk host NAME …")
        _put_all(desk, json_=json_)
        return
    name = _own_name(name)
    known = desk.service.host_rules().get(_folded(name), HostRules())
    if changes or listed:
        known = _changed(known, listed, changes)
        known = desk.service.set_host_rules(name, known)
        _say_unknown(desk, name)
        _say_empty(desk, known)
    _put(_folded(name), known, json_=json_)


def _spaces(named: str | None, *, all_spaces: bool) -> list[tuple[str, ...] | None]:
    """Return the spaces that were said, None for all of them; an empty list where nothing was said."""
    if named is not None and all_spaces:
        raise click.UsageError("say either --spaces or --all-spaces")
    if all_spaces:
        return [None]
    if named is None:
        return []
    found = tuple(each.strip() for each in named.split(",") if each.strip())
    if not found:
        raise click.UsageError("--spaces names no space")
    return [found]


def _changed(
    known: HostRules, listed: list[tuple[str, ...] | None], changes: dict[str, bool]
) -> HostRules:
    changed = HostRules(
        changes.get("read_only", known.read_only),
        changes.get("paused", known.paused),
        known.spaces,
        changes.get("personal", known.personal),
    )
    for spaces in listed:
        if spaces and PERSONAL in spaces and changes.get("personal") is False:
            raise click.UsageError(f"--spaces names {PERSONAL}, and --no-personal takes it away")
        changed = replace(changed, spaces=spaces)
    return changed


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _own_name(name: str) -> str:
    """Return the name that a host gives itself, of the one that `memdesk install` has for it."""
    from memdesk.hosts import HOSTS

    return next((host.client for host in HOSTS if host.name == _folded(name)), name)


def _names(desk: Desk) -> list[str]:
    """Return the names of the hosts that have asked something lately."""
    return sorted({_folded(each.host) for each in desk.service.activity(limit=_ASKED)})


def _say_unknown(desk: Desk, name: str) -> None:
    """Say where no host of a name has asked anything: it may be a slip."""
    if desk.settings.activity and _folded(name) not in (names := _names(desk)):
        known = ", ".join(map(one_line, names)) or "none"
        say(f"no host of this name has asked anything lately; known are: {known}")


def _say_empty(desk: Desk, rules: HostRules) -> None:
    """Say which of the spaces have nothing in them: they may be slips."""
    if rules.spaces and (empty := set(rules.spaces) - desk.service.stats().spaces.keys()):
        say(f"nothing is remembered in {', '.join(map(one_line, sorted(empty)))} yet")


def _put_all(desk: Desk, *, json_: bool) -> None:
    rules = desk.service.host_rules()
    names = sorted({*rules, *_names(desk)})
    for name in names:
        _put(name, rules.get(name, HostRules()), json_=json_)
    if not names:
        say("no host has asked anything yet, and none has rules")


def _put(name: str, rules: HostRules, *, json_: bool) -> None:
    if json_:
        put_json(rules, name=name)
    else:
        put(f"{one_line(shlex.quote(name))}: {rule_words(rules)}")


def rule_words(rules: HostRules) -> str:
    """Return what a host may do and see, in a few words."""
    if rules.paused:
        return "paused; else " + rule_words(replace(rules, paused=False))
    spaces = "every space" if rules.spaces is None else ", ".join(rules.spaces)
    if rules.spaces is not None and rules.personal:
        spaces = ", ".join((*rules.spaces, PERSONAL))
    elif not rules.personal:
        spaces += f", not {PERSONAL}"
    return f"{'reads only' if rules.read_only else 'reads and writes'} in {spaces}"
