"""JSON-RPC with MCP servers: the real SDK's, and those that bend its rules."""

from __future__ import annotations

import json
import logging
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from scripted import Asked, Reply, Scripted, scripted

from memdesk.remotes import MEMDESK, Remote
from memdesk.sync.http import Http
from memdesk.sync.peer import Foreign, Missing, Unauthorized, Unfit, Unreachable
from memdesk.sync.rpc import PROTOCOL, Rpc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

KEY = "k3y-of-the-team"
HELLO = {"protocolVersion": PROTOCOL, "serverInfo": {"name": "x", "version": "1"}}


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Serve an application on loopback; yields where MCP is spoken."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        config = uvicorn.Config(app, log_level=logging.CRITICAL, ws="none", lifespan="on")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{door.getsockname()[1]}/mcp"
        finally:
            server.should_exit = True
            thread.join(10)


@contextmanager
def talking(url: str) -> Iterator[Rpc]:
    """Return a conversation with a server."""
    with Http(Remote("team", url, MEMDESK), KEY, timeout=10) as http:
        yield Rpc(http)


def team() -> MCPServer:
    """Return a server of the real SDK."""
    server = MCPServer("team", version="7")

    @server.tool()
    def add(a: int, b: int) -> dict[str, int]:
        """Add two numbers."""
        return {"sum": a + b}

    @server.tool(structured_output=False)
    def shout(text: str) -> str:
        """Say it louder."""
        return text.upper()

    @server.tool()
    def fail() -> str:
        """Fail."""
        raise ToolError("no \x1b[31m such\nthing")

    return server


@pytest.mark.parametrize("stateless", [True, False])
@pytest.mark.parametrize("as_json", [True, False])
def test_the_real_sdk_is_understood(as_json: bool, stateless: bool) -> None:
    """Whether it answers with JSON or events, with sessions or without."""
    app = team().streamable_http_app(json_response=as_json, stateless_http=stateless)
    with served(app) as url, talking(url) as rpc:
        told = rpc.initialize()
        assert told["serverInfo"]["name"] == "team"
        assert {each["name"] for each in rpc.call("tools/list")["tools"]} == {
            "add",
            "shout",
            "fail",
        }
        assert rpc.tool("add", {"a": 2, "b": 3}) == {"sum": 5}
        assert rpc.tool("shout", {"text": "é\u2028\n"}) == "É\u2028\n"
        with pytest.raises(Unfit, match=r"^team does not take this: .*no \[31m such thing$"):
            rpc.tool("fail", {})
        with pytest.raises(Missing):
            rpc.call("no/such")


def test_a_large_answer_of_the_real_sdk_is_read_whole() -> None:
    """As an event it is one long line."""
    with served(team().streamable_http_app()) as url, talking(url) as rpc:
        assert rpc.tool("shout", {"text": "é" * 300_000}) == "É" * 300_000


# Servers that a test plays


Play = dict[str, Any]


def answering(**told: object) -> Callable[[Asked], Reply]:
    """Return a server that greets, and answers anything else with these parts of a message."""

    def answer(asked: Asked) -> Reply:
        message = asked.json()
        if "id" not in message:
            return Reply({"status": "ok"}, 202)
        said = {"result": HELLO} if message["method"] == "initialize" else told
        return Reply({"jsonrpc": "2.0", "id": message["id"], **said})

    return answer


@contextmanager
def played(answer: Callable[[Asked], Reply]) -> Iterator[tuple[Rpc, Scripted]]:
    """Talk to a server that answers so."""
    with scripted(answer) as server, talking(server.url) as rpc:
        yield rpc, server


def test_a_conversation_begins_by_itself_and_once() -> None:
    """Greeting, notice, then the calls; the version that was agreed on goes with each."""
    with played(answering(result={"a": 1})) as (rpc, server):
        assert rpc.call("x", {"p": 1}) == {"a": 1}
        assert rpc.call("y") == {"a": 1}
    said = [each.json() for each in server.asked]
    assert [each["method"] for each in said] == [
        "initialize",
        "notifications/initialized",
        "x",
        "y",
    ]
    assert "id" not in said[1]
    assert (said[2]["params"], "params" in said[3]) == ({"p": 1}, False)
    assert len({each["id"] for each in said if "id" in each}) == 3
    assert "mcp-protocol-version" not in server.asked[0].headers
    assert all(each.headers["mcp-protocol-version"] == PROTOCOL for each in server.asked[1:])
    assert all(
        each.headers["accept"] == "application/json, text/event-stream" for each in server.asked
    )


def test_a_notice_that_nobody_knows_does_no_harm() -> None:
    """Some servers refuse what has no id."""

    def answer(asked: Asked) -> Reply:
        return answering(result=1)(asked) if "id" in asked.json() else Reply({}, 422)

    with played(answer) as (rpc, _):
        assert rpc.call("x") == 1


def test_a_session_is_kept_and_begun_anew_when_it_is_over() -> None:
    """After a restart the server knows no session: one new greeting, and the question again."""
    session, asked_in = ["one"], []

    def answer(asked: Asked) -> Reply:
        method = asked.json()["method"]
        if method == "initialize":
            assert "mcp-session-id" not in asked.headers
            reply = answering()(asked)
            return Reply(reply.body, headers={"Mcp-Session-Id": session[0]})
        asked_in.append(asked.headers.get("mcp-session-id"))
        if asked_in[-1] != session[0]:
            return Reply({"error": "Session not found"}, status[0])
        return answering(result=method)(asked)

    status = [404]
    with played(answer) as (rpc, _):
        assert rpc.call("x") == "x"
        for status[0], name in ((404, "two"), (400, "three")):
            session[0] = name
            assert rpc.call("y") == "y"
    assert asked_in == ["one", "one", "one", "two", "two", "two", "three", "three"]


def test_a_session_that_is_always_over_is_not_asked_for_ever() -> None:
    """The second refusal stands."""

    def answer(asked: Asked) -> Reply:
        reply = answering()(asked)
        if asked.json()["method"] == "initialize":
            return Reply(reply.body, headers={"Mcp-Session-Id": "s"})
        return Reply({}, 404) if "id" in asked.json() else reply

    with played(answer) as (rpc, server):
        with pytest.raises(Missing):
            rpc.call("x")
        assert sum(each.json()["method"] == "x" for each in server.asked) == 2


def test_without_a_session_a_404_is_one() -> None:
    """A server that has no sessions is asked once."""

    def answer(asked: Asked) -> Reply:
        return Reply({}, 404) if asked.json()["method"] == "x" else answering()(asked)

    with played(answer) as (rpc, server):
        with pytest.raises(Missing):
            rpc.call("x")
        assert len(server.asked) == 3


def test_a_session_that_fits_no_header_is_not_taken() -> None:
    """Nor a version that is none."""

    def answer(asked: Asked) -> Reply:
        reply = answering(result={})(asked)
        if asked.json()["method"] == "initialize":
            reply.body["result"] = HELLO | {"protocolVersion": "x" * 9999}
            return Reply(reply.body, headers={"Mcp-Session-Id": "a b"})
        return reply

    with played(answer) as (rpc, server):
        rpc.call("x")
    assert not {"mcp-session-id", "mcp-protocol-version"} & server.asked[-1].headers.keys()


@pytest.mark.parametrize(
    ("told", "error", "words"),
    [
        ({"error": {"code": -32600, "message": "no\x1b\ngood"}}, Unfit, "no good (-32600)"),
        ({"error": {"code": -32601, "message": "none"}}, Missing, "none (-32601)"),
        ({"error": {"code": -32003, "message": "scope"}}, Unauthorized, "refuses the key"),
        ({"error": "odd"}, Unfit, "odd"),
        ({"result": {"error": {"code": -32602, "message": "required"}}}, Unfit, "required"),
        ({"error": {"code": 1, "message": f"key {KEY} x"}}, Unfit, "key … x"),
    ],
)
def test_an_error_is_one_of_ours(told: Play, error: type[Unfit], words: str) -> None:
    """Wherever in the answer it is, in clean words without the key."""
    with played(answering(**told)) as (rpc, _), pytest.raises(error) as caught:
        rpc.call("x")
    assert type(caught.value) is error
    assert words in str(caught.value)
    assert str(caught.value).isprintable()
    assert KEY not in str(caught.value)


def test_a_500_of_memoryos_is_what_it_says() -> None:
    """Its errors have no id, and are no outage."""
    told = {"jsonrpc": "2.0", "id": None, "error": {"code": -32603, "message": "Internal error"}}

    def answer(asked: Asked) -> Reply:
        return Reply(told, 500) if asked.json()["method"] == "x" else answering()(asked)

    with played(answer) as (rpc, _), pytest.raises(Unfit, match="Internal error"):
        rpc.call("x")


@pytest.mark.parametrize(
    ("result", "value"),
    [
        ({"content": [{"type": "text", "text": '{"a": 1}'}], "isError": False}, {"a": 1}),
        ({"content": [{"type": "text", "text": "[1]"}], "structuredContent": {"b": 2}}, {"b": 2}),
        ({"content": [{"type": "text", "text": "stored"}]}, "stored"),
        ({"content": []}, ""),
        ({}, ""),
    ],
)
def test_a_tool_answers_with_its_structure_or_its_text(result: Play, value: object) -> None:
    """Structure first, then JSON in the text, then the text."""
    with played(answering(result=result)) as (rpc, server):
        assert rpc.tool("add_memory", {"params": {}}) == value
    said = server.asked[-1].json()
    assert said["method"] == "tools/call"
    assert said["params"] == {"name": "add_memory", "arguments": {"params": {}}}


def test_a_tool_that_fails_is_unfit_in_bounded_words() -> None:
    """However much it has to say."""
    result = {"content": [{"type": "text", "text": "bad " * 9999}], "isError": True}
    with played(answering(result=result)) as (rpc, _), pytest.raises(Unfit) as caught:
        rpc.tool("x", {})
    assert len(str(caught.value)) < 400


def stream(*messages: object, end: str = "\n") -> Reply:
    """Return server-sent events."""
    lines = [": hello", ""]
    for each in messages:
        said = each if isinstance(each, str) else json.dumps(each, indent=1, ensure_ascii=False)
        lines += ["event: message", "id: 1", *(f"data: {line}" for line in said.split("\n")), ""]
    body = end.join([*lines, ""]).encode()
    return Reply(body, headers={"Content-Type": "text/event-stream; charset=utf-8"})


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_answer_is_found_among_events(end: str) -> None:
    """Notices, the server's own questions, others' answers and nonsense before it are passed over."""

    def answer(asked: Asked) -> Reply:
        message = asked.json()
        if message["method"] != "x":
            return answering()(asked)
        id = message["id"]
        return stream(
            {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}},
            {"jsonrpc": "2.0", "id": id, "method": "sampling/createMessage"},
            {"jsonrpc": "2.0", "id": id + 1, "result": "another's"},
            "{no json",
            "[1]",
            {"jsonrpc": "2.0", "id": id, "result": "a\u2028b\x85c"},
            {"jsonrpc": "2.0", "id": id, "result": "too late"},
            end=end,
        )

    with played(answer) as (rpc, _):
        assert rpc.call("x") == "a\u2028b\x85c"


@pytest.mark.parametrize(
    "reply",
    [
        Reply({"jsonrpc": "2.0", "id": 99, "result": 1}),
        Reply({"jsonrpc": "2.0", "id": True, "result": 1}),
        Reply([]),
        Reply("text"),
        Reply(b"<html>"),
        Reply(b"", 204),
        stream(),
        stream("[" * 9999),
    ],
)
def test_no_answer_is_foreign(reply: Reply) -> None:
    """An answer to another question, or none at all, is taken for nothing."""
    with played(lambda _: reply) as (rpc, _), pytest.raises(Foreign):
        rpc.initialize()


def test_a_server_without_a_name_is_no_mcp() -> None:
    """A greeting is answered with what the server is."""
    odd = played(lambda asked: Reply({"id": asked.json()["id"], "result": 1}))
    with odd as (rpc, _), pytest.raises(Foreign, match="speaks no MCP"):
        rpc.initialize()


def test_an_outage_stays_one() -> None:
    """What http tells passes through."""
    with played(lambda _: Reply({}, 503)) as (rpc, _), pytest.raises(Unreachable):
        rpc.call("x")
    with played(lambda _: Reply({}, 401)) as (rpc, _), pytest.raises(Unauthorized):
        rpc.call("x")
