"""The catalog: which models there are, and what is said when one is not fit to use."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from memdesk import catalog as catalog_module
from memdesk.catalog import BUNDLED, Catalog, ModelSpec, Report, probe
from memdesk.errors import Invalid, ModelError

REPORT = Report(architecture="bert", name="Some Model", dims=384, context=512, pooling="mean")


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """A catalog in an empty data folder."""
    return Catalog(tmp_path / "data")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The bundled model under another name elsewhere."""
    return Path(shutil.copy(BUNDLED.path, tmp_path / "mine.gguf"))


def probe_says(monkeypatch: pytest.MonkeyPatch, **changes: str) -> list[Path]:
    """Let every probe succeed at once; the list collects the files probed."""
    probed: list[Path] = []

    def answer(file: Path, pooling: str | None = None) -> Report:
        probed.append(file)
        return Report(
            architecture=changes.get("architecture", REPORT["architecture"]),
            name=REPORT["name"],
            dims=REPORT["dims"],
            context=REPORT["context"],
            pooling=pooling or REPORT["pooling"],
        )

    monkeypatch.setattr(catalog_module, "probe", answer)
    return probed


def child_is(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let the probe's child be a few lines of Python."""
    monkeypatch.setattr(catalog_module, "_probe_command", lambda: [sys.executable, "-c", code])


def test_bundled_file_is_the_recorded_one(catalog: Catalog) -> None:
    """The bundled model's file has the size and sha256 that its constants say."""
    catalog.verify(BUNDLED)
    assert catalog.list() == [BUNDLED]
    assert catalog.get(BUNDLED.name) is BUNDLED


def test_unknown_name_lists_the_known_ones(catalog: Catalog) -> None:
    """Asking for a model that is not there names those that are."""
    with pytest.raises(ModelError, match="'nope'; there are: all-MiniLM-L6-v2"):
        catalog.get("nope")


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "0" * 64},
        {"pooling": "cls"},
        {"normalize": False},
        {"query_prefix": "q: "},
        {"document_prefix": "d: "},
    ],
)
def test_fingerprint_follows_the_vectors(change: dict[str, str | bool]) -> None:
    """Whatever changes the vectors changes the fingerprint; name and place do not."""
    changed = dataclasses.replace(BUNDLED, **change)  # type: ignore[arg-type]
    moved = dataclasses.replace(BUNDLED, name="x", path=Path("y"))
    assert len(BUNDLED.fingerprint) == 12
    assert moved.fingerprint == BUNDLED.fingerprint != changed.fingerprint


def test_added_model_is_found_again(catalog: Catalog, copied: Path, tmp_path: Path) -> None:
    """A GGUF added by path is read by its header, stays where it is, and is there next time."""
    added = catalog.add(copied)
    assert (added.name, added.path, added.dims, added.context) == ("mine", copied, 384, 512)
    assert (added.pooling, added.sha256) == ("mean", BUNDLED.sha256)
    assert Catalog(tmp_path / "data").get("mine") == added
    file = tmp_path / "data" / "models.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 or sys.platform == "win32"
    assert [each.name for each in file.parent.iterdir()] == ["models.json"]


@pytest.mark.parametrize(
    ("words", "query", "document"),
    [
        ("nomic-bert nomic-embed-text-v1.5", "search_query: ", "search_document: "),
        ("bert multilingual-e5-small", "query: ", "passage: "),
        ("bert bge-small-en-v1.5", catalog_module._BGE_QUERY, ""),
        ("bert mxbai-embed-large-v1", catalog_module._BGE_QUERY, ""),
        ("gemma-embedding x", "task: search result | query: ", "title: none | text: "),
        ("bert all-MiniLM-L6-v2", "", ""),
    ],
)
def test_known_families_have_their_prefixes(words: str, query: str, document: str) -> None:
    """The prefixes a model card asks for are set without being asked."""
    assert catalog_module._family_prefixes(words) == (query, document)


def test_given_prefixes_win(
    catalog: Catalog, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prefix that is given, an empty one too, replaces the family's; so does a pooling."""
    probe_says(monkeypatch, architecture="nomic-bert")
    added = catalog.add(copied, name="n", query_prefix="", pooling="cls")
    assert (added.query_prefix, added.document_prefix) == ("", "search_document: ")
    assert added.pooling == "cls"


def test_taken_name_is_refused(
    catalog: Catalog, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two files cannot have one name; adding the same file again replaces its entry."""
    probe_says(monkeypatch)
    catalog.add(copied)
    catalog.add(copied, query_prefix="q: ")
    assert [spec.query_prefix for spec in catalog.list()] == ["", "q: "]
    other = tmp_path / "other.gguf"
    shutil.copy(copied, other)
    for name in ("mine", BUNDLED.name):
        with pytest.raises(Invalid, match="is already the model"):
            catalog.add(other, name=name)


def test_unknown_pooling_is_refused(catalog: Catalog, copied: Path) -> None:
    """A pooling that does not exist names those that do."""
    with pytest.raises(Invalid, match="one of mean, cls, last"):
        catalog.add(copied, pooling="max")


def test_what_is_no_model_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    """A text file, a folder and a missing file are refused with words, and nothing is entered."""
    text = tmp_path / "notes.gguf"
    text.write_text("hello")
    for file, words in [(text, "not a GGUF file"), (tmp_path, "read"), (tmp_path / "x", "read")]:
        with pytest.raises(ModelError, match=words):
            catalog.add(file)
    assert catalog.list() == [BUNDLED]


def test_truncated_model_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    """A GGUF cut in the middle is refused with the file's name."""
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(BUNDLED.path.read_bytes()[:1_000_000])
    with pytest.raises(ModelError, match=r"cut\.gguf"):
        catalog.add(cut)


def test_verify_says_what_is_wrong(catalog: Catalog, copied: Path) -> None:
    """A file that is gone, shorter, or altered in place is named with what to do."""
    spec = dataclasses.replace(BUNDLED, path=copied)
    catalog.verify(spec)
    with copied.open("r+b") as stream:
        stream.seek(20_000_000)
        stream.write(b"damage")
    with pytest.raises(ModelError, match=r"mine\.gguf is not the one recorded.*memdesk model add"):
        catalog.verify(spec)
    with copied.open("r+b") as stream:
        stream.truncate(1000)
    with pytest.raises(ModelError, match="has 1000 bytes instead of 46220480"):
        catalog.verify(spec)
    copied.unlink()
    with pytest.raises(ModelError, match=r"mine\.gguf cannot be read"):
        catalog.verify(spec)
    missing = dataclasses.replace(BUNDLED, path=copied)
    with pytest.raises(ModelError, match="put the file back"):
        catalog.verify(missing)


def test_file_is_hashed_once(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unchanged file is read in full only the first time."""
    catalog.verify(BUNDLED)
    monkeypatch.setattr(catalog_module, "_sha256", lambda file: pytest.fail(f"read {file}"))
    catalog.verify(BUNDLED)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"models": [{"name": 1}]}', "\xff"])
def test_damaged_file_is_set_aside(
    catalog: Catalog, tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A models.json that cannot be read is renamed and reported, and the catalog goes on empty."""
    file = tmp_path / "data" / "models.json"
    file.parent.mkdir()
    file.write_bytes(content.encode("latin-1"))
    with caplog.at_level(logging.WARNING):
        assert catalog.list() == [BUNDLED]
    (aside,) = file.parent.iterdir()
    assert aside.name.startswith("models.json.broken-")
    assert aside.read_bytes() == content.encode("latin-1")
    assert str(aside) in caplog.text


def test_probe_is_remembered(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model is probed once per library version and machine, over restarts too."""
    probed = probe_says(monkeypatch)
    catalog.ensure_probed(BUNDLED)
    Catalog(tmp_path / "data").ensure_probed(BUNDLED)
    assert probed == [BUNDLED.path]
    monkeypatch.setattr(catalog_module, "_machine", lambda: "another")
    catalog.ensure_probed(BUNDLED)
    monkeypatch.setattr(catalog_module, "version", lambda _: "99.0")
    catalog.ensure_probed(BUNDLED)
    assert len(probed) == 3


def test_failed_probe_is_not_remembered(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failed probe the next load tries again."""
    child_is(monkeypatch, "raise SystemExit('broken')")
    with pytest.raises(ModelError, match="broken"):
        catalog.ensure_probed(BUNDLED)
    assert len(probe_says(monkeypatch)) == 0
    catalog.ensure_probed(BUNDLED)


@pytest.mark.skipif(sys.platform == "win32", reason="no signals")
@pytest.mark.parametrize("name", ["SIGILL", "SIGABRT", "SIGSEGV"])
def test_killed_child_is_told_in_words(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A child that dies by a signal becomes a sentence with what to do, and we live on."""
    child_is(monkeypatch, f"import os, signal; os.kill(os.getpid(), signal.{name})")
    with pytest.raises(ModelError, match=r"does not suit this processor.*scripts/start"):
        probe(BUNDLED.path)


def test_slow_child_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that does not end is stopped at the time limit, and said so."""
    monkeypatch.setattr(catalog_module, "PROBE_SECONDS", 0.2)
    child_is(monkeypatch, "import threading; threading.Event().wait()")
    with pytest.raises(ModelError, match="was stopped"):
        probe(BUNDLED.path)


@pytest.mark.parametrize("code", ["print('{}')", "print('[]')", "pass", "print('no json')"])
def test_senseless_child_is_an_error(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """A child that answers nothing of use is an error, not a report."""
    child_is(monkeypatch, code)
    with pytest.raises(ModelError, match="failed"):
        probe(BUNDLED.path)


def test_missing_interpreter_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that cannot even start is an error in words."""
    monkeypatch.setattr(catalog_module, "_probe_command", lambda: ["/nowhere/python"])
    with pytest.raises(ModelError, match="could not be tried"):
        probe(BUNDLED.path)


def test_probe_ignores_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child imports nothing from the folder a host happened to start us in."""
    for name in ("json.py", "numpy.py", "memdesk.py", "llama_cpp.py"):
        (tmp_path / name).write_text("raise SystemExit('imported from the working folder')")
    monkeypatch.chdir(tmp_path)
    assert probe(BUNDLED.path) == {**REPORT, "name": "all-MiniLM-L6-v2"}


def test_catalog_needs_the_standard_library_only() -> None:
    """Importing the catalog imports neither numpy nor llama_cpp, and reads no model."""
    code = (
        "import sys, memdesk.catalog, json; print(json.dumps([name for name in "
        "('numpy', 'llama_cpp', 'memdesk.embedder') if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert json.loads(done.stdout) == []


def test_unwritable_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder that cannot be written is a ModelError, not a traceback."""
    probe_says(monkeypatch)
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(ModelError, match="cannot be"):
        Catalog(tmp_path / "data").ensure_probed(spec_of(tmp_path))


def spec_of(folder: Path) -> ModelSpec:
    """A spec that no probe knows."""
    return dataclasses.replace(BUNDLED, path=folder, sha256="1" * 64)
