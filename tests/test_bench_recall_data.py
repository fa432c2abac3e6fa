"""What the benchmark of recall reads: the neutral schema, and LoCoMo's and LongMemEval's own files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bench.recall import longmemeval
from bench.recall.conversation import Conversation, Question, Turn
from bench.recall.data import Dataset, UnknownData, load

if TYPE_CHECKING:
    from pathlib import Path

LOCOMO = [
    {
        "sample_id": "conv-1",
        "conversation": {
            "speaker_a": "Ben",
            "speaker_b": "Ada",
            "session_10_date_time": "9:05 am on 12 January, 2024",
            "session_10": [{"speaker": "Ada", "dia_id": "D10:1", "text": "It rained."}],
            "session_2_date_time": "1:56 pm on 8 May, 2023",
            "session_2": [
                {
                    "speaker": "Ben",
                    "dia_id": "D2:1",
                    "text": "Look at this!",
                    "img_url": ["x"],
                    "blip_caption": "a photo of a barn",
                    "query": "barn",
                },
                {"speaker": "Ada", "dia_id": "D2:2", "text": ""},
                {"speaker": "Ada", "dia_id": "D2:3", "text": "", "blip_caption": "a goat"},
            ],
            "session_3_date_time": "1:56 pm on 9 May, 2023",
        },
        "qa": [
            {"question": "a?", "answer": 3, "evidence": ["D2:1"], "category": 4},
            {"question": "b?", "answer": "x", "evidence": ["D2:3; D10:1"], "category": 1},
            {"question": "c?", "answer": "x", "evidence": ["(D:10:01", "D7:9"], "category": 2},
            {"question": "d?", "adversarial_answer": "x", "evidence": ["D2:1"], "category": 5},
            {"question": "e?", "answer": "x", "evidence": [], "category": 3},
        ],
    }
]
LONGMEMEVAL = [
    {
        "question_id": "gpt4_1",
        "question_type": "multi-session",
        "question": "Which tea do I like?",
        "answer": "Green",
        "question_date": "2023/05/30 (Tue) 23:40",
        "haystack_dates": ["2023/05/20 (Sat) 02:21", "2023/05/21 (Sun) 10:00"],
        "haystack_session_ids": ["sharegpt_1", "answer_1"],
        "haystack_sessions": [
            [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}],
            [
                {"role": "user", "content": "I drink green tea", "has_answer": True},
                {"role": "assistant", "content": "Noted", "has_answer": False},
            ],
        ],
        "answer_session_ids": ["answer_1"],
    },
    {
        "question_id": "gpt4_2_abs",
        "question_type": "multi-session",
        "question": "Which coffee do I like?",
        "answer": "You did not say",
        "question_date": "2023/05/30 (Tue) 23:40",
        "haystack_dates": ["2023/05/20 (Sat) 02:21", "2023/05/21 (Sun) 10:00"],
        "haystack_session_ids": ["same", "same"],
        "haystack_sessions": [
            [{"role": "user", "content": "I drink green tea", "has_answer": True}],
            [{"role": "user", "content": "I drink green tea"}],
        ],
        "answer_session_ids": ["same"],
    },
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where a data set is written."""
    return tmp_path / "small.json"


def read(file: Path, data: object) -> Dataset:
    """Return what is loaded of data that is written to a file."""
    file.write_text(json.dumps(data), encoding="utf-8")
    return load(file)


def test_the_neutral_schema_is_read(file: Path) -> None:
    """Positions are counted in each session; evidence that nobody said is dropped and counted."""
    data = {
        "conversations": [
            {
                "id": 7,
                "memories": [
                    {"id": "a", "text": "one", "session": "S1", "speaker": "Ada"},
                    {"id": "b", "text": "two", "session": "S2", "role": "user"},
                    {"id": "c", "text": "  ", "session": "S1"},
                    {"id": "d", "text": "three", "session": "S1", "time": "2024-01-02"},
                    {"id": "e", "text": "note"},
                ],
                "questions": [
                    {"question": "?", "category": "x", "evidence": ["d", "gone", "d"]},
                    {"question": "?", "category": 5, "evidence": []},
                ],
            }
        ]
    }
    dataset = read(file, data)
    assert (dataset.name, dataset.lost) == ("small", 1)
    assert dataset.conversations == (
        Conversation(
            "7",
            (
                Turn("a", "one", "S1", 0, speaker="Ada"),
                Turn("b", "two", "S2", 0, role="user"),
                Turn("d", "three", "S1", 1, time="2024-01-02"),
                Turn("e", "note"),
            ),
            (Question("?", "x", ("d",)), Question("?", "5", ())),
        ),
    )


def test_locomos_own_file_is_read(file: Path) -> None:
    """Sessions in their order, photos as words, and the ids that its evidence hides."""
    dataset = read(file, LOCOMO)
    (conversation,) = dataset.conversations
    assert conversation.turns == (
        Turn(
            "D2:1",
            "Look at this! [photo: a photo of a barn]",
            "S2",
            0,
            speaker="Ben",
            time="2023-05-08T13:56:00",
        ),
        Turn("D2:3", "[photo: a goat]", "S2", 1, speaker="Ada", time="2023-05-08T13:56:00"),
        Turn("D10:1", "It rained.", "S10", 0, speaker="Ada", time="2024-01-12T09:05:00"),
    )
    assert [(each.category, each.evidence) for each in conversation.questions] == [
        ("4-single-hop", ("D2:1",)),
        ("1-multi-hop", ("D2:3", "D10:1")),
        ("2-temporal", ("D10:1",)),
        ("5-adversarial", ("D2:1",)),
        ("3-open-domain", ()),
    ]
    assert [each.counted for each in conversation.questions] == [True, True, True, False, False]
    assert dataset.lost == 1


def test_longmemevals_own_file_is_read(file: Path) -> None:
    """A question is a conversation; who must abstain has no evidence, whatever the file marks."""
    first, second = read(file, LONGMEMEVAL).conversations
    assert first.turns[2] == Turn(
        "answer_1:0", "I drink green tea", "answer_1", 0, role="user", time="2023-05-21T10:00:00"
    )
    assert first.questions == (Question("Which tea do I like?", "multi-session", ("answer_1:0",)),)
    assert second.questions == (Question("Which coffee do I like?", "abstention", ()),)
    assert second.questions[0].apart
    assert [turn.id for turn in second.turns] == ["same:0", "same#2:0"]


@pytest.mark.parametrize("data", [{}, [], [{"question_id": 1}], "text", None, {"conversations": 1}])
def test_an_unknown_shape_says_what_was_expected(file: Path, data: object) -> None:
    """All shapes that are known, each with its fields."""
    with pytest.raises(UnknownData, match=r"dia_id(.|\n)*haystack_sessions") as caught:
        read(file, data)
    assert '"memories"' in str(caught.value)


def test_a_shape_that_breaks_off_names_what_is_missing(file: Path) -> None:
    """And the shape that it began as."""
    with pytest.raises(UnknownData, match=r"LongMemEval's own file.*haystack_session_ids"):
        read(file, [{"question_id": "1", "haystack_sessions": []}])
    with pytest.raises(UnknownData, match=r"LoCoMo's own file.*does not match format"):
        read(file, [{"conversation": {"session_1_date_time": "", "session_1": []}, "qa": []}])
    with pytest.raises(UnknownData, match=r"neutral schema.*'memories'"):
        read(file, {"conversations": [{"id": 1}]})


def test_haystacks_of_different_lengths_are_refused(file: Path) -> None:
    """A date too many would put every session on the wrong day."""
    entry = LONGMEMEVAL[0] | {"haystack_dates": ["2023/05/20 (Sat) 02:21"]}
    with pytest.raises(UnknownData, match=longmemeval.NAME):
        read(file, [entry])
