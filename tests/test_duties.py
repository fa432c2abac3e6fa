"""Background duties: one at a time, behind every request, seen, paused and told to stop."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest
from fakes import FakeEmbedder
from served import direct_only

from memdesk.errors import Invalid, ModelError, StoreError
from memdesk.memory import Draft
from memdesk.service.duties import ABOUT, EMBEDDING, MAINTENANCE, MENDING, PATIENCE, Duties

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np

    from memdesk.answers import Duty
    from memdesk.service import Service

SOON = 30.0
LONG = 3600.0
LONG_TEXT = "\n\n".join(f"Chapter {n}. " + f"word{n} " * 150 for n in range(80))


@pytest.fixture
def duties() -> Iterator[Duties]:
    """Return duties that wait for requests for as long as they take."""
    made = Duties(quiet=0, patience=LONG)
    yield made
    made.close()
    assert made.settled(SOON)


class Held:
    """Work that says when it has begun and ends when it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.runs = 0

    def __call__(self) -> None:
        """Work until let go."""
        self.runs += 1
        self.begun.set()
        assert self.go.wait(SOON)


def told(duties: Duties, name: str) -> Duty:
    """Return how one duty stands."""
    (found,) = [duty for duty in duties.report() if duty.name == name]
    return found


def until(true: Callable[[], bool]) -> None:
    """Wait for what another process or the system does, with a deadline."""
    end = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < end
        threading.Event().wait(0.005)


# Order and report


def test_duties_run_one_at_a_time_in_their_order(duties: Duties) -> None:
    """The second begins when the first has ended."""
    first, seen = Held(), []
    duties.run("a", first)
    assert first.begun.wait(SOON)
    duties.run("b", lambda: seen.append(told(duties, "a").state))
    duties.run("c", lambda: seen.append("c"))
    assert told(duties, "b").state == "waiting"
    first.go.set()
    assert duties.settled(SOON)
    assert seen == ["idle", "c"]


def test_asked_for_often_a_duty_runs_once_more(duties: Duties) -> None:
    """While one waits it is not queued twice; while it runs it is queued once."""
    first, work = Held(), Held()
    work.go.set()
    duties.run("first", first)
    assert first.begun.wait(SOON)
    for _ in range(3):
        duties.run("again", work)
        duties.run("first", first)
    first.go.set()
    assert duties.settled(SOON)
    assert (first.runs, work.runs) == (2, 1)


def test_the_report_says_what_each_duty_does_and_how_it_went(duties: Duties) -> None:
    """Those that never ran are there too, with their words."""
    before = {duty.name: (duty.about, duty.state, duty.runs) for duty in duties.report()}
    assert before == {name: (about, "idle", 0) for name, about in ABOUT.items()}
    work = Held()
    duties.run(MENDING, work)
    assert work.begun.wait(SOON)
    during = told(duties, MENDING)
    assert (during.state, during.runs) == ("running", 0)
    assert during.last_began is not None
    work.go.set()
    assert duties.settled(SOON)
    after = told(duties, MENDING)
    assert (after.state, after.runs, after.last_error) == ("idle", 1, "")
    assert after.last_took > 0


def test_a_duty_that_fails_is_reported_and_hinders_none(
    duties: Duties, caplog: pytest.LogCaptureFixture
) -> None:
    """Our own errors are told in words; of others only the kind, for they may quote a memory."""

    def fail(error: Exception) -> None:
        raise error

    duties.run("ours", lambda: fail(StoreError("the disk is full")))
    duties.run("theirs", lambda: fail(ValueError("my secret diary")))
    duties.run("after", lambda: None)
    assert duties.settled(SOON)
    assert told(duties, "ours").last_error == "StoreError: the disk is full"
    assert told(duties, "theirs").last_error == "ValueError"
    assert told(duties, "after").runs == 1
    assert "secret" not in caplog.text
    duties.run("ours", lambda: None)
    assert duties.settled(SOON)
    assert told(duties, "ours").last_error == ""


def test_due_is_what_runs_or_may_run(duties: Duties) -> None:
    """A daemon stays for work, not for what is paused."""
    work = Held()
    assert not duties.due()
    duties.run("a", work)
    assert duties.due()
    assert work.begun.wait(SOON)
    assert duties.due()
    work.go.set()
    assert duties.settled(SOON)
    assert not duties.due()
    duties.pause("a")
    duties.run("a", work)
    assert not duties.due()


# Requests come first


def test_no_duty_begins_while_a_request_is_in_progress(duties: Duties) -> None:
    """It begins when the last of several requests has its answer."""
    seen = []
    with duties.busy():
        with duties.busy():
            duties.run("a", lambda: seen.append("duty"))
        seen.append("request")
        assert told(duties, "a").state == "waiting"
    assert duties.settled(SOON)
    assert seen == ["request", "duty"]


def test_a_long_duty_lets_requests_go_first(duties: Duties) -> None:
    """Between two units it waits for the end of the requests that have come meanwhile."""
    seen: list[str] = []
    first, arrived = threading.Event(), threading.Event()

    def work() -> None:
        first.set()
        assert arrived.wait(SOON)
        seen.append("unit")
        assert duties.step("a")
        seen.append("unit")

    duties.run("a", work)
    assert first.wait(SOON)
    with duties.busy():
        arrived.set()
        until(lambda: bool(seen))
        seen.append("answer")
    assert duties.settled(SOON)
    assert seen == ["unit", "answer", "unit"]


def test_requests_without_end_do_not_starve_a_duty() -> None:
    """When patience ends, one unit of work goes on beside the requests."""
    duties = Duties(quiet=LONG, patience=0.01)
    steps = []
    with duties.busy():
        duties.run("a", lambda: steps.append(duties.step("a")))
        assert duties.settled(SOON)
    assert steps == [True]
    duties.close()


def test_after_a_request_there_is_a_quiet_moment() -> None:
    """A host that asks again at once finds no duty in its way."""
    duties = Duties(quiet=0.05, patience=LONG)
    begun: list[float] = []
    with duties.busy():
        duties.run("a", lambda: begun.append(time.monotonic()))
    ended = time.monotonic()
    assert duties.settled(SOON)
    assert begun[0] - ended >= 0.04
    duties.close()


def test_what_makes_requests_slow_waits_less_long() -> None:
    """A store in splinters and a search behind are worth a disturbance; embedding is not."""
    duties = Duties()
    patience = {name: entry.patience for name, entry in duties._entries.items()}
    assert patience[EMBEDDING] == PATIENCE
    assert patience[MAINTENANCE] == patience[MENDING] < 5


# Pausing and closing


def test_a_paused_duty_waits_and_others_go_on(duties: Duties) -> None:
    """What is queued under its name stays queued until it is resumed."""
    seen: list[str] = []
    duties.pause(MENDING)
    duties.run(MENDING, lambda: seen.append("a"))
    duties.run("b", lambda: seen.append("b"))
    assert duties.settled(SOON)
    assert seen == ["b"]
    assert told(duties, MENDING).state == "paused"
    duties.resume(MENDING)
    assert duties.settled(SOON)
    assert seen == ["b", "a"]
    assert told(duties, MENDING).state == "idle"


def test_only_duties_can_be_paused(duties: Duties) -> None:
    """A name that is none's is refused with those there are, and not kept."""
    for verb in (duties.pause, duties.resume):
        with pytest.raises(Invalid, match=r"^duty: is none of warming, mending, embedding"):
            verb("embeding")
    assert {duty.name for duty in duties.report()} == set(ABOUT)


@pytest.mark.parametrize("in_request", [False, True])
def test_a_running_duty_stops_when_paused_and_goes_on_when_resumed(
    duties: Duties, in_request: bool
) -> None:
    """It ends at its next step, even while that waits for requests, and is done anew later."""
    work, goes_on = Held(), []

    def unit() -> None:
        work()
        goes_on.append(duties.step("a"))

    duties.run("a", unit)
    assert work.begun.wait(SOON)
    with duties.busy() if in_request else nullcontext():
        if in_request:
            work.go.set()
        duties.pause("a")
        work.go.set()
        assert duties.settled(SOON)
    assert told(duties, "a").state == "paused"
    assert goes_on == [False]
    duties.resume("a")
    assert duties.settled(SOON)
    assert goes_on == [False, True]


def test_wanted_asks_without_waiting(duties: Duties) -> None:
    """A duty whose units are its own affair asks only whether to stop."""
    answers = []

    def work() -> None:
        with duties.busy():
            answers.append(duties.wanted("a"))
        duties.pause("a")
        answers.append(duties.wanted("a"))

    duties.run("a", work)
    assert duties.settled(SOON)
    assert answers == [True, False]


def test_closing_drops_what_waits_and_stops_what_runs(duties: Duties) -> None:
    """The running one ends at its next step; nothing begins any more."""
    work, goes_on, seen = Held(), [], []

    def unit() -> None:
        work()
        goes_on.append(duties.step("a"))

    duties.run("a", unit)
    duties.run("b", lambda: seen.append("b"))
    assert work.begun.wait(SOON)
    duties.close()
    duties.run("c", lambda: seen.append("c"))
    work.go.set()
    assert duties.settled(SOON)
    assert (goes_on, seen) == ([False], [])


def test_closing_wakes_a_duty_that_waits_for_requests(duties: Duties) -> None:
    """A process that ends while a request hangs is not held up by its duties."""
    with duties.busy():
        duties.run("a", lambda: None)
        assert not duties.settled(0)
        duties.close()
        assert duties.settled(SOON)
    assert told(duties, "a").runs == 0


def test_many_threads_may_ask_at_once(duties: Duties) -> None:
    """Every name that was asked for has run, and no two ran together."""
    alone, clashes, done = threading.Lock(), [], set()

    def work(name: str) -> None:
        if not alone.acquire(blocking=False):
            clashes.append(name)
            return
        done.add(name)
        alone.release()

    def ask(start: int) -> None:
        for n in range(start, start + 20):
            with duties.busy():
                duties.run(f"{n}", lambda n=n: work(f"{n}"))  # type: ignore[misc]

    threads = [threading.Thread(target=ask, args=(start,)) for start in range(0, 100, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
    assert duties.settled(SOON)
    assert not clashes
    assert done == {f"{n}" for n in range(110)}


# Children and priority


def test_a_child_is_seen_and_ended_by_pausing(duties: Duties) -> None:
    """Its process is in the report while it runs, and how it ended when that was not well."""
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        duties.run(MAINTENANCE, lambda: child)
        assert duties.settled(SOON)
        assert not duties.due()
        assert told(duties, MAINTENANCE).state == "running"
        assert told(duties, MAINTENANCE).child == child.pid
        duties.pause(MAINTENANCE)
        child.wait(SOON)
        ended = told(duties, MAINTENANCE)
    assert (ended.state, ended.child) == ("paused", 0)
    assert "its process ended with" in ended.last_error


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
def test_embedding_steps_behind_and_nothing_else_does(duties: Duties) -> None:
    """Its threads inherit that; no later duty does, nor the threads of this process."""
    seen: dict[str, int] = {}

    def nice(name: str) -> None:
        seen[name] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def work() -> None:
        nice("embedding")
        inner = threading.Thread(target=nice, args=("its thread",))
        inner.start()
        inner.join()

    usual = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    duties.run(EMBEDDING, work)
    duties.run(MENDING, lambda: nice("mending"))
    assert duties.settled(SOON)
    nice("main")
    low = max(usual, 10)
    assert seen == {"embedding": low, "its thread": low, "mending": usual, "main": usual}


# The desk's own duties


class Gated(FakeEmbedder):
    """A model that, for documents in the background, waits to be let go each time."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []
        self.begun = threading.Event()
        self.go = threading.Event()

    def embed_documents(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> np.ndarray:
        """Embed; a background thread waits first."""
        if threading.current_thread().name.startswith("memdesk-duty"):
            self.calls.append(len(texts))
            self.begun.set()
            assert self.go.wait(SOON)
        return super().embed_documents(texts, progress)


@direct_only
def test_a_long_text_is_embedded_in_small_steps_that_can_be_paused(
    open_desk: Callable[..., Service],
) -> None:
    """What was embedded before the pause is kept; the rest follows when resumed."""
    model = Gated()
    desk = open_desk(embedder=model)
    waiting = desk.remember(Draft(LONG_TEXT)).pending
    assert waiting > 64
    assert model.begun.wait(SOON)
    desk.duties.pause(EMBEDDING)
    model.go.set()
    assert desk.duties.settled(SOON)
    assert len(model.calls) == 1
    left = desk.stats().pending
    assert left == waiting - model.calls[0]
    assert model.calls[0] <= 8
    assert told(desk.duties, EMBEDDING).state == "paused"
    desk.duties.resume(EMBEDDING)
    assert desk.duties.settled(SOON)
    assert desk.stats().pending == 0
    assert sum(model.calls) == waiting


@direct_only
def test_background_embedding_stands_aside_for_a_request(
    open_desk: Callable[..., Service],
) -> None:
    """While a request is in progress at most the unit that had begun is finished."""
    model = Gated()
    desk = open_desk(embedder=model)
    desk.remember(Draft(LONG_TEXT))
    assert model.begun.wait(SOON)
    with desk.duties.busy():
        model.go.set()
        desk.recall("word7")
        assert len(model.calls) == 1
    assert desk.duties.settled(SOON)
    assert desk.stats().pending == 0


@direct_only
def test_closing_a_desk_stops_embedding_at_once(open_desk: Callable[..., Service]) -> None:
    """A process that ends does not finish a long text first; the next one does."""
    model = Gated()
    desk = open_desk(embedder=model)
    desk.remember(Draft(LONG_TEXT))
    assert model.begun.wait(SOON)
    desk.close()
    model.go.set()
    assert desk.duties.settled(SOON)
    assert len(model.calls) == 1
    again = open_desk()
    again.list()
    assert again.duties.settled(SOON)
    assert again.stats().pending == 0


@direct_only
def test_a_command_does_not_embed_in_the_background(open_desk: Callable[..., Service]) -> None:
    """A short process leaves that to one that lives longer, and starts maintenance in its call."""
    asked: list[None] = []
    desk = open_desk(background=False, maintain=lambda: asked.append(None))
    desk.remember(Draft(LONG_TEXT))
    id = desk.remember(Draft("gone")).id
    desk.forget([id])
    desk.purge([id])
    assert asked
    assert desk.duties.settled(SOON)
    assert desk.stats().pending > 0
    assert told(desk.duties, EMBEDDING).runs == told(desk.duties, MAINTENANCE).runs == 0


@direct_only
def test_the_desk_reports_its_duties(open_desk: Callable[..., Service]) -> None:
    """Opening mends, a purge asks for maintenance, and a model that fails is told with its words."""
    desk = open_desk(embedder=FakeEmbedder(broken="no such file"), maintain=lambda: None)
    id = desk.remember(Draft("gone")).id
    desk.forget([id])
    desk.purge([id])
    desk.remember(Draft("kept"))
    assert desk.duties.settled(SOON)
    assert told(desk.duties, MENDING).runs == 1
    assert told(desk.duties, MAINTENANCE).runs >= 1
    assert told(desk.duties, EMBEDDING).last_error == "ModelError: no such file"


@direct_only
def test_maintenance_that_cannot_be_started_is_told(open_desk: Callable[..., Service]) -> None:
    """The system's refusal stands in the report, and no call fails for it."""

    def refuse() -> None:
        raise OSError(11, "Resource temporarily unavailable")

    desk = open_desk(maintain=refuse)
    id = desk.remember(Draft("gone")).id
    desk.forget([id])
    desk.purge([id])
    assert desk.duties.settled(SOON)
    error = told(desk.duties, MAINTENANCE).last_error
    assert error.startswith("StoreError: maintenance cannot be started: Resource temporarily")


@direct_only
def test_a_desk_warms_up_in_the_background(open_desk: Callable[..., Service]) -> None:
    """The store is open and the model has answered when the duty is done."""
    desk = open_desk()
    desk.warm_soon()
    assert desk.duties.settled(SOON)
    assert desk._core.warm
    desk.warm_soon()
    assert desk.duties.settled(SOON)
    assert told(desk.duties, "warming").runs == 1


@direct_only
def test_embedding_by_command_is_not_held_up_by_requests(
    open_desk: Callable[..., Service],
) -> None:
    """What a person waits for works on beside requests, and says what went wrong."""
    desk = open_desk(background=False)
    waiting = desk.remember(Draft(LONG_TEXT)).pending
    with desk.duties.busy():
        assert desk.embed_pending() == waiting
    broken = open_desk(background=False, embedder=FakeEmbedder(broken="no such file"))
    broken.remember(Draft("another"))
    with pytest.raises(ModelError, match="no such file"):
        broken.embed_pending()
