"""Whole desks on remotes of other kinds: what arrives, what comes back, and what is said that cannot."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, Any

import httpx2
import peer
import pytest
from memoryos_server import KEY as MEMORYOS_KEY
from memoryos_server import MemoryOSServer
from synced import Sharer, sharer

from memdesk.memory import TRASHED, Draft, Edit
from memdesk.remotes import MEMORY_SERVICE, MEMORYOS, PUT
from memdesk.sync.memoryos import CANNOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRIVATE = "PRIVATE-WORDS"


class Rest:
    """What somebody without memdesk does on a mcp-memory-service."""

    def __init__(self, url: str) -> None:
        self.client = httpx2.Client(
            base_url=url, headers={"Authorization": f"Bearer {peer.KEY}"}, trust_env=False
        )

    def add(self, text: str, **more: object) -> str:
        """Store a memory; return what the server calls it."""
        body = {"content": text, "conversation_id": "x"} | more
        told = self.client.post("/api/memories", json=body).json()
        assert told["success"], told
        return str(told["content_hash"])

    def retag(self, ref: str, *tags: str) -> None:
        """Give a memory other tags."""
        assert self.client.put(f"/api/memories/{ref}", json={"tags": tags}).json()["success"]

    def delete(self, ref: str) -> None:
        """Delete a memory."""
        assert self.client.delete(f"/api/memories/{ref}").json()["success"]

    def there(self) -> dict[str, dict[str, Any]]:
        """Return what there is, by its text."""
        found, page, more = dict[str, dict[str, Any]](), 1, True
        while more:
            told = self.client.get("/api/memories", params={"page": page, "page_size": 100}).json()
            found |= {each["content"]: each for each in told["memories"]}
            page, more = page + 1, told["has_more"]
        return found


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A mcp-memory-service with its event log."""
    with peer.memory_service(tmp_path_factory.mktemp("logged")) as url:
        yield url


@pytest.fixture(scope="module")
def unlogged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A mcp-memory-service without it."""
    with peer.memory_service(tmp_path_factory.mktemp("unlogged"), log=False) as url:
        yield url


@pytest.fixture(params=["logged", "unlogged"])
def url(request: pytest.FixtureRequest) -> str:
    """Either of them."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def rest(url: str) -> Iterator[Rest]:
    """Return somebody without memdesk."""
    there = Rest(url)
    yield there
    there.client.close()


@pytest.fixture
def ana(tmp_path: Path, url: str) -> Iterator[Sharer]:
    """Return one desk, which knows all that is there."""
    with sharer(tmp_path / "ana") as desk:
        desk.add(url, peer.KEY, kind=MEMORY_SERVICE)
        assert not desk.go().error
        yield desk


@pytest.fixture
def ben(tmp_path: Path, url: str) -> Iterator[Sharer]:
    """Return another one."""
    with sharer(tmp_path / "ben") as desk:
        desk.add(url, peer.KEY, kind=MEMORY_SERVICE)
        assert not desk.go().error
        yield desk


def words(about: str = "the words") -> str:
    """Return a text that is nowhere yet."""
    return f"Of {about}: {uuid.uuid4()}"


def name(text: str) -> str:
    """Return what a mcp-memory-service calls a text."""
    return hashlib.sha256(text.strip().lower().encode()).hexdigest()


# mcp-memory-service


def test_a_memory_and_its_changes_go_both_ways(ana: Sharer, ben: Sharer, rest: Rest) -> None:
    """What is shared, edited, retagged, deleted and restored is the same memory at both desks."""
    text, other, last = words(), words("Änderung \U0001f98a"), words()
    id = ana.share(text, tags=("ops",), kind="decision", space="api")
    ana.go(), ben.go()
    assert (ben.get(id).text, ben.get(id).tags, ben.get(id).space) == (text, ("ops",), "api")
    ben.service.revise(id, Edit(text=other))
    ben.go(), ana.go()
    assert ana.get(id).text == other
    assert other in rest.there()
    assert text not in rest.there()
    ana.service.revise(id, Edit(tags=("final",), text=last))
    ana.go(), ben.go()
    assert (ben.get(id).text, ben.get(id).tags) == (last, ("final",))
    ben.service.forget([id])
    ben.go(), ana.go()
    assert ana.get(id).state == TRASHED
    assert last not in rest.there()
    ana.service.restore([id])
    ana.go(), ben.go()
    assert (ben.get(id).state, ben.get(id).text) == ("live", last)
    assert last in rest.there()
    assert ana.go().pushed == ben.go().pushed == 0


def test_words_that_come_back_are_the_same_memory(ana: Sharer, ben: Sharer, rest: Rest) -> None:
    """A text that is changed and changed back again is there once, though it was deleted between."""
    text, other = words(), words()
    id = ana.share(text)
    ana.go(), ben.go()
    for each in (other, text, other, text):
        ana.service.revise(id, Edit(text=each))
        assert ana.go().held == 0
        ben.go()
        assert ben.get(id).text == each
    assert text in rest.there()
    assert other not in rest.there()


def test_of_two_edits_the_later_wins_there_too(ana: Sharer, ben: Sharer, rest: Rest) -> None:
    """Both desks end with the later text, the other one is in the history, and the server has one."""
    first, second = words("ana"), words("ben")
    id = ana.share(words())
    ana.go(), ben.go()
    ana.service.revise(id, Edit(text=first))
    ben.service.revise(id, Edit(text=second))
    ana.go(), ben.go(), ana.go(), ben.go()
    assert ana.get(id).text == ben.get(id).text == second
    assert first in {each.memory.text for each in ben.service.history(id)}
    assert second in rest.there()
    assert first not in rest.there()


def test_nothing_private_is_there(ana: Sharer, rest: Rest) -> None:
    """A private memory never is, one that is taken back is there no longer, nor what stays here."""
    ana.service.remember(Draft(f"{PRIVATE} {uuid.uuid4()}"))
    text = words()
    id = ana.share(text)
    ana.service.revise(id, Edit(ref=f"/home/{PRIVATE}/notes.md", confidence=0.77))
    ana.go()
    assert text in rest.there()
    ana.service.revise(id, Edit(audience=(), text=f"{PRIVATE} now"))
    assert ana.go().deleted == 1
    there = str(rest.there())
    assert text not in there
    assert PRIVATE not in there
    assert PRIVATE not in rest.client.get("/api/sync/events", params={"since_seq": 0}).text


def test_what_somebody_stores_by_other_means_arrives(ana: Sharer, rest: Rest) -> None:
    """A memory that no memdesk wrote is not the person's own, and of a space named for the remote."""
    text = words()
    ref = rest.add(text, tags=["theirs"], memory_type="note")
    ana.go()
    (memory,) = [each for each in ana.all().values() if each.text == text]
    assert (memory.source.trust, memory.space, memory.tags) == ("remote", "team", ("theirs",))
    assert memory.audience == ("team",)
    other = words()
    ana.service.revise(memory.id, Edit(text=other))
    assert ana.go().pushed == 1
    assert other in rest.there()
    assert text not in rest.there()
    rest.retag(name(other), "retagged")
    ana.go()
    assert ana.get(memory.id).tags == ("retagged",)
    rest.delete(name(other))
    ana.go()
    assert ana.get(memory.id).state == TRASHED
    assert ref == name(text)


def test_two_desks_that_found_the_same_memory_have_one(
    ana: Sharer, ben: Sharer, rest: Rest
) -> None:
    """What both took in from elsewhere has one id, so an edit of one is an edit at the other."""
    text, other = words(), words()
    rest.add(text)
    ana.go(), ben.go()
    (id,) = [each.id for each in ana.all().values() if each.text == text]
    assert ben.get(id).text == text
    ana.service.revise(id, Edit(text=other))
    ana.go(), ben.go()
    assert ben.get(id).text == other
    assert ana.go().held == ben.go().held == 0


def test_a_variant_in_case_is_held_and_holds_up_nothing(ana: Sharer, rest: Rest) -> None:
    """Words that the server would take for the same stay here and are shown; what comes after goes."""
    text, third = words("Tea"), words()
    first = ana.share(text)
    second = ana.share(text.upper())
    ana.share(third)
    told = ana.go()
    assert (told.pushed, told.held, told.error) == (2, 1, "")
    assert {text, third} <= rest.there().keys()
    (parcel,) = ana.service.outbox("team").parcels
    assert (parcel.id, parcel.way) == (second, PUT)
    assert first in parcel.held
    (standing,) = ana.service.remotes()
    assert (standing.waiting, standing.held) == (0, 1)
    fourth = words()
    ana.service.revise(second, Edit(text=fourth))
    assert (ana.go().pushed, ana.go().held) == (1, 0)
    assert fourth in rest.there()


def test_what_each_kind_of_server_loses_is_said(
    ana: Sharer, rest: Rest, unlogged: str, url: str
) -> None:
    """Where the event log is off, how the remote stands says so; where it is on, it does not."""
    rest.add(words())
    ana.go()
    (standing,) = ana.service.remotes()
    partial = [each for each in standing.cannot if "MCP_SYNC_EVENTLOG" in each]
    assert len(partial) == (url == unlogged)
    assert len(standing.cannot) >= 3


# MemoryOS


def test_memoryos_is_only_told(tmp_path: Path) -> None:
    """Memories and edits are appended, what it cannot delete is told once, and nothing private goes."""
    with MemoryOSServer() as server, sharer(tmp_path / "ana") as ana:
        ana.add(server.url, MEMORYOS_KEY, kind=MEMORYOS, user="ana")
        ana.service.remember(Draft(PRIVATE))
        id, other = ana.share("Tea at five"), ana.share("Coffee at ten")
        told = ana.go()
        assert (told.pushed, told.pulled, told.held, told.error) == (2, 0, 0, "")
        ana.service.revise(id, Edit(text="Tea at six"))
        assert ana.go().pushed == 1
        assert ana.go().pushed == 0
        assert [each["agent_response"] for each in server.entries] == [
            *("Tea at five", "Coffee at ten", "Tea at six"),
        ]
        assert {each["user_id"] for each in server.entries} == {"ana"}
        ana.service.forget([other])
        told = ana.go()
        assert (told.deleted, told.kept, told.held, told.error) == (0, 1, 0, "")
        assert ana.service.outbox("team").total == 0
        (standing,) = ana.service.remotes()
        assert standing.cannot == CANNOT
        assert (standing.waiting, standing.held) == (0, 0)
        assert len(server.entries) == 3
        assert PRIVATE.encode() not in b"".join(server.requests)


def test_memoryos_gets_a_memory_again_that_was_restored(tmp_path: Path) -> None:
    """What was deleted here and is there still needs no second entry when it comes back."""
    with MemoryOSServer() as server, sharer(tmp_path / "ana") as ana:
        ana.add(server.url, MEMORYOS_KEY, kind=MEMORYOS)
        id = ana.share("Tea at five")
        ana.go()
        ana.service.forget([id])
        ana.go()
        ana.service.restore([id])
        told = ana.go()
        assert (told.pushed, told.held) == (0, 0)
        assert ana.service.outbox("team").total == 0
        assert len(server.entries) == 1
