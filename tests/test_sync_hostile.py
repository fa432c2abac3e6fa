"""What a hostile or broken server sends and answers does no harm, and holds up nothing else."""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from loopback import Reply, as_json
from memoryos_server import KEY as MEMORYOS_KEY
from memoryos_server import MemoryOSServer
from synced import Sharer, sharer
from team_server import KEY
from twisted_team import TwistedTeam, page, plainly, record

from memdesk.memory import Draft, Edit, content_hash
from memdesk.remotes import MEMORYOS
from memdesk.sharing import record as record_of
from memdesk.sync import exchange, pulling

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Do = Callable[[], dict[str, Any]]
ID = "00000000-0000-4000-8000-00000000000a"
LOG_IN = Reply(200, b"<html>Welcome to the hotel, log in</html>", {"Content-Type": "text/html"})
_SMALL = 300_000
"""Bytes that the ledgers of a few memories stay under, whatever a server has said."""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again almost at once."""
    monkeypatch.setattr(exchange, "_FIRST_PAUSE", 0.001)


@pytest.fixture
def team() -> Iterator[TwistedTeam]:
    """Return a team server without memories."""
    with TwistedTeam() as server:
        yield server


@pytest.fixture
def ana(tmp_path: Path, team: TwistedTeam) -> Iterator[Sharer]:
    """Return a desk of the team."""
    with sharer(tmp_path / "ana") as desk:
        desk.add(team.url, KEY)
        yield desk


def kept(desk: Sharer) -> int:
    """Return how many bytes the ledgers of a desk are."""
    return sum(each.stat().st_size for each in (desk.home / "sync").iterdir())


def still_works(desk: Sharer, team: TwistedTeam) -> None:
    """Once the server behaves, what is shared arrives; and little was kept of what it said."""
    team.at_push = team.at_pull = plainly
    id = desk.share("as ever")
    told = [desk.go() for _ in range(2)][-1]
    assert told.error == ""
    assert id in team.team.records
    assert kept(desk) < _SMALL


# Records

_NESTED: Any = "x"
for _ in range(300):
    _NESTED = [_NESTED]
_METADATA: list[object] = [[], {"a": "x" * 10**6}, {"a": _NESTED}]
BAD: dict[str, list[object]] = {
    "record": [None, [1], "x", 5, record(text="\ud800"), record(tags=["\udfff"])],
    "id": [
        *(record(id=id) for id in (None, 5, "", "../../etc/passwd", "\x1b[31m\x07x", "a\0b")),
        *(record(id=id) for id in ("x' OR 1=1 --", "x" * 10**6, ID.upper(), f"{{{ID}}}")),
        record(replaces="x"),
    ],
    "clock": [
        *(record(clock=clock) for clock in ("5", [5], [True, 0, "x"], [5.5, 0, "x"], [-1, 0, "x"])),
        *(record(clock=clock) for clock in ([5, 2**80, "x"], [10**400, 0, "x"], [5, 0, "\0"])),
        record(clock=[5, 0, "x" * 10**5]),
        {"id": ID, "clock": None, "state": "deleted"},
    ],
    "state": [record(state="trashed"), record(state=[])],
    "text": [record(text=text) for text in (" \n ", "", "x" * (2 << 20), "a\0b", "\x1b[31m red")],
    "content_hash": [record(content_hash="0"), record(content_hash=None)],
    "space": [record(space=space) for space in ("", "x" * 1000, "\x1b]0;x\x07", "../x")],
    "kind": [record(kind="A B")],
    "role": [record(role="emperor")],
    "tags": [record(tags=tags) for tags in ("x", [5], [*map(str, range(10**4))], ["\x1b[2J"])],
    "metadata": [record(metadata=each) for each in _METADATA],
    "source": [record(source=[]), record(source={"name": "x" * 10**5, "ref": ""})],
    "created_at": [
        *(record(created_at=at) for at in ("yesterday", None, 5, "2026-01-01T00:00:00")),
        record(created_at="0001-01-01T00:00:00+23:59"),
        record(created_at="9999-12-31T23:59:59-23:59"),
    ],
    "happened_at": [record(happened_at=5)],
    "position": [record(position=2**70), record(position=-1)],
    "utc_offset_min": [record(utc_offset_min=10**9)],
}


def test_hostile_records_are_held_in_clean_words_and_hold_up_no_other(
    ana: Sharer, team: TwistedTeam
) -> None:
    """Each is named by its wrong field; what came with it is there, and what was to go has gone."""
    mine = ana.share("mine")
    bad = [each for some in BAD.values() for each in some]
    team.at_pull = lambda *_: page(*bad, record(text="good words"))
    told = ana.go()
    assert (told.error, told.pulled, told.held) == ("", 1, len(bad))
    assert ana.texts() == {"mine", "good words"}
    assert mine in team.team.records
    parcels = ana.service.outbox("team", limit=500).parcels
    named = Counter(_field(each.held) for each in parcels)
    assert named == {field: len(some) for field, some in BAD.items()}
    for each in parcels:
        assert (each.held + each.id).isprintable()
        assert len(each.held + each.id) < 500
    assert kept(ana) < _SMALL
    assert ana.service.retry("team") == len(bad)
    assert ana.go().held == len(bad)


def _field(words: str) -> str:
    found = re.search(r"(\w+): ", words.removeprefix("a record of the remote cannot be used: "))
    return found[1] if found else words


def test_what_is_nested_without_end_is_no_record(ana: Sharer, team: TwistedTeam) -> None:
    """Whatever the depth of what it sends, an exchange ends in words, and the next one works."""
    told = json.dumps({"structuredContent": page("DEEP")})
    for depth in (100, 900, 950, 970, 980, 985, 990, 1000, 50_000):
        nested = told.replace('"DEEP"', "[" * depth + "]" * depth).encode()
        team.at_pull = lambda *_, nested=nested: nested
        done = ana.go()
        assert done.error or done.held, depth
    still_works(ana, team)


def test_an_address_of_a_script_is_no_source(ana: Sharer, team: TwistedTeam) -> None:
    """Of where a record is from only an address of the web is kept."""
    team.at_pull = lambda *_: page(record(id=ID, source={"name": "a", "ref": "javascript:f()"}))
    assert ana.go().pulled == 1
    assert ana.get(ID).source.ref == ""


def test_more_than_was_asked_for_is_not_taken(ana: Sharer, team: TwistedTeam) -> None:
    """A page of thousands of records is an error, not as many changes of the store."""
    one = record(id=ID)
    versions = [one | {"clock": [5 + n, 0, "x"], "tags": [str(n)]} for n in range(3000)]
    team.at_pull = lambda *_: page(*versions)
    told = ana.go()
    assert "more at once" in told.error
    assert ana.all() == {}
    still_works(ana, team)


def test_a_memory_of_many_versions_at_once_ends_as_the_last(ana: Sharer, team: TwistedTeam) -> None:
    """Of a page that tells one memory again and again the highest clock is what is there."""
    one = record(id=ID)
    order = (3, 9, 1, 7)
    team.at_pull = lambda *_: page(
        *(one | {"clock": [n, 0, "x"], "tags": [f"t{n}"]} for n in order)
    )
    assert ana.go().error == ""
    assert ana.get(ID).tags == ("t9",)


def test_another_who_says_to_be_this_desk_is_taken_by_the_clock(
    ana: Sharer, team: TwistedTeam
) -> None:
    """A later revision under this desk's own name is taken in, and the next one here is later still."""
    id = ana.share("mine")
    ana.go()
    theirs: dict[str, object] = {"text": "not mine", "content_hash": content_hash("not mine")}
    theirs |= {"clock": [ana.get(id).clock_ms + 60_000, 0, ana.get(id).device]}
    team.team.push([record_of(ana.get(id)) | theirs])
    ana.go()
    assert ana.get(id).text == "not mine"
    ana.service.revise(id, Edit(text="mine again"))
    ana.go()
    assert team.team.records[id]["text"] == "mine again"


def test_a_server_that_deletes_everything_reaches_only_what_is_shared(
    ana: Sharer, team: TwistedTeam
) -> None:
    """Deletes of all ids it may have guessed empty no desk: private stays, shared is one undo away."""
    own = ana.service.remember(Draft("private")).id
    ids = [ana.share(f"memory {n}") for n in range(5)]
    ana.go()
    at = ana.get(ids[-1]).clock_ms + 1000
    gone = [{"id": id, "clock": [at, 0, "x"], "state": "deleted"} for id in (*ids, own)]
    team.at_pull = lambda *_: page(*gone) | {"epoch": team.team.epoch}
    ana.go()
    assert {ana.get(id).state for id in ids} == {"trashed"}
    assert ana.get(own).state == "live"
    assert set(ana.service.undo(ana.get(ids[0]).change).done) == set(ids)


def test_who_guesses_the_id_of_a_private_memory_learns_nothing(
    ana: Sharer, team: TwistedTeam
) -> None:
    """A record for it is held; the memory stays as it is, and no word of it leaves then or later."""
    own = ana.service.remember(Draft("private words")).id
    clock = [ana.get(own).clock_ms + 5, 0, "x"]
    team.at_pull = lambda *_: page(record(id=own, clock=clock, text="evil"))
    assert ana.go().held == 1
    assert ana.get(own).text == "private words"
    still_works(ana, team)
    assert b"private words" not in b"".join(team.requests)


# Cursors and epochs


@pytest.mark.parametrize("field", ["cursor", "epoch"])
def test_a_cursor_or_epoch_that_is_none_does_not_stop_sync_for_ever(
    ana: Sharer, team: TwistedTeam, field: str
) -> None:
    """It is not kept, and the server is asked again from where it was."""
    for value in ("\ud800", "x" * 10**6, "a\nb\0", {"a": 1}, None, 5):
        wrong: dict[str, object] = {field: value}
        team.at_pull = partial(_with, wrong)
        ana.go()
        still_works(ana, team)


def _with(wrong: dict[str, object], _: object, do: Do) -> object:
    return do() | wrong


@pytest.mark.parametrize("round", [0, 2])
def test_pages_without_end_that_say_nothing_new_are_left(
    ana: Sharer, team: TwistedTeam, monkeypatch: pytest.MonkeyPatch, round: int
) -> None:
    """Whether their cursors go on or go in a circle, the exchange ends, and what waits goes."""
    monkeypatch.setattr(pulling, "_MOST_EMPTY", 20)
    one, asked = record(), list[None]()

    def more(*_: object) -> object:
        asked.append(None)
        assert len(asked) < 100, "it asks for ever"
        number = len(asked) % round if round else len(asked)
        return page(one, cursor=f"e.{number}", more=True)

    mine = ana.share("mine")
    team.at_pull = more
    assert ana.go().error == ""
    assert mine in team.team.records


def test_a_server_that_is_another_at_each_page_is_an_error(ana: Sharer, team: TwistedTeam) -> None:
    """Epochs that change with every answer are named, and not followed."""
    team.at_pull = lambda *_: page(more=True) | {"epoch": uuid.uuid4().hex}
    assert "set up anew" in ana.go().error
    assert sum(b"sync_pull" in each for each in team.requests) < 10
    still_works(ana, team)


# Answers to a push


def test_an_absurd_clock_in_an_answer_is_not_believed(ana: Sharer, team: TwistedTeam) -> None:
    """A delete that was called stale so is held; tried again, a server that behaves has done it."""
    clocks: list[list[object]] = [[2**70, 0, "x"], [2**45, 0, "x"], [-5, 0, "x"], [5, 0, "\ud800"]]
    ids = [ana.share(f"memory {n}") for n in range(len(clocks))]
    ana.go()
    ana.service.forget(ids)
    told = dict(zip(ids, clocks, strict=True))

    def stale(asked: dict[str, Any], _: Do) -> object:
        sent = [each["id"] for each in asked["records"]]
        return {"results": [{"id": id, "status": "stale", "clock": told[id]} for id in sent]}

    team.at_push = stale
    assert ana.go().held == len(ids)
    assert ana.service.retry("team") == len(ids)
    still_works(ana, team)
    there = [team.team.records[id] for id in ids]
    assert {each["state"] for each in there} == {"deleted"}
    assert all(each["clock"][0] < 2**45 for each in there)


def test_an_answer_that_says_nothing_of_the_memories_holds_none_of_them(
    ana: Sharer, team: TwistedTeam
) -> None:
    """Who answers something else has refused nothing: that is an error, and all of it goes later."""
    ids = {ana.share(f"memory {n}") for n in range(3)}
    nothing: list[object] = [{}, {"results": "x"}, {"results": []}, [], "x", 5, None, LOG_IN]
    for result in nothing:
        team.at_push = lambda *_, result=result: result
        told = ana.go()
        assert (bool(told.error), told.held) == (True, 0), result
    team.at_push = plainly
    assert ana.go().pushed == 3
    assert team.team.records.keys() == ids


def test_a_result_that_says_nothing_holds_that_memory_only(ana: Sharer, team: TwistedTeam) -> None:
    """Of several memories in one push the one whose result is nonsense is held, the others are done."""
    odd = [5, None, {}, {"status": "stored"}, {"id": ID, "status": "stored"}]
    ids = [ana.share(f"memory {n}") for n in range(len(odd) + 3)]

    def some(_: object, do: Do) -> object:
        told = do()
        results = {each["id"]: each for each in told["results"]}
        results[ids[-1]] |= {"status": "queued"}
        results[ids[-2]] |= {"status": []}
        results |= dict(zip(ids, odd, strict=False))
        return {"results": list(results.values())}

    team.at_push = some
    told_ = ana.go(pull=False)
    assert (told_.pushed, told_.held, told_.error) == (1, len(ids) - 1, "")


def test_an_answer_to_a_pull_that_is_none_is_an_error(ana: Sharer, team: TwistedTeam) -> None:
    """It is told in words, and nothing is taken in or lost."""
    nothing: list[object] = [{}, {"records": "x"}, [], "x", 5, None, {**page(), "more": 1}, LOG_IN]
    for result in nothing:
        team.at_pull = lambda *_, result=result: result
        told = ana.go()
        assert re.search("team|server", told.error), result
        assert "unexpected" not in told.error
        assert told.error.isprintable()
    still_works(ana, team)


@pytest.mark.parametrize("reply", [LOG_IN, as_json(404, {"detail": "x"})], ids=["log-in", "gone"])
def test_a_memoryos_that_is_away_has_not_refused_each_memory(tmp_path: Path, reply: Reply) -> None:
    """A network's log-in page or an address that has gone holds nothing: everything goes later."""
    with MemoryOSServer() as server, sharer(tmp_path / "ana") as ana:
        ana.add(server.url, MEMORYOS_KEY, kind=MEMORYOS)
        for n in range(3):
            ana.share(f"memory {n}")
        answer, server.answer = server.answer, lambda _: reply  # type: ignore[assignment]
        told = ana.go()
        assert (bool(told.error), told.held) == (True, 0)
        server.answer = answer  # type: ignore[method-assign]
        assert ana.go().pushed == 3
        assert len(server.entries) == 3


# Too much at once, and what a server will not have


def test_a_batch_that_is_too_large_is_split(ana: Sharer, team: TwistedTeam) -> None:
    """A server that takes three memories at once gets all of them, each once."""
    ids = {ana.share(f"memory {n}") for n in range(20)}
    few = as_json(413, {})
    team.at_push = lambda asked, do: few if len(asked["records"]) > 3 else do()
    told = ana.go()
    assert (told.pushed, told.error) == (20, "")
    assert team.team.records.keys() == ids


def test_a_memory_that_is_too_large_is_held_and_the_others_go(
    ana: Sharer, team: TwistedTeam
) -> None:
    """One that no call has room for is held with the reason; those around it arrive."""
    small = {ana.share(f"memory {n}") for n in range(3)}
    large = ana.share('"' * 700_000)
    small |= {ana.share(f"later {n}") for n in range(3)}
    told = ana.go()
    assert (told.pushed, told.held, told.error) == (6, 1, "")
    (parcel,) = ana.service.outbox("team").parcels
    assert (parcel.id, "at once" in parcel.held) == (large, True)
    assert team.team.records.keys() == small


def test_a_memory_that_a_server_cannot_stand_is_found_and_held(
    ana: Sharer, team: TwistedTeam
) -> None:
    """Of a batch that is answered with 422 the one that is the cause is held, in clean words, once."""
    ids = [ana.share(f"memory {n}") for n in range(20)]
    no = as_json(422, {"detail": [{"msg": "\x1b[31mbad field"}]})

    def some(asked: dict[str, Any], do: Do) -> object:
        return no if ids[7] in [each["id"] for each in asked["records"]] else do()

    team.at_push = some
    told = ana.go()
    assert (told.pushed, told.held, told.error) == (19, 1, "")
    (parcel,) = ana.service.outbox("team").parcels
    assert (parcel.id, "bad field" in parcel.held) == (ids[7], True)
    assert parcel.held.isprintable()
    team.requests.clear()
    assert ana.go().pushed == 0
    assert not any(b"sync_push" in each for each in team.requests)
