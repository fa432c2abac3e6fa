"""What an AI host may do and see, whichever verb it uses, and what it is told instead."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import direct_only

from memdesk.errors import Denied, Invalid, NotFound, StoreError
from memdesk.mcp import render
from memdesk.memory import Draft, Edit, Filter, Source
from memdesk.rules import HostRules
from memdesk.service import hosts
from memdesk.service.hosts import FILE, MOST_SAVES, _rules
from memdesk.service.seat import Seat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from memdesk.memory import Memory
    from memdesk.service import Service

TEA = "Ana drinks green tea at five in the afternoon"
PLAN = "The website moves to the new server in May"
HIDDEN = "7b9ad6a1-6f2e-4d0c-9c0b-0d8f6a1b2c3d"


def said(text: str, space: str = "personal", **more: object) -> Draft:
    """Return what a host wants remembered."""
    return Draft(text, space=space, source=Source("claude-code", "agent"), **more)  # type: ignore[arg-type]


def limited(desk: Service, name: str = "claude-code", **rules: object) -> Seat:
    """Return the seat of a host that has rules, in the space `web`."""
    desk.set_host_rules(name, HostRules(**rules))  # type: ignore[arg-type]
    return desk.for_host(name, "web")


# The rules themselves


def test_a_host_without_rules_may_do_everything(desk: Service) -> None:
    """Nobody has to say anything first."""
    assert desk.host_rules() == {}


def test_rules_are_kept_for_everybody(open_desk: Callable[..., Service], home: Path) -> None:
    """Another process has them with its next call; the file is for its owner alone."""
    one, two = open_desk(), open_desk()
    rules = HostRules(read_only=True, spaces=("web", "blog"), personal=False)
    assert one.set_host_rules("Claude-Code", rules) == rules
    assert two.host_rules() == {"claude-code": rules}
    two.set_host_rules(" claude-CODE ", HostRules(paused=True))
    two.set_host_rules("cursor", HostRules(read_only=True))
    assert one.host_rules()["claude-code"] == HostRules(paused=True)
    one.set_host_rules("cursor", HostRules())
    assert set(two.host_rules()) == {"claude-code"}
    assert stat.S_IMODE((home / FILE).stat().st_mode) == 0o600


def test_rules_have_one_form(desk: Service) -> None:
    """Each space once; `personal` among the spaces is `personal`."""
    given = HostRules(spaces=("web", "web", "personal"), personal=False)
    assert desk.set_host_rules("h", given) == HostRules(spaces=("web",))
    assert desk.set_host_rules("h", HostRules(spaces=("personal",))) == HostRules(spaces=())


@pytest.mark.parametrize(
    ("name", "rules", "field"),
    [
        ("", HostRules(), "host"),
        ("x" * 101, HostRules(), "host"),
        ("h", HostRules(spaces=("a\nb",)), "spaces"),
        ("h", HostRules(spaces=(), personal=False), "spaces"),
    ],
)
def test_rules_that_cannot_be_are_refused(
    desk: Service, name: str, rules: HostRules, field: str
) -> None:
    """A host without a name, a space that can be none, and nothing left to see."""
    with pytest.raises(Invalid) as refused:
        desk.set_host_rules(name, rules)
    assert refused.value.field == field
    assert desk.host_rules() == {}


@direct_only
def test_a_name_in_the_file_is_read_as_it_is_said(desk: Service, home: Path) -> None:
    """In capitals or not: a person may have written it by hand."""
    desk.remember(Draft(TEA))
    (home / FILE).write_text('{"Claude-Code ": {"paused": true}}')
    assert desk.host_rules() == {"claude-code": HostRules(paused=True)}
    with pytest.raises(Denied, match="paused"):
        desk.for_host("claude-code").profile()


@direct_only
@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b'{"h": 7}', b'{"h": {"paused": 1}}', b'{"h": {"later": true}}'),
        *(b'{"h": {"spaces": "web"}}', b'{"h": {"spaces": [7]}}', b"[" * 100_000, b"\xff"),
        *(b'{"h": {}, "H": {}}', b'{"": {}}'),
    ],
)
def test_without_readable_rules_no_host_may_do_anything(
    desk: Service, home: Path, content: bytes
) -> None:
    """Rather that than a host that sees what it may not; the error says which file and what to do."""
    desk.remember(Draft(TEA))
    (home / FILE).write_bytes(content)
    with pytest.raises(StoreError, match=r"hosts\.json.*memdesk host NAME"):
        desk.for_host("anyone").recall("tea")
    with pytest.raises(StoreError):
        desk.set_host_rules("h", HostRules(paused=True))
    assert desk.recall("green tea").hits  # the person is no host


@given(
    st.builds(
        HostRules,
        st.booleans(),
        st.booleans(),
        st.none() | st.lists(st.from_regex(r"[a-z]{1,5}", fullmatch=True)).map(tuple),
        st.booleans(),
    )
)
def test_rules_come_back_from_the_file_as_they_went(rules: HostRules) -> None:
    """Every one of them."""
    fields = {name: getattr(rules, name) for name in HostRules.__slots__}
    assert _rules(json.loads(json.dumps(fields))) == rules


# Paused, and reading only

WRITES: dict[str, Callable[[Seat], object]] = {
    "remember": lambda seat: seat.remember(said(TEA, "web")),
    "revise": lambda seat: seat.revise(HIDDEN, Edit(text="x")),
    "forget": lambda seat: seat.forget([HIDDEN]),
}
READS: dict[str, Callable[[Seat], object]] = {
    "scope": lambda seat: seat.scope(None),
    "room": lambda seat: seat.room(None),
    "recall": lambda seat: seat.recall("tea"),
    "list": lambda seat: seat.list(),
    "get": lambda seat: seat.get([HIDDEN]),
    "profile": lambda seat: seat.profile(),
}


@direct_only
@pytest.mark.parametrize("verb", [*READS, *WRITES])
def test_a_paused_host_gets_nothing(desk: Service, verb: str) -> None:
    """It is told how the person lets it go on."""
    seat = limited(desk, paused=True)
    with pytest.raises(Denied, match=r"paused for claude-code.*memdesk host claude-code --resume"):
        (READS | WRITES)[verb](seat)
    limited(desk)
    if verb not in ("get", "revise", "forget"):
        (READS | WRITES)[verb](seat)


@direct_only
def test_every_verb_of_a_host_is_tried(desk: Service) -> None:
    """A new one belongs into the lists above."""
    assert {name for name in vars(Seat) if name[0] != "_"} == {*READS, *WRITES}


@direct_only
@pytest.mark.parametrize("verb", WRITES)
def test_a_host_that_only_reads_changes_nothing(desk: Service, verb: str) -> None:
    """It recalls as ever, and is told how the person lets it write."""
    id = desk.remember(Draft(TEA)).id
    seat = limited(desk, read_only=True)
    with pytest.raises(Denied, match=r"only read here.*memdesk host claude-code --read-write"):
        WRITES[verb](seat)
    assert [each.memory.id for each in seat.recall("green tea").hits] == [id]
    assert desk.stats().states == {"live": 1}


@direct_only
def test_a_name_is_quoted_for_a_shell(desk: Service) -> None:
    """The command can be copied, whatever a host calls itself."""
    seat = limited(desk, "Visual Studio; rm", paused=True)
    with pytest.raises(Denied, match=r"memdesk host 'Visual Studio; rm' --resume"):
        seat.profile()


# Spaces


@pytest.fixture
def filled(desk: Service) -> dict[str, str]:
    """Return the ids of memories in three spaces, by their spaces."""
    return {
        space: desk.remember(Draft(f"{PLAN}, says {space}", kind="decision", space=space)).id
        for space in ("personal", "web", "work")
    }


@direct_only
def test_a_host_sees_its_spaces_alone(desk: Service, filled: dict[str, str]) -> None:
    """In no answer of any verb is there a memory of another."""
    seat = limited(desk, spaces=("web",), personal=False)
    assert seat.scope(None) == ("web",)
    assert [each.memory.id for each in seat.recall("website server").hits] == [filled["web"]]
    assert [each.id for each in seat.list().memories] == [filled["web"]]
    assert [each.id for each in seat.profile().memories] == [filled["web"]]
    assert seat.get([filled["web"]])[0].space == "web"


@direct_only
@pytest.mark.parametrize("space", ["personal", "work"])
def test_hidden_memories_are_not_found(desk: Service, filled: dict[str, str], space: str) -> None:
    """Not read, changed, forgotten or replaced; as if there was none of this id."""
    seat, id = limited(desk, spaces=("web",), personal=False), filled[space]
    tries: list[Callable[[], object]] = [
        lambda: seat.get([filled["web"], id]),
        lambda: seat.revise(id, Edit(text="x")),
        lambda: seat.forget([filled["web"], id]),
        lambda: seat.remember(said("x", "web", replaces=id)),
    ]
    for attempt in tries:
        with pytest.raises(NotFound) as hidden:
            attempt()
        assert hidden.value.id == id
    assert desk.stats().states == {"live": 3}


@direct_only
@pytest.mark.parametrize("space", ["personal", "work"])
def test_a_hidden_space_is_refused_by_name(
    desk: Service, filled: dict[str, str], space: str
) -> None:
    """To look in, to save into and to move to; whether there is such a space is not told."""
    seat = limited(desk, spaces=("web",), personal=False)
    tries: list[Callable[[], object]] = [
        lambda: seat.scope(space),
        lambda: seat.room(space),
        lambda: seat.profile(space=space),
        lambda: seat.recall("x", where=Filter(spaces=("web", space))),
        lambda: seat.list(where=Filter(spaces=(space,))),
        lambda: seat.remember(said("x", space)),
        lambda: seat.revise(filled["web"], Edit(space=space)),
    ]
    for attempt in tries:
        with pytest.raises(Denied, match=f"may not use the space “{space}”.*memdesk host "):
            attempt()
    assert desk.stats().states == {"live": 3}


@direct_only
def test_a_host_in_a_hidden_space_looks_where_it_may(desk: Service) -> None:
    """In `personal`, else in all it may see; what it saves goes nowhere else by itself."""
    assert limited(desk, spaces=("blog",)).scope(None) == ("personal",)
    seat = limited(desk, spaces=("blog", "shop"), personal=False)
    assert seat.scope(None) == ("blog", "shop")
    with pytest.raises(Denied):
        seat.room(None)


@direct_only
def test_a_host_without_a_space_and_without_personal_has_its_first(desk: Service) -> None:
    """Such as one that is started in no project and may see one."""
    limited(desk, spaces=("blog", "shop"), personal=False)
    seat = desk.for_host("claude-code")
    assert (seat.scope(None), seat.room(None)) == (("blog", "shop"), "blog")
    limited(desk, personal=False)
    with pytest.raises(Denied, match="--personal"):
        seat.scope(None)


@direct_only
def test_a_host_without_a_space_sees_all_but_personal(
    desk: Service, filled: dict[str, str]
) -> None:
    """Every space is its own as long as none is named; what it saves goes nowhere by itself."""
    limited(desk, personal=False)
    seat = desk.for_host("claude-code")
    assert seat.scope(None) == ("web", "work")
    found = {hit.memory.id for hit in seat.recall("website server", limit=9).hits}
    assert found == {filled["web"], filled["work"]}
    with pytest.raises(Denied, match="--personal"):
        seat.room(None)


@direct_only
def test_turns_of_hidden_spaces_are_not_shown_beside(desk: Service) -> None:
    """A conversation may have gone on in another space."""
    for number, space in enumerate(("web", "web", "work")):
        turn = Draft(f"turn {number} about the moon", session="s", position=number, space=space)
        desk.remember(turn)
    [hit, *_] = limited(desk, spaces=("web",)).recall("turn 1 moon", beside=3).hits
    assert {turn.space for turn in hit.beside} <= {"web"}


# Limits


@direct_only
def test_a_host_forgets_twenty_at_most(desk: Service) -> None:
    """A person may forget more at once."""
    ids = [desk.remember(Draft(f"number {number}")).id for number in range(21)]
    seat = desk.for_host("claude-code")
    with pytest.raises(Invalid, match="are 21; a host forgets at most 20"):
        seat.forget(ids)
    assert len(seat.forget(ids[:20]).done) == 20
    assert desk.forget(ids).done == (ids[20],)


@direct_only
def test_too_many_saves_wait_in_the_inbox(desk: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are stored and listed, and recalled once the person has settled them."""
    monkeypatch.setattr(hosts, "MOST_SAVES", 3)
    seat = desk.for_host("Claude-Code")
    done = [seat.remember(said(f"{TEA} {n}", kind="fact", pinned=True)) for n in range(5)]
    assert [each.held for each in done] == [False] * 3 + [True] * 2
    assert {each.outcome for each in done} == {"stored"}
    assert "Inbox" in render.remembered(done[4])
    known = {each.id for each in done[:3]}
    assert {hit.memory.id for hit in desk.recall(TEA, limit=9).hits} == known
    assert {each.id for each in desk.profile().memories} == known
    assert {each.id for each in seat.list().memories} == known
    assert len(desk.list().memories) == 5
    found = [each for each in desk.inbox().concerns if each.kind == "burst"]
    assert {each.memory.id for each in found} == {done[3].id, done[4].id}
    assert "claude-code saved too many" in found[0].about
    desk.review([each.key for each in found])
    assert {hit.memory.id for hit in desk.recall(TEA, limit=9).hits} == {each.id for each in done}
    assert not [each for each in desk.inbox().concerns if each.kind == "burst"]
    desk.undo()
    assert len(desk.recall(TEA, limit=9).hits) == 3


@direct_only
def test_one_of_too_many_replaces_nothing(desk: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else neither would be found: the old one is replaced, and the new one waits in the Inbox."""
    old = desk.remember(Draft(TEA)).id
    seat = desk.for_host("a")
    monkeypatch.setattr(hosts, "MOST_SAVES", 0)
    with pytest.raises(Denied, match=r"too many in a minute.*try again later"):
        seat.remember(said(PLAN, replaces=old))
    waits = seat.remember(said(PLAN))
    assert waits.held
    monkeypatch.setattr(hosts, "MOST_SAVES", 9)
    with pytest.raises(Denied, match="settle"):
        seat.remember(said(PLAN, replaces=old))
    assert [hit.memory.id for hit in desk.recall(TEA).hits] == [old]
    desk.review([f"burst:{waits.id}"])
    assert seat.remember(said(PLAN, replaces=old)).replaced == old


@direct_only
def test_a_settled_memory_stays_settled(desk: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over another text, the trash, a reindex and another opening; an unsettled one stays held."""
    monkeypatch.setattr(hosts, "MOST_SAVES", 0)
    seat = desk.for_host("h")
    seen, unseen = (seat.remember(said(f"{TEA} {name}")).id for name in ("one", "two"))
    desk.review([f"burst:{seen}"])
    for id in (seen, unseen):
        desk.revise(id, Edit(text=f"{PLAN} {id}"))
        desk.forget([id])
        desk.restore([id])
    desk.reindex()
    assert [each.memory.id for each in desk.recall(PLAN, limit=9).hits] == [seen]
    assert seat.remember(said(f"{PLAN} {unseen}")).held


@direct_only
def test_what_was_there_already_is_no_save(desk: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that says the same all day is not held up; each host has its own count."""
    monkeypatch.setattr(hosts, "MOST_SAVES", 2)
    seat = desk.for_host("a")
    assert not any(seat.remember(said(TEA)).held for _ in range(9))
    with pytest.raises(Invalid):
        seat.remember(said(""))
    assert not seat.remember(said(PLAN)).held
    assert seat.remember(said("third")).held
    assert not desk.for_host("b").remember(said("fourth")).held


@direct_only
def test_the_count_is_of_a_minute(desk: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute later there is room again."""
    monkeypatch.setattr(hosts, "MOST_SAVES", 1)
    clock = [0.0]
    monkeypatch.setattr("memdesk.service.hosts.time.monotonic", lambda: clock[0])
    seat = desk.for_host("a")
    assert [seat.remember(said(f"a {number}")).held for number in range(2)] == [False, True]
    clock[0] = 60.5
    assert not seat.remember(said("a minute later")).held


def test_a_hundred_saves_a_minute_are_usual() -> None:
    """The number that the documents name."""
    assert MOST_SAVES == 100


_SPACES = st.sampled_from(["personal", "web", "work"])


@direct_only
@given(
    st.builds(
        HostRules,
        st.just(False),
        st.just(False),
        st.none() | st.lists(st.sampled_from(["web", "work", "blog"])).map(tuple),
        st.booleans(),
    ),
    _SPACES,
    st.none() | _SPACES,
)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_answer_ever_holds_a_hidden_memory(
    desk: Service, rules: HostRules, own: str, named: str | None
) -> None:
    """Whatever the rules, the host's own space, and the space it names."""
    for space in ("personal", "web", "work"):
        desk.remember(Draft(f"{PLAN}, says {space}", kind="fact", pinned=True, space=space))
    try:
        rules = desk.set_host_rules("h", rules)
    except Invalid:
        return
    seat = desk.for_host("h", own)

    def answers() -> Iterator[Memory]:
        yield from seat.profile(space=named).memories
        where = Filter(spaces=seat.scope(named))
        yield from seat.list(where=where).memories
        yield from (hit.memory for hit in seat.recall(PLAN, where=where).hits)
        yield from seat.list().memories
        yield from (hit.memory for hit in seat.recall(PLAN).hits)

    try:
        found = list(answers())
    except Denied:
        assert named is None or not rules.sees(named) or rules.spaces is None
    else:
        assert all(rules.sees(each.space) for each in found)


# What it was shown


@direct_only
@pytest.mark.parametrize("space", ["personal", "web"])
@pytest.mark.parametrize("quoted", [TEA, f"> {TEA}", f"- {TEA}\n"])
def test_what_recall_returned_is_not_stored_again(desk: Service, quoted: str, space: str) -> None:
    """In no space, and however it is quoted; another host's words are its own."""
    id = desk.remember(Draft(TEA)).id
    seat = desk.for_host("claude-code", "web")
    seat.recall("green tea")
    done = seat.remember(said(quoted, space))
    assert (done.id, done.outcome, done.space) == (id, "duplicate", "personal")
    assert f"Already known as {id} in personal" in render.remembered(done)
    assert desk.for_host("other", "web").remember(said(f"> {TEA}", "web")).outcome == "stored"


@direct_only
@pytest.mark.parametrize("verb", ["recall", "get", "list", "profile"])
def test_whole_answers_are_not_stored_again(desk: Service, verb: str) -> None:
    """Of every verb that shows memories, as the host saw them."""
    ids = [desk.remember(Draft(text, kind="fact")).id for text in (TEA, PLAN)]
    seat = desk.for_host("claude-code")
    answer = {
        "recall": lambda: render.recalled(seat.recall("tea website", limit=9), ("personal",), 2000),
        "get": lambda: render.whole(seat.get(ids), 2000),
        "list": lambda: render.listed(seat.list().memories, "The newest memories", 2000),
        "profile": lambda: render.profile(seat.profile(), 2000),
    }[verb]()
    assert seat.remember(said(answer)).id in ids
    assert seat.remember(said(f"{answer}\n\nAnd Ana likes cake.")).outcome == "stored"


@direct_only
def test_a_passage_that_was_shown_is_not_stored_again(desk: Service) -> None:
    """Of a text too long to be shown whole; another part of it was not shown, and is stored."""
    parts = [
        f"Part {n} of the report tells of the harbour. " + "It rained. " * 60 for n in range(9)
    ]
    id = desk.remember(Draft(" ".join(parts))).id
    seat = desk.for_host("claude-code")
    [hit, *_] = seat.recall("report part harbour").hits
    assert len(hit.passage) < len(hit.memory.text)
    assert seat.remember(said(f"> {hit.passage}")).id == id
    other = next(each for each in parts if each.strip() not in hit.passage)
    assert seat.remember(said(other)).outcome == "stored"


@direct_only
def test_a_list_of_what_was_shown_is_not_stored_again(desk: Service) -> None:
    """One a line; one line that is news is enough for a new memory."""
    ids = [desk.remember(Draft(text, kind="fact")).id for text in (TEA, PLAN)]
    seat = desk.for_host("claude-code")
    seat.profile()
    assert seat.remember(said(f"- {PLAN}\n- {TEA}")).id == ids[1]
    assert seat.remember(said(f"- {PLAN}\n- {TEA}\n- Bo likes cake")).outcome == "stored"


@direct_only
@pytest.mark.parametrize(
    ("known", "news"),
    [
        ("12. April: Zahnarzt um 9 Uhr", "14. April: Zahnarzt um 9 Uhr"),
        ("The code of the door is Qx7Zab", "The code of the door is QX7ZAB"),
        ("5 °C is what the cellar has", "-5 °C is what the cellar has"),
        ("5 people fit into the car", "> 5 people fit into the car"),
    ],
)
def test_a_fact_that_looks_like_a_known_one_is_stored(desk: Service, known: str, news: str) -> None:
    """A number, a sign or a capital is all that tells them apart."""
    desk.remember(Draft(known, kind="fact"))
    seat = desk.for_host("claude-code")
    seat.profile()
    assert seat.remember(said(news)).outcome == "stored"


@direct_only
def test_an_answer_that_was_changed_is_stored(desk: Service) -> None:
    """What a host has left out of a memory, and said under its id, may be what it means."""
    id = desk.remember(Draft("Ana likes tea and no coffee")).id
    seat = desk.for_host("claude-code")
    shown = render.whole(seat.get([id]), 2000)
    assert seat.remember(said(shown.replace(" and no coffee", ""))).outcome == "stored"


@direct_only
def test_what_was_corrected_or_forgotten_since_may_be_said_again(desk: Service) -> None:
    """“Already known” is only said where it is true."""
    first, second = (desk.remember(Draft(text, space="web")).id for text in (TEA, PLAN))
    seat = desk.for_host("claude-code", "web")
    seat.get([first, second])
    desk.revise(first, Edit(text="Ana drinks coffee"))
    desk.forget([second])
    assert seat.remember(said(TEA)).outcome == "stored"
    assert seat.remember(said(PLAN)).outcome == "stored"


@direct_only
def test_a_replacement_is_never_taken_for_an_echo(desk: Service) -> None:
    """It says which memory it outdates: that is news."""
    old, known = (desk.remember(Draft(text)).id for text in (PLAN, TEA))
    seat = desk.for_host("claude-code", "web")
    seat.get([known])
    done = seat.remember(said(TEA, "web", replaces=old))
    assert (done.outcome, done.replaced) == ("stored", old)


@direct_only
def test_what_is_said_elsewhere_too_is_stored(desk: Service) -> None:
    """In a space where the shown memory is not looked for, and as a turn of a conversation."""
    id = desk.remember(Draft(TEA, space="alpha")).id
    seat = desk.for_host("claude-code", "beta")
    seat.get([id])
    assert seat.remember(said(TEA, "alpha")).outcome == "duplicate"
    for draft in (said(TEA, "beta"), said(TEA, "alpha", session="talk", position=3)):
        assert seat.remember(draft).outcome == "stored"


@direct_only
def test_an_echo_is_checked_as_any_draft(desk: Service) -> None:
    """A wrong date is told, whether or not the text is known."""
    id = desk.remember(Draft(TEA)).id
    seat = desk.for_host("claude-code")
    seat.get([id])
    with pytest.raises(Invalid, match="happened_at"):
        seat.remember(said(TEA, happened_at="some day"))


@direct_only
def test_nothing_that_was_shown_is_kept(desk: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only digests, of a bounded number of texts and hosts."""
    monkeypatch.setattr(hosts, "_MOST_SHOWN", 10)
    monkeypatch.setattr(hosts, "_MOST_HOSTS", 3)
    known = desk._core.hosts
    for number in range(20):
        known.show("a", f"id {number}", f"text {number}")
    assert (known.shown_as("a", "text 9"), known.shown_as("a", "text 10")) == ("", "id 10")
    assert "text" not in repr(known._known)
    for name in "bcd":
        known.show(name, "id", "text")
    assert known.shown_as("a", "text 19") == ""
