"""Importing the memory file of MCP's reference server: every observation and relation survives."""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from read_imports import BROKEN, DATA, as_lines, drafts, endures, lines, patiently, told, twisted

from memdesk.errors import Invalid
from memdesk.ingest.item import Choices
from memdesk.ingest.server_memory import FORMAT

FILE = DATA / "server-memory" / "memory.jsonl"
GRAPH = DATA / "server-memory" / "graph.json"


def test_its_files_are_recognised() -> None:
    """Lines of entities, and the graph as one object, are known by how they begin."""
    assert FORMAT.recognises(FILE)
    assert FORMAT.recognises(GRAPH)
    assert not FORMAT.recognises(DATA / "mem0" / "list.json")
    assert not FORMAT.recognises(DATA / "server-memory")


def test_keys_in_another_order_are_recognised(tmp_path: Path) -> None:
    """Forks of the server write the keys of a line in their own order."""
    file = tmp_path / "memory.jsonl"
    file.write_bytes(b'{"name": "A", "type": "entity", "entityType": "x", "observations": ["b"]}\n')
    assert FORMAT.recognises(file)
    assert [each.text for each in drafts(FORMAT, file)] == ["A: b"]


def test_a_first_line_of_another_kind_is_skipped(tmp_path: Path) -> None:
    """A kin of the server that marks its files with a line of its own is read, too."""
    file = tmp_path / "memory.jsonl"
    file.write_bytes(as_lines([{"type": "_mark", "source": "kin"}, *lines(FILE)]))
    assert FORMAT.recognises(file)
    items, skipped = told(FORMAT, file)
    assert len(items) == len(drafts(FORMAT, FILE))
    assert skipped == {"neither an entity nor a relation": 1}


def test_a_packed_file_is_read(tmp_path: Path) -> None:
    """A zip with the one file is as good as the file; one with none or several is told."""
    packed = tmp_path / "memory.zip"
    for count in (0, 1, 2):
        with zipfile.ZipFile(packed, "w") as archive:
            for number in range(count):
                archive.write(FILE, f"{number}.jsonl")
        if count == 1:
            assert drafts(FORMAT, packed) == drafts(FORMAT, FILE)
        else:
            with pytest.raises(Invalid, match=f"holds {count} files"):
                list(FORMAT.read(packed, Choices()))


def test_nothing_is_lost() -> None:
    """There is a fact for every observation, every relation, and every entity without observations."""
    items, skipped = told(FORMAT, FILE)
    told_of = lines(FILE)
    expected = sum(
        max(1, len(each["observations"])) for each in told_of if each["type"] == "entity"
    )
    expected += sum(each["type"] == "relation" for each in told_of)
    assert (len(items), skipped) == (expected, {})


def test_facts_begin_with_their_entity() -> None:
    """An observation is found by its entity's name, a relation reads as a sentence."""
    found = drafts(FORMAT, FILE)
    assert [each.text for each in found] == [
        "Ada Brook: Keeps bees behind the library",
        "Ada Brook: Prefers tea to coffee",
        "Ada Brook: Prüft jeden Montag den Regenmesser",
        "Rain Gauge: Written in Rust since 2024",
        "Harbour Library: place",
        "Ada Brook maintains Rain Gauge",
        "Ada Brook works near Harbour Library",
    ]
    assert {each.kind for each in found} == {"fact"}
    assert found[0].tags == ("person",)


def test_the_graph_can_be_built_again() -> None:
    """The metadata keeps the names and types as they were."""
    graph: dict[str, tuple[str, list[str]]] = {}
    relations = []
    for draft in drafts(FORMAT, FILE):
        about = json.loads(draft.metadata)
        if "entity" in about:
            known = graph.setdefault(about["entity"], (about["entity_type"], []))
            known[1].extend(
                [draft.text.removeprefix(f"{about['entity']}: ")] * ("observation" in about)
            )
        else:
            relations.append((about["from"], about["relation_type"], about["to"]))
    assert graph == {
        each["name"]: (each["entityType"], each["observations"])
        for each in lines(FILE)
        if each["type"] == "entity"
    }
    assert relations == [
        (each["from"], each["relationType"], each["to"])
        for each in lines(FILE)
        if each["type"] == "relation"
    ]


def test_what_forks_of_the_server_add_is_kept(tmp_path: Path) -> None:
    """An observation that stands in no list is one, and other keys are metadata."""
    entity = {"type": "entity", "name": "Ada", "entityType": "person", "observations": "likes tea"}
    relation = {"type": "relation", "from": "Ada", "to": "Bob", "relationType": "knows"}
    values = [entity | {"createdAt": "2020-01-01"}, relation | {"since": "2019", "entity": 7}]
    (tmp_path / "memory.jsonl").write_bytes(as_lines(values))
    first, second = drafts(FORMAT, tmp_path / "memory.jsonl")
    assert first.text == "Ada: likes tea"
    assert json.loads(first.metadata) == {
        "createdAt": "2020-01-01",
        "entity": "Ada",
        "entity_type": "person",
        "observation": 1,
    }
    assert json.loads(second.metadata) == {
        "since": "2019",
        "entity": 7,
        "from": "Ada",
        "relation_type": "knows",
        "to": "Bob",
    }


def test_a_graph_in_one_object_is_read() -> None:
    """What the server answers to read_graph is an import, too."""
    assert [each.text for each in drafts(FORMAT, GRAPH)] == [
        "Ada Brook: Keeps bees behind the library",
        "Ada Brook maintains Rain Gauge",
    ]


def test_a_chosen_space_holds_for_all() -> None:
    """--space decides where every fact goes."""
    assert {each.space for each in drafts(FORMAT, FILE, Choices(space="garden"))} == {"garden"}


def test_what_is_no_fact_is_counted(tmp_path: Path) -> None:
    """Blank observations, nameless entities, torn lines and other objects are each skipped for a reason."""
    file = tmp_path / "memory.jsonl"
    good = {"type": "entity", "name": "A", "entityType": "", "observations": ["b", " ", 7, None]}
    bad = [
        {"type": "entity", "name": "", "observations": ["lost"]},
        {"type": "relation", "from": "A", "to": "", "relationType": "knows"},
        {"type": "comment"},
    ]
    file.write_bytes(as_lines([good, *bad]) + b'{"type": "entity", "na\n\xff\n')
    items, skipped = told(FORMAT, file)
    assert [each.draft.text for each in items] == ["A: b", "A: 7"]
    assert skipped == {
        "an observation without words": 2,
        "an entity without a name": 1,
        "a relation that lacks an end or a type": 1,
        "neither an entity nor a relation": 1,
        "a line that is no JSON": 1,
        "a line that is not valid UTF-8": 1,
    }


@pytest.mark.parametrize("name", BROKEN)
def test_another_file_is_refused(name: str, tmp_path: Path) -> None:
    """A file of another shape is an error that names it and says what was expected."""
    file = tmp_path / "memory.jsonl"
    file.write_bytes(BROKEN[name])
    assert not FORMAT.recognises(file)
    with pytest.raises(Invalid, match="expected") as caught:
        list(FORMAT.read(file, Choices()))
    assert str(file) in str(caught.value)


@patiently
@given(twisted(lines(FILE)))
def test_anything_in_a_field_is_endured(values: list[object]) -> None:
    """Whatever stands in a field, the facts are fit to store, or one error tells what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "memory.jsonl"
        file.write_bytes(as_lines(values))
        endures(FORMAT, file)


@patiently
@given(twisted(json.loads(GRAPH.read_text(encoding="utf-8"))))
def test_anything_in_a_graph_is_endured(value: object) -> None:
    """The same holds for the graph in one object."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "graph.json"
        file.write_bytes(json.dumps(value).encode())
        endures(FORMAT, file)


def test_a_file_that_is_cut_anywhere_is_endured(tmp_path: Path) -> None:
    """A broken-off file gives what was whole, and tells the rest."""
    whole, file = FILE.read_bytes(), tmp_path / "memory.jsonl"
    for end in range(0, len(whole), 7):
        file.write_bytes(whole[:end])
        endures(FORMAT, file)
