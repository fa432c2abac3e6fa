"""What the tests share: a desk on a real store in a temporary folder."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING, cast

import pytest
from fakes import FakeEmbedder
from served import WAYS, Server, client

from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tui import Clock
    from watched import Watched

    from memdesk.link.client import ServiceClient

# Nothing outlives its test: what is about daemons says so in the environment of its processes.
os.environ["MEMDESK_DIRECT"] = "1"
# A test that wants a keyring brings its own: nobody's real one is touched.
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"


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


@pytest.fixture
def notes(home: Path, tmp_path: Path, desk: Service) -> Watched:
    """Return an empty folder that is watched by a desk."""
    from watched import Watched

    return Watched(home, tmp_path / "notes", desk)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """Return the clock of memdesk in this process: it stands still, in UTC."""
    import tui  # brings Textual, which few tests need

    with monkeypatch.context() as patch:
        yield tui.still(patch)
    time.tzset()


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a store with a dozen memories, to be copied."""
    import tui

    home = tmp_path_factory.mktemp("demo") / "desk"
    with pytest.MonkeyPatch.context() as patch:
        clock = tui.still(patch)
        service = tui.demo_service(home)
        tui.fill(service, clock)
        service.close()
    time.tzset()
    return home


@pytest.fixture
def demo(home: Path, demo_home: Path, clock: Clock) -> Iterator[Service]:
    """Return a service with a dozen memories that are always of the same age."""
    import tui

    shutil.copytree(demo_home, home)
    service = tui.demo_service(home)
    yield service
    service.close()
