"""The verdict: whether the store holds what the ledgers say, no more and no less."""

from __future__ import annotations

import contextlib
import random
import re
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memdesk import __version__
from memdesk.errors import MemdeskError
from memdesk.memory import LIVE, STATES, TOMBSTONE, Filter, Memory
from memdesk.torture.ledger import Slot, read_slot, record_of
from memdesk.torture.worker import difference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from memdesk.service import Service
    from memdesk.store import Store
    from memdesk.store.table import Table
    from memdesk.torture.ledger import Memo

MOST_TIMES = 3.0
"""How many times its payload a store may take once the readers' margin has passed (DESIGN §3)."""
_PAGE = 1000
_SOUGHT = 200
_BY_BATCHES = ("rename_tag",)
"""Changes that are on the disk batch by batch, and go on when they are asked again."""
_SEEKS_FOR = 8.0
_SETTLES_IN = 12.0
_TOKEN = re.compile(r"\b[a-z]{14}\b")
_BESIDE = ("points", "logs", "backups", "ballast")
"""What is in a store's folder and not counted as the store."""


@dataclass
class Verdict:
    """What was found in the end."""

    losses: list[str] = field(default_factory=list)
    """Each broken promise in a sentence."""
    rows: int = 0
    """Memories in the store, in any state."""
    live: int = 0
    acknowledged: int = 0
    """Memories whose save was acknowledged."""
    changes: int = 0
    """Changes of a memory that were acknowledged, the saves among them."""
    doubtful: int = 0
    """Memories with a change that was never acknowledged: either way is right."""
    sought: int = 0
    """Memories that search was asked for."""
    size: int = 0
    """Bytes on the disk in the end."""
    payload: int = 0
    """Bytes of a fresh copy of the same rows."""


def slots(folder: Path) -> list[Slot]:
    """Return what all ledgers of a run tell, in the order of their slots."""
    paths = sorted(folder.glob("slot-*.jsonl"), key=lambda path: int(path.stem.partition("-")[2]))
    return [read_slot(path) for path in paths]


def judge(
    folder: Path, home: Path, open_service: Callable[[Path], Service], *, keep: float | None
) -> Verdict:
    """Compare the store in `home` with the ledgers in `folder`; nobody else uses it any more.

    `keep` is how long old versions stay for readers, in seconds; with None the disk is not looked at.
    """
    told, verdict = slots(folder), Verdict()
    for number, slot in enumerate(told):
        verdict.losses += [f"process {number}: {words}" for words in slot.failures]
    service = open_service(home)
    try:
        store = service._core.store()  # noqa: SLF001 (rows are counted where nobody hides any)
        _memories(service, store, told, verdict)
        _settle(service, home, keep or 0.0)
        _search(home, store, told, verdict)
        if keep is not None:
            verdict.size, verdict.payload = size(home), _payload(store, folder / "payload")
    except MemdeskError as error:
        verdict.losses.append(f"the store cannot be looked at in the end: {error}")
    finally:
        service.close()
    if verdict.size > MOST_TIMES * verdict.payload:
        times = verdict.size / max(1, verdict.payload)
        verdict.losses.append(f"the store takes {times:.1f} times its payload on the disk")
    return verdict


def _memories(service: Service, store: Store, told: list[Slot], verdict: Verdict) -> None:
    """Compare every memory, and its history, with what the ledgers say of it."""
    _rows(store, verdict)
    found = _found(service)
    verdict.rows = len(found)
    verdict.live = sum(memory.state == LIVE for memory in found.values())
    revisions = _revisions(store)
    for slot in told:
        for memo in slot.memos.values():
            _memo(memo, found, revisions, verdict)
        _whole(slot, found, verdict)
    _strangers(told, found, verdict)
    _common(told, found, verdict)


def _found(service: Service) -> dict[str, Memory]:
    """Return every memory in any state, as a list shows them."""
    found: dict[str, Memory] = {}
    cursor = None
    while True:
        everything = Filter(states=STATES, expired=True)
        page = service.list(where=everything, limit=_PAGE, cursor=cursor)
        found |= {memory.id: memory for memory in page.memories}
        if (cursor := page.cursor) is None:
            return found


def _rows(store: Store, verdict: Verdict) -> None:
    """Look for rows that are there twice: by their ids, and by space and text."""
    rows = store.memories.rows("", columns=["id", "space", "content_hash", "state"]).to_pylist()
    ids = Counter(row["id"] for row in rows)
    same = Counter((row["space"], row["content_hash"]) for row in rows if row["state"] == LIVE)
    verdict.losses += [f"memory {id} is there {n} times" for id, n in ids.items() if n > 1]
    verdict.losses += [
        f"the text with the hash {hash[:12]} is there {n} times in the space {space}"
        for (space, hash), n in same.items()
        if n > 1
    ]


def _revisions(store: Store) -> dict[str, set[str]]:
    """Return the changes that the history tells of each memory."""
    told: dict[str, set[str]] = defaultdict(set)
    for row in store.history.rows("", columns=["id", "change"]).to_pylist():
        told[row["id"]].add(row["change"])
    return told


def _memo(
    memo: Memo, found: dict[str, Memory], revisions: dict[str, set[str]], verdict: Verdict
) -> None:
    """Look whether one memory is what it was acknowledged to be, with its whole history."""
    verdict.acknowledged += bool(memo.id)
    verdict.changes += len(memo.changes)
    verdict.doubtful += bool(memo.doubts)
    memory = found.get(memo.id) if memo.id else _by_token(memo, found)
    if memory is None:
        if memo.id:
            verdict.losses.append(f"memory {memo.id} was acknowledged and is not in the store")
        return
    whys = [difference(memory, memo.token, record) for record in memo.may_be() if record]
    if all(whys):
        verdict.losses.append(f"memory {memory.id} {whys[0]}")
    if memory.state == TOMBSTONE:
        if revisions.get(memory.id):
            verdict.losses.append(f"memory {memory.id} was erased and still has a history")
        return
    lacking = {change for change, _ in memo.changes} - revisions[memory.id] - {memory.change}
    # An erasing that was cut short has begun with the history; the memory is still in the trash.
    if lacking and not any(doubt.state == TOMBSTONE for doubt in memo.doubts):
        verdict.losses.append(f"memory {memory.id} lost {len(lacking)} acknowledged revisions")


def _by_token(memo: Memo, found: dict[str, Memory]) -> Memory | None:
    return next((memory for memory in found.values() if memo.token in memory.text), None)


def _whole(slot: Slot, found: dict[str, Memory], verdict: Verdict) -> None:
    """Look whether each change of several memories that nobody was told of was done to all or none."""
    for line in slot.open.values():
        if line["do"] in _BY_BATCHES or "after" not in line:
            continue
        done = {_is_done(slot.memos[token], found, told) for token, told in line["after"].items()}
        if len(done) > 1:
            verdict.losses.append(f"a change ({line['do']}) was done to some of its memories only")


def _is_done(memo: Memo, found: dict[str, Memory], told: list[object]) -> bool:
    memory = found.get(memo.id) if memo.id else _by_token(memo, found)
    return memory is not None and not difference(memory, memo.token, record_of(told))


def _strangers(told: list[Slot], found: dict[str, Memory], verdict: Verdict) -> None:
    """Look for memories that nobody has saved, and for words that were erased."""
    ids = {memo.id for slot in told for memo in slot.memos.values()}
    tokens = {token: memo for slot in told for token, memo in slot.memos.items()}
    common = {text for slot in told for text in slot.common}
    carriers: Counter[str] = Counter()
    for memory in found.values():
        carried = [each for each in _TOKEN.findall(memory.text) if each in tokens]
        carriers.update(carried)
        if not carried and memory.text not in common and memory.id not in ids:
            verdict.losses.append(f"nobody saved memory {memory.id}")
    verdict.losses += [
        f"the text of memory {tokens[token].id or 'without an id'} is in {count} memories"
        for token, count in carriers.items()
        if count > 1
    ]


def _common(told: list[Slot], found: dict[str, Memory], verdict: Verdict) -> None:
    """Look whether what all processes remembered at once is there once, under one id."""
    acknowledged: dict[str, set[str]] = defaultdict(set)
    for slot in told:
        for text, ids in slot.common.items():
            acknowledged[text] |= ids
    there = Counter(memory.text for memory in found.values() if memory.state == LIVE)
    for text, ids in acknowledged.items():
        if len(ids) > 1:
            verdict.losses.append(f"one text was acknowledged under {len(ids)} ids")
        if there[text] > 1 or (ids and not there[text]):
            verdict.losses.append(f"a text that all processes saved is there {there[text]} times")


def _settle(service: Service, home: Path, keep: float) -> None:
    """Have maintenance done until there is nothing left to remove."""
    before = 0
    until = time.monotonic() + keep + _SETTLES_IN
    while time.monotonic() < until:
        service.maintain(keep_seconds=keep)
        after = size(home)
        if before and after >= before:
            return
        before = after
        time.sleep(keep + 0.5)


def _search(home: Path, store: Store, told: list[Slot], verdict: Verdict) -> None:
    """Look whether search has every live memory, none twice, and nothing that was erased.

    By words alone: how a model weighs a word that means nothing is a matter of ranking, not of loss.
    """
    from memdesk.service import Service

    missing, stale = store.unindexed(0)
    verdict.losses += [f"search does not have memory {id}" for id in missing]
    verdict.losses += [f"search has memory {id} as it no longer is" for id in stale]
    keys = Counter(store.passages.rows("", columns=["key"]).column("key").to_pylist())
    verdict.losses += [
        f"search has the passage {key} {n} times" for key, n in keys.items() if n > 1
    ]
    memos = [memo for slot in told for memo in slot.memos.values() if memo.certain]
    with contextlib.closing(Service(home, None, background=False)) as service:
        _words(service, memos, verdict)


def _words(service: Service, memos: list[Memo], verdict: Verdict) -> None:
    """Ask for the own words of some memories."""
    chance = random.Random(len(memos))  # noqa: S311 (a sample)
    until = time.monotonic() + _SEEKS_FOR
    for memo in chance.sample(memos, min(_SOUGHT, len(memos))):
        if time.monotonic() > until:
            return
        verdict.sought += 1
        hits = service.recall(memo.token, limit=5, floor=0.0).hits
        there = [hit.memory.id for hit in hits if memo.token in hit.memory.text]
        assert memo.now
        if memo.now.state == LIVE and there != [memo.id]:
            verdict.losses.append(f"search gives memory {memo.id} {len(there)} times for its word")
        if memo.now.state != LIVE and there:
            verdict.losses.append(f"search gives memory {memo.id}, which was forgotten")


def size(home: Path) -> int:
    """Return the bytes of a store, without restore points, backups, ballast and logs."""
    return sum(_sizes(home))


def _sizes(home: Path) -> Iterator[int]:
    from memdesk.store.durable import size_on_disk

    for path in home.iterdir():
        if path.name not in _BESIDE:
            with contextlib.suppress(FileNotFoundError):
                yield size_on_disk(path) if path.is_dir() else path.stat().st_size


def _payload(store: Store, folder: Path) -> int:
    """Return the bytes of a fresh copy of the same rows, loaded at once and indexed."""
    from memdesk.store import maintain, open_store

    stamp = store.stamp
    model = (stamp.model, stamp.fingerprint, stamp.dims)
    fresh = open_store(folder, __version__, model, contextlib.nullcontext)
    for ours, its in zip(_tables(store), _tables(fresh), strict=True):
        its.add(ours.rows(""))
    seq = fresh.refresh().seq
    maintain(fresh, contextlib.nullcontext, indexed=seq, whole=True, keep_seconds=0.0)
    return size(folder)


def _tables(store: Store) -> tuple[Table, ...]:
    return store.memories, store.history, store.passages
