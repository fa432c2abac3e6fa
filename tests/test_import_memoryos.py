"""MemoryOS's user folders come in: turns of conversations, summaries, knowledge and the profile."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from memdesk.errors import Invalid
from memdesk.ingest import memoryos, streamed
from memdesk.ingest.formats import recognised
from memdesk.ingest.item import Choices, Item
from memdesk.memory import Draft
from memdesk.service.drafting import check

DATA = Path(__file__).parent / "data" / "imports" / "memoryos"
LIBRARY, SERVER = DATA / "library", DATA / "server"


def read(path: Path, space: str | None = None) -> dict[str, Draft | str]:
    """Return what the reader yields by its place: a draft, or why there is none."""
    found = list(memoryos.FORMAT.read(path, Choices(space)))
    assert len({each.place for each in found}) == len(found)
    return {each.place: each.draft if isinstance(each, Item) else each.reason for each in found}


def drafts(path: Path, space: str | None = None) -> list[Draft]:
    """Return the drafts, each fit to be stored."""
    found = [each for each in read(path, space).values() if isinstance(each, Draft)]
    for each in found:
        check(each, datetime.now(UTC))
    return found


@pytest.fixture
def ana(tmp_path: Path) -> Path:
    """Return a user's folder of the library that a test may change."""
    return Path(shutil.copytree(LIBRARY / "users" / "ana", tmp_path / "ana"))


def test_exchanges_are_turns_of_conversations() -> None:
    """The person's words and the answer stand at their places, with their roles and times."""
    turns = [each for each in drafts(LIBRARY) if each.kind == "dialogue"]
    told = [(each.session, each.position, each.role, each.text, each.happened_at) for each in turns]
    assert told == [
        (session, position, role, text, at)
        for session, position, role, text, at in (
            ("session_1a2b", 0, "user", "Which boots for June?", "2025-06-01 18:00:00"),
            ("session_1a2b", 1, "assistant", "Light ones.", "2025-06-01 18:00:00"),
            ("session_1a2b", 2, "user", "And the weather?", "2025-06-01 18:01:00"),
            ("session_1a2b", 3, "assistant", "Dry, windy on top.", "2025-06-01 18:01:00"),
            ("short-term", 0, "user", "Where did I park?", "2025-07-10 09:15:00"),
            ("short-term", 1, "assistant", "On level 3.", "2025-07-10 09:15:00"),
            ("short-term", 2, "user", "Thanks!", "2025-07-10 09:16:10"),
        )
        for session in [f"MemoryOS ana {session}"]
    ]
    assert json.loads(turns[0].metadata) == {"meta_info": "Ana asks about gear."}
    assert json.loads(turns[2].metadata) == {"page_keywords": ["weather"]}


def test_what_is_no_memory_is_told() -> None:
    """A page that stands under two themes is stored once, and an empty answer is none."""
    assert {place: each for place, each in read(LIBRARY).items() if isinstance(each, str)} == {
        "users/ana/mid_term.json, segment 2, exchange 1": "stands under another theme, too",
        "users/ana/short_term.json, exchange 2, assistant": "has no text",
    }


def test_knowledge_and_profile_are_facts() -> None:
    """What is known of the person and of the assistant is told apart, with its time."""
    facts = [each for each in drafts(LIBRARY) if each.kind == "fact"]
    assert [(each.text, each.tags, each.created_at) for each in facts] == [
        ("Assistant checks the forecast first.", ("assistant",), "2025-06-02 08:00:02"),
        ("Ana is a calm planner who likes mountains.", ("profile",), "2025-06-02 08:00:00"),
        ("Ana wears size 38.", (), "2025-06-02 08:00:01"),
    ]


def test_summaries_have_their_keywords() -> None:
    """Each segment's summary is a note that names the segment."""
    first, second = (each for each in drafts(LIBRARY) if each.kind == "note")
    assert first.text == "Ana plans a hike in the Serra da Estrela."
    assert (first.tags, second.tags) == (("hike", "Serra da Estrela"), ())
    assert json.loads(first.metadata) == {"segment": "session_1a2b"}


def test_the_server_s_folders_come_in() -> None:
    """Its three folders hold the same in other shapes: nothing of them is left out."""
    found = read(SERVER)
    assert all(isinstance(each, Draft) for each in found.values())
    told = {place: each.text for place, each in found.items() if isinstance(each, Draft)}
    assert told == {
        "ana/long_term/user_knowledge.json, entry 1": "Ana rents her flat.",
        "ana/long_term/user_profile.json": "Personality traits: patient\nInterests: hiking, bread",
        "ana/mid_term/memory.json, segment 1, summary": "Ana asked about the plumbing.",
        "ana/mid_term/memory.json, segment 1, exchange 1, user": "Where is the stopcock?",
        "ana/mid_term/memory.json, segment 1, exchange 1, assistant": "Under the sink.",
        "ana/short_term/memory.json, exchange 1, user": "Call the plumber on Monday.",
        "ana/short_term/memory.json, exchange 1, assistant": "Noted.",
        "ana/short_term/overflow.json, exchange 1, user": "The tap drips.",
        "ana/short_term/overflow.json, exchange 1, assistant": "Since when?",
    }
    knowledge = found["ana/long_term/user_knowledge.json, entry 1"]
    assert isinstance(knowledge, Draft)
    assert knowledge.confidence == 0.9
    assert [each.text for each in drafts(SERVER / "ana")] == list(told.values())


def test_recognised_by_names_and_contents(tmp_path: Path) -> None:
    """Both shapes are known from their root and from a user's folder; a like name is not enough."""
    for path in (LIBRARY, LIBRARY / "users" / "ana", SERVER, SERVER / "ana"):
        assert recognised(path) is memoryos.FORMAT
    (tmp_path / "short_term.json").write_text('{"loans": []}')
    assert not memoryos.FORMAT.recognises(tmp_path)
    assert not memoryos.FORMAT.recognises(tmp_path / "short_term.json")


def test_each_of_several_users_has_a_space(tmp_path: Path) -> None:
    """What was kept apart stays apart, unless the person names a space for all."""
    root = Path(shutil.copytree(LIBRARY, tmp_path / "data"))
    shutil.copytree(root / "users" / "ana", root / "users" / "ben")
    spaces = [each.space for each in drafts(root)]
    assert spaces == ["personal"] + ["ana"] * 11 + ["ben"] * 11
    assert {each.space for each in drafts(root, "team")} == {"team"}


@pytest.mark.parametrize(
    "data", [b"", b"{", b'{"sessions": {"a": {"details"', b"caf\xe9", b"[" * 100_000, b"\0", b"7"]
)
def test_a_broken_file_is_told(ana: Path, data: bytes) -> None:
    """It is skipped; those beside it come in."""
    (ana / "mid_term.json").write_bytes(data)
    found = read(ana)
    assert found["mid_term.json"] == "is broken off, or is no JSON of MemoryOS"
    assert sum(isinstance(each, Draft) for each in found.values()) == 5


def test_entries_of_another_shape_are_told(ana: Path) -> None:
    """Each is skipped for its reason, and none stops the others."""
    (ana / "mid_term.json").write_text('{"sessions": {"a": 7, "b": {"details": [8, {}]}}}')
    (ana / "long_term_user.json").write_text(
        '{"user_profiles": {"ana": 9}, "knowledge_base": [1, {"knowledge": "- none."}]}'
    )
    (ana / "short_term.json").write_text('[{"user_input": {}, "agent_response": "Yes."}, null]')
    (ana / "vectors.npy").write_bytes(b"\x93NUMPY")
    assert [each for each in read(ana).values() if isinstance(each, str)] == [
        "has no text",
        "is no knowledge of MemoryOS",
        "has no text",
        "is no segment of MemoryOS",
        "has no text",
        "is no exchange of MemoryOS",
        "has no text",
        "has no text",
        "has no text",
        "is no exchange of MemoryOS",
        "is no memory",
    ]
    (turn,) = drafts(ana)
    assert (turn.text, turn.position) == ("Yes.", 1)


@pytest.mark.parametrize("stamp", ["soon", "2999-01-01", ["x"]])
def test_a_time_that_is_none_is_kept(ana: Path, stamp: object) -> None:
    """It is the metadata's."""
    for file in ana.iterdir():
        file.unlink()
    pair = {"user_input": "Hello?", "timestamp": stamp}
    (ana / "short_term.json").write_text(json.dumps([pair]))
    (turn,) = drafts(ana)
    assert (turn.happened_at, turn.created_at) == (None, None)
    assert json.loads(turn.metadata) == {"created_at": stamp}


def test_a_long_history_is_read_segment_by_segment(
    ana: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file larger than any entry may be comes in whole."""
    monkeypatch.setattr(streamed, "LONGEST", 1_000_000)
    page = {"user_input": "Hello?", "agent_response": "Yes.", "page_embedding": [0.125] * 384}
    with (ana / "mid_term.json").open("w") as file:
        file.write('{"sessions": {')
        segment = json.dumps({"summary": "Talk.", "details": [page] * 100}, indent=2)
        file.write(",".join(f'"s{number}": {segment}' for number in range(8)))
        file.write("}}")
    assert (ana / "mid_term.json").stat().st_size > 4 * streamed.LONGEST
    assert len(drafts(ana)) == 5 + 8 * 201


def test_what_is_no_folder_of_memoryos_is_refused(ana: Path) -> None:
    """Nothing to import is a failure."""
    with pytest.raises(Invalid, match="holds no file that can be read as a file of MemoryOS"):
        read(DATA.parent / "csv")
    with pytest.raises(Invalid, match="is no folder"):
        read(ana / "mid_term.json")
