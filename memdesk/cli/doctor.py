"""`memdesk doctor`: what is wrong on this machine, and what to do about it."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

import click

from memdesk.cli.command import Verbs, as_json, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.terminal import flush, one_line, put
from memdesk.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memdesk.answers import Finding
    from memdesk.cli.root import Desk
    from memdesk.config import Settings
    from memdesk.doctor.rounds import Case, Check, Round

doctors = Verbs()

_MARKS = {"good": "ok", "note": "note", "warning": "WARNING", "problem": "PROBLEM"}
_SETTINGS = "Settings"


@doctors.verb(
    "doctor",
    example="memdesk doctor\nmemdesk doctor --prove\nmemdesk doctor --json | jq '.findings[].words'",
)
@click.option(
    "--prove", is_flag=True, help="Save, find and forget a line; restore the last copy elsewhere."
)
@click.option(
    "--passphrase-file",
    type=click.Path(),
    metavar="FILE",
    help="With --prove: open an encrypted backup with this file's first line.",
)
@as_json
@pass_desk
def doctor(desk: Desk, *, prove: bool, passphrase_file: str | None, json_: bool) -> None:
    """Look for what is wrong: hosts, program, folder, processes, store; ends with 1 for a problem.

    Changes nothing. The report holds no memory and no key, so it can be shown to others.
    """
    from memdesk.cli.backup import first_line

    secret = first_line(passphrase_file) if passphrase_file else None
    visit = _Visit(desk, secret, prove=prove)
    levels = _put_all(visit) if json_ else _put_lines(visit)
    status = int("problem" in levels)
    if visit.round.unfinished:
        flush()
        os._exit(status)  # a library that hangs would hang at the end, too
    if status:
        click.get_current_context().exit(status)


class _Visit:
    """One look at everything, as far as the settings tell where that is."""

    def __init__(self, desk: Desk, passphrase: str | None, *, prove: bool) -> None:
        self._desk = desk
        self._passphrase = passphrase
        self._prove = prove

    @cached_property
    def settings(self) -> tuple[Settings, Finding | None]:
        """The settings, or what can be told without them and why they cannot be used."""
        from memdesk.answers import Finding
        from memdesk.config import places

        try:
            return self._desk.settings, None
        except Invalid as error:
            where = places()  # where even that is none, the error tells what to do
            mend = "mend that line: until then nothing of memdesk starts"
            return where, Finding("settings", "problem", str(error), mend)

    @cached_property
    def case(self) -> Case:
        """What is looked at."""
        return case_of(self._desk, self.settings[0], self._passphrase)

    @cached_property
    def round(self) -> Round:
        """The visit of all checks."""
        from memdesk.doctor.rounds import Round

        return Round(self.case.around.home)

    def findings(self) -> Iterator[tuple[str, Finding]]:
        """Yield each finding under its group's heading, in the order they are told."""
        wrong = self.settings[1]
        if wrong:
            yield _SETTINGS, wrong
        for check, finding in self.round.go(self._checks()):
            yield check.group, finding

    def _checks(self) -> Iterator[Check]:
        from memdesk.doctor import contents, folder, processes, program, proof, rules, starting

        for room in (program, folder, contents, processes, starting, rules):
            yield from room.checks(self.case)
        if self._prove and self.round.unfinished:
            yield proof.unproved(self.round.unfinished)
        elif self._prove:
            yield from proof.checks(self.case)


def case_of(desk: Desk, settings: Settings, passphrase: str | None = None) -> Case:
    """Return what is looked at on this machine."""
    from memdesk.demo import server_command
    from memdesk.doctor.rounds import Case
    from memdesk.hosts import Surroundings

    return Case(
        settings.home,
        settings.logs,
        Surroundings(),
        os.environ,
        tuple(server_command()),
        lambda: desk.service,
        passphrase,
    )


def _put_lines(visit: _Visit) -> list[str]:
    levels: list[str] = []
    heading = ""
    for group, finding in visit.findings():
        if group != heading:
            put(("\n" if heading else "") + group)
            heading = group
        put(f"  {_MARKS[finding.level]:<8} {one_line(f'{finding.about}: {finding.words}')}")
        if finding.next:
            put(f"           → {one_line(finding.next)}")
        levels.append(finding.level)
        flush()
    put(f"\n{_summary(levels)}")
    return levels


def _put_all(visit: _Visit) -> list[str]:
    from memdesk import __version__
    from memdesk.answers import document

    found = list(visit.findings())
    levels = [finding.level for _, finding in found]
    counts = {level: levels.count(level) for level in _MARKS}
    rows = [{"group": group} | document(finding) for group, finding in found]
    put_json({"version": __version__, "counts": counts, "findings": rows})
    return levels


def _summary(levels: list[str]) -> str:
    named = {"problem": "problem", "warning": "warning", "note": "note"}
    parts = [_counted(levels.count(level), word) for level, word in named.items()]
    told = ", ".join(part for part in parts if part) or "nothing is wrong"
    return f"{told}; {levels.count('good')} things are well"


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count > 1)}" if count else ""
