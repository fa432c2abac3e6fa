"""The keys of remotes: in the system's keyring, or where there is none in a file of the store.

The file `keys.json` also tells which keys the keyring holds, since no keyring tells that itself:
whoever has no key is never asked for one, and `memdesk erase` leaves none behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from memdesk.disk import write_json
from memdesk.errors import Invalid, StoreError, SyncError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from memdesk.remotes import Remote

FILE = "keys.json"
SERVICE = "memdesk"
"""What the keyring has all keys under."""
KEYRING, IN_FILE = "keyring", "file"
MAX_KEY = 4096
_VISIBLE = re.compile(r"[!-~]+")
_PATIENCE = 5.0
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

_T = TypeVar("_T")
_Kept = dict[str, str | list[str] | None]
"""Keys by their accounts; None for one that the keyring holds, and a list of the key in the file, or of
none, where the keyring may hold an old one."""


class _NoKeyring(Exception):  # noqa: N818 (read as “raises _NoKeyring”)
    """The system has no keyring that works now; says why."""

    def __init__(self, reason: str, *, late: bool = False) -> None:
        super().__init__(reason)
        self.late = late
        """Whether it may still do what it was asked for."""


def check_key(key: str) -> str:
    """Return a key that fits into a header; raises `Invalid`, which never shows it."""
    if not _VISIBLE.fullmatch(key) or len(key) > MAX_KEY:
        raise Invalid("key", f"must be 1 to {MAX_KEY} visible ASCII characters without spaces")
    return key


class Keys:
    """The keys of one store's remotes, each for one remote at one origin."""

    def __init__(
        self,
        home: Path,
        locked: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
        *,
        patience: float = _PATIENCE,
    ) -> None:
        """Prepare; `locked` keeps other processes from writing, `patience` is for the keyring, in s."""
        self._path = home / FILE
        self._mark = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:12]
        self._locked = locked
        self._keyring = _Keyring(patience)

    def get(self, remote: Remote) -> str:
        """Return a remote's key, empty where it has none.

        Raises `SyncError` where the keyring that holds it does not give it, and `StoreError`.
        """
        account = self._account(remote)
        kept = self._read()
        if account not in kept:
            return ""
        key = kept[account]
        if key is not None:
            return key if isinstance(key, str) else "".join(key)
        try:
            return self._keyring.get(account)
        except _NoKeyring as error:
            raise SyncError(
                f"the system's keyring does not give the key of {remote.name} ({error}); unlock it, "
                "or set the key anew"
            ) from error

    def put(self, remote: Remote, key: str) -> str:
        """Keep a remote's key; return where: `KEYRING` or `IN_FILE`. Raises `Invalid`, `StoreError`."""
        account, key = self._account(remote), check_key(key)
        with self._locked():
            kept = self._read()
            # Told first: after a crash between the two, erasing still finds what the keyring holds.
            self._write(kept | {account: None})
            try:
                self._keyring.put(account, key)
            except _NoKeyring as error:
                doubtful = error.late or not isinstance(kept.get(account, ""), str)
                self._write(kept | {account: [key] if doubtful else key})
                return IN_FILE
        return KEYRING

    def place(self, remote: Remote) -> str:
        """Return where a remote's key is: `KEYRING`, `IN_FILE`, or empty where it has none."""
        account, kept = self._account(remote), self._read()
        if kept.get(account, []) == []:
            return ""
        return KEYRING if kept[account] is None else IN_FILE

    def drop(self, remote: Remote) -> None:
        """Forget a remote's key; raises `SyncError` where the keyring does not let it go."""
        account = self._account(remote)
        with self._locked():
            kept = self._read()
            if account not in kept:
                return
            if error := self._dropped(account, kept[account]):
                # What is in the file goes all the same.
                self._write(kept | {account: None if kept[account] is None else []})
                raise SyncError(
                    f"the system's keyring does not let go of the key of {remote.name} ({error}); "
                    f"unlock it, or remove it there: {SERVICE}, {account}"
                ) from error
            del kept[account]
            self._write(kept)

    def drop_all(self) -> tuple[str, ...]:
        """Forget every key; return the accounts that the keyring did not let go of."""
        with self._locked():
            kept = self._read().items()
            left = [account for account, key in kept if self._dropped(account, key)]
            try:
                self._path.unlink(missing_ok=True)
                self._sweep()
            except OSError as error:
                raise StoreError(f"cannot remove {self._path}: {error.strerror}") from error
        return tuple(left)

    def _dropped(self, account: str, key: str | list[str] | None) -> _NoKeyring | None:
        """Have the keyring forget an account; return why it may hold a key of it still."""
        try:
            self._keyring.drop(account)
        except _NoKeyring as error:
            return None if isinstance(key, str) else error
        return None

    def _account(self, remote: Remote) -> str:
        """Return what a key is kept under: with another address it is another key."""
        from memdesk.sync import trust  # brings ssl, which a store without remotes needs not

        return f"{remote.name} {trust.origin(remote.url)} {self._mark}"

    def _read(self) -> _Kept:
        try:
            with self._path.open(encoding="utf-8") as file:
                if os.name == "posix" and os.fstat(file.fileno()).st_mode & _OTHERS:
                    raise StoreError(
                        f"{self._path} may be read by others, so its keys are not used; replace them at "
                        "their servers where somebody may have, then: chmod 600 that file"
                    )
                told = json.load(file)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise self._unreadable() from error
        if not isinstance(told, dict) or not all(
            value is None or _is_kept(value) for value in told.values()
        ):
            raise self._unreadable()
        return told

    def _unreadable(self) -> StoreError:
        return StoreError(f"{self._path} cannot be read; remove it and set the remotes' keys anew")

    def _write(self, kept: _Kept) -> None:
        try:
            self._sweep()
            write_json(self._path, kept)
        except OSError as error:
            raise StoreError(f"cannot write {self._path}: {error.strerror or error}") from error

    def _sweep(self) -> None:
        """Remove what a writer has left that was killed: its keys too."""
        for part in self._path.parent.glob(f".{FILE}.*"):
            part.unlink(missing_ok=True)


def _is_kept(value: object) -> bool:
    match value:
        case str() | [str()]:
            return bool(_VISIBLE.fullmatch("".join(value)))
    return value == []


class _Keyring:
    """The system's keyring, asked on a thread of its own: some wait for a dialog nobody sees."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._asked: threading.Thread | None = None

    def get(self, account: str) -> str:
        import keyring

        return self._answer(lambda: keyring.get_password(SERVICE, account)) or ""

    def put(self, account: str, key: str) -> None:
        """Keep a key; raises `_NoKeyring` where it is not there afterwards, as with keyring's “null”."""
        import keyring

        self._answer(lambda: keyring.set_password(SERVICE, account, key))
        try:
            kept = self.get(account)
        except _NoKeyring as error:  # it has taken the key, and does not show it
            raise _NoKeyring(str(error), late=True) from error
        if kept != key:
            raise _NoKeyring("it keeps nothing")

    def drop(self, account: str) -> None:
        import keyring

        if self.get(account):
            self._answer(lambda: keyring.delete_password(SERVICE, account))

    def _answer(self, ask: Callable[[], _T]) -> _T:
        """Return what the keyring answers in time; one that does not is not asked meanwhile again."""
        if self._asked is not None and self._asked.is_alive():
            raise _NoKeyring("it does not answer")
        answer: Future[_T] = Future()
        self._asked = threading.Thread(target=_settle, args=(answer, ask), daemon=True)
        self._asked.start()
        try:
            return answer.result(self._patience)
        except TimeoutError as error:
            raise _NoKeyring("it does not answer", late=True) from error
        except Exception as error:  # a keyring's backend raises whatever its system does
            raise _NoKeyring(type(error).__name__) from error


def _settle(answer: Future[_T], ask: Callable[[], _T]) -> None:
    try:
        answer.set_result(ask())
    except BaseException as error:  # noqa: BLE001 (raised where it is waited for)
        answer.set_exception(error)
