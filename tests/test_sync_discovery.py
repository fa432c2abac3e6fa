"""Servers that announce themselves on the network; here on loopback only."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import zeroconf
from scripted import Reply, scripted
from test_sync_http import Certificate
from zeroconf import ServiceInfo, Zeroconf

from memdesk.errors import SyncError
from memdesk.sync import discovery
from memdesk.sync.discovery import SERVICE, Seen, discover

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOOPBACK = ["127.0.0.1"]
WELL = Reply({"status": "healthy"})


@contextmanager
def announced(**servers: tuple[str, dict[str, str]]) -> Iterator[None]:
    """Announce servers by their names, addresses and what they tell."""
    mouth = Zeroconf(interfaces=LOOPBACK)
    try:
        for name, (url, told) in servers.items():
            parts = urlsplit(url)
            info = ServiceInfo(
                SERVICE,
                f"{name}.{SERVICE}",
                port=parts.port or 0,
                addresses=[socket.inet_aton(parts.hostname or "")],
                properties=told,
                server="victim.example.org.",
            )
            mouth.register_service(info, cooperating_responders=True)
        yield
    finally:
        mouth.close()


def test_servers_are_found_and_greeted_without_a_key(tmp_path: Path) -> None:
    """Those that are well come first; addresses are the network's, words are clean."""
    certificate = Certificate(tmp_path)
    with (
        scripted(lambda _: WELL) as well,
        scripted(lambda _: Reply({}, 503)) as ill,
        scripted(lambda _: WELL, certificate.context) as secured,
        announced(
            ill=(ill.url, {"api_version": "9" * 200}),
            secured=(secured.url, {"https": "True", "auth_required": "True"}),
            well=(well.url, {"api_version": "12.2.0\x1b[31m", "https": "False"}),
        ),
    ):
        first, *others = discover(1.5, interfaces=LOOPBACK)
        asked = well.asked
        assert not secured.asked
    assert first == Seen("well", well.url, "12.2.0 [31m", wants_key=False)
    assert not first.secured
    assert [(each.name, each.url, each.wants_key) for each in others] == [
        ("secured", secured.url, True),
        ("ill", ill.url, False),
    ]
    assert "certificate is not trusted" in others[0].trouble
    assert "503" in others[1].trouble
    assert len(others[1].version) < 100
    assert [(each.method, each.path) for each in asked] == [("GET", "/api/health")]
    assert "authorization" not in asked[0].headers


def test_a_secured_server_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where both can be greeted."""
    certificate = Certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    with (
        scripted(lambda _: WELL) as open_one,
        scripted(lambda _: WELL, certificate.context) as secured,
        announced(a=(open_one.url, {}), b=(secured.url, {"https": "true"})),
    ):
        found = discover(1.5, interfaces=LOOPBACK)
    assert [(each.name, each.secured, each.trouble) for each in found] == [
        ("b", True, ""),
        ("a", False, ""),
    ]


def test_too_many_servers_are_not_all_greeted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever announces more than a team has ends the search early."""
    monkeypatch.setattr(discovery, "MOST", 1)
    with (
        scripted(lambda _: WELL) as server,
        announced(a=(server.url, {}), b=(server.url, {})),
    ):
        assert len(discover(60.0, interfaces=LOOPBACK)) == 1


def test_where_nobody_announces_anything_nothing_is_found() -> None:
    """That is no error."""
    assert discover(0.1, interfaces=LOOPBACK) == ()


def test_a_computer_that_cannot_listen_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one sentence, whatever the library raises."""
    for error in (OSError("No such device\x1b"), RuntimeError("No interfaces"), zeroconf.Error()):
        monkeypatch.setattr(zeroconf, "Zeroconf", _raising(error))
        with pytest.raises(SyncError, match="cannot listen for servers") as caught:
            discover(0.1)
        assert str(caught.value).isprintable()


def _raising(error: Exception) -> Callable[..., None]:
    def fail(**_: object) -> None:
        raise error

    return fail
