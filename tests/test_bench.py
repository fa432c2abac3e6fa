"""The benchmarks: what they compute, what they are made of, and that they print."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING

import psutil
import pytest

from bench import __main__ as program
from bench import footprint, session, speed, together
from bench.hosts import Call, Hosts
from bench.notes import document, notes, questions
from bench.rival import NoRival, Rival
from bench.samples import median, percentile, seconds
from bench.starts import ratios
from bench.table import Row, as_json, as_table, of_runs, spread
from memdesk.link.address import read_address
from memdesk.link.start import DIRECT
from memdesk.memory import Draft
from memdesk.service import Service

if TYPE_CHECKING:
    from pathlib import Path

VOCABULARY = 4000
SERVER = """
import json, sys
for line in sys.stdin:
    told = json.loads(line)
    if "id" not in told:
        print(json.dumps({"jsonrpc": "2.0", "method": "notifications/message"}), flush=True)
        continue
    asked = told["params"].get("arguments", {})
    if "end" in asked:
        break
    said = {"content": [{"text": asked.get("query", "")}], "isError": "error" in asked}
    print(json.dumps({"jsonrpc": "2.0", "id": told["id"], "result": said}), flush=True)
"""
"""Answers every request with the query in it."""


@pytest.mark.parametrize(
    ("values", "middle"), [([3.0], 3.0), ([9.0, 1.0, 2.0], 2.0), ([4.0, 1.0, 3.0, 2.0], 2.5)]
)
def test_the_median_is_the_middle(values: list[float], middle: float) -> None:
    """Of an even number of values it is the mean of the two in the middle."""
    assert median(values) == middle


@pytest.mark.parametrize(
    ("percent", "value"), [(0, 15), (5, 15), (30, 20), (40, 20), (50, 35), (95, 50), (100, 50)]
)
def test_a_percentile_is_one_of_the_values(percent: int, value: float) -> None:
    """The smallest that so many of a hundred do not exceed, whatever their order."""
    assert percentile([35.0, 15.0, 50.0, 20.0, 40.0], percent) == value


def test_of_a_hundred_values_the_95th_percentile_is_the_95th() -> None:
    """Five are slower."""
    assert percentile([float(value) for value in range(100, 0, -1)], 95) == 95.0


def test_seconds_are_measured_around_one_call() -> None:
    """The work is done once."""
    done: list[int] = []
    assert seconds(lambda: done.append(1)) >= 0.0
    assert done == [1]


def test_notes_are_the_same_for_one_seed() -> None:
    """Two runs measure the same texts; another seed makes others."""
    assert notes(50, seed=7) == notes(50, seed=7)
    assert not {note.text for note in notes(50, seed=7)} & {note.text for note in notes(50, seed=8)}


def test_notes_are_varied() -> None:
    """Each is another text of 17 to 60 words; together they have the vocabulary of real ones."""
    made = notes(10_000)
    lengths = {len(note.text.split()) for note in made}
    words = {word for note in made for word in re.findall(r"\w+", note.text.lower())}
    assert len({note.text for note in made}) == len(made)
    assert (min(lengths), max(lengths)) == (17, 60)
    assert len(words) > VOCABULARY
    assert {note.kind for note in made} >= {"fact", "preference", "decision", "task", "event"}


def test_notes_of_one_length() -> None:
    """A note of forty words has forty, and ends as a sentence."""
    for note in notes(100, words=40):
        assert len(note.text.split()) == 40
        assert note.text.endswith(".")


def test_questions_are_about_the_notes() -> None:
    """They are all different, and a name in one is in some note's text."""
    made = notes(500)
    asked = questions(made, 200)
    assert len(set(asked)) == 200
    assert set(asked) <= {note.question for note in made}
    names = [name for note in made for name in re.findall(r"(?<=\s)[A-Z]\w+", note.question)]
    texts = " ".join(note.text for note in made)
    assert all(name in texts for name in names if name != "I")


def test_a_document_has_its_size() -> None:
    """A text for the longest save there may be is not a byte too long."""
    assert len(document(2**20).encode()) == 2**20


def test_whether_a_target_was_met() -> None:
    """At most or at least, the limit itself included; nothing is said without a target."""
    assert Row("a", "time", 15.0, target=15.0).met is True
    assert Row("a", "time", 15.1, target=15.0).met is False
    assert Row("a", "share", 89.9, "%", 90.0, at_least=True).met is False
    assert Row("a", "share", 90.0, "%", 90.0, at_least=True).met is True
    assert Row("a", "time", 15.0).met is None


def test_a_row_of_runs_is_their_median() -> None:
    """Every run is kept beside it."""
    row = of_runs("start", "ratio", [1.2, 1.0, 1.1], "x", 1.15)
    assert (row.measured, row.runs, row.met) == (1.1, (1.2, 1.0, 1.1), True)


def test_a_spread_is_the_medians_of_each_runs_percentiles() -> None:
    """One run that was disturbed moves neither."""
    runs = [[1.0, 2.0, 3.0, 9.0], [2.0, 3.0, 4.0, 8.0], [70.0, 80.0, 90.0, 99.0]]
    typical, slow = spread("recall", "recall", runs, targets=(15, None))
    assert (typical.what, typical.measured, typical.target) == ("recall, p50", 3.0, 15)
    assert (slow.what, slow.measured, slow.target) == ("recall, p95", 9.0, None)


def test_the_table_has_a_line_a_row_and_its_notes_below() -> None:
    """Equal notes share a number; columns are as wide as what is in them."""
    rows = [
        Row("a", "first", 1234.5, target=1000.0, note="busy"),
        Row("b", "second", 92.34, "%", 90.0, at_least=True, note="busy"),
        Row("c", "third", 0.913, "x"),
    ]
    assert as_table(rows).splitlines() == [
        "what         measured        target  met?",
        "---------  ----------  ------------  ----",
        "first 1)   1,234.5 ms  ≤ 1,000.0 ms  NO",
        "second 1)      92.3 %      ≥ 90.0 %  yes",
        "third           0.91x",
        "",
        "1) busy",
    ]


def test_a_row_as_json_says_whether_its_target_was_met() -> None:
    """All that is in the table is in the file."""
    told = as_json(Row("a", "first", 2.0, "s", 2.5, runs=(2.0,)))
    assert told["met"] is True
    assert {"name", "what", "measured", "unit", "target", "note", "runs"} <= set(told)


def test_a_quick_run_prints_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real server's schemas are counted; the file holds it all; the daemon has left."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    file = tmp_path / "speed.json"
    status = program.main(["speed", "--quick", "--only", "schema", "--json", str(file)])
    printed = capsys.readouterr()
    assert status == 0
    assert re.search(r"schemas of the 6 tools +1,\d{3} tokens +≤ 2,000 tokens +yes", printed.out)
    assert "lancedb" in printed.out
    assert "schema …" in printed.err
    told = json.loads(file.read_text(encoding="utf-8"))
    assert [row["name"] for row in told["rows"]] == ["schema"]
    assert told["rows"][0]["measured"] <= told["rows"][0]["target"] == 2000
    assert set(told["machine"]["versions"]) == {"memdesk", "lancedb", "mcp", "llama-cpp-python"}
    assert len(told["load"]) == 2
    left = [process for process in psutil.process_iter() if _works_in(process, tmp_path)]
    assert not psutil.wait_procs(left, timeout=10)[1]  # one may be at its very end


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return bool(process.environ().get("MEMDESK_HOME", "").startswith(str(folder)))
    except psutil.Error:
        return False


def test_a_benchmark_that_breaks_does_not_stop_the_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its words stand below the table, and the exit code says that something broke."""

    def broken(_: object) -> list[Row]:
        raise ValueError("no such thing")

    def works(_: object) -> list[Row]:
        return [Row("schema", "works", 1.0)]

    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr(speed, "ROWS", {"start": broken, "schema": works})
    assert speed.main([]) == 1
    printed = capsys.readouterr().out
    assert "works" in printed
    assert "start broke: ValueError: no such thing" in printed


def test_an_unknown_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    """It names those that there are."""
    assert program.main(["sped"]) == 2
    assert "{growth,import,recall,speed,sync,tui}" in capsys.readouterr().err


def test_the_help_says_what_each_benchmark_measures(capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, with its name in front."""
    with pytest.raises(SystemExit):
        program.main(["speed", "--help"])
    shown = capsys.readouterr().out
    for name, row in speed.ROWS.items():
        assert row.__doc__
        assert re.search(rf"^  {name} +{re.escape(row.__doc__)}$", shown, re.MULTILINE)


def test_ratios_are_of_neighbours() -> None:
    """The first of ours by the first of theirs, and so on."""
    assert ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]


def test_a_daemon_leaves_though_the_benchmark_breaks(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It served until then."""
    monkeypatch.delenv(DIRECT, raising=False)

    def broken() -> None:
        with session.daemon_leaves(home), session.opened(home):
            assert read_address(str(home)) is not None
            raise KeyError

    home.mkdir()
    with pytest.raises(KeyError):
        broken()
    assert read_address(str(home)) is None


def test_a_direct_server_has_no_daemon(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared with the daemon does not use one; its memory is its own alone."""
    monkeypatch.delenv(DIRECT, raising=False)
    home.mkdir()
    with session.opened(home, direct=True) as server:
        assert read_address(str(home)) is None
        resident, share = footprint._together(home, [server, server])
        assert share is None or share < resident
        assert resident > server.memory()[0] > 1


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have hosts start a server that answers what it is asked, and talks in between."""
    monkeypatch.setattr(session, "command", lambda **_: [sys.executable, "-c", SERVER])


@pytest.mark.usefixtures("answering")
def test_hosts_have_every_call_answered_once(tmp_path: Path) -> None:
    """However many hosts share the calls, fewer than there are hosts included."""
    with Hosts(tmp_path, 3) as hosts:
        for count in (20, 2):
            calls = (Call("recall", {"query": str(number)}) for number in range(count))
            answers, speed = hosts.ask(calls)
            assert sorted(int(answer.text) for answer in answers) == list(range(count))
            assert all(answer.took > 0 for answer in answers)
            assert speed > 0


@pytest.mark.usefixtures("answering")
def test_hosts_stop_asking_when_the_time_is_over(tmp_path: Path) -> None:
    """What is asked already is still answered."""
    with Hosts(tmp_path, 2) as hosts:
        answers, _ = hosts.ask(iter([Call("recall", {"query": "x"})] * 100), seconds=0)
    assert [answer.text for answer in answers] == ["x", "x"]


@pytest.mark.usefixtures("answering")
def test_an_error_that_a_host_is_answered_breaks_the_benchmark(tmp_path: Path) -> None:
    """Its words are told; so is the end of a server."""
    with Hosts(tmp_path, 1) as hosts, pytest.raises(ValueError, match="not so"):
        hosts.ask(iter([Call("recall", {"query": "not so", "error": 1})]))
    with Hosts(tmp_path, 1) as hosts, pytest.raises(EOFError):
        hosts.ask(iter([Call("recall", {"end": 1})]))


def test_saves_count_that_are_there_exactly_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one that is missing nor one that is there twice, over all pages."""
    monkeypatch.setattr(together, "_PAGE", 2)
    service = Service(home, None, background=False)
    service.remember_many([Draft(text) for text in ("a", "b", "c", "twice", "other")])
    service.remember(Draft("twice", space="work"))
    service.close()
    assert together.once(home, ["a", "b", "c", "twice", "missing"]) == 3


def test_without_node_there_is_no_rival(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, and nothing is installed."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(NoRival, match="no node"):
        Rival(tmp_path / "npm")
    assert not (tmp_path / "npm").exists()
