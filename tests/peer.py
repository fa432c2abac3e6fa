"""A real mcp-memory-service for a test, which does not outlive it; `scripts/peer` installs it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "peer-test-key-0123456789"
_STARTS_WITHIN = 60.0
_ENDS_WITHIN = 10.0
_QUIET = {
    "MCP_API_KEY": KEY,
    "MCP_MEMORY_STORAGE_BACKEND": "sqlite_vec",
    "MCP_MEMORY_USE_ONNX": "0",
    "MCP_MEMORY_ALLOW_HASH_EMBEDDINGS": "1",
    "MCP_MEMORY_OFFLINE": "1",
    "HF_HUB_OFFLINE": "1",
    "MCP_MDNS_ENABLED": "false",
    "MCP_OAUTH_ENABLED": "false",
    "MCP_BACKUP_ENABLED": "false",
    "MCP_CONSOLIDATION_ENABLED": "false",
}
"""Without a model, a network and work of its own."""


def program() -> str:
    """Return where the server is, or skip the test."""
    named = os.environ.get("MEMDESK_PEER", "")
    path = Path(named) if named else Path(__file__).parent.parent / ".peer" / "bin" / "memory"
    if not path.is_file():
        pytest.skip(f"there is no mcp-memory-service at {path}; scripts/peer installs it")
    return str(path)


@contextlib.contextmanager
def memory_service(folder: Path, *, log: bool = True, **settings: str) -> Iterator[str]:
    """Run a server that keeps everything in a folder; yield its address."""
    command = [program(), "server", "--http", "--http-host", "127.0.0.1"]
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = {"HOME": str(folder / "home"), "MCP_MEMORY_BASE_DIR": str(folder)}
    places |= {"MCP_MEMORY_SQLITE_PATH": str(folder / "memory.db"), "PATH": os.environ["PATH"]}
    (folder / "home").mkdir(exist_ok=True)
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [*command, "--http-port", str(port)],
            cwd=folder,
            env=_QUIET | places | {"MCP_SYNC_EVENTLOG": "1" if log else "0"} | settings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _await(url, process, folder / "output")
        yield url
    finally:
        _end(process)


def _await(url: str, process: subprocess.Popen[bytes], output: Path) -> None:
    until = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/api/health", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
    raise AssertionError(f"the server has not come up:\n{output.read_text('utf-8', 'replace')}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it and all it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_ENDS_WITHIN)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(_ENDS_WITHIN)
