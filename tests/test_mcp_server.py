"""The server in memory, as both kinds of clients see it, in front of a fake service."""

from __future__ import annotations

import json
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from mcp import Client
from mcp.server.runner import serve_dual_era_loop
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter
from mcp_client import MODES, call, through_client
from mcp_fake import FakeService, hit, memory

from memdesk.errors import Busy, StoreError
from memdesk.mcp.connection import Connection
from memdesk.mcp.server import INSTRUCTIONS, build_server
from memdesk.memory import count_tokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

TOOLS = ["remember", "recall", "get", "revise", "forget", "profile"]


async def _tools(client: Client) -> list[dict[str, Any]]:
    listed = (await client.list_tools()).tools
    return [each.model_dump(mode="json", by_alias=True, exclude_none=True) for each in listed]


@pytest.mark.parametrize(
    ("name", "actor"),
    [
        *[("person", "host person"), (" Person\n", "host Person"), ("memdesk", "host memdesk")],
        *[("MAINTENANCE", "host MAINTENANCE"), ("Claude", "Claude"), ("", "mcp")],
        *[("persona", "persona"), ("host person", "host person")],
    ],
)
def test_no_host_passes_for_the_person(name: str, actor: str) -> None:
    """Who calls itself as the person or memdesk does is told apart, in history and source."""
    service = FakeService()
    through_client(lambda client: client.call_tool("remember", {"text": "tea"}), service, name=name)
    [(_, (draft, asked_by))] = service.asked
    assert (asked_by, draft.source.name) == (actor, actor)


@pytest.mark.parametrize("mode", MODES)
def test_there_are_six_tools_in_both_eras(mode: str) -> None:
    """A host of either protocol era sees the same six tools, in the same order."""
    assert [tool["name"] for tool in through_client(_tools, mode=mode)] == TOOLS


def test_the_schemas_cost_at_most_2000_tokens() -> None:
    """What every conversation pays for the tools stays in its budget, notes for hosts included."""
    wire = json.dumps(through_client(_tools), ensure_ascii=False)
    assert count_tokens(wire) <= 2000


def test_the_schemas_are_plain() -> None:
    """No union, null, reference or title stands in a schema, and every argument has one type."""
    for tool in through_client(_tools):
        schema = tool["inputSchema"]
        text = json.dumps(schema)
        for word in ("anyOf", "oneOf", "allOf", "null", "$ref", "$defs", "title"):
            assert word not in text
        assert set(schema) <= {"type", "properties", "required", "additionalProperties"}
        assert schema["additionalProperties"] is False
        for argument in schema["properties"].values():
            assert argument["type"] in {"string", "integer", "boolean", "array"}
        assert "outputSchema" not in tool


def test_the_arguments_are_those_of_the_design() -> None:
    """The names that other documents rely on are the names of the schemas."""
    arguments = {
        tool["name"]: list(tool["inputSchema"]["properties"]) for tool in through_client(_tools)
    }
    assert arguments == {
        "remember": ["text", "kind", "tags", "space", "happened_at", "expires_at", "replaces"],
        "recall": [
            *("query", "limit", "space", "kind", "tags", "since", "until", "beside", "max_tokens")
        ],
        "get": ["ids", "max_tokens"],
        "revise": ["id", "text", "kind", "tags", "expires_at", "pinned"],
        "forget": ["ids", "reason"],
        "profile": ["space", "max_tokens"],
    }


def test_descriptions_say_when_and_fit_what_hosts_show() -> None:
    """Each description has its "use it when" and stays under 2 KB, as do the instructions."""
    for tool in through_client(_tools):
        assert "Use it " in tool["description"]
        assert len(tool["description"].encode()) < 2048
    assert len(INSTRUCTIONS.encode()) < 2048


def test_hints_tell_reading_from_writing() -> None:
    """Hosts may run the three reading tools unasked, and should ask before forget."""
    hints = {tool["name"]: tool["annotations"] for tool in through_client(_tools)}
    assert [name for name in TOOLS if hints[name]["readOnlyHint"]] == ["recall", "get", "profile"]
    assert [name for name in TOOLS if hints[name].get("destructiveHint")] == ["forget"]
    assert all(hints[name]["openWorldHint"] is False for name in TOOLS)
    assert all(hints[name]["idempotentHint"] for name in ("remember", "revise", "forget"))


@pytest.mark.parametrize("mode", MODES)
def test_the_server_names_itself_and_instructs(mode: str) -> None:
    """Name, version and instructions reach the host in both eras."""

    async def ask(client: Client) -> tuple[str, str, str | None]:
        assert client.server_info is not None
        return client.server_info.name, client.server_info.version, client.instructions

    assert through_client(ask, mode=mode) == ("memdesk", "0.1.0", INSTRUCTIONS)


def test_an_unknown_argument_is_refused_by_name() -> None:
    """A misspelt argument is named with the known ones, and nothing is remembered."""
    service = FakeService()
    given: dict[str, Any] = {"text": "x", "tag": "a", "evil\n" + "x" * 999: 1}
    text, failed = call("remember", service, **given)
    assert failed
    assert text.startswith("remember has no argument tag, evil xxx")
    assert "it takes text, kind, tags, space, happened_at, expires_at, replaces" in text
    assert len(text) < 200
    assert service.asked == []


def test_a_wrong_type_is_told_by_field_without_the_value() -> None:
    """The rejected value may be long or secret, so it is not repeated."""
    text, failed = call("recall", query="x", limit="hunter2" * 500, max_tokens=1)
    assert failed
    assert text == (
        "limit: should be a valid integer, unable to parse string as an integer; "
        "max_tokens: should be greater than or equal to 300"
    )


def test_a_missing_argument_is_named() -> None:
    """A call without its required argument says which one is missing."""
    assert call("recall") == ("query: is missing", True)


def test_an_unknown_tool_is_refused_with_the_known_ones() -> None:
    """A model that invents a tool learns the real names."""
    text, failed = call("delete_everything")
    assert failed
    assert text == f"there is no tool delete_everything; there are {', '.join(TOOLS)}"


def test_a_null_argument_counts_as_not_sent() -> None:
    """Hosts that fill optional arguments with null are understood."""
    service = FakeService()
    text, failed = call("recall", service, query="x", space=None, tags=None, limit=None)
    assert (text, failed) == ("Nothing relevant is remembered in personal.", False)


def test_lists_may_come_as_one_word_or_as_json() -> None:
    """A single id, and a list inside a string as Claude Desktop sends it, are understood."""
    service = FakeService()
    one = memory("tea")
    service.memories[one.id] = one
    assert "| tea" in call("get", service, ids=one.id)[0]
    assert "| tea" in call("get", service, ids=json.dumps([one.id]))[0]


def test_remember_fills_in_who_wrote_it() -> None:
    """The source is the host's own name with trust agent, and the actor is the host."""
    service = FakeService()
    text, failed = call(
        "remember",
        service,
        space="work",
        text="Ann likes tea",
        kind="preference",
        tags=["ann"],
        happened_at="2026-05",
        expires_at="2027-01-01",
        replaces="old",
    )
    assert not failed
    [(verb, (draft, actor))] = service.asked
    assert (verb, actor) == ("remember", "a-host")
    assert (draft.source.name, draft.source.trust) == ("a-host", "agent")
    assert (draft.text, draft.kind, draft.tags, draft.space) == (
        "Ann likes tea",
        "preference",
        ("ann",),
        "work",
    )
    assert (draft.happened_at, draft.expires_at, draft.replaces) == ("2026-05", "2027-01-01", "old")
    assert "in work. It replaces old." in text


def test_remember_twice_is_known_the_second_time() -> None:
    """A retried call answers with the first one's id."""
    service = FakeService()
    first, _ = call("remember", service, text="tea\x1b")
    second, _ = call("remember", service, text="tea")
    [id] = service.memories
    assert first == f"Remembered as {id} in personal. 1 unprintable characters were removed."
    assert second == f"Already known as {id} in personal; nothing was added."


def test_a_connection_has_its_own_space() -> None:
    """Without an argument, the space given at the start is meant; personal is searched too."""
    service = FakeService()
    call("remember", service, space="work", text="tea")
    assert service.asked[0][1][0].space == "work"

    def ask(client: Client) -> Awaitable[Any]:
        return client.call_tool("recall", {"query": "tea"})

    through_client(ask, service, space="work")
    assert service.asked[1][1][2].spaces == ("work", "personal")


def test_recall_hands_on_its_filters() -> None:
    """Kind, tags and both dates reach the service as a filter; until includes the day named."""
    service = FakeService()
    call(
        "recall",
        service,
        query="x",
        kind="fact",
        tags=["a", "b"],
        since="2026-05-01T00:00Z",
        until="2026-05-02T00:00Z",
        limit=7,
        beside=2,
    )
    [(_, (query, limit, where, beside))] = service.asked
    assert (query, limit, beside) == ("x", 7, 2)
    assert (where.kinds, where.tags) == (("fact",), ("a", "b"))
    assert f"{where.since:%F %T}" == "2026-05-01 00:00:00"
    assert f"{where.until:%F %T}" == "2026-05-02 00:00:00"


@pytest.mark.parametrize("field", ["since", "until"])
def test_a_bad_date_is_told_by_field(field: str) -> None:
    """A date that is none is refused by the name of its argument."""
    text, failed = call("recall", query="x", **{field: "whenever"})
    assert failed
    assert text.startswith(f"{field}: “whenever” is not a date")


def test_recall_keeps_max_tokens() -> None:
    """The whole answer, headers included, costs at most what was asked for."""
    hits = tuple(hit(memory("word " * 300)) for _ in range(50))
    service = FakeService(hits=hits)
    for budget in (300, 1000, 5000):
        assert count_tokens(call("recall", service, query="x", max_tokens=budget)[0]) <= budget
    assert count_tokens(call("recall", service, query="x")[0]) <= 2000


@pytest.mark.parametrize(
    ("arguments", "edit"),
    [
        ({}, (None, None, None, None, None)),
        ({"pinned": False}, (None, None, None, None, False)),
        ({"pinned": True, "text": "new"}, ("new", None, None, None, True)),
        ({"tags": [], "expires_at": ""}, (None, None, (), "", None)),
        ({"kind": "fact", "tags": ["a"]}, (None, "fact", ("a",), None, None)),
    ],
)
def test_revise_changes_only_what_was_sent(
    arguments: dict[str, Any], edit: tuple[object, ...]
) -> None:
    """An argument that is not sent stays as it is; an empty one empties the field."""
    service = FakeService()
    known = memory("old")
    service.memories[known.id] = known
    text, failed = call("revise", service, id=known.id, **arguments)
    assert not failed
    assert text.startswith(f"Revised; the earlier version stays in its history.\n{known.id} · ")
    given = service.asked[0][1][1]
    assert (given.text, given.kind, given.tags, given.expires_at, given.pinned) == edit


def test_forget_moves_to_the_trash_once() -> None:
    """The second call for the same id says that it is there already."""
    service = FakeService()
    known = memory("old")
    service.memories[known.id] = known
    assert call("forget", service, ids=[known.id], reason="asked")[0].startswith("Moved to the tr")
    assert service.asked[0][1] == ([known.id], "asked", "a-host")
    assert call("forget", service, ids=[known.id])[0] == f"Forgotten already: {known.id}."


def test_profile_is_that_of_the_space() -> None:
    """The profile names its space and shows what is pinned in it."""
    service = FakeService()
    known = memory("Ann is the user", pinned=True)
    service.memories[known.id] = known
    text, _ = call("profile", service, space="work", max_tokens=500)
    assert text.startswith("What is always worth knowing (work). ")
    assert "| Ann is the user" in text
    assert service.asked == [("profile", ("work", 500))]


def test_an_expected_error_is_its_sentence() -> None:
    """What memdesk reports reaches the model as it is, without the SDK's prefix."""
    service = FakeService(failure=Busy("process 7", 30.0))
    expected = "the store is busy: process 7 is writing; waited 30.0 s, try again"
    assert call("remember", service, text="x") == (expected, True)


def test_an_unexpected_error_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the model nor the log gets the text of an error that may quote a memory."""
    service = FakeService(failure=RuntimeError("secret words"))
    with caplog.at_level(logging.DEBUG):
        text, failed = call("recall", service, query="private question")
    assert failed
    assert text == "memdesk failed unexpectedly (RuntimeError); its log says where"
    assert "secret words" not in caplog.text
    assert "private question" not in caplog.text
    assert "RuntimeError at mcp_fake.py:" in caplog.text


def test_an_opening_that_failed_is_tried_again() -> None:
    """A store that could not be opened fails the call, not the server."""
    answers = [StoreError("the folder is not writable"), FakeService()]

    def open_service() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[Connection]:
        yield Connection(open_service)

    async def run() -> list[Any]:
        async with Client(build_server(lifespan)) as client:
            return [await client.call_tool("recall", {"query": "x"}) for _ in range(2)]

    first, second = anyio.run(run)
    assert first.content[0].text == "the folder is not writable"
    assert not second.is_error


def test_one_server_serves_connections_of_their_own() -> None:
    """One built server keeps two hosts' names and spaces apart, as the daemon needs it."""
    service = FakeService()
    low = build_server()._lowlevel_server

    async def host(name: str, space: str) -> None:
        connection = Connection(lambda: service.real, space=space)
        to_server, server_in = anyio.create_memory_object_stream[SessionMessage | Exception](9)
        server_out, from_server = anyio.create_memory_object_stream[SessionMessage](9)
        info = {"name": name, "version": "1"}
        opening = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": info}
        note = {"name": "remember", "arguments": {"text": f"from {name}"}}
        async with anyio.create_task_group() as group:
            group.start_soon(
                lambda: serve_dual_era_loop(low, server_in, server_out, lifespan_state=connection)
            )
            for id, (method, params) in enumerate((("initialize", opening), ("tools/call", note))):
                asked = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
                message = jsonrpc_message_adapter.validate_python(asked)
                await to_server.send(SessionMessage(message))
                await from_server.receive()
            await to_server.aclose()
        from_server.close()

    async def run() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(host, "one", "work")
            group.start_soon(host, "two", "home")

    anyio.run(run)
    written = {(draft.text, draft.space, draft.source.name) for _, (draft, _) in service.asked}
    assert written == {("from one", "work", "one"), ("from two", "home", "two")}
