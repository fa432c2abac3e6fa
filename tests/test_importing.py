"""Imports: what is stored of a file, what is not, and what a receipt says of both."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_runner import Cli
from fakes import FakeEmbedder
from hypothesis import given
from hypothesis import strategies as st
from served import direct_only

from memdesk.answers import Whole
from memdesk.errors import Invalid
from memdesk.ingest import fitting
from memdesk.ingest.importing import Import, batches, bring_in, wish
from memdesk.ingest.item import Choices, Format, Item, Skipped
from memdesk.ingest.journal import FOLDER, Journal
from memdesk.ingest.lines import Line
from memdesk.ingest.receipt import PLACES, Counting
from memdesk.memory import MAX_TEXT_BYTES, Draft, Edit, Filter, Source, new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memdesk.ingest.receipt import Receipt
    from memdesk.service import Service

TOKEN = "ghp_" + "a1B2" * 9
EVERY = Filter(states=("live", "trashed", "replaced", "tombstone"), expired=True)


def of(*found: Item | Skipped | BaseException, name: str = "notebook") -> Format:
    """Return a format that finds these, and fails where one is an error."""

    def read(_: Path, __: Choices) -> Iterator[Item | Skipped]:
        for each in found:
            if isinstance(each, BaseException):
                raise each
            yield each

    return Format(name, "A notebook", lambda _: True, read)


def notes(*texts: str) -> list[Item]:
    """Return items of texts, each on a line of its own."""
    return [Item(Draft(text), f"line {n}") for n, text in enumerate(texts, 1)]


def many(count: int) -> list[Item]:
    """Return so many items."""
    return notes(*(f"note number {n}" for n in range(count)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file that a format may read."""
    path = tmp_path / "notebook.txt"
    path.write_text("a notebook")
    return path


def total(receipt: Receipt) -> int:
    """Return what became of everything, added up."""
    skipped = sum(left.count for left in receipt.skipped.values())
    return receipt.stored + receipt.duplicate + skipped


# The receipt


def test_a_receipt_tells_what_became_of_everything(desk: Service, path: Path) -> None:
    """What was found is what was stored, was there, or was skipped for a reason, with its place."""
    desk.remember(Draft("known"))
    found: list[Item | Skipped] = [
        *notes("one", "known", "one", " ", "x\0y"),
        Skipped("line 9", "is a picture"),
    ]
    odd = Item(Draft("dated", created_at="2999"), "line 10")
    receipt = bring_in(desk, path, of(*found, odd))
    assert (receipt.found, receipt.stored, receipt.duplicate) == (7, 1, 2)
    assert receipt.found == total(receipt)
    assert {reason: left.places for reason, left in receipt.skipped.items()} == {
        "empty": ("line 4",),
        "its text is not valid Unicode": ("line 5",),
        "is a picture": ("line 9",),
        "its created_at cannot be used": ("line 10",),
    }
    assert receipt.complete


def test_a_receipt_tells_some_places_of_each_reason(desk: Service, path: Path) -> None:
    """All that were skipped are counted, and the first of them named."""
    receipt = bring_in(desk, path, of(*notes(*[""] * 50)))
    assert receipt.skipped["empty"].count == 50
    assert len(receipt.skipped["empty"].places) == PLACES


@given(
    st.lists(st.tuples(st.sampled_from(["stored", "duplicate", "skipped"]), st.text(max_size=3)))
)
def test_what_was_found_is_the_sum_of_the_rest(outcomes: list[tuple[str, str]]) -> None:
    """Whatever the outcomes are, none is lost from a receipt."""
    counting = Counting()
    for outcome, reason in outcomes:
        counting.count(outcome, reason, "somewhere")
    receipt = counting.receipt("notes", "notebook", new_id(), dry=False)
    assert receipt.found == total(receipt) == len(outcomes)


def test_a_memory_tells_where_it_was_imported_from(desk: Service, path: Path) -> None:
    """Its source is the format, with the place there; it is trusted as an import."""
    draft = Draft("older", created_at="2020-05-08T10:00Z", source=Source("me", "user"))
    bring_in(desk, path, of(Item(draft, "line 1")))
    (memory,) = desk.list().memories
    assert memory.source == Source("notebook", "import", "line 1")
    assert memory.created_at.isoformat() == "2020-05-08T10:00:00+00:00"
    assert memory.updated_at > memory.created_at


# Once and again


def test_a_second_import_stores_nothing(desk: Service, path: Path) -> None:
    """The same file again is there already, all of it."""
    format = of(*many(150))
    assert bring_in(desk, path, format).stored == 150
    again = bring_in(desk, path, format)
    assert (again.stored, again.duplicate, again.change) == (0, 150, "")


def test_what_was_forgotten_stays_forgotten(desk: Service, path: Path) -> None:
    """What the person put into the trash does not come back with a second import; the receipt says so."""
    format = of(*notes("gone", "stays"))
    bring_in(desk, path, format)
    (gone,) = (each.id for each in desk.list().memories if each.text == "gone")
    desk.forget([gone])
    receipt = bring_in(desk, path, format)
    assert receipt.skipped["forgotten since"].places == ("line 1",)
    assert [each.text for each in desk.list().memories] == ["stays"]


def test_what_was_edited_stays_edited(desk: Service, path: Path) -> None:
    """A memory that got another text, or another space, is neither overwritten nor doubled."""
    format = of(*notes("to be edited", "to be moved"))
    bring_in(desk, path, format)
    ids = {each.text: each.id for each in desk.list().memories}
    desk.revise(ids["to be edited"], Edit(text="edited"))
    desk.revise(ids["to be moved"], Edit(space="elsewhere"))
    receipt = bring_in(desk, path, format)
    assert (receipt.duplicate, list(receipt.skipped)) == (1, ["edited since it was imported"])
    assert {each.text for each in desk.list().memories} == {"edited", "to be moved"}


def test_what_was_replaced_stays_replaced(desk: Service, path: Path) -> None:
    """A memory that another took the place of does not come back."""
    format = of(*notes("the old plan"))
    bring_in(desk, path, format)
    desk.remember(Draft("the new plan", replaces=desk.list().memories[0].id))
    assert "replaced since it was imported" in bring_in(desk, path, format).skipped
    assert [each.text for each in desk.list().memories] == ["the new plan"]


def test_an_import_is_undone_as_one_change(desk: Service, path: Path) -> None:
    """Undo takes back every batch of it, whenever its memories were created elsewhere."""
    kept = desk.remember(Draft("here before")).id
    found = [replace(each, draft=replace(each.draft, created_at="2019")) for each in many(130)]
    receipt = bring_in(desk, path, of(*found))
    undone = desk.undo()
    assert (len(undone.done), undone.conflicts) == (receipt.stored, ())
    assert [each.id for each in desk.list().memories] == [kept]


def test_an_undone_import_may_be_done_again(desk: Service, path: Path) -> None:
    """What an undo has taken away is not forgotten: the next import brings it back, in its space or another."""
    format = of(*many(30))
    bring_in(desk, path, format)
    desk.undo()
    assert bring_in(desk, path, format).stored == 30
    desk.undo()
    moved = [replace(each, draft=replace(each.draft, space="work")) for each in many(30)]
    assert bring_in(desk, path, of(*moved)).stored == 30
    assert desk.overview().spaces == {"work": 30}


def test_an_import_has_one_restore_point(desk: Service, path: Path) -> None:
    """However many batches there are, the store as it was before them is kept once."""
    desk.remember(Draft("here before"))
    bring_in(desk, path, of(*many(1300)))
    assert [(point.reason, point.memories) for point in desk.points()] == [("import", 1)]


# On the way


def test_what_is_stored_is_found_at_once(desk: Service, path: Path) -> None:
    """After the first batch, the rest not yet read, a text is found by its words."""
    heard: list[list[str]] = []

    def look(_: int) -> None:
        heard.append([hit.memory.text for hit in desk.recall("number 7", floor=0.0).hits])

    bring_in(desk, path, of(*many(250)), progress=look)
    assert "note number 7" in heard[0]


def test_vectors_follow_an_import(desk: Service, path: Path) -> None:
    """The passages of an import wait for their vectors until they are asked for, or the background is free."""
    bring_in(desk, path, of(*many(60)))
    desk.embed_pending()
    assert desk.stats().pending == 0
    assert desk.recall("note number 7").degraded is None


def test_an_import_that_was_stopped_goes_on_as_the_same_change(
    desk: Service, path: Path, home: Path
) -> None:
    """Control-C leaves what is stored; the next run ends the same change, and tells of all of it."""
    stopped = Import(desk, wish(path, of(*many(120), KeyboardInterrupt())), home)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    assert (stopped.receipt.stored, stopped.receipt.complete) == (100, False)
    receipt = bring_in(desk, path, of(*many(120), *notes("note number 3")), home=home)
    assert (receipt.stored, receipt.duplicate) == (120, 1)
    assert receipt.change == stopped.receipt.change
    assert not list((home / FOLDER).iterdir())
    assert len(desk.undo().done) == 120


def test_a_file_that_breaks_off_says_so(desk: Service, path: Path, home: Path) -> None:
    """What is wrong in the midst of a file is raised, and what was read before is kept."""
    run = Import(desk, wish(path, of(*many(130), Invalid("notebook.txt", "is torn"))), home)
    with pytest.raises(Invalid, match="is torn"):
        run.run()
    assert len(desk.list(limit=1000).memories) == run.receipt.stored == 100


_KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from fakes import FakeEmbedder
from test_importing import many, of
from memdesk.ingest.importing import bring_in
from memdesk.service import Service
home, path = Path(sys.argv[1]), Path(sys.argv[2])
bring_in(
    Service(home, FakeEmbedder(), background=False), path, of(*many(1500)), home=home,
    progress=lambda found: found > 100 and os.kill(os.getpid(), signal.SIGKILL),
)
"""


@direct_only
def test_a_killed_import_loses_and_doubles_nothing(
    open_desk: Callable[..., Service], path: Path, home: Path
) -> None:
    """After kill -9 in the midst of it the same command ends it, as one change."""
    tests = os.path.dirname(__file__)  # noqa: PTH120
    killed = subprocess.run([sys.executable, "-c", _KILLED, home, path, tests], check=False)
    assert killed.returncode == -signal.SIGKILL
    desk = open_desk()
    before = desk.stats().states["live"]
    assert 100 <= before < 1500
    receipt = bring_in(desk, path, of(*many(1500)), home=home)
    assert (receipt.stored, receipt.duplicate) == (1500, 0)
    assert desk.stats().states == {"live": 1500}
    assert len(desk.undo(receipt.change).done) == 1500


def test_batches_are_bounded_by_number_and_bytes() -> None:
    """The first is small, none has more than a thousand, and long texts come in batches of a few."""
    assert [len(each) for each in batches(many(2150))] == [100, 1000, 1000, 50]
    long = notes(*("x" * (1 << 20) for _ in range(9)))
    assert [len(each) for each in batches(long)] == [4, 4, 1]


# Looking only


def test_a_power_cut_does_not_take_the_note(
    home: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on the disk itself before the first write, and so are the folders that lead to it."""
    flushed: set[int] = set()
    monkeypatch.setattr(os, "fsync", lambda fd: flushed.add(os.fstat(fd).st_ino))
    Journal(home, path).begin()
    (note,) = (home / FOLDER).iterdir()
    assert {each.stat().st_ino for each in (note, home / FOLDER, home)} <= flushed


def test_a_dry_run_tells_the_same_and_writes_nothing(desk: Service, path: Path, home: Path) -> None:
    """Its receipt is that of the import that follows, but for the change; the store stays as it was."""
    desk.remember(Draft("note number 5"))
    format = of(*many(120), *notes("note number 7", ""))
    before = desk.stats().seq
    dry = bring_in(desk, path, format, dry=True, home=home)
    assert (desk.stats().seq, desk.points(), (home / FOLDER).exists()) == (before, (), False)
    real = bring_in(desk, path, format, home=home)
    assert replace(real, change="", dry=True) == dry
    assert (dry.stored, dry.duplicate, dry.found) == (119, 2, 122)


# Secrets and long texts


def test_secrets_are_taken_out_when_asked(desk: Service, path: Path) -> None:
    """With redact no secret is stored, without it the memory is marked; neither stops the import."""
    format = of(*notes(f"the token is {TOKEN}, keep it", "nothing here"))
    receipt = bring_in(desk, path, format, redact=True)
    assert (receipt.stored, receipt.redacted, receipt.flagged) == (2, 1, 0)
    assert {each.text for each in desk.list().memories} == {
        f"the token is {fitting.REDACTED}, keep it",
        "nothing here",
    }
    marked = bring_in(desk, path, format)
    assert (marked.stored, marked.flagged) == (1, 1)
    assert [each.flags for each in desk.list().memories if TOKEN in each.text] == [("secret",)]


def secretive() -> Draft:
    """Return a draft that has a secret in every field that may hold one, but its text."""
    known = {"api": {"token": [TOKEN, 7]}, "aws_secret_key": "Ab12" * 10, "colour": "blue"}
    return Draft(
        "nothing here",
        tags=("home", TOKEN),
        session=f"about {TOKEN}",
        speaker=TOKEN,
        source=Source("notebook", "import", f"https://me:{'p' * 9}@host/x"),
        metadata=json.dumps(known),
    )


def test_secrets_beside_the_text_are_taken_out_too(desk: Service, path: Path) -> None:
    """With redact none is stored in tags, names or metadata; without it such a memory is marked."""
    receipt = bring_in(desk, path, of(Item(secretive(), "line 1")), redact=True)
    assert (receipt.stored, receipt.redacted) == (1, 1)
    (kept,) = desk.list().memories
    assert not any(each in repr(kept) for each in (TOKEN, "ppp", "Ab12"))
    assert (kept.flags, kept.tags, kept.speaker) == ((), ("home", "[redacted]"), "[redacted]")
    assert json.loads(kept.metadata)["colour"] == "blue"
    desk.purge(desk.forget([kept.id]).done)
    receipt = bring_in(desk, path, of(Item(secretive(), "line 1")))
    assert (receipt.stored, receipt.flagged) == (1, 1)
    (concern,) = desk.inbox().concerns
    assert (concern.kind, "a GitHub token beside the text" in concern.about) == ("secret", True)


def test_an_export_is_redacted_in_its_history_too(desk: Service) -> None:
    """Every revision loses its secrets, wherever they stand in it."""
    (memory,) = desk.get([desk.remember(secretive()).id])
    before = replace(memory, text=TOKEN, metadata="{}")
    line = Line(Whole(memory, (before,)), "line 2")
    counting = Counting()
    clean = fitting.whole_line(line, counting=counting, redact=True)
    assert (TOKEN in repr(clean), counting.redacted) == (False, 1)


def test_what_has_no_secret_is_not_touched() -> None:
    """Tags that are there twice or metadata that is none are for the service to judge."""
    draft = Draft("nothing", tags=("a", "a"), metadata="[" * 9000)
    counting = Counting()
    item = Item(draft, "line 1")
    assert list(fitting.fitted(item, counting=counting, redact=True)) == [item]
    assert counting.redacted == 0


def test_no_secret_outlives_redaction() -> None:
    """However many there are, and side by side, none stays."""
    text = " ".join([TOKEN, f"https://me:{'p' * 9}@host/x", TOKEN] * 150)
    assert TOKEN not in fitting.without_secrets(text)
    assert "ppp" not in fitting.without_secrets(text)


def test_a_text_that_is_too_long_is_stored_in_parts(desk: Service, path: Path) -> None:
    """Its parts are memories that give the text again, each found and counted."""
    text = "".join(f"Paragraph {n} of a long book.\n\n" for n in range(80_000))
    receipt = bring_in(desk, path, of(*notes(text)))
    assert (receipt.found, receipt.stored, receipt.split) == (3, 3, 1)
    parts = sorted(desk.list().memories, key=lambda each: json.loads(each.metadata)["part"])
    assert "".join(each.text for each in parts) == text
    assert max(len(each.text) for each in parts) <= MAX_TEXT_BYTES
    assert parts[0].source.ref == "line 1, part 1 of 3"


# The command


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return a person at a desk."""
    monkeypatch.setenv("MEMDESK_HOME", str(tmp_path / "desk"))
    return Cli(tmp_path / "desk", FakeEmbedder())


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    """Return a folder with three notes, one of them empty."""
    vault = tmp_path / "vault"
    vault.mkdir()
    (vault / "gate.md").write_text("# Gate\n\nThe gate code is 4711.\n")
    (vault / "boat.md").write_text("# Boat\n\nThe boat lies in Kiel.\n")
    (vault / "empty.md").write_text("")
    return vault


def test_the_command_prints_a_receipt(cli: Cli, vault: Path) -> None:
    """It recognises the format, stores, embeds, and says how to take it back."""
    done = cli.ok("import", str(vault))
    assert done.lines[0].startswith("3 found in ")
    assert done.lines[1:3] == ["2 stored", "0 there already"]
    assert "    empty.md" in done.lines
    assert "memdesk undo " in done.err
    assert cli.embedder.embedded
    assert cli.ok("import", str(vault)).lines[1:3] == ["0 stored", "2 there already"]


def test_the_receipt_is_told_as_json(cli: Cli, vault: Path) -> None:
    """With --json it is one document with the same numbers, and the command's undo works."""
    told = cli.ok("import", str(vault), "--json").json
    assert (told["format"], told["found"], told["stored"]) == ("markdown", 3, 2)
    assert sum(left["count"] for left in told["skipped"].values()) == 1
    cli.ok("undo", told["change"])
    assert cli.texts() == []


def test_a_dry_run_of_the_command_stores_nothing(cli: Cli, vault: Path) -> None:
    """It says what would be stored."""
    assert "2 would be stored" in cli.ok("import", str(vault), "--dry-run").lines
    assert cli.texts() == []


def test_the_space_is_given_on_the_command_line(cli: Cli, vault: Path) -> None:
    """What names no space itself goes there; a space that cannot be one is an error of usage."""
    cli.ok("import", str(vault), "--space", "sailing")
    assert len(cli.texts("--space", "sailing")) == 2
    assert cli("import", str(vault), "--space", "!").code == 2


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b'{"a": [1, 2'])
def test_an_unknown_shape_is_a_loud_failure(cli: Cli, tmp_path: Path, content: bytes) -> None:
    """A file of no known shape is an error that names it, never an import of nothing."""
    path = tmp_path / "thing.bin"
    path.write_bytes(content)
    done = cli("import", str(path))
    assert done.code == 1
    assert "thing.bin" in done.err
    assert done.out == ""


def test_what_is_not_there_is_named(cli: Cli, tmp_path: Path) -> None:
    """A path that does not exist is an error, and so is a format of no name and a broken --column."""
    assert "is not there" in cli("import", str(tmp_path / "nothing.md")).err
    assert cli("import", str(tmp_path), "--from", "papyrus").code == 2
    assert cli("import", str(tmp_path), "--column", "text").code == 2


def test_columns_are_for_tables(cli: Cli, vault: Path) -> None:
    """Where the file is read as something else, --column is an error that says as what."""
    done = cli("import", str(vault), "--column", "text=Body")
    assert done.code == 1
    assert "--column: is for tables, and this is read as markdown" in done.err
    assert cli.texts() == []


def test_a_name_that_is_not_utf_8_can_be_imported(cli: Cli, tmp_path: Path) -> None:
    """The receipt tells it as text, for people and as JSON; a failure can name it, too."""
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.md")
    Path(path).write_text("The gate code is 4711.")
    assert cli.ok("import", path).lines[0] == f"1 found in {tmp_path}/\ufffd.md (markdown)"
    assert cli.ok("import", path, "--json").json["path"] == f"{tmp_path}/\ufffd.md"
    assert "is not there" in cli("import", f"{path}x").err


def test_an_import_that_control_c_ends_tells_how_far_it_came(
    cli: Cli, vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receipt is printed with what is stored, and the exit code is that of Control-C."""
    format = of(*many(130), KeyboardInterrupt())
    monkeypatch.setattr("memdesk.ingest.importing.recognised", lambda _: format)
    done = cli("import", str(vault))
    assert done.code == 130
    assert "100 stored" in done.lines
    assert "run the same command again" in done.err


def test_created_at_is_of_the_past(desk: Service) -> None:
    """A draft may say when it was written first, but not in the future; a clock may be a little ahead."""
    id = desk.remember(Draft("old", created_at="2001-02-03T04:05Z")).id
    assert desk.get([id])[0].created_at.year == 2001
    with pytest.raises(Invalid, match="created_at"):
        desk.remember(Draft("odd", created_at="2999-01-01"))


def test_an_old_memory_that_comes_now_is_told_as_added(desk: Service, path: Path) -> None:
    """What has changed since a moment includes what was imported after it, however old it is."""
    desk.remember(Draft("here before"))
    since = desk.list().memories[0].updated_at
    bring_in(desk, path, of(Item(Draft("old", created_at="2001"), "line 1")))
    assert desk.diff(since).counts == {"added": 1}
