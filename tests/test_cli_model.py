"""`memdesk model list`, `add`, `use`, `back`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cli_runner import Cli
from fakes import FakeEmbedder, other_model

from memdesk.catalog import BUNDLED, Catalog, ModelSpec
from memdesk.service import Service

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A person at an empty desk."""
    monkeypatch.setenv("MEMDESK_HOME", str(tmp_path / "desk"))
    return Cli(tmp_path / "desk", FakeEmbedder())


def test_list(cli: Cli) -> None:
    """The bundled model is there from the start."""
    assert cli.ok("model", "list").out.startswith("all-MiniLM-L6-v2  384 dimensions  46 MB")
    told = cli.ok("model", "list", "--json").jsonl
    assert [row["fingerprint"] for row in told] == [BUNDLED.fingerprint]


def test_add(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The catalog gets the file and the name; its answer is shown."""
    asked: list[tuple[Path, str | None]] = []

    def add(_: Catalog, file: Path, *, name: str | None) -> ModelSpec:
        asked.append((file, name))
        return other_model("gemma")

    monkeypatch.setattr(Catalog, "add", add)
    done = cli.ok("model", "add", str(tmp_path / "g.gguf"), "--name", "gemma")
    assert asked == [(tmp_path / "g.gguf", "gemma")]
    assert done.lines == ["gemma"]
    assert "memdesk model use gemma" in done.err
    assert cli.ok("model", "add", "g.gguf", "--json").json["dims"] == 64


def test_use(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Afterwards the store's vectors are the other model's, and search still finds."""
    cli.add("the bicycle is green")
    monkeypatch.setattr(Catalog, "get", lambda _, name: other_model(name))
    done = cli.ok("model", "use", "gemma")
    assert "gemma is in use" in done.err
    assert cli.ok("stats", "--json").json["model"] == "gemma"
    assert "bicycle" in cli.ok("search", "bicycle").out
    known = FakeEmbedder(other_model("gemma"))
    cli.opener = lambda settings: Service(
        settings.home, known, models=lambda _: known, background=False
    )
    assert "twin is gemma, which is in use" in cli.ok("model", "use", "twin").err


def test_use_of_an_unknown_name(cli: Cli) -> None:
    """The names there are are told."""
    done = cli("model", "use", "nobody")
    assert done.code == 2
    assert "all-MiniLM-L6-v2" in done.err


def test_back(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """One command goes back to the model before, and the list marks what each model is."""
    cli.add("the bicycle is green")
    monkeypatch.setattr(Catalog, "get", lambda _, name: other_model(name))
    monkeypatch.setattr(Catalog, "list", lambda _: [BUNDLED, other_model("gemma")])
    known = {BUNDLED.name: FakeEmbedder(), "gemma": FakeEmbedder(other_model("gemma"))}
    cli.opener = lambda settings: Service(
        settings.home, FakeEmbedder(), models=known.__getitem__, background=False
    )
    cli.ok("model", "use", "gemma")
    told = cli.ok("model", "list", "--json").jsonl
    assert [row["use"] for row in told] == ["in use before", "in use"]
    assert "all-MiniLM-L6-v2 is in use" in cli.ok("model", "back").err
    assert cli.ok("stats", "--json").json["model"] == BUNDLED.name
    assert "bicycle" in cli.ok("search", "bicycle").out


def test_back_without_a_way(cli: Cli) -> None:
    """A store that has had one model only has no way back, and says so."""
    cli.add("the bicycle is green")
    done = cli("model", "back")
    assert done.code != 0
    assert "no way back" in done.err
