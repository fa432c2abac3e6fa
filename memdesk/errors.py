"""What can go wrong, as one small tree that every front translates once.

    MemdeskError
    ├── Invalid(field, reason)      the caller's input; nothing was changed         exit 2
    ├── Denied(reason)              the person does not allow this host that        exit 1
    ├── NotFound(id)                no memory has that id                           exit 3
    ├── Conflict(id, theirs)        the memory has changed since                    exit 1
    ├── Busy(holder, waited, done)  another process holds the writer lock           exit 4
    ├── StoreError(reason)          the store cannot be opened, read or written     exit 1
    ├── ModelError(reason)          the embedding model cannot be loaded or run     exit 1
    ├── SyncError(reason)           a remote refused or could not be reached        exit 1
    └── Cancelled(reason)           nobody waits for the answer any more            exit 1

Every message is one sentence for a person: which input, what is wrong, what to do.
"""

from __future__ import annotations


class MemdeskError(Exception):
    """Anything memdesk itself reports; `str()` of it is a sentence for a person."""

    exit_code = 1


class Invalid(MemdeskError):  # noqa: N818 (read as “raises Invalid”)
    """An argument that cannot be used; nothing was changed."""

    exit_code = 2

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field = field
        """The argument's name, as the caller wrote it."""
        self.reason = reason
        """What is wrong with it and what would do."""

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


class Denied(MemdeskError):  # noqa: N818 (read as “raises Denied”)
    """The person does not allow this host what it asked for; nothing was changed."""


class NotFound(MemdeskError):  # noqa: N818 (read as “raises NotFound”)
    """No memory has that id."""

    exit_code = 3

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.id = id
        """The id that was asked for."""

    def __str__(self) -> str:
        return f"no memory has the id {self.id}"


class Conflict(MemdeskError):  # noqa: N818 (read as “raises Conflict”)
    """The memory has changed since the caller last saw it."""

    def __init__(self, id: str, theirs: str) -> None:
        super().__init__(id, theirs)
        self.id = id
        """The memory that changed."""
        self.theirs = theirs
        """What happened to it meanwhile, in words."""

    def __str__(self) -> str:
        return f"memory {self.id} has changed since: {self.theirs}"


class Busy(MemdeskError):  # noqa: N818 (read as “raises Busy”)
    """Another process holds the writer lock and did not let go in time."""

    exit_code = 4

    def __init__(self, holder: str, waited: float, done: str = "") -> None:
        super().__init__(holder, waited, *([done] if done else []))
        self.holder = holder
        """Who holds it: process id, command and since when, as far as known."""
        self.waited = waited
        """How long this call waited, in seconds."""
        self.done = done
        """How much of the change was done before, in words; empty where nothing was."""

    def __str__(self) -> str:
        words = (
            f"the store is busy: {self.holder} is writing; waited {self.waited:.1f} s, try again"
        )
        return f"{words}; {self.done}" if self.done else words


class StoreError(MemdeskError):
    """The store cannot be opened, read or written."""


class ModelError(MemdeskError):
    """The embedding model cannot be loaded or run; search by words still works."""


class SyncError(MemdeskError):
    """A remote refused an exchange or could not be reached."""


class Cancelled(MemdeskError):  # noqa: N818 (read as “raises Cancelled”)
    """Nobody waits for the answer any more, so the rest was not done; no write was cut in half."""
