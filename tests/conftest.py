"""What the tests share: a desk on a real store in a temporary folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

import pytest
from fakes import FakeEmbedder
from served import WAYS, Server, client

from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from memdesk.link.client import ServiceClient

# Nothing outlives its test: what is about daemons says so in the environment of its processes.
os.environ["MEMDESK_DIRECT"] = "1"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the folder of a store that is not there yet."""
    return tmp_path / "desk"


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """Return how a test holds its desk; see `served.direct_only`."""
    return str(request.param)


@pytest.fixture
def server() -> Iterator[Server]:
    """Return what serves desks as the daemon does."""
    server = Server()
    yield server
    server.close()


@pytest.fixture
def open_desk(
    home: Path, way: str, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Service]]:
    """Return what opens a desk on `home`, each time as another process would; closed at the end.

    A front cannot tell a client from the service, and neither can a test.
    """
    opened: list[Service | ServiceClient] = []

    def open_(**settings: object) -> Service:
        settings.setdefault("embedder", FakeEmbedder())
        service = Service(home, **settings)  # type: ignore[arg-type]
        opened.insert(0, service)
        if way == "daemon":
            path = request.getfixturevalue("server").serve(lambda: service)
            opened.insert(0, client(path, **settings))
        return cast("Service", opened[0])

    if way == "daemon":
        request.getfixturevalue("server")  # or it would end before the desks do
    yield open_
    for desk in opened:
        desk.close()


@pytest.fixture
def desk(open_desk: Callable[..., Service]) -> Service:
    """Return a desk with a fake model."""
    return open_desk()
