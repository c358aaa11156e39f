"""Connections that lead out, and nowhere near: a name's addresses are looked at, then one of these is connected to.

So it doesn't matter what a name stands for in a moment, nor where a redirect leads; and whoever may store an address
learns nothing of the neighbourhood: what is near is refused in the same words whether something listens there or not.
What is near: this host and its own addresses, its neighbours (private and link-local networks, among them clouds'
metadata), what is no unicast.

`request` asks once and is over in time. Timeouts of sockets alone don't see to that: each byte of a header that drips
begins them anew.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
    TimeoutError,
)

from engine.errors import PermissionDenied

TIMEOUT = Timeout(connect=5, read=10)

_IPV4_AT_THE_END = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
"""Translated on the way (RFC 6052, section 2.1), and written so once (RFC 4291, section 2.5.5.1)."""
_TRANSLATED_NEAR = ipaddress.IPv6Network("64:ff9b:1::/48")
"""By whoever runs the network, to whatever is in it (RFC 8215)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`beginning`: the first bytes of the content. `is_cut`: time was over before there were enough of them.

    `headers` are found whichever way their names are written.
    """

    status: int
    beginning: bytes
    is_cut: bool
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    reaches_local: bool,
    seconds: float,
    most_bytes: int,
) -> Answer:
    """Ask once, and read at most `most_bytes` of the answer's content. A redirect is an answer as others.

    After `seconds` the connection is cut, whatever the other side does. Raises urllib3's TimeoutError when there was no
    status with all headers by then, its HTTPError for other failures, PermissionDenied for what is near.
    """
    with _Deadline(seconds) as deadline:
        http = manager(reaches_local=reaches_local, deadline=deadline, retries=False, timeout=TIMEOUT)
        try:
            response = http.request(method, url, headers=headers, body=body, redirect=False, preload_content=False)
            try:
                # Headers that were cut short look like whole ones.
                deadline.check()
                return _answer(response, deadline, most_bytes)
            finally:
                response.close()
        except (HTTPError, OSError) as error:
            deadline.check(error)
            raise
        finally:
            http.clear()


def manager(*, reaches_local: bool, deadline: _Deadline | None = None, **options: Any) -> PoolManager:
    """As urllib3's, which raises PermissionDenied for what is near, unless `reaches_local`."""
    found = PoolManager(**options)
    told = {"reaches_local": reaches_local, "deadline": deadline}
    plain, secure = (type(kind.__name__, (kind,), told) for kind in (_Connection, _SecureConnection))
    found.pool_classes_by_scheme = {
        "http": type("_Pool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("_SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }
    return found


def _answer(response: BaseHTTPResponse, deadline: _Deadline, most_bytes: int) -> Answer:
    found = b""
    while len(found) < most_bytes:
        try:
            part = response.read1(most_bytes - len(found))
        except (HTTPError, OSError):
            if not deadline.is_over:
                raise
            break
        if not part:
            break
        found += part
    return Answer(response.status, found, deadline.is_over and len(found) < most_bytes, response.headers)


def is_near(address: str) -> bool:
    """Whether an IP address is this host's, or one of its neighbourhood."""
    found: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        found = _within(found)
    if not found.is_global or found.is_multicast or found in _TRANSLATED_NEAR:
        return True
    return _is_ours(str(found))


def _within(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that packets to an IPv6 one get to in the end, if it is of that kind."""
    if any(address in network for network in _IPV4_AT_THE_END):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_ours(address: str) -> bool:
    """Nobody can be bound to the address of another host."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
        return True


class _Deadline:
    """Cuts the connections that it holds once its time is over; a thread waits for that until its block is left."""

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self._held: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            while self._held:
                self._held.pop().close()

    def hold(self, connection: socket.socket) -> None:
        """A descriptor of its own, since TLS takes the given one away, for its handshake already."""
        with self._lock:
            self._held.append(connection.dup())
        if self.is_over:
            self._cut()

    def check(self, error: Exception | None = None) -> None:
        """Raises TimeoutError when it is over."""
        if self.is_over:
            raise TimeoutError("there was no answer in time") from error

    def _cut(self) -> None:
        self.is_over = True
        with self._lock:
            for connection in self._held:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class _Connection(HTTPConnection):
    """Connects to no address but those that were found to be far, unless it `reaches_local`."""

    reaches_local = False
    deadline: _Deadline | None = None

    def _new_conn(self) -> socket.socket:
        found = self._connected()
        if self.deadline is not None:
            self.deadline.hold(found)
        return found

    def _connected(self) -> socket.socket:
        name, failure = self._dns_host, None
        for address in self._addresses():
            if self.deadline is not None and self.deadline.is_over:
                raise ConnectTimeoutError(self, f"Connection to {self.host} timed out.")
            self._dns_host = address
            try:
                return super()._new_conn()
            except (ConnectTimeoutError, NewConnectionError) as error:
                failure = error
            finally:
                self._dns_host = name  # which the certificate and the request's header are about
        assert failure is not None
        raise failure

    def _addresses(self) -> list[str]:
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except UnicodeError as error:  # as urllib3's own connections do
            raise LocationParseError(f"{self.host!r}, label empty or too long") from error
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        if not self.reaches_local and any(map(is_near, addresses)):
            raise PermissionDenied(
                f"{self.host} is this host or one of its neighbours: an administrator has to allow that it is reached"
            )
        return addresses


class _SecureConnection(_Connection, HTTPSConnection):
    pass
