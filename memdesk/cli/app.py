"""All commands together, and what becomes of their errors: one sentence and an exit code."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import shell_complete

from memdesk import __version__
from memdesk.cli.activity import activities
from memdesk.cli.add import adding
from memdesk.cli.backup import backup
from memdesk.cli.changes import changing
from memdesk.cli.command import Verbs
from memdesk.cli.connecting import connecting
from memdesk.cli.daemon import daemon
from memdesk.cli.diff import differing
from memdesk.cli.doctor import doctors
from memdesk.cli.erase import erasing
from memdesk.cli.exporting import exporting
from memdesk.cli.host import hosting
from memdesk.cli.hosts import started
from memdesk.cli.importing import importing
from memdesk.cli.inbox import inbox
from memdesk.cli.memories import memories
from memdesk.cli.model import model
from memdesk.cli.overview import overview
from memdesk.cli.root import Desk
from memdesk.cli.search import searching
from memdesk.cli.session import COMPLETE, session
from memdesk.cli.sync import sync
from memdesk.cli.terminal import flush, put, safe, say
from memdesk.cli.tidying import space, tag, tidying
from memdesk.cli.torture import torturing
from memdesk.cli.watch import watching
from memdesk.errors import Invalid, MemdeskError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DEBUG = "MEMDESK_DEBUG"
"""Set it to 1 to see the traceback of an unexpected error."""
INTERRUPTED = 130
LOG = "cli.log"
_MAX_LOG = 1024 * 1024
_PRINTERS = (put.__code__, flush.__code__, click.echo.__code__)


class App(Verbs):
    """The whole command line."""

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> None:
        """Run and leave with the exit code: what a shell, and click's test runner, call."""
        sys.exit(run(sys.argv[1:] if args is None else list(args), **extra))


@click.group(cls=App, invoke_without_command=True)
@click.version_option(__version__, message="memdesk %(version)s")
@click.option("--direct", is_flag=True, help="Work in this process, without the daemon.")
@click.pass_context
def app(ctx: click.Context, *, direct: bool) -> None:
    """memdesk: the desk where one person's AI memory lives.

    Without a command it opens the desk's own screen. Everything stays on this machine, unless you share it. Exit codes: 0 done, 1 error, 2 usage, 3 not found, 4 store busy.
    """
    desk = ctx.ensure_object(Desk)
    desk.direct = desk.direct or direct
    ctx.call_on_close(desk.close)
    if ctx.invoked_subcommand is None:
        _screen(ctx, desk)


for _room in (
    *(adding, searching, memories, changing, differing, tidying, inbox, overview, activities),
    session,
    torturing,
    hosting,
    erasing,
    doctors,
    *(importing, exporting),
    watching,
    connecting,
    started,
):
    for _name, _command in _room.commands.items():
        app.add_command(_command, _name)
for _group in (tag, space, model, daemon, backup, sync):
    app.add_command(_group)


def _screen(ctx: click.Context, desk: Desk) -> None:
    """Show the desk's own screen, or the help where nobody could see it."""
    from memdesk.cli.screen import at_a_terminal, show

    if at_a_terminal():
        ctx.exit(show(desk))
    click.echo(ctx.get_help())
    say("the desk's own screen needs a terminal; these commands do it all")


def run(argv: list[str], **extra: Any) -> int:
    """Run a command line and return its exit code; `extra` goes to click's context."""
    _prepare_streams()
    try:
        if instruction := os.environ.get(COMPLETE):
            status: int = shell_complete(app, {}, "memdesk", COMPLETE, instruction)
        else:
            with _logging_said():
                status = _invoke(argv, extra)
        flush()
    except BrokenPipeError:
        # The reader has seen enough.
        _drop_output()
        return 0
    except OSError as error:
        _drop_output()
        say(f"standard output could not be written: {error.strerror}")
        return MemdeskError.exit_code
    return status


def _drop_output() -> None:
    """Let nothing be flushed at exit into what cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


class _Saying(logging.Handler):
    """Says what memdesk logs to the person, as one line."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the message, and the type of the error it is about."""
        error = record.exc_info[1] if record.exc_info else None
        say(record.getMessage() + (f" ({type(error).__name__})" if error else ""))


@contextmanager
def _logging_said() -> Iterator[None]:
    log, handler = logging.getLogger("memdesk"), _Saying(logging.WARNING)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def _invoke(argv: list[str], extra: dict[str, Any]) -> int:
    try:
        with app.make_context("memdesk", argv, **extra) as context:
            app.invoke(context)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except (KeyboardInterrupt, click.Abort):
        say("stopped")
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except OSError as error:
        if _printing(error):
            raise
        return _explain(error)
    except Exception as error:  # noqa: BLE001 - a person gets a sentence, whatever happened
        return _explain(error)
    return 0


def _printing(error: OSError) -> bool:
    """Return whether the error came from writing standard output."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code in _PRINTERS


def _explain(error: Exception) -> int:
    """Say in one sentence what went wrong and return the exit code for it."""
    if isinstance(error, MemdeskError):
        say(str(error))
        return error.exit_code
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return Invalid.exit_code
    if isinstance(error, click.UsageError):
        say(f"{error.format_message()} (see: {_path(error)} --help)")
        return Invalid.exit_code
    _report(error)
    return MemdeskError.exit_code


def _path(error: click.UsageError) -> str:
    return error.ctx.command_path if error.ctx else "memdesk"


def _prepare_streams() -> None:
    """Let every text be printed: UTF-8 into pipes and files, escapes where a terminal has less."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is None:
            continue
        reconfigure(errors="backslashreplace")
        if not stream.isatty():
            reconfigure(encoding="utf-8")


def _report(error: Exception) -> None:
    trace = "".join(traceback.format_exception(error))
    if os.environ.get(DEBUG):
        print(safe(trace), file=sys.stderr)
    where = _log(trace)
    words = f"something unexpected happened ({type(error).__name__}); "
    say(words + (f"what exactly is in {where}" if where else f"set {DEBUG}=1 to see what exactly"))


def _log(trace: str) -> Path | None:
    from memdesk.config import load, private_folder
    from memdesk.memory import now

    try:
        path = private_folder(load().logs) / LOG
        fresh = not path.exists() or path.stat().st_size > _MAX_LOG
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if fresh else os.O_APPEND)
        with os.fdopen(os.open(path, flags, 0o600), "a", encoding="utf-8") as stream:
            stream.write(f"{now().isoformat()} memdesk {__version__}\n{trace}\n")
    except (OSError, MemdeskError):
        return None
    return path
