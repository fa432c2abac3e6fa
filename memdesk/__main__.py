"""The program: `memdesk …` and `python -m memdesk …`."""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False  # the typing module costs a host's start 8 ms
if TYPE_CHECKING:
    from pathlib import Path

    from memdesk.service import Service

_HELP = ("--help", "-h")
_DIRECT = "--direct"
_DETACHED = "--detached"
_HOOK = ["profile", "--hook"]


def main() -> int:
    """Run the command line and return its exit code.

    `mcp` and the daemon come before every other import: a host waits for its first answer, and
    nothing but the protocol may reach its pipe.
    """
    os.umask(0o077)
    _die_of_interrupts()
    argv = sys.argv[1:]
    if not any(word in _HELP for word in argv):
        if argv[:1] == ["mcp"]:
            return _mcp(argv[1:])
        if argv == _HOOK:
            return _hook()
        if argv[:2] == ["daemon", "run"] and _DETACHED in argv:
            return _daemon(hosts="--hosts" in argv)
    return _command(argv)


def _die_of_interrupts() -> None:
    """Let Control-C end this process without a word, as it does before Python starts."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _command(argv: list[str]) -> int:
    """Run a command; most are over before a collection of their imports would pay."""
    import gc

    gc.disable()
    from memdesk.cli.app import run

    gc.enable()
    gc.freeze()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_DFL:
        return run(argv)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return run(argv)
    finally:
        _die_of_interrupts()


def _mcp(argv: list[str]) -> int:
    """Serve a host: through the store's daemon, or in this process."""
    if _DIRECT not in argv:
        from memdesk.shim import main as pump

        status = pump(argv)
        if status is not None:
            return status
    from memdesk.mcp.wire import guard

    guard()
    from memdesk.mcp.stdio import main as serve

    return serve([word for word in argv if word != _DIRECT], open_service=_open, logs=_logs)


def _hook() -> int:
    """Tell a host that begins a session what is always worth knowing."""
    from memdesk.hook import main as tell

    return tell()


def _daemon(*, hosts: bool) -> int:
    """Become the daemon: nobody's child, so that it outlives whoever started it."""
    if os.fork():
        os._exit(0)
    from memdesk.cli.background import run_daemon

    return run_daemon(hosts=hosts)


def _open() -> Service:
    from memdesk.cli.root import open_for_host

    return open_for_host()


def _logs() -> Path:
    from memdesk.cli.root import logs_folder

    return logs_folder()


if __name__ == "__main__":
    sys.exit(main())
