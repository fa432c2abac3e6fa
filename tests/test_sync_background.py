"""A real daemon that exchanges with a remote by itself, and what its callers notice of that: nothing."""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

import pytest
from daemon_home import ID, Home, ended, until
from mcp_session import DEADLINE
from synced import sharer
from team_server import KEY, LightTeam

from memdesk.link.client import ServiceClient
from memdesk.memory import Draft, Edit
from memdesk.remotes import MEMDESK, Remote
from memdesk.sync.keys import Keys
from memdesk.sync.known import KnownRemotes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="starts daemons")
LEFT = 2.0
"""Seconds within which a daemon that was told to leave has left."""


class Deaf:
    """A server that takes connections and never answers; it knows what came."""

    def __init__(self) -> None:
        self.met = threading.Event()
        """Whether anybody has connected."""
        self.asked = threading.Event()
        self.gone = threading.Event()
        """Whether a client has given up."""
        self._links: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/mcp"
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                link, _ = self._listener.accept()
                self.met.set()
                self._links.append(link)
                while link.recv(65536):
                    self.asked.set()
                self.gone.set()

    def close(self) -> None:
        """Hang up."""
        for each in (self._listener, *self._links):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._thread.join()


@pytest.fixture
def home() -> Iterator[Home]:
    """A store's folder; its daemon ends with the test."""
    home = Home()
    yield home
    home.close()


@pytest.fixture
def deaf() -> Iterator[Deaf]:
    """A server that never answers."""
    server = Deaf()
    yield server
    server.close()


def set_up(home: Home, name: str, url: str, *, auto: bool = True) -> None:
    """Give a store a remote before it has a daemon."""
    home.path.mkdir(mode=0o700, exist_ok=True)
    known, keys = KnownRemotes(home.path, nullcontext), Keys(home.path)
    keys.put(known.add(Remote(name, url, MEMDESK, auto=auto)), KEY)


@contextmanager
def front(home: Home) -> Iterator[ServiceClient]:
    """Return a front that speaks to the daemon."""

    def connect() -> socket.socket:
        return home.greeted("service", name="memdesk", space="personal").link

    client = ServiceClient(connect, default_space="personal")
    try:
        yield client
    finally:
        client.close()


def share(home: Home, text: str, *to: str) -> str:
    """Remember something for the team."""
    with front(home) as desk:
        return desk.remember(Draft(text, audience=to or ("team",))).id


def test_what_is_shared_goes_by_itself_and_what_others_share_comes(
    home: Home, tmp_path: Path
) -> None:
    """No command is needed: it is on the server soon, and what another desk put there is recalled."""
    with LightTeam() as server, sharer(tmp_path / "ben") as ben:
        ben.add(server.url, KEY)
        theirs = ben.share("The printer is behind the kitchen")
        assert ben.go().pushed == 1
        set_up(home, "team", server.url)
        with home.opened() as host:
            host.call("remember", text="The diary of a private person")
            until(lambda: theirs in host.call("recall", query="where is the printer"))
            mine = share(home, "The gate code is told by Ada")
            until(lambda: mine in server.team.records)
            edited = "The gate code is told by Grace"
            with front(home) as desk:
                desk.revise(mine, Edit(text=edited))
            until(lambda: server.team.records[mine]["text"] == edited)
            assert b"diary" not in b"".join(server.requests)
            ben.go()
            assert ben.get(mine).text == edited


def test_a_remote_that_is_set_up_later_is_exchanged_with(home: Home) -> None:
    """A daemon that runs already takes up what the person has set up meanwhile, and lets it go again."""
    with LightTeam() as server, home.opened():
        mine = share(home, "Tea at five")
        set_up(home, "team", server.url)
        until(lambda: mine in server.team.records)
        KnownRemotes(home.path, nullcontext).change("team", auto=False)
        with front(home) as desk:
            (standing,) = desk.remotes()
        assert standing.waiting == 0
        assert standing.synced_at


def test_a_call_does_not_wait_for_a_server(home: Home, deaf: Deaf) -> None:
    """While an exchange waits for a server that never answers, memories are kept and recalled."""
    set_up(home, "team", deaf.url)
    with home.opened() as host:
        assert deaf.asked.wait(DEADLINE)
        id = share(home, "The tea is at five")
        assert id in host.call("recall", query="tea")
        assert ID.search(host.call("remember", text="The coffee is at ten"))
        with front(home) as desk:
            (standing,) = desk.remotes()
            (told,) = desk.sync("team")
        assert standing.waiting == 1
        assert "another process" in told.error
        assert not deaf.gone.is_set()  # all of that was while it waited


def test_a_daemon_leaves_in_time_while_a_server_hangs(home: Home, deaf: Deaf) -> None:
    """A signal ends it within its two seconds, also in the midst of an exchange; nothing is lost."""
    set_up(home, "team", deaf.url)
    with home.opened():
        assert deaf.asked.wait(DEADLINE)
        id = share(home, "kept all the same")
        pid = home.daemon
        os.kill(pid, signal.SIGTERM)
        assert ended(pid, LEFT)
    with sharer(home.path) as desk:
        assert desk.get(id).text == "kept all the same"
        (standing,) = desk.service.remotes()
        assert standing.waiting == 1


def test_without_auto_not_one_connection_is_made(home: Home, deaf: Deaf) -> None:
    """A remote that is not to be synced by itself is left alone, while another one is synced."""
    with LightTeam() as server:
        set_up(home, "another", deaf.url, auto=False)
        set_up(home, "team", server.url)
        with home.opened():
            first = share(home, "for both", "another", "team")
            until(lambda: first in server.team.records)
            second = share(home, "for both again", "another", "team")
            until(lambda: second in server.team.records)
            with front(home) as desk:
                another, _ = desk.remotes()
                assert (another.waiting, another.synced_at) == (2, None)
        assert not deaf.met.is_set()


def test_a_refused_key_is_not_tried_again(home: Home) -> None:
    """After one refusal the background waits for the person, who has a new key taken at once."""
    with LightTeam(key="another-key-of-the-team") as server:
        set_up(home, "team", server.url)
        with home.opened():
            id = share(home, "waits for a key")
            with front(home) as desk:
                until(lambda: desk.remotes()[0].error)
                (standing,) = desk.remotes()
                assert "memdesk sync key team" in standing.error
                assert standing.retry_at is None
                asked = len(server.requests)
                desk.remember(Draft("another", audience=("team",)))
                server.key = KEY
                assert desk.remotes()[0].waiting == 2
                assert len(server.requests) == asked
                (told,) = desk.sync("team")
                assert (told.pushed, told.error) == (2, "")
        assert id in server.team.records
