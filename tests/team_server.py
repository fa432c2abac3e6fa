"""The small reference server of kind memdesk (docs/SYNC.md): `python team_server.py PORT FILE KEY`."""

from __future__ import annotations

import hmac
import json
import os
import socket
import sys
import threading
import uuid
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from loopback import Asked, Loopback, Reply, as_json

from memdesk.errors import Invalid
from memdesk.memory import check_id
from memdesk.sharing import clock_from, memory_of, record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from mcp.server import MCPServer

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Scope]]
    Send = Callable[[Scope], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

KEY = "team-key-0123456789"
MOST_RECORDS = 500
MOST_BYTES = 1 << 20
"""Of a call, and of the records of a page together."""
PUSH = "Store records; the higher clock wins. One result for each record, in the same order."
PULL = "Return the records committed after a cursor, each once, at its last change."
_INVALID, _UNKNOWN, _UNREADABLE = -32602, -32601, -32700
_MOST_NUMBER = 2**53 - 1
_LONGEST_DEVICE = 100


class Team:
    """What a team has shared: records in the order they were committed; thread-safe."""

    def __init__(self, file: Path | None = None) -> None:
        """Take up what `file` has, or begin anew; without one nothing outlives the process."""
        self.epoch = uuid.uuid4().hex
        self.refuses: Callable[[dict[str, Any]], str] = lambda _: ""
        """Why a record is not taken; empty for one that is."""
        self._guard = threading.Lock()
        self._lines: list[tuple[str, str]] = []
        """The id and JSON of every commit; its place is its sequence number, less one."""
        self._at: dict[str, int] = {}
        """The number of the last commit of an id."""
        self._file = None if file is None else os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        if file is not None:
            self._take_up(file.read_bytes())

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @property
    def records(self) -> dict[str, dict[str, Any]]:
        """The records as they are now, by id."""
        with self._guard:
            return {id: json.loads(self._lines[at - 1][1]) for id, at in self._at.items()}

    def restore(self) -> None:
        """Have another history from now on, as after a backup: the same records the other way round."""
        with self._guard:
            last = sorted(self._at.items(), key=lambda each: -each[1])
            kept = [self._lines[at - 1] for _, at in last]
            self.epoch, self._lines, self._at = uuid.uuid4().hex, [], {}
            if self._file is not None:
                os.ftruncate(self._file, 0)
            self._write([self._heading(), *(line for _, line in kept)])
            for id, line in kept:
                self._commit(id, line)

    def push(self, records: object) -> dict[str, Any]:
        """Return one result for each record; raises `Invalid` where there is no list of them."""
        if not isinstance(records, list):
            raise Invalid("records", "must be a list")
        with self._guard:
            before = len(self._lines)
            results = [self._taken(each) for each in records]
            self._write([line for _, line in self._lines[before:]])
        return {"results": results}

    def pull(self, cursor: object = "", limit: object = MOST_RECORDS) -> dict[str, Any]:
        """Return the page after a cursor; raises `Invalid`."""
        if not isinstance(cursor, str):
            raise Invalid("cursor", "must be a string")
        if not isinstance(limit, int) or isinstance(limit, bool) or not 0 < limit <= MOST_RECORDS:
            raise Invalid("limit", f"must be a number from 1 to {MOST_RECORDS}")
        with self._guard:
            lines, at = self._page(self._begin(cursor), limit)
            more = at < len(self._lines)  # the last commit is always its id's last one
            told = {"cursor": f"{self.epoch}.{at}", "more": more, "epoch": self.epoch}
        return {"records": [json.loads(line) for line in lines]} | told

    def _begin(self, cursor: str) -> int:
        epoch, _, at = cursor.rpartition(".")
        known = epoch == self.epoch and at.isascii() and at.isdigit() and len(at) < 20
        return int(at) if known and int(at) <= len(self._lines) else 0

    def _page(self, at: int, limit: int) -> tuple[list[str], int]:
        """Return the lines of a page, and the number of the commit it ends with."""
        page: list[str] = []
        size = 0
        for number, (id, line) in enumerate(islice(self._lines, at, None), at + 1):
            if self._at[id] == number:
                size += len(line.encode())
                if page and (size > MOST_BYTES or len(page) == limit):
                    return page, number - 1
                page.append(line)
        return page, len(self._lines)

    def _taken(self, told: Any) -> dict[str, Any]:
        id = told.get("id") if isinstance(told, dict) else None
        head = {"id": id if isinstance(id, str) else ""}
        try:
            kept = _checked(told)
            line = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
            line.encode()
        except (Invalid, ValueError, RecursionError) as error:
            return head | {"status": "refused", "reason": _words(error)}
        if reason := self.refuses(kept):
            return head | {"status": "refused", "reason": reason}
        there = self._clock(kept["id"])
        if there is not None and clock_from(kept["clock"]) <= there:
            if clock_from(kept["clock"]) == there:
                return head | {"status": "stored"}
            return head | {"status": "stale", "clock": list(there)}
        self._commit(kept["id"], line)
        return head | {"status": "stored"}

    def _clock(self, id: str) -> tuple[int, int, str] | None:
        at = self._at.get(id)
        return clock_from(json.loads(self._lines[at - 1][1])["clock"]) if at else None

    def _commit(self, id: str, line: str) -> None:
        self._lines.append((id, line))
        self._at[id] = len(self._lines)

    # The file: who the server is, then a line for each commit

    def _heading(self) -> str:
        return json.dumps({"epoch": self.epoch})

    def _write(self, lines: list[str]) -> None:
        if self._file is not None and lines:
            data = "".join(f"{line}\n" for line in lines).encode()
            os.lseek(self._file, 0, os.SEEK_END)
            while data:
                data = data[os.write(self._file, data) :]
            os.fsync(self._file)

    def _take_up(self, data: bytes) -> None:
        """Read the file, and cut off what a killed server had not finished."""
        assert self._file is not None
        whole = data[: data.rfind(b"\n") + 1]
        os.ftruncate(self._file, len(whole))
        heading, *lines = whole.decode().split("\n")[:-1] or [""]
        if not heading:
            self._write([self._heading()])
            return
        self.epoch = json.loads(heading)["epoch"]
        for line in lines:
            self._commit(json.loads(line)["id"], line)


def _checked(told: dict[str, Any]) -> dict[str, Any]:
    """Return a record as it is kept; raises `Invalid`."""
    memory = memory_of(told)
    if memory.id != check_id(memory.id):
        raise Invalid("id", "must be in lower case, with its hyphens")
    ms, n, device = clock_from(told["clock"])
    if not (0 <= ms <= _MOST_NUMBER and 0 <= n <= _MOST_NUMBER and len(device) <= _LONGEST_DEVICE):
        raise Invalid("clock", "is out of bounds")
    return record(memory)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, Invalid) else "record: is no JSON that can be written"


# As a stdlib server


def _object(required: list[str], **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


_TOOLS = [
    {
        "name": "sync_push",
        "description": PUSH,
        "inputSchema": _object(["records"], records={"type": "array", "items": {}}),
    },
    {
        "name": "sync_pull",
        "description": PULL,
        "inputSchema": _object(
            [],
            cursor={"type": "string", "default": ""},
            limit={"type": "integer", "default": MOST_RECORDS},
        ),
    },
]
_GREETING = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"tools": {"listChanged": False}},
    "serverInfo": {"name": "memdesk team server", "version": "1"},
}


class LightTeam(Loopback):
    """A team server that starts at once and keeps every byte it was sent."""

    path = "/mcp"

    def __init__(
        self, team: Team | None = None, *, key: str = KEY, structured: bool = True
    ) -> None:
        """Serve a team; not `structured` means that answers are text in `content` alone."""
        super().__init__()
        self.team = team or Team()
        self.key = key
        self._structured = structured

    def answer(self, asked: Asked) -> Reply:
        """Return what a server of kind memdesk answers."""
        if not _allowed(asked.headers.get("Authorization", ""), self.key):
            return as_json(401, {"error": "unauthorized"}, WWW_Authenticate="Bearer")
        if asked.path != self.path:
            return as_json(404, {"error": "not found"})
        if asked.method != "POST":
            return as_json(405, {"error": "method not allowed"}, Allow="POST")
        if len(asked.body) > MOST_BYTES:
            return as_json(413, {"error": f"a call is at most {MOST_BYTES} bytes"})
        return self._rpc(asked.body)

    def _rpc(self, body: bytes) -> Reply:
        try:
            told = json.loads(body)
            method, params = told["method"], told.get("params") or {}
        except (ValueError, TypeError, KeyError, RecursionError):
            return as_json(400, _error(None, _UNREADABLE, "this is no request"))
        if "id" not in told:
            return Reply(202)
        answers: dict[str, Callable[[], object]] = {
            "initialize": lambda: _GREETING,
            "ping": dict,
            "tools/list": lambda: {"tools": _TOOLS},
            "tools/call": lambda: self._call(params),
        }
        if method not in answers:
            return as_json(200, _error(told["id"], _UNKNOWN, f"Method not found: {method}"))
        try:
            result = answers[method]()
        except KeyError:
            return as_json(200, _error(told["id"], _INVALID, "Unknown tool"))
        return as_json(200, {"jsonrpc": "2.0", "id": told["id"], "result": result})

    def _call(self, params: dict[str, Any]) -> dict[str, Any]:
        tools: dict[str, Callable[..., dict[str, Any]]]
        tools = {"sync_push": self.team.push, "sync_pull": self.team.pull}
        tool = tools[params["name"]]
        try:
            told = tool(**params.get("arguments", {}))
        except (Invalid, TypeError) as error:
            return {"content": [{"type": "text", "text": str(error)}], "isError": True}
        text = json.dumps(told, ensure_ascii=False)
        answer = {"content": [{"type": "text", "text": text}], "isError": False}
        return answer | ({"structuredContent": told} if self._structured else {})


def _error(id: object, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}


def _allowed(credential: str, key: str) -> bool:
    return hmac.compare_digest(credential.encode(), f"Bearer {key}".encode())


# On the MCP SDK


def _app(server: TeamServer) -> App:
    """Return the application that serves a team at /mcp with the SDK, behind a key."""
    app = _tools(server).streamable_http_app(max_request_body_size=MOST_BYTES)
    refusal: list[Scope] = [
        {
            "type": "http.response.start",
            "status": 401,
            "headers": [(b"www-authenticate", b"Bearer")],
        },
        {"type": "http.response.body", "body": b'{"error": "unauthorized"}'},
    ]

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        credential = dict(scope.get("headers", ())).get(b"authorization", b"").decode("latin-1")
        if scope["type"] == "http" and not _allowed(credential, server.key):
            for each in refusal:
                await send(each)
            return
        await app(scope, receive, send)

    return guarded


def _tools(of: TeamServer) -> MCPServer[Any]:
    from mcp.server import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError

    server: MCPServer[Any] = MCPServer("memdesk team server", log_level="WARNING")

    @server.tool(description=PUSH)
    def sync_push(records: list[Any]) -> dict[str, Any]:
        return of.team.push(records)

    @server.tool(description=PULL)
    def sync_pull(cursor: str = "", limit: int = MOST_RECORDS) -> dict[str, Any]:
        try:
            return of.team.pull(cursor, limit)
        except Invalid as error:
            raise ToolError(str(error)) from error

    return server


class TeamServer:
    """A team server on the MCP SDK, on a thread; a context manager."""

    def __init__(self, team: Team | None = None, *, key: str = KEY, port: int = 0) -> None:
        import uvicorn

        self.team = team or Team()
        """May be another at any moment."""
        self.key = key
        self._socket = _listening(port)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/mcp"
        app, log = _app(self), "warning"
        settings = uvicorn.Config(app, log_level=log, ws="none", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self.run)

    def run(self) -> None:
        """Serve until it is told to end."""
        self._server.run(sockets=[self._socket])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


def _listening(port: int) -> socket.socket:
    # The loop sends at once only on a socket that says it is TCP's; others wait 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


def main(port: str, file: str, key: str) -> None:
    """Serve the team of a file until the process ends; a first line tells the address."""
    server = TeamServer(Team(Path(file)), key=key, port=int(port))
    print(server.url, flush=True)  # noqa: T201
    server.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
