"""One remote over HTTP: what is asked, bounded in time and size, and what its answers mean.

The key leaves in one header, to the remote's own origin and nowhere else; no redirect is followed
but the one that adds a trailing slash, no cookie is kept. What a remote says is cut and cleaned
before it gets into an error.
"""

from __future__ import annotations

import contextlib
import http.cookiejar
import json
import logging
import socket
import ssl
import threading
import zlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urljoin, urlsplit

import httpx2

from memdesk import __version__, limits
from memdesk.errors import SyncError
from memdesk.sync import trust
from memdesk.sync.answer import Answer, plain
from memdesk.sync.keys import check_key
from memdesk.sync.peer import Foreign, Missing, TooLarge, Unauthorized, Unfit, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from memdesk.remotes import Remote

MOST_BYTES = 16 << 20
"""The longest answer that is read, after decompression."""
_TIMES_IN_ALL = 4
"""A whole exchange may take so many times what one wait may."""
_LONGEST_REST = 24 * 3600.0
_READ_FOR_WORDS = 1 << 16
_OK, _REDIRECT, _REFUSED, _FAILED = 200, 300, 400, 500
_SLASH = (307, 308)
_KEY = (401, 403)
_MISSING = (404, 405, 410, 501)
_LATER = (408, 425, 429)
_TOO_LARGE = 413
_ERRORS = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.CookieConflict,
    httpx2.StreamError,
    OSError,
    zlib.error,
    UnicodeError,
)
_NEVER_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
    httpx2.InvalidURL,
)


class Http:
    """A remote that can be asked; for one thread at a time."""

    def __init__(self, remote: Remote, key: str = "", *, timeout: float = 30.0) -> None:
        """Prepare to ask; `timeout` is for one wait, in seconds. Raises `Invalid`, `SyncError`."""
        self.url = trust.check_url(remote.url, insecure=remote.insecure)
        host = trust.host_of(self.url)
        self.name = remote.name or host
        """What errors call it."""
        self._key = check_key(key) if key else ""
        self._timeout = timeout
        self._line = _Line()
        # A proxy may not read what plain http would tell it, nor is it told what stays here.
        by_proxy = trust.is_secure(self.url) and not trust.is_loopback(host)
        self._client = _client(trust.context(remote), by_proxy=by_proxy)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()

    def ask(
        self,
        method: str,
        path: str = "",
        body: object = None,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return what the remote answers; `body` is sent as JSON.

        An empty `path` is the remote's address itself, another begins with “/” and follows it. Raises
        the errors of `sync.peer`; those for a status have the answer (`answer_of`).
        """
        limits.check()
        url = self.url if not path else self.url.rstrip("/") + path
        content = None if body is None else _as_json(body)
        sent = self._headers(content) | dict(headers or {})
        request = self._built(method, url, content, params, sent)
        answer = self._exchanged(request)
        if answer.status in _SLASH and (onward := _with_slash(str(request.url), answer)):
            answer = self._exchanged(self._built(method, onward, content, None, sent))
        return self._judged(answer, str(request.url))

    def _headers(self, content: bytes | None) -> dict[str, str]:
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
        headers["User-Agent"] = f"memdesk/{__version__}"
        if content is not None:
            headers["Content-Type"] = "application/json"
        return headers | ({"Authorization": f"Bearer {self._key}"} if self._key else {})

    def _built(
        self,
        method: str,
        url: str,
        content: bytes | None,
        params: Mapping[str, str | int] | None,
        headers: Mapping[str, str],
    ) -> httpx2.Request:
        wait = max(0.1, limits.left(self._timeout))
        extensions: dict[str, Any] = {"trace": self._line.follow}
        try:
            return self._client.build_request(
                method,
                url,
                content=content,
                params=dict(params) if params else None,
                headers=dict(headers),
                timeout=httpx2.Timeout(wait),
                extensions=extensions,
            )
        except _ERRORS as error:
            raise self._wrapped(error) from error

    def _exchanged(self, request: httpx2.Request) -> Answer:
        seconds = self._timeout * _TIMES_IN_ALL
        late = Unreachable(f"{self.name} took longer than {seconds:g} s for one answer")
        with self._line.watched(seconds) as cut:
            try:
                answer = self._read(request)
            except _ERRORS as error:
                raise (late if cut.is_set() else self._wrapped(error)) from error
            if cut.is_set():  # an answer without a length ends where it is cut
                raise late
        return answer

    def _read(self, request: httpx2.Request) -> Answer:
        response = self._client.send(request, stream=True)
        try:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, headers, self._content(response))
        finally:
            response.close()

    def _content(self, response: httpx2.Response) -> bytes:
        """Return the body; its own decompression, since an answer may claim any number of layers."""
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", "x-gzip", ""):
            raise Unreachable(f"{self.name} answers in an encoding that it was not asked for")
        unpack = zlib.decompressobj(wbits=31) if "gzip" in encoding else None
        pieces, size = [], 0
        for raw in response.iter_raw():
            piece = unpack.decompress(raw, MOST_BYTES - size + 1) if unpack else raw
            size += len(piece)
            if size > MOST_BYTES:
                raise SyncError(f"{self.name} answers with more than {MOST_BYTES >> 20} MB")
            pieces.append(piece)
        if unpack and size and not unpack.eof:
            raise Unreachable(f"{self.name} has sent half an answer")
        return b"".join(pieces)

    def _wrapped(self, error: Exception) -> SyncError:
        """Return an error of a library as one of ours."""
        causes = list(_causes(error))
        if any(isinstance(each, trust.OtherCertificate) for each in causes):
            return SyncError(
                f"{self.name} shows another certificate than the one that is pinned, so nothing was "
                "sent, nor the key; find out why before you pin another one"
            )
        untrusted = (each for each in causes if isinstance(each, ssl.SSLCertVerificationError))
        if refused := next(untrusted, None):
            why = plain(refused.verify_message or str(refused))
            return SyncError(
                f"{self.name}'s certificate is not trusted ({why}), so nothing was sent, nor the key; "
                "if it is your team's own, pin its fingerprint"
            )
        why = self.safe(str(error)) or type(error).__name__
        sent = not isinstance(error, _NEVER_SENT)
        return Unreachable(f"{self.name} cannot be reached: {why}", sent=sent)

    def safe(self, text: str) -> str:
        """Return what the remote says as one short line, in which the key is not."""
        return plain(text.replace(self._key, "…") if self._key else text)

    def _judged(self, answer: Answer, url: str) -> Answer:
        status = answer.status
        if _OK <= status < _REDIRECT or (status == _FAILED and _is_rpc(answer)):
            return answer
        error = self._refusal(answer, url)
        vars(error)["answer"] = answer
        raise error

    def _refusal(self, answer: Answer, url: str) -> SyncError:
        status, words = answer.status, self.safe(_words(answer))
        said = f"HTTP {status}" + (f": {words}" if words else "")
        if _REDIRECT <= status < _REFUSED:
            to = self.safe(_place(url, answer))
            return SyncError(
                f"{self.name} sends memdesk on to {to} ({status}); neither the key nor a memory was "
                "sent there: give that address if you trust it"
            )
        if status in _KEY:
            refuses = "refuses the key" if self._key else "wants a key, and there is none"
            return Unauthorized(f"{self.name} {refuses} ({said})")
        if status == _TOO_LARGE:
            return TooLarge(f"{self.name} does not take so much at once ({said})")
        if status in _MISSING:
            return Missing(f"{self.name} has no such thing ({said})")
        if status in _LATER or status >= _FAILED:
            return Unreachable(f"{self.name} is overloaded or fails ({said})", _rest(answer))
        return Unfit(f"{self.name} does not take this ({said})")


def _client(context: ssl.SSLContext, *, by_proxy: bool) -> httpx2.Client:
    for name in ("httpx2", "httpcore2"):  # they tell headers, and so the key, to whoever debugs
        logging.getLogger(name).setLevel(logging.WARNING)
    policy = http.cookiejar.DefaultCookiePolicy(allowed_domains=())
    try:
        return httpx2.Client(
            verify=context,
            trust_env=by_proxy,
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=1, max_keepalive_connections=1),
            cookies=http.cookiejar.CookieJar(policy),
        )
    except (ImportError, ValueError, httpx2.InvalidURL) as error:
        raise SyncError(
            "memdesk cannot use the proxy that the environment names; HTTPS_PROXY and ALL_PROXY must "
            "be like http://proxy.example.org:3128, or unset"
        ) from error


class _Line:
    """The connection under the requests, so that it can be cut from another thread."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def follow(self, event: str, told: Mapping[str, Any]) -> None:
        """Keep the socket that a connection has come to."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._socket = told["return_value"].get_extra_info("socket")

    @contextlib.contextmanager
    def watched(self, seconds: float) -> Iterator[threading.Event]:
        """Cut the connection after `seconds`; what is yielded tells whether that was done.

        The library bounds each wait only: a server that sends a byte at a time would hold us for days.
        """
        late = threading.Event()
        timer = threading.Timer(seconds, self._cut, (late,))
        timer.daemon = True
        timer.start()
        try:
            yield late
        finally:
            timer.cancel()

    def _cut(self, late: threading.Event) -> None:
        late.set()
        if self._socket is not None:
            with contextlib.suppress(OSError):  # not TLS's own shutdown, which would wait for it
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _as_json(body: object) -> bytes:
    try:
        told = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return told.encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise Unfit(f"this cannot be written as JSON: {plain(str(error))}") from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what led to it."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _with_slash(url: str, answer: Answer) -> str:
    """Return the address that a redirect leads to where it is the same but for a last slash."""
    path, question, query = url.partition("?")
    wanted = f"{path}/{question}{query}"
    try:
        return wanted if urljoin(url, answer.headers.get("location", "")) == wanted else ""
    except ValueError:
        return ""


def _place(url: str, answer: Answer) -> str:
    """Return where a redirect leads, without what may be secret of it."""
    try:
        parts = urlsplit(urljoin(url, answer.headers.get("location", "")))
    except ValueError:
        return "an address that is none"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _is_rpc(answer: Answer) -> bool:
    """Tell whether a body is a JSON-RPC answer: MemoryOS sends errors of its own as a 500."""
    with contextlib.suppress(Foreign):
        told = answer.json()
        return isinstance(told, dict) and told.get("jsonrpc") == "2.0"
    return False


def _words(answer: Answer) -> str:
    """Return why a remote refuses, as it says itself; empty where it does not in JSON."""
    if len(answer.content) > _READ_FOR_WORDS:
        return ""
    with contextlib.suppress(Foreign):
        return _reason(answer.json())
    return ""


def _reason(told: object) -> str:
    match told:
        case str():
            return told
        case [first, *_]:
            return _reason(first)
        case dict():
            names = ("detail", "error_description", "message", "msg", "error")
            return next((words for name in names if (words := _reason(told.get(name)))), "")
    return ""


def _rest(answer: Answer) -> float | None:
    """Return how many seconds a remote asks to be left alone, at most a day."""
    said = answer.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return min(float(said[:10]), _LONGEST_REST)
    try:
        at = parsedate_to_datetime(said)
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(0.0, seconds), _LONGEST_REST)
