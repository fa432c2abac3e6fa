"""Tidying up: tags, spaces, merging and going back, each one change that can be taken back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from served import direct_only

from memdesk.errors import Busy, Cancelled, Conflict, Invalid, MemdeskError, NotFound, StoreError
from memdesk.limits import limited
from memdesk.memory import Draft, Edit, Filter, Memory, Source, new_id, now
from memdesk.service import tidying, undoing, writing

if TYPE_CHECKING:
    from collections.abc import Callable

    from memdesk.answers import Changed
    from memdesk.service import Service

ALL = Filter(states=("live", "trashed", "replaced", "tombstone"), expired=True)
FAR = "2099-01-01"
_CUT_OFF = Cancelled("cut off")


def one(desk: Service, id: str) -> Memory:
    """Return one memory."""
    return desk.get([id])[0]


def add(desk: Service, text: str, **more: object) -> str:
    """Remember a text and return its id."""
    return desk.remember(Draft(text, **more)).id  # type: ignore[arg-type]


def told(memory: Memory) -> dict[str, object]:
    """Return what a memory tells, without which revision it is."""
    stamps = {"clock_ms", "clock_n", "device", "seq", "change", "actor", "updated_at"}
    return {name: getattr(memory, name) for name in Memory.__slots__ if name not in stamps}


def everything(desk: Service) -> dict[str, dict[str, object]]:
    """Return what all memories tell, by their ids."""
    return {memory.id: told(memory) for memory in desk.list(where=ALL, limit=1000).memories}


def found(desk: Service, query: str, **where: object) -> list[str]:
    """Return the texts of what a recall finds, whatever its certainty."""
    hits = desk.recall(query, limit=20, where=Filter(**where), floor=0).hits  # type: ignore[arg-type]
    return sorted(hit.memory.text for hit in hits)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> int:
    """Have a change of any number of memories written two at a time."""
    monkeypatch.setattr(tidying, "_BATCH", 2)
    monkeypatch.setattr(undoing, "_PAGE", 2)
    return 2


@pytest.fixture
def dying(small_batches: int, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what has the next change cut off after so many batches."""
    assert small_batches

    def after(batches: int, error: MemdeskError = _CUT_OFF) -> None:
        left = [batches]

        def rewrite(*args: object) -> list[Memory]:
            if not left[0]:
                raise error
            left[0] -= 1
            return writing.rewrite(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(tidying, "rewrite", rewrite)

    return after


# add_tags and drop_tags


@pytest.mark.parametrize(
    ("edit", "tags"),
    [
        (Edit(add_tags=("#c", "a", " ")), ("a", "b", "c")),
        (Edit(drop_tags=("#a", "x")), ("b",)),
        (Edit(add_tags=("c",), drop_tags=("b",)), ("a", "c")),
        (Edit(tags=("x", "y"), add_tags=("z",), drop_tags=("y",)), ("x", "z")),
        (Edit(tags=(), add_tags=("z",)), ("z",)),
    ],
)
def test_tags_are_added_and_dropped(desk: Service, edit: Edit, tags: tuple[str, ...]) -> None:
    """Tags are cleaned, keep their order, and go on top of those given or those there."""
    id = add(desk, "one", tags=("a", "b"))
    assert desk.revise(id, edit).tags == tags


def test_an_edit_that_names_nothing_is_refused(desk: Service) -> None:
    """Without any field there is nothing to revise."""
    id = add(desk, "one")
    with pytest.raises(Invalid, match=r"^revise: names nothing"):
        desk.revise(id, Edit())
    with pytest.raises(Invalid, match=r"^revise: names nothing"):
        desk.revise_many([id], Edit())


# revise with a base


def test_a_revision_begun_on_an_old_one_is_a_conflict(desk: Service) -> None:
    """Who revised it meanwhile is told, and nothing is changed; on the present one it goes through."""
    id = add(desk, "one")
    seen = one(desk, id).seq
    theirs = desk.revise(id, Edit(text="theirs"), base=seen, actor="claude")
    with pytest.raises(
        Conflict, match=r"has changed since: revised by claude; look at it"
    ) as caught:
        desk.revise(id, Edit(text="mine"), base=seen)
    assert caught.value.id == id
    assert one(desk, id) == theirs
    assert desk.revise(id, Edit(text="mine"), base=theirs.seq).text == "mine"


def test_a_repeated_revision_is_no_conflict_with_itself(desk: Service) -> None:
    """The same change on the same base returns its first result."""
    id, change = add(desk, "one"), new_id()
    seen = one(desk, id).seq
    first = desk.revise(id, Edit(text="two"), base=seen, change=change)
    assert desk.revise(id, Edit(text="two"), base=seen, change=change) == first


# revise_many


def test_many_are_revised_as_one_change(desk: Service) -> None:
    """All have the fields afterwards, those that had them are told, and one undo takes it back."""
    ids = [add(desk, text, tags=("old",)) for text in ("tea", "cake")]
    there = add(desk, "milk", space="kitchen", tags=("new",))
    before = everything(desk)
    edit = Edit(space="kitchen", add_tags=("new",), drop_tags=("old",))
    done = desk.revise_many([*ids, there], edit, actor="me")
    assert (set(done.done), done.unchanged) == (set(ids), (there,))
    assert {(each.space, each.tags, each.change) for each in desk.get(ids)} == {
        ("kitchen", ("new",), done.change)
    }
    assert found(desk, "tea cake milk", spaces=("kitchen",)) == ["cake", "milk", "tea"]
    assert found(desk, "tea cake milk", tags=("old",)) == []
    desk.undo(done.change)
    assert everything(desk) == before


def test_revising_many_is_all_or_none(desk: Service) -> None:
    """One that is not there, not live, or cannot take the edit leaves all as they were."""
    here, gone = add(desk, "here"), add(desk, "gone")
    full = add(desk, "full", tags=tuple(f"t{n}" for n in range(64)))
    desk.forget([gone])
    before = everything(desk)
    with pytest.raises(Conflict, match=r"it is in the trash; restore it first"):
        desk.revise_many([here, gone], Edit(pinned=True))
    with pytest.raises(NotFound):
        desk.revise_many([here, new_id()], Edit(pinned=True))
    with pytest.raises(Invalid, match=r"^tags: are 65"):
        desk.revise_many([here, full], Edit(add_tags=("one more",)))
    assert everything(desk) == before


@pytest.mark.parametrize(
    ("ids", "edit", "words"),
    [
        (1, Edit(text="same"), r"^text: is one memory's own"),
        (0, Edit(pinned=True), r"^ids: are missing"),
        (writing.MAX_IDS + 1, Edit(pinned=True), r"^ids: are 1001; at most 1000"),
    ],
)
def test_what_cannot_be_revised_together(desk: Service, ids: int, edit: Edit, words: str) -> None:
    """No text, no ids or too many are refused by name."""
    with pytest.raises(Invalid, match=words):
        desk.revise_many([new_id() for _ in range(ids)], edit)


def test_a_repeated_revision_of_many_returns_its_first_result(desk: Service) -> None:
    """What somebody changed since is not changed again."""
    id, change = add(desk, "one"), new_id()
    first = desk.revise_many([id], Edit(pinned=True), change=change)
    desk.revise(id, Edit(pinned=False))
    assert desk.revise_many([id], Edit(pinned=True), change=change) == first
    assert not one(desk, id).pinned


# rename_tag


def test_a_tag_is_renamed_wherever_it_is(desk: Service) -> None:
    """Live, expired, forgotten and replaced memories have the new one in its place, none twice."""
    live = add(desk, "tea", tags=("a", "old", "z"))
    both = add(desk, "cake", tags=("new", "old", "z"))
    trashed = add(desk, "milk", tags=("old",))
    desk.forget([trashed])
    replaced = add(desk, "jam", tags=("old",))
    add(desk, "honey", replaces=replaced, tags=("Old",))
    before = everything(desk)
    done = desk.rename_tag("#old", " new ")
    assert set(done.done) == {live, both, trashed, replaced}
    assert [each.tags for each in desk.get([live, both, trashed, replaced])] == [
        ("a", "new", "z"),
        ("new", "z"),
        ("new",),
        ("new",),
    ]
    assert [each.state for each in desk.get([trashed, replaced])] == ["trashed", "replaced"]
    assert found(desk, "tea cake milk honey", tags=("new",)) == ["cake", "tea"]
    assert found(desk, "tea cake milk honey", tags=("Old",)) == ["honey"]
    desk.undo(done.change)
    assert everything(desk) == before


def test_a_tag_is_taken_away(desk: Service) -> None:
    """With no other name the tag is on no memory afterwards, and words no longer find it."""
    id = add(desk, "tea", tags=("old", "z"))
    desk.rename_tag("old", "")
    assert one(desk, id).tags == ("z",)
    assert [hit.keyword_rank for hit in desk.recall("old", floor=0).hits] == [None]
    assert "old" not in desk.stats().tags


@pytest.mark.parametrize(
    ("tag", "into", "words"),
    [
        ("old", "new", r"^tag: “old” is on no memory$"),
        (" # ", "new", r"^tag: is empty"),
        ("here", "#here ", r"^into: “here” is what the tag is called already"),
        ("here", "x" * 101, r"^tags: is 101 characters long"),
    ],
)
def test_tags_that_cannot_be_renamed(desk: Service, tag: str, into: str, words: str) -> None:
    """A tag nobody has, none at all, its own name or a name too long are refused."""
    add(desk, "tea", tags=("here",))
    before = everything(desk)
    with pytest.raises(Invalid, match=words):
        desk.rename_tag(tag, into)
    assert everything(desk) == before


@pytest.mark.usefixtures("small_batches")
def test_a_tag_of_any_number_of_memories_is_one_change(desk: Service) -> None:
    """Several batches are renamed, told, and undone together."""
    drafts = [Draft(f"note {n}", tags=("old",)) for n in range(7)]
    ids = {done.id for done in desk.remember_many(drafts)}
    done = desk.rename_tag("old", "new")
    assert set(done.done) == ids
    assert desk.stats().tags == {"new": 7}
    assert {memory.change for memory in desk.get(tuple(ids))} == {done.change}
    assert set(desk.undo(done.change).done) == ids
    assert desk.stats().tags == {"old": 7}
    desk.undo()
    assert desk.stats().states == {"trashed": 7}


def test_a_rename_that_was_cut_off_is_finished_by_its_repetition(
    desk: Service, dying: Callable[..., None]
) -> None:
    """What is left is renamed under the same change; what came or changed since is left alone."""
    drafts = [Draft(f"note {n}", tags=("old",)) for n in range(6)]
    ids = {done.id for done in desk.remember_many(drafts)}
    change = new_id()
    dying(2)
    with pytest.raises(Cancelled):
        desk.rename_tag("old", "new", change=change)
    assert desk.stats().tags == {"new": 4, "old": 2}
    later = add(desk, "later", tags=("old",))
    dying(99)
    done = desk.rename_tag("old", "new", change=change)
    assert (done.change, set(done.done)) == (change, ids)
    assert one(desk, later).tags == ("old",)
    assert set(desk.rename_tag("old", "new", change=change).done) == ids
    desk.undo(change)
    assert desk.stats().tags == {"old": 7}
    assert set(desk.rename_tag("old", "new", change=change).done) == ids
    assert desk.stats().tags == {"old": 7}


@pytest.mark.parametrize(
    "error", [Busy("claude", 30.0), StoreError("the disk is full"), Cancelled("nobody waits")]
)
def test_a_change_that_fails_in_the_middle_tells_how_far_it_came(
    desk: Service, dying: Callable[..., None], error: MemdeskError
) -> None:
    """The error is of its kind and says how many are done; those are undone by the change's id."""
    desk.remember_many([Draft(f"note {n}", tags=("old",), space="a") for n in range(6)])
    before = everything(desk)
    verbs: list[Callable[[str], Changed]] = [
        lambda change: desk.rename_tag("old", "new", change=change),
        lambda change: desk.rename_space("a", "b", change=change),
        lambda change: desk.delete_space("a", change=change),
    ]
    for verb in verbs:
        change = new_id()
        dying(2, error)
        with pytest.raises(type(error)) as caught:
            verb(change)
        assert str(caught.value) == f"{error}; 4 of 6 are done, do it again to finish"
        assert caught.value.exit_code == error.exit_code
        assert len(desk.undo(change).done) == 4
        assert everything(desk) == before
        dying(2, error)
        with pytest.raises(type(error)):
            verb(new_id())
        dying(9)
        assert len(verb(new_id()).done) == 2
        desk.undo()
        desk.undo()
        assert everything(desk) == before


def test_a_change_that_fails_at_once_says_what_failed_alone(
    desk: Service, dying: Callable[..., None]
) -> None:
    """Nothing is done, so nothing is told of it."""
    add(desk, "tea", tags=("old",))
    dying(0, Busy("claude", 30.0))
    with pytest.raises(Busy) as caught:
        desk.rename_tag("old", "new")
    assert caught.value.args == ("claude", 30.0)


@direct_only
@pytest.mark.usefixtures("small_batches")
def test_a_long_rename_ends_when_nobody_waits_for_it(desk: Service) -> None:
    """Between two batches it asks whether it is still wanted, and before its restore point."""
    desk.remember_many([Draft(f"note {n}", tags=("old",)) for n in range(5)])
    answers = iter([True, True, True, False])
    with limited(seconds=9, wanted=lambda: next(answers)), pytest.raises(Cancelled):
        desk.rename_tag("old", "new")
    assert desk.stats().tags == {"old": 3, "new": 2}


@direct_only
def test_a_rename_embeds_nothing_again(desk: Service) -> None:
    """The words of a memory are the same, so its vectors stay."""
    add(desk, "tea", tags=("old",), space="a")
    model = desk._core.embedder
    before = list(model.embedded)  # type: ignore[union-attr]
    desk.rename_tag("old", "new")
    desk.rename_space("a", "b")
    assert model.embedded == before  # type: ignore[union-attr]
    assert desk.recall("tea", where=Filter(spaces=("b",)), floor=0).hits[0].cosine is not None


# rename_space and delete_space


def test_a_space_is_renamed_with_all_that_is_in_it(desk: Service) -> None:
    """Live and forgotten memories move, others stay, and a recall finds them there at once."""
    live, trashed = add(desk, "tea", space="old"), add(desk, "cake", space="old")
    add(desk, "milk")
    desk.forget([trashed])
    before = everything(desk)
    done = desk.rename_space("old", "new")
    assert set(done.done) == {live, trashed}
    assert [(each.space, each.state) for each in desk.get([live, trashed])] == [
        ("new", "live"),
        ("new", "trashed"),
    ]
    assert found(desk, "tea milk", spaces=("new",)) == ["tea"]
    assert found(desk, "tea milk", spaces=("old",)) == []
    desk.undo(done.change)
    assert everything(desk) == before
    assert found(desk, "tea milk", spaces=("old",)) == ["tea"]


def test_a_space_is_merged_with_another(desk: Service) -> None:
    """Of equal texts the one that was there stays and takes the other's place; turns keep theirs."""
    twin = add(desk, "tea", space="new")
    gone = add(desk, "cake", space="new")
    desk.forget([gone])
    turn = add(desk, "tea", space="old", session="s", position=1)
    moved, cake = add(desk, "tea", space="old"), add(desk, "cake", space="old")
    before = everything(desk)
    done = desk.rename_space("old", "new")
    assert set(done.done) == {turn, moved, cake}
    assert (one(desk, moved).state, one(desk, moved).replaced_by) == ("replaced", twin)
    assert [each.state for each in desk.get([turn, cake, twin, gone])] == [
        *("live", "live", "live", "trashed")
    ]
    assert desk.stats().spaces == {"new": 3}
    desk.undo(done.change)
    assert everything(desk) == before


@pytest.mark.parametrize(
    ("space", "into", "words"),
    [
        ("none", "new", r"^space: “none” holds no memories$"),
        ("old", "old", r"^into: “old” is what the space is called already"),
        ("old", "", r"^into: must be 1 to 100"),
        (" old", "new", r"^space: must be 1 to 100"),
    ],
)
def test_spaces_that_cannot_be_renamed(desk: Service, space: str, into: str, words: str) -> None:
    """An unknown space, its own name or what is no name is refused."""
    add(desk, "tea", space="old")
    with pytest.raises(Invalid, match=words):
        desk.rename_space(space, into)


def test_a_deleted_space_is_in_the_trash(desk: Service) -> None:
    """Its live memories go there, with those whose time has run out, and come back by undo."""
    id = add(desk, "tea", space="old", metadata='{"a": 1}')
    there = add(desk, "cake", space="old")
    other = add(desk, "milk")
    desk.forget([there], reason="stale")
    before = everything(desk)
    done = desk.delete_space("old")
    assert done.done == (id,)
    assert [each.state for each in desk.get([id, there, other])] == ["trashed", "trashed", "live"]
    assert "stale" in one(desk, there).metadata
    assert found(desk, "tea", spaces=("old",)) == []
    with pytest.raises(Invalid, match=r"^space: “old” holds no live memories$"):
        desk.delete_space("old")
    desk.undo(done.change)
    assert everything(desk) == before


@pytest.mark.usefixtures("small_batches")
def test_a_space_of_any_size_is_moved_and_deleted(desk: Service) -> None:
    """Several batches are one change each."""
    ids = {done.id for done in desk.remember_many([Draft(f"n {n}", space="a") for n in range(5)])}
    assert set(desk.rename_space("a", "b").done) == ids
    assert desk.stats().spaces == {"b": 5}
    change = new_id()
    assert set(desk.delete_space("b", change=change).done) == ids
    assert set(desk.delete_space("b", change=change).done) == ids
    assert desk.stats().states == {"trashed": 5}
    desk.undo(change)
    assert desk.stats().spaces == {"b": 5}


def test_what_belongs_to_no_project_is_not_deleted_as_one(desk: Service) -> None:
    """`personal` is always there."""
    add(desk, "tea")
    with pytest.raises(Invalid, match=r"^space: “personal” is where everything is"):
        desk.delete_space("personal")
    assert desk.stats().states == {"live": 1}


# moving one by one


def test_what_is_moved_to_where_it_is_already_becomes_one_with_it(desk: Service) -> None:
    """The one that was there takes its place, or of two that come together the first; turns stay."""
    twin = add(desk, "tea", space="new")
    came = add(desk, "tea", space="old")
    first, second = add(desk, "cake", space="old"), add(desk, "cake", space="older")
    turn = add(desk, "tea", space="old", session="s", position=1)
    before = everything(desk)
    done = desk.revise_many([came, first, second, turn], Edit(space="new", add_tags=("a",)))
    assert set(done.done) == {came, first, second, turn}
    assert [(each.state, each.replaced_by) for each in desk.get([came, first, second, turn])] == [
        ("replaced", twin),
        ("live", None),
        ("replaced", first),
        ("live", None),
    ]
    assert {each.id for each in desk.list(where=Filter(spaces=("new",))).memories} == {
        *(twin, first, turn)
    }
    desk.undo(done.change)
    assert everything(desk) == before


def test_a_twin_that_is_away_takes_no_place(desk: Service) -> None:
    """What lies in the trash of the other space, or moves away itself, is no twin."""
    gone = add(desk, "tea", space="new")
    desk.forget([gone])
    came = add(desk, "tea", space="old")
    desk.revise_many([came], Edit(space="new"))
    assert (one(desk, came).state, one(desk, came).space) == ("live", "new")
    desk.revise_many([came], Edit(pinned=True, space="new"))
    assert (one(desk, came).state, one(desk, came).pinned) == ("live", True)


# merge


def test_two_memories_become_one(desk: Service) -> None:
    """The one kept has the tags of both, the pin, the date and the text; the other is replaced."""
    keep = add(desk, "tea", tags=("a", "b"), audience=("team", "x"))
    drop = add(
        desk,
        "cake",
        tags=("b", "c"),
        space="s",
        happened_at="2024-05",
        pinned=True,
        audience=("y", "x"),
    )
    before = everything(desk)
    done = desk.merge(keep, drop, Edit(text="tea and cake"))
    kept, dropped = desk.get([keep, drop])
    assert done.done == (keep, drop)
    assert (kept.text, kept.tags, kept.pinned) == ("tea and cake", ("a", "b", "c"), True)
    assert (kept.happened_precision, kept.space, kept.audience) == ("month", "personal", ("x",))
    assert (kept.replaces, dropped.state, dropped.replaced_by) == (drop, "replaced", keep)
    assert found(desk, "cake") == ["tea and cake"]
    assert found(desk, "c", tags=("c",)) == ["tea and cake"]
    desk.undo(done.change)
    assert everything(desk) == before
    assert found(desk, "cake", spaces=("s",)) == ["cake"]


def test_what_the_kept_memory_knows_stays(desk: Service) -> None:
    """Without a text it keeps its own, and so it does its date and what it replaced before."""
    older = add(desk, "old tea")
    keep = add(desk, "tea", happened_at="2025", replaces=older)
    drop = add(desk, "cake", happened_at="2024-05-06")
    desk.merge(keep, drop)
    kept = one(desk, keep)
    assert (kept.text, kept.happened_precision, kept.replaces) == ("tea", "year", older)
    assert not kept.pinned


@pytest.mark.parametrize(
    ("keep", "drop", "merged"),
    [
        (("team", "x"), ("x", "team"), ("team", "x")),
        (("team",), ("x",), ()),
        (("team",), (), ()),
        ((), ("team",), ()),
    ],
)
def test_a_merge_goes_only_where_both_could(
    desk: Service, keep: tuple[str, ...], drop: tuple[str, ...], merged: tuple[str, ...]
) -> None:
    """A private memory makes a private one, unless the person says otherwise."""
    first, second = add(desk, "tea", audience=keep), add(desk, "cake", audience=drop)
    done = desk.merge(first, second, Edit(text="tea and cake"))
    assert one(desk, first).audience == merged
    desk.undo(done.change)
    desk.merge(first, second, Edit(audience=("world",)))
    assert one(desk, first).audience == ("world",)


@pytest.mark.parametrize(
    ("keep", "drop", "year"),
    [("2098-05", FAR, 2099), (FAR, "2098-05", 2099), (FAR, None, None), (None, FAR, None)],
)
def test_a_merge_lasts_as_long_as_either(
    desk: Service, keep: str | None, drop: str | None, year: int | None
) -> None:
    """The later end counts, and no end is the latest."""
    first, second = add(desk, "tea", expires_at=keep), add(desk, "cake", expires_at=drop)
    desk.merge(first, second)
    expires = one(desk, first).expires_at
    assert (expires.year if expires else None) == year


def test_what_is_said_of_a_merge_wins(desk: Service) -> None:
    """Every field that an edit gives is what the one memory has."""
    keep = add(desk, "tea", tags=("a",), pinned=True, expires_at="2098-05")
    drop = add(desk, "cake", tags=("b",), happened_at="2024", audience=("x",))
    edit = Edit("both", "fact", ("c",), "s", ("y",), "2020", FAR, pinned=False, metadata='{"a": 1}')
    desk.merge(keep, drop, edit)
    kept = one(desk, keep)
    assert (kept.text, kept.kind, kept.tags, kept.space) == ("both", "fact", ("c",), "s")
    assert (kept.audience, kept.pinned, kept.metadata) == (("y",), False, '{"a": 1}')
    assert kept.happened_at
    assert kept.expires_at
    assert (kept.happened_at.year, kept.expires_at.year) == (2020, 2099)
    assert found(desk, "both", spaces=("s",), tags=("c",)) == ["both"]


def test_a_merge_begun_on_other_revisions_is_a_conflict(desk: Service) -> None:
    """Whichever of the two has changed since, who did it is told, and nothing is changed."""
    keep, drop, change = add(desk, "tea"), add(desk, "cake"), new_id()
    seen = (one(desk, keep).seq, one(desk, drop).seq)
    for id in (keep, drop):
        desk.revise(id, Edit(add_tags=("x",)), actor="claude")
        before = everything(desk)
        with pytest.raises(Conflict, match="revised by claude") as caught:
            desk.merge(keep, drop, Edit(text="both"), bases=seen, change=change)
        assert caught.value.id == id
        assert everything(desk) == before
        seen = (one(desk, keep).seq, one(desk, drop).seq)
    first = desk.merge(keep, drop, Edit(text="both"), bases=seen, change=change)
    again = desk.merge(keep, drop, Edit(text="both"), bases=seen, change=change)
    assert set(again.done) == set(first.done) == {keep, drop}


def test_what_cannot_be_merged(desk: Service) -> None:
    """Itself, one that is not live, one that is none, or a text that is none changes nothing."""
    keep, drop, gone = add(desk, "tea"), add(desk, "cake"), add(desk, "milk")
    desk.forget([gone])
    before = everything(desk)
    with pytest.raises(Invalid, match=r"^drop: is the memory to keep itself"):
        desk.merge(keep, keep.upper())
    with pytest.raises(Conflict, match=r"it is in the trash"):
        desk.merge(keep, gone)
    with pytest.raises(Conflict, match=r"it is in the trash"):
        desk.merge(gone, keep)
    with pytest.raises(NotFound):
        desk.merge(keep, new_id())
    with pytest.raises(Invalid, match=r"^text: is empty"):
        desk.merge(keep, drop, Edit(text=" "))
    with pytest.raises(Invalid, match=r"^keep: "):
        desk.merge("tea", drop)
    assert everything(desk) == before


def test_a_repeated_merge_returns_its_first_result(desk: Service) -> None:
    """Though the one that was dropped is no longer live by then."""
    keep, drop, change = add(desk, "tea"), add(desk, "cake"), new_id()
    first = desk.merge(keep, drop, Edit(text="both"), change=change)
    again = desk.merge(keep, drop, Edit(text="both"), change=change)
    assert (again.change, set(again.done)) == (first.change, set(first.done))


# revert


def test_a_memory_goes_back_to_an_earlier_revision(desk: Service) -> None:
    """Everything it told then is told again, as a new revision that is found and can be undone."""
    draft = Draft(
        *("tea at five", "fact", ("a",), "s", ("team",), Source("claude")),
        happened_at="2024-05",
        expires_at=FAR,
        pinned=True,
        confidence=0.5,
        metadata='{"a": 1}',
    )
    id = desk.remember(draft).id
    first = one(desk, id)
    edit = Edit(
        *("cake", "note", (), "t", None, "", ""), pinned=False, confidence=0.9, metadata="{}"
    )
    second = desk.revise(id, edit)
    reverted = desk.revert(id, first.seq, actor="me")
    assert told(reverted) == told(first)
    assert (reverted.seq > second.seq, reverted.actor) == (True, "me")
    assert [each.memory.seq for each in desk.history(id)] == [
        *(reverted.seq, second.seq, first.seq)
    ]
    assert found(desk, "tea cake", spaces=("s",)) == ["tea at five"]
    desk.undo(reverted.change)
    assert told(one(desk, id)) == told(second)
    assert desk.revert(id, second.seq).seq == one(desk, id).seq


def test_an_audience_of_before_does_not_come_back(desk: Service) -> None:
    """Where a memory may go is as the person last said, whatever it told before."""
    id = add(desk, "tea", audience=("team",))
    seq = one(desk, id).seq
    private = desk.revise(id, Edit(text="cake", audience=())).seq
    assert (desk.revert(id, seq).text, one(desk, id).audience) == ("tea", ())
    desk.revise(id, Edit(audience=("home",)))
    assert (desk.revert(id, private).text, one(desk, id).audience) == ("cake", ("home",))


def test_a_revision_from_the_trash_comes_back_alive(desk: Service) -> None:
    """Only what it told is taken over: not its state, nor why it was forgotten."""
    id = add(desk, "tea")
    desk.forget([id], reason="stale")
    trashed = one(desk, id)
    desk.restore([id])
    desk.revise(id, Edit(text="cake"))
    back = desk.revert(id, trashed.seq)
    assert (back.text, back.state, back.metadata) == ("tea", "live", "{}")


def test_a_memory_is_flagged_as_what_it_goes_back_to(desk: Service) -> None:
    """What wants the person's eye follows the text and the confidence of then."""
    id = add(desk, "tea", source=Source("mail", "import"), confidence=0.1)
    first = one(desk, id)
    desk.revise(id, Edit(confidence=0.9))
    assert (first.flags, one(desk, id).flags) == (("low-trust",), ())
    assert desk.revert(id, first.seq).flags == first.flags


@direct_only
def test_an_expiry_that_has_passed_is_not_brought_back(
    desk: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the memory would be forgotten at once."""
    id = add(desk, "tea", expires_at=FAR)
    seq = one(desk, id).seq
    desk.revise(id, Edit(text="cake", expires_at=""))
    later = now() + timedelta(days=365 * 90)
    monkeypatch.setattr("memdesk.service.core.now", lambda: later)
    assert (desk.revert(id, seq).text, one(desk, id).expires_at) == ("tea", None)


def test_what_cannot_be_gone_back_to(desk: Service) -> None:
    """A revision of another memory, one to come, and a memory that is not live are refused."""
    id, other = add(desk, "tea"), add(desk, "cake")
    for seq in (one(desk, other).seq, 99, -1):
        with pytest.raises(Invalid, match=rf"^seq: {seq} is no revision of this memory"):
            desk.revert(id, seq)
    with pytest.raises(NotFound):
        desk.revert(new_id(), 1)
    desk.forget([id])
    with pytest.raises(Conflict, match=r"it is in the trash"):
        desk.revert(id, 1)


def test_a_repeated_revert_returns_its_first_result(desk: Service) -> None:
    """Though something else has changed the memory since."""
    id, change = add(desk, "tea"), new_id()
    seq = one(desk, id).seq
    desk.revise(id, Edit(text="cake"))
    first = desk.revert(id, seq, change=change)
    desk.revise(id, Edit(text="milk"))
    assert desk.revert(id, seq, change=change) == first
    assert one(desk, id).text == "milk"
