"""Another process beside a change of the model, for tests with real processes.

python switcher.py HOME write NAME         remembers until it is told to stop; prints what was stored
python switcher.py HOME read               recalls until it is told to stop; prints how often
python switcher.py HOME switch POINT       changes the model and is killed at a point of the change
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fakes import FakeEmbedder, other_model

from memdesk.memory import Draft
from memdesk.service import Service
from memdesk.service.switch import Switch
from memdesk.store import Beside

if TYPE_CHECKING:
    from collections.abc import Callable

    from memdesk.catalog import ModelSpec

say = partial(print, flush=True)
SPEC = other_model()


def model(name: str) -> FakeEmbedder:
    """Return a model by its name."""
    return FakeEmbedder(SPEC) if name == SPEC.name else FakeEmbedder()


def told_to_stop() -> threading.Event:
    """Return what is set once standard input has a line or ends."""
    told = threading.Event()

    def listen() -> None:
        sys.stdin.readline()
        told.set()

    threading.Thread(target=listen, daemon=True).start()
    return told


def write(desk: Service, name: str) -> None:
    """Remember, and revise now and then, until told to stop."""
    stop, texts, number = told_to_stop(), [], 0
    while not stop.is_set():
        number += 1
        texts.append(f"{name} wrote number{number} meanwhile")
        desk.remember(Draft(texts[-1]))
        if number == 1:
            say("begun")
        stop.wait(0.1)  # the machine is for the others, too
    for text in texts:
        say(text)


def read(desk: Service) -> None:
    """Recall until told to stop; every answer must have what was there from the start."""
    stop, times = told_to_stop(), 0
    while not stop.is_set():
        number = times % 60
        found = desk.recall(f"number{number} apple")
        assert any(f"number{number} " in hit.memory.text for hit in found.hits), number
        assert found.hits[0].cosine is not None or found.degraded
        times += 1
        if times == 1:
            say("begun")
        stop.wait(0.05)
    say(times)


def die(*_: object) -> None:
    """End as by a power cut."""
    os.kill(os.getpid(), signal.SIGKILL)


def dies_at(point: str) -> None:
    """Have this process killed when the change has come so far."""
    if point == "opened":
        Switch._bring_in_line = die  # type: ignore[method-assign, assignment]
    elif point.startswith("put"):
        after(Beside, "put", int(point.split()[1]))
    elif point == "settled":
        after(Beside, "settle", 1)
    elif point == "taking":
        Beside.take = die  # type: ignore[method-assign, assignment]
    elif point == "stamped":
        after(Beside, "take", 1)


def after(kind: type, name: str, times: int) -> None:
    """Have this process killed after a method was called so often."""
    method: Callable[..., object] = getattr(kind, name)
    called: list[int] = []

    def counted(*arguments: object) -> None:
        method(*arguments)
        called.append(1)
        if len(called) == times:
            die()

    setattr(kind, name, counted)


def main(home: str, verb: str, *words: str) -> None:
    """Do one verb on the desk in a folder."""
    background = verb != "switch"
    desk = Service(Path(home), FakeEmbedder(), models=model, wait=30.0, background=background)
    if verb == "write":
        write(desk, *words)
    elif verb == "read":
        read(desk)
    else:
        dies_at(*words)
        spec: ModelSpec = SPEC
        desk.use_model(spec)
    desk.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
