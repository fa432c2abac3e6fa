"""The reference server of kind memdesk keeps docs/SYNC.md, on the SDK and without it."""

from __future__ import annotations

import http.client
import json
import random
import subprocess
import sys
import threading
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import team_server
from mcp_fake import memory
from team_server import KEY, MOST_BYTES, LightTeam, Team, TeamServer

from memdesk.memory import content_hash
from memdesk.sharing import record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memdesk.remotes import Clock

HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


class Caller:
    """An MCP client as small as one can be."""

    def __init__(self, url: str, key: str = KEY) -> None:
        self._to = urlsplit(url)
        self._headers = HEADERS | ({"Authorization": f"Bearer {key}"} if key else {})

    def post(self, method: str, params: object = None, id: int | None = 1) -> tuple[int, Any]:
        """Return the status and what is answered to one message."""
        told = {"jsonrpc": "2.0", "method": method, "params": params or {}}
        return self.send(json.dumps(told | ({} if id is None else {"id": id})).encode())

    def send(self, body: bytes) -> tuple[int, Any]:
        """Return the status and what is answered to a body."""
        link = http.client.HTTPConnection(self._to.hostname or "", self._to.port, timeout=30)
        try:
            link.request("POST", self._to.path, body, self._headers)
            answer = link.getresponse()
            if session := answer.headers.get("Mcp-Session-Id"):
                self._headers["Mcp-Session-Id"] = session
            said = answer.read().decode()
            if answer.headers.get_content_type() == "text/event-stream":
                lines = said.splitlines()
                said = next(line[6:] for line in lines if line.startswith("data: {"))
            return answer.status, json.loads(said) if said.startswith("{") else said
        finally:
            link.close()

    def greet(self) -> None:
        """Do the handshake."""
        client = {"name": "test", "version": "1"}
        asked = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
        assert self.post("initialize", asked)[0] == 200
        assert self.post("notifications/initialized", id=None)[0] == 202

    def call(self, tool: str, **arguments: Any) -> Any:
        """Return what a tool answers, or the words of its error."""
        status, told = self.post("tools/call", {"name": tool, "arguments": arguments})
        assert status == 200, told
        text = told["result"]["content"][0]["text"]
        if told["result"].get("isError"):
            return text
        assert told["result"]["structuredContent"] == json.loads(text)
        return json.loads(text)


@pytest.fixture(scope="module", params=["light", "sdk"])
def running(request: pytest.FixtureRequest) -> Iterator[LightTeam | TeamServer]:
    """Return a team server that runs, of either make."""
    with LightTeam() if request.param == "light" else TeamServer() as server:
        yield server


@pytest.fixture
def server(running: LightTeam | TeamServer) -> LightTeam | TeamServer:
    """Return a team server that has nothing yet."""
    running.team = Team()
    return running


@pytest.fixture
def team(server: LightTeam | TeamServer) -> Caller:
    """Return a client that has greeted a team server."""
    return greeted(server.url)


def greeted(url: str) -> Caller:
    """Return a client that has greeted a server."""
    caller = Caller(url)
    caller.greet()
    return caller


def told(text: str, clock: Clock = (1, 0, "a"), **fields: Any) -> dict[str, Any]:
    """Return the record of a memory with a text."""
    return record(memory(text, content_hash=content_hash(text), **fields), clock)


def test_a_record_comes_back_as_it_was_sent(team: Caller) -> None:
    """Every field arrives, in any script, and what the server does not know is left out."""
    sent = told("Zoë's café ☕ — 東京", tags=("a b", "ü"), happened_precision="day", position=3)
    pushed = team.call("sync_push", records=[sent | {"surprise": 1}])
    assert pushed == {"results": [{"id": sent["id"], "status": "stored"}]}
    page = team.call("sync_pull")
    assert (page["records"], page["more"]) == ([sent], False)
    assert page["epoch"]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ((9, 0, "z"), (10, 0, "a")),
        ((10, 9, "z"), (10, 10, "a")),
        ((10, 0, "Z"), (10, 0, "a")),
        ((10, 0, "a"), (10, 0, "ab")),
        ((10, 0, "\uffdc"), (10, 0, "\U00010000")),
    ],
)
def test_the_higher_clock_wins(team: Caller, earlier: Clock, later: Clock) -> None:
    """Numbers count as numbers, devices by code points, in whichever order they come."""
    one, two = told("one", earlier), told("two", later)
    other = two | {"id": str(uuid.uuid4())}
    two["id"] = one["id"]
    pushed = team.call("sync_push", records=[one, two, one, other])["results"]
    assert [each["status"] for each in pushed] == ["stored", "stored", "stale", "stored"]
    assert pushed[2]["clock"] == list(later)
    assert team.call("sync_pull")["records"] == [two, other]


def test_the_same_clock_again_does_no_harm(team: Caller) -> None:
    """What is pushed a second time is stored, and is no news for anybody."""
    sent = told("once")
    team.call("sync_push", records=[sent])
    cursor = team.call("sync_pull")["cursor"]
    assert team.call("sync_push", records=[sent])["results"][0]["status"] == "stored"
    assert team.call("sync_pull", cursor=cursor)["records"] == []


def test_a_deleted_record_leaves_no_word(team: Caller) -> None:
    """Only id, clock and state are kept and told, whatever was sent beside them."""
    sent = told("secret")
    gone = sent | {"clock": [2, 0, "a"], "state": "deleted"}
    team.call("sync_push", records=[sent, gone])
    assert team.call("sync_pull")["records"] == [
        {"id": sent["id"], "clock": [2, 0, "a"], "state": "deleted"}
    ]


@pytest.mark.parametrize(
    ("bad", "id"),
    [
        (None, ""),
        ("words", ""),
        ([], ""),
        ({}, ""),
        ({"id": 5}, ""),
        (told("x") | {"id": "no-uuid"}, "no-uuid"),
        (told("x") | {"id": "A0000000-0000-4000-8000-000000000000"}, None),
        (told("x") | {"content_hash": "0" * 64}, None),
        (told("x") | {"clock": [1, 0]}, None),
        (told("x") | {"clock": [1.5, 0, "a"]}, None),
        (told("x") | {"clock": [2**53, 0, "a"]}, None),
        (told("x") | {"clock": [-1, 0, "a"]}, None),
        (told("x") | {"clock": [1, 0, "d" * 101]}, None),
        (told("x") | {"state": "trashed"}, None),
        (told("x") | {"text": 7}, None),
    ],
)
def test_a_bad_record_holds_up_no_other(team: Caller, bad: Any, id: str | None) -> None:
    """It is refused with a reason; the ones beside it are stored."""
    one, two = told("one"), told("two")
    first, refused, last = team.call("sync_push", records=[one, bad, two])["results"]
    assert (first["status"], last["status"]) == ("stored", "stored")
    assert refused["id"] == (bad["id"] if id is None else id)
    assert refused["status"] == "refused"
    assert refused["reason"]
    assert team.call("sync_pull")["records"] == [one, two]


def test_what_changes_meanwhile_is_not_missed(team: Caller) -> None:
    """Pages tell each record once, in the order of commits; a changed one moves to the end."""
    sent = [told(f"memory {n}") for n in range(5)]
    team.call("sync_push", records=sent)
    first = team.call("sync_pull", limit=2)
    assert (first["records"], first["more"]) == (sent[:2], True)
    changed = [sent[n] | {"clock": [2, 0, "a"]} for n in (0, 2)]
    team.call("sync_push", records=changed)
    second = team.call("sync_pull", cursor=first["cursor"], limit=3)
    assert second["records"] == [sent[3], sent[4], changed[0]]
    assert second["more"] is True
    third = team.call("sync_pull", cursor=second["cursor"])
    assert (third["records"], third["more"]) == ([changed[1]], False)
    assert team.call("sync_pull", cursor=third["cursor"])["cursor"] == third["cursor"]


def test_another_history_is_told_from_the_beginning(
    team: Caller, server: LightTeam | TeamServer
) -> None:
    """A cursor of another epoch begins anew, and the epoch says so."""
    sent = [told("one"), told("two")]
    team.call("sync_push", records=sent)
    before = team.call("sync_pull")
    server.team.restore()
    after = team.call("sync_pull", cursor=before["cursor"])
    assert after["records"] == sent[::-1]
    assert after["epoch"] != before["epoch"]
    for unknown in ("", "nonsense", f"{after['epoch']}.3", f"{after['epoch']}.-1", "…"):
        assert team.call("sync_pull", cursor=unknown) == after


def test_a_page_is_bounded_in_bytes(team: Caller) -> None:
    """Large records come on several pages, and nothing is left out between them."""
    sent = [told(f"{n} " + "x" * 400_000) for n in range(5)]
    for each in sent:
        team.call("sync_push", records=[each])
    pages, cursor, more = [], "", True
    while more:
        page = team.call("sync_pull", cursor=cursor)
        pages.append(page["records"])
        cursor, more = page["cursor"], page["more"]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [each for page in pages for each in page] == sent


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("sync_push", {}),
        ("sync_push", {"records": "words"}),
        ("sync_push", {"records": {"id": "a"}}),
        ("sync_pull", {"cursor": 5}),
        ("sync_pull", {"limit": "many"}),
        ("sync_pull", {"limit": 0}),
        ("sync_pull", {"limit": 501}),
    ],
)
def test_bad_arguments_are_a_tool_error(team: Caller, tool: str, arguments: dict[str, Any]) -> None:
    """They are answered in words, and nothing is stored."""
    assert isinstance(team.call(tool, **arguments), str)
    assert team.call("sync_pull")["records"] == []


def test_a_call_is_bounded_in_bytes(team: Caller) -> None:
    """One byte more than 1 MiB is answered with 413, and nothing of it is stored."""
    bare = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    asked = bare | {"params": {"name": "sync_push", "arguments": {"records": []}}}
    body = json.dumps(asked).encode()
    assert team.send(body + b" " * (MOST_BYTES - len(body)))[0] == 200
    assert team.send(body + b" " * (MOST_BYTES - len(body) + 1))[0] == 413


@pytest.mark.parametrize("key", ["", "wrong", KEY + " "])
def test_nothing_is_told_without_the_key(server: LightTeam | TeamServer, key: str) -> None:
    """Neither the handshake nor a tool is answered."""
    status, said = Caller(server.url, key).post("tools/call", {"name": "sync_pull"})
    assert status == 401 or (key.strip() == KEY and status != 200)
    assert "records" not in json.dumps(said)


def test_the_tools_are_plain(team: Caller) -> None:
    """There are two of them, and their schemas have no choice of types."""
    tools = team.post("tools/list")[1]["result"]["tools"]
    assert sorted(each["name"] for each in tools) == ["sync_pull", "sync_push"]
    schemas = json.dumps([each["inputSchema"] for each in tools])
    assert "anyOf" not in schemas
    assert "null" not in schemas


def test_it_may_refuse_more(team: Caller, server: LightTeam | TeamServer) -> None:
    """What a server has against a record is told as its reason."""
    server.team.refuses = lambda each: "not on Sundays" if each["text"] == "two" else ""
    one, two = told("one"), told("two")
    results = team.call("sync_push", records=[one, two])["results"]
    assert results[1] == {"id": two["id"], "status": "refused", "reason": "not on Sundays"}
    assert list(server.team.records) == [one["id"]]


def test_many_at_once_lose_nothing(server: LightTeam | TeamServer) -> None:
    """Whatever order eight desks push in, the latest of each record is there."""
    ids = [str(uuid.uuid4()) for _ in range(5)]
    clocks = [(n, 0, "a") for n in range(1, 41)]

    def push(seed: int) -> None:
        caller = greeted(server.url)
        mine = [told(f"{clock}", clock) | {"id": id} for id in ids for clock in clocks[seed::8]]
        random.Random(seed).shuffle(mine)
        for each in mine:
            caller.call("sync_push", records=[each])

    threads = [threading.Thread(target=push, args=[seed]) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {id: each["clock"][0] for id, each in server.team.records.items()} == dict.fromkeys(
        ids, 40
    )


# What belongs to one make


@pytest.mark.parametrize("field", ["text", "session", "id"])
def test_half_a_character_is_refused(field: str) -> None:
    """A lone surrogate, which the SDK takes for no JSON at all, cannot be kept."""
    team = Team()
    (refused,) = team.push([told("x") | {field: "\ud800"}])["results"]
    assert refused["status"] == "refused"
    assert not team.records


def test_the_light_one_keeps_what_it_was_sent() -> None:
    """The raw bytes of every request are there, head and body."""
    with LightTeam() as server:
        Caller(server.url).call("sync_push", records=[told("on the wire")])
        (heard,) = server.requests
    assert heard.startswith(b"POST /mcp HTTP/1.1\r\n")
    assert f"Authorization: Bearer {KEY}".encode() in heard
    assert b'"on the wire"' in heard
    assert json.loads(heard.partition(b"\r\n\r\n")[2])["params"]["name"] == "sync_push"


def test_the_light_one_may_answer_in_text_alone() -> None:
    """As a server that knows no structured answers does."""
    with LightTeam(structured=False) as server:
        asked = {"name": "sync_pull", "arguments": {}}
        result = Caller(server.url).post("tools/call", asked)[1]["result"]
    assert "structuredContent" not in result
    assert json.loads(result["content"][0]["text"])["records"] == []


def test_a_file_outlives_a_server_that_is_killed(tmp_path: Path) -> None:
    """Everything that was called stored is there again, in the same order and epoch."""
    file = tmp_path / "team.jsonl"
    sent = [told(f"memory {n}") for n in range(3)]
    newer = sent[0] | {"clock": [2, 0, "a"]}
    with _process(file) as url:
        caller = greeted(url)
        caller.call("sync_push", records=sent)
        caller.call("sync_push", records=[newer])
        before = caller.call("sync_pull", limit=1)
    with _process(file) as url:
        after = greeted(url).call("sync_pull", cursor=before["cursor"])
    assert before["records"] + after["records"] == [sent[1], sent[2], newer]
    assert before["epoch"] == after["epoch"]


@contextmanager
def _process(file: Path) -> Iterator[str]:
    """Have a server of its own process, which ends by being killed."""
    command = [sys.executable, team_server.__file__, "0", str(file), KEY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.mark.parametrize("cut", [1, 20, 300])
def test_half_a_line_is_cut_off(tmp_path: Path, cut: int) -> None:
    """What a killed server had not finished was not called stored, and hinders nothing."""
    file = tmp_path / "team.jsonl"
    team = Team(file)
    one, two, three = told("one"), told("two"), told("three")
    team.push([one, two])
    team.close()
    file.write_bytes(file.read_bytes()[:-cut])
    again = Team(file)
    assert list(again.records.values()) == [one]
    again.push([three])
    again.close()
    last = Team(file)
    assert list(last.records.values()) == [one, three]
    assert last.epoch == team.epoch
    last.close()


def test_a_restored_file_has_the_new_order(tmp_path: Path) -> None:
    """The epoch and the order after a restore are those on the disk."""
    team = Team(tmp_path / "team.jsonl")
    team.push([told("one"), told("two")])
    team.restore()
    before = team.pull()
    team.close()
    again = Team(tmp_path / "team.jsonl")
    assert again.pull() == before
    again.close()
