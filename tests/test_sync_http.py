"""One remote over HTTP: what leaves, what is believed, and what every failure becomes."""

from __future__ import annotations

import gzip
import hashlib
import inspect
import ipaddress
import json
import logging
import queue
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from scripted import Asked, Reply, Scripted, scripted

from memdesk.errors import Invalid, SyncError
from memdesk.remotes import MEMDESK, Remote
from memdesk.sync import http as sync_http
from memdesk.sync import trust
from memdesk.sync.answer import answer_of, plain
from memdesk.sync.http import Http
from memdesk.sync.peer import Foreign, Missing, TooLarge, Unauthorized, Unfit, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = "k3y-of-the-team"


def remote(url: str, **fields: object) -> Remote:
    """Return a remote at an address."""
    return Remote(name="team", url=url, kind=MEMDESK, **fields)  # type: ignore[arg-type]


@contextmanager
def asking(
    answer: Callable[[Asked], Reply], key: str = KEY, timeout: float = 5.0
) -> Iterator[tuple[Http, Scripted]]:
    """Ask a server that answers so."""
    with scripted(answer) as server, Http(remote(server.url), key, timeout=timeout) as http:
        yield http, server


def failing(status: int, body: object = b"", **headers: str) -> SyncError:
    """Return what becomes of a question that is answered so."""
    reply = Reply(body, status, {name.replace("_", "-"): told for name, told in headers.items()})
    with asking(lambda _: reply) as (http, _), pytest.raises(SyncError) as caught:
        http.ask("POST", "/x", {})
    return caught.value


@contextmanager
def raw(speak: Callable[[socket.socket], object]) -> Iterator[str]:
    """Serve one connection by hand; yields the address."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            line, _ = door.accept()
            with line:
                speak(line)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        thread.join(10)
        assert not thread.is_alive()


class Certificate:
    """A certificate for 127.0.0.1 that nobody has signed but itself."""

    def __init__(self, folder: Path) -> None:
        secret = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "memdesk test")])
        there = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder(name, name, secret.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(there, critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(secret, hashes.SHA256())
        )
        self.file = folder / "certificate.pem"
        self.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        private = folder / "private.pem"
        private.write_bytes(
            secret.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        encoded = made.public_bytes(serialization.Encoding.DER)
        self.fingerprint = hashlib.sha256(encoded).hexdigest()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.file, private)


# What leaves


def test_a_question_leaves_as_json_with_the_key_in_one_header() -> None:
    """The body is compact UTF-8, the key a bearer's, the address the remote's with the path."""
    with asking(lambda asked: Reply({"path": asked.path})) as (http, server):
        answer = http.ask(
            "POST", "/api/x", {"text": "é"}, params={"since": 1}, headers={"X-A": "b"}
        )
    assert answer.json() == {"path": "/api/x?since=1"}
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    asked = server.asked[0]
    assert asked.body == '{"text":"é"}'.encode()
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert (asked.headers["content-type"], asked.headers["x-a"]) == ("application/json", "b")
    assert KEY not in asked.path


def test_without_a_path_the_address_is_asked_as_it_is() -> None:
    """A last slash stays where no path is given, and is no part of a path that is."""
    with scripted(lambda _: Reply({})) as server, Http(remote(server.url + "/mcp/")) as http:
        http.ask("POST", "", {})
        http.ask("GET", "/api")
    assert [(each.method, each.path) for each in server.asked] == [
        ("POST", "/mcp/"),
        ("GET", "/mcp/api"),
    ]
    assert "authorization" not in server.asked[0].headers


def test_no_cookie_is_kept() -> None:
    """What a server wants to have remembered is not told to it again."""
    with asking(lambda _: Reply({}, headers={"Set-Cookie": "who=you; Path=/"})) as (http, server):
        http.ask("GET")
        http.ask("GET")
    assert "cookie" not in server.asked[1].headers


def test_loopback_is_never_asked_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's proxy is not told what is said to this computer."""
    with scripted(lambda _: Reply({})) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        with asking(lambda _: Reply({"here": 1})) as (http, _):
            assert http.ask("GET").json() == {"here": 1}
        assert not proxy.asked


def by_proxy(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Have the environment name a proxy for every address, and no certificates."""
    for name in ("no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, url)
        monkeypatch.setenv(name.upper(), url)


def test_another_computer_is_asked_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the way out is a proxy, it is taken; it sees the host, and nothing that is said there."""
    heard: queue.Queue[bytes] = queue.Queue()

    def speak(line: socket.socket) -> None:
        heard.put(line.recv(65536))
        line.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

    with raw(speak) as proxy:
        by_proxy(monkeypatch, proxy)
        with Http(remote("https://team.invalid"), KEY) as http, pytest.raises(Unreachable):
            http.ask("GET", "/x")
    said = heard.get_nowait()
    assert said.startswith(b"CONNECT team.invalid:443 ")
    assert KEY.encode() not in said


def test_plain_http_goes_through_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would read the key and every memory."""
    with scripted(lambda _: Reply({"by": "proxy"})) as proxy:
        by_proxy(monkeypatch, proxy.url)
        plain = remote("http://team.invalid", insecure=True)
        with Http(plain, KEY) as http, pytest.raises(Unreachable):
            http.ask("GET", "/x")
    assert not proxy.asked


@pytest.mark.parametrize(
    "proxy",
    [
        "socks5://127.0.0.1:1080",
        "ftp://127.0.0.1",
        "http://me:s3cret@[::1",
        "http://me:s3:cret@x:y",
    ],
)
def test_a_proxy_that_is_none_is_told(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one sentence, in which its password is not; a remote that needs none is asked all the same."""
    by_proxy(monkeypatch, proxy)
    with pytest.raises(SyncError, match="cannot use the proxy") as caught:
        Http(remote("https://team.invalid"), KEY)
    assert "s3" not in str(caught.value)
    with asking(lambda _: Reply({})) as (http, _):
        http.ask("GET")


@pytest.mark.parametrize("held", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_told(
    held: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is not there, or is none, is no reason to end in the middle of a sync."""
    file = tmp_path / "certificates.pem"
    if held:
        file.write_text(held)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(SyncError, match="correct SSL_CERT_FILE"):
        Http(remote("https://team.invalid"), KEY)


def test_no_log_has_the_key(caplog: pytest.LogCaptureFixture) -> None:
    """Nor has one of the libraries below, however much is to be logged."""
    caplog.set_level(logging.DEBUG)
    for name in ("httpx2", "httpcore2"):
        caplog.set_level(logging.NOTSET, name)
    with asking(lambda _: Reply({})) as (http, server):
        http.ask("GET")
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert not [each for each in caplog.records if each.name.startswith("http")]


def test_what_cannot_be_json_is_unfit() -> None:
    """A body that JSON or UTF-8 cannot hold is told, not sent."""
    with asking(lambda _: Reply({})) as (http, server):
        for body in ({"x": float("nan")}, {"x": "\ud800"}, {"x": object()}):
            with pytest.raises(Unfit, match="cannot be written as JSON"):
                http.ask("POST", "", body)
    assert not server.asked


# Addresses


@pytest.mark.parametrize(
    ("url", "usual"),
    [
        ("HTTPS://Memory.Example.org:443/mcp/", "https://memory.example.org/mcp/"),
        ("http://localhost:8000/", "http://localhost:8000"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:80/x", "http://[::1]/x"),
    ],
)
def test_an_address_has_one_form(url: str, usual: str) -> None:
    """Letters of the host, usual ports and a bare slash make no difference; the path does."""
    assert trust.check_url(url) == usual
    assert trust.check_url(usual) == usual


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1",
        "http://127.1",
        "http://localhost.evil.org",
        "http://127.0.0.1.evil.org",
        "http://0.0.0.0",
        "http://[::ffff:10.0.0.1]",
    ],
)
def test_plain_http_stays_on_this_computer(url: str) -> None:
    """Other computers are refused with what it risks, unless the person allows it."""
    with pytest.raises(Invalid, match="listens on the network reads the key and every memory"):
        Http(remote(url), KEY)
    Http(remote(url, insecure=True), KEY).close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "ftp://example.org",
        "example.org",
        "https://me:secret@example.org",
        "http://127.0.0.1@example.org",
        "http://127.0.0.1\\.example.org",
        "http://127.0.0.1\t.example.org",
        "https://example.org/?key=secret",
        "https://example.org/#x",
        "https://example.org:99999",
        "http://[::1]evil/",
        "https://[::1]evil:443",
        "https://exämple.org",
        "https://exa mple.org",
        "https://" + "a" * 2000,
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """What two parsers could read in two ways is no address, and secrets in it are not repeated."""
    with pytest.raises(Invalid) as caught:
        Http(remote(url, insecure=True))
    assert caught.value.field == "url"
    assert "secret" not in str(caught.value)


def test_a_host_that_no_lookup_takes_shows_no_certificate() -> None:
    """It is told as any other that cannot be reached."""
    with pytest.raises(SyncError, match="shows no certificate"):
        trust.shown_fingerprint("https://a..b")


@pytest.mark.parametrize("key", ["a b", "a\nX-Evil: 1", "kéy", "k" * 4097])
def test_a_key_that_fits_no_header_is_refused(key: str) -> None:
    """It is not repeated in the error either."""
    with pytest.raises(Invalid) as caught:
        Http(remote("http://127.0.0.1"), key)
    assert key not in str(caught.value)


# What an answer means


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, Unauthorized) for status in (401, 403)),
        *((status, Missing) for status in (404, 405, 410, 501)),
        (413, TooLarge),
        *((status, Unfit) for status in (400, 409, 415, 422)),
        *((status, Unreachable) for status in (408, 425, 429, 500, 502, 503, 504, 522)),
        *((status, SyncError) for status in (300, 301, 302, 303, 304, 307, 308)),
    ],
)
def test_a_status_is_an_error_with_its_answer(status: int, kind: type[SyncError]) -> None:
    """Every refusal is one of ours, tells the status and has the answer."""
    error = failing(status)
    assert type(error) is kind
    assert str(status) in str(error)
    answer = answer_of(error)
    assert answer is not None
    assert answer.status == status


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("17", 17.0),
        ("0", 0.0),
        ("9" * 30, 86400.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_a_remote_that_wants_to_rest_is_heard(said: str, seconds: float | None) -> None:
    """Seconds and dates are understood, up to a day; nonsense is none."""
    error = failing(503, retry_after=said)
    assert isinstance(error, Unreachable)
    assert error.retry_after == seconds
    assert error.sent


def test_a_date_to_come_back_at_is_counted_from_now() -> None:
    """A date in an hour is about an hour."""
    error = failing(429, retry_after=format_datetime(datetime.now(UTC) + timedelta(hours=1)))
    assert isinstance(error, Unreachable)
    assert error.retry_after == pytest.approx(3600, abs=30)


def test_a_500_that_speaks_json_rpc_is_an_answer() -> None:
    """MemoryOS tells so what it does not understand; any other 500 is a failure."""
    told = {"jsonrpc": "2.0", "id": None, "error": {"code": -32603, "message": "x"}}
    with asking(lambda _: Reply(told, 500)) as (http, _):
        assert http.ask("POST", "", {}).json() == told
    assert isinstance(failing(500, {"error": "x"}), Unreachable)
    assert isinstance(failing(500, [1]), Unreachable)


@pytest.mark.parametrize(
    "body",
    [
        {"detail": "no good"},
        {"detail": {"error": "e", "error_description": "no good"}},
        {"detail": [{"type": "missing", "loc": ["body"], "msg": "no good"}]},
        {"error": {"code": 1, "message": "no good"}},
        {"error": "no good"},
    ],
)
def test_a_refusal_is_told_in_the_remotes_words(body: object) -> None:
    """Whatever shape its reason has."""
    assert str(failing(422, body)).endswith("(HTTP 422: no good)")


def test_words_of_a_remote_are_cut_and_clean() -> None:
    """No escape, no line end, no hidden direction and no length of them gets through."""
    said = "a\x1b[31m\nb\u202ec\u2028d" + "x" * 5000
    words = str(failing(422, {"detail": said}))
    assert words.isprintable()
    assert "a [31m b c d" in words
    assert len(words) < 400
    assert plain("\x00 a\r\nb ") == "a b"


def test_the_key_is_in_no_error_and_no_repr() -> None:
    """Not even where the remote says it back."""
    echoed = failing(401, {"detail": f"the key {KEY} is wrong"}, location=f"https://x/{KEY}")
    onward = failing(302, location=f"https://me:{KEY}@evil.org/{KEY}?{KEY}")
    with asking(lambda _: Reply({})) as (http, _):
        shown = repr(http) + repr(vars(http)["_client"].headers)
    for words in (str(echoed), repr(echoed), str(onward), shown):
        assert KEY not in words
    assert "the key … is wrong" in str(echoed)
    assert "https://evil.org/…" in str(onward)


def test_what_is_no_json_is_foreign() -> None:
    """Also where it is nested beyond reason; NaN, which is no JSON, is taken for nothing."""
    bodies = iter([b"<html>", b"[" * 100_000, b"\xff", b'{"x":NaN}'])
    with asking(lambda _: Reply(next(bodies))) as (http, _):
        for _ in range(3):
            with pytest.raises(Foreign, match="no JSON"):
                http.ask("GET").json()
        assert http.ask("GET").json() == {"x": None}


# Redirects


def test_a_redirect_to_another_place_is_not_followed() -> None:
    """The other server hears nothing at all, and the error says where it would have led."""
    with scripted(lambda _: Reply({})) as other:
        for status in (301, 302, 303, 307, 308):
            error = failing(status, location=other.url + "/x/")
            assert other.url in str(error)
            assert "neither the key nor a memory was sent there" in str(error)
    assert not other.asked


def test_a_redirect_that_adds_a_slash_is_followed_once() -> None:
    """MemoryOS does that; method, body and key stay."""
    absolute = ""

    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("/"):
            return Reply({"ok": True})
        where = absolute or asked.path + "/"
        return Reply(b"", 307, {"Location": where})

    with asking(answer) as (http, server):
        assert http.ask("POST", "/mcp", {"a": 1}).json() == {"ok": True}
        absolute = server.url + "/mcp/"
        assert http.ask("POST", "/mcp", {"a": 1}).json() == {"ok": True}
    assert [each.path for each in server.asked] == ["/mcp", "/mcp/"] * 2
    assert {(each.method, each.body) for each in server.asked} == {("POST", b'{"a":1}')}
    assert all(each.headers["authorization"] == f"Bearer {KEY}" for each in server.asked)


@pytest.mark.parametrize("where", ["//127.0.0.2/x/", "/y/", "/x//", "/x/?a=b", "", "http://[x/"])
def test_no_other_redirect_at_home_is_followed(where: str) -> None:
    """Another host, path or query is none that only adds a slash."""
    with asking(lambda _: Reply(b"", 307, {"Location": where})) as (http, server):
        with pytest.raises(SyncError, match="sends memdesk on"):
            http.ask("POST", "/x", {})
        assert len(server.asked) == 1


def test_a_slash_is_added_no_second_time() -> None:
    """A server that adds slashes for ever is left."""
    with asking(lambda asked: Reply(b"", 308, {"Location": asked.path + "/"})) as (http, server):
        with pytest.raises(SyncError, match="sends memdesk on"):
            http.ask("POST", "/x", {})
        assert [each.path for each in server.asked] == ["/x", "/x/"]


# Bounds


def test_no_answer_takes_much_memory() -> None:
    """One exchange holds a few of them, each also as what its JSON says."""
    assert sync_http.MOST_BYTES <= 16 << 20


def test_an_answer_is_bounded_after_decompression(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small answer that becomes a large one is not taken, nor a large one."""
    monkeypatch.setattr(sync_http, "MOST_BYTES", 1_000_000)
    bomb = gzip.compress(bytes(50_000_000))
    packed = Reply(bomb, headers={"Content-Encoding": "gzip"})
    with asking(lambda asked: packed if asked.path == "/bomb" else Reply(bytes(1_000_001))) as (
        http,
        _,
    ):
        for path in ("/bomb", "/plain"):
            with pytest.raises(SyncError, match="more than"):
                http.ask("GET", path)


def test_a_compressed_answer_is_read() -> None:
    """Whole, or not at all."""
    body = gzip.compress(json.dumps({"x": "y" * 1000}).encode())
    bodies = iter([body, body[:-9], b"no gzip"])
    with asking(lambda _: Reply(next(bodies), headers={"Content-Encoding": "gzip"})) as (http, _):
        assert http.ask("GET").json() == {"x": "y" * 1000}
        for _ in range(2):
            with pytest.raises(Unreachable):
                http.ask("GET")


def test_an_encoding_that_was_not_asked_for_is_not_read() -> None:
    """Layers of compression could make gigabytes of a few bytes."""
    layered = Reply(gzip.compress(gzip.compress(b"{}")), headers={"Content-Encoding": "gzip, gzip"})
    with asking(lambda _: layered) as (http, _), pytest.raises(Unreachable, match="not asked for"):
        http.ask("GET")


@pytest.mark.parametrize("drip", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_an_exchange_is_bounded_in_all(drip: bytes) -> None:
    """A server that sends a byte at a time, in the head or in the body, is left."""
    over = threading.Event()

    def speak(line: socket.socket) -> None:
        line.recv(65536)
        line.sendall(drip)
        try:
            while not over.wait(0.02):
                line.sendall(b"x")
        except OSError:
            return

    with raw(speak) as url, Http(remote(url), timeout=0.1) as http:
        began = time.monotonic()
        try:
            with pytest.raises(Unreachable, match="took longer than"):
                http.ask("GET")
        finally:
            over.set()
    assert time.monotonic() - began < 5


def test_a_server_that_says_nothing_is_left() -> None:
    """One wait has its end."""
    over = threading.Event()
    with raw(lambda _: over.wait(10)) as url, Http(remote(url), timeout=0.1) as http:
        with pytest.raises(Unreachable) as caught:
            http.ask("GET")
        over.set()
    assert caught.value.sent


# Failures


def test_a_server_that_is_not_there_has_heard_nothing() -> None:
    """A connection that was never made is told from an answer that got lost."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    with (
        Http(remote(f"http://127.0.0.1:{port}"), KEY) as http,
        pytest.raises(Unreachable) as caught,
    ):
        http.ask("POST", "", {})
    assert not caught.value.sent


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"SSH-2.0-OpenSSH_9.9 \x1b[31m\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000,
    ],
)
def test_a_broken_answer_may_have_been_heard(said: bytes) -> None:
    """What was sent may have arrived, so whoever sends it again has to know it."""

    def speak(line: socket.socket) -> None:
        line.recv(65536)
        line.sendall(said)

    with raw(speak) as url, Http(remote(url), KEY) as http, pytest.raises(Unreachable) as caught:
        http.ask("POST", "", {})
    assert caught.value.sent
    assert str(caught.value).isprintable()


def test_every_error_of_the_library_is_one_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that a later version of it may bring."""
    kinds: list[type[Exception]] = [
        each
        for each in vars(httpx2).values()
        if inspect.isclass(each) and issubclass(each, Exception) and not issubclass(each, Warning)
    ]
    assert httpx2.ConnectError in kinds
    errors: list[Exception] = [Exception.__new__(kind) for kind in kinds]
    with Http(remote("http://127.0.0.1:1"), KEY) as http:
        for error in (*errors, OSError(), ssl.SSLError()):
            Exception.__init__(error, "told\x1b by it", KEY)
            monkeypatch.setattr(http._client, "send", _raising(error))
            with pytest.raises(Unreachable) as caught:
                http.ask("GET")
            assert caught.value.__cause__ is error
            assert KEY not in str(caught.value)
            assert "\x1b" not in str(caught.value)


def _raising(error: Exception) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


# Certificates


def test_a_certificate_that_the_system_trusts_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system knows who has signed it."""
    certificate = Certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    with (
        scripted(lambda _: Reply({"ok": True}), certificate.context) as server,
        Http(remote(server.url), KEY) as http,
    ):
        assert http.ask("GET").json() == {"ok": True}


def test_a_certificate_that_nobody_trusts_is_not(tmp_path: Path) -> None:
    """Nothing is asked of whoever shows it, and the error says what to do."""
    certificate = Certificate(tmp_path)
    with scripted(lambda _: Reply({}), certificate.context) as server:
        with Http(remote(server.url), KEY) as http, pytest.raises(SyncError) as caught:
            http.ask("POST", "", {"secret": 1})
        assert not server.asked
    assert "certificate is not trusted" in str(caught.value)
    assert "pin its fingerprint" in str(caught.value)
    assert not isinstance(caught.value, Unreachable)


def test_a_certificate_of_another_host_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much its signer is trusted."""
    certificate = Certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    with scripted(lambda _: Reply({}), certificate.context) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        with Http(remote(url), KEY) as http, pytest.raises(SyncError, match="not trusted"):
            http.ask("GET")
        assert not server.asked


def test_the_pinned_certificate_is_believed_whoever_signed_it(tmp_path: Path) -> None:
    """A team's own one works, as its fingerprint is usually written."""
    certificate = Certificate(tmp_path)
    digits = certificate.fingerprint.upper()
    written = ":".join(digits[at : at + 2] for at in range(0, 64, 2))
    with (
        scripted(lambda _: Reply({"ok": True}), certificate.context) as server,
        Http(remote(server.url, fingerprint=written), KEY) as http,
    ):
        assert http.ask("GET").json() == {"ok": True}
        assert trust.shown_fingerprint(server.url) == certificate.fingerprint


def test_not_a_byte_goes_to_another_certificate_than_the_pinned_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where the system trusts it: the connection ends with the handshake."""
    certificate = Certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    heard: queue.Queue[bytes] = queue.Queue()

    def speak(line: socket.socket) -> None:
        try:
            with certificate.context.wrap_socket(line, server_side=True) as secured:
                heard.put(b"shaken hands")
                heard.put(secured.recv(65536))
        except OSError:
            heard.put(b"")

    with raw(speak) as url:
        pinned = remote(url.replace("http:", "https:"), fingerprint="0" * 64)
        with Http(pinned, KEY) as http, pytest.raises(SyncError) as caught:
            http.ask("POST", "", {"secret": 1})
    said = list(heard.queue)
    assert b"".join(said).removeprefix(b"shaken hands") == b""
    assert "another certificate than the one that is pinned" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "fingerprint"),
    [
        ("https://127.0.0.1", "12ab"),
        ("https://127.0.0.1", "x" * 64),
        ("http://127.0.0.1", "0" * 64),
    ],
)
def test_a_fingerprint_that_cannot_be_looked_at_is_refused(url: str, fingerprint: str) -> None:
    """A pin that would be passed over is worse than none."""
    with pytest.raises(Invalid) as caught:
        Http(remote(url, fingerprint=fingerprint), KEY)
    assert caught.value.field == "fingerprint"
