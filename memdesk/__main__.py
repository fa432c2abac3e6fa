"""The program: `memdesk …` and `python -m memdesk …`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from memdesk.service import Service

_HELP = ("--help", "-h")


def main() -> int:
    """Run the command line and return its exit code.

    `mcp` comes before every other import: a host waits for its first answer, and nothing but the
    protocol may reach its pipe.
    """
    os.umask(0o077)
    argv = sys.argv[1:]
    if argv[:1] == ["mcp"] and not any(word in _HELP for word in argv):
        from memdesk.mcp.wire import guard

        guard()
        from memdesk.mcp.stdio import main as serve

        return serve(argv[1:], open_service=_open, logs=_logs)
    from memdesk.cli.app import run

    return run(argv)


def _open() -> Service:
    from memdesk.cli.root import open_service

    return open_service()


def _logs() -> Path:
    from memdesk.cli.root import logs_folder

    return logs_folder()


if __name__ == "__main__":
    sys.exit(main())
