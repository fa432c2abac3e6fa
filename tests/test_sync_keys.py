"""The keys of remotes: where they are, who may read them, and that none stays behind."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import keyring
import keyring.backends.fail
import keyring.backends.null
import keyring.errors
import pytest
from keyring.backend import KeyringBackend

from memdesk.errors import Invalid, StoreError, SyncError
from memdesk.remotes import MEMDESK, Remote
from memdesk.sync.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TEAM = Remote("team", "https://memory.example.org/mcp", MEMDESK)


class Drawer(KeyringBackend):
    """A keyring in memory, which may be shut."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}
        self.asked = 0
        self.shut = False
        self.answers = threading.Event()
        self.answers.set()
        self.done = threading.Event()

    def get_password(self, service: str, username: str) -> str | None:
        """Return what is kept."""
        self._open()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep something."""
        self._open()
        self.kept[service, username] = password
        self.done.set()

    def delete_password(self, service: str, username: str) -> None:
        """Forget something."""
        self._open()
        if self.kept.pop((service, username), None) is None:
            raise keyring.errors.PasswordDeleteError

    def _open(self) -> None:
        self.asked += 1
        self.answers.wait(10)
        if self.shut:
            raise keyring.errors.KeyringLocked


@pytest.fixture
def drawer() -> Iterator[Drawer]:
    """Return the keyring of this test."""
    before, drawer = keyring.get_keyring(), Drawer()
    keyring.set_keyring(drawer)
    yield drawer
    drawer.answers.set()
    keyring.set_keyring(before)


def test_a_key_goes_to_the_keyring(tmp_path: Path, drawer: Drawer) -> None:
    """The store's folder does not hold it, and another process finds it."""
    keys = Keys(tmp_path)
    assert keys.place(TEAM) == keys.get(TEAM) == ""
    assert keys.put(TEAM, "s3cret") == keys.place(TEAM) == "keyring"
    assert Keys(tmp_path).get(TEAM) == "s3cret"
    assert "s3cret" not in (tmp_path / "keys.json").read_text()
    assert [service for service, _ in drawer.kept] == ["memdesk"]


def test_another_server_never_gets_the_key(tmp_path: Path, drawer: Drawer) -> None:
    """An address with another host, port or scheme has no key; another path is the same server."""
    keys = Keys(tmp_path)
    keys.put(TEAM, "s3cret")
    for url in ("https://evil.example.org/mcp", "https://memory.example.org:444/mcp"):
        assert keys.get(replace(TEAM, url=url)) == ""
    assert keys.get(replace(TEAM, name="other")) == ""
    assert keys.get(replace(TEAM, url="https://memory.example.org/")) == "s3cret"


def test_stores_do_not_share_keys(tmp_path: Path, drawer: Drawer) -> None:
    """Two folders have two keys for one remote."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, two = Keys(tmp_path / "a"), Keys(tmp_path / "b")
    one.put(TEAM, "first")
    two.put(TEAM, "second")
    assert (one.get(TEAM), two.get(TEAM)) == ("first", "second")


@pytest.mark.parametrize(
    "backend", [keyring.backends.fail.Keyring, keyring.backends.null.Keyring], ids=["fail", "null"]
)
def test_without_a_keyring_a_key_goes_to_a_file(
    backend: type[KeyringBackend], tmp_path: Path, drawer: Drawer
) -> None:
    """Only its owner reads that file; a keyring that keeps nothing is none."""
    keyring.set_keyring(backend())
    keys = Keys(tmp_path)
    assert keys.put(TEAM, "s3cret") == keys.place(TEAM) == "file"
    assert keys.get(TEAM) == "s3cret"
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600


def test_a_keyring_that_does_not_answer_is_not_waited_for(tmp_path: Path, drawer: Drawer) -> None:
    """The key goes to the file, and while the one question hangs no second one is asked."""
    drawer.answers.clear()
    keys = Keys(tmp_path, patience=0.05)
    assert keys.put(TEAM, "s3cret") == "file"
    assert keys.put(replace(TEAM, name="other"), "s3cret") == "file"
    assert drawer.asked == 1
    assert keys.get(TEAM) == "s3cret"


def test_a_newer_key_in_the_file_wins(tmp_path: Path, drawer: Drawer) -> None:
    """A keyring that was shut meanwhile does not bring the old one back."""
    keys = Keys(tmp_path)
    keys.put(TEAM, "old")
    drawer.shut = True
    assert keys.put(TEAM, "new") == "file"
    drawer.shut = False
    assert keys.get(TEAM) == "new"
    assert keys.put(TEAM, "newest") == "keyring"
    assert keys.get(TEAM) == "newest"
    assert "new" not in json.loads((tmp_path / "keys.json").read_text()).values()


def test_a_keyring_that_is_shut_is_told_from_no_key(tmp_path: Path, drawer: Drawer) -> None:
    """The person is told to unlock it, not that there is no key."""
    keys = Keys(tmp_path)
    keys.put(TEAM, "s3cret")
    drawer.shut = True
    with pytest.raises(SyncError, match="unlock it"):
        keys.get(TEAM)
    assert keys.get(replace(TEAM, name="keyless")) == ""
    with pytest.raises(SyncError, match="does not let go"):
        keys.drop(TEAM)
    assert keys.place(TEAM) == "keyring"


def test_a_key_can_be_forgotten(tmp_path: Path, drawer: Drawer) -> None:
    """From either place; one that is not there is forgotten already."""
    keys = Keys(tmp_path)
    keys.put(TEAM, "s3cret")
    keys.drop(TEAM)
    keys.drop(TEAM)
    assert keys.place(TEAM) == keys.get(TEAM) == ""
    assert not drawer.kept


def test_a_key_that_the_person_took_from_the_keyring_is_none(
    tmp_path: Path, drawer: Drawer
) -> None:
    """It can still be forgotten here."""
    keys = Keys(tmp_path)
    keys.put(TEAM, "s3cret")
    drawer.kept.clear()
    assert keys.get(TEAM) == ""
    keys.drop(TEAM)
    assert keys.place(TEAM) == ""


def test_no_key_stays_behind(tmp_path: Path, drawer: Drawer) -> None:
    """All are forgotten at once, also of remotes that are gone; what stays is told."""
    keys, other = Keys(tmp_path), replace(TEAM, name="other")
    keys.put(TEAM, "s3cret")
    keys.put(other, "s3cret")
    assert keys.drop_all() == ()
    assert not drawer.kept
    assert not (tmp_path / "keys.json").exists()
    keys.put(TEAM, "s3cret")
    drawer.shut = True
    (left,) = keys.drop_all()
    assert left.startswith("team https://memory.example.org:443 ")
    assert "s3cret" not in left


def test_a_file_that_others_may_read_is_not_used(tmp_path: Path, drawer: Drawer) -> None:
    """Whoever has read it has the keys."""
    keyring.set_keyring(keyring.backends.fail.Keyring())  # type: ignore[no-untyped-call]
    keys = Keys(tmp_path)
    keys.put(TEAM, "s3cret")
    (tmp_path / "keys.json").chmod(0o640)
    uses: list[Callable[[], str]] = [
        lambda: keys.get(TEAM),
        lambda: keys.put(TEAM, "x"),
        lambda: keys.place(TEAM),
    ]
    for use in uses:
        with pytest.raises(StoreError, match="may be read by others") as caught:
            use()
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "told",
    [
        "",
        "[]",
        "{",
        '{"a": 1}',
        '{"a": ["b", "c"]}',
        '{"a": [1]}',
        '{"a": "b c"}',
        '{"a": ""}',
        "[" * 9999,
    ],
)
def test_a_file_that_is_none_is_told(told: str, tmp_path: Path, drawer: Drawer) -> None:
    """In one sentence."""
    (tmp_path / "keys.json").write_text(told)
    (tmp_path / "keys.json").chmod(0o600)
    with pytest.raises(StoreError, match="set the remotes' keys anew"):
        Keys(tmp_path).get(TEAM)


@pytest.mark.parametrize("key", ["", " ", "a b", "a\n", "\x7f", "é", "k" * 4097])
def test_a_key_that_fits_no_header_is_refused(key: str, tmp_path: Path, drawer: Drawer) -> None:
    """And is not in the error."""
    with pytest.raises(Invalid) as caught:
        Keys(tmp_path).put(TEAM, key)
    assert not key.strip() or key not in str(caught.value)
    assert not drawer.kept
    assert not (tmp_path / "keys.json").exists()


def test_a_key_that_the_keyring_took_late_is_forgotten_with_the_newer_one(
    tmp_path: Path, drawer: Drawer
) -> None:
    """The dialog that nobody saw in time was answered in the end."""
    drawer.answers.clear()
    keys = Keys(tmp_path, patience=0.05)
    assert keys.put(TEAM, "s3cret") == "file"
    assert keys.get(TEAM) == "s3cret"
    with pytest.raises(SyncError, match="does not let go"):
        keys.drop(TEAM)
    assert "s3cret" not in (tmp_path / "keys.json").read_text()
    assert keys.place(TEAM) == keys.get(TEAM) == ""
    drawer.answers.set()
    drawer.done.wait(10)
    assert "s3cret" in drawer.kept.values()
    Keys(tmp_path).drop(TEAM)
    assert not drawer.kept
    assert json.loads((tmp_path / "keys.json").read_text()) == {}


def test_a_key_that_a_shut_keyring_has_still_is_told(tmp_path: Path, drawer: Drawer) -> None:
    """The old one lies there under the new one's name, until the keyring is open again."""
    keys = Keys(tmp_path)
    keys.put(TEAM, "old")
    drawer.shut = True
    assert keys.put(TEAM, "new") == keys.put(TEAM, "newer") == "file"
    assert (keys.get(TEAM), keys.place(TEAM)) == ("newer", "file")
    (left,) = keys.drop_all()
    assert left.startswith("team https://memory.example.org:443 ")
    keys.put(TEAM, "new")
    drawer.shut = False
    assert keys.drop_all() == ()
    assert not drawer.kept


def test_a_key_in_the_file_is_forgotten_without_a_keyring(tmp_path: Path, drawer: Drawer) -> None:
    """Where there never was one, none is missed."""
    keyring.set_keyring(keyring.backends.fail.Keyring())  # type: ignore[no-untyped-call]
    keys = Keys(tmp_path)
    keys.put(TEAM, "s3cret")
    keys.drop(TEAM)
    assert keys.place(TEAM) == ""
    keys.put(TEAM, "s3cret")
    assert keys.drop_all() == ()


@pytest.mark.parametrize("act", ["put", "drop", "drop_all"])
def test_what_a_killed_writer_has_left_is_removed(act: str, tmp_path: Path, drawer: Drawer) -> None:
    """It holds keys too; what else lies there stays."""
    keys, part, other = Keys(tmp_path), tmp_path / ".keys.json.a8x", tmp_path / ".remotes.json.a8x"
    keys.put(TEAM, "s3cret")
    for each in (part, other):
        each.write_text('{"x": "s3cret"}')
    acts: dict[str, Callable[[], object]] = {
        "put": lambda: keys.put(TEAM, "new"),
        "drop": lambda: keys.drop(TEAM),
        "drop_all": keys.drop_all,
    }
    acts[act]()
    assert (part.exists(), other.exists()) == (False, True)
