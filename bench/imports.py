"""What an import costs: beside the model alone, in memory, and until its first text is found.

The real command, in a process of its own without a daemon: `MEMDESK_DIRECT=1 memdesk import`.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from bench.notes import notes
from bench.samples import seconds
from bench.speed import command
from bench.table import Row
from memdesk.config import HOME
from memdesk.memory import LIVE
from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bench.scale import Bench

_WORD = "quetzalpfennig"
"""Stands in the first text of each import, and nowhere else."""
_LOOK = 0.02
_TURN_WORDS = 60
_TURNS = 50
"""Turns of one conversation."""
_PATIENCE = 7200.0


def folder(bench: Bench) -> Iterator[Row]:
    """Measure 10,000 Markdown notes: to their end, beside the model alone on the same texts."""
    count = bench.scale.imported
    about = notes(count, seed=51)
    with bench.stores.empty() as home, bench.stores.empty() as source:
        texts = [f"{_WORD} {about[0].text}", *(note.text for note in about[1:])]
        for number, text in enumerate(texts):
            (source / f"{number:05}.md").write_text(text + "\n", encoding="utf-8")
        bench.stores.embedder.load()
        bench.say(f"embedding {count:,} texts")
        alone = seconds(lambda: bench.stores.embedder.embed_documents(texts))
        bench.say(f"importing {count:,} notes")
        took = _imported(home, source)
        there = _stored(home)
    name = "folder"
    yield Row(name, f"{count:,} Markdown notes, stored", there, "", count, at_least=True)
    yield Row(name, "  share of the model's speed", 100 * alone / took.all, "%", 85, at_least=True)
    yield Row(name, "  imported", count / took.all, "memories/s")
    yield Row(name, "  the model alone", count / alone, "texts/s")
    yield from _further(name, took)


def chats(bench: Bench) -> Iterator[Row]:
    """Measure a chat export of 200 MB until all of it is found by words; the model is not waited for."""
    size = bench.scale.chat_bytes
    with bench.stores.empty() as home, bench.stores.empty() as source:
        bench.say(f"writing a chat export of {size // 1_000_000} MB")
        turns = _export(source / "export.zip", size)
        bench.say(f"importing {turns:,} turns")
        took = _imported(home, source / "export.zip", until=turns)
        there = _stored(home)
    name = "chats"
    yield Row(name, f"turns of {size // 1_000_000} MB, stored", there, "", turns, at_least=True)
    yield Row(name, "  stored and found by words", turns / took.stored, "turns/s")
    yield from _further(name, took)


ROWS: dict[str, Callable[[Bench], Iterator[Row]]] = {"folder": folder, "chats": chats}
"""The benchmarks by name."""


def main(argv: Sequence[str]) -> int:
    """Measure, print, and return 1 if a benchmark broke."""
    return command(argv, ROWS, "import", __doc__ or "")


@dataclass(frozen=True, slots=True)
class _Took:
    """What one import took, in seconds since its process was started, and MB."""

    first: float
    """Until its first text was found by a word."""
    stored: float
    """Until all of them were stored."""
    all: float
    """Until its process ended, or was ended."""
    memory: float


def _further(name: str, took: _Took) -> Iterator[Row]:
    yield Row(name, "  from the command's start to its first text found", took.first * 1000)
    yield Row(name, "  all stored after", took.stored, "s")
    yield Row(name, "  the most memory of its process", took.memory, "MB", 600)


def _imported(home: Path, source: Path, until: int = 0) -> _Took:
    """Import, and watch it; ended by the moment that so many are stored, if it is told."""
    env = {**os.environ, HOME: str(home), "MEMDESK_DIRECT": "1"}
    program = [sys.executable, "-P", "-m", "memdesk", "import", str(source)]
    begun = time.perf_counter()
    with subprocess.Popen(
        program, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as run:
        watch = _Watch(run.pid)
        watch.start()
        receipt, first = threading.Event(), 0.0
        reading = threading.Thread(target=_read, args=(run, receipt))
        reading.start()
        while run.poll() is None and not receipt.is_set():
            if not first and _found(home):
                first = time.perf_counter() - begun
            receipt.wait(_LOOK)
        stored = time.perf_counter() - begun
        if until:
            run.terminate()
        run.wait(_PATIENCE)
        whole = time.perf_counter() - begun
        reading.join()
        watch.over.set()
        watch.join()
    return _Took(first or stored, stored, whole, watch.most)


def _read(run: subprocess.Popen[bytes], receipt: threading.Event) -> None:
    """Tell when the receipt is printed: all is stored then."""
    assert run.stdout
    for _ in run.stdout:
        receipt.set()


class _Watch(threading.Thread):
    """Looks how much memory a process takes, until it is over."""

    def __init__(self, process: int) -> None:
        super().__init__()
        self.most = 0.0
        self.over = threading.Event()
        self._process = psutil.Process(process)

    def run(self) -> None:
        """Look every few hundredths of a second."""
        while not self.over.wait(_LOOK):
            try:
                self.most = max(self.most, self._process.memory_info().rss / 2**20)
            except psutil.NoSuchProcess:
                return


def _found(home: Path) -> bool:
    """Tell whether the first text is found by its word."""
    if not (home / "store.json").exists():
        return False
    desk = Service(home, None, background=False)
    try:
        return bool(desk.recall(_WORD, limit=1, floor=0.0).hits)
    finally:
        desk.close()


def _stored(home: Path) -> int:
    desk = Service(home, None, background=False)
    try:
        return desk.stats().states.get(LIVE, 0)
    finally:
        desk.close()


def _export(path: Path, size: int) -> int:
    """Write a chat export of about so many bytes before it is packed; return its turns."""
    words = " ".join(note.text for note in notes(2000, seed=61)).split()
    chance = random.Random(61)
    turns = written = 0
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed,
        packed.open("conversations.json", "w", force_zip64=True) as stream,
    ):
        stream.write(b"[")
        while written < size:
            said = [" ".join(chance.choices(words, k=_TURN_WORDS)) for _ in range(_TURNS)]
            if not turns:
                said[0] = f"{_WORD} {said[0]}"
            told = json.dumps(_conversation(turns, said)).encode()
            written += stream.write((b"," if turns else b"") + told)
            turns += _TURNS
        stream.write(b"]")
    return turns


def _conversation(number: int, said: Sequence[str]) -> dict[str, object]:
    """Return one conversation in the shape of a Claude.ai export."""
    at = "2026-05-01T10:00:00.000000+00:00"
    return {
        "uuid": f"{number:08}-0000-4000-8000-000000000000",
        "name": f"Conversation {number}",
        "created_at": at,
        "updated_at": at,
        "account": {"uuid": "00000000-0000-4000-8000-000000000001"},
        "chat_messages": [
            {
                "uuid": f"{number + place:08}-0000-4000-9000-000000000000",
                "text": text,
                "content": [{"type": "text", "text": text}],
                "sender": ("human", "assistant")[place % 2],
                "created_at": at,
                "updated_at": at,
                "attachments": [],
                "files": [],
            }
            for place, text in enumerate(said)
        ],
    }
