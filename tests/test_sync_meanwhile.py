"""What happens in the midst of an exchange, or to what it needs, loses nothing and lets nothing out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from loopback import as_json
from synced import Sharer, sharer
from team_server import KEY, LightTeam, Team
from twisted_team import TwistedTeam, plainly

from memdesk.errors import StoreError, SyncError
from memdesk.memory import Draft, Edit
from memdesk.service.border import Border
from memdesk.sync import background, exchange
from memdesk.sync.background import Background
from memdesk.sync.ledger import FOLDER, Ledger
from memdesk.sync.sync import Sync
from memdesk.sync.team import Team as TeamPeer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Do = Callable[[], dict[str, Any]]
DOWN = as_json(503, {"detail": "down"})
SECRET = "the token is ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


@pytest.fixture(autouse=True)
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send one memory at once, so that something can happen between two; try again almost at once."""
    monkeypatch.setattr(exchange, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(TeamPeer, "most", 1)


@pytest.fixture
def team() -> Iterator[TwistedTeam]:
    """Return a team server without memories."""
    with TwistedTeam() as server:
        yield server


@pytest.fixture
def ana(tmp_path: Path, team: TwistedTeam) -> Iterator[Sharer]:
    """Return one desk of the team."""
    with sharer(tmp_path / "ana") as desk:
        desk.add(team.url, KEY)
        yield desk


@pytest.fixture
def ben(tmp_path: Path, team: TwistedTeam) -> Iterator[Sharer]:
    """Return another desk of the team."""
    with sharer(tmp_path / "ben") as desk:
        desk.add(team.url, KEY)
        yield desk


def at_first_push(team: TwistedTeam, happens: Callable[[], object]) -> None:
    """Have something happen while the first memory of an exchange is on its way."""

    def push(_: object, do: Do) -> object:
        team.at_push = plainly
        happens()
        return do()

    team.at_push = push


def pushes(team: LightTeam) -> int:
    """Return how often something was pushed."""
    return sum(b"sync_push" in each for each in team.requests)


# Memories that change meanwhile


def test_what_is_taken_back_meanwhile_does_not_leave(ana: Sharer, team: TwistedTeam) -> None:
    """What turned private, or was erased, after the plan was made is not sent with the rest of it."""
    first, private, purged = (ana.share(words) for words in ("first", "private now", "erased now"))

    def taken_back() -> None:
        ana.service.revise(private, Edit(audience=()))
        ana.service.forget([purged])
        ana.service.purge([purged])

    at_first_push(team, taken_back)
    assert ana.go().pushed == 1
    assert ana.go().error == ""
    assert team.team.records.keys() == {first}
    assert b"now" not in b"".join(team.requests)


def test_what_is_revised_meanwhile_goes_in_its_new_words_alone(
    ana: Sharer, team: TwistedTeam
) -> None:
    """The words that the person has replaced after the plan was made do not leave any more."""
    ana.share("first")
    id = ana.share("hasty words")
    at_first_push(team, lambda: ana.service.revise(id, Edit(text="better words")))
    ana.go(), ana.go()
    assert team.team.records[id]["text"] == "better words"
    assert b"hasty" not in b"".join(team.requests)
    assert ana.service.outbox("team").total == 0


def test_what_changes_while_the_plan_is_made_is_of_the_next(
    ana: Sharer, team: TwistedTeam, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A memory that is new, and one that is revised, just as it is looked what is due are not lost."""
    one, two = ana.share("one"), ana.share("two")
    new = list[str]()
    stored = Border.stored

    def meanwhile(border: Border, ids: list[str]) -> object:
        if two in ids and not new:
            new.append(ana.share("new"))
            ana.service.revise(two, Edit(text="two, revised"))
        return stored(border, ids)

    monkeypatch.setattr(Border, "stored", meanwhile)
    ana.go(), ana.go()
    assert team.team.records.keys() == {one, two, *new}
    assert team.team.records[two]["text"] == "two, revised"
    assert ana.service.outbox("team").total == 0


def test_what_was_held_and_is_shared_no_longer_is_held_no_longer(ana: Sharer) -> None:
    """A suspected secret that turns private or is forgotten leaves the list of what is held."""
    private, forgotten = ana.share(SECRET), ana.share(f"{SECRET}, once more")
    assert ana.go().held == 2
    ana.service.revise(private, Edit(audience=()))
    assert ana.go().held == 1
    ana.service.forget([forgotten])
    assert ana.go().held == 0
    assert ana.service.outbox("team").total == 0


def test_a_delete_that_was_stale_is_done_though_settling_it_failed(
    ana: Sharer, ben: Sharer, team: TwistedTeam
) -> None:
    """Where the server is away just after it told of a later revision, the delete is still to be done."""
    id = ana.share("mine")
    ana.go(), ben.go()
    ana.service.revise(id, Edit(audience=()))
    ben.service.revise(id, Edit(text="mine, edited by ben"))
    ben.go()

    def stale(_: object, do: Do) -> object:
        team.at_push = team.at_pull = lambda *_: DOWN
        return do()

    team.at_push = stale
    assert ana.go(pull=False).error
    team.at_push = team.at_pull = plainly
    ana.go(), ana.go()
    assert team.team.records[id]["state"] == "deleted"


def test_a_server_that_is_new_in_the_midst_of_a_push_gets_everything(
    ana: Sharer, ben: Sharer, team: TwistedTeam
) -> None:
    """What was sent to the one before is sent again, though that was found out by a pull in between."""
    ids = [ana.share(f"memory {n}") for n in range(2)]
    ana.go(), ben.go()
    ana.service.revise(ids[1], Edit(text="by ana"))
    ben.service.revise(ids[1], Edit(text="by ben"))
    ben.go()

    def another() -> None:
        team.team = Team()
        team.team.push([ben_has])

    ben_has = team.team.records[ids[1]]
    at_first_push(team, another)
    ana.go(pull=False), ana.go()
    assert team.team.records.keys() == set(ids)
    assert ana.get(ids[1]).text == team.team.records[ids[1]]["text"] == "by ben"


# Settings that change meanwhile


def test_a_remote_that_is_removed_meanwhile_gets_nothing_more(
    ana: Sharer, team: TwistedTeam
) -> None:
    """The exchange ends with the memory that was on its way, and says why."""
    for n in range(4):
        ana.share(f"memory {n}")
    at_first_push(team, lambda: ana.known.remove("team"))
    assert "removed" in ana.go().error
    assert pushes(team) == 1


def test_spaces_that_are_accepted_no_longer_get_nothing_more(
    ana: Sharer, team: TwistedTeam
) -> None:
    """What is narrowed in the midst of a push holds for the rest of it; sync again goes on by it."""
    for n in range(4):
        ana.share(f"memory {n}", space="here")
    other = ana.share("of another space", space="there")
    at_first_push(team, lambda: ana.known.change("team", spaces=("there",)))
    assert "changed" in ana.go().error
    assert pushes(team) == 1
    assert ana.go().error == ""
    assert len(team.team.records) == 2
    assert other in team.team.records


def test_a_retry_in_the_midst_of_an_exchange_says_so_and_loses_nothing(
    ana: Sharer, team: TwistedTeam
) -> None:
    """It changes nothing under an exchange that runs; what was held is still held, and goes later."""
    team.team.refuses = lambda each: "not this" if each.get("text") == "odd" else ""
    odd = ana.share("odd")
    assert ana.go().held == 1
    team.team.refuses = lambda _: ""
    ids = {ana.share("one"), ana.share("two")}
    refused = list[str]()

    def retry() -> None:
        with pytest.raises(SyncError) as told:
            ana.service.retry("team")
        refused.append(str(told.value))

    at_first_push(team, retry)
    assert (ana.go().pushed, len(refused)) == (2, 1)
    assert [each.id for each in ana.service.outbox("team").parcels] == [odd]
    assert ana.service.retry("team") == 1
    ana.go()
    assert team.team.records.keys() == {odd, *ids}


def test_two_processes_do_not_exchange_with_one_remote_at_once(
    ana: Sharer, team: TwistedTeam
) -> None:
    """The second one says that another is at it, and everything goes once."""
    for n in range(2):
        ana.share(f"memory {n}")
    second = Sharer(ana.home)
    told = list[str]()
    at_first_push(team, lambda: told.append(second.go().error))
    try:
        assert ana.go().pushed == 2
    finally:
        second.service.close()
    assert "another process" in told[0]
    assert pushes(team) == 2


def test_a_desk_that_closes_meanwhile_goes_on_where_it_was(
    tmp_path: Path, team: TwistedTeam
) -> None:
    """An exchange that outlives its desk ends in words; the next desk sends the rest, and all once."""
    with sharer(tmp_path / "cleo") as cleo:
        cleo.add(team.url, KEY)
        ids = {cleo.share(f"memory {n}") for n in range(4)}
        at_first_push(team, cleo.service.close)
        assert cleo.go().error
    with sharer(tmp_path / "cleo") as again:
        assert again.go().error == ""
    assert team.team.records.keys() == ids


# What an exchange needs, broken


def broken(desk: Sharer, name: str) -> None:
    """Have what is known of a remote be no database."""
    (desk.home / FOLDER).mkdir(exist_ok=True)
    (desk.home / FOLDER / f"{name}.db").write_bytes(b"garbage" * 1000)


def test_a_broken_ledger_stops_no_other_remote(ana: Sharer, team: TwistedTeam) -> None:
    """The remote whose ledger it is says what to do; another is exchanged with, shown and due."""
    ana.known.change("team", auto=True)
    ana.add(team.url, KEY, name="bad", auto=True)
    id = ana.share("for both", to=("team", "bad"))
    broken(ana, "bad")
    told = {each.remote: each for each in ana.service.sync()}
    assert (told["team"].pushed, told["team"].error) == (1, "")
    assert "remove it" in told["bad"].error
    standings = {each.remote.name: each for each in ana.service.remotes()}
    assert (bool(standings["bad"].error), standings["team"].error) == (True, "")
    assert ana.sync.due() == ["team"]
    (ana.home / FOLDER / "bad.db").unlink()
    assert ana.go("bad").error == ""
    assert id in team.team.records


def test_a_broken_ledger_or_setting_leaves_the_desk_as_it_is(ana: Sharer) -> None:
    """Memories are kept, found and tended as ever; only what is about remotes says what is wrong."""
    ana.share("one")
    broken(ana, "team")
    works(ana)
    assert "team" in ana.sync.told()
    (ana.home / "remotes.json").write_text("{garbage")
    works(ana)
    with pytest.raises(StoreError, match=r"remotes\.json"):
        ana.service.remotes()


def works(desk: Sharer) -> None:
    """A desk does what has nothing to do with remotes."""
    id = desk.service.remember(Draft("another")).id
    assert id in {each.memory.id for each in desk.service.recall("another").hits}
    desk.service.status()
    desk.service.maintain()


def test_a_full_disk_at_the_ledger_stands_in_the_answer(
    ana: Sharer, team: TwistedTeam, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be kept is told; with room again it is found out anew, and nothing is doubled."""
    id = ana.share("one")

    def full(*_: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "_keep", full)
        patch.setattr(Ledger, "note", full)
        assert "full" in ana.go().error
    assert ana.go().error == ""
    assert ana.service.outbox("team").total == 0
    assert team.team.records.keys() == {id}


def test_the_background_goes_on_after_what_nobody_expected(
    ana: Sharer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exchange that fails by a fault of ours is not the last one that is tried by itself."""
    ana.known.change("team", auto=True)
    tried = list[None]()
    again = threading.Event()

    def failing(*_: object, **__: object) -> tuple[()]:
        tried.append(None)
        if len(tried) > 1:
            again.set()
        raise ValueError("a fault of ours")

    monkeypatch.setattr(Sync, "exchange", failing)
    for name in ("_LOOK", "EVERY", "_SETTLE"):
        monkeypatch.setattr(background, name, 0.01)
    running = Background(ana.sync)
    running.start(ana.service)
    try:
        assert again.wait(10)
    finally:
        running.close()
