"""`memdesk torture`: whether anything gets lost on this machine when many processes are killed at once."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from memdesk.cli.command import Verbs, as_json, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.terminal import put, say
from memdesk.errors import Invalid

if TYPE_CHECKING:
    from memdesk.cli.root import Desk
    from memdesk.service import Service
    from memdesk.torture.supervisor import Course
    from memdesk.torture.verdict import Verdict

torturing = Verbs()

_MEGABYTE = 1_000_000
_SHOWN = 20
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*([smh]?)")


@torturing.verb(
    "torture",
    example="memdesk torture --kill\nmemdesk torture --kill --processes 16 --seconds 1800",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    default=8,
    show_default=True,
    help="How many there are at once.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1),
    default=60.0,
    show_default=True,
    help="How long they work.",
)
@click.option("--kill", is_flag=True, help="Kill -9 some of them at random, all the time.")
@click.option("--keep", metavar="TIME", default="5s", show_default=True, help="Readers' margin.")
@click.option("--store", metavar="FOLDER", help="Make the throw-away store in this folder.")
@click.option("--seed", type=int, help="Make the same choices as the run that printed it.")
@click.option("--words", is_flag=True, help="Without the embedding model, but in the daemon.")
@click.option("--judge", metavar="FOLDER", hidden=True, help="Judge what a run left again.")
@as_json
@pass_desk
def torture(
    desk: Desk,
    *,
    processes: int,
    seconds: float,
    kill: bool,
    keep: str,
    store: str | None,
    seed: int | None,
    words: bool,
    judge: str | None,
    json_: bool,
) -> None:
    """Have many processes use a throw-away store at once, then look whether anything was lost.

    With --kill they are killed at any moment. Your own store is not touched. Exit code 1 when an acknowledged change is gone.
    """
    from memdesk.torture.supervisor import Course, Plan
    from memdesk.torture.supervisor import torture as run

    margin = _seconds(keep, "--keep")
    seed = seed if seed is not None else time.time_ns() % 1_000_000
    plan = Plan(processes, seconds, kill=kill, keep=margin, seed=seed, words=words)

    def opened(home: Path) -> Service:
        return _opened(desk, home, words=words)

    if judge is not None:
        from memdesk.torture.verdict import judge as judged
        from memdesk.torture.verdict import slots

        course = Course(plan, Path(judge))
        course.slots = slots(course.folder)
        course.verdict = judged(course.folder, course.home, opened, keep=margin)
    else:
        say(f"{processes} processes for {seconds:g} s on a throw-away store, seed {seed}")
        course = run(plan, Path(store).absolute() if store else None, opened)
    put_json(_document(course)) if json_ else _show(course)
    if course.losses:
        click.get_current_context().exit(1)


@torturing.verb("torture-worker", example="memdesk torture", hidden=True)
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("slot", type=int)
@click.argument("slots", type=int)
@click.argument("seed", type=int)
@click.argument("keep", type=float)
@click.option("--words", is_flag=True, help="Without the embedding model.")
@pass_desk
def torture_worker(desk: Desk, /, *, words: bool, **orders: Any) -> None:
    """Be one of the processes of `torture`."""
    from memdesk.cli.root import open_service
    from memdesk.link.start import wanted
    from memdesk.torture.worker import Orders, work

    settings = desk.settings
    direct = bool(wanted())
    service = (
        _opened(desk, settings.home, words=words)
        if direct
        else open_service(settings, background=False)
    )
    sys.exit(work(Orders(**orders), service))


def _opened(desk: Desk, home: Path, *, words: bool) -> Service:
    from memdesk.cli.root import open_in_process, start_maintenance
    from memdesk.service import Service

    if words:
        logging.getLogger("memdesk.service.indexing").setLevel(logging.ERROR)  # nothing can embed
        return Service(home, None, maintain=lambda: start_maintenance(home), background=False)
    return open_in_process(replace(desk.settings, home=home), background=False)


def _seconds(told: str, field: str) -> float:
    match = _TIME.fullmatch(told.strip().lower())
    if match is None:
        raise Invalid(field, "must be a time such as 5s, 10m or 1h")
    return float(match[1]) * _UNITS[match[2]]


def _show(course: Course) -> None:
    verdict = course.verdict
    assert verdict
    for name, value in _rows(course, verdict):
        put(f"{name + ':':<12}{value}")
    put(f"{'verb':<14}{'done':>7}{'busy':>6}{'p50 ms':>9}{'p95 ms':>9}{'max ms':>9}")
    for verb, told in _latencies(course).items():
        times = "".join(f"{told[name]:>9.0f}" for name in ("p50", "p95", "max"))
        put(f"{verb:<14}{told['done']:>7}{told['busy']:>6}{times}")
    for words in course.losses[:_SHOWN]:
        put(f"LOST: {words}")
    if len(course.losses) > _SHOWN:
        put(f"LOST: and {len(course.losses) - _SHOWN} more")
    put("verdict: " + (f"unsound; all of it is in {course.folder}" if course.losses else "sound"))


def _rows(course: Course, verdict: Verdict) -> list[tuple[str, str]]:
    kills = ", ".join(f"{count} {what}" for what, count in sorted(course.kills.items()))
    opened = sum(slot.opened for slot in course.slots)
    times = verdict.size / max(1, verdict.payload)
    disk = f"{_megabytes(verdict.size)}, {times:.2f} times the payload of {_megabytes(verdict.payload)}"
    return [
        (
            "run",
            f"{course.plan.processes} processes, {course.seconds:.0f} s, seed {course.plan.seed}",
        ),
        ("killed", f"{sum(course.kills.values())} ({kills or 'none'}); {opened} opens succeeded"),
        (
            "changes",
            f"{verdict.changes} acknowledged, {verdict.doubtful} that nobody was told the outcome of",
        ),
        ("store", f"{verdict.rows} memories, {verdict.live} of them live"),
        ("search", f"asked for {verdict.sought} of them"),
        ("disk", f"{disk}; {_megabytes(course.worst)} at its worst"),
    ]


def _megabytes(size: int) -> str:
    return f"{size / _MEGABYTE:.1f} MB"


def _latencies(course: Course) -> dict[str, dict[str, float]]:
    """Return how often each verb was done and was busy, and its milliseconds."""
    took: dict[str, list[float]] = defaultdict(list)
    for slot in course.slots:
        for verb, milliseconds in slot.took:
            took[verb].append(milliseconds)
        for verb in slot.busy:
            took.setdefault(verb, [])
    busy = {verb: sum(slot.busy[verb] for slot in course.slots) for verb in took}
    return {verb: _summary(sorted(took[verb]), busy[verb]) for verb in sorted(took)}


def _summary(took: list[float], busy: int) -> dict[str, float]:
    def at(share: float) -> float:
        return took[min(len(took) - 1, int(share * len(took)))] if took else 0.0

    return {"done": len(took), "busy": busy, "p50": at(0.5), "p95": at(0.95), "max": at(1.0)}


def _document(course: Course) -> dict[str, Any]:
    verdict = course.verdict
    assert verdict
    told = {name: getattr(verdict, name) for name in verdict.__dataclass_fields__}
    plan = {name: getattr(course.plan, name) for name in course.plan.__dataclass_fields__}
    return {
        "sound": not course.losses,
        "plan": plan,
        "kills": dict(course.kills),
        "opened": sum(slot.opened for slot in course.slots),
        "cut": sum(slot.cut for slot in course.slots),
        "worst": course.worst,
        "took": course.seconds,
        "verbs": _latencies(course),
        **told,
        "losses": course.losses,
        "kept": str(course.folder) if course.losses else "",
    }
