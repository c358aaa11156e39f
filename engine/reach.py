"""Connections that lead out, and nowhere near: a name's addresses are looked at, then one of these is connected to.

So it doesn't matter what a name stands for in a moment, nor where a redirect leads; and whoever may store an address
learns nothing of the neighbourhood: what is near is refused in the same words whether something listens there or not.
What is near: this host and its own addresses, its neighbours (private and link-local networks, among them clouds'
metadata), what is no unicast.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from engine.errors import PermissionDenied

_IPV4_AT_THE_END = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
"""Translated on the way (RFC 6052, section 2.1), and written so once (RFC 4291, section 2.5.5.1)."""
_TRANSLATED_NEAR = ipaddress.IPv6Network("64:ff9b:1::/48")
"""By whoever runs the network, to whatever is in it (RFC 8215)."""


def manager(*, reaches_local: bool, **options: Any) -> PoolManager:
    """As urllib3's, which raises PermissionDenied for what is near, unless `reaches_local`."""
    found = PoolManager(**options)
    if not reaches_local:
        found.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return found


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


class _Far(HTTPConnection):
    """Connects to no address but those that were found to be far."""

    def _new_conn(self) -> socket.socket:
        name, failure = self._dns_host, None
        for address in self._far_addresses():
            self._dns_host = address
            try:
                return super()._new_conn()
            except (ConnectTimeoutError, NewConnectionError) as error:
                failure = error
            finally:
                self._dns_host = name  # which the certificate and the request's header are about
        assert failure is not None
        raise failure

    def _far_addresses(self) -> list[str]:
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        if any(map(is_near, addresses)):
            raise PermissionDenied(
                f"{self.host} is this host or one of its neighbours: an administrator has to allow that it is reached"
            )
        return addresses


class _SecureFar(_Far, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Far


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureFar
