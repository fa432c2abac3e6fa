"""The fault proxy does to exchanges what it is told to, and tells what it did."""

from __future__ import annotations

import http.client
import threading
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from fault_proxy import FaultProxy, Faults
from loopback import Asked, Loopback, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

LOST = (http.client.HTTPException, OSError)


class Echo(Loopback):
    """A server that says what it was told."""

    path = "/here"

    def answer(self, asked: Asked) -> Reply:
        """Return the body."""
        return Reply(200, b"heard " + asked.body)


@pytest.fixture
def server() -> Iterator[Echo]:
    """Return a server that runs."""
    with Echo() as server:
        yield server


def ask(proxy: FaultProxy, body: bytes = b"words") -> tuple[int, bytes, str]:
    """Return status, body and Retry-After of an answer."""
    to = urlsplit(proxy.url)
    link = http.client.HTTPConnection(to.hostname or "", to.port, timeout=30)
    try:
        link.request("POST", to.path, body)
        answer = link.getresponse()
        return answer.status, answer.read(), answer.headers.get("Retry-After", "")
    finally:
        link.close()


def test_an_exchange_goes_through(server: Echo) -> None:
    """Both ways, and the bytes that went to the server are kept."""
    with FaultProxy(server.url) as proxy:
        assert ask(proxy) == (200, b"heard words", "")
        assert proxy.heard == server.requests
        assert proxy.heard[0].endswith(b"\r\n\r\nwords")
        assert proxy.counts == {"passed": 1}


def test_an_unheard_request_never_arrives(server: Echo) -> None:
    """The client loses its connection, and the server knows nothing."""
    with FaultProxy(server.url, Faults(unheard=1)) as proxy:
        with pytest.raises(LOST):
            ask(proxy)
        assert proxy.counts == {"unheard": 1}
        assert not proxy.heard
    assert not server.requests


def test_an_unanswered_request_has_been_done(server: Echo) -> None:
    """The server has heard it, the client hears nothing."""
    with FaultProxy(server.url, Faults(unanswered=1)) as proxy, pytest.raises(LOST):
        ask(proxy)
    assert len(server.requests) == 1


def test_a_request_comes_twice(server: Echo) -> None:
    """The client gets one answer."""
    with FaultProxy(server.url, Faults(twice=1)) as proxy:
        assert ask(proxy) == (200, b"heard words", "")
        assert len(proxy.heard) == 2
    assert len(server.requests) == 2


def test_an_answer_is_cut(server: Echo) -> None:
    """Wherever it ends, in its head or its body, the client never has all of it."""
    with FaultProxy(server.url, Faults(cut=1)) as proxy:
        for _ in range(30):
            with suppress(*LOST):
                assert len(ask(proxy, b"x" * 300)[1]) < 300
    assert len(server.requests) == 30


def test_a_late_request_arrives(server: Echo) -> None:
    """It is held up, not lost."""
    with FaultProxy(server.url, Faults(late=1), delay=0.01) as proxy:
        assert ask(proxy)[0] == 200
        assert proxy.counts == {"late": 1}


def test_a_busy_server_may_say_for_how_long(server: Echo) -> None:
    """429 comes with Retry-After and without, and nothing is forwarded."""
    with FaultProxy(server.url, Faults(busy=1), retry_after=7) as proxy:
        told = {(status, after) for status, _, after in (ask(proxy) for _ in range(30))}
    assert told == {(429, "7"), (429, "")}
    assert not server.requests


def test_a_broken_server_fails_in_two_ways(server: Echo) -> None:
    """500 and 502, and nothing is forwarded."""
    with FaultProxy(server.url, Faults(broken=1)) as proxy:
        assert {ask(proxy)[0] for _ in range(30)} == {500, 502}
    assert not server.requests


def test_a_seed_tells_what_happens(server: Echo) -> None:
    """The same one does the same things, as often as the rate says; another does others."""

    def run(seed: int) -> list[object]:
        told: list[object] = []
        with FaultProxy(server.url, Faults.all(0.5), seed=seed, delay=0) as proxy:
            for _ in range(100):
                try:
                    told.append(ask(proxy))
                except LOST:
                    told.append("lost")
            assert sum(proxy.counts.values()) == 100
            assert 30 < proxy.counts["passed"] < 70
            assert len(proxy.counts) == 8
        return told

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_faults_may_end(server: Echo) -> None:
    """They can be changed while the proxy runs."""
    with FaultProxy(server.url, Faults(broken=1)) as proxy:
        assert ask(proxy)[0] >= 500
        proxy.faults = Faults()
        assert ask(proxy)[0] == 200


def test_many_at_once(server: Echo) -> None:
    """Exchanges do not mix."""
    told: dict[int, bytes] = {}
    with FaultProxy(server.url) as proxy:

        def run(n: int) -> None:
            told[n] = ask(proxy, f"{n}".encode())[1]

        threads = [threading.Thread(target=run, args=[n]) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert told == {n: f"heard {n}".encode() for n in range(20)}


def test_a_server_that_is_gone_is_a_lost_connection() -> None:
    """The client of a proxy whose server does not listen gets no answer."""
    with Echo() as server:
        url = server.url
    with FaultProxy(url) as proxy, pytest.raises(LOST):
        ask(proxy)


def test_who_says_nothing_does_not_keep_the_proxy(server: Echo) -> None:
    """A connection that is only opened ends with the proxy."""
    to = urlsplit(server.url)
    with FaultProxy(server.url) as proxy:
        to = urlsplit(proxy.url)
        link = http.client.HTTPConnection(to.hostname or "", to.port)
        link.connect()
        assert ask(proxy)[0] == 200
    assert link.sock.recv(1) == b""
    link.close()
