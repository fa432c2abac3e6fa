"""Team servers that announce themselves on the network: found, greeted without a key, and shown."""

from __future__ import annotations

import ipaddress
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import zeroconf

from memdesk.errors import MemdeskError, SyncError
from memdesk.remotes import Remote
from memdesk.sync.answer import plain
from memdesk.sync.http import Http

if TYPE_CHECKING:
    from collections.abc import Sequence

SERVICE = "_mcp-memory._tcp.local."
MOST = 32
"""So many servers are looked at; whoever announces more is no team."""
_WORD = 80
_GREETING = 3.0
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """A server that announces itself; nothing of it is believed before the person says so."""

    name: str
    """As it calls itself."""
    url: str
    """By its address on the network, not by a name of its choice."""
    version: str
    """As it says itself; empty where it does not."""
    wants_key: bool
    """Whether it says that it wants one."""
    trouble: str = ""
    """Why it could not be greeted, such as a certificate that is not trusted; empty where it could."""

    @property
    def secured(self) -> bool:
        """Whether it is spoken to by https."""
        return self.url.startswith("https:")


def discover(seconds: float = 3.0, *, interfaces: Sequence[str] | None = None) -> tuple[Seen, ...]:
    """Return the servers that announce themselves within `seconds`: those that are well come first.

    `interfaces` are addresses of this computer's own; None stands for all of them. No key is
    sent to any server. Raises `SyncError` where this computer cannot listen for them.
    """
    where = zeroconf.InterfaceChoice.All if interfaces is None else list(interfaces)
    try:
        with zeroconf.Zeroconf(interfaces=where) as ears:
            announced = _announced(ears, seconds)
    except (OSError, zeroconf.Error, RuntimeError) as error:
        raise SyncError(f"cannot listen for servers on the network: {plain(str(error))}") from error
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="greeting") as pool:
        greeted = pool.map(_greeted, announced)
    return tuple(
        sorted(greeted, key=lambda each: (bool(each.trouble), not each.secured, each.name))
    )


class _Heard(zeroconf.ServiceListener):
    """The names that were announced, each once, up to a number."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}
        self.enough = threading.Event()

    def add_service(self, zc: zeroconf.Zeroconf, type_: str, name: str) -> None:  # noqa: ARG002
        if len(self.names) < MOST:
            self.names[name] = None
        else:
            self.enough.set()

    def update_service(self, zc: zeroconf.Zeroconf, type_: str, name: str) -> None:
        """Nothing: what it says is asked for at the end."""

    def remove_service(self, zc: zeroconf.Zeroconf, type_: str, name: str) -> None:  # noqa: ARG002
        self.names.pop(name, None)


def _announced(ears: zeroconf.Zeroconf, seconds: float) -> list[Seen]:
    heard = _Heard()
    browser = zeroconf.ServiceBrowser(ears, SERVICE, heard)
    try:
        heard.enough.wait(seconds)
    finally:
        browser.cancel()
    infos = (ears.get_service_info(SERVICE, name, timeout=500) for name in list(heard.names))
    return [seen for info in infos if info and (seen := _seen(info))]


def _seen(info: zeroconf.ServiceInfo) -> Seen | None:
    """Return what is announced, as far as it makes an address."""
    addresses = [ipaddress.ip_address(each.partition("%")[0]) for each in info.parsed_addresses()]
    if not addresses or not info.port:
        return None
    # An address of version 6 that holds on one link only would need the name of that link.
    host = min(addresses, key=lambda each: (each.is_link_local, each.version))
    shown = f"[{host}]" if host.version == 6 else str(host)  # noqa: PLR2004 (of IP)
    told = {name: _word(value) for name, value in info.properties.items()}
    scheme = "https" if _is_true(told.get(b"https")) else "http"
    return Seen(
        name=plain(info.get_name(), _WORD),
        url=f"{scheme}://{shown}:{info.port}",
        version=told.get(b"api_version", ""),
        wants_key=_is_true(told.get(b"auth_required")),
    )


def _word(value: bytes | None) -> str:
    return plain((value or b"").decode(errors="replace"), _WORD)


def _is_true(word: str | None) -> bool:
    return (word or "").lower() in {"true", "1", "yes"}


def _greeted(seen: Seen) -> Seen:
    """Return what is seen, with why it cannot be greeted."""
    stranger = Remote(name="", url=seen.url, kind="", insecure=True)
    try:
        with Http(stranger, timeout=_GREETING) as http:
            http.ask("GET", "/api/health")
    except MemdeskError as error:
        return replace(seen, trouble=str(error))
    return seen
