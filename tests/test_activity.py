"""What hosts asked and got is logged, bounded, and never holds a memory."""

from __future__ import annotations

import stat
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
from cli_runner import UNKNOWN, Cli
from fakes import FakeEmbedder
from mcp import Client
from mcp.types import Implementation
from served import direct_only

from memdesk.cli import activity as cli_activity
from memdesk.errors import Invalid
from memdesk.mcp.connection import Connection
from memdesk.mcp.server import build_server
from memdesk.memory import Draft, Edit, new_id
from memdesk.service import activity
from memdesk.service.activity import FILE, Activity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from memdesk.answers import Asked
    from memdesk.service import Service


def ask(log: Activity, words: str, *ids: str) -> None:
    """Log a question and the ids of its answer."""
    log.record("claude", "recall", words, ids=ids, outcome=f"{len(ids)} found", took=0.0125)


def words_of(found: tuple[Asked, ...]) -> list[str]:
    """What was asked."""
    return [each.words for each in found]


def test_what_was_asked_is_told_the_newest_last(tmp_path: Path) -> None:
    """With all that is known of it, in a file for its owner only."""
    log = Activity(tmp_path, on=True)
    ask(log, "where does\nAna  live", "1", "2")
    ask(log, "what is new")
    first, second = log.recent(0, 10)
    assert (first.host, first.verb, first.words) == ("claude", "recall", "where does Ana live")
    assert (first.ids, first.outcome, first.took) == (("1", "2"), "2 found", 0.0125)
    assert (second.words, second.n > first.n, second.at >= first.at) == ("what is new", True, True)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_only_what_is_new_is_told(tmp_path: Path) -> None:
    """Whoever has seen a number gets those beyond it; a limit leaves the older ones out."""
    log = Activity(tmp_path, on=True)
    assert log.recent(0, 10) == ()
    for each in "abcd":
        ask(log, each)
    seen = log.recent(0, 10)[1].n
    assert words_of(log.recent(seen, 10)) == ["c", "d"]
    assert words_of(log.recent(0, 3)) == ["b", "c", "d"]
    with pytest.raises(Invalid, match="limit"):
        log.recent(0, 0)


def test_numbers_rise_over_processes_and_threads(tmp_path: Path) -> None:
    """No two requests have one number, whoever logs them; none is lost."""
    logs = [Activity(tmp_path, on=True) for _ in range(4)]

    def work(log: Activity) -> None:
        for at in range(25):
            ask(log, str(at))

    threads = [threading.Thread(target=work, args=(log,)) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [each.n for each in logs[0].recent(0, 1000)]
    assert len(numbers) == 100
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("torn", [b'{"n": 5, "at": "2026', b"\xff\xfe{", b"[]\n", b"7", b"\n\n"])
def test_a_torn_line_is_passed_over(tmp_path: Path, torn: bytes) -> None:
    """What a killed process left is no request, and the next one stands on a line of its own."""
    log = Activity(tmp_path, on=True)
    ask(log, "before")
    with (tmp_path / FILE).open("ab") as file:
        file.write(torn)
    ask(log, "after")
    assert words_of(log.recent(0, 10)) == ["before", "after"]


def test_the_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its size the older half goes, and numbers go on rising; long questions are cut."""
    monkeypatch.setattr(activity, "_MOST_BYTES", 20_000)
    log = Activity(tmp_path, on=True)
    last = 0
    for at in range(200):
        ask(log, f"{at} " + "word " * 1000)
        assert (tmp_path / FILE).stat().st_size <= 20_000
        (newest,) = log.recent(last, 5)
        last = newest.n
    kept = log.recent(0, 1000)
    assert words_of(kept)[-1].startswith("199 ")
    assert all(len(each.words) <= 300 for each in kept)


def test_a_disk_that_fails_fails_nobody(tmp_path: Path) -> None:
    """Where the log cannot be written nothing is logged, and nothing is raised."""
    (tmp_path / FILE).mkdir()
    log = Activity(tmp_path, on=True)
    ask(log, "lost")
    log.forget(["1"])
    assert log.recent(0, 10) == ()
    ask(Activity(tmp_path / "nowhere", on=True), "lost")


@pytest.mark.parametrize("words", ["a \ud800", "\udfff", "\x00\x1b", "x" * 299 + "\ud800y"])
def test_no_text_fails_the_log(tmp_path: Path, words: str) -> None:
    """What is no valid Unicode is logged as it may be, and what stands in the log can be shown."""
    log = Activity(tmp_path, on=True)
    log.record(words, words, words, ids=[words], outcome=words, took=float("nan"))
    ask(log, "after")
    first, second = log.recent(0, 9)
    assert second.words == "after"
    for told in (first.host, first.verb, first.words, *first.ids, first.outcome):
        told.encode()
    log.forget([words], [words])


def test_off_means_nothing_is_kept(tmp_path: Path) -> None:
    """What was logged before is erased, and nothing is added."""
    ask(Activity(tmp_path, on=True), "before")
    log = Activity(tmp_path, on=False)
    ask(log, "after")
    assert log.recent(0, 10) == ()
    assert not (tmp_path / FILE).exists()


def test_forgetting_takes_the_question_too(tmp_path: Path) -> None:
    """Whatever names an id goes, and whoever asked the same; the rest stays as it was."""
    log = Activity(tmp_path, on=True)
    ask(log, "where is the key", "1", "2")
    ask(log, "where is the key")
    ask(log, "what else", "2")
    rest = log.recent(0, 10)[-1]
    log.forget(["1"])
    assert log.recent(0, 10) == (rest,)
    ask(log, "and now")
    assert log.recent(rest.n, 10)[0].n > rest.n


def test_a_log_that_is_kept_busy_is_erased_rather(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A purge must not leave the words behind."""
    monkeypatch.setattr(activity, "_MORE_PATIENCE", 0.01)
    log, other = Activity(tmp_path, on=True), Activity(tmp_path, on=True)
    ask(log, "where is the key", "1")
    with other._lock.hold(1):
        log.forget(["1"])
    assert log.recent(0, 10) == ()


def test_a_purge_reaches_the_log(desk: Service, home: Path) -> None:
    """A question that a purged memory answered is gone with it."""
    id = desk.remember(Draft("the safe opens with 1234")).id
    log = Activity(home, on=True)
    ask(log, "what opens the safe", id)
    ask(log, "what else")
    desk.forget([id])
    assert len(desk.activity()) == 2
    desk.purge([id])
    assert words_of(desk.activity()) == ["what else"]


@pytest.mark.parametrize(
    "words",
    ["The safe opens with 1234", "is it so that the  SAFE opens with 1234?", "opens with", "1234"],
)
def test_a_purge_takes_whatever_tells_its_text(desk: Service, home: Path, words: str) -> None:
    """Also where it was no answer: a question that holds the text, or a part of it, as told once."""
    id = desk.remember(Draft("the safe opens\nwith 1234")).id
    desk.revise(id, Edit(text="nothing to see"))
    log = Activity(home, on=True)
    ask(log, words)
    for rest in ("is", "the safe opens with 5678", ""):
        ask(log, rest)
    desk.forget([id])
    desk.purge([id])
    assert words_of(desk.activity()) == ["is", "the safe opens with 5678", ""]


def test_a_question_that_was_cut_within_the_text_goes_too(tmp_path: Path) -> None:
    """A long question is kept up to somewhere: its end may be the beginning of a purged text."""
    log = Activity(tmp_path, on=True)
    text = "the safe opens with 1234 " * 9
    ask(log, "word " * 40 + text)
    ask(log, "word " * 40 + "the sage opens with 1234 " * 9)
    log.forget(["1"], [text])
    assert [each.words[200:208] for each in log.recent(0, 9)] == ["the sage"]


@direct_only
@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_purge_that_is_asked_again_reaches_the_log(
    desk: Service, home: Path, dies: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever the process that purged has died, its retry leaves nothing behind."""
    id, change = desk.remember(Draft("the safe opens with 1234")).id, new_id()
    log = Activity(home, on=True)
    ask(log, "what opens the safe", id)
    ask(log, "is it so that the safe opens with 1234")
    desk.forget([id])
    with monkeypatch.context() as patch:
        if dies == "before":
            patch.setattr(desk._core.store(), "replace", cut_off)
        else:
            patch.setattr(type(desk._core), "maintain_soon", cut_off)
        with pytest.raises(KeyboardInterrupt):
            desk.purge([id], change=change)
    ask(log, "what opens the safe", id)  # a host that got it just before it was gone
    ask(log, "what else")
    assert desk.purge([id], change=change).done == (id,)
    assert words_of(desk.activity()) == ["what else"]


def cut_off(*_: object) -> None:
    """Die, as a process that is killed does."""
    raise KeyboardInterrupt


def host(service: Service, ask: Callable[[Client], Awaitable[object]]) -> None:
    """Have a host that is named Cursor ask a desk."""
    connection = Connection(lambda: service)

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[Connection]:
        yield connection

    async def run() -> None:
        me = Implementation(name="Cursor", version="1")
        async with Client(build_server(lifespan), client_info=me) as client:
            await ask(client)

    anyio.run(run)


@direct_only
def test_every_tool_is_logged(desk: Service, home: Path) -> None:
    """Who asked, for what, what came of it; a memory's text is never in it."""
    known = desk.remember(Draft("a green bicycle", pinned=True)).id

    async def session(client: Client) -> None:
        await client.call_tool("remember", {"text": "Ana likes tea", "kind": "preference"})
        await client.call_tool("recall", {"query": "which bicycle is green"})
        await client.call_tool("get", {"ids": [known]})
        await client.call_tool("revise", {"id": known, "text": "a blue bicycle", "tags": []})
        await client.call_tool("profile", {"space": "web"})
        await client.call_tool("forget", {"ids": [known], "reason": "it was Ana's"})
        await client.read_resource("memories://recent")
        await client.read_resource(f"memories://{known}")
        await client.get_prompt("brief", {"topic": "drinks"})

    host(desk, session)
    found = desk.activity()
    assert {each.host for each in found} == {"Cursor"}
    assert [(each.verb, each.words, each.outcome) for each in found[:8]] == [
        ("remember", "a preference for the default space", "stored"),
        ("recall", "which bicycle is green", "2 found"),
        ("get", "", "1 shown"),
        ("revise", "text, tags", "revised"),
        ("profile", "web", "2 shown"),
        ("forget", "", "1 in the trash"),
        ("resource", "recent", "1 shown"),
        ("resource", "", "1 shown"),
    ]
    assert (found[8].verb, found[8].words) == ("prompt", "drinks")
    assert all(known in each.ids for each in found[1:6])
    assert all(0 < each.took < 60 for each in found)
    logged = (home / FILE).read_text(encoding="utf-8")
    assert not any(word in logged for word in ("Ana", "tea", "blue", "a green"))


@direct_only
def test_errors_are_logged_without_their_sentences(desk: Service) -> None:
    """A sentence may quote what was sent; its kind is enough."""

    async def session(client: Client) -> None:
        await client.call_tool("get", {"ids": [UNKNOWN]})
        await client.call_tool("remember", {"text": "x", "happened_at": "the secret day"})

    host(desk, session)
    first, second = desk.activity()
    assert (first.outcome, first.ids) == ("error: NotFound", ())
    assert (second.verb, second.outcome) == ("remember", "error: Invalid")


@direct_only
def test_a_desk_that_logs_nothing(open_desk: Callable[..., Service], home: Path) -> None:
    """With the setting off hosts are answered all the same."""
    desk = open_desk(activity=False)
    host(desk, lambda client: client.call_tool("remember", {"text": "tea"}))
    assert len(desk.list().memories) == 1
    assert desk.activity() == ()
    assert not (home / FILE).exists()


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A person at an empty desk."""
    (tmp_path / "desk").mkdir()
    monkeypatch.setenv("MEMDESK_HOME", str(tmp_path / "desk"))
    return Cli(tmp_path / "desk", FakeEmbedder())


def test_the_command_shows_the_last_ones(cli: Cli) -> None:
    """A line each for people, a document each for scripts; what commands a terminal is shown."""
    assert cli.ok("activity").err == "memdesk: no host has asked anything yet\n"
    log = Activity(cli.home, on=True)
    ask(log, "a")
    ask(log, "where\x1b[2J is Ana", UNKNOWN)
    line = cli.ok("activity", "-n", "1").out
    assert line.endswith("  claude  recall  “where\\u001b[2J is Ana”  1 found  12 ms\n")
    told = cli.ok("activity", "--json").jsonl
    assert [each["words"] for each in told] == ["a", "where\x1b[2J is Ana"]
    assert set(told[1]) == {"n", "at", "host", "verb", "words", "ids", "outcome", "took"}


def test_the_command_says_when_nothing_is_logged(cli: Cli) -> None:
    """It names the setting."""
    (cli.home / "config.toml").write_text("activity = false")
    assert "the setting activity is off" in cli.ok("activity").err


def test_the_command_follows(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes is shown once, until Control-C."""
    log = Activity(cli.home, on=True)
    ask(log, "first")
    coming = iter(["second", "", "third"])

    class Pause:
        def wait(self, _: float) -> None:
            for words in coming:
                if words:
                    ask(log, words)
                return
            raise KeyboardInterrupt

    monkeypatch.setattr(cli_activity, "_pause", Pause())
    done = cli("activity", "--follow", "--json")
    assert [each["words"] for each in done.jsonl] == ["first", "second", "third"]
    assert done.code == 130
