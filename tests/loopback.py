"""An HTTP server on the loopback, for servers of our own: it keeps every byte it was sent."""

from __future__ import annotations

import io
import json
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import TYPE_CHECKING, Any, Self, cast

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message

_NOTICES_ITS_END_WITHIN = 0.01


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: Message
    """Their names are found in any case."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def as_json(status: int, value: object, **headers: str) -> Reply:
    """Return a reply in compact JSON; an underscore in a header's name stands for a hyphen."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, body, {"Content-Type": "application/json"} | named)


class Loopback:
    """A server on a thread that answers as `answer` says; a context manager."""

    path = "/"

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        """The raw bytes of every request, as they came."""
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=[_NOTICES_ITS_END_WITHIN]
        )

    @property
    def origin(self) -> str:
        """Where it listens, without a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """Where it is asked."""
        return self.origin + self.path

    def answer(self, asked: Asked) -> Reply:
        """Return the answer to a request; called from several threads."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, loopback: Loopback) -> None:
        self.loopback = loopback
        self._links: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        link, address = super().get_request()
        self._links.add(link)
        return link, address

    def shutdown_request(self, request: Any) -> None:
        self._links.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that clients keep for their next request."""
        for link in list(self._links):
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # clients that go away are what this is for
            super().handle_error(request, client_address)


class _Overheard(io.BufferedIOBase):
    """A stream that remembers what was read from it."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream
        self.heard = bytearray()

    def readline(self, size: int | None = -1, /) -> bytes:
        line = self._stream.readline(size)
        self.heard += line
        return line

    def read(self, size: int | None = -1, /) -> bytes:
        data = self._stream.read(size)
        self.heard += data
        return data

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.rfile = cast("Any", _Overheard(self.rfile))

    def handle_one_request(self) -> None:
        self._overheard.heard.clear()
        super().handle_one_request()

    @property
    def _overheard(self) -> _Overheard:
        return cast("_Overheard", self.rfile)

    def _answer(self) -> None:
        loopback = cast("_Server", self.server).loopback
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        loopback.requests.append(bytes(self._overheard.heard))
        reply = loopback.answer(Asked(self.command, self.path, self.headers, body))
        self.send_response(HTTPStatus(reply.status))
        for name, text in reply.headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 (named by the library)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
