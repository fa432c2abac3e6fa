"""`memdesk erase`: everything of memdesk off this machine, after one clear question."""

from __future__ import annotations

import socket
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from memdesk.cli.changes import ask_first, how_many, must_answer
from memdesk.cli.command import Verbs, as_json
from memdesk.cli.connecting import held_by_hosts, take_out
from memdesk.cli.data import put_json
from memdesk.cli.root import open_in_process, open_remotes
from memdesk.cli.terminal import one_line, put, say
from memdesk.config import places
from memdesk.errors import Invalid, MemdeskError, StoreError
from memdesk.link.start import Turn
from memdesk.link.visit import NoDaemon, Refused, ask, dismiss

if TYPE_CHECKING:
    from pathlib import Path

    from memdesk.belongings import Belongings
    from memdesk.cli.connecting import Held
    from memdesk.config import Settings

erasing = Verbs()

_NAMED = 10


@erasing.verb("erase", example="memdesk erase\nmemdesk erase --yes")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@as_json
def erase(*, yes: bool, json_: bool) -> None:
    """Erase the store and all that memdesk keeps beside it, for good.

    Restore points, backups in the store's folder, models.json, logs, settings, the remotes and their
    keys, the login item and memdesk's entries in AI hosts' files go with it; what remotes have, backup
    files elsewhere and other people's files stay. Asks first. Killed on the way, it goes on when it is called again. Prints what was removed.
    """
    from memdesk.belongings import Belongings

    settings = places()
    ours = Belongings(settings.home, settings.config_file, settings.logs)
    item = _login_item(settings.home)
    hosts = held_by_hosts(settings.home)
    if not ours.found() and item is None and not hosts:
        say(f"there is nothing of memdesk in {settings.home}")
        if json_:
            put_json({"removed": [], "left": [], "hosts": [], "keys": []})
        return
    connected = _connected(settings.home)
    if not yes:
        must_answer("erase")
        for name in connected:
            say(f"{one_line(name)} is connected: end it first, or it begins an empty store")
        words = f"{_all_of(settings, ours, item)}{_of_hosts(hosts)} This cannot be undone. Erase?"
        ask_first("erase", words)
    elsewhere = ours.backups_elsewhere()
    changed = take_out(settings.home, hosts)
    removed, keys = _remove(settings, ours, item)
    left = [*elsewhere, *ours.strangers()]
    _tell(removed, left, changed, keys, json_=json_)
    _tell_hosts(settings, connected)


def _all_of(settings: Settings, ours: Belongings, item: Path | None) -> str:
    """Return in words and numbers what will be gone."""
    parts = [_memories(settings)]
    parts += [_count(len(ours.points()), "restore point"), _count(len(ours.backups()), "backup")]
    parts += ["the settings and logs"]
    remotes = (settings.home / "remotes.json").exists()
    parts += ["the remotes with their keys"] if remotes else []
    parts += ["the login item"] if item else []
    words = f"This erases {', '.join(parts[:-1])} and {parts[-1]} in {settings.home}."
    elsewhere = ours.backups_elsewhere()
    if elsewhere:
        words += f" {_count(len(elsewhere), 'backup')} elsewhere: not touched."
    if remotes:
        words += " What remotes have stays there."
    return words


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _memories(settings: Settings) -> str:
    """Return how many memories there are, in words; a store that cannot be opened tells no number."""
    if not (settings.home / "store.json").exists():
        return "no memories"
    try:
        service = open_in_process(settings, background=False)
        states = service.stats().states
        service.close(timeout=0)
    except MemdeskError as error:
        return f"a store that cannot be opened ({error})"
    return how_many(sum(states.values()) - states.get("tombstone", 0))


def _login_item(home: Path) -> Path | None:
    from memdesk.daemon import login

    try:
        file = login.login_item((), home, sys.platform).file
    except Invalid:  # none can be made for such a path
        return None
    return file if file.exists() else None


def _connected(home: Path) -> list[str]:
    """Return the names of the hosts and desks that the daemon serves now."""
    try:
        told = ask(str(home), {"do": "status"}) if home.is_dir() else None
    except (NoDaemon, Refused):
        return []
    guests = told.get("guests") if told else None
    names = {"mcp": "a host", "service": "a desk or command"}
    return [
        f"{(each['kind'] == 'mcp' and each['name']) or names[each['kind']]} (process {each['pid']})"
        for each in (guests if isinstance(guests, list) else [])
        if each["kind"] in names
    ]


def _remove(
    settings: Settings, ours: Belongings, item: Path | None
) -> tuple[list[Path], tuple[str, ...]]:
    """Remove everything while no daemon can start; return what is gone, and keys that are not."""
    from memdesk.daemon import login

    home = settings.home
    with ExitStack() as stack:
        if home.is_dir() and hasattr(socket, "AF_UNIX"):
            try:
                stack.enter_context(Turn(str(home))).wait()
            except NoDaemon as error:
                raise StoreError(str(error)) from None
        if item is not None:
            for line in login.uninstall(home):
                say(line)
        try:
            dismiss(str(home), "memdesk erase")
        except NoDaemon as error:
            raise StoreError(f"the daemon cannot be ended: {error}") from None
        keys = _drop_keys(home)
        return ours.remove(), keys


def _drop_keys(home: Path) -> tuple[str, ...]:
    """Have the system's keyring forget the keys of remotes; return which it did not let go of."""
    from memdesk.sync.keys import FILE, SERVICE

    if not (home / FILE).exists():
        return ()
    try:
        return open_remotes(home)[1].drop_all()
    except StoreError as error:
        say(f"keys of remotes may be left in the system's keyring, under {SERVICE}: {error}")
        return ()


def _of_hosts(hosts: list[Held]) -> str:
    titles = dict.fromkeys(each.host.title for each in hosts)
    return f" {', '.join(titles)} will no longer start memdesk." if titles else ""


def _tell(
    removed: list[Path],
    left: list[Path],
    changed: list[Path],
    keys: tuple[str, ...],
    *,
    json_: bool,
) -> None:
    if json_:
        told = {"removed": removed, "left": left, "hosts": changed, "keys": keys}
        put_json({name: [str(each) for each in all_] for name, all_ in told.items()})
    else:
        for path in removed:
            put(one_line(str(path)))
    for path in changed:
        say(f"memdesk was taken out of {one_line(str(path))}")
    say(f"erased: {len(removed)} files and folders")
    for path in left[:_NAMED]:
        say(f"left as it is: {one_line(str(path))}")
    if len(left) > _NAMED:
        say(f"and {len(left) - _NAMED} more")
    for account in keys:
        say(f"left in the system's keyring, under memdesk; remove it there: {one_line(account)}")


def _tell_hosts(settings: Settings, connected: list[str]) -> None:
    """Say who would begin an empty store by asking for it."""
    for name in connected:
        say(f"{one_line(name)} is still connected and begins an empty store when it asks: end it")
    for name in _configured(settings):
        say(f"memdesk is still in the settings of {one_line(name)}: take it out there")


def _configured(settings: Settings) -> list[str]:
    from memdesk.config import HOME
    from memdesk.hosts.entries import entries
    from memdesk.hosts.known import Surroundings

    usual = places({}).home
    return [
        f"{entry.host.title} ({entry.file})"
        for entry in entries(Surroundings())
        if entry.env.get(HOME, str(usual)) == str(settings.home)
    ]
