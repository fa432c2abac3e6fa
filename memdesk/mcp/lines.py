r"""Requests that the SDK would drop without an answer, which a host would wait for in vain.

JavaScript hosts write half an emoji as a lone surrogate (`"\ud83d"`): valid JSON by its grammar,
refused by the SDK's parser. Such a request is read here, so that it gets an error of ours.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Self

from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter
from pydantic import ValidationError

if TYPE_CHECKING:
    from contextvars import Context
    from types import TracebackType

    from mcp.shared._stream_protocols import ReadStream

Item = SessionMessage | Exception


class Repaired:
    """A connection's incoming messages, with those repaired that can be."""

    def __init__(self, stream: ReadStream[Item]) -> None:
        self._stream = stream

    @property
    def last_context(self) -> Context | None:
        """The sender's context variables, which the SDK looks for."""
        return getattr(self._stream, "last_context", None)

    async def receive(self) -> Item:
        """Return the next message, or why the next line is none."""
        return repair(await self._stream.receive())

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        return repair(await self._stream.__anext__())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.aclose()


def repair(item: Item) -> Item:
    """Return the message in a line that failed only for a lone surrogate, else the item itself.

    Only the values of a tool's arguments keep their surrogates, for the service to refuse by name;
    everything that may be repeated in an answer is made writable.
    """
    if not isinstance(item, ValidationError):
        return item
    try:
        said = json.loads(item.errors()[0]["input"])
        id, call = said["id"], said["method"] == "tools/call"
        arguments = said["params"].pop("arguments", {}) if call else {}
        said = json.loads(writable(json.dumps(said, ensure_ascii=False)))
        if call:
            kept = {writable(name): value for name, value in arguments.items()}
            said["params"]["arguments"] = kept
        message = jsonrpc_message_adapter.validate_python(said, by_name=False)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return item
    return SessionMessage(message) if said["id"] == id else item


def writable(text: str) -> str:
    """Return text that UTF-8 can hold: with a question mark for each lone surrogate."""
    return text.encode(errors="replace").decode()
