"""How the desk stands, for a person and for a bug report."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.table import Table
from rich.text import Text
from textual.containers import VerticalScroll
from textual.widgets import Static

from memdesk.errors import MemdeskError
from memdesk.memory import now
from memdesk.moment import age
from memdesk.tui.dialog import Dialog
from memdesk.tui.keys import STATUS_KEYS
from memdesk.tui.plain import one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from memdesk.answers import Duty, Stats, Status

EVERY = 1.0
"""Seconds from one look to the next."""
_LABEL = 13
_KILO = 1024
_NAMELESS = re.compile(r"synced (just now|\w+ ago)|not synced yet")


def lines(status: Status) -> Iterator[tuple[str, str]]:
    """Yield (label, value) of everything, without a word of any memory; places start at ~."""
    stats = status.stats
    yield "Store", _at_home(stats.path)
    yield "Size", size_words(stats.bytes_on_disk)
    yield "Memories", _states(stats)
    yield "Model", stats.model or "none"
    if status.switch:
        yield "Changing", status.switch
    yield "Fingerprint", stats.fingerprint or "none"
    waiting = f", {stats.pending:,} wait to be embedded" if stats.pending else ""
    yield "Passages", f"{stats.passages:,}{waiting}"
    yield "Lock", f"held by {status.holder}" if status.holder else "free"
    for index, duty in enumerate(status.duties):
        yield "" if index else "Work", _duty(duty)
    yield "Backup", status.backup or "not set up"
    yield "Sync", status.sync or "not set up"
    yield "memdesk", f"{status.version}, store format {stats.format}, LanceDB {stats.lancedb}"
    yield "Device", stats.device
    yield "Last change", f"{stats.seq:,} of epoch {stats.epoch}"
    for index, note in enumerate(stats.notes):
        yield "" if index else "Notes", note


def as_text(status: Status) -> str:
    """Return it as plain text for a bug report."""
    told = replace(status, sync=_nameless(status.sync))
    return "\n".join(_line(label, value) for label, value in lines(told)) + "\n"


def _nameless(sync: str) -> str:
    """Return how sync stands, without what names a remote or says where it is."""
    return sync if not sync or _NAMELESS.fullmatch(sync) else "not synced; why is left out here"


def _line(label: str, value: str) -> str:
    return f"{label + ':' if label else '':<{_LABEL}} {_at_home(one_line(value))}"


def _at_home(text: str) -> str:
    """Return text with the person's home folder, which has their name, as ~."""
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > 1 else text


def _states(stats: Stats) -> str:
    return ", ".join(f"{many:,} {state}" for state, many in stats.states.items()) or "none"


def size_words(size: float) -> str:
    """Return a number of bytes as a person reads it."""
    for unit in ("bytes", "KB", "MB"):
        if size < _KILO:
            return f"{size:,.0f} {unit}"
        size /= _KILO
    return f"{size:,.1f} GB"


def _duty(duty: Duty) -> str:
    parts = [f"{duty.name}: {duty.state}"]
    if duty.last_began:
        when = age(duty.last_began, now())
        when = "just now" if when == "now" else f"{when} ago"
        parts.append(f"{when}, took {duty.last_took:.1f} s")
    if duty.child:
        parts.append(f"process {duty.child}")
    if duty.last_error:
        parts.append(f"failed: {duty.last_error}")
    return ", ".join(parts)


class StatusScreen(Dialog[None]):
    """Shows it, each second anew."""

    BINDINGS: ClassVar[list[BindingType]] = [*STATUS_KEYS]
    AUTO_FOCUS = ""

    def __init__(self, load: Callable[[], Awaitable[Status]]) -> None:
        """`load` asks the service; it may raise `MemdeskError`, which is shown."""
        super().__init__("Status")
        self._load = load
        self._loading = False
        self._status: Status | None = None
        self._shown: tuple[tuple[str, str], ...] = ()

    def within(self) -> ComposeResult:
        """Yield the lines."""
        with VerticalScroll(id="stand", can_focus=False):
            yield Static("Looking …", id="standing", markup=False)

    def on_mount(self) -> None:
        """Look now, and each second."""
        self._look()
        self._looking = self.set_interval(EVERY, self._look)

    def _look(self) -> None:
        if not self._loading:  # a slow answer is waited for, not asked for again
            self._loading = True
            self.desk.do(self._renew())

    async def _renew(self) -> None:
        try:
            self._status = await self._load()
            self._show(self._status)
        except MemdeskError as error:
            if self.is_attached:
                self._shown = ()
                self.note(one_line(str(error)))
        except Exception:
            self._looking.stop()  # it is told once, not each second
            raise
        finally:
            self._loading = False

    def _show(self, status: Status) -> None:
        shown = tuple(lines(status))
        if not self.is_attached or shown == self._shown:
            return
        self._shown = shown
        table = Table.grid(padding=(0, 2))
        for label, value in shown:
            table.add_row(Text(label, "dim", no_wrap=True), Text(_at_home(one_line(value))))
        self.query_one("#standing", Static).update(table)
        self.note("renewed each second")

    def action_copy(self) -> None:
        """Copy it as plain text."""
        if self._status:
            self.desk.copy(as_text(self._status), "the status")

    def action_scroll(self, by: int) -> None:
        """Scroll by a line."""
        self.query_one("#stand", VerticalScroll).scroll_relative(y=by, animate=False)

    def action_leave(self) -> None:
        """Back to the desk."""
        self.dismiss(None)
