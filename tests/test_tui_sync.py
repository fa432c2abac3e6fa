"""Sync in the desk: what is said of remotes, exchanges, and what is seen before it leaves."""

from __future__ import annotations

import json
import shutil
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from dialog_bench import ROUGH
from fakes import FakeEmbedder
from textual.widgets import Footer, Static
from tui import DEADLINE, NARROW, NOW, WIDE, Person, with_person

from memdesk.errors import StoreError
from memdesk.memory import LIVE, Draft, Edit, Source, content_hash, new_id
from memdesk.remotes import (
    DELETE,
    MEMDESK,
    MEMORYOS,
    PUT,
    Arrival,
    Base,
    Outbox,
    Parcel,
    Remote,
    Standing,
    Synced,
)
from memdesk.service import Service
from memdesk.service.border import Border
from memdesk.sharing import clock_of, digest, record
from memdesk.tui import remotes
from memdesk.tui.forms import Written
from memdesk.tui.glyphs import ASCII, Glyphs
from memdesk.tui.preview import facts, place_line
from memdesk.tui.standing import about, outcome, row, state
from memdesk.tui.status import as_text, lines
from memdesk.tui.sync import LONGEST, SyncScreen, parcel_row, payload_shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tui import Clock

    from memdesk.memory import Memory

SIZES = pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
OFFLINE = "team cannot be reached: the connection was refused"
TEAM = Remote("team", "https://team.example/mcp", MEMDESK, auto=True)
OTHER = Remote("mothership", "https://mothership.example/mcp/", MEMORYOS, spaces=("work",))
SECRET_HELD = "it may hold a secret; settle that in the Inbox"
CANNOT = ("It cannot change or delete what it has.", "Nothing can be fetched from it.")


class Team:
    """Stands in for the remotes: what is marked for them waits until it is pushed."""

    def __init__(self, *known: Remote) -> None:
        self.known = {each.name: each for each in known}
        self.stands: dict[str, dict[str, Any]] = {}
        """Fields of standings, by the name of the remote."""
        self.held: dict[str, Parcel] = {}
        """What is held at each remote, by its name: one memory, here."""
        self.has: set[tuple[str, str]] = set()
        """(remote, id) of what was pushed."""
        self.asked: list[tuple[str, bool]] = []
        """(remote, pull) of the exchanges."""
        self.retried: list[str] = []
        self.error = ""
        self.failing: Exception | None = None
        self.go_on: threading.Event | None = None
        """An exchange waits for it."""

    def standings(self, border: Border) -> tuple[Standing, ...]:
        """Return how each stands."""
        if self.failing:
            raise self.failing
        return tuple(self._standing(border, each) for each in self.known.values())

    def _standing(self, border: Border, remote: Remote) -> Standing:
        waiting, held = len(self._waiting(border, remote.name)), int(remote.name in self.held)
        known = Standing(remote, waiting=waiting, held=held, key="keyring")
        return replace(known, **self.stands.get(remote.name, {}))

    def _waiting(self, border: Border, remote: str) -> list[Parcel]:
        shared = border.changes(0, "").shared
        found = border.stored([id for id, _, _ in shared])
        parcels = []
        for id, memory in found.items():
            goes = remote in memory.audience
            if goes != ((remote, id) in self.has):
                way = PUT if goes and memory.state == LIVE else DELETE
                told = json.dumps(record(memory), ensure_ascii=False)
                parcels.append(Parcel(id, way, memory.title, told, len(told.encode())))
        return parcels

    def outbox(self, border: Border, remote: str, limit: int) -> Outbox:
        """Return what waits for one."""
        parcels = self._waiting(border, remote)
        parcels += [self.held[remote]] if remote in self.held else []
        return Outbox(remote, tuple(parcels[:limit]), len(parcels))

    def exchange(
        self,
        border: Border,
        remote: str,
        *,
        push: bool,
        pull: bool,
        progress: Callable[[int, int], None] | None,
    ) -> tuple[Synced, ...]:
        """Push what waits."""
        assert push
        self.asked.append((remote, pull))
        if progress:
            progress(1, 4)
        if self.go_on:
            assert self.go_on.wait(DEADLINE)
        return tuple(self._exchanged(border, each) for each in ([remote] if remote else self.known))

    def _exchanged(self, border: Border, name: str) -> Synced:
        held = int(name in self.held)
        if self.error:
            self.stands[name] = {"error": self.error}
            return Synced(name, held=held, error=self.error)
        ids = [each.id for each in self._waiting(border, name)]
        self.has ^= {(name, id) for id in ids}
        self.stands[name] = {"synced_at": NOW}
        return Synced(name, pushed=len(ids), held=held)

    def retry(self, border: Border, remote: str, ids: Sequence[str]) -> int:
        """Hold nothing any more."""
        del border, ids
        self.retried.append(remote)
        return int(self.held.pop(remote, None) is not None)

    def acknowledged(self, border: Border) -> int | None:
        """Return that nobody waits."""
        del border
        return None

    def told(self) -> str:
        """Return how they stand."""
        return f"team is not synced: {self.error}" if self.error else "synced 2m ago"


@pytest.fixture
def team() -> Team:
    """Return one remote."""
    return Team(TEAM)


@pytest.fixture
def desk(
    home: Path, demo_home: Path, clock: Clock, team: Team, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    """Return the demo store's service with that remote, which is looked at at once after a change."""
    del clock  # it stands still
    monkeypatch.setattr(remotes, "REST", 0.01)
    shutil.copytree(demo_home, home)
    service = Service(home, FakeEmbedder(), background=False, remotes=team)
    yield service
    service.close()


def shared(service: Service, *texts: str, audience: tuple[str, ...] = ("team",)) -> list[str]:
    """Remember texts that may go to remotes; return their ids."""
    return [service.remember(Draft(text, audience=audience)).id for text in texts]


def top(person: Person) -> str:
    """What is said of the desk at the top."""
    return str(person.main.query_one("#state", Static).content)


# The words


def standing(**fields: Any) -> Standing:
    """Return how the team stands."""
    return replace(Standing(TEAM, synced_at=NOW - timedelta(minutes=2)), **fields)


@pytest.mark.parametrize(
    ("stand", "words"),
    [
        ((), ""),
        ((standing(),), "● synced 2m ago"),
        ((standing(synced_at=NOW),), "● synced just now"),
        ((standing(synced_at=None),), "● not synced yet"),
        ((standing(waiting=1),), "● 1 waits for team"),
        ((standing(waiting=3, held=2),), "● 3 wait for team, 2 held"),
        ((standing(error="no", synced_at=NOW.replace(hour=9)),), "▲ not synced since 09:00"),
        (
            (standing(error="no", synced_at=NOW - timedelta(days=2)),),
            "▲ not synced since 2026-05-18 12:00",
        ),
        ((standing(error="no", synced_at=None),), "▲ not synced yet"),
        ((standing(), standing(remote=OTHER, error="no")), "▲ mothership not synced since 11:58"),
        ((standing(waiting=1), standing(remote=OTHER, waiting=4)), "● 5 wait for 2 remotes"),
        ((standing(), standing(remote=OTHER, synced_at=None)), "● not synced yet"),
    ],
)
def test_how_remotes_stand_in_a_few_words(
    clock: Clock, stand: tuple[Standing, ...], words: str
) -> None:
    """What is wrong goes before what waits, and that before when it was synced last."""
    assert state(stand, Glyphs()) == words
    assert state(stand, ASCII).isascii()


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ((Synced("team"),), "Nothing new"),
        ((Synced("team", pushed=3, pulled=1, held=1),), "Pushed 3, fetched 1; 1 held"),
        (
            (Synced("team", deleted=2, conflicts=1),),
            "Deleted 2 there; 1 had changed on both sides: look into the Inbox",
        ),
        ((Synced("team", error=OFFLINE),), "Team cannot be reached: the connection was refused"),
        ((Synced("team", pushed=1, error="no"),), "Pushed 1; no"),
        ((Synced("a", pushed=1), Synced("b", error="no")), "a: Pushed 1\nb: No"),
        ((Synced("team", trashed=30),), "30 moved to the trash here"),
        ((Synced("team", pulled=2, trashed=1),), "Fetched 2, 1 moved to the trash here"),
    ],
)
def test_what_came_of_an_exchange(told: tuple[Synced, ...], words: str) -> None:
    """Only what there was is named, and what went wrong stands last."""
    assert outcome(told) == words


def test_what_is_told_of_a_remote(clock: Clock) -> None:
    """What went wrong and what comes next is first, then what it is and what it cannot do."""
    told = about(standing(error="no", retry_at=NOW + timedelta(minutes=5))).plain
    assert told.startswith("Not synced since 11:58: no\nTries again at 12:05.")
    assert "no key" in told
    assert "Does not try again" in about(standing(error="no")).plain
    told = about(standing(key="keyring")).plain
    assert told.startswith("Syncs by itself while the daemon runs.")
    assert "key in the keyring" in told
    assert "key in the store's folder, unencrypted" in about(standing(key="file")).plain
    told = about(Standing(OTHER, cannot=CANNOT, key="a safe")).plain
    assert told.startswith("Syncs only when it is told to: s does that.")
    assert "memoryos at https://mothership.example/mcp/" in told
    assert "Accepts work; its key: a safe." in told
    assert all(f"\n{each}\n" in told for each in CANNOT)


@pytest.mark.parametrize(
    ("stand", "words"),
    [
        ({}, "team  ● synced 2m ago"),
        ({"waiting": 1, "held": 2}, "team  ● synced 2m ago, 1 waits, 2 held"),
        ({"waiting": 3, "error": "no"}, "team  ▲ not synced since 11:58, 3 wait"),
    ],
)
def test_a_remote_in_a_line(clock: Clock, stand: dict[str, Any], words: str) -> None:
    """It tells when, how much waits, and how much is held."""
    assert row(standing(**stand), Glyphs()).plain == words


def test_a_payload_is_shown_exactly() -> None:
    """What cannot be printed is shown as JSON's own escape, so nothing is left out or acts."""
    told = {"text": ROUGH, "emoji": "\U0001f469\u200d\U0001f4bb \U000e0001"}
    text = json.dumps(told, ensure_ascii=False)
    shown = payload_shown(Parcel("i", PUT, "", text, len(text))).plain
    assert shown.isprintable()
    assert json.loads(shown) == told


def test_a_long_payload_is_cut_with_a_word() -> None:
    """How much is left out is told, and where it is whole."""
    shown = payload_shown(Parcel("i", PUT, "", "x" * (LONGEST + 1234), 0)).plain
    assert shown.endswith("1,234 more characters: y copies all.")


def test_the_lines_of_what_waits() -> None:
    """Each says what becomes of it, its size, and why it is held."""
    assert parcel_row(Parcel("i", PUT, "Tea", "{}", 2)).plain == "put         2 bytes  Tea"
    assert parcel_row(Parcel("i", DELETE, "", "{}", 2)).plain.endswith("(erased)")
    assert parcel_row(Parcel("i", PUT, "Tea", "", 0, "why")).plain.split() == ["held", "Tea", "why"]
    assert parcel_row(Parcel("key", "pull", "", "", 0, "no")).plain.startswith("not taken")


def test_a_secret_is_no_title() -> None:
    """What is held as it may hold a secret is not shown in clear, not in part either."""
    held = Parcel("i", PUT, "the token is ghp_0123", "", 0, SECRET_HELD)
    shown = parcel_row(held).plain
    assert "ghp_" not in shown
    assert "(hidden: may hold a secret)" in shown


# On the main screen


def test_nothing_is_synced_without_remotes(demo: Service) -> None:
    """The key says how to add one, and the top says that all stays here."""

    async def scene(person: Person) -> None:
        await person.press("s")
        assert person.toasts[-1] == "No remote yet: memdesk sync add NAME URL"
        assert top(person) == "● on this machine"
        await person.press("W")
        await person.shows("No remote yet: memdesk sync add NAME URL")
        assert person.footer.split() == ["esc", "Close"]

    with_person(demo, scene)


def test_sync_now(desk: Service, team: Team) -> None:
    """The key pushes on a thread, shows how far it is, and tells what came of it."""
    shared(desk, "The team meets on Mondays", "The team eats on Fridays")
    team.go_on = threading.Event()

    async def scene(person: Person) -> None:
        await person.until(lambda: top(person) == "● 2 wait for team")
        await person.pilot.press("s")
        await person.until(lambda: top(person) == "◌ syncing: 1 of 4")
        await person.pilot.press("j", "s")  # nothing waits for it, and there is one at a time
        await person.until(lambda: person.main.lines.highlighted == 1)
        assert team.go_on
        team.go_on.set()
        await person.until(lambda: "Pushed 2" in person.toasts)
        await person.until(lambda: top(person) == "● synced just now")
        assert team.asked == [("", True)]

    with_person(desk, scene)


def test_sync_that_fails(desk: Service, team: Team) -> None:
    """The reason is told once, stays at the top in a word, and is in the status whole."""
    team.error = OFFLINE

    async def scene(person: Person) -> None:
        await person.press("s")
        await person.until(lambda: top(person) == "▲ not synced yet")
        assert person.toasts == [outcome((Synced("team", error=OFFLINE),))]
        await person.press("i")
        await person.shows("team is not synced")

    with_person(desk, scene)


def test_the_top_follows_changes(desk: Service) -> None:
    """What another process marks for a remote is counted soon."""

    async def scene(person: Person) -> None:
        await person.until(lambda: top(person) == "● not synced yet")
        shared(desk, "The team meets on Mondays")
        await person.until(lambda: top(person) == "● 1 waits for team")

    with_person(desk, scene)


def test_remotes_that_cannot_be_read(desk: Service, team: Team) -> None:
    """Without them the desk works as without any; the key tells what is wrong."""
    team.failing = StoreError("remotes.json cannot be read")

    async def scene(person: Person) -> None:
        assert top(person) == "● on this machine"
        assert person.toasts == []
        await person.press("s")
        assert person.toasts == ["remotes.json cannot be read"]
        assert top(person) == "● on this machine"

    with_person(desk, scene)


def test_the_palette_has_sync(desk: Service) -> None:
    """Both the exchange and the screen are found there."""

    async def scene(person: Person) -> None:
        named = {command.title for command in person.main.commands()}
        assert {"Sync now", "Sync…"} <= named

    with_person(desk, scene)


def test_the_palette_finds_sync_by_what_it_does(desk: Service) -> None:
    """The word remote stands in no name, but in what the actions say they do."""

    async def scene(person: Person) -> None:
        await person.press("ctrl+p")
        await person.type("remote")
        await person.until(
            lambda: all(each in person.text for each in ("Sync now", "Sync…", "Share"))
        )
        assert "Copy as JSON" not in person.text

    with_person(desk, scene)


def test_share_with_the_one_remote(desk: Service) -> None:
    """One key lets a memory go there, and no longer; u takes it back."""

    async def scene(person: Person) -> None:
        (memory,) = person.main.chosen
        await person.until(lambda: person.main.standings)

        def audience() -> tuple[str, ...]:
            return desk.get([memory.id])[0].audience

        await person.press("S")
        assert audience() == ("team",)
        assert person.toasts[-1].startswith("It goes to team with the next exchange\n")
        await person.press("S")
        assert audience() == ()
        await person.press("u", "u")
        assert audience() == ()
        desk.revise(memory.id, Edit(audience=("old",)))
        await person.press("S")
        assert audience() == ("old", "team")

    with_person(desk, scene)


def test_share_with_names(desk: Service, team: Team) -> None:
    """Where there are several remotes or memories, names are asked for, and those there are completed."""
    team.known[OTHER.name] = OTHER

    async def scene(person: Person) -> None:
        await person.until(lambda: len(person.main.standings) == 2)
        (memory,) = person.main.chosen
        await person.press("S")
        assert "team  mothership" in person.text
        await person.type("moth")
        await person.press("tab", "enter")
        assert desk.get([memory.id])[0].audience == ("mothership",)
        assert not any("no remote" in toast for toast in person.toasts)
        await person.press("S", *"x", "enter")
        assert desk.get([memory.id])[0].audience == ("mothership",)
        wrong = "“mothershipx” is no remote; add it: memdesk sync add mothershipx URL"
        assert person.toasts[-1] == wrong
        assert wrong in str(person.app.screen.query_one("#about", Static).content)
        await person.press("backspace", *" team", "enter")  # the dialog is open still
        assert desk.get([memory.id])[0].audience == ("mothership", "team")
        assert person.app.screen is person.main

    with_person(desk, scene)


# What is taken out of a remote is deleted there

EVERYBODY = "team deletes it for everybody with the next exchange; press u to take that back"


def from_team(service: Service, text: str) -> str:
    """Have a memory that somebody else wrote come from the team; return its id."""
    (id,) = shared(service, "theirs", audience=())
    (like,) = service.get([id])
    told = replace(
        like,
        id=new_id(),
        text=text,
        content_hash=content_hash(text),
        source=Source("ana", "remote"),
        clock_ms=like.clock_ms + 1,
        device="another",
    )
    service.purge(service.forget([id]).done)
    (came,) = Border(service._core).absorb([Arrival(told)], "team", new_id())
    assert came.outcome == "stored"
    return told.id


def test_what_the_team_has_is_deleted_there(desk: Service, team: Team) -> None:
    """The toasts say what a remote does, and after u what is so again; of what never went, nothing."""

    async def scene(person: Person) -> None:
        (memory,) = person.main.chosen
        await person.until(lambda: person.main.standings)
        await person.press("S")
        await person.press("S")
        assert person.toasts[-1] == "It goes to team no longer\nPress u to undo."
        await person.press("u")
        assert person.toasts[-1] == "It goes to team again"
        await person.press("s")
        await person.until(lambda: ("team", memory.id) in team.has)
        await person.press("S")
        assert person.toasts[-1] == EVERYBODY
        await person.press("u")
        await person.press("u")
        assert person.toasts[-2:] == ["It goes to team again", "It goes to team no longer"]

    with_person(desk, scene)


def test_another_remote_that_cannot_delete(desk: Service, team: Team) -> None:
    """Of one that keeps what it was sent it is not said that it deletes, and nothing is asked."""
    team.known = {OTHER.name: OTHER}
    team.stands[OTHER.name] = {"cannot": CANNOT}

    async def scene(person: Person) -> None:
        await person.until(lambda: person.main.standings)
        await person.press("S")
        await person.press("s")
        await person.until(lambda: team.has)
        await person.press("S")
        assert person.toasts[-1].startswith(
            "It goes to mothership no longer; what was sent stays there\n"
        )

    with_person(desk, scene)


async def take_out(person: Person, key: str) -> None:
    """Take what is under the cursor out of the team, up to the question."""
    if key in "Sx":
        await person.press(key)
    elif key == "dialog":
        await person.press("S", "ctrl+u", "enter")
    else:
        await person.press("e")
        await person.until(lambda: person.app.screen.query("#line-audience"))
        person.app.screen.query_one("#line-audience").focus()
        await person.press("ctrl+u", "ctrl+s")
    await person.shows("Delete it at team for everybody?")
    assert "Somebody else wrote it. It stays here." in person.text


@pytest.mark.parametrize("key", ["S", "x", "dialog", "editor"])
def test_what_another_wrote_is_asked_about(desk: Service, team: Team, key: str) -> None:
    """Before it is deleted for everybody a person is asked; escape and enter keep it, wherever that is."""
    id = from_team(desk, "Ana likes tea")
    desk.revise(id, Edit(pinned=True))
    team.known[OTHER.name] = OTHER
    if key == "S":
        del team.known[OTHER.name]

    async def scene(person: Person) -> None:
        await person.go("pinned:")
        await person.until(lambda: person.lines == ["Ana likes tea"])
        await person.until(lambda: person.main.standings)
        if key == "x":
            screen = await open_screen(person)
            await person.until(lambda: screen.parcel)
        for safe in ("escape", "enter"):
            await take_out(person, key)
            await person.press(safe)
            assert desk.get([id])[0].audience == ("team",)
            if key == "editor":
                await person.shows("nothing is saved yet")
                await person.press("escape")
                await person.press("d")
                await person.until(lambda: person.app.screen is person.main)
        team.has.add(("team", id))
        if key == "x":
            team.has.clear()
        await take_out(person, key)
        await person.press("y")
        await person.until(lambda: desk.get([id])[0].audience == ())
        await person.settle()
        if key in ("S", "dialog"):
            assert person.toasts[-1] == EVERYBODY

    with_person(desk, scene)


def test_several_are_taken_out_at_once(desk: Service, team: Team) -> None:
    """How many others' memories that deletes is asked, and u brings all of them back."""
    ids = [from_team(desk, "Ana likes tea"), from_team(desk, "Ben likes coffee")]
    team.has |= {("team", id) for id in ids}

    async def scene(person: Person) -> None:
        await person.look_for("likes")
        await person.until(lambda: len(person.lines) >= 2)
        await person.press("down", "g")
        person.main.lines.mark([row for row in person.main.lines.rows if row in ids])
        await person.press("S", "ctrl+u", "enter")
        await person.shows("Delete 2 memories at team for everybody?")
        await person.press("y")
        await person.until(lambda: all(each.audience == () for each in desk.get(ids)))
        await person.settle()
        assert person.toasts[-1] == EVERYBODY.replace(" it ", " them ")
        await person.press("u")
        assert person.toasts[-1] == "They go to team again"
        assert all(each.audience == ("team",) for each in desk.get(ids))

    with_person(desk, scene)


def test_names_before_there_is_a_remote(desk: Service, team: Team) -> None:
    """Without any remote nothing can be mistaken: the name is kept, and told."""
    team.known.clear()

    async def scene(person: Person) -> None:
        (memory,) = person.main.chosen
        await person.press("S", *"team", "enter")
        await person.until(lambda: desk.get([memory.id])[0].audience == ("team",))
        await person.until(lambda: any("“team” is no remote" in each for each in person.toasts))

    with_person(desk, scene)


def test_a_new_memory_for_no_remote(desk: Service) -> None:
    """What is written for a name that is none is kept, and the name is told."""

    async def scene(person: Person) -> None:
        await person.press("n")
        await person.press(*"Tea", "tab", "tab", "tab", "tab")
        await person.press(*"taem", "ctrl+s")
        await person.until(lambda: "Tea" in person.lines)
        await person.until(lambda: any("“taem” is no remote" in each for each in person.toasts))

    with_person(desk, scene)


# The sync screen


async def open_screen(person: Person) -> SyncScreen:
    """Open it, and wait until it shows what there is."""
    await person.press("W")
    screen = person.app.screen
    assert isinstance(screen, SyncScreen)
    await person.until(lambda: screen._asked)
    await person.settle()
    return screen


@SIZES
def test_the_sync_screen(desk: Service, team: Team, size: tuple[int, int]) -> None:
    """It shows the remotes, what waits for the chosen one, and exactly what leaves."""
    team.known[OTHER.name] = OTHER
    team.stands = {
        "team": {
            "error": OFFLINE,
            "synced_at": NOW - timedelta(hours=3),
            "retry_at": NOW + timedelta(minutes=5),
        },
        "mothership": {"synced_at": NOW - timedelta(minutes=2), "cannot": CANNOT},
    }
    team.held["team"] = Parcel("i", PUT, "Staging: [b]token", "", 0, SECRET_HELD)
    ids = shared(desk, "The team meets on Mondays", "The team eats on Fridays")
    desk.forget([ids[1]])

    def fixed(parcel: Parcel) -> Parcel:  # ids and clocks are others in each run
        told = json.loads(parcel.payload or "{}")
        told = told and told | {"id": "5e0e6d0c", "clock": [1, 0, "d"]}
        return replace(parcel, payload=json.dumps(told) if told else "", size=300 if told else 0)

    waiting = team._waiting
    team._waiting = lambda *given: list(map(fixed, waiting(*given)))  # type: ignore[method-assign]

    async def scene(person: Person) -> None:
        screen = await open_screen(person)
        person.golden("sync")
        assert screen.query_one(Footer).virtual_size.width <= size[0]
        await person.press("j")
        await person.until(lambda: screen.remote == "mothership" and screen._outbox is not None)
        await person.shows("Nothing waits for mothership.")
        assert "Nothing can be fetched from it." in " ".join(person.text.split())
        assert "What waits for mothership" in person.text

    with_person(desk, scene, size)


def test_all_that_is_told_of_a_remote_can_be_read(desk: Service, team: Team) -> None:
    """In a small window it is scrolled with the keys that scroll what leaves, on the remotes."""
    team.known[OTHER.name] = OTHER
    cannot = tuple(f"It cannot do {n}." for n in range(7))
    team.stands["team"] = {"cannot": cannot}
    shared(desk, *(f"The team meets {'often ' * 200}{n}" for n in range(2)))

    async def scene(person: Person) -> None:
        screen = await open_screen(person)
        await person.shows(cannot[0])
        assert "key in the keyring" not in person.text
        await person.press("J", "J", "J", "J")
        assert "key in the keyring" in person.text
        screen._look()
        await person.settle()
        assert "key in the keyring" in person.text
        await person.press("K", "K", "K", "K", "enter", "J")
        assert cannot[0] in person.text
        assert '{"id"' not in person.text

    with_person(desk, scene)


def test_the_payload_is_what_leaves(desk: Service) -> None:
    """It is that of the memory under the cursor, and can be copied whole."""
    ids = shared(desk, "The team meets on Mondays", "The team eats on Fridays")

    async def scene(person: Person) -> None:
        screen = await open_screen(person)
        assert screen.focused is screen._list  # with one remote there is nothing to choose first
        assert screen.parcel
        assert screen.parcel.id == ids[0]
        assert '"text": "The team meets on Mondays"' in " ".join(person.text.split())
        await person.press("j")
        assert "The team eats on Fridays" in screen.parcel.payload
        await person.press("y")
        assert person.app.clipboard == screen.parcel.payload
        assert json.loads(person.app.clipboard)["id"] == ids[1]

    with_person(desk, scene, WIDE)


def test_sync_on_its_screen(desk: Service, team: Team) -> None:
    """The keys: s exchanges with the chosen remote, p only pushes; what has gone is no longer listed."""
    team.known[OTHER.name] = OTHER
    shared(desk, "The team meets on Mondays")
    shared(desk, "Ships sail", audience=("mothership",))

    async def scene(person: Person) -> None:
        screen = await open_screen(person)
        await person.press("j")
        await person.until(lambda: screen._outbox and screen._outbox.remote == "mothership")
        await person.press("s")
        await person.shows("Nothing waits for mothership.")
        await person.press("k")
        await person.until(lambda: screen.parcel)
        await person.press("p")
        await person.shows("Nothing waits for team.")
        assert team.asked == [("mothership", True), ("team", False)]
        await person.press("escape")
        assert top(person) == "● synced just now"

    with_person(desk, scene)


def test_unshare_on_the_sync_screen(desk: Service) -> None:
    """The chosen memory stays here and waits no longer; u takes that back there, too."""
    ids = shared(desk, "The team meets on Mondays", "The team eats on Fridays")

    async def scene(person: Person) -> None:
        screen = await open_screen(person)
        assert "Undo" not in person.footer
        await person.press("j", "x")
        await person.until(lambda: len(screen._outbox.parcels) == 1)  # type: ignore[union-attr]
        assert desk.get([ids[1]])[0].audience == ()
        await person.settle()
        assert "u Undo" in person.footer
        await person.press("u")
        await person.until(lambda: len(screen._outbox.parcels) == 2)  # type: ignore[union-attr]
        assert desk.get([ids[1]])[0].audience == ("team",)

    with_person(desk, scene)


def test_what_is_held_is_tried_again(desk: Service, team: Team) -> None:
    """The key r lets it go with the next exchange; it is offered only where something is held."""
    (id,) = shared(desk, "The team meets on Mondays")
    team.held["team"] = Parcel(id, PUT, "Monday", "", 0, "too large for it")
    team.has.add(("team", id))

    async def scene(person: Person) -> None:
        await open_screen(person)
        assert "Held: too large for it" in person.text
        assert "r Retry held" in person.footer
        await person.press("r")
        await person.shows("Nothing waits for team.")
        assert team.retried == ["team"]
        assert any("1 memory will be tried again" in toast for toast in person.toasts)
        assert "Retry" not in person.footer

    with_person(desk, scene)


def test_enter_opens_the_memory(desk: Service) -> None:
    """It is shown on the main screen, and escape leads back to all."""
    shared(desk, "The team meets on Mondays", "The team eats on Fridays")

    async def scene(person: Person) -> None:
        await open_screen(person)
        await person.press("j", "enter")
        await person.until(lambda: person.lines == ["The team eats on Fridays"])
        assert person.title == "What waits for a remote"
        await person.press("escape")
        assert len(person.lines) == 14

    with_person(desk, scene)


def test_more_of_a_long_outbox(desk: Service) -> None:
    """A hundred are shown at first, the rest once the cursor is on the last of them."""
    desk.remember_many([Draft(f"number {n}", audience=("team",)) for n in range(130)])

    async def scene(person: Person) -> None:
        screen = await open_screen(person)
        assert "1 of 130" in person.text
        assert screen._list.option_count == 100
        screen._list.highlighted = 99
        await person.until(lambda: screen._list.option_count == 130)
        assert screen._list.highlighted == 99

    with_person(desk, scene)


def test_the_sync_screen_follows(desk: Service, team: Team) -> None:
    """What comes meanwhile is shown at the next look, with the cursor on its memory; a remote may go."""
    ids = shared(desk, "The team meets on Mondays", "The team eats on Fridays")

    async def scene(person: Person) -> None:
        screen = await open_screen(person)
        await person.press("j")
        team.has.add(("team", ids[0]))
        shared(desk, "The team sings")
        screen._look()
        await person.until(lambda: "1 of 2" in person.text)
        assert screen.parcel
        assert screen.parcel.id == ids[1]
        team.known.clear()
        screen._look()
        await person.shows("No remote yet")
        assert screen.parcel is None
        team.failing = StoreError("remotes.json cannot be read")
        screen._look()
        await person.shows("remotes.json cannot be read")
        await person.press("W")
        assert person.app.screen is person.main

    with_person(desk, scene)


@SIZES
def test_hostile_remotes(desk: Service, team: Team, size: tuple[int, int]) -> None:
    """Whatever a remote or a memory is called, it is only text, at every place."""
    rough = Remote(ROUGH, ROUGH, ROUGH, spaces=(ROUGH,))
    team.known = {ROUGH: rough}
    team.stands[ROUGH] = {"error": ROUGH, "cannot": (ROUGH,), "key": ROUGH, "waiting": 1}
    team.held[ROUGH] = Parcel(ROUGH, ROUGH, ROUGH, ROUGH, 9, ROUGH)
    team.error = ROUGH

    async def scene(person: Person) -> None:
        def check() -> None:
            text = person.text.replace("\n", "").replace("\u200c", "").replace("\u200d", "")
            assert text.isprintable()
            assert person.app.is_running
            assert not person.app._exit

        screen = await open_screen(person)
        assert screen._list.option_count == 1
        check()
        await person.press("enter", "J", "s")
        check()
        await person.press("escape", "s")
        check()

    with_person(desk, scene, size)


def _has_rows(person: Person, rows: int) -> bool:
    return len(person.text.splitlines()) == rows


def test_sizes_of_the_sync_screen(desk: Service) -> None:
    """It works in any window."""
    shared(desk, "The team meets on Mondays")

    async def scene(person: Person) -> None:
        await open_screen(person)
        for width, height in [(40, 12), (10, 4), (1, 1), (200, 60), (120, 3), NARROW]:
            await person.pilot.resize_terminal(width, height)
            await person.until(partial(_has_rows, person, height))
        await person.press("j")
        assert "The team meets on Mondays" in person.text

    with_person(desk, scene)


# The status, and the Inbox


def test_a_bug_report_names_no_remote() -> None:
    """The status shows why sync fails; what is copied of it does not."""
    from dialog_bench import status

    told = status(sync=f"team is not synced since 2h: {OFFLINE}")
    assert dict(lines(told))["Sync"].endswith(OFFLINE)
    assert "team" not in as_text(told)
    assert "Sync:         synced 2m ago\n" in as_text(status(sync="synced 2m ago"))
    assert "Sync:         not set up\n" in as_text(status())


def conflict(desk: Service) -> tuple[str, Memory]:
    """Have a memory changed here and at the team, there later; return its id, and mine."""
    (id,) = shared(desk, "The team meets on Mondays")
    (first,) = desk.get([id])
    mine = desk.revise(id, Edit(text="The team meets on Tuesdays"))
    theirs = replace(
        mine,
        text="The team meets on Fridays",
        content_hash=content_hash("The team meets on Fridays"),
    )
    theirs = replace(theirs, clock_ms=mine.clock_ms + 1000, device="another")
    base = Base(clock_of(first), digest(first))
    told = Border(desk._core).absorb([Arrival(theirs, base)], "team", new_id())
    assert told[0].conflict
    return id, mine


def test_a_conflict_in_the_inbox(desk: Service) -> None:
    """It tells that both sides had changed, and h leads to the text that lost; a settles it."""
    id, mine = conflict(desk)

    async def scene(person: Person) -> None:
        await person.go("inbox:")
        assert person.lines == ["The team meets on Fridays"]
        assert "conflict: The team meets" in person.text
        await person.shows("Conflict: had changed here and elsewhere")
        shown = str(person.main.pane.query_one("#why", Static).content)
        assert "a all right · h the other one, in its history · e edit · d to trash" in shown
        assert "h Other text" in person.footer
        await person.press("h")
        assert "sync:team" in person.text
        await person.press("j")
        await person.shows("+ The team meets on Tuesdays")
        await person.press("enter")
        await person.until(lambda: desk.get([id])[0].text == mine.text)
        await person.settle()
        await person.press("a")
        await person.until(lambda: person.lines == [])

    with_person(desk, scene, WIDE)


def test_a_conflict_in_a_small_window(desk: Service) -> None:
    """Why it is there and its keys come first, so nothing has to be scrolled to."""
    conflict(desk)

    async def scene(person: Person) -> None:
        await person.go("inbox:")
        await person.shows("Conflict: had changed here and elsewhere")
        assert "h the other one, in its history" in " ".join(person.text.split())
        assert "h Other text" in person.footer
        await person.press("f", "home", "enter")
        await person.settle()
        assert "Other text" not in person.footer
        assert person.main.pane.children[-1].id == "why"

    with_person(desk, scene)


@pytest.mark.parametrize(("year", "offset"), [(1, 600), (1, -600), (9999, 600), (9999, -600)])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
def test_times_at_the_ends_of_the_calendar(
    desk: Service, monkeypatch: pytest.MonkeyPatch, year: int, offset: int, zone: str
) -> None:
    """A memory from a remote may have any time; it is shown and can be edited."""
    at = (
        datetime(year, 1, 1, tzinfo=UTC)
        if year == 1
        else datetime(year, 12, 31, 23, 59, tzinfo=UTC)
    )
    id = from_team(desk, "As old as time")
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    (memory,) = desk.get([id])
    told = replace(memory, created_at=at, happened_at=at, expires_at=at, updated_at=at)
    for precision in ("day", "second"):
        shown = facts(replace(told, happened_precision=precision, utc_offset_min=offset))
        assert "written " in shown.plain
    assert Written.of(told).expires
    assert place_line(told)
