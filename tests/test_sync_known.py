"""The remotes of a store: what may be one, and what is kept of it."""

from __future__ import annotations

import json
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from memdesk.errors import Invalid, StoreError
from memdesk.remotes import KINDS, MEMDESK, MEMORYOS, Remote
from memdesk.sync.known import KnownRemotes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TEAM = Remote("team", "https://memory.example.org/mcp", MEMDESK)


def known(home: Path) -> KnownRemotes:
    """Return the remotes of a store that nobody else writes."""
    return KnownRemotes(home, nullcontext)


def test_a_remote_is_kept_as_it_was_set_up(tmp_path: Path) -> None:
    """Every field of it, for every other process; the file is its owner's."""
    full = Remote(
        name="full",
        url="http://10.0.0.7:8000/mcp/",
        kind=MEMORYOS,
        spaces=("work", "git:example.org/x"),
        into="team",
        auto=True,
        insecure=True,
        user="ada",
    )
    pinned = replace(TEAM, fingerprint="ab" * 32)
    there = known(tmp_path)
    assert there.all() == ()
    assert there.add(pinned) == pinned
    assert there.add(full) == full
    assert known(tmp_path).all() == (full, pinned)
    assert known(tmp_path).get("full") == full
    assert (tmp_path / "remotes.json").stat().st_mode & 0o777 == 0o600


def test_a_remote_has_one_form(tmp_path: Path) -> None:
    """Address, fingerprint and spaces are kept as they are compared."""
    written = replace(
        TEAM,
        url="HTTPS://Memory.example.org:443/mcp",
        fingerprint="AB:" * 31 + "AB",
        spaces=("a", "a"),
    )
    assert known(tmp_path).add(written) == replace(TEAM, fingerprint="ab" * 32, spaces=("a",))


def test_what_another_process_has_changed_is_seen(tmp_path: Path) -> None:
    """At the next question, without a word of it."""
    one, two = known(tmp_path), known(tmp_path)
    assert one.all() == ()
    two.add(TEAM)
    assert one.all() == (TEAM,)
    two.change("team", auto=True)
    assert one.get("team").auto
    two.remove("team")
    assert one.all() == ()


def test_a_write_holds_the_lock_and_begins_with_what_is_there(tmp_path: Path) -> None:
    """So that of two processes none undoes what the other did."""
    held = []

    @contextmanager
    def locked() -> Iterator[None]:
        held.append((tmp_path / "remotes.json").exists())
        yield

    there = KnownRemotes(tmp_path, locked)
    there.all()
    known(tmp_path).add(TEAM)
    there.add(replace(TEAM, name="other"))
    there.change("other", auto=True)
    there.remove("other")
    assert held == [True] * 3
    assert there.all() == (TEAM,)


def test_a_name_is_one_remotes(tmp_path: Path) -> None:
    """A second one of that name is refused, and nothing changes."""
    there = known(tmp_path)
    there.add(TEAM)
    with pytest.raises(Invalid, match="already"):
        there.add(replace(TEAM, url="https://evil.example.org"))
    assert there.all() == (TEAM,)


def test_a_remote_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    """Whatever is to be done with it."""
    there = known(tmp_path)
    with pytest.raises(Invalid, match="no remote is called “x”; there is none yet"):
        there.get("x")
    there.add(TEAM)
    there.add(replace(TEAM, name="home"))
    for name in ("x", "x\x1b[31m\0" + "y" * 500):
        with pytest.raises(Invalid, match="the remotes are: home, team") as caught:
            there.get(name)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 150
    uses: list[Callable[[], Remote]] = [
        lambda: there.remove("x"),
        lambda: there.change("x", auto=True),
    ]
    for use in uses:
        with pytest.raises(Invalid, match="the remotes are: home, team"):
            use()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("name", name)
            for name in ("", "private", "Team", "a b", "-a", "é", "a" * 41, "a/b", "a\n")
        ),
        *(("url", url) for url in ("", "http://10.0.0.1", "https://u:p@x", "https://x?key=1")),
        *(("kind", kind) for kind in ("", "other")),
        ("spaces", ("",)),
        ("spaces", (" x",)),
        ("into", "x "),
        ("fingerprint", "xy"),
        ("user", "x" * 101),
    ],
)
def test_a_remote_that_cannot_be_is_refused(field: str, value: Any, tmp_path: Path) -> None:
    """By the field that is wrong, when it is added and when it is changed."""
    there = known(tmp_path)
    with pytest.raises(Invalid) as caught:
        there.add(replace(TEAM, **{field: value}))
    assert caught.value.field == field
    there.add(TEAM)
    with pytest.raises(Invalid) as caught:
        there.change("team", **{field: value})
    assert caught.value.field == field
    assert there.all() == (TEAM,)


def test_only_what_a_remote_has_can_be_changed(tmp_path: Path) -> None:
    """Its name is what memories know it by, so that stays."""
    there = known(tmp_path)
    there.add(TEAM)
    for field in ("name", "key"):
        with pytest.raises(Invalid, match="cannot be changed"):
            there.change("team", **{field: "other"})
    for kind in KINDS:
        assert there.change("team", kind=kind).kind == kind


@pytest.mark.parametrize(
    "told",
    [
        "",
        "[]",
        "[" * 9999,
        '{"team": 1}',
        '{"team": {"kind": "memdesk"}}',
        '{"team": {"url": "https://x", "kind": "memdesk", "key": "s3cret"}}',
        '{"team": {"url": "https://x", "kind": "memdesk", "name": "other"}}',
        '{"team": {"url": 1, "kind": "memdesk"}}',
        '{"team": {"url": "https://x", "kind": "memdesk", "auto": "yes"}}',
        '{"team": {"url": "https://x", "kind": "memdesk", "spaces": "work"}}',
        '{"team": {"url": "https://x", "kind": "memdesk", "spaces": null}}',
        '{"team": {"url": "http://10.0.0.1", "kind": "memdesk"}}',
        '{"Te am": {"url": "https://x", "kind": "memdesk"}}',
    ],
)
def test_a_file_that_cannot_be_meant_stops_all_sync(told: str, tmp_path: Path) -> None:
    """It is told and left alone: a guess could send memories where they must not go."""
    (tmp_path / "remotes.json").write_text(told)
    there = known(tmp_path)
    uses: list[Callable[[], object]] = [
        there.all,
        lambda: there.get("team"),
        lambda: there.add(TEAM),
    ]
    for use in uses:
        with pytest.raises(StoreError, match="nothing is synced") as caught:
            use()
        assert "s3cret" not in str(caught.value)
    assert (tmp_path / "remotes.json").read_text() == told


def test_what_a_file_leaves_out_is_as_usual(tmp_path: Path) -> None:
    """A file that a person has written may be short."""
    told = {"team": {"url": "https://memory.example.org/mcp", "kind": MEMDESK}}
    (tmp_path / "remotes.json").write_text(json.dumps(told))
    assert known(tmp_path).all() == (TEAM,)


def test_there_are_not_too_many(tmp_path: Path) -> None:
    """Fifty at most."""
    there = known(tmp_path)
    for number in range(50):
        there.add(replace(TEAM, name=f"r{number}"))
    with pytest.raises(Invalid, match="50"):
        there.add(TEAM)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """In one sentence."""
    with pytest.raises(StoreError, match="cannot write"):
        known(tmp_path / "gone").add(TEAM)
