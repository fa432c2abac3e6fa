"""The backup file: a zip of a copy's files and a manifest; encrypted, a zip with that in it as age files.

docs/BACKUP.md tells how to open either without memdesk.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import zipfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from memdesk import __version__
from memdesk.backup.seal import COMMENT, check, seal, summed
from memdesk.errors import Invalid, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from memdesk.answers import Copied

FORMAT = 1
"""Of the backup file; a newer one is refused."""
_MANIFEST, _README = "manifest.json", "README.txt"
_KEY, _INNER = "key.age", "backup.zip.age"
_MEMBER = re.compile(r"[a-z]{1,40}\.(?:parquet|json)")
_SMALL = 1 << 20
"""The most bytes of what is read as a whole."""
_BROKEN = (
    *(zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError),
    *(LookupError, ValueError, TypeError),
)
_TOLD = """A backup of memdesk, which `memdesk backup verify FILE` checks and `memdesk backup restore FILE` restores.

Without memdesk: each .parquet file is a table (memories: one row a memory; history: earlier revisions;
passages: what search reads), which DuckDB, pandas and others read. manifest.json has a SHA-256 of each.
"""
_TOLD_ENCRYPTED = """An encrypted backup of memdesk, which `memdesk backup restore FILE` restores.

Without memdesk, with the program “age” and the passphrase:
    age -d -o key.txt key.age
    age -d -i key.txt -o backup.zip backup.zip.age
backup.zip is then a zip file with a README.txt of its own.
"""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself."""

    format: int
    memdesk: str
    """The version that made it."""
    made: str
    """When the store was as it is in it, in ISO 8601."""
    epoch: str
    seq: int
    model: str
    store_format: int
    rows: dict[str, int]
    members: dict[str, dict[str, Any]]
    """`bytes` and `sha256` of each file."""


def pack(
    copy: Copied,
    folder: Path,
    file: Path,
    passphrase: str | None,
    scratch: Path,
    *,
    record: Callable[[int], None] | None = None,
) -> None:
    """Make a backup file of the copy in a folder: whole and on the disk, or not at all.

    `scratch` is a private folder, which gets what must not lie elsewhere unencrypted. `record` is
    called with the bytes before the file has its name. Raises `Invalid` where `file` is there
    already, and `StoreError`.
    """
    plain = scratch / "backup.zip"
    with _appearing(file) as part:
        if passphrase is None:
            _pack_plain(copy, folder, part)
        else:
            _pack_plain(copy, folder, plain)
            _encrypt(plain, part, passphrase)
            plain.unlink()
        if record:
            record(part.stat().st_size)


@contextlib.contextmanager
def _appearing(file: Path) -> Iterator[Path]:
    """Lend a hidden file that takes its name once it is whole; never that of another one."""
    part = file.with_name(f".{file.name}.{os.urandom(4).hex()}.part")
    try:
        yield part
        _rename(part, file)
    except FileExistsError as error:
        raise Invalid("file", f"{file} is there already; choose another name") from error
    except OSError as error:
        raise StoreError(
            f"the backup {file} cannot be written: {error.strerror or error}"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _rename(part: Path, file: Path) -> None:
    try:
        os.link(part, file)  # which fails where there is one
    except FileExistsError:
        raise
    except OSError:  # a memory stick has no links
        if file.exists():
            raise FileExistsError from None
        part.rename(file)
    if os.name != "nt":
        descriptor = os.open(file.parent, os.O_RDONLY)
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
        os.close(descriptor)


def _private(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)


@contextlib.contextmanager
def _zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Write a zip file that ends with its own sum."""
    with os.fdopen(_private(path), "w+b") as file, zipfile.ZipFile(file, "w") as archive:
        archive.comment = COMMENT
        yield archive
    seal(path)


def _entry(name: str) -> zipfile.ZipInfo:
    at = datetime.now(UTC)
    entry = zipfile.ZipInfo(name, (at.year, at.month, at.day, at.hour, at.minute, at.second))
    entry.external_attr = 0o600 << 16
    return entry


def _pack_plain(copy: Copied, folder: Path, path: Path) -> None:
    members: dict[str, dict[str, Any]] = {}
    with _zip(path) as archive:
        archive.writestr(_entry(_README), _TOLD)
        for each in sorted(folder.iterdir()):
            size = each.stat().st_size
            target = archive.open(_entry(each.name), "w", force_zip64=True)
            with each.open("rb") as source, target:
                members[each.name] = {"bytes": size, "sha256": summed(source, size, target.write)}
        manifest = Manifest(
            FORMAT,
            __version__,
            copy.at.isoformat(),
            copy.epoch,
            copy.seq,
            copy.model,
            copy.format,
            copy.rows,
            members,
        )
        archive.writestr(_entry(_MANIFEST), json.dumps(asdict(manifest), indent=1))


def _encrypt(plain: Path, path: Path, passphrase: str) -> None:
    """Write a backup for a key made for it alone, and that key for the passphrase.

    A passphrase alone would do, but pyrage encrypts for one in memory only.
    """
    import pyrage

    key = pyrage.x25519.Identity.generate()
    with _zip(path) as archive:
        archive.writestr(_entry(_README), _TOLD_ENCRYPTED)
        archive.writestr(_entry(_KEY), pyrage.passphrase.encrypt(f"{key}\n".encode(), passphrase))
        target = archive.open(_entry(_INNER), "w", force_zip64=True)
        with plain.open("rb") as source, target:
            pyrage.encrypt_io(source, target, [key.to_public()])


def is_encrypted(file: Path) -> bool:
    """Tell whether a backup file is encrypted; raises `Invalid` where it is none."""
    with _opened(file) as archive:
        return _INNER in archive.namelist()


def unpack(file: Path, folder: Path, passphrase: str | None, scratch: Path) -> Manifest:
    """Put the files of a backup into an empty folder, each of them checked.

    Raises `Invalid`, in words, where the file is damaged, cut short, none, made by a newer memdesk,
    or of another passphrase; and `StoreError` where the disk is full.
    """
    check(file)
    if not is_encrypted(file):
        return _unpack_plain(file, folder)
    if passphrase is None:
        raise Invalid("passphrase", f"{file} is encrypted; give the passphrase it was made with")
    plain = scratch / "backup.zip"
    try:
        _decrypt(file, plain, passphrase)
        check(plain)
        return _unpack_plain(plain, folder)
    finally:
        plain.unlink(missing_ok=True)


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    """Open a backup's zip; what it holds that none of ours does is `Invalid`."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            size = sum(each.file_size for each in archive.infolist())
            stored = {each.compress_type for each in archive.infolist()} <= {zipfile.ZIP_STORED}
            # What is stored cannot grow: a small file with a huge member is a lie.
            if len(set(names)) != len(names) or not stored or size > file.stat().st_size:
                raise Invalid("file", f"{file} is no backup of memdesk: its members are other ones")
            yield archive
    except _BROKEN as error:
        raise Invalid("file", f"{file} is damaged, or no backup of memdesk: {error}") from error
    except OSError as error:
        raise Invalid("file", f"{file} cannot be read: {error.strerror or error}") from error


def _decrypt(file: Path, plain: Path, passphrase: str) -> None:
    import pyrage

    with _opened(file) as archive:
        _check_room(plain.parent, archive.getinfo(_INNER).file_size)
        try:
            key = pyrage.passphrase.decrypt(_read_small(archive, _KEY), passphrase)
            identity = pyrage.x25519.Identity.from_str(key.decode("ascii").strip())
        except (pyrage.DecryptError, pyrage.IdentityError) as error:
            raise Invalid("passphrase", f"this one does not open {file}; try again") from error
        try:
            with archive.open(_INNER) as source, os.fdopen(_private(plain), "wb") as target:
                pyrage.decrypt_io(source, target, [identity])
        except pyrage.DecryptError as error:
            raise Invalid("file", f"{file} is damaged: it cannot be decrypted") from error


def _check_room(folder: Path, size: int) -> None:
    if shutil.disk_usage(folder).free < size:
        raise StoreError(
            f"the disk has no room for the {size / 1e6:,.0f} MB that the backup takes unpacked; "
            "nothing was changed, so free some space and try again"
        )


def _read_small(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _SMALL:
        raise ValueError(f"{name} is too long")
    return archive.read(name)


def _unpack_plain(file: Path, folder: Path) -> Manifest:
    with _opened(file) as archive:
        manifest = _manifest(file, _read_small(archive, _MANIFEST))
        there = set(archive.namelist()) - {_MANIFEST, _README}
        strange = [name for name in manifest.members if not _MEMBER.fullmatch(name)]
        if strange or there != manifest.members.keys():
            raise Invalid("file", f"{file} is no backup of memdesk: its members are other ones")
        _check_room(folder, sum(archive.getinfo(name).file_size for name in there))
        for name, told in manifest.members.items():
            size = archive.getinfo(name).file_size
            with archive.open(name) as source, os.fdopen(_private(folder / name), "wb") as target:
                if (size, summed(source, size, target.write)) != (told["bytes"], told["sha256"]):
                    raise Invalid("file", f"{file} is damaged: {name} is not what was packed")
    return manifest


def _manifest(file: Path, said: bytes) -> Manifest:
    told = json.loads(said)
    if not isinstance(told, dict) or not isinstance(told.get("format"), int):
        raise TypeError("its manifest is none")
    if told["format"] > FORMAT:
        raise Invalid(
            "file",
            f"{file} was made by a newer memdesk ({str(told.get('memdesk'))[:20]}); update memdesk to "
            "open it",
        )
    found = Manifest(**{name: told[name] for name in Manifest.__slots__})
    for each in (found.rows, found.members, *dict(found.members).values()):
        if not isinstance(each, dict):
            raise TypeError("its manifest is none")
    datetime.fromisoformat(found.made)
    return found
