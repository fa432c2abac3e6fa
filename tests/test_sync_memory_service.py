"""The kind mcp-memory-service, in each way of speaking to a real server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from peer import memory_service
from peer_desk import Desk, arrived, desks, words

from memdesk import sharing
from memdesk.memory import TOMBSTONE
from memdesk.remotes import MEMORY_SERVICE
from memdesk.sync import memory_service_note as notes
from memdesk.sync.memory_service_rest import PlainMemoryService
from memdesk.sync.peer import REFUSED, STALE, TAKEN, Missing

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with its event log."""
    with memory_service(tmp_path_factory.mktemp("logged")) as url:
        yield url


@pytest.fixture(scope="module")
def unlogged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server without it."""
    with memory_service(tmp_path_factory.mktemp("unlogged"), log=False) as url:
        yield url


@pytest.fixture(params=["feed", "rest", "unlogged"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Desk, Desk]]:
    """Two desks, in each way there is of speaking to a server."""
    url = request.getfixturevalue("unlogged" if request.param == "unlogged" else "logged")
    with desks(url, plain=request.param == "rest") as two:
        yield two


def test_a_memory_arrives_at_another_desk_as_it_was(pair: tuple[Desk, Desk]) -> None:
    """Everything that a record tells survives the way through the server."""
    ours, theirs = pair
    memory = ours.share(
        f"  {words()}\n\tand “more”: ü 🙂 \n",
        kind="lesson",
        tags=["Zwei Wörter", "b", "a, with comma", "untagged"],
        metadata={"a": {"b": [1, 2.5, None]}, "tags": "x"},
        session="s",
        position=3,
        happened_at="2026-05-06T00:00:00+00:00",
        happened_precision="day",
        utc_offset_min=120,
        source={"name": "codex", "ref": "https://example.org/1"},
    )
    came = arrived(theirs.pull())[memory.id]
    assert sharing.record(came) == sharing.record(memory)


def test_what_was_sent_is_no_news_to_who_sent_it(pair: tuple[Desk, Desk]) -> None:
    """One's own memories, changes and deletes do not come back."""
    ours, _ = pair
    memory = ours.share(words())
    gone = ours.share(words())
    changed = ours.edit(memory, tags=["other"])
    assert [each.outcome for each in ours.push(ours.due(changed))] == [TAKEN]
    ours.remove(gone)
    assert not ours.pull()
    assert not ours.pull()


def test_changes_of_tags_and_kind_arrive(pair: tuple[Desk, Desk]) -> None:
    """An update without another text is one at the other desk, with its clock."""
    ours, theirs = pair
    memory = ours.share(words())
    theirs.pull()
    changed = ours.edit(memory, tags=[], kind="runbook", space="elsewhere", metadata={"x": 1})
    ours.push(ours.due(changed))
    came = arrived(theirs.pull())[memory.id]
    assert sharing.record(came) == sharing.record(changed)


def test_another_text_takes_the_place_of_the_one_before(pair: tuple[Desk, Desk]) -> None:
    """A changed text is the same memory at the other desk; what it was is gone from the server."""
    ours, theirs = pair
    memory = ours.share(words())
    theirs.pull()
    before = ours.sent[memory.id].ref
    changed = ours.edit(memory, text=words())
    ours.push(ours.due(changed))
    assert list(arrived(theirs.pull())) == [memory.id]
    assert theirs.memories[memory.id].text == changed.text
    assert theirs.sent[memory.id].ref == notes.name_of(changed.text) != before
    with pytest.raises(Missing):
        ours.rest("GET", f"/{before}")


def test_a_change_of_case_arrives(pair: tuple[Desk, Desk]) -> None:
    """A text that keeps its hash there is changed to the letter all the same."""
    ours, theirs = pair
    memory = ours.share(words())
    theirs.pull()
    changed = ours.edit(memory, text=memory.text.upper())
    assert [each.outcome for each in ours.push(ours.due(changed))] == [TAKEN]
    assert arrived(theirs.pull())[memory.id].text == changed.text


def test_a_delete_arrives(pair: tuple[Desk, Desk]) -> None:
    """What one desk takes back is a tombstone at the other, and nothing on the server."""
    ours, theirs = pair
    memory = ours.share(words())
    theirs.pull()
    ours.remove(memory)
    assert arrived(theirs.pull())[memory.id].state == TOMBSTONE
    with pytest.raises(Missing):
        ours.rest("GET", f"/{notes.name_of(memory.text)}")


def test_a_delete_of_what_was_never_there_asks_nothing(pair: tuple[Desk, Desk]) -> None:
    """There is nothing to delete, so nothing leaves."""
    ours, _ = pair
    due = ours.due(ours.add(words()), deletes=True)
    assert not ours.peer.payload(due)
    assert [each.outcome for each in ours.push(due)] == [TAKEN]


def test_what_was_deleted_can_be_shared_again(pair: tuple[Desk, Desk]) -> None:
    """The same words come back after a delete, at the server and at the other desk."""
    ours, theirs = pair
    memory = ours.share(words())
    theirs.pull()
    ours.remove(memory)
    theirs.pull()
    again = ours.edit(memory)
    assert [each.outcome for each in ours.push(ours.due(again))] == [TAKEN]
    assert arrived(theirs.pull())[memory.id].text == memory.text
    assert ours.rest("GET", f"/{notes.name_of(memory.text)}")["content"] == memory.text


def test_words_that_differ_in_case_only_are_refused(pair: tuple[Desk, Desk]) -> None:
    """The second is held with a reason, and the rest of the batch goes."""
    ours, _ = pair
    first = ours.share(words())
    second, other = ours.add(f" {first.text.upper()} "), ours.add(words())
    refused, taken = ours.push(ours.due(second), ours.due(other))
    assert refused.outcome == REFUSED
    assert first.id in refused.reason
    assert taken.outcome == TAKEN
    twins = [ours.due(ours.add(text)) for text in ("Twin of Case", "twin of case")]
    assert [each.outcome for each in ours.push(*twins)] == [TAKEN, REFUSED]
    ours.remove(twins[0].memory)


def test_words_given_up_can_be_taken_in_the_same_batch(pair: tuple[Desk, Desk]) -> None:
    """A memory that is deleted frees its words for a later one; whose they are is never guessed."""
    ours, theirs = pair
    first = ours.share(words())
    theirs.pull()
    gone = ours.due(first, deletes=True)
    second = ours.add(first.text)
    assert [each.outcome for each in ours.push(gone, ours.due(second))] == [TAKEN, TAKEN]
    news = theirs.pull()
    if "seq" in theirs.cursor:
        assert theirs.memories[first.id].state == TOMBSTONE
        assert theirs.memories[second.id].text == first.text
    else:  # nobody says that the first one was deleted
        assert first.id in news[0].trouble
    assert ours.rest("GET", f"/{notes.name_of(first.text)}")["metadata"][notes.ID] == second.id


def test_the_same_batch_again_does_no_harm(pair: tuple[Desk, Desk]) -> None:
    """After a lost answer everything is sent anew, and is there once."""
    ours, theirs = pair
    memory, kept = ours.share(words()), ours.share(words())
    changed = ours.edit(memory, text=words())
    dues = [ours.due(changed), ours.due(ours.add(words())), ours.due(kept, deletes=True)]
    first = ours.peer.push(dues, ours)
    assert [each.outcome for each in first] == [TAKEN] * 3
    assert ours.push(*dues) == first
    news = [each for each in theirs.pull() if each.memory and each.memory.state != TOMBSTONE]
    assert {each.memory.id for each in news if each.memory} >= {changed.id, dues[1].id}
    assert theirs.memories[changed.id].text == changed.text


def test_what_is_later_there_is_not_overwritten(pair: tuple[Desk, Desk]) -> None:
    """A change that comes after a later one is told to be stale, and the pull brings that one."""
    ours, theirs = pair
    memory = ours.share(words())
    theirs.pull()
    mine = ours.edit(memory, tags=["mine"])
    later = theirs.edit(theirs.memories[memory.id], tags=["theirs"])
    assert [each.outcome for each in theirs.push(theirs.due(later))] == [TAKEN]
    (receipt,) = ours.push(ours.due(mine))
    assert (receipt.outcome, receipt.clock) == (STALE, sharing.clock_of(later))
    assert arrived(ours.pull())[memory.id].tags == ("theirs",)


def test_a_memory_of_another_client_arrives(pair: tuple[Desk, Desk]) -> None:
    """What no memdesk has written has the same id everywhere, and the remote's own space."""
    ours, theirs = pair
    text = f" {words()}\r\n"
    body = {"content": text, "tags": ["Seen"], "memory_type": "Decision"}
    ref = ours.rest("POST", "", body | {"metadata": {"url": "u", "quality_score": 0.4}})[
        "content_hash"
    ]
    came = arrived(ours.pull())[notes.foreign_id(ref)]
    assert (came.text, came.kind, came.tags) == (text.replace("\r", ""), "decision", ("seen",))
    assert (came.space, came.source.name, came.source.trust) == ("team", MEMORY_SERVICE, "remote")
    assert json.loads(came.metadata) == {"url": "u"}
    assert sharing.digest(arrived(theirs.pull())[came.id]) == sharing.digest(came)
    assert not ours.pull()


def test_changes_and_deletes_by_other_clients_arrive(pair: tuple[Desk, Desk]) -> None:
    """Tags that another client sets, and what it deletes, come to both kinds of memories."""
    ours, _ = pair
    memory = ours.share(words(), kind="lesson", tags=["A", "b,c"], metadata={"k": 1})
    foreign = ours.rest("POST", "", {"content": words(), "tags": ["one"]})["content_hash"]
    ours.pull()
    for ref in (ours.sent[memory.id].ref, foreign):
        ours.rest("PUT", f"/{ref}", {"tags": ["two"], "metadata": {"seen": "yes"}})
    came = arrived(ours.pull())
    assert [came[id].tags for id in (memory.id, notes.foreign_id(foreign))] == [("two",)] * 2
    assert json.loads(came[notes.foreign_id(foreign)].metadata) == {"seen": "yes"}
    assert (came[memory.id].kind, came[memory.id].metadata) == ("lesson", memory.metadata)
    assert came[memory.id].text == memory.text
    for ref in (ours.sent[memory.id].ref, foreign):
        ours.rest("DELETE", f"/{ref}")
    gone = arrived(ours.pull())
    assert {gone[id].state for id in (memory.id, notes.foreign_id(foreign))} == {TOMBSTONE}
    assert not ours.pull()


def test_another_clients_memory_can_be_changed_here(pair: tuple[Desk, Desk]) -> None:
    """A change of it goes there and to the other desk; a changed text makes it memdesk's own."""
    ours, theirs = pair
    ref = ours.rest("POST", "", {"content": words(), "tags": ["one"]})["content_hash"]
    id = notes.foreign_id(ref)
    ours.pull()
    theirs.pull()
    mine = ours.edit(ours.memories[id], tags=["mine"], kind="lesson", space="shared")
    assert [each.outcome for each in ours.push(ours.due(mine))] == [TAKEN]
    assert sharing.record(arrived(theirs.pull())[id]) == sharing.record(mine)
    mine = ours.edit(mine, text=words())
    assert [each.outcome for each in ours.push(ours.due(mine))] == [TAKEN]
    assert sharing.record(arrived(theirs.pull())[id]) == sharing.record(mine)


def test_a_desk_that_comes_late_sees_what_is_there(pair: tuple[Desk, Desk]) -> None:
    """From the beginning of everything, each memory ends as it is now."""
    ours, _ = pair
    memory = ours.share(words())
    gone = ours.share(words())
    changed = ours.edit(memory, text=words(), tags=["late"])
    ours.push(ours.due(changed), ours.due(gone, deletes=True))
    late = Desk(ours.remote.url, plain=isinstance(ours.peer, PlainMemoryService))
    late.pull()
    late.peer.close()
    assert sharing.record(late.memories[memory.id]) == sharing.record(changed)
    assert gone.id not in late.memories or late.memories[gone.id].state == TOMBSTONE
