"""The stores that earlier revisions of memdesk made, and what must be found in them."""

from __future__ import annotations

import json
import tarfile
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memdesk.memory import Memory

STORES = Path(__file__).parent / "data" / "stores"
NAMES = sorted(path.stem for path in STORES.glob("*.json"))
"""What `data/make_store.py` has made, one for each layout of each format."""


def unpack(name: str, home: Path) -> dict[str, Any]:
    """Put the store of a name at `home` and return what was told when it was made."""
    with tarfile.open(STORES / f"{name}.tar.xz") as archive:
        archive.extractall(home.parent, filter="data")
    (home.parent / "store").rename(home)
    told: dict[str, Any] = json.loads((STORES / f"{name}.json").read_text(encoding="utf-8"))
    return told


def plain(memory: Memory) -> dict[str, Any]:
    """Return a memory as the JSON beside a store has it."""
    words = json.dumps(asdict(memory), default=datetime.isoformat)
    told: dict[str, Any] = json.loads(words)
    return told
