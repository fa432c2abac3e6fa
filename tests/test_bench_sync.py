"""The benchmark of sync: what counts the bytes and the lock, what serves, and what it says of few memories."""

from __future__ import annotations

import re
import socket
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import pytest
from fakes import FakeEmbedder
from synced import sharer
from team_server import LightTeam

from bench import __main__ as program
from bench import sync, sync_serving
from bench.scale import Bench, Scale
from bench.stores import Stores
from bench.sync_desks import connect, exchange
from bench.sync_locking import Timed, longest_hold
from bench.sync_relay import Relay
from bench.sync_serving import KINDS, LIGHT, SDK, serving
from memdesk.link.start import DIRECT
from memdesk.remotes import MEMDESK, MEMORYOS, Remote, Synced
from memdesk.sync.http import Http
from memdesk.sync.peer import Unreachable
from memdesk.sync.rpc import Rpc

if TYPE_CHECKING:
    from pathlib import Path

    from memdesk.service import Service

FEW = 12


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Stores:
    """Return where stores are made; what is made for one test serves the next."""
    return Stores(tmp_path_factory.mktemp("stores"), lambda _: None, FEW, FEW)


@pytest.fixture
def few(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return what a benchmark works with where there are very few memories, and daemons as everywhere."""
    monkeypatch.delenv(DIRECT, raising=False)
    return Bench(Scale(runs=1, imported=FEW, at_once=FEW), stores, lambda _: None)


def test_a_relay_counts_every_byte_both_ways() -> None:
    """What the server was sent and what the client got, headers and all; then it counts anew."""
    with LightTeam() as server, Relay(server.url) as relay:
        to = urlsplit(relay.url)
        asked = f"GET {to.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        with socket.create_connection((to.hostname, to.port)) as link:
            link.sendall(asked)
            told = b"".join(iter(lambda: link.recv(65536), b""))
        assert server.requests == [asked]
        assert told.startswith(b"HTTP/1.1 401 ")
        assert relay.take() == (len(asked), len(told))
        assert relay.take() == (0, 0)


@pytest.mark.parametrize("kind", [SDK, LIGHT, MEMORYOS])
def test_a_server_is_a_process_of_its_own(kind: str, tmp_path: Path) -> None:
    """It speaks MCP with the key that it tells, and is gone in the end."""
    with serving(kind, tmp_path / "server") as server:
        remote = Remote("team", server.url, KINDS[kind])
        with Http(remote, server.key) as http:
            assert Rpc(http).initialize()["serverInfo"]["name"]
    with Http(remote, server.key) as http, pytest.raises(Unreachable):
        http.ask("POST", "", {})


@pytest.mark.parametrize("kind", [SDK, LIGHT])
def test_a_server_tells_when_a_push_is_on_its_disk(kind: str, tmp_path: Path) -> None:
    """On the clock of this process: after it was sent, before it was answered."""
    with serving(kind, tmp_path / "server") as server, sharer(tmp_path / "desk") as desk:
        desk.add(server.url, server.key)
        desk.share("The barrel is full.")
        begun = time.monotonic()
        assert desk.go().pushed == 1
        answered = time.monotonic()
        assert begun < server.stored_at() < answered


def test_a_lock_remembers_each_time_it_was_held(tmp_path: Path) -> None:
    """Also where what was done under it has failed."""
    lock = Timed(tmp_path / "write.lock")
    with lock.hold(1):
        held_by = lock.holder()
    with pytest.raises(KeyError), lock.hold(1):
        raise KeyError
    assert "bench" in held_by
    assert len(lock.times) == 2
    assert min(lock.times) > 0


def test_the_lock_is_watched_while_a_desk_pulls(tmp_path: Path) -> None:
    """Everything comes meanwhile; the longest time is a part of all of it."""
    with LightTeam() as server, sharer(tmp_path / "first") as desk:
        desk.add(server.url, server.key)
        desk.share("The barrel is full.")
        desk.go()
        connect(tmp_path / "second", server.url, server.key, MEMDESK)
        begun = time.monotonic()
        assert 0 < longest_hold(tmp_path / "second", FakeEmbedder()) < time.monotonic() - begun
    with sharer(tmp_path / "second") as second:
        assert second.texts() == {"The barrel is full."}


def test_an_exchange_that_fails_breaks_the_benchmark() -> None:
    """Its words are told; so is one that leaves something out."""
    told = (Synced("team", pushed=3, error="offline"),)
    client = cast("Service", SimpleNamespace(sync=lambda *_, **__: told))
    with pytest.raises(ValueError, match="offline"):
        exchange(client, push=True)
    with pytest.raises(ValueError, match="3 of 4"):
        sync._speed(4, 3, 1.0)


def test_without_a_memory_service_it_says_so(
    few: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row tells where none was found and how to get one; nothing is started."""
    monkeypatch.setattr(sync_serving, "_TOLD_PEER", str(tmp_path / "none"))
    (row,) = sync.service(few)
    assert "left out" in row.what
    assert str(tmp_path / "none") in row.note
    assert "scripts/peer" in row.note


def test_a_few_memories_there_and_back(few: Bench) -> None:
    """Real daemons push all of them and pull all of them, each at some speed."""
    pushed, pulled = sync.light(few)
    assert re.match(rf"{FEW} memories pushed to a team server", pushed.what)
    assert "pulled" in pulled.what
    assert len(pushed.runs) == len(pulled.runs) == 1
    assert min(pushed.measured, pulled.measured) > 0


def test_the_bytes_of_a_few_memories(few: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each text goes up once in a push and comes down at least once in a pull; little else does."""
    monkeypatch.setattr(sync, "KINDS", {LIGHT: MEMDESK})
    text, up, answered, asked, down = (row.measured for row in sync.wire(few))
    assert text < up < text + 1500
    assert answered < up
    assert asked < text < down


def test_the_help_says_what_each_row_measures(capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, with its name in front."""
    with pytest.raises(SystemExit):
        program.main(["sync", "--help"])
    shown = capsys.readouterr().out
    for name, row in sync.ROWS.items():
        assert row.__doc__
        assert re.search(rf"^  {name} +{re.escape(row.__doc__)}$", shown, re.MULTILINE)
