"""The benchmark of recall: what it asks, and what it prints of a small data set."""

from __future__ import annotations

import json
import tempfile
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from fakes import FakeEmbedder
from test_bench_recall_data import LOCOMO, LONGMEMEVAL

from bench import __main__ as program
from bench.recall import baselines, command, report, run
from bench.recall.bootstrap import Difference
from bench.recall.conversation import Conversation, Question, Turn
from bench.recall.data import Dataset
from bench.recall.grid import Grid, Share
from bench.recall.judged import Measured
from bench.recall.refusals import Verdict, foreign
from bench.recall.store import ConversationStore, within_budget
from bench.recall.vectors import EmbedOnce
from memdesk.memory import count_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GARDEN = [
    "The tomato seedlings went into the raised bed today",
    "Nice, mine are still on the windowsill",
    "Slugs ate every lettuce I had",
    "Try copper tape around the bed",
    "The water barrel is full again after the storm",
    "Then we can stop using the hose",
]
TRAVEL = [
    "We booked the night train to Vienna",
    "How long does it take",
    "Eleven hours with one change in Linz",
    "Bring earplugs, those wagons squeak",
    "Our hotel is next to the opera",
    "The museum closes on Mondays",
]


def neutral(id: str, texts: list[str], asked: dict[str, list[int]]) -> dict[str, object]:
    """Return a conversation in the neutral schema; questions by the places of their evidence."""
    return {
        "id": id,
        "memories": [
            {
                "id": f"{id}-{place}",
                "speaker": "Ada" if place % 2 else "Ben",
                "time": f"2024-03-0{1 + place // 3}T10:00:00",
                "session": f"S{1 + place // 3}",
                "text": text,
            }
            for place, text in enumerate(texts)
        ],
        "questions": [
            {
                "question": question,
                "category": "single" if places != [5] else "5-adversarial",
                "evidence": [f"{id}-{place}" for place in places],
                "answer": "",
            }
            for question, places in asked.items()
        ],
    }


GOOSE = "a grey goose in the garden"
SMALL = {
    "conversations": [
        neutral(
            "garden",
            GARDEN,
            {
                "Who ate the lettuce": [2],
                "What went into the raised bed, and what goes around it": [0, 3],
                "When did the dog dig": [5],
                "What is not known": [],
            },
        ),
        neutral("travel", TRAVEL, {"Where does the night train go": [0], "opera hotel": [4]}),
    ]
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where a data set is written."""
    return tmp_path / "small.json"


def test_a_file_that_cannot_be_used_ends_the_command(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a sentence and no table; one that is not there too."""
    assert program.main(["recall", str(file)]) == 2
    file.write_text("{", encoding="utf-8")
    assert program.main(["recall", str(file)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "No such file" in printed.err
    assert "is not JSON" in printed.err


@pytest.fixture
def small(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the small data set's file, to be measured with a fake model."""
    file.write_text(json.dumps(SMALL), encoding="utf-8")
    monkeypatch.setattr(command, "open_embedder", lambda _: FakeEmbedder())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return file


def test_the_command_prints_tables(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Below the machine; progress is told beside them, and no store is left."""
    assert program.main(["recall", str(small)]) == 0
    printed = capsys.readouterr()
    assert "lancedb" in printed.out
    assert "garden: storing 6 turns" in printed.err
    for system in report.SYSTEMS:
        assert f"\n{system} " in printed.out
    assert "5-adversarial (apart)" in printed.out
    assert list(tmp_path.iterdir()) == [small]


def test_the_command_prints_json(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One document, in which words of the text find their turn in every system."""
    assert program.main(["recall", str(small), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["data"][str(small)]
    (data,) = told["data"]
    assert (data["questions"], data["apart"], data["left out"], data["turns"]) == (4, 1, 1, 12)
    ours = told["systems"][0]
    assert ours["system"] == run.OURS
    assert ours["any@5"] == ours["any@10"] == 1.0
    assert 0.5 < ours["nDCG@10"] <= 1.0
    assert told["sessions"][0]["any@5"] == 1.0
    assert {each["category"]: each["questions"] for each in told["categories"]} == {
        "single": 4,
        "5-adversarial (apart)": 1,
    }
    assert [each["difference"] for each in told["differences"]] == [
        f"memdesk − {system}" for system in baselines.NAMES
    ]
    assert set(told["differences"][0]["nDCG@10"]) == {"mean", "low", "high"}
    assert "ablation" not in told
    assert told["speed"][0]["median"] > 0
    for each in told["budgets"]:
        assert each["500: tokens"] <= 500
        assert each["500: covered"] == 1.0


def test_each_part_of_the_recipe_is_left_out_once(
    small: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that a store is made with by making it anew; what it changes is told of all of them."""
    found = ConversationStore.ranking

    def needs_two(store: ConversationStore, question: str) -> list[str]:
        recipe = store._service._core.recipe
        return found(store, question) if recipe.passages and recipe.neighbours else []

    monkeypatch.setattr(ConversationStore, "ranking", needs_two)
    words = ["--quick", "--json", "--ablate", "--conversations", "1"]
    assert program.main(["recall", str(small), *words]) == 0
    printed = capsys.readouterr()
    told = json.loads(printed.out)["data"][str(small)]["ablation"]
    assert [each["recipe"] for each in told] == list(map(run.without, run.parts()))
    worse = {each["recipe"] for each in told if each["any@5"]["mean"] == -1.0}
    assert worse == {"without passages", "without neighbours"}
    assert all(each["any@5"]["mean"] == 0.0 for each in told if each["recipe"] not in worse)
    assert "storing 6 turns without passages" in printed.err
    assert "storing 6 turns without neighbours" not in printed.err


def test_how_sure_recall_is_comes_from_its_answers(
    small: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To its own questions, to those that nothing answers, and to the other conversation's."""

    def words_known(store: ConversationStore, question: str) -> SimpleNamespace:
        text, words = " ".join(store.said().values()), question.split()
        certainty = sum(word in text for word in words) / len(words)
        return SimpleNamespace(certainty=certainty, hits=() if certainty < 0.4 else ("hit",))

    monkeypatch.setattr(ConversationStore, "answer", words_known)
    assert program.main(["recall", str(small), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["data"][str(small)]["refusals"]
    assert {each["questions"]: (each["count"], each["refused"]) for each in told} == {
        "own questions": (4, 0.0),
        "of another conversation": (4, 1.0),
        "5-adversarial": (1, 1.0),
    }
    assert told[1]["ROC area"] == told[1]["refused at 95 % kept"] == 1.0


@pytest.mark.parametrize(
    ("data", "questions"), [(LOCOMO, 3), (LONGMEMEVAL, 1), (LONGMEMEVAL[1:], 0)]
)
def test_data_as_it_is_downloaded_is_measured(
    small: Path, capsys: pytest.CaptureFixture[str], data: object, questions: int
) -> None:
    """What nothing answers is asked too, and judged only where there is something to judge."""
    small.write_text(json.dumps(data), encoding="utf-8")
    assert program.main(["recall", str(small), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["data"][str(small)]
    assert told["data"][0]["questions"] == questions
    assert told["data"][0]["apart"] == 1
    assert ("systems" in told) == (questions > 0)
    assert told["speed"][0]["median"] > 0


def test_a_quick_look_asks_fewer_questions(
    small: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Of the first conversations; a second one takes the kept vectors from the file."""
    vectors = tmp_path / "vectors.npz"
    words = ["--quick", "--json", "--conversations", "1", "--limit", "2", "--vectors", str(vectors)]
    for _ in range(2):
        assert program.main(["recall", str(small), *words]) == 0
        told = json.loads(capsys.readouterr().out)["data"][str(small)]
        (data,) = told["data"]
        assert data["conversations"] == 1
        assert data["questions"] + data["apart"] + data["left out"] == 2
        assert [each["system"] for each in told["budgets"]] == list(report.SYSTEMS)
    with np.load(vectors) as kept:
        assert kept["vectors"].shape == (6, FakeEmbedder().spec.dims)


@pytest.mark.parametrize("words", [["--limit", "0"], []])
def test_a_command_that_makes_no_sense_is_refused(words: list[str]) -> None:
    """As argparse does."""
    with pytest.raises(SystemExit, match="2"):
        program.main(["recall", *words])


def test_the_help_shows_the_neutral_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever has other data can write it so."""
    with pytest.raises(SystemExit, match="0"):
        program.main(["recall", "--help"])
    assert '"evidence": [ids]' in capsys.readouterr().out


def test_texts_are_embedded_once(tmp_path: Path) -> None:
    """Each new one, in the order asked for; the file gives them to the next run."""
    behind, file = FakeEmbedder(), tmp_path / "vectors.npz"
    once = EmbedOnce(behind, file)
    first = once.embed_documents(["a", "b", "a"])
    again = once.embed_documents(["b", "c"])
    assert behind.embedded == ["a", "b", "c"]
    assert (first[1] == again[0]).all()
    once.keep()
    next_behind = FakeEmbedder()
    found = EmbedOnce(next_behind, file).embed_documents(["c", "d"])
    assert next_behind.embedded == ["d"]
    assert (found[0] == again[1]).all()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ConversationStore]:
    """Return notes without a session, two of them the same."""
    turns = (Turn("a", "red fox"), Turn("b", "red fox"), Turn("c", GOOSE))
    store = ConversationStore(Conversation("x", turns, ()), tmp_path, EmbedOnce(FakeEmbedder()))
    yield store
    store.close()


def test_notes_that_say_the_same_are_one_memory(store: ConversationStore) -> None:
    """So either is the evidence."""
    first, second = (store.evidence(Question("?", "", (id,))) for id in "ab")
    assert first == second == frozenset(store.ranking("red fox")[:1])
    assert store.sessions(store.ranking("fox")) == []


def test_a_budget_takes_whole_texts_from_the_top(store: ConversationStore) -> None:
    """Until the next does not fit."""
    ranking = store.ranking("red fox")
    cost = count_tokens("red fox")
    assert within_budget(store, ranking, cost) == (ranking[:1], cost)
    assert within_budget(store, ranking, cost - 1) == ([], 0)
    assert within_budget(store, ranking, 1000) == (ranking, cost + count_tokens(GOOSE))


def test_the_baselines_ask_a_plain_table(tmp_path: Path) -> None:
    """Words by their stems, vectors by their cosine, and both together; each memory once."""
    texts = {"a": "Ben: The foxes were digging", "b": "Ada: " + GOOSE, "c": "Ada: nothing at all"}
    found = baselines.PlainTable(tmp_path, texts, FakeEmbedder()).rankings("a fox in the garden")
    assert set(found[baselines.FULL_TEXT]) == {"a", "b"}
    assert found[baselines.VECTOR][0] == "b"
    assert sorted(found[baselines.VECTOR]) == ["a", "b", "c"]
    assert sorted(found[baselines.FUSED]) == ["a", "b", "c"]


def conversations(*counts: int) -> list[Conversation]:
    """Return conversations with so many questions each, and one more that has no evidence."""
    return [
        Conversation(
            str(number),
            (),
            (
                *(Question(f"{number}-{each}", "x", ("a",)) for each in range(count)),
                Question("none", "x", ()),
            ),
        )
        for number, count in enumerate(counts)
    ]


def test_foreign_questions_are_the_next_conversations() -> None:
    """At most 200, always the same ones; a single conversation has none."""
    made = conversations(3, 300)
    assert sorted(foreign(made, 1)) == ["0-0", "0-1", "0-2"]
    chosen = foreign(made, 0)
    assert len(set(chosen)) == 200
    assert chosen == foreign(made, 0)
    assert foreign(conversations(3), 0) == []


def test_refusals_are_reported_by_kind() -> None:
    """At the product's own floor, and at the one that keeps 95 % of what has an answer."""
    answered, apart = Question("?", "x", ("a",)), Question("?", "adversarial", ("a",))
    measured = Measured(
        Dataset("x", (), 0),
        verdicts=[(answered, Verdict(0.8, refused=False))] * 3
        + [(answered, Verdict(0.4, refused=True)), (apart, Verdict(0.8, refused=False))],
        foreign=[Verdict(0.1, refused=True), Verdict(0.6, refused=False)],
    )
    (grid,) = report._refusals(measured)
    rows = {row["questions"]: row for row in grid.as_json()}
    assert rows["own questions"]["refused"] == 0.25
    assert rows["of another conversation"] == {
        "questions": "of another conversation",
        "count": 2,
        "refused": 0.5,
        "refused at 95 % kept": 0.5,
        "ROC area": (4 + 3) / 8,
        "certainty": pytest.approx(0.35),
    }
    assert rows["adversarial"]["count"] == 1


def test_a_grid_is_aligned() -> None:
    """Names on the left, numbers on the right; shares as per cent."""
    rows = (("first", Share(0.625), 1234, 4.0), ("2", None, 1, Difference(0.01, -0.002, 0.1)))
    assert str(Grid("x", "A title", ("what", "any@5", "count", "other"), rows)).splitlines() == [
        "A title",
        "what   any@5  count               other",
        "-----  -----  -----  ------------------",
        "first   62.5  1,234                 4.0",
        "2          –      1  +1.0 [-0.2, +10.0]",
    ]
