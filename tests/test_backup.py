"""Backup files: whole or refused, encrypted on wish, and what they hold is what was acknowledged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyrage
import pytest
from fakes import FakeEmbedder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import direct_only

from memdesk.answers import Copied
from memdesk.backup import container, files, seal
from memdesk.errors import Invalid, MemdeskError, StoreError
from memdesk.memory import Draft, Filter
from memdesk.service import Service, backups
from memdesk.service.backups import Backup

if TYPE_CHECKING:
    from collections.abc import Callable

WORKER = Path(__file__).with_name("worker.py")
SECRET = "the words of the door"
WORDS = "apfelmus"


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a passphrase cost nothing: two seconds of work each are for real ones."""
    monkeypatch.setattr(
        pyrage.passphrase, "encrypt", lambda data, word: word.encode() + b"\n" + data
    )

    def decrypt(data: bytes, word: str) -> bytes:
        told, _, rest = data.partition(b"\n")
        if told != word.encode():
            raise pyrage.DecryptError("no")
        return rest

    monkeypatch.setattr(pyrage.passphrase, "decrypt", decrypt)


@pytest.fixture
def copy(tmp_path: Path) -> tuple[Copied, Path]:
    """Return a folder that looks like a copy, and what is said of it."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "store.json").write_text('{"format": 3}', "utf-8")
    for name in ("memories", "history", "passages"):
        (folder / f"{name}.parquet").write_bytes(f"{name} {WORDS}".encode() * 50)
    rows = {"memories": 2, "history": 1, "passages": 3}
    return Copied(str(folder), datetime.now(UTC), 7, "epoch", "model", 3, rows), folder


def packed(copy: tuple[Copied, Path], file: Path, passphrase: str | None = None) -> Path:
    """Make a backup file of a copy."""
    scratch = file.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    container.pack(*copy, file, passphrase, scratch)
    assert list(scratch.iterdir()) == []
    return file


def unpacked(file: Path, passphrase: str | None = None) -> tuple[container.Manifest, Path]:
    """Take a backup file apart."""
    folder = file.parent / "out"
    folder.mkdir()
    scratch = file.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    return container.unpack(file, folder, passphrase, scratch), folder


@pytest.mark.parametrize("passphrase", [None, SECRET])
@pytest.mark.usefixtures("fast")
def test_what_is_packed_comes_out_again(
    copy: tuple[Copied, Path], tmp_path: Path, passphrase: str | None
) -> None:
    """Every byte of every file, and what the copy said of itself; the file is its owner's only."""
    file = packed(copy, tmp_path / "a.zip", passphrase)
    manifest, folder = unpacked(file, passphrase)
    for each in copy[1].iterdir():
        assert (folder / each.name).read_bytes() == each.read_bytes()
        assert (folder / each.name).stat().st_mode & 0o777 == 0o600
    assert (manifest.rows, manifest.seq, manifest.epoch) == (copy[0].rows, 7, "epoch")
    assert file.stat().st_mode & 0o777 == 0o600
    assert container.is_encrypted(file) == (passphrase is not None)
    assert (WORDS.encode() in file.read_bytes()) == (passphrase is None)
    assert not list(tmp_path.glob(".*"))


def test_an_encrypted_backup_is_made_of_age_files(
    copy: tuple[Copied, Path], tmp_path: Path
) -> None:
    """The key opens with the passphrase and the rest with the key, as docs/BACKUP.md tells."""
    file = packed(copy, tmp_path / "a.zip", SECRET)
    with zipfile.ZipFile(file) as archive:
        key = pyrage.passphrase.decrypt(archive.read("key.age"), SECRET).decode().strip()
        identity = pyrage.x25519.Identity.from_str(key)
        inner = pyrage.decrypt(archive.read("backup.zip.age"), [identity])
        assert "age -d" in archive.read("README.txt").decode()
    (tmp_path / "inner.zip").write_bytes(inner)
    manifest, _ = unpacked(tmp_path / "inner.zip")
    assert manifest.seq == 7


@pytest.mark.usefixtures("fast")
def test_a_wrong_passphrase_or_none_is_told(copy: tuple[Copied, Path], tmp_path: Path) -> None:
    """Each in words, and nothing of the text is left behind."""
    file = packed(copy, tmp_path / "a.zip", SECRET)
    with pytest.raises(Invalid, match=r"passphrase: .* does not open"):
        unpacked(file, "wrong")
    (tmp_path / "out").rmdir()
    with pytest.raises(Invalid, match="is encrypted"):
        unpacked(file)
    assert list((tmp_path / "out").iterdir()) == list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.usefixtures("fast")
@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=150)
@given(data=st.data())
def test_any_flipped_or_missing_byte_is_refused(
    copy: tuple[Copied, Path], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Wherever it is, in an encrypted backup and in a plain one."""
    folder = tmp_path_factory.mktemp("flip")
    file = packed(copy, folder / "a.zip", data.draw(st.sampled_from([None, SECRET])))
    whole = bytearray(file.read_bytes())
    at = int(data.draw(st.floats(0, 1, exclude_max=True)) * len(whole))  # age's sizes vary
    if data.draw(st.booleans()):
        whole[at] ^= data.draw(st.integers(1, 255))
    else:
        del whole[at:]
    file.write_bytes(bytes(whole))
    with pytest.raises(Invalid, match=r"damaged|cut short|no backup of memdesk"):
        unpacked(file, SECRET)
    assert not any((folder / "out").iterdir())


def test_a_file_cut_short_is_called_so(copy: tuple[Copied, Path], tmp_path: Path) -> None:
    """And one that is something else, too."""
    file = packed(copy, tmp_path / "a.zip")
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(Invalid, match="cut short"):
        seal.check(file)
    file.write_text("a shopping list", "utf-8")
    with pytest.raises(Invalid, match="no backup of memdesk"):
        seal.check(file)
    with pytest.raises(Invalid, match="cannot be read"):
        seal.check(tmp_path / "not there")


def crafted(path: Path, members: dict[str, bytes], compress: int = zipfile.ZIP_STORED) -> Path:
    """Return a sealed zip file as somebody else may make one."""
    with zipfile.ZipFile(path, "w", compress) as archive:
        archive.comment = seal.COMMENT
        for name, said in members.items():
            archive.writestr(name, said)
    seal.seal(path)
    return path


def manifest_of(**other: object) -> dict[str, object]:
    """Return a manifest that says what is asked for."""
    told = {
        "format": 1,
        "memdesk": "1",
        "made": "2026-01-01T00:00:00+00:00",
        "epoch": "e",
        "seq": 1,
    }
    return told | {"model": "m", "store_format": 3, "rows": {}, "members": {}} | other


EVIL = {"bytes": 1, "sha256": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"}


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"manifest.json": b"{"}, "damaged"),
        ({"manifest.json": b"[]"}, "damaged"),
        ({"manifest.json": b'{"format": 1}'}, "damaged"),
        ({"manifest.json": b"9" * (2 << 20)}, "damaged"),
        ({"manifest.json": json.dumps(manifest_of(members=[])).encode()}, "damaged"),
        ({"other.txt": b"a"}, "damaged"),
        ({"manifest.json": json.dumps(manifest_of(format=2)).encode()}, "newer memdesk"),
        (
            {
                "manifest.json": json.dumps(manifest_of(members={"../x.json": EVIL})).encode(),
                "../x.json": b"a",
            },
            "its members",
        ),
        (
            {
                "manifest.json": json.dumps(manifest_of(members={"x.json": EVIL})).encode(),
                "x.json": b"a",
                "y.json": b"a",
            },
            "its members",
        ),
        (
            {
                "manifest.json": json.dumps(manifest_of(members={"x.json": EVIL})).encode(),
                "x.json": b"b",
            },
            "not what was packed",
        ),
        (
            {
                "manifest.json": json.dumps(
                    manifest_of(members={"x.json": EVIL | {"bytes": 5}})
                ).encode(),
                "x.json": b"a",
            },
            "not what was packed",
        ),
    ],
)
def test_a_crafted_file_is_refused(tmp_path: Path, members: dict[str, bytes], words: str) -> None:
    """Names that lead elsewhere, members too many, other sizes and sums: nothing is written outside."""
    file = crafted(tmp_path / "a.zip", members)
    with pytest.raises(Invalid, match=words):
        unpacked(file)
    assert not list(tmp_path.glob("*.json"))


def test_nothing_is_let_grow(tmp_path: Path) -> None:
    """A member that is compressed could be a thousand times its size: there is none in a backup."""
    told = json.dumps(manifest_of()).encode()
    file = crafted(tmp_path / "a.zip", {"manifest.json": told}, zipfile.ZIP_DEFLATED)
    with pytest.raises(Invalid, match="its members"):
        unpacked(file)


def test_a_full_disk_is_told_before_anything_is_unpacked(
    copy: tuple[Copied, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With how much room it takes."""
    file = packed(copy, tmp_path / "a.zip")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
    with pytest.raises(StoreError, match="no room"):
        unpacked(file)


def test_an_existing_file_is_never_written_over(copy: tuple[Copied, Path], tmp_path: Path) -> None:
    """Not even one that comes while the backup is made."""
    (tmp_path / "a.zip").write_text("mine", "utf-8")
    with pytest.raises(Invalid, match="there already"):
        packed(copy, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_text("utf-8") == "mine"
    assert not list(tmp_path.glob(".*"))
    with pytest.raises(StoreError, match="cannot be written"):
        container.pack(*copy, tmp_path / "none" / "a.zip", None, tmp_path)


def test_a_disk_without_links_gets_backups_too(
    copy: tuple[Copied, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A memory stick has none, and there nothing is written over either."""

    def link(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", link)
    file = packed(copy, tmp_path / "a.zip")
    seal.check(file)
    with pytest.raises(Invalid, match="there already"):
        packed(copy, file)


# With a store


def test_a_backup_is_made_checked_and_restored(
    open_desk: Callable[..., Service], home: Path, tmp_path: Path
) -> None:
    """By the service or the daemon alike, on a fresh home, and nothing is left in the working folder."""
    desk = open_desk()
    desk.remember(Draft(WORDS))
    file = files.target(home, None, encrypted=False)
    made = files.create(desk, home, file, None)
    assert made.path.parent == home / "backups"
    assert files.verify(desk, home, file, None).rows == made.rows
    (known,) = files.known(home)
    assert (known.path, known.size, known.encrypted, known.seq) == (str(file), made.size, False, 1)
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    other = Service(fresh, FakeEmbedder(), background=False)
    assert files.restore(other, fresh, file, None).aside == ""
    assert [each.text for each in other.list().memories] == [WORDS]
    other.close()
    assert not (home / ".backup").exists()
    assert not (fresh / ".backup").exists()


def test_what_a_manifest_says_is_checked(desk: Service, home: Path, tmp_path: Path) -> None:
    """A backup whose manifest tells of other rows is refused."""
    desk.remember(Draft(WORDS))
    copied = desk.copy_to(tmp_path / "copy")
    lying = replace(copied, rows=copied.rows | {"memories": 2})
    (tmp_path / "scratch").mkdir()
    container.pack(lying, tmp_path / "copy", tmp_path / "a.zip", None, tmp_path / "scratch")
    with pytest.raises(Invalid, match="manifest"):
        files.verify(desk, home, tmp_path / "a.zip", None)


@direct_only
def test_a_backup_has_all_that_was_acknowledged_before_it(
    open_desk: Callable[..., Service], home: Path, tmp_path: Path
) -> None:
    """Three processes write meanwhile; it is whole, and of one moment."""
    desk = open_desk(background=False)
    desk.remember(Draft("first"))
    writers = [
        subprocess.Popen(
            [sys.executable, str(WORKER), str(home), "endless", name],
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b", "c")
    ]
    try:
        told = [
            f"{name} {process.stdout.readline().split()[0]}"
            for _ in range(6)
            for name, process in zip("abc", writers, strict=True)
            if process.stdout
        ]
        made = files.create(desk, home, tmp_path / "a.zip", None)
    finally:
        for process in writers:
            process.kill()
            process.communicate()
    manifest = files.verify(desk, home, made.path, None)
    assert manifest.rows["memories"] == manifest.seq  # of one moment: nothing is missing in between
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    other = Service(fresh, FakeEmbedder(), background=False)
    files.restore(other, fresh, made.path, None)
    found = {each.text for each in other.list(where=Filter(), limit=1000).memories}
    assert found >= {"first", *told}
    other.close()


@direct_only
def test_a_failed_backup_leaves_nothing(
    open_desk: Callable[..., Service],
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither a file nor a part of one, nor plain text; what a killed one left goes with the next."""
    desk = open_desk(background=False)
    desk.remember(Draft(WORDS))
    (home / ".backup").mkdir()
    (home / ".backup" / "words").write_text(WORDS, "utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(container, "seal", lambda _: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(StoreError, match="full"):
            files.create(desk, home, tmp_path / "a.zip", None)
    assert not (home / ".backup").exists()
    assert [path.name for path in tmp_path.iterdir()] == [home.name]
    assert files.known(home) == ()
    with monkeypatch.context() as patch:  # killed once the file has its name, or just before
        patch.setattr(container, "_rename", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            files.create(desk, home, tmp_path / "a.zip", None)
    assert [each.path for each in files.known(home)] == [str(tmp_path / "a.zip")]


def test_where_a_backup_goes(home: Path, tmp_path: Path) -> None:
    """A name of its own in the folder that is named, or in that of the store."""
    home.mkdir()
    assert files.target(home, tmp_path, encrypted=True).parent == tmp_path
    assert files.target(home, None, encrypted=True).name.endswith("-encrypted.zip")
    assert files.target(home, tmp_path / "b", encrypted=False) == tmp_path / "b"
    with pytest.raises(Invalid, match="no folder"):
        files.target(home, tmp_path / "b" / "c", encrypted=False)
    (tmp_path / "b").touch()
    with pytest.raises(Invalid, match="there already"):
        files.target(home, tmp_path / "b", encrypted=False)


def test_backups_that_hold_the_words_are_named(desk: Service, home: Path, tmp_path: Path) -> None:
    """Those made since the oldest of the memories, as long as they are there."""
    early = desk.remember(Draft("early"))
    files.create(desk, home, tmp_path / "a.zip", None)
    late = desk.remember(Draft("late"))
    assert desk.backups_with([late.id]) == ()
    assert desk.backups_with([late.id, early.id]) == (str(tmp_path / "a.zip"),)
    (tmp_path / "a.zip").unlink()
    assert desk.backups_with([early.id]) == ()
    (home / "backups.json").write_text("[{]", "utf-8")
    assert desk.backups_with([early.id]) == ()


def test_the_list_keeps_one_entry_a_file(home: Path) -> None:
    """Also of a file that was made anew under its name; a list that cannot be written is told."""
    home.mkdir()
    made = Backup("2026-01-01T00:00:00+00:00", "/a", 1, "e", 1, encrypted=False)
    backups.record(home, made)
    backups.record(home, replace(made, seq=2))
    assert [each.seq for each in backups.recorded(home)] == [2]
    assert issubclass(StoreError, MemdeskError)
    with pytest.raises(StoreError, match="cannot write"):
        backups.record(home / "none", made)
