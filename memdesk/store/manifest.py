"""What a version of a table is made of, as its manifest says: to tell a torn one without reading it all.

A manifest is a protocol buffer behind a length, found from the end of its file: eight bytes where it
begins, four of version numbers, four of end mark (lance's protos/table.proto, read here by its field
numbers). Whole files of lance end with that mark too, those of Arrow with theirs.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAGIC = b"LANC"
_ENDS = {".lance": _MAGIC, ".idx": _MAGIC, ".manifest": _MAGIC, ".arrow": b"ARROW1"}
_FOOTER = 16
_FRAGMENTS, _INDEX_SECTION = 2, 6
_FILES, _DELETION = 2, 3
_INDEX_FILES = 10
_NUMBER, _LONG, _PIECE, _SHORT = 0, 1, 2, 5
_MORE = 0x80


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a version."""

    path: Path
    size: int
    """In bytes; 0 where the manifest does not say."""


def manifests(folder: Path) -> list[Path]:
    """Return a table's manifests, the newest first: their names count down."""
    return sorted((folder / "_versions").glob("*.manifest"))


def looks_torn(folder: Path) -> bool:
    """Tell whether the newest version of a table lacks a file, or one is cut short."""
    for _ in range(2):
        newest = manifests(folder)[:1]
        if newest and _whole_version(folder, newest[0]):
            return False
        if newest == manifests(folder)[:1]:  # else another process made one meanwhile
            break
    return True


def _whole_version(folder: Path, manifest: Path) -> bool:
    try:
        return is_whole(manifest) and all(
            is_whole(part.path, part.size) for part in parts(folder, manifest)
        )
    except (OSError, ValueError, IndexError):
        return False


def is_whole(path: Path, size: int = 0) -> bool:
    """Tell whether a file is there, has its size if that is known, and ends as its kind does.

    Raises `OSError` for one that is there and cannot be read.
    """
    end = _ENDS.get(path.suffix, b"")
    try:
        with path.open("rb") as file:
            found = file.seek(0, os.SEEK_END)
            file.seek(max(0, found - len(end)))
            return found > 0 and size in (0, found) and file.read(len(end)) == end
    except FileNotFoundError:
        return False


def parts(folder: Path, manifest: Path) -> Iterator[Part]:
    """Yield the files of a version; raises `ValueError` and `IndexError` for what is no manifest."""
    data = manifest.read_bytes()
    told = list(_fields(_message(data, int.from_bytes(data[-_FOOTER:][:8], "little"))))
    for number, value in told:
        if number == _FRAGMENTS:
            yield from _of_fragment(folder, _bytes(value))
        elif number == _INDEX_SECTION and isinstance(value, int):
            for _, index in _fields(_message(data, value)):
                yield from _of_index(folder, _bytes(index))


def _message(data: bytes, start: int) -> bytes:
    length = int.from_bytes(data[start : start + 4], "little")
    return data[start + 4 : start + 4 + length]


def _of_fragment(folder: Path, data: bytes) -> Iterator[Part]:
    told = list(_fields(data))
    id = next((_int(value) for number, value in told if number == 1), 0)
    for number, value in told:
        if number == _FILES:
            file = dict(_fields(_bytes(value)))
            yield Part(folder / "data" / _bytes(file[1]).decode(), _int(file.get(_INDEX_SECTION)))
        elif number == _DELETION:
            file = dict(_fields(_bytes(value)))
            kind = "bin" if file.get(1) else "arrow"
            name = f"{id}-{_int(file.get(2))}-{_int(file.get(3))}.{kind}"
            yield Part(folder / "_deletions" / name, 0)


def _of_index(folder: Path, data: bytes) -> Iterator[Part]:
    told = list(_fields(data))
    id = next(_bytes(value) for number, value in told if number == 1)
    below = folder / "_indices" / str(uuid.UUID(bytes=_bytes(dict(_fields(id))[1])))
    for number, value in told:
        if number == _INDEX_FILES:
            file = dict(_fields(_bytes(value)))
            yield Part(below / _bytes(file[1]).decode(), _int(file.get(2)))


def _bytes(value: int | bytes | None) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("not a manifest")  # noqa: TRY004 (a broken file is no broken call)
    return value


def _int(value: int | bytes | None) -> int:
    return value if isinstance(value, int) else 0


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the fields of a protocol buffer: numbers, and the bytes of whatever is longer."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _NUMBER:
            value, at = _varint(data, at)
            yield number, value
        elif kind == _PIECE:
            length, at = _varint(data, at)
            yield number, data[at : at + length]
            at += length
        elif kind in (_LONG, _SHORT):
            at += 8 if kind == _LONG else 4
        else:
            raise ValueError("not a manifest")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & ~_MORE) << shift
        if byte < _MORE:
            return value, at
        shift += 7
