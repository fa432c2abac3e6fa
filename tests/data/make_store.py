"""Makes a small store with the memdesk of some revision, for the tests of later ones.

    git worktree add ../old REVISION
    PYTHONPATH=../old:../old/tests python tests/data/make_store.py tests/data/stores/format-N
    git worktree remove ../old

Revisions: format 1 (before passages had a layout) 02dbe60, format 1 with layout 2 b6e3f71, format 2
8dc9b1d, format 3 427ceb0. Beside the archive stands in JSON what must be found in the store; its
words are of that memdesk's fake model, so no model file is needed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tarfile
import tempfile
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

os.environ["PYTHONDONTWRITEBYTECODE"] = "1"

from fakes import FakeEmbedder

from memdesk.memory import Draft, Edit, Source
from memdesk.service import Service

NOTES = (
    Draft("The boiler is serviced in May", tags=("house", "heating"), happened_at="2024-05"),
    Draft("Größe des Fensters: 120 × 80 cm – Küche", kind="fact", space="umbau"),
    Draft("東京の会議は火曜日です", kind="event", happened_at="2025-03-04T09:30+09:00"),
    Draft("Перезвонить врачу", kind="task", tags=("здоровье",), expires_at="2124-01-01"),
    Draft("Coffee without sugar ☕ please", kind="preference", pinned=True, confidence=0.75),
    Draft("The deploy runs at noon", kind="decision", metadata='{"ticket": 7, "é": [1, null]}'),
    Draft("Shared with the team", audience=("team",), source=Source("claude", "agent", "chat/1")),
)
TURNS = (
    ("user", "Ana", "Where did we put the spare key?"),
    ("assistant", "desk", "In the blue tin, under the stairs."),
    ("user", "Ana", "And the one of the garage?"),
    ("assistant", "desk", "It hangs beside the fuse box."),
)


def fill(desk: Service) -> list[str]:
    """Do everything to a desk that leaves a trace in the tables; return all ids."""
    ids = [desk.remember(draft, actor="person").id for draft in NOTES]
    turns = [
        Draft(text, kind="dialogue", session="s-1", position=n, role=role, speaker=who)
        for n, (role, who, text) in enumerate(TURNS)
    ]
    ids += [done.id for done in desk.remember_many(turns, actor="claude")]
    desk.revise(ids[0], Edit(text="The boiler is serviced in June"), actor="person")
    desk.revise(ids[0], Edit(text="The boiler is serviced in July", pinned=True), actor="claude")
    replaced = desk.remember(Draft("Flight leaves at 10:40")).id
    ids += [replaced, desk.remember(Draft("Flight leaves at 12:15", replaces=replaced)).id]
    gone = [desk.remember(Draft(f"To be erased: {word}")).id for word in ("alpha", "beta")]
    trashed = [desk.remember(Draft(f"In the trash: {word}")).id for word in ("gamma", "ñandú")]
    desk.forget([*gone, *trashed], actor="person")
    desk.purge(gone)
    desk.maintain(keep_seconds=0)
    long = desk.remember(Draft(" ".join(f"word{n} of a long text." for n in range(150)))).id
    undone = desk.remember(Draft("Revised and taken back")).id
    desk.revise(undone, Edit(text="Never meant"), actor="claude")
    desk.undo()
    return [*ids, *gone, *trashed, long, undone]


def told(desk: Service, ids: list[str]) -> dict[str, object]:
    """Return what must be found: every field of every memory, and the states it was in."""
    return {
        "memories": [asdict(memory) for memory in desk.get(ids)],
        "histories": {
            id: [
                [each.memory.seq, each.memory.state, each.memory.text] for each in desk.history(id)
            ]
            for id in ids
        },
    }


def main(target: Path) -> None:
    """Make the store and what is told of it: `target`.tar.xz and `target`.json."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "store")
        desk = Service(home, FakeEmbedder(), background=False)
        ids = fill(desk)
        desk.embed_pending()
        desk.maintain(keep_seconds=0)
        desk.remember(Draft("Written after the last maintenance"))
        ids.append(desk.list(limit=1).memories[0].id)
        found = told(desk, ids)
        desk.close()
        for lock in home.glob("*.lock"):
            lock.unlink()
        found["stamp"] = json.loads((home / "store.json").read_text(encoding="utf-8"))
        with tarfile.open(f"{target}.tar.xz", "w:xz", preset=9) as archive:
            archive.add(home, "store", filter=_nobodys)
        shutil.rmtree(home)
    words = json.dumps(found, ensure_ascii=False, indent=1, default=datetime.isoformat)
    Path(f"{target}.json").write_text(words + "\n", encoding="utf-8")


def _nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    main(Path(sys.argv[1]))
