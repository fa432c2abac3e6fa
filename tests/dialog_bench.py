"""A bare desk that opens one dialog, and what its terminal shows."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from textual.app import App
from textual.widgets import Footer, Static
from tui import DEADLINE, HOSTILE, screen_text

from memdesk.answers import Asked, Duty, Revision, Stats, Status
from memdesk.memory import Memory, Source
from memdesk.tui.typeahead import TypeAhead

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from textual.app import ComposeResult
    from textual.pilot import Pilot
    from textual.screen import Screen

SIZES = ((80, 24), (160, 45))
ROUGH = " ".join((*HOSTILE, "[@click=app.boom]x[/]", "a\u202eb\x9bc\x00d"))
"""Every hostile text in one."""
AT = datetime(2026, 5, 8, 12, 0, tzinfo=UTC)


class Bench(App[None]):
    """Stands in for the desk: what dialogs ask of it, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.copied: list[str] = []
        self.answers: list[object] = []
        self.told: list[str] = []
        self.errors: list[Exception] = []
        self.booms = 0
        self.type_ahead = TypeAhead(self)
        self._doing: set[asyncio.Task[None]] = set()

    def compose(self) -> ComposeResult:
        """Yield something below the dialog."""
        yield Static("the desk below")
        yield Footer()

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin something; what goes wrong in it is in `errors`."""
        task = asyncio.create_task(self._done(work))
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    async def _done(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - as the desk does
            self.errors.append(error)

    async def settled(self) -> None:
        """Wait until all that was begun is done."""
        while self._doing:
            await asyncio.wait(set(self._doing))

    def notify(self, message: str, **more: Any) -> None:
        """Tell the person, and take note of it."""
        self.told.append(message)
        super().notify(message, **more)

    def copy(self, text: str, what: str) -> None:  # noqa: ARG002 - as the desk's
        """Take note of what was copied."""
        self.copied.append(text)

    def action_boom(self) -> None:
        """Take note that text acted."""
        self.booms += 1


@asynccontextmanager
async def opened(
    screen: Screen[Any], size: tuple[int, int] = (80, 24), *keys: str
) -> AsyncIterator[tuple[Bench, Pilot[None]]]:
    """Open a dialog and press keys; what it is dismissed with is in `answers` of the bench."""
    app = Bench()
    with (
        patch("textual.pilot.wait_for_idle", _moment),
        patch("textual.app.wait_for_idle", _moment),
    ):
        async with app.run_test(size=size, notifications=True) as pilot:
            app.push_screen(screen, app.answers.append)
            await press(pilot)
            await press(pilot, *keys)
            yield app, pilot


async def press(pilot: Pilot[None], *keys: str) -> str:
    """Press keys, wait for what they began, and return what the terminal shows."""
    for key in keys:
        await pilot.press(key)
        await _settled(pilot)
    await _settled(pilot)
    return screen_text(pilot.app)


async def _settled(pilot: Pilot[None]) -> None:
    """Wait until what was begun is done, and shown; what is shown may begin more."""
    for _ in range(3):
        await pilot.pause()
        await pilot.app.settled()  # type: ignore[attr-defined]


async def until(pilot: Pilot[None], look: Callable[[], object]) -> None:
    """Wait for something to come about."""
    ends = time.monotonic() + DEADLINE
    while not look():
        assert time.monotonic() < ends, f"it did not come about\n{screen_text(pilot.app)}"
        await pilot.pause()


async def _moment(*_: object) -> None:
    """Let others run; Textual's own way is to wait until the whole process rests."""
    await asyncio.sleep(0.001)


def answer(screen: Screen[Any], *keys: str) -> object:
    """Return what a dialog is dismissed with after some keys; fails when it stays open."""

    async def run() -> object:
        async with opened(screen, (80, 24), *keys) as (app, _):
            (given,) = app.answers
            return given

    return asyncio.run(run())


def text_of(screen: Screen[Any], size: tuple[int, int], *keys: str) -> str:
    """Return what the terminal shows after some keys."""

    async def run() -> str:
        async with opened(screen, size, *keys) as (app, _):
            return screen_text(app)

    return asyncio.run(run())


def memory(text: str = "Allergic to penicillin", **fields: Any) -> Memory:
    """Return a memory with these fields."""
    known = Memory(
        id="11111111-1111-4111-8111-111111111111",
        text=text,
        kind="note",
        tags=(),
        space="personal",
        audience=(),
        source=Source("claude-code", "agent"),
        session=None,
        position=None,
        role=None,
        speaker=None,
        happened_at=None,
        happened_precision=None,
        utc_offset_min=None,
        created_at=AT,
        updated_at=AT,
        expires_at=None,
        state="live",
        replaces=None,
        replaced_by=None,
        pinned=False,
        confidence=None,
        flags=(),
        reviewed=None,
        metadata="{}",
        content_hash="",
        clock_ms=0,
        clock_n=0,
        device="d",
        seq=1,
        change="c",
        actor="claude-code",
    )
    return replace(known, **fields)


def revisions(*memories: Memory) -> tuple[Revision, ...]:
    """Return the history of a memory from its states, the newest first."""
    return tuple(
        Revision(each, AT - timedelta(hours=index), None) for index, each in enumerate(memories)
    )


def status(**fields: Any) -> Status:
    """Return how a desk stands."""
    stats = Stats(
        path="/somewhere/desk",
        bytes_on_disk=48_300_000,
        states={"live": 1284, "trashed": 12},
        spaces={"secret-space": 1284},
        kinds={"note": 1284},
        tags={"secret-tag": 3},
        passages=1402,
        pending=17,
        seq=3321,
        epoch="e1b2",
        model="all-MiniLM-L6-v2",
        fingerprint="97d2f0c3aa",
        device="cpu",
        format=2,
        lancedb="0.40.1",
        notes=fields.pop("notes", ()),
    )
    duty = Duty("maintain", "tidies", "idle", 3, AT, 1.2, fields.pop("last_error", ""))
    known = Status(replace(stats, **fields.pop("stats", {})), "0.5.0", "", (duty,))
    return replace(known, **fields)


def asked(n: int, **fields: Any) -> Asked:
    """Return one request of a host."""
    known = Asked(n, AT, "claude-code", "recall", f"question {n}", (), "nothing found", 0.034)
    return replace(known, **fields)
