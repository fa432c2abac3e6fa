"""`memdesk profile --hook`: the profile for a host's new session, at once or not at all.

It asks the daemon as Claude Code does, so that what the person lets that host see is what it gets.
A host waits for it, so whatever goes wrong, it ends in time, well, and without a word. Standard
library only.
"""

import json
import os
import sys
import threading

from memdesk.link.address import home_of
from memdesk.link.visit import hello, visit

TYPE_CHECKING = False  # the typing module costs as much as all else here
if TYPE_CHECKING:
    from io import BufferedRWPair
    from typing import Any

    Wire = BufferedRWPair[Any, Any]

SECONDS = 0.25
"""How long it may take, from the first line of ours on: 0.3 with the start of Python."""
_HOST = "claude-code"
_PROTOCOL = "2025-06-18"
_PIECE = 65536


def main(asked: "dict[str, Any] | None" = None) -> int:
    """Print the profile and return 0; nothing where that takes longer, or fails.

    `asked` are arguments of the tool `profile`.
    """
    late = threading.Timer(SECONDS, os._exit, (0,))
    late.daemon = True
    late.start()
    try:
        home = home_of()
        text = profile(home, **asked or {}) if home else ""
        if text:
            os.write(sys.stdout.fileno(), text.encode())
    except Exception:  # noqa: BLE001 - a session begins without it rather than with a complaint
        return 0
    finally:
        late.cancel()
    return 0


def profile(home: str, **asked: object) -> str:
    """Return the profile as the daemon tells it to a host; empty where there is none, or no daemon.

    Raises whatever goes wrong on the way.
    """
    joined = visit(home, hello("mcp", tools="core", nonce=os.urandom(16).hex()))
    if joined is None or "refused" in joined.welcome:
        return ""
    with joined.link as link, link.makefile("rwb") as wire:
        about = {"name": _HOST, "version": "hook"}
        opening = {"protocolVersion": _PROTOCOL, "capabilities": {}, "clientInfo": about}
        _ask(wire, 1, "initialize", opening)
        _tell(wire, {"method": "notifications/initialized"})
        told = _ask(wire, 2, "tools/call", {"name": "profile", "arguments": asked})
    text = "" if told.get("isError") else told["content"][0]["text"]
    return f"From memdesk, the user's own memory. {text}\n" if "\n" in text else ""


def _tell(wire: "Wire", message: dict[str, object]) -> None:
    wire.write(json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n")
    wire.flush()


def _ask(wire: "Wire", number: int, method: str, params: "dict[str, Any]") -> "dict[str, Any]":
    """Return the result of a request; raises an error when it is refused."""
    _tell(wire, {"id": number, "method": method, "params": params})
    for line in wire:
        told = json.loads(line)
        if told.get("id") == number and "method" not in told:
            result: dict[str, Any] = told["result"]
            return result
    raise ConnectionError(method)
