"""What each AI host may do and see: whether that can be read, and who is kept from something."""

from __future__ import annotations

import shlex
from functools import partial
from typing import TYPE_CHECKING

from memdesk.answers import Finding
from memdesk.doctor.rounds import GOOD, NOTE, PROBLEM, Check, counted
from memdesk.doctor.starting import GROUP
from memdesk.errors import StoreError
from memdesk.service.hosts import FILE, Hosts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memdesk.doctor.rounds import Case
    from memdesk.rules import HostRules

_ABOUT = "rules"


def checks(case: Case) -> Iterator[Check]:
    """Yield the check of the rules, if there are any."""
    if (case.home / FILE).exists():
        yield Check(GROUP, _ABOUT, partial(_look, case))


def _look(case: Case) -> Iterator[Finding]:
    file = case.home / FILE
    try:
        rules = Hosts(case.home).rules()
    except StoreError:
        words = f"{case.shown(file)} cannot be read, so no host may do anything"
        again = f"remove {case.quoted(file)}, and say anew what each may: memdesk host NAME"
        yield Finding(_ABOUT, PROBLEM, words, again)
        return
    limited = [found for name, each in sorted(rules.items()) for found in _limits(name, each)]
    yield from limited
    if not limited:
        words = f"{counted(len(rules), 'host')} with rules, none is paused or only reads"
        yield Finding(_ABOUT, GOOD, words)


def _limits(name: str, rules: HostRules) -> Iterator[Finding]:
    """Yield what a host is kept from; which spaces, is nobody else's business."""
    back = f"if that is not on purpose: memdesk host {shlex.quote(name)}"
    if rules.paused:
        yield Finding(_ABOUT, NOTE, f"{name} is paused: it gets nothing", f"{back} --resume")
    elif rules.read_only:
        yield Finding(_ABOUT, NOTE, f"{name} only reads: it saves nothing", f"{back} --read-write")
