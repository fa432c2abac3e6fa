"""Another process that opens a store, for tests that kill it on the way.

python opened.py HOME never            prints every memory of the store as JSON
python opened.py HOME "rename N"       the same, but it is killed at its rename number N, from 0 on
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from fakes import FakeEmbedder
from old_stores import plain

from memdesk.memory import STATES, Filter
from memdesk.service import Service


def main(home: str, kill_at: str) -> None:
    """Open the store, and die where told to."""
    event, _, number = kill_at.partition(" ")
    left = [int(number or 0)]

    def watch(name: str, _: tuple[object, ...]) -> None:
        if name == f"os.{event}":
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1

    sys.addaudithook(watch)
    desk = Service(Path(home), FakeEmbedder(), background=False)
    found = desk.list(where=Filter(states=STATES, expired=True), limit=1000).memories
    sys.stdout.write(json.dumps([plain(each) for each in sorted(found, key=lambda each: each.id)]))
    desk.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
