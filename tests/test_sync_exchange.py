"""What desks exchange through a team server, and what never leaves them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from synced import Sharer, sharer
from team_server import KEY, LightTeam

from memdesk.errors import Conflict, Invalid
from memdesk.memory import Draft, Edit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def team() -> Iterator[LightTeam]:
    """Return a team server without memories."""
    with LightTeam() as server:
        yield server


@pytest.fixture
def ana(tmp_path: Path, team: LightTeam) -> Iterator[Sharer]:
    """Return one desk of the team."""
    with sharer(tmp_path / "ana") as desk:
        desk.add(team.url, KEY)
        yield desk


@pytest.fixture
def ben(tmp_path: Path, team: LightTeam) -> Iterator[Sharer]:
    """Return another desk of the team."""
    with sharer(tmp_path / "ben") as desk:
        desk.add(team.url, KEY)
        yield desk


def test_what_is_marked_for_the_team_arrives_there_and_at_the_other_desk(
    ana: Sharer, ben: Sharer
) -> None:
    """A shared memory is at the other desk after one exchange each, whole."""
    id = ana.share("Deploys are on Tuesdays", tags=("ops",), kind="decision", space="api")
    assert ana.go().pushed == 1
    assert ben.go().pulled == 1
    there = ben.get(id)
    assert (there.text, there.tags, there.kind, there.space) == (
        *("Deploys are on Tuesdays", ("ops",), "decision", "api"),
    )
    assert there.audience == ("team",)
    assert there.source.trust == "remote"


def test_nothing_private_leaves(ana: Sharer, team: LightTeam) -> None:
    """No byte of a private memory is on the wire, nor what stays here of a shared one."""
    ana.service.remember(Draft("the diary of a private person"))
    id = ana.share("for everybody")
    ana.service.revise(id, Edit(pinned=True, confidence=0.77, ref="/home/ana/notes/secret-plan.md"))
    ana.go()
    sent = b"".join(team.requests)
    assert b"for everybody" in sent
    for private in (b"diary", b"secret-plan", b"/home/ana", b"pinned", b"0.77", b"audience"):
        assert private not in sent


def test_the_key_is_in_its_header_and_nowhere_else(ana: Sharer, team: LightTeam) -> None:
    """Each request has the key once, as a bearer of its header; no file of the store's shows it but one."""
    ana.share("x y z")
    ana.go()
    assert team.requests
    for request in team.requests:
        head, _, body = request.partition(b"\r\n\r\n")
        assert head.count(KEY.encode()) == 1
        assert b"Bearer " + KEY.encode() in head
        assert KEY.encode() not in head.splitlines()[0] + body
    files = [path for path in ana.home.rglob("*") if path.is_file()]
    assert [path.name for path in files if KEY.encode() in path.read_bytes()] == ["keys.json"]


def test_nothing_is_sent_twice(ana: Sharer, team: LightTeam) -> None:
    """An exchange after an exchange pushes nothing, also where only what stays here has changed."""
    id = ana.share("once")
    ana.go()
    ana.service.revise(id, Edit(pinned=True))
    assert ana.go().pushed == 0
    assert sum(b"sync_push" in request for request in team.requests) == 1


def test_edits_travel_both_ways(ana: Sharer, ben: Sharer) -> None:
    """Each desk sees the other's last edit, and its own state before in the history."""
    id = ana.share("version one")
    ana.go(), ben.go()
    ben.service.revise(id, Edit(text="version two"))
    ben.go(), ana.go()
    assert ana.get(id).text == "version two"
    ana.service.revise(id, Edit(text="version three", tags=("final",)))
    ana.go(), ben.go()
    assert (ben.get(id).text, ben.get(id).tags) == ("version three", ("final",))
    assert [each.memory.text for each in ana.service.history(id)] == [
        *("version three", "version two", "version one"),
    ]


def test_a_pin_here_does_not_outvote_an_edit_there(ana: Sharer, ben: Sharer) -> None:
    """What changes only here does not count against a change of the text elsewhere, and stays."""
    id = ana.share("before")
    ana.go(), ben.go()
    ana.service.revise(id, Edit(text="after"))
    ben.service.revise(id, Edit(pinned=True))
    ana.go(), ben.go()
    assert (ben.get(id).text, ben.get(id).pinned) == ("after", True)


def test_of_two_edits_the_later_wins_and_the_other_is_kept_and_shown(
    ana: Sharer, ben: Sharer
) -> None:
    """Both desks end with the later text; the desk that saw both keeps the other and shows it."""
    id = ana.share("start")
    ana.go(), ben.go()
    ana.service.revise(id, Edit(text="ana was first"))
    ben.service.revise(id, Edit(text="ben was later"))
    ana.go()
    told = ben.go()
    ana.go()
    assert (ana.get(id).text, ben.get(id).text) == ("ben was later", "ben was later")
    assert told.conflicts == 1
    assert "ana was first" in {each.memory.text for each in ben.service.history(id)}
    assert [each.kind for each in ben.service.inbox().concerns if each.memory.id == id] == [
        "conflict"
    ]


def test_a_losing_edit_here_is_in_the_history(ana: Sharer, ben: Sharer) -> None:
    """What was changed here before the other desk's later edit came is in the history, and shown."""
    id = ana.share("start")
    ana.go(), ben.go()
    ana.service.revise(id, Edit(text="ana was first"))
    ben.service.revise(id, Edit(text="ben was later"))
    ben.go()
    assert ana.go().conflicts == 1
    assert ana.get(id).text == "ben was later"
    assert "ana was first" in {each.memory.text for each in ana.service.history(id)}
    kinds = {each.kind for each in ana.service.inbox().concerns if each.memory.id == id}
    assert "conflict" in kinds


def test_what_is_forgotten_goes_to_the_others_trash_without_its_words(
    ana: Sharer, ben: Sharer, team: LightTeam
) -> None:
    """A delete travels without text; the other desk can restore it, which brings it back everywhere."""
    id = ana.share("forget these words")
    ana.go(), ben.go()
    team.requests.clear()
    ana.service.forget([id])
    assert ana.go().deleted == 1
    assert b"forget these words" not in b"".join(team.requests)
    ben.go()
    assert ben.get(id).state == "trashed"
    ben.service.restore([id])
    ben.go(), ana.go()
    assert (ana.get(id).state, ana.get(id).text) == ("live", "forget these words")


def test_a_purge_reaches_the_others(ana: Sharer, ben: Sharer) -> None:
    """What is erased for good here is gone from the server, and in the trash of the other desk."""
    id = ana.share("erase me")
    ana.go(), ben.go()
    ana.service.forget([id])
    ana.service.purge([id])
    ana.go(), ben.go()
    assert ben.get(id).state == "trashed"
    assert ben.go().pushed == ben.go().deleted == 0


def test_who_takes_a_memory_back_has_it_deleted_there(ana: Sharer, ben: Sharer) -> None:
    """Removed from the audience, a memory stays here and goes everywhere else."""
    id = ana.share("not for them after all")
    ana.go(), ben.go()
    ana.service.revise(id, Edit(audience=()))
    assert ana.go().deleted == 1
    ben.go()
    assert ben.get(id).state == "trashed"
    assert ana.get(id).state == "live"


def test_a_delete_wins_over_an_edit_that_nobody_here_has_seen(ana: Sharer, ben: Sharer) -> None:
    """Taking a memory back reaches the server though it has a later revision of another's."""
    id = ana.share("mine")
    ana.go(), ben.go()
    ana.service.revise(id, Edit(audience=()))
    ben.service.revise(id, Edit(text="mine, edited by ben"))
    ben.go()
    ana.go()
    assert ana.get(id).text == "mine"
    ben.go()
    assert ben.get(id).state == "trashed"


def test_a_private_memory_is_never_overwritten(ana: Sharer, ben: Sharer) -> None:
    """What comes for a memory that is private here is held, and the memory stays as it is."""
    id = ana.share("shared text")
    ana.go(), ben.go()
    ben.service.revise(id, Edit(audience=(), text="ben's own"))
    ben.sync.known.remove("team")
    ben.add("http://127.0.0.1:9/mcp", name="other")
    ben.known.add(ana.known.get("team"))
    ben.keys.put(ben.known.get("team"), KEY)
    for path in (ben.home / "sync").iterdir():
        path.unlink()
    ben.go()
    assert ben.get(id).text == "ben's own"
    held = ben.service.outbox("team").parcels
    assert [(each.id, each.way) for each in held] == [(id, "pull")]


def test_what_may_be_a_secret_is_held_until_the_person_has_looked(
    ana: Sharer, team: LightTeam
) -> None:
    """A suspected secret does not leave before it is settled in the Inbox."""
    id = ana.share("the token is ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8")
    other = ana.share("harmless")
    told = ana.go()
    assert (told.pushed, told.held) == (1, 1)
    assert b"ghp_" not in b"".join(team.requests)
    (held,) = [each for each in ana.service.outbox("team").parcels if each.held]
    assert (held.id, "secret" in held.held) == (id, True)
    keys = [each.key for each in ana.service.inbox().concerns if each.memory.id == id]
    ana.service.review(keys)
    assert ana.go().pushed == 1
    assert {id, other} == set(team.team.records)


def test_a_space_that_the_remote_does_not_accept_stays_here(
    tmp_path: Path, team: LightTeam
) -> None:
    """Only memories of the spaces that a remote accepts go; accepting another sends what was held."""
    with sharer(tmp_path / "cleo") as cleo:
        cleo.add(team.url, KEY, spaces=("api",))
        cleo.share("for the api", space="api")
        cleo.share("of the website", space="website")
        told = cleo.go()
        assert (told.pushed, told.held) == (1, 1)
        cleo.known.change("team", spaces=("api", "website"))
        told = cleo.go()
        assert (told.pushed, told.held) == (1, 0)


def test_the_outbox_shows_exactly_what_leaves(ana: Sharer, team: LightTeam) -> None:
    """The payload that is shown before a push is the record that is on the wire."""
    ana.share("see me before I leave", tags=("a",))
    (parcel,) = ana.service.outbox("team").parcels
    ana.go()
    (push,) = [each for each in team.requests if b"sync_push" in each]
    body = json.loads(push.partition(b"\r\n\r\n")[2])
    assert body["params"]["arguments"]["records"] == [json.loads(parcel.payload)]
    assert ana.service.outbox("team").total == 0


def test_looking_sends_nothing(ana: Sharer, team: LightTeam) -> None:
    """How remotes stand and what waits is told without asking them."""
    ana.share("waits")
    (standing,) = ana.service.remotes()
    ana.service.outbox("team")
    assert (standing.waiting, standing.held, standing.synced_at) == (1, 0, None)
    assert team.requests == []


def test_offline_is_a_normal_state(tmp_path: Path) -> None:
    """What cannot be reached is told in the answer and in how the remote stands; nothing is lost."""
    with sharer(tmp_path / "dora") as dora:
        dora.add("http://127.0.0.1:9/mcp", KEY)
        dora.share("later")
        told = dora.go()
        assert "team" in told.error
        (standing,) = dora.service.remotes()
        assert (standing.waiting, bool(standing.error)) == (1, True)


def test_a_refused_key_stops_and_says_which(ana: Sharer, team: LightTeam) -> None:
    """A wrong key is named by its remote with what to do, and never shown."""
    ana.keys.put(ana.known.get("team"), "another-key-than-that")
    ana.known.change("team", auto=True)
    ana.share("waits for a key")
    told = ana.go()
    assert "memdesk sync key team" in told.error
    assert "another-key-than-that" not in told.error
    assert ana.sync.due() == []
    ana.keys.put(ana.known.get("team"), KEY)
    assert ana.go().pushed == 1
    assert ana.sync.due() == ["team"]


def test_a_record_that_cannot_be_used_holds_up_no_other(ana: Sharer, team: LightTeam) -> None:
    """A poison record is held and shown; the others arrive, and a retry fetches it again."""
    with_hash = {"id": "00000000-0000-4000-8000-000000000001", "clock": [5, 0, "evil"]}
    poison = with_hash | {"state": "live", "text": "words", "content_hash": "wrong"}
    team.team._commit(with_hash["id"], json.dumps(poison))  # type: ignore[arg-type]
    good = ana.share("good")
    ana.go()
    assert good in team.team.records
    held = ana.service.outbox("team").parcels
    assert len(held) == 1
    assert ana.service.retry("team") == 1
    assert ana.go().held == 1


def test_a_clock_far_ahead_is_refused(ana: Sharer, team: LightTeam) -> None:
    """A record from the future is held, so that it does not win over everything for ever."""
    id = "00000000-0000-4000-8000-000000000002"
    team.team._commit(id, json.dumps({"id": id, "clock": [2**45, 0, "x"], "state": "deleted"}))
    assert ana.go().held == 1


def test_an_unknown_remote_is_named(ana: Sharer) -> None:
    """A name that is no remote is an error which tells those there are."""
    with pytest.raises(Invalid, match="team"):
        ana.service.sync("taem")


def test_a_store_that_was_restored_catches_up(ana: Sharer, ben: Sharer, tmp_path: Path) -> None:
    """A restored store, whose memories are older, takes the later ones and deletes nothing elsewhere."""
    old = ana.share("old")
    ana.go(), ben.go()
    ana.service.copy_to(tmp_path / "copy")
    new = ana.share("new")
    ana.service.revise(old, Edit(text="old, revised"))
    ana.go(), ben.go()
    ana.service.restore_copy(tmp_path / "copy")
    assert ana.get(old).text == "old"
    ana.go(), ben.go()
    assert (ana.get(old).text, ana.get(new).text) == ("old, revised", "new")
    assert (ben.get(old).state, ben.get(new).state) == ("live", "live")


def test_a_server_that_lost_everything_gets_it_again(
    ana: Sharer, ben: Sharer, team: LightTeam
) -> None:
    """A server with another epoch is given what it should have."""
    id = ana.share("still here")
    ana.go(), ben.go()
    team.team = type(team.team)()
    assert ana.go().pushed == 1
    assert id in team.team.records
    assert ben.go().error == ""


def test_a_ledger_that_is_lost_is_made_anew(ana: Sharer, ben: Sharer) -> None:
    """Without the ledger a full exchange finds out what the remote has; nothing is doubled or lost."""
    ids = {ana.share(f"memory {n}") for n in range(5)}
    ana.go(), ben.go()
    for path in (ana.home / "sync").iterdir():
        path.unlink()
    assert ana.go().pulled == 0
    assert set(ben.all()) == set(ana.all()) == ids
    assert ana.go().pushed == 0


def test_what_came_is_passed_on_to_another_remote(ana: Sharer, ben: Sharer, tmp_path: Path) -> None:
    """A memory of two remotes whose edit came from one goes to the other, though its clock is old."""
    with LightTeam() as second, sharer(tmp_path / "eva") as eva:
        id = ana.share("one", to=("team", "second"))
        ana.add(second.url, KEY, name="second")
        eva.add(second.url, KEY, name="second")
        ana.go(), ana.go("second"), ben.go(), eva.go("second")
        ben.service.revise(id, Edit(text="two"))
        ana.share("later than that", to=("second",))
        ana.go("second"), ben.go(), ana.go(), ana.go("second"), eva.go("second")
        assert eva.get(id).text == "two"


def test_undo_passes_over_what_came_from_a_remote(ana: Sharer, ben: Sharer) -> None:
    """The last change of the person is undone, not what a sync brought since."""
    mine = ben.service.remember(Draft("my own last words")).id
    ana.share("from ana")
    ana.go(), ben.go()
    assert ben.service.undo().done == (mine,)


def test_accepting_fewer_spaces_deletes_nothing(ana: Sharer, team: LightTeam) -> None:
    """What is of a space that a remote accepts no longer is held, and stays there as it was."""
    id = ana.share("of the website", space="website")
    ana.go()
    ana.known.change("team", spaces=("api",))
    ana.service.revise(id, Edit(text="of the website, revised"))
    told = ana.go()
    assert (told.deleted, told.pushed, told.held) == (0, 0, 1)
    assert team.team.records[id]["text"] == "of the website"


def test_what_came_of_a_space_that_was_not_exchanged_comes_once_it_is(
    ana: Sharer, ben: Sharer
) -> None:
    """Held news is looked at anew as soon as the setting that held it has changed."""
    id = ana.share("of the website", space="website")
    ana.go()
    ben.known.change("team", spaces=("api",))
    assert (ben.go().pulled, ben.go().held) == (0, 1)
    ben.known.change("team", spaces=())
    told = ben.go()
    assert (told.pulled, told.held) == (1, 0)
    assert ben.get(id).space == "website"


def test_sharing_again_what_was_taken_back_brings_it_back(ana: Sharer, ben: Sharer) -> None:
    """A memory that was taken back and is shared once more is there again, though its delete was later."""
    id = ana.share("here and there")
    ana.go(), ben.go()
    ana.service.revise(id, Edit(audience=()))
    ben.service.revise(id, Edit(text="ben's words"))
    ben.go(), ana.go(), ben.go()
    ana.service.revise(id, Edit(audience=("team",)))
    ana.go(), ben.go()
    assert (ben.get(id).state, ben.get(id).text) == ("live", "here and there")
    assert ana.get(id).state == "live"


def test_all_of_one_exchange_is_one_change(ana: Sharer, ben: Sharer) -> None:
    """What came in one exchange can be taken back by its change."""
    ids = [ana.share(f"memory {n}") for n in range(3)]
    ana.go(), ben.go()
    (change,) = {ben.get(id).change for id in ids}
    assert set(ben.service.undo(change).done) == set(ids)
    assert {ben.get(id).state for id in ids} == {"trashed"}


def test_undo_says_where_a_remote_has_changed_what_one_changed_last(
    ana: Sharer, ben: Sharer
) -> None:
    """The person's last change is not passed over for an older one: that it was changed since is told."""
    older = ben.service.remember(Draft("older words of ben's own")).id
    id = ana.share("start")
    ana.go(), ben.go()
    ben.service.revise(id, Edit(text="ben's last change"))
    ben.go(), ana.go()
    ana.service.revise(id, Edit(text="ana's answer"))
    ana.go(), ben.go()
    with pytest.raises(Conflict, match=id):
        ben.service.undo()
    assert ben.get(older).state == "live"


def test_an_echo_is_no_change(ana: Sharer, ben: Sharer) -> None:
    """What both have alike keeps its place in the store when clocks are compared anew."""
    id = ana.share("the same at both")
    ana.go(), ben.go()
    before = ana.get(id).seq
    for path in (ana.home / "sync").iterdir():
        path.unlink()
    ana.go()
    assert ana.get(id).seq == before
