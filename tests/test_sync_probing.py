"""What kind of server is behind an address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from scripted import Asked, Reply, scripted

from memdesk.errors import SyncError
from memdesk.remotes import MEMDESK, MEMORY_SERVICE, MEMORYOS, Remote
from memdesk.sync.peer import Unauthorized, Unreachable
from memdesk.sync.probing import Found, probe

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "k3y-of-the-team"
NOTHING = Reply({"detail": "Not Found"}, 404)


def at(url: str) -> Remote:
    """Return a remote of which only the address is known."""
    return Remote("team", url, "")


def mcp(place: str, name: str, *tools: str, pages: int = 1) -> Callable[[Asked], Reply]:
    """Return a server that speaks MCP at one place, and tells its tools on some pages."""

    def answer(asked: Asked) -> Reply:
        if asked.path != place or asked.method != "POST":
            return NOTHING
        message = asked.json()
        if "id" not in message:
            return Reply(b"", 202)
        if message["method"] == "initialize":
            result: dict[str, Any] = {"serverInfo": {"name": name, "version": "1.2\x1b"}}
        else:
            page = int(message["params"].get("cursor", "0"))
            result = {"tools": [{"name": each} for each in tools[page::pages]]}
            result |= {"nextCursor": str(page + 1)} if page + 1 < pages else {}
        return Reply({"jsonrpc": "2.0", "id": message["id"], "result": result})

    return answer


@pytest.mark.parametrize("given", ["", "/", "/mcp", "/mcp/"])
def test_memoryos_is_found_at_its_slash(given: str) -> None:
    """By its name; its address ends in a slash, whatever was given."""

    def answer(asked: Asked) -> Reply:
        if asked.path == "/mcp":
            return Reply(b"", 307, {"Location": f"http://{asked.headers['host']}/mcp/"})
        return mcp("/mcp/", "MemoryOS Pure MCP 2.0 Server")(asked)

    with scripted(answer) as server:
        found = probe(at(server.url + given), KEY)
        about = "MemoryOS Pure MCP 2.0 Server"
        assert found == Found(MEMORYOS, server.url + "/mcp/", "1.2", about)


def test_a_server_with_memoryos_tool_is_one() -> None:
    """Whatever it calls itself."""
    with scripted(mcp("/mcp/", "ours", "add_memory", "retrieve_memory")) as server:
        assert probe(at(server.url), KEY).kind == MEMORYOS


@pytest.mark.parametrize("given", ["", "/", "/mcp", "/mcp/"])
def test_memory_service_is_found_at_its_base(given: str) -> None:
    """It is not spoken to by MCP."""

    def answer(asked: Asked) -> Reply:
        return mcp(asked.path if "mcp" in asked.path else "-", "mcp-memory-service")(asked)

    with scripted(answer) as server:
        found = probe(at(server.url + given), KEY)
        assert found == Found(MEMORY_SERVICE, server.url, "1.2", "mcp-memory-service")


def test_an_old_memory_service_is_found_by_its_memories() -> None:
    """Where it speaks no MCP; being well is not enough, since anything may say that."""

    def answer(asked: Asked) -> Reply:
        if asked.path == "/api/health":
            return Reply({"status": "healthy", "version": "3.3.2"})
        return memories if asked.path.startswith("/api/memories?") else NOTHING

    memories = Reply({"memories": [], "total": 0})
    with scripted(answer) as server:
        assert probe(at(server.url), KEY).version == "3.3.2"
        assert probe(at(server.url + "/mcp"), KEY).url == server.url
        memories = Reply({"detail": "no"}, 401)
        with pytest.raises(Unauthorized):
            probe(at(server.url), KEY)
        memories = Reply([])
        with pytest.raises(SyncError, match="not as mcp-memory-service does"):
            probe(at(server.url), KEY)


@pytest.mark.parametrize(
    ("given", "place"), [("", "/mcp"), ("", "/mcp/"), ("/mcp", "/mcp"), ("/team/a", "/team/a")]
)
def test_a_team_server_is_found_by_its_tools(given: str, place: str) -> None:
    """At the address given, or where MCP usually is; its tools may be on several pages."""
    tools = ("search", "sync_push", "add_memory", "sync_pull")
    with scripted(mcp(place, "team", *tools, pages=4)) as server:
        assert probe(at(server.url + given), KEY) == Found(
            MEMDESK, server.url + place, "1.2", "team"
        )


@pytest.mark.parametrize(("given", "place"), [("/mcp/", "/mcp"), ("/mcp", "/mcp/"), ("/a/", "/a")])
def test_the_last_slash_does_not_matter(given: str, place: str) -> None:
    """The address that answers is kept, with the slash or without; the other one only sends on."""

    def answer(asked: Asked) -> Reply:
        if asked.path != place:
            return Reply(b"", 307, {"Location": f"http://elsewhere.example.org{place}"})
        return mcp(place, "team", "sync_push", "sync_pull")(asked)

    with scripted(answer) as server:
        assert probe(at(server.url + given), KEY).url == server.url + place


def test_a_server_that_is_none_is_told_with_what_was_tried() -> None:
    """Each address with what came back; words of the server are clean."""
    with scripted(mcp("/mcp", "files\x1b[31m", "read_file")) as server:
        with pytest.raises(SyncError) as caught:
            probe(at(server.url), KEY)
        url = server.url
    words = str(caught.value)
    assert words.startswith(
        f"{url} is no server that memdesk can sync with; tried POST {url}: HTTP 404"
    )
    assert f"POST {url}/mcp/: HTTP 404" in words
    assert f"POST {url}/mcp: an MCP server “files [31m” without the tools" in words
    assert f"GET {url}/api/health: HTTP 404" in words
    assert words.isprintable()
    assert KEY not in words


def test_a_page_of_another_kind_is_none() -> None:
    """A web site answers everything with a page."""
    page = Reply(b"<html>", headers={"Content-Type": "text/html"})
    words = "no server that memdesk can sync with"
    with scripted(lambda _: page) as server, pytest.raises(SyncError, match=words):
        probe(at(server.url), KEY)


def test_a_server_that_never_ends_its_tools_is_left() -> None:
    """After some pages."""

    def answer(asked: Asked) -> Reply:
        reply = mcp("/mcp", "endless")(asked)
        if isinstance(reply.body, dict) and "tools" in reply.body.get("result", {}):
            reply.body["result"]["nextCursor"] = "0"
        return reply

    with scripted(answer) as server, pytest.raises(SyncError, match="without the tools"):
        probe(at(server.url + "/mcp"), KEY)
    assert len(server.asked) < 20


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_ends_the_search(status: int) -> None:
    """It is not tried at other addresses."""
    with scripted(lambda _: Reply({"detail": "Invalid API key"}, status)) as server:
        with pytest.raises(Unauthorized, match="refuses the key"):
            probe(at(server.url), KEY)
        assert len(server.asked) == 1


def test_a_redirect_elsewhere_is_told_and_not_followed() -> None:
    """The person may want to give the address that it leads to."""
    with scripted(lambda _: NOTHING) as other:
        moved = Reply(b"", 301, {"Location": other.url + "/new"})
        with scripted(lambda _: moved) as server, pytest.raises(SyncError) as caught:
            probe(at(server.url), KEY)
        assert not other.asked
        assert f"sends memdesk on to {other.url}/new" in str(caught.value)


def test_an_outage_is_no_verdict() -> None:
    """A server that is not there may be of any kind."""
    with scripted(lambda _: NOTHING) as server:
        gone = server.url
    with pytest.raises(Unreachable, match="cannot be reached"):
        probe(at(gone), KEY)
