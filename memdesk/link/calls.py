"""Calls of the daemon: each on a connection of its own, asked again when that breaks."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from memdesk.errors import Invalid, StoreError
from memdesk.link import values
from memdesk.link.address import LONGEST_CALL, LONGEST_LINE, peer
from memdesk.link.stopped import is_stopped

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

T = TypeVar("T")
_TRIES = 3
_LOOK = 2.0
"""How long the daemon may be silent before it is looked whether it was stopped, in seconds."""
_PIECE = 1 << 16
_IDLE = 4
"""Connections that are kept for the next call."""
_CLOSED = "this desk has been closed; open it again"


class _Broken(Exception):  # noqa: N818 (no error until nobody can be asked again)
    """The connection ended before the answer."""

    def __init__(self, why: str, *, sent: bool = True) -> None:
        super().__init__(why)
        self.sent = sent
        """Whether the daemon may have heard the call."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a verb."""

    verb: str
    args: tuple[object, ...] = ()
    kwargs: dict[str, object] = field(default_factory=dict)
    progress: Callable[..., None] | None = None
    writes: bool = False
    fresh: bool | None = None
    """Whether its change was never sent before; None for a verb without a change."""
    repeatable: bool = True
    """Whether it may be asked again when its connection broke."""

    def line(self, wait: float, *, again: bool) -> bytes:
        """Return what to send; raises `Invalid` when that is too much for one call."""
        kwargs = self.kwargs if self.fresh is None else self.kwargs | {"fresh": self._fresh(again)}
        line = values.line(
            {
                "verb": self.verb,
                "args": values.pack(self.args),
                "kwargs": {name: values.pack(value) for name, value in kwargs.items()},
                "wait": wait,
                "progress": self.progress is not None,
            }
        )
        if len(line) > LONGEST_CALL:
            raise Invalid("arguments", f"of {self.verb} are {len(line):,} bytes long; send less")
        if len(line) > LONGEST_LINE:
            return b"".join(values.parts(line.decode("ascii").rstrip("\n")))
        return line

    def _fresh(self, again: bool) -> bool:
        return bool(self.fresh) and not again


class _Connection:
    """One connection to the daemon; it carries one call at a time."""

    def __init__(self, connected: socket.socket, *, writes: bool) -> None:
        self.writes = writes
        """Whether it carries a call that writes."""
        self._socket = connected
        self._socket.settimeout(_LOOK)
        self._heard = bytearray()
        self._stopped = False

    def stale(self) -> bool:
        """Whether the daemon has gone since the last call, or says what nobody asked."""
        import socket

        try:
            self._socket.setblocking(False)
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            self._socket.settimeout(_LOOK)
            return False
        except OSError:
            return True
        return True

    def ask(self, line: bytes, progress: Callable[..., None] | None) -> dict[str, Any]:
        """Return the last line of the answer, with a large result in it; raises `_Broken`.

        And `StoreError` where the daemon is a process that was stopped, which says nothing for ever.
        """
        self._say(line)
        parts: list[str] = []
        while True:
            said = self._hear()
            if "part" in said:
                parts.append(said["part"])
            elif "progress" in said:
                if progress:
                    progress(*said["progress"])
            else:
                return {"result": values.parsed("".join(parts))} if parts else said

    def _say(self, line: bytes) -> None:
        said = 0
        while said < len(line):
            said += self._patiently(partial(self._socket.send, line[said : said + _PIECE]))

    def _hear(self) -> dict[str, Any]:
        looked = 0
        while (end := self._heard.find(b"\n", looked)) < 0:
            looked = len(self._heard)
            piece = self._patiently(partial(self._socket.recv, _PIECE))
            if not piece:
                raise _Broken("it ended in the middle of a call")
            self._heard += piece
        line = bytes(self._heard[: end + 1])
        del self._heard[: end + 1]
        return values.read_line(line)

    def _patiently(self, act: Callable[[], T]) -> T:
        """Return what can be done with the socket, however long it takes a daemon that runs."""
        while True:
            try:
                done = act()
            except TimeoutError:
                self._check_running()
            except OSError as error:
                raise _Broken(str(error)) from error
            else:
                self._stopped = False
                return done

    def _check_running(self) -> None:
        """Raise `StoreError` when the daemon is found stopped for the second time in a row."""
        pid = peer(self._socket)[0]
        before, self._stopped = self._stopped, is_stopped(pid)
        if before and self._stopped:
            raise StoreError(
                f"the daemon, process {pid}, has been stopped and does not answer; let it go on with "
                f"kill -CONT {pid}, or end it with memdesk daemon stop"
            )

    def shut(self) -> None:
        """End a call that another thread waits for; it raises `_Broken` there."""
        import socket

        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def close(self) -> None:
        """End the connection; a call that is under way in the daemon is no longer wanted."""
        self.shut()
        self._socket.close()


class Calls:
    """Where calls are made from any thread; connections are kept for the next one."""

    def __init__(self, connect: Callable[[], socket.socket], wait: float) -> None:
        self._connect = connect
        self._wait = wait
        self._turn = threading.Condition()
        self._idle: list[_Connection] = []
        self._used: set[_Connection] = set()
        self._closed = False

    def ask(self, kind: type[T], call: Call) -> T:
        """Return the answer of a call; a connection that breaks is replaced and asked again."""
        why = ""
        for attempt in range(_TRIES):
            try:
                said = self._asked(call, call.line(self._wait, again=attempt > 0))
            except _Broken as error:
                why = str(error)
                if error.sent and not call.repeatable:
                    raise StoreError(
                        "the daemon went away before it answered, so this may be done or not: look at "
                        "what changed last, and at `memdesk backup list`, before you do it again"
                    ) from error
            else:
                return _answer(kind, said)
        raise StoreError(
            f"the daemon went away {_TRIES} times before it answered ({why}); try again, or look at "
            "its log"
        )

    def _asked(self, call: Call, line: bytes) -> dict[str, Any]:
        connection = self._borrow(writes=call.writes)
        try:
            said = connection.ask(line, call.progress)
        except BaseException:
            self._give_back(connection, whole=False)
            raise
        self._give_back(connection, whole=True)
        return said

    def _borrow(self, *, writes: bool) -> _Connection:
        connection = self._waiting() or self._connected()
        connection.writes = writes
        with self._turn:
            if not self._closed:
                self._used.add(connection)
                return connection
        connection.close()
        raise StoreError(_CLOSED)

    def _waiting(self) -> _Connection | None:
        """Return a connection that is open and without a call, if there is one."""
        while True:
            with self._turn:
                if self._closed:
                    raise StoreError(_CLOSED)
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if not connection.stale():
                return connection
            connection.close()

    def _connected(self) -> _Connection:
        try:
            return _Connection(self._connect(), writes=False)
        except OSError as error:
            raise _Broken(str(error), sent=False) from error

    def _give_back(self, connection: _Connection, *, whole: bool) -> None:
        with self._turn:
            self._used.discard(connection)
            kept = whole and not self._closed and len(self._idle) < _IDLE
            if kept:
                self._idle.append(connection)
            self._turn.notify_all()
        if not kept:
            connection.close()

    def close(self, timeout: float) -> None:
        """Wait for a write in flight, at most `timeout` seconds, then end every connection."""
        with self._turn:
            self._closed = True
            idle, self._idle = self._idle, []
            self._turn.wait_for(lambda: not any(each.writes for each in self._used), timeout)
            for used in self._used:
                used.shut()
        for each in idle:
            each.close()


def _answer(kind: type[T], said: dict[str, Any]) -> T:
    if "error" in said:
        raise values.unpack_error(said["error"])
    result = values.unpack(said.get("result"))
    if not isinstance(result, kind):
        raise StoreError(
            f"the daemon answered with a {type(result).__name__}; it is not of this memdesk"
        )
    return result
