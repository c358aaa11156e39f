"""Which name leads to which addresses: told by the warden, asked for each question, and seen from the asker's networks.

As in Docker, names are a container's name, its short id, its host name and its aliases on a network; `NAME.NETWORK` is
one too. Who has a name that others have as well shares it. Only containers that run are answered with; the name of one
that rests is known not to be there, and nobody outside is asked for it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.network.dns import message

_V4, _V6 = ".in-addr.arpa", ".ip6.arpa"


class Found(NamedTuple):
    """`code` and records for an answer of ours."""

    code: int
    records: list[tuple[int, bytes]]


class Place(NamedTuple):
    """A container on one network: `names` in lower case."""

    network: str
    network_name: str
    is_internal: bool
    subnets: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    records: tuple[tuple[int, bytes], ...]
    names: tuple[str, ...]


class Entry(NamedTuple):
    """What the warden tells of a container. `servers`: the name servers that were chosen for it; `links`: what it
    alone calls others → a name of theirs.
    """

    id: str
    name: str
    is_running: bool
    servers: tuple[str, ...]
    places: tuple[Place, ...]
    has_ndots: bool
    links: Mapping[str, str]

    @classmethod
    def read(cls, told: dict[str, Any]) -> Entry:
        """The reverse of `engine.network.dns.records.told`."""
        places = tuple(
            Place(
                place["network"],
                place["network_name"].lower(),
                place["internal"],
                tuple(ipaddress.ip_network(subnet) for subnet in place["subnets"]),
                tuple(_record(address) for address in place["addresses"]),
                tuple(dict.fromkeys(name.lower() for name in place["names"])),
            )
            for place in told["places"]
        )
        return cls(
            told["id"],
            told["name"],
            told["running"],
            tuple(told["servers"]),
            places,
            told["ndots"],
            told.get("links", {}),
        )


class Names:
    """All containers that are on networks of a name."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._by_name: dict[tuple[str, str], dict[str, Place]] = {}  # network, name → container → its place
        self._by_address: dict[tuple[str, bytes], Entry] = {}

    def entry(self, container_id: str) -> Entry | None:
        return self._entries.get(container_id)

    def ids(self) -> list[str]:
        return list(self._entries)

    def put(self, entry: Entry) -> None:
        """Take in what is told of a container, instead of what was told before."""
        self.drop(entry.id)
        self._entries[entry.id] = entry
        for place in entry.places:
            for name in place.names:
                self._by_name.setdefault((place.network, name), {})[entry.id] = place
            if entry.is_running:
                for _, address in place.records:
                    self._by_address[place.network, address] = entry

    def drop(self, container_id: str) -> None:
        entry = self._entries.pop(container_id, None)
        for place in () if entry is None else entry.places:
            for name in place.names:
                sharers = self._by_name[place.network, name]
                sharers.pop(container_id, None)
                if not sharers:
                    del self._by_name[place.network, name]
            for _, address in place.records:
                owner = self._by_address.get((place.network, address))
                if owner is not None and owner.id == container_id:
                    del self._by_address[place.network, address]

    def find(self, asker: Entry, name: str, kind: int) -> Found | None:
        """The answer for a question of `asker`; None: it is no name of ours, so others may know."""
        if name.endswith((_V4, _V6)):
            return self._reverse(asker, name, kind)
        name = _meant(asker, name)
        is_known = False
        for place in asker.places:
            sharers = self._by_name.get((place.network, name))
            if sharers is None and name.endswith(f".{place.network_name}"):
                sharers = self._by_name.get((place.network, name[: -len(place.network_name) - 1]))
            if sharers is None:
                continue
            is_known = True
            there = [one for container_id, one in sharers.items() if self._entries[container_id].is_running]
            if there:
                wanted = (message.A, message.AAAA) if kind == message.ANY else (kind,)
                return Found(
                    message.NOERROR, [record for one in there for record in one.records if record[0] in wanted]
                )
        return Found(message.NXDOMAIN, []) if is_known else None

    def _reverse(self, asker: Entry, name: str, kind: int) -> Found | None:
        address = _address_of(name)
        if address is None:
            return None
        for place in asker.places:
            if any(address in subnet for subnet in place.subnets):
                owner = self._by_address.get((place.network, address.packed))
                if owner is None:
                    return Found(message.NXDOMAIN, [])
                network = next(one.network_name for one in owner.places if one.network == place.network)
                record = (message.PTR, message.encode(f"{owner.name}.{network}"))
                return Found(message.NOERROR, [record] if kind in (message.PTR, message.ANY) else [])
        return None


def _meant(asker: Entry, name: str) -> str:
    """What `name`, possibly with its network, is called by all others if `asker` has a name of its own for it."""
    for end in ("", *(f".{place.network_name}" for place in asker.places)):
        if name.endswith(end) and (own := asker.links.get(name.removesuffix(end))):
            return own + end
    return name


def _record(address: str) -> tuple[int, bytes]:
    parsed = ipaddress.ip_address(address)
    return (message.A if parsed.version == 4 else message.AAAA), parsed.packed


def _address_of(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """What `4.3.2.1.in-addr.arpa` or its longer sister stands for; None for a part of an address, or nonsense."""
    try:
        if name.endswith(_V4):
            return ipaddress.IPv4Address(".".join(reversed(name.removesuffix(_V4).split("."))))
        digits = name.removesuffix(_V6).split(".")
        if len(digits) != 32 or any(len(digit) != 1 for digit in digits):
            return None
        return ipaddress.IPv6Address(int("".join(reversed(digits)), 16))
    except ValueError:
        return None
