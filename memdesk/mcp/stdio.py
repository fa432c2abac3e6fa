"""`memdesk mcp`: one host's server on standard input and output.

`memdesk.mcp.wire.guard` comes before the import of this module (MCP.md §4).
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from memdesk.errors import Invalid
from memdesk.link.host import await_end, starters
from memdesk.mcp import wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from memdesk.mcp.connection import Connection
    from memdesk.service import Service

SHUTDOWN = 1.5
"""Seconds that writes in flight get when the host leaves."""
TOOLSETS = ("core",)
_OPTIONS = ("--space", "--tools")
_SESSION = "--session"
"""What a shim tells of the session that it hands over, as JSON: its nonce and what it asked before."""
_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP")
_log = logging.getLogger(__name__)


def main(
    argv: list[str],
    *,
    open_service: Callable[[], Service],
    logs: Callable[[], Path] | None = None,
) -> int:
    """Serve the host until it leaves; ends the process, and returns 2 only for bad arguments.

    `open_service` and `logs` (the folder for the log file) run in a thread after the first answer.
    """
    try:
        options = parse(argv)
    except Invalid as error:
        sys.stderr.write(f"memdesk mcp: {error}\n")
        return Invalid.exit_code
    session = json.loads(options.get(_SESSION, "{}"))
    run(open_service, space=options.get("--space"), logs=logs, **session)
    return 0


def parse(argv: list[str]) -> dict[str, str]:
    """Return the options among `--space S` and `--tools core`; raises `Invalid` for anything else.

    By hand: argparse costs 6 ms of the start.
    """
    options: dict[str, str] = {}
    words = iter(argv)
    for word in words:
        name, given, value = word.partition("=")
        if name not in (*_OPTIONS, _SESSION):
            raise Invalid(word[:60], f"is not an option; there are {', '.join(_OPTIONS)}, --direct")
        options[name] = value if given else next(words, "")
        if not options[name]:
            raise Invalid(name, "needs a value")
    if options.get("--tools", "core") not in TOOLSETS:
        raise Invalid("--tools", f"there is only {', '.join(TOOLSETS)}")
    if "--space" in options:
        from memdesk.memory import check_space

        check_space(options["--space"], "--space")
    return options


def run(
    open_service: Callable[[], Service],
    *,
    space: str | None = None,
    logs: Callable[[], Path] | None = None,
    nonce: str = "",
    again: Sequence[tuple[str | int, float]] = (),
) -> None:
    """Serve standard input and output, then end the process without waiting for its threads."""
    host = os.dup(wire.guard())
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_host, args=(starters(), host), daemon=True).start()
    from memdesk.mcp import log

    log.to_stderr()
    from memdesk.mcp.connection import Connection
    from memdesk.mcp.server import build_server

    connection = Connection(_with_log(open_service, logs), space=space, nonce=nonce, again=again)

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[Connection]:
        _watch_signals(connection)
        yield connection

    server = build_server(lifespan)
    wire.release()
    status = 0
    try:
        server.run("stdio")
    except BaseException as error:  # noqa: BLE001 - a closed pipe arrives as an ExceptionGroup
        _log.warning("the connection ended: %s", log.describe(error))
        status = 1
    end(connection, status)


def _with_log(
    open_service: Callable[[], Service], logs: Callable[[], Path] | None
) -> Callable[[], Service]:
    """Return `open_service`, with the log file set up before its first call."""
    pending = [logs] if logs else []

    def opened() -> Service:
        if pending:
            from memdesk.mcp import log

            log.to_file(pending.pop()())
        return open_service()

    return opened


def _end_with_host(pids: list[int], wire: int) -> None:
    """End when the host has ended, or reads no more: its pipe may have an end in another process."""
    await_end(pids, wire)
    signal.raise_signal(signal.SIGTERM)  # the same way out as when somebody asks for it
    time.sleep(SHUTDOWN)
    os._exit(0)


def _watch_signals(connection: Connection) -> None:
    """End in an orderly way on the signals that hosts send; Windows has only the end of input."""
    if sys.platform == "win32":
        return
    import asyncio

    loop = asyncio.get_running_loop()
    for name in _SIGNALS:
        loop.add_signal_handler(getattr(signal, name), end, connection, 0)


def end(connection: Connection, status: int) -> None:
    """Let writes in flight finish within `SHUTDOWN` seconds, close the store, end the process."""
    deadline = time.monotonic() + SHUTDOWN
    watch = threading.Timer(SHUTDOWN + 0.2, os._exit, (status,))
    watch.daemon = True
    watch.start()
    wire.cut()
    try:
        connection.settle(SHUTDOWN)
        if connection.opened is not None:
            connection.opened.close(max(0.0, deadline - time.monotonic()))
    except Exception as error:  # noqa: BLE001 - nothing may keep the process from ending
        from memdesk.mcp.log import describe

        _log.warning("could not close the store: %s", describe(error))
    os._exit(status)
