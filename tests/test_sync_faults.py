"""Through a connection on which much goes wrong, what is shared arrives once and nothing else does."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2
import peer
import pytest
from fault_proxy import FaultProxy, Faults
from memoryos_server import KEY as MEMORYOS_KEY
from memoryos_server import MemoryOSServer
from synced import EVERYTHING, Sharer, sharer
from team_server import KEY, LightTeam, TeamServer

from memdesk.memory import LIVE, Draft, Edit
from memdesk.remotes import MEMORY_SERVICE, MEMORYOS
from memdesk.sharing import digest
from memdesk.sync import exchange, memory_service, team
from memdesk.sync.memory_service import MemoryService
from memdesk.sync.team import Team

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memdesk.memory import Memory

RATE = 0.2
_MOST_ROUNDS = 40
_MOST_CHANGED = 40
_ALPHABET = (
    'abcdefghij klmnop qrstuv wxyz äöüß ñç αβγ дежз 日本語 \U0001f98a\U0001f9d1‍\U0001f4bb \n"\\<>&'
)
PRIVATE = "PRIVATE-WORDS"


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exchange little at once, so that much can go wrong, and try again almost at once."""
    monkeypatch.setattr(exchange, "_FIRST_PAUSE", 0.002)
    monkeypatch.setattr(team, "_PAGE", 40)
    monkeypatch.setattr(memory_service, "_PAGE", 25)
    monkeypatch.setattr(Team, "most", 20)
    monkeypatch.setattr(MemoryService, "most", 10)


def texts(count: int, seed: int) -> list[str]:
    """Return texts of 20 to 2,000 characters, no two of which a server could take for one."""
    chance = random.Random(seed)
    return [
        f"{number:04} {''.join(chance.choices(_ALPHABET, k=chance.randint(15, 1990)))}."
        for number in range(count)
    ]


@contextmanager
def faulty(url: str, seed: int, faults: Faults | None = None) -> Iterator[FaultProxy]:
    """Stand before a server so that one exchange of five goes wrong."""
    wrong = Faults.all(RATE) if faults is None else faults
    with FaultProxy(url, wrong, seed=seed, delay=0.005, retry_after=0) as proxy:
        yield proxy


def filled(desk: Sharer, count: int, seed: int) -> set[str]:
    """Share memories, keep some of one's own besides, and return the ids of the shared ones."""
    shared = [Draft(text, audience=("team",), tags=("t",)) for text in texts(count, seed)]
    own = [Draft(f"{PRIVATE} {number}") for number in range(count // 20)]
    done = desk.service.remember_many([*shared, *own])
    return {each.id for each in done[:count]}


def exchanged(desk: Sharer) -> None:
    """Exchange until nothing is waiting; fails where that takes long, or something is held."""
    for _ in range(_MOST_ROUNDS):
        told = desk.go()
        (standing,) = desk.service.remotes()
        if not told.error and not standing.waiting:
            assert standing.held == 0, desk.service.outbox("team").parcels
            return
    raise AssertionError(told)


def live(desk: Sharer) -> dict[str, Memory]:
    """Return all live memories that are shared."""
    return {id: each for id, each in every(desk).items() if each.audience and each.state == LIVE}


def every(desk: Sharer) -> dict[str, Memory]:
    """Return every memory that is not erased."""
    found: dict[str, Memory] = {}
    cursor, first = None, True
    while first or cursor:
        page = desk.service.list(where=EVERYTHING, limit=500, cursor=cursor)
        found |= {each.id: each for each in page.memories}
        first, cursor = False, page.cursor
    return found


def changed(desk: Sharer, ids: set[str], seed: int) -> None:
    """Edit, retag, forget and take back a part of the memories."""
    chance = random.Random(seed)
    chosen = chance.sample(sorted(ids), min(len(ids) // 10, _MOST_CHANGED))
    part = len(chosen) // 4
    edited, tagged, forgotten, taken_back = (chosen[n * part : (n + 1) * part] for n in range(4))
    for number, id in enumerate(edited):
        desk.service.revise(id, Edit(text=f"Edit {seed} of number {number} \U0001f98a"))
    desk.service.revise_many(tagged, Edit(add_tags=("later",)))
    desk.service.forget(forgotten)
    for id in taken_back:
        desk.service.revise(id, Edit(audience=(), text=f"{PRIVATE} taken back {id}"))


def nothing_private(proxy: FaultProxy) -> None:
    """No byte of a private memory went through, and more than one kind of fault happened."""
    assert proxy.heard
    assert not [each for each in proxy.heard if PRIVATE.encode() in each]
    assert proxy.counts["passed"] < sum(proxy.counts.values())


def same(ours: Sharer, theirs: Sharer) -> None:
    """Both desks have the same live memories, word for word."""
    mine, yours = live(ours), live(theirs)
    assert mine.keys() == yours.keys()
    assert {id: digest(each) for id, each in mine.items()} == {
        id: digest(each) for id, each in yours.items()
    }


# Team servers


@pytest.mark.parametrize(("of", "count"), [(LightTeam, 1000), (TeamServer, 100)])
def test_a_team_gets_everything_once_whatever_goes_wrong(
    tmp_path: Path, of: type[LightTeam | TeamServer], count: int
) -> None:
    """Shares, edits and deletes arrive once, and a second desk ends with exactly the same."""
    with (
        of() as server,
        faulty(server.url, 1) as proxy,
        faulty(server.url, 2) as other,
        sharer(tmp_path / "ana") as ana,
        sharer(tmp_path / "ben") as ben,
    ):
        ana.add(proxy.url, KEY)
        ben.add(other.url, KEY)
        ids = filled(ana, count, 3)
        exchanged(ana)
        records = server.team.records
        assert records.keys() == ids
        assert {id: each["text"] for id, each in records.items()} == {
            id: each.text for id, each in live(ana).items()
        }
        exchanged(ben)
        same(ana, ben)
        changed(ana, ids, 4)
        exchanged(ana)
        exchanged(ben)
        same(ana, ben)
        there = {id for id, each in server.team.records.items() if each["state"] == LIVE}
        assert there == live(ana).keys()
        nothing_private(proxy)
        nothing_private(other)


def test_desks_that_both_change_end_with_the_same(tmp_path: Path) -> None:
    """Two desks that edit and delete the same memories agree in the end, though half goes wrong."""
    with (
        LightTeam() as server,
        faulty(server.url, 5, Faults.all(0.4)) as proxy,
        faulty(server.url, 6, Faults.all(0.4)) as other,
        sharer(tmp_path / "ana") as ana,
        sharer(tmp_path / "ben") as ben,
    ):
        ana.add(proxy.url, KEY)
        ben.add(other.url, KEY)
        ids = filled(ana, 100, 7)
        exchanged(ana)
        exchanged(ben)
        changed(ana, ids, 8)
        changed(ben, ids & live(ben).keys(), 9)
        for desk in (ana, ben, ana, ben):
            exchanged(desk)
        there = {id for id, each in server.team.records.items() if each["state"] == LIVE}
        assert live(ana).keys() == live(ben).keys() == there
        same(ana, ben)
        nothing_private(proxy)


# MemoryOS


def test_memoryos_gets_everything_once(tmp_path: Path) -> None:
    """Each memory is one entry, also where the answer to it was lost; an edit is one more."""
    faults = replace(Faults.all(RATE), twice=0.0)  # nobody could tell those apart there
    with (
        MemoryOSServer() as server,
        faulty(server.url, 10, faults) as proxy,
        sharer(tmp_path / "ana") as ana,
    ):
        ana.add(proxy.url, MEMORYOS_KEY, kind=MEMORYOS)
        ids = filled(ana, 120, 11)
        exchanged(ana)
        there = [each["meta_data"]["memdesk_id"] for each in server.entries]
        assert Counter(there) == Counter(ids)
        assert {each["agent_response"] for each in server.entries} == {
            each.text for each in live(ana).values()
        }
        edited = random.Random(12).sample(sorted(ids), 15)
        for id in edited:
            ana.service.revise(id, Edit(text=f"Other words of {id}"))
        exchanged(ana)
        there = [each["meta_data"]["memdesk_id"] for each in server.entries]
        assert Counter(there) == Counter(ids) + Counter(edited)
        nothing_private(proxy)


# mcp-memory-service


def test_a_memory_service_gets_everything_once(tmp_path: Path) -> None:
    """A real server ends with each shared memory once, and a second desk with the same memories."""
    with (
        peer.memory_service(tmp_path / "server") as url,
        faulty(url, 13) as proxy,
        faulty(url, 14) as other,
        sharer(tmp_path / "ana") as ana,
        sharer(tmp_path / "ben") as ben,
    ):
        ana.add(_origin(proxy), peer.KEY, kind=MEMORY_SERVICE)
        ben.add(_origin(other), peer.KEY, kind=MEMORY_SERVICE)
        ids = filled(ana, 120, 15)
        exchanged(ana)
        assert Counter(_contents(url)) == Counter(each.text for each in live(ana).values())
        exchanged(ben)
        same(ana, ben)
        changed(ana, ids, 16)
        exchanged(ana)
        exchanged(ben)
        same(ana, ben)
        assert Counter(_contents(url)) == Counter(each.text for each in live(ana).values())
        nothing_private(proxy)
        nothing_private(other)


def _origin(proxy: FaultProxy) -> str:
    parts = urlsplit(proxy.url)
    return f"{parts.scheme}://{parts.netloc}"


def _contents(url: str) -> list[str]:
    """Return the texts that the server itself lists."""
    headers = {"Authorization": f"Bearer {peer.KEY}"}
    found: list[str] = []
    page, more = 1, True
    with httpx2.Client(headers=headers, trust_env=False) as client:
        while more:
            params = {"page": page, "page_size": 100}
            told = client.get(f"{url}/api/memories", params=params).json()
            found += [each["content"] for each in told["memories"]]
            page, more = page + 1, told["has_more"]
    return found
