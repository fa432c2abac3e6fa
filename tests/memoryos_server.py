"""A server of ours that behaves as MemoryOS AP-jul was observed to (PROTOCOLS §2.1), quirks included."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import Any

from loopback import Asked, Loopback, Reply, as_json

KEY = "memoryos-key-0123456789"
NEWEST = 7
"""So many entries can be read back."""
_INVALID, _UNKNOWN, _INTERNAL = -32602, -32601, -32603
_CAPABILITIES = {
    "tools": {"listChanged": False},
    "experimental": {},
    "prompts": {"listChanged": False},
    "resources": {"subscribe": False, "listChanged": False},
}
_GREETING = {
    "protocolVersion": "2024-11-05",
    "capabilities": _CAPABILITIES,
    "serverInfo": {"name": "MemoryOS Pure MCP 2.0 Server", "version": "1.0.0"},
}
_NEEDS = {
    "add_memory": ("user_input", "agent_response", "user_id"),
    "retrieve_memory": ("query", "user_id"),
    "get_user_profile": ("user_id",),
}
_ALSO = {"add_memory": ("timestamp", "meta_data"), "retrieve_memory": ("max_results",)}
_DOING = {"add_memory": "adding memory", "retrieve_memory": "retrieving memory"}


class MemoryOSServer(Loopback):
    """The server; append-only, with nothing that tells two pushes of the same thing apart."""

    path = "/mcp/"

    def __init__(
        self,
        *,
        without_key: int = 401,
        newest_first: bool = False,
        one_of_a_time: bool = False,
    ) -> None:
        super().__init__()
        self.key = KEY
        self.entries: list[dict[str, Any]] = []
        """What was added, in that order, each with its user_id."""
        self.raises = ""
        """What every tool fails with from now on."""
        self.says: str | None = None
        """What every tool answers from now on, in place of what it has done."""
        self.forgets = False
        """Whether it says that it has added what it has not."""
        self._without_key = without_key
        self._newest_first = newest_first
        self._one_of_a_time = one_of_a_time
        self._writing = threading.Lock()

    def answer(self, asked: Asked) -> Reply:
        """Return what the server was observed to answer."""
        if asked.path == "/mcp":
            host = asked.headers.get("Host", "")
            return Reply(307, headers={"Location": f"http://{host}/mcp/"})
        if asked.path != self.path:
            return as_json(404, {"detail": "Not Found"})
        if asked.method != "POST":
            return as_json(405, {"detail": "Method Not Allowed"}, Allow="POST")
        return self._refusal(asked.headers.get("Authorization", "")) or self._rpc(asked.body)

    def _refusal(self, credential: str) -> Reply | None:
        scheme, _, key = credential.partition(" ")
        if scheme.lower() != "bearer" or not key:
            return as_json(self._without_key, {"detail": "Not authenticated"})
        if key != self.key:
            return as_json(401, {"detail": "Invalid API key"}, WWW_Authenticate="Bearer")
        return None

    def _rpc(self, body: bytes) -> Reply:
        try:
            told = json.loads(body)
            method = told["method"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            return as_json(500, _error(None, _INTERNAL, "Internal error", data=str(error)))
        if method == "notifications/initialized":
            return as_json(202, {"status": "ok"})
        id = told.get("id")
        if method == "initialize":
            return as_json(200, _result(id, _GREETING))
        if method == "tools/list":
            return as_json(200, _result(id, {"tools": [_tool(name) for name in _NEEDS]}))
        if method == "tools/call":
            return as_json(200, self._call(id, told.get("params") or {}))
        return as_json(200, _error(id, _UNKNOWN, f"Method not found: {method}"))

    def _call(self, id: object, params: dict[str, Any]) -> dict[str, Any]:
        name, given = params.get("name"), params.get("arguments") or {}
        if name not in _NEEDS:
            return _error(id, _UNKNOWN, f"Tool not found: {name}")
        nested = given.get("params")
        given = nested if isinstance(nested, dict) else given
        if not all(str(given.get(each) or "").strip() for each in _NEEDS[name]):
            return _result(id, {"error": {"code": _INVALID, "message": _missing(name)}})
        if self.raises:
            doing = _DOING.get(name, "getting user profile")
            return _result(id, _content(f"Error {doing}: {self.raises}", failed=True))
        with self._writing:
            told = getattr(self, f"_{name}")(given)
        text = json.dumps(told, ensure_ascii=False, indent=2) if self.says is None else self.says
        return _result(id, _content(text))

    def _add_memory(self, given: dict[str, Any]) -> dict[str, Any]:
        at = given.get("timestamp") or _now()
        kept = {name: given[name] for name in _NEEDS["add_memory"]}
        if not self.forgets:
            self.entries.append(kept | {"timestamp": at, "meta_data": given.get("meta_data") or {}})
        return {
            "status": "success",
            "message": "Memory added successfully",
            "timestamp": at,
            "user_id": given["user_id"],
            "details": {
                "user_input_length": len(given["user_input"]),
                "agent_response_length": len(given["agent_response"]),
                "has_metadata": bool(given.get("meta_data")),
            },
        }

    def _retrieve_memory(self, given: dict[str, Any]) -> dict[str, Any]:
        asked = {"query": given["query"], "user_id": given["user_id"], "timestamp": _now()}
        found = {"short_term_memory": self._newest(given["user_id"], given["query"])}
        never = ("retrieved_pages", "retrieved_user_knowledge", "retrieved_assistant_knowledge")
        result = asked | found | {name: [] for name in never}
        return {"status": "success"} | asked | {"result": result}

    def _newest(self, user: str, query: str) -> list[dict[str, Any]]:
        newest = [each for each in self.entries if each["user_id"] == user][-NEWEST:]
        if self._one_of_a_time:
            first: dict[str, dict[str, Any]] = {}
            newest = [first.setdefault(each["timestamp"], each) for each in newest]
            newest = list(first.values())
        return [_shown(each, query) for each in (newest[::-1] if self._newest_first else newest)]

    def _get_user_profile(self, given: dict[str, Any]) -> dict[str, Any]:
        told = {"status": "success", "timestamp": _now(), "user_id": given["user_id"]}
        return told | {"user_profile": "", "user_knowledge": [], "user_knowledge_count": 0}


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _shown(entry: dict[str, Any], query: str) -> dict[str, Any]:
    said = f"{entry['user_input']} {entry['agent_response']}".lower()
    told = {name: value for name, value in entry.items() if name != "user_id"}
    told |= {"access_count": 0, "last_accessed": entry["timestamp"]}
    return told | {"similarity_score": sum(word in said for word in query.lower().split())}


def _missing(name: str) -> str:
    *first, last = _NEEDS[name]
    if not first:
        return f"Invalid parameters: {last} is required"
    many = len(first) > 1
    return f"Invalid parameters: {', '.join(first)}{',' * many} and {last} are required"


def _tool(name: str) -> dict[str, Any]:
    words = {each: {"type": "string"} for each in (*_NEEDS[name], *_ALSO.get(name, ()))}
    schema = {"type": "object", "properties": words, "required": list(_NEEDS[name])}
    return {"name": name, "description": name.replace("_", " "), "inputSchema": schema}


def _content(text: str, *, failed: bool = False) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": failed}


def _result(id: object, result: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "result": result}


def _error(id: object, code: int, message: str, **more: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message} | more}
