"""What kind of server is behind an address: asked, not guessed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from memdesk.errors import SyncError
from memdesk.remotes import MEMDESK, MEMORY_SERVICE, MEMORYOS
from memdesk.sync.answer import answer_of, plain
from memdesk.sync.http import Http
from memdesk.sync.peer import Foreign, Unauthorized, Unfit
from memdesk.sync.rpc import Rpc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memdesk.remotes import Remote

_MCP = "/mcp"
_SYNC_TOOLS = frozenset(("sync_push", "sync_pull"))
_MEMORYOS_TOOL = "add_memory"
_MOST_PAGES = 10
_WORD = 80
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Found:
    """What a server is."""

    kind: str
    """One of `KINDS`."""
    url: str
    """The address that this kind is spoken to at."""
    version: str
    """As it says itself; empty where it does not."""
    about: str
    """How it calls itself; empty where it does not."""


class _Tried(Exception):  # noqa: N818 (read as “has tried”)
    """One address was no server of a known kind; says why."""


def probe(remote: Remote, key: str = "") -> Found:
    """Return what is behind a remote's address; its kind does not matter.

    Raises `Unauthorized`, `Unreachable`, `Invalid`, and `SyncError` that tells what was tried.
    """
    tried = []
    for url in _places(remote.url):
        try:
            return _by_mcp(replace(remote, url=url), key)
        except _Tried as why:
            tried.append(f"POST {url}: {why}")
    base = _base(remote.url)
    try:
        return _by_health(replace(remote, url=base), key)
    except _Tried as why:
        tried.append(f"GET {base}/api/health: {why}")
    raise SyncError(
        f"{plain(remote.url, _WORD)} is no server that memdesk can sync with; tried "
        + "; ".join(tried)
    )


def _places(url: str) -> Iterator[str]:
    """Yield the addresses at which MCP may be spoken: this one, and those below that are usual.

    Each with a last slash and without: many servers only send on from one to the other.
    """
    bare = url.rstrip("/")
    yield url
    if urlsplit(bare).path:
        yield bare if url != bare else bare + "/"
    if not bare.endswith(_MCP):
        yield bare + _MCP + "/"
        yield bare + _MCP


def _base(url: str) -> str:
    """Return the address without what MCP is spoken at."""
    return url.rstrip("/").removesuffix(_MCP).rstrip("/")


def _by_mcp(remote: Remote, key: str) -> Found:
    with Http(remote, key, timeout=_PATIENCE) as http:
        rpc = Rpc(http)
        try:
            told = rpc.initialize().get("serverInfo")
            server = told if isinstance(told, dict) else {}
            about, version = http.safe(_word(server, "name")), http.safe(_word(server, "version"))
            kind = _kind(rpc, about)
        except SyncError as error:
            raise _tried(error) from error
    if kind == MEMORYOS:
        return Found(kind, http.url.rstrip("/") + "/", version, about)
    if kind == MEMORY_SERVICE:
        return Found(kind, _base(http.url), version, about)
    return Found(kind, http.url, version, about)


def _kind(rpc: Rpc, name: str) -> str:
    """Return what kind an MCP server is, by its name or else by what it can do."""
    if MEMORY_SERVICE in name.lower():
        return MEMORY_SERVICE
    if MEMORYOS in name.lower():
        return MEMORYOS
    tools = _tools(rpc)
    if tools >= _SYNC_TOOLS:
        return MEMDESK
    if _MEMORYOS_TOOL in tools:
        return MEMORYOS
    called = f" “{name}”" if name else ""
    raise _Tried(f"an MCP server{called} without the tools {' and '.join(sorted(_SYNC_TOOLS))}")


def _tools(rpc: Rpc) -> set[str]:
    """Return the names of an MCP server's tools."""
    names: set[str] = set()
    params: dict[str, object] = {}
    for _ in range(_MOST_PAGES):
        page = rpc.call("tools/list", params)
        if not isinstance(page, dict) or not isinstance(page.get("tools"), list):
            break
        names.update(_word(each, "name") for each in page["tools"] if isinstance(each, dict))
        if not isinstance(cursor := page.get("nextCursor"), str):
            break
        params = {"cursor": cursor}
    return names


def _by_health(remote: Remote, key: str) -> Found:
    """Return what an older mcp-memory-service is, which speaks no MCP here.

    Anything may say that it is well, so its memories are asked for too: that also tries the key.
    """
    with Http(remote, key, timeout=_PATIENCE) as http:
        try:
            health = http.ask("GET", "/api/health").json()
            page = http.ask("GET", "/api/memories", params={"page": 1, "page_size": 1}).json()
        except SyncError as error:
            raise _tried(error) from error
    if not isinstance(health, dict) or not isinstance(page, dict) or "memories" not in page:
        raise _Tried("answers, but not as mcp-memory-service does")
    return Found(MEMORY_SERVICE, http.url, http.safe(_word(health, "version")), MEMORY_SERVICE)


def _tried(error: SyncError) -> Exception:
    """Return what an error means for the probe: the next address, or the end of it."""
    answer = answer_of(error)
    if isinstance(error, Unauthorized):
        return error
    if answer is not None:
        return _Tried(str(error) if "location" in answer.headers else f"HTTP {answer.status}")
    return _Tried("no such answer") if isinstance(error, Foreign | Unfit) else error


def _word(told: dict[str, Any], name: str) -> str:
    value = told.get(name)
    return plain(value, _WORD) if isinstance(value, str) else ""
