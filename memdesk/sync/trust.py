"""Whom memdesk speaks to: which addresses it takes, and which certificates it believes."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import socket
import ssl
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from memdesk.errors import Invalid, SyncError

if TYPE_CHECKING:
    from memdesk.remotes import Remote

MAX_URL = 2000
_FIELD = "url"
_VISIBLE = re.compile(r"[!-~]+")
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?")
_PORT = re.compile(r"(?::[0-9]*)?")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_PORTS = {"http": 80, "https": 443}


class OtherCertificate(ssl.SSLError):
    """The server shows another certificate than the one that is pinned."""


def check_url(url: str, *, insecure: bool = False) -> str:
    """Return a remote's address in its usual form, its path untouched; raises `Invalid`.

    Plain http to another computer is refused unless the person allows it (`insecure`).
    """
    scheme, host, port, path = _parts(url)
    if scheme == "http" and not insecure and not is_loopback(host):
        raise Invalid(
            _FIELD,
            f"{host} would be spoken to by plain http, where whoever listens on the network reads the "
            "key and every memory; use https, or allow it as insecure if that is no harm",
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}{f':{port}' if port != _PORTS[scheme] else ''}{path}"


def _parts(url: str) -> tuple[str, str, int, str]:
    if not _VISIBLE.fullmatch(url) or len(url) > MAX_URL:
        raise Invalid(
            _FIELD,
            f"must be 1 to {MAX_URL} visible ASCII characters; write other characters of a host as "
            "xn--…, those of a path as %…",
        )
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise Invalid(_FIELD, "is none; write it like https://memory.example.org") from None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not _is_host(host) or port == 0:
        raise Invalid(_FIELD, "is none for http; write it like https://memory.example.org")
    if "@" in parts.netloc:
        raise Invalid(
            _FIELD, "holds a user name or password; the key is kept apart, so leave it out"
        )
    shown = f"[{host}]" if ":" in host else host
    if not _PORT.fullmatch(parts.netloc.lower().removeprefix(shown)):
        raise Invalid(_FIELD, "has more than a host and a port before its path")
    if "?" in url or "#" in url:
        raise Invalid(_FIELD, "must end before any ? or #; the key is kept apart")
    path = "" if parts.path == "/" else parts.path
    return scheme, host, port or _PORTS[scheme], path


def _is_host(host: str) -> bool:
    if ":" in host:
        return _address(host) is not None
    return bool(_NAME.fullmatch(host))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Tell whether a host's name or address certainly stands for this computer."""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def is_secure(url: str) -> bool:
    """Tell whether an address is spoken to by TLS."""
    return _parts(url)[0] == "https"


def host_of(url: str) -> str:
    """Return the host of an address that was checked."""
    return _parts(url)[1]


def origin(url: str) -> str:
    """Return scheme, host and port of an address: who is behind it, whatever its path."""
    scheme, host, port, _ = _parts(url)
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def check_fingerprint(fingerprint: str, url: str) -> str:
    """Return a certificate's SHA-256 as 64 hexadecimal digits, or nothing; raises `Invalid`."""
    digits = fingerprint.lower().removeprefix("sha256:").replace(":", "").replace(" ", "")
    if digits and not _FINGERPRINT.fullmatch(digits):
        raise Invalid("fingerprint", "must be a certificate's SHA-256: 64 hexadecimal digits")
    if digits and _parts(url)[0] == "http":
        raise Invalid(
            "fingerprint", "cannot be pinned where the address is http: it has no certificate"
        )
    return digits


def context(remote: Remote) -> ssl.SSLContext:
    """Return how a remote's certificate is looked at, before a byte of any request leaves.

    Raises `Invalid` for a fingerprint that is none, and `SyncError`.
    """
    if pinned := check_fingerprint(remote.fingerprint, remote.url):
        return _Pinned(pinned)
    if is_secure(remote.url):
        return _trusting()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # believes nobody, and is never asked


def _trusting() -> ssl.SSLContext:
    import httpx2

    try:
        return httpx2.create_ssl_context()
    except OSError as error:
        raise SyncError(
            f"the certificates to trust cannot be read ({error.strerror or type(error).__name__}); "
            "correct SSL_CERT_FILE and SSL_CERT_DIR, or unset them"
        ) from error


class _Pinned(ssl.SSLContext):
    """Believes one certificate, whoever has signed it."""

    fingerprint: str

    def __new__(cls, fingerprint: str) -> Self:
        context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        context.fingerprint = fingerprint
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.sslsocket_class = _PinnedSocket
        context.sslobject_class = _PinnedObject
        return context

    def check(self, certificate: bytes | None) -> None:
        """Raise `OtherCertificate` for any but the one."""
        if hashlib.sha256(certificate or b"").hexdigest() != self.fingerprint:
            raise OtherCertificate("another certificate than the pinned one")


class _PinnedSocket(ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        assert isinstance(self.context, _Pinned)
        self.context.check(self.getpeercert(binary_form=True))


class _PinnedObject(ssl.SSLObject):
    """The same through a proxy that is itself spoken to by TLS."""

    def do_handshake(self) -> None:
        super().do_handshake()
        assert isinstance(self.context, _Pinned)
        self.context.check(self.getpeercert(binary_form=True))


def shown_fingerprint(url: str, *, timeout: float = 5.0) -> str:
    """Return the SHA-256 of the certificate that a server shows, so that a person may compare it.

    Nothing is sent to it but the greeting of TLS. Raises `SyncError`.
    """
    scheme, host, port, _ = _parts(url)
    if scheme != "https":
        raise Invalid(_FIELD, "is no https address, so there is no certificate")
    unbelieving = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unbelieving.check_hostname = False
    unbelieving.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout) as line,
            unbelieving.wrap_socket(line, server_hostname=host) as secured,
        ):
            return hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest()
    except (OSError, UnicodeError) as error:  # the latter for a name that no lookup takes
        why = error.strerror if isinstance(error, OSError) else ""
        raise SyncError(f"{host} shows no certificate: {why or error}") from error
