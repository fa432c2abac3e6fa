"""What the tests share: a desk on a real store in a temporary folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes import FakeEmbedder

from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the folder of a store that is not there yet."""
    return tmp_path / "desk"


@pytest.fixture
def open_desk(home: Path) -> Iterator[Callable[..., Service]]:
    """Return what opens a desk on `home`, each time as another process would; closed at the end."""
    opened: list[Service] = []

    def open_(**settings: object) -> Service:
        settings.setdefault("embedder", FakeEmbedder())
        opened.append(Service(home, **settings))  # type: ignore[arg-type]
        return opened[-1]

    yield open_
    for desk in opened:
        desk.close()


@pytest.fixture
def desk(open_desk: Callable[..., Service]) -> Service:
    """Return a desk with a fake model."""
    return open_desk()
