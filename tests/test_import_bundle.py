"""Opening an export: zips, their parts and folders, and the traps that may be set in them."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memdesk.errors import Invalid
from memdesk.ingest.bundle import opened
from memdesk.ingest.chatgpt import FORMAT as CHATGPT
from memdesk.ingest.claude_ai import FORMAT as CLAUDE
from memdesk.ingest.item import Choices, Item

if TYPE_CHECKING:
    from memdesk.ingest.item import Format

TALK = b'[{"uuid": "c", "chat_messages": [{"uuid": "m", "sender": "human", "text": "Hello"}]}]'


def packed(target: Path, **files: bytes) -> Path:
    """Return a zip with files, whose names have no ending."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"{name}.json", data)
    return target


def contents(path: Path) -> dict[str, bytes]:
    """Return what every file of an export holds."""
    with opened(path) as bundle:
        told = {}
        for entry in bundle.entries:
            with entry.open() as file:
                told[entry.name] = file.read()
        return told


def refused(path: Path) -> dict[str, str]:
    """Return why what in an export is not opened."""
    with opened(path) as bundle:
        return {each.place: each.reason for each in bundle.refused}


def test_a_zip_and_its_folder_hold_the_same(tmp_path: Path) -> None:
    """Files come by their names, whether packed, in parts, or unpacked."""
    (tmp_path / "folder" / "projects").mkdir(parents=True)
    (tmp_path / "folder" / "users.json").write_bytes(b"[]")
    (tmp_path / "folder" / "projects" / "p.json").write_bytes(b"{}")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("users.json", b"[]")
        archive.writestr("projects/", b"")
        archive.writestr("projects\\p.json", b"{}")
    expected = {"projects/p.json": b"{}", "users.json": b"[]"}
    assert contents(tmp_path / "all.zip") == contents(tmp_path / "folder") == expected
    (tmp_path / "parts").mkdir()
    (tmp_path / "all.zip").rename(tmp_path / "parts" / "memories-000.zip")
    assert contents(tmp_path / "parts") == expected


def test_a_bomb_is_refused_while_it_expands(tmp_path: Path) -> None:
    """A member that grows beyond all reason ends the import, long before it is whole."""
    bomb = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("conversations.json", "w") as member,
    ):
        member.write(TALK[:-1])
        for _ in range(70):
            member.write(b" " * 1_000_000)
        member.write(b"]")
    found = iter(CLAUDE.read(bomb, Choices()))
    assert isinstance(next(found), Item)
    with pytest.raises(
        Invalid, match=r"bomb.zip/conversations.json: expands to over 67,108,864 bytes"
    ):
        list(found)


def test_a_size_that_is_a_lie_is_noticed(tmp_path: Path) -> None:
    """What the directory of a zip says of a member's size is not believed."""
    data = bytearray(packed(tmp_path / "a.zip", conversations=TALK).read_bytes())
    at = data.rindex(b"PK\x01\x02")
    for size in (0, 1, 2**31):
        data[at + 24 : at + 28] = struct.pack("<I", size)
        (tmp_path / "lie.zip").write_bytes(data)
        try:
            list(CLAUDE.read(tmp_path / "lie.zip", Choices()))
        except Invalid as error:
            told = str(error)
        else:
            told = "lie.zip"
        assert "lie.zip" in told


def test_names_that_leave_the_archive_are_not_opened(tmp_path: Path) -> None:
    """Members with such names are counted; nothing is written anywhere."""
    path = tmp_path / "escape.zip"
    names = [
        "../conversations.json",
        "/etc/passwd",
        "C:\\users.json",
        "a/../../b.json",
        "..\\c.json",
    ]
    with zipfile.ZipFile(path, "w") as archive:
        for name in (*names, "conversations.json"):
            archive.writestr(name, TALK)
    assert contents(path) == {"conversations.json": TALK}
    assert set(refused(path).values()) == {"a name that leaves the archive"}
    assert len(refused(path)) == len(names)
    assert os.listdir(tmp_path) == [path.name]  # noqa: PTH208 (the names alone)


def test_of_two_members_of_one_name_the_last_counts(tmp_path: Path) -> None:
    """What would be overwritten in unpacking is counted and not read."""
    path = tmp_path / "twice.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("conversations.json", b"[]")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("conversations.json", TALK)
    assert contents(path) == {"conversations.json": TALK}
    assert refused(path) == {"conversations.json": "an entry that a later one of its name replaces"}


def test_an_encrypted_member_is_told(tmp_path: Path) -> None:
    """A member behind a password is counted."""
    data = bytearray(packed(tmp_path / "a.zip", conversations=TALK).read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(data)
    assert refused(tmp_path / "locked.zip") == {"conversations.json": "encrypted"}


@pytest.mark.parametrize("format", [CLAUDE, CHATGPT])
def test_a_damaged_zip_is_one_error(format: Format, tmp_path: Path) -> None:
    """Whatever byte of a zip is wrong or missing, one error names it, or all is read."""
    whole = packed(tmp_path / "a.zip", conversations=TALK, users=b"[]").read_bytes()
    path = tmp_path / "bad.zip"
    for at in range(0, len(whole), 3):
        for data in (whole[:at], whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]):
            path.write_bytes(data)
            format.recognises(path)
            try:
                list(format.read(path, Choices()))
            except Invalid as error:
                told = str(error)
            else:
                told = "bad.zip"
            assert "bad.zip" in told


def enlarged(whole: bytes) -> bytes:
    """Return a zip with the records of its end in the form that large ones have."""
    at = whole.rindex(b"PK\x05\x06")
    count, size, offset = struct.unpack("<HII", whole[at + 10 : at + 20])
    record = struct.pack(
        "<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, offset
    )
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, at, 1)
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, *[2**16 - 1] * 2, *[2**32 - 1] * 2, 0)
    return whole[:at] + record + locator + end


def test_a_list_of_members_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A zip that is almost nothing but its list of members is not opened, in either of its forms."""
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(100):
            archive.writestr(zipfile.ZipInfo(f"{number:0100}"), b"")
    for data in (path.read_bytes(), enlarged(path.read_bytes())):
        path.write_bytes(data)
        monkeypatch.setattr("memdesk.ingest.bundle._MOST_DIRECTORY", 20_000)
        assert len(contents(path)) == 100
        monkeypatch.setattr("memdesk.ingest.bundle._MOST_DIRECTORY", 10_000)
        with pytest.raises(Invalid, match=r"many\.zip: lists more files"):
            contents(path)


def test_an_unknown_packing_is_one_error(tmp_path: Path) -> None:
    """A member that was packed in a way nobody here knows is told."""
    data = bytearray(packed(tmp_path / "a.zip", conversations=TALK).read_bytes())
    for mark, offset in ((b"PK\x01\x02", 10), (b"PK\x03\x04", 8)):
        at = data.index(mark)
        data[at + offset : at + offset + 2] = struct.pack("<H", 97)
    (tmp_path / "odd.zip").write_bytes(data)
    with pytest.raises(Invalid, match="cannot be unpacked"):
        list(CLAUDE.read(tmp_path / "odd.zip", Choices()))


def test_special_files_and_links_are_not_opened(tmp_path: Path) -> None:
    """A pipe would never end, and a link may lead anywhere."""
    (tmp_path / "conversations.json").write_bytes(TALK)
    os.mkfifo(tmp_path / "memories.json")
    (tmp_path / "users.json").symlink_to("/etc/passwd")
    (tmp_path / "round").symlink_to(tmp_path)
    assert contents(tmp_path) == {"conversations.json": TALK}
    assert set(refused(tmp_path).values()) == {"a link or no ordinary file"}


def test_a_look_goes_no_deeper_than_it_must(tmp_path: Path) -> None:
    """Telling what a folder is does not walk through all that lies below it."""
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    for folder in (tmp_path, deep.parent, deep):
        (folder / "x.json").write_bytes(b"{}")
    for deepest, names in ((0, ["x.json"]), (1, ["a/x.json", "x.json"]), (None, None)):
        with opened(tmp_path, deepest) as bundle:
            assert [each.name for each in bundle.entries] == (
                names or ["a/b/x.json", "a/x.json", "x.json"]
            )


def test_files_of_other_names_are_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder is told to be no export by its names alone; where one is sought, all of it is given."""

    def names() -> list[str]:
        with opened(tmp_path, 1, lambda name: name == "sought.json") as bundle:
            return [each.name for each in bundle.entries]

    (tmp_path / "a.json").write_bytes(b"{}")
    with monkeypatch.context() as blind:
        blind.setattr(Path, "lstat", lambda _: pytest.fail("looked at"))
        assert names() == []
    packed(tmp_path / "data-000.zip", inner=b"{}")
    assert names() == ["a.json", "inner.json"]
    (tmp_path / "data-000.zip").unlink()
    (tmp_path / "sought.json").write_bytes(b"{}")
    assert names() == ["a.json", "sought.json"]


def test_what_is_no_file_is_an_error(tmp_path: Path) -> None:
    """A path that is not there, or a pipe, is told at once."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "gone", tmp_path / "pipe"):
        for format in (CLAUDE, CHATGPT):
            assert not format.recognises(path)
            with pytest.raises(Invalid, match="no file or folder"):
                list(format.read(path, Choices()))


def test_a_read_in_little_steps_is_whole(tmp_path: Path) -> None:
    """What is unpacked while it is read is the same in steps of any size."""
    data = bytes(range(256)) * 2000
    path = packed(tmp_path / "a.zip", a=data)
    with opened(path) as bundle, bundle.entries[0].open() as file:
        steps = [file.read(1), file.read(70_000), file.read()]
    assert b"".join(steps) == data
    assert isinstance(file, io.BufferedReader)


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packing_that_is_unpacked_at_once_is_not_opened(packing: int, tmp_path: Path) -> None:
    """Of a packing whose pieces may expand without bounds nothing is read; other members are."""
    path = tmp_path / "odd.zip"
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("conversations.json", TALK)
        archive.writestr("users.json", b"[]", zipfile.ZIP_STORED)
    with opened(path) as bundle:
        odd, usual = bundle.entries
        assert (odd.head(), usual.head()) == (b"", b"[]")
        with pytest.raises(Invalid, match=r"odd.zip/conversations.json: cannot be unpacked here"):
            odd.open()


def test_names_that_are_no_utf_8_can_be_told(tmp_path: Path) -> None:
    """A file whose name no text can hold is read under a name that one can."""
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.json")).write_bytes(TALK)
    assert contents(tmp_path) == {"\ufffd.json": TALK}
