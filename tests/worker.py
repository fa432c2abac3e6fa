"""Another process on a desk, for tests with real processes.

python worker.py HOME remember TEXT…       prints each id when it is acknowledged
python worker.py HOME endless NAME         remembers “NAME 0”, “NAME 1”… until it is killed
python worker.py HOME hold                 holds the writer lock until standard input ends
python worker.py HOME read N               lists and recalls N times; prints how many it saw
python worker.py HOME maintain             maintains the store once
python worker.py HOME clean                maintains it with no margin until it is killed
python worker.py HOME take N               makes N restore points; prints the name of each
"""

from __future__ import annotations

import itertools
import sys
from functools import partial
from pathlib import Path

from fakes import FakeEmbedder

from memdesk.memory import Draft
from memdesk.service import Service

say = partial(print, flush=True)


def main(home: str, verb: str, *words: str) -> None:
    """Do one verb on the desk in a folder."""
    desk = Service(Path(home), FakeEmbedder(), wait=30.0)
    if verb == "remember":
        for word in words:
            say(desk.remember(Draft(word), actor="worker").id)
    elif verb == "endless":
        for number in itertools.count():
            done = desk.remember(Draft(f"{words[0]} {number}"), actor="worker")
            say(f"{number} {done.id}")
    elif verb == "hold":
        with desk._core.locked():  # as a writer that is stuck would
            say("held")
            sys.stdin.read()
    elif verb == "read":
        for _ in range(int(words[0])):
            desk.list(limit=5)
            desk.recall("note")
        say("read")
    elif verb == "maintain":
        say(desk.maintain(keep_seconds=2))
    else:
        keep(desk, verb, *words)
    desk.close()


def keep(desk: Service, verb: str, *words: str) -> None:
    """Do a verb of those that keep what there is."""
    while verb == "clean":
        say(desk.maintain(keep_seconds=0))
    for number in range(int(words[0])):
        say(desk.take_point(reason=f"round {number}").name)


if __name__ == "__main__":
    main(*sys.argv[1:])
