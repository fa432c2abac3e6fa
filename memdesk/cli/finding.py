"""`memdesk sync discover`: the servers that announce themselves on this network."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import click

from memdesk.cli.command import Verbs, as_json
from memdesk.cli.data import put_json
from memdesk.cli.remote import NOW, OVERHEARD
from memdesk.cli.terminal import one_line, put, say

if TYPE_CHECKING:
    from memdesk.sync.discovery import Seen

finding = Verbs()


@finding.verb(
    "discover",
    example="memdesk sync discover\nmemdesk sync discover --seconds 10 --json | jq -r .url",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 60),
    default=3.0,
    show_default=True,
    help="How long to listen.",
)
@as_json
def discover(*, seconds: float, json_: bool) -> None:
    """List the servers that announce themselves on this network; no key is sent to any.

    Anybody on the network may announce anything: compare before you add one.
    """
    from memdesk.sync.discovery import discover as listen

    found = sorted(listen(seconds), key=lambda each: not each.secured)
    for each in found:
        if json_:
            put_json(each, secured=each.secured)
            continue
        wants = "wants a key" if each.wants_key else ""
        told = (each.name, each.url, each.version, wants, each.trouble)
        put("  ".join(one_line(part) for part in told if part))
    if not found:
        say("no server announces itself; one that you know of: memdesk sync add NAME URL")
    for each in found:
        say(_adding(each))


def _adding(seen: Seen) -> str:
    """Return how to add a server, in words."""
    name = re.sub(r"[^a-z0-9]+", "-", seen.name.lower()).strip("-")[:40] or "team"
    command = f"memdesk sync add {name} {shlex.quote(seen.url)}"
    if not seen.secured:
        return f"if you know it: {command} --insecure ({OVERHEARD})"
    return f"if you know it: {command} --pin {NOW}"
