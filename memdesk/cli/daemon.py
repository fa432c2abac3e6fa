"""`memdesk daemon`: the process behind all hosts and commands, and what it is doing."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from memdesk.cli.command import Verbs, as_json, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.root import as_error
from memdesk.cli.terminal import one_line, put, say
from memdesk.errors import Invalid, StoreError
from memdesk.link.address import HOME, home_of
from memdesk.link.visit import NoDaemon, Refused, ask, dismiss

if TYPE_CHECKING:
    from memdesk.cli.root import Desk

_MEGABYTE = 1_000_000


@click.group(cls=Verbs, short_help="See, stop and keep the process behind all hosts.")
def daemon() -> None:
    """The process behind all hosts and commands of one store.

    It starts when it is needed and leaves when nobody has been connected for a while.

    Example: memdesk daemon status
    """


@daemon.verb("run", example="memdesk daemon run\nmemdesk daemon run --stay")
@click.option("--stay", is_flag=True, help="Do not leave when nobody is connected.")
def run(*, stay: bool) -> None:
    """Be the daemon, in the foreground, in the place of the one there is.

    Hosts and commands start one by themselves.
    """
    from memdesk.cli.background import run_daemon

    sys.exit(run_daemon(stay=stay, detached=False))


@daemon.verb("status", example="memdesk daemon status\nmemdesk daemon status --json | jq .guests")
@as_json
def status(*, json_: bool) -> None:
    """Show who is connected and what it does in the background."""
    told = _asked({"do": "status"})
    if json_:
        put_json({"running": told is not None} | _timed(told or {}))
        return
    if told is None:
        say(f"no daemon serves {_home()}; the next host or command starts one")
        return
    for name, value in _rows(told):
        put(f"{name + ':':<10}{one_line(value)}")
    for guest in told["guests"]:
        put(f"  {one_line(_guest(guest))}")
    for duty in told["duties"]:
        put(f"  {one_line(_duty(duty))}")


def _rows(told: dict[str, Any]) -> list[tuple[str, str]]:
    left = told["leaves_in"]
    leaves = "while it is needed" if left is None else f"for {left / 60:.1f} more minutes"
    return [
        ("daemon", f"process {told['pid']}, memdesk {told['version']}, {_ago(told['since'])}"),
        ("memory", f"{told['memory'] / _MEGABYTE:.0f} MB"),
        ("stays", "until it is stopped" if told["stays"] else leaves),
        ("store", told["home"]),
        ("socket", told["socket"]),
        ("log", told["log"]),
    ]


def _guest(guest: dict[str, Any]) -> str:
    waits = f", {guest['open']} open" if guest["open"] else ""
    space = f", space {guest['space']}" if guest["space"] else ""
    return (
        f"{guest['name'] or guest['kind']} (process {guest['pid']}, memdesk {guest['version']}) "
        f"in {guest['folder']}{space}: {guest['asked']} requests{waits}, {_ago(guest['since'])}"
    )


def _duty(duty: dict[str, Any]) -> str:
    done = f", ran {duty['runs']} time{'s' * (duty['runs'] > 1)}" if duty["runs"] else ""
    failed = f", last failed: {duty['last_error']}" if duty["last_error"] else ""
    return f"{duty['name']} ({duty['about']}): {duty['state']}{done}{failed}"


def _ago(since: float) -> str:
    return f"since {datetime.fromtimestamp(since, UTC).astimezone():%d %b %H:%M:%S}"


@daemon.verb("stop", example="memdesk daemon stop")
def stop() -> None:
    """End it once what it works on is answered; hosts that are connected get a new one."""
    home = _home()
    try:
        pid = dismiss(home, "memdesk daemon stop")
    except NoDaemon as error:
        raise StoreError(str(error)) from None
    if pid is None:
        say(f"no daemon serves {home}")
    else:
        say(f"process {abs(pid)} " + ("has left" if pid > 0 else "did not answer and was killed"))


@daemon.verb("pause", example="memdesk daemon pause embedding")
@click.argument("duty")
def pause(duty: str) -> None:
    """Keep it from one of its background duties, until `resume` or its end."""
    _change("pause", duty)
    say(f"{duty} rests until: memdesk daemon resume {duty}")


@daemon.verb("resume", example="memdesk daemon resume embedding")
@click.argument("duty")
def resume(duty: str) -> None:
    """Let it go on with a duty that was paused."""
    _change("resume", duty)
    say(f"{duty} goes on")


def _change(do: str, duty: str) -> None:
    if _asked({"do": do, "duty": duty}) is None:
        raise StoreError(f"no daemon serves {_home()}")


def _home() -> str:
    """Return the store's folder; the settings may be what has to be mended."""
    home = home_of()
    if home is None:
        raise Invalid(HOME, "must be an absolute path")
    return home


def _asked(request: dict[str, object]) -> dict[str, Any] | None:
    try:
        return ask(_home(), request)
    except NoDaemon as error:
        raise StoreError(f"the daemon cannot be asked: {error}") from None
    except Refused as error:
        raise as_error(error) from None


def _timed(told: dict[str, Any]) -> dict[str, Any]:
    """Return a status with its moments as moments."""
    if "since" in told:
        told = told | {"since": datetime.fromtimestamp(told["since"], UTC)}
    if "guests" in told:
        told = told | {"guests": [_timed(guest) for guest in told["guests"]]}
    if "duties" in told:
        told = told | {"duties": [_began(duty) for duty in told["duties"]]}
    return told


def _began(duty: dict[str, Any]) -> dict[str, Any]:
    began = duty["last_began"]
    return duty | {"last_began": began and datetime.fromisoformat(began)}


@daemon.verb("install", example="memdesk daemon install")
@pass_desk
def install(desk: Desk) -> None:
    """Start it at login and keep it, so that its duties are done on time."""
    from memdesk.daemon import login

    for line in login.install([sys.executable, "-m", "memdesk"], desk.settings.home):
        say(line)


@daemon.verb("uninstall", example="memdesk daemon uninstall")
@pass_desk
def uninstall(desk: Desk) -> None:
    """Undo `install`."""
    from memdesk.daemon import login

    for line in login.uninstall(desk.settings.home):
        say(line)
