"""JSON-RPC as MCP speaks it over streamable HTTP, for remotes of the kinds memdesk and memoryos."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any

from memdesk import __version__
from memdesk.sync.answer import answer_of
from memdesk.sync.peer import Foreign, Missing, Unauthorized, Unfit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from memdesk.sync.answer import Answer
    from memdesk.sync.http import Http

PROTOCOL = "2025-06-18"
"""The version of MCP that is offered; a server may answer with another."""
_FORBIDDEN, _NO_METHOD = -32003, -32601
_GONE, _BAD = 404, 400
_SESSION = re.compile(r"[!-~]{1,1024}")
_VERSION = re.compile(r"\d{4}-\d\d-\d\d")
_LINE_END = re.compile(r"\r\n|\r|\n")
_SSE = "text/event-stream"


class Rpc:
    """A conversation with an MCP server; it begins by itself with the first call."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._last = 0
        self._begun = False
        self._headers: dict[str, str] = {}

    def initialize(self) -> dict[str, Any]:
        """Begin anew; return what the server says of itself. Raises the errors of `sync.peer`."""
        self._headers, self._begun = {}, False
        client = {"name": "memdesk", "version": __version__}
        offered = {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": client}
        result, answer = self._asked("initialize", offered)
        if not isinstance(result, dict):
            raise Foreign(f"{self._http.name} speaks no MCP: it does not say what it is")
        session, version = answer.headers.get("mcp-session-id", ""), result.get("protocolVersion")
        if _SESSION.fullmatch(session):
            self._headers["Mcp-Session-Id"] = session
        if isinstance(version, str) and _VERSION.fullmatch(version):
            self._headers["MCP-Protocol-Version"] = version
        self._begun = True
        with contextlib.suppress(Unfit, Foreign):  # whoever does not know this does not need it
            self._sent({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return result

    def call(self, method: str, params: Mapping[str, object] | None = None) -> Any:
        """Return the result of a method; raises the errors of `sync.peer`."""
        if not self._begun:
            self.initialize()
        try:
            return self._asked(method, params)[0]
        except Unfit as error:
            if not self._session_is_over(error):
                raise
        self.initialize()
        return self._asked(method, params)[0]

    def tool(self, name: str, arguments: Mapping[str, object]) -> Any:
        """Return what a tool answers: its structure, or its text as JSON, or its text."""
        result = self.call("tools/call", {"name": name, "arguments": arguments})
        if not isinstance(result, dict):
            raise Foreign(f"{self._http.name} answers with no result of a tool")
        text = _text(result)
        if result.get("isError") is True:
            raise Unfit(f"{self._http.name} does not take this: {self._http.safe(text)}")
        if isinstance(result.get("structuredContent"), dict):
            return result["structuredContent"]
        try:
            return json.loads(text, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            return text

    def close(self) -> None:
        """Let the connection go."""
        self._http.close()

    def _asked(self, method: str, params: Mapping[str, object] | None) -> tuple[Any, Answer]:
        self._last += 1
        request: dict[str, object] = {"jsonrpc": "2.0", "id": self._last, "method": method}
        answer = self._sent(request if params is None else request | {"params": params})
        for message in _messages(answer):
            if _answers(message, self._last):
                return self._result(message), answer
        raise Foreign(f"{self._http.name} does not answer as MCP does (HTTP {answer.status})")

    def _sent(self, message: Mapping[str, object]) -> Answer:
        accept = {"Accept": f"application/json, {_SSE}"}
        return self._http.ask("POST", "", message, headers=accept | self._headers)

    def _result(self, message: Mapping[str, Any]) -> Any:
        """Return a message's result; raises for an error, also where MemoryOS has it inside."""
        result = message.get("result")
        told = message.get("error")
        if told is None and isinstance(result, dict):
            inside = result.get("error")
            told = inside if isinstance(inside, dict) and "code" in inside else None
        if told is None:
            return result
        code = told.get("code") if isinstance(told, dict) else None
        words = told.get("message") if isinstance(told, dict) else told
        said = self._http.safe(f"{words} ({code})" if code is not None else str(words))
        if code == _FORBIDDEN:
            raise Unauthorized(f"{self._http.name} refuses the key: {said}")
        error = Missing if code == _NO_METHOD else Unfit
        raise error(f"{self._http.name} does not take this: {said}")

    def _session_is_over(self, error: Unfit) -> bool:
        """Tell whether the server has forgotten our session; some say so by a 400."""
        answer = answer_of(error)
        if answer is None or "Mcp-Session-Id" not in self._headers:
            return False
        told = b"session" in answer.content.lower()
        return answer.status == _GONE or (answer.status == _BAD and told)


def _answers(message: Mapping[str, Any], id: int) -> bool:
    """Tell whether a message is the answer to a request; an error may have lost its id."""
    told = message.get("id")
    if told is None:
        return "error" in message
    return told == id and not isinstance(told, bool) and "method" not in message


def _messages(answer: Answer) -> Iterator[Mapping[str, Any]]:
    """Yield the messages of an answer, whether it is JSON or a stream of events."""
    if not answer.headers.get("content-type", "").lower().startswith(_SSE):
        told = answer.json()
        yield from (
            each for each in (told if isinstance(told, list) else [told]) if _is_message(each)
        )
        return
    for data in _events(answer.content.decode(errors="replace")):
        with contextlib.suppress(ValueError, RecursionError):
            if _is_message(told := json.loads(data, parse_constant=lambda _: None)):
                yield told


def _is_message(told: object) -> bool:
    return isinstance(told, dict)


def _events(stream: str) -> Iterator[str]:
    """Yield the data of server-sent events; lines end as there, not as Python has them."""
    data: list[str] = []
    for line in _LINE_END.split(stream.removeprefix("\ufeff")):
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
        elif not line:
            if data:
                yield "\n".join(data)
            data = []
    if data:
        yield "\n".join(data)


def _text(result: Mapping[str, Any]) -> str:
    """Return the first text of a tool's result."""
    match result.get("content"):
        case [{"text": str(text)}, *_]:
            return text
    return ""
