"""Looking a store over: what is well, what is not, and nothing of what a memory tells."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from fakes import FakeEmbedder, other_model
from served import direct_only

from memdesk.memory import Draft, now
from memdesk.service import examining
from memdesk.store import schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from memdesk.answers import Finding
    from memdesk.service import Service

CANARY = "xylocanary"


def ill(desk: Service) -> list[Finding]:
    """Return what is not well with a store."""
    return [found for found in desk.examine() if found.level != "good"]


def only(desk: Service, about: str) -> Finding:
    """Return the one thing that is not well, which is about this."""
    (found,) = ill(desk)
    assert found.about == about, found
    return found


def test_a_fresh_store_is_well(desk: Service) -> None:
    """Nothing is told of an empty store or one with a memory, and its numbers are."""
    assert ill(desk) == []
    kept = desk.remember(Draft("one"))
    desk.remember(Draft("two", replaces=kept.id))
    desk.forget([desk.remember(Draft("three")).id])
    assert ill(desk) == []
    told = {found.about: found.words for found in desk.examine()}
    assert told["memories"] == "1 live, 1 in the trash, 1 replaced"
    assert told["search"] == "it has every memory, in 3 passages"


def test_looking_changes_nothing(desk: Service, home: Path) -> None:
    """No table has another file or another version than before."""
    desk.remember(Draft("one"))
    before = sorted(home.glob("*.lance/**/*"))
    desk.examine()
    assert sorted(home.glob("*.lance/**/*")) == before


def test_nothing_private_is_told(desk: Service) -> None:
    """Neither texts nor tags, spaces, sources or metadata are in what is found."""
    draft = Draft(CANARY, tags=(CANARY,), space=CANARY, metadata=f'{{"x": "{CANARY}"}}')
    desk.forget([desk.remember(draft, actor=CANARY).id], reason=CANARY)
    assert CANARY not in str(desk.examine())


@direct_only
def test_memories_that_search_lacks_are_found(desk: Service) -> None:
    """Rows without passages, and passages without rows, are counted with what to do."""
    first, second = (desk.remember(Draft(text)).id for text in ("one", "two"))
    assert desk.duties.settled(30)
    store = desk._core.store()
    with desk._core.locked():
        store.unindex([first])
        store.memories.delete(f"id = '{second}'")
        store.insert([replace(m, id=f"{m.id[:-1]}0", seq=9) for m in store.get([first]).values()])
    found = only(desk, "search")
    assert found.level == "warning"
    assert found.words == "it lacks 2 of the memories; 1 of its passages are of what is no more"
    assert found.next == "memdesk reindex"


@direct_only
def test_two_rows_with_one_id_are_a_problem(desk: Service) -> None:
    """An id that stands twice is told, and what to do first."""
    kept = desk.remember(Draft("one"))
    store = desk._core.store()
    with desk._core.locked():
        store.memories.add(schema.memory_rows(store.get([kept.id]).values()))
    found = only(desk, "memories")
    assert found.level == "problem"
    assert found.words == "rows with the id of another one: 1"


@direct_only
def test_rows_that_were_lost_are_found(desk: Service) -> None:
    """The history is never ahead of the memories, or some of these are gone."""
    kept = desk.remember(Draft("one"))
    store = desk._core.store()
    ahead = [replace(memory, seq=7) for memory in store.get([kept.id]).values()]
    with desk._core.locked():
        store.history.add(schema.history_rows(ahead, now()))
    found = only(desk, "memories")
    assert found.level == "problem"
    assert "end at seq 1, and something was written up to 7" in found.words


@direct_only
def test_a_clock_from_the_future_is_told(desk: Service) -> None:
    """A revision with a time far ahead spoils the order of what comes after it elsewhere."""
    kept = desk.remember(Draft("one"))
    store = desk._core.store()
    ahead = int((now() + timedelta(hours=3)).timestamp() * 1000)
    memories = [replace(each, clock_ms=ahead) for each in store.get([kept.id]).values()]
    with desk._core.locked():
        store.replace(memories, (), now())
    assert "3.0 hours ahead" in only(desk, "clock").words


@direct_only
def test_trash_that_stays_too_long_is_told(desk: Service) -> None:
    """What lay in the trash for two months shows that maintenance does not come."""
    kept = desk.remember(Draft("one"))
    desk.forget([kept.id])
    store = desk._core.store()
    old = now() - timedelta(days=60)
    memories = [replace(each, updated_at=old) for each in store.get([kept.id]).values()]
    with desk._core.locked():
        store.replace(memories, (), now())
    found = only(desk, "trash")
    assert "30 days ago" in found.words
    assert found.next == "memdesk maintain"


@direct_only
def test_tables_that_nobody_tidies_are_told(desk: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many files, rows without an index and a missing index are told, each with the table's name."""
    desk.remember(Draft("one"))
    monkeypatch.setattr(examining, "_MANY_FRAGMENTS", 0)
    monkeypatch.setattr(examining, "_MANY_UNINDEXED", 0)
    told = [found.words for found in ill(desk)]
    assert any(words.startswith("memories has many files (1)") for words in told)
    assert any(words.startswith("1 of 1 rows of memories are in no index") for words in told)


def test_vectors_that_wait_are_told(open_desk: Callable[..., Service]) -> None:
    """Without a model the store is whole, its vectors wait, and why is said."""
    desk = open_desk(embedder=FakeEmbedder(broken="no such library"), background=False)
    desk.remember(Draft("one"))
    told = {found.about: found for found in ill(desk)}
    assert told["vectors"].words.startswith("1 of 1 passages wait")
    assert "no such library" in told["model"].words


@direct_only
def test_a_store_of_a_model_that_is_not_here_is_told(open_desk: Callable[..., Service]) -> None:
    """It works with words, and says whose vectors it has."""
    open_desk(embedder=FakeEmbedder(other_model("strange"))).remember(Draft("one"))
    desk = open_desk(embedder=None)
    assert "model strange" in only(desk, "model").words


@direct_only
def test_a_torn_table_is_mended_and_told(open_desk: Callable[..., Service], home: Path) -> None:
    """Opening it sets the torn commit aside, and the next look says so once."""
    first = open_desk()
    first.remember(Draft("one"))
    first.remember(Draft("two"))
    first.close()
    torn = min((home / "memories.lance" / "_versions").glob("*.manifest"))
    torn.write_bytes(b"")
    found = [each for each in ill(open_desk()) if each.about == "opening"]
    assert [each.words for each in found] == [
        "memories: 1 unfinished commits of a power cut were set aside"
    ]


@direct_only
def test_a_part_that_fails_does_not_keep_the_others(
    desk: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error nobody foresaw is told by its kind, never by its words."""

    def fail(_: object) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr(examining, "_tables", fail)
    found = only(desk, "tables")
    assert found.words == "could not be looked at (RuntimeError)"
    assert len(desk.examine()) > 3
