"""Whatever desks do with what they share, in any order, they end with the same."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from synced import Sharer, sharer
from team_server import KEY, LightTeam

from memdesk.memory import Draft, Edit
from memdesk.sharing import digest
from memdesk.sync.ledger import Ledger

if TYPE_CHECKING:
    from memdesk.memory import Memory

DESKS = range(3)
desks = st.sampled_from(DESKS)
words = st.text(alphabet="abc äß\U0001f98a\n", min_size=1, max_size=8).filter(str.strip)
tags = st.lists(st.sampled_from(["x", "y", "z"]), max_size=2, unique=True).map(tuple)
picks = st.integers(0, 10_000)
PRIVATE = "PRIVATE-"


class Killed(BaseException):
    """The process dies here."""


class Converging(RuleBasedStateMachine):
    """Three desks of one team; at the end all have what the server has."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="converging-"))
        self.stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.server = self.stack.enter_context(LightTeam())
        self.desks: list[Sharer] = []
        self.shared: set[str] = set()

    @initialize()
    def begin(self) -> None:
        """Open the desks."""
        for n in DESKS:
            desk = self.stack.enter_context(sharer(self.folder / str(n)))
            desk.add(self.server.url, KEY)
            self.desks.append(desk)

    def pick(self, desk: Sharer, n: int, *states: str) -> Memory | None:
        """Return one of a desk's memories in one of the states."""
        found = sorted(
            (each for each in desk.all().values() if each.state in states), key=lambda each: each.id
        )
        return found[n % len(found)] if found else None

    @rule(n=desks, text=words, tags=tags)
    def share(self, n: int, text: str, tags: tuple[str, ...]) -> None:
        """Remember something for the team."""
        self.shared.add(self.desks[n].share(text, tags=tags))

    @rule(n=desks, text=words)
    def keep(self, n: int, text: str) -> None:
        """Remember something for oneself."""
        self.desks[n].service.remember(Draft(PRIVATE + text))

    @rule(n=desks, which=picks, text=words, tags=tags)
    def revise(self, n: int, which: int, text: str, tags: tuple[str, ...]) -> None:
        """Change a text."""
        if found := self.pick(self.desks[n], which, "live"):
            text = text if found.audience else PRIVATE + text
            self.desks[n].service.revise(found.id, Edit(text=text, tags=tags))

    @rule(n=desks, which=picks)
    def pin(self, n: int, which: int) -> None:
        """Change what stays here."""
        if found := self.pick(self.desks[n], which, "live"):
            self.desks[n].service.revise(found.id, Edit(pinned=not found.pinned))

    @rule(n=desks, which=picks)
    def forget(self, n: int, which: int) -> None:
        """Put something into the trash."""
        if found := self.pick(self.desks[n], which, "live"):
            self.desks[n].service.forget([found.id])

    @rule(n=desks, which=picks)
    def restore(self, n: int, which: int) -> None:
        """Bring something back from the trash."""
        if found := self.pick(self.desks[n], which, "trashed"):
            self.desks[n].service.restore([found.id])

    @rule(n=desks, which=picks)
    def purge(self, n: int, which: int) -> None:
        """Erase something for good."""
        if found := self.pick(self.desks[n], which, "trashed"):
            self.desks[n].service.purge([found.id])

    @rule(n=desks, which=picks, text=words)
    def take_back(self, n: int, which: int, text: str) -> None:
        """Make something private, and change it."""
        if found := self.pick(self.desks[n], which, "live"):
            self.desks[n].service.revise(found.id, Edit(audience=(), text=PRIVATE + text))

    @rule(n=desks, push=st.booleans(), pull=st.booleans())
    def sync(self, n: int, push: bool, pull: bool) -> None:
        """Exchange, or only one way."""
        self.desks[n].go(push=push, pull=pull)

    @rule(n=desks, after=st.integers(0, 3))
    def sync_and_die(self, n: int, after: int) -> None:
        """Die in an exchange, before the ledger is written."""
        note, left = Ledger.note, [after]

        def die(ledger: Ledger, *arguments: object) -> None:
            if not left[0]:
                raise Killed
            left[0] -= 1
            note(ledger, *arguments)  # type: ignore[arg-type]

        with patch.object(Ledger, "note", die), suppress(Killed):
            self.desks[n].go()

    @rule(n=desks)
    def lose_the_ledger(self, n: int) -> None:
        """Lose what was known of the server."""
        shutil.rmtree(self.desks[n].home / "sync", ignore_errors=True)

    def teardown(self) -> None:
        """Exchange until nothing moves, and compare."""
        try:
            if self.desks:
                self.settle()
                self.compare()
        finally:
            self.stack.close()

    def settle(self) -> None:
        """Exchange in turns until nobody has anything new."""
        for _ in range(8):
            told = [desk.go() for desk in self.desks]
            assert not any(each.error for each in told)
            if not any(each.pushed or each.deleted or each.pulled for each in told):
                return
        raise AssertionError(told)

    def compare(self) -> None:
        """Every desk has what the server has, of all that it shares; and nothing private left."""
        there = self.server.team.records
        for desk in self.desks:
            for id, memory in desk.all().items():
                if memory.audience != ("team",):
                    continue
                if id not in there:  # it was forgotten before anybody heard of it
                    assert memory.state == "trashed"
                    continue
                record = there[id]
                if memory.state == "trashed":
                    assert record["state"] == "deleted"
                else:
                    assert (record["state"], record["text"]) == (memory.state, memory.text)
                    assert record["tags"] == list(memory.tags)
        live = [
            {
                id: digest(each)
                for id, each in desk.all().items()
                if each.audience and each.state == "live"
            }
            for desk in self.desks
        ]
        for id, record in there.items():
            held = {digests[id] for digests in live if id in digests}
            assert len(held) <= 1
            assert record["state"] == "deleted" or held
        assert PRIVATE.encode() not in b"".join(self.server.requests)


Converging.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
test_desks_converge = Converging.TestCase
