"""The delta sync of a real mcp-memory-service, and what there is where that cannot be trusted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from peer import memory_service
from peer_desk import Desk, arrived, desks, words

from memdesk import sharing
from memdesk.memory import REPLACED, new_id
from memdesk.remotes import MEMORY_SERVICE, Remote
from memdesk.sync import memory_service as events
from memdesk.sync import memory_service_note as notes
from memdesk.sync.http import Http
from memdesk.sync.memory_service import MemoryService, open_memory_service
from memdesk.sync.memory_service_rest import PlainMemoryService
from memdesk.sync.peer import REFUSED, TAKEN, Due, Missing, TooLarge, Unauthorized, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with its event log."""
    with memory_service(tmp_path_factory.mktemp("logged")) as url:
        yield url


@pytest.fixture
def fed(logged: str) -> Iterator[tuple[Desk, Desk]]:
    """Two desks that follow the event log."""
    with desks(logged) as two:
        yield two


def test_a_poisoned_event_stops_nothing_but_itself(
    fed: tuple[Desk, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receipts end before it; sent first it is refused, and what comes after it goes."""
    ours, _ = fed
    dues = [ours.due(ours.add(words())) for _ in range(3)]
    payload = MemoryService.payload

    def poisoned(self: MemoryService, due: Due) -> list[dict[str, Any]]:
        told = payload(self, due)
        return [each | {"schema_version": 9} for each in told] if due is dues[1] else told

    monkeypatch.setattr(MemoryService, "payload", poisoned)
    assert [each.outcome for each in ours.push(*dues)] == [TAKEN]
    (receipt,) = ours.push(*dues[1:])
    assert receipt.outcome == REFUSED
    assert "not applied" in receipt.reason
    assert [each.outcome for each in ours.push(dues[2])] == [TAKEN]


def test_what_cannot_be_understood_is_told_and_the_rest_arrives(fed: tuple[Desk, Desk]) -> None:
    """A false hash, a false record and a false clock are troubles of their own events."""
    ours, theirs = fed
    text = words()

    def event(text: str, **changed: Any) -> dict[str, Any]:
        made = ours.peer.payload(ours.due(ours.add(text)))
        assert isinstance(made, list)
        return {**made[0], **changed}

    false_hash = event(words(), content_hash=notes.name_of("other"))
    false_record = event(words())
    false_record["payload"]["metadata"]["memdesk"]["space"] = 7
    false_clock = event(words(), hlc_physical=-5)
    hidden = event("\0")
    told = [false_hash, false_record, false_clock, hidden, event(text)]
    ours.http.ask("POST", events.EVENTS, {"events": told})
    news = theirs.pull()
    assert [bool(each.trouble) for each in news] == [True] * 4 + [False]
    assert news[0].trouble == "content_hash is another text's"
    assert news[1].trouble.startswith("space ")
    assert news[4].memory
    assert news[4].memory.text == text
    assert len({each.key for each in news}) == 5


def test_a_replaced_memory_is_hidden_from_the_servers_search(fed: tuple[Desk, Desk]) -> None:
    """What another memory has replaced is there, is known to be replaced, and is not found."""
    ours, theirs = fed
    memory = ours.share(words())
    replaced = ours.edit(memory, state=REPLACED, replaced_by=new_id())
    ours.push(ours.due(replaced))
    assert arrived(theirs.pull())[memory.id].state == REPLACED
    asked = {"query": memory.text, "n_results": 5}
    found = ours.http.ask("POST", "/api/search", asked).json()["results"]
    assert memory.text not in [each["memory"]["content"] for each in found]


def test_the_same_words_at_two_desks_are_held_not_lost(fed: tuple[Desk, Desk]) -> None:
    """Each keeps its own; the one that was first there is told that it has been overwritten."""
    ours, theirs = fed
    text = words()
    mine = ours.share(text)
    other = theirs.add(text)
    theirs.push(theirs.due(other))
    (news,) = ours.pull()
    assert mine.id in news.trouble
    assert not theirs.pull()
    theirs.remove(other)
    assert not ours.pull()
    assert ours.memories[mine.id].text == text


def test_a_change_here_is_not_mixed_into_one_from_there(fed: tuple[Desk, Desk]) -> None:
    """Another client's change is built on what the server has, not on what has not gone yet."""
    ours, _ = fed
    memory = ours.share(words(), tags=["one"])
    ours.edit(memory, kind="lesson")
    ours.rest("PUT", f"/{ours.sent[memory.id].ref}", {"tags": ["two"]})
    came = arrived(ours.pull())[memory.id]
    assert (came.kind, came.tags) == ("note", ("two",))


def test_a_full_batch_is_within_what_the_server_takes(fed: tuple[Desk, Desk]) -> None:
    """Bytes of payloads up to the bound are taken at once; a longer text is told to be too large."""
    ours, _ = fed
    size = ours.peer.most_bytes // 4
    dues, filled = list[Due](), 0
    while filled + size < ours.peer.most_bytes:
        due = ours.due(ours.add(f"{words()} " + "ü " * (size // 3 - 600)))
        dues.append(due)
        filled += len(json.dumps(ours.peer.payload(due), ensure_ascii=False).encode())
    assert filled > ours.peer.most_bytes * 0.9
    assert [each.outcome for each in ours.push(*dues)] == [TAKEN] * len(dues)
    with pytest.raises(TooLarge):
        ours.push(ours.due(ours.add(f"{words()} " + "x" * (1 << 20))))
    ours.push(*(ours.due(due.memory, deletes=True) for due in dues))


def test_a_feed_of_several_pages_arrives(
    fed: tuple[Desk, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page ends anywhere, also between the two events of a changed text."""
    ours, theirs = fed
    monkeypatch.setattr(events, "_PAGE", 1)
    memory = ours.share(words())
    for _ in range(3):
        memory = ours.edit(memory, text=words())
        ours.push(ours.due(memory))
    assert list(arrived(theirs.pull())) == [memory.id]
    assert sharing.record(theirs.memories[memory.id]) == sharing.record(memory)


def test_a_log_that_is_off_is_noticed_and_everything_compared(tmp_path: Path) -> None:
    """What was there first says it at once, and what comes later says it when it comes."""
    with memory_service(tmp_path, log=False) as url:
        early, late = Desk(url), Desk(url)
        assert not early.pull()
        assert early.peer.cannot == late.peer.cannot
        mine = early.share(words())
        ref = early.rest("POST", "", {"content": words()})["content_hash"]
        for desk in (early, late):
            desk.pull()
            assert notes.foreign_id(ref) in desk.memories
            assert "event log" in desk.peer.cannot[-1]
        assert late.memories[mine.id].text == mine.text
        for desk in (early, late):
            desk.peer.close()


def test_a_log_that_is_on_stays_trusted(fed: tuple[Desk, Desk]) -> None:
    """Creations, renewals, changes and deletes by all sides do not look like a gap."""
    ours, theirs = fed
    memory = ours.share(words())
    ours.push(ours.due(ours.edit(memory, tags=["again"])))
    ref = ours.rest("POST", "", {"content": words()})["content_hash"]
    ours.rest("PUT", f"/{ref}", {"tags": ["x"]})
    ours.rest("DELETE", f"/{ref}")
    looked = list[int]()
    for desk in (ours, theirs):
        assert isinstance(desk.peer, MemoryService)
        desk.peer._tells_all = lambda: not looked.append(1)  # type: ignore[method-assign, func-returns-value]
        desk.pull()
        assert json.loads(desk.cursor)["seq"]
    assert not looked


def test_an_agent_that_is_not_on_the_servers_list_is_told_so(tmp_path: Path) -> None:
    """The sentence names the agent and the setting, and the key is not blamed."""
    with memory_service(tmp_path, MCP_SYNC_PUSH_ALLOWED_AGENTS="someone") as url:
        desk = Desk(url, "abc")
        with pytest.raises(Unauthorized, match=r"“memdesk-abc”.*MCP_SYNC_PUSH_ALLOWED_AGENTS"):
            desk.share(words())
        desk.peer.close()


def test_a_false_key_is_told(logged: str) -> None:
    """Nothing else is tried without it."""
    http = Http(Remote("team", logged, MEMORY_SERVICE), "false")
    with pytest.raises(Unauthorized):
        open_memory_service(Remote("team", logged, MEMORY_SERVICE), http, "d")
    http.close()


@pytest.mark.parametrize("answer", [Missing("no such thing"), Unreachable("fails")])
def test_a_server_without_delta_sync_is_spoken_to_by_rest(
    logged: str, monkeypatch: pytest.MonkeyPatch, answer: Exception
) -> None:
    """An older version does not know the address; other backends fail at it."""
    ask = Http.ask

    def older(self: Http, method: str, path: str = "", *more: Any, **named: Any) -> Any:
        if path == events.EVENTS:
            raise answer
        return ask(self, method, path, *more, **named)

    monkeypatch.setattr(Http, "ask", older)
    monkeypatch.setattr(events, "answer_of", lambda _: type("Answer", (), {"status": 500}))
    desk = Desk(logged)
    assert isinstance(desk.peer, PlainMemoryService)
    memory = desk.share(words())
    assert desk.rest("GET", f"/{notes.name_of(memory.text)}")["metadata"][notes.ID] == memory.id
    desk.peer.close()


def test_by_rest_every_memory_is_of_a_conversation(logged: str) -> None:
    """For the server does not look for near duplicates there, and would refuse them."""
    with desks(logged, plain=True) as (ours, _):
        memory = ours.share(words())
        there = ours.rest("GET", f"/{notes.name_of(memory.text)}")
        assert there["metadata"]["conversation_id"] == f"memdesk-{ours.device}"
