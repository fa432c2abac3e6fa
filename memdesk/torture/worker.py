"""One tortured process: changes, reads and tidies the desk at random, and writes down what it was told."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memdesk.errors import Busy, Cancelled, MemdeskError
from memdesk.memory import LIVE, REPLACED, TOMBSTONE, TRASHED, Memory
from memdesk.torture import texts
from memdesk.torture.deeds import Broken, Deeds, perform
from memdesk.torture.ledger import Ledger, Line, Record, read_tail, record_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from memdesk.service import Service

WRITES = {
    "save": 30,
    "save_many": 2,
    "put_in_place": 3,
    "revise": 10,
    "tag": 5,
    "revise_many": 3,
    "rename_tag": 2,
    "forget": 6,
    "restore": 3,
    "purge": 2,
    "merge": 2,
    "undo": 4,
    "common": 8,
}
"""How often each change is made, of a hundred and some calls."""
READS = {"recall": 12, "search": 4, "list": 4, "get": 5, "history": 3, "browse": 1, "see": 16}
UPKEEP = {"maintain": 0.6, "embed": 0.6, "point": 0.5, "backup": 0.3}
MIX: dict[str, float] = WRITES | READS | UPKEEP
_ASKED_AGAIN = 0.7
"""How many of the changes that a killed process left open its successor asks again."""
_SEVERAL = 5
_LISTED = 50
_KILLED = ("the daemon went away", "the daemon has gone")
"""What a caller is told whose daemon was killed, by us: it may be done or not, and nothing is lost."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What one process is told."""

    folder: Path
    """Where the ledgers are."""
    slot: int
    slots: int
    seed: int
    keep: float
    """How long old versions stay for readers, in seconds."""

    @property
    def ledger(self) -> Path:
        """Its ledger."""
        return ledger(self.folder, self.slot)


def ledger(folder: Path, slot: int) -> Path:
    """Return the ledger of a slot."""
    return folder / f"slot-{slot}.jsonl"


def over(folder: Path) -> Path:
    """Return the file that says that the time is over, once it is there."""
    return folder / "over"


def work(orders: Orders, service: Service) -> int:
    """Work until the time is over, or whoever started this is gone; return the exit code."""
    if hasattr(faulthandler, "register"):  # not on Windows
        faulthandler.register(signal.SIGUSR1)
    worker = Worker(orders, service)
    if not worker.open():
        return 1
    worker.ask_again()
    supervisor = os.getppid()
    while not over(orders.folder).exists() and os.getppid() == supervisor:
        worker.step()
    with contextlib.suppress(MemdeskError):
        service.close()
    return 0


class Worker:
    """Does one thing after the other, each between two lines of its ledger."""

    def __init__(self, orders: Orders, service: Service) -> None:
        self._orders = orders
        self._service = service
        self._ledger = Ledger(orders.ledger)
        self._slot = self._ledger.slot
        seed = f"{orders.seed} {orders.slot} {self._slot.begun}"
        self._chance = random.Random(seed)  # noqa: S311 (a choice of verbs, not a secret)
        self._deeds = Deeds(self._slot, orders.slot, orders.seed, self._chance)

    def open(self) -> bool:
        """Open the store; False where that failed."""
        begun = time.monotonic()
        try:
            self._service.list(limit=1)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is what is looked for)
            traceback.print_exc()
            self._ledger.say({"wrong": f"open: {_sentence(error)}"})
            return False
        self._ledger.say({"opened": _since(begun), "pid": os.getpid()})
        return True

    def ask_again(self) -> None:
        """Ask again for changes that a killed predecessor was not told the outcome of."""
        for line in list(self._slot.open.values()):
            if "change" in line and self._chance.random() < _ASKED_AGAIN:
                self._do(line | {"again": True}, partial(perform, self._service, line))

    def step(self) -> None:
        """Do one thing at random."""
        (verb,) = self._chance.choices(list(MIX), list(MIX.values()))
        if verb == "common":
            text = texts.common(time.time(), self._chance)
            line: Line | None = _plain("common", {"common": text})
        elif verb in WRITES:
            line = getattr(self._deeds, verb)()
        else:
            number = self._slot.number + 1
            self._do({"n": number, "do": verb}, getattr(self, f"_{verb}"))
            return
        if line and (line["after"] or verb == "common"):
            line = {"n": self._slot.number + 1} | line
            self._do(line, partial(perform, self._service, line))

    def _do(self, line: Line, call: Callable[[], dict[str, Any] | None]) -> None:
        """Write down what comes, do it, and write down what came of it."""
        self._ledger.say(line)
        begun = time.monotonic()
        outcome: Line
        try:
            told = call() or {}
            outcome = {"ok": _since(begun), **told}
            known = {token: self._slot.memos[token].id for token in line.get("after", ())}
            outcome["ids"] = known | told.get("ids", {})
        except Busy as error:
            outcome = {"busy": str(error), "partly": bool(error.done)}
        except Cancelled:
            outcome = {"cut": True}
        except Exception as error:  # noqa: BLE001 (as above)
            killed = any(words in str(error) for words in _KILLED)
            outcome = {"cut": True} if killed else {"error": _sentence(error)}
            if not isinstance(error, Broken | MemdeskError):
                traceback.print_exc()
        self._ledger.say({"n": line["n"], **outcome})
        sys.stderr.flush()

    # What reads, and what it must see

    def _recall(self) -> None:
        memos = self._deeds.those(LIVE, TRASHED, REPLACED, TOMBSTONE)
        if memos:
            memo = self._chance.choice(memos)
            assert memo.now
            self._find(memo.token, memo.id, live=memo.now.state == LIVE)

    def _find(self, token: str, id: str, *, live: bool) -> None:
        found = self._service.recall(token, limit=5, floor=0.0)
        ids = [hit.memory.id for hit in found.hits]
        if live and id not in ids:
            raise Broken(f"search does not find {id}, whose save was acknowledged")
        if not live and id in ids:
            raise Broken(f"search still finds {id}, which was forgotten")
        if len(set(ids)) < len(ids):
            raise Broken("search gives a memory twice")

    def _search(self) -> None:
        self._service.recall(" ".join(self._chance.sample(texts.WORDS, _SEVERAL)))

    def _list(self) -> None:
        page = self._service.list(limit=_LISTED)
        if len({memory.id for memory in page.memories}) < len(page.memories):
            raise Broken("a list gives a memory twice")
        if any(memory.state != LIVE for memory in page.memories):
            raise Broken("a list gives a memory that is not live")

    def _get(self) -> None:
        memos = self._deeds.those(LIVE, TRASHED, REPLACED, TOMBSTONE)
        some = self._chance.sample(memos, min(_SEVERAL, len(memos)))
        if some:
            found = self._service.get([memo.id for memo in some])
            for memo, memory in zip(some, found, strict=True):
                assert memo.now
                _compare(memory, memo.token, memo.now)

    def _history(self) -> None:
        memos = self._deeds.those(LIVE, TRASHED, REPLACED)
        if memos:
            memo = self._chance.choice(memos)
            told = [each.memory for each in self._service.history(memo.id)]
            if len({each.seq for each in told}) < len(told):
                raise Broken(f"the history of {memo.id} tells a revision twice")
            lacking = {change for change, _ in memo.changes} - {each.change for each in told}
            if lacking:
                raise Broken(f"the history of {memo.id} lacks {len(lacking)} revisions")

    def _browse(self) -> None:
        self._service.stats()
        self._service.overview()
        self._service.profile()

    def _see(self) -> None:
        """See what another process was told is done last, in the next call."""
        others = [n for n in range(self._orders.slots) if n != self._orders.slot]
        for other in self._chance.sample(others, len(others)):
            path = ledger(self._orders.folder, other)
            if told := _last_done(read_tail(path)):
                break
        else:
            return
        number, token, id, record = told
        broken = ""
        try:
            (memory,) = self._service.get([id])
            _compare(memory, token, record)
            self._find(token, id, live=record.state == LIVE)
        except MemdeskError as error:
            broken = str(error)
        except Broken as error:
            broken = f"another process: {error}"
        later = [line for line in read_tail(path) if line.get("n", 0) > number]
        if broken and not any(token in line.get("after", ()) for line in later):
            raise Broken(broken)

    # What keeps the desk

    def _maintain(self) -> None:
        self._service.maintain(keep_seconds=self._orders.keep)

    def _embed(self) -> None:
        with contextlib.suppress(MemdeskError):  # a process without the model
            self._service.embed_pending()

    def _point(self) -> None:
        self._service.take_point(reason="torture")

    def _backup(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="backup-", dir=self._orders.folder))
        try:
            copied = self._service.copy_to(folder)
            if self._service.check_copy(folder).rows != copied.rows:
                raise Broken("a copy has other rows than were copied")
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _last_done(lines: list[Line]) -> tuple[int, str, str, Record] | None:
    """Return the last acknowledged change of a ledger's end: number, token, id, what it made.

    None where something else has been begun with that memory since.
    """
    asked: dict[int, Line] = {line["n"]: line for line in lines if line.get("after")}
    for line in reversed(lines):
        number: int = line.get("n", 0)
        if "ok" in line and number in asked and line["ids"]:
            after = asked[number]["after"]
            token = next(iter(after))
            if any(token in each["after"] for n, each in asked.items() if n > number):
                return None
            return number, token, line["ids"][token], record_of(after[token])
    return None


def _compare(memory: Memory, token: str, record: Record) -> None:
    """Raise `Broken` where a memory is not as it was acknowledged."""
    if why := difference(memory, token, record):
        raise Broken(f"memory {memory.id} {why}")


def difference(memory: Memory, token: str, record: Record) -> str:
    """Return how a memory differs from what it should be, in words; empty where it does not."""
    if memory.state != record.state:
        return f"is {memory.state} and should be {record.state}"
    wanted = "" if record.state == TOMBSTONE else texts.text(token, record.revision)
    if memory.text != wanted:
        return f"has not the text of its revision {record.revision}"
    if set(memory.tags) != set(record.tags):
        return "has other tags than it was given"
    return ""


def _plain(do: str, args: dict[str, Any]) -> Line:
    from memdesk.memory import new_id

    return {"do": do, "args": args, "after": {}, "change": new_id()}


def _since(begun: float) -> float:
    return round((time.monotonic() - begun) * 1000, 1)


def _sentence(error: Exception) -> str:
    known = isinstance(error, MemdeskError | Broken)
    return str(error) if known else f"{type(error).__name__}: {error}"
