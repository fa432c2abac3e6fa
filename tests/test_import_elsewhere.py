"""Importing what other programs keep: the right reader is found, and a receipt accounts for everything."""

from __future__ import annotations

import gzip
import os
import shutil
import zipfile
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from read_imports import DATA, zipped
from served import direct_only
from test_import_memory_service import database

from memdesk.errors import Invalid
from memdesk.ingest.formats import named, recognised
from memdesk.ingest.importing import bring_in
from memdesk.ingest.item import Choices

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from memdesk.service import Service


def _database(folder: Path) -> Path:
    with closing(database(folder / "sqlite_vec.db")):
        pass
    return folder / "sqlite_vec.db"


def _backup(folder: Path) -> Path:
    told = DATA / "mem0" / "openmemory"
    with zipfile.ZipFile(folder / "memories_export_ada.zip", "w") as archive:
        archive.write(told / "memories.json", "memories.json")
        archive.writestr("memories.jsonl.gz", gzip.compress((told / "memories.jsonl").read_bytes()))
    return folder / "memories_export_ada.zip"


EXPORTS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "memory.jsonl": ("server-memory", lambda _: DATA / "server-memory" / "memory.jsonl"),
    "read_graph": ("server-memory", lambda _: DATA / "server-memory" / "graph.json"),
    "export": ("memory-service", lambda _: DATA / "memory-service" / "export.json"),
    "database": ("memory-service", _database),
    "results": ("mem0", lambda _: DATA / "mem0" / "results.json"),
    "list": ("mem0", lambda _: DATA / "mem0" / "list.json"),
    "tables": ("mem0", lambda _: DATA / "mem0" / "openmemory" / "memories.json"),
    "backup": ("mem0", _backup),
    "claude zip": ("claude-ai", lambda to: zipped(DATA / "claude-ai", to / "data.zip")),
    "claude folder": ("claude-ai", lambda _: DATA / "claude-ai-parts"),
    "chatgpt zip": ("chatgpt", lambda to: zipped(DATA / "chatgpt", to / "data.zip")),
    "chatgpt folder": ("chatgpt", lambda _: DATA / "chatgpt"),
    "claude-code": ("claude-code", lambda _: DATA / "claude-code" / "projects"),
    "codex": ("codex", lambda _: DATA / "codex"),
}


@direct_only
@pytest.mark.parametrize("name", EXPORTS)
def test_a_receipt_accounts_for_everything(name: str, desk: Service, tmp_path: Path) -> None:
    """What is found is stored or skipped; a second import stores nothing."""
    format, made = EXPORTS[name]
    path = made(tmp_path)
    assert recognised(path).name == format
    found = list(recognised(path).read(path, Choices()))
    first = bring_in(desk, path)
    skipped = sum(each.count for each in first.skipped.values())
    assert (first.found, first.format) == (len(found), format)
    assert first.stored
    assert first.stored + first.duplicate + skipped == first.found
    assert desk.stats().states["live"] == first.stored
    second = bring_in(desk, path)
    assert (second.found, second.stored) == (first.found, 0)
    assert second.duplicate == first.stored + first.duplicate


def test_a_pipe_is_no_export(tmp_path: Path) -> None:
    """A pipe, which would never answer, is told at once by whoever is asked."""
    os.mkfifo(tmp_path / "pipe")
    for format in (
        "server-memory",
        "memory-service",
        "mem0",
        "claude-ai",
        "chatgpt",
        "claude-code",
        "codex",
    ):
        assert not named(format).recognises(tmp_path / "pipe")
        with pytest.raises(Invalid, match="no file or folder"):
            list(named(format).read(tmp_path / "pipe", Choices()))


def test_a_longer_export_adds_what_is_new(desk: Service, tmp_path: Path) -> None:
    """An export that was made later brings the turns since, and none twice."""
    shutil.copy(DATA / "chatgpt" / "conversations-001.json", tmp_path / "conversations-000.json")
    first = bring_in(desk, tmp_path)
    shutil.copy(DATA / "chatgpt" / "conversations-000.json", tmp_path / "conversations-001.json")
    second = bring_in(desk, tmp_path)
    assert (first.stored, second.duplicate) == (1, 1)
    assert second.stored == 8


def test_what_was_said_is_found_with_the_turns_beside_it(desk: Service) -> None:
    """A question about a conversation brings its turn, when it was said, and what was said around it."""
    bring_in(desk, DATA / "chatgpt")
    hit = desk.recall("sixty centimetres", limit=1, beside=1, floor=0.0).hits[0]
    assert hit.memory.text == "Sixty centimetres."
    assert [each.text for each in hit.beside] == [
        "How deep should a pond be?",
        "Is this one deep enough?",
    ]
    assert hit.memory.created_at.isoformat() == "2026-02-01T09:00:20+00:00"
