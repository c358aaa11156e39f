"""From where this host fetches what a build names: files by URL, git repositories.

The host asks, not the build, so a Dockerfile must not become a way into the host: addresses of the host itself and of
its link are refused (a cloud's metadata lie there), and so are containers', which this host reaches on every network,
whoever's it is. Who runs the host may name servers that are near and are asked all the same (`PORTSIDE_NEAR_SOURCES`).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from engine.errors import PermissionDenied, Unavailable
from engine.network import firewall

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Reach:
    """`fenced`: networks that are not asked either, looked up anew each time; `near`: what is asked all the same, by
    name, `name:port` or as a network in CIDR form."""

    fenced: Callable[[], Collection[Subnet]] = tuple
    near: Sequence[str] = ()

    def addresses(self, host: str, port: int) -> list[str]:
        """Those of `host` that may be asked; connect to these alone. Raises `PermissionDenied` if there is none,
        `Unavailable` for a name that can't be resolved."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Unavailable(f"the name {host[:200]} can't be resolved: {error}") from error
        every = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        allowed = self.allowed(host, port, every)
        if not allowed:
            raise refused(host)
        return allowed

    def allowed(self, host: str, port: int, addresses: Sequence[str]) -> list[str]:
        """Those of a host's `addresses` that may be asked."""
        fenced = self.fenced()
        return [one for one in addresses if self._is_named(host, port, one) or not _is_near_text(one, fenced)]

    def near_by_name(self, host: str, port: int) -> bool:
        """Whether `host`, a name or a literal address, is listed as near: no name is resolved for that."""
        try:
            address = str(ipaddress.ip_address(host))
        except ValueError:
            address = ""
        return self._is_named(host, port, address)

    def _is_named(self, host: str, port: int, address: str) -> bool:
        for listed in self.near:
            if listed in (host, f"{host}:{port}", f"[{host}]:{port}"):
                return True
            try:
                network = ipaddress.ip_network(listed, strict=False)
            except ValueError:
                continue
            if address and any(one in network for one in _meanings(address)):
                return True
        return False


def refused(host: str) -> PermissionDenied:
    """What is said of a host that is not asked."""
    return PermissionDenied(
        f"{host[:200]} is an address of the build's host itself, of its link or of containers on it, of which nothing "
        "is fetched: name another server, or have the host's administrator list it in PORTSIDE_NEAR_SOURCES",
        {"host": host[:200]},
    )


def _is_near_text(text: str, fenced: Collection[Subnet]) -> bool:
    return any(_is_near(one, fenced) for one in _meanings(text))


def _meanings(text: str) -> list[Address]:
    """The address, and an IPv4 one that it stands for (RFC 4291, 3056, 6052)."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    inner = address.ipv4_mapped or address.sixtofour
    if address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return [address] if inner is None else [address, inner]


def _is_near(address: Address, fenced: Collection[Subnet]) -> bool:
    if address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast:
        return True
    secret = firewall.IPV6.secrets if address.version == 6 else firewall.IPV4.secrets
    return any(address in subnet for subnet in (*secret, *fenced)) or _is_ours(address)


def _is_ours(address: Address) -> bool:
    """To its own addresses, a host speaks from the same one. Nothing is sent."""
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return ipaddress.ip_address(str(probe.getsockname()[0]).partition("%")[0]) == address
    except OSError:  # no way leads there, or this kernel has no IPv6
        return False
