"""What becomes of a connection: who may come in, the greeting, and who serves whom."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any

from memdesk import __version__
from memdesk.daemon import verbs
from memdesk.daemon.guests import Guest, Guests
from memdesk.errors import Invalid, MemdeskError
from memdesk.link.address import PROTOCOL, peer
from memdesk.link.lines import lines
from memdesk.mcp.log import describe
from memdesk.mcp.stdio import TOOLSETS
from memdesk.memory import check_space
from memdesk.moment import written_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from memdesk.daemon.house import House

_GREETS_WITHIN = 5.0
_TELLS_WITHIN = 2.0
_log = logging.getLogger(__name__)


class Reception:
    """Receives every connection and hands it to whoever serves its kind."""

    def __init__(self, house: House, guests: Guests, control: Callable[..., object]) -> None:
        self._house = house
        self._guests = guests
        self._control = control
        self._kinds = {"mcp": self._host, "service": self._front, "control": self._caller}
        self.closed = False
        """Whether the daemon leaves: who comes now finds the next one."""

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it ends."""
        try:
            if peer(writer.get_extra_info("socket"))[1] != os.getuid():
                _log.warning("a process of another user was turned away")
                return
            greeting = json.loads(await asyncio.wait_for(reader.readline(), _GREETS_WITHIN))
            if not self.closed:
                await self._receive(greeting, reader, writer)
        except MemdeskError as error:
            await _say(writer, _refusal(error))
        except asyncio.CancelledError:
            return  # the daemon ends; asyncio would log this as an error
        except Exception as error:  # noqa: BLE001 - one guest's trouble is no other's
            _log.info("a connection ended: %s", describe(error))
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _receive(
        self, told: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if told["memdesk"] != PROTOCOL and told["kind"] != "control":
            await _say(writer, _self())  # it is for the caller to know what to do
            return
        toolset = told.get("tools", TOOLSETS[0])
        if toolset not in TOOLSETS:
            raise Invalid("--tools", f"there is only {', '.join(TOOLSETS)}")
        guest = _guest(told, writer)
        time.tzset()  # the person may have travelled since the last one came
        with self._guests.received(guest):
            await _say(writer, _self() | {"tools": f"{toolset} {__version__}"})
            await self._kinds[guest.kind](guest, told, reader)

    async def _host(self, guest: Guest, told: dict[str, Any], reader: asyncio.StreamReader) -> None:
        guest.space = guest.space or await self._space_of(guest.folder)
        await self._house.serve_host(guest, told, reader)

    async def _space_of(self, folder: str) -> str:
        """Return the space of a folder; the usual one where its disk does not answer in time."""
        told: Future[str] = Future()
        # A thread of its own: a few that never end would take up all that asyncio has.
        Thread(target=_ask, args=(told, self._house, folder), daemon=True).start()
        try:
            return await asyncio.wait_for(asyncio.wrap_future(told), _TELLS_WITHIN)
        except TimeoutError:
            _log.warning("a host's folder does not answer; it has the usual space")
            return self._house.usual_space

    async def _front(self, guest: Guest, _: dict[str, Any], reader: asyncio.StreamReader) -> None:
        house = self._house
        house.expect_hosts()
        guest.reading = asyncio.current_task()
        with suppress(asyncio.CancelledError):
            await verbs.serve(
                reader,
                guest.writer,
                house.service,
                house.pools,
                busy=lambda: house.request(guest),
                around=lambda: written_in(guest.zone, guest.offset),
            )

    async def _caller(self, guest: Guest, _: dict[str, Any], reader: asyncio.StreamReader) -> None:
        async for line in lines(reader):
            try:
                await _say(guest.writer, self._control(**json.loads(line)))
            except MemdeskError as error:
                await _say(guest.writer, _refusal(error))


def _ask(told: Future[str], house: House, folder: str) -> None:
    told.set_running_or_notify_cancel()  # else nobody could answer any more once the time is over
    try:
        told.set_result(house.space_of(folder))
    except Exception as error:  # noqa: BLE001 - raised to who asks
        told.set_exception(error)


def _guest(told: dict[str, Any], writer: asyncio.StreamWriter) -> Guest:
    space = told.get("space") or ""
    return Guest(
        told["kind"],
        told["pid"],
        told["cwd"],
        check_space(space, "--space") if space else "",
        told["version"],
        writer,
        zone=told["env"].get("TZ", ""),
        offset=told["env"].get("offset", 0),
        name=told.get("name", ""),
    )


def _self() -> dict[str, object]:
    return {"memdesk": PROTOCOL, "version": __version__, "pid": os.getpid()}


def _refusal(error: MemdeskError) -> dict[str, object]:
    return _self() | {"refused": [type(error).__name__, *error.args]}


async def _say(writer: asyncio.StreamWriter, message: object) -> None:
    with suppress(ConnectionError):
        writer.write(json.dumps(message).encode() + b"\n")
        await writer.drain()
