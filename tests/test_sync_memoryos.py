"""A MemoryOS server gets each memory once, as far as it lets anybody know."""

from __future__ import annotations

import json
import random
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest
from fault_proxy import FaultProxy, Faults
from mcp_fake import memory
from memoryos_server import KEY, MemoryOSServer

from memdesk.memory import Source, content_hash
from memdesk.remotes import MEMORYOS, Remote
from memdesk.sharing import digest
from memdesk.sync.http import Http
from memdesk.sync.memoryos import NEWEST, MemoryOS
from memdesk.sync.peer import (
    REFUSED,
    TAKEN,
    Doubting,
    Due,
    Foreign,
    Receipt,
    Sent,
    Unauthorized,
    Unfit,
    Unreachable,
)
from memdesk.sync.rpc import Rpc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memdesk.sync.peer import Desk, Peer


DESK = cast("Desk", None)
"""It is asked nothing."""


@pytest.fixture
def server() -> Iterator[MemoryOSServer]:
    """Return a server that runs."""
    with MemoryOSServer() as server:
        yield server


@contextmanager
def opened(url: str, key: str = KEY, user: str = "") -> Iterator[MemoryOS]:
    """Return the server's other side."""
    http = Http(Remote("team", url, MEMORYOS), key)
    peer = MemoryOS(Rpc(http), user)
    try:
        yield peer
    finally:
        peer.close()


@pytest.fixture
def peer(server: MemoryOSServer) -> Iterator[MemoryOS]:
    """Return the other side of a server that runs."""
    with opened(server.url) as peer:
        yield peer


def due(text: str = "The tap drips.", ms: int = 1, sent: Sent | None = None, **more: Any) -> Due:
    """Return a memory with a text that is due."""
    given = {"clock_ms": ms, "clock_n": 0, "device": "desk"} | more
    here = memory(text, content_hash=content_hash(text), **given)
    return Due(here, deletes=False, clock=(ms, 0, "desk"), sent=sent)


def sent_as(due: Due, ref: str = "") -> Sent:
    """Return what the ledger has of a memory that was taken."""
    return Sent(due.id, due.clock, digest(due.memory), ref or due.memory.content_hash)


def edited(before: Due, **changed: Any) -> Due:
    """Return the next revision of a memory that was taken."""
    if "text" in changed:
        changed["content_hash"] = content_hash(changed["text"])
    ms = before.clock[0] + 1
    here = replace(before.memory, clock_ms=ms, **changed)
    return Due(here, deletes=False, clock=(ms, 0, "desk"), sent=sent_as(before))


def foreign(server: MemoryOSServer, count: int, user: str = "memdesk") -> None:
    """Have somebody else add entries."""
    pair = {"user_input": "hello", "agent_response": "hi", "timestamp": "now", "meta_data": {}}
    server.entries.extend({**pair, "user_id": user} for _ in range(count))


def test_it_is_a_peer_that_can_doubt(peer: MemoryOS) -> None:
    """What it cannot do is told in sentences."""
    as_peer: Peer = peer
    assert isinstance(as_peer, Doubting)
    assert (peer.updates, peer.deletes, peer.pulls, peer.most) == (False, False, False, 1)
    assert len(peer.cannot) == 3
    assert all(each.endswith(".") for each in peer.cannot)


def test_a_memory_becomes_a_pair(server: MemoryOSServer, peer: MemoryOS) -> None:
    """Its title asks and its text answers; the rest is beside them, but for what stays here."""
    each = due(
        "Zoë's tap ☕\n\ndrips.",
        ms=5,
        kind="task",
        tags=("home", "ü"),
        space="flat",
        position=0,
        pinned=True,
        audience=("team",),
        confidence=0.5,
        source=Source("notes", "user", "/home/zoe/notes.md"),
        metadata='{"room": "bath"}',
        created_at=datetime(2026, 1, 2, 3, 4, 5, 678, UTC),
    )
    assert peer.push([each], DESK) == [Receipt(each.id, TAKEN, each.memory.content_hash)]
    (entry,) = server.entries
    timestamp = entry.pop("timestamp")
    assert timestamp.startswith("2026-01-02T03:04:05.000678")
    assert timestamp.endswith("Z")
    assert entry == {
        "user_input": "Zoë's tap ☕",
        "agent_response": "Zoë's tap ☕\n\ndrips.",
        "user_id": "memdesk",
        "meta_data": {
            "memdesk_id": each.id,
            "rev": "5.0.desk",
            "content_hash": each.memory.content_hash,
            "kind": "task",
            "space": "flat",
            "tags": ["home", "ü"],
            "position": 0,
            "created_at": "2026-01-02T03:04:05.000678+00:00",
            "source": {"name": "notes", "ref": ""},
            "metadata": {"room": "bath"},
        },
    }


def test_what_is_shown_is_what_leaves(server: MemoryOSServer, peer: MemoryOS) -> None:
    """The payload of a memory is in the request as it is, nested as the server documents it."""
    each = due()
    peer.push([each], DESK)
    body = json.loads(server.requests[-1].partition(b"\r\n\r\n")[2])
    assert body["params"] == {"name": "add_memory", "arguments": {"params": peer.payload(each)}}


def test_a_user_may_be_named(server: MemoryOSServer) -> None:
    """Entries are added and looked for as that user's."""
    with opened(server.url, user="zoe") as peer:
        each = due()
        peer.push([each], DESK)
        assert peer.arrived(each) is True
    assert server.entries[0]["user_id"] == "zoe"


def test_a_long_first_line_is_cut(server: MemoryOSServer, peer: MemoryOS) -> None:
    """The text is whole, however long."""
    peer.push([due("x" * 1_000_000)], DESK)
    (entry,) = server.entries
    assert len(entry["user_input"]) == 200
    assert len(entry["agent_response"]) == 1_000_000


def test_one_goes_at_a_time(server: MemoryOSServer, peer: MemoryOS) -> None:
    """Fewer receipts than memories say that the rest was not dealt with."""
    dues = [due("one"), due("two")]
    assert [each.id for each in peer.push(dues, DESK)] == [dues[0].id]
    assert len(server.entries) == 1


def test_another_text_is_one_more_entry(server: MemoryOSServer, peer: MemoryOS) -> None:
    """The earlier one stays."""
    first = due("one")
    second = edited(first, text="two")
    for each in (first, second):
        assert peer.push([each], DESK)[0].outcome == TAKEN
    assert [each["agent_response"] for each in server.entries] == ["one", "two"]
    assert len({each["meta_data"]["rev"] for each in server.entries}) == 2


def test_what_else_changed_cannot_get_there(server: MemoryOSServer, peer: MemoryOS) -> None:
    """Other tags of the same text are refused in a sentence, and nothing is sent."""
    first = due()
    peer.push([first], DESK)
    (receipt,) = peer.push([edited(first, tags=("new",))], DESK)
    assert receipt.outcome == REFUSED
    assert "tags" in receipt.reason
    assert len(server.entries) == 1


def test_what_is_there_is_not_sent_again(server: MemoryOSServer, peer: MemoryOS) -> None:
    """A change that no remote would see is taken without a word."""
    first = due()
    peer.push([first], DESK)
    asked = len(server.requests)
    assert peer.push([edited(first, pinned=True)], DESK)[0].outcome == TAKEN
    assert len(server.requests) == asked


def test_a_delete_is_refused(server: MemoryOSServer, peer: MemoryOS) -> None:
    """In a sentence, without asking the server."""
    gone = replace(due(), deletes=True)
    (receipt,) = peer.push([gone], DESK)
    assert receipt.outcome == REFUSED
    assert "cannot delete" in receipt.reason
    with pytest.raises(Unfit):
        peer.payload(gone)
    assert not server.requests


def test_nothing_is_pulled(server: MemoryOSServer, peer: MemoryOS) -> None:
    """There is no news, and nobody is asked for any."""
    feed = peer.pull("here", DESK)
    assert (feed.items, feed.cursor, feed.more) == ((), "here", False)
    assert not server.requests


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_told_as_such(status: int) -> None:
    """Whichever status this version has for it, and never with the key."""
    with MemoryOSServer(without_key=status) as server:
        for key in ("", "wrong-key-0123456789"):
            with opened(server.url, key) as peer, pytest.raises(Unauthorized) as refused:
                peer.push([due()], DESK)
            assert "wrong-key" not in str(refused.value)


def test_the_slash_may_be_missing(server: MemoryOSServer) -> None:
    """An address that the server sends on to itself does."""
    with opened(server.url.rstrip("/")) as peer:
        assert peer.push([due()], DESK)[0].outcome == TAKEN


def test_a_tool_that_fails_holds_the_memory(server: MemoryOSServer, peer: MemoryOS) -> None:
    """It is no success, and no offline either."""
    server.raises = "no model"
    with pytest.raises(Unfit, match="no model"):
        peer.push([due()], DESK)


def test_an_error_inside_the_result_is_one(server: MemoryOSServer) -> None:
    """As the server tells of what it misses."""
    with opened(server.url, user=" ") as peer, pytest.raises(Unfit, match="user_id are required"):
        peer.push([due()], DESK)


@pytest.mark.parametrize("said", ['{"status": "error"}', "[]", "null", "thanks", ""])
def test_only_success_is_success(server: MemoryOSServer, peer: MemoryOS, said: str) -> None:
    """Any other words of the server's are none."""
    server.says = said
    with pytest.raises(Unfit):
        peer.push([due()], DESK)


@pytest.mark.parametrize(
    "said", ["{}", "[]", '{"result": []}', '{"result": {"short_term_memory": {}}}', "words"]
)
def test_nonsense_in_place_of_entries_is_no_answer(
    server: MemoryOSServer, peer: MemoryOS, said: str
) -> None:
    """It does not mean that nothing is there."""
    server.says = said
    with pytest.raises(Foreign):
        peer.arrived(due())


# What may have been lost


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_lost_answer_is_found(newest_first: bool) -> None:
    """The memory stands among the newest, in whatever order they come."""
    each = due()
    with MemoryOSServer(newest_first=newest_first) as server:
        foreign(server, 10)
        with FaultProxy(server.url) as proxy, opened(proxy.url) as peer:
            assert peer.arrived(each) is None
            proxy.faults = Faults(unanswered=1)
            with pytest.raises(Unreachable):
                peer.push([each], DESK)
        foreign(server, NEWEST - 1)
        with opened(server.url) as peer:
            assert peer.arrived(each) is True


def test_few_entries_tell_what_is_not_there(server: MemoryOSServer, peer: MemoryOS) -> None:
    """Where the server shows fewer than it would, it shows all."""
    foreign(server, NEWEST - 1)
    assert peer.arrived(due()) is False


def test_many_entries_of_others_tell_nothing(server: MemoryOSServer, peer: MemoryOS) -> None:
    """It may be behind them."""
    foreign(server, NEWEST)
    assert peer.arrived(due()) is None


def test_another_users_entries_do_not_count(server: MemoryOSServer, peer: MemoryOS) -> None:
    """They are not shown."""
    foreign(server, NEWEST, user="zoe")
    assert peer.arrived(due()) is False


def test_another_revision_is_not_this_one(server: MemoryOSServer, peer: MemoryOS) -> None:
    """Nor another memory of the same text."""
    first = due("one")
    peer.push([first], DESK)
    assert peer.arrived(edited(first, text="two")) is False
    assert peer.arrived(due("one")) is False
    assert peer.arrived(first) is True


def test_an_earlier_revision_among_them_tells(server: MemoryOSServer, peer: MemoryOS) -> None:
    """What came after it would be shown too."""
    first = due("one")
    foreign(server, NEWEST)
    peer.push([first], DESK)
    with opened(server.url) as again:
        assert again.arrived(edited(first, text="two")) is False
        assert again.arrived(due("two")) is None


def test_what_was_taken_before_tells(server: MemoryOSServer) -> None:
    """A memory that was lost on the way there is missing after one that is there for certain."""
    foreign(server, NEWEST)
    lost, later = due("two"), due("three")
    with FaultProxy(server.url) as proxy, opened(proxy.url) as peer:
        peer.push([due("one")], DESK)
        proxy.faults = Faults(unheard=1)
        with pytest.raises(Unreachable):
            peer.push([lost], DESK)
        proxy.faults = Faults()
        assert peer.arrived(lost) is False
        foreign(server, NEWEST - 1)
        assert peer.arrived(lost) is False
        foreign(server, 1)
        assert peer.arrived(lost) is None
        peer.push([later], DESK)
        assert peer.arrived(lost) is None, "what was sent later tells nothing"


def test_memories_of_one_moment_do_not_hide_each_other() -> None:
    """The server shows one entry of each timestamp, so each revision has its own."""
    with MemoryOSServer(one_of_a_time=True) as server, opened(server.url) as peer:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        dues = [due(f"memory {n}", created_at=at) for n in range(3)]
        dues.append(edited(dues[0], text="another text"))
        for each in dues:
            peer.push([each], DESK)
        assert all(peer.arrived(each) for each in dues)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_answers_are_lost_and_200_memories_arrive_once(seed: int) -> None:
    """Whatever the line does but to send a thing twice by itself, and whoever else is writing."""
    faults = replace(Faults.all(0.5), twice=0)
    dues = [due(f"memory {n}", ms=n + 1) for n in range(200)]
    others = random.Random(seed)
    with MemoryOSServer(one_of_a_time=True, newest_first=seed == 2) as server:
        foreign(server, NEWEST)
        with (
            FaultProxy(server.url, faults, seed=seed, delay=0.001) as proxy,
            opened(proxy.url) as peer,
        ):
            for each in dues:
                _send(peer, each)
                foreign(server, others.randrange(3))
            assert proxy.counts["unanswered"] > 10
            assert proxy.counts["cut"] > 10
    arrived = [each for each in server.entries if each["meta_data"]]
    assert [each["meta_data"]["memdesk_id"] for each in arrived] == [each.id for each in dues]


def _send(peer: MemoryOS, due: Due) -> None:
    """Send a memory as the exchange does: whoever does not know whether it arrived asks first."""
    doubtful = False
    while True:
        try:
            if doubtful and peer.arrived(due):
                return
            doubtful = True
            assert peer.push([due], DESK)[0].outcome == TAKEN
        except Unreachable:
            continue
        return
