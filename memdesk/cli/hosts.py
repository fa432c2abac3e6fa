"""`memdesk hosts`: which AI hosts start memdesk, and whether it starts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from memdesk.cli.command import Verbs, as_json, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.host import rule_words
from memdesk.cli.terminal import flush, one_line, put, say
from memdesk.config import HOME
from memdesk.errors import MemdeskError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from memdesk.answers import Finding
    from memdesk.cli.root import Desk
    from memdesk.doctor.rounds import Case
    from memdesk.hosts import Config, Entry, Surroundings
    from memdesk.rules import HostRules

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
    rules = _rules(case)
    found = configs(case.around)
    for config in found:
        if config.trouble:
            told = Finding(config.host.title, "problem", f"its configuration {config.trouble}")
            levels.append(_put(_Shown(case, config, None, [told]), json_=json_))
    for config, entry, check in of_entries(case, found):
        heard = [finding for _, finding in round_.go([check])]
        known = rules.get(config.host.client) if _is_here(case, entry) else None
        levels.append(_put(_Shown(case, config, entry, heard, known), json_=json_))
    without = [config for config in found if not config.entries and not config.trouble]
    _tell_without(case.around, levels, without)
    if round_.unfinished:
        flush()
        os._exit(int("problem" in levels))  # a server that hangs would hang at the end, too
    if "problem" in levels:
        raise click.exceptions.Exit(MemdeskError.exit_code)


@dataclass(frozen=True, slots=True)
class _Shown:
    """One entry, or a file that cannot be read, and all that is known of it."""

    case: Case
    config: Config
    entry: Entry | None
    found: Sequence[Finding]
    rules: HostRules | None = None

    @property
    def level(self) -> str:
        return max((finding.level for finding in self.found), key=_WORST.index, default="good")


def _rules(case: Case) -> Mapping[str, HostRules]:
    """Return what hosts may do here that may not do everything, by the names they give themselves."""
    from memdesk.service.hosts import Hosts

    try:
        return Hosts(case.home).rules()
    except StoreError as error:
        say(one_line(str(error)))
        return {}


def _is_here(case: Case, entry: Entry) -> bool:
    """Tell whether an entry starts this store, whose rules are known."""
    return Path(entry.env.get(HOME) or case.home) == case.home


def _put(shown: _Shown, *, json_: bool) -> str:
    """Print one entry and what was found about it; return the worst of it."""
    if json_:
        put_json(_document(shown))
    else:
        _put_words(shown)
    flush()
    return shown.level


def _put_words(shown: _Shown) -> None:
    case, host = shown.case, shown.config.host
    put(f"{host.name:<15} {case.shown(shown.config.file)}")
    if shown.entry:
        put(f"{'':<15} {one_line(_command(case, shown.entry))}{_names(case, shown.entry)}")
    if shown.rules:
        words = f"{rule_words(shown.rules)} (memdesk host {host.client})"
        put(f"{'':<15} rules: {one_line(words)}")
    for finding in shown.found:
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


def _document(shown: _Shown) -> dict[str, object]:
    from memdesk.answers import document

    config, entry = shown.config, shown.entry
    told: dict[str, object] = {"host": config.host.name, "file": str(config.file)}
    told |= {"level": shown.level}
    if entry:
        told |= {"name": entry.name, "folder": entry.folder, "enabled": entry.enabled}
        told |= {"command": [entry.command, *_plain(entry.args)]}
        told |= {"store": entry.env.get(HOME, ""), "rules": document(shown.rules)}
    return told | {"findings": [document(finding) for finding in shown.found]}


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
