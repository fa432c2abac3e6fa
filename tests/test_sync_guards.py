"""What hostile records, answers and clocks can do here: nothing that outlasts their refusal."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from mcp_fake import memory
from scripted import Asked, Reply, scripted
from synced import Sharer, sharer

from memdesk.answers import Whole
from memdesk.clock import SKEW_MS
from memdesk.errors import Invalid
from memdesk.memory import Draft, Edit, Source, content_hash, now
from memdesk.remotes import MEMORY_SERVICE
from memdesk.service import drafting
from memdesk.service.soundness import checked, checked_whole
from memdesk.sync import memory_service_note as notes
from memdesk.sync.http import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from memdesk.memory import Memory

TOKEN = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
OTHER = "ghp_" + "Z9b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Sharer]:
    """Return a desk that has no remote yet."""
    with sharer(tmp_path / "store") as one:
        yield one


# Moments


def came(**fields: Any) -> Memory:
    """Return a memory as a record of a remote tells it."""
    at = datetime(2026, 5, 8, tzinfo=UTC)
    told: dict[str, Any] = {"created_at": at, "updated_at": at, "device": "d"}
    told["content_hash"] = content_hash("words")
    return replace(memory("words"), **(told | fields))


@pytest.mark.parametrize("field", ["happened_at", "created_at", "updated_at", "expires_at"])
@pytest.mark.parametrize("at", [FIRST, FIRST + timedelta(days=1), LAST, LAST - timedelta(days=1)])
def test_a_moment_that_no_clock_can_show_is_not_taken_in(field: str, at: datetime) -> None:
    """Reading it would fail in some time zone, and with it the whole answer that it is in."""
    checked(came())
    with pytest.raises(Invalid) as caught:
        checked(came(**{field: at}))
    assert caught.value.field == field


def test_what_comes_from_a_remote_was_not_written_in_the_future() -> None:
    """But for the minutes that two clocks may differ; a person's own export tells what it tells."""
    skew = timedelta(milliseconds=SKEW_MS)
    checked(came(created_at=now() + skew / 2))
    late = came(created_at=now() + 2 * skew)
    with pytest.raises(Invalid, match="created_at: is in the future"):
        checked(late)
    assert checked_whole(Whole(late, ())).memory.created_at == late.created_at


@pytest.mark.parametrize("offset", [-1440, 1440])
def test_an_offset_of_a_day_is_none(offset: int) -> None:
    """No time zone is that far from Greenwich, and no library can show such a one."""
    checked(came(utc_offset_min=offset + (1 if offset < 0 else -1)))
    with pytest.raises(Invalid) as caught:
        checked(came(utc_offset_min=offset))
    assert caught.value.field == "utc_offset_min"


def test_what_never_expires_can_be_shared(desk: Sharer) -> None:
    """The last year there is stands for never, and every desk takes it."""
    id = desk.share("for ever", expires_at="9999")
    mine = desk.get(id)
    assert mine.expires_at
    assert mine.expires_at.year == 9999
    checked(mine)


# Secrets


def settled(desk: Sharer, text: str) -> str:
    """Share something that looks like a secret, and settle it; return its id."""
    id = desk.share(text)
    assert drafting.SECRET in desk.get(id).flags
    desk.service.review(tuple(each.key for each in desk.service.inbox().concerns))
    assert desk.get(id).reviewed == drafting.SECRET
    return id


@pytest.mark.parametrize(
    "edit",
    [
        Edit(metadata=json.dumps({"token": OTHER})),
        Edit(add_tags=(OTHER,)),
        Edit(ref=f"https://example.org/{OTHER}"),
        Edit(space=OTHER),
    ],
    ids=["metadata", "tags", "ref", "space"],
)
def test_a_secret_that_was_settled_lets_no_other_one_pass(desk: Sharer, edit: Edit) -> None:
    """One that comes to stand beside the text later has not been seen by the person."""
    id = settled(desk, f"the docs have an example {TOKEN}")
    desk.service.revise(id, edit)
    after = desk.get(id)
    assert (drafting.SECRET in after.flags, after.reviewed) == (True, None)


def test_a_secret_that_was_settled_stays_so(desk: Sharer) -> None:
    """Whatever else changes beside the text, and where it comes to stand there too."""
    id = settled(desk, f"the docs have an example {TOKEN}")
    for edit in (Edit(add_tags=("x",)), Edit(metadata=json.dumps({"a": TOKEN}))):
        desk.service.revise(id, edit)
        assert desk.get(id).reviewed == drafting.SECRET


@pytest.mark.parametrize("more", [{"source": Source(OTHER, "agent")}, {"space": OTHER}])
def test_a_secret_is_found_wherever_it_leaves_from(desk: Sharer, more: dict[str, Any]) -> None:
    """A source's name and a space are told to remotes too."""
    assert drafting.SECRET in desk.get(desk.share("plain words", **more)).flags


# What is mine, and what the team's


def theirs(desk: Sharer, text: str) -> str:
    """Put a memory into the store as one that came from a remote; return its id."""
    return desk.share(text, source=Source("codex", "remote"))


def test_what_a_person_remembers_is_not_the_teams(desk: Sharer) -> None:
    """The team may delete its own; a second one of the person's own is still a duplicate."""
    other = theirs(desk, "we deploy on Tuesdays")
    mine = desk.service.remember(Draft("we deploy on Tuesdays"))
    assert (mine.outcome, mine.id == other) == ("stored", False)
    again = desk.service.remember(Draft("we deploy on Tuesdays"))
    assert (again.outcome, again.id) == ("duplicate", mine.id)


def test_what_the_team_has_deleted_is_not_brought_back(desk: Sharer) -> None:
    """Remembering the same words does not restore a memory of somebody else's."""
    other = theirs(desk, "we deploy on Tuesdays")
    desk.service.forget([other])
    assert desk.service.remember(Draft("we deploy on Tuesdays")).outcome == "stored"
    assert desk.get(other).state == "trashed"


# mcp-memory-service


def event(text: str, op: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Return an event of its log."""
    ms, ref = int(time.time() * 1000), notes.name_of(text)
    told = {"schema_version": 1, "event_id": text, "agent_id": "evil", "op": op}
    clock = {"hlc_physical": ms, "hlc_logical": 0}
    return told | clock | {"content_hash": ref, "payload": {"content_hash": ref} | payload}


def telling(events: list[dict[str, Any]]) -> Callable[[Asked], Reply]:
    """Answer as a server whose log has these events, and that has no memories."""

    def answer(asked: Asked) -> Reply:
        path, _, query = asked.path.partition("?")
        if path == "/api/sync/events":
            since = int(query.partition("since_seq=")[2].partition("&")[0])
            told = events[since:]
            return Reply({"events": told, "next_seq": since + len(told), "has_more": False})
        if path == "/api/memories":
            return Reply({"memories": [], "total": len(events), "has_more": False})
        if path == "/api/memories/hashes":
            return Reply({"hashes": [], "next_cursor": None})
        return Reply({}, 404)

    return answer


@pytest.mark.parametrize("wrong", [[1], "x", 7])
def test_metadata_that_are_none_are_held(desk: Sharer, wrong: object) -> None:
    """A record with a list or a text for them is told as one that cannot be taken in."""
    text = "foreign words"
    record = {"metadata": wrong, "created_at": "2026-01-01T00:00:00+00:00", "clock": [1, 0, "x"]}
    metadata = {notes.ID: notes.foreign_id(notes.name_of(text)), notes.RECORD: record}
    events = [event(text, "create", {"content": text, "metadata": metadata})]
    with scripted(telling(events)) as server:
        desk.add(server.url, kind=MEMORY_SERVICE)
        told = desk.go()
    assert (told.error, told.pulled, told.held) == ("", 0, 1)


def test_a_server_cannot_guess_private_words(desk: Sharer) -> None:
    """What it is asked for is the same, whether a memory here says the words it guesses or others."""
    private = desk.service.remember(Draft("my PIN is 4711")).id
    updates = {"metadata": {notes.ID: private, notes.RECORD: {"clock": [1, 0, "x"]}}}
    guesses = [f"my PIN is {each}" for each in (4710, 4711, 4712)]
    events = [event(each, "update_metadata", {"updates": updates}) for each in guesses]
    with scripted(telling(events)) as server:
        desk.add(server.url, kind=MEMORY_SERVICE)
        desk.go()
    asked = [each.path for each in server.asked]
    assert [any(notes.name_of(each) in path for path in asked) for each in guesses] == [True] * 3


def listing(texts: list[str], most: int) -> Callable[[Asked], Reply]:
    """Answer as a server without a log; a page of more than `most` memories is larger than is read."""

    def answer(asked: Asked) -> Reply:
        path, _, query = asked.path.partition("?")
        if path != "/api/memories":
            return Reply({}, 404)
        page, size = (int(parse_qs(query)[name][0]) for name in ("page", "page_size"))
        some = texts[(page - 1) * size : page * size]
        told = [{"content_hash": notes.name_of(each), "content": each} for each in some]
        more = page * size < len(texts)
        fill = "x" * (MOST_BYTES + 1) if len(some) > most else ""
        return Reply({"memories": told, "total": len(texts), "has_more": more, "fill": fill})

    return answer


def test_a_page_that_is_too_long_is_asked_for_in_parts(desk: Sharer) -> None:
    """However long the memories of a server are, all of them come."""
    texts = [f"memory {n}" for n in range(53)]
    with scripted(listing(texts, most=2)) as server:
        desk.add(server.url, kind=MEMORY_SERVICE)
        assert desk.go().pulled == len(texts)
    assert desk.texts() == set(texts)


def test_a_long_page_of_a_log_is_asked_for_in_parts(desk: Sharer) -> None:
    """Down to two events, which are within what is read of one answer whatever they say."""
    events = [event(each, "create", {"content": each}) for each in ("one", "two", "three")]
    answer = telling(events)

    def heavy(asked: Asked) -> Reply:
        path, _, query = asked.path.partition("?")
        if path != "/api/sync/events":
            return answer(asked)
        since, limit = (int(parse_qs(query)[name][0]) for name in ("since_seq", "limit"))
        if limit > len(events) - 1:
            return Reply({"fill": "x" * (MOST_BYTES + 1)})
        told, onward = events[since : since + limit], min(since + limit, len(events))
        return Reply({"events": told, "next_seq": onward, "has_more": onward < len(events)})

    with scripted(heavy) as server:
        desk.add(server.url, kind=MEMORY_SERVICE)
        assert desk.go().pulled == len(events)


def test_what_is_made_private_while_others_go_stays_here(desk: Sharer) -> None:
    """Where memories go one after the other, each is looked at again before it goes."""
    texts, sent = ["first", "second"], list[str]()

    def answer(asked: Asked) -> Reply:
        if asked.method != "POST":
            return listing([], most=1)(asked)
        text = asked.json()["content"]
        sent.append(text)
        for id in ids:
            if desk.get(id).text != text:
                desk.service.revise(id, Edit(audience=()))
        ref = notes.name_of(text)
        return Reply({"success": True, "content_hash": ref, "memory": {"content": text}})

    with scripted(answer) as server:
        desk.add(server.url, kind=MEMORY_SERVICE)
        ids = [desk.share(each) for each in texts]
        desk.go(pull=False)
    assert len(sent) == 1
