"""The remotes of a store, as the person has set them up: `remotes.json` in its folder."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

from memdesk.disk import write_json
from memdesk.errors import Invalid, StoreError
from memdesk.memory import check_space, clean_word
from memdesk.remotes import KINDS, Remote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

FILE = "remotes.json"
MOST = 50
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
_FIELDS = {each.name: each.type for each in fields(Remote) if each.name != "name"}
_NOWHERE = "private"
_NEEDED = frozenset(("url", "kind"))
_MAX_USER = 100
_Stamp = tuple[int, int, int]


class KnownRemotes:
    """The remotes of one store; what another process has changed is seen at the next question."""

    def __init__(self, home: Path, locked: Callable[[], AbstractContextManager[None]]) -> None:
        """Prepare; `locked` keeps other processes from writing at the same time."""
        self._path = home / FILE
        self._locked = locked
        self._seen: tuple[_Stamp, dict[str, Remote]] | None = None

    def all(self) -> tuple[Remote, ...]:
        """Return the remotes there are, by their names. Raises `StoreError`."""
        return tuple(self._known().values())

    def get(self, name: str) -> Remote:
        """Return a remote; raises `Invalid` naming those there are, and `StoreError`."""
        return _named(self._known(), name)

    def add(self, remote: Remote) -> Remote:
        """Keep a new remote; return it in its usual form. Raises `Invalid` and `StoreError`."""
        remote = checked(remote)
        with self._locked():
            known = self._from_disk()
            if remote.name in known:
                raise Invalid(
                    "name", f"there is a remote “{remote.name}” already; choose another name"
                )
            if len(known) >= MOST:
                raise Invalid("name", f"there are {MOST} remotes already; remove one first")
            self._write(known | {remote.name: remote})
        return remote

    def change(self, name: str, /, **changed: Any) -> Remote:
        """Change fields of a remote; return it as it is then. Raises `Invalid` and `StoreError`."""
        if unknown := sorted(changed.keys() - _FIELDS.keys()):
            raise Invalid(unknown[0], "cannot be changed")
        with self._locked():
            known = self._from_disk()
            remote = checked(replace(_named(known, name), **changed))
            self._write(known | {remote.name: remote})
        return remote

    def remove(self, name: str) -> Remote:
        """Forget a remote; return what it was. Raises `Invalid` and `StoreError`."""
        with self._locked():
            known = self._from_disk()
            remote = _named(known, name)
            self._write({each: kept for each, kept in known.items() if each != remote.name})
        return remote

    def _known(self) -> dict[str, Remote]:
        stamp = self._stamp()
        seen = self._seen
        if seen is None or seen[0] != stamp:
            seen = self._seen = (stamp, self._from_disk())
        return seen[1]

    def _stamp(self) -> _Stamp:
        try:
            told = self._path.stat()
        except OSError:
            return 0, 0, 0
        return told.st_mtime_ns, told.st_ino, told.st_size

    def _from_disk(self) -> dict[str, Remote]:
        try:
            told = json.loads(self._path.read_text(encoding="utf-8"))
            return {name: _remote(name, each) for name, each in sorted(told.items())}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError, Invalid) as error:
            why = f" ({error})" if isinstance(error, Invalid) else ""
            raise StoreError(
                f"the remotes cannot be read from {self._path}{why}, so nothing is synced; mend that "
                "file, or remove it and add them anew"
            ) from error

    def _write(self, known: Mapping[str, Remote]) -> None:
        told = {name: _told(each) for name, each in sorted(known.items())}
        try:
            write_json(self._path, told)
        except OSError as error:
            raise StoreError(f"cannot write {self._path}: {error.strerror or error}") from error


def checked(remote: Remote) -> Remote:
    """Return a remote in its usual form; raises `Invalid` naming the field that is wrong."""
    if remote.kind not in KINDS:
        raise Invalid("kind", f"must be one of {', '.join(KINDS)}")
    from memdesk.sync import trust  # brings ssl, for who changes remotes only

    url = trust.check_url(remote.url, insecure=remote.insecure)
    return replace(
        remote,
        name=check_name(remote.name),
        url=url,
        spaces=tuple(dict.fromkeys(check_space(each, "spaces") for each in remote.spaces)),
        into=check_space(remote.into, "into") if remote.into else "",
        fingerprint=trust.check_fingerprint(remote.fingerprint, url),
        user=clean_word(remote.user, "user", _MAX_USER),
    )


def check_name(name: str) -> str:
    """Return a remote's name; raises `Invalid` when it is malformed."""
    if not _NAME.fullmatch(name):
        raise Invalid(
            "name",
            "must be 1 to 40 lower-case letters, digits or any of - _ . and begin with a letter or digit",
        )
    if name == _NOWHERE:
        raise Invalid("name", f"“{_NOWHERE}” is what goes to no remote; choose another name")
    return name


def _named(known: Mapping[str, Remote], name: str) -> Remote:
    if name in known:
        return known[name]
    shown = clean_word(name.replace("\0", ""), "name", max(200, len(name)))[:40]
    there = f"the remotes are: {', '.join(known)}" if known else "there is none yet"
    raise Invalid("name", f"no remote is called “{shown}”; {there}")


def _remote(name: str, told: Mapping[str, Any]) -> Remote:
    """Return the remote that the file tells; raises `TypeError`, `ValueError` and `Invalid`."""
    if not _NEEDED <= told.keys() <= _FIELDS.keys():
        raise ValueError("a field that this memdesk does not know, or one too few")
    words = {field: value for field, value in told.items() if _FIELDS[field] == "str"}
    truths = {field: value for field, value in told.items() if _FIELDS[field] == "bool"}
    spaces = told.get("spaces", [])
    named = isinstance(spaces, list) and all(isinstance(each, str) for each in spaces)
    right = all(isinstance(each, str) for each in words.values())
    if not (named and right and all(isinstance(each, bool) for each in truths.values())):
        raise TypeError("a field of another type")
    return checked(Remote(name=name, **words, **truths, spaces=tuple(spaces)))


def _told(remote: Remote) -> dict[str, object]:
    told = asdict(remote)
    del told["name"]
    return told | {"spaces": list(remote.spaces)}
