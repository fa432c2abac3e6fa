"""What the desk promises of memories, on a real store."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

import pytest
from fakes import FakeEmbedder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import direct_only

from memdesk.errors import Conflict, Invalid, NotFound, StoreError
from memdesk.memory import Draft, Edit, Filter, Memory, Source, content_hash, new_id
from memdesk.store.schema import history_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from memdesk.service import Service

FAR = "2099-01-01"


def one(desk: Service, id: str) -> Memory:
    """Return one memory."""
    return desk.get([id])[0]


def texts(desk: Service, **where: object) -> list[str]:
    """Return the texts of all memories of a filter, newest first."""
    page = desk.list(where=Filter(**where), limit=1000)  # type: ignore[arg-type]
    return [memory.text for memory in page.memories]


# remember


def test_a_remembered_text_is_read_back_whole(desk: Service) -> None:
    """Every field of a draft is in the memory."""
    draft = Draft(
        "Sister's name is Ana",
        kind="Fact",
        tags=("family", "#birthday"),
        space="home",
        audience=("team",),
        source=Source("claude", "agent", "chat"),
        session="s1",
        position=4,
        role="user",
        speaker="Me",
        happened_at="2026-03",
        expires_at=FAR,
        pinned=True,
        confidence=0.9,
        metadata='{"a": 1}',
    )
    done = desk.remember(draft, actor="claude")
    memory = one(desk, done.id)
    assert (done.outcome, done.removed, done.pending) == ("stored", 0, 0)
    assert (memory.text, memory.kind, memory.tags) == (draft.text, "fact", ("family", "birthday"))
    assert (memory.space, memory.audience, memory.source) == ("home", ("team",), draft.source)
    assert (memory.session, memory.position, memory.role) == ("s1", 4, "user")
    assert (memory.speaker, memory.pinned, memory.confidence) == ("Me", True, 0.9)
    assert (memory.happened_precision, memory.metadata) == ("month", '{"a": 1}')
    assert (memory.state, memory.seq, memory.actor) == ("live", 1, "claude")
    assert memory.expires_at is not None
    assert memory.expires_at.year == 2099


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    text=st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=""), min_size=1),
    tags=st.lists(st.text(st.sampled_from("ab'\"%\\é東"), min_size=1, max_size=5), max_size=3),
)
def test_any_text_survives_the_store(desk: Service, text: str, tags: list[str]) -> None:
    """What is stored is what was given, in every script and with every quote."""
    if not text.strip() or any(
        ch in text for ch in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    ):
        return
    done = desk.remember(Draft(text, tags=tuple(tags), session=new_id()))
    memory = one(desk, done.id)
    assert memory.text == text
    assert memory.tags == tuple(dict.fromkeys(tags))


def test_the_same_text_is_stored_once(desk: Service) -> None:
    """A second save of one text in one space answers with the first id."""
    first = desk.remember(Draft("Deploys on Tuesdays"))
    again = desk.remember(Draft("Deploys on Tuesdays"))
    assert (again.id, again.outcome) == (first.id, "duplicate")
    assert desk.remember(Draft("Deploys on Tuesdays", space="work")).outcome == "stored"
    assert desk.stats().states == {"live": 2}


def test_turns_are_the_same_only_at_the_same_place(desk: Service) -> None:
    """“Yes.” said twice in a conversation is two memories."""
    turns = [Draft("Yes.", session="s", position=n) for n in (1, 2, 1)]
    outcomes = [desk.remember(turn).outcome for turn in turns]
    assert outcomes == ["stored", "stored", "duplicate"]


def test_a_forgotten_text_comes_back_with_its_id(desk: Service) -> None:
    """Remembering what lies in the trash restores it."""
    first = desk.remember(Draft("Coffee: V60"))
    desk.forget([first.id])
    again = desk.remember(Draft("Coffee: V60"))
    assert (again.id, again.outcome) == (first.id, "restored")
    assert one(desk, first.id).state == "live"
    assert [hit.memory.id for hit in desk.recall("coffee").hits] == [first.id]


def test_a_replaced_text_is_stored_anew(desk: Service) -> None:
    """A fact that was replaced and is true again becomes a new memory."""
    first = desk.remember(Draft("Lives in Berlin"))
    second = desk.remember(Draft("Lives in Lisbon", replaces=first.id))
    third = desk.remember(Draft("Lives in Berlin", replaces=second.id))
    assert third.outcome == "stored"
    assert third.id != first.id
    assert texts(desk) == ["Lives in Berlin"]


def test_what_was_replaced_is_hidden_and_reachable(desk: Service) -> None:
    """Recall shows the new memory only; `get` still shows the old one and where it went."""
    old = desk.remember(Draft("Standup is at 9"))
    new = desk.remember(Draft("Standup is at 10", replaces=old.id))
    assert new.replaced == old.id
    assert [hit.memory.id for hit in desk.recall("when is standup").hits] == [new.id]
    before = one(desk, old.id)
    assert (before.state, before.replaced_by) == ("replaced", new.id)
    assert one(desk, new.id).replaces == old.id


def test_a_memory_is_replaced_once(desk: Service) -> None:
    """Replacing what another memory has replaced names that one, and stores nothing."""
    old = desk.remember(Draft("v1"))
    new = desk.remember(Draft("v2", replaces=old.id))
    with pytest.raises(Conflict, match=new.id):
        desk.remember(Draft("v3", replaces=old.id))
    with pytest.raises(NotFound):
        desk.remember(Draft("v3", replaces=new_id()))
    assert desk.stats().states == {"live": 1, "replaced": 1}


def test_a_repeated_change_returns_its_first_result(desk: Service) -> None:
    """A retried save stores nothing again, also when the memory was forgotten meanwhile."""
    change = new_id()
    first = desk.remember(Draft("once"), change=change)
    assert desk.remember(Draft("once"), change=change) == first
    desk.forget([first.id])
    assert desk.remember(Draft("once"), change=change).id == first.id
    assert one(desk, first.id).state == "trashed"


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (Draft(" \n"), "text"),
        (Draft("a\0"), "text"),
        (Draft("\ud800"), "text"),
        (Draft("x" * 1_048_577), "text"),
        (Draft("x", kind="two words"), "kind"),
        (Draft("x", space="../up"), "space"),
        (Draft("x", tags=("t" * 101,)), "tags"),
        (Draft("x", happened_at="soon"), "happened_at"),
        (Draft("x", expires_at="2020-01-01"), "expires_at"),
        (Draft("x", replaces="7"), "replaces"),
        (Draft("x", role="boss"), "role"),
        (Draft("x", position=-1), "position"),
        (Draft("x", confidence=1.5), "confidence"),
        (Draft("x", metadata="[]"), "metadata"),
        (Draft("x", source=Source(trust="god")), "source"),
    ],
)
def test_bad_drafts_name_their_field_and_store_nothing(
    desk: Service, draft: Draft, field: str
) -> None:
    """Each kind of bad input is refused before anything is written."""
    with pytest.raises(Invalid) as caught:
        desk.remember(draft)
    assert caught.value.field == field
    assert desk.stats().states == {}


def test_removed_characters_are_said(desk: Service) -> None:
    """The answer tells how many escape characters the text lost."""
    done = desk.remember(Draft("red \x1b[31malert\x1b[0m"))
    assert done.removed == 2
    assert one(desk, done.id).text == "red [31malert[0m"


def test_many_are_stored_like_one_by_one(desk: Service) -> None:
    """A bulk load keeps order, finds repeats within itself and in the store, and reports each."""
    known = desk.remember(Draft("note 3"))
    heard: list[int] = []
    drafts = [Draft(f"note {n % 50}") for n in range(60)]
    done = desk.remember_many(drafts, progress=heard.append)
    assert [each.outcome for each in done].count("duplicate") == 11
    assert done[3].id == known.id
    assert [each.id for each in done[50:]] == [each.id for each in done[:10]]
    assert sorted(texts(desk)) == sorted({draft.text for draft in drafts})
    assert heard == [60]
    assert [hit.memory.text for hit in desk.recall("note 7", limit=1).hits] == ["note 7"]


def test_a_repeated_bulk_change_brings_nothing_back(desk: Service) -> None:
    """A bulk load retried with its change answers as before, also for what was forgotten since."""
    change = new_id()
    drafts = [Draft(f"bulk {n}") for n in range(3)]
    first = desk.remember_many(drafts, change=change)
    desk.forget([first[1].id])
    assert desk.remember_many(drafts, change=change) == first
    assert one(desk, first[1].id).state == "trashed"
    assert desk.remember_many([]) == ()


def test_bulk_drafts_may_replace(desk: Service) -> None:
    """A draft in a bulk load that replaces a memory does so."""
    old = desk.remember(Draft("old"))
    done = desk.remember_many([Draft("new", replaces=old.id), Draft("other")])
    assert [each.outcome for each in done] == ["stored", "stored"]
    assert one(desk, old.id).replaced_by == done[0].id


# Long texts


def test_a_long_text_is_found_by_any_of_its_parts(desk: Service) -> None:
    """A document is one memory, found by a word of its middle, with the span that matched."""
    filler = " ".join(f"Plain sentence number {n} about nothing much." for n in range(100))
    done = desk.remember(Draft(f"{filler} The zanzibar clause is here. {filler}"))
    (hit,) = desk.recall("zanzibar").hits
    assert hit.memory.id == done.id
    assert "zanzibar" in hit.passage
    assert hit.memory.text[slice(*hit.span)] == hit.passage


def test_many_passages_are_embedded_after_the_call(open_desk: Callable[..., Service]) -> None:
    """Only the first passages are embedded inside the call; the others are found by words, then by meaning."""
    desk = open_desk(background=False)
    text = " ".join(f"Sentence {n} speaks of subject{n} at some length indeed." for n in range(400))
    done = desk.remember(Draft(text))
    assert done.pending > 0
    assert desk.stats().pending == done.pending
    assert desk.recall("subject399").hits[0].memory.id == done.id
    heard: list[tuple[int, int]] = []
    assert desk.embed_pending(lambda n, of: heard.append((n, of))) == done.pending
    assert heard[-1] == (done.pending, done.pending)
    assert desk.stats().pending == 0


# recall


def test_recall_fuses_words_and_meaning(desk: Service) -> None:
    """A hit says by which words and how near in meaning it was found."""
    desk.remember(Draft("Allergic to penicillin"))
    desk.remember(Draft("Likes hiking in autumn"))
    hit = desk.recall("allergic to penicillin").hits[0]
    assert hit.memory.text == "Allergic to penicillin"
    assert (hit.keyword_rank, hit.vector_rank) == (1, 1)
    assert hit.cosine is not None
    assert hit.cosine > 0.9
    assert hit.keyword_score > 0


def test_recall_looks_only_where_it_is_told(desk: Service) -> None:
    """Space, kind, tags and time each narrow a recall; tags must all be there."""
    desk.remember(
        Draft("cat one", space="a", kind="fact", tags=("x", "y"), happened_at="2026-05-08")
    )
    desk.remember(Draft("cat two", space="b", kind="note", tags=("x",), happened_at="2026-06-01"))

    def found(**where: object) -> set[str]:
        hits = desk.recall("cat", where=Filter(**where)).hits  # type: ignore[arg-type]
        return {hit.memory.text for hit in hits}

    assert found() == {"cat one", "cat two"}
    assert found(spaces=("a",)) == {"cat one"}
    assert found(spaces=("a", "b")) == {"cat one", "cat two"}
    assert found(spaces=("empty",)) == set()
    assert found(kinds=("note",)) == {"cat two"}
    assert found(tags=("x",)) == {"cat one", "cat two"}
    assert found(tags=("x", "y")) == {"cat one"}
    assert found(since=datetime(2026, 5, 20, tzinfo=UTC)) == {"cat two"}
    assert found(until=datetime(2026, 5, 20, tzinfo=UTC)) == {"cat one"}


def test_the_scope_of_a_space_has_personal_in_it(desk: Service) -> None:
    """A host in a project sees that project and the personal space."""
    assert desk.scope("work") == ("work", "personal")
    assert desk.scope(None) == ("personal",)
    with pytest.raises(Invalid):
        desk.scope("../x")


def test_forgotten_and_expired_memories_are_not_recalled(
    desk: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in the trash or past its time stays away from recall and lists."""
    gone = desk.remember(Draft("secret plan alpha"))
    brief = desk.remember(Draft("secret plan beta", expires_at=FAR))
    desk.forget([gone.id])

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Later:
            return cls(2100, 1, 1, tzinfo=tz)

    assert [hit.memory.id for hit in desk.recall("secret plan").hits] == [brief.id]
    monkeypatch.setattr("memdesk.store.store.datetime", Later)
    assert desk.recall("secret plan").hits == ()
    assert texts(desk) == []
    assert texts(desk, expired=True) == ["secret plan beta"]


def test_recall_keeps_to_its_budget(desk: Service) -> None:
    """Fewer hits are returned when their texts cost too many tokens; the best always is."""
    for n in range(10):
        desk.remember(Draft(f"apple {'pear ' * 20}{n}"))
    assert len(desk.recall("apple", limit=10).hits) == 10
    assert len(desk.recall("apple", limit=10, max_tokens=80).hits) == 2
    assert len(desk.recall("apple", limit=10, max_tokens=1).hits) == 1


@pytest.mark.parametrize("query", ["", " ", "a\0", "x" * 10_001])
def test_bad_questions_are_refused(desk: Service, query: str) -> None:
    """A question without words, with NUL or far too long names itself."""
    with pytest.raises(Invalid, match=r"^query: "):
        desk.recall(query)


@pytest.mark.parametrize(
    "query", ['"quoted words"', "AND OR NOT", "a:b^2~", "+-()[]{}\\", "the", "🎉", "C++", "*" * 500]
)
def test_a_question_is_never_a_query_language(desk: Service, query: str) -> None:
    """Signs that search engines treat specially are plain text."""
    desk.remember(Draft("quoted words and the C++ party 🎉"))
    assert desk.recall(query).degraded is None


def test_budgets_are_not_negative(desk: Service) -> None:
    """A token budget below nothing is refused by both verbs that have one."""
    for call in (lambda: desk.recall("x", max_tokens=-1), lambda: desk.profile(max_tokens=-1)):
        with pytest.raises(Invalid, match=r"^max_tokens: "):
            call()


@pytest.mark.parametrize("limit", [0, -1, 51])
def test_limits_have_limits(desk: Service, limit: int) -> None:
    """A recall gives 1 to 50 hits."""
    with pytest.raises(Invalid, match=r"^limit: must be between 1 and 50"):
        desk.recall("x", limit=limit)


def test_recall_without_a_model_finds_words_and_says_so(open_desk: Callable[..., Service]) -> None:
    """A missing model degrades recall to words; what was saved is embedded when the model is back."""
    broken = open_desk(embedder=FakeEmbedder(broken="the model file is gone"), background=False)
    done = broken.remember(Draft("Landlord: Mr. Weiss"))
    assert done.pending == 1
    found = broken.recall("landlord")
    assert [hit.memory.id for hit in found.hits] == [done.id]
    assert found.degraded == "the model file is gone"
    assert "the model file is gone" in broken.stats().notes
    healed = open_desk(background=False)
    assert healed.embed_pending() == 1
    assert healed.recall("landlord").degraded is None


# list


def test_pages_hold_every_memory_once(desk: Service) -> None:
    """Following the cursor shows everything once, also while others save and forget."""
    ids = [desk.remember(Draft(f"page {n}")).id for n in range(25)]
    seen: list[str] = []
    cursor = None
    while True:
        page = desk.list(limit=7, cursor=cursor)
        seen += [memory.id for memory in page.memories]
        desk.remember(Draft(f"meanwhile {len(seen)}"))
        if cursor is None:
            desk.revise(seen[0], Edit(pinned=True))
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == ids[::-1]


@pytest.mark.parametrize("cursor", ["x", "eyJh", "W10=", "é", "W251bGwsbnVsbCxudWxsXQ=="])
def test_foreign_cursors_are_refused(desk: Service, cursor: str) -> None:
    """A cursor that memdesk did not make is an error, not an empty page."""
    with pytest.raises(Invalid, match=r"^cursor: "):
        desk.list(cursor=cursor)


# revise, history


def test_a_revision_keeps_the_one_before(desk: Service) -> None:
    """The history has every state, newest first, with who and when."""
    id = desk.remember(Draft("v1", tags=("a",)), actor="claude").id
    desk.revise(id, Edit(text="v2"), actor="cursor")
    desk.revise(id, Edit(tags=("b",), pinned=True, expires_at=FAR))
    third, second, first = desk.history(id)
    assert [each.memory.text for each in (third, second, first)] == ["v2", "v2", "v1"]
    assert [each.memory.actor for each in (third, second, first)] == ["person", "cursor", "claude"]
    assert third.valid_to is None
    assert second.valid_to == third.valid_from
    assert first.valid_to == second.valid_from
    assert third.memory.tags == ("b",)
    assert [each.memory.seq for each in (third, second, first)] == [3, 2, 1]
    clocks = [(each.memory.clock_ms, each.memory.clock_n) for each in (first, second, third)]
    assert clocks == sorted(set(clocks))


def test_search_follows_a_revision(desk: Service) -> None:
    """The new words and tags find the memory, the old ones do not."""
    id = desk.remember(Draft("apples", tags=("fruit",))).id
    desk.revise(id, Edit(text="bananas"))
    assert [hit.memory.id for hit in desk.recall("bananas").hits] == [id]
    assert not desk.recall("apples").hits
    desk.revise(id, Edit(tags=("yellow",), space="kitchen"))
    assert desk.recall("bananas", where=Filter(tags=("yellow",), spaces=("kitchen",))).hits
    assert not desk.recall("bananas", where=Filter(tags=("fruit",))).hits


def test_tags_are_revised_without_embedding_again(open_desk: Callable[..., Service]) -> None:
    """A change that does not touch the words keeps the vector."""
    model = FakeEmbedder()
    desk = open_desk(embedder=model)
    id = desk.remember(Draft("apples")).id
    desk.revise(id, Edit(tags=("fruit",)))
    assert model.embedded == ["apples"]
    assert desk.recall("apples").hits[0].cosine == pytest.approx(1.0)


def test_a_revision_that_changes_nothing_writes_nothing(desk: Service) -> None:
    """Setting what is set already makes no revision."""
    id = desk.remember(Draft("same")).id
    assert desk.revise(id, Edit(text="same")).seq == 1
    assert len(desk.history(id)) == 1


def test_an_expiry_and_a_date_can_be_taken_away(desk: Service) -> None:
    """An empty date clears the field."""
    id = desk.remember(Draft("x", expires_at=FAR, happened_at="2026")).id
    memory = desk.revise(id, Edit(expires_at="", happened_at=""))
    assert (memory.expires_at, memory.happened_at, memory.happened_precision) == (None, None, None)


def test_only_live_memories_are_revised(desk: Service) -> None:
    """Revising the trash, nothing, or an unknown id is refused in words."""
    id = desk.remember(Draft("x")).id
    with pytest.raises(Invalid, match=r"names nothing to change"):
        desk.revise(id, Edit())
    with pytest.raises(NotFound):
        desk.revise(new_id(), Edit(text="y"))
    with pytest.raises(Invalid, match=r"is not an id"):
        desk.revise("7", Edit(text="y"))
    desk.forget([id])
    with pytest.raises(Conflict, match=r"restore it first"):
        desk.revise(id, Edit(text="y"))


# forget, restore, purge


def test_forgetting_is_all_or_nothing(desk: Service) -> None:
    """One unknown id leaves every memory where it was."""
    id = desk.remember(Draft("x")).id
    with pytest.raises(NotFound):
        desk.forget([id, new_id()])
    assert one(desk, id).state == "live"


def test_forget_and_restore_are_idempotent(desk: Service) -> None:
    """Doing it again reports that it was so already; the reason is kept while it lies in the trash."""
    id = desk.remember(Draft("x", metadata='{"k": 1}')).id
    assert desk.forget([id, id], reason="wrong").done == (id,)
    assert "wrong" in one(desk, id).metadata
    again = desk.forget([id])
    assert (again.done, again.unchanged) == ((), (id,))
    assert desk.restore([id]).done == (id,)
    assert desk.restore([id]).unchanged == (id,)
    assert one(desk, id).metadata == '{"k": 1}'


def test_restoring_a_replaced_memory_brings_it_back(desk: Service) -> None:
    """What was replaced can live again."""
    old = desk.remember(Draft("old")).id
    desk.remember(Draft("new", replaces=old))
    desk.restore([old])
    assert (one(desk, old).state, one(desk, old).replaced_by) == ("live", None)


@pytest.mark.parametrize("ids", [[], ["7"], [""]])
def test_ids_must_be_ids(desk: Service, ids: list[str]) -> None:
    """No id, or what is none, is refused."""
    with pytest.raises(Invalid, match=r"^ids: "):
        desk.forget(ids)


def test_only_the_trash_is_purged(desk: Service) -> None:
    """A memory must be forgotten before it can be erased."""
    id = desk.remember(Draft("x")).id
    with pytest.raises(Invalid, match=r"not in the trash"):
        desk.purge([id])
    assert one(desk, id).state == "live"


def test_a_purge_leaves_no_word_in_any_file(desk: Service, home: Path) -> None:
    """After a purge and its maintenance no file of the store holds the text."""
    word = "xylophonequartz"
    id = desk.remember(Draft(f"the {word} password", tags=(word,), speaker=word)).id
    desk.revise(id, Edit(text=f"the other {word}"))
    keep = [desk.remember(Draft(f"kept {n}")).id for n in range(20)]

    def files_with_it() -> list[Path]:
        return [p for p in home.rglob("*") if p.is_file() and word.encode() in p.read_bytes()]

    assert files_with_it()
    desk.forget([id])
    desk.purge([id])
    assert desk.recall(word).hits == () or all(h.memory.id != id for h in desk.recall(word).hits)
    assert one(desk, id).text == ""
    assert len(desk.history(id)) == 1
    assert desk.maintain(keep_seconds=0)
    assert files_with_it() == []
    assert {memory.id for memory in desk.list(limit=100).memories} == set(keep)
    assert desk.recall("kept 3").hits


def test_a_purged_memory_cannot_come_back_by_its_id(desk: Service) -> None:
    """A tombstone is not restored, revised, forgotten or undone."""
    id = desk.remember(Draft("x")).id
    desk.forget([id])
    desk.purge([id])
    for verb in (desk.forget, desk.restore, desk.purge):
        with pytest.raises(NotFound):
            verb([id])
    with pytest.raises(NotFound):
        desk.revise(id, Edit(text="y"))
    with pytest.raises(Invalid, match=r"nothing to undo"):
        desk.undo()


# undo


def test_undo_takes_back_the_last_change_and_then_the_one_before(desk: Service) -> None:
    """Undo walks back through the changes that still stand."""
    id = desk.remember(Draft("v1")).id
    desk.revise(id, Edit(text="v2"))
    other = desk.remember(Draft("other")).id
    desk.revise(id, Edit(text="v3"))
    assert desk.undo().done == (id,)
    assert one(desk, id).text == "v2"
    assert desk.undo().done == (other,)
    assert one(desk, other).state == "trashed"
    assert desk.undo().done == (id,)
    assert one(desk, id).text == "v1"
    assert desk.undo().done == (id,)
    assert one(desk, id).state == "trashed"
    with pytest.raises(Invalid, match=r"nothing to undo"):
        desk.undo()


def test_an_undo_can_be_undone(desk: Service) -> None:
    """Naming an undo brings back what it took away."""
    id = desk.remember(Draft("v1")).id
    desk.revise(id, Edit(text="v2"))
    undone = desk.undo()
    assert one(desk, id).text == "v1"
    redone = desk.undo(undone.change)
    assert one(desk, id).text == "v2"
    desk.undo(redone.change)
    assert one(desk, id).text == "v1"


def test_undo_takes_back_every_memory_of_a_change(desk: Service) -> None:
    """A bulk forget is undone at once."""
    ids = [desk.remember(Draft(f"n{n}")).id for n in range(5)]
    desk.forget(ids)
    assert set(desk.undo().done) == set(ids)
    assert {memory.state for memory in desk.get(ids)} == {"live"}


def test_undo_leaves_what_changed_since_and_says_so(desk: Service) -> None:
    """A later change by someone else is not undone with an earlier one."""
    ids = [desk.remember(Draft(f"n{n}")).id for n in range(2)]
    change = desk.forget(ids).change
    desk.restore([ids[0]], actor="cursor")
    desk.revise(ids[0], Edit(text="newer"), actor="cursor")
    done = desk.undo(change)
    assert (done.done, done.conflicts) == ((ids[1],), (ids[0],))
    assert one(desk, ids[0]).text == "newer"


def test_undoing_a_replacement_brings_the_old_one_back(desk: Service) -> None:
    """The new memory goes to the trash and the old one lives."""
    old = desk.remember(Draft("old")).id
    new = desk.remember(Draft("new", replaces=old)).id
    desk.undo()
    assert (one(desk, old).state, one(desk, new).state) == ("live", "trashed")
    assert [hit.memory.id for hit in desk.recall("old new").hits] == [old]


@pytest.mark.parametrize("change", ["7", "3ef1f443-3555-4807-8c5a-316ca2b83b66"])
def test_unknown_changes_cannot_be_undone(desk: Service, change: str) -> None:
    """A change that is none, or wrote nothing, is refused."""
    desk.remember(Draft("x"))
    with pytest.raises(Invalid, match=r"^change: "):
        desk.undo(change)


def test_retried_changes_of_every_kind_return_their_first_result(desk: Service) -> None:
    """A revise, undo, purge or replacing save that is asked again changes nothing more."""
    id, change = desk.remember(Draft("one")).id, new_id()
    desk.revise(id, Edit(text="two"), change=change)
    desk.revise(id, Edit(text="three"))
    assert desk.revise(id, Edit(text="two"), change=change).text == "two"
    assert one(desk, id).text == "three"
    forgotten = desk.forget([id]).change
    assert desk.undo(forgotten).done == desk.undo(forgotten).done == (id,)
    old, known = desk.remember(Draft("old")).id, desk.remember(Draft("known")).id
    again = new_id()
    first = desk.remember(Draft("known", replaces=old), change=again)
    assert first == desk.remember(Draft("known", replaces=old), change=again)
    assert (first.id, first.replaced) == (known, old)
    desk.forget([id])
    purged = new_id()
    assert desk.purge([id], change=purged).done == desk.purge([id], change=purged).done == (id,)


@direct_only
def test_undo_is_not_misled_by_a_copy_that_a_crash_left(desk: Service) -> None:
    """A revision that was kept and then not replaced is no second one."""
    id = desk.remember(Draft("v1")).id
    desk.revise(id, Edit(text="v2"))
    store = desk._core.store()
    store.history.add(history_rows([one(desk, id)], datetime.now(UTC)))
    assert desk.undo().done == (id,)
    assert one(desk, id).text == "v1"


@direct_only
def test_the_forgotten_is_not_recalled_while_search_is_behind(desk: Service) -> None:
    """Between the commits of a forget and of its passages recall already leaves it out."""
    id = desk.remember(Draft("lighthouse")).id
    desk.remember(Draft("lighthouse keeper"))
    store = desk._core.store()
    store.replace([replace(one(desk, id), state="trashed", seq=99)], (), datetime.now(UTC))
    hits = desk.recall("lighthouse", limit=1).hits
    assert [hit.memory.text for hit in hits] == ["lighthouse keeper"]


def test_a_long_document_does_not_crowd_out_others(desk: Service) -> None:
    """Notes are found beside a document whose every passage matches."""
    desk.remember(Draft(" ".join(f"The train number {n} leaves the station." for n in range(3000))))
    notes = {f"We take the train to {city}" for city in ("Rome", "Oslo", "Bern", "Riga")}
    for note in notes:
        desk.remember(Draft(note))
    assert notes <= {hit.memory.text for hit in desk.recall("train", limit=5).hits}


def test_long_words_are_found(desk: Service) -> None:
    """A SHA-256 sum is one word, and found."""
    sums = content_hash("a"), content_hash("b")
    for each in sums:
        desk.remember(Draft(f"checksum {each}"))
    assert desk.recall(sums[1]).hits[0].memory.text.endswith(sums[1])
    assert desk.recall(sums[1]).hits[0].keyword_rank == 1


def test_a_date_is_found_as_the_writer_saw_it(desk: Service) -> None:
    """The words of a date are those of its own place, not of Greenwich."""
    desk.remember(Draft("dentist", happened_at="2026-05-08T00:30+02:00"))
    assert desk.recall("8 May 2026").hits[0].keyword_rank == 1
    seventh, eighth = (desk.recall(f"May {day}", floor=0.0).hits[0] for day in (7, 8))
    assert seventh.keyword_score < eighth.keyword_score
    assert (len(seventh.matched), len(eighth.matched)) == (0, 0)  # the text itself has no date


@direct_only
def test_a_save_whose_indexing_fails_is_stored_and_mended(
    open_desk: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on the disk is acknowledged; search gets it as soon as it can be written."""
    desk = open_desk(background=False)
    desk.remember(Draft("before"))
    passages = desk._core.store().passages
    failing = passages.add

    def refuse(*_: object) -> None:
        monkeypatch.setattr(passages, "add", failing)
        raise StoreError("the disk is full")

    monkeypatch.setattr(passages, "add", refuse)
    assert desk.remember(Draft("lighthouse")).outcome == "stored"
    assert desk.duties.settled(30)
    assert "lighthouse" in {hit.memory.text for hit in desk.recall("lighthouse").hits}


def test_a_closed_desk_says_so(desk: Service) -> None:
    """Verbs of a closed desk fail in words."""
    desk.remember(Draft("x"))
    desk.close()
    with pytest.raises(StoreError, match=r"has been closed"):
        desk.remember(Draft("y"))
    with pytest.raises(StoreError, match=r"has been closed"):
        desk.recall("x")


# profile, stats


def test_the_profile_is_pinned_first_then_settled_things(desk: Service) -> None:
    """Pinned memories lead, preferences and facts follow by trust, notes stay out."""
    agent = Source("claude", "agent")
    desk.remember(Draft("a note"))
    desk.remember(Draft("by an agent", kind="fact", source=agent))
    desk.remember(Draft("by the person", kind="preference"))
    desk.remember(Draft("pinned note", pinned=True, source=agent))
    desk.remember(Draft("of work", kind="decision", space="work"))
    desk.remember(Draft("of play", kind="decision", space="play"))
    profile = desk.profile(space="work")
    assert [memory.text for memory in profile.memories] == [
        "pinned note",
        "of work",
        "by the person",
        "by an agent",
    ]
    assert profile.left_out == 0


def test_the_profile_keeps_to_its_budget_and_repeats_nothing(desk: Service) -> None:
    """A text in two spaces is shown once, and what does not fit is counted."""
    desk.remember(Draft("same", kind="fact"))
    desk.remember(Draft("same", kind="fact", space="work"))
    desk.remember(Draft("word " * 300, kind="fact"))
    profile = desk.profile(space="work", max_tokens=10)
    assert [memory.text for memory in profile.memories] == ["same"]
    assert profile.left_out == 1


def test_stats_count_the_store(desk: Service) -> None:
    """Spaces, kinds and tags are counted over what lives."""
    desk.remember(Draft("a", tags=("x", "y"), kind="fact"))
    desk.remember(Draft("b", tags=("x",), space="work"))
    desk.forget([desk.remember(Draft("c", tags=("z",))).id])
    stats = desk.stats()
    assert stats.states == {"live": 2, "trashed": 1}
    assert stats.tags == {"x": 2, "y": 1}
    assert stats.kinds == {"fact": 1, "note": 1}
    assert stats.spaces == {"personal": 1, "work": 1}
    assert (stats.passages, stats.pending, stats.seq, stats.format) == (3, 0, 4, 3)


# The folder


def test_the_store_is_for_its_owner_only(desk: Service, home: Path) -> None:
    """The folder lets nobody else in."""
    desk.remember(Draft("x"))
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_another_desk_sees_a_save_in_its_next_call(open_desk: Callable[..., Service]) -> None:
    """Two desks on one folder read each other's writes at once."""
    first, second = open_desk(), open_desk()
    assert second.list().memories == ()
    id = first.remember(Draft("from the first")).id
    assert one(second, id).text == "from the first"
    assert second.recall("first").hits[0].memory.id == id
    second.revise(id, Edit(text="from the second"))
    assert one(first, id).text == "from the second"
    assert first.remember(Draft("from the second")).outcome == "duplicate"
    assert one(first, id).seq == 2
    assert first.remember(Draft("third")).outcome == "stored"
    assert first.stats().seq == 3


# Maintenance


def test_maintenance_trashes_what_expired_and_drops_old_trash(
    desk: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ran out of time goes to the trash, and after thirty days of it is purged."""
    brief = desk.remember(Draft("brief", expires_at=FAR)).id
    gone = desk.remember(Draft("gone")).id
    desk.forget([gone])
    assert desk.maintain(keep_seconds=0)
    assert [memory.state for memory in desk.get([brief, gone])] == ["live", "trashed"]
    soon = datetime.now(UTC) + timedelta(days=31)
    for later in (soon, soon + timedelta(days=1)):  # a date is believed on the second day
        monkeypatch.setattr("memdesk.service.upkeep.now", lambda later=later: later)
        assert [memory.state for memory in desk.get([brief, gone])] == ["live", "trashed"]
        desk.maintain(keep_seconds=0)
    assert [memory.state for memory in desk.get([brief, gone])] == ["live", "tombstone"]
    far = datetime(2099, 6, 1, tzinfo=UTC)
    for later in (far, far + timedelta(days=1)):
        monkeypatch.setattr("memdesk.service.upkeep.now", lambda later=later: later)
        assert one(desk, brief).state == "live"
        desk.maintain(keep_seconds=0)
    assert one(desk, brief).state == "trashed"


@direct_only
def test_maintenance_embeds_nothing_while_a_store_is_restored(
    open_desk: Callable[..., Service],
) -> None:
    """Who restores waits for maintenance, which would else take hours after a large import."""
    model = FakeEmbedder(broken="not now")
    desk = open_desk(embedder=model, background=False)
    desk.remember(Draft("note"))
    model.broken = ""
    with desk._core.alone("copying"):
        desk.maintain()
        assert desk.stats().pending == 1
    desk.maintain()
    assert desk.stats().pending == 0


def test_maintenance_keeps_the_store_small_and_whole(desk: Service, home: Path) -> None:
    """Many saves become few files, and everything is found as before."""
    for n in range(40):
        desk.remember(Draft(f"saved one by one {n}"))
    before = len(list((home / "memories.lance" / "data").iterdir()))
    assert desk.maintain(keep_seconds=0)
    after = len(list((home / "memories.lance" / "data").iterdir()))
    assert before >= 40
    assert after <= 3
    assert len(desk.list(limit=100).memories) == 40
    assert desk.recall("saved 7", limit=1).hits[0].memory.text == "saved one by one 7"


@direct_only
def test_the_maintenance_child_is_started_by_threshold(open_desk: Callable[..., Service]) -> None:
    """Enough saves ask for maintenance, once in a while, never inside a call."""
    asked: list[None] = []
    desk = open_desk(maintain=lambda: asked.append(None))
    desk.remember(Draft("first"))
    assert desk.duties.settled(30)
    assert asked == []
    desk._core._maintained = -100.0  # as if seconds had passed
    desk.remember_many([Draft("a"), Draft("b")])
    assert desk.duties.settled(30)
    assert asked == []
    for n in range(32):
        desk._core._maintained = -100.0
        desk.remember(Draft(f"n{n}"))
    assert desk.duties.settled(30)
    assert asked


def test_reindexing_rebuilds_what_search_reads(
    open_desk: Callable[..., Service], home: Path
) -> None:
    """Search works again after its table was lost, and every passage gets its vector."""
    desk = open_desk(background=False)
    ids = {desk.remember(Draft(f"apple {n}")).id for n in range(5)}
    desk.close()
    for table in home.glob("passages_*.lance"):
        table.rename(home / "lost")
    again = open_desk(background=False)
    again.reindex()
    assert {hit.memory.id for hit in again.recall("apple").hits} == ids
    assert again.embed_pending() == 5


# Clocks


@direct_only
def test_a_clock_from_the_future_is_not_followed(desk: Service) -> None:
    """A memory written while the date was wrong does not set the clock for all that come after."""
    id = desk.remember(Draft("from 2050")).id
    store = desk._core.store()
    future = int(datetime(2050, 1, 1, tzinfo=UTC).timestamp() * 1000)
    store.replace([replace(one(desk, id), clock_ms=future)], (), datetime.now(UTC))
    store._head_version = -1  # as another process would begin
    store._head = type(store._head)()
    other = desk.remember(Draft("from today")).id
    assert one(desk, other).clock_ms < future
