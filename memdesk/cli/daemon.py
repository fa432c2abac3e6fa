"""`memdesk daemon`: the process behind all hosts and commands, and what it is doing."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from memdesk.cli.command import Verbs, as_json, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.root import DAEMON_LOG, as_error, run_daemon
from memdesk.cli.terminal import one_line, put, say
from memdesk.errors import StoreError
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
@click.option("--detached", is_flag=True, hidden=True, help="Outlive whoever starts it.")
def run(*, stay: bool, detached: bool) -> None:
    """Be the daemon, in the foreground; hosts and commands start one by themselves."""
    sys.exit(run_daemon(stay=stay, detached=detached))


@daemon.verb("status", example="memdesk daemon status\nmemdesk daemon status --json | jq .guests")
@as_json
@pass_desk
def status(desk: Desk, *, json_: bool) -> None:
    """Show who is connected and what it does in the background."""
    told = _asked(desk, {"do": "status"})
    if json_:
        put_json({"running": told is not None}, **(told or {}))
        return
    if told is None:
        say(f"no daemon serves {desk.settings.home}; the next host or command starts one")
        return
    for name, value in _rows(told, desk):
        put(f"{name + ':':<10}{one_line(value)}")
    for guest in told["guests"]:
        put(f"  {one_line(_guest(guest))}")
    for duty in told["duties"]:
        put(f"  {one_line(_duty(duty))}")


def _rows(told: dict[str, Any], desk: Desk) -> list[tuple[str, str]]:
    left = told["leaves_in"]
    leaves = "while somebody is connected" if left is None else f"{left / 60:.0f} more minutes"
    return [
        ("daemon", f"process {told['pid']}, memdesk {told['version']}, {_ago(told['since'])}"),
        ("memory", f"{told['memory'] / _MEGABYTE:.0f} MB"),
        ("stays", "until it is stopped" if told["stays"] else leaves),
        ("store", told["home"]),
        ("socket", told["socket"]),
        ("log", str(desk.settings.logs / DAEMON_LOG)),
    ]


def _guest(guest: dict[str, Any]) -> str:
    waits = f", {guest['open']} open" if guest["open"] else ""
    space = f", space {guest['space']}" if guest["space"] else ""
    return (
        f"{guest['name'] or guest['kind']} (process {guest['pid']}, memdesk {guest['version']}) "
        f"in {guest['folder']}{space}: {guest['asked']} requests{waits}, {_ago(guest['since'])}"
    )


def _duty(duty: dict[str, Any]) -> str:
    done = f", {duty['runs']} times" if duty["runs"] else ""
    failed = f", last failed: {duty['last_error']}" if duty["last_error"] else ""
    return f"{duty['name']} ({duty['about']}): {duty['state']}{done}{failed}"


def _ago(since: float) -> str:
    return f"since {datetime.fromtimestamp(since, UTC).astimezone():%d %b %H:%M:%S}"


@daemon.verb("stop", example="memdesk daemon stop")
@pass_desk
def stop(desk: Desk) -> None:
    """End it once what it works on is answered; hosts that are connected get a new one."""
    home = str(desk.settings.home)
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
@pass_desk
def pause(desk: Desk, duty: str) -> None:
    """Keep it from one of its background duties, until `resume` or its end."""
    _change(desk, "pause", duty)


@daemon.verb("resume", example="memdesk daemon resume embedding")
@click.argument("duty")
@pass_desk
def resume(desk: Desk, duty: str) -> None:
    """Let it go on with a duty that was paused."""
    _change(desk, "resume", duty)


def _change(desk: Desk, do: str, duty: str) -> None:
    if _asked(desk, {"do": do, "duty": duty}) is None:
        raise StoreError(f"no daemon serves {desk.settings.home}")


def _asked(desk: Desk, request: dict[str, object]) -> dict[str, Any] | None:
    try:
        return ask(str(desk.settings.home), request)
    except NoDaemon as error:
        raise StoreError(f"the daemon cannot be asked: {error}") from None
    except Refused as error:
        raise as_error(error) from None


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
