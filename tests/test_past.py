"""Recall as of a moment: what stood then, with the text it had; and what ordinary recall never shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cli_runner import Cli
from fakes import FakeEmbedder
from served import direct_only

from memdesk.errors import Invalid
from memdesk.memory import Draft, Edit, Filter
from memdesk.store import schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from memdesk.service import Service


class Clock:
    """The clock of everything that is written; reads go by the real one, which is years later."""

    def __init__(self) -> None:
        self.at = datetime(2020, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the moment it is."""
        return self.at

    def pass_day(self) -> datetime:
        """Let a day go by; return the moment in the middle of it."""
        self.at += timedelta(days=1)
        return self.at - timedelta(hours=12)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Everything is written in 2020, a day apart; any answer will do, however uncertain."""
    clock = Clock()
    monkeypatch.setattr("memdesk.service.recalling.FLOOR", 0.0)
    for module in ("core", "writing", "loading"):
        monkeypatch.setattr(f"memdesk.service.{module}.now", clock, raising=False)
    return clock


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return a person at an empty desk."""
    monkeypatch.setenv("MEMDESK_HOME", str(tmp_path / "desk"))
    return Cli(tmp_path / "desk", FakeEmbedder())


def then(desk: Service, query: str, at: datetime | None, **more: object) -> list[str]:
    """Return the texts that a recall finds as of a moment, best first."""
    return [hit.memory.text for hit in desk.recall(query, as_of=at, **more).hits]  # type: ignore[arg-type]


def test_what_was_forgotten_since_is_found_then(desk: Service, clock: Clock) -> None:
    """The trash of today was live yesterday."""
    id = desk.remember(Draft("the key is under the mat")).id
    before = clock.pass_day()
    desk.forget([id])
    after = clock.pass_day()
    assert then(desk, "where is the key", before) == ["the key is under the mat"]
    assert then(desk, "where is the key", after) == []
    assert then(desk, "where is the key", None) == []


def test_what_was_replaced_since_is_found_then(desk: Service, clock: Clock) -> None:
    """Before it was replaced the old one held, after that the new one alone."""
    old = desk.remember(Draft("Ana lives in Porto")).id
    before = clock.pass_day()
    desk.remember(Draft("Ana lives in Lyon", replaces=old))
    after = clock.pass_day()
    assert then(desk, "where does Ana live", before) == ["Ana lives in Porto"]
    assert then(desk, "where does Ana live", after) == ["Ana lives in Lyon"]
    assert then(desk, "where does Ana live", None) == ["Ana lives in Lyon"]


def test_what_was_remembered_later_was_not_known(desk: Service, clock: Clock) -> None:
    """The past holds nothing of the future, even where later memories fill every search."""
    first = clock.pass_day()
    desk.remember(Draft("a bicycle named Rocinante"))
    second = clock.pass_day()
    desk.remember_many([Draft(f"bicycle bicycle {n}") for n in range(160)])
    clock.pass_day()
    assert then(desk, "bicycle", first) == []
    assert then(desk, "bicycle", second) == ["a bicycle named Rocinante"]


def test_what_was_revised_since_has_its_earlier_text(desk: Service, clock: Clock) -> None:
    """An earlier text is found by its own words and meaning, and shown."""
    id = desk.remember(Draft("the meeting is on Tuesday in the blue room")).id
    before = clock.pass_day()
    desk.revise(id, Edit(text="the meeting is cancelled"))
    clock.pass_day()
    (hit,) = desk.recall("blue room", as_of=before).hits
    assert (hit.memory.id, hit.memory.text) == (id, "the meeting is on Tuesday in the blue room")
    assert hit.passage == hit.memory.text
    assert hit.cosine is not None
    assert hit.cosine > 0.3
    assert then(desk, "meeting", None) == ["the meeting is cancelled"]


def test_what_was_purged_since_never_comes_back(desk: Service, clock: Clock) -> None:
    """Erased text is in no past."""
    id = desk.remember(Draft("a secret about the garden")).id
    desk.revise(id, Edit(text="another secret about the garden"))
    before = clock.pass_day()
    desk.forget([id])
    clock.pass_day()
    desk.purge([id])
    assert then(desk, "secret garden", before) == []
    assert then(desk, "secret garden", clock.pass_day()) == []


def test_what_was_away_then_stays_away(desk: Service, clock: Clock) -> None:
    """What lay in the trash then and was restored since did not count then."""
    id = desk.remember(Draft("the spare tyre is in the cellar")).id
    desk.forget([id])
    before = clock.pass_day()
    desk.restore([id])
    assert then(desk, "tyre", before) == []
    assert then(desk, "tyre", None) == ["the spare tyre is in the cellar"]


def test_what_had_expired_by_then_is_left_out(desk: Service, clock: Clock) -> None:
    """Expiry is judged at that moment, unless expired memories are asked for."""
    desk.remember(Draft("parking in zone B", expires_at="2020-03-01T00:00Z"))
    clock.pass_day()
    early, late = datetime(2020, 2, 1, tzinfo=UTC), datetime(2020, 4, 1, tzinfo=UTC)
    assert then(desk, "parking", early) == ["parking in zone B"]
    assert then(desk, "parking", late) == []
    assert then(desk, "parking", late, where=Filter(expired=True)) == ["parking in zone B"]


def test_an_expired_memory_never_surfaces(desk: Service) -> None:
    """What was live when it was saved and still is so in name is not recalled once its time is over."""
    id = desk.remember(Draft("the tickets are valid", expires_at="2021-01-01T00:00Z")).id
    assert desk.get([id])[0].state == "live"
    assert then(desk, "tickets valid", None) == []
    assert then(desk, "tickets valid", None, where=Filter(spaces=("personal",))) == []
    assert desk.list().memories == ()
    assert desk.profile().memories == ()


def test_superseded_and_trashed_memories_never_surface(desk: Service) -> None:
    """Neither a better match by words nor an exact one brings them back."""
    old = desk.remember(Draft("the wifi password note is on the fridge")).id
    gone = desk.remember(Draft("the wifi password note is in the drawer")).id
    new = desk.remember(Draft("router: see the binder (wifi)", replaces=old)).id
    desk.forget([gone])
    for query in ("wifi", "the wifi password note is on the fridge", "password note drawer"):
        assert {hit.memory.id for hit in desk.recall(query, limit=50).hits} <= {new}


def test_filters_mean_what_was_so_then(desk: Service, clock: Clock) -> None:
    """A tag taken away since still narrows the past, and one given since does not."""
    id = desk.remember(Draft("paint the fence", tags=("house",), kind="task")).id
    before = clock.pass_day()
    desk.revise(id, Edit(tags=("garden",)))
    assert then(desk, "fence", before, where=Filter(tags=("house",))) == ["paint the fence"]
    assert then(desk, "fence", before, where=Filter(tags=("garden",))) == []
    assert then(desk, "fence", before, where=Filter(kinds=("note",))) == []
    assert then(desk, "fence", before, where=Filter(since=clock.at)) == []


def test_every_moment_is_as_it_was_listed(desk: Service, clock: Clock) -> None:
    """After any changes, each moment in between shows exactly what was listed then."""
    listed: dict[datetime, set[tuple[str, str]]] = {}

    def mark() -> None:
        at = clock.pass_day()
        listed[at] = {(each.id, each.text) for each in desk.list(limit=100).memories}

    ids = [desk.remember(Draft(f"apple number {n}")).id for n in range(3)]
    mark()
    desk.revise(ids[0], Edit(text="apple zero"))
    mark()
    desk.forget([ids[1]])
    mark()
    new = desk.remember(Draft("apple two and a half", replaces=ids[2])).id
    mark()
    desk.revise(ids[0], Edit(text="apple zero again", tags=("fruit",)))
    desk.restore([ids[1]])
    mark()
    desk.undo()
    mark()
    desk.forget([new, ids[0]])
    mark()
    for at, expected in listed.items():
        found = desk.recall("apple", as_of=at, limit=50).hits
        assert {(hit.memory.id, hit.memory.text) for hit in found} == expected
        assert len(found) == len(expected)


@direct_only
def test_a_copy_of_the_present_revision_is_no_earlier_one(desk: Service, clock: Clock) -> None:
    """What a crash between history and memory leaves is seen once."""
    id = desk.remember(Draft("one pear")).id
    at = clock.pass_day()
    store = desk._core.store()
    with desk._core.locked():
        store.history.add(schema.history_rows(desk.get([id]), clock.at))
    assert then(desk, "pear", at) == ["one pear"]


def test_long_earlier_texts_are_found_by_their_passages(desk: Service, clock: Clock) -> None:
    """The passage that answers is shown, with its place in the text of then."""
    words = " ".join(f"Sentence {n} is about nothing at all." for n in range(80))
    text = f"{words} The treasure lies in Lisbon. {words}"
    id = desk.remember(Draft(text)).id
    before = clock.pass_day()
    desk.revise(id, Edit(text="moved"))
    (hit,) = desk.recall("treasure in Lisbon", as_of=before).hits
    assert "treasure" in hit.passage
    assert text[slice(*hit.span)] == hit.passage
    assert len(hit.passage) < 1200


def test_the_past_keeps_limit_and_budget(desk: Service, clock: Clock) -> None:
    """As of a moment the best come first, so many and for so many tokens as asked."""
    ids = [desk.remember(Draft(f"apple {'pear ' * 20}{n}")).id for n in range(6)]
    best = desk.remember(Draft("apple")).id
    before = clock.pass_day()
    desk.forget([*ids, best])
    found = desk.recall("apple", as_of=before, limit=4).hits
    assert (found[0].memory.id, len(found)) == (best, 4)
    assert len(desk.recall("apple", as_of=before, limit=10, max_tokens=45).hits) == 2


def test_the_past_works_by_words_alone(open_desk: Callable[..., Service], clock: Clock) -> None:
    """Without the model earlier texts are found by their words, and the answer says so."""
    desk = open_desk(embedder=FakeEmbedder(broken="no model here"))
    id = desk.remember(Draft("blue door")).id
    before = clock.pass_day()
    desk.revise(id, Edit(text="red door"))
    found = desk.recall("blue", as_of=before)
    assert [hit.memory.text for hit in found.hits] == ["blue door"]
    assert found.hits[0].cosine is None
    assert found.degraded


def test_a_moment_needs_its_zone(desk: Service) -> None:
    """A moment that might be anywhere is refused by name, and so is an empty question."""
    with pytest.raises(Invalid, match=r"^as_of: "):
        desk.recall("x", as_of=datetime(2020, 1, 1))  # noqa: DTZ001 (that is the mistake)
    with pytest.raises(Invalid, match=r"^query: "):
        desk.recall(" ", as_of=datetime(2020, 1, 1, tzinfo=UTC))


def test_the_command_looks_back(cli: Cli, clock: Clock) -> None:
    """`search --as-of` takes a date or words, and means the end of that time."""
    id = cli.add("the boat is blue")
    clock.at = datetime(2021, 6, 15, tzinfo=UTC)
    cli.ok("revise", id, "the boat is green")
    assert "blue" in cli.ok("search", "boat", "--as-of", "2020").out
    assert "blue" in cli.ok("search", "boat", "--as-of", "May 2021").out
    assert "green" in cli.ok("search", "boat", "--as-of", "2021-06").out
    assert "green" in cli.ok("search", "boat", "--as-of", "yesterday").out
    assert cli.ok("search", "boat", "--as-of", "2019").out == ""
    done = cli("search", "boat", "--as-of", "whenever")
    assert (done.code, "as_of" in done.err) == (2, True)


def test_lists_and_searches_take_words_for_times(cli: Cli, clock: Clock) -> None:
    """`--since` and `--until` know what last week is."""
    clock.at = datetime.now(UTC) - timedelta(days=2)
    cli.add("a fresh apple")
    for command in (("search", "apple"), ("list",)):
        assert "fresh" in cli.ok(*command, "--since", "3 days ago").out
        assert "fresh" in cli.ok(*command, "--since", "the last 3 days", "--until", "today").out
        assert cli.ok(*command, "--since", "yesterday").out == ""
        assert cli.ok(*command, "--until", "a week ago").out == ""
