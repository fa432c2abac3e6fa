"""Our MemoryOS server behaves as the real one was observed to, row by row of PROTOCOLS §2.1."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from memoryos_server import KEY, NEWEST, MemoryOSServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PAIR = {"user_input": "What is the capital of France?", "agent_response": "Paris", "user_id": "u1"}
INTERNAL, INVALID, UNKNOWN = -32603, -32602, -32601


@pytest.fixture
def server() -> Iterator[MemoryOSServer]:
    """Return a server that runs."""
    with MemoryOSServer() as server:
        yield server


def ask(
    server: MemoryOSServer,
    body: bytes,
    *,
    method: str = "POST",
    path: str = "/mcp/",
    credential: str = f"Bearer {KEY}",
) -> tuple[int, Mapping[str, str], Any]:
    """Return status, headers and JSON of an answer."""
    to = urlsplit(server.url)
    link = http.client.HTTPConnection(to.hostname or "", to.port, timeout=30)
    try:
        link.request(method, path, body, {"Authorization": credential} if credential else {})
        answer = link.getresponse()
        said = answer.read()
        return answer.status, dict(answer.headers), json.loads(said) if said else None
    finally:
        link.close()


def rpc(server: MemoryOSServer, method: str, **more: Any) -> tuple[int, Any]:
    """Return status and JSON of the answer to a message."""
    status, headers, told = ask(
        server, json.dumps({"jsonrpc": "2.0", "method": method} | more).encode()
    )
    assert headers["Content-Type"] == "application/json"
    return status, told


def call(server: MemoryOSServer, name: str, arguments: object) -> dict[str, Any]:
    """Return the result of a tool."""
    status, told = rpc(server, "tools/call", id=4, params={"name": name, "arguments": arguments})
    assert (status, told["jsonrpc"], told["id"]) == (200, "2.0", 4)
    return told["result"]  # type: ignore[no-any-return]


def newest(server: MemoryOSServer, user: str = "u1", query: str = "x") -> list[dict[str, Any]]:
    """Return what can be read back."""
    result = call(server, "retrieve_memory", {"params": {"query": query, "user_id": user}})
    return json.loads(result["content"][0]["text"])["result"]["short_term_memory"]  # type: ignore[no-any-return]


def test_the_address_ends_in_a_slash(server: MemoryOSServer) -> None:
    """Without it the client is sent on by an absolute redirect."""
    status, headers, _ = ask(server, b"{}", path="/mcp")
    assert status == 307
    assert headers["Location"] == server.url


def test_there_is_nothing_to_get(server: MemoryOSServer) -> None:
    """GET is no method of it, and other paths are not there."""
    assert ask(server, b"", method="GET")[0] == 405
    assert ask(server, b"{}", path="/other")[0] == 404


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("credential", ["", "Basic abc", "Bearer", KEY])
def test_no_key_has_either_status(status: int, credential: str) -> None:
    """Versions of its framework differ in that."""
    with MemoryOSServer(without_key=status) as server:
        told = ask(server, b"{}", credential=credential)
    assert (told[0], told[2]) == (status, {"detail": "Not authenticated"})


def test_a_wrong_key_is_401(server: MemoryOSServer) -> None:
    """With the scheme that would do."""
    status, headers, told = ask(server, b"{}", credential="Bearer wrong")
    assert (status, told) == (401, {"detail": "Invalid API key"})
    assert headers["WWW-Authenticate"] == "Bearer"


def test_initialize(server: MemoryOSServer) -> None:
    """The version is its own, whatever the client's; there is no session."""
    status, told = rpc(server, "initialize", id=1, params={"protocolVersion": "2099-01-01"})
    assert status == 200
    assert told == {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {
            "protocolVersion": "2024-11-05",
            "capabilities": {
                "tools": {"listChanged": False},
                "experimental": {},
                "prompts": {"listChanged": False},
                "resources": {"subscribe": False, "listChanged": False},
            },
            "serverInfo": {"name": "MemoryOS Pure MCP 2.0 Server", "version": "1.0.0"},
        },
    }


def test_notifications(server: MemoryOSServer) -> None:
    """One is answered with JSON that is no JSON-RPC, every other as an unknown method without an id."""
    assert rpc(server, "notifications/initialized") == (202, {"status": "ok"})
    status, told = rpc(server, "notifications/cancelled")
    assert (status, told["id"], told["error"]["code"]) == (200, None, UNKNOWN)


def test_what_it_does_not_know(server: MemoryOSServer) -> None:
    """Methods and tools are errors of JSON-RPC, with status 200."""
    status, told = rpc(server, "ping", id=1)
    assert (status, told["error"]) == (200, {"code": UNKNOWN, "message": "Method not found: ping"})
    status, told = rpc(server, "tools/call", id=1, params={"name": "x", "arguments": {}})
    assert (status, told["error"]) == (200, {"code": UNKNOWN, "message": "Tool not found: x"})


@pytest.mark.parametrize("missing", ["user_input", "agent_response", "user_id"])
@pytest.mark.parametrize("blank", [None, "", "  "])
def test_a_missing_argument_is_an_error_inside_a_result(
    server: MemoryOSServer, missing: str, blank: str | None
) -> None:
    """No content and no isError tell of it."""
    given: dict[str, object] = {**PAIR, missing: blank}
    result = call(server, "add_memory", {"params": given})
    words = "Invalid parameters: user_input, agent_response, and user_id are required"
    assert result == {"error": {"code": INVALID, "message": words}}
    assert not server.entries


def test_a_tool_that_fails(server: MemoryOSServer) -> None:
    """It says so in words, and in isError."""
    server.raises = "no model"
    assert call(server, "add_memory", PAIR) == {
        "content": [{"type": "text", "text": "Error adding memory: no model"}],
        "isError": True,
    }


@pytest.mark.parametrize("body", [b"{", b"[]", b'[{"method": "ping"}]', b'{"id": 5}', b"5", b'"x"'])
def test_what_is_no_request_is_a_500(server: MemoryOSServer, body: bytes) -> None:
    """Bad JSON, a batch and a missing method: an internal error of JSON-RPC without an id."""
    status, _, told = ask(server, body)
    data = told["error"].pop("data")
    assert isinstance(data, str)
    error = {"code": INTERNAL, "message": "Internal error"}
    assert (status, told) == (500, {"jsonrpc": "2.0", "id": None, "error": error})


@pytest.mark.parametrize("id", ["a", 5, 1.5, None, True, [1], {"a": 1}])
def test_any_id_is_echoed(server: MemoryOSServer, id: object) -> None:
    """Whatever JSON has."""
    assert rpc(server, "initialize", id=id)[1]["id"] == id


@pytest.mark.parametrize("nested", [True, False])
def test_a_pair_is_added(server: MemoryOSServer, *, nested: bool) -> None:
    """Nested or direct, answered in words and kept as it was sent, the timestamp unread."""
    given = PAIR | {"timestamp": "2025-07-08T10:30:00Z", "meta_data": {"memdesk_id": "m-1"}}
    result = call(server, "add_memory", {"params": given} if nested else given)
    text = (
        '{\n  "status": "success",\n  "message": "Memory added successfully",\n'
        '  "timestamp": "2025-07-08T10:30:00Z",\n  "user_id": "u1",\n  "details": {\n'
        '    "user_input_length": 30,\n    "agent_response_length": 5,\n'
        '    "has_metadata": true\n  }\n}'
    )
    assert result == {"content": [{"type": "text", "text": text}], "isError": False}
    assert server.entries == [given]
    (entry,) = newest(server, query="capital france nowhere")
    assert entry == {
        "user_input": PAIR["user_input"],
        "agent_response": "Paris",
        "timestamp": "2025-07-08T10:30:00Z",
        "meta_data": {"memdesk_id": "m-1"},
        "access_count": 0,
        "last_accessed": "2025-07-08T10:30:00Z",
        "similarity_score": 2,
    }


def test_a_timestamp_is_made_where_there_is_none(server: MemoryOSServer) -> None:
    """Any words do for one that is given."""
    call(server, "add_memory", PAIR)
    call(server, "add_memory", PAIR | {"timestamp": "the day before yesterday"})
    assert server.entries[0]["timestamp"].startswith("20")
    assert server.entries[1]["timestamp"] == "the day before yesterday"


def test_only_the_newest_are_given_back(server: MemoryOSServer) -> None:
    """30 were sent and 7 come, whatever is asked; pages and knowledge never do."""
    for n in range(30):
        call(server, "add_memory", PAIR | {"agent_response": f"answer {n}"})
    call(server, "add_memory", PAIR | {"user_id": "u2"})
    asked = {"query": "answer 3", "user_id": "u1", "max_results": 30}
    told = json.loads(call(server, "retrieve_memory", asked)["content"][0]["text"])
    shown = [each["agent_response"] for each in told["result"]["short_term_memory"]]
    assert shown == [f"answer {n}" for n in range(30 - NEWEST, 30)]
    assert told["result"]["retrieved_pages"] == []
    assert told["result"]["retrieved_user_knowledge"] == []
    assert told["result"]["retrieved_assistant_knowledge"] == []
    assert (told["status"], told["user_id"], told["query"]) == ("success", "u1", "answer 3")


def test_the_same_thing_twice_is_there_twice(server: MemoryOSServer) -> None:
    """Nothing tells a repetition."""
    for _ in range(2):
        call(server, "add_memory", PAIR | {"meta_data": {"memdesk_id": "m-1"}})
    assert len(server.entries) == 2


def test_entries_may_come_the_newest_first() -> None:
    """A client can rely on no order."""
    with MemoryOSServer(newest_first=True) as server:
        for n in range(3):
            call(server, "add_memory", PAIR | {"agent_response": f"{n}"})
        assert [each["agent_response"] for each in newest(server)] == ["2", "1", "0"]


def test_entries_of_one_time_may_hide_each_other() -> None:
    """The first of them is shown, and counts among the newest with those that it hides."""
    with MemoryOSServer(one_of_a_time=True) as server:
        for n in range(8):
            call(server, "add_memory", PAIR | {"agent_response": f"{n}", "timestamp": f"t{n // 4}"})
        assert [each["agent_response"] for each in newest(server)] == ["1", "4"]


def test_success_proves_nothing() -> None:
    """It may say that it has added what it has not."""
    with MemoryOSServer() as server:
        server.forgets = True
        result = call(server, "add_memory", PAIR)
        assert json.loads(result["content"][0]["text"])["status"] == "success"
        assert newest(server) == []


def test_a_large_request_is_taken(server: MemoryOSServer) -> None:
    """There is no limit."""
    call(server, "add_memory", PAIR | {"agent_response": "x" * 5_000_000})
    assert len(server.entries[0]["agent_response"]) == 5_000_000


def test_the_tools_and_the_profile(server: MemoryOSServer) -> None:
    """Three tools are listed; a profile has nothing in it."""
    tools = rpc(server, "tools/list", id=1)[1]["result"]["tools"]
    names = [each["name"] for each in tools]
    assert names == ["add_memory", "retrieve_memory", "get_user_profile"]
    told = json.loads(call(server, "get_user_profile", {"user_id": "u1"})["content"][0]["text"])
    assert told["user_knowledge"] == []


def test_every_byte_is_kept(server: MemoryOSServer) -> None:
    """Of each request, its head too."""
    ask(server, b'{"method": "ping", "id": 1}')
    (heard,) = server.requests
    assert heard.startswith(b"POST /mcp/ HTTP/1.1\r\n")
    assert f"Authorization: Bearer {KEY}\r\n".encode() in heard
    assert heard.endswith(b'\r\n\r\n{"method": "ping", "id": 1}')
