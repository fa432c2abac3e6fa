"""A store that one process of a torture has worked on for a while, with its ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memdesk.torture.worker import MIX, UPKEEP, Orders, Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from memdesk.service import Service


def worked_on(folder: Path, opened: Callable[[Path], Service], *, seed: int, steps: int) -> Path:
    """Have one process work on a new store in `folder` and end well; return the folder."""
    (folder / "home").mkdir(mode=0o700)
    service = opened(folder / "home")
    with pytest.MonkeyPatch.context() as patch:
        for verb in UPKEEP:  # what takes long is tried by the whole run
            patch.delitem(MIX, verb)
        worker = Worker(Orders(folder, 0, 1, seed, keep=0.0), service)
        assert worker.open()
        for _ in range(steps):
            worker.step()
    service.close()
    return folder
