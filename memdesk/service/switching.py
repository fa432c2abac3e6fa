"""Another model for the vectors: made beside those in use while everything goes on, then taken in one step.

First the wish is put down in the stamp; then each memory is embedded with the coming model into a
table of its own, outside the lock; the last few that changed meanwhile follow under it, and with one
more stamp every process searches the new table. What a kill cuts short goes on where it was.
"""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING

from memdesk.errors import Busy, ModelError
from memdesk.limits import check, left
from memdesk.service import points
from memdesk.service.duties import SWITCHING, at_usual_priority
from memdesk.service.switch import Switch

if TYPE_CHECKING:
    from collections.abc import Callable

    from memdesk.catalog import ModelSpec
    from memdesk.embedder import Embedding
    from memdesk.memory import Memory
    from memdesk.passages import Passage
    from memdesk.service.core import Core
    from memdesk.store import Store

    Progress = Callable[[int, int], None] | None
    _Cut = list[tuple[Memory, list[Passage]]]

_TURN = 2.0
"""Seconds of work after which other duties get their turn."""
_LOOK = 0.2
"""Seconds after which one who waits looks how far it is."""


# What is asked for


def use_model(core: Core, spec: ModelSpec, progress: Progress) -> int:
    """Embed everything with another model beside the present vectors, then switch to it.

    Searches use the old vectors until the switch; a failure before it changes nothing. Returns the
    number of memories, 0 where the model is in use already. Raises `ModelError`.
    """
    embedder = _loaded(core, spec.name)
    if core.store().stamp.fingerprint == embedder.spec.fingerprint:
        embedder.close()
        if core.store().stamp.coming:
            _give_up(core)
        return 0
    return _change(core, embedder, progress)


def roll_back_model(core: Core, progress: Progress) -> str:
    """Give up a change under way, or go back to the model that was in use before.

    Returns the name of the model in use then. Raises `ModelError` where there is no way back.
    """
    stamp = core.store().stamp
    if stamp.coming:
        _give_up(core)
    elif stamp.former:
        _change(core, _loaded(core, stamp.former), progress)
    else:
        raise ModelError(
            f"there is no way back: {stamp.model} is the only model that this store has had"
        )
    return core.store().stamp.model


def told(core: Core) -> str:
    """Return how far the change to another model has come, in words; empty while there is none."""
    from memdesk.store import coming_count

    store = core.store()
    if not store.stamp.coming:
        return ""
    done, total = coming_count(store)
    stopped = f"; it stopped: {core.switch_trouble}" if core.switch_trouble else ""
    return f"to {store.stamp.coming}: {done:,} of {total:,} memories{stopped}"


def opened(core: Core, store: Store) -> None:
    """Go on with a change that a kill has cut short, now that a store has been opened."""
    _go_on_with(core, store)


def go_on_in_background(core: Core) -> None:
    """Go on with a change that another process has asked for and not finished."""
    _go_on_with(core, core.store())


def _go_on_with(core: Core, store: Store) -> None:
    idle = core.switch is None and not core.switch_trouble
    if store.stamp.coming and core.background and core.models and idle:
        core.duties.run(SWITCHING, partial(_resume, core))


def _resume(core: Core) -> None:
    name = core.store().stamp.coming
    if name and core.switch is None:
        try:
            core.switch = Switch(core, at_usual_priority(lambda: _loaded(core, name)))
        except ModelError as error:
            core.switch_trouble = str(error)
            raise
    _work_in_turns(core)


def _loaded(core: Core, name: str) -> Embedding:
    """Return a model that was loaded and tried; raises `ModelError`."""
    if core.models is None:
        raise ModelError("this desk was opened without a catalogue of models")
    embedder = core.models(name)
    embedder.load()
    return embedder


def _change(core: Core, embedder: Embedding, progress: Progress) -> int:
    from memdesk.store import wish

    spec, switch = embedder.spec, core.switch
    if core.store().stamp.coming != spec.name:
        points.before(core, f"model {spec.name}")
        with core.locked():
            wish(core.store(), spec.name, spec.fingerprint)
        core.store()
    if switch is None or switch.ended.is_set() or switch.fingerprint != spec.fingerprint:
        core.switch = switch = Switch(core, embedder)
    elif switch.embedder is not embedder:
        embedder.close()  # it is under way already
    return (_await if core.background else _do)(core, switch, progress)


def _give_up(core: Core) -> None:
    from memdesk.store import drop_wish

    with core.locked():
        drop_wish(core.store())
    core.store()
    if core.switch:
        core.switch.end(ModelError("the change to another model was given up"))


# Who does it


def _do(core: Core, switch: Switch, progress: Progress) -> int:
    """Make the change in this very call."""
    wait = left(core.wait)
    with core.alone(SWITCHING, wait) as alone:
        if not alone:
            raise Busy("another process that changes the model", wait)

        def go_on() -> bool:
            check()
            if progress:
                progress(switch.done, switch.total)
            return not core.closing.is_set()

        while not switch.work(go_on):
            core.check_open()
    return switch.outcome(progress)


def _await(core: Core, switch: Switch, progress: Progress) -> int:
    """Have the change made in the background, by this process or another one, and wait for it."""
    core.duties.run(SWITCHING, partial(_work_in_turns, core))
    while not switch.ended.wait(_LOOK):
        check()
        core.check_open()
        if progress and switch.total:
            progress(switch.done, switch.total)
        if not core.duties.working(SWITCHING):  # another process was at it, and may be gone now
            switch.look()
            core.duties.run(SWITCHING, partial(_work_in_turns, core))
    return switch.outcome(progress)


def _work_in_turns(core: Core) -> None:
    """Work for a while at a change, then let other duties have their turn."""
    switch = core.switch
    if switch is None or switch.ended.is_set():
        return
    with core.alone(SWITCHING) as alone:
        if not alone:
            return
        until = time.monotonic() + _TURN
        going, over = True, False
        while going and not over and time.monotonic() < until:
            with contextlib.suppress(Busy):  # somebody keeps the lock: the next turn tries again
                over = switch.work(lambda: core.duties.step(SWITCHING), until)
            going = core.duties.wanted(SWITCHING)
    if going and not over:
        core.duties.run(SWITCHING, partial(_work_in_turns, core))
