"""`memdesk install` and `uninstall`: memdesk in the files of AI hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from memdesk.cli.command import Verbs, pass_desk
from memdesk.cli.terminal import flush, put, safe, say
from memdesk.config import HOME
from memdesk.errors import MemdeskError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from memdesk.cli.root import Desk
    from memdesk.hosts import Entry, Host, Surroundings
    from memdesk.hosts.changing import Change
    from memdesk.hosts.installed import Records
    from memdesk.hosts.pieces import Piece
    from memdesk.hosts.teaching import Hook

connecting = Verbs()

_ALL = "all"


def _named(function: Callable[..., None]) -> Callable[..., None]:
    """Add the names of hosts and `--dry-run`."""
    function = click.option(
        "--dry-run", is_flag=True, help="Show the difference and change nothing."
    )(function)
    return click.argument("names", metavar="HOST...", nargs=-1, required=True, callback=_known)(
        function
    )


def _known(
    ctx: click.Context, parameter: click.Parameter, names: tuple[str, ...]
) -> tuple[str, ...]:
    from memdesk.hosts import HOSTS

    there = [host.name for host in HOSTS]
    for name in names:
        if name not in (*there, _ALL):
            raise click.BadParameter(f"there is no host {name!r}; there are {', '.join(there)}")
    return names


@connecting.verb(
    "install",
    example="memdesk install claude-code cursor\n"
    "memdesk install all --teach --dry-run\nmemdesk install codex --space website",
)
@_named
@click.option("--print", "print_", is_flag=True, help="Print what to put in by hand.")
@click.option("--space", metavar="S", help="Where these hosts' memories go by default.")
@click.option("--teach", is_flag=True, help="Also put in what makes them use their memory.")
@pass_desk
def install(
    desk: Desk,
    names: tuple[str, ...],
    *,
    dry_run: bool,
    print_: bool,
    space: str | None,
    teach: bool,
) -> None:
    """Have AI hosts start memdesk: puts an entry into each one's own file, and changes nothing else.

    The hosts are claude-desktop, claude-code, cursor, vscode, windsurf, zed, codex, gemini, copilot,
    antigravity; all is every one that is on this machine. A copy of each file is kept beside it.
    Prints the files that were changed.
    """
    from memdesk.hosts import Surroundings
    from memdesk.memory import check_space

    work = _Work(desk, Surroundings(), dry_run=dry_run)
    space = check_space(space) if space else None
    for host in work.hosts(names):
        named = host.name in names
        if print_:
            work.show(host, space, teach=teach)
            continue
        work.put_in(host, work.servers(host, space, named=named), teach=teach)
    work.end()


@connecting.verb("uninstall", example="memdesk uninstall cursor\nmemdesk uninstall all --dry-run")
@_named
@pass_desk
def uninstall(desk: Desk, names: tuple[str, ...], *, dry_run: bool) -> None:
    """Take memdesk out of AI hosts' files again, with what --teach has put in.

    What was there before comes back. Memories stay. Prints the files that were changed.
    """
    from memdesk.hosts import HOSTS, Surroundings

    work = _Work(desk, Surroundings(), dry_run=dry_run)
    for host in HOSTS:
        if _ALL in names or host.name in names:
            work.take_out(host, quiet=host.name not in names)
    work.end()


class _Work:
    """One command's way through the hosts; what fails for one does not stop the others."""

    def __init__(self, desk: Desk, around: Surroundings, *, dry_run: bool) -> None:
        self._home = desk.settings.home
        self._around = around
        self._dry_run = dry_run
        self._failed = False

    def hosts(self, names: tuple[str, ...]) -> Iterator[Host]:
        from memdesk.hosts import HOSTS

        found = [
            host
            for host in HOSTS
            if host.name in names or (_ALL in names and host.targets(self._around, named=False))
        ]
        if not found:
            say(
                "no AI host that memdesk knows is on this machine; name one to write its file anyway"
            )
        yield from found

    def servers(
        self, host: Host, space: str | None, *, named: bool
    ) -> Iterator[tuple[Path, Piece]]:
        for file in host.targets(self._around, named=named):
            yield file, self._server(host, space)

    def _server(self, host: Host, space: str | None) -> Piece:
        from memdesk.demo import server_command
        from memdesk.hosts.pieces import Server

        return Server(host, server_command(), {HOME: str(self._home)}, space)

    def show(self, host: Host, space: str | None, *, teach: bool) -> None:
        """Print what to put in by hand, and say where."""
        shown = [*self.servers(host, space, named=True)]
        shown += _lessons(host, self._around, self._home) if teach else []
        for file, piece in shown:
            say(f"{host.title}, in {file}:")
            put(piece.snippet())
            flush()

    def put_in(self, host: Host, servers: Iterable[tuple[Path, Piece]], *, teach: bool) -> None:
        from memdesk.hosts.changing import putting_in

        done = [self._one(host, file, piece, putting_in) for file, piece in servers]
        if teach:
            lessons = list(_lessons(host, self._around, self._home))
            done += [self._one(host, file, piece, putting_in) for file, piece in lessons]
            if not lessons:
                say(
                    f"{host.title} has no file of instructions for all projects: nothing to teach in"
                )
        if any(done) and not self._dry_run:
            say(f"{host.title}: {host.restart}, and it has memdesk")
        self._tell_others(host)

    def take_out(self, host: Host, *, quiet: bool) -> None:
        from memdesk.hosts.changing import taking_out

        done = [
            self._one(host, file, piece, taking_out, quiet=True)
            for file, piece in reversed([*pieces(host, self._around)])  # folders go last
        ]
        if not any(done) and not quiet and not self._failed:
            say(f"{host.title} has no memdesk")
        self._tell_others(host)

    def end(self) -> None:
        """Leave with 1 where something failed."""
        if self._failed:
            raise click.exceptions.Exit(MemdeskError.exit_code)

    def _one(
        self,
        host: Host,
        file: Path,
        piece: Piece,
        way: Callable[[Piece, Path, Records], Change],
        *,
        quiet: bool = False,
    ) -> bool:
        """Change one file, or show how; return whether anything changes."""
        from memdesk.hosts.changing import carry_out
        from memdesk.hosts.installed import Records
        from memdesk.hosts.unusable import Unusable

        records = Records(self._home)
        try:
            change = way(piece, file, records)
            copy = None if self._dry_run else carry_out(change, records)
        except Unusable as error:
            self._tell_failure(host, file, piece, error, quiet=quiet)
            return False
        if change.idle:
            if not quiet:
                say(f"{host.title}: {piece.what} in {file}: nothing to change")
            return False
        put(change.diff() if self._dry_run else str(file))
        flush()
        if copy:
            say(f"{host.title}: what {file.name} was before is in {copy}")
        return True

    def _tell_failure(
        self, host: Host, file: Path, piece: Piece, error: Exception, *, quiet: bool
    ) -> None:
        self._failed = True
        say(f"{host.title}: {file} {error}; it is left as it is")
        if not quiet:
            say("to put it in by hand:")
            click.echo(safe(piece.snippet()), err=True)

    def _tell_others(self, host: Host) -> None:
        """Say where else the host starts memdesk: such entries are not ours to change."""
        from memdesk.hosts import entries
        from memdesk.hosts.pieces import NAME

        for entry in entries(self._around):
            if entry.host is host and (entry.name != NAME or entry.folder):
                where = f" in the project {entry.folder}" if entry.folder else ""
                say(
                    f"{host.title} also starts memdesk as “{entry.name}”{where}: that is left as it is"
                )


def pieces(host: Host, around: Surroundings) -> Iterator[tuple[Path, Piece]]:
    """Yield all that memdesk may have put into a host's files, each with its file."""
    from memdesk.hosts.pieces import Server

    for file in host.present(around):
        yield file, Server(host)
    for file, piece in _lessons(host, around, None):
        yield file, piece


def _lessons(host: Host, around: Surroundings, home: Path | None) -> Iterator[tuple[Path, Piece]]:
    from pathlib import Path

    from memdesk.demo import server_command
    from memdesk.hosts.teaching import lessons

    return lessons(host, around, server_command()[:-1], home or Path())


class Held(NamedTuple):
    """A piece of one store's in a host's file."""

    host: Host
    file: Path
    piece: Piece


def held_by_hosts(home: Path) -> list[Held]:
    """Return all that hosts' files hold of the store in `home`, and nothing that is for another."""
    from memdesk.hosts import HOSTS, Surroundings, entries
    from memdesk.hosts.installed import Records

    around, records = Surroundings(), Records(home)
    started = entries(around)

    def is_held(piece: Held) -> bool:
        stores = _stores(piece, started)
        return stores == {str(home)} if stores else records.of(piece.file) is not None

    return [
        held
        for host in HOSTS
        for file, piece in reversed([*pieces(host, around)])
        if is_held(held := Held(host, file, piece))
    ]


def _stores(held: Held, started: Iterable[Entry]) -> set[str]:
    """Return the stores that a piece is for, as far as it tells.

    Instructions name none: they are for all that their host starts.
    """
    from memdesk.config import places
    from memdesk.hosts.pieces import NAME, Server
    from memdesk.hosts.teaching import Hook

    if isinstance(held.piece, Hook):
        return _hooked(held.piece, held.file)
    usual, is_server = str(places({}).home), isinstance(held.piece, Server)
    return {
        entry.env.get(HOME, usual)
        for entry in started
        if entry.host is held.host
        and (not is_server or (entry.file, entry.name, entry.folder) == (held.file, NAME, ""))
    }


def _hooked(hook: Hook, file: Path) -> set[str]:
    from memdesk.hosts import files
    from memdesk.hosts.unusable import Unusable

    try:
        return hook.stores(files.text_of(files.read(file)))
    except Unusable:
        return set()


def take_out(home: Path, held: Iterable[Held]) -> list[Path]:
    """Take what hosts hold of a store out of their files; return those that were changed."""
    from memdesk.hosts.changing import carry_out, taking_out
    from memdesk.hosts.installed import Records
    from memdesk.hosts.unusable import Unusable

    changed, records = [], Records(home)
    for host, file, piece in held:
        try:
            change = taking_out(piece, file, records)
            carry_out(change, records)
        except Unusable as error:
            say(f"{host.title}: {file} {error}; it is left as it is")
        else:
            changed += [] if change.idle else [file]
    return changed
