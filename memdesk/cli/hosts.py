"""`memdesk hosts`: which AI hosts start memdesk, and whether it starts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from memdesk.cli.command import Verbs, as_json, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.terminal import flush, one_line, put, say
from memdesk.config import HOME
from memdesk.errors import MemdeskError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memdesk.answers import Finding
    from memdesk.cli.root import Desk
    from memdesk.doctor.rounds import Case
    from memdesk.hosts import Config, Entry, Surroundings

started = Verbs()

_WORST = ("good", "note", "warning", "problem")


@started.verb("hosts", example="memdesk hosts\nmemdesk hosts --json | jq -r .command[0]")
@as_json
@pass_desk
def hosts(desk: Desk, *, json_: bool) -> None:
    """Show which AI hosts start memdesk, with which command, and whether it still starts.

    Starts each one's server as that host does. Ends with 1 where one does not start.
    """
    from memdesk.answers import Finding
    from memdesk.cli.doctor import case_of
    from memdesk.doctor.rounds import Round
    from memdesk.doctor.starting import of_entries
    from memdesk.hosts import configs

    case = case_of(desk, desk.settings)
    round_ = Round(case.around.home)
    levels: list[str] = []
    found = configs(case.around)
    for config in found:
        if config.trouble:
            told = Finding(config.host.title, "problem", f"its configuration {config.trouble}")
            levels.append(_put(case, config, None, [told], json_=json_))
    for config, entry, check in of_entries(case, found):
        heard = [finding for _, finding in round_.go([check])]
        levels.append(_put(case, config, entry, heard, json_=json_))
    without = [config for config in found if not config.entries and not config.trouble]
    _tell_without(case.around, levels, without)
    if round_.unfinished:
        flush()
        os._exit(int("problem" in levels))  # a server that hangs would hang at the end, too
    if "problem" in levels:
        raise click.exceptions.Exit(MemdeskError.exit_code)


def _put(
    case: Case, config: Config, entry: Entry | None, found: Sequence[Finding], *, json_: bool
) -> str:
    """Print one entry and what was found about it; return the worst of it."""
    level = max((finding.level for finding in found), key=_WORST.index, default="good")
    if json_:
        put_json(_document(case, config, entry, found, level))
    else:
        _put_words(case, config, entry, found)
    flush()
    return level


def _put_words(case: Case, config: Config, entry: Entry | None, found: Sequence[Finding]) -> None:
    put(f"{config.host.name:<15} {case.shown(config.file)}")
    if entry:
        put(f"{'':<15} {one_line(_command(case, entry))}{_names(case, entry)}")
    for finding in found:
        mark = "" if finding.level == "good" else f"{finding.level}: "
        put(f"{'':<15} {mark}{one_line(finding.words)}")
        if finding.next:
            put(f"{'':<15} → {one_line(finding.next)}")


def _command(case: Case, entry: Entry) -> str:
    """Return the command, with those arguments that tell no key."""
    words = [case.quoted(entry.command) or "no command", *_plain(entry.args)]
    return " ".join(words)


def _plain(args: Sequence[str]) -> list[str]:
    """Return arguments as far as they are memdesk's own: others may be keys."""
    ours = ("mcp", "-P", "-m", "memdesk", "--direct", "--space", "--tools")
    return [
        word if word in ours or args[at - 1] in ("--space", "--tools") else "…"
        for at, word in enumerate(args)
    ]


def _names(case: Case, entry: Entry) -> str:
    name = f", as “{entry.name}”" if entry.name != "memdesk" else ""
    folder = f", in the project {case.shown(entry.folder)}" if entry.folder else ""
    return one_line(name + folder)


def _document(
    case: Case, config: Config, entry: Entry | None, found: Sequence[Finding], level: str
) -> dict[str, object]:
    from memdesk.answers import document

    told: dict[str, object] = {"host": config.host.name, "file": str(config.file), "level": level}
    if entry:
        told |= {"name": entry.name, "folder": entry.folder, "enabled": entry.enabled}
        told |= {"command": [entry.command, *_plain(entry.args)]}
        told |= {"store": entry.env.get(HOME, "")}
    return told | {"findings": [document(finding) for finding in found]}


def _tell_without(around: Surroundings, levels: Sequence[str], without: Iterable[Config]) -> None:
    from memdesk.hosts import HOSTS

    names = {config.host.name for config in without}
    names |= {host.name for host in HOSTS if host.targets(around, named=False)} - {
        host.name for host in HOSTS if host.present(around)
    }
    there = [host.name for host in HOSTS if host.name in names]
    if there:
        say(f"without memdesk: {', '.join(there)}; to connect one: memdesk install {there[0]}")
    elif not levels:
        say("no AI host that memdesk knows is on this machine")
