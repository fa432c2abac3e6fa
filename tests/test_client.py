"""A client of the daemon is the service: its verbs, its errors, and what a lost connection does."""

from __future__ import annotations

import inspect
import json
import random
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from fakes import FakeEmbedder, other_model
from served import Server, client, connect, direct_only
from test_processes import finish, start
from test_values import EXAMPLES

from memdesk.answers import Page, Remembered
from memdesk.daemon import verbs
from memdesk.errors import Busy, Cancelled, Invalid, MemdeskError, StoreError
from memdesk.limits import check, limited
from memdesk.link import calls, values
from memdesk.link.client import ServiceClient
from memdesk.memory import Draft, Edit, Filter, Memory, new_id
from memdesk.service import Service
from memdesk.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOCAL = {"scope", "close"}
"""Verbs that a client answers by itself."""
OF_THE_PROCESS = {"warm_soon", "for_host"}
"""What the process that owns a service does with it, and no front."""


def verbs_of(kind: type) -> dict[str, inspect.Signature]:
    """Return the public methods of a class."""
    methods = inspect.getmembers(kind, inspect.isfunction)
    return {name: inspect.signature(each) for name, each in methods if name[0] != "_"}


def until(condition: Callable[[], object]) -> None:
    """Wait until something holds, at most half a minute."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def unwanted() -> bool:
    """Tell whether the call on this thread has lost its caller."""
    try:
        check()
    except Cancelled:
        return True
    return False


class Stub:
    """A service of which only one verb is there."""

    def __init__(self, verb: str, work: Callable[..., object]) -> None:
        setattr(self, verb, work)


@pytest.fixture
def asked(server: Server) -> Iterator[Callable[..., ServiceClient]]:
    """Return what serves anything and gives a client of it."""
    clients: list[ServiceClient] = []

    def serve(service: object, **settings: object) -> ServiceClient:
        clients.append(client(server.serve(lambda: service), **settings))  # type: ignore[arg-type,return-value]
        return clients[-1]

    yield serve
    for each in clients:
        each.close()


@pytest.fixture
def service(home: Path) -> Iterator[Service]:
    """Return a service with a fake model, to serve it or look into it."""
    service = Service(home, FakeEmbedder(), background=False)
    yield service
    service.close()


# The same verbs


def test_a_client_has_the_very_verbs_of_the_service() -> None:
    """Every public method is there, with the same arguments, defaults and types."""
    ours = verbs_of(Service)
    assert verbs_of(ServiceClient) == {
        name: signature for name, signature in ours.items() if name not in OF_THE_PROCESS
    }


def test_the_daemon_answers_just_those_verbs() -> None:
    """What a client asks for is what a daemon allows; nobody can close it or look inside."""
    assert set(verbs.VERBS) == set(verbs_of(ServiceClient)) - LOCAL
    assert len(set(verbs.VERBS)) == len(verbs.VERBS)


@pytest.mark.parametrize("verb", ["close", "_core", "duties", "__init__", "", None, ["list"]])
def test_other_verbs_are_refused(server: Server, verb: object) -> None:
    """A line that asks for anything else is answered with an error, and the connection stays."""
    closed: list[None] = []
    path = server.serve(lambda: Stub("close", lambda: closed.append(None)))  # type: ignore[arg-type,return-value]
    with connect(path) as line, line.makefile("rb") as lines:
        for said in ({"verb": verb}, "no call", {"verb": "list", "kwargs": 7}):
            line.sendall(json.dumps(said).encode() + b"\n")
            assert json.loads(lines.readline())["error"]["type"] == "StoreError"
    assert closed == []


def test_every_error_crosses_with_its_fields(asked: Callable[..., ServiceClient]) -> None:
    """What the service raises is what the front catches."""
    for error in (*EXAMPLES, TypeError("x"), KeyError("x")):

        def fail(error: Exception = error) -> None:
            raise error

        with pytest.raises(type(error)) as caught:
            asked(Stub("stats", fail)).stats()
        assert type(caught.value) is type(error)
        assert caught.value.args == error.args
        assert vars(caught.value) == vars(error)


def test_a_service_that_cannot_be_opened_says_so(server: Server) -> None:
    """What opening raises is told to each caller, and the next call tries again."""
    tries: list[None] = []

    def broken() -> Service:
        tries.append(None)
        raise Invalid("model", "there is none of that name")

    front = client(server.serve(broken))
    for _ in range(2):
        with pytest.raises(Invalid, match=r"^model: "):
            front.list()
    front.close()
    assert len(tries) == 2


def test_an_answer_of_another_kind_is_refused(asked: Callable[..., ServiceClient]) -> None:
    """A front is never given what it did not ask for."""
    with pytest.raises(StoreError, match=r"answered with a int"):
        asked(Stub("stats", lambda: 7)).stats()
    with pytest.raises(StoreError, match=r"answered with a NoneType"):
        asked(Stub("list", lambda **_: None)).list()


def test_what_does_not_cross_is_an_error_on_both_sides(
    asked: Callable[..., ServiceClient],
) -> None:
    """An argument or an answer that is no plain value is a TypeError, and the next call works."""
    front = asked(Stub("stats", object))
    for _ in range(2):
        with pytest.raises(TypeError, match=r"a object cannot be given"):
            front.stats()
    with pytest.raises(TypeError, match=r"a object cannot be given"):
        front.history(object())  # type: ignore[arg-type]


def test_hostile_words_stay_words(service: Service, asked: Callable[..., ServiceClient]) -> None:
    """Texts that look like the protocol, or are no Unicode, are stored or refused by name."""
    front = asked(service)
    hostile = [
        '{"error": {"type": "Invalid"}}',
        '\n{"part": ""}\n',
        '{"$": "Path"}',
        "a\u2028b\x85",
    ]
    ids = [front.remember(Draft(text, tags=("$", text[:50]))).id for text in hostile]
    assert [memory.text for memory in front.get(ids)] == [
        memory.text for memory in service.get(ids)
    ]
    assert front.stats().tags == service.stats().tags
    assert front.stats().tags["$"] == 4
    with pytest.raises(Invalid, match=r"^text: holds a lone surrogate"):
        front.remember(Draft("half \ud83d"))
    with pytest.raises(Invalid, match=r"^query: holds a lone surrogate"):
        front.recall("\ud83d")


# Large things


def test_a_large_answer_comes_in_pieces(server: Server) -> None:
    """40 MB arrive whole, and no line of them is a giant one."""
    line = Memory(**dict.fromkeys(Memory.__slots__))  # type: ignore[arg-type]
    page = Page(tuple(replace(line, text=f"{n}\ud83d\n" + "é" * 100_000) for n in range(66)), None)
    path = server.serve(lambda: Stub("list", lambda **_: page))  # type: ignore[arg-type,return-value]
    front = client(path)
    assert front.list() == page
    front.close()
    with connect(path) as raw, raw.makefile("rb") as lines:
        raw.sendall(b'{"verb":"list"}\n')
        longest = total = 0
        while b'"parts"' not in (said := lines.readline())[:10]:
            longest, total = max(longest, len(said)), total + len(said)
    assert total > 40_000_000
    assert longest < 2 * values.PART


def test_a_bulk_load_of_any_size_is_sent_in_batches(asked: Callable[..., ServiceClient]) -> None:
    """A thousand drafts or eight megabytes at a time, in order, with one change and one count."""
    batches: list[tuple[int, str, bool]] = []

    def load(
        drafts: tuple[Draft, ...],
        *,
        progress: Callable[[int], None],
        change: str,
        fresh: bool,
        actor: str,
    ) -> tuple[str, ...]:
        assert actor == "me"
        batches.append((len(drafts), change, fresh))
        progress(len(drafts))
        return tuple(draft.text[:4] for draft in drafts)

    drafts = [Draft(f"{n:04}") for n in range(2100)] + [
        Draft(f"{n}" + "é" * 500_000) for n in range(12)
    ]
    heard: list[int] = []
    front = asked(Stub("remember_many", load))
    done: tuple[object, ...] = front.remember_many(iter(drafts), actor="me", progress=heard.append)
    assert list(done) == [draft.text[:4] for draft in drafts]
    assert [count for count, _, _ in batches] == [1000, 1000, 108, 4]
    assert {fresh for _, _, fresh in batches} == {True}
    assert len({change for _, change, _ in batches}) == 1
    assert heard == [1000, 2000, 2108, 2112]


def test_a_large_call_goes_in_parts(
    asked: Callable[..., ServiceClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is too long for one line arrives whole, again and again on one connection."""
    monkeypatch.setattr(calls, "LONGEST_LINE", 200)
    monkeypatch.setattr(values, "PART", 50)
    front = asked(Stub("history", lambda text: (text,)))
    for text in ("short", 'é"\n' * 1000, '{"part": "x"}' * 100, "short"):
        told: tuple[object, ...] = front.history(text)
        assert told == (text,)


def test_too_much_for_one_call_is_refused(
    asked: Callable[..., ServiceClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody sends the daemon more than it reads."""
    monkeypatch.setattr(calls, "LONGEST_CALL", 1000)
    with pytest.raises(Invalid, match=r"^arguments: of history are 1,"):
        asked(Stub("history", lambda _: ())).history("x" * 1000)


def test_parts_that_are_none_are_no_call(server: Server) -> None:
    """They are answered so, and what comes after them is read as if they had not been there."""
    with connect(server.serve(lambda: Stub("list", lambda: 1))) as line:  # type: ignore[arg-type,return-value]
        for said in ('{"part":1}', '{"part":"[]"}\n{"parts":1}', '{"parts":0}'):
            line.sendall(said.encode() + b"\n")
            assert b"does not know what it was asked for" in line.recv(1 << 16)
        line.sendall(b'{"part":"{\\"verb\\":"}\n{"part":"\\"list\\"}"}\n{"parts":2}\n')
        assert line.recv(1 << 16) == b'{"result":1}\n'


def test_parts_without_end_are_dropped(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than any call has end its connection."""
    monkeypatch.setattr(verbs, "LONGEST_CALL", 10)
    with connect(server.serve(lambda: Stub("list", lambda: 1))) as line:  # type: ignore[arg-type,return-value]
        line.sendall(b'{"part":"123456"}\n' * 2)
        with suppress(ConnectionError):
            assert line.recv(1) == b""


def test_a_call_without_end_is_dropped(server: Server) -> None:
    """A line longer than any call ends its connection, and is not kept in memory."""
    path = server.serve(lambda: Stub("list", lambda: None))  # type: ignore[arg-type,return-value]

    def flood(line: socket.socket) -> bytes:
        for _ in range(70):
            line.sendall(b"x" * (1 << 20))
        return line.recv(1) or b"gone"

    with connect(path) as line, suppress(ConnectionError):
        assert flood(line) == b"gone"


# Progress, cancellation, deadlines


def test_all_progress_is_heard_in_the_callers_thread(
    asked: Callable[..., ServiceClient],
) -> None:
    """Each step is told in order, before the answer."""
    heard: list[tuple[int, int, str]] = []

    def work(progress: Callable[[int, int], None]) -> int:
        for n in range(500):
            progress(n, 500)
        return 500

    def hear(done: int, total: int) -> None:
        heard.append((done, total, threading.current_thread().name))

    assert asked(Stub("reindex", work)).reindex(hear) == 500
    assert heard == [(n, 500, threading.current_thread().name) for n in range(500)]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), BrokenPipeError("stdout")])
def test_a_caller_who_stops_stops_the_daemon(
    service: Service,
    asked: Callable[..., ServiceClient],
    monkeypatch: pytest.MonkeyPatch,
    stop: BaseException,
) -> None:
    """A reindex ends before its next write when its progress raises; the next call works."""
    service.remember_many([Draft(f"note {n}") for n in range(12)])
    monkeypatch.setattr("memdesk.store.table._BATCH", 4)
    ended = threading.Event()
    rebuilt: list[int] = []
    from memdesk.service import indexing, upkeep

    real, reindex = indexing.rebuild, upkeep.reindex

    def rebuild(store: Store, memories: list[Memory]) -> None:
        real(store, memories)
        rebuilt.append(len(memories))
        if len(rebuilt) == 2:
            until(unwanted)  # in the middle of a write, which goes on to its end

    def whole(*arguments: Any) -> int:
        with pytest.raises(Cancelled):
            reindex(*arguments)
        ended.set()
        return 0

    monkeypatch.setattr(indexing, "rebuild", rebuild)
    monkeypatch.setattr(upkeep, "reindex", whole)
    front = asked(service)

    def hear(*_: int) -> None:
        raise stop

    with pytest.raises(type(stop)):
        front.reindex(hear)
    assert ended.wait(30)
    assert rebuilt in ([4], [4, 4])
    assert len(front.list(limit=50).memories) == 12


def test_a_bulk_load_stops_between_batches(
    service: Service, asked: Callable[..., ServiceClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was on the disk stays; what was not begun is not."""
    monkeypatch.setattr("memdesk.service.loading._BATCH", 2)
    ended = threading.Event()
    from memdesk.service import loading

    load = loading.remember_many

    def waiting(core: Any, drafts: Any, actor: str, change: str, progress: Any, **more: Any) -> Any:
        def hear(done: int) -> None:
            progress(done)
            until(unwanted)

        with pytest.raises(Cancelled):
            load(core, drafts, actor, change, hear, **more)
        ended.set()

    monkeypatch.setattr(loading, "remember_many", waiting)
    front = asked(service)

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        front.remember_many([Draft(f"note {n}") for n in range(6)], progress=stop)
    assert ended.wait(30)
    assert front.stats().states == {"live": 2}


@pytest.mark.parametrize("long", [False, True])
def test_a_deadline_is_kept_while_another_holds_the_lock(
    service: Service, asked: Callable[..., ServiceClient], *, long: bool
) -> None:
    """A front's own patience counts, not the daemon's; the error says who and how long."""
    service.remember(Draft("kept"))
    front = asked(service, wait=0.4)
    call: Callable[[], object] = front.reindex if long else lambda: front.remember(Draft("late"))
    with service._core.lock.hold(1):
        begun = time.monotonic()
        with pytest.raises(Busy) as caught:
            call()
        assert 0.3 < time.monotonic() - begun < 10
        assert front.stats().states == {"live": 1}
    assert "another call of process" in caught.value.holder
    assert 0.3 < caught.value.waited < 10
    call()


def test_another_process_that_holds_the_lock_is_named(
    home: Path, service: Service, asked: Callable[..., ServiceClient]
) -> None:
    """Busy crosses with the holder's process id, whoever waited."""
    front = asked(service, wait=0.3)
    front.remember(Draft("kept"))
    holder = start(home, "hold")
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(Busy) as caught:
        front.remember(Draft("late"))
    assert caught.value.holder.startswith(f"process {holder.pid} ")
    finish(holder)


def test_a_write_that_waits_for_the_lock_can_be_given_up(service: Service) -> None:
    """Whoever goes while the lock is held by another leaves nothing behind."""
    service.remember(Draft("kept"))
    waiting = threading.Event()
    gone = threading.Event()

    def wanted() -> bool:
        waiting.set()
        return not gone.is_set()

    def late() -> None:
        with limited(seconds=60, wanted=wanted), pytest.raises(Cancelled):
            service.remember(Draft("late"))

    with ThreadPoolExecutor(1) as pool, service._core.lock.hold(1):
        asking = pool.submit(late)
        assert waiting.wait(30)
        gone.set()
        asking.result(timeout=30)
    assert service.stats().states == {"live": 1}


# Connections that break


class Killed:
    """A service whose daemon dies each time a verb is done and not yet answered."""

    def __init__(self, server: Server, service: Service, times: int = 1) -> None:
        self._server = server
        self._service = service
        self._times = times
        self.heard: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, verb: str) -> Callable[..., object]:
        """Return a verb of the service that is killed after it."""

        def work(*args: object, **kwargs: Any) -> object:
            kwargs.pop("progress", None)
            self.heard.append((verb, kwargs))
            done = getattr(self._service, verb)(*args, **kwargs)
            if self._times:
                self._times -= 1
                self._server.drop()
            return done

        return work


@pytest.mark.parametrize(
    "verb", ["remember", "remember_many", "revise", "forget", "restore", "purge", "undo"]
)
def test_a_write_that_landed_is_answered_once(
    server: Server, service: Service, asked: Callable[..., ServiceClient], verb: str
) -> None:
    """Asked again after the daemon died, it returns its first result and writes nothing more."""
    id = service.remember(Draft("v1")).id
    changed = service.revise(id, Edit(text="v2")).change
    if verb in ("restore", "purge"):
        service.forget([id])
    killed = Killed(server, service)
    front = asked(killed)
    calls: dict[str, Callable[[], object]] = {
        "remember": lambda: front.remember(Draft("new")),
        "remember_many": lambda: front.remember_many([Draft("new"), Draft("newer")]),
        "revise": lambda: front.revise(id, Edit(text="v3")),
        "forget": lambda: front.forget([id]),
        "restore": lambda: front.restore([id]),
        "purge": lambda: front.purge([id]),
        "undo": lambda: front.undo(changed),
    }
    before = service.stats().seq
    answer: Any = calls[verb]()
    assert service.stats().seq == before + (2 if verb == "remember_many" else 1)
    first, again = (kwargs for _, kwargs in killed.heard)
    if verb == "remember_many":
        assert [each.outcome for each in answer] == ["stored", "stored"]
    elif verb == "remember":
        assert service.get([answer.id])[0].text == "new"
    elif verb == "revise":
        assert (answer.text, answer.change) == ("v3", first["change"])
    else:
        assert answer.done == (id,)
    if verb != "undo":
        assert first["change"] == again["change"]
        assert (first["fresh"], again["fresh"]) == (True, False)


def test_a_change_of_the_callers_own_is_never_called_fresh(
    service: Service, asked: Callable[..., ServiceClient]
) -> None:
    """A caller's retry finds its first result; `fresh` of a caller is passed on."""
    change = new_id()
    front = asked(service)
    first = front.remember(Draft("once"), change=change)
    front.forget([first.id])
    assert front.remember(Draft("once"), change=change).id == first.id
    assert front.get([first.id])[0].state == "trashed"
    assert front.remember(Draft("once"), change=change, fresh=True).outcome == "restored"


def test_nothing_is_lost_or_doubled_while_daemons_die(
    server: Server, service: Service, asked: Callable[..., ServiceClient]
) -> None:
    """Four writers, and a daemon that dies again and again under all of them at once."""
    chance = random.Random(7)

    class Mortal:
        def remember(self, draft: Draft, **more: Any) -> Remembered:
            done = service.remember(draft, **more)
            if chance.random() < 0.3:
                server.drop()
            return done

    front = asked(Mortal())

    def work(thread: int) -> None:
        for n in range(8):
            change = new_id()
            while True:  # as a host would that was told to try again
                with suppress(StoreError):
                    front.remember(Draft(f"note {thread} {n}"), change=change)
                    break

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, thread) for thread in range(4)]:
            done.result(timeout=60)
    texts = Counter(memory.text for memory in service.list(limit=100).memories)
    assert texts == Counter(f"note {thread} {n}" for thread in range(4) for n in range(8))
    assert service.stats().seq == 32


@pytest.mark.parametrize("ask", ["list", "embed_pending", "reindex", "maintain"])
def test_what_can_be_repeated_is_asked_three_times(
    server: Server, service: Service, asked: Callable[..., ServiceClient], ask: str
) -> None:
    """Two daemons may die under a call; the third in a row is said."""
    service.remember(Draft("x"))
    killed = Killed(server, service, times=2)
    getattr(asked(killed), ask)()
    assert len(killed.heard) == 3
    killed = Killed(server, service, times=5)
    with pytest.raises(StoreError, match=r"the daemon went away 3 times before it answered"):
        getattr(asked(killed), ask)()
    assert len(killed.heard) == 3


def test_an_undo_of_the_last_change_is_not_repeated(
    server: Server, service: Service, asked: Callable[..., ServiceClient]
) -> None:
    """Nobody knows whether it was done, so the person is told where to look."""
    for n in range(3):
        service.remember(Draft(f"note {n}"))
    front = asked(Killed(server, service))
    with pytest.raises(StoreError, match=r"what changed last"):
        front.undo()
    assert service.stats().states == {"live": 2, "trashed": 1}


def test_a_daemon_that_was_replaced_between_calls_is_not_noticed(
    server: Server, service: Service, asked: Callable[..., ServiceClient]
) -> None:
    """Connections that were kept are tried before they are used: even an undo goes through."""
    front = asked(service)
    for n in range(3):
        front.remember(Draft(f"note {n}"))
        server.drop()
    assert len(front.undo().done) == 1
    assert front.stats().states == {"live": 2, "trashed": 1}


def test_a_daemon_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Without anything to connect to, three tries end in a sentence; a typed error is passed on."""
    with pytest.raises(StoreError, match=r"went away 3 times"):
        client(tmp_path / "nobody").undo()

    def refuse() -> Any:
        raise Busy("another memdesk", 1.0)

    with pytest.raises(Busy):
        ServiceClient(refuse).list()


def test_a_line_that_is_none_ends_its_connection(server: Server) -> None:
    """A daemon that speaks nonsense is a `StoreError`, not a crash."""
    here, there = socket.socketpair()
    there.sendall(b"nonsense\n")
    front = ServiceClient(lambda: here)
    with there, pytest.raises(StoreError, match=r"do not understand each other"):
        front.list()
    assert here.fileno() == -1
    front.close()


def test_closing_lets_a_write_end_and_nothing_else_wait(
    service: Service, asked: Callable[..., ServiceClient]
) -> None:
    """A write in flight is answered; a wait for changes ends in words, as does every call after."""
    service.remember(Draft("before"))
    seen = service.stats().seq
    front = asked(service)
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with service._core.lock.hold(1):
            held.set()
            assert free.wait(30)

    with ThreadPoolExecutor(4) as pool:
        holding = pool.submit(hold)
        assert held.wait(30)
        watching = pool.submit(front.await_change, seen + 5, 600)
        writing = pool.submit(front.remember, Draft("in flight"))
        until(lambda: sorted(each.writes for each in front._calls._used) == [False, True])
        closing = pool.submit(front.close, 60)
        until(lambda: front._calls._closed)
        free.set()
        assert writing.result(timeout=30).outcome == "stored"
        with pytest.raises(StoreError, match=r"has been closed"):
            watching.result(timeout=30)
        closing.result(timeout=30)
        holding.result()
    for call in (front.list, front.warm, front.undo, lambda: front.remember(Draft("x"))):
        with pytest.raises(StoreError, match=r"has been closed"):
            call()


def test_threads_share_a_client(service: Service, asked: Callable[..., ServiceClient]) -> None:
    """Eight threads at once get each their own answers, over connections that are kept and few."""
    front = asked(service)

    def work(thread: int) -> None:
        for n in range(6):
            id = front.remember(Draft(f"note {thread} {n}")).id
            assert front.get([id])[0].text == f"note {thread} {n}"
            assert front.recall(f"note {thread} {n}", limit=50).hits

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, thread) for thread in range(8)]:
            done.result(timeout=60)
    assert service.stats().states == {"live": 48}
    assert len(front._calls._idle) <= 4
    assert not front._calls._used


def test_another_model_is_named_over_the_socket(
    home: Path, asked: Callable[..., ServiceClient]
) -> None:
    """A model's description crosses, its progress comes back."""
    other = other_model()
    service = Service(home, FakeEmbedder(), models=lambda _: FakeEmbedder(other))
    front = asked(service)
    front.remember_many([Draft("a"), Draft("b")])
    heard: list[tuple[int, int]] = []
    assert front.use_model(other, lambda done, of: heard.append((done, of))) == 2
    assert heard[-1] == (2, 2)
    assert front.stats().model == "other"
    assert front.recall("a").degraded is None
    front.close()
    service.close()


# Changes


def test_a_change_of_this_process_wakes_who_waits(
    open_desk: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any polling a write is seen at once, and is what a list shows then."""
    monkeypatch.setattr("memdesk.service.watching._POLL_SECONDS", 600)
    desk = open_desk()
    desk.remember(Draft("first"))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(desk.await_change, 1, 600)
        desk.remember(Draft("second"))
        assert waiting.result(timeout=30) == 2
    assert [memory.text for memory in desk.list().memories] == ["second", "first"]


def test_a_change_of_another_process_is_seen(home: Path, open_desk: Callable[..., Service]) -> None:
    """A save of another program is seen soon, though nobody tells this one."""
    desk = open_desk()
    desk.remember(Draft("first"))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(desk.await_change, 1, 600)
        finish(start(home, "remember", "second"))
        done = time.monotonic()
        assert waiting.result(timeout=30) == 2
        assert time.monotonic() - done < 5
    texts = Counter(memory.text for memory in desk.list(where=Filter()).memories)
    assert texts == Counter(["first", "second"])


def test_waiting_for_a_change_ends_in_time(desk: Service) -> None:
    """After its seconds the present number is returned; what is past is returned at once."""
    assert desk.await_change(0, 0) == 0
    desk.remember(Draft("x"))
    assert desk.await_change(1, 0.05) == 1
    assert desk.await_change(0, 600) == 1
    assert desk.await_change(99, -1) == 1


def test_a_commit_in_the_same_tick_is_seen(
    open_desk: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second commit that leaves the folder's time as it was is not missed."""
    now = time.time_ns()
    monkeypatch.setattr("memdesk.service.watching._changed_at", lambda _: now)
    desk, other = open_desk(), open_desk()
    desk.remember(Draft("first"))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(desk.await_change, 1, 60)
        other.remember(Draft("second"))
        assert waiting.result(timeout=30) == 2


def test_waiting_keeps_no_thread_from_the_other_calls(
    server: Server, service: Service, asked: Callable[..., ServiceClient]
) -> None:
    """More fronts may watch than the daemon has threads for calls; each leaves when it closes."""
    service.remember(Draft("x"))
    fronts = [asked(service) for _ in range(12)]
    with ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(front.await_change, 9, 600) for front in fronts]
        until(lambda: len(server.calls) == 12)
        assert asked(service).stats().seq == 1
        for front in fronts:
            front.close()
        for each in waiting:
            assert isinstance(each.exception(timeout=30), MemdeskError)
    until(lambda: len(server.calls) <= 1)


def test_calls_are_busy_and_waiting_is_not(server: Server, service: Service) -> None:
    """The daemon's duties rest while a call is answered, and not because somebody watches."""
    inside: list[str] = []
    seen: list[tuple[str, bool]] = []

    @contextmanager
    def busy() -> Iterator[None]:
        inside.append("x")
        yield
        inside.pop()

    def note(verb: str, answer: object) -> Callable[..., object]:
        def work(*_: object) -> object:
            seen.append((verb, bool(inside)))
            return answer

        return work

    stub = Stub("history", note("history", ()))
    stub.await_change = note("await_change", 1)  # type: ignore[attr-defined]
    front = client(server.serve(lambda: stub, busy))  # type: ignore[arg-type,return-value]
    front.history("x")
    front.await_change(1, 1)
    front.history("x")
    front.close()
    assert seen == [("history", True), ("await_change", False), ("history", True)]


# fresh


@direct_only
def test_a_fresh_change_is_recorded_and_not_looked_for(
    desk: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first result costs no query, and a later retry still finds it."""
    with monkeypatch.context() as patch:
        patch.setattr(Store, "changed_by", lambda *_: pytest.fail("it was looked for"))
        changes = [new_id() for _ in range(6)]
        id = desk.remember(Draft("v1"), change=changes[0], fresh=True).id
        many = desk.remember_many([Draft("a"), Draft("a")], change=changes[1], fresh=True)
        desk.revise(id, Edit(text="v2"), change=changes[2], fresh=True)
        desk.forget([id], change=changes[3], fresh=True)
        desk.restore([id], change=changes[4], fresh=True)
        desk.forget([many[0].id])
        desk.purge([many[0].id], change=changes[5], fresh=True)
    assert [each.outcome for each in many] == ["stored", "duplicate"]
    assert desk.remember(Draft("v1"), change=changes[0]).id == id
    assert desk.revise(id, Edit(text="v2"), change=changes[2]).text == "v2"
    assert desk.forget([id], change=changes[3]).done == (id,)
    assert desk.restore([id], change=changes[4]).done == (id,)
    assert desk.get([id])[0].state == "live"
