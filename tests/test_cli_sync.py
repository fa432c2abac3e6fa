"""`memdesk sync`: what a person types, what it says, what leaves, and what stays when it fails."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import keyring
import keyring.backends.fail
import pytest
from cli_runner import UNKNOWN, Cli
from fakes import FakeEmbedder
from scripted import Reply, scripted
from served import client, direct_only
from synced import sharer
from team_server import KEY, LightTeam
from test_sync_http import Certificate
from test_sync_keys import Drawer

from memdesk.cli import changes
from memdesk.cli import remote as room
from memdesk.cli.root import open_remotes, open_sync
from memdesk.lock import WriterLock
from memdesk.remotes import Remote
from memdesk.service import Service
from memdesk.sync import discovery
from memdesk.sync.ledger import Ledger
from memdesk.sync.peer import Sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cli_runner import Done

    from memdesk.config import Settings

FAR = "https://memory.example.org/mcp"
DELETES = "team deletes it for everybody with the next exchange"
PLAIN = ("--kind", "memdesk", "--no-key")
"""A remote that is not asked anything when it is added."""


@pytest.fixture(autouse=True)
def _no_keyring() -> Iterator[None]:
    """Have no keyring that works, like a machine without a desktop."""
    before = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.fail.Keyring())  # type: ignore[no-untyped-call]
    yield
    keyring.set_keyring(before)


@pytest.fixture
def drawer(_no_keyring: None) -> Drawer:
    """Have a keyring."""
    drawer = Drawer()
    keyring.set_keyring(drawer)
    return drawer


@pytest.fixture
def cli(
    home: Path, way: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cli]:
    """Return a person at an empty desk, which a daemon may hold."""
    monkeypatch.setenv("MEMDESK_HOME", str(home))
    opened: list[Service] = []

    def direct(settings: Settings | None = None) -> Service:
        home.mkdir(exist_ok=True)
        return Service(home, FakeEmbedder(), background=False, remotes=open_sync(home))

    opener: Callable[[Settings], object] = direct
    if way == "daemon":
        opened.append(direct())
        path = request.getfixturevalue("server").serve(lambda: opened[0])
        opener = lambda _: client(path)  # noqa: E731
    yield Cli(home, FakeEmbedder(), opener)  # type: ignore[arg-type]
    for service in opened:
        service.close()


@pytest.fixture
def team() -> Iterator[LightTeam]:
    """Return a team server."""
    with LightTeam() as server:
        yield server


def added(cli: Cli, team: LightTeam, *options: str, name: str = "team") -> Done:
    """Set a team server up."""
    return cli.ok("sync", "add", name, team.origin, *options, stdin=f"{KEY}\n")


def known(cli: Cli) -> tuple[Remote, ...]:
    """Return the remotes that are set up."""
    return open_remotes(cli.home)[0].all()


def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a person sit there, whose answers are what is piped in."""
    monkeypatch.setattr(room, "_at_a_terminal", lambda: True)
    monkeypatch.setattr(changes, "_at_a_terminal", lambda: True)


def heard(team: LightTeam) -> bytes:
    """Return every byte that a server was sent."""
    return b"".join(team.requests)


# Setting up


def test_a_remote_is_found_and_kept_with_its_key(cli: Cli, team: LightTeam) -> None:
    """It is asked what it is; without a keyring the key is in a file for its owner, and that is said."""
    done = added(cli, team, "--space", "work", "--into", "theirs")
    assert done.lines == [f"team: memdesk at {team.url}"]
    assert "no keyring" in done.err
    assert "accepts only work" in done.err
    assert "memdesk sync share team ID" in done.err
    assert known(cli) == (Remote("team", team.url, "memdesk", ("work",), "theirs"),)
    keys = cli.home / "keys.json"
    assert KEY in keys.read_text("utf-8")
    assert keys.stat().st_mode & 0o777 == 0o600
    assert KEY not in (cli.home / "remotes.json").read_text("utf-8") + done.out + done.err
    assert cli.ok("sync", "status", "--json").json["key"] == "file"


@direct_only
def test_the_key_goes_into_the_keyring(cli: Cli, team: LightTeam, drawer: Drawer) -> None:
    """Where there is one, no file has it."""
    done = added(cli, team)
    assert "in the system's keyring" in done.err
    assert list(drawer.kept.values()) == [KEY]
    assert all(
        KEY.encode() not in path.read_bytes() for path in cli.home.rglob("*") if path.is_file()
    )
    assert "    key in the system's keyring" in cli.ok("sync", "status").lines


@direct_only
def test_a_key_is_typed_unseen(cli: Cli, team: LightTeam, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for at a terminal and shown nowhere."""
    at_a_terminal(monkeypatch)
    done = added(cli, team)
    assert f"Key of team, sent to {team.origin}: " in done.err
    assert KEY not in done.out + done.err
    assert open_remotes(cli.home)[1].get(known(cli)[0]) == KEY
    done = cli("sync", "key", "team", stdin="\n")
    assert (done.code, "nothing was typed" in done.err) == (2, True)
    assert open_remotes(cli.home)[1].get(known(cli)[0]) == KEY


@direct_only
def test_a_key_is_no_option(cli: Cli, team: LightTeam) -> None:
    """It would be in the shell's history; where nobody gives one, nothing is kept."""
    assert cli("sync", "add", "team", team.url, "--key", KEY).code == 2
    done = cli("sync", "add", "team", team.url)
    assert (done.code, "standard input" in done.err) == (2, True)
    done = cli("sync", "add", "team", team.url, stdin="two words\n")
    assert (done.code, "two words" in done.err) == (2, False)
    assert cli("sync", "add", "team", team.url, stdin=b"\xff\xfe\n").code == 2
    assert (known(cli), team.requests) == ((), [])


@direct_only
def test_what_fails_keeps_nothing(cli: Cli, team: LightTeam, drawer: Drawer) -> None:
    """Neither the remote nor the key, whichever step it was."""
    done = cli("sync", "add", "team", team.url, stdin="wrong-key\n")
    assert (done.code, "refuses the key" in done.err) == (1, True)
    assert "wrong-key" not in done.err
    cli.home.mkdir(exist_ok=True)
    (cli.home / "keys.json").write_text("{", "utf-8")
    assert cli("sync", "add", "team", team.url, stdin=f"{KEY}\n").code == 1
    assert (known(cli), drawer.kept) == ((), {})
    (cli.home / "keys.json").unlink()
    with scripted(lambda _: Reply({"hello": "world"})) as other:
        done = cli("sync", "add", "team", other.url, "--no-key")
    assert (done.code, known(cli)) == (1, ())


@direct_only
def test_a_name_is_given_once(cli: Cli, team: LightTeam) -> None:
    """Nothing is asked or sent for a second one of the same name."""
    added(cli, team)
    sent = len(team.requests)
    done = cli("sync", "add", "team", FAR, stdin="other\n")
    assert (done.code, "memdesk sync set team" in done.err) == (2, True)
    assert (len(team.requests), len(known(cli))) == (sent, 1)
    assert open_remotes(cli.home)[1].get(known(cli)[0]) == KEY


@direct_only
def test_plain_http_is_refused_off_this_computer(cli: Cli) -> None:
    """It takes an option, and what that risks is said."""
    far = ("sync", "add", "far", "http://10.0.0.7/mcp", *PLAIN)
    assert cli(*far).code == 2
    assert known(cli) == ()
    assert "INSECURE" in cli.ok(*far, "--insecure").err
    assert any("INSECURE" in line for line in cli.ok("sync", "status").lines)


def test_nothing_leaves_by_itself_before_it_was_seen(cli: Cli, team: LightTeam) -> None:
    """Memories that name a new remote already keep it from the background, until the person says so."""
    cli.add("from another desk", "--audience", "team")
    done = added(cli, team, "--auto")
    assert "1 memory may go there already" in done.err
    assert [each.auto for each in known(cli)] == [False]
    told = cli.ok("sync", "set", "team", "--auto").err
    assert "syncs by itself while the daemon runs; keep it: memdesk daemon install" in told
    assert added(cli, team, "--auto", name="other").code == 0
    assert {each.name: each.auto for each in known(cli)} == {"other": True, "team": True}


@direct_only
def test_a_certificate_is_compared_before_anything_is_sent(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is shown and asked about; without anybody to compare it, it is not believed."""
    certificate = Certificate(tmp_path)
    with scripted(lambda _: Reply({}), certificate.context) as server:
        words = ("sync", "add", "own", server.url, *PLAIN, "--pin", "now")
        alone = cli(*words)
        assert (alone.code, known(cli)) == (2, ())
        at_a_terminal(monkeypatch)
        assert cli(*words, stdin="n\n").code == 130
        assert known(cli) == ()
        done = cli.ok(*words, stdin="y\n")
        assert server.asked == []
    assert certificate.fingerprint in alone.err
    assert certificate.fingerprint in done.err
    assert [each.fingerprint for each in known(cli)] == [certificate.fingerprint]
    cli.ok("sync", "set", "own", "--no-pin")
    assert [each.fingerprint for each in known(cli)] == [""]
    assert cli("sync", "set", "own", "--pin", "beef").code == 2


# Sharing, and what leaves


def test_a_memory_goes_when_it_is_shared(cli: Cli, team: LightTeam, tmp_path: Path) -> None:
    """It is shown first, byte for byte; then it is pushed, and another desk pulls it."""
    added(cli, team)
    shared, private = cli.add("tea at five"), cli.add("my own business")
    done = cli.ok("sync", "share", "team", shared)
    assert done.lines == [shared]
    assert "memdesk sync push team" in done.err
    shown = cli.ok("sync", "status", "team", "--payload").out
    assert f"{shared} put " in shown
    assert '"text": "tea at five"' in shown
    assert private not in shown
    dry = cli.ok("sync", "push", "--dry-run")
    assert '"text": "tea at five"' in dry.out
    assert b"tea at five" not in heard(team)
    assert cli.ok("sync", "push").lines == ["team: 1 pushed"]
    assert b"tea at five" in heard(team)
    assert b"my own business" not in heard(team)
    with sharer(tmp_path / "other") as other:
        other.add(team.url, KEY)
        other.go()
        other.share("cake at six")
        other.go()
    assert cli.ok("sync", "pull", "team", "--json").json["pulled"] == 1
    assert "cake at six" in cli.texts()
    assert cli.ok("sync", "now").lines == ["team: nothing new"]


def test_sharing_keeps_the_other_remotes(cli: Cli) -> None:
    """Each memory keeps its own, in their order; taking one out does too."""
    for name in ("a", "b"):
        cli.ok("sync", "add", name, FAR, *PLAIN)
    alone, with_a, with_b = (
        cli.add("one"),
        cli.add("two", "--audience", "a"),
        cli.add("three", "--audience", "b"),
    )
    done = cli.ok("sync", "share", "b", alone, with_a, with_b, "--json")
    assert {id for each in done.jsonl for id in each["done"]} == {alone, with_a}
    assert audiences(cli, alone, with_a, with_b) == [["b"], ["a", "b"], ["b"]]
    assert set(cli.ok("sync", "unshare", "a", alone, with_a).lines) == {with_a}
    assert audiences(cli, alone, with_a, with_b) == [["b"], ["b"], ["b"]]
    assert cli("sync", "share", "c", alone).code == 2
    assert cli("sync", "share", "b", UNKNOWN).code == 3


def audiences(cli: Cli, *ids: str) -> list[list[str]]:
    """Return whom memories may go to."""
    return [each["audience"] for each in cli.ok("get", *ids, "--json").jsonl]


@direct_only
def test_what_is_unshared_is_deleted_there(cli: Cli, team: LightTeam) -> None:
    """It is said that the next push does it, for everybody, and it does."""
    added(cli, team)
    id = cli.add("tea at five", "--audience", "team")
    never = cli.add("never sent", "--audience", "team")
    cli.ok("sync", "unshare", "team", never)
    cli.ok("sync", "push")
    done = cli.ok("sync", "unshare", "team", id)
    assert DELETES in done.err
    assert f"{id} delete" in cli.ok("sync", "status", "team").out
    assert cli.ok("sync", "push").lines == ["team: 1 deleted there"]
    assert team.team.records[id]["state"] == "deleted"


@direct_only
def test_a_kind_that_cannot_delete_says_so(cli: Cli) -> None:
    """What was sent to it stays there, and so it is told."""
    options = ("--kind", "memoryos", "--no-key", "--user", "ada")
    done = cli.ok("sync", "add", "old", "https://old.example.org/mcp/", *options)
    assert "It cannot delete a memory" in done.err
    id = cli.add("tea at five", "--audience", "old")
    memory = cli.ok("get", id, "--json").json
    clock = (memory["clock_ms"], memory["clock_n"], memory["device"])
    Ledger(cli.home, "old").note([Sent(id, clock, "of what was sent")], "")
    done = cli.ok("sync", "unshare", "old", id)
    assert "old keeps it: its kind cannot delete" in done.err


def test_every_way_out_of_an_audience_tells_what_it_does(cli: Cli, team: LightTeam) -> None:
    """A revision and an undo do what unsharing does; an undo of that shares again."""
    added(cli, team)
    id = cli.add("tea at five", "--audience", "team")
    cli.ok("sync", "push")
    assert DELETES in cli.ok("revise", id, "--audience", "").err
    assert "it goes to team again" in cli.ok("undo").err
    quiet = cli.ok("revise", id, "tea at six").err
    assert DELETES not in quiet
    assert "team" not in cli.ok("undo").err
    later = cli.add("cake at six")
    cli.ok("sync", "share", "team", later)
    cli.ok("sync", "push")
    done = cli.ok("undo", cli.ok("get", later, "--json").json["change"])
    assert DELETES in done.err
    done = cli.ok("undo", cli.ok("get", later, "--json").json["change"])
    assert "it goes to team again" in done.err
    cli.add("gone at once", "--audience", "team")
    cli.ok("sync", "push")
    assert DELETES in cli.ok("undo").err


@direct_only
def test_many_are_told_by_their_number(cli: Cli, team: LightTeam) -> None:
    """How many of those that were changed a remote has, and how many go there again."""
    added(cli, team)
    ids = [cli.add(f"memory {n}", "--audience", "team") for n in range(2)]
    cli.ok("sync", "push")
    ids.append(cli.add("not sent yet", "--audience", "team"))
    done = cli.ok("sync", "unshare", "team", *ids)
    assert "team deletes 2 of these 3 memories for everybody" in done.err
    assert "3 of these 3 memories go to team again" in cli.ok("undo").err


def test_what_others_wrote_is_not_deleted_unasked(
    cli: Cli, team: LightTeam, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has it after that, so a person says yes to it; one's own is not asked about."""
    added(cli, team)
    own = cli.add("tea at five", "--audience", "team")
    with sharer(tmp_path / "other") as other:
        other.add(team.url, KEY)
        theirs = other.share("cake at six")
        other.go()
    cli.ok("sync", "now")
    assert cli("sync", "unshare", "team", own, theirs).code == 2
    with monkeypatch.context() as patch:
        at_a_terminal(patch)
        done = cli("sync", "unshare", "team", own, theirs, stdin="n\n")
        assert (done.code, "Others wrote 1 memory" in done.err) == (130, True)
        assert audiences(cli, own, theirs) == [["team"], ["team"]]
        assert "Others" not in cli.ok("sync", "unshare", "team", own).err
    assert DELETES in cli.ok("sync", "unshare", "team", theirs, "--yes").err


def test_an_audience_that_is_no_remote_is_told(cli: Cli) -> None:
    """With those there are; a right one gets the next step, or the reason why it is held."""
    assert "“team” is no remote" in cli.ok("add", "one", "--audience", "team").err
    cli.ok("sync", "add", "team", FAR, *PLAIN, "--space", "work")
    done = cli.ok("add", "two", "--audience", "taem", "--space", "work")
    words = "“taem” is no remote of this store, so it goes nowhere; the remotes are: team"
    assert words in done.err
    id = done.lines[0]
    done = cli.ok("revise", id, "--audience", "team")
    assert "goes to team with: memdesk sync now" in done.err
    assert "is no remote" not in done.err
    assert "goes to" not in cli.ok("add", "two", "--audience", "team", "--space", "work").err
    assert "held back from team: its space is home" in (
        cli.ok("add", "three", "--audience", "team", "--space", "home").err
    )
    assert cli("sync", "add", "private", FAR, *PLAIN).code == 2


@direct_only
def test_the_history_tells_whom_a_memory_was_shared_with(cli: Cli) -> None:
    """In words, at the revision that changed it."""
    cli.ok("sync", "add", "team", FAR, *PLAIN)
    id = cli.add("tea at five")
    cli.ok("sync", "share", "team", id)
    cli.ok("revise", id, "tea at six")
    cli.ok("sync", "unshare", "team", id)
    lines = cli.ok("history", id).lines
    told = [line.strip() for line in lines if "shared with" in line]
    assert told == ["no longer shared with team; private", "shared with team"]


@direct_only
def test_what_is_held_says_why(cli: Cli, team: LightTeam) -> None:
    """At once, in the list, and until the reason is gone."""
    added(cli, team, "--space", "work")
    id = cli.add("tea at five", "--space", "home")
    assert "accepts work only" in cli.ok("sync", "share", "team", id).err
    assert "    held back: its space is home" in cli.ok("sync", "status", "team").out
    assert cli.ok("sync", "now").lines == ["team: 1 held back"]
    told = cli.ok("sync", "status", "team", "--json").json
    assert (told["waiting"], told["held"], told["total"]) == (0, 1, 1)
    assert "payload" not in told["parcels"][0]
    cli.ok("sync", "set", "team", "--any-space")
    assert cli.ok("sync", "now").lines == ["team: 1 pushed"]
    assert "keeps what it has" in cli.ok("sync", "set", "team", "--space", "work").err
    assert "so already" in cli.ok("sync", "set", "team", "--space", "work").err
    assert cli.ok("sync", "now").lines == ["team: nothing new"]
    assert team.team.records[id]["state"] == "live"


@direct_only
def test_a_secret_that_is_held_is_shown_nowhere(cli: Cli, team: LightTeam) -> None:
    """Nor one that is held for another reason."""
    added(cli, team, "--space", "work")
    secret = "ghp_" + "aB3dE5gH7j" * 3 + "kL9mN1"
    for space in ("work", "home"):
        cli.add(f"token {secret} {space}", "--audience", "team", "--space", space)
    for words in (["status", "team"], ["status", "team", "--json"], ["now"]):
        done = cli.ok("sync", *words)
        assert secret not in done.out + done.err
    assert cli.ok("sync", "status", "team").out.count("(hidden: may hold a secret)") == 2


@direct_only
def test_what_goes_to_the_trash_here_is_counted(cli: Cli, team: LightTeam, tmp_path: Path) -> None:
    """Deleted there by somebody else; it is no memory that was pulled."""
    added(cli, team)
    id = cli.add("tea at five", "--audience", "team")
    cli.ok("sync", "now")
    with sharer(tmp_path / "other") as other:
        other.add(team.url, KEY)
        other.go()
        other.service.forget([id])
        other.go()
    assert cli.ok("sync", "now").lines == ["team: 1 moved to the trash here"]
    assert cli.ok("sync", "now", "--json").json["trashed"] == 0


@direct_only
def test_why_something_is_held_is_said_once(cli: Cli, team: LightTeam) -> None:
    """However many remotes hold something."""
    for name in ("a", "b"):
        added(cli, team, "--space", "work", name=name)
    cli.add("tea at five", "--audience", "a", "--audience", "b", "--space", "home")
    err = cli.ok("sync", "push").err
    assert err.count("why something is held back") == 1
    assert "memdesk sync status NAME" in err


@direct_only
def test_what_came_and_is_held_can_be_tried_again(
    cli: Cli, team: LightTeam, tmp_path: Path
) -> None:
    """The list names the command."""
    added(cli, team, "--space", "work")
    with sharer(tmp_path / "other") as other:
        other.add(team.url, KEY)
        other.share("cake at six", space="home")
        other.go()
    cli.ok("sync", "now")
    assert "memdesk sync retry team" in cli.ok("sync", "status", "team").err


@direct_only
def test_what_is_refused_can_be_tried_again(cli: Cli, team: LightTeam) -> None:
    """One that the server does not take holds up no other, and goes when it is asked to."""
    added(cli, team)
    team.team.refuses = lambda told: "\x1b[31mno tea" if "tea" in told["text"] else ""
    ids = [cli.add(text, "--audience", "team") for text in ("tea", "cake")]
    assert cli.ok("sync", "push").lines == ["team: 1 pushed, 1 held back"]
    shown = cli.ok("sync", "status", "team").out
    assert "no tea" in shown
    assert "\x1b" not in shown
    team.team.refuses = lambda _: ""
    assert cli.ok("sync", "push").lines == ["team: 1 held back"]
    assert "1 tried again" in cli.ok("sync", "retry", "team", ids[0]).err
    assert cli.ok("sync", "push").lines == ["team: 1 pushed"]
    assert "0 tried again" in cli.ok("sync", "retry", "team").err


def test_one_that_fails_is_told_and_the_others_are_synced(cli: Cli, team: LightTeam) -> None:
    """The exit code is 1; another key mends it."""
    with LightTeam() as strict:
        added(cli, strict, name="strict")
        added(cli, team)
        strict.key = "another-key"
        id = cli.add("tea at five")
        cli.ok("sync", "share", "strict", id)
        cli.ok("sync", "share", "team", id)
        done = cli("sync", "now")
        assert (done.code, done.lines) == (1, ["strict: not synced", "team: 1 pushed"])
        assert "memdesk sync key strict" in done.err
        assert KEY not in done.err
        assert any("last error: strict refuses" in line for line in cli.ok("sync", "status").lines)
        assert "background" not in cli.ok("sync", "status").out
        cli.ok("sync", "set", "strict", "--auto")
        assert "    the background has stopped" in cli.ok("sync", "status").out
        cli.ok("sync", "set", "strict", "--no-auto")
        cli.ok("sync", "key", "strict", stdin="another-key\n")
        assert not Ledger(cli.home, "strict").luck.stopped
        assert cli.ok("sync", "now", "strict").lines == ["strict: 1 pushed"]


def test_a_list_is_bounded(cli: Cli) -> None:
    """How many more there are is said."""
    cli.ok("sync", "add", "team", FAR, *PLAIN)
    for n in range(3):
        cli.add(f"memory {n}", "--audience", "team")
    done = cli.ok("sync", "status", "team", "--limit", "2")
    assert sum(" put " in line for line in done.lines) == 2
    assert "and 1 more" in done.err
    told = cli.ok("sync", "push", "--dry-run", "--json").json
    assert (told["total"], len(told["parcels"])) == (3, 3)
    assert json.loads(told["parcels"][0]["payload"])["text"] == "memory 0"


def test_without_remotes_it_says_how_to_have_one(cli: Cli) -> None:
    """That is no error; a name that is none is."""
    for words in (["status"], ["push"], ["push", "--dry-run"], ["pull"], ["now"]):
        done = cli.ok("sync", *words)
        assert (done.out, "memdesk sync add" in done.err) == ("", True)
    for words in (["status"], ["push"], ["now"], ["retry"], ["set", "--auto"], ["remove", "--yes"]):
        assert cli("sync", *words, "nobody").code == 2
    assert cli("sync", "status", "--payload").code == 2
    assert cli("sync", "set", "nobody").code == 2


# Changing and removing


@direct_only
def test_a_key_is_for_one_server(cli: Cli, drawer: Drawer) -> None:
    """With another host the former key is gone, with another path it stays."""
    cli.ok("sync", "add", "team", FAR, "--kind", "memdesk", stdin="s3cret\n")
    done = cli.ok("sync", "set", "team", "--url", "https://memory.example.org/other")
    assert (list(drawer.kept.values()), "memdesk sync key" in done.err) == (["s3cret"], False)
    done = cli.ok("sync", "set", "team", "--url", "https://new.example.org/mcp", "--user", "ada")
    assert (drawer.kept, "memdesk sync key team" in done.err) == ({}, True)
    assert "    no key" in cli.ok("sync", "status").lines
    cli.ok("sync", "key", "team", stdin="new-key\n")
    assert list(drawer.kept.values()) == ["new-key"]
    assert "the key of team is forgotten" in cli.ok("sync", "key", "team", "--forget").err
    assert drawer.kept == {}
    assert "team has no key" in cli.ok("sync", "key", "team", "--forget").err


@direct_only
def test_options_that_contradict_each_other_change_nothing(cli: Cli) -> None:
    """They are usage, like an address that is none."""
    cli.ok("sync", "add", "team", FAR, *PLAIN)
    before = known(cli)
    contradictions: tuple[list[str], ...] = (
        ["--space", "a", "--any-space"],
        ["--pin", "ab" * 32, "--no-pin"],
        [],
        ["--url", "http://10.0.0.7/"],
        ["--url", "https://me:pass@example.org/"],
        ["--space", "/"],
    )
    for words in contradictions:
        assert cli("sync", "set", "team", *words).code == 2
    assert known(cli) == before


def test_a_remote_that_is_removed_leaves_nothing_here(
    cli: Cli, team: LightTeam, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither key nor ledger; it asks first, and memories and the server keep what they have."""
    added(cli, team)
    id = cli.add("tea at five", "--audience", "team")
    cli.ok("sync", "now")
    assert cli("sync", "remove", "team").code == 2
    with monkeypatch.context() as patch:
        at_a_terminal(patch)
        assert cli("sync", "remove", "team", stdin="n\n").code == 130
    assert len(known(cli)) == 1
    done = cli.ok("sync", "remove", "team", "--yes")
    assert "stays there" in done.err
    assert known(cli) == ()
    assert KEY not in (cli.home / "keys.json").read_text("utf-8")
    assert list((cli.home / "sync").iterdir()) == []
    assert list(cli.home.glob("sync-*")) == []
    assert audiences(cli, id) == [["team"]]
    assert team.team.records[id]["state"] == "live"
    assert "is no remote" in cli.ok("sync", "unshare", "team", id).err
    assert audiences(cli, id) == [[]]


@direct_only
def test_a_key_that_the_keyring_keeps_is_told(cli: Cli, drawer: Drawer) -> None:
    """The remote is removed all the same; the exit code is 1."""
    cli.ok("sync", "add", "team", FAR, "--kind", "memdesk", stdin="s3cret\n")
    drawer.shut = True
    done = cli("sync", "remove", "team", "--yes")
    assert (done.code, "does not let go" in done.err) == (1, True)
    assert known(cli) == ()


@direct_only
def test_a_remote_is_not_removed_in_the_middle_of_an_exchange(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever exchanges is waited for, and nothing is changed meanwhile."""
    cli.ok("sync", "add", "team", FAR, *PLAIN)
    monkeypatch.setattr(room, "_PATIENCE", 0.1)
    with WriterLock(cli.home / "sync-team.lock", "sync-team").hold(1):
        assert cli("sync", "remove", "team", "--yes").code == 4
    assert len(known(cli)) == 1


# Finding


@direct_only
def test_servers_on_the_network_are_listed(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those with https first, each with the command to add it; their words cannot command a terminal."""
    found = (
        discovery.Seen("Open \x1b[31m;\nrm -rf", "http://10.0.0.8:8000", "12.2.0", wants_key=True),
        discovery.Seen(
            "Team", "https://[fd00::7]:8443", "", wants_key=False, trouble="not trusted"
        ),
    )
    asked: list[float] = []

    def discover(seconds: float) -> tuple[discovery.Seen, ...]:
        asked.append(seconds)
        return found

    monkeypatch.setattr(discovery, "discover", discover)
    done = cli.ok("sync", "discover", "--seconds", "0.5")
    assert asked == [0.5]
    assert [line.split("  ")[0] for line in done.lines] == ["Team", "Open \\u001b[31m; rm -rf"]
    assert "\x1b" not in done.out + done.err
    assert "memdesk sync add team 'https://[fd00::7]:8443' --pin now" in done.err
    assert "memdesk sync add open-31m-rm-rf http://10.0.0.8:8000 --insecure" in done.err
    told = cli.ok("sync", "discover", "--json").jsonl
    assert [each["secured"] for each in told] == [True, False]
    monkeypatch.setattr(discovery, "discover", lambda _: ())
    assert "memdesk sync add NAME URL" in cli.ok("sync", "discover").err
