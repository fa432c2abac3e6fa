"""`memdesk model list`, `add`, `use`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cli_runner import Cli
from fakes import FakeEmbedder, other_model

from memdesk.catalog import BUNDLED, Catalog, ModelSpec

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


def test_use_of_an_unknown_name(cli: Cli) -> None:
    """The names there are are told."""
    done = cli("model", "use", "nobody")
    assert done.code == 2
    assert "all-MiniLM-L6-v2" in done.err
