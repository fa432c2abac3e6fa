"""`memdesk sync`: what waits for remotes, whose memories those are, and the exchange with them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from memdesk.answers import document
from memdesk.cli.audience import MOST, parcels, say_deleted_there
from memdesk.cli.changes import ask_first, how_many, show_changed
from memdesk.cli.command import Verbs, as_json, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.finding import finding
from memdesk.cli.remote import headline, remotes, standing_of, terms
from memdesk.cli.root import open_remotes
from memdesk.cli.terminal import Progress, flush, one_line, put, say
from memdesk.errors import MemdeskError
from memdesk.memory import Edit, now
from memdesk.moment import age
from memdesk.remotes import PULL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memdesk.cli.root import Desk
    from memdesk.remotes import Parcel, Remote, Standing, Synced

_ID = "7b9ad6a1-6f2e-4d0c-9c0b-0d8f6a1b2c3d"
_NAMED = 20
_INDENT = " " * 4
_ids = click.argument("ids", metavar="ID...", nargs=-1, required=True)


@click.group(cls=Verbs, short_help="Share memories with a server; see first what leaves.")
def sync() -> None:
    """Memories that are shared with a server, such as your team's.

    A memory goes to a remote only when it is shared with it by name. See docs/SYNC.md.

    Example: memdesk sync add team https://memory.example.org
    """


for _name, _command in {**remotes.commands, **finding.commands}.items():
    sync.add_command(_command, _name)


@sync.verb(
    "status",
    example="memdesk sync status\nmemdesk sync status team --payload",
)
@click.argument("name", required=False)
@click.option(
    "--payload", is_flag=True, help="Show the JSON that leaves for each memory, with line breaks."
)
@click.option(
    "--limit",
    "-n",
    type=click.IntRange(1, MOST),
    default=100,
    show_default=True,
    help="The most memories to show.",
)
@as_json
@pass_desk
def status(desk: Desk, name: str | None, *, payload: bool, limit: int, json_: bool) -> None:
    """Show how each remote stands; with a NAME also the memories that wait for it.

    Nothing leaves this machine for that.
    """
    if name is None:
        if payload:
            raise click.UsageError("say of which remote: memdesk sync status NAME --payload")
        _put_standings(desk.service.remotes(), json_=json_)
        return
    outbox = desk.service.outbox(name, limit=limit)
    standing = standing_of(desk, name)
    if json_:
        parcels = [_fields(each, payload=payload) for each in outbox.parcels]
        put_json(standing, parcels=parcels, total=outbox.total)
    else:
        _put_standing(standing)
        for each in outbox.parcels:
            _put_parcel(each, payload=payload)
    flush()
    _say_rest(outbox.total - len(outbox.parcels))
    if any(each.way == PULL for each in outbox.parcels):
        say(f"have what came and is held tried again: memdesk sync retry {name}")


def _put_standings(standings: Sequence[Standing], *, json_: bool) -> None:
    for each in standings:
        put_json(each) if json_ else _put_standing(each)
    if not standings:
        _say_none()


def _say_none() -> None:
    say("there is no remote yet; add one: memdesk sync add NAME URL")


def _put_standing(standing: Standing) -> None:
    put(headline(standing.remote))
    for line in (*_how_it_stands(standing), *terms(standing.remote), *standing.cannot):
        put(_INDENT + one_line(line))


def _how_it_stands(standing: Standing) -> list[str]:
    at = now()
    many = standing.waiting
    waits = f"{how_many(many)} {'waits' if many == 1 else 'wait'}" if many else "nothing waits"
    told = [waits + (f", {standing.held} held back" if standing.held else "")]
    told.append(f"last synced {_ago(standing)}" if standing.synced_at else "not synced yet")
    told += [f"last error: {standing.error}"] if standing.error else []
    if standing.error and standing.remote.auto and not standing.retry_at:
        told.append(
            f"the background has stopped; go on with: memdesk sync now {standing.remote.name}"
        )
    if standing.retry_at:
        again = age(standing.retry_at, at)
        told.append(f"tried again {again if again.startswith('in ') else 'now'}")
    told.append(
        f"key in the {_PLACES.get(standing.key, standing.key)}" if standing.key else "no key"
    )
    return told


_PLACES = {"keyring": "system's keyring", "file": "store's folder, unencrypted"}


def _ago(standing: Standing) -> str:
    assert standing.synced_at
    when = age(standing.synced_at, now())
    return "just now" if when == "now" else f"{when} ago"


def _fields(parcel: Parcel, *, payload: bool) -> dict[str, object]:
    told: dict[str, object] = document(replace(parcel, title=_title(parcel)))
    return told if payload else {name: told[name] for name in told if name != "payload"}


def _title(parcel: Parcel) -> str:
    """Return what a memory is listed by; of one that stays back no word that may be a secret."""
    from memdesk.suspicion import SECRET, secrets

    hidden = parcel.held and (SECRET in parcel.held or secrets(parcel.title))
    return "(hidden: may hold a secret)" if hidden else parcel.title


def _put_parcel(parcel: Parcel, *, payload: bool) -> None:
    size = f"{parcel.size:,} B" if parcel.size else ""
    parts = (parcel.id, parcel.way, size, _title(parcel))
    put(one_line("  ".join(part for part in parts if part)))
    if parcel.held:
        put(f"{_INDENT}held back: {one_line(parcel.held)}")
    elif not parcel.payload:
        put(f"{_INDENT}nothing leaves for it: this kind of server cannot do that")
    if payload and parcel.payload:
        put(parcel.payload)


def _say_rest(more: int) -> None:
    if more > 0:
        say(f"and {more} more")


@sync.verb(
    "push",
    example="memdesk sync push --dry-run\nmemdesk sync push team",
)
@click.argument("name", required=False)
@click.option("--dry-run", "dry", is_flag=True, help="Show what would leave, and send nothing.")
@as_json
@pass_desk
def push(desk: Desk, name: str | None, *, dry: bool, json_: bool) -> None:
    """Send what waits to a remote, or to all of them."""
    if dry:
        _show_leaving(desk, name, json_=json_)
    else:
        _exchange(desk, name, "pushing", pull=False, json_=json_)


@sync.verb("pull", example="memdesk sync pull team")
@click.argument("name", required=False)
@as_json
@pass_desk
def pull(desk: Desk, name: str | None, *, json_: bool) -> None:
    """Fetch what is new at a remote, or at all of them."""
    _exchange(desk, name, "pulling", push=False, json_=json_)


@sync.verb("now", example="memdesk sync now\nmemdesk sync now team --json | jq .pulled")
@click.argument("name", required=False)
@as_json
@pass_desk
def now_(desk: Desk, name: str | None, *, json_: bool) -> None:
    """Fetch what is new at a remote and send what waits, or at all of them.

    Ends with 1 where one could not be synced; the others were.
    """
    _exchange(desk, name, "syncing", json_=json_)


def _show_leaving(desk: Desk, name: str | None, *, json_: bool) -> None:
    """Print what the next push would send, and send nothing."""
    names = [name] if name is not None else [each.remote.name for each in desk.service.remotes()]
    if not names:
        _say_none()
    for each in names:
        outbox = desk.service.outbox(each, limit=MOST)
        waiting = standing_of(desk, each).waiting
        going = tuple(parcel for parcel in outbox.parcels if not parcel.held)
        if json_:
            put_json(replace(outbox, parcels=going, total=waiting))
        else:
            put(f"{each}: {how_many(waiting)} would leave")
            for parcel in going:
                _put_parcel(parcel, payload=True)
        flush()
        _say_rest(waiting - len(going))


def _exchange(
    desk: Desk, name: str | None, label: str, *, push: bool = True, pull: bool = True, json_: bool
) -> None:
    with Progress(label) as progress:
        done = desk.service.sync(name or "", push=push, pull=pull, progress=progress)
    for told in done:
        put_json(told) if json_ else put(f"{told.remote}: {_what_came_of_it(told)}")
        flush()
        if told.error:
            say(f"{told.remote}: {told.error}")
    _explain(done)
    if not done:
        _say_none()
    if any(told.error for told in done):
        raise click.exceptions.Exit(MemdeskError.exit_code)


def _what_came_of_it(told: Synced) -> str:
    counts = {
        "pushed": told.pushed,
        "deleted there": told.deleted,
        "left there as they were": told.kept,
        "pulled": told.pulled,
        "moved to the trash here": told.trashed,
        "changed on both sides": told.conflicts,
        "held back": told.held,
    }
    words = [f"{count:,} {what}" for what, count in counts.items() if count]
    return ", ".join(words) or ("not synced" if told.error else "nothing new")


def _explain(done: Sequence[Synced]) -> None:
    """Say once what to do about what came of all exchanges."""
    held = [told.remote for told in done if told.held]
    if held:
        name = held[0] if len(held) == 1 else "NAME"
        say(f"why something is held back: memdesk sync status {name}")
    if any(told.conflicts for told in done):
        say(
            "what changed on both sides has the later text; the other is in its history: memdesk inbox"
        )


@sync.verb("retry", example=f"memdesk sync retry team\nmemdesk sync retry team {_ID}")
@click.argument("name")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@pass_desk
def retry(desk: Desk, name: str, ids: tuple[str, ...]) -> None:
    """Have what is held back at a remote tried again, all of it or the IDs that status shows."""
    many = desk.service.retry(name, ids)
    say(f"{many:,} tried again with the next exchange: memdesk sync now {name}")


@sync.verb("share", example=f"memdesk sync share team {_ID}")
@click.argument("name")
@_ids
@as_json
@pass_desk
def share(desk: Desk, name: str, ids: tuple[str, ...], *, json_: bool) -> None:
    """Let memories go to a remote, besides those they may go to already.

    Prints the ids that this changed.
    """
    remote = open_remotes(desk.settings.home)[0].get(name)
    shared = _revise(desk, name, ids, shared=True, json_=json_)
    held = [each for each in parcels(desk, name, shared) if each.held]
    for each in held[:_NAMED]:
        say(f"{each.id} is held back: {each.held}")
    _say_rest(len(held) - _NAMED)
    say(f"see what leaves: memdesk sync status {name} --payload")
    by_itself = "it leaves by itself, while the daemon runs"
    say(by_itself if remote.auto else f"send it: memdesk sync push {name}")


@sync.verb("unshare", example=f"memdesk sync unshare team {_ID}")
@click.argument("name")
@_ids
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@as_json
@pass_desk
def unshare(desk: Desk, name: str, ids: tuple[str, ...], *, yes: bool, json_: bool) -> None:
    """Let memories go to a remote no longer, and have it delete them, for everybody.

    Asks first where others wrote some of them. NAME may be a remote that was removed. Prints the
    ids that this changed.
    """
    known = {each.name: each for each in open_remotes(desk.settings.home)[0].all()}
    remote = known.get(name)
    if remote and not yes:
        _ask_about_others(desk, remote, ids)
    unshared = _revise(desk, name, ids, shared=False, json_=json_)
    if remote is None:
        say(f"{one_line(name)} is no remote, so it is not told to delete anything")
        return
    say_deleted_there(desk, name, set(unshared))


def _ask_about_others(desk: Desk, remote: Remote, ids: Sequence[str]) -> None:
    """Ask whether a remote shall delete what came from there: nobody has it then."""
    many = sum(
        each.source.trust == "remote" and remote.name in each.audience
        for each in desk.service.get(ids)
    )
    if many:
        words = f"Others wrote {how_many(many)} of these. {remote.name} deletes that for everybody. Go on?"
        ask_first("unshare", words)


def _revise(
    desk: Desk, name: str, ids: Sequence[str], *, shared: bool, json_: bool
) -> Iterable[str]:
    """Put a remote into memories' audiences or take it out; return the ids in their usual form."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for memory in desk.service.get(ids):
        others = tuple(each for each in memory.audience if each != name)
        known = memory.audience if name in memory.audience else (*others, name)
        groups.setdefault(known if shared else others, []).append(memory.id)
    words = f"shared with “{name}”" if shared else f"no longer shared with “{name}”"
    for audience, some in groups.items():
        changed = desk.service.revise_many(some, Edit(audience=audience))
        show_changed(changed, words, json_=json_)
    return {id for some in groups.values() for id in some}
