"""`memdesk sync add`, `set`, `key` and `remove`: which remotes there are, and their keys."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from memdesk.cli.changes import ask_first, how_many
from memdesk.cli.command import Verbs, pass_desk
from memdesk.cli.root import open_remotes
from memdesk.cli.terminal import one_line, put, say
from memdesk.errors import Invalid, MemdeskError, SyncError
from memdesk.remotes import KINDS, Remote

if TYPE_CHECKING:
    from pathlib import Path

    from memdesk.cli.root import Desk
    from memdesk.remotes import Standing
    from memdesk.sync.keys import Keys
    from memdesk.sync.known import KnownRemotes

remotes = Verbs()

NOW = "now"
"""What `--pin` is given for the certificate that the server shows now."""
_PATIENCE = 30.0
"""How long removing a remote waits for an exchange with it, in seconds."""
_FREE = (
    "Only memories of this space go there and come from there, others are held; may be repeated."
)
_INTO = "Where what comes without one of memdesk's spaces goes"


@remotes.verb(
    "add",
    example="memdesk sync add team https://memory.example.org\n"
    "memdesk sync add team https://10.0.0.7:8443 --pin now --space work",
)
@click.argument("name")
@click.argument("url")
@click.option("--kind", type=click.Choice(KINDS), help="What it is, instead of asking it.")
@click.option("--space", "spaces", metavar="S", multiple=True, help=_FREE)
@click.option("--into", metavar="S", default="", help=f"{_INTO}.")
@click.option(
    "--user", metavar="U", default="", help="Who you are there, where it asks (MemoryOS)."
)
@click.option("--auto", is_flag=True, help="Sync it by itself while the daemon runs.")
@click.option("--insecure", is_flag=True, help="Allow plain http, which others can listen to.")
@click.option("--pin", metavar="SHA256|now", default="", help="The only certificate to believe.")
@click.option("--no-key", is_flag=True, help="It wants no key.")
@pass_desk
def add(
    desk: Desk,
    name: str,
    url: str,
    *,
    kind: str | None,
    spaces: tuple[str, ...],
    into: str,
    user: str,
    auto: bool,
    insecure: bool,
    pin: str,
    no_key: bool,
) -> None:
    """Set up a server that memories may go to; none goes there by that alone.

    Asks for the key without showing it, or reads it from standard input. `--pin now` shows the
    server's certificate first.
    """
    from memdesk.sync.known import checked

    known, keys = open_remotes(desk.settings.home)
    wanted = checked(Remote(name, url, kind or KINDS[0], spaces, into, auto, insecure, user=user))
    if any(each.name == name for each in known.all()):
        words = f"there is a remote “{name}” already; change it by: memdesk sync set {name}"
        raise Invalid("name", words)
    if pin:
        wanted = checked(replace(wanted, fingerprint=_fingerprint(pin, wanted.url)))
    key = "" if no_key else _asked_key(wanted)
    if kind is None:
        wanted = _found(wanted, key)
    place = _keep(desk, known, keys, wanted, key)
    put(headline(wanted))
    _say_place(place)
    _introduce(desk, known, wanted)


def _found(wanted: Remote, key: str) -> Remote:
    """Return a remote as the kind that its server turns out to be."""
    from memdesk.sync.probing import probe

    found = probe(wanted, key)
    if found.about:
        say(f"{wanted.name} calls itself {found.about} {found.version}")
    return replace(wanted, kind=found.kind, url=found.url)


def _keep(desk: Desk, known: KnownRemotes, keys: Keys, wanted: Remote, key: str) -> str:
    """Keep a remote and its key, both or neither; return where the key is."""
    from memdesk.config import private_folder
    from memdesk.sync.ledger import Ledger

    home = private_folder(desk.settings.home)
    # In the background nothing may leave that names it already, before the person has seen it.
    known.add(replace(wanted, auto=False))
    try:
        # Of a remote of this name whose removal was cut short.
        Ledger(home, wanted.name).drop()
        keys.drop(wanted)
        return keys.put(wanted, key) if key else ""
    except BaseException:
        with suppress(MemdeskError):
            keys.drop(wanted)
        known.remove(wanted.name)
        raise


def _introduce(desk: Desk, known: KnownRemotes, wanted: Remote) -> None:
    """Say what a new remote cannot do, and what comes next; have it synced by itself where it may."""
    name = wanted.name
    try:
        standing = standing_of(desk, name)
    except MemdeskError as error:  # the remote is kept, whatever is wrong with the store
        say(str(error))
        return
    named = standing.waiting + standing.held
    if wanted.auto and not named:
        known.change(name, auto=True)
    _say_terms(known.get(name))
    for words in standing.cannot:
        say(words)
    if named:
        say(f"{how_many(named)} may go there already; see them: memdesk sync status {name}")
    if named and wanted.auto:
        say(f"it is not synced by itself before you have: memdesk sync set {name} --auto")
    say(f"share a memory: memdesk sync share {name} ID")
    say(f"send what is shared, and fetch what is there: memdesk sync now {name}")


def standing_of(desk: Desk, name: str) -> Standing:
    """Return how a remote stands; raises `Invalid` where there is none of this name."""
    found = {each.remote.name: each for each in desk.service.remotes()}
    if name not in found:
        open_remotes(desk.settings.home)[0].get(name)
        raise Invalid("name", f"the remote “{name}” was set up just now; try again")
    return found[name]


def headline(remote: Remote) -> str:
    """Return which remote it is, in a line."""
    return one_line(f"{remote.name}: {remote.kind} at {remote.url}")


def terms(remote: Remote) -> list[str]:
    """Return how a remote is set up, in words."""
    spaces = f"accepts only {', '.join(remote.spaces)}" if remote.spaces else "accepts every space"
    told = [spaces, _BY_ITSELF if remote.auto else "syncs when you say so"]
    told += [f"what comes without a space goes to {remote.into}"] if remote.into else []
    told += [f"knows you as {remote.user}"] if remote.user else []
    told += (
        [f"believed with the certificate {remote.fingerprint} only"] if remote.fingerprint else []
    )
    told += [OVERHEARD] if remote.insecure and remote.url.startswith("http:") else []
    return told


def _say_terms(remote: Remote) -> None:
    for words in terms(remote):
        say(words + ("; keep it: memdesk daemon install" if words == _BY_ITSELF else ""))


_BY_ITSELF = "syncs by itself while the daemon runs"
OVERHEARD = "INSECURE: whoever listens on the network reads the key and every memory"


def _say_place(place: str) -> None:
    from memdesk.sync.keys import FILE, IN_FILE

    if place == IN_FILE:
        say(
            f"no keyring of this system works, so the key lies unencrypted in {FILE} in the store's "
            "folder, for you only"
        )
    elif place:
        say("the key is in the system's keyring")


@remotes.verb(
    "set",
    example="memdesk sync set team --auto\nmemdesk sync set team --space work --space blog",
)
@click.argument("name")
@click.option(
    "--auto/--no-auto", default=None, help="Whether it syncs by itself while the daemon runs."
)
@click.option("--space", "spaces", metavar="S", multiple=True, help=_FREE)
@click.option(
    "--any-space", is_flag=True, help="Memories of every space go there and come from there."
)
@click.option("--into", metavar="S", help=f'{_INTO}; "" for one of its own.')
@click.option("--url", metavar="URL", help="Where it is now, path and all.")
@click.option("--user", metavar="U", help="Who you are there, where it asks (MemoryOS).")
@click.option("--pin", metavar="SHA256|now", help="The only certificate to believe.")
@click.option("--no-pin", is_flag=True, help="Believe what this system trusts.")
@click.option("--insecure/--secure", default=None, help="Whether plain http is allowed.")
@pass_desk
def set_(
    desk: Desk,
    /,
    name: str,
    *,
    spaces: tuple[str, ...],
    any_space: bool,
    pin: str | None,
    no_pin: bool,
    **plain: str | bool | None,
) -> None:
    """Change how a remote is set up; what is not given stays as it is.

    With another host or port it has no key: it was for the server before.
    """
    if (spaces and any_space) or (pin and no_pin):
        raise click.UsageError("say either --space or --any-space, and either --pin or --no-pin")
    changed: dict[str, object] = {field: told for field, told in plain.items() if told is not None}
    changed |= {"spaces": spaces} if spaces or any_space else {}
    changed |= {"fingerprint": ""} if no_pin else {}
    if not changed and not pin:
        raise click.UsageError("say what to change by one of the options")
    known, keys = open_remotes(desk.settings.home)
    before = known.get(name)
    if pin:
        changed["fingerprint"] = _fingerprint(pin, str(plain["url"] or before.url))
    after = known.change(name, **changed)
    put(headline(after))
    _say_terms(after)
    _say_what_follows(before, after)
    if after.url != before.url:
        _say_moved(keys, before, after)


def _say_what_follows(before: Remote, after: Remote) -> None:
    """Say what another setting of spaces means for what is there already, and for what comes."""
    if after == before:
        say("it was set up so already")
    if after.spaces != before.spaces and after.spaces:
        say(
            f"what is of another space is held: {after.name} keeps what it has, and nothing is deleted"
        )
    if after.spaces != before.spaces:
        say(
            f"what is held is looked at again with the next exchange: memdesk sync now {after.name}"
        )
    if after.into != before.into:
        say("what has come already stays in the space it is in")


def _say_moved(keys: Keys, before: Remote, after: Remote) -> None:
    """Say what another address means for the key, and for what the server has."""
    from memdesk.sync.trust import origin

    name = after.name
    if origin(before.url) != origin(after.url):
        say(f"a key is for one server: give that of the new one by: memdesk sync key {name}")
        try:
            keys.drop(before)
        except SyncError as error:
            say(str(error))
    say(
        "it is taken to have what the server at the former address had; if it is another one, remove "
        f"the remote and add it anew: memdesk sync remove {name}"
    )


@remotes.verb(
    "key",
    example="memdesk sync key team\npass show team | memdesk sync key team",
)
@click.argument("name")
@click.option("--forget", is_flag=True, help="Keep no key for it.")
@pass_desk
def key(desk: Desk, name: str, *, forget: bool) -> None:
    """Give a remote another key, asked for without showing it, or read from standard input."""
    known, keys = open_remotes(desk.settings.home)
    remote = known.get(name)
    if forget:
        words = f"the key of {name} is forgotten" if keys.place(remote) else f"{name} has no key"
        keys.drop(remote)
        say(words)
        return
    _say_place(keys.put(remote, _asked_key(remote)))
    _resume(desk.settings.home, name)
    say(f"try it: memdesk sync now {name}")


def _resume(home: Path, name: str) -> None:
    """Let the background try a remote again that has refused the key before."""
    from memdesk.sync.ledger import Ledger, Luck

    ledger = Ledger(home, name)
    ledger.luck = Luck(synced_at=ledger.luck.synced_at)


def _asked_key(remote: Remote) -> str:
    """Return a key from whoever types or pipes it in; never from the command line, which others see."""
    from memdesk.sync.keys import MAX_KEY, check_key

    if _at_a_terminal():
        parts = urlsplit(remote.url)
        words = f"Key of {remote.name}, sent to {parts.scheme}://{parts.netloc}"
        asked: str = click.prompt(words, default="", show_default=False, hide_input=True, err=True)
        if not asked.strip():
            raise Invalid("key", _NO_KEY)
        return check_key(asked.strip())
    try:
        line = sys.stdin.readline(MAX_KEY + 3).strip() if sys.stdin is not None else ""
    except UnicodeDecodeError as error:
        raise Invalid("key", "standard input is no text in UTF-8") from error
    if not line:
        raise click.UsageError("nobody is here to type the key, and standard input has none")
    return check_key(line)


_NO_KEY = (
    "nothing was typed, so nothing was changed; for a server that wants none: memdesk sync add --no-key, "
    "or memdesk sync key --forget"
)


def _at_a_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _fingerprint(pin: str, url: str) -> str:
    """Return the fingerprint to pin: the one that was given, or the one shown now, if it is right."""
    if pin != NOW:
        return pin
    from memdesk.sync.trust import host_of, shown_fingerprint

    shown = shown_fingerprint(url)
    say(f"{host_of(url)} shows the certificate with the SHA-256 {shown}")
    if not _at_a_terminal():
        raise click.UsageError("nobody is here to compare it: give the right one to --pin")
    asked = "Does the server's owner tell you the same one, by another way than this network?"
    click.confirm(asked, abort=True, err=True)
    return shown


@remotes.verb("remove", example="memdesk sync remove team")
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_desk
def remove(desk: Desk, name: str, *, yes: bool) -> None:
    """Forget a remote and its key; what it has stays there.

    Ends with 1 where the keyring does not let go of the key.
    """
    from memdesk.lock import WriterLock
    from memdesk.sync.ledger import Ledger

    home = desk.settings.home
    known, keys = open_remotes(home)
    known.get(name)
    if not yes:
        words = f"Remove {name}? What it has stays there, and memories keep its name."
        ask_first("remove", words)
    with WriterLock(home / f"sync-{name}.lock", f"sync-{name}").hold(_PATIENCE):
        removed = known.remove(name)
        Ledger(home, name).drop()
        with suppress(OSError):  # Windows lets nobody remove what is open
            (home / f"sync-{name}.lock").unlink()
    say(f"{name} is no remote any more; what it has stays there")
    say(
        "memories keep its name, and may go to whatever is called so later; take it off them by: "
        f"memdesk sync unshare {name} ID"
    )
    keys.drop(removed)
